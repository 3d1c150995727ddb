"""Functions that read or write along one dimension at index tensors, and their in-place forms."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from .._dtypes import FLOAT, int32, int64
from .._dtypes import bool_ as boolean
from .._errors import wrap_dim
from .._inplace import check_writable, write_back
from .._tensor import F, Tensor
from ._register import composite
from ._shapes import same_dtype
from .shape import reshape

# An op that writes at indices, the tensor (or a view of all of it), and the other arguments.
Call = tuple[str, Tensor, tuple[Any, ...]]
# Ops with a twin that writes into the memory, for writes that are not recorded.
_WRITES = {
    "index_put": "index_write", "index_put_add": "index_write",
    "scatter": "scatter_write", "scatter_sum": "scatter_write",
}  # fmt: skip
ADDS = ("index_put", "index_put_add")  # the op that overwrites, the op that adds


def write_at(self: Tensor, call: Call, name: str) -> Tensor:
    """Do the call in place: into the memory, or through the history where it is recorded."""
    op, x, args = call
    followed = check_writable(self, args)
    if op in _WRITES and not followed and (x is self or x.storage is self.storage):
        getattr(F, _WRITES[op])(x, *args)
        return self
    x = x if op in _WRITES else F.clone(x)  # which the op saves
    out = getattr(F, op)(x, *args)
    return write_back(self, out if x is self else F.view(out, self.array.shape), name)


def written(error: type[Exception] = IndexError) -> Callable[[Callable[..., Call]], Any]:
    """Register `name` and `name_` for a function that says which op does the writing.

    `error` is raised for indices out of range.
    """

    def register(prepare: Callable[..., Call]) -> Callable[..., Tensor]:
        name = prepare.__name__

        @functools.wraps(prepare)
        def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            op, x, rest = prepare(input, *args, **kwargs)
            try:
                out = getattr(F, op)(x, *rest)
            except IndexError as reason:
                raise error(str(reason)) from None
            return out if x is input else F.view(out, input.array.shape)

        @functools.wraps(prepare)
        def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            try:
                return write_at(self, prepare(self, *args, **kwargs), name + "_")
            except IndexError as reason:
                raise error(str(reason)) from None

        method.__name__ = method.__qualname__ = name + "_"
        composite(out=True, name=name)(function)
        composite(name=name + "_")(method)
        return function

    return register


def scalar_like(like: Tensor, number: Any) -> Tensor:
    """A 0-d tensor with the dtype and device of `like`."""
    return F.full((), number, like.dtype, device=like.device)


# ---- slices of one dimension


def _along(name: str, self: Tensor, dim: int, index: Tensor) -> tuple[Tensor, int, Tensor]:
    """`self` with at least one dimension, the dimension, and a vector of indices."""
    d = wrap_dim(dim, self.array.ndim)
    if index.array.ndim > 1:
        raise IndexError(
            f"{name}(): Index is supposed to be a vector, got shape {list(index.shape)}"
        )
    if index.dtype not in (int64, int32):
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index, got {index.dtype}")
    index = index if index.array.ndim else reshape(index, 1)
    return (self if self.array.ndim else F.view(self, (1,))), d, index


@composite(out=True)
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of `dim` at the indices (a vector): a copy."""
    x, d, i = _along("index_select", input, dim, index)
    try:
        out = F.index(x, [i], (d,), False)
    except IndexError as error:
        raise IndexError(f"index out of range in self: {error}") from None
    return out if input.array.ndim else F.view(out, ())


def _source(name: str, self: Tensor, source: Tensor, dim: int, index: Tensor) -> Tensor:
    """The source of index_add and index_copy, with at least one dimension, checked."""
    same_dtype(name, self, source)
    x = source if source.array.ndim else F.view(source, (1,))
    wanted = list(self.array.shape or (1,))
    wanted[dim] = index.array.size
    if list(x.array.shape) != wanted:
        raise RuntimeError(
            f"{name}(): source tensor shape must match self tensor shape {list(self.shape)}, with "
            f"the number of indices in dim {dim}: expected {wanted}, got {list(source.shape)}"
        )
    return x


@written(RuntimeError)
def index_add(input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1) -> Call:
    """The slices of `source`, times `alpha`, added at the indices of `dim`."""
    x, d, i = _along("index_add", input, dim, index)
    values = _source("index_add", input, source, d, i)
    values = values if alpha == 1 else F.cast(F.mul(values, alpha), input.dtype)
    return "index_put_add", x, (values, [i], (d,), True, False)


@written()
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Call:
    """The slices of `source` written at the indices of `dim`."""
    x, d, i = _along("index_copy", input, dim, index)
    return "index_put", x, (_source("index_copy", input, source, d, i), [i], (d,), False, False)


@composite("fmi", out=True)
def index_fill(input: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """One value (a number or a 0-d tensor) written into the slices at the indices of `dim`."""
    if isinstance(value, Tensor) and value.array.ndim:
        raise RuntimeError(
            "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.array.ndim} dimension(s)."
        )
    value = F.cast(value, input.dtype) if isinstance(value, Tensor) else scalar_like(input, value)
    x, d, i = _along("index_fill", input, dim, index)
    n = x.array.shape[d]  # through a mask: a repeated index counts once in the gradient
    none, yes = (F.full(s, v, boolean, device=x.device) for s, v in (((n,), 0), ((), 1)))
    mask = F.index_put(none, yes, [i], (0,))
    out = F.where(F.view(mask, (n,) + (1,) * (x.array.ndim - d - 1)), value, x)
    return out if x is input else F.view(out, ())


@composite("fmi", out=True)
def index_reduce(
    input: Tensor, dim: int, index: Tensor, source: Tensor, reduce: str, *,
    include_self: bool = True,
) -> Tensor:  # fmt: skip
    """Fold the slices of `source` into a copy at the indices of `dim`: prod, mean, amax, amin."""
    x, d, i = _along("index_reduce", input, dim, index)
    values = _source("index_reduce", input, source, d, i)
    full = F.expand(F.view(i, (-1,) + (1,) * (values.array.ndim - d - 1)), values.array.shape)
    out = scatter_reduce(x, d, full, values, reduce, include_self=include_self)
    return out if input.array.ndim else F.view(out, ())


# ---- gather and scatter


@composite(out=True)
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """`out[i][j] = input[index[i][j]][j]` for `dim=0`, and so on: the shape of `index`."""
    return F.gather(input, dim, index)


def _cropped(name: str, src: Tensor, index: Tensor, self: Tensor) -> Tensor:
    """The part of `src` that belongs to the index."""
    same_dtype(name, self, src)
    shape, have = index.array.shape, src.array.shape
    if not index.array.size:
        return F.blank(src, ())
    if shape == have or not have:
        return src
    if len(shape) != len(have) or any(i > n for i, n in zip(shape, have)):
        raise RuntimeError(
            f"Expected index {list(shape)} to be no larger than self {list(self.shape)} apart from "
            f"dimension and to be no larger size than src {list(have)}"
        )
    return F.slice(src, tuple([slice(0, n) for n in shape]))


@written()
def scatter(
    input: Tensor, dim: int, index: Tensor, src: Any = None, *, reduce: str | None = None,
    value: Any = None,
) -> Call:  # fmt: skip
    """`src` (a tensor, or one number) written where `index` says; of repeated indices one counts.

    `reduce` "add" or "multiply" combines with what is there.
    """
    src = value if src is None else src
    if reduce not in (None, "add", "multiply"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    if not isinstance(src, Tensor):
        src = scalar_like(input, src)
        if reduce == "multiply":
            src = F.expand(src, index.array.shape)
    src = _cropped("scatter", src, index, input)
    if reduce == "multiply":
        return "scatter_fold", input, (dim, index, src, "prod", True)
    adds = reduce == "add"
    return "scatter_sum" if adds else "scatter", input, (dim, index, src, adds)


@written()
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Call:
    """`src` added where `index` says: `out[index[i][j]][j] += src[i][j]` for `dim=0`."""
    return "scatter_sum", input, (dim, index, _cropped("scatter_add", src, index, input), True)


@composite("fmi", out=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Fold `src` into a copy where `index` says, by sum, prod, mean, amax or amin.

    `include_self=False` leaves the input's own values out where anything is folded in.
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce must be one of sum, prod, mean, amax and amin, got {reduce!r}")
    src = _cropped("scatter_reduce", src, index, input)
    if not index.array.size:
        return F.clone(input)
    if reduce not in ("sum", "mean"):
        return F.scatter_fold(input, dim, index, src, reduce, include_self)
    zero, one = scalar_like(input, 0), scalar_like(input, 1)
    start = input if include_self else F.scatter(input, dim, index, zero)
    out = F.scatter_sum(start, dim, index, src)
    if reduce == "sum":
        return out
    ones = F.ones_like(input)
    ones = ones if include_self else F.scatter(ones, dim, index, zero)
    count = F.scatter_sum(ones, dim, index, one)
    return (F.div if input.dtype.category >= FLOAT else F.floor_divide)(out, count)


@composite(out=True)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with broadcasting of all dimensions but `dim` (None: of the flattened input)."""
    if dim is None:
        return take_along_dim(reshape(input, -1), reshape(indices, -1), 0)
    d, n = wrap_dim(dim, input.array.ndim), input.array.ndim
    if indices.array.ndim != n:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of dimensions, but "
            f"got {n} dimensions for input, and {indices.array.ndim} dimensions for indices"
        )
    wide, at = list(input.array.shape), list(indices.array.shape)
    for k in range(n):
        if k != d:
            wide[k] = at[k] = wide[k] if at[k] == 1 else at[k]
    index = F.expand(indices, tuple(at))
    index = F.where(F.lt(index, 0), F.add(index, wide[d]), index)
    return F.gather(F.expand(input, tuple(wide)), d, index)


# ---- positions in the flattened tensor


@composite(out=True)
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened input: the shape of `index`."""
    if index.dtype is not int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype}")
    if index.array.size and not input.array.size:
        raise IndexError("take(): tried to take from an empty tensor")
    return F.index(reshape(input, -1), [index], (0,))


@written()
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Call:
    """`source` written (or added) at indices of the flattened tensor."""
    if index.array.size != source.array.size:
        raise RuntimeError(
            f"put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.array.size}, index.numel() = {index.array.size}"
        )
    same_dtype("put_", input, source)
    at = [reshape(index, -1)]
    return ADDS[accumulate], reshape(input, -1), (reshape(source, -1), at, (0,), accumulate)


# ---- segments

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
