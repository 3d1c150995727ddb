"""torch's old constructors by type: `FloatTensor(2, 3)`, `t.new(2, 3)`."""

from __future__ import annotations

import warnings
from typing import Any

from .._device import as_device
from .._dtypes import BY_NAME, as_dtype, dtype, get_default_dtype, set_default_dtype
from .._tensor import Tensor
from ._register import composite
from .create import LEGACY_TYPES, empty, tensor


class TensorType:
    """A constructor named after dtype and device; `isinstance` asks a tensor for both."""

    def __init__(self, word: str, kind: dtype, place: str) -> None:
        self.dtype, self.device = kind, place
        self.__name__ = self.__qualname__ = f"{word}Tensor"
        self.__module__ = "pyrite" if place == "cpu" else f"pyrite.{place}"
        self.__doc__ = f"torch's old constructor: a {place} {kind} tensor from data or sizes."

    def __call__(self, *args: Any) -> Tensor:
        return build(args, self.dtype, self.device)

    def __instancecheck__(self, value: Any) -> bool:
        return (
            isinstance(value, Tensor)
            and value.dtype is self.dtype
            and value.device.type == self.device
        )

    def __repr__(self) -> str:
        return f"<class '{self.__module__}.{self.__name__}'>"


def build(args: tuple[Any, ...], kind: dtype, place: Any) -> Tensor:
    """A tensor of the given sizes (uninitialised), or of one argument's data."""
    if not args or isinstance(args[0], int) or type(args[0]).__name__ == "Size":
        return empty(*(args or (0,)), dtype=kind, device=place)
    if len(args) > 1:
        raise TypeError(f"expected sizes or one argument with data, got {len(args)} arguments")
    return tensor(args[0], dtype=kind, device=place)


def _from_data(given: tuple[Any, ...], place: Any) -> Tensor:
    """`Tensor(...)`: sizes or data in the default dtype, or the tensor given without history."""
    if len(given) == 1 and isinstance(given[0], Tensor):
        return given[0].detach()
    if isinstance(given[0], str):
        raise TypeError("new(): invalid data type 'str'")
    return build(given, get_default_dtype(), place)


Tensor.from_data = staticmethod(_from_data)
TYPES = {
    place: {f"{w}Tensor": TensorType(w, BY_NAME[k], place) for w, k in LEGACY_TYPES.items()}
    for place in ("cpu", "cuda")
}


@composite(public="m")
def new(self: Tensor, *args: Any, device: Any = None) -> Tensor:
    """An uninitialised tensor of the given sizes, or one of data, of this dtype and device."""
    return build(args, self.dtype, as_device(device) if device else self.device)


@composite(public="f")
def set_default_tensor_type(t: Any) -> None:
    """Set the default floating dtype by an old type or its name; `set_default_dtype` is newer."""
    warnings.warn(
        "set_default_tensor_type() is deprecated; use set_default_dtype() and set_default_device()",
        stacklevel=2,
    )
    if isinstance(t, str):
        t = TYPES["cuda" if ".cuda." in t else "cpu"].get(t.rpartition(".")[2], t)
    if not isinstance(t, TensorType):
        raise TypeError(f"invalid type object: expected one like pyrite.FloatTensor, got {t!r}")
    set_default_dtype(as_dtype(t.dtype))
