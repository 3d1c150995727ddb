"""The machine code of `_simd`'s tiles: parts of matrix products whose sums stay in registers.

A tile that has fewer rows than its height takes the last one again and again: it computes and
stores the same numbers. What is added to the sums is read before anything is stored, so that this
holds where they are added to the result.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, overload, register_jitable

from . import _simd
from ._native import INNER, stack
from ._vectors import (
    I32,
    I64,
    _at,
    _bytes,
    _constant,
    _has_wide_registers,
    _load,
    _multiply_add,
    _procedure,
    _shuffle,
    _splat,
    _store,
    _vector,
)  # fmt: skip

TALL, WIDE = (8, 3) if _has_wide_registers() else (4, 1)  # rows and vectors of a tile
SIDE = 4  # rows and columns of a tile of dot products: one vector in all


def _mask(builder: Any, count: Any, n: int) -> Any:
    """The first `count` of `n` lanes."""
    kind = ir.VectorType(I64, n)
    return builder.icmp_signed("<", ir.Constant(kind, list(range(n))), _splat(builder, count, kind))


def _masked(builder: Any, name: str, kind: Any, result: Any, *args: Any) -> Any:
    shape = ir.FunctionType(result, [a.type for a in args])
    name = f"llvm.masked.{name}.v{kind.count}f{8 * _bytes(kind.element)}.p0"
    return builder.call(cgutils.get_or_insert_function(builder.module, shape, name), args)


def _read(builder: Any, pointer: Any, mask: Any = None) -> Any:
    """A vector; zeros where the mask does not hold, and no access there."""
    if mask is None:
        return _load(builder, pointer)
    kind = ir.VectorType(pointer.type.pointee, mask.type.count)
    spot, align = builder.bitcast(pointer, kind.as_pointer()), I32(_bytes(kind.element))
    return _masked(builder, "load", kind, kind, spot, align, mask, _constant(kind, 0.0))


def _write(builder: Any, value: Any, pointer: Any, mask: Any = None) -> None:
    if mask is None:
        _store(builder, value, pointer)
        return
    kind = value.type
    spot, align = builder.bitcast(pointer, kind.as_pointer()), I32(_bytes(kind.element))
    _masked(builder, "store", kind, ir.VoidType(), value, spot, align, mask)


def _lines(builder: Any, first: Any, count: int, end: Any, step: Any) -> list[Any]:
    """The offsets of `count` lines `step` apart; beyond the end the last line again."""
    last, found = builder.sub(end, I64(1)), []
    for i in range(count):
        line = builder.add(first, I64(i))
        line = builder.select(builder.icmp_signed("<", line, last), line, last)
        found.append(builder.mul(line, step))
    return found


class _Loop:
    """`for k in range(0, end, step)` with values that it carries."""

    def __init__(self, builder: Any, end: Any, step: int, *starts: Any) -> None:
        self.builder, self.end, self.step = builder, end, I64(step)
        self.first = (I64(0), *starts)
        self.before, self.body = builder.block, builder.append_basic_block()
        self.after = builder.append_basic_block()
        builder.cbranch(builder.icmp_signed("<", I64(0), end), self.body, self.after)
        builder.position_at_end(self.body)
        self.phis = self.joined(self.first, self.before)

    def joined(self, values: Any, block: Any) -> list[Any]:
        phis = [self.builder.phi(v.type) for v in values]
        for phi, value in zip(phis, values, strict=True):
            phi.add_incoming(value, block)
        return phis

    def close(self, *news: Any) -> list[Any]:
        """End the body; the values after the loop."""
        builder, inside = self.builder, self.builder.block
        k = builder.add(self.phis[0], self.step)
        for phi, new in zip(self.phis, (k, *news), strict=True):
            phi.add_incoming(new, inside)
        builder.cbranch(builder.icmp_signed("<", k, self.end), self.body, self.after)
        builder.position_at_end(self.after)
        results = self.joined(self.first[1:], self.before)
        for result, new in zip(results, news, strict=True):
            result.add_incoming(new, inside)
        return results


def _tile(emit: Any) -> Any:
    """An intrinsic of numbers and tuples: `emit(builder, ...)`, arrays in them as pointers."""

    def plain(context: Any, builder: Any, kind: Any, value: Any) -> Any:
        if isinstance(kind, types.Array):
            return context.make_array(kind)(context, builder, value).data
        if isinstance(kind, types.BaseTuple):
            values = cgutils.unpack_tuple(builder, value, len(kind))
            return [plain(context, builder, k, v) for k, v in zip(kind, values, strict=True)]
        return value

    @intrinsic
    def tile(typing: Any, place: Any, sizes: Any, a: Any, b: Any, out: Any, more: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            pairs = zip(signature.args, args, strict=True)
            emit(builder, *[plain(context, builder, k, v) for k, v in pairs])
            return context.get_dummy_value()

        return types.void(place, sizes, a, b, out, more), generate

    return tile


def _finish(builder: Any, sums: Any, places: Any, masks: Any, out: Any, more: Any) -> None:
    """Store sums, with what is to be added; `places(step)`: their offsets, rows `step` apart."""

    def spots(array: Any, start: Any, step: Any, *_: Any) -> list[Any]:
        return [_at(builder, array, start, *place) for place in places(step)]

    with builder.if_else(more[3]) as (some, nothing):
        with some:
            shifts = [_read(builder, *each) for each in zip(spots(*more), masks, strict=True)]
            wholes = [builder.fadd(x, y) for x, y in zip(sums, shifts, strict=True)]
            for each in zip(wholes, spots(*out), masks, strict=True):
                _write(builder, *each)
        with nothing:
            for each in zip(sums, spots(*out), masks, strict=True):
                _write(builder, *each)


def _outer(height: int, width: int) -> Any:
    """`height` rows of numbers times `width` vectors."""

    def emit(builder: Any, row: Any, sizes: Any, a: Any, b: Any, out: Any, more: Any) -> None:
        rows, columns, depth = sizes
        kind = _vector(a[0].type.pointee)
        last = builder.sub(columns, I64((width - 1) * kind.count))
        masks = [None] * (width - 1) + [_mask(builder, last, kind.count)]
        each = [(r, v) for r in range(height) for v in range(width)]
        heads = [_at(builder, *a[:2], o) for o in _lines(builder, row, height, rows, a[2])]
        loop = _Loop(builder, depth, 1, I64(0), b[1], *[_constant(kind, 0.0)] * len(each))
        _, left, right, *totals = loop.phis
        vectors = [
            _read(builder, _at(builder, b[0], right, I64(v * kind.count)), mask)
            for v, mask in enumerate(masks)
        ]
        numbers = [_splat(builder, builder.load(_at(builder, h, left)), kind) for h in heads]
        sums = [
            _multiply_add(builder, numbers[r], vectors[v], total)
            for (r, v), total in zip(each, totals, strict=True)
        ]
        sums = loop.close(builder.add(left, a[3]), builder.add(right, b[2]), *sums)[2:]

        def places(step: Any) -> list[Any]:
            lines = _lines(builder, row, height, rows, step)
            return [(lines[r], I64(v * kind.count)) for r, v in each]

        _finish(builder, sums, places, masks * height, out, more)

    return _tile(emit)


def _band(width: int) -> Any:
    """All rows of at most `width` vectors."""
    tall, half = _outer(TALL, width), _outer(TALL // 2, width)
    low, high = TALL // 2, TALL

    @register_jitable(**INNER)
    def band(sizes, a, b, out, more):
        row = 0
        while row < sizes[0]:
            if sizes[0] - row > low:
                tall(row, sizes, a, b, out, more)
                row += high
            else:
                half(row, sizes, a, b, out, more)
                row += low

    return band


_bands = [_band(width) for width in range(1, WIDE + 1)]
_one, _two, _three = _bands[0], _bands[min(1, WIDE - 1)], _bands[WIDE - 1]


@overload(_simd.outer, jit_options=INNER)
def _choose_outer(sizes, a, b, out, more):
    wide = WIDE

    def outer(sizes, a, b, out, more):
        lanes = 64 // b[0].itemsize
        for j in range(0, sizes[1], wide * lanes):
            left = min(sizes[1] - j, wide * lanes)
            some, right = (sizes[0], left, sizes[2]), (b[0], b[1] + j, b[2])
            to, shift = (out[0], out[1] + j, out[2]), (more[0], more[1] + j, more[2], more[3])
            if left > 2 * lanes:
                _three(some, a, right, to, shift)
            elif left > lanes:
                _two(some, a, right, to, shift)
            else:
                _one(some, a, right, to, shift)

    return outer


# --- dot products -----------------------------------------------------------------------------


def _fold(builder: Any, x: Any, y: Any) -> Any:
    """The sums of neighbours in x, then of those in y."""
    n = x.type.count
    halves = [_shuffle(builder, x, y, list(range(i, 2 * n, 2))) for i in (0, 1)]
    return builder.fadd(*halves)


def _emit_dots(
    builder: Any, place: Any, sizes: Any, a: Any, b: Any, out: Any, more: Any
) -> None:  # fmt: skip
    (row, column), (rows, columns, depth) = place, sizes
    kind = _vector(a[0].type.pointee)
    n = kind.count
    lefts = [_at(builder, *a[:2], o) for o in _lines(builder, row, SIDE, rows, a[2])]
    rights = [_at(builder, *b[:2], o) for o in _lines(builder, column, SIDE, columns, b[2])]

    def add_up(k: Any, totals: list[Any], mask: Any = None) -> list[Any]:
        xs, ys = ([_read(builder, _at(builder, p, k), mask) for p in ps] for ps in (lefts, rights))
        pairs = [(x, y) for x in xs for y in ys]
        return [_multiply_add(builder, *pair, t) for pair, t in zip(pairs, totals, strict=True)]

    whole = builder.and_(depth, I64(-n))
    mask = _mask(builder, builder.sub(depth, whole), n)
    loop = _Loop(builder, whole, n, *add_up(whole, [_constant(kind, 0.0)] * SIDE**2, mask))
    k, *totals = loop.phis
    sums = loop.close(*add_up(k, totals))
    while len(sums) > 1:
        sums = [_fold(builder, x, y) for x, y in zip(sums[::2], sums[1::2], strict=True)]
    lanes = [list(range(r * SIDE, (r + 1) * SIDE)) for r in range(SIDE)]
    sums = [_shuffle(builder, sums[0], sums[0], some) for some in lanes]
    mask = _mask(builder, builder.sub(columns, column), SIDE)

    def places(step: Any) -> list[Any]:
        return [(line, column) for line in _lines(builder, row, SIDE, rows, step)]

    _finish(builder, sums, places, [mask] * SIDE, out, more)


_dots = _tile(_emit_dots)


@overload(_simd.dots, jit_options=INNER)
def _choose_dots(sizes, a, b, out, more):
    side = SIDE

    def dots(sizes, a, b, out, more):
        for column in range(0, sizes[1], side):
            for row in range(0, sizes[0], side):
                _dots((row, column), sizes, a, b, out, more)

    return dots


# --- packing ----------------------------------------------------------------------------------


@intrinsic
def _turn(
    typing: Any, x: Any, at: Any, down: Any, rows: Any, columns: Any, out: Any, to: Any, step: Any
) -> Any:  # fmt: skip
    def emit(
        builder: Any, x: Any, at: Any, down: Any, rows: Any, columns: Any, out: Any, to: Any,
        step: Any,
    ) -> None:  # fmt: skip
        n = _vector(x.type.pointee).count
        mask = _mask(builder, columns, n)
        lines = [_at(builder, x, at, o) for o in _lines(builder, I64(0), n, rows, down)]
        block = [_read(builder, line, mask) for line in lines]
        for _ in range(n.bit_length() - 1):  # each pass interleaves the halves
            block = [
                _shuffle(builder, a, b, [i // 2 + i % 2 * n for i in range(start, start + n)])
                for a, b in zip(block[: n // 2], block[n // 2 :], strict=True)
                for start in (0, n)
            ]
        for j, value in enumerate(block):
            _store(builder, value, _at(builder, out, to, builder.mul(step, I64(j))))

    n = types.int64
    return types.void(x, n, n, n, n, out, n, n), _procedure(emit)


overload(_simd.turn, jit_options=INNER)(
    lambda x, at, down, rows, columns, out, to, step: (
        lambda x, at, down, rows, columns, out, to, step: _turn(
            x, at, down, rows, columns, out, to, step
        )
    )
)
_simd.room = stack((_simd.TALL + _simd.WIDE) * _simd.DEPTH)
