"""Names of memory formats and layouts, as arguments and results use them."""

from __future__ import annotations

from typing import Any


class _Word:
    """A named constant that pickles to itself."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"pyrite.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _by_name, (self.name,)


class memory_format(_Word):
    """The order of elements in memory."""

    __slots__ = ()


class layout(_Word):
    """The kind of storage: strided, or one of the sparse forms."""

    __slots__ = ()


contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")
strided = layout("strided")
sparse_coo, sparse_csr, sparse_csc = map(layout, ("sparse_coo", "sparse_csr", "sparse_csc"))

_ALL = {w.name: w for w in tuple(globals().values()) if isinstance(w, _Word)}


def _by_name(name: str) -> _Word:
    return _ALL[name]


_RANKS = {channels_last: 4, channels_last_3d: 5}


def order_of(form: Any, ndim: int) -> tuple[int, ...]:
    """The dimensions in memory, outermost first, that a format asks of `ndim` dimensions.

    RuntimeError for a format of another number of dimensions.
    """
    rank = _RANKS.get(form)
    if rank is None:
        return tuple(range(ndim))
    if rank != ndim:
        raise RuntimeError(f"required rank {rank} tensor to use {form.name} format, got {ndim}")
    return (0, *range(2, ndim), 1)


def dense_order(array: Any) -> tuple[int, ...]:
    """The dimensions of an array in memory, outermost first; their own order if it has gaps."""
    plain = tuple(range(array.ndim))
    if array.flags.c_contiguous or 0 in array.strides:
        return plain
    order = tuple(sorted(plain, key=lambda d: -array.strides[d]))
    return order if array.transpose(order).flags.c_contiguous else plain


def laid_out(array: Any, order: tuple[int, ...]) -> Any:
    """A copy whose dimensions lie in memory in the given order, outermost first."""
    inverse = tuple(map(order.index, range(array.ndim)))
    return array.transpose(order).copy("C").transpose(inverse)
