"""Transforms of images together with what belongs to them: boxes, masks, points, labels."""

from .._op import InterpolationMode
from . import functional
from ._auto import AugMix, AutoAugment, AutoAugmentPolicy, RandAugment, TrivialAugmentWide
from ._color import (
    RGB, ColorJitter, Grayscale, RandomAdjustSharpness, RandomAutocontrast,
    RandomChannelPermutation, RandomEqualize, RandomGrayscale, RandomInvert,
    RandomPhotometricDistort, RandomPosterize, RandomSolarize,
)  # fmt: skip
from ._container import Compose, RandomApply, RandomChoice, RandomOrder
from ._geometry import (
    CenterCrop, ElasticTransform, FiveCrop, Pad, RandomAffine, RandomCrop, RandomHorizontalFlip,
    RandomIoUCrop, RandomPerspective, RandomResize, RandomResizedCrop, RandomRotation,
    RandomShortestSize, RandomVerticalFlip, RandomZoomOut, Resize, ScaleJitter, TenCrop,
)  # fmt: skip
from ._misc import (
    JPEG, ClampBoundingBoxes, ClampKeyPoints, ConvertBoundingBoxFormat, ConvertImageDtype,
    GaussianBlur, GaussianNoise, Identity, Lambda, LinearTransformation, Normalize, PILToTensor,
    SanitizeBoundingBoxes, SanitizeKeyPoints, SetClampingMode, ToDtype, ToImage, ToPILImage,
    ToPureTensor, ToTensor, UniformTemporalSubsample,
)  # fmt: skip
from ._mix import CutMix, MixUp, RandomErasing
from ._transform import (
    Transform, check_type, get_bounding_boxes, get_keypoints, has_all, has_any, query_chw,
    query_size,
)  # fmt: skip

__all__ = [
    "JPEG", "RGB", "AugMix", "AutoAugment", "AutoAugmentPolicy", "CenterCrop",
    "ClampBoundingBoxes", "ClampKeyPoints", "ColorJitter", "Compose", "ConvertBoundingBoxFormat",
    "ConvertImageDtype", "CutMix", "ElasticTransform", "FiveCrop", "GaussianBlur",
    "GaussianNoise", "Grayscale", "Identity", "InterpolationMode", "Lambda",
    "LinearTransformation", "MixUp", "Normalize", "PILToTensor", "Pad", "RandAugment",
    "RandomAdjustSharpness", "RandomAffine", "RandomApply", "RandomAutocontrast",
    "RandomChannelPermutation", "RandomChoice", "RandomCrop", "RandomEqualize", "RandomErasing",
    "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomIoUCrop", "RandomOrder",
    "RandomPerspective", "RandomPhotometricDistort", "RandomPosterize", "RandomResize",
    "RandomResizedCrop", "RandomRotation", "RandomShortestSize", "RandomSolarize",
    "RandomVerticalFlip", "RandomZoomOut", "Resize", "SanitizeBoundingBoxes", "SanitizeKeyPoints",
    "ScaleJitter", "SetClampingMode", "TenCrop", "ToDtype", "ToImage", "ToPILImage",
    "ToPureTensor", "ToTensor", "Transform", "TrivialAugmentWide", "UniformTemporalSubsample",
    "check_type", "functional", "get_bounding_boxes", "get_keypoints", "has_all", "has_any",
    "query_chw", "query_size",
]  # fmt: skip
