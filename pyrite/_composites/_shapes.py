"""What layers share: sizes per dimension, inputs with or without a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._tensor import F, Tensor

Sizes = tuple[int, ...]


def per_dim(name: str, argument: str, value: Any, n: int) -> Sizes:
    """`value` for each of `n` dimensions: an int, or a sequence of 1 or `n` ints."""
    if isinstance(value, int):
        return (value,) * n
    if isinstance(value, Sequence) and not isinstance(value, str):
        if len(value) == n:
            return tuple([int(v) for v in value])
        if len(value) == 1:
            return (int(value[0]),) * n
        raise RuntimeError(
            f"{name}: {argument} must either be a single int, or a tuple of {n} ints, got {value}"
        )
    if hasattr(value, "__index__"):
        return (int(value),) * n
    raise TypeError(
        f"{name}(): argument '{argument}' must be tuple of ints or int, not {type(value).__name__}"
    )


def only_tensors(name: str, **operands: Any) -> None:
    """TypeError for a number where torch takes none."""
    for argument, value in operands.items():
        if not isinstance(value, Tensor):
            kind = type(value).__name__
            raise TypeError(f"{name}(): argument '{argument}' must be Tensor, not {kind}")


def same_dtype(name: str, input: Tensor, other: Tensor) -> None:
    """RuntimeError for two dtypes."""
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"{name}(): expected both tensors to have the same dtype, got {input.dtype} and "
            f"{other.dtype}; convert one with .to(dtype)"
        )


def batched(name: str, input: Tensor, n: int) -> Tensor:
    """(batch, channels, *n sizes), a batch of 1 put in front where there is none."""
    if input.ndim == n + 2:
        return input
    if input.ndim == n + 1:
        return F.view(input, (1, *input.shape))
    raise RuntimeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {name}, but got input of "
        f"size: {list(input.shape)}"
    )


def unbatched(out: Tensor, like: Tensor) -> Tensor:
    """Without the batch of 1 if `like`, the call's input, has none."""
    return out if out.ndim == like.ndim else F.reshape(out, out.shape[1:])
