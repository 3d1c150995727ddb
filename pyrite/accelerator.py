"""`pyrite.accelerator`: the GPU under a name that holds on every kind of machine."""

from __future__ import annotations

from types import TracebackType
from typing import Any

from . import backends, cuda
from ._device import device
from .cuda import (
    device_count,
    is_available,
    memory_allocated,
    memory_reserved,
    synchronize,
)

__all__ = [
    "current_accelerator", "current_device_idx", "current_device_index", "device_count",
    "device_index", "empty_cache", "is_available", "memory_allocated", "memory_reserved",
    "set_device_idx", "set_device_index", "synchronize",
]  # fmt: skip


def current_accelerator(check_available: bool = False) -> device | None:
    """The kind of accelerator as a device without index; None where there is none."""
    return device("cuda") if backends.available("cuda") else None


def empty_cache() -> None:
    """Give unused pooled memory back: the GPU's, and that of the CPU's storage pool."""
    cuda.empty_cache()
    backends.get("cpu").empty_cache()


def current_device_index() -> int:
    """The index of the current accelerator."""
    return cuda.current_device()


def set_device_index(device: Any) -> None:
    """Make an accelerator the current one; negative indices change nothing."""
    if not isinstance(device, int) or device >= 0:
        cuda.set_device(device)


current_device_idx, set_device_idx = current_device_index, set_device_index


class device_index:
    """A context manager that makes an accelerator the current one; None changes nothing."""

    def __init__(self, device: int | None) -> None:
        self.index = device
        self._before = -1

    def __enter__(self) -> None:
        if self.index is not None:
            self._before = current_device_index()
            set_device_index(self.index)

    def __exit__(self, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.index is not None:
            set_device_index(self._before)
