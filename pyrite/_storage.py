"""Storage: the memory that a tensor shares with its views, and how views remember their base."""

from __future__ import annotations

from typing import Any

from ._dtypes import shared

# Linked view ops, the last applied first: (earlier ones or None, op name, attributes).
Chain = Any


class Storage:
    """Shared by a tensor, its views and its `detach()`ed twins; made when first needed.

    Attributes:
        root: the array that owns the memory.
        version: counts in-place writes; what was saved at another version is stale, and the
            history of views made at another version is cut anew from their base.
    """

    __slots__ = ("__weakref__", "root", "version")

    def __init__(self, array: Any) -> None:
        self.root = array
        self.version = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (memory(self.root),)


class View:
    """How a tensor was cut out of its base: a chain of view ops, replayed after a rebase.

    Attributes:
        base: the tensor it was cut from, itself no view when the cut was made.
        chain: the view ops.
        version: the storage's version for which the view's history holds.
        origin: "", or why it may not be written in place with gradients: "multi", "no_grad",
            "function" (made by a custom Function).
    """

    __slots__ = ("base", "chain", "origin", "version")

    def __init__(self, base: Any, chain: Chain, version: int, origin: str) -> None:
        self.base = base
        self.chain = chain
        self.version = version
        self.origin = origin


class Reshaped(View):
    """How a tensor whose own shape was changed in place is cut out of what it was before."""

    __slots__ = ()


def base_of(view: View) -> Any:
    """The tensor that a view's chain starts from.

    A base whose own shape was changed in place (`base.t_()`) became a view of what it was.
    """
    base = view.base
    while base.cut is not None:
        base = base.cut.base
    return base


def steps(chain: Chain) -> tuple[tuple[str, tuple[Any, ...]], ...]:
    """The view ops of a chain as (op name, attributes), the first applied first."""
    found = []
    while chain is not None:
        chain, name, attrs = chain
        found.append((name, attrs))
    return tuple(reversed(found))


def storage_of(tensor: Any) -> Storage:
    """The tensor's storage, made now if it has none."""
    storage: Storage | None = tensor.storage
    if storage is None:
        storage = tensor.storage = Storage(root_array(tensor.array))
    return storage


def root_array(array: Any) -> Any:
    """The array that owns the memory of `array`."""
    base = getattr(array, "base", None)
    while base is not None and isinstance(base, type(array)):
        array, base = base, base.base
    return array


def _restored(root: Any) -> Storage:
    return Storage(shared(root))


def memory(root: Any) -> Any:
    """The elements of an array in the order of their addresses; None if they leave gaps."""
    order = sorted(range(root.ndim), key=lambda dim: -root.strides[dim])
    moved = root.transpose(order)
    return moved.reshape(-1) if moved.flags.c_contiguous else None
