"""A backend for tests whose arrays are no NumPy arrays.

It refuses to mix its arrays with NumPy's and to convert implicitly, and counts transfers, so
that code above the backends cannot lean on NumPy by accident. Device type: "strict".
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from pyrite.backends import Backend

transfers = {"to_host": 0, "from_host": 0}


class StrictArray:
    """Wraps an ndarray; every function must go through `StrictModule`."""

    __slots__ = ("_array",)
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, array: np.ndarray) -> None:
        self._array = array

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        raise TypeError("implicit conversion of a strict array to NumPy")

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._array, name)
        return wrapped(value) if callable(value) else wrap(value)

    @property
    def base(self) -> Any:
        return wrap(self._array.base) if self._array.base is not None else None

    def __len__(self) -> int:
        return len(self._array)

    def __bool__(self) -> bool:
        return bool(self._array)

    def __getitem__(self, key: Any) -> Any:
        return wrap(self._array[unwrap(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self._array[unwrap(key)] = unwrap(value)


def _operator(name: str) -> None:
    plain = getattr(operator, name.removeprefix("i") if name.startswith("i_") else name)

    def forward(self: StrictArray, other: Any = None) -> Any:
        args = (self._array,) if other is None else (self._array, unwrap(other))
        return wrap(plain(*args))

    def reflected(self: StrictArray, other: Any) -> Any:
        return wrap(plain(unwrap(other), self._array))

    def inplace(self: StrictArray, other: Any) -> Any:
        self._array[...] = plain(self._array, unwrap(other))
        return self

    bare = name.strip("_")
    setattr(StrictArray, f"__{bare}__", forward)
    setattr(StrictArray, f"__r{bare}__", reflected)
    setattr(StrictArray, f"__i{bare}__", inplace)


for _name in (
    "add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "and_", "or_", "xor",
    "lshift", "rshift",
):  # fmt: skip
    _operator(_name)


def _plain(name: str) -> None:
    function = getattr(operator, name)

    def method(self: StrictArray, *other: Any) -> Any:
        return wrap(function(self._array, *[unwrap(o) for o in other]))

    setattr(StrictArray, f"__{name}__", method)


for _name in ("neg", "invert", "abs", "lt", "le", "gt", "ge", "eq", "ne"):
    _plain(_name)


def unwrap(value: Any) -> Any:
    """Strict arrays inside a value as ndarrays; TypeError for an ndarray that got in."""
    if isinstance(value, StrictArray):
        return value._array
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError("a NumPy array met a strict array: values were transferred implicitly")
    if type(value) in (tuple, list):
        return type(value)(unwrap(v) for v in value)
    if isinstance(value, slice):
        return slice(unwrap(value.start), unwrap(value.stop), unwrap(value.step))
    return value


def wrap(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic) and not isinstance(value, np.dtype):
        return StrictArray(np.asarray(value))
    if type(value) in (tuple, list):
        return type(value)(wrap(v) for v in value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[wrap(v) for v in value])
    return value


def wrapped(function: Any) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        return wrap(function(*unwrap(args), **{k: unwrap(v) for k, v in kwargs.items()}))

    return call


class StrictModule:
    """NumPy's functions over strict arrays."""

    def __init__(self, module: Any = np) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        if isinstance(value, type) or name in ("dtype", "finfo", "iinfo", "errstate"):
            return value
        if isinstance(value, np.ufunc):
            return StrictUfunc(value)
        if type(value).__name__ == "module":
            return StrictModule(value)
        return wrapped(value) if callable(value) else value


class StrictUfunc:
    """A ufunc with its methods (`at`, `reduceat`, `accumulate`, ...)."""

    def __init__(self, ufunc: np.ufunc) -> None:
        self._ufunc = ufunc

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return wrapped(self._ufunc)(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return wrapped(getattr(self._ufunc, name))


class StrictBackend(Backend):
    """Device "strict"."""

    name = "strict"
    xp = StrictModule()
    array_type = StrictArray

    def asarray(self, value: Any, kind: Any = None) -> StrictArray:
        if isinstance(value, StrictArray):
            return value if kind is None else StrictArray(value._array.astype(kind))
        return StrictArray(np.asarray(value, kind))

    def to_host(self, array: StrictArray) -> np.ndarray:
        transfers["to_host"] += 1
        return array._array

    def from_host(self, array: np.ndarray) -> StrictArray:
        transfers["from_host"] += 1
        return StrictArray(np.array(array))

    def empty(self, shape: tuple[int, ...], kind: Any) -> StrictArray:
        return StrictArray(np.empty(shape, kind))
