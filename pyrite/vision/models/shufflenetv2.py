"""ShuffleNetV2 (Ma et al., 2018, arXiv:1807.11164)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import Tensor, cat, nn
from ._api import door
from ._build import Layer, builder


def channel_shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels of (N, C, H, W) in turn from each of `groups` groups."""
    n, _, height, width = x.shape
    return x.reshape(n, groups, -1, height, width).transpose(1, 2).reshape(n, -1, height, width)


def _conv(inputs: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [conv, nn.BatchNorm2d(out)]


class InvertedResidual(nn.Module):
    """Two branches side by side, shuffled; at stride 1 one of them is half of the input.

    ValueError for a stride outside 1 to 3, or channels that change at stride 1.
    """

    def __init__(self, inp: int, oup: int, stride: int) -> None:
        super().__init__()
        if not 1 <= stride <= 3:
            raise ValueError("illegal stride value")
        half = oup // 2
        if stride == 1 and inp != 2 * half:
            raise ValueError(f"stride 1 needs as many channels out as in, got {inp} and {oup}")
        self.stride = stride
        self.branch1 = nn.Sequential()
        if stride > 1:
            apart = _conv(inp, inp, 3, stride, inp)
            self.branch1 = nn.Sequential(*apart, *_conv(inp, half, 1), nn.ReLU(inplace=True))
        self.branch2 = nn.Sequential(
            *_conv(inp if stride > 1 else half, half, 1), nn.ReLU(inplace=True),
            *_conv(half, half, 3, stride, half), *_conv(half, half, 1), nn.ReLU(inplace=True),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        left, right = x.chunk(2, 1) if self.stride == 1 else (self.branch1(x), x)
        return channel_shuffle(cat((left, self.branch2(right)), 1), 2)


class ShuffleNetV2(nn.Module):
    """Three stages of shuffled blocks.

    Args:
        stages_repeats: blocks per stage; ValueError unless there are three.
        stages_out_channels: channels of the first convolution, the stages and the last
            convolution; ValueError unless there are five.
        num_classes: size of the result.
        inverted_residual: the block.
    """

    def __init__(
        self, stages_repeats: Sequence[int], stages_out_channels: Sequence[int],
        num_classes: int = 1000, inverted_residual: Layer = InvertedResidual,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(stages_repeats) != 3:
            raise ValueError("expected stages_repeats as list of 3 positive ints")
        if len(stages_out_channels) != 5:
            raise ValueError("expected stages_out_channels as list of 5 positive ints")
        width, *stages, last = stages_out_channels
        self.conv1 = nn.Sequential(*_conv(3, width, 3, 2), nn.ReLU(inplace=True))
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        for i, (count, out) in enumerate(zip(stages_repeats, stages, strict=True), 2):
            rest = (inverted_residual(out, out, 1) for _ in range(count - 1))
            setattr(self, f"stage{i}", nn.Sequential(inverted_residual(width, out, 2), *rest))
            width = out
        self.conv5 = nn.Sequential(*_conv(width, last, 1), nn.ReLU(inplace=True))
        self.fc = nn.Linear(last, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stage2(self.maxpool(self.conv1(x)))
        return self.fc(self.conv5(self.stage4(self.stage3(x))).mean((2, 3)))


def _row(size: str, *widths: int) -> Any:
    name = f"shufflenet_v2_x{size.replace('.', '_')}"
    return builder(name, f"ShuffleNetV2 x{size}.", ShuffleNetV2, (4, 8, 4), widths)


shufflenet_v2_x0_5 = _row("0.5", 24, 48, 96, 192, 1024)
shufflenet_v2_x1_0 = _row("1.0", 24, 116, 232, 464, 1024)
shufflenet_v2_x1_5 = _row("1.5", 24, 176, 352, 704, 1024)
shufflenet_v2_x2_0 = _row("2.0", 24, 244, 488, 976, 2048)

__all__ = [
    "ShuffleNetV2", "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5",
    "shufflenet_v2_x2_0",
]  # fmt: skip
__getattr__ = door(__name__)
