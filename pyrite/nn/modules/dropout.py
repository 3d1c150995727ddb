"""Dropout (Srivastava et al. 2014)."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from .. import functional
from ._make import FunctionModule, declared


@declared
class _Dropout(FunctionModule):
    shown = ("p", "inplace")
    p: float = 0.5
    inplace: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {self.p}")

    def forward(self, input: Tensor) -> Any:
        return getattr(functional, self.function)(input, self.p, self.training, self.inplace)


class Dropout(_Dropout):
    """Zeroes elements with probability p in training and scales the others by 1/(1-p)."""

    function = "dropout"


class Dropout1d(_Dropout):
    """Zeroes whole channels of (N, C, L)."""

    function = "dropout1d"


class Dropout2d(_Dropout):
    """Zeroes whole channels of (N, C, H, W)."""

    function = "dropout2d"
