"""Ops on shape and memory: views, joins, copies, casts, and the accumulation of gradients."""

from __future__ import annotations

import builtins
import itertools
import math
from typing import Any

from .._dtypes import dtype
from .._errors import dim_error, wrap_dim
from .._formats import arranged, laid_out, order_of, preserve_format
from .table import TABLE, Array, Arrays, op, row

Ints = tuple[int, ...]
# View ops in order of application: (op name, attributes).
Steps = tuple[tuple[str, tuple[Any, ...]], ...]


def _at(dim: int, ndim: int, *key: Any) -> tuple[Any, ...]:
    """An index by `key` from dimension `dim` on; the dimensions before stay whole."""
    return (builtins.slice(None),) * wrap_dim(dim, ndim) + key


def _writable(out: Any, source: Any) -> Any:
    """A view as writable as its source (NumPy marks some read-only)."""
    if not getattr(out.flags, "writeable", True) and source.flags.writeable:
        out.flags.writeable = True
    return out


# ---- views


@op(kind="view", public="")
def view(xp: Any, input: Array, size: Ints) -> Array:
    """The same memory under another shape; RuntimeError where the strides do not allow it."""
    try:
        if input.flags.c_contiguous:
            return input.reshape(size)
        return xp.reshape(input, size, copy=False)
    except ValueError:
        raise _size_error(input, size) or RuntimeError(
            f"view size {list(size)} is not compatible with input tensor's size "
            f"{list(input.shape)} and stride (at least one dimension spans across two contiguous "
            "subspaces). Use .reshape(...) instead."
        ) from None


view.vjp(input=lambda F, g, input_shape: F.reshape(g, input_shape))


def _size_error(input: Any, size: Ints) -> RuntimeError | None:
    """The error of torch for a size that does not hold the input's elements."""
    wrong = [n for n in size if n < 0]
    known = math.prod(n for n in size if n >= 0)
    if min(wrong, default=0) < -1:
        return RuntimeError(f"invalid shape dimension {min(wrong)}")
    if len(wrong) > 1:
        return RuntimeError("only one dimension can be inferred")
    if wrong and not known and not input.size:
        return RuntimeError(
            f"cannot reshape tensor of 0 elements into shape {list(size)} because the unspecified "
            "dimension size -1 can be any value and is ambiguous"
        )
    if input.size % (known or 1) if wrong else input.size != known:
        return RuntimeError(f"shape '{list(size)}' is invalid for input of size {input.size}")
    return None


@op(kind="move", public="")
def reshape(xp: Any, input: Array, size: Ints) -> Array:
    """Another shape, copied where the strides need it."""
    try:
        return xp.reshape(input, size)
    except ValueError as error:
        raise _size_error(input, size) or error from None


reshape.vjp(input=lambda F, g, input_shape: F.reshape(g, input_shape))


@op(kind="view", public="")
def view_dtype(xp: Any, input: Array, dtype: dtype) -> Array:
    """The same memory read as another dtype; the last dimension's size follows the itemsize."""
    kind, old = dtype.numpy, input.dtype.itemsize
    if kind.itemsize == old:
        return input.view(kind)
    what = f"to view {input.dtype} as {dtype} (different element sizes)"
    ratio = kind.itemsize // old
    if not input.ndim:
        raise RuntimeError(f"self.dim() cannot be 0 {what}")
    if input.shape[-1] * old % kind.itemsize:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {ratio} {what}, but got {input.shape[-1]}"
        )
    if input.strides[-1] != old:
        raise RuntimeError(f"self.stride(-1) must be 1 {what}")
    if any(s % kind.itemsize for s in input.strides[:-1]):
        raise RuntimeError(f"self.stride() must be divisible by {ratio} {what}")
    return input.view(kind)


@op(kind="view", public="")
def permute(xp: Any, input: Array, dims: Ints) -> Array:
    """The dimensions in the order `dims`."""
    try:
        return input.transpose(dims)
    except ValueError:
        raise RuntimeError(
            "permute(): duplicate dims are not allowed."
            if len(dims) == input.ndim
            else "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {input.ndim} is not "
            f"equal to len(dims) = {len(dims)}"
        ) from None


def _permute_vjp(F: Any, g: Any, dims: Ints) -> Any:
    wrapped = [d % len(dims) for d in dims]
    return F.permute(g, tuple([wrapped.index(i) for i in range(len(dims))]))


permute.vjp(input=_permute_vjp)


@op(kind="view", public="")
def expand(xp: Any, input: Array, size: Ints) -> Array:
    """Dimensions of size 1 repeated without copying."""
    try:
        return _writable(xp.broadcast_to(input, size), input)
    except ValueError:
        raise _expand_error(input.shape, size) from None


def _expand_error(shape: Ints, size: Ints) -> RuntimeError:
    lead = len(size) - len(shape)
    if lead < 0:
        return RuntimeError(
            f"expand({list(shape)}, size={list(size)}): the number of sizes provided ({len(size)}) "
            f"must be greater or equal to the number of dimensions in the tensor ({len(shape)})"
        )
    d = max(i for i, n in enumerate(shape) if n not in (1, size[lead + i]))
    return RuntimeError(
        f"The expanded size of the tensor ({size[lead + d]}) must match the existing size "
        f"({shape[d]}) at non-singleton dimension {lead + d}.  Target sizes: {list(size)}.  Tensor "
        f"sizes: {list(shape)}"
    )


expand.vjp(input=lambda F, g, input_shape: F.sum_to_size(g, input_shape))


@op(kind="view", public="")
def slice(xp: Any, input: Array, index: tuple[Any, ...]) -> Array:
    """Basic indexing with integers, slices and None; dimensions not named stay whole."""
    try:  # an Ellipsis makes a single element a view, too
        return input[index if Ellipsis in index else (*index, ...)]
    except IndexError:
        raise _bounds_error(input.shape, index) from None


def _bounds_error(shape: Ints, index: tuple[Any, ...]) -> IndexError:
    """The error of torch for the first integer that is out of range."""
    named = [i for i in index if i is not None]
    if Ellipsis in named:
        at = named.index(Ellipsis)
        named[at : at + 1] = [builtins.slice(None)] * (len(shape) - len(named) + 1)
    if not shape:
        return IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` to convert a 0-dim tensor to a "
            "number"
        )
    for d, (i, n) in enumerate(zip(named, shape, strict=False)):
        if isinstance(i, int) and not -n <= i < n:
            return IndexError(f"index {i} is out of bounds for dimension {d} with size {n}")
    return IndexError(f"too many indices for tensor of dimension {len(shape)}")


slice.vjp(input=lambda F, g, index, input_shape: F.slice_grad(g, index, input_shape))


@op(kind="move", public="")
def slice_grad(xp: Any, g: Array, index: tuple[Any, ...], size: Ints) -> Array:
    """Zeros of shape `size` with `g` at `index`."""
    out = xp.zeros(size, g.dtype)
    out[index] = g
    return out


slice_grad.vjp(g=lambda F, g, index: F.slice(g, index))


@op(kind="view")
def diagonal(xp: Any, input: Array, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Array:
    """The diagonal of two dimensions as the last dimension."""
    try:
        return _writable(xp.diagonal(input, offset, dim1, dim2), input)
    except ValueError as error:
        first, second = wrap_dim(dim1, input.ndim), wrap_dim(dim2, input.ndim)
        raise RuntimeError(
            f"diagonal dimensions cannot be identical {first}, {second}: {error}"
        ) from None


diagonal.vjp(
    input=lambda F, g, attrs, input_shape: F.view_grad(g, (("diagonal", attrs),), input_shape)
)


@op(kind="view", public="m")
def unfold(xp: Any, input: Array, dimension: int, size: int, step: int) -> Array:
    """Windows of `size` elements every `step` along `dimension`, as a new last dimension."""
    d = wrap_dim(dimension, input.ndim)
    n = input.shape[d] if input.ndim else 1
    if size < 0 or step <= 0:
        raise RuntimeError(f"size is {size} but must be >= 0, step is {step} but must be > 0")
    if size > n:
        raise RuntimeError(f"maximum size for tensor at dimension {d} is {n} but size is {size}")
    if not input.ndim:
        return input.reshape((1,))[:size]
    shape, strides = [*input.shape, size], [*input.strides, input.strides[d]]
    shape[d], strides[d] = (n - size) // step + 1, strides[d] * step
    return xp.lib.stride_tricks.as_strided(input, shape, strides)


unfold.vjp(input=lambda F, g, attrs, input_shape: F.unfold_grad(g, *attrs, input_shape))


@op(kind="move", public="")
def unfold_grad(xp: Any, g: Array, dimension: int, size: int, step: int, shape: Ints) -> Array:
    """The sum of windows put back to where `unfold` took them from."""
    if not shape:
        return g.sum(dtype=g.dtype)
    out, d = xp.zeros(shape, g.dtype), wrap_dim(dimension, len(shape))
    for k in range(size):  # the k-th elements of all windows never meet
        out[_at(d, len(shape), builtins.slice(k, k + step * g.shape[d], step))] += g[..., k]
    return out


unfold_grad.vjp(g=lambda F, g, dimension, size, step: F.unfold(g, dimension, size, step))


def _span(size: Any, stride: Any) -> int:
    """Elements from the first to the last one that strides in elements reach."""
    return 1 + sum((n - 1) * s for n, s in zip(size, stride)) if math.prod(size) else 0


def _strided(xp: Any, memory: Any, size: Ints, stride: Ints, offset: int) -> Any:
    """Elements of a contiguous 1-d array under a size and strides in elements."""
    step = memory.dtype.itemsize
    return xp.lib.stride_tricks.as_strided(memory[offset:], size, [s * step for s in stride])


@op(kind="view", public="")
def as_strided(xp: Any, input: Array, size: Ints, stride: Ints, offset: int, layout: Ints) -> Array:
    """The input's memory under any size and strides; `offset` counts from its first element.

    `layout` is the strides of the input; an array of other strides (a gradient) is laid out anew.
    """
    step = input.dtype.itemsize
    length = max(_span(input.shape, layout), offset + _span(size, stride))
    if input.strides == tuple([s * step for s in layout]):
        memory = xp.lib.stride_tricks.as_strided(input, (length,), (step,))
    else:
        memory = xp.zeros(length, input.dtype)
        _strided(xp, memory, input.shape, layout, 0)[...] = input
    return _strided(xp, memory, size, stride, offset)


as_strided.vjp(
    input=lambda F, g, input_shape, size, stride, offset, layout: F.restride(
        g, (stride, offset), (input_shape, layout, 0)
    )
)


@op(kind="move", public="")
def restride(xp: Any, g: Array, source: tuple[Ints, int], target: tuple[Ints, Ints, int]) -> Array:
    """Add `g` to zeros at the places (stride, offset), read those at (size, stride, offset)."""
    (stride, offset), (size, to, start) = source, target
    length = max(offset + _span(g.shape, stride), start + _span(size, to))
    memory = xp.zeros(length, g.dtype)
    places = _strided(xp, xp.arange(length), g.shape, stride, offset)
    xp.add.at(memory, places.reshape(-1), g.reshape(-1))
    return _strided(xp, memory, size, to, start).copy()


restride.vjp(g=lambda F, g, g_shape, source, target: F.restride(g, target[1:], (g_shape, *source)))


@op(kind="view", outputs="*")
def unbind(xp: Any, input: Array, dim: int = 0) -> tuple[Array, ...]:
    """The slices along `dim`, which is removed."""
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    lead = _at(dim, input.ndim)
    return tuple([input[(*lead, i, ...)] for i in range(input.shape[dim])])


def _unbind_vjp(F: Any, gs: Any, dim: int) -> Any:
    first = next(g for g in gs if g is not None)
    return F.stack([F.zeros_like(first) if g is None else g for g in gs], dim)


unbind.vjp(input=_unbind_vjp)


@op(kind="view", outputs="*", public="")
def split(xp: Any, input: Array, sizes: Ints, dim: int) -> tuple[Array, ...]:
    """Pieces of the given sizes along `dim`."""
    lead, ends = _at(dim, input.ndim), itertools.accumulate(sizes)
    return tuple([input[(*lead, builtins.slice(end - n, end))] for n, end in zip(sizes, ends)])


def _split_vjp(F: Any, gs: Any, sizes: Ints, dim: int, input_shape: Ints) -> Any:
    first = next(g for g in gs if g is not None)
    d = wrap_dim(dim, len(input_shape))
    shapes = [(*input_shape[:d], n, *input_shape[d + 1 :]) for n in sizes]
    return F.cat([F.blank(first, s) if g is None else g for s, g in zip(shapes, gs)], d)


split.vjp(input=_split_vjp)


# ---- writing where a chain of views leads


def _cut(xp: Any, array: Any, chain: Steps) -> Any:
    """The values that view steps cut out of an array of any strides."""
    for name, attrs in chain:
        array = TABLE[_READS.get(name, name)].generic(xp, array, *attrs)
    return array


_READS = {"view": "reshape"}  # strides that allow a view of the base need not be those of others


def _put(xp: Any, out: Any, value: Any, chain: Steps) -> Any:
    """Write `value` where the chain leads in `out`, which is C-contiguous."""
    target = _cut(xp, out, chain)
    if xp.may_share_memory(target, out):
        target[...] = value
    else:
        places = _cut(xp, xp.arange(out.size).reshape(out.shape), chain)
        out.reshape(-1)[places] = value
    return out


@op(kind="move", public="")
def view_scatter(xp: Any, base: Array, value: Array, chain: Steps) -> Array:
    """`base` with `value` in place of the part that the view steps `chain` cut out."""
    return _put(xp, base.copy(), value, chain)


def _cut_vjp(F: Any, g: Any, chain: Steps) -> Any:
    for name, attrs in chain:
        g = getattr(F, _READS.get(name, name))(g, *attrs)
    return g


def _scatter_vjp(F: Any, g: Any, chain: Steps) -> Any:
    return F.view_scatter(g, F.zeros_like(_cut_vjp(F, g, chain)), chain)


view_scatter.vjp(base=_scatter_vjp, value=_cut_vjp)


@op(kind="move", public="")
def view_grad(xp: Any, g: Array, chain: Steps, size: Ints) -> Array:
    """Zeros of shape `size` with `g` where the view steps `chain` lead."""
    return _put(xp, xp.zeros(size, g.dtype), g, chain)


view_grad.vjp(g=_cut_vjp)


# ---- joins and copies


@op(kind="move", dtypes="promote", public="f", aliases=("concat", "concatenate"), onnx="Concat")
def cat(xp: Any, tensors: Arrays, dim: int = 0) -> Array:
    """Join along an existing dimension; 1-d tensors without elements are left out."""
    kept = [t for t in tensors if t.shape != (0,)] or tensors
    try:
        return _in_order(xp, xp.concatenate(kept, dim))
    except ValueError as error:
        raise _cat_error(tensors, dim, error) from None


def _in_order(xp: Any, array: Any) -> Any:
    """The array with its elements in the order of their indices; a join keeps others' orders."""
    return array if array.flags.c_contiguous else xp.ascontiguousarray(array)


def _cat_error(tensors: Any, dim: int, error: ValueError) -> Exception:
    first = tensors[0]
    if first.ndim and not -first.ndim <= dim < first.ndim:
        return dim_error(dim, first.ndim)
    for i, t in enumerate(tensors):
        if not t.ndim:
            return RuntimeError(f"zero-dimensional tensor (at position {i}) cannot be concatenated")
        if t.ndim != first.ndim:
            return RuntimeError(
                "Tensors must have same number of dimensions: got "
                f"{first.ndim} and {t.ndim} (tensor number {i} in the list)"
            )
        for d, (n, m) in enumerate(zip(first.shape, t.shape, strict=True)):
            if n != m and d != wrap_dim(dim, t.ndim):
                return RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {n} but "
                    f"got size {m} for tensor number {i} in the list (dimension {d})."
                )
    return error


def _cat_vjp(F: Any, g: Any, dim: int, tensors_shapes: Any) -> Any:
    d, start, grads = wrap_dim(dim, len(g.shape)), 0, []
    for shape in tensors_shapes:
        if tuple(shape) == (0,) and len(g.shape) != 1:
            grads.append(F.blank(g, (0,)))
            continue
        grads.append(F.slice(g, _at(d, len(g.shape), builtins.slice(start, start + shape[d]))))
        start += shape[d]
    return grads


cat.vjp(tensors=_cat_vjp)


@op(kind="move", dtypes="promote", public="f")
def stack(xp: Any, tensors: Arrays, dim: int = 0) -> Array:
    """Join equal shapes along a new dimension."""
    key = _at(dim, tensors[0].ndim + 1, None)
    for i, t in enumerate(tensors):
        if t.shape != tensors[0].shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(tensors[0].shape)} at "
                f"entry 0 and {list(t.shape)} at entry {i}"
            )
    return _in_order(xp, xp.concatenate([t[key] for t in tensors], len(key) - 1))


stack.vjp(tensors=lambda F, g, dim: F.unbind(g, dim))


@op(kind="move")
def clone(xp: Any, input: Array, *, memory_format: Any = None) -> Array:
    """A copy in memory of its own; dense strides are kept unless a format is given."""
    if memory_format is None or memory_format is preserve_format:
        if input.flags.c_contiguous or _descends(input):
            return input.copy("C")
        return _as_it_lies(input.copy("K"), input)
    return laid_out(input, order_of(memory_format, input.ndim))


clone.vjp(input=lambda g: g)


def _descends(input: Any) -> bool:
    """Whether an expanded array's own dimensions lie in order, outermost first."""
    own = [s for s in input.strides if s]
    return len(own) < input.ndim and own == sorted(own, reverse=True)


def _as_it_lies(out: Any, input: Any) -> Any:
    """A copy in the input's order of memory, expanded dimensions included."""
    return arranged(out, (input,), True) if 0 in input.strides else out


@op(kind="move", public="")
def cast(xp: Any, input: Array, dtype: dtype) -> Array:
    """Another dtype (a copy); the gradient comes back in the input's."""
    kind = dtype.numpy
    out = (input.real if input.dtype.kind == "c" != kind.kind else input).astype(kind)
    return _as_it_lies(out, input)


cast.vjp(input=lambda g: g)


@op(kind="move", public="")
def flip(xp: Any, input: Array, dims: Ints) -> Array:
    """A copy with the order of elements along `dims` reversed."""
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"flip(): a dim appears multiple times in the list of dims {dims}")
    key = [builtins.slice(None)] * input.ndim
    for d in dims:
        key[d] = builtins.slice(None, None, -1)
    return input[tuple(key)].copy("C")


flip.vjp(input=lambda F, g, dims: F.flip(g, dims))


@op(kind="move", public="")
def roll(xp: Any, input: Array, shifts: Ints, dims: Ints | None) -> Array:
    """Elements shifted along `dims` (None: of the flattened tensor), wrapping around."""
    return xp.roll(input, shifts if dims else shifts[0], dims)


roll.vjp(input=lambda F, g, shifts, dims: F.roll(g, tuple([-s for s in shifts]), dims))


def _matrix(name: str, input: Any) -> Any:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    return input


@op(kind="move", public="fmi")
def tril(xp: Any, input: Array, diagonal: int = 0) -> Array:
    """The lower triangle of matrices, zeros above `diagonal`."""
    return xp.tril(_matrix("tril", input), diagonal)


tril.vjp(input=lambda F, g, diagonal: F.tril(g, diagonal))


@op(kind="move", public="fmi")
def triu(xp: Any, input: Array, diagonal: int = 0) -> Array:
    """The upper triangle of matrices, zeros below `diagonal`."""
    return xp.triu(_matrix("triu", input), diagonal)


triu.vjp(input=lambda F, g, diagonal: F.triu(g, diagonal))


@op(kind="move", public="f", onnx="Pad")
def constant_pad_nd(xp: Any, input: Array, pad: Ints, value: float = 0) -> Array:
    """Pad with `value`: (before, after) per dimension, the last first; negative numbers crop."""
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(
            f"Length of pad must be even and at most twice the number of dimensions of the input "
            f"({input.ndim}), got {len(pad)}"
        )
    pairs = [(0, 0)] * (input.ndim - len(pad) // 2)
    pairs += zip(pad[-2::-2], pad[::-2])
    shape = [n + a + b for n, (a, b) in zip(input.shape, pairs)]
    if min(shape, default=0) < 0:
        raise RuntimeError(
            f"The input size {list(input.shape)}, plus negative padding {list(pad)}, resulted in a "
            "negative output size, which is invalid. Check the padding"
        )
    out = xp.full(shape, value, input.dtype)
    inner = [builtins.slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(shape, pairs)]
    kept = [builtins.slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(input.shape, pairs)]
    out[tuple(inner)] = input[tuple(kept)]
    return out


constant_pad_nd.vjp(input=lambda F, g, pad: F.constant_pad_nd(g, tuple([-n for n in pad])))


# ---- what derivatives and the engine use


@op(dtypes="any", complex="written", outputs="*", public="")
def tie(xp: Any, tensors: Arrays) -> tuple[Array, ...]:
    """The same values through one node, where all their gradients meet (backward hooks)."""
    return tuple(tensors)


tie.vjp(tensors=lambda F, gs: gs)


# torch's backward of a convolution or normalisation is one node: the bias' gradient, too, has a
# graph to the input, of zeros.
# fmt: off
row("depend", "`input`, whose history also leads to `other`, with a gradient of zeros.",
    lambda xp, input, other: input, lambda g: g,
    lambda F, g, other_shape: F.blank(g, other_shape), kind="move", public="")
row("bias_of", "`input`, the bias of what is computed from `other`: its gradient depends on that.",
    lambda xp, input, other: input, kind="move", public="")
# fmt: on
TABLE["bias_of"].vjp(input=lambda F, g, other: F.depend(g, other))


@op(kind="reduce", dtypes="any", complex="written", public="")
def sum_to_size(xp: Any, input: Array, size: Ints) -> Array:
    """Sum over the dimensions that broadcasting `size` to the input's shape would add."""
    lead = input.ndim - len(size)
    dims = [i for i, n in enumerate(input.shape) if i < lead or n != size[i - lead]]
    return xp.reshape(xp.sum(input, axis=tuple(dims)), size)


sum_to_size.vjp(input=lambda F, g, input_shape: F.expand(g, input_shape))


# fmt: off
row("contiguous", "A copy whose elements lie in the order of their indices.",
    lambda xp, input: input.copy(), lambda g: g, kind="move", public="")
row("ones_like", "Ones of the same shape and dtype.",
    lambda xp, input: xp.ones(input.shape, input.dtype), kind="move", public="")
row("zeros_like", "Zeros of the same shape and dtype.",
    lambda xp, input: xp.zeros(input.shape, input.dtype), kind="move", public="")
row("constant", "Zeros of the same shape: the history of a tensor overwritten with constants.",
    lambda xp, input: xp.zeros(input.shape, input.dtype), lambda F, g: F.zeros_like(g),
    kind="move", public="")
# fmt: on


@op(kind="move", public="")
def blank(xp: Any, input: Array, size: Ints) -> Array:
    """Zeros of another shape and the same dtype."""
    return xp.zeros(size, input.dtype)


@op(kind="update", outputs=("target",), public="")
def write(xp: Any, target: Array, value: Array) -> None:
    """Write `value`, broadcast and cast, into the memory of `target`."""
    target[...] = value.real if value.dtype.kind == "c" != target.dtype.kind else value


def _top(array: Any) -> int:
    return int(2 ** (8 * array.dtype.itemsize)) - 1


@op(kind="update", outputs=("target",), public="")
def write_number(xp: Any, target: Array, value: complex) -> None:
    """Set all elements of `target` to one number; RuntimeError for one that its dtype lacks."""
    try:
        if target.dtype.kind == "u" and isinstance(value, int) and -_top(target) <= value < 0:
            value %= _top(target) + 1
        if isinstance(value, float) and target.dtype.kind in "iu":
            least = xp.iinfo(target.dtype).min
            if not least <= value <= _top(target):
                raise OverflowError
        target[...] = value
    except (OverflowError, TypeError):
        raise RuntimeError(
            f"value cannot be converted to type {target.dtype} without overflow: {value!r}"
        ) from None


@op(kind="update", outputs=("total",), public="")
def accumulate(xp: Any, total: Array, value: Array) -> None:
    """Add `value` into `total`."""
    total += value
