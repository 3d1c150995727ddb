"""Random ops: functions of (seed, offset) alone, bit-equal on every backend.

Draw i of a call is made from the words of the Philox stream at i (see `backends/_philox.py`), in
row-major order of the logical shape; a 64-bit draw takes two words. Only integer operations,
exact conversions and the correctly rounded + - * / sqrt are used, never a library's log or sin.

Float32 results: every constant and intermediate of a polynomial is a float32 value, and each step
`a * x + c` is computed in float64 and rounded to float32. The product of two float32 values is
exact in float64, so a compiler that contracts the step into a fused multiply-add changes no bit.
Float64 results: each product and each sum rounds on its own; a fused kernel must turn contraction
off. Half-precision results are the float32 ones, rounded. Below, `wide` is True for float64
results, and in `_fill` and `integers` for 64-bit draws.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, prod
from typing import Any

from .._dtypes import dtype as dtype_
from .._dtypes import float32, float64
from ..backends._philox import LN2, LN2_TAIL, LOG, SINE, SQRT_HALF_BITS, philox_words, piece
from .table import Array, op

Shape = tuple[int, ...]

_WIDE = 1 << 24  # integer ranges above this use 64-bit draws: no value's odds are off by 2**-8
_DIGITS = {"float64": 53, "float32": 24, "float16": 11, "bfloat16": 8}


def _round(xp: Any, values: Any, wide: bool) -> Any:
    """float64 values rounded to float32 (kept as float64), or as they are for float64 results."""
    return values if wide else values.astype(xp.float32).astype(xp.float64)


def _horner(xp: Any, coefficients: tuple[float, ...], z: Any, wide: bool) -> Any:
    *lower, last = coefficients
    out = z * last
    for c in lower[:0:-1]:
        out += c
        out = _round(xp, out, wide)
        out *= z
    out += lower[0]
    return _round(xp, out, wide)


def _log(xp: Any, x: Any, shift: int, wide: bool) -> Any:
    """ln(x * 2**-shift) as float64, for normal positive float64 x."""
    bits = x.view(xp.int64)
    exponent = (bits - SQRT_HALF_BITS) >> 52
    m = (bits - (exponent << 52)).view(xp.float64)  # in [sqrt(1/2), sqrt(2))
    s = _round(xp, (m - 1.0) / (m + 1.0), wide)
    power = (exponent - shift).astype(xp.float64)
    small = s * _horner(xp, LOG[wide], _round(xp, s * s, wide), wide)
    if wide:
        small += power * LN2_TAIL
    return power * LN2 + small


def _exponential(xp: Any, words: Any, wide: bool) -> Any:
    """-ln(u), u = (2 k + 1) / 2**33 from a 32-bit draw k, or / 2**53 from a draw's high 52 bits."""
    if wide:
        words = words >> 12
    doubled = words.astype(xp.float64)
    doubled *= 2.0
    doubled += 1.0
    return -_log(xp, doubled, 53 if wide else 33, wide)


def _circle(xp: Any, words: Any, wide: bool) -> tuple[Any, Any]:
    """Cosine and sine of a full turn times (k + 1/2) / 2**bits, in the result's precision.

    An angle in [-1/8, 1/8] turns is left after the nearest quarter is taken off; its cosine is
    sqrt(1 - sine**2), at least sqrt(1/2). Quarters swap and negate, on the bits.
    """
    bits = 64 if wide else 32
    kind, signed = (xp.float64, xp.int64) if wide else (xp.float32, xp.int32)
    k = words.view(signed)
    odd = ((k << 2) >> 1) | 1
    y = odd.astype(kind).astype(xp.float64)
    y *= 2.0 ** (1 - bits)
    sine = _round(xp, y * _horner(xp, SINE[wide], _round(xp, y * y, wide), wide), wide)
    cosine = xp.sqrt((1.0 - sine * sine).astype(kind))
    quarter = k + (1 << (bits - 3))
    c, s = cosine.view(signed), sine.astype(kind).view(signed)
    swapped = (c ^ s) & ((quarter << 1) >> (bits - 1))
    sign = -1 << (bits - 1)
    c ^= swapped
    c ^= (quarter ^ (quarter << 1)) & sign
    s ^= swapped
    s ^= quarter & sign
    return c.view(kind), s.view(kind)


def _uint64(xp: Any, words: Any) -> Any:
    """64-bit draws from pairs of words, the low one first."""
    pairs = words.reshape(-1, 2)
    out = pairs[:, 1].astype(xp.uint64)
    out <<= 32
    out |= pairs[:, 0]
    return out


def _fill(
    xp: Any, shape: Shape, kind: Any, call: tuple[int, int],
    make: Callable[[Any, int, int], Any], wide: bool = False,
) -> Any:  # fmt: skip
    """An array of `make(draws, first, last)`, made piece by piece so that temporaries stay small.

    `draws` are uint32, or uint64 where `wide`, and as many as from `first` to `last`, or one
    more where that makes their number even.
    """
    total, words = prod(shape), 2 if wide else 1
    out = xp.empty((total,), dtype=kind)
    step = piece(xp) // words
    for first in range(0, total, step):
        last = min(first + step, total)
        count = (last - first + 1) // 2 * 2
        draws = philox_words(xp, *call, count * words, first * words)
        made = make(_uint64(xp, draws) if wide else draws, first, last)
        out[first:last] = made[: last - first]
    return out.reshape(shape)


def _affine(xp: Any, values: Any, scale: float, shift: float, wide: bool) -> Any:
    """`values` * scale + shift under the rules of this file, in the result's precision."""
    if not wide:
        scale, shift = float(xp.float32(scale)), float(xp.float32(shift))
    out = values.astype(xp.float64) * scale
    out += shift
    return out if wide else out.astype(xp.float32)


@op(kind="random")
def uniform(
    xp: Any, shape: Shape, dtype: dtype_, seed: int, offset: int, low: float = 0.0,
    high: float = 1.0,
) -> Array:  # fmt: skip
    """Uniform in [low, high): the high bits of a draw, as many as the dtype has digits."""
    wide, digits = dtype is float64, _DIGITS[dtype.name]
    kind = xp.float64 if wide else xp.float32
    drop = (64 if wide else 32) - digits

    def make(draws: Any, first: int, last: int) -> Any:
        out = (draws >> drop).astype(kind)
        out *= 2.0**-digits
        if (low, high) == (0.0, 1.0):
            return out
        out = _affine(xp, out, high - low, low, wide).astype(dtype.numpy)
        return xp.where(out < high, out, xp.asarray(low, dtype=dtype.numpy))

    return _fill(xp, shape, dtype.numpy, (seed, offset), make, wide)


@op(kind="random")
def normal(
    xp: Any, shape: Shape, dtype: dtype_, seed: int, offset: int, mean: float = 0.0,
    std: float = 1.0,
) -> Array:  # fmt: skip
    """Normal by Box and Muller: draws 2i, 2i + 1 are radius and angle of results 2i, 2i + 1."""
    wide = dtype is float64
    kind = xp.float64 if wide else xp.float32

    def make(draws: Any, first: int, last: int) -> Any:
        pairs = draws.reshape(-1, 2)
        square = _exponential(xp, pairs[:, 0], wide)
        square *= 2.0
        radius = xp.sqrt(square.astype(kind))
        out = xp.empty(pairs.shape, dtype=kind)
        for i, part in enumerate(_circle(xp, pairs[:, 1], wide)):
            out[:, i] = radius * part
        return _affine(xp, out.reshape(-1), std, mean, wide)

    return _fill(xp, shape, dtype.numpy, (seed, offset), make, wide)


@op(kind="random")
def exponential(
    xp: Any, shape: Shape, dtype: dtype_, seed: int, offset: int, rate: float = 1.0
) -> Array:
    """Exponential of the given rate, always above 0: -ln(u) / rate."""
    wide = dtype is float64
    kind = xp.float64 if wide else xp.float32

    def make(draws: Any, first: int, last: int) -> Any:
        return (_round(xp, _exponential(xp, draws, wide), wide) / rate).astype(kind)

    return _fill(xp, shape, dtype.numpy, (seed, offset), make, wide)


@op(kind="random")
def cauchy(
    xp: Any, shape: Shape, dtype: dtype_, seed: int, offset: int, median: float = 0.0,
    sigma: float = 1.0,
) -> Array:  # fmt: skip
    """Cauchy: median + sigma * tangent of a uniform angle."""
    wide = dtype is float64

    def make(draws: Any, first: int, last: int) -> Any:
        cosine, sine = _circle(xp, draws, wide)
        return _affine(xp, sine / cosine, sigma, median, wide)

    return _fill(xp, shape, dtype.numpy, (seed, offset), make, wide)


@op(kind="random")
def geometric(xp: Any, shape: Shape, dtype: dtype_, seed: int, offset: int, p: float) -> Array:
    """Trials up to the first success of probability p: ceil(ln u / ln(1 - p)), u of 52 bits."""
    rate = -_log(xp, xp.asarray([1.0 - p]), 0, True)

    def make(draws: Any, first: int, last: int) -> Any:
        return xp.ceil(_exponential(xp, draws, True) / rate)

    return _fill(xp, shape, dtype.numpy, (seed, offset), make, wide=True)


def _multiply_high(draws: Any, span: Any) -> Any:
    """floor(draw * span / 2**64) of uint64 draws, exactly; a span (or array) of at most 2**64."""
    low, high = span & 0xFFFFFFFF, span >> 32
    a, b = draws & 0xFFFFFFFF, draws >> 32
    middle = b * low + ((a * low) >> 32)
    carry = a * high + (middle & 0xFFFFFFFF)
    return b * high + (middle >> 32) + (carry >> 32)


@op(kind="random")
def integers(
    xp: Any, shape: Shape, dtype: dtype_, seed: int, offset: int, low: int, high: int
) -> Array:
    """Integers in [low, high): low + the high half of draw * (high - low).

    Spans above 2**24 take 64-bit draws. A value's odds are off by at most span / 2**32 (32-bit
    draws) or span / 2**64 relative. `dtype` may be floating.
    """
    span = high - low
    wide = span > _WIDE

    def make(draws: Any, first: int, last: int) -> Any:
        out = _multiply_high(draws, span) if wide else draws.astype(xp.uint64) * span >> 32
        out += low % (1 << 64)  # modulo 2**64, so that a negative low works
        return out.view(xp.int64)

    return _fill(xp, shape, dtype.numpy, (seed, offset), make, wide)


@op(kind="random")
def permutation(xp: Any, n: int, dtype: dtype_, seed: int, offset: int) -> Array:
    """The integers below n in the order of n 64-bit draws.

    As many low bits of a draw as n - 1 has are replaced by its position: so the keys differ, one
    sort brings the positions along, and any sorting algorithm gives the same result.
    """
    keys, bits = _uint64(xp, philox_words(xp, seed, offset, 2 * n)), max(n - 1, 0).bit_length()
    keys >>= bits
    keys <<= bits
    keys |= xp.arange(n, dtype=xp.uint64)
    return (xp.sort(keys) & ((1 << bits) - 1)).astype(dtype.numpy)


@op(kind="random")
def bernoulli(xp: Any, p: Array, shape: Shape, dtype: dtype_, seed: int, offset: int) -> Array:
    """1 where draw / 2**32 < p, else 0; p is 0-dim or has the given shape."""
    if not bool(((p >= 0) & (p <= 1)).all()):
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got False; give p in [0, 1]"
        )
    limit = p.astype(xp.float64).reshape(-1) * 2.0**32

    def make(draws: Any, first: int, last: int) -> Any:
        here = limit if p.ndim == 0 else limit[first:last]
        return draws[: last - first].astype(xp.float64) < here

    return _fill(xp, shape, dtype.numpy, (seed, offset), make)


# A sample of chance is constant in p almost everywhere.
bernoulli.vjp(p=lambda g, F: F.mul(g, 0.0))


def keep_factors(draws: Any, p: float, kind: Any) -> Any:
    """Dropout's factors for 32-bit draws: 0 for those below p * 2**32, else 1 / (1 - p)."""
    out = (draws >= min(ceil(p * 2.0**32), (1 << 32) - 1)).astype(kind)
    out *= kind(0.0 if p == 1 else 1.0 / (1.0 - p))
    return out


@op(kind="random", dtypes="same")
def dropout(xp: Any, input: Array, p: float, train: bool, seed: int, offset: int) -> Array:
    """`input` with each element set to 0 with probability p, the others times 1 / (1 - p).

    An element is kept where its draw is at least p * 2**32. Without `train`, a copy.
    """
    if not train:
        return input.copy()
    flat, kind = input.reshape(-1), input.dtype.type

    def make(draws: Any, first: int, last: int) -> Any:
        return keep_factors(draws[: last - first], p, kind) * flat[first:last]

    return _fill(xp, input.shape, input.dtype, (seed, offset), make)


# Linear in its input: the same call on the cotangent draws the same mask again.
dropout.vjp(input=lambda F, g, attrs: F.dropout(g, *attrs))


@op(kind="random")
def multinomial(
    xp: Any, input: Array, num_samples: int, replacement: bool, seed: int, offset: int
) -> Array:
    """Indices drawn with the weights in the last dim of `input` (1-D or 2-D): int64, (..., n).

    With replacement (or one sample): weights become integers relative to the largest, whose sums
    are exact in any order, and a 64-bit draw is looked up in the running sum. Without: the
    smallest of one exponential per category, divided by its weight (Efraimidis and Spirakis,
    2006).
    """
    weights = input.astype(xp.float64).reshape(-1, input.shape[-1])
    _check_weights(xp, weights)
    if replacement or num_samples == 1:
        out = _with_replacement(xp, weights, num_samples, seed, offset)
    else:
        race = exponential.generic(xp, weights.shape, float32, seed, offset) / weights
        out = xp.argsort(race, axis=-1, kind="stable")[:, :num_samples]
    return out.astype(xp.int64).reshape((*input.shape[:-1], num_samples))


def _check_weights(xp: Any, weights: Any) -> None:
    if not bool(((weights >= 0) & (weights < float("inf"))).all()):
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not bool((weights > 0).any(axis=-1).all()):
        raise RuntimeError(
            "invalid multinomial distribution (sum of probabilities <= 0): each row needs a "
            "positive weight"
        )


def _with_replacement(xp: Any, weights: Any, num_samples: int, seed: int, offset: int) -> Any:
    """Inverse of the running sum by bisection: the first category whose sum exceeds the draw."""
    rows, n = weights.shape
    top = 2.0 ** (62 - n.bit_length())
    share = xp.ceil(weights / weights.max(axis=-1, keepdims=True) * top)
    sums = xp.cumsum(share.astype(xp.int64), axis=-1)
    draws = _uint64(xp, philox_words(xp, seed, offset, 2 * rows * num_samples))
    target = _multiply_high(draws.reshape(rows, num_samples), sums[:, -1:].astype(xp.uint64))
    target = target.view(xp.int64)
    low = xp.zeros((rows, num_samples), dtype=xp.int64)
    for bit in reversed(range(n.bit_length())):
        probe = low + (1 << bit)
        below = xp.take_along_axis(sums, xp.minimum(probe, n) - 1, axis=-1) <= target
        low += (below & (probe <= n)).astype(xp.int64) << bit
    return low
