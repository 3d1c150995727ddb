"""Random numbers in float32 from words of Philox4x32-10: the bits of the ops in `_ops/random.py`.

What is drawn belongs to a word of the stream, or to two, so any stretch can be made alone. Steps
`a * x + c` are taken in float64 and rounded to float32, whether or not they are fused.
"""

from __future__ import annotations

from math import ceil, prod
from typing import Any

import numpy as np

from ..._philox import LN2, LOG, SINE, SQRT_HALF_BITS
from ._jit import Ints, Loop, Scalar, Vector, inline, loop
from ._math import ONE, ZERO
from ._registry import F32, I64, Array, dense, empty, kernel, part

u64, i32, f32, f64 = np.uint64, np.int32, np.float32, np.float64
LOW, HALF, PAIR = u64(0xFFFFFFFF), u64(32), u64(2)
BY_0, BY_1 = u64(0xD2511F53), u64(0xCD9E8D57)  # Salmon et al. 2011
PLUS_0, PLUS_1 = u64(0x9E3779B9), u64(0xBB67AE85)
L0, L1, L2, L3 = map(f32, LOG[False])
S0, S1, S2, S3 = map(f32, SINE[False])
TWO_24, TWO_31, SIGN = f32(2**-24), f32(2**-31), i32(-(2**31))


def stream(seed: int, offset: int, limit: int = 0) -> Array:
    """Seed, offset and a limit of words, as a loop reads them."""
    return np.array([seed, offset, limit], u64).view(np.int64)


def call(p: float, seed: int, offset: int) -> Array:
    """What `factors` asks for: seed, offset and the least word that is kept."""
    return stream(seed, offset, min(ceil(p * 2.0**32), (1 << 32) - 1))


def scale(p: float) -> float:
    """The factor of what is kept."""
    return 0.0 if p == 1 else 1.0 / (1.0 - p)


@inline(always=True)
def philox(index: Any, seed: Any, offset: Any) -> Any:
    """The four words of a block, as uint64."""
    c0, c1, c2, c3 = index & LOW, index >> HALF, offset & LOW, offset >> HALF
    k0, k1 = seed & LOW, seed >> HALF
    for _ in range(10):
        p0, p1 = c0 * BY_0, c2 * BY_1
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & LOW, (p0 >> HALF) ^ c3 ^ k1, p0 & LOW
        k0, k1 = (k0 + PLUS_0) & LOW, (k1 + PLUS_1) & LOW
    return c0, c1, c2, c3


@inline()
def factors(into: Any, first: int, draws: Any, kept: Any) -> None:
    """Dropout's factors of words `first` on, a multiple of 4: `kept` or 0; 4 at a time."""
    seed, offset, limit = u64(draws[0]), u64(draws[1]), u64(draws[2])
    start = u64(first) >> PAIR
    for b in range(into.size // 4):
        c0, c1, c2, c3 = philox(start + u64(b), seed, offset)
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


# --- whole tensors: as many numbers as make whole blocks ------------------------------------------


@inline(always=True)
def rounded(a: Any, x: Any, c: Any) -> Any:
    """a * x + c of float32 values, rounded once."""
    return f32(f64(a) * f64(x) + f64(c))


@inline(always=True)
def log_of(word: Any) -> Any:
    """ln((2 word + 1) / 2**33) as float64."""
    bits = np.float64(f64(word) * f64(2) + f64(1)).view(np.int64)
    exponent = (bits - SQRT_HALF_BITS) >> 52
    m = np.int64(bits - (exponent << 52)).view(np.float64)
    s = f32((m - f64(1)) / (m + f64(1)))
    z = s * s
    series = rounded(rounded(rounded(L3, z, L2), z, L1), z, L0)
    return f64(exponent - 33) * LN2 + f64(s) * f64(series)


@inline(always=True)
def circle(word: Any) -> Any:
    """Cosine and sine of a full turn times (word + 1/2) / 2**32: see `_ops/random.py`."""
    k = i32(word)
    y = f32(i32(i32(i32(k << 2) >> 1) | 1)) * TWO_31
    z = y * y
    sine = f32(f64(y) * f64(rounded(rounded(rounded(S3, z, S2), z, S1), z, S0)))
    cosine = np.sqrt(f32(f64(1) - f64(sine) * f64(sine)))
    quarter = i32(k + i32(1 << 29))
    c, s = np.float32(cosine).view(np.int32), np.float32(sine).view(np.int32)
    swapped = i32((c ^ s) & i32(i32(quarter << 1) >> 31))
    c = c ^ swapped ^ ((quarter ^ (quarter << 1)) & SIGN)
    s = s ^ swapped ^ (quarter & SIGN)
    return np.int32(c).view(np.float32), np.int32(s).view(np.float32)


@inline(always=True)
def normals(radius: Any, angle: Any, std: Any, mean: Any) -> Any:
    """Two normal numbers from two words."""
    r = np.sqrt(f32(log_of(radius) * f64(-2)))
    cosine, sine = circle(angle)
    return rounded(r * cosine, std, mean), rounded(r * sine, std, mean)


@loop()
def normal_parts(
    out: Vector, draws: Ints, std: Scalar, mean: Scalar, lo: int, hi: int
) -> None:  # fmt: skip
    seed, offset = u64(draws[0]), u64(draws[1])
    into = out[4 * lo : 4 * hi]
    for b in range(into.size // 4):
        c0, c1, c2, c3 = philox(u64(lo) + u64(b), seed, offset)
        into[4 * b], into[4 * b + 1] = normals(c0, c1, std, mean)
        into[4 * b + 2], into[4 * b + 3] = normals(c2, c3, std, mean)


@inline(always=True)
def between(word: Any, low: Any, high: Any, width: Any) -> Any:
    """A number in [low, high)."""
    x = rounded(f32(i32(word >> u64(8))) * TWO_24, width, low)
    return x if x < high else low


@loop()
def uniform_parts(
    out: Vector, draws: Ints, low: Scalar, high: Scalar, width: Scalar, lo: int, hi: int
) -> None:  # fmt: skip
    seed, offset = u64(draws[0]), u64(draws[1])
    into = out[4 * lo : 4 * hi]
    for b in range(into.size // 4):
        c0, c1, c2, c3 = philox(u64(lo) + u64(b), seed, offset)
        into[4 * b] = between(c0, low, high, width)
        into[4 * b + 1] = between(c1, low, high, width)
        into[4 * b + 2] = between(c2, low, high, width)
        into[4 * b + 3] = between(c3, low, high, width)


@loop()
def integer_parts(out: Ints, draws: Ints, low: int, span: int, lo: int, hi: int) -> None:
    seed, offset, wide = u64(draws[0]), u64(draws[1]), u64(span)
    into = out[4 * lo : 4 * hi]
    for b in range(into.size // 4):
        c0, c1, c2, c3 = philox(u64(lo) + u64(b), seed, offset)
        into[4 * b] = np.int64(c0 * wide >> HALF) + low
        into[4 * b + 1] = np.int64(c1 * wide >> HALF) + low
        into[4 * b + 2] = np.int64(c2 * wide >> HALF) + low
        into[4 * b + 3] = np.int64(c3 * wide >> HALF) + low


@loop()
def chance_parts(out: Vector, draws: Ints, limit: float, lo: int, hi: int) -> None:
    seed, offset = u64(draws[0]), u64(draws[1])
    into = out[4 * lo : 4 * hi]
    for b in range(into.size // 4):
        c0, c1, c2, c3 = philox(u64(lo) + u64(b), seed, offset)
        into[4 * b] = ONE if f64(c0) < limit else ZERO
        into[4 * b + 1] = ONE if f64(c1) < limit else ZERO
        into[4 * b + 2] = ONE if f64(c2) < limit else ZERO
        into[4 * b + 3] = ONE if f64(c3) < limit else ZERO


def drawn(
    run: Loop, shape: tuple[int, ...], dtype: Any, seed: int, offset: int, *given: Any
) -> Any:
    """A tensor of draws; in other types than the loop's, the generic kernel's."""
    kind = I64 if run is integer_parts else F32
    if dtype.numpy is not kind:
        return NotImplemented
    n = prod(shape)
    blocks = -(-n // 4)
    out = empty(4 * blocks, kind)
    run(blocks, part(n) // 4, out, stream(seed, offset), *given)
    return out[:n].reshape(shape)


@kernel("uniform")
def uniform(
    shape: tuple[int, ...], dtype: Any, seed: int, offset: int, low: float = 0.0, high: float = 1.0
) -> Any:
    return drawn(uniform_parts, shape, dtype, seed, offset, low, high, high - low)


@kernel("normal")
def normal(
    shape: tuple[int, ...], dtype: Any, seed: int, offset: int, mean: float = 0.0, std: float = 1.0
) -> Any:
    return drawn(normal_parts, shape, dtype, seed, offset, std, mean)


@kernel("integers")
def integers(
    shape: tuple[int, ...], dtype: Any, seed: int, offset: int, low: int, high: int
) -> Any:
    if high - low > 1 << 24:
        return NotImplemented
    return drawn(integer_parts, shape, dtype, seed, offset, low, high - low)


@kernel("bernoulli")
def bernoulli(p: Array, shape: tuple[int, ...], dtype: Any, seed: int, offset: int) -> Any:
    if p.ndim or not 0 <= p.item() <= 1:
        return NotImplemented
    return drawn(chance_parts, shape, dtype, seed, offset, p.item() * 2.0**32)
