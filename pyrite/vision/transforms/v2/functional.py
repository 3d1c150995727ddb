"""Functions on images, videos, masks, boxes and points, with the names of torchvision's v2."""

import warnings
from typing import Any

from .... import Tensor
from ..._pillow import pil_to_tensor, to_pil_image
from ..._pillow import to_tensor as _to_tensor
from .._color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    grayscale_to_rgb,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
)
from .._geometry import (
    center_crop,
    crop,
    five_crop,
    horizontal_flip,
    pad,
    resize,
    resized_crop,
    ten_crop,
    vertical_flip,
)
from .._meta import (
    clamp_bounding_boxes,
    clamp_keypoints,
    convert_bounding_box_format,
    get_dimensions,
    get_num_channels,
    get_num_frames,
    get_size,
    sanitize_bounding_boxes,
    sanitize_keypoints,
)
from .._meta import get_image_size as _image_size
from .._op import InterpolationMode, is_pure_tensor, register_kernel
from .._values import (
    convert_image_dtype,
    erase,
    gaussian_blur,
    gaussian_noise,
    jpeg,
    normalize,
    permute_channels,
    to_dtype,
    to_image,
    uniform_temporal_subsample,
)
from .._warp import affine, elastic, perspective, rotate

__all__ = [
    "InterpolationMode", "adjust_brightness", "adjust_contrast", "adjust_gamma", "adjust_hue",
    "adjust_saturation", "adjust_sharpness", "affine", "autocontrast", "center_crop",
    "clamp_bounding_boxes", "clamp_keypoints", "convert_bounding_box_format",
    "convert_image_dtype", "crop", "elastic", "elastic_transform", "equalize", "erase",
    "five_crop", "gaussian_blur", "gaussian_noise", "get_dimensions", "get_image_num_channels",
    "get_image_size", "get_num_channels", "get_num_frames", "get_size", "grayscale_to_rgb",
    "hflip", "horizontal_flip", "invert", "is_pure_tensor", "jpeg", "normalize", "pad",
    "permute_channels", "perspective", "pil_to_tensor", "posterize", "register_kernel", "resize",
    "resized_crop", "rgb_to_grayscale", "rotate", "sanitize_bounding_boxes", "sanitize_keypoints",
    "solarize", "ten_crop", "to_dtype", "to_grayscale", "to_image", "to_pil_image", "to_tensor",
    "uniform_temporal_subsample", "vertical_flip", "vflip",
]  # fmt: skip

hflip, vflip = horizontal_flip, vertical_flip
elastic_transform, to_grayscale = elastic, rgb_to_grayscale
get_image_num_channels = get_num_channels


def to_tensor(inpt: Any) -> Tensor:
    """`transforms.functional.to_tensor`; warns."""
    warnings.warn(
        "The function `to_tensor(...)` is deprecated. Instead, please use `to_image(...)` followed "
        "by `to_dtype(..., dtype=pyrite.float32, scale=True)`.",
        stacklevel=2,
    )
    return _to_tensor(inpt)


def get_image_size(inpt: Any) -> list[int]:
    """[width, height]; warns."""
    warnings.warn(
        "The function `get_image_size(...)` is deprecated. Instead, please use `get_size(...)` "
        "which returns `[h, w]` instead of `[w, h]`.",
        stacklevel=2,
    )
    return _image_size(inpt)
