"""Dropout, and its factors for other kernels, float32: words of Philox4x32-10 as in `_philox`.

A factor belongs to a word of the stream, so any stretch of them can be made alone.
"""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from ._jit import Ints, Vector, inline, loop
from ._math import ZERO
from ._registry import Array, dense, empty, kernel, part

u64 = np.uint64
LOW, HALF, PAIR = u64(0xFFFFFFFF), u64(32), u64(2)
BY_0, BY_1 = u64(0xD2511F53), u64(0xCD9E8D57)  # Salmon et al. 2011
PLUS_0, PLUS_1 = u64(0x9E3779B9), u64(0xBB67AE85)


def call(p: float, seed: int, offset: int) -> Array:
    """What `factors` asks for: seed, offset and the least word that is kept."""
    limit = min(ceil(p * 2.0**32), (1 << 32) - 1)
    return np.array([seed, offset, limit], u64).view(np.int64)


def scale(p: float) -> float:
    """The factor of what is kept."""
    return 0.0 if p == 1 else 1.0 / (1.0 - p)


@inline()
def factors(into: Any, first: int, draws: Any, kept: Any) -> None:
    """Dropout's factors of words `first` on, a multiple of 4: `kept` or 0; 4 at a time."""
    seed, offset, limit = u64(draws[0]), u64(draws[1]), u64(draws[2])
    start = u64(first) >> PAIR
    for b in range(into.size // 4):
        block = start + u64(b)
        c0, c1, c2, c3 = block & LOW, block >> HALF, offset & LOW, offset >> HALF
        k0, k1 = seed & LOW, seed >> HALF
        for _ in range(10):
            p0, p1 = c0 * BY_0, c2 * BY_1
            c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
            k0, k1 = (k0 + PLUS_0) & LOW, (k1 + PLUS_1) & LOW
        into[4 * b] = kept if c0 >= limit else ZERO
        into[4 * b + 1] = kept if c1 >= limit else ZERO
        into[4 * b + 2] = kept if c2 >= limit else ZERO
        into[4 * b + 3] = kept if c3 >= limit else ZERO


@loop()
def dropout_parts(x: Vector, out: Vector, draws: Ints, kept: float, lo: int, hi: int) -> None:
    factors(out[lo : lo + (hi - lo + 3) // 4 * 4], lo, draws, np.float32(kept))
    for j in range(lo, min(hi, x.size)):
        out[j] *= x[j]


@kernel("dropout")
def dropout(input: Array, p: float, train: bool, seed: int, offset: int) -> Any:
    if not (train and input.size and dense(input)):
        return NotImplemented
    n = input.size
    out = empty(-(-n // 4) * 4, input.dtype)  # whole blocks of words
    dropout_parts(n, part(n), input.reshape(-1), out, call(p, seed, offset), scale(p))
    return out[:n].reshape(input.shape)
