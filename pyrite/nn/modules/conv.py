"""Convolution layers."""

from __future__ import annotations

import math
from typing import Any

from ..._tensor import Parameter, Tensor
from .. import functional, init
from ._make import empty, tuple_of
from .module import Module

F: Any = functional
_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What the convolutions share: arguments, parameters, initial values, text."""

    n: int

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1, bias: bool = True,
        padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self._check(in_channels, out_channels, padding, groups, padding_mode, stride)
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = tuple_of(kernel_size, self.n)
        self.stride, self.dilation = tuple_of(stride, self.n), tuple_of(dilation, self.n)
        self.padding = padding if isinstance(padding, str) else tuple_of(padding, self.n)
        self.padding_mode = padding_mode
        self.weight = Parameter(empty(self._weight_shape(), device, dtype))
        self.register_parameter(
            "bias", Parameter(empty((out_channels,), device, dtype)) if bias else None
        )
        self.reset_parameters()

    def _check(
        self, inputs: int, outputs: int, padding: Any, groups: int, mode: str, stride: Any
    ) -> None:
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if inputs % groups != 0:
            raise ValueError(f"in_channels must be divisible by groups, got {inputs} and {groups}")
        if outputs % groups != 0:
            raise ValueError(f"out_channels must be divisible by groups, got {outputs} and {groups}")
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
                )
            if padding == "same" and any(s != 1 for s in tuple_of(stride, self.n)):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if mode not in _MODES:
            raise ValueError(f"padding_mode must be one of {set(_MODES)}, but got padding_mode='{mode}'")

    def _weight_shape(self) -> tuple[int, ...]:
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew: uniform in ±1/√fan_in."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = init._fans(self.weight)[0]
            if fan_in:
                init.uniform_(self.bias, -1 / math.sqrt(fan_in), 1 / math.sqrt(fan_in))

    def _edges(self) -> list[int]:
        """Padding per side for `F.pad`, last dimension first."""
        if self.padding == "valid":
            return [0, 0] * self.n
        if self.padding == "same":
            total = [d * (k - 1) for d, k in zip(self.dilation, self.kernel_size, strict=True)]
            sides = [(t // 2, t - t // 2) for t in total]
        else:
            sides = [(p, p) for p in self.padding]
        return [p for side in reversed(sides) for p in side]

    def forward(self, input: Tensor) -> Tensor:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._edges(), mode=self.padding_mode), 0
        return getattr(F, f"conv{self.n}d")(  # type: ignore[no-any-return]
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        if isinstance(self.padding, str) or any(self.padding):
            text += f", padding={self.padding}"
        if any(d != 1 for d in self.dilation):
            text += f", dilation={self.dilation}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class Conv1d(_ConvNd):
    """Cross-correlation over (N, C, L) or (C, L)."""

    n = 1


class Conv2d(_ConvNd):
    """Cross-correlation over (N, C, H, W) or (C, H, W)."""

    n = 2
