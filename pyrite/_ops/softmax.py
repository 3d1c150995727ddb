"""Softmax and log-softmax with their gradients."""

from __future__ import annotations

from typing import Any

from .._errors import wrap_dim
from .pointwise import fine
from .table import Array, op


def _dim(name: str, input: Any, dim: int) -> int:
    if input.dtype.kind in "biu":
        raise RuntimeError(
            f'"{name}" not implemented for {input.dtype}: it needs floating-point numbers; pass '
            "dtype=, or convert the input with .float()"
        )
    return wrap_dim(dim, input.ndim)


@op(public="", onnx="Softmax")
def softmax(xp: Any, input: Array, dim: int) -> Array:
    """exp(input) over its sum along `dim`; the same shape."""
    dim = _dim("softmax", input, dim)
    if not (input.ndim and input.size):
        return xp.exp(input - input)
    out = xp.subtract(input, xp.max(input, axis=dim, keepdims=True), order="C")
    xp.exp(out, out=out)
    out /= xp.sum(out, axis=dim, keepdims=True)
    return out


softmax.vjp(input=lambda F, g, out, dim: F.softmax_grad(g, out, dim))


@op(public="", onnx="LogSoftmax")
def log_softmax(xp: Any, input: Array, dim: int) -> Array:
    """Logarithm of the softmax along `dim`, without under- or overflow."""
    dim = _dim("log_softmax", input, dim)
    if not (input.ndim and input.size):
        return input - input
    return fine(lambda x: _log_softmax(xp, x, dim), input)


def _log_softmax(xp: Any, input: Any, dim: int) -> Any:
    out = xp.subtract(input, xp.max(input, axis=dim, keepdims=True), order="C")
    out -= xp.log(xp.sum(xp.exp(out), axis=dim, keepdims=True))
    return out


log_softmax.vjp(input=lambda F, g, out, dim: F.log_softmax_grad(g, out, dim))


def _sum(xp: Any, values: Any, dim: int) -> Any:
    return xp.sum(values, axis=dim, keepdims=True) if values.ndim else values


@op(public="", outputs=("grad_input",))
def softmax_grad(xp: Any, grad: Array, output: Array, dim: int) -> Array:
    """Gradient of the softmax whose result was `output`."""
    weighted = grad * output
    return weighted - output * _sum(xp, weighted, dim)


softmax_grad.vjp(
    grad=lambda F, g, output, dim: F.softmax_grad(g, output, dim),
    output=lambda F, g, grad, output, dim: (
        g * (grad - F.sum(grad * output, dim, True)) - grad * F.sum(g * output, dim, True)
    ),
)


@op(public="", outputs=("grad_input",))
def log_softmax_grad(xp: Any, grad: Array, output: Array, dim: int) -> Array:
    """Gradient of the log-softmax whose result was `output`."""
    return grad - xp.exp(output) * _sum(xp, grad, dim)


log_softmax_grad.vjp(
    grad=lambda F, g, output, dim: g - F.sum(g * F.exp(output), dim, True),
    output=lambda F, g, grad, output, dim: -(g * F.exp(output) * F.sum(grad, dim, True)),
)
