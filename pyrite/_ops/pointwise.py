"""Element-wise arithmetic, powers, exponentials, trigonometry, rounding and selection.

Every op broadcasts its operands and promotes their dtypes; an operand may be a Python number.
"""

from __future__ import annotations

import cmath
import math
from functools import partial
from typing import Any

from .table import Array, floating, op, row

analytic = partial(floating, complex="holomorphic")
_POSITIVE, _INSIDE, _NOT_ZERO = [(0.01, None)], [(-0.9, 0.9)], [(None, None), (0.1, None)]


def flat(F: Any, g: Any) -> Any:
    """The formula of a function without slope."""
    return F.zeros_like(g)


def is_number(value: Any) -> bool:
    """Whether an operand of a formula is a Python number (a formula that asks is not traced)."""
    return value is not None and not hasattr(value, "shape")


# ---- arithmetic


def _scaled(other: Any, alpha: float, input: Any) -> Any:
    """`alpha * other`; RuntimeError for a fraction of an integer."""
    kind = getattr(input, "dtype", None)
    if isinstance(alpha, float) and kind is not None and kind.kind in "biu":
        raise RuntimeError(
            "For integral input tensors, argument alpha must not be a floating point number: got "
            f"alpha={alpha} for {kind.name}"
        )
    if isinstance(alpha, complex) and kind is not None and kind.kind != "c":
        raise RuntimeError(
            "For non-complex input tensors, argument alpha must not be a complex number: got "
            f"alpha={alpha} for {kind.name}"
        )
    if kind is not None and kind.kind == "b":
        return other & bool(alpha)
    if kind is not None and kind.kind == "u":
        alpha %= 1 << 8 * kind.itemsize
    return other * alpha


@op(kind="pointwise", complex="holomorphic", onnx="Add")
def add(xp: Any, input: Array, other: Array, *, alpha: float = 1) -> Array:
    """`input + alpha * other`."""
    return xp.add(input, other if alpha == 1 else _scaled(other, alpha, input))


add.vjp(input=lambda g: g, other=lambda F, g, alpha: g if alpha == 1 else F.mul(g, alpha))


@op(kind="pointwise", dtypes="number", complex="holomorphic", onnx="Sub", aliases=("subtract",))
def sub(xp: Any, input: Array, other: Array, *, alpha: float = 1) -> Array:
    """`input - alpha * other`; RuntimeError for bool."""
    return xp.subtract(input, other if alpha == 1 else _scaled(other, alpha, input))


sub.vjp(input=lambda g: g, other=lambda F, g, alpha: F.neg(g) if alpha == 1 else F.mul(g, -alpha))


# fmt: off
row("mul", "`input * other`.", lambda xp, input, other: xp.multiply(input, other),
    lambda g, other: g * other, lambda g, input: g * input, complex="holomorphic",
    onnx="Mul", aliases=("multiply",))
analytic("div", "`input / other`, floating.", lambda xp, input, other: xp.true_divide(input, other),
    lambda g, other: g / other, lambda g, input, other: -(g * (input / other / other)),
    onnx="Div", domain=_NOT_ZERO, public="")
row("neg", "`-input`; RuntimeError for bool.", lambda xp, input: xp.negative(input),
    lambda g: -g, complex="holomorphic", onnx="Neg", aliases=("negative",))
row("abs", "The absolute value.", lambda xp, input: xp.absolute(input),
    lambda F, g, input: g * F.sgn(input), complex="written", onnx="Abs", aliases=("absolute",))
# fmt: on


def _nonzero(other: Any, input: Any) -> Any:
    """The divisor; RuntimeError for a whole number that is 0."""
    whole = hasattr(other, "dtype") and other.dtype.kind in "iu"
    if whole and (not hasattr(input, "size") or input.size) and (other == 0).any():
        raise RuntimeError("ZeroDivisionError: integer division by zero")
    return other


def _trunc_divide(xp: Any, input: Any, other: Any) -> Any:
    """The quotient rounded towards 0, exact for integers of any size."""
    kind = (input if hasattr(input, "dtype") else other).dtype.kind
    if kind == "b":
        raise RuntimeError("\"div_trunc\" not implemented for 'Bool': convert it with .int()")
    if kind not in "iu":
        return xp.trunc(xp.true_divide(input, other))
    return xp.floor_divide(input - xp.fmod(input, _nonzero(other, input)), other)


# fmt: off
row("trunc_divide", "`trunc(input / other)`; RuntimeError for an integer division by zero.",
    lambda xp, input, other: _trunc_divide(xp, input, other), flat, flat,
    domain=_NOT_ZERO, public="")
row("floor_divide", "`floor(input / other)`; RuntimeError for an integer division by zero.",
    lambda xp, input, other: xp.floor_divide(input, _nonzero(other, input)), flat, flat,
    domain=_NOT_ZERO)
row("remainder", "`input - other * floor(input / other)`: the sign is that of `other`.",
    lambda xp, input, other: xp.remainder(input, _nonzero(other, input)),
    lambda g: g, lambda F, g, input, other: -(g * F.floor_divide(input, other)),
    domain=_NOT_ZERO, aliases=("special.remainder",))
row("fmod", "`input - other * trunc(input / other)`: the sign is that of `input`.",
    lambda xp, input, other: xp.fmod(input, _nonzero(other, input)),
    lambda g: g, lambda F, g, input, other: -(g * F.trunc(input / other)),
    onnx="Mod", domain=_NOT_ZERO)
# fmt: on


@op(kind="pointwise", onnx="Sign")
def sign(xp: Any, input: Array) -> Array:
    """-1, 0 or 1; 0 for NaN."""
    if input.dtype.kind == "f":
        return (input > 0).astype(input.dtype) - (input < 0).astype(input.dtype)
    return input.copy() if input.dtype.kind == "b" else xp.sign(input)


sign.vjp(input=flat)


# ---- sums of products


@op(kind="pointwise", complex="holomorphic", dtypes="promote tensors")
def addcmul(xp: Any, input: Array, tensor1: Array, tensor2: Array, *, value: float = 1) -> Array:
    """`input + value * tensor1 * tensor2`."""
    return input + tensor1 * tensor2 * (int(value) if input.dtype.kind in "iu" else value)


addcmul.vjp(
    input=lambda g: g,
    tensor1=lambda g, tensor2, value: g * (tensor2 * value),
    tensor2=lambda g, tensor1, value: g * (tensor1 * value),
)


@op(kind="pointwise", dtypes="float tensors", complex="holomorphic", public="")
def addcdiv(xp: Any, input: Array, tensor1: Array, tensor2: Array, *, value: float = 1) -> Array:
    """`input + value * tensor1 / tensor2`."""
    return input + tensor1 / tensor2 * value


addcdiv.vjp(
    input=lambda g: g,
    tensor1=lambda g, tensor2, value: g * value / tensor2,
    tensor2=lambda g, tensor1, tensor2, value: -(g * (tensor1 / tensor2 * value) / tensor2),
)


@op(kind="pointwise", dtypes="float", complex="holomorphic", public="")
def lerp(xp: Any, input: Array, end: Array, weight: Array) -> Array:
    """`input + weight * (end - input)`, exact at both ends."""
    away = end - input
    near, far = input + away * weight, end - away * (1 - weight)
    if not hasattr(weight, "dtype"):
        return near if xp.abs(weight) < 0.5 else far
    return xp.where(xp.abs(weight) < 0.5, near, far)


@op(kind="pointwise", dtypes="float tensors", complex="holomorphic", public="")
def lerp_number(xp: Any, input: Array, end: Array, *, weight: float) -> Array:
    """`lerp` with a number, which a walk does not free."""
    return lerp.generic(xp, input, end, weight)


lerp_number.vjp(input=lambda g, weight: g * (1.0 - weight), end=lambda g, weight: g * weight)


def _lerp_input(F: Any, g: Any, weight: Any) -> Any:
    return F.mul(g, 1.0 - weight if is_number(weight) else F.sub(1.0, weight))


lerp.vjp(
    input=_lerp_input,
    end=lambda g, weight: g * weight,
    weight=lambda g, input, end: g * (end - input),
)


def fine(function: Any, input: Any) -> Any:
    """A function of few float32 numbers, computed in double: NumPy's own errs by up to 4 ulp."""
    if input.dtype.kind != "f" or input.dtype.itemsize > 4 or input.size > 4096:
        return function(input)
    return function(input.astype("float64")).astype(input.dtype)


# ---- powers and roots


@op(
    kind="pointwise", dtypes="power", complex="holomorphic", onnx="Pow",
    domain=[(0.1, None), (None, None)],
)  # fmt: skip
def pow(xp: Any, input: Array, exponent: Array) -> Array:
    """`input ** exponent`; RuntimeError for integers to a negative integer power."""
    if isinstance(exponent, float | int):
        return input**exponent  # takes NumPy's short ways for squares and roots
    if exponent.dtype.kind == "b":
        return input | ~exponent
    if exponent.dtype.kind == "i":
        return _whole_power(xp, input, exponent)
    return xp.power(input, exponent)


def _whole_power(xp: Any, input: Any, exponent: Any) -> Any:
    """Integer powers; negative ones give 0, or plus and minus 1 for such inputs."""
    below = exponent < 0
    out = xp.power(input, xp.where(below, exponent % 2, exponent))
    return xp.where(xp.logical_and(below, xp.absolute(input) != 1), 0, out)


def _pow_input(F: Any, g: Any, input: Any, exponent: Any) -> Any:
    if is_number(exponent):
        if exponent == 0:
            return F.zeros_like(g)
        if exponent == 2:
            return F.mul(g, F.mul(input, 2.0))
        return F.mul(g, F.mul(F.pow(input, exponent - 1.0), exponent * 1.0))
    slope = F.mul(exponent, F.pow(input, F.sub(exponent, 1.0)))
    return F.where(F.eq(exponent, 0), 0.0, F.mul(g, slope))


def _pow_exponent(F: Any, g: Any, input: Any, exponent: Any, out: Any) -> Any:
    if is_number(input):
        if input == 0:
            return F.where(_rises(F, exponent), 0.0, F.mul(g, F.mul(out, -math.inf)))
        return F.mul(g, F.mul(out, _log(input, out)))
    slope = F.mul(g, F.mul(out, F.log(F.mul(input, F.ones_like(out)))))
    return F.where(F.logical_and(F.eq(input, 0), _rises(F, exponent)), 0.0, slope)


def _log(base: Any, out: Any) -> Any:
    """The logarithm of a number: complex where the power is, NaN for a real one below 0."""
    if is_complex(out):
        return cmath.log(base)
    return math.log(base) if base > 0 else math.nan


def _rises(F: Any, exponent: Any) -> Any:
    """Where 0 to this power stays 0 nearby: real and not negative."""
    if not is_complex(exponent):
        return F.ge(exponent, 0)
    return F.logical_and(F.ge(F.real(exponent), 0), F.eq(F.imag(exponent), 0))


def is_complex(x: Any) -> bool:
    """Whether a formula's operand, an array or a Tensor, is complex."""
    kind = x.dtype
    return bool(kind.is_complex if hasattr(kind, "is_complex") else kind.kind == "c")


pow.vjp(input=_pow_input, exponent=_pow_exponent)


# fmt: off
analytic("sqrt", "The square root; NaN below 0.", lambda xp, input: xp.sqrt(input),
    lambda g, out: g / (out * 2.0), onnx="Sqrt", domain=_POSITIVE)
analytic("rsqrt", "`1 / sqrt(input)`.", lambda xp, input: 1.0 / xp.sqrt(input),
    lambda g, out: g * (out * out * out * -0.5), domain=_POSITIVE)
analytic("reciprocal", "`1 / input`.", lambda xp, input: xp.true_divide(1.0, input),
    lambda g, out: -(g * (out * out)), onnx="Reciprocal")
floating("hypot", "`sqrt(input**2 + other**2)` without overflow.",
    lambda xp, input, other: xp.hypot(input, other),
    lambda g, input, out: g * (input / out), lambda g, other, out: g * (other / out),
    dtypes="float tensors")
# fmt: on


# ---- exponentials and logarithms


def log_add_exp(xp: Any, input: Any, other: Any) -> Any:
    """`log(exp(input) + exp(other))` of arrays; of complex ones, the larger real part leads."""
    if input.dtype.kind != "c":
        return xp.logaddexp(input, other)
    first = input.real >= other.real
    high, low = xp.where(first, input, other), xp.where(first, other, input)
    return high + xp.log1p(xp.exp(low - high))


# fmt: off

analytic("exp", "Powers of e: `e ** input`.", lambda xp, input: xp.exp(input),
    lambda g, out: g * out, onnx="Exp")
analytic("exp2", "2 to the power of each element.", lambda xp, input: fine(xp.exp2, input),
    lambda g, out: g * (out * math.log(2)), aliases=("special.exp2",))
analytic("expm1", "`exp(input) - 1`, exact near 0.", lambda xp, input: fine(xp.expm1, input),
    lambda g, out: g * (out + 1.0), aliases=("special.expm1",))
analytic("log", "The natural logarithm.", lambda xp, input: xp.log(input),
    lambda g, input: g / input, onnx="Log", domain=_POSITIVE)
analytic("log2", "The logarithm to base 2.", lambda xp, input: fine(xp.log2, input),
    lambda g, input: g / (input * math.log(2)), domain=_POSITIVE)
analytic("log10", "The logarithm to base 10.", lambda xp, input: fine(xp.log10, input),
    lambda g, input: g / (input * math.log(10)), domain=_POSITIVE)
analytic("log1p", "`log(1 + input)`, exact near 0.", lambda xp, input: fine(xp.log1p, input),
    lambda g, input: g / (input + 1.0), domain=[(-0.9, None)], aliases=("special.log1p",))
analytic("logaddexp", "`log(exp(input) + exp(other))` without overflow.",
    lambda xp, input, other: log_add_exp(xp, input, other),
    lambda F, g, input, other: g * F.sigmoid(input - other),
    lambda F, g, input, other: g * F.sigmoid(other - input), dtypes="float tensors")
floating("logaddexp2", "`log2(2**input + 2**other)` without overflow.",
    lambda xp, input, other: xp.logaddexp2(input, other),
    lambda F, g, input, other: g * F.sigmoid((input - other) * math.log(2)),
    lambda F, g, input, other: g * F.sigmoid((other - input) * math.log(2)),
    dtypes="float tensors", public="fm")
# fmt: on


@op(kind="pointwise", dtypes="float", aliases=("special.logit",))
def logit(xp: Any, input: Array, eps: float | None = None) -> Array:
    """`log(input / (1 - input))`; `eps` first limits the input to [eps, 1 - eps]."""
    x = input if eps is None else xp.minimum(xp.maximum(input, eps), 1.0 - eps)
    return xp.log(x / (1.0 - x))


def _logit_vjp(F: Any, g: Any, input: Any, eps: float | None) -> Any:
    outside = F.logical_or(F.lt(input, eps or 0.0), F.gt(input, 1.0 - (eps or 0.0)))
    slope = F.div(g, F.mul(input, F.sub(1.0, input)))
    return F.where(outside, math.nan if eps is None else 0.0, slope)


logit.vjp(input=_logit_vjp)


@op(kind="pointwise", dtypes="float", aliases=("special.xlogy",), domain=_NOT_ZERO)
def xlogy(xp: Any, input: Array, other: Array) -> Array:
    """`input * log(other)`, and 0 where `input` is 0 and `other` is not NaN."""
    log = xp.log(other)
    product = xp.multiply(input, log if hasattr(other, "dtype") else float(log))
    return xp.where(xp.logical_and(xp.equal(input, 0), ~xp.isnan(other)), 0, product)


def _xlogy_input(F: Any, g: Any, input: Any, other: Any) -> Any:
    defined = F.logical_and(F.eq(input, 0), F.le(other, 0))
    return F.where(defined, 0.0, g * F.log(other))


xlogy.vjp(input=_xlogy_input, other=lambda g, input, other: g * (input / other))


# ---- trigonometry: angles in radians


def _over_square(F: Any, x: Any, input: Any, other: Any) -> Any:
    """`x` over the squared distance of a point from the origin; 0 there."""
    square = input * input + other * other
    return F.where(F.eq(square, 0.0), 0.0, x / square)


def _root(F: Any, x: Any, sign: float, offset: float) -> Any:
    """`1 / sqrt(sign * x**2 + offset)`."""
    return F.rsqrt(x * x * sign + offset)


# fmt: off
analytic("sin", "The sine of each element (radians).", lambda xp, input: xp.sin(input),
    lambda F, g, input: g * F.cos(input), onnx="Sin")
analytic("cos", "The cosine of each element (radians).", lambda xp, input: xp.cos(input),
    lambda F, g, input: -(g * F.sin(input)), onnx="Cos")
analytic("tan", "The tangent of each element (radians).", lambda xp, input: fine(xp.tan, input),
    lambda g, out: g * (out * out + 1.0), onnx="Tan")
analytic("asin", "The angle in [-pi/2, pi/2] with this sine; NaN outside [-1, 1].",
    lambda xp, input: fine(xp.arcsin, input), lambda F, g, input: g * _root(F, input, -1.0, 1.0),
    onnx="Asin", domain=_INSIDE, aliases=("arcsin",))
analytic("acos", "The angle in [0, pi] with this cosine; NaN outside [-1, 1].",
    lambda xp, input: fine(xp.arccos, input), lambda F, g, input: -(g * _root(F, input, -1.0, 1.0)),
    onnx="Acos", domain=_INSIDE, aliases=("arccos",))
analytic("atan", "The angle in (-pi/2, pi/2) with this tangent.",
    lambda xp, input: fine(xp.arctan, input), lambda g, input: g / (input * input + 1.0),
    onnx="Atan", aliases=("arctan",))
floating("atan2", "The angle of the point (x = `other`, y = `input`), in [-pi, pi].",
    lambda xp, input, other: xp.arctan2(input, other),
    lambda F, g, input, other: g * _over_square(F, other, input, other),
    lambda F, g, input, other: -(g * _over_square(F, input, input, other)),
    aliases=("arctan2",), dtypes="float tensors")
floating("deg2rad", "Degrees to radians.", lambda xp, input: input * (math.pi / 180),
    lambda g: g * (math.pi / 180))
floating("rad2deg", "Radians to degrees.", lambda xp, input: input * (180 / math.pi),
    lambda g: g * (180 / math.pi))
analytic("sinh", "The hyperbolic sine.", lambda xp, input: fine(xp.sinh, input),
    lambda F, g, input: g * F.cosh(input), onnx="Sinh")
analytic("cosh", "The hyperbolic cosine.", lambda xp, input: fine(xp.cosh, input),
    lambda F, g, input: g * F.sinh(input), onnx="Cosh")
analytic("asinh", "The inverse hyperbolic sine.", lambda xp, input: fine(xp.arcsinh, input),
    lambda F, g, input: g * _root(F, input, 1.0, 1.0), onnx="Asinh", aliases=("arcsinh",))
analytic("acosh", "The inverse hyperbolic cosine; NaN below 1.",
    lambda xp, input: fine(xp.arccosh, input),
    lambda F, g, input: g * (F.rsqrt(input - 1.0) * F.rsqrt(input + 1.0)),
    onnx="Acosh", domain=[(1.1, None)], aliases=("arccosh",))
analytic("atanh", "The inverse hyperbolic tangent; NaN outside [-1, 1].",
    lambda xp, input: xp.arctanh(input), lambda g, input: -(g / (input * input - 1.0)),
    onnx="Atanh", domain=_INSIDE, aliases=("arctanh",))
# fmt: on


# ---- rounding: no slope


def _whole(function: Any, input: Any) -> Any:
    """Apply a rounding function; integers are whole already."""
    return input.copy() if input.dtype.kind in "biu" else function(input)


# fmt: off
row("ceil", "The smallest integer not below each element.",
    lambda xp, input: _whole(xp.ceil, input), flat, onnx="Ceil")
row("floor", "The largest integer not above each element.",
    lambda xp, input: _whole(xp.floor, input), flat, onnx="Floor")
row("trunc", "Each element without its fraction.",
    lambda xp, input: _whole(xp.trunc, input), flat, aliases=("fix",))
# fmt: on


@op(kind="pointwise", onnx="Round", aliases=("special.round",))
def round(xp: Any, input: Array, *, decimals: int = 0) -> Array:
    """The nearest number of `decimals` decimals, halves to even; negative counts tens."""
    if decimals == 0 or input.dtype.kind in "biu":
        return _whole(xp.rint, input)
    scale = 10.0 ** max(decimals, -decimals)
    if decimals > 0:
        return xp.rint(input * scale) / scale
    return xp.rint(input / scale) * scale


round.vjp(input=flat)


# ---- choosing between operands


def _share(F: Any, g: Any, loses: Any, tie: Any) -> Any:
    return F.where(loses, 0.0, F.where(tie, g * 0.5, g))


# fmt: off
row("maximum", "The larger operand; NaN where either is NaN. Equal operands share the gradient.",
    lambda xp, input, other: xp.maximum(input, other),
    lambda F, g, input, other: _share(F, g, input < other, input == other),
    lambda F, g, input, other: _share(F, g, input > other, input == other),
    onnx="Max", dtypes="promote tensors")
row("minimum", "The smaller operand; NaN where either is NaN. Equal operands share the gradient.",
    lambda xp, input, other: xp.minimum(input, other),
    lambda F, g, input, other: _share(F, g, input > other, input == other),
    lambda F, g, input, other: _share(F, g, input < other, input == other),
    onnx="Min", dtypes="promote tensors")
floating("copysign", "The size of `input` with the sign of `other`.",
    lambda xp, input, other: xp.copysign(input, other),
    lambda F, g, input, out: g * (F.sign(input) * F.sign(out)), flat)
row("nextafter", "The next floating-point number after `input` towards `other`.",
    lambda xp, input, other: xp.nextafter(input, other), lambda g: g, flat,
    dtypes="promote tensors")
# fmt: on


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


@op(
    kind="pointwise", dtypes=("promote", "input", "other"), complex="written", onnx="Where",
    public="",
)  # fmt: skip
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


@op(kind="pointwise", dtypes="float", outputs=("mantissa", "~exponent"), public="fm")
def frexp(xp: Any, input: Array) -> Any:
    """`mantissa * 2**exponent` equal to `input`, the mantissa in (-1, -1/2] or [1/2, 1)."""
    mantissa, exponent = xp.frexp(input)
    return mantissa, exponent.astype(xp.int32)


frexp.vjp(input=lambda F, g, exponent: g / F.exp2(exponent))
