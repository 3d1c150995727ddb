"""RegNet (Radosavovic et al., 2020, arXiv:2003.13678)."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import door
from ._build import Layer, builder, fan_out, fill, make_divisible, small


@dataclass
class BlockParams:
    """Depths, widths, group widths, bottleneck factors and strides by stage."""

    depths: Sequence[int]
    widths: Sequence[int]
    group_widths: Sequence[int]
    bottleneck_multipliers: Sequence[float]
    strides: Sequence[int]
    se_ratio: float | None = None

    @classmethod
    def from_init_params(
        cls, depth: int, w_0: int, w_a: float, w_m: float, group_width: int,
        bottleneck_multiplier: float = 1.0, se_ratio: float | None = None, **kwargs: Any,
    ) -> BlockParams:  # fmt: skip
        """Stages from the paper's line of widths: w_0 + w_a * i, to powers of w_m, in eights.

        ValueError for numbers that give no such line.
        """
        if w_a < 0 or w_0 <= 0 or w_m <= 1 or w_0 % 8 != 0:
            raise ValueError("Invalid RegNet settings")
        powers = (round(math.log(1 + i * w_a / w_0, w_m)) for i in range(depth))
        stages = Counter(round(w_0 * w_m**power / 8) * 8 for power in powers)
        inner = [int(width * bottleneck_multiplier) for width in stages]
        groups = [min(group_width, width) for width in inner]
        fitting = map(make_divisible, inner, groups)
        widths = [int(width / bottleneck_multiplier) for width in fitting]
        count = len(stages)
        depths, factors = list(stages.values()), [bottleneck_multiplier] * count
        return cls(depths, widths, groups, factors, [2] * count, se_ratio)


class _Block(nn.Module):
    """A bottleneck with groups, and squeeze and excitation, added to the input."""

    def __init__(
        self, width_in: int, width_out: int, stride: int, norm_layer: Layer,
        activation_layer: Layer, group_width: int = 1, bottleneck_multiplier: float = 1.0,
        se_ratio: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        conv = partial(Conv2dNormActivation, norm_layer=norm_layer)
        active = partial(conv, activation_layer=activation_layer)
        self.proj = None
        if width_in != width_out or stride != 1:
            self.proj = conv(width_in, width_out, 1, stride, activation_layer=None)
        inner = round(width_out * bottleneck_multiplier)
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            a=active(width_in, inner, 1),
            b=active(inner, inner, 3, stride, groups=inner // group_width),
        )
        if se_ratio:
            squeezed = round(se_ratio * width_in)
            parts["se"] = SqueezeExcitation(inner, squeezed, activation=activation_layer)
        parts["c"] = conv(inner, width_out, 1, activation_layer=None)
        self.f = nn.Sequential(parts)
        self.activation = activation_layer(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.activation((x if self.proj is None else self.proj(x)) + self.f(x))


def _stem(width_in: int, width_out: int, norm_layer: Layer, activation_layer: Layer) -> nn.Module:
    return Conv2dNormActivation(
        width_in, width_out, 3, 2, norm_layer=norm_layer, activation_layer=activation_layer
    )


class RegNet(nn.Module):
    """Stages of one kind of block whose widths lie on a line.

    Args:
        block_params: the stages.
        num_classes: size of the result.
        stem_width: channels of the first convolution.
        stem_type: makes the first layers; a 3x3 convolution if None.
        block_type: makes a block; the paper's bottleneck if None.
        norm_layer: BatchNorm2d if None.
        activation: ReLU if None.
    """

    def __init__(
        self, block_params: BlockParams, num_classes: int = 1000, stem_width: int = 32,
        stem_type: Layer | None = None, block_type: Layer | None = None,
        norm_layer: Layer | None = None, activation: Layer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        layers = (norm_layer or nn.BatchNorm2d, activation or nn.ReLU)
        block: Layer = block_type or _Block
        self.stem = (stem_type or _stem)(3, stem_width, *layers)
        width, stages = stem_width, OrderedDict()
        p = block_params
        rows = zip(
            p.widths, p.strides, p.depths, p.group_widths, p.bottleneck_multipliers, strict=True
        )
        for i, (out, stride, depth, *rest) in enumerate(rows, 1):
            blocks = OrderedDict()
            for j in range(depth):
                step = 1 if j else stride
                blocks[f"block{i}-{j}"] = block(width, out, step, *layers, *rest, p.se_ratio)
                width = out
            stages[f"block{i}"] = nn.Sequential(blocks)
        self.trunk_output = nn.Sequential(stages)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(width, num_classes)
        fill(self, conv=fan_out, linear=small)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.avgpool(self.trunk_output(self.stem(x))).flatten(1))


def _row(
    size: str, depth: int, w_0: int, w_a: float, w_m: float, group_width: int,
    se_ratio: float | None = None,
) -> Any:  # fmt: skip
    params = BlockParams.from_init_params(depth, w_0, w_a, w_m, group_width, 1.0, se_ratio)
    kind = "y" if se_ratio else "x"
    name = f"regnet_{kind}_{size.lower().replace('.', '_')}"
    return builder(name, f"RegNet{kind.upper()} of {size} (FLOPs at 224x224).", RegNet, params)


regnet_y_400mf = _row("400MF", 16, 48, 27.89, 2.09, 8, 0.25)
regnet_y_800mf = _row("800MF", 14, 56, 38.84, 2.4, 16, 0.25)
regnet_y_1_6gf = _row("1.6GF", 27, 48, 20.71, 2.65, 24, 0.25)
regnet_y_3_2gf = _row("3.2GF", 21, 80, 42.63, 2.66, 24, 0.25)
regnet_y_8gf = _row("8GF", 17, 192, 76.82, 2.19, 56, 0.25)
regnet_y_16gf = _row("16GF", 18, 200, 106.23, 2.48, 112, 0.25)
regnet_y_32gf = _row("32GF", 20, 232, 115.89, 2.53, 232, 0.25)
regnet_y_128gf = _row("128GF", 27, 456, 160.83, 2.52, 264, 0.25)
regnet_x_400mf = _row("400MF", 22, 24, 24.48, 2.54, 16)
regnet_x_800mf = _row("800MF", 16, 56, 35.73, 2.28, 16)
regnet_x_1_6gf = _row("1.6GF", 18, 80, 34.01, 2.25, 24)
regnet_x_3_2gf = _row("3.2GF", 25, 88, 26.31, 2.25, 48)
regnet_x_8gf = _row("8GF", 23, 80, 49.56, 2.88, 120)
regnet_x_16gf = _row("16GF", 22, 216, 55.59, 2.1, 128)
regnet_x_32gf = _row("32GF", 23, 320, 69.86, 2.0, 168)

__all__ = [
    "RegNet",
    "regnet_x_1_6gf",
    "regnet_x_3_2gf",
    "regnet_x_8gf",
    "regnet_x_16gf",
    "regnet_x_32gf",
    "regnet_x_400mf",
    "regnet_x_800mf",
    "regnet_y_1_6gf",
    "regnet_y_3_2gf",
    "regnet_y_8gf",
    "regnet_y_16gf",
    "regnet_y_32gf",
    "regnet_y_128gf",
    "regnet_y_400mf",
    "regnet_y_800mf",
]  # fmt: skip
__getattr__ = door(__name__)
