"""Segmentation: a class for each pixel.

FCN (Long et al., arXiv:1411.4038), DeepLabV3 (Chen et al., arXiv:1706.05587) and LR-ASPP (Howard
et al., arXiv:1905.02244).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from .... import Tensor, cat, nn
from .._api import WeightsEnum, register_model
from .._build import Given, chosen, loaded, pin, pinned_classes
from .._layers import IntermediateLayerGetter, strided
from ..mobilenetv3 import mobilenet_v3_large
from ..resnet import resnet50, resnet101

F: Any = nn.functional


def _enlarged(x: Tensor, size: Sequence[int]) -> Tensor:
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False)


class _Segmentation(nn.Module):
    """Backbone and classifier, with a second classifier of an earlier layer if there is one.

    Called with images (N, 3, H, W), it gives logits (N, classes, H, W) under "out" and "aux".
    """

    def __init__(
        self, backbone: nn.Module, classifier: nn.Module, aux_classifier: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.backbone, self.classifier = backbone, classifier
        self.aux_classifier = aux_classifier

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features, size = self.backbone(x), x.shape[-2:]
        result = OrderedDict(out=_enlarged(self.classifier(features["out"]), size))
        if self.aux_classifier is not None:
            result["aux"] = _enlarged(self.aux_classifier(features["aux"]), size)
        return result


class FCN(_Segmentation):
    """A fully convolutional network."""


class DeepLabV3(_Segmentation):
    """Convolutions of several dilations side by side."""


def _conv(inputs: int, out: int, kernel: int = 1, dilation: int = 1) -> list[nn.Module]:
    padding = kernel // 2 * dilation
    conv = nn.Conv2d(inputs, out, kernel, padding=padding, dilation=dilation, bias=False)
    return [conv, nn.BatchNorm2d(out), nn.ReLU()]


class FCNHead(nn.Sequential):
    """A convolution to a quarter of the channels and one to the classes."""

    def __init__(self, in_channels: int, channels: int) -> None:
        inner = in_channels // 4
        last = nn.Conv2d(inner, channels, 1)
        super().__init__(*_conv(in_channels, inner, 3), nn.Dropout(0.1), last)


class ASPPPooling(nn.Sequential):
    """The mean of all pixels, at each pixel."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *_conv(in_channels, out_channels))

    def forward(self, x: Tensor) -> Tensor:
        return _enlarged(super().forward(x), x.shape[-2:])


class ASPP(nn.Module):
    """Convolutions of several dilations and the mean, side by side."""

    def __init__(
        self, in_channels: int, atrous_rates: Sequence[int], out_channels: int = 256
    ) -> None:
        super().__init__()
        branches = [nn.Sequential(*_conv(in_channels, out_channels))]
        branches += (nn.Sequential(*_conv(in_channels, out_channels, 3, r)) for r in atrous_rates)
        self.convs = nn.ModuleList([*branches, ASPPPooling(in_channels, out_channels)])
        width = len(self.convs) * out_channels
        self.project = nn.Sequential(*_conv(width, out_channels), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        return self.project(cat([conv(x) for conv in self.convs], 1))


class DeepLabHead(nn.Sequential):
    """ASPP and two convolutions."""

    def __init__(
        self, in_channels: int, num_classes: int, atrous_rates: Sequence[int] = (12, 24, 36)
    ) -> None:
        last = nn.Conv2d(256, num_classes, 1)
        super().__init__(ASPP(in_channels, atrous_rates), *_conv(256, 256, 3), last)


class LRASPPHead(nn.Module):
    """Deep features, scaled by what all pixels have seen, and shallow ones for the detail."""

    def __init__(
        self, low_channels: int, high_channels: int, num_classes: int, inter_channels: int
    ) -> None:
        super().__init__()
        self.cbr = nn.Sequential(*_conv(high_channels, inter_channels))
        self.scale = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(high_channels, inter_channels, 1, bias=False),
            nn.Sigmoid(),
        )
        self.low_classifier = nn.Conv2d(low_channels, num_classes, 1)
        self.high_classifier = nn.Conv2d(inter_channels, num_classes, 1)

    def forward(self, input: dict[str, Tensor]) -> Tensor:
        low, high = input["low"], input["high"]
        x = _enlarged(self.cbr(high) * self.scale(high), low.shape[-2:])
        return self.low_classifier(low) + self.high_classifier(x)


class LRASPP(nn.Module):
    """Backbone with layers "low" and "high", and `LRASPPHead`; gives logits under "out"."""

    def __init__(
        self, backbone: nn.Module, low_channels: int, high_channels: int, num_classes: int,
        inter_channels: int = 128,
    ) -> None:  # fmt: skip
        super().__init__()
        self.backbone = backbone
        self.classifier = LRASPPHead(low_channels, high_channels, num_classes, inter_channels)

    def forward(self, input: Tensor) -> dict[str, Tensor]:
        out = _enlarged(self.classifier(self.backbone(input)), input.shape[-2:])
        return OrderedDict(out=out)


def _resnet(net: Any, weights: Given) -> tuple[nn.Module, list[str], list[int]]:
    """A dilated backbone, the names of its shallow and deep layers, and their channels."""
    dilated = [False, True, True]
    backbone = net(weights=weights, replace_stride_with_dilation=dilated)
    return backbone, ["layer3", "layer4"], [1024, 2048]


def _mobilenet(net: Any, weights: Given) -> tuple[nn.Module, list[str], list[int]]:
    features = net(weights=weights, dilated=True).features
    places = [strided(features)[-4], len(features) - 1]
    return features, list(map(str, places)), [features[i].out_channels for i in places]


def _row(
    name: str, doc: str, kind: Callable[..., Any], net: Any, backbone_of: Callable[..., Any]
) -> Any:
    """A registered builder: `kind` makes the model of a backbone, a number and `aux_loss`."""

    def build(
        *, weights: Given = None, progress: bool = True, num_classes: int | None = None,
        aux_loss: bool | None = None, weights_backbone: Given = "IMAGENET1K_V1", **older: bool,
    ) -> Any:  # fmt: skip
        given = chosen(name, weights, older)
        inner = chosen(net.__name__, weights_backbone, older, "pretrained_backbone")
        if older:
            raise TypeError(f"{name}() got an unexpected keyword argument {next(iter(older))!r}")
        asked = {"num_classes": num_classes, "aux_loss": aux_loss}
        asked = {key: value for key, value in asked.items() if value is not None}
        if isinstance(given, WeightsEnum):
            pin(asked, **pinned_classes(given), **({} if kind is _lraspp else {"aux_loss": True}))
        backbone = backbone_of(net, None if given else inner)
        return loaded(kind(*backbone, **{"num_classes": 21, **asked}), given, progress)

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f"""{doc}

    Args:
        weights: None, published ones or the path of a file, as for a classifier.
        progress: show how far a download is.
        num_classes: channels of the result; None: 21, those of Pascal VOC.
        aux_loss: have a second classifier, of an earlier layer. Published weights have it.
        weights_backbone: the weights of the classifier `{net.__name__}` inside, downloaded by
            default where `weights` is None; None for fresh ones.
    """
    return register_model(name)(build)


def _with_side(model: Any, head: Any) -> Callable[..., Any]:
    def make(
        backbone: nn.Module, layers: list[str], widths: list[int], num_classes: int,
        aux_loss: bool = False,
    ) -> Any:  # fmt: skip
        shallow, deep = layers
        getter = IntermediateLayerGetter(
            backbone, {shallow: "aux", deep: "out"} if aux_loss else {deep: "out"}
        )
        side = FCNHead(widths[0], num_classes) if aux_loss else None
        return model(getter, head(widths[1], num_classes), side)

    return make


def _lraspp(backbone: nn.Module, layers: list[str], widths: list[int], num_classes: int) -> LRASPP:
    getter = IntermediateLayerGetter(backbone, dict(zip(layers, ("low", "high"))))
    low, high = widths
    return LRASPP(getter, low, high, num_classes)


_FCN, _DEEP = _with_side(FCN, FCNHead), _with_side(DeepLabV3, DeepLabHead)
fcn_resnet50 = _row("fcn_resnet50", "FCN on ResNet-50.", _FCN, resnet50, _resnet)
fcn_resnet101 = _row("fcn_resnet101", "FCN on ResNet-101.", _FCN, resnet101, _resnet)
deeplabv3_resnet50 = _row("deeplabv3_resnet50", "DeepLabV3 on ResNet-50.", _DEEP, resnet50, _resnet)
deeplabv3_resnet101 = _row(
    "deeplabv3_resnet101", "DeepLabV3 on ResNet-101.", _DEEP, resnet101, _resnet
)
deeplabv3_mobilenet_v3_large = _row(
    "deeplabv3_mobilenet_v3_large", "DeepLabV3 on MobileNetV3.", _DEEP, mobilenet_v3_large,
    _mobilenet,
)  # fmt: skip
lraspp_mobilenet_v3_large = _row(
    "lraspp_mobilenet_v3_large", "LR-ASPP on MobileNetV3.", _lraspp, mobilenet_v3_large, _mobilenet
)
