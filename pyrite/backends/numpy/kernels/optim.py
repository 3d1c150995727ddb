"""Optimizer updates in place, one pass over each parameter; float32 and float64.

Without contraction: each step is the NumPy formula of the same order, to the bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from ._jit import Loop, Place, Scalar, Vector, loop
from ._math import fmax, fmin
from ._registry import Array, kernel, of_kind, part

BOTH = ("float32", "float64")
Arrays = Sequence[Any]


@loop(kinds=BOTH)
def sgd_loop(
    p: Vector, g: Vector, lr: Scalar, decay: Scalar, sign: Scalar, lo: Place, hi: Place
) -> None:  # fmt: skip
    for i in range(lo, hi):
        p[i] = p[i] - lr * (sign * g[i] + decay * p[i])


@loop(kinds=BOTH)
def momentum_loop(
    p: Vector, g: Vector, b: Vector, lr: Scalar, momentum: Scalar, fresh: Scalar, decay: Scalar,
    sign: Scalar, nesterov: bool, first: bool, lo: Place, hi: Place,
) -> None:  # fmt: skip
    for i in range(lo, hi):
        d = sign * g[i] + decay * p[i]
        v = d if first else momentum * b[i] + fresh * d
        b[i] = v
        p[i] = p[i] - lr * (d + momentum * v if nesterov else v)


@loop(kinds=BOTH)
def adam_loop(
    p: Vector, g: Vector, m: Vector, v: Vector, rest1: Scalar, beta2: Scalar, rest2: Scalar,
    size: Scalar, root: Scalar, eps: Scalar, decay: Scalar, keep: Scalar, sign: Scalar,
    lo: Place, hi: Place,
) -> None:  # fmt: skip
    for i in range(lo, hi):
        q = p[i] * keep
        d = sign * g[i] + decay * q
        first = m[i] + rest1 * (d - m[i])
        second = v[i] * beta2 + rest2 * d * d
        m[i], v[i] = first, second
        p[i] = q - size * first / (np.sqrt(second) / root + eps)


@loop(kinds=BOTH)
def amsgrad_loop(
    p: Vector, g: Vector, m: Vector, v: Vector, top: Vector, rest1: Scalar, beta2: Scalar,
    rest2: Scalar, size: Scalar, root: Scalar, eps: Scalar, decay: Scalar, keep: Scalar,
    sign: Scalar, lo: Place, hi: Place,
) -> None:  # fmt: skip
    for i in range(lo, hi):
        q = p[i] * keep
        d = sign * g[i] + decay * q
        first = m[i] + rest1 * (d - m[i])
        second = v[i] * beta2 + rest2 * d * d
        m[i], v[i] = first, second
        highest = fmax(top[i], second)
        top[i] = highest
        p[i] = q - size * first / (np.sqrt(highest) / root + eps)


@loop(kinds=BOTH)
def rmsprop_loop(
    p: Vector, g: Vector, v: Vector, lr: Scalar, alpha: Scalar, rest: Scalar, eps: Scalar,
    decay: Scalar, sign: Scalar, lo: Place, hi: Place,
) -> None:  # fmt: skip
    for i in range(lo, hi):
        d = sign * g[i] + decay * p[i]
        second = v[i] * alpha + rest * d * d
        v[i] = second
        p[i] = p[i] - lr * d / (np.sqrt(second) + eps)


@loop(kinds=BOTH)
def clamp_loop(p: Vector, limit: Scalar, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        p[i] = fmin(fmax(p[i], -limit), limit)


@loop(kinds=BOTH)
def scale_loop(p: Vector, factor: Scalar, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        p[i] = p[i] * factor


def update(loops: tuple[Loop, Loop], lists: Sequence[Any], *numbers: Any) -> Any:
    """Run a loop on each tuple of corresponding arrays; all of one type, dense, writeable."""
    if not lists[0]:
        return None
    kind = lists[0][0].dtype
    run = of_kind(loops, lists[0][0])
    for arrays in lists:
        if any(a.dtype is not kind or not a.flags.carray for a in arrays):
            return NotImplemented
    if run is None:
        return NotImplemented
    for arrays in zip(*lists):
        n = arrays[0].size
        run(n, part(n), *arrays, *numbers)
    return None


@kernel("sgd_step")
def sgd_step(
    params: Arrays, grads: Arrays, momentum_buffers: Arrays | None, lr: float, momentum: float,
    dampening: float, weight_decay: float, nesterov: bool, maximize: bool, first: bool,
) -> Any:  # fmt: skip
    decay, sign = float(weight_decay), -1.0 if maximize else 1.0
    if momentum == 0:
        return update(sgd_loop, (params, grads), float(lr), decay, sign)
    numbers = float(lr), float(momentum), 1.0 - dampening, decay, sign, nesterov, first
    return update(momentum_loop, (params, grads, momentum_buffers), *numbers)


@kernel("adam_step")
def adam_step(
    params: Arrays, grads: Arrays, exp_avgs: Arrays, exp_avg_sqs: Arrays,
    max_exp_avg_sqs: Arrays | None, lr: float, beta1: float, beta2: float, eps: float,
    weight_decay: float, decoupled: bool, amsgrad: bool, maximize: bool, step: int,
) -> Any:  # fmt: skip
    decay, keep = (0.0, 1.0 - lr * weight_decay) if decoupled else (float(weight_decay), 1.0)
    size, root = lr / (1.0 - beta1**step), sqrt(1.0 - beta2**step)
    numbers = (
        1.0 - beta1, float(beta2), 1.0 - beta2, size, root, float(eps), decay, keep,
        -1.0 if maximize else 1.0,
    )  # fmt: skip
    lists = (params, grads, exp_avgs, exp_avg_sqs)
    if amsgrad:
        return update(amsgrad_loop, (*lists, max_exp_avg_sqs), *numbers)
    return update(adam_loop, lists, *numbers)


@kernel("rmsprop_step")
def rmsprop_step(
    params: Arrays, grads: Arrays, square_avgs: Arrays, momentum_buffers: Arrays | None,
    grad_avgs: Arrays | None, lr: float, alpha: float, eps: float, weight_decay: float,
    momentum: float, centered: bool, maximize: bool,
) -> Any:  # fmt: skip
    if momentum != 0 or centered:
        return NotImplemented
    numbers = (
        float(lr), float(alpha), 1.0 - alpha, float(eps), float(weight_decay),
        -1.0 if maximize else 1.0,
    )  # fmt: skip
    return update(rmsprop_loop, (params, grads, square_avgs), *numbers)


@kernel("clamp_each")
def clamp_each(arrays: Arrays, limit: float) -> Any:
    return update(clamp_loop, (arrays,), float(limit))


@kernel("scale_each")
def scale_each(arrays: Arrays, factor: Array) -> Any:
    return update(scale_loop, (arrays,), float(factor))
