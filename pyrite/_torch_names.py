"""The names that PyTorch's checkpoints use, and what each builds here.

`GLOBALS` is the one table, for reading and for writing. What it builds checks its arguments: a
file may ask for anything. A builder's ValueError says what the file asked for.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from . import _dtypes
from ._device import CPU, device
from ._dtypes import dtype
from ._storage import storage_of
from ._tensor import F, Parameter, Size, Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A function or class that files name: `path` in the file, `build` here."""

    path: str
    build: Callable[..., Any]

    def __call__(self, *args: Any) -> Any:
        return self.build(*args)


@dataclass(frozen=True, slots=True, eq=False)
class StorageType:
    """One of torch's storage classes; `dtype` is None for untyped bytes."""

    path: str
    dtype: dtype | None

    @property
    def itemsize(self) -> int:
        return 1 if self.dtype is None else self.dtype.itemsize


class Storage:
    """The bytes that loaded tensors are views of.

    Args:
        data: uint8, one dimension, in host memory.
        kind: the dtype that the file gives the bytes; None for untyped ones.
        device: where the tensors go.
    """

    def __init__(self, data: np.ndarray[Any, Any], kind: dtype | None, device: device) -> None:
        self.data = data
        self.kind = kind
        self.device = device
        self._first: Tensor | None = None

    def cpu(self) -> Storage:
        """The same bytes for tensors in host memory (for a `map_location` function)."""
        return Storage(self.data, self.kind, CPU)

    def cuda(self, index: int = 0) -> Storage:
        """The same bytes for tensors on a GPU (for a `map_location` function)."""
        return Storage(self.data, self.kind, device("cuda", index))

    def tensor(self, kind: dtype, offset: int, size: Ints, stride: Ints) -> Tensor:
        """A tensor in these bytes; all of them share memory and a version counter."""
        check_view(len(self.data) // kind.itemsize, offset, size, stride)
        if self.device.type == "cpu":
            start, steps = offset * kind.itemsize, [n * kind.itemsize for n in stride]
            tensor = Tensor(
                np.ndarray(size, kind.numpy, self.data, start if 0 not in size else 0, steps)
            )
        else:
            tensor = F.as_strided(self._on_device(kind), size, stride, offset).detach()
        if self._first is None:
            self._first = tensor
        else:
            tensor.storage = storage_of(self._first)
        return tensor

    def _on_device(self, kind: dtype) -> Tensor:
        if self._first is None:
            host: Any = Tensor(self.data.view(kind.numpy))
            self._first = host.to(self.device)
        return self._first


Ints = tuple[int, ...]


class StorageRef(NamedTuple):
    """What a storage is in the pickle: a name for bytes that the file holds elsewhere."""

    kind: StorageType
    key: str
    location: str
    numel: int


# Reading: what a name in the file builds.


def check_view(numel: int, offset: Any, size: Any, stride: Any) -> None:
    """ValueError unless every element of the view lies in a storage of `numel` elements."""
    numbers = (offset, *size, *stride)
    if any(type(n) is not int or n < 0 for n in numbers) or len(size) != len(stride):
        raise ValueError(f"a tensor with offset {offset!r}, size {size!r} and stride {stride!r}")
    if 0 in size:
        return
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if last >= numel:
        raise ValueError(
            f"a tensor of size {tuple(size)}, stride {tuple(stride)} and offset {offset} needs "
            f"{last + 1} elements, its storage has {numel}"
        )


def _rebuild(storage: Storage, offset: int, size: Ints, stride: Ints) -> Tensor:
    if storage.kind is None:
        raise ValueError("a tensor of no dtype")
    return storage.tensor(storage.kind, offset, size, stride)


def _rebuild_v2(
    storage: Storage, offset: int, size: Ints, stride: Ints, requires_grad: bool,
    hooks: object = None, metadata: object = None,
) -> Tensor:  # fmt: skip
    if storage.kind is None:
        raise ValueError("a tensor of no dtype")
    return _rebuild_v3(storage, offset, size, stride, requires_grad, hooks, storage.kind, metadata)


def _rebuild_v3(
    storage: Storage, offset: int, size: Ints, stride: Ints, requires_grad: bool,
    hooks: object, kind: dtype, metadata: object = None,
) -> Tensor:  # fmt: skip
    if metadata:
        raise ValueError(f"a tensor with {metadata}; call resolve_conj() before saving")
    tensor = storage.tensor(kind, offset, size, stride)
    tensor.requires_grad = bool(requires_grad)
    return tensor


def _rebuild_parameter(
    data: Tensor, requires_grad: bool, hooks: object = None, state: dict[str, Any] | None = None
) -> Parameter:
    parameter = Parameter(data, bool(requires_grad))
    vars(parameter).update(state or {})
    return parameter


def _rebuild_subclass(build: Global, kind: type, args: tuple[Any, ...], state: object) -> Tensor:
    """torch's form of a Buffer or of a tensor with attributes: the tensor alone is kept."""
    if type(build) is not Global:
        raise ValueError(f"a tensor that is built by {build!r}")
    tensor: Tensor = build(*args)
    return tensor


def _size(sizes: Ints = ()) -> Size:
    check_view(0, 0, sizes, (0,) * len(sizes))
    return Size(sizes)


def _encode(text: str, encoding: str) -> bytes:
    """Protocol 2's spelling of bytes."""
    if encoding != "latin1":
        raise ValueError(f"bytes encoded as {encoding!r}, expected 'latin1'")
    return text.encode("latin1")


def _bytes(kind: Callable[..., Any]) -> Callable[..., Any]:
    def build(value: bytes | str = b"", encoding: str = "latin1") -> Any:
        return kind(_encode(value, encoding) if isinstance(value, str) else memoryview(value))

    return build


_ARRAY_TYPE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16|[SU]\d{1,4}")


def _array_type(name: str, align: bool = False, copy: bool = True) -> np.dtype[Any]:
    if not isinstance(name, str) or not _ARRAY_TYPE.fullmatch(name):
        raise ValueError(f"a NumPy array of type {name!r}")
    return np.dtype(name, copy=True)


def _array_scalar(kind: np.dtype[Any], data: bytes) -> Any:
    return np.frombuffer(data, _plain(kind), 1)[0]


def _new_array(kind: type, shape: object, code: object) -> np.ndarray[Any, Any]:
    return np.empty(0, np.int8)


def _plain(kind: Any) -> np.dtype[Any]:
    if not isinstance(kind, np.dtype) or kind.hasobject:
        raise ValueError(f"an array of {kind!r}")
    return kind


def _set_array_type(kind: np.dtype[Any], state: tuple[Any, ...]) -> None:
    version, order, *parts, size, alignment, flags = state
    fixed = (kind.itemsize, kind.alignment) if kind.kind in "SU" else (-1, -1)
    if version != 3 or order not in ("<", ">", "|") or any(parts) or (size, alignment) != fixed:
        raise ValueError(f"a NumPy type with state {state!r}")
    kind.__setstate__((3, order, None, None, None, size, alignment, 0))  # type: ignore[attr-defined]


def _set_array(array: np.ndarray[Any, Any], state: tuple[Any, ...]) -> None:
    _, shape, kind, fortran, data = state
    if type(data) is not bytes:
        raise ValueError(f"an array whose values are {type(data).__name__}")
    array.__setstate__((1, shape, _plain(kind), bool(fortran), data))


def _set_attributes(target: OrderedDict[Any, Any], state: dict[str, Any]) -> None:
    """What a state dict carries beside its entries: `_metadata`."""
    if any(hasattr(OrderedDict, name) for name in state):
        raise ValueError(f"an OrderedDict with its own {', '.join(state)}")
    vars(target).update(state)


_BUILDERS: dict[str, Callable[..., Any]] = {
    "torch._utils._rebuild_tensor": _rebuild,
    "torch._utils._rebuild_tensor_v2": _rebuild_v2,
    "torch._utils._rebuild_tensor_v3": _rebuild_v3,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._tensor._rebuild_from_type_v2": _rebuild_subclass,
    "torch.Size": _size,
    "torch.device": device,
    "_codecs.encode": _encode,
    "builtins.bytes": _bytes(bytes),
    "builtins.bytearray": _bytes(bytearray),
    "numpy.dtype": _array_type,
    "numpy._core.multiarray.scalar": _array_scalar,
    "numpy._core.multiarray._reconstruct": _new_array,
}
# torch names its storage classes after C types.
_STORAGES = {
    "Bool": "bool", "Byte": "uint8", "Char": "int8", "Short": "int16", "Int": "int32",
    "Long": "int64", "Half": "float16", "BFloat16": "bfloat16", "Float": "float32",
    "Double": "float64", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
}  # fmt: skip
STORAGE_TYPES = {
    name: StorageType(f"torch.{c_name}Storage", _dtypes.BY_NAME[name])
    for c_name, name in _STORAGES.items()
}
# Types that a file may call by name; each takes data only.
CALLABLE_TYPES = (OrderedDict, Counter, set, frozenset, complex)
GLOBALS: dict[str, Any] = {
    **{path: Global(path, build) for path, build in _BUILDERS.items()},
    **{kind.path: kind for kind in STORAGE_TYPES.values()},
    **{kind.path.replace("torch", "torch.cuda"): kind for kind in STORAGE_TYPES.values()},
    **{f"torch.{d.name}": d for d in _dtypes.ALL},
    **{f"{t.__module__}.{t.__qualname__}": t for t in CALLABLE_TYPES},
    "torch.storage.UntypedStorage": StorageType("torch.storage.UntypedStorage", None),
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "numpy.ndarray": np.ndarray,
}


def normal_path(module: str, name: str) -> str:
    """The name of a global as `GLOBALS` has it, whatever the Python or NumPy that wrote it."""
    if module == "__builtin__":
        module = "builtins"
    elif module.startswith("numpy.core."):
        module = module.replace("numpy.core", "numpy._core", 1)
    return f"{module}.{name}"


def set_state(target: Any, state: Any) -> None:
    """Do what the opcode BUILD asks for, for the few types that need it."""
    if type(target) is OrderedDict:
        _set_attributes(target, state)
    elif type(target) is np.ndarray:
        _set_array(target, state)
    elif isinstance(target, np.dtype):
        _set_array_type(target, state)
    else:
        raise ValueError(f"state for a {type(target).__name__}")
