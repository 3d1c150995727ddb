"""Storages as users see them: the bytes under a tensor, and tensors set on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from .. import backends
from .._device import device
from .._dtypes import dtype, uint8
from .._inplace import check_writable
from .._storage import Storage, memory, storage_of
from .._tensor import Tensor
from ._register import composite


class UntypedStorage:
    """The bytes that a tensor and its views share; made by `tensor.untyped_storage()`."""

    _kind: dtype = uint8

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def _flat(self) -> Any:
        """The elements in the order of their addresses."""
        flat = memory(self._storage.root)
        if flat is None:
            raise RuntimeError("this storage is foreign memory with gaps; clone() the tensor first")
        return flat.view(self._kind.numpy)

    def _tensor(self) -> Tensor:
        out = Tensor(self._flat())
        out.storage = self._storage
        return out

    @property
    def device(self) -> device:
        return self._tensor().device

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    def nbytes(self) -> int:
        """The size in bytes."""
        return int(self._storage.root.nbytes)

    def element_size(self) -> int:
        """Bytes per element."""
        return self._kind.itemsize

    def size(self) -> int:
        """The number of elements."""
        return self.nbytes() // self._kind.itemsize

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return Tensor(self._storage.root).data_ptr()

    def tolist(self) -> list[Any]:
        """The elements as Python numbers."""
        values: list[Any] = self._tensor().tolist()
        return values

    def clone(self) -> Any:
        """A copy in memory of its own."""
        copied = type(self).__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied._storage = Storage(self._flat().copy())
        return copied

    def fill_(self, value: Any) -> Any:
        """Set all elements to one number."""
        self._tensor().fill_(value)
        return self

    def copy_(self, source: UntypedStorage, non_blocking: bool = False) -> Any:
        """Write the elements of another storage of the same size."""
        self._tensor().copy_(source._tensor())
        return self

    def is_shared(self) -> bool:
        """Whether other processes share the memory."""
        return self.is_cuda

    def __len__(self) -> int:
        return self.size()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, index: int | slice) -> Any:
        part = self._tensor()[index]
        return part.item() if isinstance(index, int) else part.tolist()

    def __setitem__(self, index: int | slice, value: Any) -> None:
        self._tensor()[index] = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UntypedStorage) and self._storage is other._storage

    def __hash__(self) -> int:
        return id(self._storage)

    def __repr__(self) -> str:
        rows = "\n".join(f" {v}" for v in self.tolist()[:1000])
        kind = f"dtype={self._kind}, " if self._kind is not uint8 else ""
        name = f"{type(self).__name__}({kind}device={self.device})"
        return f"{rows}\n[pyrite.storage.{name} of size {len(self)}]"


@composite(public="m")
def untyped_storage(self: Tensor) -> UntypedStorage:
    """The bytes that this tensor shares with its views."""
    return UntypedStorage(storage_of(self))


@composite(public="f")
def is_storage(obj: Any) -> bool:
    """Whether `obj` is a storage."""
    return isinstance(obj, UntypedStorage)


@composite(public="m", name="set_")
def set_(
    self: Tensor, source: Tensor | UntypedStorage | None = None, storage_offset: int = 0,
    size: Sequence[int] | None = None, stride: Sequence[int] | None = None,
) -> Tensor:  # fmt: skip
    """Let this tensor be the given elements of another's memory (no memory without a source).

    Args:
        source: a tensor, as it is or with a place in its storage, or a storage.
        storage_offset: the first element.
        size: the shape; all elements of a storage without it.
        stride: steps in elements; those of a contiguous tensor without it.
    """
    check_writable(self, overlap=False)
    found = _source(self, source, storage_offset, size, stride)
    if found.dtype is not self.dtype:
        raise RuntimeError(
            f"Could not set tensor of type {found.dtype} to a tensor of type {self.dtype}"
        )
    self.array, self.storage, self.cut = found.array, storage_of(found), None
    return self


def _source(self: Tensor, source: Any, offset: int, size: Any, stride: Any) -> Tensor:
    if source is None:
        return Tensor(backends.of(self.array).empty((0,), self.array.dtype))
    if isinstance(source, Tensor) and size is None:
        return source
    flat = (
        source._tensor()
        if isinstance(source, UntypedStorage)
        else UntypedStorage(storage_of(source))._tensor()
    )
    kind = self.dtype if isinstance(source, UntypedStorage) else source.dtype
    flat = flat.view(kind) if flat.dtype is not kind else flat
    size = (flat.shape[0] - offset,) if size is None else tuple(size)
    if stride is None:
        stride = Tensor(backends.of(flat.array).empty(size, flat.array.dtype)).stride()
    return flat.as_strided(size, stride, offset).detach()
