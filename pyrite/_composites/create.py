"""Factories: tensors from data, constants and ranges."""

from __future__ import annotations

import builtins
import functools
import math
from collections.abc import Callable, Sequence
from inspect import Parameter, signature
from typing import Any

from .. import _dtypes as dtypes
from .. import backends
from .._device import as_device
from .._dtypes import as_dtype, dtype, float64, get_default_dtype, int64, scalar_dtype
from .._formats import dense_order, laid_out, order_of, preserve_format
from .._inplace import write_out
from .._tensor import F, Tensor
from ..autograd.levels import Wrapped
from ..backends import _host
from ._register import called, composite, named
from .shape import ints

# Keywords that every factory has; the last three change nothing here.
_OPTIONS = {
    "out": None, "requires_grad": False, "layout": None, "pin_memory": False, "memory_format": None
}  # fmt: skip
_EXTRA = [Parameter(k, Parameter.KEYWORD_ONLY, default=v) for k, v in _OPTIONS.items()]

# Words of torch's old type names.
LEGACY_TYPES = {
    "Float": "float32", "Double": "float64", "Long": "int64", "Int": "int32", "Short": "int16",
    "Char": "int8", "Byte": "uint8", "Bool": "bool", "Half": "float16", "BFloat16": "bfloat16",
}  # fmt: skip


def factory(
    make: Callable[..., Tensor], public: str = "f", aliases: tuple[str, ...] = ()
) -> Callable[..., Tensor]:
    """Register a function of sizes or numbers, `dtype=` and `device=` as torch's factory.

    The keywords of `_OPTIONS` are added; with `out=`, its dtype and device are those asked for.
    """
    name = make.__name__

    @functools.wraps(make)
    def function(
        *args: Any, dtype: Any = None, out: Tensor | None = None, requires_grad: bool = False,
        layout: Any = None, pin_memory: bool = False, memory_format: Any = None, **options: Any,
    ) -> Tensor:  # fmt: skip
        kind = None if dtype is None else as_dtype(dtype)
        if out is not None:
            if kind not in (None, out.dtype):
                raise RuntimeError(
                    f"{name}(): dtype {kind} does not match dtype of out parameter ({out.dtype})"
                )
            kind, options["device"] = out.dtype, out.device
        result = make(*args, dtype=kind, **options)
        if out is not None:
            result = write_out(name, result, out)
        if memory_format is not None and out is None:
            result = _in_format(result, memory_format)
        return finish(result, requires_grad)

    form = signature(make)
    function.__signature__ = form.replace(  # type: ignore[attr-defined]
        parameters=[*form.parameters.values(), *_EXTRA]
    )
    composite(public, aliases)(function)
    return function


def _in_format(t: Tensor, form: Any) -> Tensor:
    """A fresh tensor in the order of elements that a format asks for."""
    if form is preserve_format:
        raise RuntimeError("unsupported memory format: a new tensor has none to preserve")
    return Tensor(laid_out(t.array, order_of(form, t.ndim)))


def like(name: str, make: Callable[..., Tensor], what: str) -> Callable[..., Tensor]:
    """Register `{name}_like`: `make(size, ...)` with the size, dtype and device of a tensor."""

    def function(
        input: Tensor, *args: Any, dtype: Any = None, device: Any = None,
        memory_format: Any = preserve_format, **options: Any,
    ) -> Tensor:  # fmt: skip
        size = tensor_input(f"{name}_like", input).shape
        if input.rules is not None:  # sparse: empty, or refused
            return F.zeros_like(input) if name in ("zeros", "empty") else F.ones_like(input)
        kind, where = dtype or input.dtype, device or input.device
        out = make(size, *args, dtype=kind, device=where, **options)
        keeps = memory_format is None or memory_format is preserve_format
        if keeps and input.array.flags.c_contiguous:
            return out
        order = dense_order(input.array) if keeps else order_of(memory_format, len(size))
        if list(order) != sorted(order):
            out.array = laid_out(out.array, order)
        return out

    doc = f"{what} with the shape, dtype and device of `input`."
    return named(function, f"{name}_like", "f", doc)


def _new(make: Callable[..., Tensor], what: str) -> None:
    """Register the method `new_{name}`: a factory with the dtype and device of a tensor."""

    def function(
        self: Tensor, *args: Any, dtype: Any = None, device: Any = None, **options: Any
    ) -> Tensor:
        kind, where = dtype or self.dtype, device or self.device
        made = make(*args, dtype=kind, device=where, **options)
        return self.fresh(made) if isinstance(self, Wrapped) else made

    named(function, f"new_{make.__name__}", "m", f"{what} with the dtype and device of this one.")


def tensor_input(name: str, input: Any) -> Tensor:
    """The input; TypeError for anything but a Tensor."""
    if not isinstance(input, Tensor):
        kind = type(input).__name__
        raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {kind}")
    return input


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


def lengths(name: str, shape: tuple[Any, ...], size: Any = None) -> tuple[int, ...]:
    """A shape given as ints, as one tuple or as `size=`; RuntimeError for a negative size."""
    if not shape and not isinstance(size, tuple | list):
        missing = "missing 1 required argument: " if size is None else "argument "
        kind = type(size).__name__
        raise TypeError(f"{name}(): {missing}'size' must be tuple of ints, not {kind}")
    out = ints(name, shape if size is None else (size,))
    if out and min(out) < 0:
        raise RuntimeError(
            f"Trying to create tensor with negative dimension {min(out)}: {list(out)}"
        )
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
    kind: Any = backends.get("cpu").array_type
    if not isinstance(ndarray, kind):
        raise TypeError(f"expected np.ndarray (got {type(ndarray).__name__})")
    if any(s < 0 for s in ndarray.strides):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not supported. Make a copy first: array.copy()"
        )
    return Tensor(dtypes.shared(ndarray))


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
    backends.get("cpu")  # it may be the first call of all
    return finish(Tensor(_host.byte_buffer(buffer, dtype, count, offset)), requires_grad)


@factory
def scalar_tensor(s: Any, *, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """A 0-d tensor of one number."""
    return F.full((), s, dtype or get_default_dtype(), device=device)


@factory
def full(
    size: Sequence[int], fill_value: Any, *, dtype: dtype | None = None, device: Any = None
) -> Tensor:
    """Every element `fill_value`, whose type decides the dtype unless one is given."""
    value = _number(fill_value)
    return F.full(lengths("full", (), size), value, dtype or scalar_dtype(value), device=device)


def _constant(name: str, what: str, *value: float) -> Callable[..., Tensor]:
    def make(
        *shape: Any, size: Any = None, dtype: dtype | None = None, device: Any = None
    ) -> Tensor:
        kind = dtype or get_default_dtype()
        op = F.full if value else F.empty
        return op(lengths(name, shape, size), *value, kind, device=device)

    return factory(called(make, name, f"{what} of the given size."))


zeros = _constant("zeros", "A tensor of zeros", 0)
ones = _constant("ones", "A tensor of ones", 1)
empty = _constant("empty", "A tensor of uninitialised memory")
for _make, _what in (
    (zeros, "A tensor of zeros"), (ones, "A tensor of ones"),
    (empty, "A tensor of uninitialised memory"), (full, "A tensor of one value"),
):  # fmt: skip
    like(_make.__name__, _make, _what)
    _new(_make, _what)
_new(tensor, "A tensor of data")


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


@factory
def arange(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: dtype | None = None,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """`start, start + step, ...` below `end`; int64 if all three are ints, else floating."""
    start, end, step = map(_number, (0, start, step) if end is None else (start, end, step))
    if any(isinstance(v, float) and not math.isfinite(v) for v in (start, end)):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        start, end, step = (v if isinstance(v, int) else int(v) for v in (start, end, step))
        if step == 0:
            raise ValueError("step must be nonzero")
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(
            f"upper bound and lower bound inconsistent with step sign: {start}, {end}, step {step}"
        )
    whole = all(isinstance(v, int) for v in (start, end, step))
    return F.arange(
        start, end, step, dtype or (int64 if whole else get_default_dtype()), device=device
    )


@factory
def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, dtype: dtype | None = None,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """Like `arange`, but `end` is included and the default dtype is floating."""
    start, end = (0, start) if end is None else (start, end)
    out = F.arange(0, int((end - start) / step) + 1, 1, float64, device=device) * step + start
    return out.to(dtype or get_default_dtype())


@factory
def linspace(
    start: Any, end: Any, steps: int, *, dtype: dtype | None = None, device: Any = None
) -> Tensor:
    """`steps` values evenly from `start` to `end`, both included."""
    if not isinstance(steps, int):
        raise TypeError(f"linspace(): argument 'steps' must be int, not {type(steps).__name__}")
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    start, end = _number(start), _number(end)
    kind = dtype or scalar_dtype(start + end + 0.0)
    return F.linspace(start, end, steps, kind, device=device)


@factory
def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, dtype: dtype | None = None,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """`base` to the power of `steps` values evenly from `start` to `end`."""
    if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
        start, end = int(start), int(end)
    powers = linspace(start, end, steps, dtype=float64, device=device)
    return F.pow(float(base), powers).to(dtype or get_default_dtype())


@factory
def eye(n: int, m: int | None = None, *, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """Ones on the diagonal of an n×m matrix."""
    m = n if m is None else m
    if n < 0 or m < 0:
        raise RuntimeError(f"n and m must be greater or equal to 0, got {n}, {m}")
    return F.eye(n, m, dtype or get_default_dtype(), device=device)


@factory
def empty_strided(
    size: Sequence[int], stride: Sequence[int], *, dtype: dtype | None = None, device: Any = None
) -> Tensor:
    """Uninitialised memory with the given strides (in elements)."""
    span = 1 + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) if all(size) else 0
    flat: Any = F.empty((span,), dtype or get_default_dtype(), device=device)
    return flat.as_strided(size, stride).detach()


@composite(public="f")
def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


@factory
def empty_permuted(
    size: Sequence[int], physical_layout: Sequence[int], *, dtype: dtype | None = None,
    device: Any = None,
) -> Tensor:  # fmt: skip
    """Uninitialised memory, the dimensions in it in the given order, outermost first."""
    order = tuple(physical_layout)
    if sorted(order) != list(builtins.range(len(size))):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout, or it "
            f"is no permutation: size {list(size)}, physical_layout {list(order)}"
        )
    kind = dtype or get_default_dtype()
    memory: Any = F.empty(tuple([size[d] for d in order]), kind, device=device)
    return memory.permute([order.index(d) for d in builtins.range(len(order))]).detach()


_new(empty_strided, "Uninitialised memory of given strides")
