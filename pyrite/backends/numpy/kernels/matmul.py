"""Matrix products: panels cut by shape on Pyrite's threads, each by single-threaded BLAS.

BLAS keeps threads of its own; two pools that both spin while they wait slow each other ten times.
So BLAS is at one thread during the call, and at what it was before outside.
"""

from __future__ import annotations

import ctypes
import os
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from . import _math as m
from ._jit import Loop, Matrix, Vector, loop
from ._registry import F32, F64, Array, kernel, rows

BOTH = ("float32", "float64")
SMALL = 1 << 18  # multiply-adds up to which OpenBLAS works on one thread
PANEL = 128  # rows or columns of a panel, at least


@loop(kinds=BOTH)
def row_panels(
    gemm: int, a: Matrix, b: Matrix, ta: bool, tb: bool, out: Matrix, lo: int, hi: int
) -> None:  # fmt: skip
    depth = a.shape[0] if ta else a.shape[1]
    at = (a, 0, lo) if ta else (a, lo, 0)
    m.gemm(gemm, (ta, tb, False), (hi - lo, out.shape[1], depth), at, (b, 0, 0), (out, lo, 0))


@loop(kinds=BOTH)
def column_panels(
    gemm: int, a: Matrix, b: Matrix, ta: bool, tb: bool, out: Matrix, lo: int, hi: int
) -> None:  # fmt: skip
    depth = a.shape[0] if ta else a.shape[1]
    at = (b, lo, 0) if tb else (b, 0, lo)
    m.gemm(gemm, (ta, tb, False), (out.shape[0], hi - lo, depth), (a, 0, 0), at, (out, 0, lo))


@loop(kinds=BOTH)
def add_bias(bias: Vector, out: Matrix, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        row = out[r]
        for j in range(row.size):
            row[j] += bias[j]


class Blas:
    """The OpenBLAS inside NumPy's wheel: addresses of its gemm's, and its thread count."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.gemm = {
            kind: ctypes.cast(library[f"scipy_cblas_{letter}gemm64_"], ctypes.c_void_p).value
            for kind, letter in ((F32, "s"), (F64, "d"))
        }
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


def _plain(x: Array) -> tuple[Array, bool] | None:
    """(x, False) where x is C-contiguous, (its transpose, True) where that is, else None."""
    if x.flags.c_contiguous:
        return x, False
    return (x.T, True) if x.flags.f_contiguous else None


def product(a: Array, b: Array, bias: Array | None = None) -> Any:
    """Compute a @ b + bias for matrices of one floating type, each contiguous or transposed so."""
    library = blas()
    height, width = a.shape[0], b.shape[1]
    if library is None or height * width * a.shape[1] <= SMALL or a.shape[1] != b.shape[0]:
        return NotImplemented
    left, right, gemm = _plain(a), _plain(b), library.gemm.get(a.dtype)
    if left is None or right is None or gemm is None or a.dtype is not b.dtype:
        return NotImplemented
    if bias is not None and not (bias.dtype is a.dtype and bias.shape == (width,)):
        return NotImplemented
    out, double = np.empty((height, width), a.dtype), a.dtype is F64
    n, run = max(height, width), row_panels if height >= width else column_panels
    panel = max(PANEL, -(-n // 256) * 16)
    library.run(run[double], n, panel, gemm, left[0], right[0], left[1], right[1], out)
    if bias is not None:
        add_bias[double](height, rows(height, width), np.ascontiguousarray(bias), out)
    return out


def _rows(x: Array) -> Array | None:
    """As a matrix, all dimensions but the last as one; None where that takes a copy."""
    if x.ndim == 2:
        return x
    return x.reshape(-1, x.shape[-1]) if x.size and x.flags.c_contiguous and x.ndim > 2 else None


@kernel("matmul", 128)
def matmul(input: Array, other: Array) -> Any:
    if other.ndim != 2 or (x := _rows(input)) is None:
        return NotImplemented
    out = product(x, other)
    return out if out is NotImplemented else out.reshape(*input.shape[:-1], other.shape[1])


@kernel("linear", 128)
def linear(input: Array, weight: Array, bias: Array | None = None) -> Any:
    if weight.ndim != 2 or (x := _rows(input)) is None:
        return NotImplemented
    out = product(x, weight.T, bias)
    return out if out is NotImplemented else out.reshape(*input.shape[:-1], weight.shape[0])


@kernel("linear_grad_weight", 128)
def linear_grad_weight(grad: Array, input: Array) -> Any:
    g, x = _rows(grad), _rows(input)
    return NotImplemented if g is None or x is None else product(g.T, x)
