"""ResNet, ResNeXt and wide ResNet (He et al., 2015, arXiv:1512.03385; stride in the 3x3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ... import Tensor, nn
from ._api import door
from ._build import Layer, builder, fan_out, fill


def conv3x3(
    in_planes: int, out_planes: int, stride: int = 1, groups: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """A 3x3 convolution without bias that keeps the size at stride 1."""
    return nn.Conv2d(
        in_planes, out_planes, 3, stride, dilation, dilation, groups=groups, bias=False
    )


def conv1x1(in_planes: int, out_planes: int, stride: int = 1) -> nn.Conv2d:
    """A 1x1 convolution without bias."""
    return nn.Conv2d(in_planes, out_planes, 1, stride, bias=False)


class _Block(nn.Module):
    """Convolutions with norms, added to the input; `convolutions` makes them, first to last."""

    expansion: ClassVar[int]
    convolutions: ClassVar[Callable[..., Sequence[nn.Conv2d]]]

    def __init__(
        self, inplanes: int, planes: int, stride: int = 1, downsample: nn.Module | None = None,
        groups: int = 1, base_width: int = 64, dilation: int = 1, norm_layer: Layer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        width = int(planes * (base_width / 64.0)) * groups
        convs = type(self).convolutions(inplanes, width, planes, stride, groups, dilation)
        for i, conv in enumerate(convs, 1):
            setattr(self, f"conv{i}", conv)
            setattr(self, f"bn{i}", (norm_layer or nn.BatchNorm2d)(conv.out_channels))
        self.relu = nn.ReLU(inplace=True)
        self.downsample, self.stride, self.depth = downsample, stride, len(convs)

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for i in range(1, self.depth + 1):
            out = getattr(self, f"bn{i}")(getattr(self, f"conv{i}")(out))
            if i < self.depth:
                out = self.relu(out)
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


class BasicBlock(_Block):
    """Two 3x3 convolutions; ValueError for groups, another width or dilation."""

    expansion = 1

    @staticmethod
    def convolutions(
        inplanes: int, width: int, planes: int, stride: int, groups: int, dilation: int
    ) -> Sequence[nn.Conv2d]:
        """The convolutions of one block."""
        if groups != 1 or width != planes:
            raise ValueError("BasicBlock only supports groups=1 and base_width=64")
        if dilation > 1:
            raise ValueError("BasicBlock does not support dilation > 1: take Bottleneck")
        return conv3x3(inplanes, planes, stride), conv3x3(planes, planes)


class Bottleneck(_Block):
    """1x1, 3x3 and 1x1 convolutions, the middle one narrower."""

    expansion = 4

    @staticmethod
    def convolutions(
        inplanes: int, width: int, planes: int, stride: int, groups: int, dilation: int
    ) -> Sequence[nn.Conv2d]:
        """The convolutions of one block."""
        return (
            conv1x1(inplanes, width),
            conv3x3(width, width, stride, groups, dilation),
            conv1x1(width, planes * Bottleneck.expansion),
        )


class ResNet(nn.Module):
    """A residual network of four stages.

    Args:
        block: BasicBlock or Bottleneck.
        layers: blocks per stage.
        num_classes: size of the result.
        zero_init_residual: the last norm of each block starts at 0, so that it adds nothing.
        groups: of the 3x3 convolutions.
        width_per_group: 64 for a plain ResNet.
        replace_stride_with_dilation: for the last three stages; ValueError for another length.
        norm_layer: BatchNorm2d if None.
    """

    def __init__(
        self, block: type[_Block], layers: Sequence[int], num_classes: int = 1000,
        zero_init_residual: bool = False, groups: int = 1, width_per_group: int = 64,
        replace_stride_with_dilation: Sequence[bool] | None = None,
        norm_layer: Layer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        dilate = replace_stride_with_dilation or (False, False, False)
        if len(dilate) != 3:
            raise ValueError(
                "replace_stride_with_dilation should be None or a 3-element tuple, got "
                f"{replace_stride_with_dilation}"
            )
        self._norm_layer = norm_layer or nn.BatchNorm2d
        self.inplanes, self.dilation = 64, 1
        self.groups, self.base_width = groups, width_per_group
        self.conv1 = nn.Conv2d(3, self.inplanes, 7, stride=2, padding=3, bias=False)
        self.bn1 = self._norm_layer(self.inplanes)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = self._make_layer(block, 64, layers[0])
        for i in range(3):
            stage = self._make_layer(block, 128 << i, layers[i + 1], 2, dilate[i])
            setattr(self, f"layer{i + 2}", stage)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(512 * block.expansion, num_classes)
        fill(self, conv=fan_out)
        if zero_init_residual:
            for part in self.modules():
                if isinstance(part, _Block):
                    nn.init.zeros_(getattr(part, f"bn{part.depth}").weight)

    def _make_layer(
        self, block: type[_Block], planes: int, blocks: int, stride: int = 1, dilate: bool = False
    ) -> nn.Sequential:
        options: dict[str, Any] = {
            "groups": self.groups, "base_width": self.base_width, "norm_layer": self._norm_layer,
        }  # fmt: skip
        first_dilation, width = self.dilation, planes * block.expansion
        if dilate:
            self.dilation, stride = self.dilation * stride, 1
        shortcut = None
        if stride != 1 or self.inplanes != width:
            shortcut = nn.Sequential(conv1x1(self.inplanes, width, stride), self._norm_layer(width))
        first = block(self.inplanes, planes, stride, shortcut, dilation=first_dilation, **options)
        self.inplanes = width
        rest = (block(width, planes, dilation=self.dilation, **options) for _ in range(1, blocks))
        return nn.Sequential(first, *rest)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _row(name: str, doc: str, block: type[_Block], layers: Sequence[int], **usual: Any) -> Any:
    return builder(name, doc, ResNet, block, layers, **usual)


_50, _101 = (3, 4, 6, 3), (3, 4, 23, 3)
resnet18 = _row("resnet18", "ResNet-18.", BasicBlock, (2, 2, 2, 2))
resnet34 = _row("resnet34", "ResNet-34.", BasicBlock, _50)
resnet50 = _row("resnet50", "ResNet-50.", Bottleneck, _50)
resnet101 = _row("resnet101", "ResNet-101.", Bottleneck, _101)
resnet152 = _row("resnet152", "ResNet-152.", Bottleneck, (3, 8, 36, 3))
resnext50_32x4d = _row(
    "resnext50_32x4d", "ResNeXt-50, 32 groups of 4 (Xie et al., 2016, arXiv:1611.05431).",
    Bottleneck, _50, groups=32, width_per_group=4,
)  # fmt: skip
resnext101_32x8d = _row(
    "resnext101_32x8d", "ResNeXt-101, 32 groups of 8.",
    Bottleneck, _101, groups=32, width_per_group=8,
)  # fmt: skip
resnext101_64x4d = _row(
    "resnext101_64x4d", "ResNeXt-101, 64 groups of 4.",
    Bottleneck, _101, groups=64, width_per_group=4,
)  # fmt: skip
wide_resnet50_2 = _row(
    "wide_resnet50_2", "Wide ResNet-50-2 (Zagoruyko and Komodakis, 2016, arXiv:1605.07146).",
    Bottleneck, _50, width_per_group=128,
)  # fmt: skip
wide_resnet101_2 = _row(
    "wide_resnet101_2", "Wide ResNet-101-2.", Bottleneck, _101, width_per_group=128
)

__all__ = [
    "ResNet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnext50_32x4d",
    "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2",
]  # fmt: skip
__getattr__ = door(__name__)
