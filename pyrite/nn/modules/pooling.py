"""Pooling layers in one to three dimensions."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from ._make import FunctionModule, declared, made, tuple_of


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


@declared
class _AvgPool(_Pool):
    shown = ("kernel_size", "stride", "padding")
    kernel_size: Any
    stride: Any = None
    padding: Any = 0
    ceil_mode: bool = False
    count_include_pad: bool = True


class _AvgPool1d(_AvgPool):
    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.shown:
            setattr(self, name, tuple_of(getattr(self, name), 1))


@declared
class _AvgPoolNd(_AvgPool):
    divisor_override: int | None = None


@declared
class _Adaptive(FunctionModule):
    shown = ("output_size",)
    output_size: Any


@declared
class _AdaptiveMax(_Adaptive):
    return_indices: bool = False


@declared
class _LPPool(FunctionModule):
    shown = ("norm_type", "kernel_size", "stride", "ceil_mode")
    norm_type: float
    kernel_size: Any
    stride: Any = None
    ceil_mode: bool = False


@declared
class _MaxUnpool(_Pool):
    shown = ("kernel_size", "stride", "padding")
    kernel_size: Any
    stride: Any = None
    padding: Any = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.shown:
            setattr(self, name, tuple_of(getattr(self, name), self.n))

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Any:  # type: ignore[override]
        return self._call(input, indices, output_size=output_size)


@declared
class _Fractional(FunctionModule):
    kernel_size: Any
    output_size: Any = None
    output_ratio: Any = None
    return_indices: bool = False
    _random_samples: Any = None

    def __post_init__(self) -> None:
        name = type(self).__name__
        if (self.output_size is None) == (self.output_ratio is None):
            raise ValueError(
                f"{name} requires specifying either an output size, or a pooling ratio, not both"
            )
        for size in ("kernel_size", "output_size", "output_ratio"):
            value = getattr(self, size)
            setattr(self, size, None if value is None else tuple_of(value, self.n))
        if self.output_ratio is not None and not all(0 < r < 1 for r in self.output_ratio):
            raise ValueError(
                f"{name}: output_ratio must be between 0 and 1 (got {self.output_ratio})"
            )
        self.register_buffer("_random_samples", self.__dict__.pop("_random_samples"))


__all__ = []
for _n, _over in enumerate(("(N, C, L)", "(N, C, H, W)", "(N, C, D, H, W)"), 1):
    for _base, _name, _function, _doc in (
        (_MaxPool, "MaxPool", "max_pool", "Largest value per window of {}."),
        (_AvgPool1d if _n == 1 else _AvgPoolNd, "AvgPool", "avg_pool", "Mean per window of {}."),
        (_Adaptive, "AdaptiveAvgPool", "adaptive_avg_pool", "Means of {} of the size asked for."),
        (_AdaptiveMax, "AdaptiveMaxPool", "adaptive_max_pool",
         "Largest values of {} in the size asked for."),
        (_LPPool, "LPPool", "lp_pool", "p-norm per window of {}."),
        (_MaxUnpool, "MaxUnpool", "max_unpool", "Puts the maxima of {} back to their places."),
        (_Fractional, "FractionalMaxPool", "fractional_max_pool",
         "Largest value per window of {}; the windows are drawn (Graham 2014)."),
    ):  # fmt: skip
        if _base is not _Fractional or _n > 1:
            __all__.append(f"{_name}{_n}d")
            globals()[__all__[-1]] = made(
                _base, __all__[-1], _doc.format(_over), function=f"{_function}{_n}d", n=_n
            )
