"""Special functions, computed in float64 whatever the dtype (which they keep).

Coefficients are Chebyshev interpolations made with 40 digits; errors stay within a few units in
the last place of float64, near a function's zeros within a few 1e-16 absolute.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from .table import Array, floating, op

# erf(x) / x in x**2 (its series), for |x| < 1.
_ERF = tuple(
    2 / math.sqrt(math.pi) * (-1) ** k / (math.factorial(k) * (2 * k + 1)) for k in range(18)
)
# (1 + 2 x) exp(x**2) erfc(x) in t = (x - 4) / (x + 4), for 0.75 < x < 28.
_ERFC = (
    1.2329951186255526, -0.13962111684056236, 0.015379652102622316, 0.06809705425466947,
    -0.10103906603648358, 0.09373283499936348, -0.06633036580740084, 0.03716751551701044,
    -0.016197734123163655, 0.005031970207042455, -0.0007577727828025961, -0.00019925824797414532,
    0.000150619319448039, -2.4392550846241067e-05, -1.121536536403079e-05, 5.691480307751575e-06,
    2.828680577276749e-07, -7.942904341189501e-07, 8.348721283748523e-08, 7.946097081894665e-08,
    -1.9126462163135677e-08,
)  # fmt: skip
# log(gamma(2 + w)) / w for |w| <= 1/2.
_GAMMA = (
    0.42278433509846713, 0.32246703342411326, -0.0673523010531956, 0.020580808427780335,
    -0.007385551028937974, 0.002890510331036772, -0.0011927539009204018, 0.0005096695153484373,
    -0.00022315497868931946, 9.945767440096764e-05, -4.492371708374659e-05, 2.0505584372896933e-05,
    -9.456338120610123e-06, 4.3847319318293745e-06, -1.9741884532905586e-06, 9.199898075671394e-07,
    -5.812501250599261e-07, 2.7880013392491846e-07,
)  # fmt: skip
# Bernoulli numbers B2, B4, ...: the terms of every asymptotic series here.
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)


def _polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """Horner's scheme, lowest coefficient first."""
    out = x * coefficients[-1]
    for c in coefficients[-2:0:-1]:
        out += c
        out *= x
    out += coefficients[0]
    return out


def _wide(function: Callable[..., Any], xp: Any, input: Any, *args: Any) -> Any:
    """`function` in float64, its result in the dtype of `input`."""
    return function(xp, input.astype(xp.float64), *args).astype(input.dtype)


# ---- error functions


def _square_exp(xp: Any, x: Any, sign: float) -> Any:
    """exp(sign * x**2), with the part of the square that rounding would lose."""
    high = x.astype(xp.float32).astype(xp.float64)  # its square is exact
    return xp.exp(sign * high * high) * xp.exp(sign * (x - high) * (x + high))


def _scaled_tail(xp: Any, a: Any) -> Any:
    """exp(a**2) erfc(a) of a >= 0.75, not below what 28 gives."""
    return _polynomial(_ERFC, (a - 4.0) / (a + 4.0)) / (1.0 + 2.0 * a)


def _tail(xp: Any, a: Any) -> Any:
    """The function erfc, of a >= 0.75."""
    a = xp.minimum(a, 28.0)
    return _square_exp(xp, a, -1.0) * _scaled_tail(xp, a)


def _erf(xp: Any, x: Any) -> Any:
    a = xp.absolute(x)
    near = x * _polynomial(_ERF, xp.minimum(x * x, 1.0))
    return xp.where(a < 1.0, near, xp.copysign(1.0 - _tail(xp, xp.maximum(a, 0.75)), x))


def _erfc(xp: Any, x: Any) -> Any:
    a = xp.absolute(x)
    tail = _tail(xp, xp.maximum(a, 0.75))
    far = xp.where(x < 0, 2.0 - tail, tail)
    return xp.where(a < 0.75, 1.0 - x * _polynomial(_ERF, xp.minimum(x * x, 1.0)), far)


def _erfcx(xp: Any, x: Any) -> Any:
    near = _square_exp(xp, xp.minimum(x, 0.75), 1.0) * _erfc(xp, x)
    far = _scaled_tail(xp, xp.clip(x, 0.75, 28.0))
    series, z = xp.ones_like(x), 1.0 / (2.0 * x * x)
    for k in range(13, 0, -2):
        series = 1.0 - k * z * series
    series = series / (math.sqrt(math.pi) * x)
    return xp.where(x < 0.75, near, xp.where(x < 28.0, far, series))


def _inverse(xp: Any, a: Any, rest: Any) -> Any:
    """The x >= 0 where erf is `a` and erfc is `rest`.

    A closed first guess, then Halley's steps on erf near 0 and on erfc in the tail.
    """
    log = xp.log(rest * (1.0 + a))
    half = 2 / (math.pi * 0.147) + log / 2
    x = xp.sqrt(xp.sqrt(half * half - log / 0.147) - half)
    for _ in range(3):
        error = xp.where(a < 0.5, _erf(xp, x) - a, rest - _erfc(xp, x))
        u = error * xp.exp(x * x) * (math.sqrt(math.pi) / 2)
        x = x - u / (1.0 + x * u)
    x = xp.where(rest > 0.0, x, xp.where(rest == 0.0, math.inf, math.nan))
    return xp.where(a == 0.0, 0.0, x)


def _erfinv(xp: Any, y: Any) -> Any:
    a = xp.absolute(y)
    return xp.copysign(_inverse(xp, a, 1.0 - a), y)


def _ndtri(xp: Any, p: Any) -> Any:
    rest = 2.0 * xp.minimum(p, 1.0 - p)
    return xp.copysign(math.sqrt(2) * _inverse(xp, 1.0 - rest, rest), p - 0.5)


# fmt: off
erf = floating("erf", "The error function.", lambda xp, input: _wide(_erf, xp, input),
    lambda F, g, input: g * (F.exp(-(input * input)) * (2 / math.sqrt(math.pi))),
    onnx="Erf", aliases=("special.erf",))
floating("erfc", "`1 - erf(input)`, exact where that is small.",
    lambda xp, input: _wide(_erfc, xp, input),
    lambda F, g, input: g * (F.exp(-(input * input)) * (-2 / math.sqrt(math.pi))),
    aliases=("special.erfc",))
floating("erfinv", "The inverse of erf; infinite at -1 and 1, NaN outside.",
    lambda xp, input: _wide(_erfinv, xp, input),
    lambda F, g, input: g * (F.exp(F.pow(F.erfinv(input), 2)) * (math.sqrt(math.pi) / 2)),
    domain=[(-0.9, 0.9)], aliases=("special.erfinv",))
floating("erfcx", "`exp(input**2) * erfc(input)` without overflow.",
    lambda xp, input: _wide(_erfcx, xp, input),
    lambda g, input, out: g * (input * out * 2.0 - 2 / math.sqrt(math.pi)),
    public="", aliases=("special.erfcx",))
floating("ndtri", "The normal distribution's quantile; infinite at 0 and 1, NaN outside.",
    lambda xp, input: _wide(_ndtri, xp, input),
    lambda F, g, out: g * (F.exp(out * out * 0.5) * math.sqrt(2 * math.pi)),
    domain=[(0.1, 0.9)], public="", aliases=("special.ndtri",))
# fmt: on


# ---- gamma functions


def _fraction(xp: Any, x: Any) -> Any:
    """The number pi times the signed distance to the nearest integer."""
    return math.pi * (x - xp.rint(x))


def _lgamma_near(xp: Any, x: Any) -> Any:
    """log(gamma(x)) for 0 < x < 10: the recurrence leads to 3/2 .. 5/2."""
    up = xp.where(x < 0.5, x * (x + 1.0), xp.where(x < 1.5, x, 1.0))
    w = xp.where(x < 0.5, x, xp.where(x < 1.5, x - 1.0, x - 2.0))
    down = xp.ones_like(x)
    for _ in range(8):
        large = w > 0.5
        w = xp.where(large, w - 1.0, w)
        down = xp.where(large, down * (w + 2.0), down)
    return w * _polynomial(_GAMMA, w) + xp.log(down) - xp.log(up)


def _stirling(x: Any) -> Any:
    """What Stirling's formula lacks to log(gamma(x)), for x >= 10."""
    terms = [b / ((2 * k + 2) * (2 * k + 1)) for k, b in enumerate(_BERNOULLI)]
    r = 1.0 / x
    return r * _polynomial(terms, r * r)


def _lgamma_far(xp: Any, x: Any) -> Any:
    """Stirling's series, for x >= 10."""
    log = xp.log(x)
    return x * (log - 1.0) - 0.5 * log + 0.5 * math.log(2 * math.pi) + _stirling(x)


def _lgamma(xp: Any, x: Any) -> Any:
    a = xp.where(x < 0.0, 1.0 - x, x)
    out = xp.where(a < 10.0, _lgamma_near(xp, xp.minimum(a, 10.0)), _lgamma_far(xp, a))
    reflected = xp.log(math.pi / xp.absolute(xp.sin(_fraction(xp, x)))) - out
    return xp.where(xp.isinf(x), math.inf, xp.where(x < 0.0, reflected, out))


def _digamma(xp: Any, x: Any) -> Any:
    a = xp.where(x < 0.0, 1.0 - x, x)
    lower = xp.zeros_like(a)
    for _ in range(10):
        small = a < 10.0
        lower = xp.where(small, lower - 1.0 / a, lower)
        a = xp.where(small, a + 1.0, a)
    r = 1.0 / a
    terms = [b / (2 * k + 2) for k, b in enumerate(_BERNOULLI)]
    out = lower + xp.log(a) - 0.5 * r - r * r * _polynomial(terms, r * r)
    turn = xp.where(x == xp.rint(x), math.nan, _fraction(xp, x))
    out = xp.where(x < 0.0, out - math.pi / xp.tan(turn), out)
    return xp.where(x == 0.0, xp.copysign(math.inf, -x), out)


def _hurwitz(xp: Any, q: Any, s: Any) -> Any:
    """Sum of (q + k)**-s, k >= 0: ten terms or as many as lead above 9, then Euler-Maclaurin.

    `s` is a number or an array.
    """
    out = xp.zeros_like(q)
    lowest = xp.min(xp.where(xp.isfinite(q), q, 1.0)).item() if q.size else 1.0
    for _ in range(10 + int(min(max(-lowest, 0.0), 1000.0))):
        out = out + q**-s
        q = q + 1.0
    out = out + q ** (1.0 - s) / (s - 1.0) + 0.5 * q**-s
    factor = s
    for k, b in enumerate(_BERNOULLI):
        out = out + b / math.factorial(2 * k + 2) * factor * q ** (-s - 2 * k - 1)
        factor = factor * (s + 2 * k + 1) * (s + 2 * k + 2)
    return out


def _zeta(xp: Any, s: Any, q: Any) -> Any:
    s, q = s + xp.zeros_like(q), q.astype(xp.float64) + xp.zeros_like(s)
    out = xp.where(s == 1.0, math.inf, xp.where(s < 1.0, math.nan, _hurwitz(xp, q, s)))
    pole = xp.where(q == xp.rint(q), math.inf, xp.where(s == xp.rint(s), out, math.nan))
    return xp.where(q > 0.0, out, xp.where(s > 1.0, pole, out))


def _polygamma(xp: Any, x: Any, n: int) -> Any:
    if n == 0:
        return _digamma(xp, x)
    pole = xp.logical_and(x <= 0.0, x == xp.rint(x))
    sign = (-1.0) ** (n + 1)
    return sign * xp.where(pole, math.inf, math.factorial(n) * _hurwitz(xp, x, n + 1.0))


# fmt: off
floating("lgamma", "The logarithm of the absolute value of the gamma function.",
    lambda xp, input: _wide(_lgamma, xp, input), lambda F, g, input: g * F.digamma(input),
    domain=[(0.1, None)], aliases=("special.gammaln",))
floating("digamma", "The derivative of lgamma; infinite at 0, NaN at negative integers.",
    lambda xp, input: _wide(_digamma, xp, input), lambda F, g, input: g * F.polygamma_of(input, 1),
    domain=[(0.1, None)], aliases=("special.digamma", "special.psi"))
# fmt: on


@op(kind="pointwise", dtypes="float", domain=[(0.1, None)], public="")
def polygamma_of(xp: Any, input: Array, order: int) -> Array:
    """The derivative of that order of digamma."""
    return _wide(_polygamma, xp, input, order)


polygamma_of.vjp(input=lambda F, g, input, order: g * F.polygamma_of(input, order + 1))


@op(
    kind="pointwise", dtypes="float", domain=[(1.1, None), (0.1, None)], public="",
    aliases=("special.zeta",),
)  # fmt: skip
def zeta(xp: Any, input: Array, other: Array) -> Array:
    """Hurwitz's zeta function: the sum of `(other + k)**-input` over k >= 0."""
    return _wide(_zeta, xp, input + 0 * other, other + 0 * input)


zeta.vjp(other=lambda F, g, input, other: -(g * (input * F.zeta(input + 1.0, other))))


# ---- modified Bessel functions, scaled by exp(-abs(x)): a power series, Hankel's for large x


def _hankel(n: int) -> tuple[float, ...]:
    """Coefficients of exp(-x) I_n(x) sqrt(2 pi x) in 1 / x."""
    out = [1.0]
    for k in range(1, 26):
        out.append(out[-1] * -(4.0 * n * n - (2 * k - 1) ** 2) / (8 * k))
    return tuple(out)


_SERIES = [[1 / (math.factorial(k) * math.factorial(k + n)) for k in range(46)] for n in (0, 1)]
_HANKEL = [_hankel(0), _hankel(1)]


def _bessel(xp: Any, x: Any, n: int) -> Any:
    a = xp.absolute(x)
    half = xp.minimum(a, 20.0) / 2
    near = xp.exp(-a) * half**n * _polynomial(_SERIES[n], half * half)
    large = xp.maximum(a, 20.0)
    far = _polynomial(_HANKEL[n], 1.0 / large) / xp.sqrt(2 * math.pi * large)
    out = xp.where(a < 20.0, near, far)
    return xp.copysign(out, x) if n else out


def _i1e_vjp(F: Any, g: Any, input: Any, out: Any) -> Any:
    ratio = F.where(input == 0.0, 0.5, out / F.where(input == 0.0, 1.0, input))
    return g * (F.i0e(input) - F.sign(input) * out - ratio)


# fmt: off
floating("i0e", "The modified Bessel function of order 0, times `exp(-abs(input))`.",
    lambda xp, input: _wide(_bessel, xp, input, 0),
    lambda F, g, input, out: g * (F.i1e(input) - F.sign(input) * out),
    public="", aliases=("special.i0e",))
floating("i1e", "The modified Bessel function of order 1, times `exp(-abs(input))`.",
    lambda xp, input: _wide(_bessel, xp, input, 1), _i1e_vjp,
    public="", aliases=("special.i1e",))
# fmt: on
