"""Element-wise arithmetic, powers, exponentials, trigonometry, rounding and selection.

Every op broadcasts its operands and promotes their dtypes; an operand may be a Python number.
"""

from __future__ import annotations

import math
from typing import Any

from .table import Array, op

# ---- arithmetic


def _scaled(other: Any, alpha: float, input: Any) -> Any:
    """`alpha * other`; RuntimeError for a fraction of an integer."""
    kind = getattr(input, "dtype", None)
    if isinstance(alpha, float) and kind is not None and kind.kind in "biu":
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number: got "
            f"alpha={alpha} for {kind.name}"
        )
    return other * alpha


@op(kind="pointwise", onnx="Add")
def add(xp: Any, input: Array, other: Array, *, alpha: float = 1) -> Array:
    """`input + alpha * other`."""
    return xp.add(input, other if alpha == 1 else _scaled(other, alpha, input))


add.vjp(input=lambda g: g, other=lambda F, g, alpha: g if alpha == 1 else F.mul(g, alpha))


@op(kind="pointwise", onnx="Sub", aliases=("subtract",))
def sub(xp: Any, input: Array, other: Array, *, alpha: float = 1) -> Array:
    """`input - alpha * other`; RuntimeError for bool."""
    return xp.subtract(input, other if alpha == 1 else _scaled(other, alpha, input))


sub.vjp(input=lambda g: g, other=lambda F, g, alpha: F.neg(g) if alpha == 1 else F.mul(g, -alpha))


@op(kind="pointwise", onnx="Mul", aliases=("multiply",))
def mul(xp: Any, input: Array, other: Array) -> Array:
    """`input * other`."""
    return xp.multiply(input, other)


mul.vjp(input=lambda g, other: g * other, other=lambda g, input: g * input)


@op(kind="pointwise", dtypes="float", onnx="Div", domain=[(None, None), (0.1, None)], public="")
def div(xp: Any, input: Array, other: Array) -> Array:
    """`input / other`, floating."""
    return xp.true_divide(input, other)


div.vjp(input=lambda g, other: g / other, other=lambda g, other, out: -(g * (out / other)))


def _refuse_zero(other: Any) -> None:
    if (
        getattr(other, "dtype", None) is not None
        and other.dtype.kind in "iu"
        and (other == 0).any()
    ):
        raise RuntimeError("ZeroDivisionError: integer division by zero")


@op(kind="pointwise", domain=[(None, None), (0.1, None)])
def floor_divide(xp: Any, input: Array, other: Array) -> Array:
    """`floor(input / other)`; RuntimeError for an integer division by zero."""
    _refuse_zero(other)
    return xp.floor_divide(input, other)


floor_divide.vjp(input=lambda F, g: F.zeros_like(g), other=lambda F, g: F.zeros_like(g))


@op(kind="pointwise", aliases=("special.remainder",), domain=[(None, None), (0.1, None)])
def remainder(xp: Any, input: Array, other: Array) -> Array:
    """`input - other * floor(input / other)`: the sign is that of `other`."""
    _refuse_zero(other)
    return xp.remainder(input, other)


remainder.vjp(
    input=lambda g: g, other=lambda F, g, input, other: -(g * F.floor_divide(input, other))
)


@op(kind="pointwise", onnx="Mod", domain=[(None, None), (0.1, None)])
def fmod(xp: Any, input: Array, other: Array) -> Array:
    """`input - other * trunc(input / other)`: the sign is that of `input`."""
    _refuse_zero(other)
    return xp.fmod(input, other)


fmod.vjp(input=lambda g: g, other=lambda F, g, input, other: -(g * F.trunc(input / other)))


@op(kind="pointwise", onnx="Neg", aliases=("negative",))
def neg(xp: Any, input: Array) -> Array:
    """`-input`; RuntimeError for bool."""
    return xp.negative(input)


neg.vjp(input=lambda g: -g)


@op(kind="pointwise", onnx="Abs", aliases=("absolute",))
def abs(xp: Any, input: Array) -> Array:
    """The absolute value."""
    return xp.absolute(input)


abs.vjp(input=lambda F, g, input: g * F.sign(input))


@op(kind="pointwise", onnx="Sign", aliases=("sgn",))
def sign(xp: Any, input: Array) -> Array:
    """-1, 0 or 1; 0 for NaN."""
    if input.dtype.kind == "f":
        return (input > 0).astype(input.dtype) - (input < 0).astype(input.dtype)
    return input.copy() if input.dtype.kind == "b" else xp.sign(input)


sign.vjp(input=lambda F, g: F.zeros_like(g))


# ---- powers and roots


@op(kind="pointwise", onnx="Pow", autocast="float32", domain=[(0.1, None), (None, None)])
def pow(xp: Any, input: Array, exponent: Array) -> Array:
    """`input ** exponent`; RuntimeError for integers to a negative integer power."""
    if isinstance(exponent, float | int):
        return input**exponent  # takes NumPy's short ways for squares and roots
    if exponent.ndim and exponent.dtype.kind == "i":
        return _whole_power(xp, input, exponent)
    return xp.power(input, exponent)


def _whole_power(xp: Any, input: Any, exponent: Any) -> Any:
    """Integer powers; negative ones give 0, or plus and minus 1 for such inputs."""
    below = exponent < 0
    out = xp.power(input, xp.where(below, exponent % 2, exponent))
    return xp.where(xp.logical_and(below, xp.absolute(input) != 1), 0, out)


def is_number(value: Any) -> bool:
    """Whether an operand of a formula is a Python number (a formula that asks is not traced)."""
    return value is not None and not hasattr(value, "shape")


def _pow_input(F: Any, g: Any, input: Any, exponent: Any) -> Any:
    if is_number(exponent):
        if exponent == 0:
            return F.zeros_like(g)
        if exponent == 2:
            return F.mul(g, F.mul(input, 2.0))
        return F.mul(g, F.mul(F.pow(input, exponent - 1.0), float(exponent)))
    slope = F.mul(exponent, F.pow(input, F.sub(exponent, 1.0)))
    return F.where(F.eq(exponent, 0), 0.0, F.mul(g, slope))


def _pow_exponent(F: Any, g: Any, input: Any, exponent: Any, out: Any) -> Any:
    if is_number(input):
        if input == 0:
            return F.where(F.ge(exponent, 0), 0.0, F.mul(g, F.mul(out, -math.inf)))
        return F.mul(g, F.mul(out, math.log(input) if input > 0 else math.nan))
    slope = F.mul(g, F.mul(out, F.log(input)))
    return F.where(F.logical_and(F.eq(input, 0), F.ge(exponent, 0)), 0.0, slope)


pow.vjp(input=_pow_input, exponent=_pow_exponent)


@op(kind="pointwise", dtypes="float", onnx="Sqrt", domain=[(0.01, None)])
def sqrt(xp: Any, input: Array) -> Array:
    """The square root; NaN below 0."""
    return xp.sqrt(input)


sqrt.vjp(input=lambda g, out: g / (out * 2.0))


@op(kind="pointwise", dtypes="float", autocast="float32", domain=[(0.01, None)])
def rsqrt(xp: Any, input: Array) -> Array:
    """`1 / sqrt(input)`."""
    return 1.0 / xp.sqrt(input)


rsqrt.vjp(input=lambda g, out: g * (out * out * out * -0.5))


@op(kind="pointwise", dtypes="float", onnx="Reciprocal", autocast="float32")
def reciprocal(xp: Any, input: Array) -> Array:
    """`1 / input`."""
    return xp.true_divide(1.0, input)


reciprocal.vjp(input=lambda g, out: -(g * (out * out)))


# ---- exponentials and logarithms


@op(kind="pointwise", dtypes="float", onnx="Exp", autocast="float32")
def exp(xp: Any, input: Array) -> Array:
    """Powers of e: `e ** input`."""
    return xp.exp(input)


exp.vjp(input=lambda g, out: g * out)


@op(kind="pointwise", dtypes="float", aliases=("special.exp2",))
def exp2(xp: Any, input: Array) -> Array:
    """2 to the power of each element."""
    return xp.exp2(input)


exp2.vjp(input=lambda g, out: g * (out * math.log(2)))


@op(kind="pointwise", dtypes="float", autocast="float32", aliases=("special.expm1",))
def expm1(xp: Any, input: Array) -> Array:
    """`exp(input) - 1`, exact near 0."""
    return xp.expm1(input)


expm1.vjp(input=lambda g, out: g * (out + 1.0))


@op(kind="pointwise", dtypes="float", onnx="Log", autocast="float32", domain=[(0.01, None)])
def log(xp: Any, input: Array) -> Array:
    """The natural logarithm."""
    return xp.log(input)


log.vjp(input=lambda g, input: g / input)


@op(kind="pointwise", dtypes="float", autocast="float32", domain=[(0.01, None)])
def log2(xp: Any, input: Array) -> Array:
    """The logarithm to base 2."""
    return xp.log2(input)


log2.vjp(input=lambda g, input: g / (input * math.log(2)))


@op(kind="pointwise", dtypes="float", autocast="float32", domain=[(0.01, None)])
def log10(xp: Any, input: Array) -> Array:
    """The logarithm to base 10."""
    return xp.log10(input)


log10.vjp(input=lambda g, input: g / (input * math.log(10)))


@op(
    kind="pointwise", dtypes="float", autocast="float32", domain=[(-0.9, None)],
    aliases=("special.log1p",),
)  # fmt: skip
def log1p(xp: Any, input: Array) -> Array:
    """`log(1 + input)`, exact near 0."""
    return xp.log1p(input)


log1p.vjp(input=lambda g, input: g / (input + 1.0))


@op(kind="pointwise", dtypes="float")
def logaddexp(xp: Any, input: Array, other: Array) -> Array:
    """`log(exp(input) + exp(other))` without overflow."""
    return xp.logaddexp(input, other)


logaddexp.vjp(
    input=lambda F, g, input, other: g * F.sigmoid(input - other),
    other=lambda F, g, input, other: g * F.sigmoid(other - input),
)


@op(
    kind="pointwise", dtypes="float", aliases=("special.xlogy",), domain=[(None, None), (0.1, None)]
)
def xlogy(xp: Any, input: Array, other: Array) -> Array:
    """`input * log(other)`, and 0 where `input` is 0 and `other` is not NaN."""
    product = xp.multiply(input, xp.log(other))
    return xp.where(xp.logical_and(xp.equal(input, 0), ~xp.isnan(other)), 0, product)


xlogy.vjp(
    input=lambda F, g, input, other: F.where(
        F.logical_and(F.eq(input, 0), F.le(other, 0)), 0.0, g * F.log(other)
    ),
    other=lambda g, input, other: g * (input / other),
)


# ---- trigonometry


@op(kind="pointwise", dtypes="float", onnx="Sin")
def sin(xp: Any, input: Array) -> Array:
    """The sine of each element (radians)."""
    return xp.sin(input)


sin.vjp(input=lambda F, g, input: g * F.cos(input))


@op(kind="pointwise", dtypes="float", onnx="Cos")
def cos(xp: Any, input: Array) -> Array:
    """The cosine of each element (radians)."""
    return xp.cos(input)


cos.vjp(input=lambda F, g, input: -(g * F.sin(input)))


@op(kind="pointwise", dtypes="float", onnx="Tan", autocast="float32")
def tan(xp: Any, input: Array) -> Array:
    """The tangent of each element (radians)."""
    return xp.tan(input)


tan.vjp(input=lambda g, out: g * (out * out + 1.0))


def _root(F: Any, x: Any, sign: float, offset: float) -> Any:
    """`1 / sqrt(sign * x**2 + offset)`."""
    return F.rsqrt(F.add(F.mul(F.mul(x, x), sign), offset))


@op(kind="pointwise", dtypes="float", onnx="Asin", domain=[(-0.9, 0.9)], aliases=("arcsin",))
def asin(xp: Any, input: Array) -> Array:
    """The angle in [-pi/2, pi/2] with this sine; NaN outside [-1, 1]."""
    return xp.arcsin(input)


asin.vjp(input=lambda F, g, input: g * _root(F, input, -1.0, 1.0))


@op(kind="pointwise", dtypes="float", onnx="Acos", domain=[(-0.9, 0.9)], aliases=("arccos",))
def acos(xp: Any, input: Array) -> Array:
    """The angle in [0, pi] with this cosine; NaN outside [-1, 1]."""
    return xp.arccos(input)


acos.vjp(input=lambda F, g, input: -(g * _root(F, input, -1.0, 1.0)))


@op(kind="pointwise", dtypes="float", onnx="Atan", aliases=("arctan",))
def atan(xp: Any, input: Array) -> Array:
    """The angle in (-pi/2, pi/2) with this tangent."""
    return xp.arctan(input)


atan.vjp(input=lambda g, input: g / (input * input + 1.0))


@op(kind="pointwise", dtypes="float", aliases=("arctan2",))
def atan2(xp: Any, input: Array, other: Array) -> Array:
    """The angle of the point (x = `other`, y = `input`), in [-pi, pi]."""
    return xp.arctan2(input, other)


atan2.vjp(
    input=lambda g, input, other: g * (other / (input * input + other * other)),
    other=lambda g, input, other: -(g * (input / (input * input + other * other))),
)


@op(kind="pointwise", dtypes="float", onnx="Sinh", autocast="float32")
def sinh(xp: Any, input: Array) -> Array:
    """The hyperbolic sine."""
    return xp.sinh(input)


sinh.vjp(input=lambda F, g, input: g * F.cosh(input))


@op(kind="pointwise", dtypes="float", onnx="Cosh", autocast="float32")
def cosh(xp: Any, input: Array) -> Array:
    """The hyperbolic cosine."""
    return xp.cosh(input)


cosh.vjp(input=lambda F, g, input: g * F.sinh(input))


@op(kind="pointwise", dtypes="float", onnx="Asinh", aliases=("arcsinh",))
def asinh(xp: Any, input: Array) -> Array:
    """The inverse hyperbolic sine."""
    return xp.arcsinh(input)


asinh.vjp(input=lambda F, g, input: g * _root(F, input, 1.0, 1.0))


@op(kind="pointwise", dtypes="float", onnx="Acosh", domain=[(1.1, None)], aliases=("arccosh",))
def acosh(xp: Any, input: Array) -> Array:
    """The inverse hyperbolic cosine; NaN below 1."""
    return xp.arccosh(input)


acosh.vjp(input=lambda F, g, input: g * _root(F, input, 1.0, -1.0))


@op(kind="pointwise", dtypes="float", onnx="Atanh", domain=[(-0.9, 0.9)], aliases=("arctanh",))
def atanh(xp: Any, input: Array) -> Array:
    """The inverse hyperbolic tangent; NaN outside [-1, 1]."""
    return xp.arctanh(input)


atanh.vjp(input=lambda g, input: -(g / (input * input - 1.0)))


@op(kind="pointwise", dtypes="float")
def hypot(xp: Any, input: Array, other: Array) -> Array:
    """`sqrt(input**2 + other**2)` without overflow."""
    return xp.hypot(input, other)


hypot.vjp(
    input=lambda g, input, out: g * (input / out), other=lambda g, other, out: g * (other / out)
)


# ---- rounding: no slope


def _whole(function: Any, input: Any) -> Any:
    """Apply a rounding function; integers are whole already."""
    return input.copy() if input.dtype.kind in "biu" else function(input)


def _flat(F: Any, g: Any) -> Any:
    return F.zeros_like(g)


@op(kind="pointwise", onnx="Ceil")
def ceil(xp: Any, input: Array) -> Array:
    """The smallest integer not below each element."""
    return _whole(xp.ceil, input)


@op(kind="pointwise", onnx="Floor")
def floor(xp: Any, input: Array) -> Array:
    """The largest integer not above each element."""
    return _whole(xp.floor, input)


@op(kind="pointwise", aliases=("fix",))
def trunc(xp: Any, input: Array) -> Array:
    """Each element without its fraction."""
    return _whole(xp.trunc, input)


@op(kind="pointwise", onnx="Round", aliases=("special.round",))
def round(xp: Any, input: Array, *, decimals: int = 0) -> Array:
    """The nearest number of `decimals` decimals, halves to even; negative counts tens."""
    if decimals == 0 or input.dtype.kind in "biu":
        return _whole(xp.rint, input)
    scale = 10.0**decimals if decimals > 0 else 10.0**-decimals
    if decimals > 0:
        return xp.rint(input * scale) / scale
    return xp.rint(input / scale) * scale


for _op in (ceil, floor, trunc, round):
    _op.vjp(input=_flat)


# ---- choosing between operands


@op(kind="pointwise", onnx="Max")
def maximum(xp: Any, input: Array, other: Array) -> Array:
    """The larger operand; NaN where either is NaN. Equal operands share the gradient."""
    return xp.maximum(input, other)


def _share(F: Any, g: Any, lost: Any, tie: Any) -> Any:
    return F.where(lost, 0.0, F.where(tie, F.mul(g, 0.5), g))


maximum.vjp(
    input=lambda F, g, input, other: _share(F, g, F.lt(input, other), F.eq(input, other)),
    other=lambda F, g, input, other: _share(F, g, F.gt(input, other), F.eq(input, other)),
)


@op(kind="pointwise", onnx="Min")
def minimum(xp: Any, input: Array, other: Array) -> Array:
    """The smaller operand; NaN where either is NaN. Equal operands share the gradient."""
    return xp.minimum(input, other)


minimum.vjp(
    input=lambda F, g, input, other: _share(F, g, F.gt(input, other), F.eq(input, other)),
    other=lambda F, g, input, other: _share(F, g, F.lt(input, other), F.eq(input, other)),
)


@op(kind="pointwise", onnx="Clip", aliases=("clip",))
def clamp(xp: Any, input: Array, min: Array | None = None, max: Array | None = None) -> Array:
    """Each element limited to [min, max], numbers or tensors; `max` where the limits cross."""
    if min is None and max is None:
        raise RuntimeError("clamp: At least one of 'min' or 'max' must not be None")
    out = input if min is None else xp.maximum(input, min)
    return out if max is None else xp.minimum(out, max)


def _given(limit: Any) -> bool:
    return hasattr(limit, "shape") or limit is not None


def _clamp_input(F: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    for beyond, limit in ((F.lt, min), (F.gt, max)):
        if _given(limit):
            g = F.where(beyond(input, limit), 0.0, g)
    return g


def _clamp_min(F: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    taken = F.lt(input, min)
    return F.where(F.logical_and(taken, F.lt(min, max)) if _given(max) else taken, g, 0.0)


def _clamp_max(F: Any, g: Any, input: Any, min: Any, max: Any) -> Any:
    taken = F.gt(input, max)
    return F.where(F.logical_or(taken, F.lt(max, min)) if _given(min) else taken, g, 0.0)


clamp.vjp(input=_clamp_input, min=_clamp_min, max=_clamp_max)


@op(kind="pointwise", dtypes=("promote", "input", "other"), onnx="Where", public="")
def where(xp: Any, condition: Array, input: Array, other: Array) -> Array:
    """`input` where `condition` holds, else `other`."""
    if condition.dtype.kind != "b":
        raise RuntimeError(
            f"where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{condition.dtype.name}; compare it (condition != 0) first"
        )
    return xp.where(condition, input, other)


where.vjp(
    input=lambda F, g, condition: F.where(condition, g, 0.0),
    other=lambda F, g, condition: F.where(condition, 0.0, g),
)


@op(kind="pointwise", dtypes="float")
def copysign(xp: Any, input: Array, other: Array) -> Array:
    """The size of `input` with the sign of `other`."""
    return xp.copysign(input, other)


copysign.vjp(
    input=lambda F, g, input, other: g * (F.sign(input) * F.copysign(1.0, other)),
    other=lambda F, g: F.zeros_like(g),
)


@op(kind="pointwise")
def nextafter(xp: Any, input: Array, other: Array) -> Array:
    """The next floating-point number after `input` towards `other`."""
    return xp.nextafter(input, other)


@op(kind="pointwise", dtypes="float", outputs=("mantissa", "~exponent"), public="fm")
def frexp(xp: Any, input: Array) -> Any:
    """`mantissa * 2**exponent` equal to `input`, the mantissa in (-1, -1/2] or [1/2, 1)."""
    mantissa, exponent = xp.frexp(input)
    return mantissa, exponent.astype(xp.int32)


frexp.vjp(input=lambda F, g, exponent: g / F.exp2(exponent))
