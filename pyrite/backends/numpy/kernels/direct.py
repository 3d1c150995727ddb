"""Convolution without columns: the sums of a few channels' rows stay in registers.

Planes are copied once with their padding, split by the residues of the stride, so that every
element of a window lies at a fixed distance from the first, wherever the window is. A row of
results over all positions is then a product of weights with shifted planes (`_simd.multiply`).
The gradient of the input is the same loop, with planes and results changing places.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import _simd as s
from ._jit import Ints, Table, Vector, inline, loop
from ._registry import F32, I64, Array, empty
from .matmul import BOTH
from .winograd import aligned, slots, table

FEW = 32  # elements of a window up to which a weight's gradient is made of dot products
WIDTH = 64  # positions of a row up to which channels are the lanes
PIXELS = 128  # positions that a product should have at least, of several images if need be
RUN = 1024  # positions of a part where windows are single elements
ROOM = 1 << 17  # elements of the planes made at a time: they stay in the second-level cache
PARTS = 8  # of a weight's gradient, at most
SHAPES = 256  # of which the tables are kept
WEIGHTS = 1 << 21  # elements of all parts' gradients together

Sizes = tuple[int, ...]


@inline()
def fill(
    x: Vector, plane: int, count: int, z: Ints, first: int, rows: int, out: Vector, to: int
) -> None:  # fmt: skip
    """`count` planes from `plane` on, `rows` of their rows from `first` on, split by residues.

    z: (height, width, steps of rows and columns, padding before, residues of rows and columns,
    width of a split plane, columns from a residue to the next).
    """
    height, width, sh, sw, ph, pw, wide = z[0], z[1], z[2], z[3], z[4], z[5], z[8]
    for c in range(plane, plane + count):
        for i in range(z[6]):
            for j in range(z[7]):
                for q in range(first, first + rows):
                    y, start = q * sh + i - ph, j * z[9] - pw
                    a = 0 if start >= 0 else (sw - 1 - start) // sw
                    b = min(wide, (width - 1 - start) // sw + 1) if start < width else 0
                    if y < 0 or y >= height or a >= b:
                        a, b = wide, wide
                    at = (c * height + y) * width + start
                    for k in range(a):
                        out[to + k] = 0
                    if sw == 1:
                        for k in range(a, b):
                            out[to + k] = x[at + k]
                    else:
                        for k in range(a, b):
                            out[to + k] = x[at + k * sw]
                    for k in range(b, wide):
                        out[to + k] = 0
                    to += wide


@inline()
def place(
    sums: Vector, at: int, pitch: int, wide: int, first: int, rows: int, count: int, bias: Vector,
    shift: int, phase: Any, z: Ints, out: Vector, plane: int,
) -> None:  # fmt: skip
    """Sums of all positions to the results of one residue of rows and columns.

    z: (height, width, steps of rows and columns, padding before) of the result.
    """
    height, width, sh, sw, ph, pw = z[0], z[1], z[2], z[3], z[4], z[5]
    start = phase[1] - pw
    a = 0 if start >= 0 else (sw - 1 - start) // sw
    b = min(wide, (width - 1 - start) // sw + 1) if start < width else 0
    for c in range(count):
        for q in range(rows):
            y = (first + q) * sh + phase[0] - ph
            if y < 0 or y >= height:
                continue
            source, to = at + c * pitch + q * wide, ((plane + c) * height + y) * width + start
            extra = bias[shift + c] if bias.size else out.dtype.type(0)
            if sw == 1:
                for k in range(a, b):
                    out[to + k] = sums[source + k] + extra
            else:
                for k in range(a, b):
                    out[to + k * sw] = sums[source + k] + extra


@loop(kinds=BOTH)
def results(
    x: Vector, w: Vector, bias: Vector, near: Ints, far: Ints, phases: Table, weights: Ints,
    places: Ints, lines: Ints, cut: Ints, scratch: Vector, slots: Ints, out: Vector, lo: int,
    hi: int,
) -> None:  # fmt: skip
    """One part: some rows of positions of all channels of a group of an image."""
    groups, strips, tall, high, extra = cut[0], cut[1], cut[2], cut[3], cut[4]
    inputs, outputs, group_weights = cut[5], cut[6], cut[8]
    wide, lanes = near[8], s.lanes(x)
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    sums = at + cut[7]
    pitch = (tall * wide + lanes - 1) // lanes * lanes
    for part in range(lo, hi):
        image, strip = part // strips, part % strips
        group, first = image % groups, strip * tall
        rows = min(tall, high - first)
        fill(x, image * inputs, inputs, near, first, tall + extra, scratch, at)
        vectors = (rows * wide + lanes - 1) // lanes
        for p in range(phases.shape[0]):
            phase = phases[p]
            begin, depth = phase[2], phase[3]
            if depth > 0:
                s.multiply((outputs, vectors, depth),
                           (w, group * group_weights, lines, weights[begin:]),
                           (scratch, at, lanes, places[begin:]), (scratch, sums, pitch),
                           False)  # fmt: skip
            else:
                for k in range(sums, sums + outputs * pitch):
                    scratch[k] = 0
            place(scratch, sums, pitch, wide, first, rows, outputs, bias, group * outputs,
                  (phase[0], phase[1]), far, out, image * outputs)  # fmt: skip
    s.give(slots, slot)


@loop(kinds=BOTH)
def pack(
    w: Vector, lines: Ints, weights: Ints, groups: int, step: int, out: Vector, lo: int, hi: int
) -> None:  # fmt: skip
    """A part is a vector of a group's channels: [group][vector][depth][lane], missing ones 0."""
    lanes, depth, vectors = s.lanes(w), weights.size, -(-lines.size // s.lanes(w))
    for part in range(lo, hi):
        first, at = part % vectors * lanes, part // vectors * step
        have = min(lanes, lines.size - first)
        for k in range(depth):
            to = (part * depth + k) * lanes
            for c in range(have):
                out[to + c] = w[at + lines[first + c] + weights[k]]
            for c in range(have, lanes):
                out[to + c] = 0


@loop(kinds=BOTH)
def results_by_lanes(
    x: Vector, w: Vector, bias: Vector, near: Ints, far: Ints, phases: Table, places: Ints,
    positions: Ints, lines: Ints, columns: Ints, steps: Ints, cut: Ints, units: int, block: int,
    scratch: Vector, slots: Ints, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Like `results`, with channels as the lanes: a part is a block of units of all groups."""
    groups, strips, tall, high, extra = cut[0], cut[1], cut[2], cut[3], cut[4]
    inputs, outputs, pitch, lanes = cut[5], cut[6], steps[1], s.lanes(x)
    width, vectors = near[8] - cut[9], -(-cut[6] // s.lanes(x))
    wide = lines[1]  # elements of a position's sums
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    sums = at + block * cut[7]
    turned = sums + block * tall * width * wide
    for part in range(lo, hi):
        begin, end = part * block, min(part * block + block, units)
        for group in range(groups):
            count = 0
            for u in range(begin, end):
                first = u % strips * tall
                fill(x, (u // strips * groups + group) * inputs, inputs, near, first, tall + extra,
                     scratch, at + (u - begin) * cut[7])  # fmt: skip
                count += min(tall, high - first) * width
            for p in range(phases.shape[0]):
                phase = phases[p]
                if phase[3] > 0:
                    s.multiply((count, vectors, phase[3]),
                               (scratch, at, positions, places[phase[2] :]),
                               (w, (group * vectors * places.size + phase[2]) * lanes,
                                places.size * lanes, columns),
                               (scratch, sums, wide), False)  # fmt: skip
                else:
                    for k in range(sums, sums + count * wide):
                        scratch[k] = 0
                source = sums
                for u in range(begin, end):
                    first = u % strips * tall
                    rows = min(tall, high - first)
                    for q in range(0, rows * width, lanes):
                        for c in range(0, wide, lanes):
                            s.transpose(scratch, source + q * wide + c, lines, scratch,
                                        turned + c * pitch + q, steps)  # fmt: skip
                    place(scratch, turned, pitch, width, first, rows, outputs, bias,
                          group * outputs, (phase[0], phase[1]), far, out,
                          (u // strips * groups + group) * outputs)  # fmt: skip
                    source += rows * width * wide
    s.give(slots, slot)


@inline()
def turn(
    g: Vector, start: int, plane: int, count: int, channels: int, steps: Ints, lines: Ints,
    out: Vector, to: int,
) -> None:  # fmt: skip
    """Pieces of planes as vectors over channels, one after the other; missing lanes are 0."""
    lanes, wide = s.lanes(g), lines[1]
    full, whole = count // s.lanes(g) * s.lanes(g), channels // s.lanes(g) * s.lanes(g)
    for p in range(0, full, lanes):
        for c in range(0, whole, lanes):
            s.transpose(g, start + c * plane + p, steps, out, to + p * wide + c, lines)
    for p in range(count):
        for c in range(whole if p < full else 0, channels):
            out[to + p * wide + c] = g[start + c * plane + p]
        for c in range(channels, wide):
            out[to + p * wide + c] = 0


@loop(kinds=BOTH)
def weight_sums(
    x: Vector, grad: Vector, near: Ints, steps: Ints, lines: Ints, places: Ints, pixels: Ints,
    cut: Ints, each: int, block: int, scratch: Vector, slots: Ints, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """A part adds up `each` units, (image, strip), in sums of its own [group][window][output]."""
    groups, strips, tall, high, extra = cut[0], cut[1], cut[2], cut[3], cut[4]
    inputs, outputs, units, width = cut[5], cut[6], cut[8], cut[9]
    lanes, windows = s.lanes(x), places.size
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    turned = at + block * cut[7]
    for part in range(lo, hi):
        end = min(part * each + each, units)
        for u in range(part * each, end, block):
            for group in range(groups):
                count = 0
                for v in range(u, min(u + block, end)):
                    index, first = v // strips * groups + group, v % strips * tall
                    more = min(tall, high - first) * width
                    fill(x, index * inputs, inputs, near, first, tall + extra, scratch,
                         at + (v - u) * cut[7])  # fmt: skip
                    turn(grad, (index * outputs * high + first) * width, high * width, more,
                         outputs, steps, lines, scratch, turned + count * lines[1])  # fmt: skip
                    count += more
                s.multiply((windows, lines[1] // lanes, count), (scratch, at, places, pixels),
                           (scratch, turned, lanes, lines),
                           (out, (part * groups + group) * windows * lines[1], lines[1]),
                           u > part * each)  # fmt: skip
    s.give(slots, slot)


@loop(kinds=BOTH)
def weight_dots(
    x: Vector, grad: Vector, near: Ints, places: Ints, cut: Ints, scratch: Vector, slots: Ints,
    out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """A part is one output of few inputs: an element of its weight is a dot product."""
    groups, strips, tall, high, extra = cut[0], cut[1], cut[2], cut[3], cut[4]
    inputs, outputs, units, windows, width = cut[5], cut[6], cut[7], places.size, near[8]
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    for c in range(lo, hi):
        sums = out[c * windows : (c + 1) * windows]
        for k in range(windows):
            sums[k] = 0
        for u in range(units):
            image, first = u // strips, u % strips * tall
            plane, count = (image * groups + c // outputs) * inputs, min(tall, high - first) * width
            fill(x, plane, inputs, near, first, tall + extra, scratch, at)
            start = ((image * groups * outputs + c) * high + first) * width
            for k in range(windows):
                shifted = at + places[k]
                sums[k] += dot(grad[start : start + count], scratch[shifted : shifted + count])
    s.give(slots, slot)


@inline("contract", "reassoc")
def dot(x: Vector, y: Vector) -> Any:
    total = x.dtype.type(0)
    for k in range(x.size):
        total += x[k] * y[k]
    return total


@loop(kinds=BOTH)
def points(
    x: Vector, w: Vector, bias: Vector, plan: Ints, weights: Ints, places: Ints, lines: Ints,
    out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Windows of one element: a part is a stretch of one image's positions, used in place."""
    groups, inputs, outputs, size, strips, run = plan
    lanes = s.lanes(x)
    for part in range(lo, hi):
        index, begin = part // strips, part % strips * run
        group, end = index % groups, min(begin + run, size)
        left = (w, group * inputs * outputs, lines, weights)
        source, to = index * inputs * size, index * outputs * size
        whole = (end - begin) // lanes
        s.multiply((outputs, whole, inputs), left, (x, source + begin, lanes, places),
                   (out, to + begin, size), False)  # fmt: skip
        if (end - begin) % lanes:  # the last vector overlaps the one before
            s.multiply((outputs, 1, inputs), left, (x, source + end - lanes, lanes, places),
                       (out, to + end - lanes, size), False)  # fmt: skip
        if bias.size:
            for c in range(outputs):
                for k in range(to + c * size + begin, to + c * size + end):
                    out[k] += bias[group * outputs + c]


class Shape(NamedTuple):
    """A convolution over two dimensions; one dimension is a row of height 1."""

    batch: int
    groups: int
    inputs: int  # of a group
    outputs: int  # of a group
    size: Sizes
    out: Sizes
    kernel: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes


class Cut(NamedTuple):
    """The tables of `results` for one convolution."""

    near: Array
    far: Array
    phases: Array
    weights: Array
    places: Array
    lines: Array
    cut: Array
    parts: int
    room: int  # elements of scratch memory for a thread


def _up(n: int, step: int) -> int:
    return -(-n // step) * step


def _rows(
    p: Shape, near: Sizes, positions: Sizes, channels: Sizes, lanes: int
) -> tuple[Array, list[int], int]:
    """How rows of positions are cut: (near, cut, parts)."""
    reach = _reach(p)
    wide = positions[1] + reach[1]
    line = channels[0] * near[6] * near[7] * wide
    strips = -(-positions[0] // max(1, ROOM // line - reach[0]))
    tall = -(-positions[0] // strips)
    strips = -(-positions[0] // tall)
    # The last vector of a row reaches beyond the planes by less than this.
    planes = _up(line * (tall + reach[0]) + reach[1] + 2 * lanes, lanes)
    cut = [p.groups, strips, tall, positions[0], reach[0], *channels, planes]
    return np.array([*near, wide, 1], I64), cut, p.batch * p.groups * strips


def _reach(p: Shape) -> Sizes:
    return tuple([(k - 1) * d // s for k, d, s in zip(p.kernel, p.dilation, p.stride, strict=True)])


@lru_cache(SHAPES)
def forward_cut(p: Shape, lanes: int) -> Cut:
    """The tables of the convolution."""
    spans = [(k - 1) * d + 1 for k, d in zip(p.kernel, p.dilation, strict=True)]
    residues = map(min, p.stride, spans)
    given = (*p.size, *p.stride, *p.padding, *residues)
    near, cut, parts = _rows(p, given, p.out, (p.inputs, p.outputs), lanes)
    depth, tall, wide = p.inputs * prod(p.kernel), cut[2] + cut[4], int(near[8])
    (sh, sw), plane = p.stride, tall * wide
    i, j = (np.arange(k, dtype=I64) * d for k, d in zip(p.kernel, p.dilation, strict=True))
    rows, columns = i % sh * near[7] * plane + i // sh * wide, j % sw * plane + j // sw
    channels = np.arange(p.inputs, dtype=I64) * (plane * near[6] * near[7])
    places = (channels[:, None, None] + rows[:, None] + columns).reshape(-1)
    return Cut(
        near, np.array([*p.out, 1, 1, 0, 0], I64), np.array([[0, 0, 0, depth]], I64), table(depth),
        places, table(p.outputs, depth), np.array([*cut, p.outputs * depth, _reach(p)[1]], I64),
        parts, cut[7] + p.outputs * _up(cut[2] * wide, lanes),
    )  # fmt: skip


@lru_cache(SHAPES)
def backward_cut(p: Shape, lanes: int) -> Cut:
    """The tables of the gradient of the input: results are apart by the stride."""
    reach, taps = _reach(p), prod(p.kernel)
    each = zip(p.padding, p.size, p.stride, strict=True)
    positions = tuple([(pad + n - 1) // s + 1 for pad, n, s in each])
    given = (*p.out, 1, 1, *reach, 1, 1)
    near, cut, parts = _rows(p, given, positions, (p.outputs, p.inputs), lanes)
    wide = int(near[8])
    i, j = (np.arange(k, dtype=I64) * d for k, d in zip(p.kernel, p.dilation, strict=True))
    back = ((reach[0] - i // p.stride[0]) * wide)[:, None] + reach[1] - j // p.stride[1]
    o = np.arange(p.outputs, dtype=I64)[:, None]
    phases, weights, places, begin = [], [], [], 0
    for a, b in product(*map(range, p.stride)):
        chosen = np.flatnonzero((i % p.stride[0] == a)[:, None] & (j % p.stride[1] == b))
        weights.append((o * p.inputs * taps + chosen).reshape(-1))
        places.append((o * (cut[2] + cut[4]) * wide + back.reshape(-1)[chosen]).reshape(-1))
        phases.append([a, b, begin, weights[-1].size])
        begin += weights[-1].size
    return Cut(
        near, np.array([*p.size, *p.stride, *p.padding], I64), np.array(phases, I64),
        np.concatenate(weights), np.concatenate(places), table(p.inputs, taps),
        np.array([*cut, p.outputs * p.inputs * taps, reach[1]], I64), parts,
        cut[7] + p.inputs * _up(cut[2] * wide, lanes),
    )  # fmt: skip


def in_place(p: Shape, lanes: int) -> bool:
    """Whether `by_points` serves."""
    return (
        p.kernel == p.stride == (1, 1) and p.padding == (0, 0) and p.size == p.out
        and prod(p.size) >= lanes
    )  # fmt: skip


def by_points(p: Shape, x: Array, w: Array, bias: Array | None, back: bool, out: Array) -> Array:
    """Fill `out` with the convolution or, `back`, with the gradient of the input."""
    inputs, outputs = (p.outputs, p.inputs) if back else (p.inputs, p.outputs)
    size, shift = prod(p.size), np.empty(0, x.dtype) if bias is None else bias
    strips = -(-size // RUN)
    stretch = _up(-(-size // strips), 64 // x.itemsize)
    strips = -(-size // stretch)
    if strips > 1 and size - (strips - 1) * stretch < 64 // x.itemsize:
        strips, stretch = 1, size
    plan = np.array([p.groups, inputs, outputs, size, strips, stretch], I64)
    rows, steps = (1, outputs) if back else (inputs, 1)
    points[x.dtype is not F32](
        p.batch * p.groups * strips, 1, x.reshape(-1), w.reshape(-1), shift, plan,
        table(inputs, steps), table(inputs, size), table(outputs, rows), out.reshape(-1),
    )  # fmt: skip
    return out


def run(c: Cut, x: Array, w: Array, bias: Array | None, out: Array) -> Array:
    """Fill `out` from x and w, all C-contiguous and of one type."""
    free = slots()
    shift = np.empty(0, x.dtype) if bias is None else bias
    if c.lines.size >= 64 // x.itemsize and c.near[8] <= WIDTH:
        return _by_lanes(c, x, w, shift, out)
    results[x.dtype is not F32](
        c.parts, 1, x.reshape(-1), w.reshape(-1), shift, c.near, c.far, c.phases, c.weights,
        c.places, c.lines, c.cut, aligned(c.room * free.size, x.dtype), free, out.reshape(-1),
    )  # fmt: skip
    return out


def _block(c: Cut, units: int, positions: int) -> int:
    """How many units' positions make up a product: of one image where it is cut into strips."""
    return 1 if c.cut[1] > 1 else max(1, min(units, -(-PIXELS // positions)))


def _positions(c: Cut, block: int, width: int) -> Array:
    """Offsets of the windows of a block's units in their planes."""
    q, x = np.arange(c.cut[2], dtype=I64) * c.near[8], np.arange(width, dtype=I64)
    units = np.arange(block, dtype=I64) * c.cut[7]
    return (units[:, None, None] + q[:, None] + x).reshape(-1)


def _by_lanes(c: Cut, x: Array, w: Array, shift: Array, out: Array) -> Array:
    free, lanes, groups = slots(), 64 // x.itemsize, int(c.cut[0])
    width, tall, channels = int(c.near[8] - c.cut[9]), int(c.cut[2]), _up(c.lines.size, lanes)
    units = c.parts // groups
    block = _block(c, units, tall * width)
    pitch, double = _up(tall * width, lanes), x.dtype is not F32
    packed = aligned(groups * channels * c.weights.size, x.dtype)
    pack[double](groups * channels // lanes, 1, w.reshape(-1), c.lines, c.weights, groups,
                 int(c.cut[8]), packed)  # fmt: skip
    room = block * (int(c.cut[7]) + tall * width * channels) + channels * (pitch + lanes)
    results_by_lanes[double](
        -(-units // block), 1, x.reshape(-1), packed, shift, c.near, c.far, c.phases, c.places,
        _positions(c, block, width), table(lanes, channels), table(c.places.size, lanes),
        table(lanes, pitch), c.cut, units, block, aligned(_up(room, lanes) * free.size, x.dtype),
        free, out.reshape(-1),
    )  # fmt: skip
    return out


@lru_cache(SHAPES)
def weight_cut(p: Shape, lanes: int) -> tuple[Array, Array, Array, int, int, int, int]:
    """Pixels, lines, cut, units of a part and of a block, parts, room of `weight_sums`."""
    c = forward_cut(p, lanes)
    padded, pixel = _up(p.outputs, lanes), np.arange(c.cut[2] * p.out[1], dtype=I64)
    units = c.parts // p.groups
    most = max(2, min(PARTS, WEIGHTS // (p.groups * c.places.size * padded)))
    each = -(-units // most)
    block = _block(c, each, pixel.size)
    pixels = _positions(c, block, p.out[1])
    cut = np.array([*c.cut[:8], units, p.out[1]], I64)
    lines = table(max(pixels.size, lanes), padded)
    room = block * (int(cut[7]) + pixel.size * padded)
    return pixels, lines, cut, each, block, -(-units // each), room


@lru_cache(SHAPES)
def _dots_cut(p: Shape) -> tuple[Array, Array, Array, int]:
    """Planes with a copy for each column of the window, so that all windows of a row are one run.

    (near, places, cut, room) of `weight_dots`.
    """
    (kh, kw), (sh, sw), (dh, dw), (high, width) = p.kernel, p.stride, p.dilation, p.out
    extra, residues = (kh - 1) * dh // sh, min(sh, (kh - 1) * dh + 1)
    tall = max(1, min(high, ROOM // (p.inputs * residues * kw * width) - extra))
    line = (tall + extra) * width
    near = np.array([*p.size, sh, sw, *p.padding, residues, kw, width, dw], I64)
    c, i, j = np.ogrid[: p.inputs, :kh, :kw]
    places = ((c * residues + i * dh % sh) * kw + j) * line + i * dh // sh * width
    strips = -(-high // tall)
    cut = [p.groups, strips, tall, high, extra, p.inputs, p.outputs, p.batch * strips]
    return near, places.reshape(-1), np.array(cut, I64), p.inputs * residues * kw * line


def _by_dots(p: Shape, grad: Array, x: Array) -> Array:
    (near, places, cut, room), free = _dots_cut(p), slots()
    out = empty((p.groups * p.outputs, p.inputs, *p.kernel), x.dtype)
    weight_dots[x.dtype is not F32](
        p.groups * p.outputs, 1, x.reshape(-1), grad.reshape(-1), near, places, cut,
        aligned(_up(room, 64 // x.itemsize) * free.size, x.dtype), free, out.reshape(-1),
    )  # fmt: skip
    return out


def weight_gradient(p: Shape, grad: Array, x: Array) -> Array:
    """The gradient of a weight, (outputs, inputs of a group, *kernel)."""
    free, lanes = slots(), 64 // x.itemsize
    if p.outputs < lanes and p.inputs * prod(p.kernel) <= FEW:
        return _by_dots(p, grad, x)
    c, (pixels, lines, cut, each, block, parts, room) = forward_cut(p, lanes), weight_cut(p, lanes)
    sums = aligned(parts * p.groups * c.places.size * int(lines[1]), x.dtype)
    weight_sums[x.dtype is not F32](
        parts, 1, x.reshape(-1), grad.reshape(-1), c.near, table(lanes, prod(p.out)), lines,
        c.places, pixels, cut, each, block, aligned(room * free.size, x.dtype), free, sums,
    )  # fmt: skip
    sums = sums.reshape(parts, p.groups, c.places.size, -1)
    total = sums[0] if parts == 1 else sums.sum(0)
    weight = total[:, :, : p.outputs].swapaxes(1, 2)
    return np.ascontiguousarray(weight).reshape(p.groups * p.outputs, p.inputs, *p.kernel)
