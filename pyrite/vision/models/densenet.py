"""DenseNet (Huang et al., 2016, arXiv:1608.06993)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from ... import Tensor, cat, nn
from ...utils.checkpoint import checkpoint
from ._api import door
from ._build import builder, fill, renames

F: Any = nn.functional


def _cell(number: Any, channels: int, out: int, kernel: int) -> dict[str, nn.Module]:
    """Norm, activation and convolution, under names with a number at their end."""
    return {
        f"norm{number}": nn.BatchNorm2d(channels),
        f"relu{number}": nn.ReLU(inplace=True),
        f"conv{number}": nn.Conv2d(channels, out, kernel, padding=kernel // 2, bias=False),
    }


class _DenseLayer(nn.Module):
    """New channels from all earlier ones."""

    def __init__(
        self, channels: int, growth_rate: int, bn_size: int, drop_rate: float, efficient: bool
    ) -> None:
        super().__init__()
        inner = bn_size * growth_rate
        cells = _cell(1, channels, inner, 1) | _cell(2, inner, growth_rate, 3)
        for name, part in cells.items():
            self.add_module(name, part)
        self.drop_rate, self.memory_efficient = drop_rate, efficient

    def _bottleneck(self, *inputs: Tensor) -> Tensor:
        return self.conv1(self.relu1(self.norm1(cat(inputs, 1))))

    def forward(self, inputs: list[Tensor]) -> Tensor:
        if self.memory_efficient and any(t.requires_grad for t in inputs):
            x = checkpoint(self._bottleneck, *inputs, use_reentrant=False)
        else:
            x = self._bottleneck(*inputs)
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, self.drop_rate, self.training) if self.drop_rate > 0 else x


class _DenseBlock(nn.ModuleDict):
    """Layers whose results are all kept, side by side."""

    def __init__(self, count: int, channels: int, growth_rate: int, *rest: Any) -> None:
        super().__init__()
        for i in range(count):
            layer = _DenseLayer(channels + i * growth_rate, growth_rate, *rest)
            self.add_module(f"denselayer{i + 1}", layer)

    def forward(self, x: Tensor) -> Tensor:
        parts = [x]
        for layer in self.values():
            parts.append(layer(parts))
        return cat(parts, 1)


class DenseNet(nn.Module):
    """Dense blocks with transitions that halve channels and size.

    Args:
        growth_rate: channels that a layer adds.
        block_config: layers per block.
        num_init_features: channels of the first convolution.
        bn_size: width of a layer's bottleneck, in growth rates.
        drop_rate: probability of dropout after each layer.
        num_classes: size of the result.
        memory_efficient: compute bottlenecks anew in backward.
    """

    def __init__(
        self, growth_rate: int = 32, block_config: Sequence[int] = (6, 12, 24, 16),
        num_init_features: int = 64, bn_size: int = 4, drop_rate: float = 0,
        num_classes: int = 1000, memory_efficient: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        width = num_init_features
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv0=nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False),
            norm0=nn.BatchNorm2d(width),
            relu0=nn.ReLU(inplace=True),
            pool0=nn.MaxPool2d(3, stride=2, padding=1),
        )
        options = (growth_rate, bn_size, drop_rate, memory_efficient)
        for i, count in enumerate(block_config, 1):
            parts[f"denseblock{i}"] = _DenseBlock(count, width, *options)
            width += count * growth_rate
            if i < len(block_config):
                cell = OrderedDict(_cell("", width, width // 2, 1), pool=nn.AvgPool2d(2, stride=2))
                parts[f"transition{i}"] = nn.Sequential(cell)
                width //= 2
        parts["norm5"] = nn.BatchNorm2d(width)
        self.features = nn.Sequential(parts)
        self.classifier = nn.Linear(width, num_classes)
        fill(self, conv=nn.init.kaiming_normal_)
        nn.init.zeros_(self.classifier.bias)
        renames(self, r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.)", r"\1\2")

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.features(x))
        return self.classifier(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


def _row(depth: int, growth: int, blocks: Sequence[int], first: int) -> Any:
    return builder(f"densenet{depth}", f"DenseNet-{depth}.", DenseNet, growth, blocks, first)


densenet121 = _row(121, 32, (6, 12, 24, 16), 64)
densenet161 = _row(161, 48, (6, 12, 36, 24), 96)
densenet169 = _row(169, 32, (6, 12, 32, 32), 64)
densenet201 = _row(201, 32, (6, 12, 48, 32), 64)

__all__ = ["DenseNet", "densenet121", "densenet161", "densenet169", "densenet201"]
__getattr__ = door(__name__)
