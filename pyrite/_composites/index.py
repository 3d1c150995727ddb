"""Indexing with torch's rules, and functions that read or write at indices and masks."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from .. import backends
from .._dtypes import bool_ as boolean
from .._dtypes import int32, int64, uint8
from .._inplace import (
    check_no_overlap,
    check_partial_overlap,
    check_writable,
    overwrite,
    write_back,
)
from .._symbols import integer
from .._tensor import F, Tensor
from ..autograd.levels import Wrapped
from ._register import composite
from ._shapes import same_dtype
from .scatter import ADDS, Call, scalar_like, write_at, written
from .shape import broadcast_tensors, expand, reshape
from .write import copy_, fill_, plain_slice

Advanced = list[tuple[int, Tensor]]
WHOLE = slice(None)
_ALL = ((), (Ellipsis,))


# ---- x[key] and x[key] = value


@composite(public="m", name="__getitem__")
def getitem(self: Tensor, key: Any) -> Tensor:
    """`x[key]`: a view for integers, slices, None and Ellipsis; a copy for index tensors."""
    basic = _quick(key)
    if basic is not None:
        return F.slice(self, basic)
    if type(key) is Tensor and type(key.array) is type(self.array):
        out = _by_one(self, key)
        if out is not None:
            return out
    basic, advanced = _parse(self, key)
    out = self if basic is None else F.slice(self, basic)
    if not advanced:
        return out
    return F.index(out, [t for _, t in advanced], tuple([d for d, _ in advanced]))


def _by_one(self: Tensor, key: Tensor) -> Tensor | None:
    """The usual cases of one index tensor or mask, without a look at other items."""
    index, array = key.array, self.array
    kind, n = index.dtype.kind, index.ndim
    if kind == "i" and n and array.ndim and index.dtype.itemsize > 2:
        return F.index(self, (key,), (0,))
    if kind == "b" and n and index.shape == array.shape[:n]:
        flat = self if n == 1 else reshape(self, (index.size, *array.shape[n:]))
        places = F.nonzero(key if n == 1 else reshape(key, (-1,)))
        return F.index(flat, (F.view(places, (-1,)),), (0,))
    return None


def _quick(key: Any) -> tuple[Any, ...] | None:
    """The key as a basic index if it is one of ints, slices, None and Ellipsis, else None."""
    out: list[Any] = []
    for item in key if type(key) is tuple else (key,):
        kind = type(item)
        if kind is slice:
            out.append(_plain(item))
        elif kind is int or item is None or item is Ellipsis:
            out.append(item)
        else:
            return None
    return tuple(out)


def _plain(item: slice) -> slice:
    """The slice as one of ints; ValueError for a step that is not positive."""
    start, stop = item.start, item.stop
    kinds = (int, type(None))
    if item.step is None and type(start) in kinds and type(stop) in kinds:
        return item
    return plain_slice(start, stop, item.step)


@composite(public="m", name="__setitem__")
def setitem(self: Tensor, key: Any, value: Any) -> None:
    """`x[key] = value`: writes into the memory of `x`, a number or a tensor that broadcasts."""
    if isinstance(key, Tensor) and _is_mask_fill(self, key, value):
        mask = F.view(key, key.array.shape + (1,) * (self.array.ndim - key.array.ndim))
        check_writable(self)
        write_back(self, F.where(mask, scalar_like(self, value), self), "__setitem__")
        return
    advanced: Advanced = []
    basic = _quick(key)
    if basic is None:
        basic, advanced = _parse(self, key)
    target = self if basic is None or basic in _ALL else F.slice(self, basic)
    number = _as_number(self, value)
    if advanced:
        value = scalar_like(self, number) if number is not None else _moved(value, self)
        if isinstance(key, Tensor) and _is_mask(key) and value.array.size == 1:
            value = F.cast(F.clone(value), self.dtype)
        write_at(target, _put_call(target, advanced, _unpadded(value, None), False), "__setitem__")
    elif number is None:
        if value.storage is not None and value.storage is target.storage:
            value = _spread(value, target)
        value = _unpadded(value, target.array.ndim)
        (copy_ if value.array.ndim else fill_)(target, value)
    else:
        overwrite(target, number)


def _spread(value: Tensor, target: Tensor) -> Tensor:
    """A value from the target's memory in its shape; RuntimeError if it lies there otherwise."""
    if not value.array.ndim:
        return value
    if value.array.shape != target.array.shape:
        value = _unpadded(value, None)
        value = expand(value, target.array.shape) if value.array.ndim else value
    check_partial_overlap(target, (value,))
    return value


def _moved(value: Tensor, like: Tensor) -> Tensor:
    """A single value on the device of `like`."""
    if value.array.ndim or type(value.array) is type(like.array):
        return value
    return F.to_device(value, like.device, value.device)


def _is_mask_fill(self: Tensor, key: Tensor, value: Any) -> bool:
    """Whether `self[key] = value` puts one number where a mask says."""
    return (
        key.dtype is boolean
        and 0 < key.array.ndim <= self.array.ndim
        and key.array.shape == self.array.shape[: key.array.ndim]
        and type(key.array) is type(self.array)
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
        return WHOLE if item == WHOLE else _plain(item)
    if isinstance(item, Tensor):
        number = not (item.array.ndim or _is_mask(item)) and item.array.dtype.kind in "iu"
        return int(item) if number and not isinstance(item, Wrapped) else item
    if isinstance(item, bool | Sequence) or getattr(item, "ndim", False):
        return _as_index(self, item)
    if hasattr(item, "__index__"):
        return integer(item)
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
    if type(item.array) is not type(self.array):
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


@written()
def index_put(
    input: Tensor, indices: Sequence[Tensor], values: Tensor, accumulate: bool = False
) -> Call:
    """`values` written (or added) at `input[indices]`; of repeated indices the last counts."""
    if not isinstance(indices, tuple | list):
        kind = type(indices).__name__
        raise TypeError(f"index_put(): argument 'indices' must be tuple of Tensors, not {kind}")
    basic, advanced = _parse(input, tuple([WHOLE if i is None else _vector(i) for i in indices]))
    if basic is not None:
        raise IndexError("index_put(): expected index tensors with dimensions to name")
    return _put_call(input, advanced, values, accumulate)


def _put_call(input: Tensor, advanced: Advanced, values: Tensor, accumulate: bool) -> Call:
    same_dtype("index_put", input, values)
    check_no_overlap(input, values)
    at, dims = [t for _, t in advanced], tuple([d for d, _ in advanced])
    return ADDS[accumulate], input, (values, at, dims, accumulate)


def _vector(index: Tensor) -> Tensor:
    """An index as a tensor of at least one dimension, which advanced indexing keeps a tensor."""
    return index if index.array.ndim or _is_mask(index) else reshape(index, 1)


# ---- masks


@composite(out=True)
def masked_select(input: Tensor, mask: Tensor) -> Tensor:
    """The elements where the mask holds, in one dimension; both broadcast."""
    return getitem(*_masked("masked_select", input, mask))


def _masked(name: str, input: Tensor, mask: Tensor) -> tuple[Tensor, ...]:
    """The input and its mask, broadcast."""
    if mask.dtype is not boolean:
        raise RuntimeError(f"{name}: expected BoolTensor for mask, got {mask.dtype}")
    return broadcast_tensors(input, mask)


@composite()
def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """`input` with elements of `source`, in order, where the mask holds; both broadcast."""
    same_dtype("masked_scatter", input, source)
    full, mask = _masked("masked_scatter", input, mask)
    places = F.nonzero(reshape(mask, -1))
    count = places.array.shape[0]
    if count > source.array.size:
        raise RuntimeError(
            f"masked_scatter: Number of elements of source < number of ones in mask: "
            f"{source.array.size} < {count}"
        )
    values = F.slice(reshape(source, -1), (slice(0, count),))
    return reshape(
        F.index_put(reshape(full, -1), values, [F.view(places, (-1,))], (0,)), full.array.shape
    )


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


# ---- positions


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
