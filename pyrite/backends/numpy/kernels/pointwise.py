"""Pointwise kernels, one row each: arithmetic in float32 and float64, functions in float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._elementwise import BOTH, HEAVY, LIGHT, MEDIUM, SEVERAL, Number, expression, row, serve
from ._registry import Array, kernel

# --- arithmetic: the same roundings as NumPy's, hence no contraction --------------------------

# fmt: off
row("mul", "input, other", "input * other", LIGHT, kinds=BOTH)
row("div", "input, other", "input / other", LIGHT, kinds=BOTH)
row("maximum", "input, other", "fmax(input, other)", MEDIUM, kinds=BOTH)
row("minimum", "input, other", "fmin(input, other)", MEDIUM, kinds=BOTH)
row("where", "condition, input, other", "input if condition else other", SEVERAL, kinds=BOTH)
row("addcmul", "input, tensor1, tensor2, *, value=1", "input + tensor1 * tensor2 * value", SEVERAL)
row("addcdiv", "input, tensor1, tensor2, *, value=1", "input + tensor1 / tensor2 * value", SEVERAL)
row("neg", "input", "-input", LIGHT)
row("abs", "input", "abs(input)", LIGHT)
row("sqrt", "input", "np.sqrt(input)", MEDIUM)
row("rsqrt", "input", "ONE / np.sqrt(input)", MEDIUM)
row("reciprocal", "input", "ONE / input", LIGHT)
row("floor", "input", "np.floor(input)", LIGHT)
row("ceil", "input", "np.ceil(input)", LIGHT)
row("trunc", "input", "np.trunc(input)", LIGHT)
row("sign", "input", "sign(input)", HEAVY)
row("sgn", "input", "sign(input)", HEAVY)
row("relu", "input", "fmax(input, ZERO)", MEDIUM)
row("relu_grad", "grad, output", "ZERO if output <= ZERO else grad", SEVERAL)
row("leaky_relu", "input, negative_slope=0.01",
    "input if input > ZERO else input * negative_slope", HEAVY)
row("hardtanh", "input, min_val=-1.0, max_val=1.0", "fmin(fmax(input, min_val), max_val)", SEVERAL)

# --- functions --------------------------------------------------------------------------------

row("exp", "input", "exp(input)", HEAVY, "contract")
row("expm1", "input", "expm1(input)", SEVERAL, "contract")
row("log", "input", "log(input)", MEDIUM, "contract")
row("log1p", "input", "log1p(input)", SEVERAL, "contract")
row("tanh", "input", "tanh(input)", MEDIUM, "contract")
row("sigmoid", "input", "sigmoid(input)", HEAVY, "contract")
row("erf", "input", "erf(input)", HEAVY, "contract")
row("silu", "input", "input / (ONE + exp(-input))", HEAVY, "contract")
row("softplus", "input, beta=1.0, threshold=20.0",
    "input if input * beta > threshold else softplus(input * beta) / beta", HEAVY, "contract")
row("elu", "input, alpha=1.0, scale=1.0, input_scale=1.0",
    "input * scale if input > ZERO else expm1(input * input_scale) * (scale * alpha)",
    HEAVY, "contract")
row("sigmoid_grad", "grad, output", "grad * ((ONE - output) * output)", SEVERAL, "contract")
row("tanh_grad", "grad, output", "grad * (ONE - output * output)", SEVERAL, "contract")
row("silu_grad", "grad, input", "grad * silu_slope(input)", HEAVY, "contract")
# fmt: on

# --- those whose arguments choose the loop ----------------------------------------------------

ADD = expression("add", ["input", "other"], ["alpha"], "input + alpha * other", kinds=BOTH)
CLAMP = expression("clamp", ["input", "low", "high"], [], "fmin(fmax(input, low), high)")
LERP = expression("lerp_near", ["input", "end"], ["w"], "input + (end - input) * w")
ROUND = expression("round", ["input"], [], "np.rint(input)")
POWERS = {
    2: expression("square", ["input"], [], "input * input", kinds=BOTH),
    3: expression("cube", ["input"], [], "input * input * input", kinds=BOTH),
    0.5: expression("root", ["input"], [], "np.sqrt(input)", kinds=BOTH),
}
GELU = {
    "none": expression("gelu", ["x"], [], "x * normal_cdf(x)", "contract"),
    "tanh": expression("gelu_tanh", ["x"], [], "x * sigmoid(gelu_angle(x))", "contract"),
}
GELU_GRAD = {
    "none": expression(
        "gelu_grad", ["g", "x"], [], "g * (normal_cdf(x) + x * DENSITY * exp(-HALF * x * x))",
        "contract",
    ),
    "tanh": expression("gelu_tanh_grad", ["g", "x"], [], "g * gelu_tanh_slope(x)", "contract"),
}  # fmt: skip


@kernel("add", LIGHT)
def add(input: Array, other: Any, *, alpha: float = 1) -> Any:
    return _add(input, other, float(alpha))


@kernel("sub", LIGHT)
def sub(input: Array, other: Any, *, alpha: float = 1) -> Any:
    return _add(input, other, -float(alpha))


def _add(input: Any, other: Any, alpha: float) -> Any:
    if isinstance(other, Number):  # as NumPy: the product is a Python number
        other, alpha = other * alpha, 1.0
    return serve(ADD, LIGHT, (input, other), (alpha,))


@kernel("clamp", LIGHT)
def clamp(input: Array, min: Any = None, max: Any = None) -> Any:
    if min is None and max is None:
        return NotImplemented
    low, high = -np.inf if min is None else min, np.inf if max is None else max
    return serve(CLAMP, LIGHT, (input, low, high), ())


@kernel("lerp_number", MEDIUM)
def lerp_number(input: Array, end: Array, *, weight: float) -> Any:
    if abs(weight) < 0.5:
        return serve(LERP, MEDIUM, (input, end), (weight,))
    return serve(LERP, MEDIUM, (end, input), (1 - weight,))


@kernel("round", LIGHT)
def round(input: Array, *, decimals: int = 0) -> Any:
    return NotImplemented if decimals else serve(ROUND, LIGHT, (input,), ())


@kernel("pow", MEDIUM)
def pow(input: Array, exponent: Any) -> Any:
    loops = POWERS.get(exponent) if isinstance(exponent, Number) else None
    return NotImplemented if loops is None else serve(loops, MEDIUM, (input,), ())


@kernel("gelu", HEAVY)
def gelu(input: Array, approximate: str = "none") -> Any:
    loops = GELU.get(approximate)
    return NotImplemented if loops is None else serve(loops, HEAVY, (input,), ())


@kernel("gelu_grad", HEAVY)
def gelu_grad(grad: Array, input: Array, approximate: str = "none") -> Any:
    loops = GELU_GRAD.get(approximate)
    return NotImplemented if loops is None else serve(loops, HEAVY, (grad, input), ())


# --- updates ----------------------------------------------------------------------------------


@kernel("accumulate", LIGHT)
def accumulate(total: Array, value: Array) -> Any:
    out = serve(ADD, LIGHT, (total, value), (1.0,), into=total)
    return out if out is NotImplemented else None
