"""Functions that move pixels freely: affine maps, rotation, perspective, elastic displacement.

Tensors are sampled at the places where each pixel of the result comes from; Pillow images are
left to Pillow. Corners of boxes and points move the other way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from PIL import Image as pillow

from ... import Tensor, cat, float32, float64, linalg, linspace, nn, stack, tensor, where
from ..tv_tensors import BoundingBoxes, KeyPoints, wrap
from ._geometry import colour_of
from ._meta import clamped, corners, from_corners
from ._op import (
    Fill,
    Interpolation,
    InterpolationMode,
    geometric,
    kernel,
    mode_name,
    mode_number,
)  # fmt: skip
from ._values import on_planes, rounded, through_tensor

Matrix = list[float]  # a, b, c, d, e, f: (x, y) -> (ax + by + c, dx + ey + f)


# ---- sampling


def _sampled(image: Tensor, grid: Tensor, interpolation: Interpolation, fill: Fill) -> Tensor:
    """The image at places (1, H, W, 2), where -1 and 1 are its borders; `fill` outside."""
    mode = mode_name(interpolation)
    if mode not in ("nearest", "bilinear"):
        raise ValueError(f"Interpolation mode '{mode}' is unsupported with Tensor input")
    channels = image.shape[-3]
    colours = list(fill) if isinstance(fill, list | tuple) else [fill]
    if len(colours) not in (1, channels):
        raise ValueError(
            "The number of elements in 'fill' cannot broadcast to match the number of channels of "
            f"the image ({len(colours)} != {channels})"
        )
    if not all(isinstance(colour, int | float | None) for colour in colours):
        raise ValueError("Argument fill should be either int, float, tuple or list")
    size = (*image.shape[:-2], *grid.shape[1:3])
    if image.numel() == 0:
        return image.new_empty(size)
    # Zeros are what sampling puts outside; only between pixels of nothing and some it differs.
    plain = fill is None or (mode == "nearest" and not any(colours))
    given = image.to(grid.dtype)

    def sampled(planes: Tensor) -> Any:
        if not plain:
            planes = cat((planes, planes.new_ones((len(planes), 1, *planes.shape[2:]))), 1)
        places = grid.expand(len(planes), -1, -1, -1)
        return nn.functional.grid_sample(planes, places, mode, "zeros", False)

    out = on_planes(given, sampled)
    if not plain:
        out, inside = out[..., :-1, :, :], out[..., -1:, :, :]
        under = out.new_tensor(colours).reshape(-1, 1, 1)
        if mode == "nearest":
            out = where(inside < 0.5, under, out)
        else:
            out = (out - under) * inside + under
    return rounded(out, image.dtype)


def _working(image: Tensor) -> Any:
    """The type of places in an image."""
    return image.dtype if image.dtype in (float32, float64) else float32


def _centres(n: int, like: Any) -> Tensor:
    """Coordinates of pixels' centres, 0 in the middle of all."""
    return linspace((1.0 - n) * 0.5, (n - 1.0) * 0.5, n, **like)


def _affine_grid(image: Tensor, matrix: Matrix, height: int, width: int) -> Tensor:
    """Places of a result's pixels under a matrix that maps it to the image, both centred."""
    like = {"dtype": _working(image), "device": image.device}
    half = tensor([0.5 * image.shape[-1], 0.5 * image.shape[-2]], **like)
    (a, b, c), (d, e, f) = (tensor(matrix, **like).reshape(2, 3) / half[:, None]).unbind(0)
    x, y = _centres(width, like), _centres(height, like)[:, None]
    return stack((_plane(x, y, a, b, c), _plane(x, y, d, e, f)), -1)[None]


def _plane(x: Tensor, y: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """ax + by + c of a row x and a column y, with by added unrounded as matrix products do."""
    return (x.mul(a).double() + y.double() * b.double()).to(x.dtype) + c


# ---- affine maps


def inverse_affine(
    center: Sequence[float], angle: float, translate: Sequence[float], scale: float,
    shear: Sequence[float], inverted: bool = True,
) -> Matrix:  # fmt: skip
    """The matrix from result to image of: shear, scale, rotate around `center`, translate.

    With `inverted` False the one from image to result. Angles in degrees, clockwise.
    """
    turn, shear_x, shear_y = (math.radians(v) for v in (angle, *shear))
    a = math.cos(turn - shear_y) / math.cos(shear_y)
    b = -(a * math.tan(shear_x) + math.sin(turn))
    c = math.sin(turn - shear_y) / math.cos(shear_y)
    d = math.cos(turn) - c * math.tan(shear_x)
    (x, y), (to_x, to_y) = center, translate
    if inverted:
        a, b, c, d = d / scale, -b / scale, -c / scale, a / scale
        return [
            a, b, x - a * (x + to_x) - b * (y + to_y), c, d, y - c * (x + to_x) - d * (y + to_y)
        ]  # fmt: skip
    a, b, c, d = (v * scale for v in (a, b, c, d))
    return [a, b, x + to_x - a * x - b * y, c, d, y + to_y - c * x - d * y]


def _checked(angle: Any, translate: Any, scale: Any, shear: Any, center: Any) -> tuple[Any, ...]:
    """The arguments of an affine map as floats; TypeError or ValueError for wrong ones."""
    if not isinstance(angle, int | float):
        raise TypeError("Argument angle should be int or float")
    if not isinstance(translate, list | tuple):
        raise TypeError("Argument translate should be a sequence")
    if len(translate) != 2:
        raise ValueError("Argument translate should be a sequence of length 2")
    if scale <= 0:
        raise ValueError("Argument scale should be positive")
    if not isinstance(shear, int | float | list | tuple):
        raise TypeError("Shear should be either a single value or a sequence of two values")
    shears = [shear, 0.0] if isinstance(shear, int | float) else list(shear)
    shears = shears * 2 if len(shears) == 1 else shears
    if len(shears) != 2:
        raise ValueError(f"Shear should be a sequence containing two values. Got {shear}")
    if not isinstance(center, list | tuple | None):
        raise TypeError("Argument center should be a sequence")
    return angle, list(translate), scale, shears, center and [float(v) for v in center]


def _centred(center: Sequence[float] | None, size: Sequence[int]) -> list[float]:
    """A centre, in pixels from the top left corner, from the middle of (height, width)."""
    middle = size[1] * 0.5, size[0] * 0.5
    return [0.0, 0.0] if center is None else [c - m for c, m in zip(center, middle, strict=True)]


@geometric
def affine(
    image: Tensor, angle: float, translate: Sequence[float], scale: float, shear: Any,
    interpolation: Interpolation = InterpolationMode.NEAREST, fill: Fill = None,
    center: Sequence[float] | None = None,
) -> Tensor:  # fmt: skip
    """The image rotated, moved, scaled and sheared, in its old size.

    Args:
        image: (..., C, H, W), a Pillow image, masks, boxes or points.
        angle: degrees, clockwise.
        translate: (horizontal, vertical), pixels.
        scale: of both directions.
        shear: degrees, parallel to the x axis or (x, y).
        interpolation: of tensors nearest or bilinear; masks take nearest.
        fill: of what was outside: a number, or one for each channel; 0 if None.
        center: (x, y) of the fixed point, from the top left corner; the middle if None.
    """
    *given, middle = _checked(angle, translate, scale, shear, center)
    height, width = image.shape[-2:]
    matrix = inverse_affine(_centred(middle, (height, width)), *given)
    return _sampled(image, _affine_grid(image, matrix, height, width), interpolation, fill)


@kernel(affine, pillow.Image)
def _affine_pillow(
    image: Any, angle: Any, translate: Any, scale: Any, shear: Any, interpolation: Any,
    fill: Any, center: Any,
) -> Any:  # fmt: skip
    *given, middle = _checked(angle, translate, scale, shear, center)
    matrix = inverse_affine(middle or [image.width * 0.5, image.height * 0.5], *given)
    return _transformed(image, pillow.Transform.AFFINE, matrix, interpolation, fill)


def _transformed(image: Any, how: Any, numbers: Any, interpolation: Any, fill: Any) -> Any:
    colour = colour_of(image, fill)
    number = pillow.Resampling(mode_number(interpolation))
    return image.transform(image.size, how, numbers, number, fillcolor=colour)


# ---- what happens to boxes and points


def _move(inpt: Any, move: Callable[[Tensor], Tensor], canvas_size: Any = None) -> Any:
    """Boxes or points whose corners (..., 2), floating, `move` moves; boxes around them again."""
    values, canvas = inpt.as_plain(), tuple(canvas_size or inpt.canvas_size)
    places = values if values.is_floating_point() else values.float()
    if isinstance(inpt, KeyPoints):
        return wrap(move(places).to(values.dtype), like=inpt, canvas_size=canvas)
    edges = corners(places, inpt.format)
    moved = move(edges[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 4, 2))
    around = cat((moved.amin(1), moved.amax(1)), -1)
    around = clamped(around, type(inpt.format).XYXY, canvas, inpt.clamping_mode)
    return wrap(from_corners(around, inpt.format).to(values.dtype), like=inpt, canvas_size=canvas)


def _along(matrix: Matrix) -> Callable[[Tensor], Tensor]:
    """The function that maps points (..., 2) by an affine matrix."""

    def move(points: Tensor) -> Tensor:
        columns = points.new_tensor(matrix).reshape(2, 3)
        return points @ columns[:, :2].T + columns[:, 2]

    return move


def _forward(canvas: Sequence[int], given: Any, center: Any) -> Matrix:
    middle = center or [canvas[1] * 0.5, canvas[0] * 0.5]
    angle, translate, scale, shear = given
    return inverse_affine(middle, angle, translate, scale, shear, inverted=False)


@kernel(affine, BoundingBoxes, KeyPoints)
def _affine_points(
    inpt: Any, angle: Any, translate: Any, scale: Any, shear: Any, center: Any
) -> Any:
    *given, middle = _checked(angle, translate, scale, shear, center)
    return _move(inpt, _along(_forward(inpt.canvas_size, given, middle)))


# ---- rotation


def _rotated(angle: float, center: Any, canvas: Sequence[int], expand: bool) -> tuple[Any, Any]:
    """The matrix from result to image, both centred, and (height, width) of the result."""
    turn, *given, middle = _checked(angle, (0, 0), 1.0, 0.0, center)
    matrix = inverse_affine(_centred(middle, canvas), -(turn % 360), *given)
    if not expand:
        return matrix, tuple(canvas)
    height, width = canvas
    half = tensor([0.5 * width, 0.5 * height])
    moved = _along(matrix)(half * tensor([[-1.0, -1], [-1, 1], [1, 1], [1, -1]])) + half
    # All that the image covers, as it is reached within 1e-4 pixels.
    low, high = ((v / 1e-4).trunc() * 1e-4 for v in (moved.amin(0), moved.amax(0)))
    columns, rows = (high.ceil() - low.floor()).tolist()
    return matrix, (int(rows), int(columns))


@geometric
def rotate(
    image: Tensor, angle: float, interpolation: Interpolation = InterpolationMode.NEAREST,
    expand: bool = False, center: Sequence[float] | None = None, fill: Fill = None,
) -> Tensor:  # fmt: skip
    """The image rotated by `angle` degrees, counter-clockwise.

    Args:
        image: (..., C, H, W), a Pillow image, masks, boxes or points.
        angle: in degrees.
        interpolation: of tensors nearest or bilinear; masks take nearest.
        expand: make the result large enough for all; a centre other than the middle is wrong then.
        center: (x, y) of the fixed point, from the top left corner; the middle if None.
        fill: of what was outside: a number, or one for each channel; 0 if None.
    """
    height, width = image.shape[-2:]
    matrix, size = _rotated(angle, center, (height, width), expand)
    quarters = angle % 360 / 90
    if center is None and quarters in ((0, 1, 2, 3) if expand or height == width else (0, 2)):
        return image.rot90(int(quarters), (-2, -1)) if quarters else image.clone()
    return _sampled(image, _affine_grid(image, matrix, *size), interpolation, fill)


@kernel(rotate, pillow.Image)
def _rotate_pillow(
    image: Any, angle: Any, interpolation: Any, expand: bool, center: Any, fill: Any
) -> Any:
    _checked(angle, (0, 0), 1.0, 0.0, center)
    number = pillow.Resampling(mode_number(interpolation))
    return image.rotate(angle, number, expand, center, fillcolor=colour_of(image, fill))


@kernel(rotate, BoundingBoxes, KeyPoints)
def _rotate_points(inpt: Any, angle: Any, expand: bool, center: Any) -> Any:
    size = _rotated(angle, center, inpt.canvas_size, expand)[1]
    height, width = inpt.canvas_size
    move = _along(_forward((height, width), (-angle, (0, 0), 1.0, (0.0, 0.0)), center))
    if not expand:
        return _move(inpt, move)
    canvas = tensor([[0.0, 0.0], [0.0, height], [width, height], [width, 0.0]])
    first = move(canvas).amin(0)
    return _move(inpt, lambda points: move(points) - first.to(points.dtype), size)


# ---- perspective


def perspective_coefficients(startpoints: Any, endpoints: Any) -> list[float]:
    """The eight numbers a to h of the map from four `endpoints` to `startpoints`, both (x, y).

    (x, y) -> ((ax + by + c) / (gx + hy + 1), (dx + ey + f) / (gx + hy + 1)).
    """
    if len(startpoints) != 4 or len(endpoints) != 4:
        raise ValueError(
            f"Please provide exactly four corners, got {len(startpoints)} startpoints and "
            f"{len(endpoints)} endpoints."
        )
    rows = []
    for (x, y), (u, v) in zip(endpoints, startpoints, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y])
    right = tensor(startpoints, dtype=float64).reshape(8)
    numbers: list[float] = linalg.solve(tensor(rows, dtype=float64), right).float().tolist()
    return numbers


def _coefficients(startpoints: Any, endpoints: Any, coefficients: Any) -> list[float]:
    if coefficients is None and startpoints is not None and endpoints is not None:
        return perspective_coefficients(startpoints, endpoints)
    if coefficients is None or startpoints is not None or endpoints is not None:
        raise ValueError("Either startpoints and endpoints or the coefficients must be given.")
    if len(coefficients) != 8:
        raise ValueError("Argument coefficients should have 8 float values")
    return list(coefficients)


@geometric
def perspective(
    image: Tensor, startpoints: Any, endpoints: Any,
    interpolation: Interpolation = InterpolationMode.BILINEAR, fill: Fill = None,
    coefficients: Sequence[float] | None = None,
) -> Tensor:  # fmt: skip
    """The image as a plane seen from elsewhere, in its old size.

    Args:
        image: (..., C, H, W), a Pillow image, masks, boxes or points.
        startpoints: four corners [x, y] of the image.
        endpoints: where they go.
        interpolation: of tensors nearest or bilinear; masks take nearest.
        fill: of what was outside: a number, or one for each channel; 0 if None.
        coefficients: instead of the points, the numbers that `perspective_coefficients` gives.
    """
    numbers = _coefficients(startpoints, endpoints, coefficients)
    height, width = image.shape[-2:]
    like = {"dtype": _working(image), "device": image.device}
    half = tensor([0.5 * width, 0.5 * height], **like)
    (a, b, c), (d, e, f) = (tensor(numbers[:6], **like).reshape(2, 3) / half[:, None]).unbind(0)
    g, h, one = tensor([*numbers[6:], 1.0], **like)
    x = linspace(0.5, width - 0.5, width, **like)
    y = linspace(0.5, height - 0.5, height, **like)[:, None]
    depth = _plane(x, y, g, h, one)
    places = stack((_plane(x, y, a, b, c) / depth, _plane(x, y, d, e, f) / depth), -1) - 1.0
    return _sampled(image, places[None], interpolation, fill)


@kernel(perspective, pillow.Image)
def _perspective_pillow(
    image: Any, startpoints: Any, endpoints: Any, interpolation: Any, fill: Any, coefficients: Any
) -> Any:
    numbers = _coefficients(startpoints, endpoints, coefficients)
    return _transformed(image, pillow.Transform.PERSPECTIVE, numbers, interpolation, fill)


@kernel(perspective, BoundingBoxes, KeyPoints)
def _perspective_points(inpt: Any, startpoints: Any, endpoints: Any, coefficients: Any) -> Any:
    a, b, c, d, e, f, g, h = _coefficients(startpoints, endpoints, coefficients)
    if a * e - b * d == 0:
        raise RuntimeError(
            f"Provided coefficients {[a, b, c, d, e, f, g, h]} can not be inverted to transform "
            "boxes and points: a * e - b * d is zero"
        )
    scale = a * e - b * d
    across = [e - f * h, c * h - b, b * f - c * e, f * g - d, a - c * g, c * d - a * f]
    depth = [d * h - e * g, b * g - a * h]

    def move(points: Tensor) -> Tensor:
        below = points @ points.new_tensor([v / scale for v in depth]) + 1.0
        return _along([v / scale for v in across])(points) / below[..., None]

    return _move(inpt, move)


# ---- elastic displacement


def _check_displacement(displacement: Any, height: int, width: int) -> None:
    if not isinstance(displacement, Tensor):
        raise TypeError("Argument displacement should be a Tensor")
    if tuple(displacement.shape) != (1, height, width, 2):
        raise ValueError(
            f"Argument displacement shape should be {(1, height, width, 2)}, but given "
            f"{tuple(displacement.shape)}"
        )


def _identity_grid(height: int, width: int, like: dict[str, Any]) -> Tensor:
    x, y = (linspace((1.0 - n) / n, (n - 1.0) / n, n, **like) for n in (width, height))
    return stack((x.expand(height, -1), y[:, None].expand(-1, width)), -1)[None]


@geometric
def elastic(
    image: Tensor, displacement: Tensor,
    interpolation: Interpolation = InterpolationMode.BILINEAR, fill: Fill = None,
) -> Tensor:  # fmt: skip
    """The image with each pixel taken from elsewhere.

    Args:
        image: (..., C, H, W), a Pillow image, masks, boxes or points.
        displacement: (1, H, W, 2), by how much (x, y) in units of half the image.
        interpolation: nearest or bilinear; masks take nearest.
        fill: of what was outside: a number, or one for each channel; 0 if None.
    """
    _check_displacement(displacement, *image.shape[-2:])
    like = {"dtype": _working(image), "device": image.device}
    grid = _identity_grid(image.shape[-2], image.shape[-1], like) + displacement.to(**like)
    return _sampled(image, grid, interpolation, fill)


through_tensor(elastic)


@kernel(elastic, BoundingBoxes, KeyPoints)
def _elastic_points(inpt: Any, displacement: Any) -> Any:
    height, width = inpt.canvas_size
    _check_displacement(displacement, height, width)

    def move(points: Tensor) -> Tensor:
        like = {"dtype": points.dtype, "device": points.device}
        back = (_identity_grid(height, width, like) - displacement.to(**like))[0]
        # Boxes' corners lie between pixels, points in them.
        x, y = (points if isinstance(inpt, KeyPoints) else points.ceil()).long().unbind(-1)
        found = back[y.clamp(0, height - 1), x.clamp(0, width - 1)]
        return (found + 1) * (points.new_tensor([width, height]) * 0.5) - 0.5

    return _move(inpt, move)
