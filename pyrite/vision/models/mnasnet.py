"""MNASNet-B1 (Tan et al., 2018, arXiv:1807.11626)."""

from __future__ import annotations

from functools import partial
from typing import Any

from ... import Tensor, nn
from ._api import door
from ._build import builder, fan_out, fill, make_divisible

_MOMENTUM = 1 - 0.9997  # the paper's, in TensorFlow's sense
# Kernel, stride, expansion, blocks of each stack.
_STACKS = ((3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1))


def _conv(
    inputs: int, out: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True
) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    norm = nn.BatchNorm2d(out, momentum=_MOMENTUM)
    return [conv, norm, nn.ReLU(inplace=True)] if active else [conv, norm]


class _InvertedResidual(nn.Module):
    def __init__(self, inputs: int, out: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.apply_residual = inputs == out and stride == 1
        self.layers = nn.Sequential(
            *_conv(inputs, inner, 1), *_conv(inner, inner, kernel, stride, inner),
            *_conv(inner, out, 1, active=False),
        )  # fmt: skip

    def forward(self, input: Tensor) -> Tensor:
        result = self.layers(input)
        return result + input if self.apply_residual else result


class MNASNet(nn.Module):
    """Stacks of inverted residuals; needs images of at least 32x32 pixels.

    Args:
        alpha: factor of the channels; ValueError unless positive.
        num_classes: size of the result.
        dropout: probability before the linear layer.
    """

    _version = 2  # states of version 1, whose first layers were not scaled, do not fit

    def __init__(self, alpha: float, num_classes: int = 1000, dropout: float = 0.2) -> None:
        super().__init__()
        if alpha <= 0.0:
            raise ValueError(f"alpha should be greater than 0.0 instead of {alpha}")
        self.alpha, self.num_classes = alpha, num_classes
        stem, width, *widths = (
            make_divisible(channels * alpha) for channels in (32, 16, 24, 40, 80, 96, 192, 320)
        )
        layers = [
            *_conv(3, stem, 3, 2), *_conv(stem, stem, 3, groups=stem),
            *_conv(stem, width, 1, active=False),
        ]  # fmt: skip
        for out, (kernel, stride, expansion, count) in zip(widths, _STACKS, strict=True):
            blocks = [_InvertedResidual(width, out, kernel, stride, expansion)]
            blocks += (_InvertedResidual(out, out, kernel, 1, expansion) for _ in range(1, count))
            layers.append(nn.Sequential(*blocks))
            width = out
        self.layers = nn.Sequential(*layers, *_conv(width, 1280, 1))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout, inplace=True), nn.Linear(1280, num_classes)
        )
        sigmoid = partial(nn.init.kaiming_uniform_, mode="fan_out", nonlinearity="sigmoid")
        fill(self, conv=fan_out, linear=sigmoid)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.layers(x).mean((2, 3)))


def _row(alpha: float) -> Any:
    name = f"mnasnet{alpha}".replace(".", "_")
    return builder(name, f"MNASNet of width {alpha}.", MNASNet, alpha)


mnasnet0_5, mnasnet0_75, mnasnet1_0, mnasnet1_3 = map(_row, (0.5, 0.75, 1.0, 1.3))

__all__ = ["MNASNet", "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3"]
__getattr__ = door(__name__)
