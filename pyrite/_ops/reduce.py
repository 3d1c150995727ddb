"""Reductions over dimensions, and cumulative ops along one.

`dim` is an int, a tuple of them, or None or () for all; a 0-d tensor counts as one dimension.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

from .._dtypes import float64
from .._errors import wrap_dim
from .pointwise import is_complex, log_add_exp
from .table import Array, op

Dims: TypeAlias = int | Sequence[int] | None


def axes(dim: Dims, ndim: int) -> int | tuple[int, ...] | None:
    """`dim` as an array library's axis; IndexError out of range, RuntimeError if one repeats."""
    if dim is None:
        return None
    if isinstance(dim, int):
        axis = wrap_dim(dim, ndim)
        return axis if ndim else None
    wrapped = tuple([wrap_dim(d, ndim) for d in dim])
    for i, d in enumerate(wrapped):
        if d in wrapped[:i]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims {tuple(dim)}")
    return wrapped if wrapped and ndim else None


def reduced(dim: Dims, ndim: int) -> tuple[int, ...]:
    """The dimensions that `dim` reduces."""
    axis = axes(dim, ndim)
    return tuple(range(ndim)) if axis is None else (axis,) if isinstance(axis, int) else axis


def count(shape: tuple[int, ...], dim: Dims) -> int:
    """The number of elements behind each result."""
    if dim is None:
        return math.prod(shape)
    return math.prod([shape[d] for d in reduced(dim, len(shape))])


_FEW = 4096
_DOUBLE = float64.numpy


def few(input: Any) -> bool:
    """Whether sums are few enough to take them in double precision."""
    return input.size <= _FEW and input.dtype.itemsize <= 4


def total(xp: Any, input: Any, axis: Any, keepdims: bool, parts: int = 1) -> Any:
    """The sum of floating numbers over `parts`, in double precision where there are few.

    Few numbers are added one after the other; double makes that as good as a cascade of sums.
    """
    if input.size > _FEW or (kind := input.dtype).itemsize > 4:
        out = input.sum(axis, None, None, keepdims)
        return out if parts == 1 else out / parts
    out = input.sum(axis, _DOUBLE, None, keepdims)
    out = out if parts == 1 else out / parts
    return out.astype(kind) if out.ndim else xp.asarray(out, kind)


def average(xp: Any, input: Any, dim: Dims, keepdims: bool) -> Any:
    """The mean of floating numbers over `dim`."""
    return total(xp, input, axes(dim, input.ndim), keepdims, count(input.shape, dim))


def kept(F: Any, value: Any, dim: Dims, keepdim: bool, shape: tuple[int, ...]) -> Any:
    """A reduced value with its dimensions of size 1 back, so that it broadcasts to `shape`."""
    if keepdim:
        return value
    sizes = list(shape)
    for d in reduced(dim, len(shape)):
        sizes[d] = 1
    return F.reshape(value, tuple(sizes))


def expand_reduced(F: Any, g: Any, dim: Dims, keepdim: bool, input_shape: tuple[int, ...]) -> Any:
    """A reduced gradient stretched back over the dimensions that were reduced."""
    return F.expand(kept(F, g, dim, keepdim, input_shape), input_shape)


def _chosen_axes(name: str, input: Any, dim: Dims) -> int | tuple[int, ...] | None:
    """The axes of a choice; without elements RuntimeError, for one dimension IndexError."""
    if input.size or count(input.shape, dim):
        return axes(dim, input.ndim)
    if dim is None or dim == ():
        raise (IndexError if name.startswith("arg") else RuntimeError)(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the "
            f"reduction dim with the 'dim' argument (shape {list(input.shape)})."
        )
    raise IndexError(
        f"{name}(): Expected reduction dim {dim} to have non-zero size, got a tensor of shape "
        f"{list(input.shape)}; specify a dim that has elements"
    )


def _total(xp: Any, input: Any) -> Any:
    """The dtype of sums and products: int64 for integers and bool."""
    return xp.int64 if input.dtype.kind in "biu" else None


def _floating(name: str, input: Any) -> None:
    if input.dtype.kind not in "fcV":
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point "
            f"or complex dtype. Got: {input.dtype.name}; convert with .float()"
        )


# ---- sums and products


@op(kind="reduce", complex="holomorphic", public="", onnx="ReduceSum")
def sum(xp: Any, input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The sum over `dim`; integers and bool in int64."""
    axis = axes(dim, input.ndim)
    if input.dtype.kind == "f":
        return total(xp, input, axis, keepdim)
    return input.sum(axis=axis, dtype=_total(xp, input), keepdims=keepdim)


sum.vjp(input=expand_reduced)


@op(kind="reduce", complex="holomorphic", public="", onnx="ReduceMean")
def mean(xp: Any, input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """The mean over `dim`; RuntimeError for integers."""
    _floating("mean", input)
    return average(xp, input, dim, keepdim)


def _mean_vjp(F: Any, g: Any, dim: Any, keepdim: bool, input_shape: tuple[int, ...]) -> Any:
    """Divided last: the gradient of a mean is no view of one number."""
    g = expand_reduced(F, g, dim, keepdim, input_shape)
    return F.div(g, count(input_shape, dim) or 1)


mean.vjp(input=_mean_vjp)


@op(kind="reduce", complex="holomorphic", public="", onnx="ReduceProd")
def prod(xp: Any, input: Array, dim: int, keepdim: bool = False) -> Array:
    """The product over one dimension; integers and bool in int64."""
    axis = axes(dim, input.ndim)
    if input.dtype.kind == "f" and few(input):
        return xp.asarray(input.prod(axis, _DOUBLE, None, keepdim), input.dtype)
    return input.prod(axis=axis, dtype=_total(xp, input), keepdims=keepdim)


def _prod_vjp(F: Any, g: Any, input: Any, dim: int, keepdim: bool) -> Any:
    """As the last element of the cumulative product, which is exact at zeros."""
    shape = input.shape
    if not shape:
        return g
    last = _part(shape, dim, slice(shape[dim] - 1, None) if shape[dim] else slice(0, 0))
    g = F.slice_grad(kept(F, g, dim, keepdim, shape), last, shape) if shape[dim] else input
    return _cumprod_vjp(F, g, input, F.cumprod(input, dim), dim)


prod.vjp(input=_prod_vjp)


@op(
    kind="reduce", dtypes="float", complex="holomorphic", onnx="ReduceLogSumExp",
    aliases=("special.logsumexp",),
)  # fmt: skip
def logsumexp(xp: Any, input: Array, dim: Any, keepdim: bool = False) -> Array:
    """`log(sum(exp(input)))` over `dim` without overflow."""
    axis = axes(dim, input.ndim)
    if not count(input.shape, dim):
        return xp.log(input.sum(axis=axis, keepdims=keepdim))
    top = (input.real if input.dtype.kind == "c" else input).max(axis=axis, keepdims=True)
    top = xp.where(xp.isfinite(top), top, 0)
    total = xp.log(xp.exp(input - top).sum(axis=axis, keepdims=True)) + top
    return total if keepdim else total.reshape(input.sum(axis=axis).shape)


def _logsumexp_vjp(F: Any, g: Any, input: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    out = kept(F, out, dim, keepdim, input.shape)
    out = F.where(F.eq(out, -math.inf), 0.0, out)
    return F.mul(kept(F, g, dim, keepdim, input.shape), F.exp(F.sub(input, out)))


logsumexp.vjp(input=_logsumexp_vjp)


# ---- spread and size


def _square(x: Any) -> Any:
    """The square of the absolute value."""
    return x.real * x.real + x.imag * x.imag if x.dtype.kind == "c" else x * x


@op(kind="reduce", complex="written", public="")
def var(
    xp: Any, input: Array, dim: Any = None, correction: float = 1, keepdim: bool = False
) -> Array:
    """The mean squared distance from the mean, over n - `correction` elements."""
    _floating("var and std", input)
    axis, n = axes(dim, input.ndim), count(input.shape, dim)
    away = input - input.sum(axis=axis, keepdims=True) / n
    return _square(away).sum(axis=axis, keepdims=keepdim) / max(n - correction, 0)


@op(kind="reduce", complex="written", public="")
def std(
    xp: Any, input: Array, dim: Any = None, correction: float = 1, keepdim: bool = False
) -> Array:
    """The square root of the variance."""
    return xp.sqrt(var.generic(xp, input, dim, correction, keepdim))


def _var_vjp(F: Any, g: Any, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    n = count(input.shape, dim) - correction
    away = F.mul(F.sub(input, F.mean(input, dim, True)), 2.0 / n if n > 0 else math.nan)
    return F.mul(kept(F, g, dim, keepdim, input.shape), away)


def _std_vjp(
    F: Any, g: Any, input: Any, out: Any, dim: Any, correction: float, keepdim: bool
) -> Any:
    g = F.where(F.eq(out, 0.0), 0.0, F.div(g, F.mul(out, 2.0)))
    return _var_vjp(F, g, input, dim, correction, keepdim)


var.vjp(input=_var_vjp)
std.vjp(input=_std_vjp)


@op(kind="reduce", complex="written", public="")
def vector_norm(
    xp: Any, input: Array, ord: float = 2, dim: Any = None, keepdim: bool = False
) -> Array:
    """`sum(abs(input)**ord)**(1/ord)`; the number of nonzeros for 0, the largest for inf."""
    _floating("linalg.vector_norm", input)
    how: dict[str, Any] = {"axis": axes(dim, input.ndim), "keepdims": keepdim}
    if ord == 2:
        return xp.sqrt(_square(input).sum(**how))
    if ord == 0:
        return (input != 0).sum(**how).astype(input.real.dtype)
    size = xp.absolute(input)
    if math.isinf(ord):
        how["axis"] = _chosen_axes("linalg.vector_norm", input, dim)
        return size.max(**how) if ord > 0 else size.min(**how)
    return size.sum(**how) if ord == 1 else (size**ord).sum(**how) ** (1.0 / ord)


def _norm_vjp(F: Any, g: Any, input: Any, out: Any, ord: float, dim: Any, keepdim: bool) -> Any:
    g, out = (kept(F, v, dim, keepdim, input.shape) for v in (g, out))
    if ord == 0:
        return F.zeros_like(input)
    if ord == 1:
        return F.mul(F.sgn(input), g)
    if ord == 2:
        return F.mul(input, F.where(F.eq(out, 0.0), 0.0, F.div(g, out)))
    size = F.abs(input)
    if math.isinf(ord):
        tie = F.eq(size, out)
        return F.mul(F.sgn(input), F.where(tie, F.div(g, F.sum(tie, dim, True)), 0.0))
    scale = F.where(F.eq(out, 0.0), 0.0, F.div(g, F.pow(out, ord - 1.0)))
    slope = F.where(F.eq(input, 0.0), 0.0, F.pow(size, ord - 1.0))
    return F.mul(F.mul(F.sgn(input), slope), scale)


vector_norm.vjp(input=_norm_vjp)


# ---- choices


@op(kind="reduce", onnx="ReduceMax")
def amax(xp: Any, input: Array, dim: Any = (), keepdim: bool = False) -> Array:
    """The largest element over `dim`; equal ones share the gradient."""
    return input.max(axis=_chosen_axes("amax", input, dim), keepdims=keepdim)


@op(kind="reduce", onnx="ReduceMin")
def amin(xp: Any, input: Array, dim: Any = (), keepdim: bool = False) -> Array:
    """The smallest element over `dim`; equal ones share the gradient."""
    return input.min(axis=_chosen_axes("amin", input, dim), keepdims=keepdim)


def _extreme_vjp(F: Any, g: Any, input: Any, out: Any, dim: Any, keepdim: bool) -> Any:
    g, out = (kept(F, v, dim, keepdim, input.shape) for v in (g, out))
    tie = F.eq(input, out)
    return F.where(tie, F.div(g, F.sum(tie, dim, True)), 0.0)


amax.vjp(input=_extreme_vjp)
amin.vjp(input=_extreme_vjp)


def _not_bool(name: str, input: Any) -> None:
    if input.dtype.kind == "b":
        raise RuntimeError(f"{name}(): does not support bool input; convert it with .int()")


@op(kind="reduce", onnx="ArgMax")
def argmax(xp: Any, input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the largest element (the first one; NaN counts as largest), int64."""
    _not_bool("argmax", input)
    return xp.argmax(input, axis=_chosen_axes("argmax", input, dim), keepdims=keepdim)


@op(kind="reduce", onnx="ArgMin")
def argmin(xp: Any, input: Array, dim: int | None = None, keepdim: bool = False) -> Array:
    """The index of the smallest element (the first one; NaN counts as smallest), int64."""
    _not_bool("argmin", input)
    return xp.argmin(input, axis=_chosen_axes("argmin", input, dim), keepdims=keepdim)


@op(kind="reduce", outputs=("values", "~indices"), public="")
def extreme(xp: Any, input: Array, dim: int, keepdim: bool, largest: bool) -> Any:
    """The largest (or smallest) element along `dim` and its index (the first one), int64."""
    axis = _chosen_axes("max" if largest else "min", input, dim)
    if largest:
        return input.max(axis=axis, keepdims=keepdim), xp.argmax(input, axis, keepdims=keepdim)
    return input.min(axis=axis, keepdims=keepdim), xp.argmin(input, axis, keepdims=keepdim)


def _extreme_index_vjp(
    F: Any, g: Any, indices: Any, dim: int, keepdim: bool, input_shape: tuple[int, ...]
) -> Any:
    g, indices = (kept(F, v, dim, keepdim, input_shape) for v in (g, indices))
    return F.gather_grad(g, dim, indices, input_shape)


extreme.vjp(input=_extreme_index_vjp)


@op(kind="reduce", complex="written")
def any(xp: Any, input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """Whether an element over `dim` is nonzero; bool (uint8 for uint8)."""
    out = xp.any(input, axis=axes(dim, input.ndim), keepdims=keepdim)
    return out.astype(input.dtype) if input.dtype == xp.uint8 else out


@op(kind="reduce", complex="written")
def all(xp: Any, input: Array, dim: Any = None, keepdim: bool = False) -> Array:
    """Whether every element over `dim` is nonzero; bool (uint8 for uint8)."""
    out = xp.all(input, axis=axes(dim, input.ndim), keepdims=keepdim)
    return out.astype(input.dtype) if input.dtype == xp.uint8 else out


# ---- cumulative ops: prefix scans by doubling, but for the two that array libraries have


def _part(shape: tuple[int, ...], dim: int, which: slice) -> tuple[slice, ...]:
    """An index that cuts dimension `dim`."""
    return (slice(None),) * wrap_dim(dim, len(shape)) + (which,)


def _moved(F: Any, x: Any, dim: int, step: int) -> Any:
    """`x` moved by one place along `dim` (up for step 1, down for -1), zero at the end."""
    low, high = _part(x.shape, dim, slice(None, -1)), _part(x.shape, dim, slice(1, None))
    source, target = (low, high) if step > 0 else (high, low)
    return F.slice_grad(F.slice(x, source), target, x.shape)


def _scan(join: Any, parts: tuple[Any, ...], dim: int, reverse: bool = False) -> Any:
    """Running results along `dim`: `join(far, near)` adds what comes before to each element."""
    parts = tuple([p.copy() for p in parts])
    shape, step = parts[0].shape, 1
    while shape and step < shape[dim]:
        late, early = (_part(shape, dim, s) for s in (slice(step, None), slice(None, -step)))
        far, near = (late, early) if reverse else (early, late)
        joined = join([p[far] for p in parts], [p[near] for p in parts])
        for part, value in zip(parts, joined, strict=True):
            part[near] = value
        step *= 2
    return parts


def _running(xp: Any, function: Any, input: Any, dim: int) -> Any:
    """A running sum or product; of few floating numbers in double precision."""
    double = input.dtype.kind == "f" and few(input)
    kind = _DOUBLE if double else _total(xp, input)
    out = function(input, axes(dim, input.ndim), kind)
    if not input.ndim:
        out = out.reshape(())
    return out.astype(input.dtype if double else out.dtype, order="C", copy=False)


@op(kind="reduce", complex="holomorphic", public="", onnx="CumSum")
def cumsum(xp: Any, input: Array, dim: int) -> Array:
    """The running sum along `dim`; integers and bool in int64."""
    return _running(xp, xp.cumsum, input, dim)


def _cumsum_vjp(F: Any, g: Any, dim: int) -> Any:
    return F.flip(F.cumsum(F.flip(g, (dim,)), dim), (dim,)) if g.ndim else g


cumsum.vjp(input=_cumsum_vjp)


@op(kind="reduce", complex="holomorphic", public="")
def cumprod(xp: Any, input: Array, dim: int) -> Array:
    """The running product along `dim`; integers and bool in int64."""
    return _running(xp, xp.cumprod, input, dim)


def _cumprod_vjp(F: Any, g: Any, input: Any, out: Any, dim: int) -> Any:
    """Product of what is before, times the sum of g * product of what is between."""
    if not input.shape:
        return g
    first = _part(input.shape, dim, slice(0, 1))
    one = F.slice_grad(F.ones_like(F.slice(input, first)), first, input.shape)
    before = F.add(_moved(F, out, dim, 1), one)
    return F.mul(before, F.linear_scan(_moved(F, input, dim, -1), g, dim, True))


cumprod.vjp(input=_cumprod_vjp)


@op(kind="reduce", complex="holomorphic", public="")
def linear_scan(xp: Any, decay: Array, values: Array, dim: int, reverse: bool = False) -> Array:
    """y[i] = values[i] + decay[i] * y[i - 1] along `dim`; y[i + 1] if `reverse`."""

    def join(far: Any, near: Any) -> Any:
        return near[0] * far[0], near[1] + near[0] * far[1]

    return _scan(join, (decay, values), dim, reverse)[1]


def _scan_vjp(
    F: Any, g: Any, decay: Any, out: Any, dim: int, reverse: bool, mask: tuple[bool, ...]
) -> Any:
    step = -1 if reverse else 1
    total = F.linear_scan(_moved(F, decay, dim, -step), g, dim, not reverse)
    return F.mul(total, _moved(F, out, dim, step)) if mask[0] else None, total


linear_scan.vjp_joint(_scan_vjp)


@op(kind="reduce", dtypes="float", complex="holomorphic")
def logcumsumexp(xp: Any, input: Array, dim: int) -> Array:
    """The running `log(sum(exp(input)))` along `dim` without overflow."""
    if input.dtype.kind == "c" and input.ndim:  # one by one: the order decides the branch
        out = input.copy()
        steps = xp.moveaxis(out, dim, 0)
        for i in range(1, len(steps)):
            steps[i : i + 1] = log_add_exp(xp, steps[i : i + 1], steps[i - 1 : i])
        return out
    return _scan(lambda far, near: (log_add_exp(xp, near[0], far[0]),), (input,), dim)[0]


def _logcumsumexp_vjp(F: Any, g: Any, input: Any, out: Any, dim: int) -> Any:
    if not input.shape:
        return g
    decay = F.sub(out, _moved(F, out, dim, -1))
    decay = F.exp(decay if is_complex(out) else F.clamp(decay, None, 0.0))
    own = F.sub(input, out)
    own, decay = (F.where(F.isnan(v), 0.0, v) for v in (own, decay))
    return F.mul(F.exp(own), F.linear_scan(decay, g, dim, True))


logcumsumexp.vjp(input=_logcumsumexp_vjp)


@op(kind="reduce", public="")
def extreme_indices(xp: Any, input: Array, dim: int, largest: bool) -> Array:
    """Where along `dim` the running maximum (or minimum) was last met; NaN wins. int64."""
    if not input.ndim:
        return xp.zeros((), xp.int64)
    lead = input.ndim - wrap_dim(dim, input.ndim)
    places = xp.arange(input.shape[dim]).reshape((-1,) + (1,) * (lead - 1))

    def join(far: Any, near: Any) -> Any:
        (old, old_place), (new, new_place) = far, near
        better = new >= old if largest else new <= old
        wins = xp.logical_or(xp.isnan(new), xp.logical_and(~xp.isnan(old), better))
        return xp.where(wins, new, old), xp.where(wins, new_place, old_place)

    return _scan(join, (input, xp.broadcast_to(places, input.shape)), dim)[1]
