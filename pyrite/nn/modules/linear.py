"""Linear, Bilinear, Identity."""

from __future__ import annotations

from typing import Any

from ..._tensor import Parameter, Tensor
from .. import functional, init
from ._make import add_parameters, facts
from .module import Module

F: Any = functional


class Identity(Module):
    """Returns its input; takes and ignores any arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """`y = x Wᵀ + b`.

    Shapes: input (*, in_features), output (*, out_features); weight (out_features, in_features)
    and bias (out_features) start uniform in ±1/√in_features.
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        shift = (out_features,) if bias else None
        add_parameters(self, device, dtype, weight=(out_features, in_features), bias=shift)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        init._by_fan_in(self.weight, self.bias)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"{facts(self, 'in_features', 'out_features')}, bias={self.bias is not None}"


class Bilinear(Module):
    """`y = x1ᵀ A x2 + b`; weight (out_features, in1_features, in2_features)."""

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"in1_features must be > 0, but got {in1_features}")
        self.in1_features, self.in2_features = in1_features, in2_features
        self.out_features = out_features
        size = (out_features, in1_features, in2_features)
        add_parameters(self, device, dtype, weight=size, bias=size[:1] if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        bound = self.in1_features**-0.5
        for parameter in self._parameters.values():
            if parameter is not None:
                init.uniform_(parameter, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        shown = facts(self, "in1_features", "in2_features", "out_features")
        return f"{shown}, bias={self.bias is not None}"
