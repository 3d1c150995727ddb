"""Indexing with torch's rules, and functions that read or write at indices and masks."""

from __future__ import annotations

import operator
import warnings
from collections.abc import Sequence
from typing import Any

from .. import backends
from .._dtypes import bool_ as boolean
from .._dtypes import int32, int64, uint8
from .._errors import wrap_dim
from .._inplace import (
    check_writable,
    overwrite,
    recorded,
    write_back,
)  # fmt: skip
from .._tensor import F, Tensor
from ._register import composite
from .shape import reshape
from .write import copy_, plain_slice

Advanced = list[tuple[int, Tensor]]
WHOLE = slice(None)


# ---- x[key] and x[key] = value


@composite(public="m", name="__getitem__")
def getitem(self: Tensor, key: Any) -> Tensor:
    """`x[key]`: a view for integers, slices, None and Ellipsis; a copy for index tensors."""
    kind = type(key)
    if kind is int:
        return F.slice(self, (key,))
    basic, advanced = _parse(self, key)
    out = self if basic is None else F.slice(self, basic)
    if advanced:
        return F.index(out, [t for _, t in advanced], tuple([d for d, _ in advanced]))
    return F.slice(self, ()) if basic is None else out


@composite(public="m", name="__setitem__")
def setitem(self: Tensor, key: Any, value: Any) -> None:
    """`x[key] = value`: writes into the memory of `x`, a number or a tensor that broadcasts."""
    if isinstance(key, Tensor) and _is_mask_fill(self, key, value):
        mask = F.view(key, key.array.shape + (1,) * (self.array.ndim - key.array.ndim))
        check_writable(self)
        write_back(self, F.where(mask, _scalar(self, value), self), "__setitem__")
        return
    basic, advanced = _parse(self, key)
    target = self if basic is None else F.slice(self, basic)
    number = _as_number(self, value)
    if number is not None and not advanced:
        overwrite(target, number)
        return
    if number is not None:
        value = _scalar(self, number)
    elif advanced and value.ndim == 0 and value.device != self.device:
        value = F.to_device(value, self.device, value.device)
    if advanced:
        dims = tuple([d for d, _ in advanced])
        _index_put(target, [t for _, t in advanced], dims, _unpadded(value, None), False)
    else:
        copy_(target, _unpadded(value, target.array.ndim))


def _is_mask_fill(self: Tensor, key: Tensor, value: Any) -> bool:
    """Whether `self[key] = value` puts one number where a mask says."""
    return (
        key.dtype is boolean
        and 0 < key.array.ndim <= self.array.ndim
        and key.array.shape == self.array.shape[: key.array.ndim]
        and key.device == self.device
        and isinstance(value, int | float)
    )


def _unpadded(value: Tensor, ndim: int | None) -> Tensor:
    """The value without leading dimensions of size 1 (beyond `ndim`)."""
    shape = value.array.shape
    drop = 0
    while drop < len(shape) and shape[drop] == 1 and (ndim is None or len(shape) - drop > ndim):
        drop += 1
    return F.view(value, shape[drop:]) if drop else value


def _as_number(self: Tensor, value: Any) -> Any:
    """A Python number if `value` is one (NumPy's included), None for a Tensor."""
    if isinstance(value, int | float | complex):
        return value
    if isinstance(value, Tensor):
        return None
    if getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()
    raise TypeError(
        f"can't assign a {type(value).__name__} to a {self.dtype} tensor; wrap it with "
        "pyrite.tensor(...)"
    )


def _scalar(like: Tensor, number: Any) -> Tensor:
    """A 0-d tensor with the dtype and device of `like`."""
    return F.full((), number, like.dtype, device=like.device)


def _parse(self: Tensor, key: Any) -> tuple[tuple[Any, ...] | None, Advanced]:
    """A key as a basic index (None if it takes all) and index tensors by dimension after it."""
    items = key if isinstance(key, tuple) else (key,)
    items = tuple([_plain_item(self, item) for item in items])
    used = sum(_consumed(item) for item in items)
    if used > self.array.ndim and not (used == 1 and isinstance(items[0], int)):
        raise IndexError(f"too many indices for tensor of dimension {self.array.ndim}")
    basic: list[Any] = []
    advanced: Advanced = []
    at = taken = 0  # dimension of the result so far, dimension of self
    for item in items:
        if item is Ellipsis:
            rest = self.array.ndim - used
            basic += [WHOLE] * rest
            at, taken, used = at + rest, taken + rest, self.array.ndim
        elif isinstance(item, Tensor):
            names = _index_tensors(self, item, taken)
            basic += [WHOLE if item.array.ndim or not _is_mask(item) else None] * len(names)
            advanced += [(at + i, t) for i, t in enumerate(names)]
            at, taken = at + len(names), taken + _consumed(item)
        else:
            basic.append(item)
            at += not isinstance(item, int)
            taken += item is not None
    if advanced and all(item is WHOLE for item in basic):
        return None, advanced
    return tuple(basic), advanced


def _plain_item(self: Tensor, item: Any) -> Any:
    """One item as an int, a slice of ints, None, Ellipsis or an index tensor."""
    if item is None or item is Ellipsis or type(item) is int:
        return item
    if isinstance(item, slice):
        return WHOLE if item == WHOLE else plain_slice(item.start, item.stop, item.step)
    if isinstance(item, Tensor):
        if (
            item.array.ndim == 0
            and item.dtype not in (boolean, uint8)
            and item.array.dtype.kind in "iu"
        ):
            return int(item)
        return item
    if isinstance(item, bool | Sequence) or getattr(item, "ndim", False):
        return _as_index(self, item)
    if hasattr(item, "__index__"):
        return operator.index(item)
    raise IndexError(
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {type(item).__name__})"
    )


def _as_index(self: Tensor, item: Any) -> Tensor:
    """A list, range or array as an index tensor."""
    if isinstance(item, str):
        raise TypeError("new(): invalid data type 'str'")
    if isinstance(item, Sequence):
        item = [v.tolist() if isinstance(v, Tensor) else v for v in item]
    host = backends.get("cpu").asarray(item)
    return Tensor(host.astype("int64") if host.size == 0 and host.dtype.kind == "f" else host)


def _is_mask(item: Tensor) -> bool:
    return item.dtype is boolean or item.dtype is uint8


def _consumed(item: Any) -> int:
    """How many dimensions of the tensor an item indexes."""
    if item is None or item is Ellipsis:
        return 0
    return item.array.ndim if isinstance(item, Tensor) and _is_mask(item) else 1


def _index_tensors(self: Tensor, item: Tensor, dim: int) -> list[Tensor]:
    """Integer index tensors on the device of `self`, one per dimension that the item indexes."""
    if item.device != self.device:
        item = F.to_device(item, self.device, item.device)
    if not _is_mask(item):
        if item.dtype not in (int64, int32):
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        return [item]
    if item.dtype is uint8:
        warnings.warn(
            "indexing with dtype uint8 is deprecated, please use a dtype bool instead",
            stacklevel=5,
        )
    shape, whole = item.array.shape, self.array.shape
    for d, n in enumerate(shape, dim):
        if n != whole[d]:
            raise IndexError(
                f"The shape of the mask {list(shape)} at index {d - dim} does not match the shape "
                f"of the indexed tensor {list(whole)} at index {d}"
            )
    return list(F.unbind(F.nonzero(item if shape else reshape(item, 1)), 1))


# ---- writes at indices


def _index_put(
    self: Tensor, indices: list[Tensor], dims: tuple[int, ...], values: Tensor, accumulate: bool,
    wrap: bool = True, name: str = "index_put_",
) -> Tensor:  # fmt: skip
    """Write or add at indices in place: into the memory, or through the history if recorded."""
    if values.dtype is not self.dtype:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{self.dtype} for the destination and {values.dtype} for the source."
        )
    check_writable(self, (values,))
    if recorded(self, values):
        out = F.index_put(self, values, indices, dims, accumulate, wrap)
        return write_back(self, out, name)
    F.index_write(self, values, indices, dims, accumulate, wrap)
    return self


def _indices(
    self: Tensor, indices: Sequence[Tensor | None]
) -> tuple[list[Tensor], tuple[int, ...]]:
    """The index tensors of `index_put` and their dimensions; None leaves a dimension whole."""
    if not isinstance(indices, tuple | list):
        kind = type(indices).__name__
        raise TypeError(f"index_put(): argument 'indices' must be tuple of Tensors, not {kind}")
    basic, advanced = _parse(self, tuple([WHOLE if i is None else _vector(i) for i in indices]))
    if basic is not None:
        raise IndexError("index_put(): expected index tensors with dimensions to name")
    return [t for _, t in advanced], tuple([d for d, _ in advanced])


def _vector(index: Tensor) -> Tensor:
    """An index as a tensor of at least one dimension, which advanced indexing keeps a tensor."""
    return index if index.array.ndim or _is_mask(index) else reshape(index, 1)


@composite()
def index_put(
    input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False
) -> Tensor:
    """A copy with `values` written (or added) at `input[indices]`."""
    return index_put_(F.clone(input), indices, values, accumulate)


@composite(name="index_put_")
def index_put_(
    self: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False
) -> Tensor:
    """Write (or add) `values` at `self[indices]`; of repeated indices the last counts."""
    tensors, dims = _indices(self, indices)
    return _index_put(self, tensors, dims, values, accumulate)


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
    if source.dtype is not self.dtype:
        raise RuntimeError(
            f"{name}(): self ({self.dtype}) and source ({source.dtype}) must have the same scalar "
            "type"
        )
    x = source if source.array.ndim else F.view(source, (1,))
    count = index.array.size
    mine, its = self.array.shape or (1,), x.array.shape
    if len(mine) != len(its) or mine[:dim] + mine[dim + 1 :] != its[:dim] + its[dim + 1 :]:
        raise RuntimeError(
            "source tensor shape must match self tensor shape, excluding the specified dimension. "
            f"Got self.shape = {list(self.shape)} source.shape = {list(source.shape)}"
        )
    if its[dim] != count:
        raise RuntimeError(
            f"{name}(): Number of indices ({count}) should be equal to source.size(dim): "
            f"({its[dim]}), for dim: {dim}"
        )
    return x


@composite(name="index_add_")
def index_add_(
    self: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: float = 1
) -> Tensor:
    """Add the slices of `source`, times `alpha`, at the indices of `dim`."""
    x, d, i = _along("index_add_", self, dim, index)
    values = _source("index_add_", self, source, d, i)
    values = values if alpha == 1 else F.cast(F.mul(values, alpha), self.dtype)
    try:
        _index_put(x, [i], (d,), values, True, False, "index_add_")
    except IndexError as error:
        raise RuntimeError(str(error)) from None
    return self


@composite(name="index_copy_")
def index_copy_(self: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """Write the slices of `source` at the indices of `dim`."""
    x, d, i = _along("index_copy_", self, dim, index)
    values = _source("index_copy_", self, source, d, i)
    try:
        _index_put(x, [i], (d,), values, False, False, "index_copy_")
    except IndexError as error:
        raise IndexError(f"index_copy_(): {error}") from None
    return self


@composite(name="index_fill_")
def index_fill_(self: Tensor, dim: int, index: Tensor, value: Any) -> Tensor:
    """Write one value into the slices at the indices of `dim`."""
    if isinstance(value, Tensor):
        if value.array.ndim:
            raise RuntimeError(
                "index_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{value.array.ndim} dimension(s)."
            )
        value = F.cast(value, self.dtype)
    else:
        value = _scalar(self, value)
    x, d, i = _along("index_fill_", self, dim, index)
    if not recorded(self, value):
        _index_put(x, [i], (d,), value, False)
        return self
    # As a mask, so that a repeated index counts once in the gradient.
    n = x.array.shape[d]
    false, true = (F.full(s, v, boolean, device=self.device) for s, v in (((n,), 0), ((), 1)))
    mask = F.index_put(false, true, [i], (0,))
    shape = [n if k == d else 1 for k in range(x.array.ndim)]
    check_writable(self, (value,))
    return write_back(
        self, reshape(F.where(F.view(mask, tuple(shape)), value, x), self.shape), "index_fill_"
    )


# ---- gather and scatter


@composite(out=True)
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """`out[i][j] = input[index[i][j]][j]` for `dim=0`, and so on: the shape of `index`."""
    return F.gather(input, dim, index)


def _scatter(
    self: Tensor, dim: int, index: Tensor, src: Tensor, accumulate: bool, name: str
) -> Tensor:
    if src.dtype is not self.dtype:
        raise RuntimeError(f"{name}(): Expected self.dtype to be equal to src.dtype")
    if src.array.ndim or index.array.ndim:
        src = _cropped(src, index, self)
    check_writable(self, (src,))
    if recorded(self, src):
        return write_back(self, F.scatter(self, dim, index, src, accumulate), name)
    F.scatter_write(self, dim, index, src, accumulate)
    return self


def _cropped(src: Tensor, index: Tensor, self: Tensor) -> Tensor:
    """The part of `src` that belongs to the index."""
    shape, have = index.array.shape, src.array.shape
    if shape == have or not index.array.size or not src.array.ndim:
        return src if index.array.size else F.view(F.blank(src, ()), ())
    if len(shape) != len(have) or any(i > n for i, n in zip(shape, have)):
        raise RuntimeError(
            f"Expected index {list(shape)} to be no larger than self {list(self.shape)} apart from "
            f"dimension and to be no larger size than src {list(have)}"
        )
    return F.slice(src, tuple([slice(0, n) for n in shape]))


@composite(public="m", name="scatter_")
def scatter_(
    self: Tensor, dim: int, index: Tensor, src: Any = None, *, reduce: str | None = None,
    value: Any = None,
) -> Tensor:  # fmt: skip
    """Write `src` (a tensor, or one number) where `index` says; of repeated indices one counts.

    `reduce` "add" or "multiply" combines with what is there.
    """
    src = value if src is None else src
    if not isinstance(src, Tensor):
        src = _scalar(self, src)
        if reduce is not None:
            src = F.expand(src, index.array.shape)
    if reduce == "multiply":
        product = F.scatter_fold(self, dim, index, _cropped(src, index, self), "prod", True)
        return write_back(self, product, "scatter_")
    if reduce not in (None, "add"):
        raise RuntimeError("reduce argument must be either add or multiply.")
    return _scatter(self, dim, index, src, reduce == "add", "scatter_")


@composite(public="m", name="scatter_add_")
def scatter_add_(self: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """Add `src` where `index` says: `self[index[i][j]][j] += src[i][j]` for `dim=0`."""
    return _scatter(self, dim, index, src, True, "scatter_add_")


@composite("fmi", out=True)
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """Fold `src` into a copy where `index` says, by sum, prod, mean, amax or amin.

    `include_self=False` leaves the input's own values out where anything is folded in.
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}."
        )
    if src.dtype is not input.dtype:
        raise RuntimeError("scatter(): Expected self.dtype to be equal to src.dtype")
    src = _cropped(src, index, input)
    if not index.array.size:
        return F.clone(input)
    if reduce not in ("sum", "mean"):
        return F.scatter_fold(input, dim, index, src, reduce, include_self)
    zero, one = _scalar(input, 0), _scalar(input, 1)
    start = input if include_self else F.scatter(input, dim, index, zero)
    out = F.scatter(start, dim, index, src, True)
    if reduce == "sum":
        return out
    ones = F.ones_like(input)
    count = F.scatter(
        ones if include_self else F.scatter(ones, dim, index, zero), dim, index, one, True
    )
    return (F.div if input.dtype.is_floating_point else F.floor_divide)(out, count)


@composite("fmi", out=True)
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """Fold the slices of `source` into a copy at the indices of `dim`: prod, mean, amax, amin."""
    x, d, i = _along("index_reduce", input, dim, index)
    values = _source("index_reduce", input, source, d, i)
    full = F.expand(F.view(i, (-1,) + (1,) * (values.array.ndim - d - 1)), values.array.shape)
    out = scatter_reduce(x, d, full, values, reduce, include_self=include_self)
    return out if input.array.ndim else F.view(out, ())


def _copying(name: str, method: Any) -> None:
    """The out-of-place form of an in-place function: the same on a copy."""

    def function(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return method(F.clone(input), *args, **kwargs)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"A copy of `input` changed by `{name}_`. {method.__doc__}"
    composite(out=True, name=name)(function)


for _name, _method in (
    ("index_add", index_add_), ("index_copy", index_copy_), ("index_fill", index_fill_),
    ("scatter", scatter_), ("scatter_add", scatter_add_),
):  # fmt: skip
    _copying(_name, _method)


@composite(out=True)
def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None) -> Tensor:
    """`gather` with broadcasting of all dimensions but `dim` (None: of the flattened input)."""
    if dim is None:
        return F.gather(reshape(input, -1), 0, reshape(indices, -1))
    d, n = wrap_dim(dim, input.array.ndim), input.array.ndim
    if indices.array.ndim != n:
        raise RuntimeError(
            "take_along_dim(): input and indices should have the same number of dimensions, but "
            f"got {n} dimensions for input, and {indices.array.ndim} dimensions for indices"
        )
    pairs = [(max(a, b) if 0 not in (a, b) else 0) for a, b in zip(input.shape, indices.shape)]
    wide = [m if k != d else s for k, (m, s) in enumerate(zip(pairs, input.shape))]
    at = [m if k != d else s for k, (m, s) in enumerate(zip(pairs, indices.shape))]
    index = F.expand(indices, tuple(at))
    size = input.array.shape[d]
    return F.gather(
        F.expand(input, tuple(wide)), d, F.where(F.lt(index, 0), F.add(index, size), index)
    )


@composite(out=True)
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements of the flattened input: the shape of `index`."""
    if index.dtype is not int64:
        raise RuntimeError(f"take(): Expected a long tensor for index, but got {index.dtype}")
    try:
        out = F.index(reshape(input, -1), [reshape(index, -1)], (0,))
    except IndexError as error:
        raise _out_of_elements(input, error) from None
    return reshape(out, index.shape)


def _out_of_elements(input: Tensor, error: IndexError) -> IndexError:
    if not input.array.size:
        return IndexError("take(): tried to take from an empty tensor")
    return IndexError(
        f"out of range: {error} (a tensor of {input.array.size} elements, counted flat)"
    )


@composite()
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """A copy with `source` written (or added) at indices of the flattened tensor."""
    return put_(F.clone(input), index, source, accumulate)


@composite(name="put_")
def put_(self: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """Write (or add) `source` at indices of the flattened tensor."""
    if index.array.size != source.array.size:
        raise RuntimeError(
            f"put_(): Expected source and index to have the same number of elements, but got "
            f"source.numel() = {source.array.size}, index.numel() = {index.array.size}"
        )
    if source.dtype is not self.dtype:
        raise RuntimeError(
            "put_(): self and source expected to have the same dtype, but got self.dtype = "
            f"{self.dtype} and source.dtype = {source.dtype}"
        )
    check_writable(self, (source,))
    flat, places = reshape(self, -1), [reshape(index, -1)]
    try:
        out = F.index_put(flat, reshape(source, -1), places, (0,), accumulate)
    except IndexError as error:
        raise _out_of_elements(self, error) from None
    return write_back(self, reshape(out, self.shape), "put_")


# ---- masks


@composite(out=True)
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in one dimension; both broadcast."""
    if mask.dtype is not boolean:
        raise RuntimeError(f"masked_select: expected BoolTensor for mask, got {mask.dtype}")
    shape = tuple(F.logical_and(mask, F.ne(input, input)).shape)
    return getitem(F.expand(input, shape), F.expand(mask, shape))


@composite()
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with elements of `source`, in order, where the mask holds; both broadcast."""
    if input.dtype is not source.dtype:
        raise RuntimeError("masked_scatter: expected self and source to have same dtypes but got "
                           f"{input.dtype} and {source.dtype}")  # fmt: skip
    if mask.dtype is not boolean:
        raise RuntimeError(f"masked_scatter: expected BoolTensor for mask, got {mask.dtype}")
    shape = tuple(F.logical_and(mask, F.ne(input, input)).shape)
    full = F.expand(input, shape)
    places = F.nonzero(reshape(F.expand(mask, shape), -1))
    count = places.array.shape[0]
    if count > source.array.size:
        raise RuntimeError(
            f"masked_scatter: Number of elements of source < number of ones in mask: "
            f"{source.array.size} < {count}"
        )
    values = F.slice(reshape(source, -1), (slice(0, count),))
    return reshape(F.index_put(reshape(full, -1), values, [F.view(places, (-1,))], (0,)), shape)


@composite(name="masked_scatter_")
def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`masked_scatter` in place."""
    check_writable(self, (source,))
    return write_back(self, masked_scatter(self, mask, source), "masked_scatter_")


@composite(out=True)
def nonzero(input: Tensor, *, as_tuple: bool = False) -> Any:
    """The indices of elements that are not zero: (n, ndim) int64, or one vector per dimension."""
    if not as_tuple:
        return F.nonzero(input)
    return F.unbind(F.nonzero(input if input.array.ndim else F.view(input, (1,))), 1)


@composite()
def argwhere(input: Tensor) -> Tensor:
    """The indices of elements that are not zero: (n, ndim) int64."""
    return F.nonzero(input)
