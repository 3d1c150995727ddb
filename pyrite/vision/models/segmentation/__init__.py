"""Models that give a class for each pixel, with torchvision's names and keys."""

from .._api import door, enum_names
from ._heads import (
    FCN, LRASPP, DeepLabV3, deeplabv3_mobilenet_v3_large, deeplabv3_resnet50, deeplabv3_resnet101,
    fcn_resnet50, fcn_resnet101, lraspp_mobilenet_v3_large,
)  # fmt: skip

__all__ = [  # noqa: PLE0604
    "FCN", "LRASPP", "DeepLabV3", "deeplabv3_mobilenet_v3_large", "deeplabv3_resnet50",
    "deeplabv3_resnet101", "fcn_resnet50", "fcn_resnet101", "lraspp_mobilenet_v3_large",
    *enum_names(__name__),
]  # fmt: skip
__getattr__ = door(__name__)
