"""Host arrays from Python data: what `pyrite.tensor` and `as_tensor` accept."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _dtypes
from .._dtypes import dtype


def from_data(data: Any, kind: dtype | None, copy: bool) -> np.ndarray[Any, Any]:
    """A NumPy array from numbers, nested sequences or anything with `__array__`.

    Python numbers follow torch: ints are int64, floats the default type. ValueError for ragged
    sequences, TypeError for text, RuntimeError for other objects and for overflow.
    """
    if hasattr(data, "__array__") or hasattr(data, "__array_interface__"):
        array = np.asarray(data)
        _dtypes.from_numpy_dtype(array.dtype)
    else:
        array = _from_sequence(data)
        if kind is None:
            kind = _python_dtype(array, data)
        elif array.dtype.kind == "c" and not kind.is_complex:
            raise TypeError(f"complex numbers cannot be converted to {kind}; take the real parts")
        if kind is not None and kind.category == _dtypes.INT and array.dtype.kind in "iuf":
            _check_range(array, kind)
    if kind is not None and array.dtype != kind.numpy:
        with np.errstate(all="ignore"):
            return array.astype(kind.numpy)
    return np.array(array, order="C") if copy else array


def _check_range(array: np.ndarray[Any, Any], kind: dtype) -> None:
    """Refuse Python numbers that an integer dtype does not hold (negative ones wrap in uint8)."""
    if not array.size:
        return
    low, high = array.min(), array.max()
    if array.dtype.kind == "u" and high > np.iinfo(np.int64).max:
        raise ValueError(f"Overflow when unpacking long: {high} does not fit into int64")
    limits = np.iinfo(kind.numpy)
    least = -int(limits.max) if kind is _dtypes.uint8 else limits.min
    if not (low >= least and high <= limits.max):
        raise RuntimeError(
            f"value cannot be converted to type {kind.name} without overflow: "
            f"{high if low >= least else low}"
        )


def _from_sequence(data: Any) -> np.ndarray[Any, Any]:
    if isinstance(data, range):
        data = list(data)
    if isinstance(data, str | bytes) or not isinstance(
        data, bool | int | float | complex | list | tuple
    ):
        if not hasattr(data, "__len__") or isinstance(data, str | bytes | dict | set):
            name = type(data).__name__
            if isinstance(data, str | bytes):
                raise TypeError(f"new(): invalid data type '{name}'")
            raise RuntimeError(f"Could not infer dtype of {name}; expected numbers or sequences")
        data = list(data)
    try:
        array = np.array(data)
    except ValueError:
        raise ValueError(
            "expected sequences of equal length at every depth: " + _ragged(data)
        ) from None
    except OverflowError as error:
        raise RuntimeError(f"value cannot be converted without overflow: {error}") from None
    if array.dtype.kind not in "biufc":
        if array.dtype == object and _holds_int(data):
            raise ValueError("Overflow when unpacking long: an int does not fit into int64")
        culprit = _culprit(data)
        if not isinstance(culprit, str | bytes):
            raise RuntimeError(f"Could not infer dtype of {type(culprit).__name__}: {culprit!r}")
        raise TypeError(f"new(): the data holds something that is no number: {culprit!r}")
    return array


def _python_dtype(array: np.ndarray[Any, Any], data: Any) -> dtype | None:
    """The type of Python numbers; NumPy scalars inside a sequence keep theirs."""
    first = data
    while isinstance(first, list | tuple) and first:
        first = first[0]
    if isinstance(first, np.generic):
        return None
    kind = array.dtype.kind
    if kind == "f":
        return _dtypes.get_default_dtype()
    if kind == "c":
        return _dtypes.get_default_dtype().to_complex()
    return _dtypes.bool_ if kind == "b" else _dtypes.int64


def _ragged(data: Any) -> str:
    lengths = [len(d) if hasattr(d, "__len__") else "a number" for d in data]
    odd = next((i for i, n in enumerate(lengths) if n != lengths[0]), None)
    if odd is None:
        return "lengths differ further inside"
    return f"item 0 has length {lengths[0]}, item {odd} has length {lengths[odd]}"


def _holds_int(data: Any) -> bool:
    if isinstance(data, list | tuple):
        return any(_holds_int(d) for d in data)
    return isinstance(data, int)


def _culprit(data: Any) -> Any:
    while isinstance(data, list | tuple) and data:
        data = next((d for d in data if not isinstance(d, bool | int | float | complex)), data[0])
    return data


def from_dlpack(source: Any) -> np.ndarray[Any, Any]:
    """A NumPy array that shares the memory of any object with `__dlpack__`."""
    return np.from_dlpack(source)


def byte_buffer(buffer: Any, kind: dtype, count: int, offset: int) -> np.ndarray[Any, Any]:
    """A NumPy array over an object with the buffer protocol."""
    return np.frombuffer(buffer, kind.numpy, count, offset)
