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


# ---- bags


def bag_edges(xp: Any, offsets: Any, n: int, include_last: bool) -> Any:
    """Where bags of `n` indices start, and their end; RuntimeError for offsets out of order."""
    if offsets.size and offsets[0].item():
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from "
            f"position 0. However, got {offsets[0].item()}"
        )
    starts = offsets[:-1] if include_last else offsets
    edges = xp.concatenate([starts, xp.full(1, n, starts.dtype)]).astype("int64", copy=False)
    if offsets.size and (bool((edges[1:] < edges[:-1]).any()) or offsets[-1].item() > n):
        raise RuntimeError(
            f"offsets must not decrease and offsets[-1] can not be greater than input's length {n}:"
            f" got offsets {offsets.tolist()}"
        )
    return edges


def _bags(xp: Any, edges: Any) -> Any:
    """The bag of each index, and the size of each bag, at least 1."""
    sizes = edges[1:] - edges[:-1]
    places = xp.arange(edges[0].item(), edges[-1].item())
    return xp.searchsorted(edges, places, side="right") - 1, xp.maximum(sizes, 1)


@op(public="", dtypes=("same", "weight"), complex="written")
def bag_sum(
    xp: Any, weight: Array, indices: Array, offsets: Array, mean: bool, include_last: bool
) -> Array:
    """The sum or mean of the rows of `weight` at the indices (n,) of each bag: (bags, width).

    `offsets` says where each bag starts; the last of them is no bag where it is included.
    """
    edges = bag_edges(xp, offsets, indices.shape[0], include_last)
    bag, sizes = _bags(xp, edges)
    rows = xp.take(weight, checked_indices(indices, weight.shape[0], "the table"), axis=0)
    out = embedding_grad.generic(xp, rows[: bag.shape[0]], bag, sizes.shape[0])
    return out / sizes[:, None].astype(out.real.dtype) if mean else out


@op(public="", dtypes=("same", "g"), complex="written")
def bag_sum_grad(
    xp: Any, g: Array, indices: Array, offsets: Array, rows: int, mean: bool, include_last: bool
) -> Array:
    """Zeros (rows, width) with each bag's row of `g` added at its indices."""
    bag, sizes = _bags(xp, bag_edges(xp, offsets, indices.shape[0], include_last))
    each = (g / sizes[:, None].astype(g.real.dtype) if mean else g)[bag]
    return embedding_grad.generic(xp, each, indices[: bag.shape[0]], rows)


bag_sum.vjp(
    weight=lambda F, g, indices, offsets, weight_shape, mean, include_last: F.bag_sum_grad(
        g, indices, offsets, weight_shape[0], mean, include_last
    )
)
bag_sum_grad.vjp(
    g=lambda F, g, indices, offsets, mean, include_last: F.bag_sum(
        g, indices, offsets, mean, include_last
    )
)
