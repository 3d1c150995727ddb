"""Softmax, log-softmax and softmin under torch's signatures."""

from __future__ import annotations

import warnings
from typing import Any

from .._dtypes import as_dtype, dtype
from .._tensor import F, Tensor
from ._register import composite


def _cast(input: Tensor, kind: dtype | None) -> Tensor:
    if kind is None or input.dtype is as_dtype(kind):
        return input
    out: Tensor = F.cast(input, as_dtype(kind))
    return out


def _implicit(name: str, input: Tensor, dim: int | None) -> int:
    """The old choice of a dimension where none is given."""
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=4,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


@composite(public="fm", aliases=("special.softmax",), out=True)
def softmax(input: Tensor, dim: int, dtype: dtype | None = None) -> Tensor:
    """exp(input) over its sum along `dim`, computed in `dtype` if that is given."""
    out: Tensor = F.softmax(_cast(input, dtype), dim)
    return out


@composite(public="fm", aliases=("special.log_softmax",), out=True)
def log_softmax(input: Tensor, dim: int, dtype: dtype | None = None) -> Tensor:
    """Logarithm of the softmax along `dim`, computed in `dtype` if that is given."""
    out: Tensor = F.log_softmax(_cast(input, dtype), dim)
    return out


@composite(public="n", name="softmax")
def functional_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """exp(input) over its sum along `dim`, computed in `dtype` if that is given."""
    return softmax(input, _implicit("softmax", input, dim), dtype)


@composite(public="n", name="log_softmax")
def functional_log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Logarithm of the softmax along `dim`, computed in `dtype` if that is given."""
    return log_softmax(input, _implicit("log_softmax", input, dim), dtype)


@composite(public="n")
def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Softmax of the negative input."""
    return softmax(F.neg(input), _implicit("softmin", input, dim), dtype)
