"""Helpers of the tests of files."""

from __future__ import annotations

import io
import warnings
import zipfile
from typing import Any

import numpy as np

import pyrite

DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
    "float64", "complex64", "complex128",
]  # fmt: skip


def array(shape: tuple[int, ...], kind: str = "float32") -> np.ndarray[Any, Any]:
    values = np.asarray(np.arange(np.prod(shape, dtype=int)).reshape(shape) % 7 - 2)
    return values.astype(getattr(pyrite, kind).numpy)


def tensor(shape: tuple[int, ...], kind: str = "float32") -> Any:
    return pyrite.from_numpy(array(shape, kind))


def same(a: Any, b: Any) -> bool:
    return (
        a.dtype is b.dtype
        and a.shape == b.shape
        and a.stride() == b.stride()
        and a.requires_grad == b.requires_grad
        and a.array.tobytes() == b.array.tobytes()
    )


def shares(a: Any, b: Any) -> bool:
    return np.shares_memory(a.array, b.array)


def edit(raw: bytes, name: str, change: Any, **header: Any) -> bytes:
    """A copy of an archive with one member changed (None removes it) and correct checksums."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(out, "w") as new:
        for info in old.infolist():
            data = old.read(info)
            if info.filename.endswith("/" + name):
                data = change(data)
            if data is not None:
                new.writestr(info.filename, data, **header)
    return out.getvalue()


def saved(value: Any) -> bytes:
    file = io.BytesIO()
    pyrite.save(value, file)
    return file.getvalue()


def checkpoint() -> dict[str, Any]:
    return {"w": tensor((8, 8)), "b": tensor((8,), "bfloat16"), "step": 3}


def zipped(members: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> io.BytesIO:
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", compression) as archive:
        warnings.simplefilter("ignore")
        for name, data in members:
            archive.writestr(name, data)
    out.seek(0)
    return out


def through(value: Any, **options: Any) -> Any:
    file = io.BytesIO()
    pyrite.save(value, file)
    file.seek(0)
    return pyrite.load(file, **options)


def matches(ours: Any, theirs: Any) -> bool:
    """Whether a Pyrite tensor equals one of PyTorch in all that a file holds."""
    import torch

    raw = theirs.detach().contiguous().reshape(-1).view(torch.uint8)
    return (
        ours.dtype.name == str(theirs.dtype).removeprefix("torch.")
        and tuple(ours.shape) == tuple(theirs.shape)
        and (not ours.array.size or ours.stride() == theirs.stride())
        and ours.requires_grad == theirs.requires_grad
        and ours.array.tobytes() == raw.numpy().tobytes()
    )
