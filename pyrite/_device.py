"""Devices: `device` objects and the default device."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from types import TracebackType
from typing import Any

# Names that device strings may carry; `backends.register` adds those of other packages.
KNOWN = {"cpu", "cuda", "meta"}
_PATTERN = re.compile(r"([a-z_]+)(?::(\d+))?")


class device:
    """Where a tensor lives: `device("cpu")`, `device("cuda", 1)`, `device("cuda:1")`.

    Also a context manager and decorator that sets the default device of new tensors.
    RuntimeError for a string that names no device.
    """

    __slots__ = ("type", "index")

    type: str
    index: int | None

    def __init__(self, type: str | device | int, index: int | None = None) -> None:
        if isinstance(type, device):
            self.type, self.index = type.type, type.index
            return
        if isinstance(type, int):
            self.type, self.index = "cuda", type
            return
        if not isinstance(type, str):
            raise TypeError(f"device() wants a string or a device, got {type!r}")
        match = _PATTERN.fullmatch(type)
        if match is None or match[1] not in KNOWN:
            raise RuntimeError(
                f"Expected one of {', '.join(sorted(KNOWN))} device type at start of device "
                f"string: {type}"
            )
        if match[2] is not None and index is not None:
            raise RuntimeError(
                "type (string) must not include an index because index was passed explicitly: "
                f"{type}"
            )
        self.type = match[1]
        self.index = int(match[2]) if match[2] is not None else index

    def __repr__(self) -> str:
        tail = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{tail})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple[Any, ...]:
        return (device, (self.type,) if self.index is None else (self.type, self.index))

    def __enter__(self) -> device:
        _local.stack = (*_local.stack, self)
        return self

    def __exit__(self, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        _local.stack = _local.stack[:-1]


@lru_cache
def place_of(type: str, index: int | None) -> device:
    """The device of this name and number, made once."""
    return device(type, index)


class _Local(threading.local):
    stack: tuple[device, ...] = ()


_local = _Local()
CPU = device("cpu")
_process_default = [CPU]


def set_default_device(device_: device | str | None) -> None:
    """Where factories put new tensors from now on; None sets the CPU again."""
    _process_default[0] = CPU if device_ is None else device(device_)


def get_default_device() -> device:
    """The device that factories use when none is given."""
    return _local.stack[-1] if _local.stack else _process_default[0]


def as_device(value: Any) -> device:
    """`value` as a device; None means the default device."""
    if value is None:
        return get_default_device()
    return value if isinstance(value, device) else device(value)
