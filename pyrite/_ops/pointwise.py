"""Element-wise ops."""

from __future__ import annotations

from typing import Any

from .table import Array, op


@op(kind="pointwise", onnx="Add")
def add(xp: Any, input: Array, other: Array, *, alpha: float = 1) -> Array:
    """`input + alpha * other`, broadcast and promoted."""
    return xp.add(input, other if alpha == 1 else other * alpha)


add.vjp(input=lambda g: g, other=lambda F, g, alpha: g if alpha == 1 else F.mul(g, alpha))


@op(kind="pointwise", onnx="Sub", aliases=("subtract",))
def sub(xp: Any, input: Array, other: Array, *, alpha: float = 1) -> Array:
    """`input - alpha * other`, broadcast and promoted; TypeError-like refusal for bool."""
    return xp.subtract(input, other if alpha == 1 else other * alpha)


sub.vjp(input=lambda g: g, other=lambda F, g, alpha: F.neg(g) if alpha == 1 else F.mul(g, -alpha))


@op(kind="pointwise", onnx="Mul", aliases=("multiply",))
def mul(xp: Any, input: Array, other: Array) -> Array:
    """`input * other`, broadcast and promoted."""
    return xp.multiply(input, other)


mul.vjp(input=lambda g, other: g * other, other=lambda g, input: g * input)


@op(kind="pointwise", onnx="Neg", aliases=("negative",))
def neg(xp: Any, input: Array) -> Array:
    """`-input`."""
    return xp.negative(input)


neg.vjp(input=lambda g: -g)


@op(kind="pointwise", dtypes="float", onnx="Sin")
def sin(xp: Any, input: Array) -> Array:
    """Sine of each element (radians)."""
    return xp.sin(input)


sin.vjp(input=lambda F, g, input: g * F.cos(input))


@op(kind="pointwise", dtypes="float", onnx="Cos")
def cos(xp: Any, input: Array) -> Array:
    """Cosine of each element (radians)."""
    return xp.cos(input)


cos.vjp(input=lambda F, g, input: -(g * F.sin(input)))


@op(kind="pointwise", dtypes="float", onnx="Exp")
def exp(xp: Any, input: Array) -> Array:
    """e to the power of each element."""
    return xp.exp(input)


exp.vjp(input=lambda g, out: g * out)


@op(kind="pointwise", dtypes="bool", public="fmi")
def ne(xp: Any, input: Array, other: Array) -> Array:
    """Where `input` differs from `other`."""
    return xp.not_equal(input, other)
