"""Forward mode by hand, as torch has it: levels, duals, and what they are made of."""

from __future__ import annotations

import threading
from collections import namedtuple
from typing import Any

from .._tensor import Tensor
from .forward import DualLevel, checked_tangent
from .levels import active

__all__ = [
    "UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual",
    "unpack_dual",
]  # fmt: skip

UnpackedDualTensor = namedtuple("UnpackedDualTensor", ["primal", "tangent"])


class _Open(threading.local):
    level: DualLevel | None = None


_opened = _Open()


def enter_dual_level() -> int:
    """Start a level of forward mode; RuntimeError inside of another."""
    if _opened.level is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    level = _opened.level = DualLevel()
    level.number = active.levels[-1].number + 1 if active.levels else 1
    active.levels = (*active.levels, level)
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End the level; its tensors lose their tangents."""
    ended = _opened.level
    if ended is None:
        raise RuntimeError("Dual level must be a positive number.")
    ended.ended, _opened.level = True, None
    active.levels = tuple([x for x in active.levels if x is not ended])


class dual_level:
    """Context manager: a level of forward mode."""

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *_: Any) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """`tensor` with a tangent, which what is computed from it carries on."""
    if _opened.level is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for what, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.dtype.is_floating_point or t.dtype.is_complex):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")
    made: Tensor = _opened.level.join(tensor, checked_tangent(tensor, tangent))
    return made


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """(primal, tangent); the tangent is None where there is none."""
    if _opened.level is None:
        return UnpackedDualTensor(tensor, None)
    return UnpackedDualTensor(*_opened.level.split(tensor))
