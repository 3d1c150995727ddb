"""Distributions that are another one's, transformed."""

from __future__ import annotations

import math
from typing import Any

from .._tensor import Tensor
from . import _functions as fn
from . import constraints
from . import transforms as maps
from ._categorical import ExpRelaxedCategorical
from ._compound import TransformedDistribution
from ._continuous import Cauchy, Normal, Uniform
from ._discrete import LogitRelaxedBernoulli
from ._gamma import Exponential, Gamma
from ._parameters import broadcast_all, euler_constant
from .constraints import positive


def _base(name: str) -> Any:
    """An attribute of the base distribution."""
    return property(lambda self: getattr(self.base_dist, name))


class LogNormal(TransformedDistribution):
    """The exponential of a normal variable of mean `loc` and standard deviation `scale`."""

    arg_constraints = {"loc": constraints.real, "scale": positive}
    support = positive
    loc, scale = _base("loc"), _base("scale")
    mean = property(lambda self: (self.loc + self.scale.square() / 2).exp())
    mode = property(lambda self: (self.loc - self.scale.square()).exp())

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        super().__init__(base, maps.ExpTransform(), validate_args=validate_args)

    @property
    def variance(self) -> Tensor:
        square = self.scale.square()
        return square.expm1() * (2 * self.loc + square).exp()

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() + self.loc


class LogisticNormal(TransformedDistribution):
    """Normal vectors brought to the simplex by stick breaking."""

    arg_constraints = {"loc": constraints.real, "scale": positive}
    support = constraints.simplex
    loc = property(lambda self: self.base_dist.base_dist.loc)
    scale = property(lambda self: self.base_dist.base_dist.scale)

    def __init__(self, loc: Any, scale: Any, validate_args: bool | None = None) -> None:
        base = Normal(loc, scale, validate_args=validate_args)
        base = base if base.batch_shape else base.expand((1,))
        super().__init__(base, maps.StickBreakingTransform(), validate_args=validate_args)


class _Half(TransformedDistribution):
    """The absolute value of a symmetric variable around 0."""

    arg_constraints = {"scale": positive}
    support = constraints.nonnegative
    scale = _base("scale")
    mode = property(lambda self: fn.zeros_like(self.scale))
    _whole: Any

    def __init__(self, scale: Any, validate_args: bool | None = None) -> None:
        base = self._whole(0, scale, validate_args=False)
        super().__init__(base, maps.AbsTransform(), validate_args=validate_args)

    def log_prob(self, value: Any) -> Tensor:
        value = fn.as_tensor(value, dtype=self.scale.dtype, device=self.scale.device)
        out = self.base_dist.log_prob(self._checked(value)) + math.log(2)
        return fn.where(value >= 0, out, -math.inf)

    def cdf(self, value: Any) -> Tensor:
        return 2 * self.base_dist.cdf(self._checked(value)) - 1

    def icdf(self, value: Any) -> Tensor:
        return self.base_dist.icdf((value + 1) / 2)

    def entropy(self) -> Tensor:
        return self.base_dist.entropy() - math.log(2)


class HalfNormal(_Half):
    """The absolute value of a normal variable of standard deviation `scale`."""

    _whole = Normal
    mean = property(lambda self: self.scale * math.sqrt(2 / math.pi))
    variance = property(lambda self: self.scale.square() * (1 - 2 / math.pi))


class HalfCauchy(_Half):
    """The absolute value of a Cauchy variable."""

    _whole = Cauchy
    mean = variance = property(lambda self: fn.full_like(self.scale, math.inf))


class InverseGamma(TransformedDistribution):
    """The reciprocal of a `Gamma` variable."""

    arg_constraints = {"concentration": positive, "rate": positive}
    support = positive
    concentration, rate = _base("concentration"), _base("rate")
    mode = property(lambda self: self.rate / (self.concentration + 1))

    def __init__(self, concentration: Any, rate: Any, validate_args: bool | None = None) -> None:
        base = Gamma(concentration, rate, validate_args=validate_args)
        inverse = maps.PowerTransform(-base.rate.new_ones(()))
        super().__init__(base, inverse, validate_args=validate_args)

    @property
    def mean(self) -> Tensor:
        a = self.concentration
        return fn.where(a > 1, self.rate / (a - 1), math.inf)

    @property
    def variance(self) -> Tensor:
        a = self.concentration
        return fn.where(a > 2, self.rate.square() / ((a - 1).square() * (a - 2)), math.inf)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a + self.rate.log() + a.lgamma() - (1 + a) * a.digamma()


class Kumaraswamy(TransformedDistribution):
    """On [0, 1], with the distribution function 1 - (1 - x**a)**b."""

    arg_constraints = {"concentration1": positive, "concentration0": positive}
    support = constraints.unit_interval
    mean = property(lambda self: self._moment(1))
    variance = property(lambda self: self._moment(2) - self._moment(1).square())

    def __init__(
        self, concentration1: Any, concentration0: Any, validate_args: bool | None = None
    ) -> None:
        a, b = broadcast_all(concentration1, concentration0)
        self.concentration1, self.concentration0 = a, b
        base = Uniform(fn.zeros_like(a), fn.ones_like(a), validate_args=validate_args)
        steps = [
            maps.PowerTransform(b.reciprocal()),
            maps.AffineTransform(1.0, -1.0),
            maps.PowerTransform(a.reciprocal()),
        ]
        super().__init__(base, steps, validate_args=validate_args)

    def _moment(self, n: int) -> Tensor:
        a, b = 1 + n / self.concentration1, self.concentration0
        return b * (a.lgamma() + b.lgamma() - (a + b).lgamma()).exp()

    @property
    def mode(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        log = (-b).log1p() / b - (-a * b).log1p()
        return log.masked_fill((a < 1) | (b < 1), math.nan).exp()

    def entropy(self) -> Tensor:
        a, b = self.concentration1, self.concentration0
        harmonic = (b + 1).digamma() + euler_constant
        return (1 - 1 / b) + (1 - 1 / a) * harmonic - a.log() - b.log()


class Pareto(TransformedDistribution):
    """Beyond `scale`, with a tail x**-alpha."""

    arg_constraints = {"alpha": positive, "scale": positive}
    mode = property(lambda self: self.scale)

    def __init__(self, scale: Any, alpha: Any, validate_args: bool | None = None) -> None:
        self.scale, self.alpha = broadcast_all(scale, alpha)
        base = Exponential(self.alpha, validate_args=validate_args)
        steps = [maps.ExpTransform(), maps.AffineTransform(0, self.scale)]
        super().__init__(base, steps, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.greater_than_eq(self.scale)

    @property
    def mean(self) -> Tensor:
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)

    @property
    def variance(self) -> Tensor:
        a = self.alpha.clamp(min=2)
        return self.scale.square() * a / ((a - 1).square() * (a - 2))

    def entropy(self) -> Tensor:
        return (self.scale / self.alpha).log() + 1 + self.alpha.reciprocal()


class Weibull(TransformedDistribution):
    """`scale` times a power 1 / `concentration` of a standard exponential variable."""

    arg_constraints = {"scale": positive, "concentration": positive}
    support = positive
    concentration_reciprocal = property(lambda self: self.concentration.reciprocal())

    def __init__(self, scale: Any, concentration: Any, validate_args: bool | None = None) -> None:
        self.scale, self.concentration = broadcast_all(scale, concentration)
        base = Exponential(fn.ones_like(self.scale), validate_args=validate_args)
        steps = [
            maps.PowerTransform(self.concentration.reciprocal()),
            maps.AffineTransform(0, self.scale),
        ]
        super().__init__(base, steps, validate_args=validate_args)

    def _moment(self, n: int) -> Tensor:
        return (1 + n / self.concentration).lgamma().exp()

    @property
    def mean(self) -> Tensor:
        return self.scale * self._moment(1)

    @property
    def mode(self) -> Tensor:
        k = self.concentration
        return self.scale * ((k - 1) / k) ** k.reciprocal()

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * (self._moment(2) - self._moment(1).square())

    def entropy(self) -> Tensor:
        inverse = self.concentration_reciprocal
        return euler_constant * (1 - inverse) + (self.scale * inverse).log() + 1


class _Relaxed(TransformedDistribution):
    """A continuous variable in the place of a discrete one."""

    temperature, logits, probs = _base("temperature"), _base("logits"), _base("probs")
    _inner: Any
    _step: Any

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        base = self._inner(temperature, probs, logits, validate_args=validate_args)
        super().__init__(base, self._step(), validate_args=validate_args)


class RelaxedBernoulli(_Relaxed):
    """A continuous Bernoulli variable: nearer to 0 and 1 the lower the temperature."""

    arg_constraints = LogitRelaxedBernoulli.arg_constraints
    support = constraints.unit_interval
    _inner, _step = LogitRelaxedBernoulli, maps.SigmoidTransform


class RelaxedOneHotCategorical(_Relaxed):
    """A continuous one-hot vector: nearer to the corners the lower the temperature."""

    arg_constraints = ExpRelaxedCategorical.arg_constraints
    support = constraints.simplex
    _inner, _step = ExpRelaxedCategorical, maps.ExpTransform
