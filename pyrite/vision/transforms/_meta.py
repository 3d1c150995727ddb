"""Sizes of images, and boxes and points by themselves: formats, clamping, cleaning."""

from __future__ import annotations

from typing import Any

from PIL import Image as pillow

from ... import Tensor, cat, stack
from ..tv_tensors import BoundingBoxes, BoundingBoxFormat, KeyPoints, Mask, box_format, wrap
from ._op import is_pure_tensor

Canvas = tuple[int, int]


def _known(image: Any) -> Any:
    if isinstance(image, Tensor) and image.ndim < 2:
        raise TypeError(f"Input tensor should have at least two dimensions, but got {image.ndim}")
    return image.shape


def get_dimensions(inpt: Any) -> list[int]:
    """[channels, height, width] of an image; TypeError for other inputs."""
    return [get_num_channels(inpt), *get_size(inpt)]


def get_num_channels(inpt: Any) -> int:
    """The number of an image's channels; TypeError for other inputs."""
    if isinstance(inpt, pillow.Image):
        return len(inpt.getbands())
    if not isinstance(inpt, Tensor) or isinstance(inpt, BoundingBoxes | KeyPoints | Mask):
        raise TypeError(f"Unexpected type {type(inpt)}")
    shape = _known(inpt)
    return 1 if len(shape) == 2 else int(shape[-3])


def get_size(inpt: Any) -> list[int]:
    """[height, width] of an image or a mask, or of that which boxes or points are in."""
    if isinstance(inpt, pillow.Image):
        return [inpt.height, inpt.width]
    if isinstance(inpt, BoundingBoxes | KeyPoints):
        return list(inpt.canvas_size)
    if not isinstance(inpt, Tensor):
        raise TypeError(f"Unexpected type {type(inpt)}")
    return list(_known(inpt)[-2:])


def get_image_size(img: Any) -> list[int]:
    """[width, height] of an image; TypeError for other inputs."""
    return get_size(img)[::-1]


def get_num_frames(inpt: Any) -> int:
    """The number of images of a video (..., T, C, H, W)."""
    return int(inpt.shape[-4])


# ---- boxes


def corners(boxes: Tensor, format: BoundingBoxFormat) -> Tensor:
    """Boxes (..., 4) by their corners; whole numbers stay whole."""
    if format is BoundingBoxFormat.XYXY:
        return boxes
    start, sides = boxes[..., :2], boxes[..., 2:]
    if format is BoundingBoxFormat.CXCYWH:
        start = start - sides / 2
    return cat((start, start + sides), -1).to(boxes.dtype)


def from_corners(boxes: Tensor, format: BoundingBoxFormat) -> Tensor:
    """What `corners` gave in a format again; centres of whole numbers are rounded down."""
    if format is BoundingBoxFormat.XYXY:
        return boxes
    start, end = boxes[..., :2], boxes[..., 2:]
    if format is BoundingBoxFormat.CXCYWH:
        rounding = None if boxes.is_floating_point() else "floor"
        return cat(((start + end).div(2, rounding_mode=rounding), end - start), -1)
    return cat((start, end - start), -1)


def convert_bounding_box_format(
    inpt: Any, old_format: Any = None, new_format: Any = None, inplace: bool = False
) -> Any:
    """Boxes in another format.

    Args:
        inpt: `BoundingBoxes`, or a plain tensor (..., 4).
        old_format: of a plain tensor only.
        new_format: a `BoundingBoxFormat` or its name.
        inplace: write the result into a plain tensor's memory, too.
    """
    if new_format is None:
        raise TypeError("convert_bounding_box_format() missing 1 required argument: 'new_format'")
    new = box_format(new_format)
    if isinstance(inpt, BoundingBoxes):
        if old_format is not None:
            raise ValueError("For bounding box tv_tensor inputs, `old_format` must not be passed.")
        out = from_corners(corners(inpt.as_plain(), inpt.format), new)
        return wrap(out, like=inpt, format=new)
    if not is_pure_tensor(inpt):
        raise TypeError(f"expected a plain tensor or BoundingBoxes, but got {type(inpt)} instead.")
    if old_format is None:
        raise ValueError("For pure tensor inputs, `old_format` has to be passed.")
    out = from_corners(corners(inpt, box_format(old_format)), new)
    return inpt.copy_(out) if inplace else out


def clamped(boxes: Tensor, format: Any, canvas_size: Any, clamping_mode: str | None) -> Tensor:
    """Boxes cut to the image; None as the mode leaves them."""
    if clamping_mode is None:
        return boxes
    edges = corners(boxes if boxes.is_floating_point() else boxes.float(), format)
    height, width = canvas_size
    limits = boxes.new_tensor([width, height] * 2, dtype=edges.dtype)
    return from_corners(edges.clamp(min=0).minimum(limits), format).to(boxes.dtype)


def clamp_bounding_boxes(
    inpt: Any, format: Any = None, canvas_size: Any = None, clamping_mode: str | None = "auto"
) -> Any:
    """Boxes cut to the image.

    Args:
        inpt: `BoundingBoxes`, or a plain tensor (..., 4).
        format, canvas_size: of a plain tensor only.
        clamping_mode: "soft", "hard", None for no change; "auto" is what the boxes say.
    """
    if clamping_mode not in ("soft", "hard", "auto", None):
        raise ValueError(f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if isinstance(inpt, BoundingBoxes):
        if format is not None or canvas_size is not None:
            raise ValueError(
                "For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed."
            )
        mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
        return wrap(clamped(inpt.as_plain(), inpt.format, inpt.canvas_size, mode), like=inpt)
    if not is_pure_tensor(inpt):
        raise TypeError(f"expected a plain tensor or BoundingBoxes, but got {type(inpt)} instead.")
    if format is None or canvas_size is None or clamping_mode == "auto":
        raise ValueError(
            "For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be passed."
        )
    return clamped(inpt, box_format(format), canvas_size, clamping_mode)


def clamp_keypoints(inpt: Any, canvas_size: Any = None) -> Any:
    """Points moved into the image: `KeyPoints`, or a plain tensor (..., 2) and its canvas."""
    height, width = _canvas(inpt, KeyPoints, canvas_size)
    limits = inpt.new_tensor([width - 1, height - 1])
    out = inpt.clamp(min=0).minimum(limits)
    return wrap(out, like=inpt) if isinstance(inpt, KeyPoints) else out


def _canvas(inpt: Any, kind: type, canvas_size: Any) -> Any:
    """The canvas that an input of a kind knows, or else the one that was given."""
    if isinstance(inpt, kind):
        if canvas_size is not None:
            raise ValueError(f"canvas_size must be None for {kind.__name__}, got {canvas_size}")
        return inpt.canvas_size  # type: ignore[attr-defined]
    if not is_pure_tensor(inpt):
        raise TypeError(f"expected a plain tensor or {kind.__name__}, but got {type(inpt)}")
    if canvas_size is None:
        raise ValueError("For pure tensor inputs, `canvas_size` has to be passed.")
    return canvas_size


def sanitize_bounding_boxes(
    bounding_boxes: Any, format: Any = None, canvas_size: Any = None, min_size: float = 1.0,
    min_area: float = 1.0,
) -> tuple[Any, Tensor]:  # fmt: skip
    """The boxes that lie in the image and are large enough, and a mask (N,) that says which.

    Args:
        bounding_boxes: `BoundingBoxes`, or a plain tensor (N, 4).
        format, canvas_size: of a plain tensor only.
        min_size: of both sides.
        min_area: of the boxes.
    """
    known = isinstance(bounding_boxes, BoundingBoxes)
    if known != (format is None and canvas_size is None) or (
        not known and (format is None or canvas_size is None)
    ):
        raise ValueError(
            "format and canvas_size must be None for BoundingBoxes and given for a plain tensor, "
            f"got {type(bounding_boxes)}, format={format} and canvas_size={canvas_size}"
        )
    if known:
        format, canvas_size = bounding_boxes.format, bounding_boxes.canvas_size
    boxes = bounding_boxes.as_plain()
    valid = large_enough(corners(boxes, box_format(format)), canvas_size, min_size, min_area)
    out = boxes[valid]
    return (wrap(out, like=bounding_boxes) if known else out), valid


def large_enough(edges: Tensor, canvas_size: Any, min_size: float, min_area: float) -> Tensor:
    """Which boxes, by their corners, lie in the image and are of these sizes."""
    height, width = canvas_size
    x0, y0, x1, y1 = edges.unbind(-1)
    w, h = x1 - x0, y1 - y0
    valid = (w >= min_size) & (h >= min_size) & (edges >= 0).all(-1) & (w * h >= min_area)
    inside = (stack((x0, x1)) <= width) & (stack((y0, y1)) <= height)
    return valid & inside.all(0)


def sanitize_keypoints(key_points: Any, canvas_size: Any = None) -> tuple[Any, Tensor]:
    """The points (or groups of them) that lie in the image, and a mask (N,) that says which."""
    height, width = _canvas(key_points, KeyPoints, canvas_size)
    points = key_points.as_plain()
    x, y = points[..., 0], points[..., 1]
    valid = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    valid = valid.flatten(1).all(1) if valid.ndim > 1 else valid
    out = points[valid]
    return (wrap(out, like=key_points) if isinstance(key_points, KeyPoints) else out), valid
