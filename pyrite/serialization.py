"""`save` and `load`: checkpoints in PyTorch's file format, written and read without PyTorch."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import pickle
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np

from . import backends
from ._archive import ALIGNMENT, MAGIC, Archive, Bytes, add_member
from ._device import device
from ._dtypes import dtype
from ._files import atomic_write
from ._pickle import SafeUnpickler, TensorPickler, allowed_by_user, full_unpickler
from ._torch_names import Global, Storage, StorageRef

__all__ = [
    "add_safe_globals", "clear_safe_globals", "get_safe_globals", "load", "safe_globals", "save",
]  # fmt: skip

File = str | os.PathLike[str] | BinaryIO
MapLocation = str | device | dict[str, str] | Callable[[Storage, str], Storage | None] | None
# Files from before the zip format: two numbers and a dict, then the object, then its bytes.
_LEGACY_HEAD, _LEGACY_VERSION = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)[2:], 1001


def save(
    obj: object, f: File, pickle_module: ModuleType | None = None, pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
) -> None:  # fmt: skip
    """Write `obj` to a file that `pyrite.load` and `torch.load` read.

    Tensors keep strides, dtype, device, `requires_grad` and shared memory: views of one storage
    are written once and share again when loaded. A path is replaced at one stroke, when all is
    on the disk: a crash leaves the old file whole.

    Args:
        obj: tensors, numbers, strings, state dicts, any nesting of them. Other objects are
            pickled; loading them needs `weights_only=False` or `add_safe_globals`.
        f: a path, or a file open for writing bytes.
        pickle_module: the standard pickle only.
        pickle_protocol: 2, the one that `torch.load(weights_only=True)` reads, to 5.

    Raises:
        RuntimeError: the folder does not exist, or two tensors see one memory as different
            dtypes.
    """
    if pickle_module not in (None, pickle) or not _use_new_zipfile_serialization:
        raise ValueError(
            "save() writes the zip format with the standard pickle; leave pickle_module and "
            "_use_new_zipfile_serialization at their defaults"
        )
    if isinstance(f, str | os.PathLike):
        with atomic_write(f) as file:
            _write(obj, file, Path(f).stem, pickle_protocol)
    elif hasattr(f, "write"):
        _write(obj, f, "archive", pickle_protocol)
    else:
        raise AttributeError(
            "expected 'f' to be string, path, or a file-like object with a 'write' attribute, "
            f"got {type(f).__name__}"
        )


def _write(obj: object, file: BinaryIO, folder: str, protocol: int) -> None:
    stream = io.BytesIO()
    pickler = TensorPickler(stream, protocol)
    pickler.dump(obj)
    with zipfile.ZipFile(file, "w") as archive:

        def add(name: str, data: bytes | memoryview) -> None:
            add_member(archive, f"{folder}/{name}", data)

        add("data.pkl", stream.getbuffer())
        add(".format_version", b"1")
        add(".storage_alignment", b"%d" % ALIGNMENT)
        add("byteorder", sys.byteorder.encode())
        for ref, memory, _ in pickler.storages.values():
            host = backends.of(memory).to_host(memory).view(np.uint8)
            add(f"data/{ref.key}", host.data[: ref.nbytes])
        add("version", b"3\n")
        listing = repr([(i.filename, i.CRC) for i in archive.infolist()]).encode()
        identity = int.from_bytes(hashlib.sha256(listing).digest(), "big") % 10**40
        add(".data/serialization_id", b"%040d" % identity)


def load(
    f: File, map_location: MapLocation = None, pickle_module: Any = None, *,
    weights_only: bool | None = None, mmap: bool | None = None, **pickle_load_args: Any,
) -> Any:  # fmt: skip
    """Read what `pyrite.save` or `torch.save` wrote (PyTorch is not needed).

    Args:
        f: a path, or a seekable file open for reading bytes. A path that ends in
            `.safetensors` is read as such.
        map_location: where tensors go: a device, `{saved: wanted}`, or a function of
            (storage, saved location); None: to the device that they were saved from.
        pickle_module: its `Unpickler` is used, with `weights_only=False`.
        weights_only: True (also meant by None, unless `pickle_module` is given) builds tensors,
            plain data and what `add_safe_globals` allowed, and runs nothing of the file's.
            False also builds any other object, whole Modules among them: such a file can run
            any code, so load only what you trust.
        mmap: map the tensors' bytes into memory in place of reading them; they come from the
            disk when first used, are not compared with their checksum, and writes to them do
            not reach the file.
        pickle_load_args: `encoding` and `errors`, for files from Python 2.

    Raises:
        pickle.UnpicklingError: the file names a type or function that is not allowed.
        RuntimeError: the file is damaged, cut short or no checkpoint; or a tensor's device is
            not available.
    """
    safe = pickle_module is None if weights_only is None else weights_only
    if safe and pickle_module is not None:
        raise RuntimeError(
            "Can not safely load weights when explicit pickle_module is specified; leave it out, "
            "or pass weights_only=False"
        )
    new = SafeUnpickler if safe else partial(full_unpickler, (pickle_module or pickle).Unpickler)
    unpickler = partial(new, **{"encoding": "utf-8", **pickle_load_args})
    if not isinstance(f, str | os.PathLike):
        if mmap:
            raise ValueError("f must be a file path in order to use the mmap argument")
        return _Loader(f, f"the {type(f).__name__}", map_location, unpickler).load(mmap=False)
    if os.fspath(f).endswith(".safetensors"):
        from .safetensors import load_file

        if not isinstance(map_location, str | device | None):
            raise RuntimeError(f"a safetensors file wants a device, got {map_location=!r}")
        return load_file(f, "cpu" if map_location is None else map_location)
    with open(f, "rb") as file:
        return _Loader(file, os.fspath(f), map_location, unpickler).load(bool(mmap))


class _Loader:
    """One call of `load` on an open file."""

    def __init__(
        self, file: BinaryIO, origin: str, map_location: MapLocation, unpickler: Callable[..., Any]
    ) -> None:
        self._file, self._origin = file, origin
        self._map_location, self._unpickler = map_location, unpickler

    def load(self, mmap: bool) -> Any:
        try:
            start = self._file.tell()
            head = self._file.read(16)
            self._file.seek(start)
        except (AttributeError, io.UnsupportedOperation) as error:
            raise type(error)(
                f"{error}. You can only load from a file that is seekable; read it into an "
                "io.BytesIO and load from that"
            ) from None
        if head.startswith(MAGIC):
            return self._load_zip(mmap)
        if head[2:].startswith(_LEGACY_HEAD) and not mmap:
            return self._load_legacy()
        if not head:
            raise RuntimeError(f"{self._origin} is empty: nothing was saved to it")
        fix = ". mmap=True reads the format of PyTorch 1.6 and later only" if mmap else ""
        if head[8:9] == b"{":
            fix = ". If it is a safetensors file, read it with pyrite.safetensors.load_file"
        raise RuntimeError(
            f"{self._origin} is no checkpoint of pyrite.save or torch.save: it starts with "
            f"{head!r}{fix}"
        )

    def _load_zip(self, mmap: bool) -> Any:
        archive = Archive(self._file, self._origin)
        if "constants.pkl" in archive:
            raise RuntimeError(
                f"{self._origin} is a TorchScript archive; save model.state_dict() in PyTorch and "
                "load that"
            )
        order = archive.read("byteorder") if "byteorder" in archive else b"little"
        swap = order != sys.byteorder.encode()
        fetch = archive.map_array if mmap else archive.read_array
        stream = io.BytesIO(archive.read("data.pkl"))
        return self._unpickle(stream, lambda ref: fetch(f"data/{ref.key}", ref.nbytes), swap)

    def _load_legacy(self) -> Any:
        """Two passes: the bytes of the storages follow the pickle that says how many there are."""
        file, found = self._file, dict[str, tuple[StorageRef, Bytes]]()
        _, version, info = (self._plain_pickle() for _ in range(3))
        if version != _LEGACY_VERSION or not isinstance(info, dict):
            raise RuntimeError(f"{self._origin} is of version {version}, not {_LEGACY_VERSION}")
        start = file.tell()
        free = file.seek(0, os.SEEK_END) - file.seek(start)

        def reserve(ref: StorageRef) -> Bytes:
            if ref.nbytes + sum(data.nbytes for _, data in found.values()) > free:
                raise RuntimeError(f"{self._origin} is cut short: it has too few bytes")
            found[ref.key] = ref, np.empty(ref.nbytes, np.uint8)
            return found[ref.key][1]

        location, self._map_location = self._map_location, "cpu"
        self._unpickle(file, reserve)
        self._map_location = location
        little = bool(info.get("little_endian", True))
        keys = self._plain_pickle()
        if not isinstance(keys, list) or {str(key) for key in keys} != set(found):
            raise RuntimeError(f"{self._origin} is damaged: it lists other storages than it uses")
        for key in keys:
            ref, data = found[str(key)]
            count, content = file.read(8), file.read(ref.nbytes)
            numel = int.from_bytes(count, "little" if little else "big")
            if numel != ref.numel or len(content) != ref.nbytes:
                raise RuntimeError(f"{self._origin} is damaged or cut short at storage {key!r}")
            data[:] = np.frombuffer(content, np.uint8)
        file.seek(start)
        swap = little != (sys.byteorder == "little")
        return self._unpickle(file, lambda ref: found[ref.key][1], swap)

    def _plain_pickle(self) -> Any:
        def refuse(pid: object) -> Any:
            raise ValueError("a tensor in its head")

        return SafeUnpickler(self._file, self._origin, refuse).load()

    def _unpickle(
        self, file: BinaryIO, fetch: Callable[[StorageRef], Bytes], swap: bool = False
    ) -> Any:
        found: dict[str, tuple[StorageRef, Storage]] = {}

        def persistent_load(pid: Any) -> Storage:
            ref = _storage_ref(pid)
            if ref.key not in found:
                data = _swapped(ref, fetch(ref)) if swap else fetch(ref)
                found[ref.key] = ref, self._place(Storage(data, ref.kind.build), ref.location)
            if found[ref.key][0] != ref:
                raise ValueError(f"storage {ref.key!r} as {found[ref.key][0]} and as {ref}")
            return found[ref.key][1]

        return self._unpickler(file, self._origin, persistent_load).load()

    def _place(self, storage: Storage, location: str) -> Storage:
        """The storage on the device that the file or `map_location` says."""
        wanted: Any = self._map_location
        if callable(wanted):
            mapped = wanted(storage, location)
            wanted = mapped.device if isinstance(mapped, Storage) else None
        elif isinstance(wanted, dict):
            wanted = wanted.get(location)
        place = str(location if wanted is None else wanted)
        if not backends.available(place.partition(":")[0]):
            raise RuntimeError(
                f"{self._origin} holds tensors for the device '{place}', which is not available "
                "here; load it with map_location='cpu'"
            )
        storage.device = device(place)
        return storage


def _storage_ref(pid: Any) -> StorageRef:
    """A persistent id, checked. Files before the zip format have a sixth item, None."""
    match pid:
        case ("storage", Global() as kind, str(key), str(location), int(numel), *rest):
            if isinstance(kind.build, dtype | None) and numel >= 0 and not any(rest):
                return StorageRef(kind, key, location, numel)
    raise ValueError(f"a storage by the id {str(pid)[:200]}")


def _swapped(ref: StorageRef, data: Bytes) -> Bytes:
    kind = ref.kind.build
    width = ref.kind.itemsize // (2 if kind is not None and kind.is_complex else 1)
    return data.view(f"u{width}").byteswap().view(np.uint8)


def add_safe_globals(safe_globals: Sequence[Any]) -> None:
    """Let `load(weights_only=True)` build these classes and call these functions.

    Args:
        safe_globals: classes or functions, or pairs of one and the name that files have for it
            ("package.module.Name").
    """
    for item in safe_globals:
        value, name = item if isinstance(item, tuple) else (item, None)
        if not callable(value) or not isinstance(name, str | None):
            raise TypeError(f"expected classes, functions or (class, 'name') pairs, got {item!r}")
        allowed_by_user[name or f"{value.__module__}.{value.__qualname__}"] = value


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` allowed."""
    return list(allowed_by_user.values())


def clear_safe_globals() -> None:
    """Take back all that `add_safe_globals` allowed."""
    allowed_by_user.clear()


@contextlib.contextmanager
def safe_globals(safe_globals: Sequence[Any]) -> Iterator[None]:
    """`add_safe_globals` for the length of a `with` block."""
    before = dict(allowed_by_user)
    add_safe_globals(safe_globals)
    try:
        yield
    finally:
        clear_safe_globals()
        allowed_by_user.update(before)
