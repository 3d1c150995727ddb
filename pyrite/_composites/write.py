"""Writing whole tensors, and copies with one view replaced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._dtypes import FLOAT
from .._errors import wrap_dim
from .._inplace import check_partial_overlap, check_writable, overwrite, steps_of, write_back
from .._storage import steps, storage_of
from .._symbols import integer
from .._tensor import F, Tensor
from ._register import composite
from .shape import as_strided, expand, select


def plain_slice(start: Any, stop: Any, step: Any) -> slice:
    """A slice of ints; ValueError for a step that is not positive."""
    start, stop, step = (v if v is None else integer(v) for v in (start, stop, step))
    if step is not None and step <= 0:
        raise ValueError("step must be greater than zero; use flip() to reverse a dimension")
    return slice(start, stop, step)


# ---- a copy with one view replaced


def _replaced(name: str, input: Tensor, src: Tensor, view: Tensor) -> Tensor:
    if view.array.shape != src.array.shape:
        raise RuntimeError(
            f"{name}: expected src to have a size equal to the slice of self. src size = "
            f"{list(src.shape)}, slice size = {list(view.shape)}"
        )
    src = src if src.dtype is input.dtype else F.cast(src, input.dtype)
    return F.view_scatter(input, src, steps(view.cut.chain))  # type: ignore[union-attr]


def _bare(input: Tensor) -> Tensor:
    """The input's memory with no history, to cut a view from."""
    return Tensor(input.array)


@composite(out=True)
def select_scatter(input: Tensor, src: Tensor, dim: int, index: int) -> Tensor:
    """A copy with `src` in place of `input.select(dim, index)`."""
    return _replaced("select_scatter", input, src, select(_bare(input), dim, index))


@composite(out=True)
def slice_scatter(
    input: Tensor, src: Tensor, dim: int = 0, start: int | None = None, end: int | None = None,
    step: int = 1,
) -> Tensor:  # fmt: skip
    """A copy with `src` in place of `input[start:end:step]` along `dim`."""
    key = (slice(None),) * wrap_dim(dim, input.array.ndim) + (plain_slice(start, end, step),)
    return _replaced("slice_scatter", input, src, F.slice(_bare(input), key))


@composite(out=True)
def diagonal_scatter(
    input: Tensor, src: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1
) -> Tensor:
    """A copy with `src` in place of a diagonal."""
    view = F.diagonal(_bare(input), offset, dim1, dim2)
    return _replaced("diagonal_scatter", input, src, view)


@composite(out=True)
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int],
    storage_offset: int | None = None,
) -> Tensor:  # fmt: skip
    """A copy with `src` in place of `input.as_strided(size, stride, storage_offset)`."""
    view = as_strided(_bare(input), size, stride, storage_offset)
    return _replaced("as_strided_scatter", input, src, view)


# ---- whole writes


def _coincide(one: Tensor, two: Tensor) -> bool:
    """Whether two tensors are the same elements of one memory, in the same order."""
    same = one.storage is two.storage and one.data_ptr() == two.data_ptr()
    return same and one.dtype is two.dtype and steps_of(one.array) == steps_of(two.array)


@composite(public="m", name="copy_")
def copy_(self: Tensor, src: Any, non_blocking: bool = False) -> Tensor:
    """Write `src`, broadcast and cast, into this tensor's memory."""
    if isinstance(src, int | float | complex):
        return overwrite(self, src)
    if not isinstance(src, Tensor):
        kind = type(src).__name__
        raise TypeError(f"copy_(): argument 'other' (position 1) must be Tensor, not {kind}")
    same = src is self or (src.storage is not None and _coincide(src, self))
    others = (src,) if self.dtype.category >= FLOAT else ()
    followed = check_writable(self, others, overlap=not same)
    if same and not followed:
        storage_of(self).version += 1
        return self
    if type(src.array) is not type(self.array):
        src = F.to_device(src, self.device, src.device)
    if followed:
        out = F.cast(src, self.dtype) if src.dtype is not self.dtype else src
        value = F.expand(out, self.array.shape)
        if self._requires_grad and self.cut is None:  # a gradient of zeros goes to what was there
            value = F.depend(value, self)
    else:
        value = src if src.array.shape == self.array.shape else expand(src, self.array.shape)
    check_partial_overlap(self, (src if src.array.shape == self.array.shape else value,))
    return write_back(self, value, "copy_") if followed else overwrite(self, value)


@composite(name="fill_")
def fill_(self: Tensor, value: Any) -> Tensor:
    """Set all elements to one number (or to a 0-d tensor, with its gradient)."""
    if not isinstance(value, Tensor):
        return overwrite(self, value)
    if value.array.ndim:
        raise RuntimeError(
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.array.ndim} "
            "dimensions."
        )
    check_writable(self, (value,), overlap=False)
    return copy_(self, value)


@composite(public="f")
def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor like `input` with all elements one value."""
    return fill_(F.clone(input), value)


@composite(name="zero_")
def zero_(self: Tensor) -> Tensor:
    """Set all elements to zero."""
    return overwrite(self, 0)


@composite(public="m", name="fill_diagonal_")
def fill_diagonal_(self: Tensor, fill_value: float, wrap: bool = False) -> Tensor:
    """Set the main diagonal, which starts anew below a tall matrix if `wrap`."""
    shape, strides = self.array.shape, self.stride()
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    n = min(shape)
    if wrap and len(shape) == 2 and shape[0] > shape[1]:
        n = -(-shape[0] * shape[1] // (shape[1] + 1))
    check_writable(self)
    fill_(as_strided(self, (n,), (sum(strides),)), fill_value)
    return self
