"""Ops that read and write at indices: advanced indexing, gather and scatter.

Sums at repeated indices run in the order of the indices, so results repeat bit for bit; a backend
whose `add.at` has no fixed order brings kernels of its own for these ops. `ravel_multi_index`
without a mode refuses indices out of range where that costs no transfer (NumPy) and wraps them
elsewhere.
"""

from __future__ import annotations

import math
from typing import Any

from .._errors import wrap_dim
from .._formats import broadcast_steps, ordered
from .table import Array, Arrays, op

Ints = tuple[int, ...]


def _out_of_range(index: Any, size: int, dim: int, least: int = 0) -> IndexError:
    """The error of torch for the first index outside of [least, size)."""
    bad = index[(index < least) | (index >= size)].reshape(-1)[0]
    return IndexError(f"index {int(bad)} is out of bounds for dimension {dim} with size {size}")


def _key(input: Any, indices: Any, dims: Ints, wrap: bool, xp: Any) -> tuple[Any, ...]:
    """The array library's key: index arrays at `dims`, whole slices before and between."""
    key: list[Any] = [slice(None)] * (dims[-1] + 1)
    for d, index in zip(dims, indices, strict=True):
        key[d] = index if wrap else _checked(xp, index, input.shape[d], d)
    return tuple(key)


def _checked(xp: Any, index: Any, size: int, dim: int) -> Any:
    """The index; IndexError if one is negative or too large."""
    try:
        return xp.ravel_multi_index((index,), (size,)) if index.size else index
    except ValueError:
        raise _out_of_range(index, size, dim) from None


def _explained(input: Any, indices: Any, dims: Ints, error: IndexError) -> IndexError:
    """The words of torch for what went wrong with an index."""
    for d, index in zip(dims, indices, strict=True):
        n = input.shape[d]
        if index.size and (int(index.min()) < -n or int(index.max()) >= n):
            return _out_of_range(index, n, d, -n)
    if "broadcast" in str(error):
        shapes = ", ".join(str(list(i.shape)) for i in indices)
        return IndexError(
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
        )
    return error


@op(kind="move", public="")
def index(xp: Any, input: Array, indices: Arrays, dims: Ints, wrap: bool = True) -> Array:
    """Elements at integer indices of `dims`; `wrap` allows negative ones."""
    key = _key(input, indices, dims, wrap, xp)
    try:
        out = input.take(key[-1], dims[0]) if len(indices) == 1 else input[key]
    except IndexError as error:
        raise _explained(input, indices, dims, error) from None
    return out if out.ndim < 2 else _arranged(out, input, indices, dims)


def _arranged(out: Any, input: Any, indices: Any, dims: Ints) -> Any:
    """The result of indexing in torch's order of memory."""
    if input.flags.c_contiguous and all(i.flags.c_contiguous for i in indices):
        return out if out.flags.c_contiguous else out.copy("C")
    rest = [step for d, step in enumerate(input.strides) if d not in dims]
    new, first = out.ndim - len(rest), dims[0] if dims[-1] - dims[0] < len(dims) else 0
    steps = [[*rest[:first], *[0] * new, *rest[first:]]]
    for i in indices:
        inner = broadcast_steps(i, out.shape[first : first + new])
        steps.append([*[0] * first, *inner, *[0] * (len(rest) - first)])
    return ordered(out, steps)


index.vjp(
    input=lambda F, g, indices, dims, input_shape: F.index_grad(g, indices, dims, input_shape)
)


@op(kind="update", outputs=("input",), public="")
def index_write(
    xp: Any, input: Array, values: Array, indices: Arrays, dims: Ints, accumulate: bool = False,
    wrap: bool = True,
) -> None:  # fmt: skip
    """Write (or add) `values` at integer indices of `dims`, in the input's own memory."""
    key = _key(input, indices, dims, wrap, xp)
    try:
        if not accumulate:
            input[key] = values
        elif input.size:
            _add_at(xp, input, _flat(xp, input.shape, indices, dims), values)
    except IndexError as error:
        raise _explained(input, indices, dims, error) from None
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to "
            f"indexing result of shape {list(input[key].shape)}"
        ) from None


@op(kind="move", public="")
def index_grad(xp: Any, g: Array, indices: Arrays, dims: Ints, size: Ints) -> Array:
    """Zeros of shape `size` with `g` added at the indices."""
    out = xp.zeros(size, g.dtype)
    index_write.generic(xp, out, g, indices, dims, True)
    return out


index_grad.vjp(g=lambda F, g, indices, dims: F.index(g, indices, dims))


@op(kind="move", public="")
def index_put(
    xp: Any, input: Array, values: Array, indices: Arrays, dims: Ints, accumulate: bool = False,
    wrap: bool = True,
) -> Array:  # fmt: skip
    """A copy with `values` written (or added) at integer indices of `dims`."""
    out = input.copy()
    index_write.generic(xp, out, values, indices, dims, accumulate, wrap)
    return out


def _overwritten(F: Any, g: Any, indices: Any, dims: Ints, accumulate: bool) -> Any:
    return g if accumulate else F.index_put(g, F.blank(g, ()), indices, dims)


index_put.vjp(input=_overwritten, values=lambda F, g, indices, dims: F.index(g, indices, dims))


@op(kind="move", public="")
def index_put_add(
    xp: Any, input: Array, values: Array, indices: Arrays, dims: Ints, accumulate: bool = True,
    wrap: bool = True,
) -> Array:  # fmt: skip
    """`index_put` that adds: the slope in `input` needs no indices, so none are kept for it."""
    return index_put.generic(xp, input, values, indices, dims, accumulate, wrap)


index_put_add.vjp(input=lambda g: g, values=lambda F, g, indices, dims: F.index(g, indices, dims))


def _flat(xp: Any, shape: Ints, indices: Any, dims: Ints) -> Any:
    """Flat positions in an array of `shape` that indices at `dims` name, laid out as they index."""
    steps = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    named: Any = 0
    for d, index in zip(dims, indices, strict=True):
        named = named + _checked(xp, index + shape[d] * (index < 0), shape[d], d) * steps[d]
    together = dims[-1] - dims[0] == len(dims) - 1
    before = [d for d in range(dims[0]) if together]
    after = [d for d in range(len(shape)) if d not in dims and d not in before]
    total = len(before) + named.ndim + len(after)
    places = named.reshape(named.shape + (1,) * len(after))
    for i, d in [*enumerate(before), *enumerate(after, len(before) + named.ndim)]:
        steps_d = xp.arange(shape[d]) * steps[d]
        places = places + steps_d.reshape((-1,) + (1,) * (total - i - 1))
    return places


def _add_at(xp: Any, out: Any, places: Any, values: Any) -> None:
    """Add values at flat positions; half types and bool sum in a type that can hold the sum."""
    wide = xp.float32 if out.dtype.kind not in "biu" and out.dtype.itemsize == 2 else out.dtype
    flat = out.reshape(-1).astype(wide, copy=False)
    values = xp.broadcast_to(values, places.shape).reshape(-1).astype(wide, copy=False)
    xp.add.at(flat, places.reshape(-1), values)
    if not xp.may_share_memory(flat, out):
        out[...] = flat.reshape(out.shape)


# ---- along one dimension


def _places(xp: Any, name: str, shape: Ints, dim: int, index: Any) -> Any:
    """Flat positions in an array of `shape` that `index`, replacing coordinate `dim`, names."""
    shape = shape or (1,)
    d = wrap_dim(dim, len(shape))
    index = index.reshape(1) if not index.ndim else index
    _check_index(name, shape, d, index)
    if not index.size:
        return xp.zeros(index.shape, index.dtype)
    places: list[Any] = [
        xp.arange(n).reshape((-1,) + (1,) * (index.ndim - i - 1)) for i, n in enumerate(index.shape)
    ]
    places[d] = index
    try:
        return xp.ravel_multi_index(tuple(places), shape)
    except ValueError:
        raise RuntimeError(str(_out_of_range(index, shape[d], d))) from None


def _check_index(name: str, shape: Ints, d: int, index: Any) -> None:
    if index.size and (index.dtype.kind != "i" or index.dtype.itemsize < 4):
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index, got {index.dtype}")
    if index.ndim != len(shape) and index.size:
        raise RuntimeError(
            "Index tensor must have the same number of dimensions as input tensor, got "
            f"{index.ndim} and {len(shape)}"
        )
    if any(i > n for k, (i, n) in enumerate(zip(index.shape, shape)) if k != d) and index.size:
        raise RuntimeError(
            f"{name}(): Expected index {list(index.shape)} to be no larger than self {list(shape)} "
            f"apart from dimension {d}"
        )


@op(kind="move", public="")
def gather(xp: Any, input: Array, dim: int, index: Array) -> Array:
    """`out[i][j] = input[index[i][j]][j]` for `dim=0`, and so on: shape of `index`."""
    places = _places(xp, "gather", input.shape, dim, index)
    if not index.size:
        return xp.zeros(index.shape, input.dtype)
    return input.reshape(-1).take(places).reshape(index.shape)


gather.vjp(input=lambda F, g, dim, index, input_shape: F.gather_grad(g, dim, index, input_shape))


@op(kind="update", outputs=("input",), public="")
def scatter_write(
    xp: Any, input: Array, dim: int, index: Array, src: Array, accumulate: bool = False
) -> None:
    """Write (or add) `src` where `index` says, in the input's own memory."""
    places = _places(xp, "scatter", input.shape, dim, index)
    if not index.size:
        return
    src = xp.broadcast_to(src, places.shape)
    if accumulate:
        _add_at(xp, input, places, src)
        return
    flat = input.reshape(-1)
    flat[places.reshape(-1)] = src.reshape(-1)
    if not xp.may_share_memory(flat, input):
        input[...] = flat.reshape(input.shape)


@op(kind="move", public="")
def gather_grad(xp: Any, g: Array, dim: int, index: Array, size: Ints) -> Array:
    """Zeros of shape `size` with `g` added where `gather` read."""
    out = xp.zeros(size, g.dtype)
    scatter_write.generic(xp, out, dim, index, g, True)
    return out


gather_grad.vjp(g=lambda F, g, dim, index: F.gather(g, dim, index))


@op(kind="move", public="")
def scatter(
    xp: Any, input: Array, dim: int, index: Array, src: Array, accumulate: bool = False
) -> Array:
    """A copy with `src` (of the shape of `index`, or 0-d) written where `index` says."""
    out = input.copy()
    scatter_write.generic(xp, out, dim, index, src, accumulate)
    return out


def _scattered(F: Any, g: Any, dim: int, index: Any) -> Any:
    return F.scatter(g, dim, index, F.blank(g, ()))


scatter.vjp(input=_scattered, src=lambda F, g, dim, index: F.gather(g, dim, index))


@op(kind="move", public="")
def scatter_sum(
    xp: Any, input: Array, dim: int, index: Array, src: Array, accumulate: bool = True
) -> Array:
    """`scatter` that adds: the slope in `input` needs no indices, so none are kept for it."""
    return scatter.generic(xp, input, dim, index, src, accumulate)


scatter_sum.vjp(input=lambda g: g, src=lambda F, g, dim, index: F.gather(g, dim, index))


_EXTREMES = {"amax": "maximum", "amin": "minimum", "prod": "multiply"}


@op(dtypes="any", public="")
def scatter_fold(
    xp: Any, input: Array, dim: int, index: Array, src: Array, reduce: str, include_self: bool
) -> Array:
    """A copy folded by amax, amin or prod with the values of `src` where `index` says."""
    places = _places(xp, "scatter_reduce", input.shape, dim, index).reshape(-1)
    out = input.copy()
    if not index.size:
        return out
    flat, values = out.reshape(-1), src.reshape(-1)
    if not include_self:
        flat[places] = values  # an element of the group stands for the start ...
        if reduce == "prod":
            flat[places] = 1
    getattr(xp, _EXTREMES[reduce]).at(flat, places, values)  # ... and max(v, v) is v
    return flat.reshape(out.shape)


def _fold_vjp(F: Any, g: Any, out: Any, input: Any, index: Any, src: Any, attrs: Any) -> Any:
    dim, reduce, include_self = attrs
    rule = _prod_grads if reduce == "prod" else _extreme_grads
    to_self, to_src = rule(F, g, out, input, dim, index, src, include_self)
    if not include_self:
        to_self = F.scatter(to_self, dim, index, F.blank(g, ()))
    return to_self, None, to_src


def _extreme_grads(
    F: Any, g: Any, out: Any, input: Any, dim: int, index: Any, src: Any, include_self: bool
) -> Any:
    """The gradient shared equally by all elements that are the extreme."""
    kept = F.eq(input, out)
    if not include_self:
        kept = F.scatter(kept, dim, index, F.blank(kept, ()))
    chosen = F.eq(src, F.gather(out, dim, index))
    kept, chosen = F.mul(F.ones_like(out), kept), F.mul(F.ones_like(src), chosen)
    share = F.div(g, F.scatter_sum(kept, dim, index, chosen))
    return F.mul(share, kept), F.mul(F.gather(share, dim, index), chosen)


def _prod_grads(
    F: Any, g: Any, out: Any, input: Any, dim: int, index: Any, src: Any, include_self: bool
) -> Any:
    """The product of all other factors, also where one or more of them are zero."""

    def product(start: Any, factors: Any) -> Any:
        return F.scatter_fold(start, dim, index, factors, "prod", include_self)

    zero, none = F.eq(src, 0), F.eq(input, 0)
    own = F.where(none, F.ones_like(input), input)
    to_self = F.div(F.mul(g, product(own, src)), own)
    count = F.scatter_sum(F.zeros_like(out), dim, index, F.mul(F.ones_like(src), zero))
    single = F.mul(zero, F.eq(F.gather(count, dim, index), 1))
    others = F.mul(g, product(input, F.where(single, F.ones_like(src), src)))
    usual = F.div(F.gather(F.mul(g, out), dim, index), F.where(zero, F.ones_like(src), src))
    return to_self, F.where(single, F.gather(others, dim, index), usual)


scatter_fold.vjp_joint(_fold_vjp)


# ---- where


@op(kind="move", public="", outputs=("~out",))
def nonzero(xp: Any, input: Array) -> Array:
    """The indices of all elements that are not zero, one row each: (n, ndim) int64."""
    if input.ndim < 2:
        return xp.nonzero(input.reshape(-1))[0].reshape(-1, 1)[:, : input.ndim]
    return xp.stack(xp.nonzero(input), 1).astype("int64", copy=False)
