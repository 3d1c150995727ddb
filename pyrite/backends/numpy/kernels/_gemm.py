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

import numpy as np

from . import _simd as s
from ._jit import Ints, Loop, Vector, inline, loop
from ._registry import F32, I64, Array, empty

LANES = 16
# Rows, or columns, up to which dot products are faster than packing, if they are as long as this.
FEW, NARROW, SHORT = 16, 12, 20
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
def across(a: Vector, b: Vector, bias: Vector, plan: Ints, out: Vector, lo: int, hi: int) -> None:
    """Parts of `tall` rows by `wide` columns: of the first product from the left, then down."""
    height, width, depth, tall, wide = plan[:5]
    panel, block, ta, tb, pack_a, pack_b = plan[5:]
    a_down, a_step = (1, height) if ta else (depth, 1)
    b_down, b_step = (1, depth) if tb else (width, 1)
    room = s.room(out)
    beside, below = -(-width // wide), -(-height // tall)
    group, a_room = min(tall, s.TALL) if pack_a else tall, s.WIDE * s.DEPTH
    for t in range(lo, hi):
        n, top, first = t // (beside * below), t // beside % below * tall, t % beside * wide
        end, bottom = min(width, first + wide), min(height, top + tall)
        for k in range(0, depth, block):
            deep, b_at = min(block, depth - k), n * depth * width + k * b_down
            for column in range(first, end if pack_b else first, panel):
                pack(b, b_at + column * b_step, b_down, b_step, deep, min(panel, end - column),
                     room, (column - first) * block, panel)  # fmt: skip
            for row in range(top, bottom, group):
                rows, a_at = min(group, bottom - row), n * height * depth + k * a_step
                left = (a, a_at + row * a_down, a_down, a_step)
                if pack_a:
                    pack(a, a_at + row * a_down, a_step, a_down, deep, rows, room, a_room, group)
                    left = (room, a_room, 1, group)
                for column in range(first, end, panel):
                    right = (b, b_at + column, b_down)
                    if pack_b:
                        right = (room, (column - first) * block, panel)
                    to = (n * height + row) * width + column
                    more = (out, to, width, True) if k else (bias, column, 0, bias.size > 0)
                    sizes = (rows, min(panel, end - column), deep)
                    s.outer(sizes, left, right, (out, to, width), more)


@loop()
def along(a: Vector, b: Vector, bias: Vector, plan: Ints, out: Vector, lo: int, hi: int) -> None:
    """Parts as in `across`, with the depth side by side in both operands."""
    height, width, depth, tall, wide = plan[:5]
    beside, below = -(-width // wide), -(-height // tall)
    for t in range(lo, hi):
        n, row, column = t // (beside * below), t // beside % below * tall, t % beside * wide
        to = (n * height + row) * width + column
        left = (a, (n * height + row) * depth, depth)
        right = (b, (n * width + column) * depth, depth)
        sizes = (min(tall, height - row), min(wide, width - column), depth)
        s.dots(sizes, left, right, (out, to, width), (bias, column, 0, bias.size > 0))


Plan = tuple[Loop, int, int, Array]  # a loop, its parts, parts to a chunk, its table


def _pieces(size: int, unit: int, count: int) -> int:
    """The length of `count` equal pieces of `size`, or fewer, in whole units."""
    return -(-size // (count * unit)) * unit


def _across(batch: int, height: int, width: int, depth: int, ta: bool, tb: bool) -> Plan:
    """The cheapest of some ways to cut a product, in time for two threads."""
    pack_a, pack_b = ta and height >= 512 and depth >= 256, tb or height >= 48
    block = _pieces(depth, LANES, -(-depth // s.DEPTH))
    least = -(-height // MOST), -(-width // s.WIDE)
    more = (4, 8) if batch * height * width * depth > 2 * WORK else (1, 1)
    found: list[tuple[float, int, int, int, int]] = []
    for down, over in product_of(*(range(n, n + m) for n, m in zip(least, more, strict=True))):
        tall, wide = _pieces(height, 8, down), _pieces(width, LANES, over)
        panel = _pieces(wide, LANES, -(-wide // PANEL))
        parts = batch * -(-height // tall) * -(-width // wide)
        part = tall * sum(PACE[min(panel, wide - j) // LANES] for j in range(0, wide, panel))
        packing = pack_b * (12 if tb else 6) / tall + pack_a * 20 / wide
        found.append(
            (-(-parts // 2) * part * (1 + packing + 0.1 / parts), parts, tall, wide, panel)
        )
    _, parts, tall, wide, panel = min(found)
    plan = np.array([height, width, depth, tall, wide, panel, block, ta, tb, pack_a, pack_b])
    return across, parts, max(1, WORK // (tall * wide * depth)), plan


def _along(batch: int, height: int, width: int, depth: int) -> Plan:
    work = max(height, 4) * max(width, 4) * depth
    count = max(1, min(16, 2 * (work // WORK)))
    tall, wide = height, width
    if height > FEW:
        tall = _pieces(height, 4, count)
    else:
        wide = _pieces(width, 4, count)
    parts = batch * -(-height // tall) * -(-width // wide)
    chunk = max(1, WORK // (max(tall, 4) * max(wide, 4) * depth))
    return along, parts, chunk, np.array([height, width, depth, tall, wide])


@lru_cache(1024)
def cut(batch: int, height: int, width: int, depth: int, ta: bool, tb: bool) -> Plan:
    """How products are cut."""
    tb = tb or width == 1
    if tb and not ta and depth >= SHORT and (height <= FEW or width <= NARROW):
        return _along(batch, height, width, depth)
    return _across(batch, height, width, depth, ta, tb)


def product(
    a: Array, ta: bool, b: Array, tb: bool, bias: Array | None, shape: tuple[int, ...],
    sizes: tuple[int, int, int, int],
) -> Array:  # fmt: skip
    """Compute a @ b + bias, in `shape`, for C-contiguous arrays.

    `sizes` = (products in a batch, rows, columns, depth), of which none is 0; `ta`, `tb`: the
    matrices of an operand are given transposed.
    """
    out = empty(shape, F32)
    loop, parts, chunk, plan = cut(*sizes, ta, tb)
    loop(parts, chunk, a, b, NOTHING if bias is None else bias, plan, out)
    return out


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
