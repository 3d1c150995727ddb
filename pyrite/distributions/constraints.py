"""Constraints: regions that parameters and samples lie in.

A constraint's `check(value)` gives a bool tensor without the constraint's `event_dim` rightmost
dimensions. `is_discrete` says whether the region is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import linalg
from .._dtypes import finfo
from . import _functions as fn

__all__ = [
    "Constraint", "MixtureSameFamilyConstraint", "boolean", "cat", "corr_cholesky", "dependent",
    "dependent_property", "greater_than", "greater_than_eq", "half_open_interval", "independent",
    "integer_interval", "interval", "is_dependent", "less_than", "lower_cholesky",
    "lower_triangular", "multinomial", "nonnegative", "nonnegative_integer", "one_hot", "positive",
    "positive_definite", "positive_integer", "positive_semidefinite", "real", "real_vector",
    "simplex", "square", "stack", "symmetric", "unit_interval",
]  # fmt: skip


class Constraint:
    """A region; subclass it with `check`."""

    is_discrete: Any = False
    event_dim: Any = 0
    bounds: tuple[str, ...] = ()

    def check(self, value: Any) -> Any:
        """Whether each event of `value` lies in the region."""
        raise NotImplementedError(f"{type(self).__name__} defines no check")

    def __repr__(self) -> str:
        inner = ", ".join(f"{name}={getattr(self, name)}" for name in self.bounds)
        return f"{type(self).__name__.removeprefix('_')}({inner})"


def _define(
    name: str, check: Callable[..., Any], *bounds: str, is_discrete: bool = False,
    event_dim: int = 0,
) -> Any:  # fmt: skip
    """A class of constraints with the given bounds: `check(value, *bounds)`."""

    def __init__(self: Any, *values: Any, **named: Any) -> None:
        given = dict(zip(bounds, values)) | named
        if given.keys() != set(bounds) or len(values) > len(bounds):
            raise TypeError(f"{name[1:]} takes {', '.join(bounds) or 'no arguments'}")
        self.__dict__.update(given)

    def checked(self: Any, value: Any) -> Any:
        return check(value, *[getattr(self, b) for b in bounds])

    fields = {
        "__init__": __init__, "check": checked, "bounds": bounds, "is_discrete": is_discrete,
        "event_dim": event_dim, "__module__": __name__, "__doc__": f"The constraint {name[1:]}.",
    }  # fmt: skip
    globals()[name] = made = type(name, (Constraint,), fields)
    return made


class _Dependent(Constraint):
    """A region that depends on other values; unknown parts are left out."""

    def __init__(self, *, is_discrete: Any = None, event_dim: Any = None) -> None:
        self._known = {"is_discrete": is_discrete, "event_dim": event_dim}

    def _ask(self, name: str) -> Any:
        if self._known[name] is None:
            raise NotImplementedError(f".{name} cannot be determined statically")
        return self._known[name]

    is_discrete = property(lambda self: self._ask("is_discrete"))
    event_dim = property(lambda self: self._ask("event_dim"))

    def __call__(self, **known: Any) -> _Dependent:
        return _Dependent(**{**self._known, **known})

    def check(self, value: Any) -> Any:
        raise ValueError("Cannot determine validity of dependent constraint")


def is_dependent(constraint: Any) -> bool:
    """Whether a constraint depends on other values."""
    return isinstance(constraint, _Dependent)


class dependent_property(property, _Dependent):
    """A property that is a constraint of the instance, and a dependent one of the class."""

    def __init__(
        self, fn: Callable[..., Any] | None = None, *, is_discrete: Any = None,
        event_dim: Any = None,
    ) -> None:  # fmt: skip
        property.__init__(self, fn)
        _Dependent.__init__(self, is_discrete=is_discrete, event_dim=event_dim)

    def __call__(self, fn: Any = None, **known: Any) -> Any:
        return type(self)(fn, **{**self._known, **known})


def _all_of(result: Any, ndims: int) -> Any:
    """`result` with its last dimensions reduced to whether all hold."""
    return result.reshape((*result.shape[: result.ndim - ndims], -1)).all(-1)


class _Wrapper(Constraint):
    """A constraint made of another."""

    def __init__(self, base_constraint: Any) -> None:
        if not isinstance(base_constraint, Constraint):
            kind = type(base_constraint).__name__
            raise AssertionError(f"base_constraint must be a Constraint, got {kind}")
        self.base_constraint = base_constraint

    is_discrete = property(lambda self: self.base_constraint.is_discrete)
    event_dim = property(lambda self: self.base_constraint.event_dim)


class _IndependentConstraint(_Wrapper):
    """A constraint whose last batch dimensions count as one event."""

    def __init__(self, base_constraint: Constraint, reinterpreted_batch_ndims: int) -> None:
        super().__init__(base_constraint)
        if not isinstance(reinterpreted_batch_ndims, int) or reinterpreted_batch_ndims < 0:
            raise AssertionError(
                f"reinterpreted_batch_ndims must be an int >= 0, got {reinterpreted_batch_ndims}"
            )
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    event_dim = property(
        lambda self: self.base_constraint.event_dim + self.reinterpreted_batch_ndims
    )

    def check(self, value: Any) -> Any:
        result = self.base_constraint.check(value)
        if result.ndim < self.reinterpreted_batch_ndims:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.ndim}")
        return _all_of(result, self.reinterpreted_batch_ndims)

    def __repr__(self) -> str:
        return f"IndependentConstraint({self.base_constraint!r}, {self.reinterpreted_batch_ndims})"


class MixtureSameFamilyConstraint(_Wrapper):
    """A mixture's support: that of every component."""

    def check(self, value: Any) -> Any:
        if value.ndim < self.event_dim:
            raise ValueError(f"Expected value.dim() >= {self.event_dim} but got {value.ndim}")
        result = self.base_constraint.check(value.unsqueeze(-1 - self.event_dim))
        return _all_of(result, result.ndim - (value.ndim - self.event_dim))

    def __repr__(self) -> str:
        return f"MixtureSameFamilyConstraint({self.base_constraint!r})"


class _Sequence(Constraint):
    """Constraints side by side along a dimension."""

    def __init__(self, cseq: Sequence[Constraint], dim: int = 0) -> None:
        if not all(isinstance(c, Constraint) for c in cseq):
            raise AssertionError("All elements of cseq must be Constraint instances")
        self.cseq, self.dim = list(cseq), dim

    is_discrete = property(lambda self: any(c.is_discrete for c in self.cseq))
    event_dim = property(lambda self: max(c.event_dim for c in self.cseq))


class _Cat(_Sequence):
    """Constraints of consecutive slices."""

    def __init__(
        self, cseq: Sequence[Constraint], dim: int = 0, lengths: Sequence[int] | None = None
    ) -> None:
        super().__init__(cseq, dim)
        self.lengths = [1] * len(self.cseq) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.cseq):
            raise AssertionError(f"lengths {self.lengths} must match the {len(self.cseq)} in cseq")

    def check(self, value: Any) -> Any:
        parts = value.split(self.lengths, self.dim)
        return fn.cat([c.check(v) for c, v in zip(self.cseq, parts)], self.dim)


class _Stack(_Sequence):
    """Constraints of the entries along a dimension."""

    @property
    def event_dim(self) -> int:
        dim: int = max(c.event_dim for c in self.cseq)
        return dim + 1 if self.dim + dim < 0 else dim

    def check(self, value: Any) -> Any:
        parts = value.unbind(self.dim)
        return fn.stack([c.check(v) for c, v in zip(self.cseq, parts)], self.dim)


def _whole(value: Any) -> Any:
    return value % 1 == 0


def _triangular(value: Any) -> Any:
    return _all_of(value.tril() == value, 2)


def _cholesky(value: Any) -> Any:
    return _triangular(value) & (value.diagonal(dim1=-2, dim2=-1) > 0).all(-1)


def _unit_rows(value: Any) -> Any:
    tolerance = finfo(value.dtype).eps * value.shape[-1] * 10
    norm = value.detach().square().sum(-1).sqrt()
    return _cholesky(value) & ((norm - 1.0).abs() <= tolerance).all(-1)


def _squares(value: Any) -> Any:
    same = value.shape[-2] == value.shape[-1]
    return fn.full(value.shape[:-2], same, dtype=(value == value).dtype, device=value.device)


def _symmetric(value: Any) -> Any:
    square = _squares(value)
    return _all_of(value.isclose(value.mT, atol=1e-6), 2) if square.all() else square


def _positive_semidefinite(value: Any) -> Any:
    symmetric = _symmetric(value)
    return (linalg.eigvalsh(value) >= 0).all(-1) if symmetric.all() else symmetric


def _positive_definite(value: Any) -> Any:
    symmetric = _symmetric(value)
    return linalg.cholesky_ex(value).info == 0 if symmetric.all() else symmetric


def _is_bit(value: Any) -> Any:
    return (value == 0) | (value == 1)


def _sums_to_one(value: Any) -> Any:
    return (value >= 0).all(-1) & ((value.sum(-1) - 1).abs() < 1e-6)


dependent = _Dependent()
independent = _IndependentConstraint
cat, stack = _Cat, _Stack

real = _define("_Real", lambda x: x == x)()
boolean = _define("_Boolean", _is_bit, is_discrete=True)()
one_hot = _define(
    "_OneHot", lambda x: _is_bit(x).all(-1) & (x.sum(-1) == 1), is_discrete=True, event_dim=1
)()
greater_than = _define("_GreaterThan", lambda x, low: low < x, "lower_bound")
greater_than_eq = _define("_GreaterThanEq", lambda x, low: low <= x, "lower_bound")
less_than = _define("_LessThan", lambda x, high: x < high, "upper_bound")
interval = _define(
    "_Interval", lambda x, low, high: (low <= x) & (x <= high), "lower_bound", "upper_bound"
)
half_open_interval = _define(
    "_HalfOpenInterval", lambda x, low, high: (low <= x) & (x < high), "lower_bound", "upper_bound"
)
integer_interval = _define(
    "_IntegerInterval", lambda x, low, high: _whole(x) & (low <= x) & (x <= high),
    "lower_bound", "upper_bound", is_discrete=True,
)  # fmt: skip
_at_least = _define(
    "_IntegerGreaterThan", lambda x, low: _whole(x) & (x >= low), "lower_bound", is_discrete=True
)
_define(
    "_IntegerLessThan", lambda x, high: _whole(x) & (x <= high), "upper_bound", is_discrete=True
)
multinomial = _define(
    "_Multinomial", lambda x, high: (x >= 0).all(-1) & (x.sum(-1) <= high), "upper_bound",
    is_discrete=True, event_dim=1,
)  # fmt: skip

positive, nonnegative = greater_than(0.0), greater_than_eq(0.0)
nonnegative_integer, positive_integer = _at_least(0), _at_least(1)
unit_interval, real_vector = interval(0.0, 1.0), independent(real, 1)
simplex = _define("_Simplex", _sums_to_one, event_dim=1)()
lower_triangular = _define("_LowerTriangular", _triangular, event_dim=2)()
lower_cholesky = _define("_LowerCholesky", _cholesky, event_dim=2)()
corr_cholesky = _define("_CorrCholesky", _unit_rows, event_dim=2)()
square = _define("_Square", _squares, event_dim=2)()
symmetric = _define("_Symmetric", _symmetric, event_dim=2)()
positive_semidefinite = _define("_PositiveSemidefinite", _positive_semidefinite, event_dim=2)()
positive_definite = _define("_PositiveDefinite", _positive_definite, event_dim=2)()
