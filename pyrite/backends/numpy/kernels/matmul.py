"""Matrix products: float32 by `_gemm`; float64 in panels, each by single-threaded BLAS.

BLAS keeps threads of its own; two pools that both spin while they wait slow each other ten times.
So BLAS is at one thread during the call, and at what it was before outside.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache, lru_cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from . import _gemm
from . import _math as m
from ._jit import Ints, Loop, Matrix, Vector, loop
from ._registry import F32, F64, Array, empty, kernel

SMALL = 1 << 18  # multiply-adds up to which OpenBLAS works on one thread
PANEL = 256  # rows or columns of a panel: BLAS packs the other operand anew for each


@loop(kinds=("float64",))
def products(
    gemm: int, a: Matrix, b: Matrix, bias: Vector, out: Matrix, plan: Ints, lo: int, hi: int
) -> None:
    """Panels of a batch of products, whose matrices lie below one another in a, b and out."""
    down, across, height, width, depth, rows, cols, b_step = plan[2:]
    ta, tb = plan[0] == 1, plan[1] == 1
    for t in range(lo, hi):
        n, i, j = t // (down * across), t // across % down * rows, t % across * cols
        h, w = min(rows, height - i), min(cols, width - j)
        left = (a, n * depth, i) if ta else (a, n * height + i, 0)
        right = (b, n * b_step + j, 0) if tb else (b, n * b_step, j)
        m.gemm(gemm, (ta, tb, False), (h, w, depth), left, right, (out, n * height + i, j))
        if bias.size:
            for r in range(n * height + i, n * height + i + h):
                row, shift = out[r, j : j + w], bias[j : j + w]
                for c in range(w):
                    row[c] += shift[c]


class Blas:
    """The OpenBLAS inside NumPy's wheel: its float64 product's address, and its thread count."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.gemm = ctypes.cast(library.scipy_cblas_dgemm64_, ctypes.c_void_p).value
        self.set_threads = library.scipy_openblas_set_num_threads64_
        self.get_threads = library.scipy_openblas_get_num_threads64_

    def run(self, loop: Loop, *args: Any) -> None:
        """Call a loop whose parts call BLAS: at one thread meanwhile."""
        before = self.get_threads()
        self.set_threads(1)
        try:
            loop(*args)
        finally:
            self.set_threads(before)


@cache
def blas() -> Blas | None:
    """NumPy's own OpenBLAS; None where NumPy was built on another BLAS."""
    root = Path(np.__file__).parent
    for folder in (root.parent / "numpy.libs", root / ".dylibs"):
        for path in sorted(folder.glob("*openblas64_*")):
            try:
                return Blas(ctypes.CDLL(os.fspath(path)))
            except (OSError, AttributeError):
                continue
    return None


def _panel(size: int) -> int:
    """How long to cut the panels of a side, by its length alone."""
    return max(PANEL if size >= 2 * PANEL else -(-size // 32) * 16, -(-size // 256) * 16)


def by_blas(a: Array, b: Array, bias: Array | None = None) -> Any:
    """Compute a @ b + bias in float64: (..., m, k) by (k, n), or by (..., k, n) of one batch."""
    library, (*front, depth, width) = blas(), b.shape
    height, batch = (a.shape[-2], prod(front)) if front else (prod(a.shape[:-1]), 1)
    if library is None or batch * height * width * depth <= SMALL or a.shape[-1] != depth:
        return NotImplemented
    if not (a.dtype is F64 and b.dtype is F64 and (bias is None or _fits(bias, F64, width))):
        return NotImplemented
    (left, ta), (right, tb) = _plain(a), _plain(b)
    out = empty((*a.shape[:-1], width), F64)
    rows, cols = height, width
    if height * width * depth > 2 * SMALL:
        rows, cols = (_panel(height), width) if height >= width else (height, _panel(width))
    down, across = -(-height // rows), -(-width // cols)
    step = 0 if b.ndim == 2 else width if tb else depth
    plan = np.array([ta, tb, down, across, height, width, depth, rows, cols, step])
    shift = np.empty(0, F64) if bias is None else np.ascontiguousarray(bias)
    chunk = max(1, SMALL // (rows * cols * depth))
    library.run(products, batch * down * across, chunk, library.gemm, left, right, shift, out, plan)
    return out


def _plain(x: Array) -> tuple[Array, bool]:
    """Its matrices below one another, and whether they are transposed; a copy where it must."""
    if x.flags.c_contiguous:
        return x, False
    turned = x.swapaxes(-1, -2)
    return (turned, True) if turned.flags.c_contiguous else (np.ascontiguousarray(x), False)


def _rows(x: Array) -> tuple[Array, bool]:
    """One matrix, all dimensions but the last being its rows; else as `_plain`."""
    flags = x.flags
    if flags.c_contiguous:
        return x, False
    return (x.T, True) if x.ndim == 2 and flags.f_contiguous else (np.ascontiguousarray(x), False)


def _fits(bias: Array, kind: np.dtype[Any], width: int) -> bool:
    return bias.dtype is kind and bias.shape == (width,)


Sizes = tuple[tuple[int, ...], tuple[int, int, int, int]]


@lru_cache(1024)
def _sizes(a: tuple[int, ...], b: tuple[int, ...]) -> Sizes | None:
    """Of a @ b the shape, and what `_gemm.product` takes; None for what it does not serve."""
    *front, depth, width = b if len(b) > 1 else (0, 0)
    if len(a) < 2 or a[-1] != depth or (front and a[:-2] != b[:-2]) or not prod(a) * width:
        return None
    rows = a[-2] if front else prod(a[:-1])
    return (*a[:-1], width), (prod(front), rows, width, depth)


@lru_cache(1024)
def _layer_sizes(a: tuple[int, ...], weight: tuple[int, ...]) -> Sizes | None:
    return _sizes(a, weight[::-1]) if len(weight) == 2 else None


@lru_cache(1024)
def _weight_sizes(grad: tuple[int, ...], a: tuple[int, ...]) -> Sizes | None:
    if len(grad) < 2 or len(a) < 2:
        return None
    return _sizes((grad[-1], prod(grad[:-1])), (prod(a[:-1]), a[-1]))


@kernel("matmul")
def matmul(input: Array, other: Array) -> Any:
    if (sizes := _sizes(input.shape, other.shape)) is None:
        return NotImplemented
    if input.dtype is not F32 or other.dtype is not F32:
        return by_blas(input, other)
    lay = _rows if other.ndim == 2 else _plain
    return _gemm.product(*lay(input), *lay(other), None, *sizes)


@kernel("linear")
def linear(input: Array, weight: Array, bias: Array | None = None) -> Any:
    if (sizes := _layer_sizes(input.shape, weight.shape)) is None:
        return NotImplemented
    if input.dtype is not F32 or weight.dtype is not F32:
        return by_blas(input, weight.T, bias)
    if bias is not None:
        if not _fits(bias, F32, weight.shape[0]):
            return NotImplemented
        if not bias.flags.c_contiguous:
            bias = np.ascontiguousarray(bias)
    (x, turned), (w, straight) = _rows(input), _rows(weight)
    return _gemm.product(x, turned, w, not straight, bias, *sizes)


@kernel("linear_grad_weight")
def linear_grad_weight(grad: Array, input: Array) -> Any:
    if (sizes := _weight_sizes(grad.shape, input.shape)) is None:
        return NotImplemented
    if grad.dtype is not F32 or input.dtype is not F32:
        grad, input = (x.reshape(-1, x.shape[-1]) for x in (grad, input))
        return by_blas(grad.T, input)
    (g, straight), (x, turned) = _rows(grad), _rows(input)
    return _gemm.product(g, not straight, x, turned, None, *sizes)
