"""Activation functions; the hot backwards are ops of their own (`<name>_grad`)."""

from __future__ import annotations

import math
from typing import Any

from .pointwise import fine, flat
from .special import erf as erf_op
from .table import Array, floating, op, row

# ---- logistic function, hyperbolic tangent, rectifier: backward from the output


def _rectified(xp: Any, input: Any) -> Any:
    if input.dtype.kind == "b":
        raise RuntimeError("Boolean inputs not supported for relu")
    return xp.maximum(input, 0)


# fmt: off
floating("sigmoid", "`1 / (1 + exp(-input))`.",
    lambda xp, input: fine(lambda x: 1.0 / (1.0 + xp.exp(-x)), input),
    lambda F, g, out: F.sigmoid_grad(g, out), complex="holomorphic",
    onnx="Sigmoid", aliases=("special.expit", "nn.functional.sigmoid"))
row("sigmoid_grad", "`grad * output * (1 - output)`.",
    lambda xp, grad, output: grad * ((1.0 - output) * output),
    lambda F, g, output: F.sigmoid_grad(g, output),
    lambda g, grad, output: g * (grad * (output * -2.0 + 1.0)), complex="holomorphic", public="")
floating("tanh", "The hyperbolic tangent.", lambda xp, input: xp.tanh(input),
    lambda F, g, out: F.tanh_grad(g, out), complex="holomorphic", onnx="Tanh",
    aliases=("nn.functional.tanh",))
row("tanh_grad", "`grad * (1 - output**2)`.",
    lambda xp, grad, output: grad * (1.0 - output * output),
    lambda F, g, output: F.tanh_grad(g, output),
    lambda g, grad, output: g * (grad * (output * -2.0)), complex="holomorphic", public="")
row("relu", "`max(input, 0)`; RuntimeError for bool.", lambda xp, input: _rectified(xp, input),
    lambda F, g, out: F.relu_grad(g, out), onnx="Relu", aliases=("nn.functional.relu_",))
row("relu_grad", "`grad` where `output` is not 0.",
    lambda xp, grad, output: xp.where(output <= 0, 0, grad),
    lambda F, g, output: F.relu_grad(g, output), flat, public="")
# fmt: on


@op(kind="pointwise", onnx="LeakyRelu", public="", aliases=("nn.functional.leaky_relu_",))
def leaky_relu(xp: Any, input: Array, negative_slope: float = 0.01) -> Array:
    """`input` above 0, `negative_slope * input` below."""
    return xp.where(input > 0, input, input * negative_slope)


leaky_relu.vjp(input=lambda F, g, input, negative_slope: F.where(input > 0, g, g * negative_slope))


@op(kind="pointwise", public="", aliases=("nn.functional.hardtanh_",))
def hardtanh(xp: Any, input: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """`input` limited to [min_val, max_val]; unlike clamp, no gradient at the limits."""
    kind = input.dtype.type
    return xp.minimum(xp.maximum(input, kind(min_val)), kind(max_val))


hardtanh.vjp(
    input=lambda F, g, input, min_val, max_val: F.where(
        F.logical_or(F.le(input, min_val), F.ge(input, max_val)), 0.0, g
    )
)


# ---- exponential units


@op(kind="pointwise", dtypes="float", onnx="Elu", public="", aliases=("nn.functional.elu_",))
def elu(
    xp: Any, input: Array, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0
) -> Array:
    """`scale * input` above 0, `scale * alpha * (exp(input_scale * input) - 1)` below."""
    low = fine(xp.expm1, xp.minimum(input, 0) * input_scale) * (scale * alpha)
    return xp.where(input > 0, input * scale, low)


def _elu_vjp(F: Any, g: Any, input: Any, alpha: float, scale: float, input_scale: float) -> Any:
    low = F.exp(F.clamp(input, None, 0.0) * input_scale) * (scale * alpha * input_scale)
    return g * F.where(input > 0.0, scale, low)


elu.vjp(input=_elu_vjp)


@op(kind="pointwise", dtypes="float", onnx="Softplus", public="")
def softplus(xp: Any, input: Array, beta: float = 1.0, threshold: float = 20.0) -> Array:
    """`log(1 + exp(beta * input)) / beta`, and `input` where `beta * input > threshold`."""
    return fine(lambda x: _softplus(xp, x, beta, threshold), input)


def _softplus(xp: Any, input: Any, beta: float, threshold: float) -> Any:
    scaled = input * beta
    soft = (xp.maximum(scaled, 0) + xp.log1p(xp.exp(-xp.absolute(scaled)))) / beta
    return xp.where(scaled > threshold, input, soft)


def _softplus_vjp(F: Any, g: Any, input: Any, beta: float, threshold: float) -> Any:
    scaled = input * beta
    return F.where(scaled > threshold, g, g * F.sigmoid(scaled))


softplus.vjp(input=_softplus_vjp)


# ---- gated units


def _silu_curve(F: Any, g: Any, grad: Any, input: Any) -> Any:
    s = F.sigmoid(input)
    return g * (grad * (s * (1.0 - s) * (input * (s * -2.0 + 1.0) + 2.0)))


def _silu_grad(xp: Any, grad: Array, input: Array) -> Array:
    s = 1.0 / (1.0 + xp.exp(-input))
    return grad * (s * (1.0 + input * (1.0 - s)))


# fmt: off
floating("silu", "`input * sigmoid(input)`.",
    lambda xp, input: fine(lambda x: x / (1.0 + xp.exp(-x)), input),
    lambda F, g, input: F.silu_grad(g, input), complex="holomorphic", public="")
floating("silu_grad", "`grad` times the slope of silu at `input`.",
    lambda xp, grad, input: _silu_grad(xp, grad, input),
    lambda F, g, input: F.silu_grad(g, input), _silu_curve, complex="holomorphic", public="")
# fmt: on

_TANH_SCALE, _CUBIC = math.sqrt(2 / math.pi), 0.044715


def _check_gelu(approximate: str) -> bool:
    """Whether to compute the exact form."""
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"approximate argument must be either none or tanh, got {approximate!r}")
    return approximate == "none"


@op(kind="pointwise", dtypes="float", onnx="Gelu", public="")
def gelu(xp: Any, input: Array, approximate: str = "none") -> Array:
    """`input` times the normal distribution function of it, exact or by `tanh`."""
    if _check_gelu(approximate):
        return input * (0.5 * (1.0 + erf_op.generic(xp, input * math.sqrt(0.5))))
    return input * (0.5 * (1.0 + xp.tanh(_TANH_SCALE * (input + _CUBIC * input * input * input))))


@op(kind="pointwise", dtypes="float", public="")
def gelu_grad(xp: Any, grad: Array, input: Array, approximate: str = "none") -> Array:
    """`grad` times the slope of gelu at `input`."""
    if _check_gelu(approximate):
        below = 0.5 * (1.0 + erf_op.generic(xp, input * math.sqrt(0.5)))
        return grad * (below + input * xp.exp(-0.5 * input * input) / math.sqrt(2 * math.pi))
    t = xp.tanh(_TANH_SCALE * (input + _CUBIC * input * input * input))
    slope = _TANH_SCALE * (1.0 + 3 * _CUBIC * input * input)
    return grad * (0.5 * (1.0 + t) + 0.5 * input * (1.0 - t * t) * slope)


def _gelu_curve(F: Any, g: Any, grad: Any, input: Any, approximate: str) -> Any:
    square = F.mul(input, input)
    if approximate == "none":
        density = F.mul(F.exp(F.mul(square, -0.5)), 1 / math.sqrt(2 * math.pi))
        return F.mul(g, F.mul(grad, F.mul(density, F.add(F.neg(square), 2.0))))
    t = F.tanh(F.mul(F.mul(input, F.add(F.mul(square, _CUBIC), 1.0)), _TANH_SCALE))
    slope = F.mul(F.add(F.mul(square, 3 * _CUBIC), 1.0), _TANH_SCALE)
    rest = F.sub(F.mul(input, 3 * _CUBIC * _TANH_SCALE), F.mul(t, F.mul(slope, slope)))
    fall = F.add(F.neg(F.mul(t, t)), 1.0)
    return F.mul(g, F.mul(grad, F.mul(fall, F.add(slope, F.mul(input, rest)))))


gelu.vjp(input=lambda F, g, input, approximate: F.gelu_grad(g, input, approximate))
gelu_grad.vjp(
    grad=lambda F, g, input, approximate: F.gelu_grad(g, input, approximate), input=_gelu_curve
)
