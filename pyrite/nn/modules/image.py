"""Layers that rearrange or resize images, and their windows."""

from __future__ import annotations

from typing import Any

from ._make import REQUIRED, FunctionModule, declared, made


class _Shown(FunctionModule):
    """Shows all its arguments."""

    @property
    def shown(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.options


_WINDOW = {"kernel_size": REQUIRED, "dilation": 1, "padding": 0, "stride": 1}
_MADE: dict[str, tuple[str, dict[str, Any], str]] = {
    "Unfold": ("unfold", _WINDOW, "The windows of (N, C, H, W) as columns (N, C * kernel, L)."),
    "Fold": ("fold", {"output_size": REQUIRED, **_WINDOW}, "Adds columns up to (N, C, H, W)."),
    "PixelShuffle": ("pixel_shuffle", {"upscale_factor": REQUIRED},
                     "Channels as finer pixels: (*, C r², H, W) gives (*, C, H r, W r)."),
    "PixelUnshuffle": ("pixel_unshuffle", {"downscale_factor": REQUIRED},
                       "Pixels as channels: the inverse of `PixelShuffle`."),
    "ChannelShuffle": ("channel_shuffle", {"groups": REQUIRED},
                       "Takes one channel of each group in turn."),
}  # fmt: skip
for _name, (_function, _arguments, _doc) in _MADE.items():
    globals()[_name] = made(_Shown, _name, _doc, _arguments, function=_function)


@declared
class Upsample(FunctionModule):
    """Resizes (N, C, ...) to `size` or by `scale_factor`: `nn.functional.interpolate`."""

    function = "interpolate"
    size: Any = None
    scale_factor: Any = None
    mode: str = "nearest"
    align_corners: bool | None = None
    recompute_scale_factor: bool | None = None

    def __post_init__(self) -> None:
        self.name = type(self).__name__
        factor = self.scale_factor
        several = isinstance(factor, tuple)
        self.scale_factor = tuple(map(float, factor)) if several else factor and float(factor)

    def extra_repr(self) -> str:
        name = "size" if self.scale_factor is None else "scale_factor"
        return f"{name}={getattr(self, name)!r}, mode={self.mode!r}"


class _Upsample2d(Upsample):
    how: dict[str, Any]

    def __init__(self, size: Any = None, scale_factor: Any = None) -> None:
        super().__init__(size, scale_factor, **self.how)


class UpsamplingNearest2d(_Upsample2d):
    """Resizes (N, C, H, W) by repeating."""

    how = {"mode": "nearest"}


class UpsamplingBilinear2d(_Upsample2d):
    """Resizes (N, C, H, W) linearly, with aligned corners."""

    how = {"mode": "bilinear", "align_corners": True}


__all__ = [*_MADE, "Upsample", "UpsamplingBilinear2d", "UpsamplingNearest2d"]  # noqa: PLE0604
