"""Reductions over the whole array, the last dimensions, the first ones, or all but the second.

Sums are cut into runs of fixed length (`_math.total`), so they are as accurate as pairwise
summation and do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod, sqrt
from typing import Any

import numpy as np

from . import _math as m
from ._jit import Doubles, Ints, Loop, Matrix, Vector, loop
from ._registry import F64, I64, Array, empty, kernel, of_kind, part, rows

BOTH = ("float32", "float64")
MIN = 4096
BLOCK = 64  # rows whose columns are added up in the array's own type


@loop(kinds=BOTH)
def sum_parts(x: Vector, size: int, sums: Doubles, lo: int, hi: int) -> None:
    sums[lo // size] = m.total(x[lo:hi])


@loop(kinds=BOTH)
def sum_rows(x: Vector, width: int, divisor: float, out: Vector, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        out[r] = m.total(x[r * width : (r + 1) * width]) / divisor


@loop(kinds=BOTH)
def square_rows(
    x: Vector, width: int, centered: bool, means: Doubles, squares: Doubles, lo: int, hi: int
) -> None:
    """Per row (the last may be shorter) its mean, and the sum of squared distances from it.

    Not `centered`: 0, and the sum of squares.
    """
    for r in range(lo, hi):
        row = x[r * width : min((r + 1) * width, x.size)]
        center = x.dtype.type(m.total(row) / row.size if centered else 0.0)
        rest = m.deviations(row, center) if centered else 0.0  # what rounding the mean lost
        means[r] = center + rest / row.size
        squares[r] = m.squared_deviations(row, center) - rest * rest / row.size


@loop(kinds=BOTH)
def sum_columns(x: Matrix, sums: Matrix, lo: int, hi: int) -> None:
    for b in range(lo, hi):
        out = sums[b]
        for j in range(out.size):
            out[j] = 0
        for r in range(b * BLOCK, min((b + 1) * BLOCK, x.shape[0])):
            row = x[r]
            for j in range(out.size):
                out[j] += row[j]


@loop(kinds=BOTH)
def max_rows(x: Vector, width: int, out: Vector, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        out[r] = m.largest(x[r * width : (r + 1) * width])


@loop(kinds=BOTH)
def min_rows(x: Vector, width: int, out: Vector, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        out[r] = m.smallest(x[r * width : (r + 1) * width])


@loop(kinds=BOTH)
def argmax_rows(x: Vector, width: int, out: Ints, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        row = x[r * width : (r + 1) * width]
        best, at = row[0], 0
        for j in range(1, width):
            if row[j] > best or (row[j] != row[j] and best == best):
                best, at = row[j], j
        out[r] = at


@lru_cache(maxsize=4096)
def layout(shape: tuple[int, ...], dim: Any, keepdim: bool) -> Any:
    """How the reduced dimensions lie: (case, outer size, inner size, shape of the result).

    The case is "all", "rows" (the last dimensions), "columns" (the first), "channels" (all but
    the second), or None for any other.
    """
    n = len(shape)
    dims = range(n) if dim is None or dim == () else dim if isinstance(dim, tuple) else (dim,)
    if not all(-n <= d < n for d in dims):
        return None, 0, 0, ()
    gone = sorted({d % n for d in dims})
    out = tuple(
        1 if d in gone else s for d, s in enumerate(shape) if keepdim or d not in gone
    )  # fmt: skip
    k = len(gone)
    if k == 0 or len(gone) != len(list(dims)):
        return None, 0, 0, ()
    if k == n:
        return "all", 1, prod(shape), out
    if gone == list(range(n - k, n)):
        return "rows", prod(shape[: n - k]), prod(shape[n - k :]), out
    if gone == list(range(k)):
        return "columns", prod(shape[:k]), prod(shape[k:]), out
    if gone == [0, *range(2, n)]:
        return "channels", shape[0] * shape[1], prod(shape[2:]), out
    return None, 0, 0, ()


def add_up(input: Array, dim: Any, keepdim: bool, mean: bool) -> Any:
    """The sum or the mean over `dim`."""
    if input.size < MIN or of_kind(sum_rows, input) is None:
        return NotImplemented
    case, outer, inner, shape = layout(input.shape, dim, keepdim)
    if case is None:
        return NotImplemented
    count = input.size // max(prod(shape), 1) if mean else 1
    double = input.dtype is F64
    if case == "all":
        size = part(inner)
        sums = np.empty(-(-inner // size))
        sum_parts[double](inner, size, input.reshape(-1), size, sums)
        return np.asarray(sums.sum() / count, input.dtype).reshape(shape)
    if case == "columns":
        return _columns(input.reshape(outer, inner), count, shape)
    out = empty(outer, input.dtype)
    divisor = float(count) if case == "rows" else 1.0
    sum_rows[double](outer, rows(outer, inner), input.reshape(-1), inner, divisor, out)
    if case == "rows":
        return out.reshape(shape)
    return _columns(out.reshape(input.shape[:2]), count, shape)


def _columns(x: Array, count: int, shape: tuple[int, ...]) -> Any:
    """Column sums over `count`: blocks of rows in x's type, then their sums in float64."""
    blocks = -(-x.shape[0] // BLOCK)
    sums = empty((blocks, x.shape[1]), x.dtype)
    size = rows(blocks, BLOCK * x.shape[1])
    sum_columns[x.dtype is F64](blocks, size, x, sums)
    if blocks > 1 or count > 1:
        return (sums.sum(0, dtype=F64) / count).astype(x.dtype).reshape(shape)
    return sums.reshape(shape)


def add_squares(input: Array, dim: Any, keepdim: bool, correction: float | None, root: bool) -> Any:
    """The squares over `dim`: their sum (correction None), or the variance; or the root of it."""
    if input.size < MIN or of_kind(square_rows, input) is None:
        return NotImplemented
    case, outer, inner, shape = layout(input.shape, dim, keepdim)
    divisor = 1.0 if correction is None else float(inner - correction)
    if case not in ("all", "rows") or divisor <= 0:
        return NotImplemented
    centered, whole = correction is not None, case == "all"
    width = part(inner) if whole else inner
    count = -(-inner // width) if whole else outer
    means, squares = np.empty(count), np.empty(count)
    square_rows[input.dtype is F64](
        count, rows(count, width), input, width, centered, means, squares
    )  # fmt: skip
    if whole and count > 1:
        sizes = np.full(count, width)
        sizes[-1] = inner - (count - 1) * width
        mean = (means * sizes).sum() / inner
        squares = (squares + sizes * (means - mean) ** 2).sum() if centered else squares.sum()
    out = squares / divisor
    return np.asarray(np.sqrt(out) if root else out, input.dtype).reshape(shape)


def by_rows(loops: tuple[Loop, Loop], input: Array, dim: Any, keepdim: bool, widest: int) -> Any:
    """A reduction that has a loop for the last dimensions alone, of at most `widest` elements."""
    run = of_kind(loops, input)
    if input.size < MIN or run is None:
        return NotImplemented
    case, outer, inner, shape = layout(input.shape, dim, keepdim)
    kind = I64 if loops is argmax_rows else input.dtype
    if case == "all" and kind is not I64:
        return _parts(run, input).reshape(shape)
    if case != "rows" or inner > widest:
        return NotImplemented
    out = empty(outer, kind)
    run(outer, rows(outer, inner), input.reshape(-1), inner, out)
    return out.reshape(shape)


def _parts(run: Loop, input: Array) -> Array:
    """The whole array as rows of 4096 and a rest, then the rows' results as one row."""
    flat = input.reshape(-1)
    full = flat.size // MIN
    out = np.empty(full + 1, input.dtype)
    run(full, max(1, full // 16), flat[: full * MIN], MIN, out)
    rest = flat[full * MIN :] if full * MIN < flat.size else flat[:1]
    run(1, 1, rest, rest.size, out[full:])
    last = np.empty(1, input.dtype)
    run(1, 1, out, out.size, last)
    return last


@kernel("sum", MIN)
def sum(input: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return add_up(input, dim, keepdim, False)


@kernel("sum_to_size", MIN)
def sum_to_size(input: Array, size: tuple[int, ...]) -> Any:
    lead = input.ndim - len(size)
    dims = [i for i, n in enumerate(input.shape) if i < lead or n != size[i - lead]]
    out = add_up(input, tuple(dims), True, False) if dims else NotImplemented
    return out if out is NotImplemented else out.reshape(size)


@kernel("mean", MIN)
def mean(input: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return add_up(input, dim, keepdim, True)


@kernel("amax", MIN)
def amax(input: Array, dim: Any = (), keepdim: bool = False) -> Any:
    return by_rows(max_rows, input, dim, keepdim, 1 << 30)


@kernel("amin", MIN)
def amin(input: Array, dim: Any = (), keepdim: bool = False) -> Any:
    return by_rows(min_rows, input, dim, keepdim, 1 << 30)


@kernel("argmax", MIN)
def argmax(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    return by_rows(argmax_rows, input, dim, keepdim, 256)


@kernel("var", MIN)
def var(input: Array, dim: Any = None, correction: float = 1, keepdim: bool = False) -> Any:
    return add_squares(input, dim, keepdim, correction, False)


@kernel("std", MIN)
def std(input: Array, dim: Any = None, correction: float = 1, keepdim: bool = False) -> Any:
    return add_squares(input, dim, keepdim, correction, True)


@kernel("vector_norm", MIN)
def vector_norm(input: Array, ord: float = 2, dim: Any = None, keepdim: bool = False) -> Any:
    return add_squares(input, dim, keepdim, None, True) if ord == 2 else NotImplemented


@kernel("total_norm")
def total_norm(arrays: Sequence[Array], ord: float) -> Any:
    run, total = of_kind(square_rows, arrays[0]), 0.0
    if run is None or ord != 2:
        return NotImplemented
    for x in arrays:
        if x.dtype is not arrays[0].dtype or not x.flags.c_contiguous:
            return NotImplemented
        width = part(x.size)
        squares = np.empty((2, -(-x.size // width)))
        run(squares.shape[1], 1, x, width, False, *squares)
        total += squares[1].sum()
    return np.asarray(sqrt(total), arrays[0].dtype)
