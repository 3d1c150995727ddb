"""Histograms of numbers and of points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._tensor import F, Tensor
from ..return_types import result_type
from ._register import composite
from .calculus import diff
from .shape import reshape

HISTOGRAM = result_type("histogram", "hist", "bin_edges")


def _bounds(input: Tensor, low: float, high: float, margin: float) -> tuple[float, float]:
    """The range of a histogram: that of the data if none is given, widened if it is a point."""
    if low == high and input.shape.numel():
        low, high = F.amin(input).item(), F.amax(input).item()
    elif low == high == 0 and margin < 1:
        return 0.0, 1.0
    if low == high:
        low, high = low - margin, high + margin
    if not (math.isfinite(low) and math.isfinite(high)):
        raise RuntimeError(f"range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"max must be larger than min, got {low} and {high}")
    return float(low), float(high)


@composite(out=True)
def histc(input: Tensor, bins: int = 100, min: float = 0, max: float = 0) -> Tensor:
    """How many elements lie in each of `bins` equal parts of [min, max] (of the data if equal)."""
    if bins <= 0:
        raise RuntimeError(f"bins must be > 0, got {bins}")
    return F.histogram_counts(input, None, bins, *_bounds(input, min, max, 1.0))


@composite()
def histogram(
    input: Tensor, bins: Tensor | int, *, range: tuple[float, float] | None = None,
    weight: Tensor | None = None, density: bool = False,
) -> Any:  # fmt: skip
    """Counts (or summed weights) in `bins` equal parts of the range, and the edges of the parts.

    `bins` may also be a tensor: the edges, in order.
    """
    if isinstance(bins, Tensor):
        edges, hist = bins, _counts_between(input, bins, weight)
    else:
        low, high = _bounds(input, *(range or (0.0, 0.0)), 0.5)
        hist = F.histogram_counts(input, weight, bins, low, high)
        edges = F.linspace(low, high, bins + 1, hist.dtype, device=hist.device)
    if density:
        hist = F.div(hist, F.mul(F.sum(hist), diff(edges)))
    return HISTOGRAM(hist, edges)


def _counts_between(input: Tensor, edges: Tensor, weight: Tensor | None) -> Tensor:
    """Counts between given edges; the last part includes its upper edge."""
    x, last = F.reshape(input, (-1,)), edges.shape[0] - 1
    low, high = F.slice(edges, (0,)), F.slice(edges, (last,))
    place = F.where(F.eq(x, high), last, F.search_rows(edges, x, True, False))
    inside = F.logical_and(F.ge(x, low), F.le(x, high))
    place = F.where(inside, place, 0)  # the count of what is outside is cut off
    weights = F.ones_like(x) if weight is None else F.reshape(weight, (-1,))
    return F.slice(F.bincount(place, weights, last + 1), (slice(1, None),))


HISTOGRAMDD = result_type("histogramdd", "hist", "bin_edges")


@composite()
def histogramdd(
    input: Tensor, bins: Any, *, range: Sequence[float] | None = None,
    weight: Tensor | None = None, density: bool = False,
) -> Any:  # fmt: skip
    """Counts (or summed weights) of points, the rows of the last dimension, in a grid of bins.

    `bins` is an int, ints or tensors of edges per column; `range` low and high per column.
    """
    columns = input.shape[-1]
    points = reshape(input, (-1, columns))
    each = bins if isinstance(bins, tuple | list) else [bins] * columns
    if len(each) != columns:
        raise RuntimeError(
            f"histogramdd: expected {columns} entries of bins, one per column, got {len(each)}"
        )
    edges, places, sizes = [], [], []
    for i, b in enumerate(each):
        x = F.contiguous(F.slice(points, (slice(None), i)))
        bounds = None if range is None else tuple(range[2 * i : 2 * i + 2])
        line = b if isinstance(b, Tensor) else x.histogram(b, range=bounds).bin_edges
        n = line.shape[0] - 1
        place = F.search_rows(line, x, True, False) - 1
        place = F.where(F.eq(x, F.slice(line, (n,))), n - 1, place)
        inside = F.logical_and(F.ge(x, F.slice(line, (0,))), F.le(x, F.slice(line, (n,))))
        edges.append(line)
        sizes.append(n)
        places.append(F.where(inside, place, -1))
    hist = _grid_counts(points, places, sizes, weight)
    if density:
        hist = F.div(hist, F.sum(hist))
        for i, line in enumerate(edges):
            hist = F.div(hist, F.view(diff(line), (-1,) + (1,) * (columns - 1 - i)))
    return HISTOGRAMDD(hist, tuple(edges))


def _grid_counts(
    points: Tensor, places: list[Tensor], sizes: list[int], weight: Tensor | None
) -> Tensor:
    """Sums at (row, column, ...) places; points with a place of -1 lie outside."""
    inside = F.ge(places[0], 0)
    flat = F.zeros_like(places[0])
    for place, n in zip(places, sizes):
        inside = F.logical_and(inside, F.ge(place, 0))
        flat = flat * n + place
    total = math.prod(sizes)
    weights = F.cast(inside, points.dtype)
    if weight is not None:
        weights = weights * reshape(weight, (-1,))
    counts = F.bincount(F.where(inside, flat, 0), weights, total)
    return F.view(F.cast(counts, points.dtype), tuple(sizes))
