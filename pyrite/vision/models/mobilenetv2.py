"""MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381)."""

from __future__ import annotations

from collections.abc import Sequence

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation
from ._api import door
from ._build import Layer, builder, fan_out, fill, make_divisible, small
from ._inverted import layers_of

# Expansion, channels, blocks, stride of the first.
_SETTING = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # fmt: skip


class InvertedResidual(nn.Module):
    """Expand, convolve each channel apart, project; ValueError for a stride other than 1 or 2."""

    def __init__(
        self, inp: int, oup: int, stride: int, expand_ratio: int, norm_layer: Layer | None = None
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"stride should be 1 or 2 instead of {stride}")
        self.stride, self.out_channels, self._is_cn = stride, oup, stride > 1
        self.use_res_connect = stride == 1 and inp == oup
        inner, norm = round(inp * expand_ratio), norm_layer or nn.BatchNorm2d
        *layers, last = layers_of(
            inp, inner, oup, 3, stride, norm, nn.ReLU6, expand=expand_ratio != 1
        )
        self.conv = nn.Sequential(*layers, *last.children())

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Inverted residuals and one linear layer.

    Args:
        num_classes: size of the result.
        width_mult: factor of the channels.
        inverted_residual_setting: rows of expansion, channels, blocks, first stride; ValueError
            for rows of another length.
        round_nearest: channels are multiples of this.
        block: InvertedResidual if None.
        norm_layer: BatchNorm2d if None.
        dropout: probability before the linear layer.
    """

    def __init__(
        self, num_classes: int = 1000, width_mult: float = 1.0,
        inverted_residual_setting: Sequence[Sequence[int]] | None = None, round_nearest: int = 8,
        block: Layer | None = None, norm_layer: Layer | None = None, dropout: float = 0.2,
    ) -> None:  # fmt: skip
        super().__init__()
        block, norm = block or InvertedResidual, norm_layer or nn.BatchNorm2d
        setting = _SETTING if inverted_residual_setting is None else inverted_residual_setting
        if not setting or len(setting[0]) != 4:
            raise ValueError(
                "inverted_residual_setting should be non-empty or a 4-element list, got "
                f"{inverted_residual_setting}"
            )
        width = make_divisible(32 * width_mult, round_nearest)
        self.last_channel = make_divisible(1280 * max(1.0, width_mult), round_nearest)
        parts: list[nn.Module] = [
            Conv2dNormActivation(3, width, stride=2, norm_layer=norm, activation_layer=nn.ReLU6)
        ]
        for expansion, channels, count, stride in setting:
            out = make_divisible(channels * width_mult, round_nearest)
            for i in range(count):
                step = 1 if i else stride
                parts.append(block(width, out, step, expand_ratio=expansion, norm_layer=norm))
                width = out
        parts.append(
            Conv2dNormActivation(
                width, self.last_channel, 1, norm_layer=norm, activation_layer=nn.ReLU6
            )
        )
        self.features = nn.Sequential(*parts)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        fill(self, conv=fan_out, linear=small)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.adaptive_avg_pool2d(self.features(x), (1, 1))
        return self.classifier(x.flatten(1))


mobilenet_v2 = builder("mobilenet_v2", "MobileNetV2.", MobileNetV2)

__all__ = ["MobileNetV2", "mobilenet_v2"]
__getattr__ = door(__name__)
