"""SqueezeNet 1.0 and 1.1 (Iandola et al., 2016, arXiv:1602.07360)."""

from __future__ import annotations

from ... import Tensor, cat, nn
from ._api import door
from ._build import builder, fill, small

# The first convolution (channels, kernel); then squeeze widths, expanded to 4 times that in each
# half, and 0 for a max pool.
_VERSIONS = {
    "1_0": ((96, 7), (0, 16, 16, 32, 0, 32, 48, 48, 64, 0, 64)),
    "1_1": ((64, 3), (0, 16, 16, 0, 32, 32, 0, 48, 48, 64, 64)),
}


class Fire(nn.Module):
    """A 1x1 convolution, then 1x1 and 3x3 ones side by side."""

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, 1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, 1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, 3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze_activation(self.squeeze(x))
        ones = self.expand1x1_activation(self.expand1x1(x))
        return cat([ones, self.expand3x3_activation(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """Fire modules, and a convolution in place of the linear layer.

    Args:
        version: "1_0" or "1_1"; ValueError otherwise.
        num_classes: size of the result.
        dropout: probability before the last convolution.
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        if version not in _VERSIONS:
            raise ValueError(f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        self.num_classes = num_classes
        (channels, kernel), squeezes = _VERSIONS[version]
        layers: list[nn.Module] = [nn.Conv2d(3, channels, kernel, stride=2), nn.ReLU(inplace=True)]
        for width in squeezes:
            if not width:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))
                continue
            layers.append(Fire(channels, width, 4 * width, 4 * width))
            channels = 8 * width
        self.features = nn.Sequential(*layers)
        last = nn.Conv2d(512, num_classes, 1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), last, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        fill(self, conv=nn.init.kaiming_uniform_)
        small(last.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x)).flatten(1)


squeezenet1_0 = builder("squeezenet1_0", "SqueezeNet 1.0.", SqueezeNet, "1_0")
squeezenet1_1 = builder("squeezenet1_1", "SqueezeNet 1.1.", SqueezeNet, "1_1")

__all__ = ["SqueezeNet", "squeezenet1_0", "squeezenet1_1"]
__getattr__ = door(__name__)
