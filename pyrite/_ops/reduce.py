"""Reductions."""

from __future__ import annotations

from typing import Any

from .._errors import wrap_dim
from .table import Array, op


@op(kind="reduce", public="")
def sum(xp: Any, input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """Sum over `dim` (an int, a tuple, or None for all)."""
    return xp.sum(input, axis=dim, keepdims=keepdim)


def expand_reduced(F: Any, g: Any, dim: Any, keepdim: bool, shape: tuple[int, ...]) -> Any:
    """A reduced gradient stretched back over the dimensions that were reduced."""
    n = len(shape)
    dims = range(n) if dim is None else [dim] if isinstance(dim, int) else dim
    kept = list(shape)
    for d in dims:
        if n:
            kept[wrap_dim(d, n)] = 1
    return F.expand(g if keepdim else F.reshape(g, tuple(kept)), shape)


sum.vjp(input=lambda F, g, dim, keepdim, input_shape: expand_reduced(F, g, dim, keepdim, input_shape))


@op(kind="reduce", public="fm")
def any(xp: Any, input: Array) -> Array:
    return xp.any(input)
