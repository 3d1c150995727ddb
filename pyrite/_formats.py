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


def arranged(result: Any, operands: tuple[Any, ...], follow: bool) -> Any:
    """An op's result in torch's order of memory, copied if the array library chose another one.

    A pointwise result follows the strides of its operands, the first ones first (`follow`); a
    reduction's lies in the order of its indices.
    """
    if type(result) is tuple:
        return tuple([r if r is None else arranged(r, operands, follow) for r in result])
    if result.ndim < 2:
        return result
    given = [a for a in operands if getattr(a, "ndim", 0)] if follow else []
    if all(a.flags.c_contiguous for a in given):
        return result if result.flags.c_contiguous else result.copy("C")
    return ordered(result, [broadcast_steps(a, result.shape) for a in given])


def ordered(result: Any, steps: list[list[int]]) -> Any:
    """A result in the order of memory that the strides of operands in its shape ask for."""
    order = memory_order(steps, result.shape)
    moved = result.transpose(order)
    return result if moved.flags.c_contiguous else laid_out(result, order)


def memory_order(steps: list[list[int]], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Dimensions, outermost first, by strides of operands; where they say nothing, as is.

    An insertion sort, since strides of 0 (broadcasting) make the comparison a partial order; what
    is inserted stays where it is until the first dimension that has to lie outside of it.
    """
    order = list(range(len(shape)))[::-1]  # innermost first
    for i in range(1, len(shape)):
        at = i
        for j in range(i - 1, -1, -1):
            swap = _compare(steps, shape, order[j], order[at])
            if swap < 0:
                break
            if swap > 0:
                order[j], order[at] = order[at], order[j]
                at = j
    return tuple(order[::-1])


def broadcast_steps(array: Any, shape: tuple[int, ...]) -> list[int]:
    """The strides of an operand in the result's shape, 0 where it is broadcast."""
    lead = len(shape) - array.ndim
    pairs = zip(array.shape, array.strides, shape[lead:], strict=True)
    return [0] * lead + [0 if n == 1 != size else step for n, step, size in pairs]


def _compare(steps: list[list[int]], shape: tuple[int, ...], inner: int, outer: int) -> int:
    """1 if `inner` has to lie outside `outer`, -1 if not, 0 if no operand tells."""
    for step in steps:
        if not (step[inner] and step[outer]):
            continue
        if step[inner] != step[outer]:
            return 1 if step[inner] > step[outer] else -1
        if shape[inner] > shape[outer]:
            return 1
    return 0
