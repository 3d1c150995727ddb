"""Calls of functions on images that every library has to answer alike, and what they answer."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

START = [[0, 0], [400, 0], [400, 299], [0, 299]]
END = [[10, 20], [380, 3], [390, 280], [30, 270]]
LINEAR = {"interpolation": "bilinear"}

# Function, arguments, named arguments; `interpolation` by name.
CASES: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("hflip", (), {}), ("vflip", (), {}),
    ("resize", (100,), {}), ("resize", ([200, 150],), {"interpolation": "bicubic"}),
    ("resize", (90,), {"interpolation": "nearest"}), ("resize", (350,), {"max_size": 380}),
    ("resize", ([333, 444],), {"interpolation": "nearest-exact"}),
    ("resize", ([260, 431],), {"interpolation": "bicubic"}),
    ("pad", (5,), {}), ("pad", ([3, 7],), {"fill": 9}), ("pad", ([1, -2, 3, -4],), {}),
    ("pad", ([11, 2, 3, 4],), {"padding_mode": "edge"}),
    ("pad", ([11, 2, 3, 4],), {"padding_mode": "reflect"}),
    ("pad", ([11, 2, 3, 4],), {"padding_mode": "symmetric"}),
    ("crop", (10, 20, 50, 60), {}), ("crop", (-10, -20, 50, 60), {}),
    ("crop", (280, 390, 50, 60), {}), ("center_crop", (100,), {}),
    ("center_crop", ([350, 200],), {}), ("center_crop", ([351, 502],), {}),
    ("resized_crop", (10, 20, 150, 133, [64, 65]), {}), ("five_crop", (50,), {}),
    ("ten_crop", ((50, 60),), {}), ("ten_crop", ((50, 60), True), {}),
    ("affine", (30, [10, -20], 0.8, [10, 5]), {}),
    ("affine", (-77.3, [3, 4], 1.3, [0, 20]), LINEAR),
    ("affine", (45, [3, 4], 1.3, 12), {**LINEAR, "fill": [0.5], "center": [30, 40]}),
    ("rotate", (30,), {}), ("rotate", (90,), {}), ("rotate", (180,), {}),
    ("rotate", (30,), {**LINEAR, "expand": True}), ("rotate", (-45,), {"center": [1, 2]}),
    ("rotate", (20,), {**LINEAR, "fill": 77}),
    ("perspective", (START, END), {}),
    ("perspective", (START, END), {"interpolation": "nearest", "fill": 3}),
    ("adjust_brightness", (1.5,), {}), ("adjust_brightness", (0.3,), {}),
    ("adjust_contrast", (1.7,), {}), ("adjust_contrast", (0.4,), {}),
    ("adjust_saturation", (1.7,), {}), ("adjust_saturation", (0.0,), {}),
    ("adjust_sharpness", (2.0,), {}), ("adjust_sharpness", (0.0,), {}),
    ("adjust_hue", (0.2,), {}), ("adjust_hue", (-0.45,), {}),
    ("adjust_gamma", (0.6,), {}), ("adjust_gamma", (2.2, 1.3), {}),
    ("rgb_to_grayscale", (), {}), ("rgb_to_grayscale", (3,), {}), ("invert", (), {}),
    ("posterize", (3,), {}), ("solarize", (0.6,), {}), ("autocontrast", (), {}),
    ("equalize", (), {}), ("gaussian_blur", (5,), {}),
    ("gaussian_blur", ([3, 9], [0.7, 2.0]), {}),
]  # fmt: skip
# What version 1 of the functions has no form of, or another result by a mistake.
LATER = [
    ("pad", ([1, 2, 3, 4],), {"fill": (10, 20, 30)}), ("rotate", (90,), {"expand": True}),
    ("resize", ([60, 70],), {"interpolation": "lanczos"}), ("resize", (None,), {"max_size": 123}),
    ("permute_channels", ([2, 0, 1],), {}), ("grayscale_to_rgb", (), {}),
]  # fmt: skip


def label(case: tuple[str, tuple[Any, ...], dict[str, Any]]) -> str:
    """A case in one line."""
    name, args, named = case
    given = [*map(repr, args), *(f"{k}={v!r}" for k, v in named.items())]
    return f"{name}({', '.join(given)})"


def synthetic() -> np.ndarray[Any, Any]:
    """An image (3, 300, 401) of uint8 that is smooth in parts, by exact arithmetic."""
    y, x = np.mgrid[:300, :401]
    planes = [(x * 5 // 4 + y // 3) % 256, (x * y // 97) % 256, (y * 3 - x // 2) % 200 + 20]
    return np.stack(planes).astype(np.uint8)


def answer(module: Any, mode: Any, case: Any, image: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays that a library's function gives, one or several."""
    name, args, named = case
    if name == "solarize" and not _floating(image):
        args = (150,)
    if "interpolation" in named:
        named = {**named, "interpolation": mode(named["interpolation"])}
    out = getattr(module, name)(image, *args, **named)
    return [_array(part) for part in (out if isinstance(out, tuple | list) else [out])]


def _floating(image: Any) -> bool:
    return not isinstance(image, Image.Image) and image.dtype.is_floating_point


def _array(image: Any) -> np.ndarray[Any, Any]:
    values = np.asarray(image) if isinstance(image, Image.Image) else image.numpy()
    return values.astype(np.float64)


def digest(arrays: list[np.ndarray[Any, Any]]) -> list[float]:
    """Three sums over the arrays' values, two of them weighted by place."""
    flat = np.concatenate([a.ravel() for a in arrays])
    place = np.arange(flat.size)
    return [flat.mean(), (flat * np.sin(place / 7)).mean(), (flat * np.cos(place / 977)).mean()]
