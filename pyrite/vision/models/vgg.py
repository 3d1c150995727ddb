"""VGG with and without batch normalisation (Simonyan, Zisserman, 2014, arXiv:1409.1556)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ... import Tensor, nn
from ._api import door
from ._build import builder, fan_out, fill, small

# Convolutions per stage; each stage ends in a max pool.
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)


class VGG(nn.Module):
    """Convolutions, then three linear layers.

    Args:
        features: the convolutions, with 512 channels at the end.
        num_classes: size of the result.
        init_weights: draw fresh weights.
        dropout: probability between the linear layers.
    """

    def __init__(
        self, features: nn.Module, num_classes: int = 1000, init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096), nn.ReLU(True), nn.Dropout(p=dropout),
            nn.Linear(4096, 4096), nn.ReLU(True), nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )  # fmt: skip
        if init_weights:
            fill(self, conv=fan_out, linear=small)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def _features(counts: Sequence[int], batch_norm: bool = False) -> nn.Sequential:
    layers: list[nn.Module] = []
    channels = 3
    for width, count in zip(_WIDTHS, counts, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(channels, width, 3, padding=1))
            layers += [nn.BatchNorm2d(width)] if batch_norm else []
            layers.append(nn.ReLU(inplace=True))
            channels = width
        layers.append(nn.MaxPool2d(2, stride=2))
    return nn.Sequential(*layers)


def _row(depth: int, batch_norm: bool) -> Any:
    def make(**kwargs: Any) -> VGG:
        return VGG(_features(_STAGES[depth], batch_norm), **kwargs)

    make.__name__ = "VGG"
    doc = f"VGG-{depth}{' with batch normalisation' * batch_norm}."

    def no_drawing(asked: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
        asked["init_weights"] = False
        return {}

    return builder(f"vgg{depth}{'_bn' * batch_norm}", doc, make, pins=no_drawing)


vgg11, vgg13, vgg16, vgg19 = (_row(depth, False) for depth in _STAGES)
vgg11_bn, vgg13_bn, vgg16_bn, vgg19_bn = (_row(depth, True) for depth in _STAGES)

__all__ = [
    "VGG", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19", "vgg19_bn",
]  # fmt: skip
__getattr__ = door(__name__)
