"""Pooling layers."""

from __future__ import annotations

from typing import Any

from ._make import FunctionModule, declared, tuple_of

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AvgPool1d", "AvgPool2d", "MaxPool1d", "MaxPool2d",
]  # fmt: skip


class _Pool(FunctionModule):
    stride: Any

    def __post_init__(self) -> None:
        self.stride = self.kernel_size if self.stride is None else self.stride


@declared
class _MaxPool(_Pool):
    shown = ("kernel_size", "stride", "padding", "dilation", "ceil_mode")
    kernel_size: Any
    stride: Any = None
    padding: Any = 0
    dilation: Any = 1
    return_indices: bool = False
    ceil_mode: bool = False


class MaxPool1d(_MaxPool):
    """Largest value per window of (N, C, L)."""

    function = "max_pool1d"


class MaxPool2d(_MaxPool):
    """Largest value per window of (N, C, H, W)."""

    function = "max_pool2d"


@declared
class _AvgPool(_Pool):
    shown = ("kernel_size", "stride", "padding")
    kernel_size: Any
    stride: Any = None
    padding: Any = 0
    ceil_mode: bool = False
    count_include_pad: bool = True


class AvgPool1d(_AvgPool):
    """Mean per window of (N, C, L)."""

    function = "avg_pool1d"

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.shown:
            setattr(self, name, tuple_of(getattr(self, name), 1))


@declared
class AvgPool2d(_AvgPool):
    """Mean per window of (N, C, H, W)."""

    function = "avg_pool2d"
    divisor_override: int | None = None


@declared
class _Adaptive(FunctionModule):
    shown = ("output_size",)
    output_size: Any


class AdaptiveAvgPool1d(_Adaptive):
    """Mean over windows that give the output size."""

    function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_Adaptive):
    """Mean over windows that give the output size."""

    function = "adaptive_avg_pool2d"


@declared
class _AdaptiveMax(_Adaptive):
    return_indices: bool = False


class AdaptiveMaxPool1d(_AdaptiveMax):
    """Largest value over windows that give the output size."""

    function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMax):
    """Largest value over windows that give the output size."""

    function = "adaptive_max_pool2d"
