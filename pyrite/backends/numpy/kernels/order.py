"""Along the last dimension: running sums, order, and the largest few.

A row is sorted stably by its keys' bits, eight at a time. NaN is the largest number, -0 equals 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _math as m
from ._jit import Ints, Vector, loop
from ._registry import I64, Array, dense, empty, kernel, of_kind, rows
from .move import ordered_copy

BOTH = ("float32", "float64")
SHORT = 64  # elements up to which NumPy sorts as fast
MOST = 64  # elements of a choice that is kept in order while a row is read
DIGITS = 256


@loop(kinds=BOTH)
def cumsum_rows(x: Vector, width: int, out: Vector, lo: int, hi: int) -> None:
    """Running sums in float64, of four rows at once: one alone waits for each addition."""
    r = lo
    while r + 4 <= hi:
        p, q, s, t = r * width, (r + 1) * width, (r + 2) * width, (r + 3) * width
        a = b = c = d = 0.0
        for j in range(width):
            a += x[p + j]
            b += x[q + j]
            c += x[s + j]
            d += x[t + j]
            out[p + j], out[q + j], out[s + j], out[t + j] = a, b, c, d
        r += 4
    for rest in range(r, hi):
        total = 0.0
        for j in range(rest * width, (rest + 1) * width):
            total += x[j]
            out[j] = total


@loop()
def sort_rows(
    x: Vector, width: int, flip: int, keys: Ints, spare: Ints, places: Ints, lo: int, hi: int
) -> None:  # fmt: skip
    """The places of each row's elements in ascending order, in descending order for `flip` -1."""
    counts = m.buffer(keys)
    for r in range(lo, hi):
        first = r * width
        for j in range(width):  # the key in the high half, the place in the low one
            keys[first + j] = ((m.order_key(x[first + j]) ^ flip) << 32) | j
        for digit in range(4):
            source, target = (keys, spare) if digit % 2 == 0 else (spare, keys)
            shift, top = 32 + 8 * digit, 128 if digit == 3 else 0
            for d in range(DIGITS):
                counts[d] = 0
            for j in range(first, first + width):
                counts[((source[j] >> shift) & 255) ^ top] += 1
            start = first
            for d in range(DIGITS):
                start, counts[d] = start + counts[d], start
            for j in range(first, first + width):
                d = ((source[j] >> shift) & 255) ^ top
                target[counts[d]] = source[j]
                counts[d] += 1
        for j in range(first, first + width):
            places[j] = keys[j] & 0xFFFFFFFF


@loop()
def top_rows(
    x: Vector, width: int, flip: int, k: int, keys: Ints, places: Ints, lo: int, hi: int
) -> None:  # fmt: skip
    """The places of the first `k` elements of each row in order."""
    for r in range(lo, hi):
        first, last = r * k, r * k + k - 1
        for j in range(width):
            key = m.order_key(x[r * width + j]) ^ flip
            if j >= k and key >= keys[last]:
                continue
            at = first + min(j, k - 1)
            while at > first and keys[at - 1] > key:
                keys[at], places[at] = keys[at - 1], places[at - 1]
                at -= 1
            keys[at], places[at] = key, j


@kernel("cumsum", 64)
def cumsum(input: Array, dim: int) -> Any:
    run = of_kind(cumsum_rows, input)
    if run is None or not -input.ndim <= dim < input.ndim or not input.size:
        return NotImplemented
    if dim not in (-1, input.ndim - 1):
        turned = ordered_copy(np.moveaxis(input, dim, -1))
        out = turned if turned is NotImplemented else cumsum(turned, -1)
        return out if out is NotImplemented else ordered_copy(np.moveaxis(out, -1, dim))
    out, width = empty(input.shape, input.dtype), input.shape[-1]
    n = input.size // width
    run(n, -(-rows(n, width) // 4) * 4, input, width, out)
    return out


@kernel("sort_indices", 64)
def sort_indices(input: Array, dim: int = -1, descending: bool = False) -> Any:
    if not _last(input, dim) or not SHORT < input.shape[-1] < 1 << 31:
        return NotImplemented
    width = input.shape[-1]
    n, places = input.size // width, empty(input.shape, I64)
    keys, spare = (empty(input.size, I64) for _ in range(2))
    sort_rows(n, rows(n, 16 * width), input, width, -int(descending), keys, spare, places)
    return places


@kernel("topk_indices", 64)
def topk_indices(input: Array, k: int, dim: int = -1, largest: bool = True) -> Any:
    if not _last(input, dim) or not 0 < k <= min(MOST, input.shape[-1]):
        return NotImplemented
    width = input.shape[-1]
    n, places = input.size // width, empty((*input.shape[:-1], k), I64)
    top_rows(n, rows(n, 4 * width), input, width, -int(largest), k, empty(n * k, I64), places)
    return places


def _last(input: Array, dim: int) -> bool:
    return bool(input.ndim and input.size and dim in (-1, input.ndim - 1) and dense(input))
