"""Reading and writing at indices along one dimension, as `gather` and `scatter` mean it.

The array is (outer, n, inner); the indices, of any steps, are (outer, m, inner), where those of
whole slices have steps of 0 along the rest. Sums run in the order of the indices, each column in
one thread: results do not depend on how many there are.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from math import prod
from typing import Any

import numpy as np

from ._jit import Ints, Matrix, Vector, loop
from ._registry import F32, F64, I64, Array, empty, kernel, of_kind, part
from .move import Sizes, as_floats, ordered_copy

BOTH = ("float32", "float64")
MIN = 256
COLUMNS = 128  # of a part, at least
WHOLE = slice(None)


@loop(kinds=BOTH)
def take(x: Vector, index: Ints, how: Ints, out: Vector, bad: Ints, lo: int, hi: int) -> None:
    """Elements [lo, hi) of the result; `bad` tells of an index out of range, which reads the first.

    how: lines per outer place, their length, the steps of the indices from outer place to outer
    place, line to line and along a line, n, inner, whether lines run along inner, and whether
    negative indices count from the end.
    """
    per, length, size, inner, along = how[0], how[1], how[5], how[6], how[7]
    done, line, c = lo, lo // length, lo % length
    o, i = line // per, line % per
    while done < hi:
        base = o * size * inner + c * along
        at = o * how[2] + i * how[3] + c * how[4]
        count = min(length - c, hi - done)
        to = out[done : done + count]
        if how[4] == 0 and along == 1:
            r = index[at]
            r += size if r < 0 and how[8] else 0
            if r < 0 or r >= size:
                bad[0], r = 1, 0
            run = x[base + r * inner : base + r * inner + count]
            for k in range(count):
                to[k] = run[k]
        else:
            for k in range(count):
                r = index[at + k * how[4]]
                r += size if r < 0 and how[8] else 0
                if r < 0 or r >= size:
                    bad[0], r = 1, 0
                to[k] = x[base + r * inner + k * along]
        done, c, i = done + count, 0, i + 1
        if i == per:
            i, o = 0, o + 1


@loop(kinds=BOTH)
def put(
    x: Vector, index: Ints, how: Ints, out: Vector, bad: Ints, lo: int, hi: int
) -> None:  # fmt: skip
    """Write or add `x` at the indices: parts [lo, hi) of (outer places, blocks of columns).

    how: m, blocks, columns of a block, the steps of the indices (outer, m, inner), n, inner,
    whether negative indices count from the end, whether to add, whether to begin with zeros, and
    the steps of `x`.
    """
    size, inner = how[6], how[7]
    for p in range(lo, hi):
        o, first = p // how[1], p % how[1] * how[2]
        last = min(first + how[2], inner)
        if how[10]:  # whole rows lie side by side
            lines, wide = (1, size * inner) if how[1] == 1 else (size, last - first)
            for r in range(lines):
                start = (o * size + r) * inner + first
                row = out[start : start + wide]
                for c in range(wide):
                    row[c] = 0
        for i in range(how[0]):
            at = o * how[3] + i * how[4] + first * how[5]
            start = o * how[11] + i * how[12] + first * how[13]
            if how[5] == 0 and how[13] == 1:
                r = index[at]
                r += size if r < 0 and how[8] else 0
                if r < 0 or r >= size:
                    bad[0] = 1
                    continue
                row = out[(o * size + r) * inner + first : (o * size + r) * inner + last]
                run = x[start : start + last - first]
                if how[9]:
                    for c in range(row.size):
                        row[c] += run[c]
                else:
                    for c in range(row.size):
                        row[c] = run[c]
            else:
                for c in range(last - first):
                    r = index[at + c * how[5]]
                    r += size if r < 0 and how[8] else 0
                    if r < 0 or r >= size:
                        bad[0] = 1
                        continue
                    spot = (o * size + r) * inner + first + c
                    v = x[start + c * how[13]]
                    out[spot] = out[spot] + v if how[9] else v


@loop(kinds=BOTH)
def bag_rows(
    x: Matrix, index: Ints, edges: Ints, mean: bool, out: Matrix, bad: Ints, lo: int, hi: int
) -> None:  # fmt: skip
    """The sums or means of the rows of `x` in bags [lo, hi); `bad` as in `take`."""
    for b in range(lo, hi):
        to, size = out[b], x.dtype.type(max(edges[b + 1] - edges[b], 1))
        for k in range(to.size):
            to[k] = 0
        for i in range(edges[b], edges[b + 1]):
            r = index[i]
            if r < 0 or r >= x.shape[0]:
                bad[0], r = 1, 0
            row = x[r]
            for k in range(to.size):
                to[k] += row[k]
        if mean:
            for k in range(to.size):
                to[k] /= size


def compact(x: Array) -> Array:
    """A C-contiguous array that broadcasts to `x`: dimensions that are expanded have size 1."""
    if x.flags.c_contiguous:
        return x
    return np.ascontiguousarray(x[tuple([slice(0, 1) if s == 0 else WHOLE for s in x.strides])])


def as_index(index: Array) -> Array | None:
    """An index as int64, compact; None for other types."""
    if index.dtype is not I64:
        if index.dtype.kind != "i" or index.itemsize != 4:
            return None
        index = index.astype(I64)
    return compact(index)


def folded(own: Sizes, shape: Sizes, d: int) -> Sizes | None:
    """Steps along (outer, dimension d, inner) of a contiguous array that broadcasts to `shape`.

    None where those of several dimensions do not merge into one.
    """
    own = (1,) * (len(shape) - len(own)) + own
    steps = [0 if n == 1 else prod(own[k + 1 :]) for k, n in enumerate(own)]
    ends = []
    for dims in (range(d), range(d + 1, len(shape))):
        kept = [(shape[k], steps[k]) for k in dims if shape[k] > 1]
        if any(s != n * t for (_, s), (n, t) in pairwise(kept)):
            return None
        ends.append(kept[-1][1] if kept else 0)
    return ends[0], steps[d], ends[1]


@lru_cache(maxsize=4096)
def _reading(shape: Sizes, own: Sizes, wanted: Sizes, d: int, wrap: bool) -> Any:
    """For `take`: how, the number of elements, and those of a part; None where it cannot serve."""
    steps, size = folded(own, wanted, d), prod(wanted)
    n, inner, m = shape[d], prod(shape[d + 1 :]), wanted[d]
    if steps is None or not n or not size:
        return None
    lines = (m, inner, *steps) if inner > 1 else (1, m, steps[0], 0, steps[1])
    return np.array([*lines, n, inner, inner > 1, wrap], I64), size, part(size)


@lru_cache(maxsize=4096)
def _writing(
    shape: Sizes, own: Sizes, source: Sizes, wanted: Sizes, d: int, wrap: bool, add: bool,
    fresh: bool,
) -> Any:  # fmt: skip
    """For `put`: how, the number of parts, and those that go together; None as in `_reading`."""
    steps, places, size = folded(own, wanted, d), folded(source, wanted, d), prod(wanted)
    if steps is None or places is None or not size:
        return None
    outer, n, inner = prod(shape[:d]), shape[d], prod(shape[d + 1 :])
    width = max(COLUMNS, -(-inner // 8))
    blocks = -(-inner // width)
    how = [wanted[d], blocks, width, *steps, n, inner, wrap, add, fresh, *places]
    work, parts = size + outer * n * inner * fresh, outer * blocks
    return np.array(how, I64), parts, max(1, part(work) * parts // work)


def taken(input: Array, index: Array, wanted: Sizes, d: int, wrap: bool, lead: Sizes) -> Any:
    """The elements of `input` that an index names along `d`; the result has the shape `lead`.

    Args:
        wanted: the result's shape with `d` as one dimension, to which the index broadcasts.
    """
    places = as_index(index)
    if places is None or not input.flags.c_contiguous:
        return NotImplemented
    plan, kind = _reading(input.shape, places.shape, wanted, d, wrap), input.dtype
    if plan is None or (floats := as_floats(input)) is None:
        return NotImplemented
    how, size, chunk = plan
    out, bad = empty(lead, kind), np.zeros(1, I64)
    x, to = (input, out) if kind is floats else (input.view(floats), out.view(floats))
    take[floats is F64](size, chunk, x, places, how, to, bad)
    return NotImplemented if bad[0] else out


def written(
    out: Array, values: Array, index: Array, wanted: Sizes, d: int, wrap: bool, add: bool,
    fresh: bool = False,
) -> Any:  # fmt: skip
    """Write or add values of the shape `wanted` where an index says; NotImplemented or None.

    Nothing has been written where it declines, unless `out` is `fresh` memory.
    """
    places, kind, floats = as_index(index), out.dtype, as_floats(out)
    if places is None or floats is None or values.dtype is not kind or (add and kind is not floats):
        return NotImplemented
    x = compact(values)
    plan = _writing(out.shape, places.shape, x.shape, wanted, d, wrap, add, fresh)
    if plan is None or not out.flags.c_contiguous:
        return NotImplemented
    if not (fresh or _in_range(places, out.shape[d], wrap)):
        return NotImplemented
    how, parts, chunk = plan
    bad, to = np.zeros(1, I64), out
    if kind is not floats:
        x, to = x.reshape(-1).view(floats), out.view(floats)
    put[floats is F64](parts, chunk, x, places, how, to, bad)
    return NotImplemented if bad[0] else None


def _in_range(index: Array, n: int, wrap: bool) -> bool:
    return bool(index.max() < n and index.min() >= (-n if wrap else 0))


def _column(index: Array, d: int, ndim: int) -> Array:
    """A contiguous index along dimension d, to be broadcast along the others."""
    return index.reshape((-1,) + (1,) * (ndim - d - 1))


# --- the kernels ----------------------------------------------------------------------------


@kernel("index", MIN)
def index(input: Array, indices: Any, dims: Sizes, wrap: bool = True) -> Any:
    first, d, shape = indices[0], dims[0], input.shape
    if len(dims) > 1 or not first.flags.c_contiguous or not shape:
        return NotImplemented
    lead = shape[:d] + first.shape + shape[d + 1 :]
    wanted = lead if first.ndim == 1 else shape[:d] + (first.size,) + shape[d + 1 :]
    return taken(input, _column(first, d, len(shape)), wanted, d, wrap, lead)


@kernel("embedding", MIN)
def embedding(
    weight: Array, indices: Array, padding_idx: int = -1, scale_grad_by_freq: bool = False
) -> Any:
    return index(weight, (indices,), (0,), False)


@kernel("gather")
def gather(input: Array, dim: int, index: Array) -> Any:
    d = dim % (input.ndim or 1)
    if index.size < MIN or not _fits(input.shape, index.shape, d):
        return NotImplemented
    return taken(input, index, index.shape, d, False, index.shape)


def _fits(shape: Sizes, index: Sizes, d: int) -> bool:
    """Whether an index has the sizes of what it indexes, but along `d`."""
    return len(shape) == len(index) > 0 and index == (*shape[:d], index[d], *shape[d + 1 :])


def _added(g: Array, index: Array, shape: Sizes, d: int, wrap: bool, size: Sizes) -> Any:
    """Zeros of `size` with `g` added."""
    if prod(shape) < MIN or g.dtype not in (F32, F64) or not prod(size):
        return NotImplemented
    out = empty(size, g.dtype)
    x = g if g.shape == shape else g.reshape(shape)
    done = written(out, x, index, shape, d, wrap, True, True)
    return out if done is None else done


@kernel("index_grad")
def index_grad(g: Array, indices: Any, dims: Sizes, size: Sizes) -> Any:
    first, d = indices[0], dims[0]
    if len(dims) > 1 or not first.flags.c_contiguous:
        return NotImplemented
    shape = size[:d] + (first.size,) + size[d + 1 :]
    return _added(g, _column(first, d, len(size)), shape, d, True, size)


@kernel("embedding_grad")
def embedding_grad(g: Array, indices: Array, rows: int) -> Any:
    return index_grad(g, (indices,), (0,), (rows, *g.shape[indices.ndim :]))


@kernel("gather_grad")
def gather_grad(g: Array, dim: int, index: Array, size: Sizes) -> Any:
    d = dim % (len(size) or 1)
    if not _fits(size, index.shape, d):
        return NotImplemented
    return _added(g, index, index.shape, d, False, size)


@kernel("index_write", MIN)
def index_write(
    input: Array, values: Array, indices: Any, dims: Sizes, accumulate: bool = False,
    wrap: bool = True,
) -> Any:  # fmt: skip
    first, d, shape = indices[0], dims[0], input.shape
    if len(dims) > 1 or first.ndim != 1 or not first.flags.c_contiguous or not shape:
        return NotImplemented
    wanted = shape[:d] + first.shape + shape[d + 1 :]
    if values.ndim and values.shape != wanted:
        return NotImplemented
    return written(input, values, _column(first, d, len(shape)), wanted, d, wrap, accumulate)


@kernel("scatter_write", MIN)
def scatter_write(
    input: Array, dim: int, index: Array, src: Array, accumulate: bool = False
) -> Any:  # fmt: skip
    d = dim % (input.ndim or 1)
    if not _fits(input.shape, index.shape, d) or src.shape not in ((), index.shape):
        return NotImplemented
    return written(input, src, index, index.shape, d, False, accumulate)


def _copied(input: Array) -> Array:
    out = ordered_copy(input) if input.ndim else NotImplemented
    return np.array(input, order="C") if out is NotImplemented else out


@kernel("index_put", MIN)
def index_put(
    input: Array, values: Array, indices: Any, dims: Sizes, accumulate: bool = False,
    wrap: bool = True,
) -> Any:  # fmt: skip
    out = _copied(input)
    done = index_write(out, values, indices, dims, accumulate, wrap)
    return out if done is None else done


@kernel("index_put_add", MIN)
def index_put_add(
    input: Array, values: Array, indices: Any, dims: Sizes, accumulate: bool = True,
    wrap: bool = True,
) -> Any:  # fmt: skip
    return index_put(input, values, indices, dims, accumulate, wrap)


@kernel("scatter", MIN)
def scatter(
    input: Array, dim: int, index: Array, src: Array, accumulate: bool = False
) -> Any:  # fmt: skip
    out = _copied(input)
    done = scatter_write(out, dim, index, src, accumulate)
    return out if done is None else done


@kernel("scatter_sum", MIN)
def scatter_sum(
    input: Array, dim: int, index: Array, src: Array, accumulate: bool = True
) -> Any:  # fmt: skip
    return scatter(input, dim, index, src, accumulate)


@kernel("bag_sum", MIN)
def bag_sum(
    weight: Array, indices: Array, offsets: Array, mean: bool, include_last: bool
) -> Any:  # fmt: skip
    run, places = of_kind(bag_rows, weight), as_index(indices)
    starts = as_index(offsets)
    if run is None or places is None or starts is None or not weight.size:
        return NotImplemented
    edges = np.empty(starts.size + (not include_last), I64)
    edges[: starts.size], edges[-1] = starts, places.size
    sizes = edges[1:] - edges[:-1]
    if edges.size < 2 or edges[0] or sizes.min() < 0 or (include_last and starts[-1] > places.size):
        return NotImplemented
    bags, work = sizes.size, max(places.size * weight.shape[1], 1)
    out, bad = empty((bags, weight.shape[1]), weight.dtype), np.zeros(1, I64)
    run(bags, max(1, part(work) * bags // work), weight, places, edges, mean, out, bad)
    return NotImplemented if bad[0] else out


@kernel("bag_sum_grad", MIN)
def bag_sum_grad(
    g: Array, indices: Array, offsets: Array, rows: int, mean: bool, include_last: bool
) -> Any:
    starts = offsets[:-1] if include_last else offsets
    sizes = np.diff(starts, append=indices.size)
    if g.dtype not in (F32, F64) or not sizes.size or starts[0] or sizes.min() < 0:
        return NotImplemented
    if mean:
        g = g / np.maximum(sizes, 1)[:, None].astype(g.dtype)
    bag = np.repeat(np.arange(sizes.size), sizes)
    each = index(np.ascontiguousarray(g), (bag,), (0,), False)
    return each if each is NotImplemented else embedding_grad(each, indices, rows)
