"""Levels: the transforms that run, and the Tensors that stand for more than they show.

`vmap` and forward mode wrap Tensors: a wrapper's `array` shows one example (the primal value), so
that shapes, dtypes and devices read as usual, while `value` holds what is computed with. Its
history is that of `value`. A call with wrappers among its operands is not plain, so it reaches
`slow`, which hands it to the level of the innermost transform; that one calls again with what
it unwrapped.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from .._tensor import Tensor


class Level(ABC):
    """One transform that runs; the one that started last has the highest number."""

    number: int = 0

    @abstractmethod
    def call(self, op: Any, args: tuple[Any, ...], device: Any) -> Any:
        """The op on operands of which some are wrappers of this level, none of a higher one."""

    @abstractmethod
    def apply(self, function: Any, args: tuple[Any, ...]) -> Any:
        """A custom Function on such arguments."""

    @abstractmethod
    def gradients(self, outputs: Any, inputs: Any, seeds: Any, create: bool, keep: bool) -> Any:
        """The gradients of wrappers of this level, from those of what they hold."""


class _Active(threading.local):
    levels: tuple[Level, ...] = ()


active = _Active()


@contextmanager
def entered(level: Level) -> Iterator[None]:
    """Run inside one more transform."""
    before, number = active.levels, level.number
    level.number = before[-1].number + 1 if before else 1
    active.levels = (*before, level)
    try:
        yield
    finally:
        active.levels, level.number = before, number or level.number


def _of_value(name: str) -> Any:
    def write(self: Any, new: Any) -> None:
        setattr(self.value, name, new)

    return property(lambda self: getattr(self.value, name), write)


class Wrapped(Tensor):
    """A Tensor of a level, around another one."""

    __slots__ = ("level", "value")

    level: Any
    value: Tensor
    # A wrapper of the same level around other Tensors.
    around: Callable[..., Tensor]
    # Write in place: `update(other, write)` calls `write(held, its share of other)`.
    update: Callable[[Any, Callable[[Tensor, Any], Any]], None]

    def __init__(self, array: Any, value: Tensor, level: Any) -> None:
        self.array, self.value, self.level = array, value, level
        self.hooks = self._grad = None

    storage, node, index, cut = map(_of_value, ("storage", "node", "index", "cut"))
    _requires_grad = _of_value("_requires_grad")
    requires_grad = property(lambda self: any(p.requires_grad for p in self.parts()))

    def held(self) -> tuple[Tensor, ...]:
        """The Tensors inside, one level down."""
        return (self.value,)

    def map(self, function: Callable[[Tensor], Tensor]) -> Tensor:
        """A wrapper of the same level around what `function` makes of what this one holds."""
        return self.around(*map(function, self.held()))

    def parts(self) -> list[Tensor]:
        """The plain Tensors inside."""
        return [p for held in self.held() for p in parts(held)]

    def become(self, other: Any) -> None:
        """Hold what another wrapper of this level holds."""
        self.array, self.value = other.array, other.value

    def detach(self) -> Tensor:
        return self.map(lambda held: held.detach())

    data = property(lambda self: self.map(lambda t: t.data))

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        raise RuntimeError(
            "You are attempting to call Tensor.requires_grad_() inside of a function being "
            "transformed by vmap or forward mode. This is unsupported: use pyrite.func (grad, vjp, "
            "jacrev, ...) or call requires_grad_() outside of the function being transformed"
        )

    def backward(self, *args: Any, **kwargs: Any) -> None:
        refuse_backward()

    def fresh(self, made: Tensor) -> Tensor:
        """A new Tensor that can be written with what this one stands for."""
        return self.value.fresh(made) if isinstance(self.value, Wrapped) else made


def refuse_backward() -> None:
    """RuntimeError: gradients inside of a transform are returned, not accumulated."""
    raise RuntimeError(
        "backward() called inside a functorch transform. This is not supported, please use "
        "pyrite.func.grad or pyrite.func.vjp instead or call backward() outside of transforms."
    )


def parts(tensor: Tensor) -> list[Tensor]:
    """The plain Tensors that a Tensor is made of."""
    return tensor.parts() if isinstance(tensor, Wrapped) else [tensor]


def outermost(values: Iterable[Any]) -> Any:
    """The highest level among wrappers (sequences are looked into); None without any."""
    found: Any = None
    for value in values:
        if isinstance(value, tuple | list):
            level = outermost(value)
        else:
            level = value.level if isinstance(value, Wrapped) else None
        if level is not None and (found is None or level.number > found.number):
            found = level
    return found


def above(tensor: Any, level: Level) -> bool:
    """Whether a Tensor is wrapped by a transform inside of `level`."""
    return isinstance(tensor, Wrapped) and tensor.level.number > level.number
