"""Softmax, log-softmax and softmin under torch's signatures."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .._dtypes import as_dtype, dtype
from .._tensor import F, Tensor
from ._register import composite, named


def _cast(input: Tensor, kind: dtype | None) -> Tensor:
    if kind is None or input.dtype is as_dtype(kind):
        return input
    return F.cast(input, as_dtype(kind))


def _implicit(name: str, input: Tensor) -> int:
    """The old choice of a dimension where none is given."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=3,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


@composite(public="fm", aliases=("special.softmax",), out=True)
def softmax(input: Tensor, dim: int, dtype: dtype | None = None) -> Tensor:
    """exp(input) over its sum along `dim`, computed in `dtype` if that is given."""
    return F.softmax(_cast(input, dtype), dim)


@composite(public="fm", aliases=("special.log_softmax",), out=True)
def log_softmax(input: Tensor, dim: int, dtype: dtype | None = None) -> Tensor:
    """Logarithm of the softmax along `dim`, computed in `dtype` if that is given."""
    return F.log_softmax(_cast(input, dtype), dim)


def _functional(name: str, function: Callable[..., Tensor], doc: str) -> None:
    """The form in `nn.functional`, whose `dim` may be left out."""

    def functional(
        input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
    ) -> Tensor:
        axis = _implicit(name, input) if dim is None else dim
        return function(input, axis, dtype)

    named(functional, name, "n", doc)


_functional("softmax", softmax, softmax.__doc__ or "")
_functional("log_softmax", log_softmax, log_softmax.__doc__ or "")
_functional("softmin", lambda x, *how: softmax(F.neg(x), *how), "Softmax of the negative input.")
