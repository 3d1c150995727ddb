"""ConvNeXt (Liu et al., 2022, arXiv:2201.03545)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ... import Tensor, full, nn
from ..ops._drop import StochasticDepth
from ..ops.misc import Conv2dNormActivation, Permute
from ._api import door
from ._build import Layer, builder, fill, truncated

_CHANNELS_LAST, _CHANNELS_FIRST = (0, 2, 3, 1), (0, 3, 1, 2)


class LayerNorm2d(nn.LayerNorm):
    """Layer normalisation over the channels of (N, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(*_CHANNELS_LAST)).permute(*_CHANNELS_FIRST)


class CNBlock(nn.Module):
    """A 7x7 convolution of each channel apart, then an MLP at each pixel, added to the input."""

    def __init__(
        self, dim: int, layer_scale: float, stochastic_depth_prob: float,
        norm_layer: Layer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(dim, dim, 7, padding=3, groups=dim), Permute(_CHANNELS_LAST),
            (norm_layer or partial(nn.LayerNorm, eps=1e-6))(dim),
            nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim), Permute(_CHANNELS_FIRST),
        )  # fmt: skip
        self.layer_scale = nn.Parameter(full((dim, 1, 1), float(layer_scale)))
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")

    def forward(self, input: Tensor) -> Tensor:
        return self.stochastic_depth(self.layer_scale * self.block(input)) + input


@dataclass
class CNBlockConfig:
    """A stage: its channels, those of the next stage (None: it is the last), its blocks."""

    input_channels: int
    out_channels: int | None
    num_layers: int


class ConvNeXt(nn.Module):
    """Stages of CNBlock.

    Args:
        block_setting: the stages; ValueError for none.
        stochastic_depth_prob: of the last block; it grows from 0 with the depth.
        layer_scale: first value of the factors of each block's channels.
        num_classes: size of the result.
        block: CNBlock if None.
        norm_layer: LayerNorm2d with eps 1e-6 if None.
        **kwargs: of no effect.
    """

    def __init__(
        self, block_setting: Sequence[CNBlockConfig], stochastic_depth_prob: float = 0.0,
        layer_scale: float = 1e-6, num_classes: int = 1000, block: Layer | None = None,
        norm_layer: Layer | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if not block_setting:
            raise ValueError("The block_setting should not be empty")
        block, norm = block or CNBlock, norm_layer or partial(LayerNorm2d, eps=1e-6)
        first = block_setting[0].input_channels
        layers: list[nn.Module] = [
            Conv2dNormActivation(
                3, first, 4, 4, padding=0, norm_layer=norm, activation_layer=None, bias=True
            )
        ]
        last = sum(stage.num_layers for stage in block_setting) - 1.0
        count = 0
        for stage in block_setting:
            width, out = stage.input_channels, stage.out_channels
            drops = [stochastic_depth_prob * (count + i) / last for i in range(stage.num_layers)]
            layers.append(nn.Sequential(*(block(width, layer_scale, drop) for drop in drops)))
            if out is not None:
                layers.append(nn.Sequential(norm(width), nn.Conv2d(width, out, 2, stride=2)))
                width = out
            count += len(drops)
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(norm(width), nn.Flatten(1), nn.Linear(width, num_classes))
        fill(self, conv=truncated, linear=truncated)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)))


def _row(size: str, width: int, depths: Sequence[int], drop: float) -> Any:
    widths = [width << i for i in range(len(depths))]
    rows = zip(widths, [*widths[1:], None], depths, strict=True)
    setting = [CNBlockConfig(*row) for row in rows]
    return builder(
        f"convnext_{size}", f"ConvNeXt, {size}.", ConvNeXt, setting, stochastic_depth_prob=drop
    )


convnext_tiny = _row("tiny", 96, (3, 3, 9, 3), 0.1)
convnext_small = _row("small", 96, (3, 3, 27, 3), 0.4)
convnext_base = _row("base", 128, (3, 3, 27, 3), 0.5)
convnext_large = _row("large", 192, (3, 3, 27, 3), 0.5)

__all__ = ["ConvNeXt", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny"]
__getattr__ = door(__name__)
