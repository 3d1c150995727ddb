"""Reductions over the whole array, over neighbouring dimensions, or over all but the second.

Sums are cut into runs of fixed length (`_math.total`), so they are as accurate as pairwise
summation and do not depend on the number of threads. Few numbers add up in double precision.
"""

from __future__ import annotations
import __future__

from collections.abc import Sequence
from functools import lru_cache
from math import prod, sqrt
from typing import Any, NamedTuple

import numpy as np

from . import _math as m
from ._jit import Doubles, Ints, Loop, Vector, loop
from ._registry import F64, I64, Array, empty, kernel, of_kind, part, rows
from .move import ordered_copy

BOTH = ("float32", "float64")
ANNOTATIONS = __future__.annotations.compiler_flag
FEW = 4096  # numbers that add up in double precision
MIN = 4096
BLOCK = 64  # rows whose columns are added up in the array's own type


@loop(kinds=BOTH)
def sum_parts(x: Vector, size: int, sums: Doubles, lo: int, hi: int) -> None:
    sums[lo // size] = m.total(x[lo:hi])


@loop(kinds=BOTH)
def sum_rows(
    x: Vector, width: int, divisor: float, few: bool, out: Vector, lo: int, hi: int
) -> None:  # fmt: skip
    for r in range(lo, hi):
        row = x[r * width : (r + 1) * width]
        out[r] = (m.exact_total(row) if few else m.total(row)) / divisor


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
def extreme_rows(
    x: Vector, width: int, largest: bool, values: Vector, places: Ints, lo: int, hi: int
) -> None:  # fmt: skip
    """The largest (smallest) element of each row; where it first stands, if `places` are given."""
    for r in range(lo, hi):
        row = x[r * width : (r + 1) * width]
        top = m.largest(row) if largest else m.smallest(row)
        values[r] = top
        if places.size:
            at = 0
            while row[at] != top and (top == top or row[at] == row[at]):
                at += 1
            places[r] = at


_COLUMNS = """
def {0}_columns(x: Matrix, n: int, out: Matrix, lo: int, hi: int) -> None:
    blocks = (n + BLOCK - 1) // BLOCK
    for p in range(lo, hi):
        first = p // blocks * n + p % blocks * BLOCK
        to, row = out[p], x[first]
        for j in range(to.size):
            to[j] = row[j]
        for r in range(first + 1, min(first + BLOCK, (p // blocks + 1) * n)):
            row = x[r]
            for j in range(to.size):
                to[j] = {1}
"""


def _columns_loop(name: str, joined: str) -> tuple[Loop, Loop]:
    """A loop over blocks of at most `BLOCK` rows of (outer, n, columns): their columns joined."""
    scope: dict[str, Any] = {"m": m, "BLOCK": BLOCK, "__name__": __name__}
    code = compile(_COLUMNS.format(name, joined), __file__, "exec", ANNOTATIONS)
    exec(code, scope)
    made: tuple[Loop, Loop] = loop(kinds=BOTH)(scope[f"{name}_columns"])
    return made


sum_columns = _columns_loop("sum", "to[j] + row[j]")
max_columns = _columns_loop("max", "m.fmax(to[j], row[j])")
min_columns = _columns_loop("min", "m.fmin(to[j], row[j])")


class Layout(NamedTuple):
    """How the reduced dimensions lie.

    Attributes:
        shape: the result's.
        order: the dimensions, those that are reduced last.
        sizes: (outer, n, inner), n being reduced; None where others lie between.
        channels: whether all dimensions but the second are reduced.
    """

    shape: tuple[int, ...]
    order: tuple[int, ...]
    sizes: tuple[int, int, int] | None
    channels: bool


def layout(shape: tuple[int, ...], dim: Any, keepdim: bool) -> Layout | None:
    """The layout of a reduction; None where nothing is reduced, or the dimensions are wrong."""
    return _layout(shape, tuple(dim) if type(dim) is list else dim, keepdim)


@lru_cache(maxsize=4096)
def _layout(shape: tuple[int, ...], dim: Any, keepdim: bool) -> Layout | None:
    ndim = len(shape)
    whole = dim is None or dim == ()
    dims = range(ndim) if whole else dim if isinstance(dim, tuple) else (dim,)
    gone = sorted({d % ndim for d in dims if -ndim <= d < ndim})
    if not gone or len(gone) != len(dims) or 0 in shape:
        return None
    kept = [d for d in range(ndim) if d not in gone]
    out = tuple([1 if d in gone else shape[d] for d in range(ndim) if keepdim or d not in gone])
    first, last = gone[0], gone[-1] + 1
    parts = shape[:first], shape[first:last], shape[last:]
    sizes = (prod(parts[0]), prod(parts[1]), prod(parts[2])) if len(gone) == last - first else None
    return Layout(out, (*kept, *gone), sizes, sizes is None and kept == [1])


def turned(input: Array, found: Layout | None) -> Any:
    """The elements behind each result as a row of a matrix, copied; NotImplemented if few."""
    if found is None or input.size < MIN:
        return NotImplemented
    out = ordered_copy(input.transpose(found.order))
    return out if out is NotImplemented else out.reshape(prod(found.shape), -1)


def add_up(input: Array, dim: Any, keepdim: bool, mean: bool, exact: bool = True) -> Any:
    """The sum or the mean over `dim`; `exact`: few numbers add up in double precision."""
    run = of_kind(sum_rows, input)
    found = None if run is None else layout(input.shape, dim, keepdim)
    if run is None or found is None:
        return NotImplemented
    shape, few, double = found.shape, exact and input.size <= FEW, input.dtype is F64
    if found.channels and not few:
        outer, channels = input.shape[:2]
        n = input.size // (outer * channels)
        out = empty((outer, channels), input.dtype)
        run(out.size, rows(out.size, n), input, n, 1.0, False, out)
        return _columns(out, 1, outer, outer * n if mean else 1, shape)
    if found.sizes is None:
        other = turned(input, found)
        out = other if other is NotImplemented else add_up(other, 1, False, mean, exact)
        return out if out is NotImplemented else out.reshape(shape)
    outer, n, inner = found.sizes
    count = n if mean else 1
    if inner > 1:
        if few:
            return NotImplemented
        return _columns(input.reshape(outer * n, inner), outer, n, count, shape)
    if outer > 1 or few:
        out = empty(shape, input.dtype)
        run(outer, rows(outer, n), input, n, float(count), few, out)
        return out
    size = part(n)
    sums = np.empty(-(-n // size))
    sum_parts[double](n, size, input, size, sums)
    return np.asarray(sums.sum() / count, input.dtype).reshape(shape)


def _blocks(run: tuple[Loop, Loop], x: Array, outer: int, n: int) -> Array:
    """A loop's results for blocks of rows: (outer, blocks, columns)."""
    blocks = -(-n // BLOCK)
    out = empty((outer, blocks, x.shape[-1]), x.dtype)
    parts = outer * blocks
    run[x.dtype is F64](parts, rows(parts, x.size // parts), x, n, out)
    return out


def _columns(x: Array, outer: int, n: int, count: int, shape: tuple[int, ...]) -> Any:
    """Column sums over `count`: blocks of rows in x's type, then their sums in float64."""
    sums = _blocks(sum_columns, x, outer, n)
    if sums.shape[1] > 1 or count > 1:
        return (sums.sum(1, dtype=F64) / count).astype(x.dtype).reshape(shape)
    return sums.reshape(shape)


def add_squares(input: Array, dim: Any, keepdim: bool, correction: float | None, root: bool) -> Any:
    """The squares over `dim`: their sum (correction None), or the variance; or the root of it."""
    if of_kind(square_rows, input) is None:
        return NotImplemented
    found = layout(input.shape, dim, keepdim)
    if found is None or found.sizes is None or found.sizes[2] > 1:
        other = turned(input, found)
        if found is None or other is NotImplemented:
            return NotImplemented
        out = add_squares(other, 1, False, correction, root)
        return out if out is NotImplemented else out.reshape(found.shape)
    shape, (outer, n, _) = found.shape, found.sizes
    divisor = 1.0 if correction is None else float(n - correction)
    if divisor <= 0:
        return NotImplemented
    centered, whole = correction is not None, outer == 1
    width = part(n) if whole else n
    count = -(-n // width) if whole else outer
    means, squares = np.empty(count), np.empty(count)
    square_rows[input.dtype is F64](
        count, rows(count, width), input, width, centered, means, squares
    )  # fmt: skip
    if whole and count > 1:
        sizes = np.full(count, width)
        sizes[-1] = n - (count - 1) * width
        mean = (means * sizes).sum() / n
        squares = (squares + sizes * (means - mean) ** 2).sum() if centered else squares.sum()
    out = squares / divisor
    return np.asarray(np.sqrt(out) if root else out, input.dtype).reshape(shape)


def extremes(input: Array, dim: Any, keepdim: bool, largest: bool, places: bool) -> Any:
    """The largest or smallest elements over `dim`, and where they first stand or None."""
    run = of_kind(extreme_rows, input)
    found = None if run is None else layout(input.shape, dim, keepdim)
    if run is None or found is None:
        return NotImplemented
    shape, (outer, n, inner) = found.shape, found.sizes or (0, 0, 2)
    if n and inner > 1 and not places and input.size >= MIN:
        joined = max_columns if largest else min_columns
        out = _blocks(joined, input.reshape(outer * n, inner), outer, n)
        return (out.max(1) if largest else out.min(1)).reshape(shape), None
    if inner > 1:
        other = turned(input, found)
        if other is NotImplemented:
            return other
        values, at = extremes(other, 1, False, largest, places)
        return values.reshape(shape), at.reshape(shape) if places else None
    whole = outer == 1 and n > 2 * MIN
    width = MIN if whole else n
    full = n // width if whole else outer
    values, at = np.empty(full, input.dtype), np.empty(full if places else 0, I64)
    run(full, rows(full, width), input, width, largest, values, at)
    if not whole:
        return values.reshape(shape), at.reshape(shape) if places else None
    rest = input.reshape(-1)[full * width :]
    if rest.size:
        last, at_last = np.empty(1, input.dtype), np.empty(1 if places else 0, I64)
        run(1, 1, rest, rest.size, largest, last, at_last)
        values, at = np.append(values, last), np.append(at, at_last)
    best = int(np.argmax(values) if largest else np.argmin(values))
    place = np.asarray(best * width + at[best]).reshape(shape) if places else None
    return np.asarray(values[best]).reshape(shape), place


def _of(found: Any, which: int) -> Any:
    return found if found is NotImplemented else found[which]


@kernel("sum")
def sum(input: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return add_up(input, dim, keepdim, False)


@lru_cache(maxsize=4096)
def broadcast_dims(shape: tuple[int, ...], size: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions that broadcasting `size` to `shape` adds or stretches."""
    lead = len(shape) - len(size)
    return tuple([i for i, n in enumerate(shape) if i < lead or n != size[i - lead]])


@kernel("sum_to_size")
def sum_to_size(input: Array, size: tuple[int, ...]) -> Any:
    dims = broadcast_dims(input.shape, size)
    out = add_up(input, dims, True, False, False) if dims else NotImplemented
    return out if out is NotImplemented else out.reshape(size)


@kernel("mean")
def mean(input: Array, dim: Any = None, keepdim: bool = False) -> Any:
    return add_up(input, dim, keepdim, True)


@kernel("amax")
def amax(input: Array, dim: Any = (), keepdim: bool = False) -> Any:
    return _of(extremes(input, dim, keepdim, True, False), 0)


@kernel("amin")
def amin(input: Array, dim: Any = (), keepdim: bool = False) -> Any:
    return _of(extremes(input, dim, keepdim, False, False), 0)


@kernel("argmax")
def argmax(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    return _of(extremes(input, dim, keepdim, True, True), 1)


@kernel("argmin")
def argmin(input: Array, dim: int | None = None, keepdim: bool = False) -> Any:
    return _of(extremes(input, dim, keepdim, False, True), 1)


@kernel("extreme")
def extreme(input: Array, dim: int, keepdim: bool, largest: bool) -> Any:
    return extremes(input, dim, keepdim, largest, True)


@kernel("var", 256)
def var(input: Array, dim: Any = None, correction: float = 1, keepdim: bool = False) -> Any:
    return add_squares(input, dim, keepdim, correction, False)


@kernel("std", 256)
def std(input: Array, dim: Any = None, correction: float = 1, keepdim: bool = False) -> Any:
    return add_squares(input, dim, keepdim, correction, True)


@kernel("vector_norm", 256)
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
