"""Kullback-Leibler divergences between pairs of distributions.

Most pairs are -entropy(p) + E_p[-log q]: `_CROSS` has the second term of each q as a function of a
few expectations under p, `_EXPECTED` those of each p, `_PAIRS` the pairs for which they meet.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from ..autograd import grad
from . import _functions as fn
from ._categorical import Categorical, OneHotCategorical
from ._compound import Independent, TransformedDistribution
from ._continuous import Cauchy, Gumbel, Laplace, Normal, Uniform
from ._discrete import Bernoulli, Binomial, ContinuousBernoulli, Geometric, Poisson
from ._distribution import Distribution, ExponentialFamily
from ._gamma import Beta, Dirichlet, Exponential, Gamma
from ._matrix import LowRankMultivariateNormal, MultivariateNormal
from ._parameters import _sum_rightmost, euler_constant
from ._transformed import HalfNormal, Pareto

Rule = Callable[[Any, Any], Tensor]
_RULES: dict[tuple[type, type], Rule] = {}
_FOUND: dict[tuple[type, type], Rule | None] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Rule], Rule]:
    """Register the decorated function of (p, q) for two classes of distributions.

    Of the pairs that fit, the most specific serves; a RuntimeWarning tells where that is
    ambiguous. TypeError for anything but Distribution subclasses.
    """
    for name, kind in (("type_p", type_p), ("type_q", type_q)):
        if not (isinstance(kind, type) and issubclass(kind, Distribution)):
            raise TypeError(f"Expected {name} to be a Distribution subclass but got {kind}")

    def register(rule: Rule) -> Rule:
        _RULES[type_p, type_q] = rule
        _FOUND.clear()
        return rule

    return register


def _find(p: type, q: type) -> Rule | None:
    """The rule of the nearest base classes, `p` deciding before `q`."""
    near = [
        (p.__mro__.index(a), q.__mro__.index(b), rule)
        for (a, b), rule in _RULES.items()
        if issubclass(p, a) and issubclass(q, b)
    ]
    if not near:
        return None
    left = min(near, key=lambda n: n[:2])[2]
    if left is not min(near, key=lambda n: n[1::-1])[2]:
        warnings.warn(
            f"Ambiguous kl_divergence({p.__name__}, {q.__name__}). Please register_kl of this pair",
            RuntimeWarning, stacklevel=3,
        )  # fmt: skip
    return left


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p || q), the mean under p of log p - log q, of the batch shape.

    NotImplementedError where no rule is registered for the pair.
    """
    pair = type(p), type(q)
    if pair not in _FOUND:
        _FOUND[pair] = _find(*pair)
    rule = _FOUND[pair]
    if rule is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {pair[0].__name__} and q type "
            f"{pair[1].__name__}; give one with register_kl"
        )
    return rule(p, q)


# ---- by expectations


def _x_log_x(x: Tensor) -> Tensor:
    return x.xlogy(x)


def _uniform_log(low: Tensor, high: Tensor) -> Tensor:
    """The mean of log(x) for x uniform on [low, high]."""
    return (_x_log_x(high) - _x_log_x(low)) / (high - low) - 1


def _normal_deviation(p: Any, centre: Tensor) -> Tensor:
    away = p.loc - centre
    z = away / p.scale
    bell = math.sqrt(2 / math.pi) * p.scale * (-0.5 * z.square()).exp()
    return bell + away * (z * math.sqrt(0.5)).erf()


def _laplace_deviation(p: Any, centre: Tensor) -> Tensor:
    away = (p.loc - centre).abs()
    return away + p.scale * (-away / p.scale).exp()


def _uniform_decay(p: Any, s: Tensor) -> Tensor:
    return s * ((-p.low / s).exp() - (-p.high / s).exp()) / (p.high - p.low)


# Expectations under p: of log x, log(1 - x), exp(-x / s), abs(x - centre).
_EXPECTED: dict[tuple[str, type], Callable[..., Tensor]] = {
    ("log", Beta): lambda p: p.concentration1.digamma() - p._total.digamma(),
    ("log", Exponential): lambda p: -euler_constant - p.rate.log(),
    ("log", Gamma): lambda p: p.concentration.digamma() - p.rate.log(),
    ("log", Pareto): lambda p: p.scale.log() + p.alpha.reciprocal(),
    ("log", Uniform): lambda p: _uniform_log(p.low, p.high),
    ("log1m", Beta): lambda p: p.concentration0.digamma() - p._total.digamma(),
    ("log1m", Uniform): lambda p: _uniform_log(1 - p.high, 1 - p.low),
    ("decay", Exponential): lambda p, s: p.rate * s / (p.rate * s + 1),
    ("decay", Gamma): lambda p, s: (1 + (p.rate * s).reciprocal()).pow(-p.concentration),
    ("decay", Gumbel): lambda p, s: ((1 + p.scale / s).lgamma() - p.loc / s).exp(),
    ("decay", Normal): lambda p, s: (0.5 * (p.scale / s).square() - p.loc / s).exp(),
    ("decay", Uniform): _uniform_decay,
    ("deviation", Laplace): _laplace_deviation,
    ("deviation", Normal): _normal_deviation,
}  # fmt: skip


def _mean(p: Any, what: str, *args: Any) -> Tensor:
    """An expectation under p, by the nearest class that has it."""
    return next(_EXPECTED[what, k] for k in type(p).__mro__ if (what, k) in _EXPECTED)(p, *args)


def _to_normal(p: Any, q: Any) -> Tensor:
    spread = (p.variance + (p.mean - q.loc).square()) / (2 * q.scale.square())
    return spread + q.scale.log() + 0.5 * math.log(2 * math.pi)


def _to_gamma(p: Any, q: Any) -> Tensor:
    a, rate = q.concentration, q.rate
    return a.lgamma() - a * rate.log() - (a - 1) * _mean(p, "log") + rate * p.mean


def _to_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    powers = (a - 1) * _mean(p, "log") + (b - 1) * _mean(p, "log1m")
    return q._log_normalizer(a, b) - powers


def _to_gumbel(p: Any, q: Any) -> Tensor:
    z = (p.mean - q.loc) / q.scale
    return q.scale.log() + z + (q.loc / q.scale).exp() * _mean(p, "decay", q.scale)


def _to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return -p.mean * q.logits - (-q.probs).log1p() - q._cont_bern_log_norm()


# The mean under p of -log q.
_CROSS: dict[type, Rule] = {
    Beta: _to_beta,
    ContinuousBernoulli: _to_continuous_bernoulli,
    Exponential: lambda p, q: q.rate * p.mean - q.rate.log(),
    Gamma: _to_gamma,
    Gumbel: _to_gumbel,
    Laplace: lambda p, q: (2 * q.scale).log() + _mean(p, "deviation", q.loc) / q.scale,
    Normal: _to_normal,
    Pareto: lambda p, q: (q.alpha + 1) * _mean(p, "log") - q.alpha.log() - q.alpha * q.scale.log(),
    Poisson: lambda p, q: q.rate - p.mean * q.rate.log(),
    Uniform: lambda p, q: (q.high - q.low).log(),
}
_PAIRS: dict[type, tuple[type, ...]] = {
    Bernoulli: (Poisson,),
    Beta: (Beta, ContinuousBernoulli, Exponential, Gamma, Normal, Uniform),
    ContinuousBernoulli: (ContinuousBernoulli, Exponential, Normal, Uniform),
    Exponential: (Exponential, Gamma, Gumbel, Normal),
    Gamma: (Exponential, Gamma, Gumbel, Normal),
    Gumbel: (Gumbel, Normal),
    Laplace: (Laplace, Normal),
    Normal: (Gumbel, Laplace),
    Pareto: (Exponential, Gamma, Normal, Pareto),
    Uniform: (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Normal, Pareto, Uniform),
}
# Pairs whose supports say at once that the divergence is infinite.
_BOUNDED = (Beta, ContinuousBernoulli, Pareto, Uniform)
_INFINITE: dict[type, tuple[type, ...]] = {
    Beta: (Pareto,),
    ContinuousBernoulli: (Pareto,),
    Exponential: _BOUNDED,
    Gamma: _BOUNDED,
    Gumbel: (*_BOUNDED, Exponential, Gamma),
    Laplace: (*_BOUNDED, Exponential, Gamma),
    Normal: (*_BOUNDED, Exponential, Gamma),
    Pareto: (Beta, ContinuousBernoulli, Uniform),
    Poisson: (Bernoulli, Binomial),
}


def _outside(p: Any, q: Any) -> Any:
    """Where p reaches beyond the support of q; False where only classes decide."""
    if not isinstance(p, Uniform | Beta | ContinuousBernoulli | Pareto):
        return False
    lower = p.support.lower_bound < getattr(q.support, "lower_bound", -math.inf)
    upper = getattr(p.support, "upper_bound", math.inf) > getattr(
        q.support, "upper_bound", math.inf
    )
    return lower | upper


def _by_expectations(p: Any, q: Any) -> Tensor:
    result = _CROSS[next(k for k in type(q).__mro__ if k in _CROSS)](p, q) - p.entropy()
    outside = _outside(p, q)
    if outside is False:
        return result
    return fn.where(outside, math.inf, result) if isinstance(outside, Tensor) else result + math.inf


def _infinite(p: Any, q: Any) -> Tensor:
    parameter = next(v for v in vars(p).values() if isinstance(v, Tensor))
    return fn.full_like(parameter, math.inf)


for _table, _rule in ((_PAIRS, _by_expectations), (_INFINITE, _infinite)):
    for _p, _qs in _table.items():
        for _q in _qs:
            register_kl(_p, _q)(_rule)


# ---- pairs of their own


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).square()
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).square() - 1 - ratio.log())


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Tensor:
    apart = (p.scale + q.scale).square() + (p.loc - q.loc).square()
    return apart.log() - (4 * p.scale * q.scale).log()


def _weighed(probs: Tensor, log_ratio: Tensor, other: Tensor) -> Tensor:
    """probs * log_ratio, 0 where probs is, infinite where only `other` is 0."""
    out = fn.where(other.eq(0), math.inf, probs * log_ratio)
    return fn.where(probs.eq(0), 0.0, out)


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Tensor:
    yes = fn.softplus(-q.logits) - fn.softplus(-p.logits)
    no = fn.softplus(q.logits) - fn.softplus(p.logits)
    return _weighed(p.probs, yes, q.probs) + _weighed(1 - p.probs, no, 1 - q.probs)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Tensor:
    return _weighed(p.probs, p.logits - q.logits, q.probs).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot(p: Any, q: Any) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Tensor:
    if (p.total_count < q.total_count).any():
        raise NotImplementedError(
            "KL between Binomials where q.total_count > p.total_count is not implemented"
        )
    one = p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p()
    return fn.where(p.total_count > q.total_count, math.inf, p.total_count * one)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (-q.probs).log1p() / p.probs - q.logits


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Tensor:
    a, b = p.concentration, q.concentration
    slope = a.digamma() - a.sum(-1, True).digamma()
    return q._log_normalizer(b) - p._log_normalizer(a) + ((a - b) * slope).sum(-1)


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Tensor:
    """Bregman's divergence of the log normalizer."""
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed "
            "using Bregman divergences"
        )
    ours, theirs = [t.detach().requires_grad_() for t in p._natural_params], q._natural_params
    log_normal = p._log_normalizer(*ours)
    slopes = grad(log_normal.sum(), ours, create_graph=True)
    out = q._log_normalizer(*theirs) - log_normal
    for a, b, slope in zip(ours, theirs, slopes):
        out = out - _sum_rightmost((b - a) * slope, len(q.event_shape))
    return out


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of transformed distributions needs equal transforms")
    return kl_divergence(p.base_dist, q.base_dist)


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError("KL of Independents needs equal reinterpreted_batch_ndims")
    return _sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


def _gaussian(p: Any, q: Any) -> Tensor:
    """Between normal vectors, of full or of low rank."""
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two (Low Rank) Multivariate Normals with different event shapes "
            f"cannot be computed: {tuple(p.event_shape)} and {tuple(q.event_shape)}"
        )
    n = p.event_shape[0]
    trace = (q.precision_matrix * p.covariance_matrix).sum((-2, -1))
    return 0.5 * (q._log_det() - p._log_det() + trace + q._mahalanobis(p.loc - q.loc) - n)


for _p in (MultivariateNormal, LowRankMultivariateNormal):
    for _q in (MultivariateNormal, LowRankMultivariateNormal):
        register_kl(_p, _q)(_gaussian)
