"""`class Backend`: all that Pyrite asks of an array library beside its array module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._dtypes import dtype


class Unavailable(Exception):
    """Raised by a kernel that cannot run here; the generic kernel serves."""


class Backend(ABC):
    """One array library on one kind of device. Everything else is `xp` plus kernels.

    Attributes:
        name: the device type that selects it ("cpu", "cuda", ...).
        xp: its array module (NumPy's function names).
        array_type: the class of its arrays.
    """

    name: str
    xp: Any
    array_type: type

    @abstractmethod
    def asarray(self, value: Any, kind: np.dtype[Any] | None = None) -> Any:
        """An array of this backend from its own arrays, scalars of them, or Python numbers."""

    @abstractmethod
    def to_host(self, array: Any) -> np.ndarray[Any, Any]:
        """The values as a NumPy array (shares memory where it can)."""

    @abstractmethod
    def from_host(self, array: np.ndarray[Any, Any]) -> Any:
        """An array of this backend from a NumPy array (shares memory where it can)."""

    @abstractmethod
    def empty(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> Any:
        """An uninitialised C-contiguous array."""

    def copy_into(self, target: Any, source: Any) -> None:
        """Write `source`, broadcast and cast, into the memory of `target`."""
        target[...] = source

    def is_available(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self, array: Any = None) -> int | None:
        """The index of `array`'s device, or of the current one; None where there is only one."""
        return None

    def set_device(self, index: int | None) -> None:
        """Make device `index` the current one."""

    def synchronize(self) -> None:
        """Wait until all queued work is done."""

    def stream(self, **options: Any) -> Any:
        """A new stream of this device, None where work is not queued."""
        return None

    def event(self, **options: Any) -> Any:
        """A new event of this device, None where work is not queued."""
        return None

    def memory_stats(self) -> dict[str, int]:
        """Bytes: allocated, peak, reserved."""
        return {}

    def empty_cache(self) -> None:
        """Give unused pooled memory back."""

    def supports(self, kind: dtype) -> bool:
        return True

    def kernels(self) -> Mapping[str, Callable[..., Any]]:
        """Kernels by op name; each may return NotImplemented to leave a call to the generic."""
        return {}

    def shortcut(self, name: str, bound: Callable[..., Any]) -> Callable[..., Any]:
        """`bound`, the function of op `name`, or a quicker one before it for calls it can serve."""
        return bound

    def fusion(self) -> Any:
        """What makes one kernel of several pointwise ops (`expression`, `fuse`); None: nothing."""
        return None
