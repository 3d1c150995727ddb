"""What the optimizers' rules share: checked options and initial state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._dtypes import float32, float64, get_default_dtype
from .._graph import outside
from .._tensor import F, Tensor
from ..autograd import modes


def counter(value: float = 0.0) -> Tensor:
    """A step count as a tensor on the CPU, as checkpoints hold it."""
    kind = float64 if get_default_dtype() is float64 else float32
    return F.full((), float(value), kind, device="cpu")


def count_step(states: Sequence[dict[str, Any]]) -> int:
    """Add one to the step counts, which are equal; the new count."""

    def count() -> int:
        for state in states:
            state["step"].array += 1
        return int(states[0]["step"].array)

    step: int = outside(count)
    return step


def current(group: dict[str, Any]) -> dict[str, Any]:
    """A group with its options as numbers; a captured step asks for them anew at each replay."""
    names = [name for name in group if name not in ("params", "param_names")]
    values = outside(lambda: tuple([_number(group[name]) for name in names]))
    return group | dict(zip(names, values, strict=True))


def _number(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple([_number(v) for v in value])
    return float(value.array.item()) if isinstance(value, Tensor) else value


def zeros(param: Tensor, *names: str) -> dict[str, Tensor]:
    """State that starts at zero, in the parameter's shape and dtype."""
    modes.tell("first_step")
    with modes.no_grad():
        return {name: F.zeros_like(param) for name in names}


def filled(param: Tensor, value: Any) -> Tensor:
    """State that starts at a number; complex ones at that in both parts."""
    number = float(value)
    start = complex(number, number) if param.dtype.is_complex else number
    return F.full(tuple(param.shape), start, param.dtype, device=param.device)


_NOT_NEGATIVE = (
    "eps", "momentum", "weight_decay", "alpha", "lr_decay", "initial_accumulator_value",
    "momentum_decay",
)  # fmt: skip


def checked(**options: Any) -> dict[str, Any]:
    """The options of a rule; ValueError or RuntimeError, in torch's words, for a bad one.

    A constructor may hand over its `locals()`.
    """
    for name in ("self", "params", "__class__"):
        options.pop(name, None)
    lr = options["lr"]
    if isinstance(lr, Tensor) and lr.array.size != 1:
        raise ValueError(f"Tensor lr must be 1-element, got shape {list(lr.shape)}")
    if not float(lr) >= 0.0:
        raise ValueError(f"Invalid learning rate: {lr} (expected >= 0)")
    for name in _NOT_NEGATIVE:
        value = options.get(name, 0.0)
        if not float(value) >= 0.0:
            name = "epsilon" if name == "eps" else name
            raise ValueError(f"Invalid {name} value: {value} (expected >= 0)")
    if "betas" in options:
        options["betas"] = _checked_betas(options["betas"])
    fused, differentiable = options.get("fused"), options.get("differentiable")
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and options["foreach"]:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if differentiable:
        raise RuntimeError(
            "differentiable=True: a step writes its parameters in place and is not recorded; "
            "write the update with tensor operations to differentiate through it"
        )
    return options


def _checked_betas(betas: Any) -> tuple[float, float]:
    for i, beta in enumerate(betas):
        if isinstance(beta, Tensor) and beta.array.size != 1:
            raise ValueError(f"Tensor betas[{i}] must be 1-element, got shape {list(beta.shape)}")
        if not 0.0 <= float(beta) < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {beta} (expected in [0, 1))")
    first, second = betas
    if isinstance(first, Tensor) != isinstance(second, Tensor):
        raise ValueError("betas must be either both floats or both Tensors")
    return float(first), float(second)
