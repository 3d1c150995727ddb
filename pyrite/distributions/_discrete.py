"""Distributions of counts and of single yes-or-no outcomes."""

from __future__ import annotations

import math
from typing import Any

from .._dtypes import finfo
from .._tensor import Tensor
from ..autograd.modes import no_grad
from . import _functions as fn
from . import constraints
from ._categorical import enumerated
from ._distribution import ExponentialFamily, Odds, Parametric
from ._parameters import broadcast_all, clamp_probs
from .constraints import nonnegative_integer, real, unit_interval


def _cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    return fn.binary_cross_entropy_with_logits(logits, target, reduction="none")


class _Trial(Odds, Parametric):
    """A distribution of a success probability, given by `probs` or by log odds `logits`."""

    arg_constraints: Any = {"probs": unit_interval, "logits": real}
    _arguments = {"probs": None, "logits": None}


class Bernoulli(_Trial, ExponentialFamily):
    """1 with probability `probs`, else 0."""

    support = constraints.boolean
    has_enumerate_support = True
    _mean_carrier_measure = 0
    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))
    _natural_params = property(lambda self: (fn.logit(self.probs),))

    @property
    def mode(self) -> Tensor:
        mode = (self.probs >= 0.5).to(self.probs.dtype)
        return mode.masked_fill(self.probs == 0.5, math.nan)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return fn.bernoulli(self.probs.expand(self._extended_shape(sample_shape)))

    def _log_prob(self, value: Any) -> Tensor:
        return -_cross_entropy(*broadcast_all(self.logits, value))

    def entropy(self) -> Tensor:
        return _cross_entropy(self.logits, self.probs)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        like = self._param
        return enumerated(self, fn.arange(2, dtype=like.dtype, device=like.device), expand)

    def _log_normalizer(self, x: Tensor) -> Tensor:
        return x.exp().log1p()


class Geometric(_Trial):
    """The failures before the first success: 0, 1, ...; a probability of 0 is refused."""

    support = nonnegative_integer
    mean = property(lambda self: 1.0 / self.probs - 1.0)
    variance = property(lambda self: (1.0 / self.probs - 1.0) / self.probs)
    mode = property(lambda self: fn.zeros_like(self.probs))

    def _validate_parameters(self) -> None:
        super()._validate_parameters()
        probs = self.__dict__.get("probs")
        if probs is not None and not (probs > 0).all():
            raise ValueError(
                f"Expected parameter probs (Tensor of shape {tuple(probs.shape)}) of distribution "
                f"{self!r} to be positive but found invalid values:\n{probs[probs <= 0]}"
            )

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            u = self._draw("rand", sample_shape).clamp(min=finfo(self.probs.dtype).tiny)
            return (u.log() / (-self.probs).log1p()).floor()

    def _log_prob(self, value: Any) -> Tensor:
        value, probs = broadcast_all(value, self.probs)
        probs = probs.masked_fill(probs.eq(1) & value.eq(0), 0.0)
        return value * (-probs).log1p() + self.probs.log()

    def entropy(self) -> Tensor:
        return _cross_entropy(self.logits, self.probs) / self.probs


class Binomial(_Trial):
    """The successes in `total_count` trials."""

    arg_constraints = {"total_count": nonnegative_integer, "probs": unit_interval, "logits": real}
    _arguments = {"total_count": 1, "probs": None, "logits": None}
    has_enumerate_support = True
    mean = property(lambda self: self.total_count * self.probs)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def _prepare(self) -> None:
        self.__dict__["total_count"] = self.total_count.type_as(self._param)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self.total_count)

    @property
    def mode(self) -> Tensor:
        return ((self.total_count + 1) * self.probs).floor().clamp(max=self.total_count)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return fn.binomial(self.total_count.expand(shape), self.probs.expand(shape))

    def _log_prob(self, value: Any) -> Tensor:
        n, logits = self.total_count, self.logits
        ways = (n + 1).lgamma() - (value + 1).lgamma() - (n - value + 1).lgamma()
        return ways + value * logits - n * fn.softplus(logits)

    def _same_count(self, what: str) -> int:
        n = int(self.total_count.max())
        if int(self.total_count.min()) != n:
            raise NotImplementedError(f"Inhomogeneous total count not supported by `{what}`.")
        return n

    def entropy(self) -> Tensor:
        self._same_count("entropy")
        log_prob = self.log_prob(self.enumerate_support(False))
        return -(log_prob.exp() * log_prob).sum(0)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        n, like = self._same_count("enumerate_support"), self._param
        return enumerated(self, fn.arange(n + 1, dtype=like.dtype, device=like.device), expand)


class NegativeBinomial(_Trial):
    """The successes before `total_count` failures."""

    arg_constraints = {
        "total_count": constraints.greater_than_eq(0),
        "probs": constraints.half_open_interval(0.0, 1.0), "logits": real,
    }  # fmt: skip
    _arguments = {"total_count": ..., "probs": None, "logits": None}
    support = nonnegative_integer
    mean = property(lambda self: self.total_count * self.logits.exp())
    variance = property(lambda self: self.mean / (-self.logits).sigmoid())

    def _prepare(self) -> None:
        self.__dict__["total_count"] = self.total_count.type_as(self._param)

    @property
    def mode(self) -> Tensor:
        return ((self.total_count - 1) * self.logits.exp()).floor().clamp(min=0.0)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Poisson counts of gamma rates."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            return fn.poisson(
                fn._standard_gamma(self.total_count.expand(shape)) * self.logits.exp()
            )

    def _log_prob(self, value: Any) -> Tensor:
        n = self.total_count
        ways = (n + value).lgamma() - (1.0 + value).lgamma() - n.lgamma()
        ways = ways.masked_fill(n + value == 0.0, 0.0)
        return n * fn.logsigmoid(-self.logits) + value * fn.logsigmoid(self.logits) + ways


class Poisson(Parametric, ExponentialFamily):
    """Counts of events of rate `rate`."""

    arg_constraints = {"rate": constraints.nonnegative}
    support = nonnegative_integer
    mean = variance = property(lambda self: self.rate)
    mode = property(lambda self: self.rate.floor())
    _natural_params = property(lambda self: (self.rate.log(),))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            return fn.poisson(self.rate.expand(self._extended_shape(sample_shape)))

    def _log_prob(self, value: Any) -> Tensor:
        rate, value = broadcast_all(self.rate, value)
        return value.xlogy(rate) - rate - (value + 1).lgamma()

    def _log_normalizer(self, x: Tensor) -> Tensor:
        return x.exp()


class LogitRelaxedBernoulli(_Trial):
    """The log odds of `RelaxedBernoulli`."""

    support = real
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Any = None, logits: Any = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(probs, logits, validate_args)
        self.temperature = temperature  # as given: it need not have the batch's shape

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        probs, u = clamp_probs(self.probs), clamp_probs(self._draw("rand", sample_shape))
        odds = u.log() - (-u).log1p() + probs.log() - (-probs).log1p()
        return odds / self.temperature

    def _log_prob(self, value: Any) -> Tensor:
        logits, value = broadcast_all(self.logits, value)
        diff = logits - value * self.temperature
        log_temperature = fn.as_tensor(self.temperature, dtype=logits.dtype).log()
        return log_temperature + diff - 2 * fn.softplus(diff)


class ContinuousBernoulli(_Trial, ExponentialFamily):
    """On [0, 1] with a density proportional to probs**x (1 - probs)**(1 - x).

    Between the limits `lims` around 1/2 the normalizer is taken from its Taylor series. Source:
    Loaiza-Ganem and Cunningham, "The continuous Bernoulli" (2019).
    """

    support = unit_interval
    has_rsample = True
    _mean_carrier_measure = 0
    _natural_params = property(lambda self: (self.logits,))

    def __init__(
        self, probs: Any = None, logits: Any = None, lims: tuple[float, float] = (0.499, 0.501),
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        self._lims = lims
        super().__init__(probs, logits, validate_args)
        if "probs" in self.__dict__:
            self.probs = clamp_probs(self.probs)

    def _split(self, p: Tensor, shift: float = 0.0) -> tuple[Tensor, Tensor]:
        """Where the closed form serves, and `p` with other values replaced."""
        low, high = (v - shift for v in self._lims)
        outside = (p <= low) | (p > high)
        return outside, fn.where(outside, p, low)

    @property
    def _parts(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Where the closed form serves, safe probabilities, their log odds, probs - 1/2."""
        outside, p = self._split(self.probs)
        return outside, p, p.log() - (-p).log1p(), self.probs - 0.5

    def _cont_bern_log_norm(self) -> Tensor:
        outside, p, odds, x = self._parts
        closed = odds.abs().log() - (1 - 2 * p).abs().log()
        x = x * x
        return fn.where(outside, closed, math.log(2.0) + (4 / 3 + 104 / 45 * x) * x)

    @property
    def mean(self) -> Tensor:
        outside, p, odds, x = self._parts
        return fn.where(outside, p / (2 * p - 1) - 1 / odds, 0.5 + (1 / 3 + 16 / 45 * x * x) * x)

    @property
    def variance(self) -> Tensor:
        outside, p, odds, x = self._parts
        closed = p * (p - 1) / (1 - 2 * p).square() + 1 / odds.square()
        x = x * x
        return fn.where(outside, closed, 1 / 12 - (1 / 15 - 128 / 945 * x) * x)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.icdf(self._draw("rand", sample_shape))

    def _log_prob(self, value: Any) -> Tensor:
        logits, value = broadcast_all(self.logits, value)
        return self._cont_bern_log_norm() - _cross_entropy(logits, value)

    def _cdf(self, value: Any) -> Tensor:
        outside, p, _, _ = self._parts
        closed = (p.pow(value) * (1 - p).pow(1 - value) + p - 1) / (2 * p - 1)
        return fn.where(outside, closed, value).clamp(min=0.0, max=1.0)

    def icdf(self, value: Any) -> Tensor:
        outside, p, odds, _ = self._parts
        rest = (-p).log1p()
        closed = ((-p + value * (2 * p - 1)).log1p() - rest) / odds
        return fn.where(outside, closed, value)

    def entropy(self) -> Tensor:
        rest = (-self.probs).log1p()
        return self.mean * (rest - self.probs.log()) - self._cont_bern_log_norm() - rest

    def _log_normalizer(self, x: Tensor) -> Tensor:
        outside, safe = self._split(x, 0.5)
        closed = safe.expm1().abs().log() - safe.abs().log()
        return fn.where(outside, closed, x / 2 + x**2 / 24 - x**4 / 2880)
