"""Depthwise convolution, one filter for each channel, and its gradients; float32.

Planes of a vector of channels become vectors over these channels in the cache, surrounded by
zeros, and every element of a filter meets its positions lane by lane (`_simd.weigh`). The gradient
of the input is the same loop: the planes' elements apart by the stride, the filters turned.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from . import _simd as s
from ._jit import Ints, Vector, inline, loop
from ._registry import F32, I64, Array, empty
from .winograd import LANES, aligned, gather, slots, table, turn

ROOM = 1 << 16  # elements of a strip's vectors
PARTS = 8  # of a gradient of the filters, over images, at most

Sizes = tuple[int, ...]


@inline()
def enter(
    x: Vector, unit: int, strip: int, z: Ints, tables: Any, block: Vector, at: int
) -> None:  # fmt: skip
    """The rows that a strip's windows meet, as vectors.

    z: (height, width, elements apart, zeros above and before, rows and vectors of a row of the
    block, rows between strips).
    """
    height, width, apart, deep, wide = z[0], z[1], z[2], z[5], z[6]
    for k in range(at, at + deep * wide * LANES):
        block[k] = 0
    low = strip * z[7] - z[3]  # the block's first row, where x's first is 0
    top = max(0, (low + apart - 1) // apart)
    end = min(height, (low + deep - 1) // apart + 1)
    if end > top:
        to = at + ((top * apart - low) * wide + z[4]) * LANES
        start = unit * LANES * height * width + top * width
        turn(x, start, height * width, (end - top) * width, LANES, tables, block, to)


@loop()
def results(
    x: Vector, w: Vector, bias: Vector, z: Ints, places: Ints, steps: Ints, positions: Ints,
    taps: Ints, lines: Ints, out_steps: Ints, cut: Ints, scratch: Vector, slots: Ints, out: Vector,
    lo: int, hi: int,
) -> None:  # fmt: skip
    """A part is a strip of rows of one image's vector of channels."""
    groups, strips, tall, height, width = cut[0], cut[1], cut[2], cut[3], cut[4]
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    made = at + z[5] * z[6] * LANES
    for part in range(lo, hi):
        unit, strip = part // strips, part % strips
        group, count = unit % groups, min(tall, height - strip * tall) * width
        enter(x, unit, strip, z, (places, steps), scratch, at)
        s.weigh((count, 1, taps.size), (scratch, at, positions, taps),
                (w, group * taps.size * LANES, 0, lines),
                (scratch, made, LANES), False)  # fmt: skip
        if bias.size:
            for p in range(made, made + count * LANES, LANES):
                for c in range(LANES):
                    scratch[p + c] += bias[group * LANES + c]
        gather(scratch, made, (lines, out_steps), out, unit,
               (LANES, height, width, strip * tall, tall))  # fmt: skip
    s.give(slots, slot)


@loop()
def filter_sums(
    x: Vector, grad: Vector, z: Ints, places: Ints, steps: Ints, positions: Ints, taps: Ints,
    lines: Ints, out_steps: Ints, cut: Ints, each: int, batch: int, scratch: Vector, slots: Ints,
    out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """A part adds up `each` images' products of a vector of channels: [part][tap][lane]."""
    groups, strips, tall, height, width = cut[0], cut[1], cut[2], cut[3], cut[4]
    slot = s.take(slots)
    at = slot * (scratch.size // slots.size)
    given = at + z[5] * z[6] * LANES
    for part in range(lo, hi):
        first = part // groups * each
        for image in range(first, min(first + each, batch)):
            unit = image * groups + part % groups
            for strip in range(strips):
                top = strip * tall
                count = min(tall, height - top) * width
                enter(x, unit, strip, z, (places, steps), scratch, at)
                turn(grad, (unit * LANES * height + top) * width, height * width, count, LANES,
                     (lines, out_steps), scratch, given)  # fmt: skip
                s.weigh((taps.size, 1, count), (scratch, at, taps, positions),
                        (scratch, given, 0, lines), (out, part * taps.size * LANES, LANES),
                        image > first or strip > 0)  # fmt: skip
    s.give(slots, slot)


class Plan(NamedTuple):
    """The tables of the loops for one convolution."""

    z: Array
    places: Array
    steps: Array
    positions: Array
    taps: Array
    lines: Array
    out_steps: Array
    cut: Array
    room: int


@lru_cache(256)
def plan(
    size: Sizes, out: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int, apart: Sizes = (1, 1),
) -> Plan:  # fmt: skip
    """For windows at a stride over planes whose elements lie `apart`."""
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    wide = max(padding[1] + (size[1] - 1) * apart[1] + 1, (out[1] - 1) * stride[1] + reach[1] + 1)
    row = (stride[0] * wide + out[1]) * LANES
    tall = max(1, min(out[0], (ROOM - reach[0] * wide * LANES) // row))
    strips = -(-out[0] // tall)
    tall = -(-out[0] // strips)
    strips, deep = -(-out[0] // tall), (tall - 1) * stride[0] + reach[0] + 1
    z = [*size, apart[0], *padding, deep, wide, tall * stride[0]]

    def grid(counts: Sizes, steps: Sizes) -> Array:
        y, x = (np.arange(n, dtype=I64) * s for n, s in zip(counts, steps, strict=True))
        return ((y[:, None] * wide + x) * LANES).reshape(-1)

    return Plan(
        np.array(z, I64), grid((min(size[0], deep), size[1]), apart),
        table(LANES, prod(size)), grid((tall, out[1]), stride), grid(kernel, dilation),
        table(max(tall * out[1], prod(kernel), LANES), LANES), table(LANES, prod(out)),
        np.array([groups, strips, tall, *out], I64), (deep * wide + tall * out[1]) * LANES,
    )  # fmt: skip


def fits(p: Any, kind: Any) -> bool:
    """Whether these loops serve."""
    short = all((k - 1) * d >= pad for k, d, pad in zip(p.kernel, p.dilation, p.padding))
    return kind is F32 and p.inputs == p.outputs == 1 and not p.groups % LANES and short


def convolve(p: Any, x: Array, w: Array, bias: Array | None, back: bool, out: Array) -> Array:
    """Fill `out` with the convolution or, `back`, with the gradient of the input."""
    filters = w.reshape(-1, LANES, prod(p.kernel)).swapaxes(1, 2)
    if back:
        rest = [(k - 1) * d - pad for k, d, pad in zip(p.kernel, p.dilation, p.padding)]
        filters = filters[:, ::-1]
        c = plan(p.out, p.size, p.kernel, (1, 1), tuple(rest), p.dilation, p.groups // LANES,
                 p.stride)  # fmt: skip
    else:
        c = _forward(p)
    free, shift = slots(), np.empty(0, F32) if bias is None else bias
    results(
        p.batch * p.groups // LANES * int(c.cut[1]), 1, x.reshape(-1),
        np.ascontiguousarray(filters).reshape(-1), shift, *c[:-1], aligned(c.room * free.size),
        free, out.reshape(-1),
    )  # fmt: skip
    return out


def _forward(p: Any) -> Plan:
    return plan(p.size, p.out, p.kernel, p.stride, p.padding, p.dilation, p.groups // LANES)


def filter_gradient(p: Any, grad: Array, x: Array) -> Array:
    """The gradient of the filters, (channels, 1, *kernel)."""
    c, free, groups, taps = _forward(p), slots(), p.groups // LANES, prod(p.kernel)
    each = -(-p.batch // PARTS)
    parts = -(-p.batch // each)
    sums = aligned(parts * groups * taps * LANES)
    filter_sums(
        parts * groups, 1, x.reshape(-1), grad.reshape(-1), *c[:-1], each, p.batch,
        aligned(c.room * free.size), free, sums,
    )  # fmt: skip
    total = sums.reshape(parts, groups, taps, LANES).sum(0)
    out = empty((p.groups, 1, *p.kernel), F32)
    out.reshape(groups, LANES, taps)[...] = total.swapaxes(1, 2)
    return out
