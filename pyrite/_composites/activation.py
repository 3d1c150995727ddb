"""Activation functions as `nn.functional` has them, with `inplace=`."""

from __future__ import annotations

import warnings

from .._errors import wrap_dim
from .._tensor import F, Tensor
from ._register import composite, in_place_or_not
from .random import exponential_, rand_like
from .shape import contiguous

# ---- rectifiers


@composite("n", name="relu")
def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """`max(input, 0)`."""
    return in_place_or_not("relu", F.relu, inplace, input)


@composite("n")
def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """`input` limited to [0, 6]."""
    return in_place_or_not("hardtanh", F.hardtanh, inplace, input, 0.0, 6.0)


@composite("n")
def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """`input` limited to [min_val, max_val]; ValueError if the limits cross."""
    if min_val > max_val:
        raise ValueError(f"min_val cannot be greater than max_val, got {min_val} and {max_val}")
    return in_place_or_not("hardtanh", F.hardtanh, inplace, input, min_val, max_val)


@composite("n")
def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """`input` above 0, `negative_slope * input` below."""
    return in_place_or_not("leaky_relu", F.leaky_relu, inplace, input, negative_slope)


@composite("fm", aliases=("nn.functional.prelu",))
def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """`input` above 0, `weight * input` below; one weight, or one per channel (dimension 1)."""
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.array.size not in (1, channels):
        raise RuntimeError(
            "prelu: Mismatch of parameter numbers and input channel size: expected a scalar or 1D "
            f"weight of 1 element or channel size = {channels}, got shape {list(weight.shape)}"
        )
    if weight.ndim:
        weight = F.reshape(weight, (-1, *[1] * (input.ndim - 2)) if input.ndim else ())
    return F.where(F.gt(input, 0), input, F.mul(input, weight))


@composite("f", aliases=("nn.functional.rrelu", "nn.functional.rrelu_", "rrelu_"))
def rrelu(
    input: Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False,
    inplace: bool = False,
) -> Tensor:  # fmt: skip
    """leaky_relu with slopes drawn from [lower, upper), or with their mean outside training."""
    if lower > upper:
        raise RuntimeError(
            f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}"
        )
    if training:
        return in_place_or_not("rrelu", _random_rectifier, inplace, input, lower, upper)
    return in_place_or_not("leaky_relu", F.leaky_relu, inplace, input, (lower + upper) / 2)


def _random_rectifier(input: Tensor, lower: float, upper: float) -> Tensor:
    slope = F.add(F.mul(rand_like(input), upper - lower), lower)
    return F.where(F.gt(input, 0), input, F.mul(input, slope))


@composite("f", aliases=("nn.functional.threshold", "nn.functional.threshold_", "threshold_"))
def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """`input` above `threshold`, else `value`."""
    return in_place_or_not("threshold", _threshold, inplace, input, threshold, value)


def _threshold(input: Tensor, threshold: float, value: float) -> Tensor:
    return F.where(F.le(input, threshold), value, input)


# ---- exponential units

_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@composite("n")
def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` above 0, `alpha * (exp(input) - 1)` below."""
    return in_place_or_not("elu", F.elu, inplace, input, alpha)


@composite("f", aliases=("nn.functional.selu", "nn.functional.selu_", "selu_"))
def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """The scaled exponential unit that keeps mean 0 and variance 1."""
    return in_place_or_not("elu", F.elu, inplace, input, _SELU_ALPHA, _SELU_SCALE)


@composite("f", aliases=("nn.functional.celu", "nn.functional.celu_", "celu_"))
def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """`input` above 0, `alpha * (exp(input / alpha) - 1)` below; RuntimeError for alpha 0."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return in_place_or_not("elu", F.elu, inplace, input, alpha, 1.0, 1.0 / alpha)


@composite("n", out=True)
def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """`log(1 + exp(beta * input)) / beta`, and `input` where `beta * input > threshold`."""
    return F.softplus(input, beta, threshold)


@composite("n", out=True)
def logsigmoid(input: Tensor) -> Tensor:
    """`log(sigmoid(input))`."""
    return F.neg(F.softplus(F.neg(contiguous(input)), 1.0, 40.0))


@composite("n")
def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * tanh(softplus(input))`."""
    return in_place_or_not("mish", _mish, inplace, input)


def _mish(input: Tensor) -> Tensor:
    return F.mul(input, F.tanh(F.softplus(input)))


# ---- gated units


@composite("n")
def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * sigmoid(input)`."""
    return in_place_or_not("silu", F.silu, inplace, input)


@composite("n", out=True)
def gelu(input: Tensor, *, approximate: str = "none") -> Tensor:
    """`input` times the normal distribution function of it; "tanh" approximates it."""
    return F.gelu(input, approximate)


@composite("n")
def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half along `dim` times sigmoid of the second; RuntimeError for an odd size."""
    if not input.ndim:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    axis = wrap_dim(dim, input.ndim)
    size = input.shape[axis]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {dim} is size {size}")
    halves = (slice(0, size // 2), slice(size // 2, size))
    values, gate = (F.slice(input, (slice(None),) * axis + (half,)) for half in halves)
    return F.mul(values, F.sigmoid(gate))


# ---- piecewise linear and rational


def _hard_sigmoid(input: Tensor) -> Tensor:
    return F.mul(F.hardtanh(F.add(input, 3.0), 0.0, 6.0), 1 / 6)


def _hard_swish(input: Tensor) -> Tensor:
    return F.mul(input, _hard_sigmoid(input))


@composite("n")
def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """0 below -3, 1 above 3, `input / 6 + 1 / 2` between."""
    return in_place_or_not("hardsigmoid", _hard_sigmoid, inplace, input)


@composite("n")
def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """`input * hardsigmoid(input)`."""
    return in_place_or_not("hardswish", _hard_swish, inplace, input)


@composite("fm", aliases=("nn.functional.hardshrink",), out=True)
def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` outside [-lambd, lambd], 0 inside."""
    return F.where(F.le(F.abs(input), lambd), 0.0, input)


@composite("n", out=True)
def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """`input` moved by `lambd` towards 0, 0 within; RuntimeError for a negative lambd."""
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd}.")
    moved = F.sub(input, F.clamp(input, -lambd, lambd))
    return F.where(F.le(F.abs(input), lambd), 0.0, moved)


@composite("n")
def tanhshrink(input: Tensor) -> Tensor:
    """`input - tanh(input)`."""
    return F.sub(input, F.tanh(input))


@composite("n")
def softsign(input: Tensor) -> Tensor:
    """`input / (1 + abs(input))`."""
    return F.div(input, F.add(F.abs(input), 1.0))


# ---- a draw that can be differentiated


@composite("n")
def gumbel_softmax(
    logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1
) -> Tensor:
    """Softmax of (logits + Gumbel noise) / tau (Jang et al. 2017).

    `hard` gives the one-hot vector of the largest, with the gradient of the soft result.
    """
    if eps != 1e-10:
        warnings.warn("`eps` parameter is deprecated and has no effect.", stacklevel=2)
    noise = F.neg(F.log(exponential_(F.zeros_like(logits.detach()))))
    soft: Tensor = F.softmax(F.div(F.add(logits, noise), tau), dim)
    if not hard:
        return soft
    fixed = soft.detach()
    one = F.full((), 1.0, soft.dtype, device=soft.device)
    chosen = F.scatter(F.zeros_like(fixed), dim, F.argmax(fixed, dim, True), one)
    return F.add(F.sub(chosen, fixed), soft)
