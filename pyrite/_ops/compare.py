"""Comparison, tests on single elements, logic, bits and divisors: nothing with a derivative."""

from __future__ import annotations

from typing import Any

from .table import Array, op

# ---- comparison, to bool


@op(kind="pointwise", dtypes="bool", onnx="Equal")
def eq(xp: Any, input: Array, other: Array) -> Array:
    """Where `input` equals `other`."""
    return xp.equal(input, other)


@op(kind="pointwise", dtypes="bool", aliases=("not_equal",))
def ne(xp: Any, input: Array, other: Array) -> Array:
    """Where `input` differs from `other`."""
    return xp.not_equal(input, other)


@op(kind="pointwise", dtypes="bool", onnx="Less", aliases=("less",))
def lt(xp: Any, input: Array, other: Array) -> Array:
    """Where `input < other`."""
    return xp.less(input, other)


@op(kind="pointwise", dtypes="bool", onnx="LessOrEqual", aliases=("less_equal",))
def le(xp: Any, input: Array, other: Array) -> Array:
    """Where `input <= other`."""
    return xp.less_equal(input, other)


@op(kind="pointwise", dtypes="bool", onnx="Greater", aliases=("greater",))
def gt(xp: Any, input: Array, other: Array) -> Array:
    """Where `input > other`."""
    return xp.greater(input, other)


@op(kind="pointwise", dtypes="bool", onnx="GreaterOrEqual", aliases=("greater_equal",))
def ge(xp: Any, input: Array, other: Array) -> Array:
    """Where `input >= other`."""
    return xp.greater_equal(input, other)


# ---- tests on single elements


@op(kind="pointwise", dtypes="bool", onnx="IsNaN", public="fm")
def isnan(xp: Any, input: Array) -> Array:
    """Where an element is NaN."""
    return xp.isnan(input)


@op(kind="pointwise", dtypes="bool", onnx="IsInf", public="fm")
def isinf(xp: Any, input: Array) -> Array:
    """Where an element is plus or minus infinity."""
    return xp.isinf(input)


@op(kind="pointwise", dtypes="bool", public="fm")
def isfinite(xp: Any, input: Array) -> Array:
    """Where an element is neither infinite nor NaN."""
    return xp.isfinite(input)


@op(kind="pointwise", dtypes="bool", public="fm")
def signbit(xp: Any, input: Array) -> Array:
    """Where the sign bit is set: below 0, and -0.0."""
    return xp.signbit(input) if input.dtype.kind == "f" else xp.less(input, 0)


# ---- logic


@op(kind="pointwise", dtypes="bool", onnx="And")
def logical_and(xp: Any, input: Array, other: Array) -> Array:
    """Where both are nonzero."""
    return xp.logical_and(input, other)


@op(kind="pointwise", dtypes="bool", onnx="Or")
def logical_or(xp: Any, input: Array, other: Array) -> Array:
    """Where either is nonzero."""
    return xp.logical_or(input, other)


@op(kind="pointwise", dtypes="bool", onnx="Xor")
def logical_xor(xp: Any, input: Array, other: Array) -> Array:
    """Where exactly one is nonzero."""
    return xp.logical_xor(input, other)


@op(kind="pointwise", dtypes="bool", onnx="Not")
def logical_not(xp: Any, input: Array) -> Array:
    """Where an element is zero."""
    return xp.logical_not(input)


# ---- bits: integers and bool


@op(kind="pointwise", onnx="BitwiseAnd")
def bitwise_and(xp: Any, input: Array, other: Array) -> Array:
    """Bit by bit `input & other`; RuntimeError for floating types."""
    return xp.bitwise_and(input, other)


@op(kind="pointwise", onnx="BitwiseOr")
def bitwise_or(xp: Any, input: Array, other: Array) -> Array:
    """Bit by bit `input | other`; RuntimeError for floating types."""
    return xp.bitwise_or(input, other)


@op(kind="pointwise", onnx="BitwiseXor")
def bitwise_xor(xp: Any, input: Array, other: Array) -> Array:
    """Bit by bit `input ^ other`; RuntimeError for floating types."""
    return xp.bitwise_xor(input, other)


@op(kind="pointwise", onnx="BitwiseNot")
def bitwise_not(xp: Any, input: Array) -> Array:
    """Bit by bit `~input`; RuntimeError for floating types."""
    return xp.invert(input)


@op(kind="pointwise")
def bitwise_left_shift(xp: Any, input: Array, other: Array) -> Array:
    """`input * 2**other` for integers."""
    return xp.left_shift(input, other)


@op(kind="pointwise")
def bitwise_right_shift(xp: Any, input: Array, other: Array) -> Array:
    """`input / 2**other` for integers, rounded down."""
    return xp.right_shift(input, other)


# ---- divisors: integers


@op(kind="pointwise")
def gcd(xp: Any, input: Array, other: Array) -> Array:
    """The greatest common divisor of integers, not negative."""
    return xp.gcd(input, other)


@op(kind="pointwise")
def lcm(xp: Any, input: Array, other: Array) -> Array:
    """The least common multiple of integers, not negative."""
    return xp.lcm(input, other)
