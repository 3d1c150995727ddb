"""Functions that keep rows and columns: flips, resizing, padding, crops."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from PIL import Image as pillow
from PIL import ImageOps

from ... import Tensor, arange, cat, float32, float64, nn, uint8, where
from .._pillow import pil_to_tensor, to_pil_image
from ..tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, KeyPoints, Mask, Video, wrap
from ._meta import clamped, get_size
from ._op import (
    KERNELS,
    Fill,
    Interpolation,
    InterpolationMode,
    geometric,
    kernel,
    mode_name,
    mode_number,
    pair,
)  # fmt: skip
from ._values import on_planes, rounded

F: Any = nn.functional


def straight(
    inpt: Any, scale: Sequence[float] = (1, 1), shift: Sequence[float] = (0, 0),
    canvas_size: Any = None, clamp: bool = False,
) -> Any:  # fmt: skip
    """Boxes or points, of any format, with each x and y times a scale plus a shift."""
    values, canvas = inpt.as_plain(), tuple(canvas_size or inpt.canvas_size)
    factor, offset = (values.new_tensor(v, dtype=_kind(v, values)) for v in (scale, shift))
    if isinstance(inpt, KeyPoints):
        return wrap((values * factor + offset).to(values.dtype), like=inpt, canvas_size=canvas)
    start, rest = values[..., :2], values[..., 2:]
    turned = factor < 0
    if inpt.format is BoundingBoxFormat.XYXY:
        start, rest = start * factor + offset, rest * factor + offset
        start, rest = where(turned, rest, start), where(turned, start, rest)
    else:
        start = where(turned, start + rest, start) if inpt.format.name == "XYWH" else start
        start, rest = start * factor + offset, rest * factor.abs()
    boxes = cat((start, rest), -1).to(values.dtype)
    boxes = clamped(boxes, inpt.format, canvas, inpt.clamping_mode) if clamp else boxes
    return wrap(boxes, like=inpt, canvas_size=canvas)


def _kind(numbers: Sequence[float], values: Tensor) -> Any:
    """The type of factors: that of the values, but floating if the factors are."""
    whole = all(isinstance(n, int) for n in numbers)
    return values.dtype if whole or values.is_floating_point() else float32


# ---- flips


@geometric
def horizontal_flip(image: Tensor) -> Tensor:
    """Left and right exchanged."""
    return image.flip(-1)


@geometric
def vertical_flip(image: Tensor) -> Tensor:
    """Top and bottom exchanged."""
    return image.flip(-2)


kernel(horizontal_flip, pillow.Image)(
    lambda image: image.transpose(pillow.Transpose.FLIP_LEFT_RIGHT)
)
kernel(vertical_flip, pillow.Image)(lambda image: image.transpose(pillow.Transpose.FLIP_TOP_BOTTOM))


def _mirror(inpt: Any, across: bool) -> Any:
    # Boxes are between the edges of pixels, points are pixels.
    last = int(isinstance(inpt, KeyPoints))
    height, width = (size - last for size in inpt.canvas_size)
    return straight(inpt, (-1, 1), (width, 0)) if across else straight(inpt, (1, -1), (0, height))


kernel(horizontal_flip, BoundingBoxes, KeyPoints)(lambda inpt: _mirror(inpt, True))
kernel(vertical_flip, BoundingBoxes, KeyPoints)(lambda inpt: _mirror(inpt, False))


# ---- resizing


def resized_size(canvas: Sequence[int], size: Any, max_size: int | None) -> tuple[int, int]:
    """(height, width) that `resize` gives to an image of size `canvas`."""
    asked = [size] if isinstance(size, int) else size
    if asked is not None and len(asked) not in (1, 2):
        raise ValueError(
            f"Size must be an int or a 1 or 2 element tuple/list, not a {len(asked)} element "
            "tuple/list"
        )
    if asked is not None and len(asked) == 2:
        if max_size is not None:
            raise ValueError(
                "max_size should only be passed if size is None or specifies the length of the "
                "smaller edge, i.e. size should be an int or a sequence of length 1"
            )
        return int(asked[0]), int(asked[1])
    height, width = canvas
    short, long = sorted(canvas)
    if asked is None:
        if not isinstance(max_size, int):
            raise ValueError(
                f"max_size must be an integer when size is None, but got {max_size} instead."
            )
        short, long = int(max_size * short / long), max_size
    else:
        if max_size is not None and max_size <= asked[0]:
            raise ValueError(
                f"max_size = {max_size} must be strictly greater than the requested size for the "
                f"smaller edge size = {size}"
            )
        short, long = asked[0], int(asked[0] * long / short)
        if max_size is not None and long > max_size:
            short, long = int(max_size * short / long), max_size
    return (long, short) if width <= height else (short, long)


@geometric
def resize(
    image: Tensor, size: Any, interpolation: Interpolation = InterpolationMode.BILINEAR,
    max_size: int | None = None, antialias: bool | None = True,
) -> Tensor:  # fmt: skip
    """The image in another size.

    Args:
        image: (..., C, H, W), a Pillow image, masks, boxes or points.
        size: (height, width), or the length of the shorter side, which keeps the ratio; None
            makes the longer side `max_size`.
        interpolation: of tensors nearest, nearest-exact, bilinear, bicubic or lanczos; masks are
            never interpolated.
        max_size: the longer side is cut to it, the shorter one in proportion.
        antialias: let all pixels count where the image becomes smaller. Pillow always does.
    """
    mode = mode_name(interpolation)
    smooth = mode in ("bilinear", "bicubic", "lanczos")
    if mode == "lanczos" and not antialias:
        raise ValueError("InterpolationMode.LANCZOS requires antialias=True")
    new = resized_size(image.shape[-2:], size, max_size)
    if new == tuple(image.shape[-2:]):
        return image
    if image.numel() == 0:
        return image.new_empty((*image.shape[:-2], *new))
    how = {"align_corners": False, "antialias": bool(antialias)} if smooth else {}
    values = image if image.dtype in (uint8, float32, float64) else image.to(float32)
    out = on_planes(values, lambda planes: F.interpolate(planes, new, mode=mode, **how))
    return rounded(out, image.dtype)


@kernel(resize, pillow.Image)
def _resize_pillow(
    image: Any, size: Any, interpolation: Any, max_size: int | None, antialias: bool | None
) -> Any:
    if antialias is False:
        warnings.warn(
            "Anti-alias option is always applied for PIL Image input. Argument antialias is "
            "ignored.",
            stacklevel=4,
        )
    number = mode_number(interpolation)
    height, width = resized_size((image.height, image.width), size, max_size)
    same = (image.height, image.width) == (height, width)
    return image if same else image.resize((width, height), number)


@kernel(resize, BoundingBoxes, KeyPoints)
def _resize_points(inpt: Any, size: Any, max_size: int | None) -> Any:
    old = inpt.canvas_size
    new = resized_size(old, size, max_size)
    return straight(inpt, (new[1] / old[1], new[0] / old[0]), canvas_size=new)


# ---- padding


def borders(padding: Any) -> list[int]:
    """[left, top, right, bottom] of one number, (horizontal, vertical), or four."""
    if not isinstance(padding, int | tuple | list):
        raise TypeError(
            f"`padding` should be an integer or tuple or list of integers, but got {padding}"
        )
    each = [padding] if isinstance(padding, int) else list(padding)
    if len(each) not in (1, 2, 4):
        raise ValueError(
            f"Padding must be an int or a 1, 2, or 4 element tuple, not a {len(each)} element tuple"
        )
    return each * (4 // len(each))


def check_padding_mode(mode: str) -> None:
    """ValueError for an unknown mode of padding."""
    if mode not in ("constant", "edge", "reflect", "symmetric"):
        raise ValueError("Padding mode should be either constant, edge, reflect or symmetric")


@geometric
def pad(image: Tensor, padding: Any, fill: Fill = None, padding_mode: str = "constant") -> Tensor:
    """The image with borders.

    Args:
        image: (..., C, H, W), a Pillow image, masks, boxes or points.
        padding: pixels: one number, (horizontal, vertical) or (left, top, right, bottom).
        fill: a number, or one for each channel; 0 if None.
        padding_mode: constant; edge repeats the last pixels; reflect mirrors without them and
            symmetric with them. Boxes and points take constant only.
    """
    left, top, right, bottom = borders(padding)
    check_padding_mode(padding_mode)
    edges = [left, right, top, bottom]
    colours = list(fill) if isinstance(fill, list | tuple) else [0 if fill is None else fill]
    if padding_mode != "constant":
        if len(colours) > 1:
            raise ValueError(
                f"Padding mode '{padding_mode}' is not supported if fill is not scalar"
            )
        return _mirrored(image, edges, padding_mode)
    if len(colours) == 1:
        return F.pad(image, edges, value=float(colours[0]))
    out = F.pad(image, edges)
    inside = F.pad(image.new_ones(image.shape[-2:]), edges) != 0
    return where(inside, out, image.new_tensor(colours).reshape(-1, 1, 1))


def _mirrored(image: Tensor, edges: list[int], mode: str) -> Tensor:
    """Borders, which may be negative, that repeat the image's pixels."""
    for dim, before, after in ((-1, *edges[:2]), (-2, *edges[2:])):
        n = image.shape[dim]
        places = arange(-before, n + after, device=image.device)
        if mode == "edge":
            places = places.clamp(0, n - 1)
        else:
            repeated = int(mode == "symmetric")
            if max(before, after) > n - 1 + repeated:
                raise RuntimeError(
                    f"Padding size should be less than the corresponding input dimension, but got: "
                    f"padding ({before}, {after}) at dimension {dim} of size {n}"
                )
            # Beyond -1 and n - 1 the way goes back; `repeated` counts the last pixel twice.
            places = where(places < 0, -places - repeated, places)
            places = where(places > n - 1, 2 * (n - 1) + repeated - places, places)
        image = image.index_select(dim, places)
    return image


def colour_of(image: Any, fill: Fill) -> Any:
    """A fill for a Pillow image: one number, or one for each channel."""
    channels = len(image.getbands())
    values = list(fill) if isinstance(fill, list | tuple) else [0 if fill is None else fill]
    if len(values) not in (1, channels):
        raise ValueError(
            "The number of elements in 'fill' does not match the number of channels of the image "
            f"({len(values)} != {channels})"
        )
    values = values if image.mode == "F" else [int(value) for value in values]
    values = values * channels if len(values) == 1 else values
    return tuple(values) if channels > 1 else values[0]


@kernel(pad, pillow.Image)
def _pad_pillow(image: Any, padding: Any, fill: Fill, padding_mode: str) -> Any:
    check_padding_mode(padding_mode)
    if not isinstance(fill, int | float | list | tuple | None):
        raise TypeError("Got inappropriate fill arg")
    left, top, right, bottom = borders(padding)
    if padding_mode == "constant":
        out = ImageOps.expand(image, (left, top, right, bottom), colour_of(image, fill))
    else:
        planes = _mirrored(pil_to_tensor(image), [left, right, top, bottom], padding_mode)
        out = to_pil_image(planes, None if image.mode == "P" else image.mode)
    if image.mode == "P":
        out.putpalette(image.getpalette())
    return out


@kernel(pad, BoundingBoxes, KeyPoints)
def _pad_points(inpt: Any, padding: Any, padding_mode: str) -> Any:
    if padding_mode != "constant":
        raise ValueError(
            f"Padding mode '{padding_mode}' is not supported with {type(inpt).__name__}"
        )
    left, top, right, bottom = borders(padding)
    height, width = inpt.canvas_size
    size = (height + top + bottom, width + left + right)
    return straight(inpt, shift=(left, top), canvas_size=size, clamp=True)


# ---- crops


@geometric
def crop(image: Tensor, top: int, left: int, height: int, width: int) -> Tensor:
    """The part of so many rows and columns from `top` and `left`; zeros outside the image."""
    rows, columns = image.shape[-2:]
    bottom, right = top + height, left + width
    part = image[..., max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    if top >= 0 and left >= 0 and bottom <= rows and right <= columns:
        return part
    before = min(max(-left, 0), width), min(max(-top, 0), height)
    missing = width - before[0] - part.shape[-1], height - before[1] - part.shape[-2]
    return F.pad(part, [before[0], missing[0], before[1], missing[1]])


kernel(crop, pillow.Image)(
    lambda image, top, left, height, width: image.crop((left, top, left + width, top + height))
)


@kernel(crop, BoundingBoxes, KeyPoints)
def _crop_points(inpt: Any, top: int, left: int, height: int, width: int) -> Any:
    return straight(inpt, shift=(-left, -top), canvas_size=(height, width), clamp=True)


def center_crop(inpt: Any, output_size: Any) -> Any:
    """The middle of so many (rows, columns); zeros where the image is smaller."""
    height, width = pair(output_size)
    rows, columns = get_size(inpt)
    if not isinstance(inpt, BoundingBoxes | KeyPoints):
        more = max(height - rows, 0), max(width - columns, 0)
        if any(more):
            edges = [more[1] // 2, more[0] // 2, (more[1] + 1) // 2, (more[0] + 1) // 2]
            inpt = pad(inpt, edges, fill=0)
            rows, columns = max(height, rows), max(width, columns)
    top, left = (round((n - m) / 2.0) for n, m in ((rows, height), (columns, width)))
    return crop(inpt, top, left, height, width)


def resized_crop(
    inpt: Any, top: int, left: int, height: int, width: int, size: Any,
    interpolation: Interpolation = InterpolationMode.BILINEAR, antialias: bool | None = True,
) -> Any:  # fmt: skip
    """`crop`, then `resize`."""
    part = crop(inpt, top, left, height, width)
    return resize(part, size, interpolation, antialias=antialias)


def five_crop(inpt: Any, size: Any) -> tuple[Any, ...]:
    """The four corners (top left, top right, bottom left, bottom right) and the middle.

    ValueError for a size (height, width) larger than the image.
    """
    height, width = pair(size)
    rows, columns = get_size(inpt)
    if height > rows or width > columns:
        raise ValueError(
            f"Requested crop size {(height, width)} is bigger than input size {(rows, columns)}"
        )
    places = [(top, left) for top in (0, rows - height) for left in (0, columns - width)]
    parts = [crop(inpt, *place, height, width) for place in places]
    return (*parts, center_crop(inpt, (height, width)))


def ten_crop(inpt: Any, size: Any, vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of the image and of its mirror image, left to right or `vertical_flip`."""
    mirror = _flips[vertical_flip]
    return five_crop(inpt, size) + five_crop(mirror(inpt), size)


_flips = (horizontal_flip, vertical_flip)

for _function in (center_crop, resized_crop):
    KERNELS[_function] = dict.fromkeys(
        (Tensor, Image, Video, Mask, BoundingBoxes, KeyPoints, pillow.Image), _function
    )
for _function in (five_crop, ten_crop):
    KERNELS[_function] = dict.fromkeys((Tensor, Image, Video, pillow.Image), _function)
