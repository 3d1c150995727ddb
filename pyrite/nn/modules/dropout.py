"""Dropout (Srivastava et al. 2014)."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from .. import functional
from .module import Module

F: Any = functional


class _Dropout(Module):
    function: str

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p, self.inplace = p, inplace

    def forward(self, input: Tensor) -> Tensor:
        return getattr(F, self.function)(input, self.p, self.training, self.inplace)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zeroes elements with probability p in training and scales the others by 1/(1-p)."""

    function = "dropout"


class Dropout1d(_Dropout):
    """Zeroes whole channels of (N, C, L)."""

    function = "dropout1d"


class Dropout2d(_Dropout):
    """Zeroes whole channels of (N, C, H, W)."""

    function = "dropout2d"
