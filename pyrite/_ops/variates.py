"""Random variates made by rejection: gamma, Dirichlet, Poisson, binomial, and their derivatives.

Element i of n takes in its attempt r the blocks 2 (r n + i) and 2 (r n + i) + 1 of the call's
stream: four 64-bit draws. So what one element takes never depends on the others. All is computed
in float64. Sources: Marsaglia and Tsang, "A simple method for generating gamma variables" (2000);
Hörmann, "The transformed rejection method for generating Poisson random variables" and "The
generation of binomial random variates" (1993); Figurnov, Mohamed and Mnih, "Implicit
reparameterization gradients" (2018).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backends._philox import block
from .gamma import beta_quantile_slope, gamma_quantile_slope
from .random import _circle, _exponential, _log
from .special import _lgamma
from .table import Array, op

_LOW = 0xFFFFFFFF
_FEW = 10.0  # counts of a mean below this are found by inversion
Call = tuple[int, int]
Propose = Callable[[Any, int], tuple[Any, Any]]


def _draws(xp: Any, call: Call, n: int, items: Any, attempt: int) -> list[Any]:
    """The four uint64 draws of each of `items` in one attempt."""
    seed, offset = call
    out = []
    for k in (0, 1):
        lane = (items.astype(xp.uint64) + attempt * n) * 2 + k
        w = block(seed, lane & _LOW, lane >> 32, offset & _LOW, offset >> 32)
        out += [w[0] | (w[1] << 32), w[2] | (w[3] << 32)]
    return out


def _fill_accepted(out: Any, items: Any, propose: Propose) -> None:
    """Put the first accepted proposal of each item into `out`."""
    attempt = 0
    while items.size:
        values, accepted = propose(items, attempt)
        out[items[accepted]] = values[accepted]
        items = items[~accepted]
        attempt += 1


def _log_gamma_variates(xp: Any, alpha: Any, call: Call) -> Any:
    """The logarithm of gamma variates of the shapes `alpha` (1-D, float64)."""
    n, small = alpha.size, alpha < 1.0
    boosted = bool(small.any())
    d = xp.where(small, alpha + 1.0, alpha) - 1 / 3
    c = 1.0 / xp.sqrt(9.0 * d)

    def propose(items: Any, attempt: int) -> tuple[Any, Any]:
        radius, angle, test, power = _draws(xp, call, n, items, attempt)
        x = xp.sqrt(2.0 * _exponential(xp, radius, True)) * _circle(xp, angle, True)[0]
        root, here = 1.0 + c[items] * x, d[items]
        log_v = 3.0 * _log(xp, xp.where(root > 1e-300, root, 1e-300), 0, True)
        bound = 0.5 * x * x + here * (1.0 - root**3 + log_v)
        refused = (root <= 0.0) | (-_exponential(xp, test, True) >= bound)
        logs = xp.log(here) + log_v
        if boosted:
            lower = _exponential(xp, power, True) / alpha[items]
            logs = xp.where(small[items], logs - lower, logs)
        return logs, ~refused

    out = xp.empty(alpha.shape, dtype=xp.float64)
    _fill_accepted(out, xp.arange(n), propose)
    return out


def _flat(xp: Any, array: Any) -> Any:
    return array.astype(xp.float64).reshape(-1)


@op(kind="random")
def standard_gamma(xp: Any, input: Array, seed: int, offset: int) -> Array:
    """Gamma variates of rate 1 and the shapes `input`."""
    out = xp.exp(_log_gamma_variates(xp, _flat(xp, input), (seed, offset)))
    return out.reshape(input.shape).astype(input.dtype)


@op(kind="random")
def sample_dirichlet(xp: Any, input: Array, seed: int, offset: int) -> Array:
    """Dirichlet variates of the concentrations in the last dim of `input`."""
    logs = _log_gamma_variates(xp, _flat(xp, input), (seed, offset)).reshape(input.shape)
    out = xp.exp(logs - logs.max(axis=-1, keepdims=True))
    return (out / out.sum(axis=-1, keepdims=True)).astype(input.dtype)


@op(kind="pointwise", dtypes="float", public="")
def standard_gamma_grad(xp: Any, input: Array, sample: Array) -> Array:
    """The slope of a gamma variate in its shape, at a fixed probability."""
    slope = gamma_quantile_slope(xp, input.astype(xp.float64), sample.astype(xp.float64))
    return slope.astype(input.dtype)


@op(kind="pointwise", dtypes="float", public="")
def dirichlet_grad(xp: Any, x: Array, alpha: Array, total: Array) -> Array:
    """The slope of x, of Beta(alpha, total - alpha), in alpha at a fixed probability, / (1 - x)."""
    wide = [a.astype(xp.float64) for a in (alpha, total - alpha, x)]
    slope = beta_quantile_slope(xp, *xp.broadcast_arrays(*wide))
    return (slope / xp.maximum(1.0 - wide[2], 1e-300)).astype(x.dtype)


standard_gamma.vjp(input=lambda F, g, input, out: g * F.standard_gamma_grad(input, out))


def _dirichlet_vjp(F: Any, g: Any, input: Any, out: Any) -> Any:
    slope = F.dirichlet_grad(out, input, F.sum(input, -1, True))
    return F.mul(slope, F.sub(g, F.sum(F.mul(out, g), -1, True)))


sample_dirichlet.vjp(input=_dirichlet_vjp)


# ---- counts


def _unit(draws: Any) -> Any:
    """Uniform in (0, 1)."""
    return ((draws >> 12).astype("float64") * 2.0 + 1.0) * 2.0**-53


def _inverted(xp: Any, u: Any, mass: Any, ratio: Callable[[Any], Any]) -> Any:
    """The count k whose running sum of masses first exceeds u; `ratio(k)`: mass k over k - 1."""
    k = xp.zeros_like(u)
    more = u > mass
    while bool(more.any()):
        u = xp.where(more, u - mass, u)
        k = xp.where(more, k + 1.0, k)
        mass = xp.where(more, mass * ratio(xp.maximum(k, 1.0)), mass)
        more = more & (u > mass) & (mass > 0.0)
    return k


def _counts(
    xp: Any, call: Call, mean: Any, first: Any, ratio: Callable[[Any, Any], Any],
    hat: tuple[Any, Any, Any, Any], log_weight: Callable[[Any, Any], Any],
) -> Any:  # fmt: skip
    """Counts of the given means: by inversion where few are expected, else by rejection.

    Args:
        xp: the array module.
        call: seed and offset.
        mean: the expected counts, 1-D.
        first: the masses of 0.
        ratio: (k, items) -> mass of k over that of k - 1.
        hat: a, b, centre and log scale of Hörmann's hat function.
        log_weight: (k, items) -> the log mass of k up to the hat's constant.
    """
    n = mean.size
    out = xp.empty(mean.shape, dtype=xp.float64)
    few = xp.nonzero(mean < _FEW)[0]
    if few.size:
        u = _unit(_draws(xp, call, n, few, 0)[0])
        out[few] = _inverted(xp, u, first[few], lambda k: ratio(k, few))
    a, b, centre, scale = hat

    def propose(items: Any, attempt: int) -> tuple[Any, Any]:
        u, v, _, _ = (_unit(d) for d in _draws(xp, call, n, items, attempt))
        edge = 0.5 - xp.absolute(u - 0.5)
        k = xp.floor((2.0 * a[items] / edge + b[items]) * (u - 0.5) + centre[items])
        test = _log(xp, v, 0, True) + scale[items] - xp.log(a[items] / (edge * edge) + b[items])
        return k, ~(test > log_weight(k, items))

    _fill_accepted(out, xp.nonzero(~(mean < _FEW))[0], propose)
    return out


@op(kind="random")
def poisson(xp: Any, input: Array, seed: int, offset: int) -> Array:
    """Poisson counts of the rates `input`; RuntimeError for a negative rate."""
    rate = _flat(xp, input)
    if bool((rate < 0.0).any()):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    b = 0.931 + 2.53 * xp.sqrt(rate)
    hat = -0.059 + 0.02483 * b, b, rate + 0.43, xp.log(1.1239 + 1.1328 / (b - 3.4))
    out = _counts(
        xp, (seed, offset), rate, xp.exp(-rate), lambda k, items: rate[items] / k, hat,
        lambda k, items: k * xp.log(rate[items]) - rate[items] - _lgamma(xp, k + 1.0),
    )  # fmt: skip
    return out.reshape(input.shape).astype(input.dtype)


@op(kind="random")
def binomial(xp: Any, count: Array, prob: Array, seed: int, offset: int) -> Array:
    """Successes in `count` trials of probability `prob`; RuntimeError outside [0, 1]."""
    shape = xp.broadcast_shapes(count.shape, prob.shape)
    n, chance = (_flat(xp, xp.broadcast_to(a, shape)) for a in (count, prob))
    if bool(((chance < 0.0) | (chance > 1.0) | (n < 0.0)).any()):
        raise RuntimeError("binomial expects count >= 0 and prob in [0, 1]")
    p = xp.minimum(chance, 1.0 - chance)
    odds = p / (1.0 - p)
    spread = xp.sqrt(n * p * (1.0 - p))
    b = 1.15 + 2.53 * spread
    mode = xp.floor((n + 1.0) * p)
    log_odds = xp.log(odds)

    def log_mass(k: Any, items: Any) -> Any:
        m = n[items]
        return k * log_odds[items] - _lgamma(xp, k + 1.0) - _lgamma(xp, m - k + 1.0)

    scale = xp.log((2.83 + 5.1 / b) * spread)
    hat = -0.0873 + 0.0248 * b + 0.01 * p, b, n * p + 0.5, scale
    out = _counts(
        xp, (seed, offset), n * p, xp.exp(n * xp.log1p(-p)),
        lambda k, items: (n[items] - k + 1.0) / k * odds[items], hat,
        lambda k, items: log_mass(k, items) - log_mass(mode[items], items),
    )  # fmt: skip
    return xp.where(chance > 0.5, n - out, out).reshape(shape).astype(count.dtype)


poisson.vjp(input=lambda F, g: F.mul(g, 0.0))
