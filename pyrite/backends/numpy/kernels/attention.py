"""Attention and its gradients, float32: blocks of queries against blocks of keys.

A block's weights lie in a buffer that stays in the cache; both products of a block are BLAS's.
Forward keeps each row's largest score and sum so far, and scales what it has when they change.
The operands may be heads side by side, as projections leave them: only rows must be contiguous.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from . import _math as m
from ._jit import Ints, Matrix, Table, Vector, inline, loop
from ._math import INF, ONE, ZERO
from ._registry import F32, I64, Array, empty, kernel
from .matmul import blas
from .random import call, factors
from .random import scale as kept_scale

QUERIES, KEYS = 128, 256  # a block's weights: 128 KB
SLOTS = 32  # parts that run at the same time, each with a buffer of its own
MIN = 512
NONE = np.empty((0, 0), F32)


@inline()
def place(places: Any, operand: int, n: int, heads: int, width: int) -> tuple[int, int]:
    """Row and column in its matrix where head `n` of an operand begins."""
    start = n // heads * places[operand, 0] + n % heads * places[operand, 1]
    return start // width, start % width


@inline()
def seen_keys(sizes: Any, i: int, k0: int, count: int) -> int:
    """How many of `count` keys from `k0` on query `i` may attend to."""
    return max(0, min(count, i + 1 - k0)) if sizes[4] else count


@inline("contract")
def scale_row(row: Any, seen: int, scale: Any, mask: Any, at: int, k0: int) -> None:
    """Scores times scale, plus their row `at` of the mask if it is not -1."""
    if at < 0:
        for j in range(seen):
            row[j] = row[j] * scale
    else:
        added = mask[at]
        for j in range(seen):
            row[j] = row[j] * scale + added[k0 + j]


@inline()
def thin_block(
    block: Any, rows: int, size: int, first: int, keys: int, draws: Any, kept: Any, buffer: Any
) -> None:
    """Dropout of a block of weights, whose rows begin at word `first` and each `keys` later."""
    for i in range(rows):
        row, skip = block[i], (first + i * keys) % 4
        factors(buffer[: (skip + size + 3) // 4 * 4], first + i * keys - skip, draws, kept)
        for j in range(size):
            row[j] *= buffer[skip + j]


@loop("contract", "reassoc")
def attention_blocks(
    gemm: int, q: Matrix, k: Matrix, v: Matrix, mask: Matrix, out: Matrix, lse: Vector,
    places: Table, owners: Ints, sizes: Ints, scale: float, draws: Ints, kept: float,
    scores: Matrix, sums: Matrix, buffers: Matrix,
    lo: int, hi: int,
) -> None:  # fmt: skip
    heads, length, keys, width, _, step, wide, count, slots = sizes
    blocks, factor = (length + QUERIES - 1) // QUERIES, np.float32(scale)
    thinned = np.float32(kept)
    for slot in range(lo, hi):
        base = slot * QUERIES
        for t in range(slot, count * blocks, slots):
            n, i0 = t // blocks, t % blocks * QUERIES
            rows = min(QUERIES, length - i0)
            qr, qc = place(places, 0, n, heads, q.shape[1])
            kr, kc = place(places, 1, n, heads, k.shape[1])
            vr, vc = place(places, 2, n, heads, v.shape[1])
            into, oc = place(places, 3, n, heads, out.shape[1])
            into += i0
            for r in range(base, base + rows):
                sums[0, r], sums[1, r] = -INF, ZERO
            end = seen_keys(sizes, i0 + rows - 1, 0, keys)
            for k0 in range(0, end, KEYS):
                size = min(KEYS, end - k0)
                at = (q, qr + i0, qc)
                m.gemm(gemm, (False, True, False), (rows, size, width), at, (k, kr + k0, kc),
                       (scores, base, 0))  # fmt: skip
                for i in range(rows):
                    row, r = scores[base + i], base + i
                    seen = seen_keys(sizes, i0 + i, k0, size)
                    at_mask = owners[n] + (i0 + i) * step if step >= 0 else -1
                    scale_row(row, seen, factor, mask, at_mask, k0)
                    before = sums[0, r]
                    top = m.fmax(before, m.largest(row[:seen])) if seen else before
                    if top == -INF:
                        seen = 0
                    total = ZERO
                    for j in range(seen):
                        e = m.exp(row[j] - top)
                        row[j] = e
                        total += e
                    for j in range(seen, size):
                        row[j] = ZERO
                    if seen:
                        shrink = m.exp(before - top)
                        sums[0, r], sums[1, r] = top, sums[1, r] * shrink + total
                        if k0 > 0 and shrink != ONE:
                            target = out[into + i, oc : oc + wide]
                            for j in range(target.size):
                                target[j] *= shrink
                if thinned >= ZERO:
                    first = (n * length + i0) * keys + k0
                    thin_block(scores[base:], rows, size, first, keys, draws, thinned,
                               buffers[slot])  # fmt: skip
                m.gemm(gemm, (False, False, k0 > 0), (rows, wide, size), (scores, base, 0),
                       (v, vr + k0, vc), (out, into, oc))  # fmt: skip
            for i in range(rows):
                total, target = sums[1, base + i], out[into + i, oc : oc + wide]
                some = total != ZERO
                lse[n * length + i0 + i] = sums[0, base + i] + m.log(total) if some else INF
                inverse = ONE / total if some else ONE
                for j in range(target.size):
                    target[j] *= inverse


@loop("contract", "reassoc")
def attention_grad_parts(
    gemm: int, g: Matrix, q: Matrix, k: Matrix, v: Matrix, mask: Matrix, out: Matrix, lse: Vector,
    dq: Matrix, dk: Matrix, dv: Matrix, places: Table, owners: Ints, sizes: Ints, scale: float,
    draws: Ints, kept: float, scores: Matrix, slopes: Matrix, buffers: Matrix, lo: int, hi: int,
) -> None:  # fmt: skip
    heads, length, keys, width, _, step, wide, count, slots, parts = sizes
    factor, thinned = np.float32(scale), np.float32(kept)
    for slot in range(lo, hi):
        base = slot * QUERIES
        weights, tilts = (scores, base, 0), (slopes, base, 0)
        for t in range(slot, count * parts, slots):
            n, part = t // parts, t % parts
            gr, gc = place(places, 0, n, heads, g.shape[1])
            qr, qc = place(places, 1, n, heads, q.shape[1])
            kr, kc = place(places, 2, n, heads, k.shape[1])
            vr, vc = place(places, 3, n, heads, v.shape[1])
            fr, fc = place(places, 4, n, heads, out.shape[1])
            dqr, dqc = place(places, 5, n, heads, dq.shape[1])
            dkr, dkc = place(places, 6, n, heads, dk.shape[1])
            dvr, dvc = place(places, 7, n, heads, dv.shape[1])
            dkr, dvr = dkr + part * count * keys, dvr + part * count * keys
            for i0 in range(part * QUERIES, length, parts * QUERIES):
                rows = min(QUERIES, length - i0)
                end = seen_keys(sizes, i0 + rows - 1, 0, keys)
                queries, cotangents = (q, qr + i0, qc), (g, gr + i0, gc)
                for k0 in range(0, end, KEYS):
                    size = min(KEYS, end - k0)
                    turned = (False, True, False)
                    m.gemm(gemm, turned, (rows, size, width), queries, (k, kr + k0, kc), weights)
                    m.gemm(gemm, turned, (rows, size, wide), cotangents, (v, vr + k0, vc), tilts)
                    first = (n * length + i0) * keys + k0
                    if thinned >= ZERO:
                        thin_block(slopes[base:], rows, size, first, keys, draws, thinned,
                                   buffers[slot])  # fmt: skip
                    for i in range(rows):
                        row, slope = scores[base + i], slopes[base + i]
                        seen = seen_keys(sizes, i0 + i, k0, size)
                        at_mask = owners[n] + (i0 + i) * step if step >= 0 else -1
                        scale_row(row, seen, factor, mask, at_mask, k0)
                        level, delta = lse[n * length + i0 + i], ZERO
                        one, two = g[gr + i0 + i], out[fr + i0 + i]
                        for j in range(wide):
                            delta += one[gc + j] * two[fc + j]
                        for j in range(seen):
                            p = m.exp(row[j] - level)
                            row[j] = p
                            slope[j] = p * (slope[j] - delta) * factor
                        for j in range(seen, size):
                            row[j], slope[j] = ZERO, ZERO
                    if thinned >= ZERO:
                        thin_block(scores[base:], rows, size, first, keys, draws, thinned,
                                   buffers[slot])  # fmt: skip
                    back = (True, False, True)
                    m.gemm(gemm, back, (size, wide, rows), weights, cotangents, (dv, dvr + k0, dvc))
                    m.gemm(gemm, back, (size, width, rows), tilts, queries, (dk, dkr + k0, dkc))
                    m.gemm(gemm, (False, False, k0 > 0), (rows, width, size), tilts,
                           (k, kr + k0, kc), (dq, dqr + i0, dqc))  # fmt: skip


def _four(x: Array) -> Array:
    """As (batch, heads, length, features)."""
    return x.reshape(prod(x.shape[:-3]), *((1,) * (3 - x.ndim) + x.shape)[-3:])


def _direct(x: Array) -> bool:
    """Whether the rows of a 4-D array are contiguous and come one after the other."""
    *outer, row, unit = x.strides
    return unit == 4 and row >= 4 * x.shape[3] and min(outer) >= 0 and x.flags.writeable


def _new(like: Array, make: Any = np.empty_like) -> Array:
    """An array of the same shape, with the heads side by side where `like` has them so."""
    out = make(like)
    return out if out.ndim == 4 and _direct(out) else make(like, order="C")


def _matrix(x: Array) -> tuple[Array, tuple[int, int]]:
    """The matrix in whose rows a 4-D array's rows lie, and the elements per batch and per head."""
    if not _direct(x):
        x = np.array(x, order="C")
    batch, head, row, _ = (s // 4 for s in x.strides)
    if x.flags.c_contiguous:
        return x.reshape(-1, row), (batch, head)
    last = (x.shape[0] - 1) * batch + (x.shape[1] - 1) * head
    # The last row may seem to end behind the memory; only its first features are touched.
    rows = last // row + x.shape[2]
    return as_strided(x, (rows, row), (4 * row, 4)), (batch, head)


def _mask(mask: Array | None, batch: tuple[int, ...], keys: int) -> tuple[Array, Array, int] | None:
    """The mask as rows to add, the first row of each head, and the rows per query (-1: no mask)."""
    if mask is None:
        return NONE, np.zeros(1, I64), -1
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


def _scratch(slots: int) -> Array:
    return empty((slots * QUERIES, KEYS), F32)


def _buffers(slots: int) -> Array:
    """Dropout's factors for a row of a block, from a multiple of 4 on."""
    return np.empty((slots, KEYS + 8), F32)


def _dropout(p: float, seed: int, offset: int) -> tuple[Array, float]:
    return call(p, seed, offset), kept_scale(p) if p else -1.0


def _fits(*arrays: Array) -> bool:
    return blas() is not None and all(a.dtype is F32 and a.size for a in arrays)


@kernel("attention", MIN)
def attention(
    query: Array, key: Array, value: Array, attn_mask: Array | None, dropout_p: float,
    is_causal: bool, scale: float, seed: int, offset: int,
) -> Any:  # fmt: skip
    library, batch = blas(), query.shape[:-2]
    masks = _mask(attn_mask, batch, key.shape[-2])
    if library is None or masks is None or not _fits(query, key, value):
        return NotImplemented
    shape = (*query.shape[:-1], value.shape[-1])
    out = _new(query) if shape == query.shape else empty(shape, F32)
    four = [_four(x) for x in (query, key, value, out)]
    (q, k, v, o), places = zip(*[_matrix(x) for x in four], strict=True)
    mask, owners, step = masks
    (length, width), (keys, wide), count = query.shape[-2:], value.shape[-2:], prod(batch)
    slots = min(SLOTS, count * -(-length // QUERIES))
    sizes = (four[0].shape[1], length, keys, width, is_causal, step, wide, count, slots)
    lse = empty((*batch, length), F32)
    library.run(
        attention_blocks, slots, 1, library.gemm[F32], q, k, v, mask, o, lse.reshape(-1),
        np.array(places), owners, np.array(sizes), scale, *_dropout(dropout_p, seed, offset),
        _scratch(slots), np.empty((2, slots * QUERIES), F32), _buffers(slots),
    )  # fmt: skip
    return out, lse


@kernel("attention_grad", MIN)
def attention_grad(
    grad: Array, query: Array, key: Array, value: Array, attn_mask: Array | None, output: Array,
    lse: Array, mask_wanted: bool, dropout_p: float, is_causal: bool, scale: float, seed: int,
    offset: int,
) -> Any:  # fmt: skip
    library, batch = blas(), query.shape[:-2]
    masks = _mask(attn_mask, batch, key.shape[-2])
    given = (grad, query, key, value, output)
    if library is None or mask_wanted or masks is None or not _fits(*given, lse):
        return NotImplemented
    (length, width), (keys, wide), count = query.shape[-2:], value.shape[-2:], prod(batch)
    parts = max(1, min(16 // count, -(-length // QUERIES)))
    dq = _new(query)
    dk, dv = (
        _new(x, np.zeros_like) if parts == 1 else np.zeros((parts, *x.shape), F32)
        for x in (key, value)
    )
    found = [_matrix(_four(x)) for x in (*given, dq)]
    found += [_matrix(_four(x if parts == 1 else x[0])) for x in (dk, dv)]
    (g, q, k, v, o, tq, tk, tv), places = zip(*found, strict=True)
    if parts > 1:
        tk, tv = (x.reshape(-1, x.shape[-1]) for x in (dk, dv))
    mask, owners, step = masks
    slots = min(SLOTS, count * parts)
    sizes = (_four(query).shape[1], length, keys, width, is_causal, step, wide, count, slots, parts)
    library.run(
        attention_grad_parts, slots, 1, library.gemm[F32], g, q, k, v, mask, o,
        np.ascontiguousarray(lse).reshape(-1), tq, tk, tv, np.array(places), owners,
        np.array(sizes), scale, *_dropout(dropout_p, seed, offset), _scratch(slots),
        _scratch(slots), _buffers(slots),
    )  # fmt: skip
    if parts > 1:
        dk, dv = dk.sum(0), dv.sum(0)
    return dq, dk, dv, np.empty((*batch, 0), F32)
