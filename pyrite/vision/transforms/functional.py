"""Functions on Pillow images and tensors, with torchvision's names; `v2.functional` has more."""

from typing import Any

from PIL import Image as pillow

from ... import Tensor, uint8
from .._pillow import pil_to_tensor, to_pil_image, to_tensor
from ._color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
)  # fmt: skip
from ._geometry import center_crop, crop, five_crop, pad, ten_crop
from ._geometry import horizontal_flip as hflip
from ._geometry import resize as _resize
from ._geometry import vertical_flip as vflip
from ._meta import get_dimensions, get_image_size
from ._meta import get_num_channels as get_image_num_channels
from ._op import Interpolation, InterpolationMode
from ._values import convert_image_dtype, erase, gaussian_blur, normalize
from ._warp import affine, perspective, rotate
from ._warp import elastic as elastic_transform

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue",
    "adjust_saturation", "adjust_sharpness", "affine", "autocontrast", "center_crop",
    "convert_image_dtype", "crop", "elastic_transform", "equalize", "erase", "five_crop",
    "gaussian_blur", "get_dimensions", "get_image_num_channels", "get_image_size", "hflip",
    "invert", "normalize", "pad", "perspective", "pil_to_tensor", "posterize", "resize",
    "resized_crop", "rgb_to_grayscale", "rotate", "solarize", "ten_crop", "to_grayscale",
    "to_pil_image", "to_tensor", "vflip",
]  # fmt: skip


def resize(
    img: Any, size: Any, interpolation: Interpolation = InterpolationMode.BILINEAR,
    max_size: int | None = None, antialias: bool | None = True,
) -> Any:  # fmt: skip
    """`v2.functional.resize`, but 8-bit numbers are rounded once, not after each direction."""
    how = (size, interpolation, max_size, antialias)
    if isinstance(img, Tensor) and img.dtype is uint8:
        return _resize(img.float(), *how).clamp(0, 255).round().to(uint8)
    return _resize(img, *how)


def resized_crop(
    img: Any, top: int, left: int, height: int, width: int, size: Any,
    interpolation: Interpolation = InterpolationMode.BILINEAR, antialias: bool | None = True,
) -> Any:  # fmt: skip
    """`crop`, then `resize`."""
    return resize(crop(img, top, left, height, width), size, interpolation, antialias=antialias)


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """`rgb_to_grayscale` of a Pillow image; TypeError for anything else."""
    if not isinstance(img, pillow.Image):
        raise TypeError("Input should be PIL Image")
    return rgb_to_grayscale(img, num_output_channels)
