"""Losses of detection: of boxes, element by element, and the focal loss."""

from __future__ import annotations

from typing import Any

from ... import Tensor, float32, float64, nn
from .boxes import centre_distance, hull, overlap, shape_penalty

F: Any = nn.functional


def _reduced(loss: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return loss
    if reduction == "sum" or (reduction == "mean" and not loss.numel()):
        return loss.sum()
    if reduction == "mean":
        return loss.mean()
    raise ValueError(
        f"Invalid Value for arg 'reduction': {reduction!r}; Supported reduction modes: 'none', "
        "'mean', 'sum'"
    )


def _floating(boxes: Tensor) -> Tensor:
    return boxes if boxes.dtype in (float32, float64) else boxes.float()


def generalized_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 less `generalized_box_iou` of boxes (..., 4) with their counterparts.

    Args:
        boxes1: corners.
        boxes2: corners, of the same shape.
        reduction: "none", "mean" or "sum"; ValueError otherwise.
        eps: keeps quotients finite.
    """
    a, b = _floating(boxes1), _floating(boxes2)
    common, union = overlap(a, b)
    area = hull(a, b).prod(-1)
    return _reduced(1 - common / (union + eps) + (area - union) / (area + eps), reduction)


def distance_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 less `distance_box_iou`; arguments as for `generalized_box_iou_loss`."""
    a, b = _floating(boxes1), _floating(boxes2)
    common, union = overlap(a, b)
    return _reduced(1 - common / (union + eps) + centre_distance(a, b, eps), reduction)


def complete_box_iou_loss(
    boxes1: Tensor, boxes2: Tensor, reduction: str = "none", eps: float = 1e-7
) -> Tensor:
    """1 less `complete_box_iou`; arguments as for `generalized_box_iou_loss`."""
    a, b = _floating(boxes1), _floating(boxes2)
    common, union = overlap(a, b)
    iou = common / (union + eps)
    loss = 1 - iou + centre_distance(a, b, eps) + shape_penalty(a, b, iou, eps)
    return _reduced(loss, reduction)


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2,
    reduction: str = "none",
) -> Tensor:  # fmt: skip
    """Binary cross entropy that counts what is nearly right for less (arXiv:1708.02002).

    Args:
        inputs: logits, of any shape.
        targets: 0 or 1, of the same shape.
        alpha: weight of the positive ones, 0 to 1, or -1 for none; ValueError otherwise.
        gamma: power of 1 less the probability of the target.
        reduction: "none", "mean" or "sum"; ValueError otherwise.
    """
    if not 0 <= alpha <= 1 and alpha != -1:
        raise ValueError(f"alpha must be in the range [0,1] or -1 for ignore, got {alpha}")
    p = inputs.sigmoid()
    entropy = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    missed = 1 - (p * targets + (1 - p) * (1 - targets))
    loss = entropy * missed**gamma
    if alpha >= 0:
        loss = loss * (alpha * targets + (1 - alpha) * (1 - targets))
    return _reduced(loss, reduction)
