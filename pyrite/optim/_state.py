"""What the optimizers' rules share: checked options and initial state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._dtypes import float32, float64, get_default_dtype
from .._tensor import F, Tensor
from ..autograd import modes


def counter(value: float = 0.0) -> Tensor:
    """A step count as a tensor on the CPU, as checkpoints hold it."""
    kind = float64 if get_default_dtype() is float64 else float32
    count: Tensor = F.full((), float(value), kind, device="cpu")
    return count


def count_step(states: Sequence[dict[str, Any]]) -> int:
    """Add one to the step counts, which are equal; the new count."""
    for state in states:
        state["step"].array += 1
    return int(states[0]["step"].array)


def zeros(param: Tensor) -> Tensor:
    """State that starts at zero, in the parameter's shape and dtype."""
    with modes.no_grad():
        out: Tensor = F.zeros_like(param)
    return out


def check_lr(lr: Any) -> None:
    """ValueError for a negative learning rate or a tensor of several elements."""
    if isinstance(lr, Tensor) and lr.array.size != 1:
        raise ValueError(f"Tensor lr must be 1-element, got shape {list(lr.shape)}")
    if not float(lr) >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr} (expected >= 0)")


def check_not_negative(options: dict[str, Any]) -> None:
    """ValueError, in torch's words, for an option below zero."""
    for name, value in options.items():
        if not float(value) >= 0.0:
            raise ValueError(f"Invalid {name} value: {value} (expected >= 0)")


def check_flags(differentiable: bool, foreach: bool | None, fused: bool | None) -> None:
    """RuntimeError for flags that exclude each other; each step is one fused call anyway."""
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if differentiable:
        raise RuntimeError(
            "differentiable=True: a step writes its parameters in place and is not recorded; "
            "write the update with tensor operations to differentiate through it"
        )
