"""EfficientNet (Tan and Le, 2019, arXiv:1905.11946) and EfficientNetV2 (2021, arXiv:2104.00298)."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import door
from ._build import Layer, batch_norm, builder, fan_out, fill, make_divisible
from ._inverted import Residual, layers_of

# Expansion, kernel, stride, input channels, channels, blocks.
_V1 = (
    (1, 3, 1, 32, 16, 1), (6, 3, 2, 16, 24, 2), (6, 5, 2, 24, 40, 2), (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3), (6, 5, 2, 112, 192, 4), (6, 3, 1, 192, 320, 1),
)  # fmt: skip
# The first three rows are fused blocks.
_V2 = {
    "s": (
        (1, 3, 1, 24, 24, 2), (4, 3, 2, 24, 48, 4), (4, 3, 2, 48, 64, 4), (4, 3, 2, 64, 128, 6),
        (6, 3, 1, 128, 160, 9), (6, 3, 2, 160, 256, 15),
    ),
    "m": (
        (1, 3, 1, 24, 24, 3), (4, 3, 2, 24, 48, 5), (4, 3, 2, 48, 80, 5), (4, 3, 2, 80, 160, 7),
        (6, 3, 1, 160, 176, 14), (6, 3, 2, 176, 304, 18), (6, 3, 1, 304, 512, 5),
    ),
    "l": (
        (1, 3, 1, 32, 32, 4), (4, 3, 2, 32, 64, 7), (4, 3, 2, 64, 96, 7), (4, 3, 2, 96, 192, 10),
        (6, 3, 1, 192, 224, 19), (6, 3, 2, 224, 384, 25), (6, 3, 1, 384, 640, 7),
    ),
}  # fmt: skip


@dataclass
class _MBConvConfig:
    """A stage: `num_layers` blocks, the first with `stride` and `input_channels`."""

    expand_ratio: float
    kernel: int
    stride: int
    input_channels: int
    out_channels: int
    num_layers: int
    block: Layer

    @staticmethod
    def adjust_channels(channels: int, width_mult: float, min_value: int | None = None) -> int:
        """The scaled channels, a multiple of 8."""
        return make_divisible(channels * width_mult, 8, min_value)


class MBConvConfig(_MBConvConfig):
    """A stage of MBConv, scaled in width and depth."""

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int,
        out_channels: int, num_layers: int, width_mult: float = 1.0, depth_mult: float = 1.0,
        block: Layer | None = None,
    ) -> None:  # fmt: skip
        inputs, out = (self.adjust_channels(c, width_mult) for c in (input_channels, out_channels))
        depth = self.adjust_depth(num_layers, depth_mult)
        super().__init__(expand_ratio, kernel, stride, inputs, out, depth, block or MBConv)

    @staticmethod
    def adjust_depth(num_layers: int, depth_mult: float) -> int:
        """The scaled number of blocks."""
        return math.ceil(num_layers * depth_mult)


class FusedMBConvConfig(_MBConvConfig):
    """A stage of FusedMBConv."""

    def __init__(
        self, expand_ratio: float, kernel: int, stride: int, input_channels: int,
        out_channels: int, num_layers: int, block: Layer | None = None,
    ) -> None:  # fmt: skip
        row = (expand_ratio, kernel, stride, input_channels, out_channels, num_layers)
        super().__init__(*row, block or FusedMBConv)


class MBConv(Residual):
    """An inverted residual with squeeze and excitation."""

    def __init__(
        self, cnf: _MBConvConfig, stochastic_depth_prob: float, norm_layer: Layer,
        se_layer: Layer = SqueezeExcitation,
    ) -> None:  # fmt: skip
        inputs, out = cnf.input_channels, cnf.out_channels
        inner = cnf.adjust_channels(inputs, cnf.expand_ratio)
        squeeze = se_layer(inner, max(1, inputs // 4), activation=partial(nn.SiLU, inplace=True))
        layers = layers_of(inputs, inner, out, cnf.kernel, cnf.stride, norm_layer, nn.SiLU, squeeze)
        super().__init__(layers, inputs, out, cnf.stride, stochastic_depth_prob)


class FusedMBConv(Residual):
    """Expansion and convolution in one, then a projection; one convolution without expansion."""

    def __init__(self, cnf: _MBConvConfig, stochastic_depth_prob: float, norm_layer: Layer) -> None:
        inputs, out = cnf.input_channels, cnf.out_channels
        inner = cnf.adjust_channels(inputs, cnf.expand_ratio)
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer)
        first = partial(conv, kernel_size=cnf.kernel, stride=cnf.stride, activation_layer=nn.SiLU)
        layers: list[nn.Module]
        if inner == inputs:
            layers = [first(inputs, out)]
        else:
            layers = [first(inputs, inner), conv(inner, out, 1, activation_layer=None)]
        super().__init__(layers, inputs, out, cnf.stride, stochastic_depth_prob)


class EfficientNet(nn.Module):
    """Stages of MBConv or FusedMBConv and one linear layer.

    Args:
        inverted_residual_setting: the stages' configs; ValueError for none.
        dropout: probability before the linear layer.
        stochastic_depth_prob: of the last block; it grows from 0 with the depth.
        num_classes: size of the result.
        norm_layer: BatchNorm2d if None.
        last_channel: width before the linear layer; four times the last stage's if None.
    """

    def __init__(
        self, inverted_residual_setting: Sequence[_MBConvConfig], dropout: float,
        stochastic_depth_prob: float = 0.2, num_classes: int = 1000,
        norm_layer: Layer | None = None, last_channel: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        first, last = inverted_residual_setting[0], inverted_residual_setting[-1]
        norm = norm_layer or nn.BatchNorm2d
        options: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.SiLU}
        width = 4 * last.out_channels if last_channel is None else last_channel
        self.features = nn.Sequential(
            Conv2dNormActivation(3, first.input_channels, stride=2, **options),
            *_stages(inverted_residual_setting, stochastic_depth_prob, norm),
            Conv2dNormActivation(last.out_channels, width, 1, **options),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(width, num_classes)
        )
        bound = 1.0 / math.sqrt(num_classes)
        fill(self, conv=fan_out, linear=partial(nn.init.uniform_, a=-bound, b=bound))

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _stages(setting: Sequence[_MBConvConfig], drop: float, norm: Layer) -> list[nn.Sequential]:
    total = sum(config.num_layers for config in setting)
    stages, count = [], 0
    for config in setting:
        rest = copy.copy(config)
        rest.input_channels, rest.stride = config.out_channels, 1
        blocks = [
            config.block(rest if i else config, drop * (count + i) / total, norm)
            for i in range(config.num_layers)
        ]
        stages.append(nn.Sequential(*blocks))
        count += len(blocks)
    return stages


def _v1(number: int, width: float, depth: float, dropout: float, norm: Layer | None = None) -> Any:
    setting = [MBConvConfig(*row, width_mult=width, depth_mult=depth) for row in _V1]
    return builder(
        f"efficientnet_b{number}", f"EfficientNet-B{number}.", EfficientNet, setting,
        dropout=dropout, norm_layer=norm,
    )  # fmt: skip


def _v2(size: str, dropout: float) -> Any:
    setting = [
        MBConvConfig(*row) if i > 2 else FusedMBConvConfig(*row) for i, row in enumerate(_V2[size])
    ]
    return builder(
        f"efficientnet_v2_{size}", f"EfficientNetV2-{size.upper()}.", EfficientNet, setting,
        dropout=dropout, norm_layer=batch_norm(momentum=0.1), last_channel=1280,
    )  # fmt: skip


efficientnet_b0 = _v1(0, 1.0, 1.0, 0.2)
efficientnet_b1 = _v1(1, 1.0, 1.1, 0.2)
efficientnet_b2 = _v1(2, 1.1, 1.2, 0.3)
efficientnet_b3 = _v1(3, 1.2, 1.4, 0.3)
efficientnet_b4 = _v1(4, 1.4, 1.8, 0.4)
efficientnet_b5 = _v1(5, 1.6, 2.2, 0.4, batch_norm())
efficientnet_b6 = _v1(6, 1.8, 2.6, 0.5, batch_norm())
efficientnet_b7 = _v1(7, 2.0, 3.1, 0.5, batch_norm())
efficientnet_v2_s = _v2("s", 0.2)
efficientnet_v2_m = _v2("m", 0.3)
efficientnet_v2_l = _v2("l", 0.4)

__all__ = [
    "EfficientNet", "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
    "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7",
    "efficientnet_v2_l", "efficientnet_v2_m", "efficientnet_v2_s",
]  # fmt: skip
__getattr__ = door(__name__)
