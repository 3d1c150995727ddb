"""The names that PyTorch's checkpoints use, and what each builds here.

`GLOBALS` is the one table, for reading and for writing. A file may ask for anything: builders
check their arguments, and their ValueError says what was asked for.
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ._device import CPU, device
from ._dtypes import ALL, dtype
from ._formats import layout, sparse_coo, sparse_csc, sparse_csr, strided
from ._storage import storage_of
from ._tensor import Parameter, Size, Tensor
from .sparse._functions import sparse_coo_tensor, sparse_csc_tensor, sparse_csr_tensor

Ints = tuple[int, ...]
SPARSE: dict[layout, Any] = {
    sparse_coo: sparse_coo_tensor, sparse_csr: sparse_csr_tensor, sparse_csc: sparse_csc_tensor
}  # fmt: skip


class Refusal(Exception):
    """A file asks for something, named by the text, that may be honest but is not on the list."""


@dataclass(frozen=True, slots=True, eq=False)
class Global:
    """A name in files, and the function that it calls; a storage class has its dtype there."""

    path: str
    build: Any

    def __call__(self, *args: Any) -> Any:
        return self.build(*args)

    @property
    def itemsize(self) -> int:
        """Of a storage class: bytes per element."""
        return 1 if self.build is None else self.build.itemsize


class StorageRef(NamedTuple):
    """A storage in the pickle: the name of bytes that the file holds elsewhere."""

    kind: Global
    key: str
    location: str
    numel: int

    @property
    def nbytes(self) -> int:
        return self.numel * self.kind.itemsize


class Storage:
    """The bytes that loaded tensors are views of.

    Args:
        data: uint8, one dimension, in host memory.
        kind: the dtype that the file gives them, None for untyped bytes.
        device: where the tensors go.
    """

    def __init__(
        self, data: np.ndarray[Any, Any], kind: dtype | None, device: device = CPU
    ) -> None:
        self.data, self.kind, self.device = data, kind, device
        self._first: Tensor | None = None

    def cpu(self) -> Storage:
        """The same bytes for tensors in host memory (for a `map_location` function)."""
        return Storage(self.data, self.kind)

    def cuda(self, index: int = 0) -> Storage:
        """The same bytes for tensors on a GPU (for a `map_location` function)."""
        return Storage(self.data, self.kind, device("cuda", index))

    def tensor(self, kind: dtype, offset: int, size: Ints, stride: Ints) -> Tensor:
        """A tensor in these bytes; all of them share memory and a version counter."""
        check_view(len(self.data) // kind.itemsize, offset, size, stride)
        if self.device.type != "cpu":
            if self._first is None:
                host: Any = Tensor(self.data.view(kind.numpy))
                self._first = host.to(self.device)
            view: Tensor = self._first.as_strided(size, stride, offset)
            return view.detach()
        start = 0 if 0 in size else offset * kind.itemsize
        steps = [n * kind.itemsize for n in stride]
        tensor = Tensor(np.ndarray(size, kind.numpy, self.data, start, steps))
        if self._first is None:
            self._first = tensor
        else:
            tensor.storage = storage_of(self._first)
        return tensor


def check_view(numel: int, offset: Any, size: Any, stride: Any) -> None:
    """ValueError unless every element of the view lies in a storage of `numel` elements."""
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError(f"a tensor with offset {offset!r}, size {size!r} and stride {stride!r}")
    last = offset + sum((n - 1) * step for n, step in zip(size, stride))
    if 0 not in size and last >= numel:
        raise ValueError(
            f"a tensor of size {tuple(size)}, stride {tuple(stride)} and offset {offset}, which "
            f"needs {last + 1} elements of a storage of {numel}"
        )


def _rebuild_tensor(
    storage: Storage, offset: int, size: Ints, stride: Ints, requires_grad: bool = False,
    hooks: object = None, *rest: Any,
) -> Tensor:  # fmt: skip
    """Versions 1 to 3 of torch's function: `rest` may hold metadata, in the last a dtype before."""
    kind, *metadata = rest if rest and isinstance(rest[0], dtype) else (storage.kind, *rest)
    if kind is None or any(metadata):
        raise ValueError(f"a tensor of dtype {kind} with {metadata}")
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
    """A Buffer, or a tensor with attributes: the tensor alone is kept."""
    if type(build) is not Global:
        raise ValueError(f"a tensor that is built by {build!r}")
    return build(*args)


def _layout(name: str) -> layout:
    for kind in (strided, *SPARSE):
        if name == f"torch.{kind.name}":
            return kind
    raise Refusal(name)


def _rebuild_sparse(kind: layout, parts: tuple[Any, ...]) -> Tensor:
    """The parts of a sparse tensor: indices, values, size and, of COO, whether it is coalesced."""
    if kind not in SPARSE:
        raise ValueError(f"a sparse tensor of layout {kind!r}")
    if kind is not sparse_coo:
        return SPARSE[kind](*parts[:3], _size(tuple(parts[3])))
    indices, values, size, *merged = parts
    return sparse_coo_tensor(indices, values, _size(tuple(size)), is_coalesced=merged == [True])


def _size(sizes: Ints = ()) -> Size:
    check_view(0, 0, (0, *sizes), (0,) * (len(sizes) + 1))
    return Size(sizes)


def _encode(value: str | bytes = b"", encoding: str = "latin1") -> bytes:
    """How protocol 2 spells bytes."""
    if encoding != "latin1" or not isinstance(value, str | bytes):
        raise ValueError(f"bytes from a {type(value).__name__} in {encoding!r}")
    return value.encode("latin1") if isinstance(value, str) else value


_ARRAY_TYPE = re.compile(r"b1|[iu][1248]|f[248]|c8|c16")


def _array_type(name: str, align: bool = False, copy: bool = True) -> np.dtype[Any]:
    if not _ARRAY_TYPE.fullmatch(name):
        raise Refusal(f"numpy.dtype({name!r})")
    return np.dtype(name, copy=True)


def set_state(target: Any, state: Any) -> None:
    """What the opcode BUILD asks for, for the types that need it."""
    if type(target) is OrderedDict and not any(hasattr(OrderedDict, name) for name in state):
        vars(target).update(state)
    elif isinstance(target, np.dtype) and state[2:] == (None, None, None, -1, -1, 0):
        target.__setstate__(state)  # type: ignore[attr-defined]
    elif type(target) is np.ndarray:
        target.__setstate__((1, _size(state[1]), *state[2:]))
    else:
        raise ValueError(f"state {str(state)[:100]} for a {type(target).__name__}")


_BUILDERS: dict[str, Any] = {
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v3": _rebuild_tensor,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch._utils._rebuild_parameter_with_state": _rebuild_parameter,
    "torch._tensor._rebuild_from_type_v2": _rebuild_subclass,
    "torch._utils._rebuild_sparse_tensor": _rebuild_sparse,
    "torch.serialization._get_layout": _layout,
    "torch.Size": _size,
    "torch.device": device,
    "_codecs.encode": _encode,
    "builtins.bytes": _encode,
    "builtins.bytearray": lambda *args: bytearray(_encode(*args)),
    "numpy.dtype": _array_type,
    "numpy._core.multiarray.scalar": lambda kind, data: np.frombuffer(data, kind, 1)[0],
    "numpy._core.multiarray._reconstruct": lambda *_: np.empty(0, np.int8),
    "torch.storage.UntypedStorage": None,
}
# torch names its storage classes after C types; here in the order of our dtypes.
_C_TYPES = "Bool Byte Char Short Int Long Half BFloat16 Float Double ComplexFloat ComplexDouble"
_BUILDERS |= {f"torch.{c}Storage": d for c, d in zip(_C_TYPES.split(), ALL, strict=True)}
# Types that a file may call by name; each takes data only.
CALLABLE_TYPES = (OrderedDict, Counter, set, frozenset, complex)
GLOBALS: dict[str, Any] = {
    **{path: Global(path, build) for path, build in _BUILDERS.items()},
    **{f"torch.{d.name}": d for d in ALL},
    **{f"{t.__module__}.{t.__qualname__}": t for t in CALLABLE_TYPES},
    "torch.Tensor": Tensor,
    "torch.nn.parameter.Parameter": Parameter,
    "numpy.ndarray": np.ndarray,
}
STORAGES = {g.build: g for p, g in GLOBALS.items() if p.endswith("Storage") and g.build}


def normal_path(module: str, name: str) -> str:
    """The name of a global as `GLOBALS` has it, whichever Python or NumPy wrote it."""
    module = {"__builtin__": "builtins"}.get(module, module)
    return f"{module}.{name}".replace("numpy.core.", "numpy._core.")
