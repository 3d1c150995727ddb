"""Transforms of colours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .... import Tensor, randperm
from .._color import (
    adjust_brightness,
    adjust_contrast,
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
from .._draw import chance, order, uniform
from .._values import permute_channels
from ._transform import Sometimes, Transform, query_chw

Bounds = float | Sequence[float] | None


class Grayscale(Transform):
    """`functional.rgb_to_grayscale`."""

    does = (rgb_to_grayscale, "num_output_channels")

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels


class RandomGrayscale(Sometimes):
    """Luminance in as many channels as the image has, with probability `p`."""

    does = (rgb_to_grayscale,)

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"num_output_channels": query_chw(flat_inputs)[0]}


class RGB(Transform):
    """Three channels of images that have one."""

    does = (grayscale_to_rgb,)


class RandomInvert(Sometimes):
    """`functional.invert` with probability `p`."""

    does = (invert,)


class RandomEqualize(Sometimes):
    """`functional.equalize` with probability `p`."""

    does = (equalize,)


class RandomAutocontrast(Sometimes):
    """`functional.autocontrast` with probability `p`."""

    does = (autocontrast,)


class RandomPosterize(Sometimes):
    """`functional.posterize` to so many `bits` with probability `p`."""

    does = (posterize, "bits")

    def __init__(self, bits: int, p: float = 0.5) -> None:
        super().__init__(p)
        self.bits = bits


class RandomSolarize(Sometimes):
    """`functional.solarize` above `threshold` with probability `p`."""

    does = (solarize, "threshold")

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.threshold = threshold


class RandomAdjustSharpness(Sometimes):
    """`functional.adjust_sharpness` by `sharpness_factor` with probability `p`."""

    does = (adjust_sharpness, "sharpness_factor")

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        super().__init__(p)
        self.sharpness_factor = sharpness_factor


_STEPS = (adjust_brightness, adjust_contrast, adjust_saturation, adjust_hue)


class ColorJitter(Transform):
    """Brightness, contrast, saturation and hue by random factors, in random order.

    Args:
        brightness, contrast, saturation: x for factors from max(0, 1 - x) to 1 + x, or (min, max).
        hue: x for turns from -x to x, at most 0.5, or (min, max).
    """

    def __init__(
        self, brightness: Bounds = None, contrast: Bounds = None, saturation: Bounds = None,
        hue: Bounds = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.brightness = _bounds("brightness", brightness)
        self.contrast = _bounds("contrast", contrast)
        self.saturation = _bounds("saturation", saturation)
        self.hue = _bounds("hue", hue, 0.0, (-0.5, 0.5))

    @staticmethod
    def get_params(
        brightness: Any, contrast: Any, saturation: Any, hue: Any
    ) -> tuple[Tensor, float | None, float | None, float | None, float | None]:
        """The order of the four steps, and the factor of each; None where the bounds are None."""
        steps = randperm(4)
        b, c, s, h = (
            None if bounds is None else uniform(*bounds)
            for bounds in (brightness, contrast, saturation, hue)
        )
        return steps, b, c, s, h

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        steps, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        return {"steps": [(_STEPS[int(i)], factors[int(i)]) for i in steps]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        for function, factor in params["steps"]:
            if factor is not None:
                inpt = self._call_kernel(function, inpt, factor)
        return inpt


def _bounds(
    name: str, value: Bounds, center: float = 1.0, limits: tuple[float, float] = (0.0, float("inf"))
) -> tuple[float, float] | None:
    """The bounds of a factor; None if it cannot change anything."""
    if value is None:
        return None
    if isinstance(value, int | float):
        if value < 0:
            raise ValueError(f"If {name} is a single number, it must be non negative.")
        low, high = center - value, center + value
        low = max(low, 0.0) if center else low
    elif isinstance(value, Sequence) and len(value) == 2:
        low, high = value
    else:
        raise TypeError(f"{name}={value} should be a single number or a sequence with length 2.")
    if not limits[0] <= low <= high <= limits[1]:
        raise ValueError(f"{name} values should be between {limits}, but got {[low, high]}.")
    return None if low == high == center else (float(low), float(high))


class RandomChannelPermutation(Transform):
    """The channels in random order."""

    does = (permute_channels,)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"permutation": order(query_chw(flat_inputs)[0])}


class RandomPhotometricDistort(Transform):
    """Each of brightness, contrast, saturation, hue and order of channels with probability `p`.

    As for training the detector SSD (arXiv:1512.02325); factors are from (min, max).
    """

    def __init__(
        self, brightness: tuple[float, float] = (0.875, 1.125),
        contrast: tuple[float, float] = (0.5, 1.5), saturation: tuple[float, float] = (0.5, 1.5),
        hue: tuple[float, float] = (-0.05, 0.05), p: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.brightness, self.contrast = brightness, contrast
        self.saturation, self.hue, self.p = saturation, hue, p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        steps: list[tuple[Any, Any]] = [
            (function, uniform(*bounds) if chance(self.p) else None)
            for function, bounds in zip(
                _STEPS, (self.brightness, self.contrast, self.saturation, self.hue), strict=True
            )
        ]
        if not chance(0.5):
            steps.append(steps.pop(1))  # contrast last
        channels = query_chw(flat_inputs)[0]
        steps.append((permute_channels, order(channels) if chance(self.p) else None))
        return {"steps": steps}

    transform = ColorJitter.transform
