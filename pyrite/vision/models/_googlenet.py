"""GoogLeNet (Szegedy et al., 2014, arXiv:1409.4842), with batch norms."""

from __future__ import annotations

import warnings
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from ... import Tensor, cat, nn
from ._build import Layer, builder
from .inception import BasicConv2d, cut_normal, rescaled, with_sides

F: Any = nn.functional

GoogLeNetOutputs = namedtuple("GoogLeNetOutputs", ["logits", "aux_logits2", "aux_logits1"])

# Input channels; 1x1; 3x3 narrow and wide; "5x5" narrow and wide; after the pool.
_ROWS = {
    "3a": (192, 64, 96, 128, 16, 32, 32), "3b": (256, 128, 128, 192, 32, 96, 64),
    "4a": (480, 192, 96, 208, 16, 48, 64), "4b": (512, 160, 112, 224, 24, 64, 64),
    "4c": (512, 128, 128, 256, 24, 64, 64), "4d": (512, 112, 144, 288, 32, 64, 64),
    "4e": (528, 256, 160, 320, 32, 128, 128), "5a": (832, 256, 160, 320, 32, 128, 128),
    "5b": (832, 384, 192, 384, 48, 128, 128),
}  # fmt: skip


class Inception(nn.Module):
    """Four branches side by side; the one named 5x5 has kernels of 3, as torchvision's weights."""

    def __init__(
        self, in_channels: int, ch1x1: int, ch3x3red: int, ch3x3: int, ch5x5red: int, ch5x5: int,
        pool_proj: int, conv_block: Layer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        conv = conv_block or BasicConv2d
        self.branch1 = conv(in_channels, ch1x1, kernel_size=1)
        for name, narrow, wide in (("branch2", ch3x3red, ch3x3), ("branch3", ch5x5red, ch5x5)):
            first = conv(in_channels, narrow, kernel_size=1)
            branch = nn.Sequential(first, conv(narrow, wide, kernel_size=3, padding=1))
            setattr(self, name, branch)
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True),
            conv(in_channels, pool_proj, kernel_size=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return cat([self.branch1(x), self.branch2(x), self.branch3(x), self.branch4(x)], 1)


class InceptionAux(nn.Module):
    """A side classifier."""

    def __init__(
        self, in_channels: int, num_classes: int, conv_block: Layer | None = None,
        dropout: float = 0.7,
    ) -> None:  # fmt: skip
        super().__init__()
        self.conv = (conv_block or BasicConv2d)(in_channels, 128, kernel_size=1)
        self.fc1 = nn.Linear(2048, 1024)
        self.fc2 = nn.Linear(1024, num_classes)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(F.adaptive_avg_pool2d(x, (4, 4))).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """Nine inception blocks.

    Args:
        num_classes: size of the result.
        aux_logits: have two side classifiers, whose results training returns, too.
        transform_input: the input is normalised by ImageNet's statistics: change it to the range
            -1 to 1, for which torchvision's weights were trained.
        init_weights: draw fresh weights from cut normal distributions; None is True.
        blocks: convolution, inception and side classifier; ValueError for another number.
        dropout: probability before the linear layer.
        dropout_aux: probability in the side classifiers.
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        init_weights: bool | None = None, blocks: Sequence[Layer] | None = None,
        dropout: float = 0.2, dropout_aux: float = 0.7,
    ) -> None:  # fmt: skip
        super().__init__()
        blocks = blocks or [BasicConv2d, Inception, InceptionAux]
        if len(blocks) != 3:
            raise ValueError(f"blocks length should be 3 instead of {len(blocks)}")
        conv, inception, aux = blocks
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.conv1 = conv(3, 64, kernel_size=7, stride=2, padding=3)
        self.conv2 = conv(64, 64, kernel_size=1)
        self.conv3 = conv(64, 192, kernel_size=3, padding=1)
        for i in range(1, 5):
            setattr(self, f"maxpool{i}", nn.MaxPool2d(2 if i == 4 else 3, 2, ceil_mode=True))
        for name, row in _ROWS.items():
            setattr(self, f"inception{name}", inception(*row))
        for i, width in ((1, 512), (2, 528)):
            side = aux(width, num_classes, dropout=dropout_aux) if aux_logits else None
            setattr(self, f"aux{i}", side)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(1024, num_classes)
        if init_weights is None or init_weights:
            cut_normal(self, 0.01)

    def forward(self, x: Tensor) -> Any:
        """Logits (N, num_classes); while training with side classifiers, `GoogLeNetOutputs`."""
        x = rescaled(x) if self.transform_input else x
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        x = self.inception4a(self.maxpool3(self.inception3b(self.inception3a(x))))
        sides = self.training and self.aux_logits
        first = self.aux1(x) if sides else None
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        second = self.aux2(x) if sides else None
        x = self.inception5b(self.inception5a(self.maxpool4(self.inception4e(x))))
        x = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return GoogLeNetOutputs(x, second, first) if sides else x


def _trim(model: GoogLeNet, asked: dict[str, Any]) -> None:
    """The published weights have side classifiers, which were never trained."""
    if not asked.get("aux_logits"):
        model.aux_logits, model.aux1, model.aux2 = False, None, None
        return
    warnings.warn(
        "auxiliary heads in the pretrained googlenet model are NOT pretrained, so make sure to "
        "train them",
        UserWarning,
        stacklevel=3,
    )


googlenet = builder("googlenet", "GoogLeNet.", GoogLeNet, pins=with_sides, trim=_trim)

__all__ = ["GoogLeNet", "GoogLeNetOutputs", "googlenet"]
