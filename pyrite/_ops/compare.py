"""Comparison, tests on single elements, logic, bits and divisors: nothing with a derivative."""

from __future__ import annotations

from functools import partial
from typing import Any

from .table import Array, op, row

to_bool = partial(row, dtypes="bool")
logic = partial(to_bool, complex="written")
test = partial(logic, public="fm")

# fmt: off
# ---- comparison

logic("eq", "Where `input` equals `other`.", lambda xp, input, other: xp.equal(input, other),
    onnx="Equal")
logic("ne", "Where `input` differs from `other`.",
    lambda xp, input, other: xp.not_equal(input, other),
    aliases=("not_equal",))
to_bool("lt", "Where `input < other`.", lambda xp, input, other: xp.less(input, other),
    onnx="Less", aliases=("less",))
to_bool("le", "Where `input <= other`.", lambda xp, input, other: xp.less_equal(input, other),
    onnx="LessOrEqual", aliases=("less_equal",))
to_bool("gt", "Where `input > other`.", lambda xp, input, other: xp.greater(input, other),
    onnx="Greater", aliases=("greater",))
to_bool("ge", "Where `input >= other`.", lambda xp, input, other: xp.greater_equal(input, other),
    onnx="GreaterOrEqual", aliases=("greater_equal",))

# ---- tests on single elements

test("isnan", "Where an element is NaN.", lambda xp, input: xp.isnan(input), onnx="IsNaN")
test("isinf", "Where an element is plus or minus infinity.", lambda xp, input: xp.isinf(input),
    onnx="IsInf")
test("isfinite", "Where an element is neither infinite nor NaN.",
    lambda xp, input: xp.isfinite(input))

# ---- logic

logic("logical_and", "Where both are nonzero.",
    lambda xp, input, other: xp.logical_and(input, other), onnx="And", dtypes="bool tensors")
logic("logical_or", "Where either is nonzero.",
    lambda xp, input, other: xp.logical_or(input, other), onnx="Or", dtypes="bool tensors")
logic("logical_xor", "Where exactly one is nonzero.",
    lambda xp, input, other: xp.logical_xor(input, other), onnx="Xor", dtypes="bool tensors")
logic("logical_not", "Where an element is zero.", lambda xp, input: xp.logical_not(input),
    onnx="Not")

# ---- bits: integers and bool

row("bitwise_and", "Bit by bit `input & other`; RuntimeError for floating types.",
    lambda xp, input, other: xp.bitwise_and(input, other), onnx="BitwiseAnd")
row("bitwise_or", "Bit by bit `input | other`; RuntimeError for floating types.",
    lambda xp, input, other: xp.bitwise_or(input, other), onnx="BitwiseOr")
row("bitwise_xor", "Bit by bit `input ^ other`; RuntimeError for floating types.",
    lambda xp, input, other: xp.bitwise_xor(input, other), onnx="BitwiseXor")
row("bitwise_not", "Bit by bit `~input`; RuntimeError for floating types.",
    lambda xp, input: xp.invert(input), onnx="BitwiseNot")
row("bitwise_left_shift", "`input * 2**other` for integers.",
    lambda xp, input, other: xp.left_shift(input, other))
row("bitwise_right_shift", "`input / 2**other` for integers, rounded down.",
    lambda xp, input, other: xp.right_shift(input, other))

# ---- divisors: integers

row("gcd", "The greatest common divisor of integers, not negative.",
    lambda xp, input, other: xp.gcd(input, other), dtypes="promote tensors")
row("lcm", "The least common multiple of integers, not negative.",
    lambda xp, input, other: xp.lcm(input, other), dtypes="promote tensors")
# fmt: on


@op(kind="pointwise", dtypes="bool", public="fm")
def signbit(xp: Any, input: Array) -> Array:
    """Where the sign bit is set: below 0, and -0.0."""
    return xp.signbit(input) if input.dtype.kind == "f" else xp.less(input, 0)
