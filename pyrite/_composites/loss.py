"""Regression and probability losses; those over classes are in `classification.py`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

from .._inplace import recorded
from .._tensor import F, Tensor
from ._register import composite, named

Legacy = bool | None


def legacy(size_average: Legacy, reduce: Legacy, reduction: str, stacklevel: int = 3) -> str:
    """`reduction`, or what the deprecated arguments of old programs mean."""
    if size_average is None and reduce is None:
        return reduction
    average = size_average is None or size_average
    chosen = "none" if reduce is False else "mean" if average else "sum"
    warnings.warn(
        "size_average and reduce args will be deprecated, please use "
        f"reduction='{chosen}' instead.",
        stacklevel=stacklevel,
    )
    return chosen


def check_reduction(reduction: str) -> None:
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(
            f"{reduction} is not a valid value for reduction; expected 'none', 'mean' or 'sum'"
        )


def reduced(
    loss: Tensor, reduction: str, size_average: Legacy = None, reduce: Legacy = None
) -> Tensor:
    """The losses, their mean or their sum."""
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction, 4)
    if reduction == "none":
        return loss
    check_reduction(reduction)
    return F.mean(loss) if reduction == "mean" else F.sum(loss)


def warn_sizes(input: Tensor, target: Tensor) -> None:
    """The warning where a target has another size and will broadcast."""
    if input.array.shape != target.array.shape:
        warnings.warn(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def _weighted(loss: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The reduction of weight * loss; the mean is over the sum of the weights."""
    if weight is None:
        return reduced(loss, reduction)
    if weight.shape != loss.shape:
        raise ValueError(
            f"Weights and input must have the same size, got {list(weight.shape)} and "
            f"{list(loss.shape)}"
        )
    if reduction == "mean":
        return F.div(F.sum(F.mul(loss, weight)), F.sum(weight))
    return reduced(F.mul(loss, weight), reduction)


def _square(x: Tensor) -> Tensor:
    return F.mul(x, x)


def _difference(name: str, size: Callable[[Tensor], Tensor], doc: str) -> None:
    def function(
        input: Tensor, target: Tensor, size_average: Legacy = None, reduce: Legacy = None,
        reduction: str = "mean", weight: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        warn_sizes(input, target)
        reduction = legacy(size_average, reduce, reduction)
        return _weighted(size(F.sub(input, target)), weight, reduction)

    named(function, name, "n", doc)


_difference("mse_loss", _square, "Squared difference.")
_difference("l1_loss", lambda x: F.abs(x), "Absolute difference.")


@composite(public="n")
def smooth_l1_loss(
    input: Tensor, target: Tensor, size_average: Legacy = None, reduce: Legacy = None,
    reduction: str = "mean", beta: float = 1.0,
) -> Tensor:  # fmt: skip
    """Squared difference over 2 beta below `beta`, absolute difference minus beta / 2 above."""
    warn_sizes(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return reduced(F.abs(F.sub(input, target)), reduction, size_average, reduce)
    loss = _huber(input, target, beta)
    loss = loss if beta == 1 else F.mul(loss, 1.0 / beta)
    return reduced(loss, reduction, size_average, reduce)


def _huber(input: Tensor, target: Tensor, delta: float) -> Tensor:
    """c (d - c / 2) for the difference d and what it is when limited to delta."""
    gap = F.sub(input, target)
    near = F.clamp(gap, -delta, delta)
    return F.mul(near, F.sub(gap, near, alpha=0.5))


@composite(public="n")
def huber_loss(
    input: Tensor, target: Tensor, reduction: str = "mean", delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Half the squared difference up to `delta`, linear from there on."""
    warn_sizes(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    return _weighted(_huber(input, target, delta), weight, reduction)


@composite(public="n")
def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Legacy = None,
    reduce: Legacy = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Cross entropy of probabilities and targets in [0, 1]; logarithms are at least -100."""
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size "
            f"({input.shape}) is deprecated. Please ensure they have the same size."
        )
    loss = F.binary_cross_entropy(input, target)
    return reduced(loss if weight is None else F.mul(loss, weight), reduction, size_average, reduce)


@composite(public="n")
def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Legacy = None,
    reduce: Legacy = None, reduction: str = "mean", pos_weight: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`binary_cross_entropy` of sigmoid(input), without overflow; `pos_weight` weighs positives."""
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.shape}) must be the same as input size ({input.shape})"
        )
    missed = F.softplus(F.neg(input), 1.0, math.inf)
    if pos_weight is not None:
        missed = F.mul(missed, F.add(F.mul(F.sub(pos_weight, 1), target), 1))
    loss = F.add(F.mul(F.sub(1, target), input), missed)
    return reduced(loss if weight is None else F.mul(loss, weight), reduction, size_average, reduce)


@composite(public="n")
def kl_div(
    input: Tensor, target: Tensor, size_average: Legacy = None, reduce: Legacy = None,
    reduction: str = "mean", log_target: bool = False,
) -> Tensor:  # fmt: skip
    """Divergence of `target` from the log-probabilities `input`.

    "batchmean" divides the sum by the batch size, as the mathematical definition has it.
    """
    reduction = legacy(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
            "release.",
            stacklevel=2,
        )
    if log_target:
        loss = F.mul(F.exp(target), F.sub(target, input))
    else:
        loss = F.sub(F.xlogy(target, target), F.mul(target, input))
    if reduction == "batchmean":
        total = F.sum(loss)
        return F.div(total, input.shape[0]) if input.ndim else total
    return reduced(loss, reduction)


@composite(public="n")
def soft_margin_loss(
    input: Tensor, target: Tensor, size_average: Legacy = None, reduce: Legacy = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """log(1 + exp(-target * input)) for targets of -1 and 1, which must not need a gradient."""
    if recorded(target):
        raise RuntimeError("soft_margin_loss is not differentiable in argument 'target': detach it")
    return reduced(
        F.softplus(F.neg(F.mul(target, input)), 1.0, math.inf), reduction, size_average, reduce
    )


@composite(public="fn")
def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, size_average: Legacy = None,
    reduce: Legacy = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """The input where target is 1, max(0, margin - input) where it is -1."""
    apart = F.where(F.ne(target, 1), F.clamp(F.sub(margin, input), 0, None), 0.0)
    together = F.where(F.ne(target, -1), input, 0.0)
    return reduced(F.add(apart, together), reduction, size_average, reduce)


@composite(public="fn")
def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Legacy = None,
    reduce: Legacy = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, -target * (input1 - input2) + margin)."""
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            f"input1: {list(input1.shape)}, input2: {list(input2.shape)}, target: "
            f"{list(target.shape)} "
        )
    gap = F.neg(F.mul(target, F.sub(input1, input2)))
    return reduced(F.clamp(F.add(gap, margin), 0, None), reduction, size_average, reduce)


@composite(public="fn")
def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0, size_average: Legacy = None,
    reduce: Legacy = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """1 - cos for targets 1, max(0, cos - margin) for -1."""
    if input1.shape != input2.shape or target.ndim + 1 != input1.ndim or input1.ndim > 2:
        raise RuntimeError(
            "cosine_embedding_loss: inputs (n, d) and a target (n,), or (d,) and (), are expected; "
            f"got {list(input1.shape)}, {list(input2.shape)} and target {list(target.shape)}; 1D "
            "target tensor expects 2D input tensors"
        )
    dot, first, second = (
        F.sum(F.mul(a, b), -1) for a, b in ((input1, input2), (input1, input1), (input2, input2))
    )
    tiny = 1e-12
    cos = F.div(dot, F.sqrt(F.mul(F.add(first, tiny), F.add(second, tiny))))
    together = F.where(F.eq(target, 1), F.sub(1.0, cos), 0.0)
    apart = F.where(F.eq(target, -1), F.clamp(F.sub(cos, margin), 0, None), 0.0)
    return reduced(F.add(together, apart), reduction, size_average, reduce)


@composite(public="fn")
def triplet_margin_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, margin: float = 1.0, p: float = 2,
    eps: float = 1e-6, swap: bool = False, size_average: Legacy = None, reduce: Legacy = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """max(0, |anchor - positive| - |anchor - negative| + margin) in the p-norm."""
    from .distance import pairwise_distance

    reduction = legacy(size_average, reduce, reduction)
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            f"dimensions, but got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative "
            f"{negative.ndim}D inputs"
        )
    return triplet_margin_with_distance_loss(
        anchor, positive, negative, margin=margin, swap=swap, reduction=reduction,
        distance_function=lambda a, b: pairwise_distance(a, b, p, eps),
    )  # fmt: skip


@composite(public="n")
def triplet_margin_with_distance_loss(
    anchor: Tensor, positive: Tensor, negative: Tensor, *,
    distance_function: Callable[[Tensor, Tensor], Tensor] | None = None, margin: float = 1.0,
    swap: bool = False, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """`triplet_margin_loss` with a distance of the caller's."""
    from .distance import pairwise_distance

    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = F.minimum(far, distance(positive, negative))
    return reduced(F.clamp(F.add(F.sub(near, far), margin), 0, None), reduction)


@composite(public="n")
def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool = True, full: bool = False,
    size_average: Legacy = None, eps: float = 1e-8, reduce: Legacy = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Negative log-likelihood of Poisson counts whose rate, or its logarithm, is the input."""
    if log_input:
        loss = F.sub(F.exp(input), F.mul(target, input))
    else:
        loss = F.sub(input, F.mul(target, F.log(F.add(input, eps))))
    if full:  # Stirling's approximation of log(target!)
        stirling = F.add(
            F.sub(F.xlogy(target, target), target), F.mul(F.log(F.mul(target, 2 * math.pi)), 0.5)
        )
        loss = F.add(loss, F.where(F.le(target, 1), 0.0, stirling))
    return reduced(loss, reduction, size_average, reduce)


@composite(public="n")
def gaussian_nll_loss(
    input: Tensor, target: Tensor, var: Tensor | float, full: bool = False, eps: float = 1e-6,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Negative log-likelihood of normal values of mean `input` and variance `var`."""
    if not isinstance(var, Tensor):
        var = F.add(F.zeros_like(input), float(var))
    if bool(F.any(F.lt(var, 0))):
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if var.shape == input.shape[:-1]:
            var = F.reshape(var, (*var.shape, 1))
        elif var.ndim != input.ndim or [v for v, n in zip(var.shape, input.shape) if v != n] != [1]:
            raise ValueError(
                f"var is of incorrect size: got {list(var.shape)} for input {list(input.shape)}"
            )
    # The floor under the variance takes no part in the gradient.
    spread = F.add(var, F.sub(F.clamp(var.detach(), eps, None), var.detach()))
    loss = F.mul(F.add(F.log(spread), F.div(_square(F.sub(input, target)), spread)), 0.5)
    return reduced(F.add(loss, 0.5 * math.log(2 * math.pi)) if full else loss, reduction)
