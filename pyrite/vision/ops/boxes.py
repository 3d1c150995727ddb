"""Boxes, (..., 4), corners unless said otherwise: formats, areas, overlaps, suppression."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ... import Tensor, cat, float32, float64, int32, int64, no_grad, stack, tensor, where, zeros
from ... import bool as boolean

_ROWS = 256  # of the matrix of overlaps that are computed at once

_FROM: dict[str, Callable[..., Tensor]] = {
    "xyxy": lambda x, y, right, bottom: stack((x, y, right, bottom), -1),
    "xywh": lambda x, y, w, h: stack((x, y, x + w, y + h), -1),
    "cxcywh": lambda x, y, w, h: stack((x - w * 0.5, y - h * 0.5, x + w * 0.5, y + h * 0.5), -1),
}
_TO: dict[str, Callable[..., Tensor]] = {
    "xyxy": _FROM["xyxy"],
    "xywh": lambda x, y, right, bottom: stack((x, y, right - x, bottom - y), -1),
    "cxcywh": lambda x, y, right, bottom: stack(
        ((x + right) / 2, (y + bottom) / 2, right - x, bottom - y), -1
    ),
}


def _check(fmt: str) -> None:
    if fmt not in _FROM:
        raise ValueError(f"unsupported format {fmt!r} of boxes: expected one of {list(_FROM)}")


def widened(t: Tensor) -> Tensor:
    """Small types as 32-bit ones, in which products of coordinates do not overflow."""
    if t.is_floating_point():
        return t if t.dtype in (float32, float64) else t.float()
    return t if t.dtype in (int32, int64) else t.int()


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes (..., 4) from one format to another, always a copy.

    "xyxy" are corners, "xywh" a corner with width and height, "cxcywh" the centre with width and
    height. ValueError for any other.
    """
    _check(in_fmt)
    _check(out_fmt)
    if in_fmt == out_fmt:
        return boxes.clone()
    corners = boxes if in_fmt == "xyxy" else _FROM[in_fmt](*boxes.unbind(-1))
    return corners if out_fmt == "xyxy" else _TO[out_fmt](*corners.unbind(-1))


def box_area(boxes: Tensor, fmt: str = "xyxy") -> Tensor:
    """The areas (...) of boxes (..., 4) in a format of `box_convert`."""
    _check(fmt)
    boxes = widened(boxes)
    sides = boxes[..., 2:] - boxes[..., :2] if fmt == "xyxy" else boxes[..., 2:]
    return sides[..., 0] * sides[..., 1]


def _pairs(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    return boxes1[..., :, None, :], boxes2[..., None, :, :]


def overlap(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of intersection and union of boxes, element by element."""
    sides = (a[..., 2:].minimum(b[..., 2:]) - a[..., :2].maximum(b[..., :2])).clamp(min=0)
    common = sides[..., 0] * sides[..., 1]
    return common, box_area(a) + box_area(b) - common


def hull(a: Tensor, b: Tensor) -> Tensor:
    """Width and height (..., 2) of the smallest box around two."""
    sides = a[..., 2:].maximum(b[..., 2:]) - a[..., :2].minimum(b[..., :2])
    return widened(sides).clamp(min=0)


def centre_distance(a: Tensor, b: Tensor, eps: float) -> Tensor:
    """Squared distance of the centres, in squared diagonals of the box around both."""
    apart = (a[..., :2] + a[..., 2:]) / 2 - (b[..., :2] + b[..., 2:]) / 2
    return apart.square().sum(-1) / (hull(a, b).square().sum(-1) + eps)


def shape_penalty(a: Tensor, b: Tensor, iou: Tensor, eps: float) -> Tensor:
    """How much the ratios of width to height differ, weighted by the overlap."""
    angles = [(box[..., 2] - box[..., 0]).div(box[..., 3] - box[..., 1]).atan() for box in (a, b)]
    v = (angles[1] - angles[0]).square() * (4 / math.pi**2)
    with no_grad():
        alpha = v / (1 - iou + v + eps)
    return alpha * v


def box_iou(boxes1: Tensor, boxes2: Tensor, fmt: str = "xyxy") -> Tensor:
    """Intersection over union of each of (..., N, 4) with each of (..., M, 4): (..., N, M)."""
    pair = (box_convert(widened(boxes), fmt, "xyxy") for boxes in (boxes1, boxes2))
    common, union = overlap(*_pairs(*pair))
    return common / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """`box_iou` less the empty share of the box around both (arXiv:1902.09630)."""
    a, b = _pairs(widened(boxes1), widened(boxes2))
    common, union = overlap(a, b)
    area = hull(a, b).prod(-1)
    return common / union - (area - union) / area


def distance_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`box_iou` less the squared distance of the centres, in diagonals (arXiv:1911.08287)."""
    a, b = _pairs(widened(boxes1), widened(boxes2))
    return box_iou(boxes1, boxes2) - centre_distance(a, b, eps)


def complete_box_iou(boxes1: Tensor, boxes2: Tensor, eps: float = 1e-7) -> Tensor:
    """`distance_box_iou` less a penalty for other ratios of the sides (arXiv:1911.08287)."""
    a, b = _pairs(widened(boxes1), widened(boxes2))
    iou = box_iou(boxes1, boxes2)
    return iou - centre_distance(a, b, eps) - shape_penalty(a, b, iou, eps)


def clip_boxes_to_image(boxes: Tensor, size: Sequence[int]) -> Tensor:
    """Boxes (..., 4) with coordinates from 0 to `size` (height, width)."""
    height, width = size
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return stack((x, y), -1).reshape(boxes.shape)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Indices of those of (N, 4) whose width and height are at least `min_size`."""
    sides = boxes[..., 2:] - boxes[..., :2]
    return where((sides >= min_size).all(-1))[0]


def masks_to_boxes(masks: Tensor) -> Tensor:
    """The boxes (N, 4) around masks (N, H, W), last pixel included; zeros for empty ones."""
    if masks.numel() == 0:
        return zeros((0, 4), device=masks.device)
    filled = masks.to(boolean)
    edges = []
    for dim in (1, 2):  # columns, then rows
        line = filled.any(dim).float()
        edges.append((line.argmax(1), line.shape[1] - 1 - line.flip(1).argmax(1)))
    (left, right), (top, bottom) = edges
    boxes = stack((left, top, right, bottom), 1).float()
    return boxes * filled.flatten(1).any(1, keepdim=True)


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that are kept, by falling score.

    A box goes where its overlap with a kept box of higher score exceeds the threshold.

    Args:
        boxes: (N, 4).
        scores: (N,).
        iou_threshold: largest intersection over union that two kept boxes may have.
    """
    return _kept(boxes, scores, None, iou_threshold)


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """`nms` where only boxes of one class, `idxs` (N,), make one another go."""
    return _kept(boxes, scores, idxs, iou_threshold)


def _kept(boxes: Tensor, scores: Tensor, classes: Tensor | None, threshold: float) -> Tensor:
    if boxes.ndim != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise RuntimeError(
            f"boxes have to be (N, 4) and scores (N,), got {tuple(boxes.shape)} and "
            f"{tuple(scores.shape)}"
        )
    order = scores.argsort(descending=True, stable=True)
    with no_grad():
        places = _greedy(boxes[order], None if classes is None else classes[order], threshold)
    return order[tensor(places, dtype=int64, device=boxes.device)]


def _greedy(boxes: Tensor, classes: Tensor | None, threshold: float) -> list[int]:
    """Places that are kept, in order; a set of places is an integer with a byte for each."""
    kept, gone = [], 0
    for start in range(0, len(boxes), _ROWS):
        hits = box_iou(boxes[start : start + _ROWS], boxes) > threshold
        if classes is not None:
            hits &= classes[start : start + _ROWS, None] == classes
        for place, row in enumerate(hits.cpu().numpy(), start):
            if not gone >> 8 * place & 1:
                kept.append(place)
                gone |= int.from_bytes(row.tobytes(), "little")
    return kept


def as_rois(boxes: Tensor | Sequence[Tensor]) -> Tensor:
    """Regions (K, 5): index of the image, then the box; from such, or a list with one per image.

    AssertionError for other shapes.
    """
    if isinstance(boxes, Tensor):
        if boxes.ndim != 2 or boxes.shape[1] != 5:
            raise AssertionError(f"boxes as one tensor have to be (K, 5), got {boxes.shape}")
        return boxes
    if any(b.ndim != 2 or b.shape[1] != 4 for b in boxes):
        raise AssertionError("boxes as a list have to be (L, 4) for each image")
    return cat([cat([b.new_full((len(b), 1), i), b], 1) for i, b in enumerate(boxes)])
