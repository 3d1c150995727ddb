"""Ops on shape and memory: views, copies, casts, and the accumulation of gradients."""

from __future__ import annotations

from typing import Any

from .._dtypes import dtype
from .table import TABLE, Array, Arrays, op


def _steps(xp: Any, array: Any, chain: tuple[Any, ...]) -> Any:
    """Apply a chain of view steps to an array."""
    for name, attrs, output in chain:
        array = TABLE[name].generic(xp, array, *attrs)
        if output is not None:
            array = array[output]
    return array


@op(kind="view", public="")
def view(xp: Any, input: Array, size: tuple[int, ...]) -> Array:
    """The same memory under another shape; RuntimeError where the strides do not allow it."""
    try:
        return xp.reshape(input, size, copy=False)
    except ValueError:
        raise RuntimeError(
            f"view size {list(size)} is not compatible with input tensor's size "
            f"{list(input.shape)} and stride (at least one dimension spans across two contiguous "
            "subspaces). Use .reshape(...) instead."
        ) from None


view.vjp(input=lambda F, g, input_shape: F.reshape(g, input_shape))


@op(kind="move", public="")
def reshape(xp: Any, input: Array, size: tuple[int, ...]) -> Array:
    """Another shape, copied where the strides need it (derivatives use it)."""
    return xp.reshape(input, size)


reshape.vjp(input=lambda F, g, input_shape: F.reshape(g, input_shape))


@op(kind="view")
def permute(xp: Any, input: Array, dims: tuple[int, ...]) -> Array:
    """The dimensions in the order `dims`."""
    return xp.transpose(input, dims)


def _permute_vjp(F: Any, g: Any, dims: tuple[int, ...]) -> Any:
    n = len(dims)
    back = [0] * n
    for i, d in enumerate(dims):
        back[d % n] = i
    return F.permute(g, tuple(back))


permute.vjp(input=_permute_vjp)


@op(kind="view", public="")
def expand(xp: Any, input: Array, size: tuple[int, ...]) -> Array:
    """Dimensions of size 1 repeated without copying."""
    out = xp.broadcast_to(input, size)
    if hasattr(out.flags, "writeable") and input.flags.writeable:
        out.flags.writeable = True
    return out


expand.vjp(input=lambda F, g, input_shape: F.sum_to_size(g, input_shape))


@op(kind="view", public="")
def slice(xp: Any, input: Array, index: tuple[Any, ...]) -> Array:
    """Basic indexing: integers, slices, None and Ellipsis."""
    return input[index]


slice.vjp(input=lambda F, g, index, input_shape: F.slice_grad(g, index, input_shape))


@op(kind="move", public="")
def slice_grad(xp: Any, g: Array, index: tuple[Any, ...], size: tuple[int, ...]) -> Array:
    """Zeros of shape `size` with `g` at `index`."""
    out = xp.zeros(size, g.dtype)
    out[index] = g
    return out


slice_grad.vjp(g=lambda F, g, index: F.slice(g, index))


@op(kind="view", outputs="*", public="")
def unbind(xp: Any, input: Array, dim: int = 0) -> tuple[Array, ...]:
    """The slices along `dim`, which is removed."""
    return tuple(xp.moveaxis(input, dim, 0)[i] for i in range(input.shape[dim]))


def _unbind_vjp(F: Any, gs: Any, dim: int, input_shape: Any) -> Any:
    first = next(g for g in gs if g is not None)
    return F.stack([F.zeros_like(first) if g is None else g for g in gs], dim)


unbind.vjp(input=_unbind_vjp)


@op(kind="move", dtypes="promote")
def stack(xp: Any, tensors: Arrays, dim: int = 0) -> Array:
    """Join equal shapes along a new dimension."""
    return xp.stack(tensors, dim)


stack.vjp(tensors=lambda F, g, dim: F.unbind(g, dim))


@op(kind="move", public="")
def view_scatter(xp: Any, base: Array, value: Array, chain: tuple[Any, ...]) -> Array:
    """`base` with `value` in place of the part that the view steps `chain` cut out."""
    out = base.copy()
    _steps(xp, out, chain)[...] = value
    return out


def _scatter_base(F: Any, g: Any, chain: Any) -> Any:
    return F.view_scatter(g, F.zeros_like(_cut(F, g, chain)), chain)


def _cut(F: Any, g: Any, chain: Any) -> Any:
    for name, attrs, output in chain:
        g = getattr(F, name)(g, *attrs)
        if output is not None:
            g = g[output]
    return g


view_scatter.vjp(base=_scatter_base, value=_cut)


@op(kind="reduce", dtypes="any", public="")
def sum_to_size(xp: Any, input: Array, size: tuple[int, ...]) -> Array:
    """Sum over the dimensions that broadcasting `size` to the input's shape would add."""
    lead = input.ndim - len(size)
    dims = tuple(range(lead)) + tuple(
        i + lead for i, n in enumerate(size) if n == 1 and input.shape[i + lead] != 1
    )
    return xp.reshape(xp.sum(input, axis=dims), size)


sum_to_size.vjp(input=lambda F, g, input_shape: F.expand(g, input_shape))


@op(kind="move", public="")
def cast(xp: Any, input: Array, dtype: dtype) -> Array:
    """Another dtype (a copy); the gradient comes back in the input's."""
    return input.astype(dtype.numpy)


cast.vjp(input=lambda g: g)


@op(kind="move")
def clone(xp: Any, input: Array, *, memory_format: Any = None) -> Array:
    """A copy in memory of its own."""
    return input.copy()


clone.vjp(input=lambda g: g)


@op(kind="move", public="")
def ones_like(xp: Any, input: Array) -> Array:
    """Ones of the same shape and dtype."""
    return xp.ones(input.shape, input.dtype)


@op(kind="move", public="")
def zeros_like(xp: Any, input: Array) -> Array:
    """Zeros of the same shape and dtype."""
    return xp.zeros(input.shape, input.dtype)


@op(kind="update", outputs=("total",), public="")
def accumulate(xp: Any, total: Array, value: Array) -> None:
    """Add `value` into `total`."""
    total += value


@op(kind="create", public="")
def constant(xp: Any) -> Array:
    """The history of a tensor overwritten with constants: no gradient flows on."""
    return xp.zeros(())


constant.vjp_joint(lambda g: ())
