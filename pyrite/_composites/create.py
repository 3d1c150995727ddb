"""Factories: tensors from data, constants and ranges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import backends
from .._device import as_device
from .._dtypes import (
    bfloat16, dtype, float16, float32, float64, from_numpy_dtype, get_default_dtype, int8, int16, int32, int64,
    scalar_dtype, uint8,
)  # fmt: skip
from .._dtypes import bool_ as boolean
from .._tensor import F, Tensor
from ..backends import _host
from ._register import composite


def place(array: Any, where: Any) -> Any:
    """A host array on a device."""
    target = as_device(where)
    backend = backends.get(target.type)
    backend.set_device(target.index)
    return backend.from_host(array)


def finish(out: Tensor, requires_grad: bool) -> Tensor:
    """Set `requires_grad` on a fresh tensor."""
    if requires_grad:
        out.requires_grad = True
    return out


def sizes(size: tuple[Any, ...]) -> tuple[int, ...]:
    """`f(2, 3)` and `f((2, 3))` alike; RuntimeError for a negative size."""
    if len(size) == 1 and not isinstance(size[0], int | Tensor) and hasattr(size[0], "__iter__"):
        size = tuple(size[0])
    try:
        out = tuple([n.__index__() for n in size])
    except AttributeError:
        raise TypeError(f"sizes must be ints, got {size}") from None
    if any(n < 0 for n in out):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(out)}: {list(out)}")
    return out


def _nested(data: Any) -> Any:
    """Data with the Tensors inside sequences as Python numbers or lists."""
    if isinstance(data, Tensor):
        return data.detach().tolist()
    if isinstance(data, list | tuple) and any(isinstance(d, Tensor | list | tuple) for d in data):
        return [_nested(d) for d in data]
    return data


@composite(public="f")
def tensor(
    data: Any, *, dtype: dtype | None = None, device: Any = None, requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """A new leaf tensor with a copy of `data` (numbers, nested lists, arrays, tensors).

    Python floats become the default dtype, ints int64. TypeError and ValueError for data that
    holds no numbers or is ragged.
    """
    if isinstance(data, Tensor):
        out = data.detach().to(device=device or data.device, dtype=dtype or data.dtype, copy=True)
        return finish(out, requires_grad)
    array = _host.from_data(_nested(data), dtype, copy=True)
    return finish(Tensor(place(array, device)), requires_grad)


@composite(public="f", aliases=("asarray",))
def as_tensor(data: Any, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """`data` as a tensor; shares memory with arrays and tensors where dtype and device allow."""
    if isinstance(data, Tensor):
        return data.to(device=device or data.device, dtype=dtype or data.dtype)
    owner = backends._by_type.get(type(data))
    if owner is not None and owner.name != "cpu":
        out = Tensor(data)
        return out.to(device=device or out.device, dtype=dtype or out.dtype)
    return Tensor(place(_host.from_data(_nested(data), dtype, copy=False), device))


@composite(public="f")
def from_numpy(ndarray: Any) -> Tensor:
    """A CPU tensor that shares memory with a NumPy array; TypeError for anything else."""
    if not isinstance(ndarray, backends.get("cpu").array_type):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not supported. Make a copy first: array.copy()"
        )
    from_numpy_dtype(ndarray.dtype)
    return Tensor(ndarray)


@composite(public="f")
def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares memory with any object that speaks DLPack."""
    kind = ext_tensor.__dlpack_device__()[0] if hasattr(ext_tensor, "__dlpack_device__") else 1
    if kind in (1, 3):
        return Tensor(_host.from_dlpack(ext_tensor))
    return Tensor(backends.get("cuda").xp.from_dlpack(ext_tensor))


@composite(public="f")
def frombuffer(
    buffer: Any, *, dtype: dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A 1-D tensor over the memory of an object with the buffer protocol."""
    return finish(Tensor(_host.byte_buffer(buffer, dtype, count, offset)), requires_grad)


@composite(public="f")
def scalar_tensor(s: Any, dtype: dtype | None = None, device: Any = None) -> Tensor:
    return F.full((), s, dtype or get_default_dtype(), device=device)


@composite(public="f")
def full(
    size: Sequence[int], fill_value: Any, *, dtype: dtype | None = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Every element `fill_value`, whose type decides the dtype unless one is given."""
    if isinstance(fill_value, Tensor):
        fill_value = fill_value.item()
    kind = dtype or scalar_dtype(fill_value)
    return finish(F.full(sizes((size,)), fill_value, kind, device=device), requires_grad)


def _constant(name: str, value: float) -> None:
    def factory(
        *size: Any, dtype: dtype | None = None, device: Any = None, requires_grad: bool = False,
        layout: Any = None, pin_memory: bool = False, memory_format: Any = None, **names: Any,
    ) -> Tensor:  # fmt: skip
        shape = sizes((names["size"],) if "size" in names else size)
        kind = dtype or get_default_dtype()
        if value != value:
            return finish(F.empty(shape, kind, device=device), requires_grad)
        return finish(F.full(shape, value, kind, device=device), requires_grad)

    def like(
        input: Tensor, *, dtype: dtype | None = None, device: Any = None,
        requires_grad: bool = False, layout: Any = None, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        return factory(
            input.array.shape, dtype=dtype or input.dtype, device=device or input.device,
            requires_grad=requires_grad,
        )  # fmt: skip

    def new(
        self: Tensor, *size: Any, dtype: dtype | None = None, device: Any = None,
        requires_grad: bool = False, layout: Any = None, pin_memory: bool = False, **names: Any,
    ) -> Tensor:  # fmt: skip
        return factory(
            *size, dtype=dtype or self.dtype, device=device or self.device,
            requires_grad=requires_grad, **names,
        )  # fmt: skip

    what = {"zeros": "zeros", "ones": "ones", "empty": "uninitialised memory"}[name]
    for function, called, letters, text in (
        (factory, name, "f", f"A tensor of {what} of the given size."),
        (like, f"{name}_like", "f", f"A tensor of {what} with the shape, dtype and device of `input`."),
        (new, f"new_{name}", "m", f"A tensor of {what} with the dtype and device of this one."),
    ):
        function.__name__ = function.__qualname__ = called
        function.__doc__ = text
        composite(public=letters, out=letters == "f", name=called)(function)


for _name, _value in (("zeros", 0), ("ones", 1), ("empty", float("nan"))):
    _constant(_name, _value)


@composite(public="f")
def full_like(
    input: Tensor, fill_value: Any, *, dtype: dtype | None = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Every element `fill_value`, with the shape, dtype and device of `input`."""
    return full(
        input.shape, fill_value, dtype=dtype or input.dtype, device=device or input.device,
        requires_grad=requires_grad,
    )  # fmt: skip


@composite(public="m")
def new_full(
    self: Tensor, size: Sequence[int], fill_value: Any, *, dtype: dtype | None = None,
    device: Any = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Every element `fill_value`, with the dtype and device of this tensor."""
    return full(
        size, fill_value, dtype=dtype or self.dtype, device=device or self.device,
        requires_grad=requires_grad,
    )  # fmt: skip


@composite(public="m")
def new_tensor(
    self: Tensor, data: Any, *, dtype: dtype | None = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A tensor from data with the dtype and device of this one."""
    return tensor(
        data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad
    )


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


@composite(public="f", out=True)
def arange(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: dtype | None = None,
    device: Any = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`start, start + step, ...` below `end`; int64 if all three are ints, else floating."""
    if end is None:
        start, end = 0, start
    start, end, step = _number(start), _number(end), _number(step)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: {start}, {end}, step {step}"
        )
    whole = all(isinstance(v, int) for v in (start, end, step))
    kind = dtype or (int64 if whole else get_default_dtype())
    return finish(F.arange(start, end, step, kind, device=device), requires_grad)


@composite(public="f")
def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: dtype | None = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Like `arange`, but `end` is included and the default dtype is floating."""
    if end is None:
        start, end = 0, start
    count = int((end - start) / step) + 1
    kind = dtype or get_default_dtype()
    out = F.arange(0, count, 1, float64, device=device) * step + start
    return finish(out.to(kind), requires_grad)


@composite(public="f", out=True)
def linspace(
    start: Any, end: Any, steps: int, *, dtype: dtype | None = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`steps` values evenly from `start` to `end`, both included."""
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    kind = dtype or get_default_dtype()
    out = F.linspace(_number(start), _number(end), steps, kind, device=device)
    return finish(out, requires_grad)


@composite(public="f", out=True)
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: dtype | None = None,
    device: Any = None, requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """`base` to the power of `steps` values evenly from `start` to `end`."""
    powers = F.linspace(_number(start), _number(end), steps, float64, device=device)
    return finish(F.pow(float(base), powers).to(dtype or get_default_dtype()), requires_grad)


@composite(public="f", out=True)
def eye(
    n: int, m: int | None = None, *, dtype: dtype | None = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of an n×m matrix."""
    if n < 0 or (m is not None and m < 0):
        raise RuntimeError(f"n and m must be greater or equal to 0, got {n}, {m}")
    kind = dtype or get_default_dtype()
    return finish(F.eye(n, n if m is None else m, kind, device=device), requires_grad)


@composite(public="f")
def empty_strided(
    size: Sequence[int], stride: Sequence[int], *, dtype: dtype | None = None, device: Any = None,
    requires_grad: bool = False, layout: Any = None, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Uninitialised memory with the given strides (in elements)."""
    span = 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if all(size) else 0
    flat: Any = F.empty((span,), dtype or get_default_dtype(), device=device)
    return finish(flat.as_strided(size, stride).detach(), requires_grad)


@composite(public="f")
def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


def _typed(name: str, kind: dtype) -> None:
    def construct(*args: Any) -> Tensor:
        if args and (len(args) > 1 or isinstance(args[0], int)):
            return F.empty(sizes(args), kind)
        return tensor(args[0] if args else [], dtype=kind)

    construct.__name__ = construct.__qualname__ = name
    construct.__doc__ = f"torch's old constructor: a CPU {kind} tensor from data or sizes."
    composite(public="f", name=name)(construct)



for _name, _kind in (
    ("FloatTensor", float32), ("DoubleTensor", float64), ("LongTensor", int64),
    ("IntTensor", int32), ("ShortTensor", int16), ("CharTensor", int8), ("ByteTensor", uint8),
    ("BoolTensor", boolean), ("HalfTensor", float16), ("BFloat16Tensor", bfloat16),
):  # fmt: skip
    _typed(_name, _kind)
