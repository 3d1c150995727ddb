"""Transforms that move pixels, and masks, boxes and points with them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from PIL import Image as pillow

from .... import Tensor, cat, rand
from ...ops import box_iou
from ...tv_tensors import BoundingBoxes, Image, KeyPoints, Mask
from .._draw import integer, uniform, uniforms
from .._geometry import (
    borders,
    center_crop,
    check_padding_mode,
    crop,
    five_crop,
    horizontal_flip,
    pad,
    resize,
    resized_crop,
    ten_crop,
    vertical_flip,
)
from .._meta import corners, get_size
from .._op import Fill, Interpolation, InterpolationMode, is_pure_tensor, pair
from .._values import gaussian_blur
from .._warp import affine, elastic, perspective, perspective_coefficients, rotate
from ._transform import (
    Sometimes,
    Transform,
    angles,
    checked_fill,
    checked_sequence,
    fill_for,
    get_bounding_boxes,
    has_all,
    has_any,
    query_size,
    two_numbers,
)

_BILINEAR, _NEAREST = InterpolationMode.BILINEAR, InterpolationMode.NEAREST
Numbers = Sequence[float]


class RandomHorizontalFlip(Sometimes):
    """`functional.horizontal_flip` with probability `p`."""

    does = (horizontal_flip,)


class RandomVerticalFlip(Sometimes):
    """`functional.vertical_flip` with probability `p`."""

    does = (vertical_flip,)


# ---- sizes


class Resize(Transform):
    """`functional.resize`."""

    does = (resize, "size", "interpolation", "max_size", "antialias")

    def __init__(
        self, size: int | Sequence[int] | None, interpolation: Interpolation = _BILINEAR,
        max_size: int | None = None, antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        if not isinstance(size, int | Sequence | None):
            raise TypeError(f"Size should be int or sequence. Got {type(size)}")
        if isinstance(size, Sequence) and len(size) not in (1, 2):
            raise ValueError("If size is a sequence, it should have 1 or 2 values")
        if size is None and not isinstance(max_size, int):
            raise ValueError(
                f"max_size must be an integer when size is None, but got {max_size} instead."
            )
        self.size = list(size) if isinstance(size, Sequence) else size
        self.interpolation, self.max_size, self.antialias = interpolation, max_size, antialias


class _Resized(Transform):
    """Base: a random size."""

    does = (resize, "interpolation", "antialias")

    def __init__(self, interpolation: Interpolation, antialias: bool | None) -> None:
        super().__init__()
        self.interpolation, self.antialias = interpolation, antialias


class ScaleJitter(_Resized):
    """A size that fits `target_size`, times a factor from `scale_range`; keeps the ratio."""

    def __init__(
        self, target_size: tuple[int, int], scale_range: tuple[float, float] = (0.1, 2.0),
        interpolation: Interpolation = _BILINEAR, antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__(interpolation, antialias)
        self.target_size, self.scale_range = target_size, scale_range

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        fit = min(self.target_size[1] / height, self.target_size[0] / width)
        scale = fit * uniform(*self.scale_range)
        return {"size": (int(height * scale), int(width * scale))}


class RandomShortestSize(_Resized):
    """One of the sizes in `min_size` for the shorter side, at most `max_size` for the longer."""

    def __init__(
        self, min_size: list[int] | tuple[int, ...] | int, max_size: int | None = None,
        interpolation: Interpolation = _BILINEAR, antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__(interpolation, antialias)
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = query_size(flat_inputs)
        scale = self.min_size[integer(0, len(self.min_size))] / min(size)
        scale = scale if self.max_size is None else min(scale, self.max_size / max(size))
        return {"size": tuple(int(n * scale) for n in size)}


class RandomResize(_Resized):
    """A length from `min_size` to below `max_size` for the shorter side."""

    def __init__(
        self, min_size: int, max_size: int, interpolation: Interpolation = _BILINEAR,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__(interpolation, antialias)
        self.min_size, self.max_size = min_size, max_size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"size": [integer(self.min_size, self.max_size)]}


# ---- crops


class CenterCrop(Transform):
    """`functional.center_crop` to `size`, (height, width)."""

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return self._call_kernel(center_crop, inpt, self.size)


def random_box(
    size: Sequence[int], scale: Numbers, ratio: Numbers, wide: bool = True
) -> tuple[int, int, int, int] | None:
    """(top, left, height, width) of a box in an image of `size`, or None after ten attempts.

    Its area is a part of the image's from `scale`; width / height, or height / width if not
    `wide`, from `ratio`, evenly by the logarithm.
    """
    rows, columns = size
    for _ in range(10):
        size_of, shape_of, down, right = uniforms(4)
        area = rows * columns * (scale[0] + (scale[1] - scale[0]) * size_of)
        aspect = ratio[0] * (ratio[1] / ratio[0]) ** shape_of
        long, short = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        height, width = (short, long) if wide else (long, short)
        fits = 0 < height <= rows and 0 < width <= columns
        if fits if wide else (height < rows and width < columns):
            top, left = int(down * (rows - height + 1)), int(right * (columns - width + 1))
            return top, left, height, width
    return None


def checked_bounds(scale: Any, ratio: Any) -> None:
    """TypeError for what is no sequence; warns of wrong order."""
    for name, bounds in (("Scale", scale), ("Ratio", ratio)):
        if not isinstance(bounds, Sequence):
            raise TypeError(f"{name} should be a sequence")
    if scale[0] > scale[1] or ratio[0] > ratio[1]:
        warnings.warn("Scale and ratio should be of kind (min, max)", stacklevel=4)


class RandomResizedCrop(Transform):
    """A random part of the image, resized.

    Args:
        size: (height, width) of the result, or one number for both.
        scale: bounds of the part's area.
        ratio: bounds of width / height.
        interpolation, antialias: of `resize`.
    """

    does = (resized_crop, "size", "interpolation", "antialias")

    def __init__(
        self, size: int | Sequence[int], scale: Numbers = (0.08, 1.0),
        ratio: Numbers = (3.0 / 4.0, 4.0 / 3.0), interpolation: Interpolation = _BILINEAR,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        checked_bounds(scale, ratio)
        self.size, self.scale, self.ratio = pair(size), scale, ratio
        self.interpolation, self.antialias = interpolation, antialias

    @staticmethod
    def get_params(img: Any, scale: Numbers, ratio: Numbers) -> tuple[int, int, int, int]:
        """(top, left, height, width); after ten attempts that did not fit the middle."""
        rows, columns = size = get_size(img)
        found = random_box(size, scale, ratio)
        if found is not None:
            return found
        height, width = rows, columns
        if columns / rows < min(ratio):
            height = round(width / min(ratio))
        elif columns / rows > max(ratio):
            width = round(height * max(ratio))
        return (rows - height) // 2, (columns - width) // 2, height, width

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        query_size(flat_inputs)
        box = self.get_params(flat_inputs[0], self.scale, self.ratio)
        return dict(zip(("top", "left", "height", "width"), box, strict=True))


class FiveCrop(Transform):
    """`functional.five_crop` to `size`, (height, width); boxes and masks are refused."""

    does: ClassVar[tuple[Any, ...]] = (five_crop, "size")

    def __init__(self, size: int | Sequence[int]) -> None:
        super().__init__()
        self.size = pair(size)

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if has_any(flat_inputs, BoundingBoxes, KeyPoints, Mask):
            raise TypeError(
                f"BoundingBoxes, KeyPoints and Masks are not supported by {type(self).__name__}()"
            )


class TenCrop(FiveCrop):
    """`functional.ten_crop` to `size`, (height, width); boxes and masks are refused."""

    does = (ten_crop, "size", "vertical_flip")

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        super().__init__(size)
        self.vertical_flip = vertical_flip


class Pad(Transform):
    """`functional.pad`; `fill` may be a dict by kinds of inputs."""

    does = (pad, "padding", "fill", "padding_mode")

    def __init__(
        self, padding: int | Sequence[int], fill: Fill = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        borders(padding)
        check_padding_mode(padding_mode)
        self.padding = padding if isinstance(padding, int) else list(padding)
        self.fill, self.padding_mode = checked_fill(fill), padding_mode


class RandomCrop(Transform):
    """A part of `size`, (height, width), from anywhere in the image.

    Args:
        size: one number means both.
        padding: added before, see `functional.pad`.
        pad_if_needed: add to both sides what is missing.
        fill, padding_mode: of borders; `fill` may be a dict by kinds of inputs.
    """

    def __init__(
        self, size: int | Sequence[int], padding: int | Sequence[int] | None = None,
        pad_if_needed: bool = False, fill: Fill = 0, padding_mode: str = "constant",
    ) -> None:  # fmt: skip
        super().__init__()
        check_padding_mode(padding_mode)
        self.size, self.pad_if_needed = pair(size), pad_if_needed
        self.padding = borders(padding) if padding else None
        self.fill, self.padding_mode = checked_fill(fill), padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """(top, left, height, width); ValueError if the image is too small."""
        return _anywhere(get_size(img), output_size)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = query_size(flat_inputs)
        left, top, right, bottom = self.padding or (0, 0, 0, 0)
        rows, columns = size[0] + top + bottom, size[1] + left + right
        if self.pad_if_needed:
            more = max(self.size[0] - rows, 0), max(self.size[1] - columns, 0)
            top, bottom, left, right = (
                top + more[0],
                bottom + more[0],
                left + more[1],
                right + more[1],
            )
            rows, columns = rows + 2 * more[0], columns + 2 * more[1]
        return {"padding": [left, top, right, bottom], "box": _anywhere((rows, columns), self.size)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if any(params["padding"]):
            fill = fill_for(self.fill, type(inpt))
            inpt = self._call_kernel(pad, inpt, params["padding"], fill, self.padding_mode)
        return self._call_kernel(crop, inpt, *params["box"])


def _anywhere(size: Sequence[int], wanted: tuple[int, int]) -> tuple[int, int, int, int]:
    free = [n - m for n, m in zip(size, wanted, strict=True)]
    if min(free) < 0:
        raise ValueError(
            f"Required crop size {tuple(wanted)} is larger than (padded) input image size "
            f"{tuple(size)}"
        )
    top, left = (integer(0, n + 1) if n else 0 for n in free)
    return top, left, *wanted


class RandomZoomOut(Sometimes):
    """The image anywhere on a larger ground, with probability `p`.

    Args:
        fill: of the ground; may be a dict by kinds of inputs.
        side_range: bounds of the ground's sides, in the image's.
    """

    does = (pad, "fill")

    def __init__(
        self, fill: Fill = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5
    ) -> None:
        super().__init__(p)
        self.fill, self.side_range = (
            checked_fill(fill),
            checked_sequence(side_range, "side_range", 2),
        )
        if not 1.0 <= side_range[0] <= side_range[1]:
            raise ValueError(f"Invalid side range provided {side_range}.")

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size, scale = query_size(flat_inputs), uniform(*self.side_range)
        more = [int(n * scale) - n for n in reversed(size)]
        before = [int(n * uniform(0.0, 1.0)) for n in more]
        return {"padding": [*before, *(n - b for n, b in zip(more, before, strict=True))]}


class RandomIoUCrop(Transform):
    """A part that overlaps some box by a random share, as for training SSD (arXiv:1512.02325).

    Boxes whose centre it misses become empty: `SanitizeBoundingBoxes` takes them away.

    Args:
        min_scale, max_scale: bounds of the part's sides, in the image's.
        min_aspect_ratio, max_aspect_ratio: bounds of width / height.
        sampler_options: the least shares (IoU) to choose from; 1 and above keep the image.
        trials: attempts before another share is chosen.
    """

    def __init__(
        self, min_scale: float = 0.3, max_scale: float = 1.0, min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0, sampler_options: list[float] | None = None, trials: int = 40,
    ) -> None:  # fmt: skip
        super().__init__()
        self.min_scale, self.max_scale = min_scale, max_scale
        self.min_aspect_ratio, self.max_aspect_ratio = min_aspect_ratio, max_aspect_ratio
        self.options = (
            [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0] if sampler_options is None else sampler_options
        )
        self.trials = trials

    def check_inputs(self, flat_inputs: list[Any]) -> None:
        if not has_all(flat_inputs, BoundingBoxes) or not has_any(
            flat_inputs, pillow.Image, Image, is_pure_tensor
        ):
            raise TypeError(
                f"{type(self).__name__}() requires input sample to contain tensor or PIL images "
                "and bounding boxes. Sample can also contain masks."
            )

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size, boxes = query_size(flat_inputs), get_bounding_boxes(flat_inputs)
        edges = corners(boxes.as_plain(), boxes.format)
        while True:
            least = self.options[integer(0, len(self.options))]
            if least >= 1.0:
                return {}
            for _ in range(self.trials):
                found = self._attempt(size, edges, least)
                if found is not None:
                    return found

    def _attempt(self, size: Sequence[int], edges: Tensor, least: float) -> dict[str, Any] | None:
        height, width = (int(n * uniform(self.min_scale, self.max_scale)) for n in size)
        if not (height and width):
            return None
        if not self.min_aspect_ratio <= width / height <= self.max_aspect_ratio:
            return None
        top, left = (
            int((n - m) * uniform(0.0, 1.0)) for n, m in zip(size, (height, width), strict=True)
        )
        x, y = ((edges[:, :2] + edges[:, 2:]) * 0.5).unbind(-1)
        kept = (left < x) & (x < left + width) & (top < y) & (y < top + height)
        part = edges.new_tensor([[left, top, left + width, top + height]])
        if not kept.any() or float(box_iou(edges[kept], part).max()) < least:
            return None
        return {"box": (top, left, height, width), "kept": kept}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        if not params:
            return inpt
        out = self._call_kernel(crop, inpt, *params["box"])
        if isinstance(out, BoundingBoxes):
            out[~params["kept"]] = 0
        return out


# ---- warps


class RandomRotation(Transform):
    """`functional.rotate` by an angle from -x to x of `degrees` x, or from (min, max)."""

    does = (rotate, "interpolation", "expand", "center", "fill")

    def __init__(
        self, degrees: float | Sequence[float], interpolation: Interpolation = _NEAREST,
        expand: bool = False, center: Sequence[float] | None = None, fill: Fill = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.degrees = angles(degrees, "degrees", 2)
        self.center = center if center is None else checked_sequence(center, "center", 2)
        self.interpolation, self.expand, self.fill = interpolation, expand, checked_fill(fill)

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle."""
        return uniform(*degrees)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        return {"angle": self.get_params(self.degrees)}


class RandomAffine(Transform):
    """`functional.affine` by random parameters.

    Args:
        degrees: x for angles from -x to x, or (min, max).
        translate: largest parts of (width, height) to move by.
        scale: bounds of the factor.
        shear: x for angles from -x to x along the x axis, (min, max), or both of both axes.
        interpolation, fill, center: see `functional.affine`; `fill` may be a dict by kinds.
    """

    does = (affine, "interpolation", "fill", "center")

    def __init__(
        self, degrees: float | Sequence[float], translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None, shear: float | Sequence[float] | None = None,
        interpolation: Interpolation = _NEAREST, fill: Fill = 0,
        center: Sequence[float] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        for name, value in (("translate", translate), ("scale", scale), ("center", center)):
            if value is not None:
                checked_sequence(value, name, 2)
        if translate is not None and not all(0.0 <= t <= 1.0 for t in translate):
            raise ValueError("translation values should be between 0 and 1")
        if scale is not None and min(scale) <= 0:
            raise ValueError("scale values should be positive")
        self.degrees, self.translate = angles(degrees, "degrees", 2), translate
        self.scale, self.shear = scale, shear if shear is None else angles(shear, "shear", 2, 4)
        self.interpolation, self.fill, self.center = interpolation, checked_fill(fill), center

    @staticmethod
    def get_params(
        degrees: Sequence[float], translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None, shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:  # fmt: skip
        """The angle, translation, factor and shear for an image of `img_size` (width, height)."""
        angle = uniform(*degrees)
        furthest = [part * n for part, n in zip(translate or (0, 0), img_size, strict=True)]
        x, y = (round(uniform(-far, far)) if translate is not None else 0 for far in furthest)
        scale = 1.0 if scale_ranges is None else uniform(*scale_ranges)
        shear_x = uniform(*shears[:2]) if shears else 0.0
        shear_y = uniform(*shears[2:]) if shears and len(shears) == 4 else 0.0
        return angle, (x, y), scale, (shear_x, shear_y)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = query_size(flat_inputs)[::-1]
        drawn = self.get_params(self.degrees, self.translate, self.scale, self.shear, size)
        return dict(zip(("angle", "translate", "scale", "shear"), drawn, strict=True))


class RandomPerspective(Sometimes):
    """`functional.perspective` to random corners, with probability `p`.

    Args:
        distortion_scale: how far corners move at most, in halves of the sides.
        p: the probability.
        interpolation, fill: see `functional.perspective`; `fill` may be a dict by kinds.
    """

    does = (perspective, "interpolation", "fill")

    def __init__(
        self, distortion_scale: float = 0.5, p: float = 0.5,
        interpolation: Interpolation = _BILINEAR, fill: Fill = 0,
    ) -> None:  # fmt: skip
        super().__init__(p)
        if not 0 <= distortion_scale <= 1:
            raise ValueError("Argument distortion_scale value should be between 0 and 1")
        self.distortion_scale, self.interpolation = distortion_scale, interpolation
        self.fill = checked_fill(fill)

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The corners [x, y], clockwise from the top left, and where they go."""
        far = [int(distortion_scale * (n // 2)) + 1 for n in (width, height)]
        start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        sides = list(zip((width, height), far, strict=True))
        end = [
            [
                integer(n - f, n) if at else integer(0, f)
                for at, (n, f) in zip(corner, sides, strict=True)
            ]
            for corner in start
        ]
        return start, end

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        height, width = query_size(flat_inputs)
        start, end = self.get_params(width, height, self.distortion_scale)
        numbers = perspective_coefficients(start, end)
        return {"startpoints": None, "endpoints": None, "coefficients": numbers}


class ElasticTransform(Transform):
    """`functional.elastic` by a smooth random displacement.

    Args:
        alpha: its size in pixels, one number or (horizontal, vertical).
        sigma: the width of the blur in pixels, likewise.
        interpolation, fill: see `functional.elastic`; `fill` may be a dict by kinds.
    """

    does = (elastic, "interpolation", "fill")

    def __init__(
        self, alpha: float | Sequence[float] = 50.0, sigma: float | Sequence[float] = 5.0,
        interpolation: Interpolation = _BILINEAR, fill: Fill = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.alpha, self.sigma = two_numbers(alpha, "alpha"), two_numbers(sigma, "sigma")
        self.interpolation, self.fill = interpolation, checked_fill(fill)

    @staticmethod
    def get_params(alpha: Sequence[float], sigma: Sequence[float], size: Sequence[int]) -> Tensor:
        """The displacement (1, H, W, 2) of an image of `size` (H, W)."""
        parts = []
        for width, strength, n in zip(sigma, alpha, reversed(size), strict=True):
            noise = rand((1, 1, *size)) * 2 - 1
            if width > 0.0:
                noise = gaussian_blur(noise, int(8 * width + 1) | 1, list(sigma))
            parts.append(noise * strength / n)
        return cat(parts, 1).permute(0, 2, 3, 1)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        size = query_size(flat_inputs)
        return {"displacement": self.get_params(self.alpha, self.sigma, size)}
