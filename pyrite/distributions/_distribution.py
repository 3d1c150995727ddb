"""The base of all distributions, and the declared form that most of them have."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._tensor import Size, Tensor
from ..autograd import grad
from ..autograd.modes import no_grad
from . import _functions as fn
from . import constraints
from ._parameters import broadcast_all, lazy_property, logits_to_probs, probs_to_logits, size


def _open(name: str, doc: str) -> Callable[..., Any]:
    """A method that not every distribution has."""

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no {name} in closed form")

    method.__name__, method.__doc__ = name, doc
    return method


class Distribution:
    """A probability distribution of batches of events.

    Args:
        batch_shape: the shape of the parameters, one distribution each.
        event_shape: the shape of one sample of one distribution.
        validate_args: whether parameters and values are checked; default: as
            `set_default_validate_args` says. ValueError names what is wrong.
    """

    if TYPE_CHECKING:  # the parameters

        def __getattr__(self, name: str) -> Any: ...

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args = __debug__

    arg_constraints: Any = property(_open("arg_constraints", "Constraint of each parameter."))
    support: Any = property(_open("support", "The constraint that samples satisfy."))
    mean: Any = property(_open("mean", "The mean."))
    mode: Any = property(_open("mode", "The most probable value."))
    variance: Any = property(_open("variance", "The variance."))
    rsample: Any = _open("rsample", "Samples that are differentiable in the parameters.")
    log_prob: Any = _open("log_prob", "The log of the density or mass of `value`.")
    cdf: Any = _open("cdf", "The probability of a sample up to `value`.")
    icdf: Any = _open("icdf", "The value that a sample exceeds with probability 1 - `value`.")
    entropy: Any = _open("entropy", "The entropy in nats, of shape `batch_shape`.")
    enumerate_support: Any = _open("enumerate_support", "All values, along dim 0.")

    def __init__(
        self, batch_shape: Any = (), event_shape: Any = (), validate_args: bool | None = None
    ) -> None:
        self._batch_shape, self._event_shape = size(batch_shape), size(event_shape)
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._validate_parameters()

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Check parameters and values from now on, or not; ValueError for no bool."""
        if value not in (True, False):
            raise ValueError(f"expected True or False, got {value!r}")
        Distribution._validate_args = value

    def _validate_parameters(self) -> None:
        try:
            found = self.arg_constraints
        except NotImplementedError:
            found = {}
            warnings.warn(
                f"{type(self)} does not define `arg_constraints`. Please set `arg_constraints = "
                "{}` or initialize the distribution with `validate_args=False` to turn off "
                "validation.",
                stacklevel=4,
            )
        for name, constraint in found.items():
            lazy = isinstance(getattr(type(self), name, None), lazy_property)
            if constraints.is_dependent(constraint) or (lazy and name not in self.__dict__):
                continue
            value = getattr(self, name)
            if not constraint.check(value).all():
                raise ValueError(
                    f"Expected parameter {name} ({type(value).__name__} of shape "
                    f"{tuple(value.shape)}) of distribution {self!r} to satisfy the constraint "
                    f"{constraint!r}, but found invalid values:\n{value}"
                )

    @property
    def batch_shape(self) -> Size:
        """The shape of the parameters."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one event."""
        return self._event_shape

    @property
    def stddev(self) -> Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Samples of shape `sample_shape + batch_shape + event_shape`, without history."""
        with no_grad():
            return self.rsample(sample_shape)

    def sample_n(self, n: int) -> Tensor:
        """`sample((n,))`, under its old name."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.", FutureWarning,
            stacklevel=2,
        )  # fmt: skip
        return self.sample((n,))

    def perplexity(self) -> Tensor:
        """The exponential of the entropy."""
        return self.entropy().exp()

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same distribution with its parameters expanded to `batch_shape`, sharing memory."""
        new = object.__new__(type(self)) if _instance is None else _instance
        batch, had = size(batch_shape), len(self._batch_shape)
        for name, value in self.__dict__.items():
            if isinstance(value, Distribution):
                value = value.expand(batch + value.batch_shape[had:])
            elif isinstance(value, Tensor) and name != "temperature":
                value = value.expand(batch + value.shape[had:])  # all have the batch's shape
            new.__dict__[name] = value
        new._batch_shape = batch
        return new

    def _extended_shape(self, sample_shape: Any = ()) -> Size:
        return size(sample_shape) + self._batch_shape + self._event_shape

    def _checked(self, value: Any) -> Any:
        """`value`, after validation where it is on."""
        if self._validate_args:
            self._validate_sample(value)
        return value

    def _validate_sample(self, value: Any) -> None:
        """ValueError for a value of the wrong shape or outside the support."""
        if not isinstance(value, Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        got, event = value.shape, self._event_shape
        if got[len(got) - len(event) :] != event:
            raise ValueError(
                f"The right-most size of value must match event_shape: {got} vs {event}."
            )
        want = self._batch_shape + event
        if any(i != j and 1 not in (i, j) for i, j in zip(reversed(got), reversed(want))):
            raise ValueError(
                f"Value is not broadcastable with batch_shape+event_shape: {got} vs {want}."
            )
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{type(self)} does not define `support` to enable sample validation. Please "
                "initialize the distribution with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
            return
        if not support.check(value).all():
            raise ValueError(
                f"Expected value argument ({type(value).__name__} of shape {tuple(got)}) to be "
                f"within the support ({support!r}) of the distribution {self!r}, but found invalid "
                f"values:\n{value}"
            )

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        """The instance that a subclass's `expand` fills."""
        if _instance is not None:
            return _instance
        if type(self).__init__ is not cls.__init__:  # type: ignore[misc]
            raise NotImplementedError(
                f"Subclass {type(self).__name__} of {cls.__name__} that defines a custom __init__ "
                "method must also define a custom .expand() method."
            )
        return object.__new__(type(self))

    def __repr__(self) -> str:
        found = [(n, self.__dict__[n]) for n in self.arg_constraints if n in self.__dict__]
        inner = ", ".join(f"{n}: {v if v.numel() == 1 else v.shape}" for n, v in found)
        return f"{type(self).__name__}({inner})"


class ExponentialFamily(Distribution):
    """A family of densities exp(t(x) . theta - F(theta) + k(x)).

    Subclasses give `_natural_params` (theta), `_log_normalizer(*theta)` (F) and
    `_mean_carrier_measure` (the mean of k); the entropy follows by differentiating F.
    """

    _natural_params: Any = property(_open("_natural_params", "The natural parameters."))
    _log_normalizer: Any = _open("_log_normalizer", "The log normalizer of natural parameters.")
    _mean_carrier_measure: Any = property(_open("_mean_carrier_measure", "The mean of k."))

    def entropy(self) -> Tensor:
        """The entropy, by Bregman's form."""
        carrier = self._mean_carrier_measure
        theta = [p.detach().requires_grad_() for p in self._natural_params]
        log_normal = self._log_normalizer(*theta)
        slopes = grad(log_normal.sum(), theta, create_graph=True)
        terms = [(t * s).reshape((*self._batch_shape, -1)).sum(-1) for t, s in zip(theta, slopes)]
        return log_normal - carrier - sum(terms)


class Parametric(Distribution):
    """A distribution declared by its parameters, numbers or tensors, which broadcast together.

    `_arguments` gives the constructor's parameters with their defaults (`...`: required), by
    default the names in `arg_constraints`. Of `probs` and `logits` exactly one is given.
    Subclasses define `_log_prob` and `_cdf` of a checked value.
    """

    _arguments: dict[str, Any] = {}
    _signature: inspect.Signature

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if isinstance(found := vars(cls).get("arg_constraints"), dict):
            cls._arguments = vars(cls).get("_arguments", dict.fromkeys(found, ...))
        arguments = {**cls._arguments, "validate_args": None}
        cls._signature = inspect.Signature([
            inspect.Parameter(
                n, inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=inspect.Parameter.empty if d is ... else d,
            )
            for n, d in arguments.items()
        ])  # fmt: skip
        if "__init__" not in vars(cls):
            cls.__signature__ = cls._signature  # type: ignore[attr-defined]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        given = {**self._arguments, **self._signature.bind(*args, **kwargs).arguments}
        validate_args = given.pop("validate_args", None)
        if "probs" in given and (given["probs"] is None) == (given["logits"] is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        names = [n for n, v in given.items() if v is not None]
        self.__dict__.update(zip(names, broadcast_all(*[given[n] for n in names])))
        self._prepare()
        super().__init__(self._like().shape, validate_args=validate_args)

    def _prepare(self) -> None:
        """Change the parameters before they are checked."""

    _log_prob: Any = _open("log_prob", "The log density of a checked value.")
    _cdf: Any = _open("cdf", "The distribution function at a checked value.")

    def log_prob(self, value: Any) -> Tensor:
        """The log of the density or mass of `value`."""
        return self._log_prob(self._checked(value))

    def cdf(self, value: Any) -> Tensor:
        """The probability of a sample up to `value`."""
        return self._cdf(self._checked(value))

    def _like(self) -> Tensor:
        """A parameter, which gives samples their dtype and device."""
        return next(v for v in self.__dict__.values() if isinstance(v, Tensor))

    def _draw(self, make: str, sample_shape: Any) -> Tensor:
        """`rand` or `randn` of the shape of samples."""
        like = self._like()
        shape = self._extended_shape(sample_shape)
        return getattr(fn, make)(shape, dtype=like.dtype, device=like.device)

    def _constant(self, value: float) -> Tensor:
        """A tensor of the parameters' shape and dtype."""
        return fn.full_like(self._like(), value)


class Odds:
    """Of `probs` and `logits`, the one not given, made when first read."""

    _binary = True
    __dict__: dict[str, Any]

    @lazy_property
    def logits(self) -> Tensor:
        """The log odds, or normalized log probabilities."""
        return probs_to_logits(self.probs, self._binary)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, self._binary)

    @property
    def _param(self) -> Tensor:
        return self.__dict__["probs"] if "probs" in self.__dict__ else self.__dict__["logits"]

    @property
    def param_shape(self) -> Size:
        """The shape of `probs`, or `logits`."""
        return self._param.shape
