"""Images side by side, to files, and with boxes, masks and points drawn on them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from os import PathLike
from typing import Any, BinaryIO

from PIL import Image, ImageColor, ImageDraw, ImageFont

from .. import Tensor, no_grad, stack, tensor, uint8
from .. import bool as boolean
from ._pillow import pil_to_tensor, to_pil_image

__all__ = [
    "draw_bounding_boxes", "draw_keypoints", "draw_segmentation_masks", "make_grid", "save_image",
]  # fmt: skip

Color = str | tuple[int, int, int]


@no_grad()
def make_grid(
    tensor: Tensor | Sequence[Tensor], nrow: int = 8, padding: int = 2, normalize: bool = False,
    value_range: tuple[float, float] | None = None, scale_each: bool = False,
    pad_value: float = 0.0,
) -> Tensor:  # fmt: skip
    """One image (C, H, W) of many.

    Args:
        tensor: (N, C, H, W), a list of (C, H, W), one such, or (H, W); one channel becomes three.
            TypeError for anything else.
        nrow: images per row.
        padding: pixels around each.
        normalize: bring values to 0 to 1.
        value_range: what becomes 0 and 1, else the smallest and the largest value.
        scale_each: look for these in each image on its own.
        pad_value: of the pixels between the images.
    """
    images = _batch(tensor)
    if normalize:
        images = _normalized(images, value_range, scale_each)
    count, channels, height, width = images.shape
    if count == 1:
        return images[0]
    columns = min(nrow, count)
    rows = -(-count // columns)
    height, width = height + padding, width + padding
    size = (channels, rows * height + padding, columns * width + padding)
    grid = images.new_full(size, pad_value)
    for k, image in enumerate(images):
        top, left = k // columns * height + padding, k % columns * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = image
    return grid


def _batch(images: Any) -> Tensor:
    """(N, C, H, W) with at least three channels where there was one."""
    given = images if isinstance(images, list | tuple) else [images]
    if not all(isinstance(image, Tensor) for image in given):
        raise TypeError(f"tensor or list of tensors expected, got {type(images).__name__}")
    batch: Tensor = images if isinstance(images, Tensor) else stack(list(given))
    batch = batch[None] if batch.ndim == 2 else batch
    batch = batch[None] if batch.ndim == 3 else batch
    return batch.repeat(1, 3, 1, 1) if batch.shape[1] == 1 else batch


def _normalized(images: Tensor, limits: tuple[float, float] | None, each: bool) -> Tensor:
    if limits is not None and not isinstance(limits, tuple):
        raise TypeError(f"value_range has to be a tuple (min, max), got {limits!r}")

    def scaled(part: Tensor) -> Tensor:
        low, high = limits or (part.min().item(), part.max().item())
        return part.clamp(low, high).sub(low).div(max(high - low, 1e-5))

    return stack([scaled(image) for image in images]) if each else scaled(images)


@no_grad()
def save_image(
    tensor: Tensor | Sequence[Tensor], fp: str | PathLike[str] | BinaryIO,
    format: str | None = None, **kwargs: Any,
) -> None:  # fmt: skip
    """Write values from 0 to 1 as an image file, several as a grid.

    Args:
        tensor: as for `make_grid`.
        fp: a path or an open binary file.
        format: Pillow's name; by the path's ending if None.
        **kwargs: go to `make_grid`.
    """
    grid = make_grid(tensor, **kwargs)
    to_pil_image(grid.mul(255).add(0.5).clamp(0, 255).to(uint8)).save(fp, format=format)


def _checked(image: Any, channels: tuple[int, ...]) -> Tensor:
    if not isinstance(image, Tensor):
        raise TypeError(f"The image must be a tensor, got {type(image).__name__}")
    if image.dtype is not uint8 and not image.is_floating_point():
        raise ValueError(f"The image dtype must be uint8 or float, got {image.dtype}")
    if image.ndim != 3:
        raise ValueError("Pass individual images, not batches")
    if image.shape[0] not in channels:
        raise ValueError(f"expected an image of {channels} channels, got {image.shape[0]}")
    return image


def _to_pillow(image: Tensor) -> Image.Image:
    if image.is_floating_point():
        image = image.mul(255.999)  # as torchvision converts: 1.0 is 255, steps are equal
    return to_pil_image(image.to(uint8).expand(3, -1, -1))


def _from_pillow(drawn: Image.Image, like: Tensor) -> Tensor:
    out = pil_to_tensor(drawn).to(like.device)
    return out.to(like.dtype) / 255 if like.is_floating_point() else out


def _colors(given: Any, count: int) -> list[tuple[int, ...]]:
    """`count` colours: a fixed palette for None, one for all, or a list that is long enough."""
    if given is None:
        return [tuple(i * p % 255 for p in (2**25 - 1, 2**15 - 1, 2**21 - 1)) for i in range(count)]
    if isinstance(given, list):
        if len(given) < count:
            raise ValueError(
                f"Number of colors must be equal or larger than the number of objects, but got "
                f"{len(given)} < {count}."
            )
    elif isinstance(given, str) or (isinstance(given, tuple) and len(given) == 3):
        given = [given] * count
    else:
        raise ValueError(f"colors must be a name, an RGB triplet or a list of such, got {given!r}")
    return [ImageColor.getrgb(color) if isinstance(color, str) else color for color in given]


@no_grad()
def draw_bounding_boxes(
    image: Tensor, boxes: Tensor, labels: Sequence[str | None] | None = None,
    colors: Color | list[Color] | None = None, fill: bool | None = False, width: int = 1,
    font: str | None = None, font_size: int | None = None,
    label_colors: Color | list[Color] | None = None,
    label_background_colors: Color | list[Color] | None = None, fill_labels: bool = False,
) -> Tensor:  # fmt: skip
    """The image (3, H, W), with boxes drawn on it.

    Args:
        image: (1 or 3, H, W), uint8 or floating from 0 to 1.
        boxes: (N, 4), corners in pixels; ValueError for others, a warning for none.
        labels: a text for each box.
        colors: of the boxes: a name, an RGB triplet, or a list of such.
        fill: paint the inside, half transparent.
        width: of the lines.
        font: a TrueType file; Pillow's own font if None.
        font_size: in points, with `font`.
        label_colors: of the texts; the boxes' ones if None, black on painted ground.
        label_background_colors: of the ground behind texts; the boxes' ones if None.
        fill_labels: paint that ground.
    """
    _checked(image, (1, 3))
    if boxes.ndim != 2 or boxes.shape[1] != 4 or (boxes[:, :2] > boxes[:, 2:]).any():
        raise ValueError(
            "Boxes need to be in (xmin, ymin, xmax, ymax) format. Use vision.ops.box_convert to "
            "convert them"
        )
    count = len(boxes)
    if count == 0:
        warnings.warn("boxes doesn't contain any box. No box was drawn", stacklevel=2)
        return image
    if labels is not None and len(labels) != count:
        raise ValueError(f"expected a label for each of {count} boxes, got {len(labels)}")
    lines = _colors(colors, count)
    own_text = label_colors or ("black" if fill_labels else None)
    texts = _colors(own_text, count) if own_text else lines
    grounds = _colors(label_background_colors, count) if label_background_colors else lines
    drawn = _to_pillow(image)
    draw = ImageDraw.Draw(drawn, "RGBA" if fill else None)
    for i, box in enumerate(boxes.long().tolist()):
        inside = (*lines[i], 100) if fill else None
        draw.rectangle(box, width=width, outline=lines[i], fill=inside)
        label = None if labels is None else labels[i]
        if label is not None:
            place = (box[0] + width + 1, box[1] + width + 1)
            letters = _font(font, font_size)
            if fill_labels:
                left, top, right, bottom = draw.textbbox(place, label, font=letters)
                draw.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=grounds[i])
            draw.text(place, label, fill=texts[i], font=letters)
    return _from_pillow(drawn, image)


def _font(font: str | None, size: int | None) -> Any:
    if font is None and size is not None:
        warnings.warn("font_size is of no effect without font", stacklevel=3)
    return ImageFont.load_default() if font is None else ImageFont.truetype(font, size or 10)


@no_grad()
def draw_segmentation_masks(
    image: Tensor, masks: Tensor, alpha: float = 0.8, colors: Color | list[Color] | None = None
) -> Tensor:
    """The image with coloured masks over it; where several lie, black.

    Args:
        image: (3, H, W), uint8 or floating from 0 to 1.
        masks: (N, H, W) or (H, W), bool; ValueError for others, a warning for none.
        alpha: 0 for masks that do not show, 1 for ones that hide the image.
        colors: of the masks: a name, an RGB triplet, or a list of such.
    """
    _checked(image, (3,))
    masks = masks[None] if masks.ndim == 2 else masks
    if masks.ndim != 3 or masks.dtype is not boolean or masks.shape[1:] != image.shape[1:]:
        raise ValueError(
            f"masks must be bool of shape (N, *{tuple(image.shape[1:])}), got {masks.dtype} "
            f"{tuple(masks.shape)}"
        )
    if len(masks) == 0:
        warnings.warn("masks doesn't contain any mask. No mask was drawn", stacklevel=2)
        return image
    levels = tensor(_colors(colors, len(masks)), device=image.device)
    if image.is_floating_point():
        levels = levels / 255
    over = image.detach()
    for mask, color in zip(masks, levels.to(image.dtype), strict=True):
        over = color[:, None, None].where(mask, over)
    over = over.masked_fill(masks.sum(0) > 1, 0)
    return (image * (1 - alpha) + over * alpha).to(image.dtype)


@no_grad()
def draw_keypoints(
    image: Tensor, keypoints: Tensor, connectivity: Sequence[tuple[int, int]] | None = None,
    colors: Color | None = None, radius: int = 2, width: int = 3,
    visibility: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The image with points and the lines between them.

    Args:
        image: (3, H, W), uint8 or floating from 0 to 1.
        keypoints: (N, K, 2), pixels to the right and down; ValueError for others.
        connectivity: pairs of points, by their places in K, that a line connects.
        colors: of the points: a name or an RGB triplet; lines are white.
        radius: of the points.
        width: of the lines.
        visibility: (N, K); what is False is not drawn, nor are its lines.
    """
    _checked(image, (3,))
    if keypoints.ndim != 3:
        raise ValueError("keypoints must be of shape (num_instances, K, 2)")
    shown = keypoints.new_ones(keypoints.shape[:2]) if visibility is None else visibility
    shown = shown.squeeze(-1) if shown.ndim == 3 else shown
    if shown.shape != keypoints.shape[:2]:
        raise ValueError(
            f"visibility must be of shape {tuple(keypoints.shape[:2])}, got {tuple(shown.shape)}"
        )
    drawn = _to_pillow(image)
    draw = ImageDraw.Draw(drawn)
    pairs = zip(keypoints.long().tolist(), shown.to(boolean).tolist(), strict=True)
    for points, seen in pairs:
        for (x, y), visible in zip(points, seen, strict=True):
            if visible:
                edges = (x - radius, y - radius, x + radius, y + radius)
                draw.ellipse(edges, fill=colors, outline=None, width=0)
        for a, b in connectivity or ():
            if seen[a] and seen[b]:
                draw.line((tuple(points[a]), tuple(points[b])), width=width)
    return _from_pillow(drawn, image)
