"""`pyrite.cpu`: the host under the names that `pyrite.cuda` has."""

from __future__ import annotations

from typing import Any

from . import amp as amp

__all__ = ["amp", "current_device", "device_count", "is_available", "synchronize"]


def is_available() -> bool:
    """Whether the host can compute: always."""
    return True


def device_count() -> int:
    """The number of hosts: one."""
    return 1


def current_device() -> str:
    """The name of the only device."""
    return "cpu"


def synchronize(device: Any = None) -> None:
    """Wait for queued work: on the host every call has finished when it returns."""


def set_device(device: Any) -> None:
    """Choose the host, which is the only device."""
