"""The machine code of `_simd`: LLVM vectors of one cache line, which it fits to the processor."""

from __future__ import annotations

from typing import Any

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils, config
from numba.extending import intrinsic, overload, register_jitable

from . import _simd
from ._native import INNER

I32, I64 = ir.IntType(32), ir.IntType(64)
LINE = 64


def _has_wide_registers() -> bool:
    """Whether there are 32 registers of a whole line: AVX-512."""
    if config.CPU_FEATURES is not None or config.CPU_NAME not in (None, "host"):
        return "+avx512f" in (config.CPU_FEATURES or "")
    return bool(binding.get_host_cpu_features().get("avx512f"))


# Rows and vectors of a tile whose sums stay in registers.
TALL, WIDE = (8, 2) if _has_wide_registers() else (4, 1)
LONG = 4 * WIDE  # vectors of a tile of one row


# --- pieces of IR ---------------------------------------------------------------------------


def _vector(element: Any) -> Any:
    return ir.VectorType(element, LINE // _bytes(element))


def _bytes(element: Any) -> int:
    return 4 if isinstance(element, ir.FloatType) else 8


def _load(builder: Any, pointer: Any) -> Any:
    kind = _vector(pointer.type.pointee)
    value = builder.load(builder.bitcast(pointer, kind.as_pointer()))
    value.align = _bytes(kind.element)
    return value


def _store(builder: Any, value: Any, pointer: Any) -> None:
    spot = builder.bitcast(pointer, value.type.as_pointer())
    builder.store(value, spot).align = _bytes(value.type.element)


def _constant(kind: Any, value: float) -> Any:
    return ir.Constant(kind, [kind.element(value)] * kind.count)


def _shuffle(builder: Any, a: Any, b: Any, order: list[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(I32, len(order)), order))


def _splat(builder: Any, scalar: Any, kind: Any) -> Any:
    nothing = ir.Constant(kind, ir.Undefined)
    first = builder.insert_element(nothing, scalar, I32(0))
    return _shuffle(builder, first, nothing, [0] * kind.count)


def _multiply_add(builder: Any, x: Any, y: Any, z: Any) -> Any:
    kind = x.type
    name = f"llvm.fmuladd.v{kind.count}f{8 * _bytes(kind.element)}"
    shape = ir.FunctionType(kind, [kind] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, shape, name), [x, y, z])


def _at(builder: Any, pointer: Any, *offsets: Any) -> Any:
    for offset in offsets:
        pointer = builder.gep(pointer, [offset])
    return pointer


def _data(context: Any, builder: Any, kinds: Any, values: Any) -> list[Any]:
    """The arguments, arrays as the addresses of their first elements."""
    return [
        context.make_array(k)(context, builder, v).data if isinstance(k, types.Array) else v
        for k, v in zip(kinds, values, strict=True)
    ]


def _procedure(emit: Any) -> Any:
    """An intrinsic without result: `emit(builder, *values)`, arrays as pointers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit(builder, *_data(context, builder, signature.args, args))
        return context.get_dummy_value()

    return generate


# --- products -------------------------------------------------------------------------------


def _tile(height: int, width: int, spread: bool = True) -> Any:
    """The product of `height` rows by `width` vectors, its sums in registers.

    Elements of the first operand are spread to vectors; else they are vectors, lane by lane.
    """

    def emit(
        builder: Any, a: Any, at: Any, rows: Any, row: Any, steps: Any, b: Any, bt: Any, step: Any,
        places: Any, depth: Any, out: Any, to: Any, out_row: Any, add: Any,
    ) -> None:  # fmt: skip
        kind = _vector(a.type.pointee)
        each = [(r, v) for r in range(height) for v in range(width)]
        starts = [builder.load(_at(builder, rows, builder.add(row, I64(r)))) for r in range(height)]
        lines = [_at(builder, a, at, s) for s in starts]
        panels = [_at(builder, b, bt, builder.mul(step, I64(v))) for v in range(width)]
        spots = [
            _at(builder, out, to, builder.mul(out_row, I64(r)), I64(v * kind.count))
            for r, v in each
        ]
        entry, body = builder.block, builder.append_basic_block()
        builder.branch(body)
        builder.position_at_end(body)
        k = builder.phi(I64)
        k.add_incoming(I64(0), entry)
        totals = [builder.phi(kind) for _ in each]
        left, right = (builder.load(_at(builder, t, k)) for t in (steps, places))
        vectors = [_load(builder, _at(builder, p, right)) for p in panels]
        news = []
        for r, line in enumerate(lines):
            spot = _at(builder, line, left)
            x = _splat(builder, builder.load(spot), kind) if spread else _load(builder, spot)
            for v, y in enumerate(vectors):
                news.append(_multiply_add(builder, x, y, totals[r * width + v]))
        for total, new in zip(totals, news, strict=True):
            total.add_incoming(_constant(kind, 0.0), entry)
            total.add_incoming(new, body)
        k_next = builder.add(k, I64(1))
        k.add_incoming(k_next, body)
        end = builder.append_basic_block()
        builder.cbranch(builder.icmp_signed("<", k_next, depth), body, end)
        builder.position_at_end(end)
        with builder.if_else(add) as (more, fresh):
            with more:
                for new, spot in zip(news, spots, strict=True):
                    _store(builder, builder.fadd(_load(builder, spot), new), spot)
            with fresh:
                for new, spot in zip(news, spots, strict=True):
                    _store(builder, new, spot)

    @intrinsic
    def tile(
        typing: Any, a: Any, at: Any, rows: Any, row: Any, steps: Any, b: Any, bt: Any, step: Any,
        places: Any, depth: Any, out: Any, to: Any, out_row: Any, add: Any,
    ) -> Any:  # fmt: skip
        n = types.int64
        given = (a, n, rows, n, steps, b, n, n, places, n, out, n, n, types.boolean)
        return types.void(*given), _procedure(emit)

    @register_jitable(**INNER)
    def run(row, sizes, a, b, out, add):
        tile(a[0], a[1], a[2], row, a[3], b[0], b[1], b[2], b[3], sizes[2], out[0],
             out[1] + row * out[2], out[2], add)  # fmt: skip

    return run


def _column(width: int) -> Any:
    """All rows of `width` vectors: tall tiles, then what is left by halves."""
    whole, half, two, one = (_tile(h, width) for h in (TALL, TALL // 2, 2, 1))
    tall, middle = TALL, TALL // 2

    @register_jitable(**INNER)
    def column(sizes, a, b, out, add):
        row = 0
        while row + tall <= sizes[0]:
            whole(row, sizes, a, b, out, add)
            row += tall
        if row + middle <= sizes[0]:
            half(row, sizes, a, b, out, add)
            row += middle
        while row + 2 <= sizes[0]:
            two(row, sizes, a, b, out, add)
            row += 2
        if row < sizes[0]:
            one(row, sizes, a, b, out, add)

    return column


_wide, _narrow, _row = _column(WIDE), _column(1), _tile(1, LONG)


@overload(_simd.multiply, jit_options=INNER)
def _multiply(sizes, a, b, out, add):
    wide, long = WIDE, LONG

    def multiply(sizes, a, b, out, add):
        lanes, v = 64 // b[0].itemsize, 0
        while sizes[0] == 1 and v + long <= sizes[1]:
            _row(0, sizes, a, (b[0], b[1] + v * b[2], b[2], b[3]),
                 (out[0], out[1] + v * lanes, out[2]), add)  # fmt: skip
            v += long
        while v + wide <= sizes[1]:
            _wide(sizes, a, (b[0], b[1] + v * b[2], b[2], b[3]),
                  (out[0], out[1] + v * lanes, out[2]), add)  # fmt: skip
            v += wide
        if v < sizes[1]:
            _narrow(sizes, a, (b[0], b[1] + v * b[2], b[2], b[3]),
                    (out[0], out[1] + v * lanes, out[2]), add)  # fmt: skip

    return multiply


# By lanes: as many rows as a 3 x 3 window has elements, so that its gradient is one tile.
_nine, _three, _single = (_tile(h, 1, False) for h in (9, 3, 1))


@overload(_simd.weigh, jit_options=INNER)
def _weigh(sizes, a, b, out, add):
    def weigh(sizes, a, b, out, add):
        row = 0
        while row + 9 <= sizes[0]:
            _nine(row, sizes, a, b, out, add)
            row += 9
        while row + 3 <= sizes[0]:
            _three(row, sizes, a, b, out, add)
            row += 3
        while row < sizes[0]:
            _single(row, sizes, a, b, out, add)
            row += 1

    return weigh


# --- moves and transforms -------------------------------------------------------------------


@intrinsic
def _move(typing: Any, x: Any, at: Any, out: Any, to: Any) -> Any:
    def emit(builder: Any, x: Any, at: Any, out: Any, to: Any) -> None:
        _store(builder, _load(builder, _at(builder, x, at)), _at(builder, out, to))

    return types.void(x, types.int64, out, types.int64), _procedure(emit)


overload(_simd.move)(lambda x, at, out, to: lambda x, at, out, to: _move(x, at, out, to))


@intrinsic
def _thin(typing: Any, x: Any, at: Any, out: Any, to: Any) -> Any:
    def emit(builder: Any, x: Any, at: Any, out: Any, to: Any) -> None:
        n = _vector(x.type.pointee).count
        pair = [_load(builder, _at(builder, x, at, I64(i))) for i in (0, n)]
        every = [2 * i for i in range(n)]
        _store(builder, _shuffle(builder, pair[0], pair[1], every), _at(builder, out, to))

    return types.void(x, types.int64, out, types.int64), _procedure(emit)


overload(_simd.thin)(lambda x, at, out, to: lambda x, at, out, to: _thin(x, at, out, to))


@intrinsic
def _peak(typing: Any, x: Any, at: Any, vectors: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, at, vectors = _data(context, builder, signature.args, args)
        kind = _vector(x.type.pointee)
        best = cgutils.alloca_once_value(builder, _load(builder, _at(builder, x, at)))
        with cgutils.for_range(builder, vectors) as loop:
            value, old = (
                _load(builder, _at(builder, x, at, builder.mul(loop.index, I64(kind.count)))),
                builder.load(best),
            )
            builder.store(builder.select(builder.fcmp_ordered(">", value, old), value, old), best)
        found, width = builder.load(best), kind.count
        while width > 1:
            width //= 2
            other = _shuffle(
                builder, found, found, [(i + width) % kind.count for i in range(kind.count)]
            )
            found = builder.select(builder.fcmp_ordered(">", other, found), other, found)
        return builder.extract_element(found, I32(0))

    return x.dtype(x, types.int64, types.int64), generate


overload(_simd.peak)(lambda x, at, vectors: lambda x, at, vectors: _peak(x, at, vectors))


@intrinsic
def _transpose(
    typing: Any, x: Any, at: Any, rows: Any, out: Any, to: Any, columns: Any
) -> Any:  # fmt: skip
    def emit(builder: Any, x: Any, at: Any, rows: Any, out: Any, to: Any, columns: Any) -> None:
        n = _vector(x.type.pointee).count

        def line(array: Any, start: Any, table: Any, i: int) -> Any:
            return _at(builder, array, start, builder.load(_at(builder, table, I64(i))))

        block = [_load(builder, line(x, at, rows, i)) for i in range(n)]
        for _ in range(n.bit_length() - 1):  # each pass interleaves the halves
            pairs = zip(block[: n // 2], block[n // 2 :], strict=True)
            block = [
                _shuffle(builder, a, b, [i // 2 + i % 2 * n for i in range(start, start + n)])
                for a, b in pairs
                for start in (0, n)
            ]
        for i, value in enumerate(block):
            _store(builder, value, line(out, to, columns, i))

    return types.void(x, types.int64, rows, out, types.int64, columns), _procedure(emit)


def _combine(builder: Any, weights: Any, values: list[Any]) -> Any:
    """The sum of weights times values, terms with a weight of 0 left out, positive ones first."""
    terms = sorted(((w, v) for w, v in zip(weights, values) if w), key=lambda t: t[0] < 0)
    total = None
    for weight, value in terms:
        if total is None and weight == 1:
            total = value
        elif total is None:
            total = builder.fmul(_constant(value.type, weight), value)
        elif abs(weight) == 1:
            total = (builder.fadd if weight > 0 else builder.fsub)(total, value)
        else:
            total = _multiply_add(builder, _constant(value.type, weight), value, total)
    return total


def _grid(builder: Any, base: Any, start: Any, steps: list[Any], n: int) -> list[Any]:
    return [
        _at(builder, base, start, builder.mul(steps[0], I64(i)), builder.mul(steps[1], I64(j)))
        for i in range(n)
        for j in range(n)
    ]


def _gather(builder: Any, spot: Any, step: Any) -> Any:
    kind = _vector(spot.type.pointee)
    value = ir.Constant(kind, ir.Undefined)
    for i in range(kind.count):
        one = builder.load(_at(builder, spot, builder.mul(step, I64(i))))
        value = builder.insert_element(value, one, I32(i))
    return value


def _scatter(builder: Any, value: Any, spot: Any, step: Any) -> None:
    for i in range(value.type.count):
        one = builder.extract_element(value, I32(i))
        builder.store(one, _at(builder, spot, builder.mul(step, I64(i))))


def _sandwich(matrix: Any, gather: bool = False, scatter: bool = False) -> Any:
    """M x M' on grids of vectors; lanes side by side unless they are gathered or scattered."""
    height, width = len(matrix), len(matrix[0])

    def emit(
        builder: Any, x: Any, at: Any, steps: Any, out: Any, to: Any, places: Any
    ) -> None:  # fmt: skip
        steps, places = (cgutils.unpack_tuple(builder, t, 3) for t in (steps, places))
        spots = _grid(builder, x, at, steps, width)
        cells = [_gather(builder, s, steps[2]) if gather else _load(builder, s) for s in spots]
        rows = [
            [_combine(builder, m, [cells[i * width + j] for i in range(width)])
             for j in range(width)] for m in matrix
        ]  # fmt: skip
        values = [_combine(builder, m, row) for row in rows for m in matrix]
        for value, spot in zip(values, _grid(builder, out, to, places, height), strict=True):
            if scatter:
                _scatter(builder, value, spot, places[2])
            else:
                _store(builder, value, spot)

    @intrinsic
    def sandwich(
        typing: Any, x: Any, at: Any, steps: Any, out: Any, to: Any, places: Any
    ) -> Any:  # fmt: skip
        three = types.UniTuple(types.int64, 3)
        return types.void(x, types.int64, three, out, types.int64, three), _procedure(emit)

    return sandwich


def _replace(function: Any, made: Any) -> None:
    """Let `made`, an intrinsic of six arguments, stand for a function of `_simd`."""
    overload(function, jit_options=INNER)(
        lambda x, at, steps, out, to, places: (
            lambda x, at, steps, out, to, places: made(x, at, steps, out, to, places)
        )
    )


_replace(_simd.to_tile, _sandwich(_simd.INPUT))
_replace(_simd.from_tile, _sandwich(_simd.OUTPUT))
_replace(_simd.from_tile_back, _sandwich(_simd.OUTPUT_BACK))
_replace(_simd.to_filter, _sandwich(_simd.FILTER, gather=True))
_replace(_simd.to_filter_back, _sandwich(_simd.FILTER_BACK, scatter=True))


overload(_simd.transpose, jit_options=INNER)(
    lambda x, at, rows, out, to, columns: (
        lambda x, at, rows, out, to, columns: _transpose(x, at, rows, out, to, columns)
    )
)
overload(_simd.lanes, jit_options=INNER)(lambda x: lambda x: 64 // x.itemsize)


# --- slots ----------------------------------------------------------------------------------


@intrinsic
def _try(typing: Any, slots: Any, i: Any) -> Any:
    """Write 1 where 0 stands; whether it did."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        slots, i = _data(context, builder, signature.args, args)
        spot = _at(builder, slots, i)
        pair = builder.cmpxchg(spot, I64(0), I64(1), "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(slots, types.int64), generate


@intrinsic
def _clear(typing: Any, slots: Any, i: Any) -> Any:
    def emit(builder: Any, slots: Any, i: Any) -> None:
        builder.store_atomic(I64(0), _at(builder, slots, i), "release", 8)

    return types.void(slots, types.int64), _procedure(emit)


@overload(_simd.take, jit_options=INNER)
def _choose_take(slots):
    def take(slots):
        i = 0
        while not _try(slots, i):
            i = i + 1 if i + 1 < slots.size else 0
        return i

    return take


overload(_simd.give, jit_options=INNER)(lambda slots, at: lambda slots, at: _clear(slots, at))
