"""The ZIP container of checkpoints: members stored as they are, aligned, checked before use."""

from __future__ import annotations

import contextlib
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np

Bytes = np.ndarray[Any, np.dtype[np.uint8]]
MAGIC = b"PK\x03\x04"
ALIGNMENT = 64
_CHUNK = 1 << 18  # bytes moved at a time, so that the checksum finds them in the CPU's cache
_LOCAL_HEADER = 30


def add_member(archive: zipfile.ZipFile, name: str, data: bytes | memoryview) -> None:
    """Store a member whose bytes start at a multiple of 64, so that it can be memory-mapped."""
    info = zipfile.ZipInfo(name)
    large = len(data) >= zipfile.ZIP64_LIMIT
    header = _LOCAL_HEADER + len(name.encode()) + (20 if large else 0) + 4
    padding = -(archive.start_dir + header) % ALIGNMENT
    info.extra = b"FB" + struct.pack("<H", padding) + b"Z" * padding
    with archive.open(info, "w", force_zip64=large) as member:
        for start in range(0, len(data), _CHUNK):
            member.write(data[start : start + _CHUNK])
    info.extra = b""  # the table of contents needs no padding


class Archive:
    """A checkpoint opened for reading; its sizes are checked against the file's before use.

    Args:
        file: a seekable file.
        origin: its name, for messages.

    Raises:
        RuntimeError: here and in all methods, where the archive is damaged or no checkpoint.
    """

    def __init__(self, file: BinaryIO, origin: str) -> None:
        self.origin = origin
        self._file = file
        self._size = file.seek(0, os.SEEK_END)
        with self._explain("its table of contents"):
            self._zip = zipfile.ZipFile(file)
        self._members = {i.filename: i for i in self._zip.infolist()}
        self._check_members()
        pickles = [n for n in self._members if n.endswith("/data.pkl") and n.count("/") == 1]
        if len(pickles) != 1:
            raise RuntimeError(
                f"{origin} is a ZIP archive but no checkpoint: it holds {len(pickles)} files "
                "named */data.pkl, expected one"
            )
        self._folder = pickles[0].removesuffix("data.pkl")

    def _check_members(self) -> None:
        members = self._zip.infolist()
        if len(members) != len(self._members):
            raise RuntimeError(f"{self.origin} is damaged: two of its members have one name")
        for info in members:
            if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1:
                raise RuntimeError(
                    f"{self.origin} is no checkpoint: its member {info.filename!r} is compressed "
                    "or encrypted; PyTorch and Pyrite store members as they are"
                )
        sizes = [i.file_size for i in members]
        if sum(sizes) > self._size or sizes != [i.compress_size for i in members]:
            raise RuntimeError(
                f"{self.origin} is damaged: its members claim {sum(sizes)} bytes, the file has "
                f"{self._size}"
            )

    @contextlib.contextmanager
    def _explain(self, what: str) -> Iterator[None]:
        try:
            yield
        except (
            zipfile.BadZipFile, EOFError, NotImplementedError, OSError, OverflowError,
            struct.error, ValueError,
        ) as error:  # fmt: skip
            raise RuntimeError(
                f"{self.origin} is damaged or cut short: {what} cannot be read ({error}). "
                "Save or download it again"
            ) from error

    def __contains__(self, name: str) -> bool:
        return self._folder + name in self._members

    def _member(self, name: str, nbytes: int | None = None) -> zipfile.ZipInfo:
        info = self._members.get(self._folder + name)
        if info is None:
            raise RuntimeError(f"{self.origin} is damaged: it has no member {name!r}")
        if nbytes is not None and info.file_size != nbytes:
            raise RuntimeError(
                f"{self.origin} is damaged: its member {name!r} has {info.file_size} bytes, its "
                f"tensors need {nbytes}"
            )
        return info

    def read(self, name: str) -> bytes:
        """The bytes of a small member."""
        info = self._member(name)
        with self._explain(f"its member {name!r}"):
            return self._zip.read(info)

    def read_array(self, name: str, nbytes: int) -> Bytes:
        """A member of `nbytes` bytes as a new array, compared with its checksum."""
        info = self._member(name, nbytes)
        out = np.empty(nbytes, np.uint8)
        view, checksum = out.data, 0
        with self._explain(f"its member {name!r}"):
            self._file.seek(self._start(info))
            for start in range(0, nbytes, _CHUNK):
                chunk = view[start : start + _CHUNK]
                chunk[:] = self._file.read(len(chunk))
                checksum = zlib.crc32(chunk, checksum)
            if checksum != info.CRC:
                raise ValueError("its checksum is wrong")
        return out

    def map_array(self, name: str, nbytes: int) -> Bytes:
        """A member as a copy-on-write map of the file (which `origin` names), not checked."""
        info = self._member(name, nbytes)
        if not nbytes:
            return np.empty(0, np.uint8)
        with self._explain(f"its member {name!r}"):
            return np.asarray(np.memmap(self.origin, np.uint8, "c", self._start(info), (nbytes,)))

    def _start(self, info: zipfile.ZipInfo) -> int:
        """Where the bytes of a member start; its own header says how long that is."""
        self._file.seek(info.header_offset)
        name_size, extra_size = struct.unpack("<26x2H", self._file.read(_LOCAL_HEADER))
        start: int = info.header_offset + _LOCAL_HEADER + name_size + extra_size
        if start + info.file_size > self._size:
            raise EOFError("it reaches past the end of the file")
        return start
