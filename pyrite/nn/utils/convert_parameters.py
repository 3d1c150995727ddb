"""Parameters as one vector and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..._tensor import F, Tensor


def _check_devices(parameters: Sequence[Tensor]) -> None:
    places = {str(p.device) for p in parameters}
    if len(places) > 1:
        raise TypeError(
            "Found two parameters on different devices, this is currently not supported: "
            f"{', '.join(sorted(places))}"
        )


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All elements of the parameters, in order, as one tensor of one dimension."""
    chosen = list(parameters)
    _check_devices(chosen)
    return F.cat([F.reshape(p, (-1,)) for p in chosen], 0)


def vector_to_parameters(vec: Any, parameters: Iterable[Tensor]) -> None:
    """Let each parameter hold its slice of the vector, whose memory they then share."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected pyrite.Tensor, but got: {type(vec).__name__}")
    chosen = list(parameters)
    _check_devices(chosen)
    start = 0
    for param in chosen:
        end = start + param.array.size
        piece: Any = F.view(F.slice(vec, (slice(start, end),)), param.array.shape)
        param.data = piece.data
        start = end
