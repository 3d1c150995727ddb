"""Ops that shape the recorded graph itself."""

from __future__ import annotations

from typing import Any

from .table import Array, Arrays, op


@op(kind="other", dtypes="any", outputs="*", public="")
def tie(xp: Any, tensors: Arrays) -> tuple[Array, ...]:
    """The same values through one node, where all their gradients meet (backward hooks)."""
    return tuple(tensors)


tie.vjp(tensors=lambda F, gs: gs)
