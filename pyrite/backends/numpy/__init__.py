"""The CPU backend: NumPy arrays, generic kernels, and Numba kernels where Numba is present."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .._base import Backend
from ._pool import POOL, empty


class NumpyBackend(Backend):
    """CPU arrays."""

    name = "cpu"
    xp = np
    array_type = np.ndarray

    def asarray(self, value: Any, kind: np.dtype[Any] | None = None) -> np.ndarray[Any, Any]:
        return np.asarray(value, kind)

    def to_host(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array

    def from_host(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array

    def empty(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> np.ndarray[Any, Any]:
        return empty(shape, kind)

    def memory_stats(self) -> dict[str, int]:
        return POOL.stats()

    def empty_cache(self) -> None:
        POOL.clear()

    def kernels(self) -> Mapping[str, Callable[..., Any]]:
        from .kernels import KERNELS

        return KERNELS

    def shortcut(self, name: str, bound: Callable[..., Any]) -> Callable[..., Any]:
        from .kernels._small import shortcut

        return shortcut(name, bound)

    def fusion(self) -> Any:
        from .kernels import _jit, fused

        return fused if _jit.available() else None
