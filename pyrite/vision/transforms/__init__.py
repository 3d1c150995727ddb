"""Transforms of one image, a Pillow image or a tensor; `v2` also takes what belongs to it."""

from . import functional, v2
from ._op import InterpolationMode
from ._single import Compose, Lambda, RandomApply, RandomOrder, of_one
from .v2 import AutoAugmentPolicy, RandomChoice
from .v2._misc import ArrayToTensor as _ArrayToTensor

__all__ = [
    "AugMix", "AutoAugment", "AutoAugmentPolicy", "CenterCrop", "ColorJitter", "Compose",
    "ConvertImageDtype", "ElasticTransform", "FiveCrop", "GaussianBlur", "Grayscale",
    "InterpolationMode", "Lambda", "LinearTransformation", "Normalize", "PILToTensor", "Pad",
    "RandAugment", "RandomAdjustSharpness", "RandomAffine", "RandomApply", "RandomAutocontrast",
    "RandomChoice", "RandomCrop", "RandomEqualize", "RandomErasing", "RandomGrayscale",
    "RandomHorizontalFlip", "RandomInvert", "RandomOrder", "RandomPerspective", "RandomPosterize",
    "RandomResizedCrop", "RandomRotation", "RandomSolarize", "RandomVerticalFlip", "Resize",
    "TenCrop", "ToPILImage", "ToTensor", "TrivialAugmentWide", "functional", "v2",
]  # fmt: skip

AugMix = of_one(v2.AugMix)
AutoAugment = of_one(v2.AutoAugment)
CenterCrop = of_one(v2.CenterCrop)
ColorJitter = of_one(v2.ColorJitter)
ConvertImageDtype = of_one(v2.ConvertImageDtype)
ElasticTransform = of_one(v2.ElasticTransform)
FiveCrop = of_one(v2.FiveCrop)
GaussianBlur = of_one(v2.GaussianBlur)
Grayscale = of_one(v2.Grayscale)
LinearTransformation = of_one(v2.LinearTransformation)
Normalize = of_one(v2.Normalize)
PILToTensor = of_one(v2.PILToTensor)
Pad = of_one(v2.Pad)
RandAugment = of_one(v2.RandAugment)
RandomAdjustSharpness = of_one(v2.RandomAdjustSharpness)
RandomAffine = of_one(v2.RandomAffine)
RandomAutocontrast = of_one(v2.RandomAutocontrast)
RandomCrop = of_one(v2.RandomCrop)
RandomEqualize = of_one(v2.RandomEqualize)
RandomErasing = of_one(v2.RandomErasing)
RandomGrayscale = of_one(v2.RandomGrayscale)
RandomHorizontalFlip = of_one(v2.RandomHorizontalFlip)
RandomInvert = of_one(v2.RandomInvert)
RandomPerspective = of_one(v2.RandomPerspective)
RandomPosterize = of_one(v2.RandomPosterize)
RandomResizedCrop = of_one(v2.RandomResizedCrop, functional.resized_crop)
RandomRotation = of_one(v2.RandomRotation)
RandomSolarize = of_one(v2.RandomSolarize)
RandomVerticalFlip = of_one(v2.RandomVerticalFlip)
Resize = of_one(v2.Resize, functional.resize)
TenCrop = of_one(v2.TenCrop)
ToPILImage = of_one(v2.ToPILImage)
ToTensor = of_one(_ArrayToTensor, name="ToTensor")
TrivialAugmentWide = of_one(v2.TrivialAugmentWide)
