"""Registries from constraints to transforms of unconstrained space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import constraints, transforms
from .transforms import AffineTransform, ComposeTransform, ExpTransform, SigmoidTransform

Factory = Callable[[Any], transforms.Transform]


class ConstraintRegistry:
    """Finds a transform onto a constraint's region: `registry(constraint)`."""

    def __init__(self) -> None:
        self._registry: dict[type, Factory] = {}

    def register(self, constraint: Any, factory: Factory | None = None) -> Any:
        """Register a function of the constraint for a class (or that of an instance).

        Without `factory`, a decorator. TypeError for anything but constraints.
        """
        if factory is None:
            return lambda given: self.register(constraint, given)
        kind = type(constraint) if isinstance(constraint, constraints.Constraint) else constraint
        if not (isinstance(kind, type) and issubclass(kind, constraints.Constraint)):
            raise TypeError(
                "Expected constraint to be either a Constraint subclass or instance, but got "
                f"{constraint}"
            )
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Any) -> transforms.Transform:
        if type(constraint) not in self._registry:
            raise NotImplementedError(
                f"Cannot transform {type(constraint).__name__} constraints; register a transform"
            )
        return self._registry[type(constraint)](constraint)


biject_to, transform_to = ConstraintRegistry(), ConstraintRegistry()


def _between(constraint: Any) -> transforms.Transform:
    low, high = constraint.lower_bound, constraint.upper_bound
    if isinstance(low, int | float) and isinstance(high, int | float) and (low, high) == (0, 1):
        return SigmoidTransform()
    return ComposeTransform([SigmoidTransform(), AffineTransform(low, high - low)])


def _above(constraint: Any) -> transforms.Transform:
    return ComposeTransform([ExpTransform(), AffineTransform(constraint.lower_bound, 1)])


def _below(constraint: Any) -> transforms.Transform:
    return ComposeTransform([ExpTransform(), AffineTransform(constraint.upper_bound, -1)])


def _fill(registry: ConstraintRegistry) -> None:
    """What both registries have."""
    c, t, register = constraints, transforms, registry.register
    for kind in (c.greater_than, c.greater_than_eq):
        register(kind, _above)
    for kind in (c.interval, c.half_open_interval):
        register(kind, _between)
    register(c.less_than, _below)
    register(c.real, lambda _: t.identity_transform)
    register(c.corr_cholesky, lambda _: t.CorrCholeskyTransform())
    register(
        c.independent,
        lambda k: t.IndependentTransform(registry(k.base_constraint), k.reinterpreted_batch_ndims),
    )
    register(c.cat, lambda k: t.CatTransform([registry(p) for p in k.cseq], k.dim, k.lengths))
    register(c.stack, lambda k: t.StackTransform([registry(p) for p in k.cseq], k.dim))


_fill(biject_to)
_fill(transform_to)
biject_to.register(constraints.simplex, lambda _: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda _: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda _: transforms.LowerCholeskyTransform())
for _kind in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_kind, lambda _: transforms.PositiveDefiniteTransform())
