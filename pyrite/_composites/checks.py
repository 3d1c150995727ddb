"""Checks that raise: `_assert`, `_check` and its like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import Tensor
from ._register import composite, named


def _check(name: str, error: type[Exception], least: str) -> None:
    def function(cond: Any, message: Callable[[], Any] | None = None) -> None:
        if not isinstance(cond, bool):
            raise TypeError(f"cond must be a bool, but got {type(cond)}")
        if not cond:
            raise error(f"{least}" if message is None else str(message()))

    named(function, name, "f", f"{error.__name__} unless `cond` holds; `message()` is its text.")


_TEXT = "Expected cond to be True, but got False; pass message= to say why"
for _name, _error in {
    "_check": RuntimeError, "_check_index": IndexError, "_check_value": ValueError,
    "_check_type": TypeError,
}.items():  # fmt: skip
    _check(_name, _error, _TEXT)


@composite("f", name="_check_is_size")
def _check_is_size(
    i: int, message: Callable[[], Any] | None = None, *, max: int | None = None
) -> None:
    """RuntimeError unless `i` can be a size: not negative, and at most `max`."""
    if i < 0 or (max is not None and i > max):
        raise RuntimeError(f"{i} is no valid size" if message is None else str(message()))


@composite("f", name="_check_tensor_all")
def _check_tensor_all(cond: Tensor, message: Callable[[], Any] | None = None) -> None:
    """RuntimeError unless all elements of a bool tensor hold."""
    if cond.dtype.name != "bool":
        raise TypeError(f"cond tensor must have dtype pyrite.bool, but got {cond.dtype}")
    if not bool(cond.all()):
        raise RuntimeError(_TEXT if message is None else str(message()))


@composite("f", name="_assert")
def _assert(condition: Any, message: str) -> None:
    """AssertionError with `message` unless `condition` holds."""
    assert condition, message
