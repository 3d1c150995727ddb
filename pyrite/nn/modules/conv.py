"""Convolution layers."""

from __future__ import annotations

from typing import Any

from ..._tensor import Parameter, Tensor
from .. import functional, init
from ._make import add_parameters, facts, tuple_of, unusual
from .module import Module

F: Any = functional
__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d",
]  # fmt: skip
_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """What the convolutions share: arguments, parameters, initial values, text."""

    n: int
    transposed = False
    weight: Parameter
    bias: Parameter | None

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
        self.padding_mode, self.output_padding = padding_mode, (0,) * self.n
        ends = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        size = (ends[0], ends[1] // groups, *self.kernel_size)
        shift = (out_channels,) if bias else None
        add_parameters(self, device, dtype, weight=size, bias=shift)
        self.reset_parameters()

    def _check(
        self, inputs: int, outputs: int, padding: Any, groups: int, mode: str, stride: Any
    ) -> None:
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        for name, count in (("in_channels", inputs), ("out_channels", outputs)):
            if count % groups != 0:
                raise ValueError(f"{name} must be divisible by groups, got {count} and {groups}")
        if isinstance(padding, str) and padding not in ("same", "valid"):
            raise ValueError(
                f"Invalid padding string {padding!r}, should be one of {{'same', 'valid'}}"
            )
        if padding == "same" and any(s != 1 for s in tuple_of(stride, self.n)):
            raise ValueError("padding='same' is not supported for strided convolutions")
        if mode not in _MODES:
            raise ValueError(f"padding_mode must be one of {set(_MODES)}, but got {mode!r}")

    def reset_parameters(self) -> None:
        """Draw weight and bias anew: uniform in ±1/√fan_in."""
        init._by_fan_in(self.weight, self.bias)

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
        return getattr(F, f"conv{self.n}d")(
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )

    def extra_repr(self) -> str:
        zeros, ones = (0,) * self.n, (1,) * self.n
        shown = unusual(self, padding=zeros, dilation=ones, output_padding=zeros, groups=1)
        text = f"{self.in_channels}, {self.out_channels}, "
        text += facts(self, "kernel_size", "stride", *shown)
        text += ", bias=False" if self.bias is None else ""
        return text if self.padding_mode == "zeros" else f"{text}, {facts(self, 'padding_mode')}"


class Conv1d(_ConvNd):
    """Cross-correlation over (N, C, L) or (C, L)."""

    n = 1


class Conv2d(_ConvNd):
    """Cross-correlation over (N, C, H, W) or (C, H, W)."""

    n = 2


class Conv3d(_ConvNd):
    """Cross-correlation over (N, C, D, H, W) or (C, D, H, W)."""

    n = 3


class _ConvTransposeNd(_ConvNd):
    """The convolutions' adjoints, which make larger."""

    transposed = True

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, groups: int = 1, bias: bool = True,
        dilation: Any = 1, padding_mode: str = "zeros", device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if padding_mode != "zeros":
            name = type(self).__name__
            raise ValueError(
                f'Only "zeros" padding mode is supported for {name}, got {padding_mode!r}'
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias,
            padding_mode, device, dtype,
        )  # fmt: skip
        self.output_padding = tuple_of(output_padding, self.n)

    def _extra(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives `output_size`."""
        if output_size is None:
            return self.output_padding
        lead = input.ndim - self.n
        size = tuple(output_size)
        size = size[lead:] if len(size) == lead + self.n else size
        if len(size) != self.n:
            raise ValueError(
                f"ConvTranspose{self.n}D: for {input.ndim}D input, output_size must have {self.n} "
                f"or {lead + self.n} elements (got {len(size)})"
            )
        rows = zip(input.shape[lead:], self.stride, self.padding, self.dilation, self.kernel_size,
                   strict=True)  # fmt: skip
        least = [(m - 1) * s - 2 * p + d * (k - 1) + 1 for m, s, p, d, k in rows]
        extra = tuple([o - m for o, m in zip(size, least, strict=True)])
        if any(not 0 <= e < s for e, s in zip(extra, self.stride, strict=True)):
            most = [m + s - 1 for m, s in zip(least, self.stride, strict=True)]
            raise ValueError(
                f"requested an output size of {list(size)}, but valid sizes range from {least} to "
                f"{most} (for an input of {list(input.shape[lead:])})"
            )
        return extra

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        return getattr(F, f"conv_transpose{self.n}d")(
            input, self.weight, self.bias, self.stride, self.padding,
            self._extra(input, output_size), self.groups, self.dilation,
        )  # fmt: skip


class ConvTranspose1d(_ConvTransposeNd):
    """The adjoint of `Conv1d` over (N, C, L) or (C, L)."""

    n = 1


class ConvTranspose2d(_ConvTransposeNd):
    """The adjoint of `Conv2d` over (N, C, H, W) or (C, H, W)."""

    n = 2


class ConvTranspose3d(_ConvTransposeNd):
    """The adjoint of `Conv3d` over (N, C, D, H, W) or (C, D, H, W)."""

    n = 3
