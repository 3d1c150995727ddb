"""Order statistics, search, distinct elements and counts."""

from __future__ import annotations

import math
from typing import Any

from .._dtypes import int64
from .._errors import wrap_dim
from .._formats import arranged
from .._storage import storage_of
from .._tensor import F, Tensor
from ..return_types import result_type
from ._register import composite
from .reduce import pick

SORT, TOPK, KTHVALUE, MEDIAN, NANMEDIAN, MODE = (
    result_type(name, "values", "indices")
    for name in ("sort", "topk", "kthvalue", "median", "nanmedian", "mode")
)

# ---- order


@composite(out=True)
def sort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool | None = False
) -> Any:
    """The elements in order along `dim`, and their indices; NaN counts as the largest.

    Always stable, on every device.
    """
    values, indices = pick(input, F.sort_indices(input, dim, descending), dim, True, SORT)
    return SORT(_laid_as(input, values), _laid_as(input, indices))


def _laid_as(input: Tensor, out: Tensor) -> Tensor:
    """A fresh result in the input's order of memory."""
    if input.storage is not None and type(out) is Tensor and not input.array.flags.c_contiguous:
        out.array = arranged(out.array, (input.array,), True)
        storage_of(out)
    return out


@composite(out=True)
def argsort(
    input: Tensor, dim: int = -1, descending: bool = False, *, stable: bool = False
) -> Tensor:
    """The indices that put `input` in order along `dim`."""
    return _laid_as(input, F.sort_indices(input, dim, descending))


@composite(out=True)
def msort(input: Tensor) -> Tensor:
    """The elements in order along the first dimension."""
    return _laid_as(input, F.gather(input, 0, F.sort_indices(input, 0)))


@composite(out=True)
def topk(input: Tensor, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """The `k` largest (or smallest) elements along `dim` in order, and their indices."""
    return pick(input, F.topk_indices(input, k, dim, largest), dim, True, TOPK)


@composite(out=True)
def kthvalue(input: Tensor, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """The `k`-th smallest element (from 1) along `dim`, and its index."""
    axis = wrap_dim(dim, input.ndim)
    n = input.shape[axis] if input.ndim else 1
    if not 1 <= k <= n:
        raise (RuntimeError if n else IndexError)(
            f"kthvalue(): selected number k out of range for dimension {dim}: got k={k} of {n}"
        )
    order = F.topk_indices(input, k, dim, False)
    if input.ndim:
        order = F.clone(F.slice(order, (slice(None),) * axis + (slice(k - 1, k),)))
    return pick(input, order, dim, keepdim, KTHVALUE)


def _median(input: Tensor, dim: int | None, keepdim: bool, skip_nan: bool, result: Any) -> Any:
    if dim is not None:
        return pick(input, F.median_indices(input, dim, skip_nan), dim, keepdim, result)
    flat = F.reshape(input, (-1,))
    if not flat.shape[0]:
        return F.mul(F.sum(flat), math.nan)
    value = F.gather(flat, 0, F.median_indices(flat, 0, skip_nan))
    if not input.requires_grad:
        return F.reshape(value, ())
    # Elements equal to the median share the gradient: it is the largest of them.
    same = F.logical_or(F.eq(flat, value.detach()), F.isnan(value.detach()))
    return F.amax(F.where(same, flat, -math.inf))


@composite()
def median(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of all, or along `dim` with its index; NaN if there is one."""
    return _median(input, dim, keepdim, False, MEDIAN)


@composite()
def nanmedian(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of what is not NaN, of all or along `dim` with its index."""
    return _median(input, dim, keepdim, True, NANMEDIAN)


@composite(out=True)
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> Any:
    """The most frequent element along `dim` (the smallest of several) and its last index."""
    return pick(input, F.mode_indices(input, dim), dim, keepdim, MODE)


def _quantile(
    input: Tensor, q: Tensor | float, dim: int | None, keepdim: bool, how: str, skip_nan: bool
) -> Tensor:
    x = F.reshape(input, (-1,)) if dim is None or not input.ndim else input
    axis = wrap_dim(dim or 0, x.ndim)
    rest = tuple(d for d in range(x.ndim) if d != axis)
    rows = F.permute(x, (*rest, axis))
    ranked = F.gather(rows, -1, F.sort_indices(rows))
    points = _fractions(input, q)
    out = _at_ranks(ranked, F.reshape(points, (-1,)), how, skip_nan)
    out = F.permute(out, (len(rest), *range(len(rest))))
    shape = [1] * input.ndim if dim is None else list(input.shape)
    if dim is not None and input.ndim:
        shape[axis] = 1
    if not keepdim:
        shape = [n for d, n in enumerate(shape) if d != axis and dim is not None]
    return F.reshape(out, (*points.shape, *shape))


def _fractions(input: Tensor, q: Tensor | float) -> Tensor:
    """`q` as a tensor of the dtype of `input`; RuntimeError outside [0, 1]."""
    if not isinstance(q, Tensor):
        q = F.add(F.zeros_like(F.sum(input)).detach(), float(q))
    if q.ndim > 1 or q.dtype is not input.dtype:
        raise RuntimeError(
            f"quantile() q must be a scalar or 1D tensor of the input's dtype, got {q.dtype} of "
            f"{q.ndim} dimensions for {input.dtype}"
        )
    if not bool(F.all(F.logical_and(F.ge(q, 0), F.le(q, 1)))):
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    return q


def _at_ranks(ranked: Tensor, q: Tensor, how: str, skip_nan: bool) -> Tensor:
    """The elements at fractions `q` of the sorted last dimension, between two neighbours."""
    n, nans = ranked.shape[-1], F.isnan(ranked)
    if skip_nan:
        rank = F.mul(F.clamp(F.sub(n - 1.0, F.sum(nans, -1, True)), 0.0), q)
    else:
        rank = F.where(F.any(nans, -1, True), n - 1.0, F.mul(q, n - 1.0))
    if how in ("lower", "higher", "nearest"):
        rank = {"lower": F.floor, "higher": F.ceil, "nearest": F.round}[how](rank)
    elif how not in ("linear", "midpoint"):
        raise RuntimeError(
            "quantile() interpolation must be one of linear, lower, higher, midpoint or nearest, "
            f"but got {how}"
        )
    below, above = F.floor(rank), F.ceil(rank)
    low, high = (F.gather(ranked, -1, F.cast(r, int64)) for r in (below, above))
    weight = F.sub(rank, below) if how != "midpoint" else F.mul(F.sub(above, below), 0.5)
    return F.add(low, F.mul(F.sub(high, low), weight))


@composite(out=True)
def quantile(
    input: Tensor, q: Tensor | float, dim: int | None = None, keepdim: bool = False,
    *, interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """The elements at the fractions `q` of the ranks, of all or along `dim`; NaN if there is one.

    A 1-d `q` gives the result a leading dimension.
    """
    return _quantile(input, q, dim, keepdim, interpolation, False)


@composite(out=True)
def nanquantile(
    input: Tensor, q: Tensor | float, dim: int | None = None, keepdim: bool = False,
    *, interpolation: str = "linear",
) -> Tensor:  # fmt: skip
    """`quantile` of what is not NaN."""
    return _quantile(input, q, dim, keepdim, interpolation, True)


# ---- search


@composite("f", out=True)
def searchsorted(
    sorted_sequence: Tensor, input: Tensor | float, *, out_int32: bool = False,
    right: bool = False, side: str | None = None, sorter: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Where each value goes into the sorted rows: the first place, or behind equals if `right`.

    `sorted_sequence` is 1-d or has the leading dimensions of `input`; `sorter` holds the indices
    that sort it. RuntimeError for other shapes or contradicting `side` and `right`.
    """
    if side not in (None, "left", "right") or (side == "left" and right):
        raise RuntimeError(
            f"searchsorted(): side can only be 'left' or 'right' and must agree with right, got "
            f"side={side!r}, right={right}"
        )
    if not isinstance(input, Tensor):
        input = F.cast(F.add(F.zeros_like(F.sum(sorted_sequence)), input), sorted_sequence.dtype)
    edges = sorted_sequence if sorter is None else F.gather(sorted_sequence, -1, sorter)
    if not edges.ndim or (edges.ndim > 1 and edges.shape[:-1] != input.shape[:-1]):
        raise RuntimeError(
            "searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions "
            f"of boundaries tensor and input value tensor must match, got {list(edges.shape)} and "
            f"{list(input.shape)}"
        )
    return F.search_rows(edges, input, right or side == "right", out_int32)


@composite("f", out=True)
def bucketize(
    input: Tensor | float, boundaries: Tensor, *, out_int32: bool = False, right: bool = False
) -> Tensor:
    """The index of the bucket between 1-d sorted `boundaries` that each value falls into."""
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return searchsorted(boundaries, input, out_int32=out_int32, right=right)


@composite("f", out=True)
def isin(
    elements: Tensor | float, test_elements: Tensor | float, *, assume_unique: bool = False,
    invert: bool = False,
) -> Tensor:  # fmt: skip
    """Whether each of `elements` occurs in `test_elements`."""
    if not isinstance(test_elements, Tensor):
        return F.ne(elements, test_elements) if invert else F.eq(elements, test_elements)
    if not isinstance(elements, Tensor):
        same = F.eq(test_elements, elements)
        return F.logical_not(F.any(same)) if invert else F.any(same)
    return F.is_member(elements, test_elements, invert)


# ---- distinct elements and counts


def _distinct(
    input: Tensor, dim: int | None, consecutive: bool, inverse: bool, counts: bool
) -> Any:
    output, places, numbers = F.distinct(input, dim, consecutive)
    rest = ((places,) if inverse else ()) + ((numbers,) if counts else ())
    return (output, *rest) if rest else output


@composite()
def unique(
    input: Tensor, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """The distinct elements in order (or slices along `dim`).

    With `return_inverse` also where each element went, with `return_counts` how often each occurs.
    """
    return _distinct(input, dim, False, return_inverse, return_counts)


@composite()
def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False,
    dim: int | None = None,
) -> Any:  # fmt: skip
    """`unique` that merges equal neighbours only and keeps the order."""
    return _distinct(input, dim, True, return_inverse, return_counts)
