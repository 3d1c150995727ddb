"""Numerical helpers: slopes of samples, norms, indices, histograms of points, segments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._dtypes import int64
from .._errors import wrap_dim
from .._tensor import F, Tensor
from ..return_types import result_type
from ._register import composite
from .create import zeros
from .reduce import _along
from .shape import dims_of, reshape, resize_

HISTOGRAMDD = result_type("histogramdd", "hist", "bin_edges")

# ---- slopes


@composite()
def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The slope of samples along each of `dim` (all): central differences, one-sided at the edges.

    Args:
        input: the samples.
        spacing: the step, one number per dimension, or one tensor of coordinates per dimension.
        dim: an int or several.
        edge_order: 1 or 2, the order of the formula at the edges.
    """
    dims = tuple(range(input.ndim)) if dim is None else dims_of(input, dim)
    spacing = 1 if spacing is None else spacing
    steps = spacing if isinstance(spacing, tuple | list) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(
            "torch.gradient expected spacing to be unspecified, a scalar, or it's length to equal "
            f"the number of dims ({len(dims)}), but got {len(steps)}"
        )
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"dim {dims} appears multiple times in the list of dims")
    if any(input.shape[d] < edge_order + 1 for d in dims):
        raise RuntimeError(
            "torch.gradient expected each dimension size to be at least edge_order+1"
        )
    return tuple([_slope(input, d, s, edge_order) for d, s in zip(dims, steps)])


def _slope(x: Tensor, dim: int, step: Any, edge_order: int) -> Tensor:
    n, kind = x.shape[dim], x.dtype
    if isinstance(step, Tensor):
        if step.ndim != 1 or step.shape[0] != n:
            raise RuntimeError(
                "torch.gradient expected each tensor of spacing to be 1-dimensional with as many "
                f"elements as the dimension: expected {n}, got shape {list(step.shape)}"
            )
        gaps = F.view(
            _along(step, 0, 1, None) - _along(step, 0, None, -1), (-1,) + (1,) * (x.ndim - 1 - dim)
        )
    else:
        gaps = (
            zeros(
                (n - 1,) + (1,) * (x.ndim - 1 - dim),
                device=x.device,
                dtype=kind if kind.is_floating_point else None,
            )
            + step
        )
    d = dim - x.ndim
    first, last = gaps.narrow(d, 0, 1), gaps.narrow(d, n - 2, 1)
    rise = F.div(_along(x, dim, 1, None) - _along(x, dim, None, -1), gaps)
    before, after = gaps.narrow(d, 0, n - 2), gaps.narrow(d, 1, n - 2)
    inner = (rise.narrow(dim, 0, n - 2) * after + rise.narrow(dim, 1, n - 2) * before) / (
        before + after
    )
    left, right = rise.narrow(dim, 0, 1), rise.narrow(dim, n - 2, 1)
    if edge_order == 2:
        left = left + (left - rise.narrow(dim, 1, 1)) * first / (first + gaps.narrow(d, 1, 1))
        right = right + (right - rise.narrow(dim, n - 3, 1)) * last / (
            last + gaps.narrow(d, n - 3, 1)
        )
    return F.cat([left, inner, right], dim)


# ---- norms


@composite("fmi", out=True)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along `dim` scaled down to norm `maxnorm` where their p-norm is larger."""
    if p <= 0 or maxnorm < 0:
        raise RuntimeError(
            f"renorm: expected p > 0 and maxnorm >= 0, got p={p} and maxnorm={maxnorm}"
        )
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    d = wrap_dim(dim, input.ndim)
    norms: Any = F.vector_norm(input, p, tuple([i for i in range(input.ndim) if i != d]), True)
    scale = F.where(F.gt(norms, maxnorm), F.div(maxnorm, F.add(norms, 1e-7)), 1.0)
    return F.mul(input, scale)


@composite("f")
def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The p-norm over all dimensions but one, which keep size 1; dim -1: over all."""
    if dim == -1:
        return F.vector_norm(v, pow, None, False)
    d = wrap_dim(dim, v.ndim)
    return F.vector_norm(v, pow, tuple([i for i in range(v.ndim) if i != d]), True)


# ---- indices


@composite("f")
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Positions in the flattened tensor as one index per dimension of `shape`."""
    if indices.dtype.is_floating_point or indices.dtype.is_complex or indices.dtype.name == "bool":
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    sizes = shape.tolist() if isinstance(shape, Tensor) else shape
    sizes = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    if any(not isinstance(n, int) for n in sizes):
        raise ValueError(f"expected 'shape' to be int or sequence of ints, but got {shape}")
    if min(sizes, default=0) < 0:
        raise ValueError(f"'shape' cannot have negative values, but got {sizes}")
    out, rest = [], indices
    for n in reversed(sizes):
        out.append(F.remainder(rest, n))
        rest = F.floor_divide(rest, n)
    return tuple(reversed(out))


@composite()
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1) -> Tensor:
    """The first `size` indices of elements that are not zero, filled up with `fill_value`."""
    if size < 0:
        raise RuntimeError(f"nonzero_static: 'size' must be an non-negative integer, got {size}")
    found = F.slice(input.nonzero(), (slice(0, size),))
    rest: Any = F.full((size - found.shape[0], input.ndim), fill_value, int64, device=input.device)
    return F.cat([found, rest], 0)


# ---- counts and segments


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
            widths = _along(line, 0, 1, None) - _along(line, 0, None, -1)
            hist = F.div(hist, F.view(widths, (-1,) + (1,) * (columns - 1 - i)))
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


_IDENTITY = {"sum": 0.0, "mean": math.nan, "prod": 1.0, "max": -math.inf, "min": math.inf}
_SCATTER = {"max": "amax", "min": "amin"}


@composite("f")
def segment_reduce(
    data: Tensor, reduce: str, *, lengths: Tensor | None = None, indices: Tensor | None = None,
    offsets: Tensor | None = None, axis: int = 0, unsafe: bool = False,
    initial: float | None = None,
) -> Tensor:  # fmt: skip
    """Each segment of `data` along its first dimension reduced: sum, mean, prod, max or min.

    Segments are given by their lengths, or by offsets from 0 to the size of the dimension.
    """
    if reduce not in _IDENTITY:
        raise RuntimeError(f"unsupported reduction {reduce!r}; there are {', '.join(_IDENTITY)}")
    if indices is not None or axis != 0 or (lengths is None) == (offsets is None):
        raise RuntimeError("segment_reduce(): expected lengths or offsets along axis 0")
    if lengths is None:
        assert offsets is not None
        lengths = offsets.diff()
    if lengths.ndim != 1 or (not unsafe and int(F.sum(lengths)) != data.shape[0]):
        raise RuntimeError(
            "segment_reduce(): Expected all rows of lengths along axis to sum to data.size(axis): "
            f"got {lengths.tolist()} for {data.shape[0]}"
        )
    segments: Any = F.arange(0, lengths.shape[0], 1, int64, device=data.device)
    ids = segments.repeat_interleave(lengths)
    start = _IDENTITY[reduce] if initial is None else initial
    shape = (lengths.shape[0], *data.shape[1:])
    out: Any = F.full(shape, start, data.dtype, device=data.device)
    if reduce == "mean":
        out = F.full(shape, initial or 0.0, data.dtype, device=data.device)
        count = F.view(lengths, (-1,) + (1,) * (data.ndim - 1))
        summed = out.index_add(0, ids, data)
        empty = start if initial is None else initial
        return F.where(F.eq(count, 0), empty, F.div(summed, count.clamp(min=1)))
    index = F.expand(F.view(ids, (-1,) + (1,) * (data.ndim - 1)), tuple(data.shape))
    return out.scatter_reduce(0, index, data, _SCATTER.get(reduce, reduce), include_self=True)


# ---- another size


@composite("m")
def resize(self: Tensor, *sizes: int) -> Tensor:
    """A copy with another shape: elements are kept in order, new ones undefined."""
    return resize_(F.clone(self).detach(), *sizes)


@composite("m")
def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """A copy with the shape of another tensor."""
    return resize(self, *tensor.shape)
