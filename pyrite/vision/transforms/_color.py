"""Functions on colours. Values are 0 to 1 if floating, else 0 to the type's largest."""

from __future__ import annotations

from typing import Any

from PIL import Image as pillow
from PIL import ImageEnhance, ImageOps

from ... import Tensor, bincount, cat, float32, int64, nn, stack, uint8, where
from ._op import kernel, op
from ._values import floating, largest, on_planes, to_dtype, value_bits

_GREY = (0.2989, 0.587, 0.114)


def _channels(image: Tensor) -> int:
    """1 or 3; TypeError for other numbers of channels."""
    channels = image.shape[-3] if image.ndim > 2 else 0
    if channels not in (1, 3):
        raise TypeError(
            "Input image tensor permitted channel values are 1 or 3, but found "
            + (str(channels) if channels else f"shape {tuple(image.shape)}")
        )
    return int(channels)


def _not_negative(name: str, value: float) -> None:
    if value < 0:
        raise ValueError(f"{name} ({value}) is not non-negative.")


def _luminance(image: Tensor) -> Tensor:
    """(..., 1, H, W) of three channels, in a floating type."""
    parts = [image[..., c : c + 1, :, :] * weight for c, weight in enumerate(_GREY)]
    return parts[0] + parts[1] + parts[2]


def _blend(image: Tensor, other: Tensor, ratio: float) -> Tensor:
    mixed = image * float(ratio) + other * (1.0 - ratio)
    return mixed.clamp(0, largest(image.dtype)).to(image.dtype)


@op
def rgb_to_grayscale(image: Tensor, num_output_channels: int = 1) -> Tensor:
    """Luminance, 0.2989 R + 0.587 G + 0.114 B, in one channel or in three equal ones."""
    _check_outputs(num_output_channels)
    channels = _channels(image)
    grey = image if channels == 1 else _luminance(image).to(image.dtype)
    if num_output_channels == 3:
        return grey.expand(*image.shape[:-3], 3, -1, -1)
    return grey.clone() if channels == 1 else grey


def _check_outputs(channels: int) -> None:
    if channels not in (1, 3):
        raise ValueError(f"num_output_channels should be either 1 or 3, got {channels}.")


@kernel(rgb_to_grayscale, pillow.Image)
def _grey_pillow(image: Any, num_output_channels: int) -> Any:
    _check_outputs(num_output_channels)
    grey = image.convert("L")
    return grey if num_output_channels == 1 else pillow.merge("RGB", [grey] * 3)


@op
def grayscale_to_rgb(image: Tensor) -> Tensor:
    """Three equal channels from one; images of three or more stay as they are."""
    return image if image.shape[-3] >= 3 else rgb_to_grayscale(image, 3)


kernel(grayscale_to_rgb, pillow.Image)(lambda image: image.convert("RGB"))


# ---- factors: 1 leaves the image as it is


@op
def adjust_brightness(image: Tensor, brightness_factor: float) -> Tensor:
    """The values times a factor of at least 0."""
    _not_negative("brightness_factor", brightness_factor)
    _channels(image)
    return (image * float(brightness_factor)).clamp(0, largest(image.dtype)).to(image.dtype)


def _grey_part(image: Tensor) -> Tensor:
    """Luminance in a floating type, but in whole numbers for images of such."""
    if _channels(image) == 1:
        return floating(image)
    grey = _luminance(image)
    return grey if image.is_floating_point() else grey.floor()


@op
def adjust_saturation(image: Tensor, saturation_factor: float) -> Tensor:
    """Between the image without colour (0), as it is (1), and beyond."""
    _not_negative("saturation_factor", saturation_factor)
    return image if _channels(image) == 1 else _blend(image, _grey_part(image), saturation_factor)


@op
def adjust_contrast(image: Tensor, contrast_factor: float) -> Tensor:
    """Between an image of the mean luminance (0), as it is (1), and beyond."""
    _not_negative("contrast_factor", contrast_factor)
    return _blend(image, _grey_part(image).mean((-3, -2, -1), keepdim=True), contrast_factor)


@op
def adjust_sharpness(image: Tensor, sharpness_factor: float) -> Tensor:
    """Between a blurred image (0), as it is (1), and beyond; the border stays."""
    channels = _channels(image)
    _not_negative("sharpness_factor", sharpness_factor)
    if image.numel() == 0 or min(image.shape[-2:]) <= 2:
        return image
    values = floating(image)
    weights = values.new_full((channels, 1, 3, 3), 1 / 13)
    weights[:, :, 1, 1] = 5 / 13
    soft = on_planes(values, lambda planes: nn.functional.conv2d(planes, weights, groups=channels))
    soft = soft if image.is_floating_point() else soft.round()
    out = values.clone()
    inner = out[..., 1:-1, 1:-1]
    out[..., 1:-1, 1:-1] = inner + (soft - inner) * (1.0 - sharpness_factor)
    return out.clamp(0, largest(image.dtype)).to(image.dtype)


def _enhanced(function: Any, enhancer: Any) -> None:
    """Serve Pillow images by one of its enhancers, which take the same factor."""

    @kernel(function, pillow.Image, every=True)
    def _of_pillow(image: Any, **factor: float) -> Any:
        return enhancer(image).enhance(*factor.values())


_enhanced(adjust_brightness, ImageEnhance.Brightness)
_enhanced(adjust_contrast, ImageEnhance.Contrast)
_enhanced(adjust_saturation, ImageEnhance.Color)
_enhanced(adjust_sharpness, ImageEnhance.Sharpness)


# ---- hue and gamma


def _hue_saturation_value(image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    red, green, blue = image.unbind(-3)
    top, bottom = image.amax(-3), image.amin(-3)
    grey, spread = top == bottom, top - bottom
    saturation = spread / where(grey, 1.0, top)
    divisor = where(grey, 1.0, spread)
    r, g, b = ((top - channel) / divisor for channel in (red, green, blue))
    sector = where(top == red, b - g, where(top == green, 2.0 + r - b, 4.0 + g - r))
    return (sector * (1 / 6) + 1.0).fmod(1.0), saturation, top


def _red_green_blue(hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    sector = (hue * 6.0).floor()
    part = hue * 6.0 - sector
    p = (value * (1.0 - saturation)).clamp(0.0, 1.0)
    q = (value * (1.0 - saturation * part)).clamp(0.0, 1.0)
    t = (value * (1.0 - saturation * (1.0 - part))).clamp(0.0, 1.0)
    levels = stack((value, p, q, t), -3)
    # Which of the four each channel takes, by sector.
    table = sector.new_tensor([[0, 2, 1, 1, 3, 0], [3, 0, 0, 2, 1, 1], [1, 1, 3, 0, 0, 2]])
    chosen = table.to(int64)[:, sector.to(int64).remainder(6)]
    return levels.gather(-3, chosen.movedim(0, -3))


def _check_hue(factor: float) -> None:
    if not -0.5 <= factor <= 0.5:
        raise ValueError(f"hue_factor ({factor}) is not in [-0.5, 0.5].")


@op
def adjust_hue(image: Tensor, hue_factor: float) -> Tensor:
    """Hues turned by a part of the circle, -0.5 to 0.5."""
    _check_hue(hue_factor)
    if _channels(image) == 1 or image.numel() == 0:
        return image
    hue, *others = _hue_saturation_value(to_dtype(image, float32, scale=True))
    turned = _red_green_blue((hue + hue_factor).remainder(1.0), *others)
    return to_dtype(turned, image.dtype, scale=True)


@kernel(adjust_hue, pillow.Image)
def _hue_pillow(image: Any, hue_factor: float) -> Any:
    _check_hue(hue_factor)
    if image.mode in ("L", "1", "I", "F"):
        return image
    hue, *others = image.convert("HSV").split()
    turn = int(hue_factor * 255)
    hue = hue.point([(level + turn) % 256 for level in range(256)])
    return pillow.merge("HSV", (hue, *others)).convert(image.mode)


def _check_gamma(gamma: float) -> None:
    if gamma < 0:
        raise ValueError("Gamma should be a non-negative real number")


@op
def adjust_gamma(image: Tensor, gamma: float, gain: float = 1.0) -> Tensor:
    """gain * value ** gamma, of values from 0 to 1."""
    _check_gamma(gamma)
    out = to_dtype(image, floating(image[..., :0]).dtype, scale=True).pow(gamma)
    out = out if gain == 1.0 else (out * gain).clamp(0.0, 1.0)
    return to_dtype(out, image.dtype, scale=True)


@kernel(adjust_gamma, pillow.Image)
def _gamma_pillow(image: Any, gamma: float, gain: float) -> Any:
    _check_gamma(gamma)
    levels = [int((255 + 1 - 1e-3) * gain * pow(level / 255.0, gamma)) for level in range(256)]
    return image.convert("RGB").point(levels * 3).convert(image.mode)


# ---- level by level


@op
def posterize(image: Tensor, bits: int) -> Tensor:
    """Only the highest bits, 0 to 8, of each value."""
    _check_bits(bits)
    if image.is_floating_point():
        levels = 1 << bits
        return (image * levels).floor().clamp(0, levels - 1) * (1.0 / levels)
    known = value_bits(image.dtype)
    kept = ((1 << bits) - 1) << max(known - bits, 0)
    return image if bits >= known else image.bitwise_and(kept)


def _check_bits(bits: int) -> None:
    if not isinstance(bits, int):
        raise TypeError(f"bits must be an integer from 0 to 8, got {bits!r}")
    if not 0 <= bits <= 8:
        raise ValueError(f"The number if bits should be between 0 and 8. Got {bits}")


@op
def invert(image: Tensor) -> Tensor:
    """Full brightness less the values."""
    return largest(image.dtype) - image


@op
def solarize(image: Tensor, threshold: float) -> Tensor:
    """Values of at least `threshold` inverted; TypeError for one above full brightness."""
    if threshold > largest(image.dtype):
        raise TypeError(
            f"Threshold should be less or equal the maximum value of the dtype, but got {threshold}"
        )
    return where(image >= threshold, invert(image), image)


@op
def autocontrast(image: Tensor) -> Tensor:
    """Each channel stretched, so that its darkest value is 0 and its brightest is full."""
    _channels(image)
    if image.numel() == 0:
        return image
    top, values = largest(image.dtype), floating(image)
    low, high = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
    flat = low == high
    scale = where(flat, 1.0, (high - low) * (1.0 / top))
    return ((values - where(flat, 0.0, low)) / scale).clamp(0, top).to(image.dtype)


@op
def equalize(image: Tensor) -> Tensor:
    """Each channel's 256 levels moved so that they are about equally frequent."""
    if image.numel() == 0:
        return image
    levels = to_dtype(image, uint8, scale=True)
    planes = [_equal(plane) for plane in levels.reshape(-1, *image.shape[-2:])]
    return to_dtype(stack(planes).reshape(image.shape), image.dtype, scale=True)


def _equal(plane: Tensor) -> Tensor:
    """One channel (H, W) of uint8, equalised."""
    counts = bincount(plane.reshape(-1).to(int64), minlength=256)
    last = int(counts.nonzero()[-1])
    step = (plane.numel() - int(counts[last])) // 255
    if step == 0:
        return plane
    table = ((counts.cumsum(0)[:-1] + step // 2) // step).clamp(0, 255).to(uint8)
    return cat((table.new_zeros(1), table))[plane.to(int64)]


def _of_pillow(function: Any, check: Any = lambda *_: None) -> None:
    """Serve Pillow images by its function of the same name, which takes the same argument."""

    @kernel(function, pillow.Image, every=True)
    def _call(image: Any, **given: Any) -> Any:
        check(*given.values())
        return getattr(ImageOps, function.__name__)(image, *given.values())


_of_pillow(posterize, _check_bits)
for _function in (invert, solarize, autocontrast, equalize):
    _of_pillow(_function)
