"""Safetensors files: named tensors without pickle (names as in `safetensors.torch`).

Non-contiguous tensors are written as their values. Tensors that are one in memory (tied weights)
are written once; the metadata says which name stands for which, as `safetensors.torch.save_model`
does it, and loading ties them again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors import numpy as _numpy

from . import backends
from ._device import device as Device
from ._files import atomic_write
from ._tensor import Tensor

__all__ = ["SafetensorError", "load_file", "save", "save_file"]

Path = str | os.PathLike[str]


def save_file(
    tensors: Mapping[str, Any], filename: Path, metadata: Mapping[str, str] | None = None
) -> None:
    """Write named tensors to a file, at one stroke (an existing file stays whole till the end).

    Raises:
        ValueError: a value is no tensor.
        RuntimeError: tensors overlap in memory without being the same.
    """
    arrays, extended = _prepare(tensors, metadata)
    with atomic_write(filename) as file:
        _numpy.save_file(arrays, file.name, extended)


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes that `save_file` writes."""
    return _numpy.save(*_prepare(tensors, metadata))


def load_file(filename: Path, device: str | Device = "cpu") -> dict[str, Tensor]:
    """Read a safetensors file: names to new tensors on `device`.

    Raises:
        SafetensorError: the file is damaged, cut short or in another format.
    """
    try:
        with safe_open(filename, framework="np") as file:
            found = {name: _tensor(file.get_tensor(name), device) for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise SafetensorError(f"{os.fspath(filename)} cannot be read: {error}") from error
    ties = {name: kept for name, kept in metadata.items() if kept in found and name not in found}
    return found | {name: found[kept] for name, kept in ties.items()}


def _tensor(array: np.ndarray[Any, Any], device: str | Device) -> Tensor:
    tensor: Any = Tensor(array if array.flags.writeable else array.copy())
    return tensor if Device(device).type == "cpu" else tensor.to(device)


def _prepare(
    tensors: Mapping[str, Any], metadata: Mapping[str, str] | None
) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, str] | None]:
    """Contiguous host arrays, each memory once, and the metadata with the ties added."""
    areas: dict[tuple[Any, ...], str] = {}
    ties: dict[str, str] = {}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor):
            received = type(tensor).__name__
            raise ValueError(f"Key `{name}` is invalid, expected a Tensor but received {received}")
        kept = areas.setdefault(_area(tensor, name), name)
        if kept != name:
            ties[name] = kept
    _refuse_overlap(areas)
    # safetensors 0.8 writes wrong values for arrays that are not in C order.
    arrays = {
        name: np.ascontiguousarray(backends.of(t.array).to_host(t.array)).reshape(t.array.shape)
        for name, t in tensors.items()
        if name not in ties
    }
    return arrays, {**(metadata or {}), **ties} or None


def _area(tensor: Tensor, name: str) -> tuple[Any, ...]:
    """Device, first and last address, then what else makes two tensors the same."""
    if not tensor.array.size:
        return (name,)
    start, size = tensor.data_ptr(), tuple(tensor.shape)
    last = sum((n - 1) * step for n, step in zip(size, tensor.stride()))
    stop = start + (last + 1) * tensor.dtype.itemsize
    return (str(tensor.device), start, stop, size, tensor.stride(), tensor.dtype.name)


def _refuse_overlap(areas: dict[tuple[Any, ...], str]) -> None:
    before: tuple[Any, ...] | None = None
    for area in sorted(a for a in areas if len(a) > 1):
        if before is not None and area[0] == before[0] and area[1] < before[2]:
            raise RuntimeError(
                f"tensors {areas[before]!r} and {areas[area]!r} share memory without being the "
                "same; a safetensors file cannot say that: clone() one of them, or use pyrite.save"
            )
        if before is None or area[0] != before[0] or area[2] > before[2]:
            before = area
