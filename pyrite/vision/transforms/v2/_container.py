"""Transforms of transforms: all, some, one of them, in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .... import nn
from .._draw import chance, order, weighted
from ._transform import Transform


class Several(Transform):
    """Base: `transforms`, of which `chosen` tells some to apply, one after the other."""

    may_be_empty = False

    def __init__(self, transforms: Any) -> None:
        super().__init__()
        if not isinstance(transforms, Sequence | nn.ModuleList):
            raise TypeError("Argument transforms should be a sequence of callables")
        if not (transforms or self.may_be_empty):
            raise ValueError("Pass at least one transform")
        self.transforms = transforms

    def chosen(self) -> Iterable[Callable[..., Any]]:
        """The transforms to apply to the next sample."""
        return iter(self.transforms)

    def forward(self, *inputs: Any) -> Any:
        for transform in self.chosen():
            out = transform(*inputs)
            inputs = out if len(inputs) > 1 else (out,)
        return inputs if len(inputs) > 1 else inputs[0]

    def extra_repr(self) -> str:
        return "\n".join(f"    {transform}" for transform in self.transforms)


class Compose(Several):
    """All `transforms`, one after the other."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__(transforms)


class RandomApply(Several):
    """All `transforms` with probability `p`, or else none of them."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__(transforms)
        if not 0.0 <= p <= 1.0:
            raise ValueError("`p` should be a floating point value in the interval [0.0, 1.0].")
        self.p = p

    def chosen(self) -> Iterable[Callable[..., Any]]:
        return super().chosen() if chance(self.p) else ()


class RandomChoice(Several):
    """One of the `transforms`, with probabilities in proportion to `p`; equal ones if None."""

    def __init__(
        self, transforms: Sequence[Callable[..., Any]], p: Sequence[float] | None = None
    ) -> None:
        super().__init__(transforms)
        if not isinstance(p, Sequence | None):
            raise TypeError("Argument p should be a sequence")
        if p is not None and len(p) != len(transforms):
            raise ValueError(
                f"Length of p doesn't match the number of transforms: {len(p)} != {len(transforms)}"
            )
        weights = [1.0] * len(transforms) if p is None else p
        self.p = [weight / sum(weights) for weight in weights]

    def chosen(self) -> Iterable[Callable[..., Any]]:
        return (self.transforms[weighted(self.p)],)


class RandomOrder(Several):
    """All `transforms` in random order."""

    def __init__(self, transforms: Sequence[Callable[..., Any]]) -> None:
        super().__init__(transforms)

    def chosen(self) -> Iterable[Callable[..., Any]]:
        return [self.transforms[i] for i in order(len(self.transforms))]
