"""Rows of a table by index, and the gradient that adds them up."""

from __future__ import annotations

from typing import Any

from .table import Array, op


def checked_indices(indices: Any, size: int, what: str) -> Any:
    """The indices; IndexError for one that is not in [0, size)."""
    if indices.dtype.kind not in "iu":
        raise RuntimeError(
            f"Expected tensor for argument #1 'indices' to have integer scalar types (int64 or "
            f"int32), but got {indices.dtype}; convert it with .long()"
        )
    if indices.size:
        low, high = indices.min().item(), indices.max().item()
        if low < 0 or high >= size:
            raise IndexError(
                f"index out of range in self: {what} has {size} rows, valid indices are 0 to "
                f"{size - 1}, got {low if low < 0 else high}"
            )
    return indices


@op(public="", dtypes=("same", "weight"), complex="written", onnx="Gather")
def embedding(
    xp: Any, weight: Array, indices: Array, padding_idx: int = -1, scale_grad_by_freq: bool = False
) -> Array:
    """The rows of `weight` (rows, ...) at `indices` (*): (*, ...).

    Row `padding_idx` gets no gradient; `scale_grad_by_freq` divides the gradient of each row by
    the number of times it was taken. IndexError names an index that is out of range.
    """
    return xp.take(weight, checked_indices(indices, weight.shape[0], "the table"), axis=0)


def _embedding_vjp(F: Any, g: Any, indices: Any, weight_shape: Any, attrs: Any) -> Any:
    padding_idx, scale_grad_by_freq = attrs
    if padding_idx >= 0 or scale_grad_by_freq:
        g = F.mul(g, F.embedding_share(g, indices, padding_idx, scale_grad_by_freq))
    return F.embedding_grad(g, indices, weight_shape[0])


embedding.vjp(weight=_embedding_vjp)


@op(public="", dtypes=("same", "g"), outputs=("share",))
def embedding_share(
    xp: Any, g: Array, indices: Array, padding_idx: int, scale_grad_by_freq: bool
) -> Array:
    """The factor of each index' gradient, in the shape that multiplies `g`: a constant."""
    share = (indices != padding_idx).astype(g.dtype)
    if scale_grad_by_freq and indices.size:
        share = share / xp.bincount(indices.reshape(-1))[indices].astype(g.dtype)
    return xp.reshape(share, indices.shape + (1,) * (g.ndim - indices.ndim))


embedding_share.vjp()


@op(kind="update", public="", dtypes=("same", "weight"), outputs=("weight",))
def embedding_renorm(
    xp: Any, weight: Array, indices: Array, max_norm: float, norm_type: float
) -> None:
    """Shrink in place the rows at `indices` whose norm is above `max_norm`."""
    rows = xp.unique(checked_indices(indices, weight.shape[0], "the table"))
    chosen = weight[rows]
    norm = xp.linalg.norm(chosen, norm_type, axis=1)
    factor = xp.where(norm > max_norm, max_norm / (norm + 1e-7), 1)
    weight[rows] = chosen * factor[:, None].astype(weight.dtype)


@op(public="", dtypes=("same", "g"), complex="written")
def embedding_grad(xp: Any, g: Array, indices: Array, rows: int) -> Array:
    """Zeros (rows, ...) with each row of `g` (*, ...) added at its index.

    Rows with one index are added in the order in which they stand: deterministic.
    """
    flat = xp.reshape(indices, (-1,))
    width = g.shape[indices.ndim :]
    out = xp.zeros((rows, *width), g.dtype)
    if not flat.size:
        return out
    order = xp.argsort(flat, kind="stable")
    ordered = flat[order]
    first = xp.concatenate([xp.zeros(1, dtype=xp.int64), xp.flatnonzero(xp.diff(ordered)) + 1])
    values = xp.reshape(g, (flat.size, *width))[order]
    out[ordered[first]] = xp.add.reduceat(values, first, axis=0)
    return out


embedding_grad.vjp(g=lambda F, g, indices: F.embedding(g, indices))
