"""Bessel and Airy functions without tables: power series, integrals, asymptotic series.

Between 2 and 25 the Hankel function and K are integrals of exp(-x s(u)) along the path of steepest
descent, where the trapezoidal rule converges exponentially (Trefethen and Weideman, "The
exponentially convergent trapezoidal rule", 2014); beyond, Hankel's series have 16 digits. All in
float64: errors are a few 1e-16, absolute where a function oscillates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .special import _wide
from .table import floating

_STEP, _NODES = 1 / 20, 80
_NEAR, _FAR = 2.0, 25.0  # between these the integrals serve
_EULER = 0.5772156649015329


def _asymptotic(order: float) -> tuple[list[float], list[float]]:
    """The even and the odd terms of Hankel's series in 1 / x."""
    terms = [1.0]
    for k in range(1, 24):
        terms.append(terms[-1] * (4 * order * order - (2 * k - 1) ** 2) / (8 * k))
    return terms[::2], terms[1::2]


def _series(terms: Any, z: Any) -> Any:
    out = 0.0
    for term in reversed(terms):
        out = out * z + term
    return out


def _hankel(xp: Any, x: Any, order: float) -> tuple[Any, Any]:
    """exp(-ix) times the Hankel function H1 of that order: real and imaginary part, x > 1.8.

    On t = u + i asin(tanh u), i cosh t = i - sinh u tanh u: nothing oscillates but exp(ix).
    """
    middle, real, imag = xp.minimum(x, _FAR), 0.0, 0.0
    for k in range(_NODES):
        u, weight = k * _STEP, _STEP * 2 / math.pi * (1.0 if k else 0.5)
        turn, secant = math.tanh(u), weight / math.cosh(u)
        damp = xp.exp(-math.sinh(u) * turn * middle)
        angle = order * math.asin(turn)
        a = math.cosh(order * u) * math.cos(angle)
        b = math.sinh(order * u) * math.sin(angle)
        real, imag = (
            real + damp * (weight * a - secant * b),
            imag + damp * (weight * b + secant * a),
        )
    large = xp.maximum(x, _FAR)
    even, odd = _asymptotic(order)
    scale = xp.sqrt(2 / math.pi / large)
    p, q = scale * _series(even, -1.0 / large**2), scale / large * _series(odd, -1.0 / large**2)
    # The integral carries exp(-i order pi / 2) / i, the series exp(-i (order pi / 2 + pi / 4)).
    c, s = math.cos(order * math.pi / 2), math.sin(order * math.pi / 2)
    near = c * imag - s * real, -(c * real + s * imag)
    root = math.sqrt(0.5)
    p, q = root * (p + q), root * (q - p)
    far = c * p + s * q, c * q - s * p
    return tuple(xp.where(x < _FAR, n, f) for n, f in zip(near, far))


def _macdonald(xp: Any, x: Any, order: float) -> Any:
    """exp(x) K(x) of that order, x > 1.8."""
    middle, out = xp.minimum(x, _FAR), 0.0
    for k in range(_NODES):
        u, weight = k * _STEP, _STEP * (1.0 if k else 0.5)
        damp = xp.exp(-2.0 * math.sinh(u / 2) ** 2 * middle)
        out = out + weight * math.cosh(order * u) * damp
    large = xp.maximum(x, _FAR)
    even, odd = _asymptotic(order)
    far = _series(even, 1.0 / large**2) + _series(odd, 1.0 / large**2) / large
    return xp.where(x < _FAR, out, xp.sqrt(math.pi / 2 / large) * far)


def _near(x: Any, order: int, sign: float) -> tuple[Any, Any]:
    """Two series in q = (x / 2)**2, whole order: of J or I, and its twin with harmonic numbers."""
    q, half = x * x / 4, (x / 2) ** order
    first = second = 0.0
    for k in reversed(range(16)):
        term = sign**k / (math.factorial(k) * math.factorial(k + order))
        harmonic = [sum(1 / j for j in range(1, n + 1)) for n in (k, k + order)]
        first, second = first * q + term, second * q + term * sum(harmonic) / 2
    return half * first, half * second


def _bessel_j(xp: Any, x: Any, order: int) -> Any:
    a = xp.absolute(x)
    large = xp.where(a > _NEAR, a, _NEAR)
    real, imag = _hankel(xp, large, order)
    far = real * xp.cos(large) - imag * xp.sin(large)
    out = xp.where(a > _NEAR, far, _near(xp.minimum(a, _NEAR), order, -1.0)[0])
    out = xp.where(xp.isinf(x), 0.0, xp.where(xp.isnan(x), x, out))
    return xp.copysign(1.0, x) * out if order else out


def _bessel_y(xp: Any, x: Any, order: int) -> Any:
    large, small = xp.where(x > _NEAR, x, _NEAR), xp.clip(x, 1e-300, _NEAR)
    real, imag = _hankel(xp, large, order)
    far = real * xp.sin(large) + imag * xp.cos(large)
    first, second = _near(small, order, -1.0)
    near = 2 / math.pi * ((xp.log(small / 2) + _EULER) * first - second)
    near = near - 2 / math.pi / small if order else near
    out = xp.where(xp.isinf(x), 0.0, xp.where(x > _NEAR, far, near))
    return _ends(xp, x, out, -math.inf)


def _bessel_k(xp: Any, x: Any, order: int, scaled: bool) -> Any:
    large, small = xp.where(x > _NEAR, x, _NEAR), xp.clip(x, 1e-300, _NEAR)
    first, second = _near(small, order, 1.0)
    near = (xp.log(small / 2) + _EULER) * first - second
    near = near + 1.0 / small if order else -near
    far = _macdonald(xp, large, order)
    if scaled:
        out = xp.where(x > _NEAR, far, near * xp.exp(small))
    else:
        out = xp.where(x > _NEAR, far * xp.exp(-large), near)
    return _ends(xp, x, xp.where(xp.isinf(x), 0.0, out), math.inf)


def _ends(xp: Any, x: Any, out: Any, pole: float) -> Any:
    """`out`, the pole at 0, NaN below."""
    return xp.where(x > 0.0, out, xp.where(x == 0.0, pole, math.nan))


# Ai(0) and -Ai'(0).
_AIRY = 0.3550280538878172, 0.2588194037928068


def _airy(xp: Any, x: Any) -> Any:
    a = xp.absolute(x)
    z = xp.where(a > _NEAR, a, _NEAR)
    zeta = z * xp.sqrt(z) * (2 / 3)
    decay = xp.sqrt(z / 3) / math.pi * _macdonald(xp, zeta, 1 / 3) * xp.exp(-zeta)
    real, imag = _hankel(xp, zeta, 1 / 3)
    turn = zeta + math.pi / 6
    wave = xp.sqrt(z / 3) * (real * xp.cos(turn) - imag * xp.sin(turn))
    near = xp.clip(x, -_NEAR, _NEAR)
    cube, f, g = near**3, 1.0, 1.0
    for k in range(12, 0, -1):
        f = 1.0 + f * cube / ((3 * k - 1) * (3 * k))
        g = 1.0 + g * cube / ((3 * k) * (3 * k + 1))
    series = _AIRY[0] * f - _AIRY[1] * near * g
    out = xp.where(a > _NEAR, xp.where(x > 0.0, decay, wave), series)
    return xp.where(xp.isinf(x), 0.0, xp.where(xp.isnan(x), x, out))


def _define(name: str, doc: str, function: Callable[..., Any], *args: Any) -> None:
    floating(
        name, doc, lambda xp, input: _wide(function, xp, input, *args), public="",
        aliases=(f"special.{name}",),
    )  # fmt: skip


_define("airy_ai", "The Airy function Ai.", _airy)
for _n in (0, 1):
    _define(f"bessel_j{_n}", f"The Bessel function of the first kind, order {_n}.", _bessel_j, _n)
    _define(f"bessel_y{_n}", f"The Bessel function of the second kind, order {_n}; NaN below 0.",
            _bessel_y, _n)  # fmt: skip
    _k = f"modified Bessel function of the second kind, order {_n}"
    _define(f"modified_bessel_k{_n}", f"The {_k}; NaN below 0.", _bessel_k, _n, False)
    _define(f"scaled_modified_bessel_k{_n}", f"The {_k}, times `exp(input)`; NaN below 0.",
            _bessel_k, _n, True)  # fmt: skip
