"""Copies that join, repeat, reorder or pad, and index grids."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from .. import backends
from .._device import device as device_
from .._dtypes import dtype as Dtype
from .._dtypes import int32, int64
from .._errors import describe, wrap_dim
from .._storage import root_array
from .._symbols import integer
from .._tensor import F, Tensor, read
from ._register import composite, named
from .create import place, tensor
from .shape import atleast_1d, atleast_2d, atleast_3d, dims_of, ints, reshape, transpose, unsqueeze

# ---- joins


def _stacked(name: str, least: Any, dim: int) -> None:
    def function(tensors: Sequence[Tensor]) -> Tensor:
        if not tensors:
            raise RuntimeError(f"{name} expects a non-empty TensorList")
        parts = least(tuple(tensors))
        return F.cat(parts, 0 if parts[0].array.ndim == 1 else dim)

    doc = f"Join along dimension {dim}, smaller tensors made to have it first."
    named(function, name, "f", doc, out=True)


_stacked("hstack", atleast_1d, 1)
_stacked("vstack", atleast_2d, 0)
_stacked("row_stack", atleast_2d, 0)
_stacked("dstack", atleast_3d, 2)
_stacked("column_stack", lambda tensors: tuple(map(_column, tensors)), 1)


def _column(t: Tensor) -> Tensor:
    return t if t.array.ndim > 1 else F.view(t, (t.array.size, 1))


@composite(public="f")
def block_diag(*tensors: Tensor) -> Tensor:
    """A matrix with the given matrices along its diagonal and zeros elsewhere."""
    if any(t.array.ndim > 2 for t in tensors):
        raise RuntimeError("block_diag: Input tensors must have 2 or fewer dimensions")
    blocks = atleast_2d(tuple(tensors) or (tensor([]),))
    width, left, rows = sum(b.array.shape[1] for b in blocks), 0, []
    for block in blocks:
        n = block.array.shape[1]
        rows.append(F.constant_pad_nd(block, (left, width - left - n)))
        left += n
    return F.cat(rows, 0)


# ---- repeats


@composite(public="m")
def repeat(self: Tensor, *sizes: Any, repeats: Sequence[int] | None = None) -> Tensor:
    """The tensor repeated along each dimension; extra repeats add dimensions in front."""
    times = ints("repeat", sizes if repeats is None else (repeats,))
    shape = self.array.shape
    if len(times) < len(shape):
        raise RuntimeError(
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of "
            f"tensor: got {len(times)} repeats for shape {list(shape)}"
        )
    if min(times, default=0) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(times)}")
    shape = (1,) * (len(times) - len(shape)) + shape
    wide = [n for pair in zip((1,) * len(shape), shape) for n in pair]
    full = [n for pair in zip(times, shape) for n in pair]
    size = tuple([r * n for r, n in zip(times, shape)])
    if all(r == 1 for r in times):
        return F.clone(F.view(self, size))
    out = F.reshape(F.expand(F.view(self, tuple(wide)), tuple(full)), size)
    return F.clone(out) if root_array(out.array) is root_array(self.array) else out


@composite()
def tile(input: Tensor, *reps: Any, dims: Sequence[int] | None = None) -> Tensor:
    """`repeat`, with missing repeats in front taken as 1."""
    times = ints("tile", reps if dims is None else (dims,))
    return repeat(input, (1,) * (input.array.ndim - len(times)) + times)


@composite()
def repeat_interleave(
    input: Tensor, repeats: Tensor | int | None = None, dim: int | None = None, *,
    output_size: int | None = None,
) -> Tensor:  # fmt: skip
    """Each element (or slice along `dim`) repeated in place, a number of times of its own or not.

    With one argument, its elements are the repeats of 0, 1, 2, ...
    """
    if repeats is None:
        return _repeated_range(input, input.array.size)
    x, d = (reshape(input, -1), 0) if dim is None else (input, wrap_dim(dim, input.array.ndim))
    x = x if x.array.ndim else F.view(x, (1,))
    n = x.array.shape[d]
    if isinstance(repeats, Tensor) and repeats.array.size != 1:
        if repeats.array.ndim != 1 or repeats.array.size != n:
            raise RuntimeError(
                f"repeats must have the same size as input along dim, but got repeats.size(0) = "
                f"{repeats.array.size} and input.size({d}) = {n}"
            )
        return F.index(x, [_repeated_range(repeats, n)], (d,))
    times, shape = integer(repeats), x.array.shape
    if times < 0:
        raise RuntimeError("Repeats must be non-negative")
    if times == 1:
        return F.clone(x)
    before, after = shape[: d + 1], shape[d + 1 :]
    wide = F.expand(unsqueeze(x, d + 1), (*before, times, *after))
    return F.reshape(wide, (*shape[:d], n * times, *after))


def _repeated_range(repeats: Tensor, n: int) -> Tensor:
    """0, 1, ..., n - 1, each as often as `repeats` says."""
    if repeats.dtype not in (int64, int32):
        raise RuntimeError(f"repeats has to be Long or Int tensor, got {repeats.dtype}")
    if repeats.array.ndim != 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if n and repeats.array.min().item() < 0:
        raise RuntimeError("repeats can not be negative")
    read(repeats, "{}.tolist()", repeats.array.tolist)
    xp = backends.of(repeats.array).xp
    ends = xp.cumsum(repeats.array)
    total = ends[-1].item() if n else 0
    index = xp.searchsorted(ends, xp.arange(total), side="right")
    return Tensor(index.astype(repeats.array.dtype, copy=False))


# ---- another order


@composite()
def flip(input: Tensor, *order: Any, dims: Sequence[int] | None = None) -> Tensor:
    """A copy with the order of elements along `dims` reversed."""
    axes = dims_of(input, ints("flip", order if dims is None else (dims,)))
    return F.flip(input, axes) if input.array.ndim else F.clone(input)


@composite()
def fliplr(input: Tensor) -> Tensor:
    """Columns in reverse order."""
    if input.array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return F.flip(input, (1,))


@composite()
def flipud(input: Tensor) -> Tensor:
    """Rows in reverse order."""
    if input.array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return F.flip(input, (0,))


@composite()
def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """Elements shifted along `dims` (of the flattened tensor without them), wrapping around."""
    by, along = (tuple(v) if isinstance(v, tuple | list) else (v,) for v in (shifts, dims))
    if not by:
        raise RuntimeError("`shifts` required")
    if len(by) != len(along) and (along or len(by) > 1):
        raise RuntimeError(
            f"shifts and dimensions must align. shifts: {len(by)}, dims:{len(along)}"
        )
    if not input.array.ndim:
        if along:
            raise IndexError(f"Dimension specified as {along[0]} but tensor has no dimensions")
        return F.clone(input)
    return F.roll(input, by, dims_of(input, along) if along else None)


@composite()
def rot90(input: Tensor, k: int = 1, dims: Sequence[int] = (0, 1)) -> Tensor:
    """Turned by k times 90 degrees in the plane of two dimensions, from the first to the second."""
    if len(dims) != 2 or input.array.ndim < 2:
        raise RuntimeError(
            f"rot90: expected two rotation dims, of at least two, but got dims = {list(dims)} of a "
            f"tensor with {input.array.ndim} dims"
        )
    a, b = dims_of(input, tuple(dims))
    if a == b:
        raise RuntimeError(f"expected rotation dims to be different, but got dims = {list(dims)}")
    if k % 4 == 2:
        return F.flip(input, (a, b))
    if k % 4 == 0:
        return F.clone(input)
    return F.clone(transpose(F.flip(input, (b if k % 4 == 1 else a,)), a, b))


# ---- diagonals


@composite()
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Zeros with the last dimension of `input` on a diagonal of two new dimensions."""
    shape = input.array.shape
    if not shape:
        raise RuntimeError("diag_embed expects a tensor with at least one dimension")
    a, b = wrap_dim(dim1, len(shape) + 1), wrap_dim(dim2, len(shape) + 1)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    size = list(shape[:-1])
    for d in sorted((a, b)):
        size.insert(d, shape[-1] + abs(offset))
    return F.view_grad(input, (("diagonal", (offset, a, b)),), tuple(size))


@composite(out=True)
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """A matrix with a vector on its diagonal, or a copy of a matrix' diagonal."""
    if input.array.ndim == 1:
        return diag_embed(input, diagonal)
    if input.array.ndim != 2:
        raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.array.ndim}D")
    return F.clone(F.diagonal(input, diagonal))


@composite()
def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """A matrix with all elements on its diagonal."""
    return diag_embed(reshape(input, -1), offset)


def _triangle(name: str) -> None:
    def function(
        row: int, col: int, offset: int = 0, *, dtype: Dtype = int64,
        device: device_ | str | None = None, layout: Any = None,
    ) -> Tensor:  # fmt: skip
        if row < 0 or col < 0:
            raise RuntimeError(f"row and col must be non-negative, got {row} and {col}")
        host = backends.get("cpu").xp
        grid = host.stack(getattr(host, name)(row, offset, col))
        return Tensor(place(grid.astype(dtype.numpy), device))

    named(
        function, name, "f", f"(2, n) indices of the triangle that `{name[:4]}` keeps, row by row."
    )


_triangle("tril_indices")
_triangle("triu_indices")


# ---- grids


@composite(public="f")
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Grids of coordinates, views of the vectors; `indexing` "ij" (default) or "xy"."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(
            f'meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}'
        )
    if not given or any(t.array.ndim > 1 for t in given) or len({t.dtype for t in given}) > 1:
        raise RuntimeError(
            "meshgrid expects a non-empty TensorList of 0D or 1D tensors with the same dtype, got "
            f"{', '.join(map(describe, given)) or 'none'}"
        )
    n, places = len(given), list(range(len(given)))
    if indexing == "xy":
        places[:2] = places[:2][::-1]
    shape = tuple([given[i].array.size for i in places])
    views = [F.view(t, (1,) * i + (-1,) + (1,) * (n - i - 1)) for t, i in zip(given, places)]
    return tuple([F.expand(v, shape) for v in views])


@composite(public="f")
def cartesian_prod(*tensors: Any) -> Tensor:
    """All combinations of the vectors' elements, one row each."""
    if len(tensors) == 1:
        return tensors[0]
    return F.stack([reshape(g, -1) for g in meshgrid(*tensors, indexing="ij")], 1)


@composite()
def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All combinations of r elements of a vector, one row each, in order."""
    if input.array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    draw = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    rows = list(draw(range(input.array.size), r)) if r else []
    if not r:
        return F.blank(input, (0,))
    index = F.view(tensor(rows, dtype=int64, device=input.device), (len(rows), r))
    return F.index(input, [index], (0,))


# ---- channels and space


def _block(name: str, input: Tensor, factor: int) -> None:
    """Errors for an input or a factor that `name` cannot use."""
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} "
            "dimension(s)"
        )
    if factor <= 0:
        raise RuntimeError(f"{name} expects a positive factor, but got {factor}")


@composite(public="fn")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(..., channels * r * r, h, w) as (..., channels, h * r, w * r)."""
    r = upscale_factor
    _block("pixel_shuffle", input, r)
    *lead, channels, h, w = input.shape
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            f"of upscale_factor, but input.size(-3)={channels} is not divisible by {r * r}"
        )
    n, c = len(lead), channels // (r * r)
    x = F.reshape(input, (*lead, c, r, r, h, w))
    x = F.permute(x, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return F.reshape(x, (*lead, c, h * r, w * r))


@composite(public="fn")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """(..., channels, h * r, w * r) as (..., channels * r * r, h, w)."""
    r = downscale_factor
    _block("pixel_unshuffle", input, r)
    *lead, c, height, width = input.shape
    if height % r or width % r:
        raise RuntimeError(
            "pixel_unshuffle expects height and width to be divisible by downscale_factor, but got "
            f"{height} x {width} and {r}"
        )
    n, h, w = len(lead), height // r, width // r
    x = F.reshape(input, (*lead, c, h, r, w, r))
    x = F.permute(x, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return F.reshape(x, (*lead, c * r * r, h, w))


@composite(public="fn", aliases=("native_channel_shuffle", "nn.functional.native_channel_shuffle"))
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels (dimension 1) in `groups` groups, one of each group in turn."""
    _block("channel_shuffle", input, groups)
    n, channels, *rest = input.shape
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} "
            "groups."
        )
    x = F.reshape(input, (n, groups, channels // groups, *rest))
    return F.reshape(F.permute(x, (0, 2, 1, *range(3, x.ndim))), input.shape)
