"""Fresh memory for a layer's parameters and buffers."""

from __future__ import annotations

from typing import Any

from ..._dtypes import get_default_dtype
from ..._tensor import F, Tensor


def empty(size: tuple[int, ...], device: Any, dtype: Any) -> Tensor:
    """Uninitialised; the layer's `reset_parameters` fills it."""
    out: Tensor = F.empty(size, dtype or get_default_dtype(), device=device)
    return out


def full(size: tuple[int, ...], value: Any, device: Any, dtype: Any) -> Tensor:
    """Every element `value`."""
    out: Tensor = F.full(size, value, dtype or get_default_dtype(), device=device)
    return out


def tuple_of(value: Any, n: int) -> tuple[Any, ...]:
    """`value` n times, or the tuple it already is."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n
