"""Embeddings, bags of embeddings and one-hot vectors."""

from __future__ import annotations

from .._dtypes import int64
from .._tensor import F, Tensor, read
from ..autograd.modes import no_grad
from ._register import composite
from .arrange import repeat_interleave


def _refuse_sparse(sparse: bool) -> None:
    if sparse:
        raise RuntimeError(
            "embedding: sparse gradients are not supported; leave out sparse=True for dense ones"
        )


@composite(public="n")
def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """The rows of `weight` (rows, features) at `input` (*): (*, features).

    `max_norm` first shrinks, in place, the rows that are taken and longer than that; row
    `padding_idx` gets no gradient. IndexError names an index that is out of range.
    """
    _refuse_sparse(sparse)
    if weight.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, got shape {list(weight.shape)}")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError(
                f"Padding_idx must be within num_embeddings, got {padding_idx} for {rows} rows"
            )
        padding_idx %= rows
    if max_norm is not None:
        with no_grad():
            F.embedding_renorm(weight, input, max_norm, norm_type)
    pad = -1 if padding_idx is None else padding_idx
    return F.embedding(weight, input, pad, scale_grad_by_freq)


@composite(public="f", name="embedding")
def torch_embedding(
    weight: Tensor, indices: Tensor, padding_idx: int = -1, scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:  # fmt: skip
    """`nn.functional.embedding` with the arguments in torch.embedding's order."""
    _refuse_sparse(sparse)
    return F.embedding(weight, indices, padding_idx, scale_grad_by_freq)


@composite(public="n")
def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """int64 vectors of `num_classes` (default: the largest index + 1) with a 1 at each index."""
    if tensor.dtype is not int64:
        raise RuntimeError(
            "one_hot is only applicable to index tensor of type LongTensor, got "
            f"{tensor.dtype}; convert it with .long()"
        )
    empty = not tensor.array.size
    if empty and num_classes == -1:
        raise RuntimeError("Can not infer total number of classes from empty tensor.")
    low, high = (0, -1) if empty else (tensor.array.min().item(), tensor.array.max().item())
    count = num_classes
    if num_classes == -1:
        count = read(F.amax(tensor), "{}.item()", lambda: high) + 1
    if low < 0 or count <= max(high, 0):
        raise RuntimeError(
            "Class values must be non-negative and smaller than num_classes, got values from "
            f"{low} to {high} for {count} classes"
        )
    classes = F.arange(0, count, 1, int64, device=tensor.device)
    return F.cast(F.eq(F.reshape(tensor, (*tensor.shape, 1)), classes), int64)


# ---- bags: sums, means or maxima of rows


def _bag_bounds(input: Tensor, offsets: Tensor, include_last: bool) -> tuple[Tensor, Tensor]:
    """Where each bag starts and how many indices it has."""
    n = input.shape[0]
    starts = F.cast(F.slice(offsets, (slice(0, -1),)) if include_last else offsets, int64)
    if not starts.array.size:
        return starts, starts
    end = F.full((1,), n, int64, device=input.device)
    ends = F.cat([F.slice(starts, (slice(1, None),)), end], 0)
    sizes = F.sub(ends, starts)
    if starts.array[0].item() != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {starts.array[0].item()}"
        )
    if bool(F.any(F.lt(sizes, 0))) or offsets.array[-1].item() > n:
        raise RuntimeError(
            f"offsets must not decrease and offsets[-1] can not be greater than input's length {n}:"
            f" got offsets {offsets.tolist()}"
        )
    return starts, sizes


def _largest(
    weight: Tensor, input: Tensor, starts: Tensor, sizes: Tensor, padding_idx: int
) -> tuple[Tensor, Tensor]:
    """The maximum of each bag's rows (0 of no rows), and the row it comes from (0)."""
    longest = int(F.amax(sizes)) if sizes.array.size and input.array.size else 0
    if not longest:
        size = (sizes.shape[0], weight.shape[1])
        return F.blank(weight, size), F.full(size, 0, int64, device=weight.device)
    step = F.arange(0, longest, 1, int64, device=input.device)
    held = F.lt(step, F.reshape(sizes, (-1, 1)))
    place = F.clamp(F.add(F.reshape(starts, (-1, 1)), step), None, input.shape[0] - 1)
    rows = F.embedding(input, place)
    held = F.logical_and(held, F.ne(rows, padding_idx))
    some = F.any(held, 1, True)
    read = F.where(F.reshape(held, (*held.shape, 1)), F.embedding(weight, rows), float("-inf"))
    best, which = F.extreme(read, 1, False, True)
    return F.where(some, best, 0.0), F.where(some, F.gather(rows, 1, which), 0)


def _bags(
    weight: Tensor, input: Tensor, offsets: Tensor, scale_grad_by_freq: bool, mode: str,
    per_sample_weights: Tensor | None, include_last_offset: bool, padding_idx: int | None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """Each bag's result, the bag of each index, how many indices count, and the rows of maxima."""
    if padding_idx is not None and not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise RuntimeError(
            f"padding_idx must be within the number of embeddings, got {padding_idx} for "
            f"{weight.shape[0]} rows"
        )
    pad = -1 if padding_idx is None else padding_idx % weight.shape[0]
    starts, sizes = _bag_bounds(input, offsets, include_last_offset)
    count = sizes.shape[0]
    bag = repeat_interleave(F.arange(0, count, 1, int64, device=input.device), sizes)
    input = F.slice(input, (slice(0, bag.shape[0]),))
    kept = F.ne(input, pad)
    sizes = F.embedding_grad(F.cast(kept, int64), bag, count)
    if mode == "max":
        lengths = F.embedding_grad(F.ones_like(bag), bag, count)
        out, rows = _largest(weight, input, starts, lengths, pad)
        return out, bag, sizes, rows
    read = F.embedding(weight, input, -1, scale_grad_by_freq)
    share = F.cast(kept, weight.dtype)
    if per_sample_weights is not None:
        share = F.mul(share, per_sample_weights)
    if pad >= 0 or per_sample_weights is not None:
        read = F.mul(read, F.reshape(share, (-1, 1)))
    out = F.embedding_grad(read, bag, count)
    if mode == "mean":
        out = F.div(out, F.reshape(F.cast(F.clamp(sizes, 1, None), out.dtype), (-1, 1)))
    return out, bag, sizes, sizes


@composite(public="n")
def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None,
    norm_type: float = 2, scale_grad_by_freq: bool = False, mode: str = "mean",
    sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """Sum, mean or maximum of the rows of `weight` in each bag of indices: (bags, features).

    `input` (bags, indices), or all indices in a row (n,) with `offsets`, where each bag starts;
    the last offset is the end under `include_last_offset`. `per_sample_weights` (as `input`)
    multiply the rows of a sum. Index `padding_idx` does not count. An empty bag gives 0.
    """
    _refuse_sparse(sparse)
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, got {mode!r}")
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if per_sample_weights is not None:
        if per_sample_weights.shape != input.shape:
            raise ValueError(
                "embedding_bag: per_sample_weights must have the same shape as the input "
                f"({list(input.shape)}), got {list(per_sample_weights.shape)}"
            )
        if mode != "sum":
            raise NotImplementedError(
                "embedding_bag: per_sample_weights is only supported for mode='sum' (got "
                f"mode='{mode}')"
            )
        per_sample_weights = F.reshape(per_sample_weights, (-1,))
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if input.ndim == 2 and offsets is None:
        n, width = input.shape
        offsets = F.mul(F.arange(0, n, 1, int64, device=input.device), width)
        include_last_offset = False
    elif input.ndim != 1 or offsets is None or offsets.ndim != 1:
        given = None if offsets is None else list(offsets.shape)
        raise ValueError(
            "embedding_bag: expected a 2D input (bags, indices) without offsets, as it is a "
            "mini-batch of fixed length sequences, or a 1D input with a 1D tensor of offsets, got "
            f"input {list(input.shape)} and offsets {given}"
        )
    index = F.reshape(input, (-1,))
    if max_norm is not None:
        with no_grad():
            F.embedding_renorm(weight, index, max_norm, norm_type)
    plain = per_sample_weights is None and padding_idx is None and not scale_grad_by_freq
    if plain and mode != "max":
        return F.bag_sum(weight, index, offsets, mode == "mean", include_last_offset)
    how = (scale_grad_by_freq, mode, per_sample_weights, include_last_offset, padding_idx)
    return _bags(weight, index, offsets, *how)[0]


@composite(public="f", name="embedding_bag")
def torch_embedding_bag(
    weight: Tensor, indices: Tensor, offsets: Tensor, scale_grad_by_freq: bool = False,
    mode: int = 0, sparse: bool = False, per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False, padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
    """`nn.functional.embedding_bag` in torch.embedding_bag's order: mode 0 sum, 1 mean, 2 max.

    Also gives the bag of each index, the number of indices that count in each bag, and for
    maxima the row that each is from.
    """
    _refuse_sparse(sparse)
    how = (scale_grad_by_freq, ("sum", "mean", "max")[mode], per_sample_weights)
    return _bags(weight, indices, offsets, *how, include_last_offset, padding_idx)
