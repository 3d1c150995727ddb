"""Element-wise composites."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .._dtypes import FLOAT, complex128, finfo, float64, get_default_dtype
from .._tensor import F, Tensor
from ._register import composite, named
from ._shapes import only_tensors, same_dtype
from .shape import contiguous

# ---- arithmetic


@composite("fm", out=True)
def rsub(input: Tensor, other: Tensor | float, *, alpha: float = 1) -> Tensor:
    """`other - alpha * input`."""
    return F.sub(other, input, alpha=alpha)


@composite("fmi", aliases=("divide",), out=True)
def div(input: Tensor, other: Tensor | float, *, rounding_mode: str | None = None) -> Tensor:
    """`input / other`; `rounding_mode` "trunc" or "floor" keeps integers integers.

    RuntimeError for another mode, and for an integer division by zero.
    """
    if rounding_mode is None:
        return F.div(input, other)
    if rounding_mode == "floor":
        return F.floor_divide(input, other)
    if rounding_mode != "trunc":
        raise RuntimeError(
            "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
            f"{rounding_mode!r}"
        )
    return F.trunc_divide(input, other)


@composite("fmi", out=True)
def true_divide(input: Tensor, other: Tensor | float) -> Tensor:
    """`input / other`, floating."""
    return F.div(input, other)


@composite("fmi", out=True)
def float_power(input: Tensor | float, exponent: Tensor | float) -> Tensor:
    """`input ** exponent` in float64, or in complex128 where one is complex."""
    whole = any(v.dtype.is_complex if isinstance(v, Tensor) else isinstance(v, complex)
                for v in (input, exponent))  # fmt: skip
    kind, number = (complex128, complex) if whole else (float64, float)
    base, power = (
        F.cast(v, kind) if isinstance(v, Tensor) else number(v) for v in (input, exponent)
    )
    return F.pow(base, power)


@composite("fm")
def positive(input: Tensor) -> Tensor:
    """`+input`: the tensor itself; RuntimeError for bool."""
    if input.dtype.name == "bool":
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


@composite("fmi", out=True)
def ldexp(input: Tensor, other: Tensor) -> Tensor:
    """`input * 2**other`."""
    return F.mul(input, F.pow(2.0, other))


@composite("fmi", out=True)
def lerp(input: Tensor, end: Tensor, weight: Tensor | float) -> Tensor:
    """`input + weight * (end - input)`, exact at both ends; RuntimeError for two dtypes."""
    only_tensors("lerp", end=end)
    for other in (end, weight):
        if isinstance(other, Tensor) and (other is end or other.ndim):
            same_dtype("lerp", input, other)
    if not isinstance(weight, Tensor):
        return F.lerp_number(input, end, weight=weight)
    return F.lerp(input, end, weight)


@composite("fmi", out=True)
def addcdiv(input: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: float = 1) -> Tensor:
    """`input + value * tensor1 / tensor2`; RuntimeError for integers."""
    only_tensors("addcdiv", tensor1=tensor1, tensor2=tensor2)
    if max(tensor1.dtype.category, tensor2.dtype.category) < FLOAT:
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported: got "
            f"{tensor1.dtype} and {tensor2.dtype}; convert one with .float()"
        )
    return F.addcdiv(input, tensor1, tensor2, value=value)


# ---- functions


@composite("fmi", aliases=("special.sinc",), out=True)
def sinc(input: Tensor) -> Tensor:
    """`sin(pi x) / (pi x)`, and 1 at 0."""
    zero = F.eq(input, 0)
    x = F.mul(F.where(zero, 1.0, input), math.pi)
    return F.where(zero, 1.0, F.div(F.sin(x), x))


@composite("fm", out=True)
def angle(input: Tensor) -> Tensor:
    """The angle in the complex plane, in [-pi, pi]; of real numbers pi below 0, else 0."""
    if input.dtype.is_complex:
        return F.argument(input)
    turned = F.mul(F.cast(F.lt(input, 0), get_default_dtype()), math.pi)
    if not input.dtype.is_floating_point:
        return turned
    return F.where(F.isnan(input), input, F.add(F.cast(turned, input.dtype), F.mul(input, 0.0)))


# ---- choosing


@composite("fm", out=True)
def fmax(input: Tensor, other: Tensor) -> Tensor:
    """The larger operand, the other one where one is NaN."""
    only_tensors("fmax", other=other)
    return F.where(F.logical_or(F.ge(input, other), F.isnan(other)), input, other)


@composite("fm", out=True)
def fmin(input: Tensor, other: Tensor) -> Tensor:
    """The smaller operand, the other one where one is NaN."""
    only_tensors("fmin", other=other)
    return F.where(F.logical_or(F.le(input, other), F.isnan(other)), input, other)


@composite("fmi", out=True)
def clamp_min(input: Tensor, min: Tensor | float) -> Tensor:
    """Each element, but at least `min`."""
    return F.clamp(input, min, None)


@composite("fmi", out=True)
def clamp_max(input: Tensor, max: Tensor | float) -> Tensor:
    """Each element, but at most `max`."""
    return F.clamp(input, None, max)


@composite("fmi", out=True)
def heaviside(input: Tensor, values: Tensor) -> Tensor:
    """0 below 0, 1 above, `values` at 0; RuntimeError for two dtypes."""
    only_tensors("heaviside", values=values)
    same_dtype("heaviside", input, values)
    step = F.cast(F.gt(input, 0), input.dtype)
    return F.where(F.logical_or(F.eq(input, 0), F.isnan(input)), values, step)


@composite("f", out=True)
def where(
    condition: Tensor, input: Tensor | float | None = None, other: Tensor | float | None = None
) -> Any:
    """`input` where `condition` holds, else `other`; alone, the indices where it holds."""
    if input is None and other is None:
        return condition.nonzero(as_tuple=True)
    return F.where(condition, input, other)


@composite("m", name="where")
def where_method(input: Tensor, condition: Tensor, other: Tensor | float) -> Tensor:
    """The tensor where `condition` holds, else `other`."""
    return F.where(condition, input, other)


@composite("fmi")
def masked_fill(input: Tensor, mask: Tensor, value: Tensor | float) -> Tensor:
    """`value` where `mask` holds, in the dtype of `input`.

    RuntimeError for a mask that is not bool, or a value tensor that is not 0-dimensional.
    """
    if isinstance(value, complex) and not input.dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {input.dtype} without overflow")
    if isinstance(value, Tensor) and value.ndim:
        raise RuntimeError(
            "masked_fill only supports a 0-dimensional value tensor, but got tensor with "
            f"{value.ndim} dimension(s); use pyrite.where(mask, value, input)"
        )
    if isinstance(value, Tensor) and value.dtype.is_complex and not input.dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {input.dtype} without overflow")
    if isinstance(value, int | float) and input.dtype.category < FLOAT:
        value, number = F.full((), 0, input.dtype, device=input.device), value
        F.write_number(value, number)
    out = contiguous(F.where(mask, value, input))
    return out if out.dtype is input.dtype else F.cast(out, input.dtype)


@composite("fmi", out=True)
def nan_to_num(
    input: Tensor, nan: float | None = None, posinf: float | None = None,
    neginf: float | None = None,
) -> Tensor:  # fmt: skip
    """NaN replaced by `nan` (0), infinities by `posinf` and `neginf` (the dtype's limits)."""
    if input.dtype.is_complex:
        parts = (nan_to_num(part(input), nan, posinf, neginf) for part in (F.real, F.imag))
        return F.complex(*parts)
    if not input.dtype.is_floating_point:
        return F.clone(input)
    most = finfo(input.dtype).max
    out = F.where(F.isnan(input), nan or 0.0, input)
    out = F.where(F.eq(out, math.inf), most if posinf is None else posinf, out)
    return F.where(F.eq(out, -math.inf), -most if neginf is None else neginf, out)


# ---- tests


@composite("fm")
def isreal(input: Tensor) -> Tensor:
    """Where an element has no imaginary part: everywhere for real dtypes."""
    return F.eq(F.imag(input) if input.dtype.is_complex else F.zeros_like(input), 0)


@composite("fm")
def isclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> Tensor:
    """Where `abs(input - other) <= atol + rtol * abs(other)`; RuntimeError for two dtypes."""
    same_dtype("isclose", input, other)
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"rtol and atol must not be negative, got {rtol} and {atol}")
    close = F.eq(input, other)
    if input.dtype.category < FLOAT:
        input, other = F.cast(input, float64), F.cast(other, float64)
    elif equal_nan:
        close = F.logical_or(close, F.logical_and(F.isnan(input), F.isnan(other)))
    error = F.abs(F.sub(input, other))
    near = F.le(error, F.add(F.abs(F.mul(other, float(rtol))), float(atol)))
    return F.logical_or(close, F.logical_and(F.isfinite(error), near))


@composite("fm")
def allclose(
    input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False
) -> bool:
    """Whether all elements are close (see `isclose`)."""
    return bool(F.all(isclose(input, other, rtol, atol, equal_nan)))


@composite("fm")
def equal(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape and elements."""
    return input.shape == other.shape and bool(F.all(F.eq(input, other)))


# ---- one expression of one tensor: where it is public, the function, what it gives

_UNARY: dict[str, tuple[str, Callable[[Tensor], Tensor], str]] = {
    "square": ("fmi", lambda input: F.pow(input, 2), "`input ** 2`."),
    "frac": ("fmi", lambda input: F.sub(input, F.trunc(input)), "The fraction, with its sign."),
    "isposinf": (
        "fm",
        lambda input: F.logical_and(F.isinf(input), F.gt(input, 0)),
        "Where an element is infinity.",
    ),
    "isneginf": (
        "fm",
        lambda input: F.logical_and(F.isinf(input), F.lt(input, 0)),
        "Where an element is -infinity.",
    ),
}
for _name, (_public, _function, _doc) in _UNARY.items():
    named(_function, _name, _public, _doc, out=True)
