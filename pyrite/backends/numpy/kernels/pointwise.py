"""Pointwise kernels: arithmetic in float32 and float64, functions in float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _math as m
from ._jit import Flags, Loop, Place, Scalar, Vector, loop
from ._math import HALF, ONE, ZERO
from ._registry import Array, dense, kernel, like, of_kind, part, rows

BOTH = ("float32", "float64")

# From how many elements a loop is faster than NumPy's ufuncs, the call included.
LIGHT, MEDIUM, HEAVY = 32768, 8192, 2048
# The same where NumPy has to go by way of float64.
EXACT = 1024


# --- arithmetic: the same roundings as NumPy's, hence no contraction --------------------------


@loop(kinds=BOTH)
def add_arrays(x: Vector, y: Vector, alpha: Scalar, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] + alpha * y[i]


@loop(kinds=BOTH)
def add_scalar(x: Vector, y: Scalar, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] + y


@loop(kinds=BOTH)
def mul_arrays(x: Vector, y: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] * y[i]


@loop(kinds=BOTH)
def mul_scalar(x: Vector, y: Scalar, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] * y


@loop(kinds=BOTH)
def div_arrays(x: Vector, y: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] / y[i]


@loop(kinds=BOTH)
def div_scalar(x: Vector, y: Scalar, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] / y


@loop()
def add_row(x: Vector, row: Vector, out: Vector, lo: int, hi: int) -> None:
    width = row.size
    for r in range(lo, hi):
        source, target = x[r * width : (r + 1) * width], out[r * width : (r + 1) * width]
        for j in range(width):
            target[j] = source[j] + row[j]


@loop()
def mul_row(x: Vector, row: Vector, out: Vector, lo: int, hi: int) -> None:
    width = row.size
    for r in range(lo, hi):
        source, target = x[r * width : (r + 1) * width], out[r * width : (r + 1) * width]
        for j in range(width):
            target[j] = source[j] * row[j]


@loop(kinds=BOTH)
def max_arrays(x: Vector, y: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.fmax(x[i], y[i])


@loop(kinds=BOTH)
def max_scalar(x: Vector, y: Scalar, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.fmax(x[i], y)


@loop(kinds=BOTH)
def min_arrays(x: Vector, y: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.fmin(x[i], y[i])


@loop(kinds=BOTH)
def min_scalar(x: Vector, y: Scalar, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.fmin(x[i], y)


def _number(value: Any, kind: np.dtype[Any]) -> float | None:
    """A Python number or 0-d array of type `kind` as a float, else None."""
    if type(value) is float or type(value) is int:
        return float(value)
    if type(value) is np.ndarray and value.ndim == 0 and value.dtype is kind:
        return value.item()
    return None


def binary(loops: Any, x: Array, y: Any, *alpha: float) -> Any:
    """Apply to x and y: y of equal shape, a number, or a vector along x's last dimension.

    `loops` are the op's loops for arrays, for a number, and for such a row (None: it has none).
    """
    arrays, scalar, row = loops
    n = x.size
    if n < MEDIUM or (loop := of_kind(arrays, x)) is None:
        return NotImplemented
    if type(y) is np.ndarray and y.shape == x.shape:
        if y.dtype is not x.dtype or not y.flags.c_contiguous:
            return NotImplemented
        out = like(x)
        loop(n, part(n), x.reshape(-1), y.reshape(-1), *alpha, out.reshape(-1))
    elif (number := _number(y, x.dtype)) is not None:
        loop, out = scalar[arrays.index(loop)], like(x)
        loop(n, part(n), x.reshape(-1), number, out.reshape(-1))
    elif row is not None and dense(x) and _is_row(x, y):
        width, out = y.size, like(x)
        row(n // width, rows(n // width, width), x.reshape(-1), y.reshape(-1), out.reshape(-1))
    else:
        return NotImplemented
    return out


def _is_row(x: Array, y: Any) -> bool:
    """Whether y spans x's last dimension and no other, long enough for a loop of its own."""
    return type(y) is np.ndarray and y.size == y.shape[-1] == x.shape[-1] >= 16 and dense(y)


ADD = add_arrays, add_scalar, add_row
MUL = mul_arrays, mul_scalar, mul_row
DIV = div_arrays, div_scalar, None
MAXIMUM = max_arrays, max_scalar, None
MINIMUM = min_arrays, min_scalar, None


def _add(input: Array, other: Any, alpha: float) -> Any:
    if type(other) is np.ndarray and other.shape == input.shape:
        return binary(ADD, input, other, alpha)
    if alpha == 1:
        return binary(ADD, input, other)
    number = _number(other, input.dtype) if alpha == -1 else None
    return NotImplemented if number is None else binary(ADD, input, -number)


@kernel("add", LIGHT)
def add(input: Array, other: Any, *, alpha: float = 1) -> Any:
    return _add(input, other, float(alpha))


@kernel("sub", LIGHT)
def sub(input: Array, other: Any, *, alpha: float = 1) -> Any:
    return _add(input, other, -float(alpha))


@kernel("mul", LIGHT)
def mul(input: Array, other: Any) -> Any:
    return binary(MUL, input, other)


@kernel("div", LIGHT)
def div(input: Array, other: Any) -> Any:
    return binary(DIV, input, other)


@kernel("maximum", MEDIUM)
def maximum(input: Array, other: Any) -> Any:
    return binary(MAXIMUM, input, other)


@kernel("minimum", MEDIUM)
def minimum(input: Array, other: Any) -> Any:
    return binary(MINIMUM, input, other)


@loop(kinds=BOTH)
def select_arrays(test: Flags, x: Vector, y: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] if test[i] else y[i]


@loop(kinds=BOTH)
def select_first(test: Flags, x: Vector, y: Scalar, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] if test[i] else y


@loop(kinds=BOTH)
def select_second(test: Flags, x: Scalar, y: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x if test[i] else y[i]


@kernel("where", MEDIUM)
def where(condition: Array, input: Any, other: Any) -> Any:
    if condition.size < MEDIUM or condition.dtype.char != "?" or not condition.flags.c_contiguous:
        return NotImplemented
    first, second = (type(v) is np.ndarray and v.shape == condition.shape for v in (input, other))
    loops = select_arrays if first and second else select_first if first else select_second
    model = input if first else other
    if not (first or second) or (loop := of_kind(loops, model)) is None:
        return NotImplemented
    x, y = _flat(input, model), _flat(other, model)
    if x is None or y is None:
        return NotImplemented
    out = like(model)
    loop(out.size, part(out.size), condition.reshape(-1), x, y, out.reshape(-1))
    return out


def _flat(value: Any, model: Array) -> Any:
    """`value` as a flat array of the model's shape and type, or as a number; else None."""
    if type(value) is np.ndarray and value.shape == model.shape:
        fits = value.dtype is model.dtype and value.flags.c_contiguous
        return value.reshape(-1) if fits else None
    return _number(value, model.dtype)


# --- functions of one array -----------------------------------------------------------------


@loop()
def neg_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = -x[i]


@loop()
def sqrt_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = np.sqrt(x[i])


@loop()
def relu_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.fmax(x[i], ZERO)


@loop("contract")
def exp_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.exp(x[i])


@loop("contract")
def log_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.log(x[i])


@loop("contract")
def tanh_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.tanh(x[i])


@loop("contract")
def sigmoid_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.sigmoid(x[i])


@loop("contract")
def erf_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = m.erf(x[i])


@loop("contract")
def silu_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] / (ONE + m.exp(-x[i]))


@loop("contract")
def gelu_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i] * m.normal_cdf(x[i])


@loop("contract")
def gelu_tanh_loop(x: Vector, out: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        v = x[i]
        # (1 + tanh u) / 2 is the logistic function of 2u.
        out[i] = v * m.sigmoid(m.TWO * m.SQRT_2_OVER_PI * (v + m.CUBIC * v * v * v))


GELU = {"none": gelu_loop, "tanh": gelu_tanh_loop}


def unary(loop: Loop, size: int, input: Array) -> Any:
    """A loop of one array and its result."""
    n = input.size
    if n < size or not dense(input):
        return NotImplemented
    out = like(input)
    loop(n, part(n), input.reshape(-1), out.reshape(-1))
    return out


@kernel("neg", LIGHT)
def neg(input: Array) -> Any:
    return unary(neg_loop, LIGHT, input)


@kernel("sqrt", MEDIUM)
def sqrt(input: Array) -> Any:
    return unary(sqrt_loop, MEDIUM, input)


@kernel("relu", MEDIUM)
def relu(input: Array) -> Any:
    return unary(relu_loop, MEDIUM, input)


@kernel("exp", EXACT)
def exp(input: Array) -> Any:
    return unary(exp_loop, EXACT, input)


@kernel("log", MEDIUM)
def log(input: Array) -> Any:
    return unary(log_loop, MEDIUM, input)


@kernel("tanh", MEDIUM)
def tanh(input: Array) -> Any:
    return unary(tanh_loop, MEDIUM, input)


@kernel("sigmoid", HEAVY)
def sigmoid(input: Array) -> Any:
    return unary(sigmoid_loop, HEAVY, input)


@kernel("erf", HEAVY)
def erf(input: Array) -> Any:
    return unary(erf_loop, HEAVY, input)


@kernel("silu", HEAVY)
def silu(input: Array) -> Any:
    return unary(silu_loop, HEAVY, input)


@kernel("gelu", HEAVY)
def gelu(input: Array, approximate: str = "none") -> Any:
    loop = GELU.get(approximate)
    return NotImplemented if loop is None else unary(loop, HEAVY, input)


# --- backward of activations ----------------------------------------------------------------


@loop()
def relu_grad_loop(g: Vector, out: Vector, gx: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        gx[i] = ZERO if out[i] <= ZERO else g[i]


@loop("contract")
def sigmoid_grad_loop(g: Vector, out: Vector, gx: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        gx[i] = g[i] * ((ONE - out[i]) * out[i])


@loop("contract")
def tanh_grad_loop(g: Vector, out: Vector, gx: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        gx[i] = g[i] * (ONE - out[i] * out[i])


@loop("contract")
def silu_grad_loop(g: Vector, x: Vector, gx: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        s = m.sigmoid(x[i])
        gx[i] = g[i] * s * (ONE + x[i] * (ONE - s))


@loop("contract")
def gelu_grad_loop(g: Vector, x: Vector, gx: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        v = x[i]
        gx[i] = g[i] * (m.normal_cdf(v) + v * m.DENSITY * m.exp(-HALF * v * v))


@loop("contract")
def gelu_tanh_grad_loop(g: Vector, x: Vector, gx: Vector, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        v = x[i]
        twice = m.TWO * m.SQRT_2_OVER_PI
        s = m.sigmoid(twice * (v + m.CUBIC * v * v * v))
        slope = twice * (ONE + np.float32(3) * m.CUBIC * v * v)
        gx[i] = g[i] * s * (ONE + v * (ONE - s) * slope)


GELU_GRAD = {"none": gelu_grad_loop, "tanh": gelu_tanh_grad_loop}


def gradient(loop: Loop, size: int, g: Array, saved: Array) -> Any:
    """A loop of a cotangent and a saved array of its shape."""
    n = g.size
    if n < size or g.shape != saved.shape or not (dense(g) and dense(saved)):
        return NotImplemented
    out = like(g)
    loop(n, part(n), g.reshape(-1), saved.reshape(-1), out.reshape(-1))
    return out


@kernel("relu_grad", MEDIUM)
def relu_grad(grad: Array, output: Array) -> Any:
    return gradient(relu_grad_loop, MEDIUM, grad, output)


@kernel("sigmoid_grad", MEDIUM)
def sigmoid_grad(grad: Array, output: Array) -> Any:
    return gradient(sigmoid_grad_loop, MEDIUM, grad, output)


@kernel("tanh_grad", MEDIUM)
def tanh_grad(grad: Array, output: Array) -> Any:
    return gradient(tanh_grad_loop, MEDIUM, grad, output)


@kernel("silu_grad", HEAVY)
def silu_grad(grad: Array, input: Array) -> Any:
    return gradient(silu_grad_loop, HEAVY, grad, input)


@kernel("gelu_grad", HEAVY)
def gelu_grad(grad: Array, input: Array, approximate: str = "none") -> Any:
    loop = GELU_GRAD.get(approximate)
    return NotImplemented if loop is None else gradient(loop, HEAVY, grad, input)
