"""Distances of vectors."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from .. import functional
from ._make import FunctionModule, declared
from .module import Module


@declared
class CosineSimilarity(FunctionModule):
    """Cosine of the angle between vectors along `dim`."""

    function = "cosine_similarity"
    dim: int = 1
    eps: float = 1e-8

    def forward(self, x1: Tensor, x2: Tensor) -> Any:  # type: ignore[override]
        return self._call(x1, x2)


class PairwiseDistance(Module):
    """p-norm of the differences of vectors along the last dimension."""

    def __init__(self, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> None:
        super().__init__()
        self.norm, self.eps, self.keepdim = p, eps, keepdim

    def forward(self, x1: Tensor, x2: Tensor) -> Tensor:
        distance: Any = functional.pairwise_distance
        return distance(x1, x2, self.norm, self.eps, self.keepdim)
