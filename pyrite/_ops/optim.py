"""Optimizer updates: one call for all parameters that share hyperparameters, written in place.

float16 and bfloat16 parameters are updated in float32 and rounded once. A list that an option
leaves unused is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

from .table import Array, Arrays, op


def _at_least_1d(array: Array) -> Array:
    """Arithmetic on 0-d arrays would give scalars, which no `out=` can be."""
    return array if array.ndim else array.reshape(1)


def _each(rule: Callable[..., None], *lists: Arrays) -> None:
    """Apply a rule per parameter, in float32 where that has half precision; None: unused list."""
    for i in range(len(lists[0])):
        row: list[Any] = [_at_least_1d(arrays[i]) if arrays else None for arrays in lists]
        if row[0].dtype.itemsize > 2:
            rule(*row)
            continue
        wide = [None if a is None else a.astype("float32") for a in row]
        rule(*wide)
        for narrow, value in zip(row[:1] + row[2:], wide[:1] + wide[2:], strict=True):
            if narrow is not None:  # all but the gradient
                narrow[...] = value


def _gradient(param: Array, grad: Array, weight_decay: float, maximize: bool) -> Array:
    """The direction to descend, with L2 decay."""
    if maximize:
        grad = -grad
    return grad + weight_decay * param if weight_decay else grad


def _average(mean: Array, value: Array, weight: float) -> None:
    """`mean += weight * (value - mean)`."""
    change = value - mean
    change *= weight
    mean += change


def _average_square(mean: Array, value: Array, decay: float) -> None:
    """`mean = decay * mean + (1 - decay) * value**2`."""
    mean *= decay
    square = (1 - decay) * value
    square *= value
    mean += square


@op(kind="update", outputs=("params", "momentum_buffers"), public="")
def sgd_step(
    xp: Any, params: Arrays, grads: Arrays, momentum_buffers: Arrays | None, lr: float,
    momentum: float, dampening: float, weight_decay: float, nesterov: bool, maximize: bool,
    first: bool,
) -> None:  # fmt: skip
    """Stochastic gradient descent; `first`: the buffers have no value yet."""

    def rule(p: Array, g: Array, buffer: Array) -> None:
        g = _gradient(p, g, weight_decay, maximize)
        if momentum:
            if first:
                buffer[...] = g
            else:
                buffer *= momentum
                buffer += (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p -= lr * g

    _each(rule, params, grads, momentum_buffers or ())


@op(
    kind="update", outputs=("params", "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs"), public=""
)  # fmt: skip
def adam_step(
    xp: Any, params: Arrays, grads: Arrays, exp_avgs: Arrays, exp_avg_sqs: Arrays,
    max_exp_avg_sqs: Arrays | None, lr: float, beta1: float, beta2: float, eps: float,
    weight_decay: float, decoupled: bool, amsgrad: bool, maximize: bool, step: int,
) -> None:  # fmt: skip
    """Adam (Kingma & Ba, 2015); `decoupled`: AdamW (Loshchilov & Hutter, 2019); `step` from 1."""
    size, root = lr / (1 - beta1**step), sqrt(1 - beta2**step)

    def rule(p: Array, g: Array, mean: Array, square: Array, top: Array) -> None:
        if decoupled and weight_decay:
            p *= 1 - lr * weight_decay
        g = _gradient(p, g, 0 if decoupled else weight_decay, maximize)
        _average(mean, g, 1 - beta1)
        _average_square(square, g, beta2)
        if amsgrad:
            xp.maximum(top, square, out=top)
        spread = xp.sqrt(top if amsgrad else square)
        spread /= root
        spread += eps
        p -= xp.divide(size * mean, spread, out=spread)

    _each(rule, params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs or ())


@op(
    kind="update", outputs=("params", "square_avgs", "momentum_buffers", "grad_avgs"), public=""
)  # fmt: skip
def rmsprop_step(
    xp: Any, params: Arrays, grads: Arrays, square_avgs: Arrays, momentum_buffers: Arrays | None,
    grad_avgs: Arrays | None, lr: float, alpha: float, eps: float, weight_decay: float,
    momentum: float, centered: bool, maximize: bool,
) -> None:  # fmt: skip
    """RMSprop (Hinton, 2012), centered as in Graves (2013)."""

    def rule(p: Array, g: Array, square: Array, buffer: Array, mean: Array) -> None:
        g = _gradient(p, g, weight_decay, maximize)
        _average_square(square, g, alpha)
        spread = square
        if centered:
            _average(mean, g, 1 - alpha)
            spread = square - mean * mean
        spread = xp.sqrt(spread)
        spread += eps
        if momentum:
            buffer *= momentum
            buffer += xp.divide(g, spread, out=spread)
            p -= lr * buffer
        else:
            p -= xp.divide(lr * g, spread, out=spread)

    _each(rule, params, grads, square_avgs, momentum_buffers or (), grad_avgs or ())
