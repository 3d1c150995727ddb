"""`@kernel`: how a function becomes the kernel of an op, and tests that kernels share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

import numpy as np

from .._pool import empty as empty
from .._pool import like as like
from ._jit import Loop

Array: TypeAlias = np.ndarray[Any, Any]
Function = TypeVar("Function", bound=Callable[..., Any])

F32, F64, I64 = np.dtype("float32"), np.dtype("float64"), np.dtype("int64")
KERNELS: dict[str, Callable[..., Any]] = {}


def kernel(name: str, min_size: int = 0) -> Callable[[Function], Function]:
    """Register a kernel for op `name`; its first array must have `min_size` elements."""

    def register(function: Function) -> Function:
        function.min_size = min_size  # type: ignore[attr-defined]
        KERNELS[name] = function
        return function

    return register


def dense(array: Array) -> bool:
    """Whether an array is float32 and C-contiguous, so that `reshape` makes a view of it."""
    return array.dtype is F32 and array.flags.c_contiguous


def part(n: int) -> int:
    """Elements per part of a pointwise loop: some microseconds of work, 32 parts at most.

    Parts are cut by size alone: no result depends on the number of threads.
    """
    return max(8192, -(-n // 512) * 16)


def rows(n: int, width: int) -> int:
    """Rows per part where each of `n` rows costs `width` elements."""
    return max(1, part(n * width) // max(width, 1))


def of_kind(loops: tuple[Loop, Loop], array: Array) -> Loop | None:
    """The float32 or float64 loop for a C-contiguous array, else None."""
    if not array.flags.c_contiguous:
        return None
    return loops[0] if array.dtype is F32 else loops[1] if array.dtype is F64 else None
