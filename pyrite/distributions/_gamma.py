"""The gamma distribution and its relatives: beta, Dirichlet, chi-squared, F."""

from __future__ import annotations

import math
from typing import Any

from .. import special
from .._dtypes import finfo
from .._tensor import Tensor
from . import _functions as fn
from . import constraints
from ._distribution import ExponentialFamily, Parametric
from .constraints import positive


def _standard(concentration: Tensor, shape: Any) -> Tensor:
    """Gamma variates of rate 1, kept off 0."""
    drawn = fn._standard_gamma(concentration.expand(shape))
    return drawn.clamp(min=finfo(drawn.dtype).tiny)


class Gamma(Parametric, ExponentialFamily):
    """The gamma distribution of shape `concentration` and inverse scale `rate`."""

    arg_constraints: Any = {"concentration": positive, "rate": positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    mean = property(lambda self: self.concentration / self.rate)
    mode = property(lambda self: ((self.concentration - 1) / self.rate).clamp(min=0))
    variance = property(lambda self: self.concentration / self.rate.square())
    _natural_params = property(lambda self: (self.concentration - 1, -self.rate))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return _standard(self.concentration, self._extended_shape(sample_shape)) / self.rate

    def log_prob(self, value: Any) -> Tensor:
        like = self.rate
        value = self._checked(fn.as_tensor(value, dtype=like.dtype, device=like.device))
        a, rate = self.concentration, self.rate
        return a.xlogy(rate) + (a - 1).xlogy(value) - rate * value - a.lgamma()

    def _cdf(self, value: Any) -> Tensor:
        return special.gammainc(self.concentration, self.rate * value)

    def entropy(self) -> Tensor:
        a = self.concentration
        return a - self.rate.log() + a.lgamma() + (1.0 - a) * a.digamma()

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        return (x + 1).lgamma() - (x + 1) * (-y).log()


class Chi2(Gamma):
    """The sum of the squares of `df` standard normals."""

    arg_constraints = {"df": positive}
    df = property(lambda self: self.concentration * 2)

    def _prepare(self) -> None:
        half = 0.5 * self.__dict__.pop("df")
        self.concentration, self.rate = half, fn.full_like(half, 0.5)


class Exponential(Parametric, ExponentialFamily):
    """Waiting times of events of rate `rate`."""

    arg_constraints = {"rate": positive}
    support = constraints.nonnegative
    has_rsample = True
    _mean_carrier_measure = 0
    mean = stddev = property(lambda self: self.rate.reciprocal())
    mode = property(lambda self: fn.zeros_like(self.rate))
    variance = property(lambda self: self.rate.pow(-2))
    _natural_params = property(lambda self: (-self.rate,))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.rate.new_empty(self._extended_shape(sample_shape)).exponential_() / self.rate

    def _log_prob(self, value: Any) -> Tensor:
        return self.rate.log() - self.rate * value

    def _cdf(self, value: Any) -> Tensor:
        return -(-self.rate * value).expm1()

    def icdf(self, value: Any) -> Tensor:
        return -(-value).log1p() / self.rate

    def entropy(self) -> Tensor:
        return 1.0 - self.rate.log()

    def _log_normalizer(self, x: Tensor) -> Tensor:
        return -(-x).log()


class Dirichlet(ExponentialFamily):
    """Vectors on the simplex with `concentration` in the last dim."""

    arg_constraints: Any = {"concentration": constraints.independent(positive, 1)}
    support = constraints.simplex
    has_rsample = True
    _natural_params = property(lambda self: (self.concentration,))

    def __init__(self, concentration: Tensor, validate_args: bool | None = None) -> None:
        if concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        self.concentration = concentration
        shape = concentration.shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return fn._sample_dirichlet(self.concentration.expand(self._extended_shape(sample_shape)))

    def log_prob(self, value: Any) -> Tensor:
        a = self.concentration
        powers = (a - 1.0).xlogy(self._checked(value)).sum(-1)
        return powers - self._log_normalizer(a)

    @property
    def mean(self) -> Tensor:
        return self.concentration / self.concentration.sum(-1, True)

    @property
    def mode(self) -> Tensor:
        above = (self.concentration - 1).clamp(min=0.0)
        mode = above / above.sum(-1, True)
        corner = fn.one_hot(mode.argmax(-1), mode.shape[-1]).to(mode.dtype)
        return fn.where((self.concentration < 1).all(-1, keepdim=True), corner, mode)

    @property
    def variance(self) -> Tensor:
        total = self.concentration.sum(-1, True)
        return self.concentration * (total - self.concentration) / (total.square() * (total + 1))

    def entropy(self) -> Tensor:
        a = self.concentration
        total = a.sum(-1)
        slopes = (total - a.shape[-1]) * total.digamma() - ((a - 1.0) * a.digamma()).sum(-1)
        return self._log_normalizer(a) + slopes

    def _log_normalizer(self, x: Tensor) -> Tensor:
        return x.lgamma().sum(-1) - x.sum(-1).lgamma()


class Beta(Parametric, ExponentialFamily):
    """The first of two Dirichlet entries, on [0, 1]."""

    arg_constraints = {"concentration1": positive, "concentration0": positive}
    support = constraints.unit_interval
    has_rsample = True
    _total = property(lambda self: self.concentration1 + self.concentration0)
    _natural_params = property(lambda self: (self.concentration1, self.concentration0))
    mean = property(lambda self: self.concentration1 / self._total)
    mode = property(lambda self: self._dirichlet.mode[..., 0])

    @property
    def _dirichlet(self) -> Dirichlet:
        both = fn.stack([self.concentration1, self.concentration0], -1)
        return Dirichlet(both, validate_args=False)

    @property
    def variance(self) -> Tensor:
        total = self._total
        return self.concentration1 * self.concentration0 / (total.square() * (total + 1))

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self._dirichlet.rsample(sample_shape)[..., 0]

    def _log_prob(self, value: Any) -> Tensor:
        a, b = self.concentration1, self.concentration0
        return (a - 1).xlogy(value) + (b - 1).xlogy(1.0 - value) - self._log_normalizer(a, b)

    def entropy(self) -> Tensor:
        return self._dirichlet.entropy()

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        return x.lgamma() + y.lgamma() - (x + y).lgamma()


class FisherSnedecor(Parametric):
    """The ratio of two chi-squared variates over their degrees of freedom."""

    arg_constraints = {"df1": positive, "df2": positive}
    support = positive
    has_rsample = True

    @property
    def mean(self) -> Tensor:
        return fn.where(self.df2 > 2, self.df2 / (self.df2 - 2), math.nan)

    @property
    def mode(self) -> Tensor:
        mode = (self.df1 - 2) / self.df1 * self.df2 / (self.df2 + 2)
        return fn.where(self.df1 > 2, mode, math.nan)

    @property
    def variance(self) -> Tensor:
        a, b = self.df1, self.df2
        spread = 2 * b.square() * (a + b - 2) / (a * (b - 2).square() * (b - 4))
        return fn.where(b > 4, spread, math.nan)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        above, below = (_standard(df / 2, shape) / df for df in (self.df1, self.df2))
        return above / below

    def _log_prob(self, value: Any) -> Tensor:
        a, b, ratio = self.df1 / 2, self.df2 / 2, self.df1 / self.df2
        scale = (a + b).lgamma() - a.lgamma() - b.lgamma() + a * ratio.log()
        return scale + (a - 1) * value.log() - (a + b) * (ratio * value).log1p()
