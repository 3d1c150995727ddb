"""What a tensor is: yes-no questions, sizes in bytes, and Python's remaining protocols."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from .. import _dtypes, backends
from .._device import as_device
from .._dtypes import dtype
from .._tensor import F, Tensor
from ._register import composite, named
from .arrange import flip
from .pointwise import positive

# ---- properties

_PROPERTIES: dict[str, Callable[[Tensor], Any]] = {
    "is_cpu": lambda self: self.device.type == "cpu",
    "itemsize": lambda self: int(self.array.dtype.itemsize),
    "nbytes": lambda self: int(self.array.nbytes),
    "output_nr": lambda self: max(self.index - 1, 0),
    "name": lambda self: None,
    "__cuda_array_interface__": lambda self: self.array.__cuda_array_interface__,
}
# Kinds of tensor that there are none of here.
_NEVER = (
    "is_ipu is_maia is_meta is_mkldnn is_mps is_mtia is_nested is_quantized is_vulkan is_xla is_xpu"
)
for _name, _getter in _PROPERTIES.items():
    setattr(Tensor, _name, property(_getter))
for _name in _NEVER.split():
    setattr(Tensor, _name, property(lambda self: False))


# ---- questions as functions


@composite()
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative values."""
    return input.dtype.is_signed


@composite()
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return input.shape == other.shape


@composite()
def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode: tensors here do not differ by that."""
    return False


@composite(public="m")
def is_pinned(self: Tensor, device: Any = None) -> bool:
    """Whether the memory is page-locked for copies to a GPU."""
    return False


@composite(public="m")
def is_shared(self: Tensor) -> bool:
    """Whether other processes share the memory: that of a GPU counts, as in torch."""
    return self.is_cuda


@composite(public="m")
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both are the same elements of the same memory."""
    places = [(t.data_ptr(), t.shape, t.stride(), t.dtype) for t in (self, tensor)]
    return places[0] == places[1]


@composite(public="m")
def dim_order(self: Tensor, ambiguity_check: Any = False) -> tuple[int, ...]:
    """The dimensions from the outermost to the innermost in memory."""
    return tuple(sorted(range(self.ndim), key=lambda d: -self.array.strides[d]))


@composite(public="f")
def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether a tensor of dtype `from_` may be written into one of dtype `to`."""
    return _dtypes.can_cast(from_, to)


@composite(public="f")
def typename(obj: Any) -> str:
    """The type's name with its module; torch's old name for tensors."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


@composite(public="f")
def get_device_module(device: Any = None) -> Any:
    """The module of a device's kind: `pyrite.cuda` or `pyrite.cpu`; without one, of the GPU."""
    kind = as_device(device).type if device is not None else "cuda"
    if device is None and not backends.available("cuda"):
        kind = "cpu"
    if kind not in ("cpu", "cuda"):
        raise RuntimeError(f"no module for devices of type '{kind}'")
    return importlib.import_module(f"pyrite.{kind}")


# ---- protocols


@composite(public="m")
def __contains__(self: Tensor, element: Any) -> bool:
    """Whether any element equals a number or a tensor."""
    if not isinstance(element, Tensor | int | float | complex):
        raise RuntimeError(
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{type(element)}."
        )
    return bool(F.any(F.eq(self, element)))


@composite(public="m")
def __reversed__(self: Tensor) -> Tensor:
    """All dimensions in reverse order of their elements."""
    return flip(self, tuple(range(self.ndim)))


@composite(public="m")
def __rdiv__(self: Tensor, other: Any) -> Tensor:
    """`other / self`."""
    return F.mul(F.reciprocal(self), other)


named(lambda self: positive(self), "__pos__", "m", "`+tensor`: the tensor itself.")


# ---- Python functions, element by element


def _apply(
    name: str, self: Tensor, others: tuple[Tensor, ...], function: Callable[..., Any]
) -> Tensor:
    """Write `function` of each element of `self` and the others; CPU only, slow."""
    if self.device.type != "cpu":
        raise TypeError(f"{name} is only implemented on CPU tensors, got one on {self.device}")
    given = (self, *others)
    if any(t.shape != self.shape for t in others):
        raise RuntimeError(f"{name}: expected equal shapes, got {[list(t.shape) for t in given]}")
    columns = [F.reshape(t.detach(), (-1,)).tolist() for t in given]
    values = [function(*row) for row in zip(*columns)]
    from .create import tensor

    return self.copy_(F.view(tensor(values, dtype=self.dtype), tuple(self.shape)))


@composite(public="m", name="apply_")
def apply_(self: Tensor, callable: Callable[[Any], Any]) -> Tensor:
    """Replace each element by a Python function of it (CPU, slow)."""
    return _apply("apply_", self, (), callable)


@composite(public="m", name="map_")
def map_(self: Tensor, tensor: Tensor, callable: Callable[[Any, Any], Any]) -> Tensor:
    """Replace each element by a Python function of it and that of another tensor (CPU, slow)."""
    return _apply("map_", self, (tensor,), callable)


@composite(public="m", name="map2_")
def map2_(self: Tensor, x: Tensor, y: Tensor, callable: Callable[[Any, Any, Any], Any]) -> Tensor:
    """Replace each element by a Python function of it and those of two tensors (CPU, slow)."""
    return _apply("map2_", self, (x, y), callable)


@composite(public="m")
def as_subclass(self: Tensor, cls: type[Tensor]) -> Tensor:
    """The same tensor as an instance of a subclass; history is kept."""
    out = cls.__new__(cls)
    plain = self.as_plain()
    for slot in ("array", "storage", "node", "index", "cut", "hooks", "_grad", "_requires_grad"):
        setattr(out, slot, getattr(plain, slot))
    return out
