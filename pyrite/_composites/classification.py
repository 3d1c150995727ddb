"""Losses over classes."""

from __future__ import annotations

from .._dtypes import int64
from .._tensor import F, Tensor
from ._register import composite
from ._shapes import same_dtype
from .loss import Legacy, check_reduction, legacy, reduced
from .shape import reshape


def _check_target(input: Tensor, target: Tensor) -> None:
    """Errors for class indices that do not belong to an input (batch, classes, ...)."""
    if input.ndim == 0:
        raise ValueError(f"Expected 1 or more dimensions (got {input.ndim})")
    if target.dtype is not int64:
        raise RuntimeError(
            f"expected scalar type Long but found {target.dtype}: class indices must be int64 "
            "(target.long()); class probabilities need the input's shape "
            f"{list(input.shape)}, got {list(target.shape)}"
        )
    if input.ndim > 1 and target.ndim and input.shape[0] != target.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0]}): input {list(input.shape)}, target {list(target.shape)}"
        )
    wanted = (*input.shape[:1], *input.shape[2:]) if input.ndim > 1 else ()
    if tuple(target.shape) != wanted and tuple(target.shape) != (1,) * (input.ndim == 1):
        raise RuntimeError(
            f"Expected target size {list(wanted)}, got {list(target.shape)} for input of size "
            f"{list(input.shape)}"
        )


def _check_weight(weight: Tensor | None, count: int) -> None:
    if weight is not None and tuple(weight.shape) != (count,):
        raise RuntimeError(
            "cross_entropy: weight tensor should be defined either for all or no classes: expected "
            f"{count} weights, got shape {list(weight.shape)}"
        )


@composite(public="n")
def cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Legacy = None,
    ignore_index: int = -100, reduce: Legacy = None, reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """Cross entropy of logits (batch, classes, ...) or (classes,).

    Targets are class indices (batch, ...), where `ignore_index` does not count, or probabilities
    of the input's shape. The mean is over the targets' class weights. IndexError names a class
    that does not exist.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy(size_average, reduce, reduction)
    check_reduction(reduction)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    if input.array.shape == target.array.shape:
        return _probabilities(input, target, weight, ignore_index, reduction, label_smoothing)
    n = input.array.ndim
    if n != 2 or target.dtype is not int64 or target.array.shape != input.array.shape[:1]:
        _check_target(input, target)
    _check_weight(weight, input.array.shape[0 if n == 1 else 1])
    rows, index = input, target
    if n == 1:
        rows, index = reshape(input, (1, -1)), reshape(target, (1,))
    elif n > 2:
        rows = F.permute(input, (0, *range(2, n), 1))
        rows = reshape(rows, (target.array.size, input.shape[1]))
        index = reshape(target, (-1,))
    loss: Tensor = F.cross_entropy_index(
        rows, index, weight, ignore_index, label_smoothing, reduction
    )
    if reduction == "none" and n != 2:
        loss = F.reshape(loss, target.shape)
    return loss


def _probabilities(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, reduction: str,
    label_smoothing: float,
) -> Tensor:  # fmt: skip
    if not target.dtype.is_floating_point:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{target.dtype}; class indices have no class dimension: input {list(input.shape)} "
            f"wants target {[*input.shape[:1], *input.shape[2:]]}"
        )
    if ignore_index >= 0:
        raise RuntimeError("ignore_index is not supported for floating point target")
    dim = 0 if input.ndim == 1 else 1
    count = input.shape[dim]
    _check_weight(weight, count)
    if label_smoothing:
        target = F.add(F.mul(target, 1 - label_smoothing), label_smoothing / count)
    loss = F.mul(F.log_softmax(input, dim), target)
    if weight is not None:
        loss = F.mul(loss, F.reshape(weight, (-1, *[1] * (input.ndim - dim - 1))))
    loss = F.neg(F.sum(loss, dim))
    if reduction != "mean":
        return reduced(loss, reduction)
    return F.div(F.sum(loss), max(input.array.size // max(count, 1), 1))


@composite(public="n")
def nll_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Legacy = None,
    ignore_index: int = -100, reduce: Legacy = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Negative log-probability, input (batch, classes, ...), of each target class (batch, ...)."""
    reduction = legacy(size_average, reduce, reduction)
    check_reduction(reduction)
    _check_target(input, target)
    dim = 0 if input.ndim == 1 else 1
    _check_weight(weight, input.shape[dim])
    if weight is not None:
        same_dtype("nll_loss", input, weight)
    index, kept = F.class_indices(target, input.shape[dim], ignore_index)
    places = F.reshape(index, (1,) if dim == 0 else (index.shape[0], 1, *index.shape[1:]))
    loss = F.reshape(F.neg(F.gather(input, dim, places)), target.shape)
    weights = F.ones_like(index) if weight is None else F.embedding(weight, index)
    counts = F.cast(F.mul(weights, kept), input.dtype)
    loss = F.where(kept, F.mul(loss, counts), 0.0)
    if reduction == "mean":
        return F.div(F.sum(loss), F.sum(counts))
    return reduced(loss, reduction)


def _rows(
    name: str, input: Tensor, target: Tensor, labels: int, reduction: str
) -> tuple[Tensor, Tensor]:
    """(batch, classes) and a target with the batch and `labels` (0 or 1) dimensions more."""
    check_reduction(reduction)
    if not input.array.size and (input.ndim < 2 or not input.shape[1]):
        raise RuntimeError(
            f"{name}: Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    fits = target.shape == input.shape[: 1 + labels]
    if input.ndim < 2:
        fits = target.array.size == (input.array.size if labels else 1)
    if input.ndim > 2 or not fits:
        raise RuntimeError(
            f"{name}: inconsistent target size: {list(target.shape)} for input of size: "
            f"{list(input.shape)}"
        )
    if input.ndim == 2:
        return input, target
    return reshape(input, (1, -1)), reshape(target, (1, -1) if labels else (1,))


def _classes(x: Tensor) -> Tensor:
    return F.arange(0, x.shape[1], 1, int64, device=x.device)


def _index(name: str, target: Tensor, count: int) -> Tensor:
    """The class indices; RuntimeError for one out of range."""
    try:
        index, _ = F.class_indices(target, count, -1 << 62)
    except IndexError as error:
        raise RuntimeError(f"{name}: {error}") from None
    return index


@composite(public="n")
def multi_margin_loss(
    input: Tensor, target: Tensor, p: int = 1, margin: float = 1.0, weight: Tensor | None = None,
    size_average: Legacy = None, reduce: Legacy = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Mean over the other classes of max(0, margin - x[target] + x[other]) ** p."""
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    x, target = _rows("multi_margin_loss", input, target, 0, reduction)
    if weight is not None and weight.ndim != 1:
        raise ValueError(f"weight must be one-dimensional, got shape {list(weight.shape)}")
    _check_weight(weight, x.shape[1])
    index = _index("multi_margin_loss", target, x.shape[1])
    column = F.reshape(index, (-1, 1))
    gap = F.clamp(F.add(F.sub(x, F.gather(x, 1, column)), margin), 0, None)
    gap = gap if p == 1 else F.mul(gap, gap)
    if weight is not None:
        gap = F.mul(gap, F.reshape(F.embedding(weight, index), (-1, 1)))
    loss = F.div(F.sum(F.where(F.ne(_classes(x), column), gap, 0.0), 1), x.shape[1])
    loss = F.reshape(loss, ()) if input.ndim < 2 else loss
    return reduced(loss, reduction, size_average, reduce)


@composite(public="n")
def multilabel_margin_loss(
    input: Tensor, target: Tensor, size_average: Legacy = None, reduce: Legacy = None,
    reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Sum over target classes j (until the first -1) and others i of max(0, 1 - x_j + x_i)."""
    x, labels = _rows("multilabel_margin_loss", input, target, 1, reduction)
    n, count = x.shape
    valid = F.cumprod(F.cast(F.ge(labels, 0), int64), 1)
    index = _index("multilabel_margin_loss", F.mul(labels, valid), count)
    column, valid = F.reshape(index, (n, count, 1)), F.ne(F.reshape(valid, (n, count, 1)), 0)
    hit = F.mul(F.eq(column, _classes(x)), valid)
    counted = F.mul(valid, F.eq(F.sum(hit, 1, True), 0))
    own = F.reshape(F.gather(x, 1, index), (n, count, 1))
    gap = F.clamp(F.add(F.sub(F.reshape(x, (n, 1, count)), own), 1), 0, None)
    loss = F.div(F.sum(F.where(counted, gap, 0.0), (1, 2)), count)
    loss = F.reshape(loss, ()) if input.ndim < 2 else loss
    return reduced(loss, reduction, size_average, reduce)


@composite(public="n")
def multilabel_soft_margin_loss(
    input: Tensor, target: Tensor, weight: Tensor | None = None, size_average: Legacy = None,
    reduce: Legacy = None, reduction: str = "mean",
) -> Tensor:  # fmt: skip
    """Mean over the classes of the binary cross entropy of sigmoid(input)."""
    missed = F.softplus(F.neg(input), 1.0, float("inf"))
    loss = F.add(F.mul(F.sub(1, target), input), missed)
    loss = F.mean(loss if weight is None else F.mul(loss, weight), -1)
    return reduced(loss, reduction, size_average, reduce)


@composite(public="n")
def linear_cross_entropy(
    input: Tensor, linear_weight: Tensor, target: Tensor, *, linear_bias: Tensor | None = None,
    weight: Tensor | None = None, reduction: str = "mean", ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:  # fmt: skip
    """`cross_entropy` of `linear(input, linear_weight, linear_bias)`.

    `input` is (batch, features) or (features,); `linear_weight` (classes, ..., features), whose
    middle dimensions are those of a loss over (batch, classes, ...).
    """
    dims = linear_weight.ndim
    if input.ndim not in (1, 2) or dims < 2 or (dims > 2 and input.ndim == 1):
        raise RuntimeError(
            "expected input with dimensionality 1 or 2 (2 where linear_weight has more than 2 "
            "dimensions) and linear_weight with dimensionality at least 2, got "
            f"{list(input.shape)} and {list(linear_weight.shape)}"
        )
    classes, *space, features = linear_weight.shape
    if input.shape[-1] != features:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and {features}, respectively"
        )
    if linear_bias is not None and list(linear_bias.shape) != [classes, *space]:
        raise RuntimeError(
            f"expected linear_bias shape {[classes, *space]}, got {list(linear_bias.shape)}"
        )
    size = (*input.shape[:-1], classes, *space)
    if ignore_index is not None and tuple(target.shape) == size:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    bias = None if linear_bias is None else reshape(linear_bias, (-1,))
    logits = F.linear(input, reshape(linear_weight, (-1, features)), bias)
    return cross_entropy(
        F.reshape(logits, size), target, weight, reduction=reduction,
        ignore_index=-100 if ignore_index is None else ignore_index,
        label_smoothing=label_smoothing,
    )  # fmt: skip
