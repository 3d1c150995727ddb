"""Fused losses and checks of their targets."""

from __future__ import annotations

from typing import Any

from .table import Array, op


@op(public="", dtypes="any", outputs=("~index", "~kept"))
def class_indices(xp: Any, target: Array, count: int, ignore_index: int) -> tuple[Array, Array]:
    """Class indices with 0 in place of `ignore_index`, and a mask of those that count.

    IndexError names a class that is not in [0, count).
    """
    kept = target != ignore_index
    index = xp.where(kept, target, 0)
    wrong = (index < 0) | (index >= count)
    if bool(wrong.any()):
        raise IndexError(
            f"Target {target[wrong][0].item()} is out of bounds: there are {count} classes, so "
            f"class indices must lie in [0, {count - 1}] (or be ignore_index={ignore_index})"
        )
    return index, kept


def _parts(
    xp: Any, input: Any, target: Any, weight: Any, ignore_index: int, label_smoothing: float
) -> tuple[Any, Any, Any]:
    """Per row its class and how much that counts; and how much all classes count besides (even).

    A row's target distribution is (1 - label_smoothing) * `own` at its class, plus `even` times
    the class weights. Both are 0 where the row is ignored.
    """
    index, kept = class_indices.generic(xp, target, input.shape[1], ignore_index)
    kept = kept.astype(input.dtype)
    own = kept if weight is None else kept * weight[index]
    return index, own, kept * (label_smoothing / input.shape[1])


def _mass(xp: Any, own: Any, even: Any, weight: Any, count: int, label_smoothing: float) -> Any:
    """The sum of each row's target distribution."""
    return own * (1 - label_smoothing) + even * (count if weight is None else xp.sum(weight))


@op(public="", dtypes=("same", "input", "weight"), outputs=("out", "_log_sum_exp"))
def cross_entropy_index(
    xp: Any, input: Array, target: Array, weight: Array | None = None, ignore_index: int = -100,
    label_smoothing: float = 0.0, reduction: str = "mean",
) -> tuple[Array, Array]:  # fmt: skip
    """Cross entropy of logits (rows, classes) and class indices (rows,).

    The loss, (rows,) or reduced, and the log-sum-exp of each row. IndexError names a class that
    does not exist.
    """
    index, own, even = _parts(xp, input, target, weight, ignore_index, label_smoothing)
    top = xp.max(input, axis=1, keepdims=True)
    shifted = input - top
    log_sum = xp.log(xp.sum(xp.exp(shifted), axis=1))
    chosen = xp.take_along_axis(shifted, index[:, None], axis=1)[:, 0]
    loss = (1 - label_smoothing) * xp.where(own != 0, own * (log_sum - chosen), 0)
    if label_smoothing:
        missed = log_sum[:, None] - shifted
        missed = xp.sum(missed if weight is None else missed * weight, axis=1)
        loss += xp.where(even != 0, even * missed, 0)
    if reduction != "none":
        loss = xp.sum(loss)
    if reduction == "mean":
        loss = loss / xp.sum(own)
    return loss, log_sum + top[:, 0]


cross_entropy_index.vjp(
    input=lambda F, g, input, target, weight, log_sum_exp, attrs: F.cross_entropy_index_grad(
        g, input, target, weight, log_sum_exp, *attrs
    )
)


@op(public="", dtypes=("same", "grad", "input", "weight", "log_sum_exp"), outputs=("grad_input",))
def cross_entropy_index_grad(
    xp: Any, grad: Array, input: Array, target: Array, weight: Array | None, log_sum_exp: Array,
    ignore_index: int = -100, label_smoothing: float = 0.0, reduction: str = "mean",
) -> Array:  # fmt: skip
    """Gradient of `cross_entropy_index` in its input."""
    n, count = input.shape
    index, own, even = _parts(xp, input, target, weight, ignore_index, label_smoothing)
    out = xp.exp(input - log_sum_exp[:, None])
    out *= _mass(xp, own, even, weight, count, label_smoothing)[:, None]
    if label_smoothing:
        out -= even[:, None] * (1 if weight is None else weight)
    out[xp.arange(n), index] -= (1 - label_smoothing) * own
    out *= xp.reshape(grad / xp.sum(own) if reduction == "mean" else grad, (-1, 1))
    out[(own == 0) & (even == 0)] = 0  # an ignored row may hold anything, NaN too
    return out


def _index_grad_grad(
    F: Any, g: Any, grad: Any, input: Any, target: Any, weight: Any, log_sum_exp: Any, attrs: Any
) -> Any:
    rest = (target, weight, log_sum_exp, *attrs)
    return F.sum(g * F.cross_entropy_index_grad(F.ones_like(grad), input, *rest), 1)


def _index_grad_input(
    F: Any, g: Any, grad: Any, input: Any, target: Any, weight: Any, attrs: Any
) -> Any:
    scale = F.reshape(grad, (-1, 1)) * F.cross_entropy_mass(input, target, weight, *attrs)
    return F.softmax_grad(g * scale, F.softmax(input, 1), 1)


cross_entropy_index_grad.vjp(grad=_index_grad_grad, input=_index_grad_input)


@op(public="", dtypes=("same", "input", "weight"), outputs=("mass",))
def cross_entropy_mass(
    xp: Any, input: Array, target: Array, weight: Array | None, ignore_index: int,
    label_smoothing: float, reduction: str,
) -> Array:  # fmt: skip
    """The sum of each row's target distribution, as it enters the loss: (rows, 1)."""
    _, own, even = _parts(xp, input, target, weight, ignore_index, label_smoothing)
    mass = _mass(xp, own, even, weight, input.shape[1], label_smoothing)[:, None]
    return mass / xp.sum(own) if reduction == "mean" else mass


cross_entropy_mass.vjp()  # constant in the logits


@op(kind="pointwise", public="", dtypes="float")
def binary_cross_entropy(xp: Any, input: Array, target: Array) -> Array:
    """-(target log(input) + (1 - target) log(1 - input)), logarithms at least -100."""
    if not bool(((input >= 0) & (input <= 1)).all()):
        raise RuntimeError(
            "all elements of input should be between 0 and 1: apply a sigmoid first, or use "
            "binary_cross_entropy_with_logits"
        )
    hit, miss = xp.maximum(xp.log(input), -100), xp.maximum(xp.log1p(-input), -100)
    return (target - 1) * miss - target * hit


binary_cross_entropy.vjp(
    input=lambda F, g, input, target: (
        g * (input - target) / F.clamp(input * (1.0 - input), 1e-12, None)
    ),
    target=lambda F, g, input: (
        g * (F.clamp(F.log1p(-input), -100.0, None) - F.clamp(F.log(input), -100.0, None))
    ),
)
