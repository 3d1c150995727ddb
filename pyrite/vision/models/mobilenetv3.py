"""MobileNetV3 (Howard et al., 2019, arXiv:1905.02244)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ... import Tensor, nn
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import door
from ._build import Layer, batch_norm, builder, fan_out, fill, make_divisible, small
from ._inverted import Residual, layers_of

# Kernel, inner channels, channels, squeeze and excitation, activation, stride; the last three
# rows are the tail, which can be halved or dilated.
_LARGE = (
    (3, 16, 16, False, "RE", 1), (3, 64, 24, False, "RE", 2), (3, 72, 24, False, "RE", 1),
    (5, 72, 40, True, "RE", 2), (5, 120, 40, True, "RE", 1), (5, 120, 40, True, "RE", 1),
    (3, 240, 80, False, "HS", 2), (3, 200, 80, False, "HS", 1), (3, 184, 80, False, "HS", 1),
    (3, 184, 80, False, "HS", 1), (3, 480, 112, True, "HS", 1), (3, 672, 112, True, "HS", 1),
    (5, 672, 160, True, "HS", 2), (5, 960, 160, True, "HS", 1), (5, 960, 160, True, "HS", 1),
)  # fmt: skip
_SMALL = (
    (3, 16, 16, True, "RE", 2), (3, 72, 24, False, "RE", 2), (3, 88, 24, False, "RE", 1),
    (5, 96, 40, True, "HS", 2), (5, 240, 40, True, "HS", 1), (5, 240, 40, True, "HS", 1),
    (5, 120, 48, True, "HS", 1), (5, 144, 48, True, "HS", 1), (5, 288, 96, True, "HS", 2),
    (5, 576, 96, True, "HS", 1), (5, 576, 96, True, "HS", 1),
)  # fmt: skip
_SQUEEZE = partial(SqueezeExcitation, scale_activation=nn.Hardsigmoid)


class InvertedResidualConfig:
    """One block, a row of the paper's tables 1 and 2; channels are scaled by `width_mult`."""

    def __init__(
        self, input_channels: int, kernel: int, expanded_channels: int, out_channels: int,
        use_se: bool, activation: str, stride: int, dilation: int, width_mult: float,
    ) -> None:  # fmt: skip
        self.input_channels = self.adjust_channels(input_channels, width_mult)
        self.kernel = kernel
        self.expanded_channels = self.adjust_channels(expanded_channels, width_mult)
        self.out_channels = self.adjust_channels(out_channels, width_mult)
        self.use_se, self.use_hs = use_se, activation == "HS"
        self.stride, self.dilation = stride, dilation

    @staticmethod
    def adjust_channels(channels: int, width_mult: float) -> int:
        """The scaled channels, a multiple of 8."""
        return make_divisible(channels * width_mult, 8)


class InvertedResidual(Residual):
    """The block that a config describes."""

    def __init__(
        self, cnf: InvertedResidualConfig, norm_layer: Layer,
        se_layer: Layer = _SQUEEZE,
    ) -> None:  # fmt: skip
        inner, active = cnf.expanded_channels, nn.Hardswish if cnf.use_hs else nn.ReLU
        layers = layers_of(
            cnf.input_channels, inner, cnf.out_channels, cnf.kernel, cnf.stride, norm_layer, active,
            se_layer(inner, make_divisible(inner // 4, 8)) if cnf.use_se else None, cnf.dilation,
        )  # fmt: skip
        super().__init__(layers, cnf.input_channels, cnf.out_channels, cnf.stride)


class MobileNetV3(nn.Module):
    """Inverted residuals and two linear layers.

    Args:
        inverted_residual_setting: the blocks' configs; ValueError for none.
        last_channel: width between the linear layers.
        num_classes: size of the result.
        block: InvertedResidual if None.
        norm_layer: BatchNorm2d with eps 0.001 and momentum 0.01 if None.
        dropout: probability before the last layer.
        **kwargs: of no effect.
    """

    def __init__(
        self, inverted_residual_setting: Sequence[InvertedResidualConfig], last_channel: int,
        num_classes: int = 1000, block: Layer | None = None, norm_layer: Layer | None = None,
        dropout: float = 0.2, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        if not inverted_residual_setting:
            raise ValueError("The inverted_residual_setting should not be empty")
        block, norm = block or InvertedResidual, norm_layer or batch_norm()
        first, last = inverted_residual_setting[0], inverted_residual_setting[-1]
        options: dict[str, Any] = {"norm_layer": norm, "activation_layer": nn.Hardswish}
        width = 6 * last.out_channels
        self.features = nn.Sequential(
            Conv2dNormActivation(3, first.input_channels, stride=2, **options),
            *(block(config, norm) for config in inverted_residual_setting),
            Conv2dNormActivation(last.out_channels, width, 1, **options),
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(width, last_channel), nn.Hardswish(inplace=True),
            nn.Dropout(p=dropout, inplace=True), nn.Linear(last_channel, num_classes),
        )  # fmt: skip
        fill(self, conv=fan_out, linear=small)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _setting(
    rows: Sequence[tuple[int, int, int, bool, str, int]], width_mult: float, reduced: bool,
    dilated: bool,
) -> list[InvertedResidualConfig]:  # fmt: skip
    configs = []
    inputs = 16
    for i, (kernel, inner, out, squeeze, active, stride) in enumerate(rows, 3 - len(rows)):
        tail = i >= 0
        if tail and reduced:
            inner, out = inner // 2 if i else inner, out // 2
        row = (inputs, kernel, inner, out, squeeze, active, stride, 1 + (tail and dilated))
        configs.append(InvertedResidualConfig(*row, width_mult))
        inputs = out
    return configs


def _make(
    rows: Any, last: int, width_mult: float = 1.0, reduced_tail: bool = False,
    dilated: bool = False, **kwargs: Any,
) -> MobileNetV3:  # fmt: skip
    setting = _setting(rows, width_mult, reduced_tail, dilated)
    last = InvertedResidualConfig.adjust_channels(last >> reduced_tail, width_mult)
    return MobileNetV3(setting, last, **kwargs)


mobilenet_v3_large = builder("mobilenet_v3_large", "MobileNetV3, large.", _make, _LARGE, 1280)
mobilenet_v3_small = builder("mobilenet_v3_small", "MobileNetV3, small.", _make, _SMALL, 1024)

__all__ = ["MobileNetV3", "mobilenet_v3_large", "mobilenet_v3_small"]
__getattr__ = door(__name__)
