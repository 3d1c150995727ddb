"""Normalisation layers' functions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from .._dtypes import finfo, float32
from .._errors import dim_error
from .._inplace import write_back
from .._tensor import F, Tensor
from ..autograd.modes import no_grad
from ._register import composite
from .shape import contiguous, expand, reshape


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None) -> Tensor:
    """Each channel times its weight, plus its bias; in the dtype of `x`."""
    shape = (-1, *[1] * (x.ndim - 2))
    out = x if weight is None else F.mul(x, F.reshape(weight, shape))
    out = out if bias is None else F.add(out, F.reshape(F.bias_of(bias, out), shape))
    return out if out.dtype is x.dtype else F.cast(out, x.dtype)


def _channels(name: str, input: Tensor, **vectors: Tensor | None) -> None:
    """RuntimeError unless each vector has one element per channel."""
    if input.ndim < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.ndim}: {name} "
            f"takes (batch, channels, ...), got {list(input.shape)}"
        )
    for what, vector in vectors.items():
        if vector is not None and vector.array.size != input.shape[1]:
            raise RuntimeError(
                f"{what} should contain {input.shape[1]} elements not {vector.array.size}: the "
                f"input of {name} has size {list(input.shape)}"
            )


def _several(count: int, input: Tensor, what: str = "value per channel") -> None:
    if count == 1:
        size = list(input.shape)
        raise ValueError(f"Expected more than 1 {what} when training, got input size {size}")


def _update(
    running_mean: Tensor | None, running_var: Tensor | None, batch: tuple[Tensor, Tensor],
    eps: float, count: int, momentum: float, samples: int = 1,
) -> None:  # fmt: skip
    """Move running statistics in place towards mean and 1 / deviation of `samples` batches."""
    if running_mean is None and running_var is None:
        return
    with no_grad():
        mean, var = batch[0], F.sub(F.pow(batch[1], -2), eps)
        unbiased = F.mul(var, count / max(count - 1, 1))
        for running, now in ((running_mean, mean), (running_var, unbiased)):
            if running is not None:
                now = F.mean(F.reshape(now, (samples, -1)), 0) if samples > 1 else now
                step = F.mul(F.sub(F.cast(now, running.dtype), running), momentum)
                write_back(running, F.add(running, step), "batch_norm")


@composite(public="n")
def batch_norm(
    input: Tensor, running_mean: Tensor | None, running_var: Tensor | None,
    weight: Tensor | None = None, bias: Tensor | None = None, training: bool = False,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise each channel of (batch, channels, ...).

    In training by the batch's own statistics, towards which the running ones move by `momentum`
    (the variance unbiased); otherwise by the running ones.
    """
    if training and input.ndim:
        _several(input.shape[0] * prod(input.shape[2:]), input)
    if input.ndim and not input.array.size:
        return F.clone(input)
    if input.ndim < 2:
        raise dim_error(1, input.ndim)
    _channels(
        "batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight,
        bias=bias,
    )  # fmt: skip
    if not training:
        if running_mean is None or running_var is None:
            raise RuntimeError("running_mean and running_var must be defined in evaluation mode")
        out = F.batch_norm_eval(input, running_mean, running_var, weight, bias, eps)
        return out if out.dtype is input.dtype else F.cast(out, input.dtype)
    count = input.array.size // max(input.shape[1], 1)
    out, mean, invstd = F.batch_norm_train(input, weight, bias, eps)
    _update(running_mean, running_var, (mean, invstd), eps, count, momentum)
    return out


@composite(public="f", name="batch_norm")
def torch_batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None,
    running_var: Tensor | None, training: bool, momentum: float, eps: float, cudnn_enabled: bool,
) -> Tensor:  # fmt: skip
    """`nn.functional.batch_norm` with the arguments in torch.batch_norm's order."""
    return batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


@composite(public="n")
def instance_norm(
    input: Tensor, running_mean: Tensor | None = None, running_var: Tensor | None = None,
    weight: Tensor | None = None, bias: Tensor | None = None, use_input_stats: bool = True,
    momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor:  # fmt: skip
    """Normalise each channel of each sample of (batch, channels, ...) over the rest."""
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    _channels("instance_norm", input, running_mean=running_mean, weight=weight, bias=bias)
    n, channels = input.shape[:2]
    rest = prod(input.shape[2:])
    _several(rest, input, "spatial element")
    x = reshape(input, (1, n * channels, *input.shape[2:]))
    each = [p if p is None else reshape(expand(p, (n, channels)), (-1,)) for p in (weight, bias)]
    out, mean, invstd = F.batch_norm_train(x, *each, eps)
    _update(running_mean, running_var, (mean, invstd), eps, rest, momentum, n)
    return F.reshape(out, input.shape)


@composite(public="fn")
def layer_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None,
    bias: Tensor | None = None, eps: float = 1e-5, cudnn_enable: bool = True,
) -> Tensor:  # fmt: skip
    """Normalise over the last dimensions, whose sizes are `normalized_shape`; then weight, bias."""
    shape = _normalized_shape(input, normalized_shape, weight, bias)
    return F.layer_norm(input, shape, weight, bias, eps)


def _normalized_shape(
    input: Tensor, normalized_shape: Any, *vectors: Tensor | None
) -> tuple[int, ...]:
    """The shape as a tuple; RuntimeError where input or parameters do not end with it."""
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    for vector in vectors:
        if vector is not None and vector.array.shape != shape:
            raise RuntimeError(
                "Expected weight and bias to be of same shape as normalized_shape, but got "
                f"{list(vector.shape)} and normalized_shape = {list(shape)}"
            )
    if input.array.shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape "
            f"[*, {', '.join(map(str, shape))}], but got input of size{list(input.shape)}"
        )
    return shape


@composite(public="fn")
def rms_norm(
    input: Tensor, normalized_shape: Sequence[int], weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:  # fmt: skip
    """Divide by the root of the mean square over the last dimensions; eps: the dtype's epsilon."""
    shape = _normalized_shape(input, normalized_shape, weight)
    half = input.dtype.is_floating_point and input.dtype.itemsize == 2
    x = contiguous(input)
    x = F.cast(x, float32) if half else x
    dims = tuple(range(-len(shape), 0))
    mean = F.mean(F.mul(x, x), dims, True)
    x = F.mul(x, F.rsqrt(F.add(mean, finfo(x.dtype).eps if eps is None else eps)))
    x = x if weight is None else F.mul(x, weight)
    return F.cast(x, input.dtype) if half else x


@composite(public="fn")
def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None,
    eps: float = 1e-5, cudnn_enabled: bool = True,
) -> Tensor:  # fmt: skip
    """Normalise each of `num_groups` groups of channels of each sample."""
    _channels("group_norm", input, weight=weight, bias=bias)
    n, channels = input.shape[:2]
    if num_groups <= 0 or channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(input.shape)} and num_groups={num_groups}"
        )
    width = prod(input.shape[1:]) // num_groups
    _several(n * width, input)
    x = F.layer_norm(reshape(contiguous(input), (n, num_groups, width)), (width,), None, None, eps)
    return _affine(F.reshape(x, input.shape), weight, bias)


@composite(public="n")
def local_response_norm(
    input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    """Divide by (k + alpha * mean square over `size` neighbouring channels) to the power beta."""
    if input.ndim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)"
        )
    n, channels = input.shape[:2]
    flat = (n, 1, channels, prod(input.shape[2:]))
    square = F.reshape(F.mul(input, input), flat)
    mean = F.avg_pool2d(square, (size, 1), (1, 1), (size // 2, 0), False, True, None)
    mean = F.reshape(F.slice(mean, (slice(None), slice(None), slice(0, channels))), input.shape)
    return F.div(input, F.pow(F.add(F.mul(mean, alpha), k), beta))
