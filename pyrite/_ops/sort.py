"""Order, search and counting: ops that give indices and counts, none with a derivative.

Values in order are gathered by these indices, which is what carries the gradient. NaN counts as
the largest number, and 0-d tensors as one dimension of size 1.
"""

from __future__ import annotations

import math
from typing import Any

from .._errors import wrap_dim
from .table import Array, op


def _order(xp: Any, input: Any, descending: bool) -> Any:
    """Stable order along the last dimension; descending keeps equal elements in their order too."""
    if not descending:
        return xp.argsort(input, axis=-1, kind="stable")
    last = input.shape[-1] - 1
    return last - xp.flip(xp.argsort(xp.flip(input, -1), axis=-1, kind="stable"), -1)


def _to_last(xp: Any, input: Any, dim: int) -> Any:
    """The array with dimension `dim` last; 0-d gets one."""
    last = wrap_dim(dim, input.ndim) == input.ndim - 1
    return input if last else xp.moveaxis(input, dim, -1) if input.ndim else input.reshape(1)


def _back(xp: Any, indices: Any, input: Any, dim: int) -> Any:
    """Indices along the last dimension put back where `dim` of the input is."""
    if not input.ndim:
        return indices.reshape(())
    if wrap_dim(dim, input.ndim) == input.ndim - 1:
        return indices
    return xp.ascontiguousarray(xp.moveaxis(indices, -1, dim))


@op(kind="reduce", public="")
def sort_indices(xp: Any, input: Array, dim: int = -1, descending: bool = False) -> Array:
    """The indices that sort along `dim`, equal elements in their order; int64."""
    return _back(xp, _order(xp, _to_last(xp, input, dim), descending), input, dim)


@op(kind="reduce", public="")
def topk_indices(xp: Any, input: Array, k: int, dim: int = -1, largest: bool = True) -> Array:
    """The indices of the `k` largest (or smallest) elements along `dim`, in order; int64."""
    rows = _to_last(xp, input, dim)
    n = rows.shape[-1]
    if not 0 <= k <= n:
        raise RuntimeError(f"selected index k out of range: k={k} of {n} elements along dim {dim}")
    if n < 64 or k * 8 > n:
        return _back(xp, _order(xp, rows, largest)[..., :k].copy(), input, dim)
    at = n - k if largest else k - 1
    part = xp.argpartition(rows, max(at, 0), axis=-1)
    part = xp.sort(part[..., n - k :] if largest else part[..., :k], axis=-1)
    order = _order(xp, xp.take_along_axis(rows, part, axis=-1), largest)
    return _back(xp, xp.take_along_axis(part, order, axis=-1), input, dim)


@op(kind="reduce", public="")
def median_indices(xp: Any, input: Array, dim: int = -1, skip_nan: bool = False) -> Array:
    """The index of the lower median along `dim`, of a NaN where there is one unless skipped.

    The dimension stays, with size 1; int64.
    """
    rows = _to_last(xp, input, dim)
    order, n = _order(xp, rows, False), rows.shape[-1]
    nans = xp.isnan(rows).sum(axis=-1, keepdims=True)
    usable = n - nans
    place = xp.maximum(usable - 1, 0) // 2
    if not skip_nan:
        place = xp.where(nans > 0, n - 1, place)
    return _back(xp, xp.take_along_axis(order, place, axis=-1), input, dim)


@op(kind="reduce", public="")
def mode_indices(xp: Any, input: Array, dim: int = -1) -> Array:
    """The last index of the most frequent element along `dim` (the smallest of several).

    The dimension stays, with size 1; int64.
    """
    rows = _to_last(xp, input, dim)
    order = _order(xp, rows, False)
    ranked = xp.take_along_axis(rows, order, axis=-1)
    places = xp.arange(rows.shape[-1])
    before = xp.concatenate([ranked[..., :1], ranked[..., :-1]], -1)
    fresh = xp.logical_or(places == 0, ranked != before)
    starts = _running_maximum(xp, xp.where(fresh, places, 0))
    longest = xp.argmax(places - starts, axis=-1, keepdims=True)
    return _back(xp, xp.take_along_axis(order, longest, axis=-1), input, dim)


def _running_maximum(xp: Any, array: Any) -> Any:
    """Along the last dimension, by doubling."""
    step = 1
    while step < array.shape[-1]:
        raised = xp.maximum(array[..., step:], array[..., :-step])
        array, step = xp.concatenate([array[..., :step], raised], -1), step * 2
    return array


# ---- search


@op(dtypes=("promote", "edges", "values"), public="")
def search_rows(xp: Any, edges: Array, values: Array, right: bool, narrow: bool) -> Array:
    """Where `values` would go into the sorted `edges`, row by row unless those are 1-d.

    int64, or int32 if `narrow`.
    """
    kind, side = xp.int32 if narrow else xp.int64, "right" if right else "left"
    if edges.ndim == 1:
        return xp.searchsorted(edges, values, side).astype(kind)
    out = xp.zeros((math.prod(values.shape[:-1]), values.shape[-1]), kind)
    rows, queries = edges.reshape(len(out), edges.shape[-1]), values.reshape(out.shape)
    for i, row in enumerate(rows):
        out[i] = xp.searchsorted(row, queries[i], side)
    return out.reshape(values.shape)


@op(dtypes="bool", public="")
def is_member(xp: Any, elements: Array, test_elements: Array, invert: bool = False) -> Array:
    """Whether each of `elements` occurs in `test_elements`."""
    edges = xp.sort(test_elements.reshape(-1))
    if not edges.size:
        return xp.full(elements.shape, invert)
    place = xp.minimum(xp.searchsorted(edges, elements), edges.size - 1)
    found = edges[place] == elements
    return ~found if invert else found


# ---- distinct elements and counts


def _runs(xp: Any, rows: Any) -> Any:
    """Where a row differs from the one before: bool, one per row."""
    if not rows.shape[0]:
        return xp.zeros(0, bool)
    changed = (rows[1:] != rows[:-1]).any(axis=tuple(range(1, rows.ndim)))
    return xp.concatenate([xp.ones(1, bool), changed])


def _row_order(xp: Any, rows: Any) -> Any:
    """The order that sorts rows, first column first."""
    flat = rows.reshape(rows.shape[0], math.prod(rows.shape[1:]))
    if flat.shape[1] == 1:
        return xp.argsort(flat[:, 0], kind="stable")
    order = xp.arange(flat.shape[0])
    for column in range(flat.shape[1] - 1, -1, -1):
        order = order[xp.argsort(flat[order, column], kind="stable")]
    return order


@op(outputs=("output", "~inverse_indices", "~counts"), dtypes="same", public="")
def distinct(xp: Any, input: Array, dim: int | None, consecutive: bool) -> Any:
    """Distinct elements (or slices along `dim`), where each element went, and how often.

    Sorted, or in order of appearance where only neighbours are merged (`consecutive`).
    """
    rows = input.reshape(-1) if dim is None else xp.moveaxis(input, dim, 0)
    order = xp.arange(rows.shape[0]) if consecutive else _row_order(xp, rows)
    ranked = rows[order]
    fresh = _runs(xp, ranked)
    (starts,) = xp.nonzero(fresh)
    inverse = xp.empty(rows.shape[0], xp.int64)
    inverse[order] = xp.cumsum(fresh) - 1
    counts = xp.diff(xp.concatenate([starts, xp.full(1, rows.shape[0])]))
    output = ranked[starts]
    if dim is None:
        return output, inverse.reshape(input.shape), counts.astype(xp.int64)
    return xp.ascontiguousarray(xp.moveaxis(output, 0, dim)), inverse, counts.astype(xp.int64)


@op(dtypes="any", public="fm")
def bincount(xp: Any, input: Array, weights: Array | None = None, minlength: int = 0) -> Array:
    """How often each integer from 0 on occurs, or the sum of its weights.

    1-d `input` of non-negative integers; int64, or the dtype of `weights` (float64 for integers).
    """
    if input.ndim != 1 or input.dtype.kind not in "iu" or (input.size and input.min().item() < 0):
        raise RuntimeError(
            "bincount only supports 1-d non-negative integral inputs, got "
            f"{input.dtype.name}{list(input.shape)}"
        )
    if minlength < 0:
        raise RuntimeError(f"minlength should be >= 0, got {minlength}")
    if weights is None:
        return xp.bincount(input, minlength=minlength).astype(xp.int64)
    if weights.shape != input.shape:
        raise RuntimeError(
            f"weights should be 1-d and have the same length as input: got {list(weights.shape)} "
            f"for {list(input.shape)}"
        )
    kind = weights.dtype if weights.dtype.kind == "f" else xp.float64
    return xp.bincount(input, weights, minlength).astype(kind)


@op(dtypes="same", public="")
def histogram_counts(
    xp: Any, input: Array, weight: Array | None, bins: int, low: float, high: float
) -> Array:
    """How many elements (or how much weight) lie in each of `bins` equal parts of [low, high]."""
    x = input.reshape(-1)
    inside = xp.logical_and(x >= low, x <= high)
    place = ((x[inside] - low) * (bins / (high - low))).astype(xp.int64)
    weights = None if weight is None else weight.reshape(-1)[inside]
    return xp.bincount(xp.minimum(place, bins - 1), weights, bins).astype(input.dtype)
