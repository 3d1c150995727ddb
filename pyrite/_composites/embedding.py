"""Embeddings and one-hot vectors."""

from __future__ import annotations

from .._dtypes import int64
from .._tensor import F, Tensor, read
from ..autograd.modes import no_grad
from ._register import composite


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
