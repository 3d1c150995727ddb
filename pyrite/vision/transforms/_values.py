"""Functions on the values of images: types, normalisation, blur, noise, erasing, JPEG."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import Any

from PIL import Image as pillow

from ... import (
    Tensor,
    as_tensor,
    dtype,
    float32,
    from_numpy,
    int8,
    int16,
    int32,
    int64,
    linspace,
    nn,
    randn_like,
    softmax,
    stack,
    uint8,
)  # fmt: skip
from .._pillow import is_array, pil_to_tensor, to_pil_image
from ..tv_tensors import BoundingBoxes, Image, KeyPoints, Mask
from ._op import kernel, op

F: Any = nn.functional

_BITS = {uint8: 8, int8: 7, int16: 15, int32: 31, int64: 63}


def value_bits(kind: dtype) -> int:
    """The bits of an integer type's values; TypeError for other types."""
    if kind not in _BITS:
        raise TypeError(f"expected an integer dtype of images, but got {kind}.")
    return _BITS[kind]


def largest(kind: dtype) -> int:
    """The value of full brightness."""
    return (1 << _BITS[kind]) - 1 if kind in _BITS else 1


def floating(image: Tensor) -> Tensor:
    """An image itself if its values are floating, else as float32."""
    return image if image.is_floating_point() else image.to(float32)


def rounded(values: Tensor, kind: dtype) -> Tensor:
    """Values in a type, rounded if it has whole numbers only."""
    return values.to(kind) if kind.is_floating_point else values.round().to(kind)


@op
def to_dtype(image: Tensor, dtype: dtype = float32, scale: bool = False) -> Tensor:
    """The values in another type; with `scale`, full brightness stays full brightness.

    RuntimeError for floating values to integers that these cannot tell apart.
    """
    if image.dtype is dtype or not scale:
        return image.to(dtype)
    if image.is_floating_point():
        if dtype.is_floating_point:
            return image.to(dtype)
        if value_bits(dtype) >= 8 * image.dtype.itemsize - 1:
            raise RuntimeError(
                f"The conversion from {image.dtype} to {dtype} cannot be performed safely."
            )
        return image.mul(largest(dtype) + 1.0 - 1e-3).to(dtype)
    if dtype.is_floating_point:
        return image.to(dtype) * (1.0 / largest(image.dtype))
    more = value_bits(dtype) - value_bits(image.dtype)
    if more > 0:
        return image.to(dtype).bitwise_left_shift(more)
    return image.bitwise_right_shift(-more).to(dtype)


@kernel(to_dtype, BoundingBoxes, KeyPoints, Mask)
def _to_dtype_as_it_is(inpt: Any, dtype: dtype) -> Any:
    return inpt.to(dtype)


def convert_image_dtype(image: Tensor, dtype: dtype = float32) -> Tensor:
    """`to_dtype` with `scale`; TypeError for what is no tensor."""
    if not isinstance(image, Tensor):
        raise TypeError("Input img should be Tensor Image")
    return to_dtype(image, dtype, scale=True)


def to_image(inpt: Any) -> Image:
    """A Pillow image, a tensor or an array (H, W) or (H, W, C) as an `Image`; no scaling."""
    if isinstance(inpt, pillow.Image):
        inpt = pil_to_tensor(inpt)
    elif is_array(inpt):
        inpt = from_numpy(inpt.reshape(*inpt.shape[:2], -1)).permute(2, 0, 1).contiguous()
    elif not isinstance(inpt, Tensor):
        raise TypeError(
            "Input can either be a pure Tensor, a numpy array, or a PIL image, but got "
            f"{type(inpt)} instead."
        )
    return Image(inpt)


@op
def normalize(
    image: Tensor, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> Tensor:
    """(values - mean) / std, by channel, of a floating image (..., C, H, W)."""
    if not image.is_floating_point():
        raise TypeError(f"Input tensor should be a float tensor. Got {image.dtype}.")
    if image.ndim < 3:
        raise ValueError(
            "Expected tensor to be a tensor image of size (..., C, H, W). Got tensor.size() = "
            f"{image.shape}"
        )
    centre, spread = (as_tensor(v, dtype=image.dtype, device=image.device) for v in (mean, std))
    if 0 in (std if isinstance(std, list | tuple) else spread.flatten().tolist()):
        raise ValueError("std evaluated to zero, leading to division by zero.")
    centre, spread = (t.reshape(-1, 1, 1) if t.ndim == 1 else t for t in (centre, spread))
    return image.sub_(centre).div_(spread) if inplace else (image - centre) / spread


# ---- blur and noise


def _bell(size: int, sigma: float, like: Tensor) -> Tensor:
    end = (size - 1) / (2.0 * math.sqrt(2.0))
    x = linspace(-end, end, size, dtype=like.dtype, device=like.device)
    return softmax(-(x / sigma).square(), 0)


def _blur_sizes(kernel_size: Any, sigma: Any) -> tuple[Any, Any]:
    """Two sizes and two widths for horizontal and vertical; errors for what is none."""
    if not isinstance(kernel_size, int | list | tuple):
        raise TypeError(
            f"kernel_size should be int or a sequence of integers. Got {type(kernel_size)}"
        )
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        raise ValueError(f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(size % 2 == 0 or size < 0 for size in sizes):
        raise ValueError(f"kernel_size should have odd and positive integers. Got {kernel_size}")
    if not isinstance(sigma, int | float | list | tuple | None):
        raise TypeError(f"sigma should be either float or sequence of floats. Got {type(sigma)}")
    widths = [sigma] * 2 if isinstance(sigma, int | float) else sigma
    widths = [size * 0.15 + 0.35 for size in sizes] if widths is None else list(widths)
    widths = widths * 2 if len(widths) == 1 else widths
    if len(widths) != 2:
        raise ValueError(f"If sigma is a sequence, its length should be 2. Got {len(widths)}")
    if min(widths) <= 0:
        raise ValueError(f"sigma should have positive values. Got {sigma}")
    return sizes, widths


def on_planes(image: Tensor, function: Any) -> Tensor:
    """What `function` makes of (N, C, H, W), for an image with any leading dimensions."""
    out = function(image.reshape(-1, *image.shape[-3:]))
    return out.reshape(*image.shape[:-3], *out.shape[1:])


@op
def gaussian_blur(image: Tensor, kernel_size: Any, sigma: Any = None) -> Tensor:
    """The image weighted around each pixel by a Gaussian, mirrored at the borders.

    Args:
        image: (..., C, H, W), or a Pillow image.
        kernel_size: odd, for both directions or (horizontal, vertical).
        sigma: standard deviations in pixels, likewise; 0.15 * kernel_size + 0.35 if None.
    """
    sizes, sigmas = _blur_sizes(kernel_size, sigma)
    if image.numel() == 0:
        return image
    values = floating(image)
    x, y = (_bell(size, width, values) for size, width in zip(sizes, sigmas, strict=True))
    weights = (y[:, None] * x).expand(image.shape[-3], 1, -1, -1)
    edges = [sizes[0] // 2] * 2 + [sizes[1] // 2] * 2

    def blurred(planes: Tensor) -> Any:
        return F.conv2d(F.pad(planes, edges, mode="reflect"), weights, groups=planes.shape[1])

    return rounded(on_planes(values, blurred), image.dtype)


def through_tensor(function: Any) -> None:
    """Serve Pillow images by the kernel for tensors."""

    @kernel(function, pillow.Image, every=True)
    def _of_pillow(image: Any, **given: Any) -> Any:
        return to_pil_image(function(pil_to_tensor(image), **given), image.mode)


through_tensor(gaussian_blur)


@op
def gaussian_noise(
    image: Tensor, mean: float = 0.0, sigma: float = 0.1, clip: bool = True
) -> Tensor:
    """The image plus normal noise of mean and deviation in parts of full brightness.

    `clip` keeps values in their range. ValueError for types other than uint8 and floating ones.
    """
    if sigma < 0:
        raise ValueError(f"sigma shouldn't be negative. Got {sigma}")
    if image.dtype is not uint8 and not image.is_floating_point():
        raise ValueError(
            f"Input tensor is expected to be in uint8 or float dtype, got dtype={image.dtype}"
        )
    top = largest(image.dtype)
    noise = mean * top + randn_like(floating(image)) * (sigma * top)
    out = image + (noise if image.is_floating_point() else noise.to(int16))
    return (out.clamp(0, top) if clip else out).to(image.dtype)


# ---- parts


@op
def erase(image: Tensor, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Tensor:
    """The image with `v` (a number, or broadcast to (C, h, w)) in the box from row i, column j."""
    out = image if inplace else image.clone()
    out[..., i : i + h, j : j + w] = v.to(image.device, image.dtype) if isinstance(v, Tensor) else v
    return out


through_tensor(erase)


@op
def permute_channels(image: Tensor, permutation: Sequence[int]) -> Tensor:
    """The channels of an image (..., C, H, W) in another order; ValueError for too many or few."""
    order = [int(channel) for channel in permutation]
    if len(order) != image.shape[-3]:
        raise ValueError(
            "Length of permutation does not match number of channels: "
            f"{len(order)} != {image.shape[-3]}"
        )
    return stack([image[..., channel, :, :] for channel in order], -3)


through_tensor(permute_channels)


@op
def jpeg(image: Tensor, quality: int) -> Tensor:
    """An image (..., 1 or 3, H, W) of uint8 as a JPEG file of a quality from 1 to 100 keeps it."""
    if image.dtype is not uint8:
        raise RuntimeError(f"expected an image of uint8, got {image.dtype}: see to_dtype")
    planes = image.reshape(-1, *image.shape[-3:])
    coded = [pil_to_tensor(_jpeg_pillow(to_pil_image(plane), quality)) for plane in planes]
    return stack(coded).reshape(image.shape) if coded else image.clone()


@kernel(jpeg, pillow.Image)
def _jpeg_pillow(image: Any, quality: int) -> Any:
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=quality)
    return pillow.open(file).copy()


@op
def uniform_temporal_subsample(video: Tensor, num_samples: int) -> Tensor:
    """So many images of a video (..., T, C, H, W), at equal distances in time."""
    steps = linspace(0, video.shape[-4] - 1, num_samples, device=video.device).long()
    return video.index_select(-4, steps)
