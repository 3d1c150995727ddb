"""Connectionist temporal classification (Graves et al. 2006)."""

from __future__ import annotations

from typing import Any

from .._dtypes import int64
from .._tensor import F, Tensor
from ._register import composite
from .create import tensor
from .loss import check_reduction

_NEVER = -1e30  # log-probability of the impossible: finite, so that no difference is NaN


def _lengths(what: str, lengths: Any, batch: int, most: int, device: Any) -> tuple[list[int], Any]:
    """The lengths of a batch as ints and as a tensor."""
    values = lengths.tolist() if isinstance(lengths, Tensor) else lengths
    values = [int(v) for v in (values if isinstance(values, list | tuple) else [values])]
    if len(values) != batch:
        raise RuntimeError(f"{what} must be of size batch_size {batch}, got {len(values)} lengths")
    if values and not 0 <= min(values) <= max(values) <= most:
        raise RuntimeError(
            f"Expected {what} to have values in [0, {most}], but got {values}: no length may be "
            "negative or above the size of its dimension"
        )
    return values, tensor(values, dtype=int64, device=device)


def _labels(targets: Tensor, lengths: list[int], blank: int) -> Tensor:
    """Each sample's labels with blanks around: (batch, 2 * longest + 1)."""
    batch, longest = len(lengths), max(lengths, default=0)
    targets = F.cast(targets, int64)
    if targets.ndim == 1:  # one after the other: labels beyond a sample's length do not matter
        if targets.shape[0] != sum(lengths):
            raise RuntimeError(
                f"Expected tensor to have size {sum(lengths)} at dimension 0, but got size "
                f"{targets.shape[0]} for argument #2 'targets': the sum of target_lengths"
            )
        starts = [sum(lengths[:i]) for i in range(batch)]
        at = [[min(s + i, sum(lengths) - 1) for i in range(longest)] for s in starts]
        where = F.reshape(tensor(at, dtype=int64, device=targets.device), (-1,))
        targets = F.index(targets, [where], (0,)) if longest else targets
        targets = F.reshape(targets, (batch, -1)) if longest else F.blank(targets, (batch, 0))
    targets = F.slice(targets, (slice(None), slice(0, longest)))
    blanks = F.full((batch, longest), blank, int64, device=targets.device)
    pairs = F.reshape(F.stack([blanks, targets], 2), (batch, 2 * longest))
    return F.cat([pairs, F.full((batch, 1), blank, int64, device=targets.device)], 1)


def _forward(emitted: Tensor, labels: Tensor, blank: int, alive: Tensor) -> Tensor:
    """Log-probability of all paths to each label at each sample's last step.

    `emitted` (time, batch, labels) are the labels' log-probabilities; a path stays, moves on by
    one, or skips the blank between two different labels. `alive` (time, batch, 1) says which
    steps exist.
    """
    before = F.constant_pad_nd(F.slice(labels, (slice(None), slice(0, -2))), (2, 0), blank)
    before = F.slice(before, (slice(None), slice(0, labels.shape[1])))
    skips = F.where(F.logical_and(F.ne(labels, blank), F.ne(labels, before)), 0.0, _NEVER)
    steps, live = F.unbind(emitted, 0), F.unbind(alive, 0)
    place = F.arange(0, labels.shape[1], 1, int64, device=labels.device)
    paths = F.where(F.lt(place, 2), steps[0], _NEVER)
    every, size = slice(None), labels.shape[1]
    for step, lives in zip(steps[1:], live[1:], strict=True):
        wide = F.constant_pad_nd(paths, (2, 0), _NEVER)
        moved = F.slice(wide, (every, slice(1, size + 1)))
        skipped = F.add(F.slice(wide, (every, slice(0, size))), skips)
        new = F.add(F.logaddexp(F.logaddexp(paths, moved), skipped), step)
        paths = F.where(lives, new, paths)
    return paths


def _arrived(paths: Tensor, counts: Tensor) -> Tensor:
    """Log-probability of the paths that end at the last label or at the blank behind it."""
    last = F.reshape(F.mul(counts, 2), (-1, 1))
    blank = F.gather(paths, 1, last)
    label = F.gather(paths, 1, F.clamp(F.sub(last, 1), 0, None))
    label = F.where(F.eq(last, 0), _NEVER, label)
    return F.reshape(F.logaddexp(blank, label), (-1,))


@composite(public="n")
def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: str = "mean", zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """Negative log-probability of the targets, over all their alignments with the input.

    Args:
        log_probs: (time, batch, classes) or (time, classes): outputs of log_softmax, which the
            gradient takes for granted, as torch's does.
        targets: (batch, length), or all in a row; class indices, none of them `blank`.
        input_lengths, target_lengths: how much of each sample counts: tensors or ints.
        reduction: "mean" divides each loss by its target's length before the mean.
        zero_infinity: 0 instead of infinity for targets that do not fit into their input.
    """
    check_reduction(reduction)
    single = log_probs.ndim == 2
    if log_probs.ndim not in (2, 3):
        raise RuntimeError(
            "ctc_loss: expected log_probs (time, batch, classes) or (time, classes), got size "
            f"{list(log_probs.shape)}"
        )
    x = F.reshape(log_probs, (log_probs.shape[0], 1, -1)) if single else log_probs
    time, batch, classes = x.shape
    if not 0 <= blank < classes:
        raise RuntimeError(f"blank must be in label range [0, {classes}), got {blank}")
    most = targets.shape[-1]
    inputs, known = _lengths("input_lengths", input_lengths, batch, time, x.device)
    sizes, counts = _lengths("target_lengths", target_lengths, batch, most, x.device)
    labels = _labels(targets, sizes, blank)
    clock = F.reshape(F.arange(0, time, 1, int64, device=x.device), (-1, 1, 1))
    alive = F.lt(clock, F.reshape(known, (1, -1, 1)))
    read = F.gather(x, 2, F.expand(labels, (time, *labels.shape)))
    paths = _forward(F.clamp(read, _NEVER, None), labels, blank, alive)
    loss = F.neg(_arrived(paths, counts))
    if x.requires_grad:  # the sum of all probabilities is the constant 1, yet torch derives it
        total = F.sum(F.where(alive, F.exp(x), 0.0), (0, 2))
        loss = F.add(loss, F.sub(total, total.detach()))
    loss = F.where(F.gt(loss, -0.1 * _NEVER), 0.0 if zero_infinity else float("inf"), loss)
    if 0 in inputs:  # without input only an empty target is possible
        empty = tensor([0.0 if zero_infinity or not n else float("inf") for n in sizes])
        loss = F.where(F.eq(known, 0), F.cast(empty, loss.dtype).to(x.device), loss)
    if reduction == "mean":
        return F.mean(F.div(loss, F.cast(F.clamp(counts, 1, None), loss.dtype)))
    if reduction == "sum":
        return F.sum(loss)
    return F.reshape(loss, ()) if single else loss


@composite(public="f", name="ctc_loss")
def torch_ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0,
    reduction: int = 1, zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """`nn.functional.ctc_loss` with the reduction as a number: 0 none, 1 mean, 2 sum."""
    how = (blank, ("none", "mean", "sum")[reduction], zero_infinity)
    return ctc_loss(log_probs, targets, input_lengths, target_lengths, *how)
