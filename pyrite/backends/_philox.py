"""Philox4x32-10: the one random stream of all backends, as array operations.

A stream is named by (seed, offset): the seed is the 64-bit key and the offset counts the calls
that drew from it. Word i of a call is word i mod 4 of block i // 4, and a block is Philox of the
counter (block low, block high, offset low, offset high), each part 32 bits. Where a draw takes
64 bits, it is words 2i (low) and 2i + 1 (high). So any stretch of a call's words can be computed
alone, in pieces of any size, on any device.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3" (SC 2011).
"""

from __future__ import annotations

from math import pi
from typing import Any

_LOW = 0xFFFFFFFF
_TINY = 16  # words: below this Python integers are faster than array calls

# Words drawn in one piece. On the CPU a piece and its temporaries stay in the second-level cache;
# elsewhere only memory bounds it. A power of two, so that no piece crosses a carry of the counter.
_CPU_PIECE, _PIECE = 1 << 16, 1 << 22

# What makes other distributions of words, by the formulas of `_ops/random.py`.
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD  # float64 sqrt(1/2) as an integer
LN2 = 762123384785 / 2**40  # ln 2 to 40 bits: its product with an exponent is exact
LN2_TAIL = 7.371002565167799e-13  # ln 2 - LN2

# Coefficients in z, lowest first. Float32: least maximum relative error on the interval, each
# rounded to float32 before the next was fitted. Float64: the series.
# ln((1 + s) / (1 - s)) / s, z = s**2, |s| <= 3 - sqrt(8)
LOG = {
    False: (2.0, 0.6666677594184875, 0.3997758626937866, 0.29870685935020447),
    True: tuple(2 / (2 * k + 1) for k in range(10)),
}


def _sine_series(terms: int) -> tuple[float, ...]:
    """Series of sin(pi/2 y) / y in y**2."""
    out = [pi / 2]
    for k in range(1, terms):
        out.append(out[-1] * -(pi * pi / 4) / (2 * k * (2 * k + 1)))
    return tuple(out)


# sin(pi/2 y) / y, z = y**2, |y| <= 1/2
SINE = {
    False: (1.5707963705062866, -0.645966649055481, 0.07971252501010895, -0.004685971420258284),
    True: _sine_series(9),
}


def piece(xp: Any) -> int:
    """How many words to draw at a time on the array module `xp`."""
    return _CPU_PIECE if getattr(xp, "__name__", "") == "numpy" else _PIECE


def block(seed: int, c0: Any, c1: Any, c2: Any, c3: Any) -> tuple[Any, Any, Any, Any]:
    """The four words of the block with counter (c0, c1, c2, c3) under the key `seed`.

    The parts of the counter are Python integers or uint64 arrays below 2**32 (arrays may be
    overwritten); parts that are alike for all blocks stay integers, which saves two rounds.
    """
    k0, k1 = seed & _LOW, seed >> 32
    for _ in range(10):
        c0 *= 0xD2511F53
        c2 *= 0xCD9E8D57
        c1 ^= k0
        c1 ^= c2 >> 32
        c3 ^= k1
        c3 ^= c0 >> 32
        c0 &= _LOW
        c2 &= _LOW
        c0, c1, c2, c3 = c1, c2, c3, c0
        k0, k1 = (k0 + 0x9E3779B9) & _LOW, (k1 + 0xBB67AE85) & _LOW
    return c0, c1, c2, c3


def philox_words(xp: Any, seed: int, offset: int, n: int, start: int = 0) -> Any:
    """Words `start` to `start + n` of the call (seed, offset), a uint32 array of shape (n,).

    `seed` and `offset` are below 2**64. Memory beyond the result is bounded by `piece(xp)`.
    """
    first, skip = divmod(start, 4)
    count = -(-(skip + n) // 4)
    if n <= _TINY:
        words = [w for i in range(count) for w in block(seed, *_counter(first + i, offset))]
        return xp.asarray(words[skip : skip + n], dtype=xp.uint32)
    out = xp.empty((count, 4), dtype=xp.uint32)
    step = piece(xp) // 4
    done = 0
    while done < count:
        here = first + done
        size = min(step - here % step, count - done)
        _, *fixed = _counter(here, offset)
        lane = xp.arange(here & _LOW, (here & _LOW) + size, dtype=xp.uint64)
        for i, words in enumerate(block(seed, lane, *fixed)):
            out[done : done + size, i] = words
        done += size
    return out.reshape(-1)[skip : skip + n]


def _counter(index: int, offset: int) -> tuple[int, int, int, int]:
    return index & _LOW, index >> 32 & _LOW, offset & _LOW, offset >> 32
