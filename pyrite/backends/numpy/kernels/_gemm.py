"""Products of float32 matrices on vectors, for sizes where packing an operand pays.

The second operand is packed into panels of one vector, block by block of the depth:
[block][panel][depth][lane], the lanes of the last panel filled up with zeros. A part of the result
is some rows by some panels; it adds up the blocks, which stay in the cache. Rows of the first
operand are read where they lie; one that is given transposed is packed as the second is, its lanes
being the rows.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from . import _simd as s
from ._jit import Ints, Vector, inline, loop
from ._registry import F32, I64, Array, empty

LANES = 16
ROWS, PANELS, DEPTH = 128, 16, 192  # of a part and its blocks, at most
PARTS = 4  # that a result is cut into at least, if it is large enough
LEAST = 16  # rows, columns and depth from which packing pays


@loop()
def pack_turned(
    x: Vector, width: int, depth: int, block: int, count: int, steps: Ints, places: Ints,
    out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Panels of a matrix given as (width, depth)."""
    for panel in range(lo, hi):
        at, full = panel * LANES * depth, panel * LANES + LANES <= width
        for k in range(0, depth, LANES):
            to = (k // block * count + panel) * LANES * block + k % block * LANES
            if full and k + LANES <= depth:
                s.transpose(x, at + k, steps, out, to, places)
                continue
            for j in range(min(LANES, depth - k)):
                for i in range(LANES):
                    there = panel * LANES + i < width
                    out[to + j * LANES + i] = x[at + i * depth + k + j] if there else np.float32(0)


@loop()
def pack(
    x: Vector, width: int, depth: int, block: int, count: int, out: Vector, lo: int, hi: int
) -> None:
    """Panels of a matrix given as (depth, width)."""
    whole = min(hi, width // LANES)
    for k in range(depth):
        to = k // block * count * LANES * block + k % block * LANES
        for panel in range(lo, whole):
            s.move(x, k * width + panel * LANES, out, to + panel * LANES * block)
        for panel in range(whole, hi):
            for i in range(LANES):
                j = panel * LANES + i
                there = j < width
                out[to + panel * LANES * block + i] = x[k * width + j] if there else np.float32(0)


@inline()
def add_bias(
    bias: Vector, first: int, out: Vector, at: int, step: int, sizes: tuple[int, int]
) -> None:
    """Add a bias to rows of the result."""
    shift = bias[first : first + sizes[1]]
    for r in range(sizes[0]):
        row = out[at + r * step : at + r * step + sizes[1]]
        for j in range(sizes[1]):
            row[j] += shift[j]


@loop()
def parts(
    a: Vector, rows: Ints, steps: Ints, a_block: int, panels: Vector, lines: Ints, bias: Vector,
    height: int, width: int, depth: int, wide: int, edge: Vector, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Parts of the result: `ROWS` rows by `wide` panels.

    Element (r, k) of the first operand is a[k // block * a_block + rows[r] + steps[k % block]].
    """
    across, block, count = -(-width // (wide * LANES)), lines.size, -(-width // LANES)
    for part in range(lo, hi):
        top, first = part // across * ROWS, part % across * wide
        tall = min(ROWS, height - top)
        whole = min(wide, width // LANES - first)
        column = first * LANES
        for k in range(0, depth, block):
            deep, at = min(block, depth - k), (k // block * count + first) * LANES * block
            left = (a, k // block * a_block, rows[top:], steps)
            right = (panels, at, LANES * block, lines)
            s.multiply((tall, whole, deep), left, right, (out, top * width + column, width), k > 0)
            if edge.size and whole < wide:  # the last panel is not full
                right = (panels, at + whole * LANES * block, LANES * block, lines)
                s.multiply((tall, 1, deep), left, right, (edge, top * LANES, LANES), k > 0)
        last = width - column - whole * LANES if edge.size and whole < wide else 0
        for r in range(top, top + tall):
            for j in range(last):
                out[r * width + column + whole * LANES + j] = edge[r * LANES + j]
        if bias.size:
            size = (tall, whole * LANES + last)
            add_bias(bias, column, out, top * width + column, width, size)


@lru_cache(256)
def steps(count: int, step: int) -> Array:
    """0, step, 2 step, ..."""
    return np.arange(count, dtype=I64) * step


@lru_cache(256)
def lanes_of(count: int, block: int) -> Array:
    """Where the rows of a packed operand start."""
    panel, lane = np.divmod(np.arange(count, dtype=I64), LANES)
    return panel * (LANES * block) + lane


def packed(x: Array, turned: bool, block: int) -> Array:
    """The panels of a second operand (depth, width), or `turned`: (width, depth)."""
    width, depth = x.shape if turned else x.shape[::-1]
    count = -(-width // LANES)
    out = empty((count * LANES * block * -(-depth // block),), F32)
    sizes, chunk = (x.reshape(-1), width, depth, block, count), max(1, (1 << 16) // (LANES * depth))
    if turned:
        pack_turned(count, chunk, *sizes, steps(LANES, depth), steps(LANES, LANES), out)
    else:
        pack(count, max(8, chunk), *sizes, out)
    return out


def product(a: Array, ta: bool, b: Array, tb: bool, bias: Array, out: Array) -> None:
    """out = a @ b + bias, all C-contiguous matrices; `ta`, `tb`: given transposed."""
    height, width = out.shape
    depth = b.shape[1] if tb else b.shape[0]
    block = -(-depth // (-(-depth // DEPTH) * LANES)) * LANES  # equal blocks of whole vectors
    if ta:
        left, lead = packed(a, False, block), -(-height // LANES) * LANES * block
        places = lanes_of(height, block), steps(block, LANES), lead
    else:
        left, places = a.reshape(-1), (steps(height, depth), steps(block, 1), block)
    edge = np.empty(height * LANES if width % LANES else 0, F32)
    down, panels = -(-height // ROWS), -(-width // LANES)
    wide = min(PANELS, max(2, panels * down // PARTS // 2 * 2))
    parts(
        down * -(-panels // wide), 1, left, *places, packed(b, tb, block), steps(block, LANES),
        bias, height, width, depth, wide, edge, out.reshape(-1),
    )  # fmt: skip
