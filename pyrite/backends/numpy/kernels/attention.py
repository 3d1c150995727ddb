"""Attention and its gradients, float32: blocks of queries against blocks of keys.

What a block's products read is packed first, so that they run on vectors (`_simd`) and each line
is in the innermost caches: rows one after the other, or turned into panels of one vector. Forward
keeps each row's largest score and sum so far, and scales what it has when they change. The
operands may be heads side by side, as projections leave them: only rows must be contiguous.
"""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import _math as m
from . import _simd as s
from ._jit import Ints, Matrix, Table, Vector, inline, loop
from ._math import INF, ONE, ZERO
from ._registry import F32, I64, Array, empty, kernel
from .random import call, factors
from .random import scale as kept_scale
from .winograd import slots, table

LANES = 16
QUERIES, KEYS = 32, 256  # of a block of weights, at most
LINE = KEYS + LANES  # from one query's weights to the next: an odd number of cache lines
PART = 256  # queries of a part of forward, at most
FEW = 8  # parts that there should be
MIN = 512
NONE, ALL = np.empty((0, 0), F32), np.zeros(1, I64)
Sizes: TypeAlias = tuple[int, ...]


@inline()
def start(places: Any, operand: int, n: int, heads: int, row: int) -> int:
    """Where row `row` of head `n` of an operand begins."""
    at = places[operand]
    return n // heads * at[0] + n % heads * at[1] + row * at[2]


@inline()
def seen_keys(causal: int, i: int, k0: int, count: int) -> int:
    """How many of `count` keys from `k0` on query `i` may attend to."""
    return max(0, min(count, i + 1 - k0)) if causal else count


@inline()
def product(x: Vector, sizes: Any, a: Any, b: Any, out: Any, add: bool) -> None:
    """`_simd.multiply` within one array, compiled once."""
    m.outline()
    s.multiply(sizes, (x, a[0], a[1], a[2]), (x, b[0], b[1], b[2]), (x, out[0], out[1]), add)


@inline()
def pack_rows(
    x: Vector, at: int, step: int, rows: int, width: int, scale: Any, out: Vector, to: int,
    pitch: int,
) -> None:  # fmt: skip
    """Rows times `scale`, `pitch` elements apart; what is behind them becomes 0."""
    m.outline()
    for r in range(rows):
        source, into = x[at + r * step : at + r * step + width], out[to + r * pitch :]
        for c in range(width):
            into[c] = source[c] * scale
        for c in range(width, pitch):
            into[c] = ZERO


@inline()
def pack_columns(
    x: Vector, at: int, step: int, rows: int, width: int, out: Vector, to: int, tables: Any
) -> None:
    """Rows as panels [vector of rows][column][lane]; missing lanes are 0."""
    m.outline()
    for r in range(0, rows, LANES):
        spot, place, whole = at + r * step, to + r * width, 0
        if r + LANES <= rows:
            whole = width // LANES * LANES
            for c in range(0, whole, LANES):
                s.transpose(x, spot + c, tables[0], out, place + c * LANES, tables[1])
        for c in range(whole, width):
            for i in range(LANES):
                out[place + c * LANES + i] = x[spot + i * step + c] if r + i < rows else ZERO


@inline()
def add_mask(row: Any, mask: Any, at: int, k0: int) -> None:
    """Add row `at` of the mask to scores."""
    added = mask[at]
    for j in range(row.size):
        row[j] += added[k0 + j]


@inline()
def thin(
    x: Any, at: int, rows: int, size: int, first: int, keys: int, draws: Any, kept: Any, to: int
) -> None:
    """Dropout of rows of weights, which begin at word `first` and each `keys` later.

    The factors of a row go to x[to], from a multiple of 4 words on.
    """
    m.outline()
    for i in range(rows):
        row, skip = x[at + i * LINE : at + i * LINE + size], (first + i * keys) % 4
        each = x[to : to + (skip + size + 3) // 4 * 4]
        factors(each, first + i * keys - skip, draws, kept)
        for j in range(size):
            row[j] *= each[skip + j]


@loop("contract", "reassoc")
def attention_blocks(
    q: Vector, k: Vector, v: Vector, mask: Matrix, out: Vector, lse: Vector, places: Table,
    owners: Ints, sizes: Ints, scale: float, draws: Ints, kept: float, k_rows: Ints, units: Ints,
    lanes: Ints, lines: Ints, q_lines: Ints, v_lines: Ints, scratch: Vector, slots: Ints, lo: int,
    hi: int,
) -> None:  # fmt: skip
    """A part is some queries of a head."""
    heads, length, keys, width, causal, step, wide, q_pitch, pitch, parts, per, tile = sizes
    factor, thinned = np.float32(scale), np.float32(kept)
    slot = s.take(slots)
    queries = slot * (scratch.size // slots.size)
    turned = queries + per * q_pitch
    values = turned + KEYS * width
    scores = values + KEYS * pitch
    sums = scores + QUERIES * LINE
    spare = sums + per * pitch
    tops, totals = scratch[spare : spare + per], scratch[spare + per : spare + 2 * per]
    spare += 2 * per
    for part in range(lo, hi):
        n, i0 = part // parts, part % parts * per
        rows = min(per, length - i0)
        pack_rows(q, start(places, 0, n, heads, i0), places[0, 2], rows, width, factor, scratch,
                  queries, q_pitch)  # fmt: skip
        for r in range(rows):
            tops[r], totals[r] = -INF, ZERO
        end = seen_keys(causal, i0 + rows - 1, 0, keys)
        for k0 in range(0, end, KEYS):
            size = min(KEYS, end - k0)
            pack_columns(k, start(places, 1, n, heads, k0), places[1, 2], size, width, scratch,
                         turned, (k_rows, lanes))  # fmt: skip
            pack_rows(v, start(places, 2, n, heads, k0), places[2, 2], size, wide, ONE, scratch,
                      values, pitch)  # fmt: skip
            for first in range(0, rows, tile):
                count = min(tile, rows - first)
                here = seen_keys(causal, i0 + first + count - 1, k0, size)
                if here == 0:
                    continue
                across = -(-here // LANES)
                product(scratch, (count, across, width),
                        (queries + first * q_pitch, q_lines, units),
                        (turned, LANES * width, lanes), (scores, LINE), False)  # fmt: skip
                for r in range(first, first + count):
                    spot, i = scores + (r - first) * LINE, i0 + r
                    row = scratch[spot : spot + across * LANES]
                    for j in range(seen_keys(causal, i, k0, here), row.size):
                        row[j] = -INF
                    if step >= 0:
                        add_mask(row[:here], mask, owners[n] + i * step, k0)
                    before = tops[r]
                    top = s.peak(scratch, spot, across)
                    top = before if before > top else top
                    level, total = ZERO if top == -INF else top, ZERO
                    for j in range(row.size):
                        e = m.exp_below(row[j] - level)
                        row[j] = e
                        total += e
                    tops[r] = top
                    if k0 == 0:
                        totals[r] = total
                    elif before != top:
                        shrink = m.exp_below(before - level)
                        totals[r] = totals[r] * shrink + total
                        target = scratch[sums + r * pitch : sums + (r + 1) * pitch]
                        for j in range(target.size):
                            target[j] *= shrink
                    else:
                        totals[r] += total
                if thinned >= ZERO:
                    word = (n * length + i0 + first) * keys + k0
                    thin(scratch, scores, count, here, word, keys, draws, thinned, spare)
                product(scratch, (count, -(-wide // LANES), here), (scores, lines, units),
                        (values, LANES, v_lines),
                        (sums + first * pitch, pitch), k0 > 0)  # fmt: skip
        logs = lse[n * length + i0 : n * length + i0 + rows]
        for r in range(rows):
            total = totals[r]
            logs[r] = tops[r] + m.log(total) if total != ZERO else INF
            totals[r] = ONE / total if total != ZERO else ONE
        for r in range(rows):
            at, inverse = start(places, 3, n, heads, i0 + r), totals[r]
            source, target = scratch[sums + r * pitch :], out[at : at + wide]
            for j in range(wide):
                target[j] = source[j] * inverse
    s.give(slots, slot)


@inline()
def put(
    x: Vector, at: int, pitch: int, rows: int, scale: Any, out: Vector, to: int, step: int,
    width: int, add: bool,
) -> None:  # fmt: skip
    """Rows times `scale` to where they belong, or added to what is there."""
    m.outline()
    for r in range(rows):
        source, target = x[at + r * pitch :], out[to + r * step : to + r * step + width]
        if add:
            for j in range(width):
                target[j] += source[j] * scale
        else:
            for j in range(width):
                target[j] = source[j] * scale


@loop("contract", "reassoc")
def attention_grad_parts(
    g: Vector, q: Vector, k: Vector, v: Vector, mask: Matrix, out: Vector, lse: Vector, dq: Vector,
    dk: Vector, dv: Vector, places: Table, owners: Ints, sizes: Ints, scale: float, draws: Ints,
    kept: float, k_rows: Ints, v_rows: Ints, units: Ints, lanes: Ints, lines: Ints, k_lines: Ints,
    v_lines: Ints, scratch: Vector, slots: Ints, lo: int, hi: int,
) -> None:  # fmt: skip
    """A part is every `parts`-th block of queries of a head."""
    heads, length, keys, width, causal, step, wide, pitch, v_pitch, parts, tile = sizes
    factor, thinned = np.float32(scale), np.float32(kept)
    panels, vectors = -(-width // LANES), -(-wide // LANES)
    slot = s.take(slots)
    turned = slot * (scratch.size // slots.size)
    turned_v = turned + KEYS * width
    packed = turned_v + KEYS * wide
    queries = packed + KEYS * pitch
    cotangents = queries + QUERIES * pitch
    weights = cotangents + QUERIES * v_pitch
    slopes = weights + QUERIES * LINE
    sum_q = slopes + QUERIES * LINE
    sum_k = sum_q + QUERIES * pitch
    sum_v = sum_k + KEYS * pitch
    spare = sum_v + KEYS * v_pitch
    for part in range(lo, hi):
        n, own = part // parts, part % parts
        for k0 in range(0, keys, KEYS):
            size = min(KEYS, keys - k0)
            from_k, from_v = start(places, 2, n, heads, k0), start(places, 3, n, heads, k0)
            pack_columns(k, from_k, places[2, 2], size, width, scratch, turned, (k_rows, lanes))
            pack_columns(v, from_v, places[3, 2], size, wide, scratch, turned_v, (v_rows, lanes))
            pack_rows(k, from_k, places[2, 2], size, width, ONE, scratch, packed, pitch)
            for j in range(sum_k, sum_k + size * pitch):
                scratch[j] = ZERO
            for j in range(sum_v, sum_v + size * v_pitch):
                scratch[j] = ZERO
            for i0 in range(own * tile, length, parts * tile):
                rows = min(tile, length - i0)
                here = seen_keys(causal, i0 + rows - 1, k0, size)
                if here == 0:
                    continue
                pack_rows(g, start(places, 0, n, heads, i0), places[0, 2], rows, wide, ONE, scratch,
                          cotangents, v_pitch)  # fmt: skip
                pack_rows(q, start(places, 1, n, heads, i0), places[1, 2], rows, width, factor,
                          scratch, queries, pitch)  # fmt: skip
                across = -(-here // LANES)
                product(scratch, (rows, across, width), (queries, k_lines, units),
                        (turned, LANES * width, lanes), (weights, LINE), False)  # fmt: skip
                product(scratch, (rows, across, wide), (cotangents, v_lines, units),
                        (turned_v, LANES * wide, lanes), (slopes, LINE), False)  # fmt: skip
                word = (n * length + i0) * keys + k0
                if thinned >= ZERO:
                    thin(scratch, slopes, rows, here, word, keys, draws, thinned, spare)
                for r in range(rows):
                    spot, i = r * LINE, i0 + r
                    row = scratch[weights + spot : weights + spot + across * LANES]
                    slope = scratch[slopes + spot : slopes + spot + across * LANES]
                    for j in range(seen_keys(causal, i, k0, here), row.size):
                        row[j] = -INF
                    if step >= 0:
                        add_mask(row[:here], mask, owners[n] + i * step, k0)
                    level, delta = lse[n * length + i], ZERO
                    one = scratch[cotangents + r * v_pitch :]
                    two = out[start(places, 4, n, heads, i) :]
                    for j in range(wide):
                        delta += one[j] * two[j]
                    for j in range(row.size):
                        p = m.exp_below(row[j] - level)
                        row[j] = p
                        slope[j] = p * (slope[j] - delta)
                if thinned >= ZERO:
                    thin(scratch, weights, rows, here, word, keys, draws, thinned, spare)
                product(scratch, (here, vectors, rows), (weights, units, lines),
                        (cotangents, LANES, v_lines), (sum_v, v_pitch), True)  # fmt: skip
                product(scratch, (here, panels, rows), (slopes, units, lines),
                        (queries, LANES, k_lines), (sum_k, pitch), True)  # fmt: skip
                product(scratch, (rows, panels, here), (slopes, lines, units),
                        (packed, LANES, k_lines), (sum_q, pitch), False)  # fmt: skip
                put(scratch, sum_q, pitch, rows, factor, dq, start(places, 5, n, heads, i0),
                    places[5, 2], width, k0 > 0)  # fmt: skip
            to_k = start(places, 6, n, heads, k0) + own * places[6, 3]
            to_v = start(places, 7, n, heads, k0) + own * places[7, 3]
            put(scratch, sum_k, pitch, size, ONE, dk, to_k, places[6, 2], width, False)
            put(scratch, sum_v, v_pitch, size, ONE, dv, to_v, places[7, 2], wide, False)
    s.give(slots, slot)


class Plan(NamedTuple):
    """What a call's shapes and strides tell: the loops' tables, and how many parts there are."""

    parts: int
    places: Array
    sizes: Array
    tables: tuple[Array, ...]
    room: int  # elements of scratch per thread


@lru_cache(1024)
def _laid(shape: Sizes, strides: Sizes) -> tuple[Sizes, int] | None:
    """Elements per batch, head and row, and of all the memory from the first one on.

    None where rows are not contiguous or do not come one after the other.
    """
    lead = len(shape) - 3
    if lead > 1:  # several dimensions are one batch if they are contiguous
        whole = all(strides[d] == strides[d + 1] * shape[d + 1] for d in range(lead - 1))
        if not whole:
            return None
        shape, strides = (prod(shape[:lead]), *shape[lead:]), strides[lead - 1 :]
    shape, strides = (1,) * (4 - len(shape)) + shape, (0,) * (4 - len(strides)) + strides
    if strides[3] != 4 or strides[2] < 4 * shape[3] or min(strides) < 0:
        return None
    steps = tuple([step // 4 for step in strides])
    return steps[:3], 1 + sum((n - 1) * step for n, step in zip(shape, steps, strict=True))


def _memory(x: Array) -> tuple[Array, Sizes]:
    """The memory of an operand as a vector, a copy where it must, and its steps."""
    found = _laid(x.shape, x.strides)
    if found is None or not x.flags.writeable:
        x = np.array(x, order="C")
        found = _laid(x.shape, x.strides)
        assert found is not None
    if x.flags.c_contiguous:
        return x.reshape(-1), found[0]
    return as_strided(x, (found[1],), (4,)), found[0]


@lru_cache(1024)
def _order(shape: Sizes, strides: Sizes) -> tuple[Sizes, Sizes] | None:
    """How to lay out an array as one of these strides is, but densely; None for in order."""
    order = sorted(range(len(shape)), key=lambda d: -strides[d])
    if len(shape) != 4 or order == [0, 1, 2, 3] or order[-1] != 3:
        return None
    return tuple([shape[d] for d in order]), tuple(np.argsort(order).tolist())


def _new(like: Array) -> Array:
    """An array of the same shape, with the heads side by side where `like` has them so."""
    order = _order(like.shape, like.strides)
    return empty(like.shape, F32) if order is None else empty(order[0], F32).transpose(order[1])


def _mask(mask: Array | None, batch: tuple[int, ...], keys: int) -> tuple[Array, Array, int] | None:
    """The mask as rows to add, the first row of each head, and the rows per query (-1: no mask)."""
    if mask is None:
        return NONE, ALL, -1
    if mask.ndim == 0 or mask.shape[-1] != keys:
        return None
    if mask.dtype.kind == "b":
        mask = np.where(mask, ZERO, -INF)
    if mask.dtype is not F32:
        return None
    mask = np.ascontiguousarray(mask if mask.ndim > 1 else mask[None])
    several = mask.shape[-2]
    first = np.arange(mask.size // (several * keys)).reshape(mask.shape[:-2]) * several
    owners = np.array(np.broadcast_to(first, batch), order="C").reshape(-1)
    return mask.reshape(-1, keys), owners, int(several > 1)


def _dropout(p: float, seed: int, offset: int) -> tuple[Array, float]:
    return (call(p, seed, offset), kept_scale(p)) if p else (ALL, -1.0)


def _fit(*arrays: Array) -> bool:
    return all(a.dtype is F32 and a.size for a in arrays)


def _even(n: int, parts: int) -> int:
    """How long to make `parts` equal parts, in whole tiles of a product."""
    return -(-n // (8 * parts)) * 8


def _pitch(width: int) -> int:
    """From one packed row to the next: an odd number of cache lines."""
    return (-(-width // LANES) | 1) * LANES


@lru_cache(1024)
def _forward_plan(
    query: Sizes, value: Sizes, places: tuple[Sizes, ...], causal: bool, step: int
) -> Plan:
    (length, width), (keys, wide), count = query[-2:], value[-2:], prod(query[:-2])
    per = _even(length, max(-(-length // PART), min(-(-FEW // count), -(-length // QUERIES))))
    tile, parts = _even(per, -(-per // QUERIES)), -(-length // per)
    heads, q_pitch, pitch = query[-3] if len(query) > 2 else 1, _pitch(width), _pitch(wide)
    sizes = heads, length, keys, width, causal, step, wide, q_pitch, pitch, parts, per, tile
    units = max(KEYS, width)
    tables = (
        table(LANES, places[1][2]), table(units), table(units, LANES), table(QUERIES, LINE),
        table(QUERIES, q_pitch), table(KEYS, pitch),
    )  # fmt: skip
    room = KEYS * (width + pitch + 1) + QUERIES * LINE + per * (q_pitch + pitch + 2) + LANES
    return Plan(count * parts, np.array(places), np.array(sizes), tables, room)


@kernel("attention", MIN)
def attention(
    query: Array, key: Array, value: Array, attn_mask: Array | None, dropout_p: float,
    is_causal: bool, scale: float, seed: int, offset: int,
) -> Any:  # fmt: skip
    masks = _mask(attn_mask, query.shape[:-2], key.shape[-2])
    if masks is None or not _fit(query, key, value):
        return NotImplemented
    shape = (*query.shape[:-1], value.shape[-1])
    out = _new(query) if shape == query.shape else empty(shape, F32)
    (q, k, v, o), places = zip(*[_memory(x) for x in (query, key, value, out)], strict=True)
    mask, owners, step = masks
    plan = _forward_plan(query.shape, value.shape, places, is_causal, step)
    lse, free = empty(query.shape[:-1], F32), slots()
    attention_blocks(
        plan.parts, 1, q, k, v, mask, o, lse.reshape(-1), plan.places, owners, plan.sizes, scale,
        *_dropout(dropout_p, seed, offset), *plan.tables, empty(free.size * plan.room, F32), free,
    )  # fmt: skip
    return out, lse


@lru_cache(1024)
def _backward_plan(
    query: Sizes, value: Sizes, places: tuple[Sizes, ...], causal: bool, step: int, parts: int,
    tile: int,
) -> Plan:  # fmt: skip
    (length, width), (keys, wide), count = query[-2:], value[-2:], prod(query[:-2])
    heads, pitch, v_pitch = query[-3] if len(query) > 2 else 1, _pitch(width), _pitch(wide)
    sizes = heads, length, keys, width, causal, step, wide, pitch, v_pitch, parts, tile
    extra = (*[0] * 6, count * keys * width, count * keys * wide)
    units = max(KEYS, width, wide)
    tables = (
        table(LANES, places[2][2]), table(LANES, places[3][2]), table(units), table(units, LANES),
        table(QUERIES, LINE), table(KEYS, pitch), table(KEYS, v_pitch),
    )  # fmt: skip
    room = KEYS * (width + wide + 2 * pitch + v_pitch + 1) + LANES
    room += QUERIES * (2 * pitch + v_pitch + 2 * LINE)
    steps = np.array([(*p, more) for p, more in zip(places, extra, strict=True)])
    return Plan(count * parts, steps, np.array(sizes), tables, room)


@kernel("attention_grad", MIN)
def attention_grad(
    grad: Array, query: Array, key: Array, value: Array, attn_mask: Array | None, output: Array,
    lse: Array, mask_wanted: bool, dropout_p: float, is_causal: bool, scale: float, seed: int,
    offset: int,
) -> Any:  # fmt: skip
    batch, masks = query.shape[:-2], _mask(attn_mask, query.shape[:-2], key.shape[-2])
    given = (grad, query, key, value, output)
    if mask_wanted or masks is None or not _fit(*given, lse):
        return NotImplemented
    length = query.shape[-2]
    tile = _even(length, -(-length // QUERIES))
    parts = max(1, min(2 * FEW // prod(batch), -(-length // tile)))
    made = [_new(query), *[_new(x) if parts == 1 else empty((parts, *x.shape), F32)
                           for x in (key, value)]]  # fmt: skip
    found = [_memory(x) for x in (*given, made[0])]
    found += [(x.reshape(-1), _memory(x[0])[1]) if parts > 1 else _memory(x) for x in made[1:]]
    flat, places = zip(*found, strict=True)
    mask, owners, step = masks
    plan = _backward_plan(query.shape, value.shape, places, is_causal, step, parts, tile)
    free = slots()
    attention_grad_parts(
        plan.parts, 1, *flat[:4], mask, flat[4], np.ascontiguousarray(lse).reshape(-1), *flat[5:],
        plan.places, owners, plan.sizes, scale, *_dropout(dropout_p, seed, offset), *plan.tables,
        empty(free.size * plan.room, F32), free,
    )  # fmt: skip
    if parts > 1:
        made[1:] = [x.sum(0) for x in made[1:]]
    return *made, np.empty((*batch, 0), F32)
