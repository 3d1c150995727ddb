"""Numeric arrays in MATLAB files of version 5 (MathWorks, "MAT-File Format").

A file is a head of 128 bytes and elements: a type, a size, that many bytes; zlib streams hold one
element. An array's element holds elements in turn: flags, dimensions, name, numbers.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_NUMBERS = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_CLASSES = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
_ARRAY, _PACKED = 14, 15


def read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    """The arrays of a file by name, in MATLAB's order of elements.

    ValueError for a damaged file, one of another version, or one with other things than numbers.
    """
    raw = path.read_bytes()
    try:
        order = {b"IM": "<", b"MI": ">"}[raw[126:128]]
        found = {}
        for kind, data in _elements(raw[128:], order):
            inner = (
                next(_elements(zlib.decompress(data), order)) if kind == _PACKED else (kind, data)
            )
            if inner[0] == _ARRAY:
                name, array = _array(inner[1], order)
                found[name] = array
        return found
    except (KeyError, IndexError, StopIteration, ValueError, struct.error, zlib.error) as error:
        raise ValueError(
            f"{path} is damaged or no MATLAB file of numbers, version 5 ({error}): get it again"
        ) from error


def _elements(raw: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and bytes of each element; those of at most four bytes lie in their own head."""
    at = 0
    while at < len(raw):
        kind, size = struct.unpack_from(order + "2I", raw, at)
        if kind >> 16:
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        else:
            start, end = at + 8, at + 8 + size
            end += 0 if kind == _PACKED else -size % 8
        if start + size > len(raw):
            raise ValueError(f"it needs {start + size} bytes, got {len(raw)}")
        yield kind, raw[start : start + size]
        at = end


def _array(data: bytes, order: str) -> tuple[str, np.ndarray[Any, Any]]:
    (_, flags), (_, sizes), (_, name), (kind, numbers) = list(_elements(data, order))[:4]
    stored = np.frombuffer(numbers, order + _NUMBERS[kind])
    shape = tuple(np.frombuffer(sizes, order + "i4").tolist())
    wanted = _CLASSES[struct.unpack_from(order + "I", flags)[0] & 0xFF]
    if min(shape) < 0 or math.prod(shape) != len(stored):
        raise ValueError(f"an array of shape {shape} with {len(stored)} numbers")
    return name.decode("latin1"), stored.reshape(shape, order="F").astype(wanted, copy=False)
