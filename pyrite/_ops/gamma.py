"""The incomplete gamma functions, and the slopes of gamma and beta quantiles in their parameters.

All in float64. Series and continued fractions carry their derivative in the first parameter; both
run until no element changes.
"""

from __future__ import annotations

import math
from typing import Any

from .special import _digamma, _lgamma, _stirling
from .table import floating

_STEPS = 100_000  # far beyond what parameters up to 1e8 need


def _series(xp: Any, a: Any, x: Any) -> tuple[Any, Any]:
    """The sum of x**k / ((a + 1) ... (a + k)) over k >= 0, and its derivative in a."""
    term, total = xp.ones_like(x), xp.ones_like(x)
    slope, change = xp.zeros_like(x), xp.zeros_like(x)
    for k in range(1, _STEPS):
        term = term * (x / (a + k))
        slope = slope - 1.0 / (a + k)
        total = total + term
        change = change + term * slope
        if not bool((term > 1e-17 * total).any()):
            break
    return total, change


def _fraction(xp: Any, a: Any, x: Any) -> tuple[Any, Any]:
    """The continued fraction of gamma(a, x) exp(x) / x**a for x > a + 1, its derivative in a."""
    b = x + 1.0 - a
    d = 1.0 / b
    dd = d * d
    step, dstep, total, change = d, dd, d, dd
    for i in range(1, _STEPS):
        b = b + 2.0
        above = i * (a - i)
        old, d = d, 1.0 / (above * d + b)
        dd = -d * d * (i * old + above * dd - 1.0)
        factor = b * d - 1.0
        dstep = (b * dd - d) * step + factor * dstep
        step = factor * step
        total, change = total + step, change + dstep
        if not bool((xp.absolute(step) > 1e-17 * xp.absolute(total)).any()):
            break
    return total, change


def _split(xp: Any, a: Any, x: Any) -> tuple[Any, Any, Any]:
    """Where the series serves, and the arguments x for it and for the continued fraction."""
    near = ~(x > a + 1.0)
    return near, xp.where(near, x, 0.0), xp.where(near, a + 2.0, x)


def _density(xp: Any, a: Any, x: Any) -> Any:
    """x**a exp(-x) / gamma(a), without the cancellation that its logarithm has for large a."""
    large = xp.maximum(a, 10.0)
    r = x / large
    exponent = large * (xp.log1p(r - 1.0) - (r - 1.0)) - _stirling(large)
    small = xp.exp(a * xp.log(x) - x - _lgamma(xp, a))
    return xp.where(a < 10.0, small, xp.sqrt(large / (2 * math.pi)) * xp.exp(exponent))


def _incomplete(xp: Any, a: Any, x: Any, upper: bool) -> Any:
    """P(a, x), or Q(a, x) = 1 - P(a, x)."""
    kind = a.dtype
    a, x = xp.broadcast_arrays(a.astype(xp.float64), x.astype(xp.float64))
    inside = (a > 0.0) & (x > 0.0) & (a < math.inf) & (x < math.inf)
    safe_a, safe_x = xp.where(inside, a, 1.0), xp.where(inside, x, 1.0)
    near, x_series, x_fraction = _split(xp, safe_a, safe_x)
    density = _density(xp, safe_a, safe_x)
    low = density * _series(xp, safe_a, x_series)[0] / safe_a
    high = density * _fraction(xp, safe_a, x_fraction)[0]
    out = xp.where(near, 1.0 - low, high) if upper else xp.where(near, low, 1.0 - high)
    rest = xp.where((x > 0.0) & (x > a), 1.0, 0.0)  # the limits at 0 and at infinity
    undefined = (a < 0.0) | (x < 0.0) | ((a == x) & ~inside) | xp.isnan(a) | xp.isnan(x)
    rest = xp.where(undefined, math.nan, 1.0 - rest if upper else rest)
    return xp.where(inside, out, rest).astype(kind)


def _shift(F: Any, input: Any, other: Any) -> Any:
    """The loss of P(input, other) per unit of `input`: the quantile's slope times the density."""
    return F.standard_gamma_grad(input, other) * F.gamma_density(input, other)


# fmt: off
floating("igamma", "The regularized lower incomplete gamma function P(input, other).",
    lambda xp, input, other: _incomplete(xp, input, other, False),
    lambda F, g, input, other: -(g * _shift(F, input, other)),
    lambda F, g, input, other: g * F.gamma_density(input, other),
    domain=[(0.1, None), (0.1, None)], aliases=("special.gammainc",))
floating("igammac", "The regularized upper incomplete gamma function 1 - P(input, other).",
    lambda xp, input, other: _incomplete(xp, input, other, True),
    lambda F, g, input, other: g * _shift(F, input, other),
    lambda F, g, input, other: -(g * F.gamma_density(input, other)),
    domain=[(0.1, None), (0.1, None)], aliases=("special.gammaincc",))
floating("gamma_density", "The density of the gamma distribution of shape `input` at `other`.",
    lambda xp, input, other: (_density(xp, input.astype(xp.float64), other.astype(xp.float64))
        / other).astype(other.dtype), public="", domain=[(0.1, None), (0.1, None)]).vjp(
    other=lambda F, g, input, other, out: g * out * ((input - 1.0) / other - 1.0))
# fmt: on


def gamma_quantile_slope(xp: Any, a: Any, x: Any) -> Any:
    """The derivative in a of the gamma quantile x: -(dP/da) / (dP/dx)."""
    near, x_series, x_fraction = _split(xp, a, x)
    log = xp.log(xp.maximum(x, 1e-300))
    total, change = _series(xp, a, x_series)
    low = -(x / a) * ((log - _digamma(xp, a + 1.0)) * total + change)
    total, change = _fraction(xp, a, x_fraction)
    high = x * ((log - _digamma(xp, a)) * total + change)
    return xp.where(near, low, high)


def _beta_series(xp: Any, a: Any, b: Any, x: Any) -> tuple[Any, Any, Any]:
    """The sum over k >= 0 of x**k (a + b)_k / (a + 1)_k, and its derivatives in a and in b."""
    term, total = xp.ones_like(x), xp.ones_like(x)
    rise, fall, da, db = (xp.zeros_like(x) for _ in range(4))
    for k in range(1, _STEPS):
        term = term * (x * ((a + b + (k - 1)) / (a + k)))
        rise = rise + 1.0 / (a + b + (k - 1))
        fall = fall + 1.0 / (a + k)
        total = total + term
        da, db = da + term * (rise - fall), db + term * rise
        if not bool((term > 1e-17 * total).any()):
            break
    return total, da, db


def beta_quantile_slope(xp: Any, a: Any, b: Any, x: Any) -> Any:
    """The derivative in a of the quantile x of Beta(a, b), at a fixed probability.

    With I = x**a (1 - x)**b / (a B(a, b)) S(a, b, x); beyond 1/2 the mirrored form 1 - I is used.
    """
    mirrored = x > 0.5
    p, q = xp.where(mirrored, b, a), xp.where(mirrored, a, b)
    y = xp.where(mirrored, 1.0 - x, x)
    total, dp, dq = _beta_series(xp, p, q, y)
    rest, joint = xp.log1p(-y), _digamma(xp, a + b)
    low = total * (xp.log(xp.maximum(y, 1e-300)) - _digamma(xp, p + 1.0) + joint) + dp
    high = total * (rest - _digamma(xp, q) + joint) + dq
    return xp.where(mirrored, high, -low) * (y * (1.0 - y) / p)
