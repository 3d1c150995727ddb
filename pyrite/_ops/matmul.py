"""Matrix products."""

from __future__ import annotations

from math import prod
from typing import Any

from .reduce import few
from .table import Array, op, row


def _rows(xp: Any, x: Any) -> Any:
    """As a matrix: all dimensions but the last become one."""
    return x if x.ndim == 2 else xp.reshape(x, (prod(x.shape[:-1]), x.shape[-1]))


def _size(array: Any) -> str:
    return "x".join(map(str, array.shape))


@op(kind="matmul", onnx="MatMul", aliases=("linalg.matmul",))
def matmul(xp: Any, input: Array, other: Array) -> Array:
    """Matrix product of the last two dimensions; those before them are batch and broadcast.

    A 1-D operand is a row on the left, a column on the right, and its dimension is dropped from
    the result. RuntimeError where the inner sizes differ.
    """
    if not (input.ndim and other.ndim):
        raise RuntimeError(
            "both arguments to matmul need to be at least 1D, but they are "
            f"{input.ndim}D and {other.ndim}D; use * for scalars"
        )
    if input.shape[-1] != other.shape[0 if other.ndim == 1 else -2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_size(input)} and {_size(other)}): the "
            "last size of the first must equal the second's last but one"
        )
    if other.ndim == 2 and input.ndim > 2:  # one large product in place of many small ones
        out = xp.matmul(_rows(xp, input), other)
        return xp.reshape(out, (*input.shape[:-1], other.shape[1]))
    if 1 in (input.ndim, other.ndim) and few(input) and few(other) and input.dtype.kind == "f":
        # Products with a vector round at every step in NumPy.
        return xp.matmul(input.astype("float64"), other.astype("float64")).astype(input.dtype)
    return xp.matmul(input, other)


def transposed(F: Any, x: Any) -> Any:
    n = x.ndim
    return F.permute(x, (*range(n - 2), n - 1, n - 2))


def _column(F: Any, x: Any) -> Any:
    return F.reshape(x, (*x.shape, 1))


def _matmul_input(F: Any, g: Any, other: Any, input_shape: tuple[int, ...]) -> Any:
    if other.ndim == 1:
        return F.mul(_column(F, g), other)
    if len(input_shape) == 1:
        return F.reshape(F.matmul(other, _column(F, g)), (*g.shape[:-1], -1))
    return F.linear(g, other) if other.ndim == 2 else F.matmul(g, transposed(F, other))


def _matmul_other(F: Any, g: Any, input: Any, other_shape: tuple[int, ...]) -> Any:
    if len(other_shape) == 1:
        return F.mul(g, input) if input.ndim == 1 else F.linear_grad_weight(_column(F, g), input)
    if input.ndim == 1:
        return F.mul(_column(F, input), F.reshape(g, (*g.shape[:-1], 1, g.shape[-1])))
    if len(other_shape) == 2:
        return F.linear_grad_weight(input, g)
    return F.matmul(transposed(F, input), g)


matmul.vjp(input=_matmul_input, other=_matmul_other)


@op(kind="matmul", onnx="Gemm", public="n")
def linear(xp: Any, input: Array, weight: Array, bias: Array | None = None) -> Array:
    """`input @ weight.T + bias`: (..., in) by (out, in) gives (..., out).

    A 1-D weight (in,) gives (...). RuntimeError where the sizes `in` differ.
    """
    try:
        if input.ndim > 2:
            out = xp.matmul(_rows(xp, input), weight.T)
            out = xp.reshape(out, input.shape[:-1] + weight.shape[:-1])
        else:
            out = xp.matmul(input, weight.T)
    except ValueError:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_size(input)} and {_size(weight.T)}): "
            f"linear with a weight of shape {list(weight.shape)} expects inputs whose last size is "
            f"{weight.shape[-1]}, got input of shape {list(input.shape)}"
        ) from None
    if bias is None:
        return out
    if out.ndim:
        out += bias
        return out
    return out + bias


def _linear_input(F: Any, g: Any, weight: Any) -> Any:
    return F.matmul(g, weight) if weight.ndim == 2 else F.mul(_column(F, g), weight)


def _linear_weight(F: Any, g: Any, input: Any, weight_shape: tuple[int, ...]) -> Any:
    return F.linear_grad_weight(g if len(weight_shape) == 2 else _column(F, g), input)


linear.vjp(input=_linear_input, weight=_linear_weight, bias=lambda g: g)


# fmt: off
row("linear_grad_weight",
    "Sum over rows of their outer products: (..., out) and (..., in) give (out, in).",
    lambda xp, grad, input: xp.matmul(_rows(xp, grad).T, _rows(xp, input)),
    lambda F, g, input: F.linear(input, g), lambda F, g, grad: F.matmul(grad, g),
    kind="matmul", public="")
# fmt: on
