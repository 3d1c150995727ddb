"""Optimizer updates: one call for all parameters that share hyperparameters, written in place.

float16 and bfloat16 parameters are updated in float32 and rounded once. A list that an option
leaves unused is empty.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any

from .table import Array, Arrays, op


def _writable(array: Array) -> Array:
    """The same memory as real numbers (complex ones are pairs) of at least one dimension.

    Arithmetic on 0-d arrays would give scalars, which no `out=` can be.
    """
    if array.dtype.kind == "c":
        return array[..., None].view(array.real.dtype)
    return array if array.ndim else array.reshape(1)


def _each(rule: Callable[..., None], *lists: Arrays) -> None:
    """Apply a rule per parameter, in float32 where that has half precision; None: unused list."""
    for i in range(len(lists[0])):
        row: list[Any] = [_writable(arrays[i]) if arrays else None for arrays in lists]
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


def _decayed(
    param: Array, grad: Array, lr: float, weight_decay: float, decoupled: bool, maximize: bool
) -> Array:
    """The gradient with its L2 penalty, after the parameter shrank if the decay is decoupled."""
    if decoupled and weight_decay:
        param *= 1 - lr * weight_decay
    return _gradient(param, grad, 0 if decoupled else weight_decay, maximize)


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
        g = _decayed(p, g, lr, weight_decay, decoupled, maximize)
        _average(mean, g, 1 - beta1)
        _average_square(square, g, beta2)
        if amsgrad:
            xp.maximum(top, square, out=top)
        spread = xp.sqrt(top if amsgrad else square)
        spread /= root
        spread += eps
        p -= xp.divide(size * mean, spread, out=spread)

    _each(rule, params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs or ())


@op(kind="update", outputs=("params", "exp_avgs", "exp_avg_sqs"), public="")
def sparse_adam_step(
    xp: Any, params: Arrays, grads: Arrays, indices: Arrays, exp_avgs: Arrays, exp_avg_sqs: Arrays,
    lr: float, beta1: float, beta2: float, eps: float, maximize: bool, step: int,
) -> None:  # fmt: skip
    """Adam where `grads`, the values at `indices` (dimensions, entries), are; `step` from 1."""
    size = lr * sqrt(1 - beta2**step) / (1 - beta1**step)

    def rule(place: tuple[Any, ...], p: Array, g: Array, mean: Array, square: Array) -> None:
        m, v = mean[place], square[place]
        _average(m, _gradient(p, g, 0, maximize), 1 - beta1)
        _average_square(v, g, beta2)
        mean[place], square[place] = m, v
        p[place] -= size * m / (xp.sqrt(v) + eps)

    for i, place in enumerate(indices):
        lists = [[arrays[i]] for arrays in (params, grads, exp_avgs, exp_avg_sqs)]
        _each(partial(rule, tuple(place)), *lists)


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


@op(kind="update", outputs=("params", "square_avgs", "acc_deltas"), public="")
def adadelta_step(
    xp: Any, params: Arrays, grads: Arrays, square_avgs: Arrays, acc_deltas: Arrays, lr: float,
    rho: float, eps: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """Adadelta (Zeiler, 2012)."""

    def rule(p: Array, g: Array, square: Array, change: Array) -> None:
        g = _gradient(p, g, weight_decay, maximize)
        _average_square(square, g, rho)
        delta = xp.sqrt(change + eps) / xp.sqrt(square + eps) * g
        _average_square(change, delta, rho)
        p -= lr * delta

    _each(rule, params, grads, square_avgs, acc_deltas)


@op(kind="update", outputs=("params", "sums"), public="")
def adagrad_step(
    xp: Any, params: Arrays, grads: Arrays, sums: Arrays, lr: float, lr_decay: float,
    weight_decay: float, eps: float, maximize: bool, step: int,
) -> None:  # fmt: skip
    """Adagrad (Duchi et al., 2011); `step` from 1."""
    size = lr / (1 + (step - 1) * lr_decay)

    def rule(p: Array, g: Array, total: Array) -> None:
        g = _gradient(p, g, weight_decay, maximize)
        total += g * g
        p -= size * g / (xp.sqrt(total) + eps)

    _each(rule, params, grads, sums)


@op(kind="update", outputs=("params", "exp_avgs", "exp_infs"), public="")
def adamax_step(
    xp: Any, params: Arrays, grads: Arrays, exp_avgs: Arrays, exp_infs: Arrays, lr: float,
    beta1: float, beta2: float, eps: float, weight_decay: float, maximize: bool, step: int,
) -> None:  # fmt: skip
    """Adamax, Adam by the largest gradient (Kingma & Ba, 2015); `step` from 1."""
    size = lr / (1 - beta1**step)

    def rule(p: Array, g: Array, mean: Array, top: Array) -> None:
        g = _gradient(p, g, weight_decay, maximize)
        _average(mean, g, 1 - beta1)
        xp.maximum(top * beta2, abs(g) + eps, out=top)
        p -= size * mean / top

    _each(rule, params, grads, exp_avgs, exp_infs)


@op(kind="update", outputs=("params", "axs"), public="")
def asgd_step(
    xp: Any, params: Arrays, grads: Arrays, axs: Arrays, eta: float, mu: float, lambd: float,
    weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """Averaged SGD (Polyak & Juditsky, 1992): a step of size `eta`, averaged with weight `mu`."""

    def rule(p: Array, g: Array, mean: Array) -> None:
        g = _gradient(p, g, weight_decay, maximize)
        p *= 1 - lambd * eta
        p -= eta * g
        _average(mean, p, mu)

    _each(rule, params, grads, axs)


@op(kind="update", outputs=("params", "exp_avgs", "exp_avg_sqs"), public="")
def nadam_step(
    xp: Any, params: Arrays, grads: Arrays, exp_avgs: Arrays, exp_avg_sqs: Arrays, lr: float,
    beta1: float, beta2: float, eps: float, weight_decay: float, decoupled_weight_decay: bool,
    maximize: bool, step: int, mu: float, mu_next: float, mu_product: float,
) -> None:  # fmt: skip
    """Adam with Nesterov's momentum (Dozat, 2016), whose momenta are `mu`; `step` from 1."""
    now, later = lr * (1 - mu) / (1 - mu_product), lr * mu_next / (1 - mu_product * mu_next)

    def rule(p: Array, g: Array, mean: Array, square: Array) -> None:
        g = _decayed(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
        _average(mean, g, 1 - beta1)
        _average_square(square, g, beta2)
        p -= (now * g + later * mean) / (xp.sqrt(square / (1 - beta2**step)) + eps)

    _each(rule, params, grads, exp_avgs, exp_avg_sqs)


@op(kind="update", outputs=("params", "exp_avgs", "exp_avg_sqs"), public="")
def radam_step(
    xp: Any, params: Arrays, grads: Arrays, exp_avgs: Arrays, exp_avg_sqs: Arrays, lr: float,
    beta1: float, beta2: float, eps: float, weight_decay: float, decoupled_weight_decay: bool,
    maximize: bool, step: int,
) -> None:  # fmt: skip
    """Rectified Adam (Liu et al., 2020); `step` from 1."""
    most = 2 / (1 - beta2) - 1
    length = most - 2 * step * beta2**step / (1 - beta2**step)
    size, factor = lr / (1 - beta1**step), 0.0
    if length > 5:
        rect = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        factor = sqrt(rect * (1 - beta2**step))

    def rule(p: Array, g: Array, mean: Array, square: Array) -> None:
        g = _decayed(p, g, lr, weight_decay, decoupled_weight_decay, maximize)
        _average(mean, g, 1 - beta1)
        _average_square(square, g, beta2)
        p -= size * mean * (factor / (xp.sqrt(square) + eps) if factor else 1.0)

    _each(rule, params, grads, exp_avgs, exp_avg_sqs)


@op(kind="update", outputs=("params", "prevs", "step_sizes"), public="")
def rprop_step(
    xp: Any, params: Arrays, grads: Arrays, prevs: Arrays, step_sizes: Arrays, shrink: float,
    grow: float, least: float, most: float, maximize: bool,
) -> None:  # fmt: skip
    """Resilient backpropagation (Riedmiller & Braun, 1993)."""

    def rule(p: Array, g: Array, prev: Array, size: Array) -> None:
        g = _gradient(p, g, 0, maximize)
        turn = g * prev
        size *= xp.where(turn > 0, grow, xp.where(turn < 0, shrink, 1.0)).astype(size.dtype)
        xp.clip(size, least, most, out=size)
        g = xp.where(turn < 0, 0, g).astype(p.dtype)
        p -= xp.sign(g) * size
        prev[...] = g

    _each(rule, params, grads, prevs, step_sizes)


@op(kind="update", outputs=("params", "row_vars", "col_vars", "variances"), public="")
def adafactor_step(
    xp: Any, params: Arrays, grads: Arrays, row_vars: Arrays | None, col_vars: Arrays | None,
    variances: Arrays | None, lr: float, beta2_decay: float, eps1: float, eps2: float, d: float,
    weight_decay: float, maximize: bool, step: int,
) -> None:  # fmt: skip
    """Adafactor (Shazeer & Stern, 2018), of matrices (row and column variances) or of vectors."""
    weight, rate = step**beta2_decay, min(lr, 1 / sqrt(step))

    def size_of(array: Array) -> Array:
        return xp.sqrt((array * array).mean())

    def rule(p: Array, g: Array, row: Array, column: Array, variance: Array) -> None:
        size = rate * xp.maximum(size_of(p), eps2)
        g = _decayed(p, g, lr, weight_decay, True, maximize)
        square = g * g
        if variance is None:
            _average(row, square.mean(axis=-1, keepdims=True), weight)
            _average(column, square.mean(axis=-2, keepdims=True), weight)
            square = xp.matmul(row, column)
            square /= xp.maximum(row.mean(axis=-2, keepdims=True), eps1)
        else:
            _average(variance, square, weight)
            square = variance
        change = g / xp.sqrt(xp.maximum(square, eps1 * eps1))
        change *= size / xp.maximum(size_of(change) / d, 1.0)
        p -= change

    _each(rule, params, grads, row_vars or (), col_vars or (), variances or ())


def _as_bfloat16(xp: Any, array: Array) -> Array:
    """float32 values rounded to the nearest bfloat16, ties to even."""
    bits = xp.ascontiguousarray(array).view("uint32")
    bits = (bits + (0x7FFF + ((bits >> 16) & 1))) & 0xFFFF0000
    return bits.astype("uint32").view("float32")


@op(kind="update", outputs=("params", "momentum_buffers"), public="")
def muon_step(
    xp: Any, params: Arrays, grads: Arrays, momentum_buffers: Arrays, lr: float,
    weight_decay: float, momentum: float, nesterov: bool, ns_coefficients: tuple[float, ...],
    eps: float, ns_steps: int, adjust_lr_fn: str | None,
) -> None:  # fmt: skip
    """Muon (Jordan et al., 2024): the momentum's nearest orthogonal matrix, about.

    Found by Newton-Schulz iterations in bfloat16.
    """
    a, b, c = ns_coefficients

    def orthogonal(matrix: Array) -> Array:
        x = _as_bfloat16(xp, matrix.astype("float32"))
        x = _as_bfloat16(xp, x / xp.maximum(_as_bfloat16(xp, xp.sqrt((x * x).sum())), eps))
        for _ in range(ns_steps):
            gram = _as_bfloat16(xp, x @ x.T)
            x = _as_bfloat16(xp, a * x + _as_bfloat16(xp, b * gram + c * (gram @ gram)) @ x)
        return x

    def rule(p: Array, g: Array, buffer: Array) -> None:
        rows, columns = p.shape
        _average(buffer, g, 1 - momentum)
        g = g + momentum * (buffer - g) if nesterov else buffer
        update = orthogonal(g.T).T if rows > columns else orthogonal(g)
        p *= 1 - lr * weight_decay
        size = lr * sqrt(max(1, rows / columns))
        if adjust_lr_fn == "match_rms_adamw":
            size = lr * 0.2 * sqrt(max(rows, columns))
        p -= size * update.astype(p.dtype)

    _each(rule, params, grads, momentum_buffers)


@op(kind="update", outputs=("grads", "found_inf"), public="")
def unscale_grads(xp: Any, grads: Arrays, found_inf: Array, inv_scale: Array) -> None:
    """Multiply gradients by `inv_scale` (0-d); `found_inf` (0-d) becomes 1 if one is not finite."""

    def rule(g: Array) -> None:
        xp.maximum(found_inf, xp.logical_not(xp.isfinite(g)).any(), out=found_inf)
        g *= inv_scale

    _each(rule, grads)


@op(kind="update", outputs=("scale", "growth_tracker"), public="")
def update_scale(
    xp: Any, scale: Array, growth_tracker: Array, found_inf: Array, growth_factor: float,
    backoff_factor: float, growth_interval: int,
) -> None:  # fmt: skip
    """Loss scaling (0-d arrays): smaller after an overflow, larger after `growth_interval` steps.

    A scale that would become infinite stays.
    """
    bad, run = found_inf != 0, growth_tracker + 1
    grown = scale * growth_factor
    due = run >= growth_interval
    larger = xp.where(xp.logical_and(due, xp.isfinite(grown)), grown, scale)
    scale[...] = xp.where(bad, scale * backoff_factor, larger)
    growth_tracker[...] = xp.where(xp.logical_or(bad, due), 0, run)
