"""Distributions on the real line or a part of it."""

from __future__ import annotations

import math
from typing import Any

from .. import special
from .._dtypes import finfo, float64
from .._tensor import Tensor
from ..autograd.modes import no_grad
from . import _functions as fn
from . import constraints
from ._distribution import ExponentialFamily, Parametric, _open
from ._parameters import euler_constant, lazy_property
from .constraints import positive, real

_LOG_2PI = math.log(2 * math.pi)


class _LocationScale(Parametric):
    """loc + scale * z, z of a standard distribution that subclasses give by functions of z."""

    arg_constraints: Any = {"loc": real, "scale": positive}
    support: Any = real
    has_rsample = True
    mean: Any = property(lambda self: self.loc)
    mode: Any = property(lambda self: self.loc)

    @property
    def variance(self) -> Tensor:
        return self.scale.square() * self._standard_variance

    @property
    def stddev(self) -> Tensor:
        return self.scale * math.sqrt(self._standard_variance)

    def _noise(self, sample_shape: Any) -> Tensor:
        """Draws of z, by the quantile function unless a subclass has another way."""
        u = self._draw("rand", sample_shape)
        info = finfo(u.dtype)
        return self._quantile(u.clamp(min=info.tiny, max=1 - info.eps))

    _log_density: Any = _open("log_prob", "The log density of z.")
    _below: Any = _open("cdf", "The distribution function of z.")
    _quantile: Any = _open("icdf", "The quantile function of z.")

    def _z(self, value: Any) -> Any:
        return (value - self.loc) / self.scale

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.loc + self.scale * self._noise(sample_shape)

    def _log_prob(self, value: Any) -> Tensor:
        return self._log_density(self._z(value)) - self.scale.log()

    def _cdf(self, value: Any) -> Tensor:
        return self._below(self._z(value))

    def icdf(self, value: Any) -> Tensor:
        return self.loc + self.scale * self._quantile(value)

    def entropy(self) -> Tensor:
        return self.scale.log() + self._standard_entropy


class Normal(_LocationScale, ExponentialFamily):
    """The normal distribution of mean `loc` and standard deviation `scale`."""

    _standard_variance, _standard_entropy = 1.0, 0.5 + 0.5 * _LOG_2PI
    _mean_carrier_measure = 0

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return self.loc / self.scale.square(), -0.5 * self.scale.square().reciprocal()

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        return -0.25 * x.square() / y + 0.5 * (-math.pi / y).log()

    def _noise(self, sample_shape: Any) -> Tensor:
        return self._draw("randn", sample_shape)

    def _log_density(self, z: Tensor) -> Tensor:
        return -0.5 * z.square() - 0.5 * _LOG_2PI

    def _below(self, z: Tensor) -> Tensor:
        return 0.5 * (1 + (z * math.sqrt(0.5)).erf())

    def _quantile(self, p: Tensor) -> Tensor:
        return (2 * p - 1).erfinv() * math.sqrt(2)


class Laplace(_LocationScale):
    """The double exponential distribution."""

    _standard_variance, _standard_entropy = 2.0, 1 + math.log(2)

    def _log_density(self, z: Tensor) -> Tensor:
        return -z.abs() - math.log(2)

    def _below(self, z: Tensor) -> Tensor:
        return 0.5 - 0.5 * z.sign() * (-z.abs()).expm1()

    def _quantile(self, p: Tensor) -> Tensor:
        centred = p - 0.5
        return -centred.sign() * (-2 * centred.abs()).log1p()


class Cauchy(_LocationScale):
    """The Cauchy distribution, which has no mean and no variance."""

    _standard_variance, _standard_entropy = math.inf, math.log(4 * math.pi)
    mean = property(lambda self: self._constant(math.nan))

    def _noise(self, sample_shape: Any) -> Tensor:
        return fn.empty_like(self._draw("rand", sample_shape)).cauchy_()

    def _log_density(self, z: Tensor) -> Tensor:
        return -math.log(math.pi) - z.square().log1p()

    def _below(self, z: Tensor) -> Tensor:
        return z.atan() / math.pi + 0.5

    def _quantile(self, p: Tensor) -> Tensor:
        return (math.pi * (p - 0.5)).tan()


class Gumbel(_LocationScale):
    """The distribution of the largest of many samples."""

    _standard_variance, _standard_entropy = math.pi**2 / 6, 1 + euler_constant
    mean = property(lambda self: self.loc + self.scale * euler_constant)

    def _log_density(self, z: Tensor) -> Tensor:
        return -z - (-z).exp()

    def _below(self, z: Tensor) -> Tensor:
        return (-(-z).exp()).exp()

    def _quantile(self, p: Tensor) -> Tensor:
        return -(-p.log()).log()


class StudentT(_LocationScale):
    """Student's t distribution of `df` degrees of freedom, moved and scaled."""

    arg_constraints = {"df": positive, "loc": real, "scale": positive}
    _arguments = {"df": ..., "loc": 0.0, "scale": 1.0}
    mean = property(lambda self: self.loc.masked_fill(self.df <= 1, math.nan))
    stddev = property(lambda self: self.variance.sqrt())

    @property
    def variance(self) -> Tensor:
        heavy = fn.where(self.df > 1, math.inf, math.nan)
        light = self.scale.square() * self.df / (self.df - 2)
        return fn.where(self.df > 2, light, heavy)

    def _noise(self, sample_shape: Any) -> Tensor:
        shape, half = self._extended_shape(sample_shape), 0.5 * self.df
        chi2 = fn._standard_gamma(half.expand(shape)) / half
        return self._draw("randn", sample_shape) * chi2.rsqrt()

    def _log_normal(self) -> Tensor:
        half = 0.5 * self.df
        return 0.5 * (math.pi * self.df).log() + half.lgamma() - (half + 0.5).lgamma()

    def _log_density(self, z: Tensor) -> Tensor:
        return -0.5 * (self.df + 1) * (z.square() / self.df).log1p() - self._log_normal()

    def entropy(self) -> Tensor:
        half = 0.5 * self.df
        slope = (half + 0.5).digamma() - half.digamma()
        return self.scale.log() + (half + 0.5) * slope + self._log_normal()


class Uniform(Parametric):
    """Uniform on [low, high)."""

    _arguments = {"low": ..., "high": ...}
    has_rsample = True
    mean = property(lambda self: (self.high + self.low) / 2)
    mode = property(lambda self: math.nan * self.high)
    stddev = property(lambda self: (self.high - self.low) / 12**0.5)
    variance = property(lambda self: (self.high - self.low).square() / 12)

    @property
    def arg_constraints(self) -> dict[str, Any]:
        return {
            "low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)
        }  # fmt: skip

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        return constraints.interval(self.low, self.high)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(self._draw("rand", sample_shape))

    def _log_prob(self, value: Any) -> Tensor:
        inside = (self.low <= value) & (self.high > value)
        return inside.type_as(self.low).log() - (self.high - self.low).log()

    def _cdf(self, value: Any) -> Tensor:
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Any) -> Tensor:
        return self.low + value * (self.high - self.low)

    def entropy(self) -> Tensor:
        return (self.high - self.low).log()


class GeneralizedPareto(_LocationScale):
    """The distribution of excesses over a high threshold; exponential at `concentration` 0."""

    arg_constraints = {"loc": real, "scale": positive, "concentration": real}
    stddev = property(lambda self: self.variance.sqrt())

    @constraints.dependent_property(is_discrete=False, event_dim=0)
    def support(self) -> Any:
        c = self.concentration
        high = fn.where(c < 0, self.loc - self.scale / c, math.inf)
        return constraints.interval(self.loc, high)

    def _split(self) -> tuple[Tensor, Tensor]:
        """Where the concentration is 0, and the concentration with 1 there."""
        zero = fn.isclose(self.concentration, fn.zeros_like(self.concentration))
        return zero, fn.where(zero, 1.0, self.concentration)

    def _log_density(self, z: Tensor) -> Tensor:
        zero, c = self._split()
        power = 1 / c + 1
        return -fn.where(zero, z, fn.where(power == 0, power, power * (c * z).log1p()))

    def log_survival_function(self, value: Any) -> Tensor:
        """The log probability of a sample beyond `value`."""
        zero, c = self._split()
        z = self._z(self._checked(value))
        return fn.where(zero, -z, -(c * z).log1p() / c)

    def log_cdf(self, value: Any) -> Tensor:
        """The log of `cdf`."""
        return (-self.log_survival_function(value).exp()).log1p()

    def cdf(self, value: Any) -> Tensor:
        return self.log_cdf(value).exp()

    def _quantile(self, p: Tensor) -> Tensor:
        zero, c = self._split()
        log = (-p).log1p()
        return fn.where(zero, -log, (-c * log).expm1() / c)

    @property
    def mean(self) -> Tensor:
        c = self.concentration
        return fn.where(c < 1, self.loc + self.scale / (1 - fn.where(c < 1, c, 0.5)), math.nan)

    @property
    def variance(self) -> Tensor:
        valid = self.concentration < 0.5
        c = fn.where(valid, self.concentration, 0.25)
        spread = self.scale.square() / ((1 - c).square() * (1 - 2 * c))
        return fn.where(valid, spread, math.nan)

    def entropy(self) -> Tensor:
        return self.scale.log() + self.concentration + 1


class VonMises(Parametric):
    """Angles in [-pi, pi) around `loc`: density proportional to exp(concentration cos(x - loc)).

    Samples by Best and Fisher, "Efficient simulation of the von Mises distribution" (1979).
    """

    arg_constraints = {"loc": real, "concentration": positive}
    support = real
    mean = mode = property(lambda self: self.loc)

    def _log_prob(self, value: Any) -> Tensor:
        k = self.concentration
        scaled = k * ((value - self.loc).cos() - 1)
        return scaled - _LOG_2PI - special.i0e(k).log()

    @property
    def variance(self) -> Tensor:
        return 1 - special.i1e(self.concentration) / special.i0e(self.concentration)

    @lazy_property
    def _proposal_r(self) -> Tensor:
        k = self.concentration.to(float64)
        tau = 1 + (1 + 4 * k.square()).sqrt()
        rho = (tau - (2 * tau).sqrt()) / (2 * k)
        return fn.where(k < 1e-5, 1 / k + k, (1 + rho.square()) / (2 * rho))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            k, r, loc = (t.to(float64) for t in (self.concentration, self._proposal_r, self.loc))
            out = fn.zeros(shape, dtype=float64, device=loc.device)
            left = fn.ones_like(out) > 0
            while left.any():
                u, test, side = fn.rand((3, *shape), dtype=float64, device=loc.device).unbind()
                z = (math.pi * u).cos()
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                taken = left & ((c * (2 - c) > test) | ((c / test).log() + 1 >= c))
                out = fn.where(taken, (side - 0.5).sign() * f.acos(), out)
                left = left & ~taken
            turned = (out + math.pi + loc) % (2 * math.pi) - math.pi
            return turned.to(self.loc.dtype)
