"""Augmentation by policies: AutoAugment, RandAugment, TrivialAugment, AugMix."""

from __future__ import annotations

import math
from collections.abc import Callable
from enum import Enum
from typing import Any

from PIL import Image as pillow

from .... import Tensor, distributions, ones, rand, randint
from ..._pillow import pil_to_tensor, to_pil_image
from ...tv_tensors import BoundingBoxes, KeyPoints, Mask, TVTensor, wrap
from .._color import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    equalize,
    invert,
    posterize,
    solarize,
)
from .._draw import chance, integer
from .._meta import get_size
from .._op import Fill, Interpolation, InterpolationMode
from .._values import largest
from .._warp import affine, rotate
from ._transform import IMAGES, Transform, check_type, checked_fill, fill_for

_NEAREST = InterpolationMode.NEAREST


class AutoAugmentPolicy(Enum):
    """The data sets that AutoAugment learned policies on."""

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


def _sheared(x: float, y: float) -> dict[str, Any]:
    shear = [math.degrees(math.atan(x)), math.degrees(math.atan(y))]
    return {"angle": 0.0, "translate": [0, 0], "scale": 1.0, "shear": shear, "center": [0, 0]}


def _moved(x: float, y: float) -> dict[str, Any]:
    return {"angle": 0.0, "translate": [int(x), int(y)], "scale": 1.0, "shear": [0.0, 0.0]}


# What each step makes of an image, by its magnitude; `how` are interpolation and fill.
_STEPS: dict[str, Callable[[Any, float, dict[str, Any]], Any]] = {
    "Identity": lambda image, m, how: image,
    "ShearX": lambda image, m, how: affine(image, **_sheared(m, 0.0), **how),
    "ShearY": lambda image, m, how: affine(image, **_sheared(0.0, m), **how),
    "TranslateX": lambda image, m, how: affine(image, **_moved(m, 0), **how),
    "TranslateY": lambda image, m, how: affine(image, **_moved(0, m), **how),
    "Rotate": lambda image, m, how: rotate(image, m, **how),
    "Brightness": lambda image, m, how: adjust_brightness(image, 1.0 + m),
    "Color": lambda image, m, how: adjust_saturation(image, 1.0 + m),
    "Contrast": lambda image, m, how: adjust_contrast(image, 1.0 + m),
    "Sharpness": lambda image, m, how: adjust_sharpness(image, 1.0 + m),
    "Posterize": lambda image, m, how: posterize(image, int(m)),
    "Solarize": lambda image, m, how: solarize(image, _top(image) * m),
    "AutoContrast": lambda image, m, how: autocontrast(image),
    "Equalize": lambda image, m, how: equalize(image),
    "Invert": lambda image, m, how: invert(image),
}
_UNSIGNED = {"Posterize", "Solarize", "AutoContrast", "Equalize", "Invert", "Identity"}

# The magnitude of each step by its strength, 0 to 1, and the image's (height, width).
Space = dict[str, Callable[[float, tuple[int, int]], float]]


def _top(image: Any) -> int:
    return largest(image.dtype) if isinstance(image, Tensor) else 255


def _space(
    shear: float = 0.3, part: float = 150 / 331, pixels: float = 0.0, turn: float = 30.0,
    factor: float = 0.9, bits: int = 8, fewer: int = 4,
) -> Space:  # fmt: skip
    """Steps up to these magnitudes; of translations a `part` of the image, or `pixels`."""
    return {
        "Identity": lambda t, size: 0.0,
        **dict.fromkeys(("ShearX", "ShearY"), lambda t, size: shear * t),
        "TranslateX": lambda t, size: (pixels or part * size[1]) * t,
        "TranslateY": lambda t, size: (pixels or part * size[0]) * t,
        "Rotate": lambda t, size: turn * t,
        **dict.fromkeys(("Brightness", "Color", "Contrast", "Sharpness"), lambda t, _: factor * t),
        "Posterize": lambda t, size: round(bits - fewer * t),
        "Solarize": lambda t, size: 1.0 - t,
        "AutoContrast": lambda t, size: 0.0,
        "Equalize": lambda t, size: 0.0,
        "Invert": lambda t, size: 0.0,
    }


def _without(space: Space, *names: str) -> Space:
    return {name: of for name, of in space.items() if name not in names}


class Augmentation(Transform):
    """Base: augments the one image or video of a sample; masks, boxes and points are refused."""

    def __init__(self, *, interpolation: Interpolation = _NEAREST, fill: Fill = None) -> None:
        super().__init__()
        self.interpolation, self.fill = interpolation, checked_fill(fill)

    def augment(self, image: Any, size: tuple[int, int]) -> Any:
        """The image of size (height, width), changed; each subclass defines it."""
        raise NotImplementedError

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        chosen = self._needs_transform_list(flat_inputs)
        images = 0
        for inpt, yes in zip(flat_inputs, chosen, strict=True):
            if isinstance(inpt, BoundingBoxes | KeyPoints | Mask):
                raise TypeError(
                    f"Inputs of type {type(inpt).__name__} are not supported by "
                    f"{type(self).__name__}()"
                )
            images += yes and check_type(inpt, IMAGES)
        if images != 1:
            raise TypeError(
                f"{type(self).__name__}() takes a sample with one image or video, found {images}"
            )

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not check_type(inpt, IMAGES):
            return inpt
        height, width = get_size(inpt)
        return self.augment(inpt, (height, width))

    def _step(self, image: Any, name: str, magnitude: float) -> Any:
        how = {"interpolation": self.interpolation, "fill": fill_for(self.fill, type(image))}
        return _STEPS[name](image, magnitude, how)

    def _any_step(self, image: Any, space: Space, strength: float, size: tuple[int, int]) -> Any:
        """One of the steps, in either direction."""
        name = list(space)[integer(0, len(space))]
        magnitude = space[name](strength, size)
        if name not in _UNSIGNED and chance(0.5):
            magnitude = -magnitude
        return self._step(image, name, magnitude)


# Policies of two steps each: name, probability, strength from 0 to 9.
_POLICIES = {
    AutoAugmentPolicy.IMAGENET: """
        Posterize .4 8, Rotate .6 9; Solarize .6 5, AutoContrast .6 0; Equalize .8 0, Equalize .6 0;
        Posterize .6 7, Posterize .6 6; Equalize .4 0, Solarize .2 4; Equalize .4 0, Rotate .8 8;
        Solarize .6 3, Equalize .6 0; Posterize .8 5, Equalize 1 0; Rotate .2 3, Solarize .6 8;
        Equalize .6 0, Posterize .4 6; Rotate .8 8, Color .4 0; Rotate .4 9, Equalize .6 0;
        Equalize 0 0, Equalize .8 0; Invert .6 0, Equalize 1 0; Color .6 4, Contrast 1 8;
        Rotate .8 8, Color 1 2; Color .8 8, Solarize .8 7; Sharpness .4 7, Invert .6 0;
        ShearX .6 5, Equalize 1 0; Color .4 0, Equalize .6 0; Equalize .4 0, Solarize .2 4;
        Solarize .6 5, AutoContrast .6 0; Invert .6 0, Equalize 1 0; Color .6 4, Contrast 1 8;
        Equalize .8 0, Equalize .6 0""",
    AutoAugmentPolicy.CIFAR10: """
        Invert .1 0, Contrast .2 6; Rotate .7 2, TranslateX .3 9; Sharpness .8 1, Sharpness .9 3;
        ShearY .5 8, TranslateY .7 9; AutoContrast .5 0, Equalize .9 0; ShearY .2 7, Posterize .3 7;
        Color .4 3, Brightness .6 7; Sharpness .3 9, Brightness .7 9; Equalize .6 0, Equalize .5 0;
        Contrast .6 7, Sharpness .6 5; Color .7 7, TranslateX .5 8;
        Equalize .3 0, AutoContrast .4 0;
        TranslateY .4 3, Sharpness .2 6; Brightness .9 6, Color .2 8; Solarize .5 2, Invert 0 0;
        Equalize .2 0, AutoContrast .6 0; Equalize .2 0, Equalize .6 0; Color .9 9, Equalize .6 0;
        AutoContrast .8 0, Solarize .2 8; Brightness .1 3, Color .7 0;
        Solarize .4 5, AutoContrast .9 0; TranslateY .9 9, TranslateY .7 9;
        AutoContrast .9 0, Solarize .8 3; Equalize .8 0, Invert .1 0;
        TranslateY .7 9, AutoContrast .9 0""",
    AutoAugmentPolicy.SVHN: """
        ShearX .9 4, Invert .2 0; ShearY .9 8, Invert .7 0; Equalize .6 0, Solarize .6 6;
        Invert .9 0, Equalize .6 0; Equalize .6 0, Rotate .9 3; ShearX .9 4, AutoContrast .8 0;
        ShearY .9 8, Invert .4 0; ShearY .9 5, Solarize .2 6; Invert .9 0, AutoContrast .8 0;
        Equalize .6 0, Rotate .9 3; ShearX .9 4, Solarize .3 3; ShearY .8 8, Invert .7 0;
        Equalize .9 0, TranslateY .6 6; Invert .9 0, Equalize .6 0; Contrast .3 3, Rotate .8 4;
        Invert .8 0, TranslateY 0 2; ShearY .7 6, Solarize .4 8; Invert .6 0, Rotate .8 4;
        ShearY .3 7, TranslateX .9 3; ShearX .1 6, Invert .6 0; Solarize .7 2, TranslateY .6 7;
        ShearY .8 4, Invert .8 0; ShearX .7 9, TranslateY .8 3; ShearY .8 5, AutoContrast .7 0;
        ShearX .7 2, Invert .1 0""",
}


def _parsed(policies: str) -> list[list[tuple[str, float, int]]]:
    rows = [[step.split() for step in pair.split(",")] for pair in policies.split(";")]
    return [[(name, float(p), int(strength)) for name, p, strength in row] for row in rows]


class AutoAugment(Augmentation):
    """Two steps of a policy learned on a data set (arXiv:1805.09501).

    Args:
        policy: an `AutoAugmentPolicy`.
        interpolation, fill: of shears, translations and rotations.
    """

    def __init__(
        self, policy: AutoAugmentPolicy = AutoAugmentPolicy.IMAGENET,
        interpolation: Interpolation = _NEAREST, fill: Fill = None,
    ) -> None:  # fmt: skip
        super().__init__(interpolation=interpolation, fill=fill)
        if policy not in _POLICIES:
            raise ValueError(f"The provided policy {policy} is not recognized.")
        self.policy, self._policies = policy, _parsed(_POLICIES[policy])
        self._space = _space()

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Tensor, Tensor]:
        """Which policy, and for each of two steps a number from 0 to 1 and a sign, 0 or 1."""
        return integer(0, transform_num), rand(2), randint(2, (2,))

    def augment(self, image: Any, size: tuple[int, int]) -> Any:
        which, numbers, signs = self.get_params(len(self._policies))
        for i, (name, p, strength) in enumerate(self._policies[which]):
            if float(numbers[i]) > p:
                continue
            magnitude = self._space[name](strength / 9, size)
            negative = name not in _UNSIGNED and int(signs[i]) == 0
            image = self._step(image, name, -magnitude if negative else magnitude)
        return image


class RandAugment(Augmentation):
    """Several steps of equal strength (arXiv:1909.13719).

    Args:
        num_ops: the number of steps.
        magnitude: their strength, from 0 to below `num_magnitude_bins`.
        num_magnitude_bins: the number of strengths.
        interpolation, fill: of shears, translations and rotations.
    """

    _space = _without(_space(), "Invert")

    def __init__(
        self, num_ops: int = 2, magnitude: int = 9, num_magnitude_bins: int = 31,
        interpolation: Interpolation = _NEAREST, fill: Fill = None,
    ) -> None:  # fmt: skip
        super().__init__(interpolation=interpolation, fill=fill)
        if not isinstance(num_ops, int) or num_ops < 0:
            raise ValueError(
                f"num_ops should be a non-negative integer, but got {num_ops} instead."
            )
        self.num_ops, self.magnitude = num_ops, magnitude
        self.num_magnitude_bins = num_magnitude_bins

    def augment(self, image: Any, size: tuple[int, int]) -> Any:
        strength = self.magnitude / (self.num_magnitude_bins - 1)
        for _ in range(self.num_ops):
            image = self._any_step(image, self._space, strength, size)
        return image


class TrivialAugmentWide(Augmentation):
    """One step of any strength (arXiv:2103.10158).

    Args:
        num_magnitude_bins: the number of strengths.
        interpolation, fill: of shears, translations and rotations.
    """

    _space = _without(_space(0.99, 0.0, 32.0, 135.0, 0.99, 8, 6), "Invert")

    def __init__(
        self, num_magnitude_bins: int = 31, interpolation: Interpolation = _NEAREST,
        fill: Fill = None,
    ) -> None:  # fmt: skip
        super().__init__(interpolation=interpolation, fill=fill)
        self.num_magnitude_bins = num_magnitude_bins

    def augment(self, image: Any, size: tuple[int, int]) -> Any:
        strength = integer(0, self.num_magnitude_bins) / (self.num_magnitude_bins - 1)
        return self._any_step(image, self._space, strength, size)


class AugMix(Augmentation):
    """The image mixed with chains of steps on it (arXiv:1912.02781).

    Args:
        severity: the largest strength of a step, 1 to 10.
        mixture_width: the number of chains.
        chain_depth: the steps in each; from 1 to 3 if not positive.
        alpha: of the Dirichlet distributions of weights.
        all_ops: brightness, contrast, saturation and sharpness, too.
        interpolation, fill: of shears, translations and rotations.
    """

    _space = _without(_space(part=1 / 3, bits=4), "Identity", "Invert")
    _few = _without(_space, "Brightness", "Color", "Contrast", "Sharpness")

    def __init__(
        self, severity: int = 3, mixture_width: int = 3, chain_depth: int = -1, alpha: float = 1.0,
        all_ops: bool = True, interpolation: Interpolation = InterpolationMode.BILINEAR,
        fill: Fill = None,
    ) -> None:  # fmt: skip
        super().__init__(interpolation=interpolation, fill=fill)
        if not 1 <= severity <= 10:
            raise ValueError(f"The severity must be between [1, 10]. Got {severity} instead.")
        self.severity, self.mixture_width = severity, mixture_width
        self.chain_depth, self.alpha, self.all_ops = chain_depth, alpha, all_ops

    def augment(self, image: Any, size: tuple[int, int]) -> Any:
        planes = pil_to_tensor(image) if isinstance(image, pillow.Image) else image.as_plain()
        batch = planes.reshape([1] * max(4 - planes.ndim, 0) + list(planes.shape))
        kept, changed = self._weights(2, len(batch)).unbind(-1)
        shares = self._weights(self.mixture_width, len(batch)) * changed[:, None]
        sides = (-1, *[1] * (batch.ndim - 1))
        mix = kept.reshape(sides) * batch
        for share in shares.unbind(-1):
            mix = mix + share.reshape(sides) * self._chain(batch, size)
        out = mix.reshape(planes.shape).to(planes.dtype)
        if isinstance(image, pillow.Image):
            return to_pil_image(out, image.mode)
        return wrap(out, like=image) if isinstance(image, TVTensor) else out

    def _weights(self, n: int, count: int) -> Tensor:
        """(count, n), positive, with sums of 1."""
        return distributions.Dirichlet(ones(n) * self.alpha).sample((count,))

    def _chain(self, image: Tensor, size: tuple[int, int]) -> Tensor:
        space = self._space if self.all_ops else self._few
        depth = self.chain_depth if self.chain_depth > 0 else integer(1, 4)
        for _ in range(depth):
            image = self._any_step(image, space, integer(0, self.severity) / 9, size)
        return image
