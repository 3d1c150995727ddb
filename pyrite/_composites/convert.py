"""Conversions: dtype and device, NumPy, DLPack, pickle."""

from __future__ import annotations

from typing import Any

from .. import backends
from .._device import as_device, device
from .._dtypes import BY_NAME, as_dtype, complex64, complex128, dtype
from .._dtypes import dtype as Dtype
from .._formats import preserve_format
from .._storage import Storage, memory, storage_of
from .._tensor import F, Tensor, read
from ._register import composite, named
from .create import LEGACY_TYPES
from .shape import contiguous


def _move(t: Tensor, target: device, copy: bool) -> Tensor:
    here = t.device
    if target.type == here.type and (target.index is None or target.index == here.index):
        return F.clone(t) if copy else t
    return F.to_device(t, target, here)


@composite(public="m")
def to(
    self: Tensor, *args: Any, device: Any = None, dtype: dtype | None = None,
    non_blocking: bool = False, copy: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """This tensor with another dtype and/or device; itself where nothing changes.

    Forms: `to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`, all by keyword too.
    """
    for i, a in enumerate(args):
        if isinstance(a, Tensor):
            device, dtype = a.device, a.dtype
        elif isinstance(a, bool):  # non_blocking, then copy
            copy = copy or (a and any(isinstance(b, bool) for b in args[:i]))
        elif isinstance(a, Dtype) or a in (bool, int, float, complex):
            dtype = as_dtype(a)
        elif a is not None:
            device = a
    out = self
    if dtype is not None and dtype is not self.dtype:
        out, copy = F.cast(self, as_dtype(dtype)), False
    if device is not None:
        out = _move(out, as_device(device), copy)
    elif copy:
        out = F.clone(out)
    if memory_format in (None, preserve_format):
        return out
    return contiguous(out, memory_format)


def _cast_method(name: str, kind: dtype) -> None:
    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        return self if self.dtype is kind else F.cast(self, kind)

    named(method, name, "m", f"This tensor as {kind}.")


for _word, _name in LEGACY_TYPES.items():
    _cast_method(_word.lower(), BY_NAME[_name])
_cast_method("cfloat", complex64)
_cast_method("cdouble", complex128)


@composite(public="m")
def cpu(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor in host memory."""
    return _move(self, device("cpu"), False)


@composite(public="m")
def cuda(
    self: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None
) -> Tensor:
    """This tensor on a GPU (the current one unless given)."""
    return _move(self, as_device("cuda" if device is None else device), False)


@composite(public="m", name="type")
def type_(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """torch's type string, or this tensor converted to a dtype or type string."""
    if dtype is None:
        kind = self.dtype.name
        words = LEGACY_TYPES | {"ComplexFloat": "complex64", "ComplexDouble": "complex128"}
        name = next((w for w, k in words.items() if k == kind), kind)
        place = "" if self.device.type == "cpu" else f".{self.device.type}"
        return f"pyrite{place}.{name}Tensor"
    if isinstance(dtype, str):
        word = dtype.rsplit(".", 1)[-1].removesuffix("Tensor").lower()
        words = {**BY_NAME, **{w.lower(): BY_NAME[name] for w, name in LEGACY_TYPES.items()}}
        if word not in words:
            raise ValueError(f"invalid type: {dtype!r}")
        dtype = words[word]
    return to(self, dtype)


@composite(public="m")
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor with the dtype and device of `other`."""
    return to(self, other)


@composite(public="m", name="numpy")
def numpy_(self: Tensor, *, force: bool = False) -> Any:
    """The values as a NumPy array that shares memory (CPU).

    TypeError for another device, RuntimeError for a tensor that requires grad; `force=True`
    detaches and copies to the host.
    """
    if self.requires_grad and not force:
        raise RuntimeError(
            "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."
        )
    backend = backends.of(self.array)
    if backend.name != "cpu" and not force:
        raise TypeError(
            f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy "
            "the tensor to host memory first."
        )
    return read(self, "", lambda: backend.to_host(self.array))


@composite(public="m")
def __array__(self: Tensor, dtype: Any = None, copy: bool | None = None) -> Any:
    """NumPy's protocol: what `np.asarray(tensor)` gives."""
    array = numpy_(self)
    if dtype is not None and array.dtype != dtype:
        return array.astype(dtype)
    return array.copy() if copy else array


@composite(public="m")
def __dlpack__(self: Tensor, **options: Any) -> Any:
    """DLPack's protocol; BufferError for tensors that require grad."""
    if self.requires_grad:
        raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
    return self.array.__dlpack__(**{k: v for k, v in options.items() if v is not None})


@composite("f")
def to_dlpack(tensor: Tensor) -> Any:
    """A DLPack capsule of the tensor's memory; `from_dlpack(tensor)` needs none."""
    return __dlpack__(tensor)


@composite(public="m")
def __dlpack_device__(self: Tensor) -> Any:
    """DLPack's (device type, index)."""
    return self.array.__dlpack_device__()


def rebuild(
    storage: Storage, size: tuple[int, ...], stride: tuple[int, ...], offset: int,
    requires_grad: bool,
) -> Tensor:  # fmt: skip
    """A tensor from pickled parts; those of one storage share memory again."""
    flat: Any = Tensor(storage.root)
    flat.storage = storage
    out: Tensor = flat.as_strided(size, stride, offset).detach()
    out._requires_grad = requires_grad
    return out


@composite(public="m")
def __reduce_ex__(self: Tensor, protocol: Any) -> Any:
    """Pickle: the storage and the place in it; history is refused like deepcopy's."""
    if not self.is_leaf:
        raise RuntimeError(
            "only graph leaves can be pickled; use tensor.detach() (this one was made by "
            f"{self.grad_fn})"
        )
    source = self if memory(storage_of(self).root) is not None else self.detach().clone()
    place = (tuple(source.shape), source.stride(), source.storage_offset())
    return rebuild, (storage_of(source), *place, self._requires_grad)


@composite(aliases=("Tensor.nelement",))
def numel(input: Tensor) -> int:
    """The number of elements."""
    return int(input.array.size)


@composite(public="m")
def element_size(self: Tensor) -> int:
    """Bytes per element."""
    return int(self.array.dtype.itemsize)


@composite(public="m", aliases=("Tensor.ndimension",))
def dim(self: Tensor) -> int:
    """The number of dimensions."""
    return int(self.array.ndim)


@composite(public="fm")
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype is floating."""
    return input.dtype.is_floating_point


@composite(public="fm")
def is_complex(input: Tensor) -> bool:
    """Whether the dtype is complex."""
    return input.dtype.is_complex


@composite(public="fm")
def is_nonzero(input: Tensor) -> bool:
    """Whether the single value is not zero."""
    return bool(input)


@composite(public="f")
def result_type(tensor1: Any, tensor2: Any) -> dtype:
    """The dtype that arithmetic on the two operands has."""
    return F.add(tensor1, tensor2).dtype


@composite()
def get_device(input: Tensor) -> int:
    """The device index, -1 on the CPU."""
    index = input.device.index
    return -1 if index is None else index


for _name in ("detach", "detach_"):
    composite("f", name=_name)(getattr(Tensor, _name))
