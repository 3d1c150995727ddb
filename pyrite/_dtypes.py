"""Data types: `dtype` objects, torch's promotion lattice and the default floating type."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


class dtype:
    """The type of a tensor's elements: `pyrite.float32`, `pyrite.int64`, ... (one object each)."""

    __slots__ = (
        "name", "itemsize", "is_floating_point", "is_complex", "is_signed", "category", "_numpy",
    )  # fmt: skip

    def __init__(self, name: str, itemsize: int, category: int, signed: bool = True) -> None:
        self.name, self.itemsize, self.category, self.is_signed = name, itemsize, category, signed
        self.is_floating_point, self.is_complex = category == FLOAT, category == COMPLEX
        self._numpy: np.dtype[Any] | None = None

    @property
    def numpy(self) -> np.dtype[Any]:
        """The NumPy type of the same layout; bfloat16 comes from `ml_dtypes`, imported here."""
        if self._numpy is None:
            layout: Any = self.name
            if self is bfloat16:
                import ml_dtypes

                layout = ml_dtypes.bfloat16
            self._numpy = np.dtype(layout)
            _FROM_NUMPY[self._numpy] = self
        return self._numpy

    def to_real(self) -> dtype:
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        return {"float32": complex64, "float64": complex128}.get(self.name, complex64)

    def __repr__(self) -> str:
        return f"pyrite.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _by_name, (self.name,)


BOOL, INT, FLOAT, COMPLEX = range(4)

bool_ = dtype("bool", 1, BOOL, signed=False)
uint8 = dtype("uint8", 1, INT, signed=False)
int8 = dtype("int8", 1, INT)
int16 = dtype("int16", 2, INT)
int32 = dtype("int32", 4, INT)
int64 = dtype("int64", 8, INT)
float16 = dtype("float16", 2, FLOAT)
bfloat16 = dtype("bfloat16", 2, FLOAT)
float32 = dtype("float32", 4, FLOAT)
float64 = dtype("float64", 8, FLOAT)
complex64 = dtype("complex64", 8, COMPLEX)
complex128 = dtype("complex128", 16, COMPLEX)

ALL = (
    bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64,
    complex64, complex128,
)  # fmt: skip
BY_NAME = {d.name: d for d in ALL}
_FROM_NUMPY: dict[np.dtype[Any], dtype] = {}


def _by_name(name: str) -> dtype:
    return BY_NAME[name]


for _d in ALL:
    if _d is not bfloat16:
        _FROM_NUMPY[_d.numpy] = _d


def from_numpy_dtype(kind: np.dtype[Any]) -> dtype:
    """The `dtype` of an array type; TypeError for types that tensors do not have."""
    found = _FROM_NUMPY.get(kind)
    if found is not None:
        return found
    if kind.name == "bfloat16" and bfloat16.numpy == kind:
        return bfloat16
    native = kind.newbyteorder("=")
    if native in _FROM_NUMPY:
        raise ValueError(
            f"given numpy array has byte order different from the native byte order ({kind}); "
            f"convert it first: array.astype({native.name!r})"
        )
    raise TypeError(
        f"can't convert np.ndarray of type {kind}. The only supported types are: "
        + ", ".join(d.name for d in ALL)
    )


def shared(array: Any) -> Any:
    """The array with the one dtype object of its kind (unpickled arrays have their own).

    Kernels tell dtypes apart by identity; ValueError and TypeError as `from_numpy_dtype`.
    """
    kind = from_numpy_dtype(array.dtype).numpy
    return array if array.dtype is kind else array.view(kind)


def as_dtype(value: Any) -> dtype:
    """`value` as a dtype: a `dtype`, or one of Python's bool, int, float, complex."""
    if isinstance(value, dtype):
        return value
    if value in (bool, int, float, complex):
        return {bool: bool_, int: int64, float: float64, complex: complex128}[value]
    raise TypeError(f"expected a pyrite.dtype, got {value!r} of type {type(value).__name__}")


_process_default = [float32]


def get_default_dtype() -> dtype:
    """The floating type of new tensors made from Python numbers (float32 unless set)."""
    return _process_default[0]


def set_default_dtype(d: dtype) -> None:
    """Set the default floating type; TypeError for a type that is not floating."""
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d!r}")
    _process_default[0] = d


# torch's lattice inside one category: the wider type wins, but of two of one width neither does.
_SIBLINGS = {(uint8, int8): int16, (float16, bfloat16): float32}


def _promote(a: dtype, b: dtype) -> dtype:
    low, high = sorted((a, b), key=ALL.index)
    if low.category < high.category:
        return complex128 if high.is_complex and low is float64 else high
    return _SIBLINGS.get((low, high), high)


_LATTICE = {(a, b): _promote(a, b) for a in ALL for b in ALL}


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type to which both promote (torch's lattice)."""
    return _LATTICE[type1, type2]


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether torch allows writing `from_` values into a `to` tensor (no category is lost)."""
    return from_.category <= to.category


def scalar_dtype(value: Any) -> dtype:
    """The type that a Python number has in promotion (default float for float and complex)."""
    if isinstance(value, bool | np.bool_):
        return bool_
    if isinstance(value, int | np.integer):
        return int64
    if isinstance(value, float | np.floating):
        return get_default_dtype()
    return get_default_dtype().to_complex()


def combine(
    dimensioned: Iterable[dtype], zero_dim: Iterable[dtype], scalars: Iterable[dtype]
) -> dtype:
    """The result type of an operation: tensors with dims before 0-dim ones before numbers.

    A lower group changes the result only if its category is higher than the groups above it.
    """
    result: dtype | None = None
    for group in (dimensioned, zero_dim, scalars):
        merged: dtype | None = None
        for d in group:
            merged = d if merged is None else _LATTICE[merged, d]
        if result is None:
            result = merged
        elif merged is not None and merged.category > result.category:
            result = _LATTICE[result, merged]
    return result if result is not None else get_default_dtype()


class finfo:
    """Machine limits of a floating type: bits, eps, max, min, tiny, resolution."""

    def __init__(self, type: dtype | None = None) -> None:
        d = get_default_dtype() if type is None else type
        if not (d.is_floating_point or d.is_complex):
            raise TypeError(f"finfo wants a floating-point type, got {d!r}; use pyrite.iinfo")
        d = d.to_real()
        if d is bfloat16:
            from ml_dtypes import finfo as limits
        else:
            limits = np.finfo
        info: Any = limits(d.numpy)
        self.bits, self.dtype = d.itemsize * 8, d.name
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = float(info.resolution)

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{n}={getattr(self, n):g}' for n in names)}, dtype={self.dtype})"


class iinfo:
    """Machine limits of an integer type: bits, max, min."""

    def __init__(self, type: dtype) -> None:
        if type.category != INT:
            raise TypeError(f"iinfo wants an integer type, got {type!r}; use pyrite.finfo")
        info = np.iinfo(type.numpy)
        self.bits, self.max, self.min = info.bits, int(info.max), int(info.min)
        self.dtype = type.name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"
