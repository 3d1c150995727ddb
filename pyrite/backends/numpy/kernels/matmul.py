"""Matrix products: float32 by `_gemm`; float64 in panels, each by single-threaded BLAS.

BLAS keeps threads of its own; two pools that both spin while they wait slow each other ten times.
So BLAS is at one thread during the call, and at what it was before outside.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
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
    if not (a.dtype is F64 and b.dtype is F64 and _fits(bias, F64, width)):
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


def _fits(bias: Array | None, kind: np.dtype[Any], width: int) -> bool:
    return bias is None or (bias.dtype is kind and bias.shape == (width,))


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


@kernel("matmul")
def matmul(input: Array, other: Array) -> Any:
    if input.ndim < 2 or other.ndim < 2:
        return NotImplemented
    *front, depth, width = other.shape
    if (front and input.shape[:-2] != other.shape[:-2]) or input.shape[-1] != depth:
        return NotImplemented
    if input.dtype is not F32 or other.dtype is not F32:
        return by_blas(input, other)
    shape = (*input.shape[:-1], width)
    if not input.size or not width:
        return NotImplemented
    if not front:
        sizes = 1, input.size // depth, width, depth
        return _gemm.product(*_rows(input), *_rows(other), None, shape, sizes)
    sizes = prod(front), input.shape[-2], width, depth
    return _gemm.product(*_plain(input), *_plain(other), None, shape, sizes)


@kernel("linear")
def linear(input: Array, weight: Array, bias: Array | None = None) -> Any:
    if input.ndim < 2 or weight.ndim != 2:
        return NotImplemented
    if input.dtype is not F32 or weight.dtype is not F32:
        return by_blas(input, weight.T, bias)
    (width, depth), shape = weight.shape, input.shape
    if shape[-1] != depth or not input.size or not width or not _fits(bias, F32, width):
        return NotImplemented
    (x, tx), (w, turned) = _rows(input), _rows(weight)
    if bias is not None:
        bias = np.ascontiguousarray(bias)
    sizes = 1, input.size // depth, width, depth
    return _gemm.product(x, tx, w, not turned, bias, (*shape[:-1], width), sizes)


@kernel("linear_grad_weight")
def linear_grad_weight(grad: Array, input: Array) -> Any:
    if grad.ndim < 2 or not grad.size or not input.size:
        return NotImplemented
    height, width = shape = grad.shape[-1], input.shape[-1]
    depth = grad.size // height
    if input.size != depth * width:
        return NotImplemented
    if grad.dtype is not F32 or input.dtype is not F32:
        return by_blas(grad.reshape(-1, height).T, input.reshape(-1, width))
    (g, turned), (x, tx) = _rows(grad), _rows(input)
    return _gemm.product(g, not turned, x, tx, None, shape, (1, height, width, depth))
