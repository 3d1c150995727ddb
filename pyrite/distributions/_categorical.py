"""Distributions over categories: indices, one-hot vectors, counts, and their relaxations."""

from __future__ import annotations

import math
from typing import Any

from .._dtypes import finfo, int64
from .._tensor import Tensor
from ..autograd.modes import no_grad
from . import _functions as fn
from . import constraints
from ._distribution import Distribution, Odds
from ._parameters import broadcast_all, clamp_probs, size


def enumerated(like: Distribution, values: Tensor, expand: bool) -> Tensor:
    """`values` (n, *event) with the batch dimensions of `like` in between."""
    n, event = values.shape[:1], values.shape[1:]
    batch = like.batch_shape
    out = values.reshape(n + (1,) * len(batch) + event)
    return out.expand(n + batch + event) if expand else out


class Categorical(Odds, Distribution):
    """Indices 0 to n - 1 with the probabilities in the last dim of `probs`, or of log weights.

    Args:
        probs: weights, not negative; they are normalized.
        logits: log weights; one of the two is given, else ValueError.
        validate_args: as for `Distribution`.
    """

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}
    has_enumerate_support = True
    _binary = False

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        if given.ndim < 1:
            raise ValueError(f"`{name}` parameter must be at least one-dimensional.")
        total = given.sum(-1, True) if name == "probs" else given.logsumexp(-1, True)
        self.__dict__[name] = given / total if name == "probs" else given - total
        self._num_events = given.shape[-1]
        super().__init__(given.shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=0)
    def support(self) -> Any:
        return constraints.integer_interval(0, self._num_events - 1)

    @property
    def mean(self) -> Tensor:
        return self._param.new_full(self._extended_shape(), math.nan)

    variance = mean

    @property
    def mode(self) -> Tensor:
        return self.probs.argmax(-1)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        with no_grad():
            weights = self.probs.reshape(-1, self._num_events)
            drawn = fn.multinomial(weights, size(sample_shape).numel(), True).T
            return drawn.reshape(self._extended_shape(sample_shape))

    def log_prob(self, value: Any) -> Tensor:
        value = self._checked(value).to(int64).unsqueeze(-1)
        value, logs = fn.broadcast_tensors(value, self.logits)
        return logs.gather(-1, value[..., :1]).squeeze(-1)

    def entropy(self) -> Tensor:
        logits = self.logits.clamp(min=finfo(self.logits.dtype).min)
        return -(logits * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Tensor:
        values = fn.arange(self._num_events, device=self._param.device)
        return enumerated(self, values, expand)


class _OverCategorical(Distribution):
    """A distribution of vectors with one entry per category."""

    arg_constraints: Any = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        self._categorical = Categorical(probs, logits, validate_args=validate_args)
        shape = self._categorical.param_shape
        super().__init__(shape[:-1], shape[-1:], validate_args=validate_args)

    probs = property(lambda self: self._categorical.probs)
    logits = property(lambda self: self._categorical.logits)
    param_shape = property(lambda self: self._categorical.param_shape)
    _param = property(lambda self: self._categorical._param)


class OneHotCategorical(_OverCategorical):
    """One-hot vectors of categories; see `Categorical`."""

    support = constraints.one_hot
    has_enumerate_support = True
    mean = property(lambda self: self.probs)
    variance = property(lambda self: self.probs * (1 - self.probs))

    def _one_hot(self, index: Tensor) -> Tensor:
        return fn.one_hot(index, self.event_shape[0]).to(self._param.dtype)

    @property
    def mode(self) -> Tensor:
        return self._one_hot(self._categorical.mode)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        return self._one_hot(self._categorical.sample(sample_shape))

    def log_prob(self, value: Any) -> Tensor:
        return self._categorical.log_prob(self._checked(value).argmax(-1))

    def entropy(self) -> Tensor:
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> Tensor:
        like = self._param
        values = fn.eye(self.event_shape[0], dtype=like.dtype, device=like.device)
        return enumerated(self, values, expand)


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot vectors whose gradient is passed on to the probabilities as it is."""

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class Multinomial(_OverCategorical):
    """Counts of `total_count` draws of a `Categorical`; NotImplementedError for a tensor count."""

    def __init__(
        self, total_count: int = 1, probs: Tensor | None = None, logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        super().__init__(probs, logits, validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        return constraints.multinomial(self.total_count)

    mean = property(lambda self: self.probs * self.total_count)
    variance = property(lambda self: self.total_count * self.probs * (1 - self.probs))

    def sample(self, sample_shape: Any = ()) -> Tensor:
        drawn = self._categorical.sample((self.total_count, *sample_shape))
        counts = self.probs.detach().new_zeros(self._extended_shape(sample_shape))
        index = drawn.permute(*range(1, drawn.ndim), 0)
        return counts.scatter_add(-1, index, fn.ones_like(index, dtype=counts.dtype))

    def log_prob(self, value: Any) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        logits = logits.masked_fill(value.eq(0) & logits.eq(-math.inf), 0.0)
        ways = (value.sum(-1) + 1).lgamma() - (value + 1).lgamma().sum(-1)
        return ways + (logits * value).sum(-1)

    def entropy(self) -> Tensor:
        n, p = self.total_count, self.probs
        k = fn.arange(1, n + 1, dtype=p.dtype, device=p.device).reshape((n,) + (1,) * p.ndim)
        ways = math.lgamma(n + 1) - (k + 1).lgamma() - (n - k + 1).lgamma()
        chance = (ways + fn.xlogy(k, p) + fn.xlogy(n - k, 1 - p)).exp()
        repeats = (chance * (k + 1).lgamma()).sum((0, -1))
        return n * self._categorical.entropy() - math.lgamma(n + 1) + repeats


class ExpRelaxedCategorical(_OverCategorical):
    """Logs of `RelaxedOneHotCategorical`: Gumbel noise added to the logits, over a temperature."""

    support = constraints.real_vector
    has_rsample = True

    def __init__(
        self, temperature: Any, probs: Tensor | None = None, logits: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        self.temperature = temperature
        super().__init__(probs, logits, validate_args)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        logits = self.logits
        shape = self._extended_shape(sample_shape)
        u = clamp_probs(fn.rand(shape, dtype=logits.dtype, device=logits.device))
        scores = (logits - (-u.log()).log()) / self.temperature
        return scores - scores.logsumexp(-1, True)

    def log_prob(self, value: Any) -> Tensor:
        logits, value = broadcast_all(self.logits, self._checked(value))
        k = self.event_shape[0]
        score = logits - value * self.temperature
        log_temperature = fn.as_tensor(self.temperature, dtype=logits.dtype).log()
        scale = math.lgamma(k) + (k - 1) * log_temperature
        return (score - score.logsumexp(-1, True)).sum(-1) + scale
