"""Storage: the memory that a tensor shares with its views, and how views remember their base."""

from __future__ import annotations

from typing import Any


class Storage:
    """Shared by a tensor, its views and its `detach()`ed twins; made when first needed.

    Attributes:
        root: the array that owns the memory.
        version: counts in-place writes; what was saved at another version is stale.
        generation: counts changes of the base's autograd history; views made before refresh.
    """

    __slots__ = ("root", "version", "generation", "__weakref__")

    def __init__(self, array: Any) -> None:
        self.root = array
        self.version = 0
        self.generation = 0


class View:
    """How a tensor was cut out of its base: a chain of view ops, replayed after a rebase.

    Attributes:
        base: the tensor that is no view.
        chain: steps `(op name, attributes, output number or None)`, first applied first.
        generation: the base's generation for which the view's node was made.
        origin: "", or why it may not be written in place with gradients: "multi", "no_grad".
    """

    __slots__ = ("base", "chain", "generation", "origin")

    def __init__(
        self, base: Any, chain: tuple[tuple[str, tuple[Any, ...], int | None], ...],
        generation: int, origin: str,
    ) -> None:  # fmt: skip
        self.base = base
        self.chain = chain
        self.generation = generation
        self.origin = origin


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
