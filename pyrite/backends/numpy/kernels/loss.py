"""Cross entropy over class indices: one pass over the logits, forward and backward; float32."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from . import _math as m
from ._jit import Doubles, Ints, Matrix, Vector, loop
from ._math import ZERO
from ._registry import F32, I64, Array, dense, kernel, like, rows
from .softmax import highest

MIN = 16


@loop("contract", "reassoc")
def cross_entropy_rows(
    x: Matrix, target: Ints, weight: Vector, ignore: int, smoothing: float, losses: Doubles,
    weights: Doubles, log_sums: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    """Per row its loss, its weight (NaN: target out of range) and its log-sum-exp."""
    classes = x.shape[1]
    for r in range(lo, hi):
        row, label = x[r], target[r]
        top, total = highest(row), ZERO
        for j in range(classes):
            total += m.exp_below(m.minus(row[j], top))
        shift = m.log(total)
        log_sums[r] = top + shift
        losses[r], weights[r] = 0.0, 0.0
        if label == ignore:
            continue
        if label < 0 or label >= classes:
            weights[r] = np.nan
            continue
        w = weight[label]
        weights[r] = w
        loss = w * (m.minus(top, row[label]) + shift) if w != 0 else ZERO
        if smoothing > 0:
            even = ZERO
            for j in range(classes):
                even += weight[j] * (m.minus(top, row[j]) + shift)
            losses[r] = loss * (1 - smoothing) + even * (smoothing / classes)
        else:
            losses[r] = loss


@loop("contract")
def cross_entropy_grad_rows(
    scale: Vector, divisor: float, x: Matrix, target: Ints, weight: Vector, ignore: int,
    smoothing: float, log_sums: Vector, out: Matrix, lo: int, hi: int,
) -> None:  # fmt: skip
    """Per row scale / divisor * d(loss)/d(logits); `scale` has one element or one per row."""
    classes = x.shape[1]
    even = np.float32(smoothing / classes)
    all_weights = np.float32(m.total(weight))
    for r in range(lo, hi):
        row, into, label = x[r], out[r], target[r]
        factor = np.float32((scale[r] if scale.size > 1 else scale[0]) / divisor)
        own = ZERO
        if label != ignore:
            own = np.float32(1 - smoothing) * weight[label]
        if label == ignore or (own == 0 and even == 0):
            for j in range(classes):
                into[j] = ZERO
            continue
        spread = factor * (own + even * all_weights)
        for j in range(classes):
            into[j] = m.exp_below(row[j] - log_sums[r])
        spread /= np.float32(m.total(into))  # what rounding the logarithm left: 1, nearly
        for j in range(classes):
            into[j] *= spread
        if smoothing > 0:
            for j in range(classes):
                into[j] -= factor * even * weight[j]
        into[label] -= factor * own


def _covers(input: Array, target: Array, weight: Array | None) -> bool:
    """Whether the loops serve these: (N, C) float32 logits and N int64 labels."""
    return (
        input.ndim == 2
        and input.size >= MIN
        and dense(input)
        and target.dtype is I64
        and target.shape == input.shape[:1]
        and target.flags.c_contiguous
        and (weight is None or (weight.shape == input.shape[1:] and dense(weight)))
    )


@lru_cache(8)
def ones(classes: int) -> Array:
    """Weights where none are given."""
    return np.ones(classes, F32)


@kernel("cross_entropy_index", MIN)
def cross_entropy_index(
    input: Array,
    target: Array,
    weight: Array | None = None,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    if not _covers(input, target, weight):
        return NotImplemented
    n, classes = input.shape
    weight = ones(classes) if weight is None else weight
    losses, weights, log_sums = np.empty(n), np.empty(n), np.empty(n, F32)
    cross_entropy_rows(
        n, rows(n, 2 * classes), input, target, weight, ignore_index, float(label_smoothing),
        losses, weights, log_sums,
    )  # fmt: skip
    total = weights.sum()
    if total != total:  # a label out of range: the generic kernel names it
        return NotImplemented
    if reduction == "none":
        return losses.astype(F32), log_sums
    loss = losses.sum() / total if reduction == "mean" else losses.sum()
    return np.asarray(loss, F32), log_sums


@kernel("cross_entropy_index_grad", 0)
def cross_entropy_index_grad(
    grad: Array,
    input: Array,
    target: Array,
    weight: Array | None,
    log_sum_exp: Array,
    ignore_index: int = -100,
    label_smoothing: float = 0.0,
    reduction: str = "mean",
) -> Any:
    if not _covers(input, target, weight) or not dense(grad):
        return NotImplemented
    (n, classes), out, total = input.shape, like(input), 1.0
    if reduction == "mean":
        if weight is None:
            total = float(n - np.count_nonzero(target == ignore_index))
        else:
            total = float(weight[target[target != ignore_index]].sum(dtype=float))
    cross_entropy_grad_rows(
        n, rows(n, 2 * classes), grad.reshape(-1), total, input, target,
        ones(classes) if weight is None else weight, ignore_index, float(label_smoothing),
        log_sum_exp, out,
    )  # fmt: skip
    return out
