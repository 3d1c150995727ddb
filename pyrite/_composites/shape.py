"""Views with torch's signatures, and what changes a tensor's own shape in place."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .. import backends
from .._dtypes import dtype as Dtype
from .._dtypes import int64
from .._errors import dim_error, wrap_dim
from .._formats import contiguous_format, preserve_format
from .._inplace import reshape_in_place, resize
from .._storage import base_of, root_array, storage_of
from .._symbols import integer
from .._tensor import F, Size, Tensor
from ._register import composite, named

Dim = int | Sequence[int]
_PLAIN = frozenset((int,))


def ints(name: str, values: Any) -> tuple[int, ...]:
    """The ints of `f(2, 3)` or `f((2, 3))`; TypeError for anything else."""
    if len(values) == 1 and isinstance(values[0], tuple | list):
        values = values[0]
    if type(values) is tuple and _PLAIN.issuperset(map(type, values)):
        return values
    try:
        return tuple(map(integer, values))
    except TypeError:
        wrong = next(v for v in values if not hasattr(v, "__index__"))
        kind = type(wrong).__name__
        raise TypeError(
            f"{name}(): expected ints or one tuple of ints, but found element of type {kind}"
        ) from None


def new_size(name: str, values: Any) -> tuple[int, ...]:
    """The ints of a shape, of which one may be -1."""
    target = ints(name, values)
    if target and min(target) < -1:
        raise RuntimeError(f"invalid shape dimension {min(target)}")
    return target


def dims_of(input: Tensor, dims: Any) -> tuple[int, ...]:
    """Non-negative dimensions from an int or a sequence."""
    ndim = input.array.ndim
    return tuple([wrap_dim(d, ndim) for d in ([dims] if isinstance(dims, int) else dims)])


# ---- another shape


@composite(public="m")
def view(
    self: Tensor, *shape: Any, size: Sequence[int] | None = None, dtype: Dtype | None = None
) -> Tensor:
    """The same memory under another shape (one size may be -1), or read as another dtype.

    RuntimeError where the number of elements or the strides do not allow it.
    """
    if dtype is not None or (len(shape) == 1 and isinstance(shape[0], Dtype)):
        return F.view_dtype(self, dtype or shape[0])
    return F.view(self, new_size("view", shape if size is None else (size,)))


@composite(public="m")
def view_as(self: Tensor, other: Tensor) -> Tensor:
    """The same memory under the shape of `other`."""
    return F.view(self, other.array.shape)


@composite()
def reshape(input: Tensor, *size: Any, shape: Sequence[int] | None = None) -> Tensor:
    """Another shape (one size may be -1): a view where the strides allow it, else a copy."""
    target = new_size("reshape", size if shape is None else (shape,))
    if not input.array.flags.c_contiguous and not _viewable(input.array, target):
        return F.reshape(input, target)
    return F.view(input, target)


def _viewable(array: Any, size: tuple[int, ...]) -> bool:
    try:
        backends.of(array).xp.reshape(array, size, copy=False)
    except ValueError:
        return False
    return True


@composite(public="m")
def reshape_as(self: Tensor, other: Tensor) -> Tensor:
    """The shape of `other`: a view where the strides allow it."""
    return reshape(self, other.array.shape)


@composite()
def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The dimensions from `start_dim` to `end_dim` as one."""
    shape = input.array.shape
    first, last = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last and shape:
        return input
    return reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@composite()
def ravel(input: Tensor) -> Tensor:
    """One dimension: a view where the strides allow it."""
    return reshape(contiguous(input), (-1,))


@composite()
def unflatten(input: Tensor, dim: int, sizes: Sequence[int]) -> Tensor:
    """Dimension `dim` as several of the given sizes (one may be -1)."""
    shape, d = input.array.shape, wrap_dim(dim, input.array.ndim)
    given = ints("unflatten", (tuple(sizes),))
    if not given or not shape:
        raise RuntimeError(f"unflatten: nothing to do for sizes {given} and shape {list(shape)}")
    known = math.prod(n for n in given if n != -1)
    if given.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if shape[d] % (known or 1) if -1 in given else shape[d] != known:
        raise RuntimeError(
            f"unflatten: Provided sizes {list(given)} don't multiply up to the size of dim {d} "
            f"({shape[d]}) in the input tensor"
        )
    given = tuple([shape[d] // known if n == -1 else n for n in given])
    return F.view(input, (*shape[:d], *given, *shape[d + 1 :]))


@composite()
def squeeze(input: Tensor, dim: Dim | None = None) -> Tensor:
    """Without the dimensions of size 1: all, or those among `dim`."""
    shape = input.array.shape
    if dim is None:
        return F.view(input, tuple([n for n in shape if n != 1]))
    drop = set(dims_of(input, dim))
    return F.view(input, tuple([n for d, n in enumerate(shape) if n != 1 or d not in drop]))


@composite()
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """A dimension of size 1 inserted at `dim`."""
    shape = input.array.shape
    d = wrap_dim(dim, len(shape) + 1)
    return F.view(input, (*shape[:d], 1, *shape[d:]))


# ---- another order


@composite()
def permute(input: Tensor, *order: Any, dims: Sequence[int] | None = None) -> Tensor:
    """The dimensions in another order."""
    return F.permute(input, ints("permute", order if dims is None else (dims,)))


@composite(aliases=("swapaxes", "swapdims"))
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged."""
    order = list(range(input.array.ndim or 1))
    try:
        order[dim0], order[dim1] = order[dim1], order[dim0]
    except IndexError:
        n = len(order)
        raise dim_error(dim1 if -n <= dim0 < n else dim0, input.array.ndim) from None
    return F.permute(input, tuple(order[: input.array.ndim]))


@composite()
def t(input: Tensor) -> Tensor:
    """The transpose of a matrix; smaller tensors as they are."""
    n = input.array.ndim
    if n > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {n}D")
    return F.permute(input, (1, 0)[:n] if n > 1 else (0,)[:n])


@composite()
def conj(input: Tensor) -> Tensor:
    """The complex conjugate (a copy); a real tensor is its own."""
    return F.conj_physical(input) if input.dtype.is_complex else input


def _T(self: Tensor) -> Tensor:
    """The dimensions in reverse order."""
    n = self.array.ndim
    if n not in (0, 2):
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 or 0 is deprecated. Consider "
            "`x.mT` to transpose batches of matrices or `x.permute(*range(x.ndim - 1, -1, -1))`",
            stacklevel=2,
        )
    return F.permute(self, tuple(range(n - 1, -1, -1)))


def _mT(self: Tensor) -> Tensor:
    """The last two dimensions exchanged."""
    if not self.array.ndim:
        return F.permute(self, ())
    if self.array.ndim < 2:
        raise RuntimeError(
            "tensor.mT is only supported on matrices or batches of matrices. Got "
            f"{self.array.ndim}-D tensor."
        )
    return transpose(self, -2, -1)


def _H(self: Tensor) -> Tensor:
    """The conjugate transpose of a matrix."""
    if self.array.ndim not in (0, 2):
        raise RuntimeError(
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.array.ndim}-D tensor."
            " For batches of matrices, consider using tensor.mH"
        )
    return conj(t(self))


def _mH(self: Tensor) -> Tensor:
    """The conjugate transpose of matrices."""
    return conj(_mT(self))


for _name, _getter in (("T", _T), ("mT", _mT), ("H", _H), ("mH", _mH)):
    setattr(Tensor, _name, property(_getter))


@composite()
def adjoint(input: Tensor) -> Tensor:
    """The conjugate transpose of matrices."""
    return _mH(input)


@composite(aliases=("moveaxis",))
def movedim(input: Tensor, source: Dim, destination: Dim) -> Tensor:
    """Dimensions moved from `source` to `destination`, the others in order."""
    old, new = dims_of(input, source), dims_of(input, destination)
    if not input.array.ndim:
        return F.permute(input, ())
    if not len(set(old)) == len(set(new)) == len(old) == len(new):
        raise RuntimeError(
            "movedim: Invalid source or destination dims: expected the same number of dims and no "
            f"repeated dim, got source {list(old)} and destination {list(new)}"
        )
    order = [d for d in range(input.array.ndim) if d not in old]
    for d, s in sorted(zip(new, old, strict=True)):
        order.insert(d, s)
    return F.permute(input, tuple(order))


# ---- repeated without copying


@composite(public="m")
def expand(
    self: Tensor, *shape: Any, size: Sequence[int] | None = None, implicit: bool = False
) -> Tensor:
    """Dimensions of size 1 stretched without copying; -1 keeps a size."""
    target = ints("expand", shape if size is None else (size,))
    if -1 in target:
        old = self.array.shape
        lead = len(target) - len(old)
        if -1 in target[: max(lead, 0)]:
            raise RuntimeError(
                "The expanded size of the tensor (-1) isn't allowed in a leading, non-existing "
                f"dimension {target.index(-1)}"
            )
        target = tuple([old[d - lead] if n == -1 else n for d, n in enumerate(target)])
    return F.expand(self, target)


@composite()
def broadcast_to(input: Tensor, size: Sequence[int]) -> Tensor:
    """The tensor broadcast to a shape, without copying."""
    return expand(input, size)


@composite(public="m")
def expand_as(self: Tensor, other: Tensor) -> Tensor:
    """The tensor broadcast to the shape of `other`, without copying."""
    return F.expand(self, other.array.shape)


@composite(public="m")
def sum_to_size(self: Tensor, *size: Any) -> Tensor:
    """Summed over what broadcasting from `size` to the tensor's shape would add."""
    target = ints("sum_to_size", size)
    shape = self.array.shape
    if len(target) > len(shape) or any(
        n not in (1, m) for n, m in zip(reversed(target), reversed(shape), strict=False)
    ):
        raise RuntimeError(f"size {list(target)} is not expandable to size {list(shape)}.")
    if target == shape:
        return self
    return F.sum_to_size(F.cast(self, int64) if self.dtype.name == "bool" else self, target)


@composite(public="f")
def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of the given shapes broadcast to."""
    given = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    n = max(map(len, given), default=0)
    out = [1] * n
    for shape in given:
        for d, size in enumerate(shape, n - len(shape)):
            if size < 0:
                raise RuntimeError(f"Trying to create tensor with negative dimension {size}")
            if size != 1 and out[d] not in (1, size):
                raise RuntimeError(
                    "Shape mismatch: objects cannot be broadcast to a single shape: "
                    f"{', '.join(map(str, given))} differ at dimension {d}"
                )
            out[d] = size if size != 1 else out[d]
    return Size(out)


@composite(public="f")
def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors broadcast to their common shape, without copying."""
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else tensors
    shape = tuple(broadcast_shapes(*[t.array.shape for t in given]))
    return tuple([F.expand(t, shape) for t in given])


# ---- parts


@composite()
def select(input: Tensor, dim: int, index: int) -> Tensor:
    """The slice at `index` of dimension `dim`, which is removed."""
    shape = input.array.shape
    if not shape:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    d, i = wrap_dim(dim, len(shape)), integer(index)
    if not -shape[d] <= i < shape[d]:
        raise IndexError(
            f"select(): index {i} out of range for tensor of size {list(shape)} at dimension {d}"
        )
    return F.slice(input, (slice(None),) * d + (i,))


@composite()
def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """`length` elements of dimension `dim` from `start` on."""
    shape = input.array.shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if isinstance(start, Tensor) and (start.array.ndim or start.array.dtype.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    d, first = wrap_dim(dim, len(shape)), integer(start)
    n = shape[d]
    if not -n <= first <= n:
        raise IndexError(f"start out of range: expected to be in [{-n}, {n}], but got {first}")
    first += n if first < 0 else 0
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if first + length > n:
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({n}).")
    return F.slice(input, (slice(None),) * d + (slice(first, first + length),))


@composite()
def as_strided(
    input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """The storage of `input` under any size, strides and offset, in elements."""
    return F.as_strided(*_strided(input, size, stride, storage_offset))


def _strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None) -> tuple[Any, ...]:
    """Arguments of the op: a base and a layout, checked against the end of the memory."""
    base = input if input.cut is None else base_of(input.cut)
    size, stride = tuple(size), tuple(stride)
    if len(size) != len(stride) or min(stride, default=0) < 0:
        raise RuntimeError(
            "as_strided: Negative strides are not supported, and the length of strides and shape "
            f"must agree: got strides {list(stride)} for shape {list(size)}"
        )
    start = input.storage_offset() if storage_offset is None else storage_offset
    need = start + 1 + sum((n - 1) * s for n, s in zip(size, stride)) if math.prod(size) else 0
    have = storage_of(base).root.nbytes // base.array.dtype.itemsize
    if start < 0 or need > have:
        raise RuntimeError(
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {start} "
            f"require {need} elements, out of bounds for storage of {have} elements"
        )
    return base, size, stride, start - base.storage_offset(), base.stride()


# ---- several parts


def _cut_axis(name: str, input: Tensor, dim: int) -> tuple[int, int]:
    """A dimension to cut, not negative, and its size; RuntimeError for a 0-d tensor."""
    if not input.array.ndim:
        raise RuntimeError(f"{name} expects at least a 1-dimensional tensor, got one with 0 dims")
    d = wrap_dim(dim, input.array.ndim)
    return d, input.array.shape[d]


@composite(name="split")
def split(
    tensor: Tensor, split_size_or_sections: Any = None, dim: int = 0, *, split_size: Any = None
) -> tuple[Tensor, ...]:
    """Pieces of `split_size` elements along `dim` (the last may be smaller), or of given sizes."""
    how = split_size_or_sections if split_size is None else split_size
    if isinstance(how, tuple | list):
        return split_with_sizes(tensor, how, dim)
    (_, n), size = _cut_axis("split", tensor, dim), integer(how)
    if size < 0 or (size == 0 and n):
        raise RuntimeError(
            "split expects split_size be non-negative, and 0 only if the dimension size is 0, but "
            f"got split_size={size} for dimension size {n}"
        )
    full, rest = divmod(n, size) if size else (1, 0)
    return F.split(tensor, (size,) * full + (rest,) * (rest > 0 or not full), dim)


@composite()
def split_with_sizes(input: Tensor, split_sizes: Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
    """Pieces of the given sizes along `dim`."""
    _, n = _cut_axis("split", input, dim)
    sizes = ints("split_with_sizes", (tuple(split_sizes),))
    if min(sizes, default=0) < 0 or sum(sizes) != n:
        raise RuntimeError(
            "split_with_sizes expects split_sizes to be non-negative and to sum exactly to "
            f"{n} (input tensor's size at dimension {dim}), but got split_sizes={list(sizes)}"
        )
    return F.split(input, sizes, dim)


@composite()
def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most `chunks` pieces of equal size along `dim`; the last may be smaller."""
    _, n = _cut_axis("chunk", input, dim)
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return split(input, -(-n // chunks), dim) if n else F.split(input, (0,) * chunks, dim)


@composite()
def tensor_split(
    input: Tensor, indices_or_sections: Any = None, dim: int = 0, *, sections: int | None = None,
    indices: Any = None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Pieces along `dim`: an equal number of parts, or cut at the given indices."""
    how = next((h for h in (indices_or_sections, sections, indices) if h is not None), None)
    d, n = _cut_axis("tensor_split", input, dim)
    if isinstance(how, Tensor):
        how = how.tolist()
    if isinstance(how, int):
        if how <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {how}")
        cuts = [i * (n // how) + min(i, n % how) for i in range(1, how)]
    else:
        cuts = list(how)  # type: ignore[arg-type]
    lead = (slice(None),) * d
    ends = zip([0, *cuts], [*cuts, n], strict=True)
    return tuple([F.slice(input, (*lead, slice(a, b))) for a, b in ends])


def _axis_split(name: str, least: int, axis: int) -> None:
    def function(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
        n = input.array.ndim
        if n < least:
            raise RuntimeError(
                f"{name} requires a tensor with at least {least} dimension"
                f"{'s' * (least > 1)}, but got a tensor with {n} dimensions!"
            )
        dim = 0 if name == "hsplit" and n == 1 else axis
        if isinstance(indices_or_sections, int):
            size, count = input.array.shape[dim], indices_or_sections
            if count <= 0 or size % count:
                raise RuntimeError(
                    f"{name} attempted to split along dimension {dim}, but the size of the "
                    f"dimension {size} is not divisible by the split_size {count}!"
                )
        return tensor_split(input, indices_or_sections, dim)

    named(function, name, "fm", f"`tensor_split` along dimension {axis}.")


for _name, _least, _axis in (("hsplit", 1, 1), ("vsplit", 2, 0), ("dsplit", 3, 2)):
    _axis_split(_name, _least, _axis)


def _atleast(
    name: str, least: int, shape: Callable[[tuple[int, ...]], tuple[int, ...]]
) -> Callable[..., Any]:
    def function(*tensors: Any) -> Any:
        many = tensors[0] if isinstance(tensors[0], tuple | list) else tensors
        out = tuple([
            t if t.array.ndim >= least else F.view(t, shape(t.array.shape)) for t in many
        ])  # fmt: skip
        return out[0] if len(tensors) == 1 and isinstance(tensors[0], Tensor) else out

    doc = f"Each tensor with at least {least} dimensions (new ones have size 1)."
    return named(function, name, "f", doc)


atleast_1d = _atleast("atleast_1d", 1, lambda s: (1,))
atleast_2d = _atleast("atleast_2d", 2, lambda s: (1, *(s or (1,))))
atleast_3d = _atleast(
    "atleast_3d", 3, lambda s: (1, s[0], 1) if len(s) == 1 else (*(s or (1, 1)), 1)
)


# ---- the tensor itself, and its own shape in place


@composite(public="m")
def contiguous(self: Tensor, memory_format: Any = contiguous_format) -> Tensor:
    """The tensor itself if its elements lie in the order of their indices, else a copy.

    `memory_format` asks for another order, as channels_last does.
    """
    if memory_format is contiguous_format:
        return self if self.array.flags.c_contiguous else F.contiguous(self)
    if self.is_contiguous(memory_format):
        return self
    return F.clone(self, memory_format=memory_format)


def _in_place(name: str, function: Callable[..., Tensor]) -> None:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return reshape_in_place(self, function, *args, **kwargs)

    named(method, name, "fm", f"`{name[:-1]}` of the tensor itself: it keeps its memory.")


for _function in (squeeze, unsqueeze, transpose, t):
    _in_place(f"{_function.__name__}_", _function)
_in_place("swapaxes_", transpose)
_in_place("swapdims_", transpose)


@composite(name="as_strided_")
def as_strided_(
    self: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """`as_strided` of the tensor itself."""
    return reshape_in_place(self, as_strided, size, stride, storage_offset)


@composite(public="m", name="resize_")
def resize_(self: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Another shape: memory is kept as far as it suffices, new elements are undefined."""
    if self.requires_grad:
        raise RuntimeError("cannot resize variables that require grad")
    shape = ints("resize_", sizes)
    if min(shape, default=0) < 0:
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}"
        )
    resize(self, shape)
    if memory_format not in (None, contiguous_format, preserve_format):
        self.array = contiguous(self.detach(), memory_format).array
        storage_of(self).root = root_array(self.array)
    return self


@composite(name="resize_as_")
def resize_as_(self: Tensor, other: Tensor, memory_format: Any = None) -> Tensor:
    """`resize_` to the shape of another tensor."""
    return resize_(self, other.array.shape)


@composite("m", name="resize")
def resized(self: Tensor, *sizes: int) -> Tensor:
    """A copy with another shape: elements are kept in order, new ones undefined."""
    return resize_(F.clone(self).detach(), *sizes)


@composite("m")
def resize_as(self: Tensor, tensor: Tensor) -> Tensor:
    """A copy with the shape of another tensor."""
    return resized(self, *tensor.shape)
