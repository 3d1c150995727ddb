"""Dropout (Srivastava et al. 2014)."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from .. import functional
from ._make import FunctionModule, declared, made


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


_MADE = {
    "Dropout": "Zeroes elements with probability p in training and scales the others by 1/(1-p).",
    "Dropout1d": "Zeroes whole channels of (N, C, L).",
    "Dropout2d": "Zeroes whole channels of (N, C, H, W).",
    "Dropout3d": "Zeroes whole channels of (N, C, D, H, W).",
    "AlphaDropout": "Dropout that keeps mean and variance of SELU activations.",
    "FeatureAlphaDropout": "`AlphaDropout` of whole channels.",
}
for _name, _doc in _MADE.items():
    _function = _name.lower().replace("alphadropout", "_alpha_dropout").lstrip("_")
    globals()[_name] = made(_Dropout, _name, _doc, function=_function)
__all__ = [*_MADE]  # noqa: PLE0604
