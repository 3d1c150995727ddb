"""Copies: every one is a box of at most four dimensions, with steps of its own on either side.

Elements of four or eight bytes move as floating numbers, bit by bit. Where neighbours in the
source are far apart in the target, tiles of one cache line each way are turned in registers.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ...._errors import wrap_dim
from ...._formats import memory_order, order_of, preserve_format
from . import _simd as simd
from ._elementwise import LIGHT, _merged
from ._jit import Ints, Table, Vector, loop
from ._registry import F32, F64, Array, empty, kernel, part
from .create import fill_parts

BOTH = ("float32", "float64")
TURNED = 1024  # elements from which a turned copy beats NumPy's
WIDE = 64  # rows of a strip of tiles
Sizes = tuple[int, ...]


@loop(kinds=BOTH)
def copy_lines(x: Vector, at: int, out: Vector, to: int, how: Ints, lo: int, hi: int) -> None:
    """Elements [lo, hi) of a box. how: its sizes, the steps of `x`, the steps of `out`."""
    inner, done = how[3], lo
    line, c = lo // inner, lo % inner
    k, line = line % how[2], line // how[2]
    j, i = line % how[1], line // how[1]
    while done < hi:
        p = at + i * how[4] + j * how[5] + k * how[6] + c * how[7]
        q = to + i * how[8] + j * how[9] + k * how[10] + c * how[11]
        n = min(inner - c, hi - done)
        if how[11] == 1 and how[7] == 1:
            target, run = out[q : q + n], x[p : p + n]
            for e in range(n):
                target[e] = run[e]
        elif how[11] == 1 and how[7] == -1:
            target, run = out[q : q + n], x[p - n + 1 : p + 1]
            for e in range(n):
                target[e] = run[n - 1 - e]
        elif how[11] == 1 and how[7] == 0:
            target, one = out[q : q + n], x[p]
            for e in range(n):
                target[e] = one
        else:
            for e in range(n):
                out[q + e * how[11]] = x[p + e * how[7]]
        done, c, k = done + n, 0, k + 1
        if k == how[2]:
            k, j = 0, j + 1
            if j == how[1]:
                j, i = 0, i + 1


@loop(kinds=BOTH)
def copy_tiles(
    x: Vector, at: int, out: Vector, to: int, how: Ints, places: Table, lo: int, hi: int
) -> None:
    """Strips [lo, hi) of a box where the source's third step and the target's last are 1.

    how: as in `copy_lines`; places: the offsets of a tile's lines in `x` and in `out`.
    """
    lanes, strips = simd.lanes(x), (how[2] + WIDE - 1) // WIDE
    for strip in range(lo, hi):
        box, first = strip // strips, strip % strips * WIDE
        p = at + box // how[1] * how[4] + box % how[1] * how[5]
        q = to + box // how[1] * how[8] + box % how[1] * how[9]
        last = min(first + WIDE, how[2])
        for c in range(0, how[3], lanes):
            for r in range(first, last, lanes):
                if c + lanes <= how[3] and r + lanes <= last:
                    simd.transpose(
                        x, p + r + c * how[7], places[0], out, q + r * how[10] + c, places[1]
                    )
                else:
                    for i in range(r, min(r + lanes, last)):
                        for j in range(c, min(c + lanes, how[3])):
                            out[q + i * how[10] + j] = x[p + i + j * how[7]]


@lru_cache(maxsize=4096)
def box(shape: Sizes, source: Sizes, target: Sizes) -> Any:
    """The table of a copy, given by steps in elements, and the one of tiles; None if too deep."""
    dims = sorted((d for d, n in enumerate(shape) if n > 1), key=lambda d: -abs(target[d]))
    lines = [[s[d] for d in dims] for s in (source, target)]
    sizes, (x, out) = _merged([shape[d] for d in dims], lines)
    n = len(sizes)
    if n > 4:
        return None
    turned = n > 1 and out[-1] == 1 and x[-1] not in (-1, 0, 1) and 1 in x
    if turned:  # the source's neighbours in the third dimension
        near = x.index(1)
        turned = min(sizes[near], sizes[-1]) >= 8
        if turned:
            order = [d for d in range(n) if d not in (near, n - 1)] + [near, n - 1]
            sizes, x, out = ([v[d] for d in order] for v in (sizes, x, out))
    pad, steps = 4 - n, np.arange(16)
    how = np.array([1] * pad + sizes + [0] * pad + x + [0] * pad + out, np.int64)
    return how, np.stack([steps * how[7], steps * how[10]]) if turned else None


def as_floats(x: Array) -> np.dtype[Any] | None:
    """The type as which an array's elements move."""
    return F32 if x.itemsize == 4 else F64 if x.itemsize == 8 else None


def flat(x: Array) -> tuple[Array, Sizes] | None:
    """An array's memory as a vector, and its steps in elements; None for steps below 0."""
    steps = x.strides
    if x.flags.c_contiguous:
        vector = x.reshape(-1)
    elif min(steps) < 0 or any(s % x.itemsize for s in steps):
        return None
    else:
        turned = x.transpose(sorted(range(x.ndim), key=lambda d: -steps[d]))
        span = 1 + sum([(n - 1) * s for n, s in zip(x.shape, steps)]) // x.itemsize
        whole = turned.flags.c_contiguous
        vector = turned.reshape(-1) if whole else as_strided(x, (span,), (x.itemsize,))
    return vector, tuple([s // x.itemsize for s in steps])


def copy(
    shape: Sizes, x: Array, at: int, source: Sizes, out: Array, to: int, target: Sizes
) -> bool:  # fmt: skip
    """Copy a box between vectors, from `at` by the steps `source`; whether a loop serves it."""
    n, found = prod(shape), box(shape, source, target)
    if not n or found is None:
        return not n
    kind = F32 if x.itemsize == 4 else F64
    x, out, (how, places) = x.view(kind), out.view(kind), found
    double = kind is F64
    if places is None:
        copy_lines[double](n, part(n), x, at, out, to, how)
    else:
        strips = int(how[0] * how[1] * -(-how[2] // WIDE))
        copy_tiles[double](strips, max(1, strips // 16), x, at, out, to, how, places)
    return True


def steps_of(shape: Sizes) -> Sizes:
    """The steps of a C-contiguous array in elements."""
    return tuple([prod(shape[d + 1 :]) for d in range(len(shape))])


def ordered_copy(x: Array, order: Sizes | None = None) -> Any:
    """A copy that lies in the order of its indices, or of the dimensions `order`."""
    found = flat(x) if as_floats(x) and x.size >= TURNED else None
    if found is None or (x.flags.c_contiguous and x.size < LIGHT):
        return NotImplemented
    vector, steps = found
    shape = x.shape if order is None else tuple([x.shape[d] for d in order])
    steps = steps if order is None else tuple([steps[d] for d in order])
    out = empty(shape, x.dtype)
    if not copy(shape, vector, 0, steps, out.reshape(-1), 0, steps_of(shape)):
        return NotImplemented
    return out if order is None else out.transpose(np.argsort(order))


def filled(shape: Sizes, kind: np.dtype[Any], value: float) -> Any:
    """An array of one number."""
    size = prod(shape)
    if size < LIGHT or kind.itemsize not in (4, 8):
        return NotImplemented
    out, like = empty(shape, kind), F32 if kind.itemsize == 4 else F64
    bits = float(np.full(1, value, kind).view(like)[0])
    fill_parts[like is F64](size, part(size), out.reshape(-1).view(like), bits)
    return out


# --- the kernels ----------------------------------------------------------------------------


@kernel("clone", TURNED)
def clone(input: Array, *, memory_format: Any = None) -> Any:
    if memory_format is None or memory_format is preserve_format:
        if input.flags.c_contiguous:
            return ordered_copy(input)
        return ordered_copy(input, memory_order([list(input.strides)], input.shape))
    return ordered_copy(input, order_of(memory_format, input.ndim))


@kernel("contiguous", TURNED)
def contiguous(input: Array) -> Any:
    return ordered_copy(input)


@kernel("reshape", TURNED)
def reshape(input: Array, size: Sizes) -> Any:
    if input.flags.c_contiguous:
        return NotImplemented
    try:
        return np.reshape(input, size, copy=False)
    except ValueError:
        out = ordered_copy(input)
        return out if out is NotImplemented else np.reshape(out, size)


@kernel("zeros_like", LIGHT)
def zeros_like(input: Array) -> Any:
    return filled(input.shape, input.dtype, 0)


@kernel("ones_like", LIGHT)
def ones_like(input: Array) -> Any:
    return filled(input.shape, input.dtype, 1)


@kernel("blank")
def blank(input: Array, size: Sizes) -> Any:
    return filled(size, input.dtype, 0)


@kernel("cat")
def cat(tensors: Any, dim: int = 0) -> Any:
    first = tensors[0]
    if not first.ndim or not -first.ndim <= dim < first.ndim or not as_floats(first):
        return NotImplemented
    d, rest = dim % first.ndim, list(first.shape)
    width = rest[d] = sum([t.shape[d] if t.ndim == first.ndim else 0 for t in tensors])
    if prod(rest) < LIGHT:
        return NotImplemented
    for t in tensors:
        if t.dtype is not first.dtype or (*t.shape[:d], width, *t.shape[d + 1 :]) != tuple(rest):
            return NotImplemented
    out = empty(tuple(rest), first.dtype)
    vector, steps, to = out.reshape(-1), steps_of(tuple(rest)), 0
    for t in tensors:
        found = flat(t)
        if found is None or not copy(t.shape, found[0], 0, found[1], vector, to, steps):
            return NotImplemented
        to += t.shape[d] * steps[d]
    return out


@kernel("stack")
def stack(tensors: Any, dim: int = 0) -> Any:
    first = tensors[0]
    if first.size * len(tensors) < LIGHT or not -first.ndim <= dim + 1 <= first.ndim + 1:
        return NotImplemented
    d = wrap_dim(dim, first.ndim + 1)
    if any(t.shape != first.shape for t in tensors):
        return NotImplemented
    key = (slice(None),) * d + (None,)
    return cat([t[key] for t in tensors], d)


@kernel("flip", TURNED)
def flip(input: Array, dims: Sizes) -> Any:
    found = flat(input) if as_floats(input) else None
    if found is None or len(set(dims)) < len(dims):
        return NotImplemented
    steps, at = list(found[1]), 0
    for d in dims:
        at += (input.shape[d] - 1) * steps[d]
        steps[d] = -steps[d]
    out = empty(input.shape, input.dtype)
    target = steps_of(input.shape)
    done = copy(input.shape, found[0], at, tuple(steps), out.reshape(-1), 0, target)
    return out if done else NotImplemented


@kernel("roll", TURNED)
def roll(input: Array, shifts: Sizes, dims: Sizes | None) -> Any:
    if dims is None and input.flags.c_contiguous:
        out = roll(input.reshape(-1), shifts, (0,))
        return out if out is NotImplemented else out.reshape(input.shape)
    found = flat(input) if as_floats(input) else None
    if found is None or dims is None or len(set(dims)) < len(dims) or not input.size:
        return NotImplemented
    shape, (x, steps) = input.shape, found
    out, target = empty(shape, input.dtype), steps_of(shape)
    cuts = [[(0, 0, n)] for n in shape]  # per dimension the pieces: from, to, size
    for d, shift in zip(dims, shifts, strict=True):
        n, s = shape[d], shift % shape[d]
        cuts[d] = [(0, s, n - s), (n - s, 0, s)]
    for pieces in product(*cuts):
        at = sum([p[0] * s for p, s in zip(pieces, steps)])
        to = sum([p[1] * s for p, s in zip(pieces, target)])
        size = tuple([p[2] for p in pieces])
        if not copy(size, x, at, steps, out.reshape(-1), to, target):
            return NotImplemented
    return out


@kernel("constant_pad_nd", TURNED)
def constant_pad_nd(input: Array, pad: Sizes, value: float = 0) -> Any:
    lead = input.ndim - len(pad) // 2
    found = flat(input) if as_floats(input) and lead >= 0 and not len(pad) % 2 else None
    if found is None:
        return NotImplemented
    pairs = [(0, 0)] * lead + list(zip(pad[-2::-2], pad[::-2]))
    shape = tuple([n + a + b for n, (a, b) in zip(input.shape, pairs)])
    size = tuple([n + min(a, 0) + min(b, 0) for n, (a, b) in zip(input.shape, pairs)])
    if min(size) <= 0 or min(shape) <= 0:
        return NotImplemented
    steps, target = found[1], steps_of(shape)
    at = sum([max(-a, 0) * s for (a, _), s in zip(pairs, steps)])
    to = sum([max(a, 0) * s for (a, _), s in zip(pairs, target)])
    out = empty(shape, input.dtype)
    for d, (a, b) in enumerate(pairs):
        key = (slice(None),) * d
        for border in (slice(0, max(a, 0)), slice(shape[d] - max(b, 0), None)):
            out[(*key, border)] = value
    done = copy(size, found[0], at, steps, out.reshape(-1), to, target)
    return out if done else NotImplemented


@kernel("slice_grad")
def slice_grad(g: Array, index: Any, size: Sizes) -> Any:
    out = filled(size, g.dtype, 0)
    if out is not NotImplemented and write(target := out[index], g) is NotImplemented:
        target[...] = g
    return out


@kernel("write", TURNED)
def write(target: Array, value: Array) -> Any:
    same = value.dtype is target.dtype and value.shape == target.shape and value.size >= TURNED
    if not same or not as_floats(value) or np.may_share_memory(target, value):
        return NotImplemented
    x, out = flat(value), flat(target)
    if x is None or out is None or not copy(value.shape, x[0], 0, x[1], out[0], 0, out[1]):
        return NotImplemented
    return None
