"""Models that give a class for each pixel, with torchvision's names and keys."""

from ._heads import (
    FCN, LRASPP, DeepLabV3, deeplabv3_mobilenet_v3_large, deeplabv3_resnet50, deeplabv3_resnet101,
    fcn_resnet50, fcn_resnet101, lraspp_mobilenet_v3_large,
)  # fmt: skip

__all__ = [
    "FCN", "LRASPP", "DeepLabV3", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50",
    "deeplabv3_resnet101", "fcn_resnet50", "fcn_resnet101", "lraspp_mobilenet_v3_large",
]  # fmt: skip
