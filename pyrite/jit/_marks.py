"""Decorators and annotations that programs written for TorchScript carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

Thing = TypeVar("Thing")

__all__ = ["Final"]


def ignore(drop: Any = False, **options: Any) -> Any:
    """Mark a method that a compiler leaves to Python: returned as it is.

    Used bare or with arguments (`@ignore(drop=True)`).
    """
    return drop if callable(drop) else lambda function: function


def unused(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a method that a compiled program never calls: returned as it is."""
    return fn


def export(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a method that a compiled module keeps besides `forward`: returned as it is."""
    return fn


def interface(obj: type[Thing]) -> type[Thing]:
    """Mark a class as the interface of submodules: returned as it is."""
    return obj


def script_if_tracing(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a function to compile when it is met while tracing: returned as it is."""
    return fn


def annotate(the_type: Any, the_value: Thing) -> Thing:
    """Tell a compiler the type of a value: the value."""
    return the_value


def is_instance(obj: Any, target_type: Any) -> bool:
    """`isinstance` that also takes annotations such as `list[int]` (their container counts)."""
    kinds = target_type if isinstance(target_type, tuple) else (target_type,)
    return isinstance(obj, tuple([getattr(k, "__origin__", None) or k for k in kinds]))


def is_scripting() -> bool:
    """Whether a compiled program runs: never, Python does."""
    return False


def is_tracing() -> bool:
    """Whether a call is being traced."""
    return False


class Attribute(NamedTuple):
    """A module's attribute with its type."""

    value: Any
    type: Any
