"""Convolution of 3 x 3 windows at stride 1 by Winograd's F(2x2, 3x3); float32.

16 products per 2 x 2 results where the definition takes 36. Planes become vectors over channels
in the cache (`spread`, `gather`), windows become 16 frequencies (`_simd.to_tile`), and each
frequency is a matrix product over channels. A block of tiles goes through all steps in the cache;
where there are few tiles and large filters, each step is a loop of its own over all threads.
An infinity in a tile makes NaN of its results.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import _threads
from . import _simd as s
from ._jit import Ints, Vector, inline, loop
from ._registry import F32, I64, Array, empty

LANES = 16
TILES = 128  # tiles of a block: their frequencies stay in the second-level cache
FEW = 256  # tiles up to which each step is a loop of its own
SUMMED = 512  # tiles whose frequencies are summed into a filter's gradient at a time
NEAR = 64  # tiles of a block of that sum, where the sum itself is in the cache too
PARTS = 8  # sums side by side, at most
SUMS = 1 << 21  # their elements together
ROWS = 64  # input channels of a part of that sum
SLACK = 48  # elements that keep the frequencies off the same lines of a cache


# A unit is some rows of tiles of one image. Its grid is (channels, height and width of the planes,
# first row and column of the first tile, rows and columns of tiles).


@inline()
def turn(
    x: Vector, start: int, plane: int, count: int, channels: int, tables: Any, block: Vector,
    to: int,
) -> None:  # fmt: skip
    """`count` elements of each plane as vectors over channels: tables = (places, steps)."""
    places, steps = tables
    for p in range(0, count - LANES + 1, LANES):
        for c in range(0, channels, LANES):
            s.transpose(x, start + c * plane + p, steps, block, to + c, places[p:])
    for p in range(count // LANES * LANES, count):
        for c in range(channels):
            block[to + places[p] + c] = x[start + c * plane + p]


@inline()
def spread(x: Vector, image: int, unit: Any, tables: Any, block: Vector, to: int) -> None:
    """The unit's rows, surrounded by zeros, as vectors over channels."""
    channels, height, width, pad, first, tall, wide = unit
    for k in range(to, to + tall * wide * channels):
        block[k] = 0
    top, end = max(first, 0), min(first + tall, height)
    plane, count = height * width, (end - top) * width
    start = image * channels * plane + top * width
    to += ((top - first) * wide + pad) * channels
    turn(x, start, plane, count, channels, tables, block, to)


@inline()
def gather(block: Vector, at: int, tables: Any, x: Vector, image: int, unit: Any) -> None:
    """Vectors over channels as rows of the image's planes."""
    channels, height, width, first, tall = unit
    places, steps = tables
    plane, count = height * width, (min(first + tall, height) - first) * width
    start = image * channels * plane + first * width
    for p in range(0, count - LANES + 1, LANES):
        for c in range(0, channels, LANES):
            s.transpose(block, at + c, places[p:], x, start + c * plane + p, steps)
    for p in range(count // LANES * LANES, count):
        for c in range(channels):
            x[start + c * plane + p] = block[at + places[p] + c]


@inline()
def analyse_unit(
    x: Vector, z: Ints, unit: int, back: bool, tables: Any, block: Vector, at: int, out: Vector,
    to: int, step: int,
) -> None:  # fmt: skip
    """The frequencies of a unit's tiles: of windows of x, or (`back`) of results like x."""
    channels, height, width, pad = z[0], z[1], z[2], z[3]
    strips, tall, wide = z[4], z[5], z[6]
    image, first = unit // strips, unit % strips * tall * 2
    edge = 0 if back else 2
    line = (2 * wide + edge) * channels
    grid = (channels, height, width, pad, first - pad, 2 * tall + edge, 2 * wide + edge)
    spread(x, image, grid, tables, block, at)
    steps, places = (line, channels, 1), (4 * step, step, 1)
    for i in range(tall):
        for j in range(wide):
            corner, spot = at + 2 * (i * line + j * channels), to + (i * wide + j) * channels
            for c in range(0, channels, LANES):
                if back:
                    s.from_tile_back(block, corner + c, steps, out, spot + c, places)
                else:
                    s.to_tile(block, corner + c, steps, out, spot + c, places)


@inline()
def synthesise_unit(
    frequencies: Vector, at: int, step: int, z: Ints, unit: int, tables: Any, bias: Vector,
    block: Vector, to: int, out: Vector,
) -> None:  # fmt: skip
    """Rows of the result from the frequencies of a unit's tiles."""
    channels, height, width, strips, tall, wide = z[0], z[1], z[2], z[4], z[5], z[6]
    line = 2 * wide * channels
    steps, places = (4 * step, step, 1), (line, channels, 1)
    for i in range(tall):
        for j in range(wide):
            spot, corner = at + (i * wide + j) * channels, to + 2 * (i * line + j * channels)
            for c in range(0, channels, LANES):
                s.from_tile(frequencies, spot + c, steps, block, corner + c, places)
    if bias.size:
        for p in range(to, to + 4 * tall * wide * channels, channels):
            for c in range(channels):
                block[p + c] += bias[c]
    first = unit % strips * tall * 2
    gather(block, to, tables, out, unit // strips, (channels, height, width, first, 2 * tall))


@loop()
def pack(w: Vector, lanes: int, depth: int, rotated: bool, out: Vector, lo: int, hi: int) -> None:
    """Filters (outputs, inputs, 3, 3) to [frequency][panel of lanes][depth][lane].

    `rotated`: as the gradient of the input reads them, inputs as lanes, turned by 180 degrees.
    """
    for c in range(lo * LANES, hi * LANES, LANES):
        for k in range(depth):
            at = (k * lanes + c) * 9 + 8 if rotated else (c * depth + k) * 9
            steps = (-3, -1, 9) if rotated else (3, 1, depth * 9)
            spot, step = (c * depth) + k * LANES, depth * lanes
            s.to_filter(w, at, steps, out, spot, (4 * step, step, 1))


@loop()
def blocks(
    x: Vector, filters: Vector, bias: Vector, a: Ints, b: Ints, places: Ints, steps: Ints,
    out_places: Ints, out_steps: Ints, tiles: Ints, unit: Ints, line: Ints, per: int, units: int,
    scratch: Vector, slots: Ints, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Whole blocks of `per` units: transformed, multiplied and transformed back."""
    count, inputs, outputs = a[5] * a[6], a[0], b[0]
    step, out_step = per * count * inputs + SLACK, per * count * outputs + SLACK
    slot = s.take(slots)
    first = slot * (scratch.size // slots.size)
    second = first + 16 * step
    block = second + 16 * out_step
    for part in range(lo, hi):
        start, end = part * per, min(part * per + per, units)
        for u in range(start, end):
            analyse_unit(x, a, u, False, (places, steps), scratch, block, scratch,
                         first + (u - start) * count * inputs, step)  # fmt: skip
        sizes = ((end - start) * count, outputs // LANES, inputs)
        for f in range(16):
            s.multiply(sizes, (scratch, first + f * step, tiles, unit),
                       (filters, f * inputs * outputs, inputs * LANES, line),
                       (scratch, second + f * out_step, outputs), False)  # fmt: skip
        for u in range(start, end):
            synthesise_unit(scratch, second + (u - start) * count * outputs, out_step, b, u,
                            (out_places, out_steps), bias, scratch, block, out)  # fmt: skip
    s.give(slots, slot)


@loop()
def analyse(
    x: Vector, z: Ints, begin: int, back: bool, places: Ints, steps: Ints, step: int,
    scratch: Vector, slots: Ints, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    for u in range(lo, hi):
        analyse_unit(x, z, begin + u, back, (places, steps), scratch, at, out,
                     u * z[5] * z[6] * z[0], step)  # fmt: skip
    s.give(slots, slot)


@loop()
def combine(
    x: Vector, filters: Vector, inputs: int, outputs: int, count: int, tiles: Ints, unit: Ints,
    line: Ints, pitch: int, step: int, out_step: int, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Products of all tiles: a part is one frequency and one pair of vectors of outputs."""
    pairs = -(-outputs // (2 * LANES))
    for part in range(lo, hi):
        f, c = part // pairs, part % pairs * 2 * LANES
        sizes = (count, min(2, (outputs - c) // LANES), inputs)
        s.multiply(sizes, (x, f * step, tiles, unit),
                   (filters, (f * outputs + c) * inputs, inputs * LANES, line),
                   (out, f * out_step + c, pitch), False)  # fmt: skip


@loop()
def synthesise(
    frequencies: Vector, z: Ints, places: Ints, steps: Ints, step: int, bias: Vector,
    scratch: Vector, slots: Ints, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    for u in range(lo, hi):
        synthesise_unit(frequencies, u * z[5] * z[6] * z[0], step, z, u, (places, steps), bias,
                        scratch, at, out)  # fmt: skip
    s.give(slots, slot)


@loop()
def correlate(
    x: Vector, grad: Vector, inputs: int, outputs: int, count: int, tiles: Ints, grad_tiles: Ints,
    unit: Ints, step: int, grad_step: int, add: bool, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Sums over tiles, [frequency][input][output]: a part is some inputs of one frequency."""
    pieces = -(-inputs // ROWS)
    for part in range(lo, hi):
        f, c = part // pieces, part % pieces * ROWS
        sizes = (min(ROWS, inputs - c), outputs // LANES, count)
        s.multiply(sizes, (x, f * step + c, unit, tiles),
                   (grad, f * grad_step, LANES, grad_tiles),
                   (out, (f * inputs + c) * outputs, outputs), add)  # fmt: skip


@loop()
def filter_sums(
    x: Vector, grad: Vector, a: Ints, b: Ints, places: Ints, steps: Ints, out_places: Ints,
    out_steps: Ints, tiles: Ints, out_tiles: Ints, unit: Ints, units: int, each: int, per: int,
    scratch: Vector, slots: Ints, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """`correlate` for whole blocks of `per` units: a part adds up `each` units on its own."""
    count, inputs, outputs = a[5] * a[6], a[0], b[0]
    step, out_step = per * count * inputs + SLACK, per * count * outputs + SLACK
    slot = s.take(slots)
    first = slot * (scratch.size // slots.size)
    second = first + 16 * step
    block = second + 16 * out_step
    for part in range(lo, hi):
        final = min(part * each + each, units)
        for start in range(part * each, final, per):
            end = min(start + per, final)
            for u in range(start, end):
                at = (u - start) * count
                analyse_unit(x, a, u, False, (places, steps), scratch, block, scratch,
                             first + at * inputs, step)  # fmt: skip
                analyse_unit(grad, b, u, True, (out_places, out_steps), scratch, block, scratch,
                             second + at * outputs, out_step)  # fmt: skip
            sizes = (inputs, outputs // LANES, (end - start) * count)
            for f in range(16):
                s.multiply(sizes, (scratch, first + f * step, unit, tiles),
                           (scratch, second + f * out_step, LANES, out_tiles),
                           (out, (part * 16 + f) * inputs * outputs, outputs),
                           start > part * each)  # fmt: skip
    s.give(slots, slot)


@loop()
def unpack(
    sums: Vector, parts: int, inputs: int, outputs: int, out: Vector, lo: int, hi: int
) -> None:  # fmt: skip
    """Filters (outputs, inputs, 3, 3) from the frequencies that the parts give together."""
    step = inputs * outputs
    for o in range(lo * LANES, hi * LANES, LANES):
        for p in range(1, parts):
            for k in range(o, 16 * step, outputs):
                total, more = sums[k : k + LANES], sums[16 * p * step + k :]
                for i in range(LANES):
                    total[i] += more[i]
        for c in range(inputs):
            s.to_filter_back(sums, c * outputs + o, (4 * step, step, 1), out, (o * inputs + c) * 9,
                             (3, 1, inputs * 9))  # fmt: skip


class Side(NamedTuple):
    """One side's planes, as the loops read them: `sizes` is the table `z`."""

    sizes: Array
    places: Array
    steps: Array
    tiles: Array
    block: int  # elements of a unit's rows as vectors


class Layout(NamedTuple):
    """How a convolution is cut: units, and blocks of `per` of them."""

    units: int
    tiles: int  # of a unit
    per: int
    near: Side  # what windows are taken of
    far: Side  # what they give


@lru_cache(256)
def table(n: int, step: int = 1) -> Array:
    return np.arange(n, dtype=I64) * step


@lru_cache(256)
def layout(
    batch: int, channels: int, outputs: int, height: int, width: int, pad: int
) -> Layout:  # fmt: skip
    """How a convolution is cut, by its shape alone."""
    rows, columns = height + 2 * pad - 2, width + 2 * pad - 2
    high, wide = -(-rows // 2), -(-columns // 2)
    strips = -(-high * wide // TILES)
    tall = -(-high // strips)
    strips = -(-high // tall)
    units, count = batch * strips, tall * wide
    blocks = max(1, round(units * count / TILES))
    per = -(-units // blocks)
    whole = units if units * count <= FEW else 1
    most = count * max(per, whole, min(units, max(1, SUMMED // count)))

    def side(n: int, h: int, w: int, p: int, edge: int) -> Side:
        across = (2 * wide + edge) * n
        sizes = np.array([n, h, w, p, strips, tall, wide], I64)
        pixels = np.arange(h * w, dtype=I64)
        places = pixels // w * across + pixels % w * n
        return Side(sizes, places, table(LANES, h * w), table(most, n),
                    (2 * tall + edge) * across)  # fmt: skip

    return Layout(units, count, per, side(channels, height, width, pad, 2),
                  side(outputs, rows, columns, 0, 0))  # fmt: skip


def aligned(n: int, kind: Any = F32) -> Array:
    """An uninitialised vector that starts a cache line: what straddles two costs double."""
    raw = empty(n + LANES, kind)
    start = -raw.ctypes.data % 64 // raw.itemsize
    return raw[start : start + n]


def slots() -> Array:
    """One for each thread that may come."""
    return np.zeros(_threads.get_num_threads(), I64)


def convolve(
    x: Array, w: Array, bias: Array | None, outputs: int, pad: int, rotated: bool
) -> Array:
    """x (batch, channels, ...) by the filters w, padded by `pad`; see `pack` for `rotated`."""
    batch, channels, height, width = x.shape
    p = layout(batch, channels, outputs, height, width, pad)
    filters = aligned(16 * channels * outputs)
    pack(outputs // LANES, 1, w.reshape(-1), outputs, channels, rotated, filters)
    size = (batch, outputs, int(p.far.sizes[1]), int(p.far.sizes[2]))
    out, shift, free = empty(size, F32), np.empty(0, F32) if bias is None else bias, slots()
    near, far, tiles = p.near, p.far, p.units * p.tiles
    unit, line, flat = table(channels), table(channels, LANES), out.reshape(-1)
    room = max(near.block, far.block)
    if tiles > FEW:
        most = p.per * p.tiles
        each = 16 * (most * (channels + outputs) + 2 * SLACK) + room
        blocks(
            -(-p.units // p.per), 1, x.reshape(-1), filters, shift, near.sizes, far.sizes,
            near.places, near.steps, far.places, far.steps, near.tiles, unit, line, p.per, p.units,
            aligned(each * free.size), free, flat,
        )  # fmt: skip
        return out
    step, out_step = tiles * channels + SLACK, tiles * outputs + SLACK
    scratch = aligned(room * free.size)
    seen, made = aligned(16 * step), aligned(16 * out_step)
    analyse(p.units, 1, x.reshape(-1), near.sizes, 0, False, near.places, near.steps, step,
            scratch, free, seen)  # fmt: skip
    combine(16 * -(-outputs // (2 * LANES)), 1, seen, filters, channels, outputs, tiles,
            near.tiles, unit, line, outputs, step, out_step, made)  # fmt: skip
    synthesise(p.units, 1, made, far.sizes, far.places, far.steps, out_step, shift, scratch, free,
               flat)  # fmt: skip
    return out


def filter_gradient(grad: Array, x: Array, pad: int) -> Array:
    """The gradient of filters (outputs, channels, 3, 3)."""
    batch, channels, height, width = x.shape
    outputs = grad.shape[1]
    p = layout(batch, channels, outputs, height, width, pad)
    near, far, free = p.near, p.far, slots()
    out, parts = empty((outputs, channels, 3, 3), F32), SUMS // (16 * channels * outputs)
    if parts >= 4 and p.units >= 4:
        each = -(-p.units // min(parts, PARTS))
        parts, per = -(-p.units // each), max(1, NEAR // p.tiles)
        sums = aligned(parts * 16 * channels * outputs)
        room = 16 * (per * p.tiles * (channels + outputs) + 2 * SLACK) + max(near.block, far.block)
        filter_sums(
            parts, 1, x.reshape(-1), grad.reshape(-1), near.sizes, far.sizes, near.places,
            near.steps, far.places, far.steps, near.tiles, far.tiles, table(channels), p.units,
            each, per, aligned(room * free.size), free, sums,
        )  # fmt: skip
        unpack(outputs // LANES, 1, sums, parts, channels, outputs, out.reshape(-1))
        return out
    group = max(1, SUMMED // p.tiles)
    count = min(group, p.units) * p.tiles
    step, grad_step = count * channels + SLACK, count * outputs + SLACK
    seen, given = aligned(16 * step), aligned(16 * grad_step)
    scratch = aligned(max(near.block, far.block) * free.size)
    sums = aligned(16 * channels * outputs)
    for begin in range(0, p.units, group):
        n = min(group, p.units - begin)
        analyse(n, 1, x.reshape(-1), near.sizes, begin, False, near.places, near.steps, step,
                scratch, free, seen)  # fmt: skip
        analyse(n, 1, grad.reshape(-1), far.sizes, begin, True, far.places, far.steps, grad_step,
                scratch, free, given)  # fmt: skip
        correlate(16 * -(-channels // ROWS), 1, seen, given, channels, outputs, n * p.tiles,
                  near.tiles, far.tiles, table(channels), step, grad_step, begin > 0,
                  sums)  # fmt: skip
    unpack(outputs // LANES, 1, sums, 1, channels, outputs, out.reshape(-1))
    return out


def fits(kind: Any, channels: int, outputs: int, groups: int, rest: Any) -> bool:
    """Whether these loops serve: rest = (kernel, stride, padding, dilation)."""
    kernel, stride, padding, dilation = rest
    return (
        kind is F32 and groups == 1 and not channels % LANES and not outputs % LANES
        and kernel == (3, 3) and stride == dilation == (1, 1)
        and padding[0] == padding[1] <= 2
    )  # fmt: skip
