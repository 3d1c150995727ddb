"""`pyrite.cuda`: the GPU from a program's point of view; quiet where there is none."""

from __future__ import annotations

from typing import Any

from .. import backends
from .._composites.tensor_types import TYPES as _TYPES
from .._device import device
from ..random import manual_seed as _seed_all
from . import amp as amp

__all__ = [
    "amp", "current_device", "device_count", "empty_cache", "is_available", "manual_seed",
    "manual_seed_all", "memory_allocated", "memory_reserved", "set_device", "synchronize",
]  # fmt: skip

globals().update(_TYPES["cuda"])


def is_available() -> bool:
    """Whether a GPU can be used now; never raises."""
    return backends.available("cuda")


def device_count() -> int:
    """The number of GPUs, 0 without CuPy or a driver."""
    return backends.get("cuda").device_count() if is_available() else 0


def current_device() -> int:
    """The index of the current GPU; an error that names the extra without one."""
    return backends.get("cuda").current_device() or 0


def set_device(device: Any) -> None:
    """Make a GPU the current one."""
    backends.get("cuda").set_device(_index(device))


def _index(value: Any) -> int | None:
    return value if isinstance(value, int) or value is None else device(value).index


def synchronize(device: Any = None) -> None:
    """Wait until all queued work of the current GPU is done."""
    backends.get("cuda").synchronize()


def empty_cache() -> None:
    """Give unused pooled memory back to the driver."""
    if is_available():
        backends.get("cuda").empty_cache()


def _memory(key: str) -> int:
    return backends.get("cuda").memory_stats().get(key, 0) if is_available() else 0


def memory_allocated(device: Any = None) -> int:
    """Bytes in use by tensors; 0 without a GPU."""
    return _memory("allocated")


def memory_reserved(device: Any = None) -> int:
    """Bytes held by the memory pool; 0 without a GPU."""
    return _memory("reserved")


def manual_seed(seed: int) -> None:
    """Seed the generator, which serves every device."""
    _seed_all(seed)


def manual_seed_all(seed: int) -> None:
    """Seed the generator, which serves every device."""
    _seed_all(seed)
