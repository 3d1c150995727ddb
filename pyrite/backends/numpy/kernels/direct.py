"""Convolution by sums over windows, whose products run over all positions at once.

Planes are copied once with their padding, split by the residues of the stride, so that every
element of a window lies at a fixed distance from the first, wherever the window is. A row of
results over all positions is then a product of weights with shifted planes (`_simd.multiply`):
in place for few channels, else with the shifted planes copied to columns, a part of the window at
a time. The gradient of the input is the same loop, with planes and results changing places; for
the gradient of the weight the elements of the windows are the lanes.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import _simd as s
from ._elementwise import BOTH
from ._jit import Ints, Table, Vector, inline, loop
from ._registry import F32, I64, Array, empty
from .winograd import aligned, slots, table

FEW = 12  # channels of a result up to which windows are read in place
TILE = 8  # channels that a product takes at a time
PIXELS = 128  # positions that a product has at most, of several images if need be
DEEP = 512  # elements of a window that are columns at a time, at most
RUN = 1024  # positions of a part where windows are single elements
ROOM = 1 << 17  # elements of the planes made at a time: they stay in the second-level cache
PARTS = 4  # that work is cut into at least, if it is large enough
CHUNKS = 8  # sums of a weight's gradient side by side, at most
SHAPES = 256  # of which the tables are kept

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
    lanes = s.lanes(x)
    for c in range(plane, plane + count):
        for i in range(z[6]):
            for j in range(z[7]):
                start = j * z[9] - pw
                a = 0 if start >= 0 else (sw - 1 - start) // sw
                b = min(wide, (width - 1 - start) // sw + 1) if start < width else 0
                for q in range(first, first + rows):
                    y = q * sh + i - ph
                    if y < 0 or y >= height or a >= b:
                        for k in range(to, to + wide):
                            out[k] = 0
                        to += wide
                        continue
                    for k in range(to, to + a):
                        out[k] = 0
                    at = (c * height + y) * width + start
                    k = a
                    # What a vector has too much is written over by what comes next.
                    if sw == 1:
                        while k < b and at + k + lanes <= x.size:
                            s.move(x, at + k, out, to + k)
                            k += lanes
                    elif sw == 2:
                        while k < b and at + 2 * (k + lanes) <= x.size:
                            s.thin(x, at + 2 * k, out, to + k)
                            k += lanes
                    while k < b:
                        out[to + k] = x[at + k * sw]
                        k += 1
                    for k in range(to + b, to + wide):
                        out[k] = 0
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
def swap(
    w: Vector, outputs: int, inputs: int, taps: int, out: Vector, lo: int, hi: int
) -> None:  # fmt: skip
    """A weight with inputs and outputs of its groups in each other's place; a part is one input."""
    lanes, to = s.lanes(w), lo * outputs * taps
    for part in range(lo, hi):
        at = (part // inputs * outputs * inputs + part % inputs) * taps
        end = (part + 1) * outputs * taps
        for _ in range(outputs):
            k = 0  # what a vector has too much the next one covers
            while k < taps and at + k + lanes <= w.size and to + k + lanes <= end:
                s.move(w, at + k, out, to + k)
                k += lanes
            while k < taps:
                out[to + k] = w[at + k]
                k += 1
            at += inputs * taps
            to += taps


@inline()
def copy(
    planes: Vector, at: int, window: Ints, sources: Ints, spots: Ints, to: int
) -> None:  # fmt: skip
    """One vector of positions of each element of a window, from its pieces in the planes."""
    lanes, count = s.lanes(planes), sources.size
    one, last = at + sources[0], at + sources[count - 1]
    if count <= 2:  # no loop in the loop, which costs as much
        for d in range(window.size):
            s.move(planes, one + window[d], planes, to + d * lanes)
            if count == 2:
                s.move(planes, last + window[d], planes, to + d * lanes + spots[1])
        return
    for d in range(window.size):
        source = at + window[d]
        for i in range(count):
            s.move(planes, source + sources[i], planes, to + spots[i])
        to += lanes


@loop(kinds=BOTH)
def results_of_columns(
    x: Vector, w: Vector, bias: Vector, near: Ints, far: Ints, phases: Table, weights: Ints,
    places: Ints, lines: Ints, cut: Ints, sources: Ints, spots: Ints, starts: Ints, steps: Ints,
    scratch: Vector, slots: Ints, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Like `results`, for many channels: the windows of a block of units are copied to columns.

    A part is some of a group's channels at a block's positions. Columns are made for some of
    the depth at a time, [vector of positions][depth][lane]; row by row, a vector at a time, and
    what a row's last vector has too much the next one covers.
    """
    groups, strips, tall, high, extra = cut[0], cut[1], cut[2], cut[3], cut[4]
    inputs, outputs, width, lanes = cut[5], cut[6], near[8] - cut[9], s.lanes(x)
    units, block, pieces, piece, chunk, pitch = cut[10], cut[11], cut[12], cut[13], cut[14], cut[15]
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    columns = at + block * cut[7]
    sums = columns + chunk * pitch + lanes
    for part in range(lo, hi):
        index, channel = part // pieces, part % pieces * piece
        group, begin = index % groups, index // groups * block
        rows, end = min(piece, outputs - channel), min(begin + block, units)
        count = 0
        for u in range(begin, end):
            first = u % strips * tall
            fill(x, (u // strips * groups + group) * inputs, inputs, near, first, tall + extra,
                 scratch, at + (u - begin) * cut[7])  # fmt: skip
            count += min(tall, high - first) * width
        vectors, unit = (count + lanes - 1) // lanes, begin // strips * groups + group
        shift, first = group * outputs + channel, begin % strips * tall
        # One unit's whole vectors go where the result has them.
        plain = cut[16] == 1 and end == begin + 1 and count % lanes == 0
        into, to = (out, ((unit * outputs + channel) * high + first) * width)
        step = high * width
        if not plain:
            into, to, step = scratch, sums, pitch
        for p in range(phases.shape[0]):
            phase = phases[p]
            for k in range(0, phase[3], chunk):
                deep = min(chunk, phase[3] - k)
                window = places[phase[2] + k : phase[2] + k + deep]
                for v in range(vectors):
                    copy(scratch, at, window, sources[starts[v] : starts[v + 1]],
                         spots[starts[v] :], columns + v * chunk * lanes)  # fmt: skip
                s.multiply((rows, vectors, deep),
                           (w, group * cut[8], lines[channel:], weights[phase[2] + k :]),
                           (scratch, columns, chunk * lanes, steps), (into, to, step),
                           k > 0)  # fmt: skip
            if phase[3] == 0:
                for k in range(sums, sums + rows * pitch):
                    scratch[k] = 0
            if plain and bias.size:
                for c in range(rows):
                    for k in range(to + c * step, to + c * step + count):
                        out[k] += bias[shift + c]
            source = sums
            for u in range(begin, begin if plain else end):
                first = u % strips * tall
                n = min(tall, high - first)
                place(scratch, source, pitch, width, first, n, rows, bias, shift,
                      (phase[0], phase[1]), far, out,
                      (u // strips * groups + group) * outputs + channel)  # fmt: skip
                source += n * width
    s.give(slots, slot)


@loop(kinds=BOTH)
def weight_rows(
    x: Vector, grad: Vector, near: Ints, places: Ints, cut: Ints, rows: Ints, pixels: Ints,
    steps: Ints, scratch: Vector, slots: Ints, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """A part adds up a chunk of units for some elements of a group's windows, which are the lanes.

    out: [chunk][group][output][window], windows filled up to whole vectors.
    """
    groups, strips, tall, high, extra = cut[0], cut[1], cut[2], cut[3], cut[4]
    inputs, outputs, units, width = cut[5], cut[6], cut[8], cut[9]
    block, chunk, pieces, piece, taps = cut[10], cut[11], cut[12], cut[13], cut[14]
    lanes, plane = s.lanes(x), cut[15]
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    columns = at + block * cut[7]
    for part in range(lo, hi):
        index, window = part // pieces, part % pieces * piece
        group, begin = index % groups, index // groups * chunk
        wide = min(piece, places.size - window)
        channel, end = window // taps, min(begin + chunk, units)
        channels = min((window + wide - 1) // taps + 1, inputs) - channel
        for start in range(begin, end, block):
            to = columns
            for u in range(start, min(start + block, end)):
                first, unit = u % strips * tall, at + (u - start) * cut[7]
                fill(x, (u // strips * groups + group) * inputs + channel, channels, near, first,
                     tall + extra, scratch, unit)  # fmt: skip
                for q in range(min(tall, high - first)):
                    for j in range(0, width, lanes):
                        source = unit + q * near[8] + j - channel * plane
                        for k in range(0, wide, lanes):
                            s.transpose(scratch, source, places[window + k :], scratch,
                                        to + j * piece + k, steps)  # fmt: skip
                    to += width * piece
            image, first = start // strips, start % strips * tall
            s.multiply((outputs, wide // lanes, (to - columns) // piece),
                       (grad, ((image * groups + group) * outputs * high + first) * width, rows,
                        pixels), (scratch, columns, lanes, steps),
                       (out, index * outputs * places.size + window, places.size),
                       start > begin)  # fmt: skip
    s.give(slots, slot)


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
    p: Shape, near: Sizes, positions: Sizes, reach: Sizes, channels: Sizes, lanes: int, most: int
) -> tuple[Array, list[int], int]:
    """How rows of positions are cut, in strips of `most` if need be: (near, cut, parts)."""
    wide = positions[1] + reach[1]
    line = channels[0] * near[6] * near[7] * wide
    tall = max(1, min(ROOM // line - reach[0], most // positions[1]))
    strips = -(-positions[0] // tall)
    tall = -(-positions[0] // strips)
    strips = -(-positions[0] // tall)
    # The last vector of a row reaches beyond the planes by less than this.
    planes = _up(line * (tall + reach[0]) + reach[1] + 2 * lanes, lanes)
    cut = [p.groups, strips, tall, positions[0], reach[0], *channels, planes]
    return np.array([*near, wide, 1], I64), cut, p.batch * p.groups * strips


def _reach(p: Shape) -> Sizes:
    return tuple([(k - 1) * d // s for k, d, s in zip(p.kernel, p.dilation, p.stride, strict=True)])


@lru_cache(SHAPES)
def forward_cut(p: Shape, lanes: int, most: int) -> Cut:
    """The tables of the convolution."""
    spans = [(k - 1) * d + 1 for k, d in zip(p.kernel, p.dilation, strict=True)]
    residues = map(min, p.stride, spans)
    given = (*p.size, *p.stride, *p.padding, *residues)
    near, cut, parts = _rows(p, given, p.out, _reach(p), (p.inputs, p.outputs), lanes, most)
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
def backward_cut(p: Shape, lanes: int, most: int) -> Cut:
    """The tables of the gradient of the input: results are apart by the stride."""
    reach, taps = _reach(p), prod(p.kernel)
    positions = tuple([-(-n // s) for n, s in zip(p.size, p.stride, strict=True)])
    given = (*p.out, 1, 1, *reach, 1, 1)
    # The first positions of the residues, that lie in the result, and how far beyond they reach.
    starts = [
        [-(-max(0, pad - a) // s) for a in range(s)]
        for pad, s in zip(p.padding, p.stride, strict=True)
    ]
    beyond = tuple([r + max(q) for r, q in zip(reach, starts, strict=True)])
    near, cut, parts = _rows(p, given, positions, beyond, (p.outputs, p.inputs), lanes, most)
    wide = int(near[8])
    i, j = (np.arange(k, dtype=I64) * d for k, d in zip(p.kernel, p.dilation, strict=True))
    back = ((reach[0] - i // p.stride[0]) * wide)[:, None] + reach[1] - j // p.stride[1]
    o = np.arange(p.outputs, dtype=I64)[:, None]
    phases, weights, places, begin = [], [], [], 0
    for a, b in product(*map(range, p.stride)):
        chosen = np.flatnonzero((i % p.stride[0] == a)[:, None] & (j % p.stride[1] == b))
        weights.append((o * p.inputs * taps + chosen).reshape(-1))
        top, left = starts[0][a], starts[1][b]
        shifted = back.reshape(-1)[chosen] + top * wide + left
        places.append((o * (cut[2] + cut[4]) * wide + shifted).reshape(-1))
        phases.append([a + top * p.stride[0], b + left * p.stride[1], begin, weights[-1].size])
        begin += weights[-1].size
    return Cut(
        near, np.array([*p.size, *p.stride, *p.padding], I64), np.array(phases, I64),
        np.concatenate(weights), np.concatenate(places), table(p.inputs, taps),
        np.array([*cut, p.outputs * p.inputs * taps, beyond[1]], I64), parts,
        cut[7] + p.inputs * _up(cut[2] * wide, lanes),
    )  # fmt: skip


def in_place(p: Shape, lanes: int) -> bool:
    """Whether `by_points` serves: windows are single elements, of several images."""
    return is_single(p) and prod(p.size) >= lanes and p.batch * p.groups >= PARTS


def is_single(p: Shape) -> bool:
    """Whether windows are single elements, all of them."""
    return p.kernel == p.stride == (1, 1) and p.padding == (0, 0) and p.size == p.out


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


def run(p: Shape, x: Array, w: Array, bias: Array | None, back: bool, out: Array) -> Array:
    """Fill `out`, all C-contiguous and of one type; `back`: with the gradient of the input."""
    free, lanes, double = slots(), 64 // x.itemsize, x.dtype is not F32
    shift = np.empty(0, x.dtype) if bias is None else bias
    if (p.inputs if back else p.outputs) < FEW:
        c = (backward_cut if back else forward_cut)(p, lanes, ROOM)
        results[double](
            c.parts, 1, x.reshape(-1), w.reshape(-1), shift, *c[:7],
            aligned(c.room * free.size, x.dtype), free, out.reshape(-1),
        )  # fmt: skip
        return out
    parts, room, tables = columns_plan(p, lanes, back)
    if back and p.batch * prod(p.out) >= PIXELS:  # a channel's weights lie far apart
        swapped = empty(w.shape, x.dtype)
        swap[double](p.groups * p.inputs, TILE, w.reshape(-1), p.outputs, p.inputs, prod(p.kernel),
                     swapped.reshape(-1))  # fmt: skip
        w, tables = swapped, _swapped(p, lanes)
    results_of_columns[double](
        parts, 1, x.reshape(-1), w.reshape(-1), shift, *tables,
        aligned(room * free.size, x.dtype), free, out.reshape(-1),
    )  # fmt: skip
    return out


def _block(c: Cut, width: int) -> int:
    """How many units' positions make up a product: of one image where it is cut into strips."""
    units, positions = c.parts // int(c.cut[0]), int(c.cut[2]) * width
    return 1 if c.cut[1] > 1 else max(1, min(-(-units // 2), PIXELS // positions))


@lru_cache(SHAPES)
def columns_plan(p: Shape, lanes: int, back: bool) -> tuple[int, int, tuple[Array, ...]]:
    """Parts, room and tables of `results_of_columns`."""
    c = (backward_cut if back else forward_cut)(p, lanes, PIXELS)
    tall, width, rows = int(c.cut[2]), int(c.near[8] - c.cut[9]), c.lines.size
    units, block = c.parts // p.groups, _block(c, width)
    unit, q, x = np.ogrid[:block, :tall, :width]
    places = (unit * int(c.cut[7]) + q * int(c.near[8]) + x).reshape(-1)
    position, pitch = np.arange(places.size, dtype=I64), _up(places.size, lanes)
    first = (position % width == 0) | (position % lanes == 0)  # of what is moved at once
    spots = position[first]
    starts = np.searchsorted(spots, np.arange(0, pitch + 1, lanes)).astype(I64)
    parts, chunk = -(-units // block) * p.groups, min(DEEP, int(c.phases[:, 3].max()))
    piece = _up(-(-rows // max(1, PARTS // parts)), TILE)
    pieces = -(-rows // piece)
    cut = np.array([*c.cut, units, block, pieces, piece, chunk, pitch, not back], I64)
    room = block * int(c.cut[7]) + chunk * pitch + lanes + piece * pitch
    return parts * pieces, _up(room, lanes), (
        *c[:6], cut, places[first].astype(I64), spots % lanes, starts, table(chunk, lanes),
    )  # fmt: skip


@lru_cache(SHAPES)
def _swapped(p: Shape, lanes: int) -> tuple[Array, ...]:
    """The tables of the gradient of the input for a swapped weight."""
    near, far, phases, weights, places, _, *rest = columns_plan(p, lanes, True)[2]
    taps = prod(p.kernel)
    output, tap = np.divmod(weights, p.inputs * taps)
    lines = table(p.inputs, p.outputs * taps)
    return near, far, phases, output * taps + tap, places, lines, *rest


@lru_cache(SHAPES)
def weight_plan(p: Shape, lanes: int) -> tuple[int, int, int, tuple[Array, ...]]:
    """Parts, chunks, room and tables of `weight_rows`."""
    c = forward_cut(p, lanes, PIXELS)
    windows, taps, (high, width) = c.places.size, prod(p.kernel), p.out
    places = np.pad(c.places, (0, -windows % lanes), "edge")
    units, block = c.parts // p.groups, _block(c, width)
    pairs = -(-places.size // (2 * lanes))
    piece = 2 * lanes * max(min(2, pairs), -(-pairs // (2 * CHUNKS)))
    pieces = -(-places.size // piece)
    blocks = -(-units // block)
    chunk = -(-blocks // max(1, min(blocks, CHUNKS // (pieces * p.groups)))) * block
    chunks = -(-units // chunk)
    image, pixel = np.ogrid[:block, : int(c.cut[2]) * width]
    pixels = (image * (p.groups * p.outputs * high * width) + pixel).reshape(-1).astype(I64)
    plane = int(c.near[6] * c.near[7] * c.near[8]) * int(c.cut[2] + c.cut[4])
    cut = np.array([*c.cut[:8], units, width, block, chunk, pieces, piece, taps, plane], I64)
    room = block * int(c.cut[7]) + (pixels.size + lanes) * piece
    return chunks * p.groups * pieces, chunks, room, (
        c.near, places, cut, table(p.outputs, high * width), pixels,
        table(max(pixels.size, lanes), piece),
    )  # fmt: skip


def weight_gradient(p: Shape, grad: Array, x: Array) -> Array:
    """The gradient of a weight, (outputs, inputs of a group, *kernel)."""
    free, lanes, windows = slots(), 64 // x.itemsize, p.inputs * prod(p.kernel)
    parts, chunks, room, tables = weight_plan(p, lanes)
    sums = empty((chunks, p.groups * p.outputs, tables[1].size), x.dtype)
    weight_rows[x.dtype is not F32](
        parts, 1, x.reshape(-1), grad.reshape(-1), *tables, aligned(room * free.size, x.dtype),
        free, sums.reshape(-1),
    )  # fmt: skip
    total = sums[0] if chunks == 1 else sums.sum(0)
    return np.ascontiguousarray(total[:, :windows])
