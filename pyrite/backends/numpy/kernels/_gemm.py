"""Products of float32 matrices, batches of them too, on tiles whose sums stay in registers.

The result is cut, by its shape alone, into parts of some rows by some columns, and the depth into
blocks that a part adds up. Three ways, by the shape alone too:

- `across`: a row's number times a vector of columns. Operands are read where they lie, strided or
  transposed; one that is read again and again is first packed, on the stack of the thread that
  works on the part, where it stays in the cache.
- `along`: dot products of rows of both operands, for few rows of a first operand and a second one
  that is given transposed, as a layer's weight is: nothing is packed, the weight is read once.
- `packed`: the whole second operand in panels of one vector, [block][panel][depth][lane], for
  loops that multiply by the same one many times.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import product as product_of
from typing import NamedTuple

import numpy as np

from . import _simd as s
from ._jit import Vector, inline, loop
from ._registry import F32, I64, Array, empty

LANES = 16
FEW, NARROW = 16, 12  # rows, or columns, up to which dot products are faster than packing
WORK = 1 << 18  # multiply-adds of a part, at least
MOST = 256  # rows of a part
PANEL = 48
PACE = (0, 1.25, 2.1, 3)  # what panels of so many vectors cost
NOTHING = np.empty(0, F32)


@inline()
def pack(
    x: Vector, at: int, down: int, across: int, depth: int, width: int, out: Vector, to: int,
    line: int,
) -> None:  # fmt: skip
    """Element (k, j) of a block to out[to + k * line + j]; it lies at x[at + k*down + j*across]."""
    if across == 1:
        whole = width // LANES * LANES
        for k in range(depth):
            for j in range(0, whole, LANES):
                s.move(x, at + k * down + j, out, to + k * line + j)
            for j in range(whole, width):
                out[to + k * line + j] = x[at + k * down + j]
    else:
        for j in range(0, width, LANES):
            for k in range(0, depth, LANES):
                s.turn(
                    x, at + j * across + k, across, min(LANES, width - j), min(LANES, depth - k),
                    out, to + k * line + j, line,
                )  # fmt: skip


@loop()
def pack_panels(
    x: Vector, down: int, across: int, width: int, depth: int, block: int, count: int,
    out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Panels of one vector of a matrix: [block][panel][depth][lane]."""
    for panel in range(lo, hi):
        first = panel * LANES
        for k in range(0, depth, block):
            to = (k // block * count + panel) * LANES * block
            pack(x, k * down + first * across, down, across, min(block, depth - k),
                 min(LANES, width - first), out, to, LANES)  # fmt: skip


@loop()
def across(
    a: Vector, a_down: int, a_step: int, a_next: int, b: Vector, b_down: int, b_step: int,
    b_next: int, bias: Vector, height: int, width: int, depth: int, tall: int, wide: int,
    panel: int, block: int, pack_a: bool, pack_b: bool, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Parts of `tall` rows by `wide` columns: of the first product from the left, then down.

    Element (r, k) of the first operand is a[r * a_down + k * a_step], (k, c) of the second
    b[k * b_down + c * b_step], both in the product n further by n * a_next and n * b_next.
    """
    room = s.room(out)
    beside, below = -(-width // wide), -(-height // tall)
    group, a_room = min(tall, s.TALL) if pack_a else tall, s.WIDE * s.DEPTH
    for t in range(lo, hi):
        n, top, first = t // (beside * below), t // beside % below * tall, t % beside * wide
        end, bottom = min(width, first + wide), min(height, top + tall)
        for k in range(0, depth, block):
            deep = min(block, depth - k)
            for column in range(first, end if pack_b else first, panel):
                pack(b, n * b_next + k * b_down + column * b_step, b_down, b_step, deep,
                     min(panel, end - column), room, (column - first) * block, panel)  # fmt: skip
            for row in range(top, bottom, group):
                rows, a_at = min(group, bottom - row), n * a_next + row * a_down + k * a_step
                left = (a, a_at, a_down, a_step)
                if pack_a:
                    pack(a, a_at, a_step, a_down, deep, rows, room, a_room, group)
                    left = (room, a_room, 1, group)
                for column in range(first, end, panel):
                    right = (b, n * b_next + k * b_down + column, b_down)
                    if pack_b:
                        right = (room, (column - first) * block, panel)
                    to = (n * height + row) * width + column
                    more = (out, to, width, True) if k else (bias, column, 0, bias.size > 0)
                    sizes = (rows, min(panel, end - column), deep)
                    s.outer(sizes, left, right, (out, to, width), more)


@loop()
def along(
    a: Vector, a_down: int, a_next: int, b: Vector, b_step: int, b_next: int, bias: Vector,
    height: int, width: int, depth: int, tall: int, wide: int, out: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Parts as in `across`, with the depth side by side in both operands."""
    beside, below = -(-width // wide), -(-height // tall)
    for t in range(lo, hi):
        n, row, column = t // (beside * below), t // beside % below * tall, t % beside * wide
        to = (n * height + row) * width + column
        left = (a, n * a_next + row * a_down, a_down)
        right = (b, n * b_next + column * b_step, b_step)
        sizes = (min(tall, height - row), min(wide, width - column), depth)
        s.dots(sizes, left, right, (out, to, width), (bias, column, 0, bias.size > 0))


class Cut(NamedTuple):
    """How a product is cut: parts, parts to a chunk, and what `across` takes."""

    parts: int
    chunk: int
    tall: int
    wide: int
    panel: int
    block: int
    pack_a: bool
    pack_b: bool


def _pieces(size: int, unit: int, count: int) -> int:
    """The length of `count` equal pieces of `size`, or fewer, in whole units."""
    return -(-size // (count * unit)) * unit


@lru_cache(512)
def cut(batch: int, height: int, width: int, depth: int, ta: bool, tb: bool) -> Cut:
    """How `across` cuts a batch of products: the cheapest of some ways, in time for two threads."""
    pack_a, pack_b = ta and height >= 512 and depth >= 256, tb or height >= 48
    block = _pieces(depth, LANES, -(-depth // s.DEPTH))
    best: tuple[float, Cut] | None = None
    least = -(-height // MOST), -(-width // s.WIDE)
    more = (4, 8) if batch * height * width * depth > 2 * WORK else (1, 1)
    for down, over in product_of(*(range(n, n + m) for n, m in zip(least, more, strict=True))):
        tall, wide = _pieces(height, 8, down), _pieces(width, LANES, over)
        panel = _pieces(wide, LANES, -(-wide // PANEL))
        parts = batch * -(-height // tall) * -(-width // wide)
        part = tall * sum(PACE[min(panel, wide - j) // LANES] for j in range(0, wide, panel))
        packing = pack_b * (12 if tb else 6) / tall + pack_a * 20 / wide
        cost = -(-parts // 2) * part * (1 + packing + 0.1 / parts)
        if best is None or cost < best[0]:
            chunk = max(1, WORK // (tall * wide * depth))
            best = cost, Cut(parts, chunk, tall, wide, panel, block, pack_a, pack_b)
    assert best is not None
    return best[1]


@lru_cache(512)
def strips(batch: int, height: int, width: int, depth: int) -> tuple[int, int, int, int]:
    """How `along` cuts them: parts, parts to a chunk, rows and columns of a part."""
    work = max(height, 4) * max(width, 4) * depth
    count = max(1, min(16, 2 * (work // WORK)))
    tall, wide = height, width
    if height > FEW:
        tall = _pieces(height, 4, count)
    else:
        wide = _pieces(width, 4, count)
    parts = batch * -(-height // tall) * -(-width // wide)
    return parts, max(1, WORK // (max(tall, 4) * max(wide, 4) * depth)), tall, wide


def product(
    a: Array, ta: bool, b: Array, tb: bool, bias: Array | None, out: Array,
    sizes: tuple[int, int, int, int],
) -> None:  # fmt: skip
    """out = a @ b + bias for C-contiguous arrays, `sizes` = (batch, rows, columns, depth).

    `ta`, `tb`: the matrices are given transposed. A matrix is the same for the whole batch.
    """
    batch, height, width, depth = sizes
    a_next = height * depth if a.ndim > 2 and batch > 1 else 0
    b_next = width * depth if b.ndim > 2 else 0
    if bias is None:
        bias = NOTHING
    if width == 1:
        tb = True
    if tb and not ta and (height <= FEW or width <= NARROW):
        parts, chunk, tall, wide = strips(batch, height, width, depth)
        along(
            parts, chunk, a, depth, a_next, b, depth, b_next, bias, height, width, depth, tall,
            wide, out,
        )  # fmt: skip
        return
    a_down, a_step = (1, height) if ta else (depth, 1)
    b_down, b_step = (1, depth) if tb else (width, 1)
    parts, chunk, *rest = cut(batch, height, width, depth, ta, tb)
    across(
        parts, chunk, a, a_down, a_step, a_next, b, b_down, b_step, b_next, bias, height, width,
        depth, *rest, out,
    )  # fmt: skip


@lru_cache(256)
def steps(count: int, step: int) -> Array:
    """0, step, 2 step, ..."""
    return np.arange(count, dtype=I64) * step


def packed(x: Array, turned: bool, block: int) -> Array:
    """The panels of a second operand (depth, width), or `turned`: (width, depth).

    What the last panel's lanes beyond the width hold is finite and means nothing.
    """
    width, depth = x.shape if turned else x.shape[::-1]
    count = -(-width // LANES)
    size = count * LANES * block * -(-depth // block)
    out = np.zeros(size, F32) if width % LANES else empty((size,), F32)
    down, across = (1, depth) if turned else (width, 1)
    chunk = max(1, (1 << 16) // (LANES * depth))
    pack_panels(count, chunk, x, down, across, width, depth, block, count, out)
    return out
