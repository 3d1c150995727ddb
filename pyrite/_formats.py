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
