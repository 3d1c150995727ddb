"""Optimizer updates: one call for all parameters that share hyperparameters, written in place.

float16 and bfloat16 parameters are updated in float32 and rounded once. A list that an option
leaves unused is empty.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from math import sqrt
from typing import Any, TypeAlias

from .reduce import vector_norm
from .table import Array, Arrays, Op, op

# None where the options leave the list of these arrays empty.
ArrayOrNone: TypeAlias = Any


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


def update(rule: Callable[..., None]) -> Op:
    """An op from the rule for one parameter, whose arrays it writes, all but the gradient.

    The op takes lists, named in the plural, whose entries are `Array` or `ArrayOrNone` here.
    """
    form = inspect.signature(rule)
    xp_, *rest = form.parameters.values()
    arrays = [p for p in rest if p.annotation.startswith("Array")]
    count = len(arrays)

    def step(xp: Any, *given: Any) -> None:
        each, options = given[:count], given[count:]
        _each(lambda *row: rule(xp, *row, *options), *[arrays or () for arrays in each])

    lists = [
        p.replace(name=f"{p.name}s", annotation=p.annotation.replace("Array", "Arrays"))
        for p in arrays
    ]
    step.__signature__ = form.replace(  # type: ignore[attr-defined]
        parameters=[xp_, *lists, *rest[count:]]
    )
    step.__name__, step.__doc__ = rule.__name__, rule.__doc__
    written = [p.name for p in lists if p.name != "grads"]
    return op(kind="update", outputs=written, public="")(step)


@update
def sgd_step(
    xp: Any, param: Array, grad: Array, momentum_buffer: ArrayOrNone, lr: float, momentum: float,
    dampening: float, weight_decay: float, nesterov: bool, maximize: bool, first: bool,
) -> None:  # fmt: skip
    """Stochastic gradient descent; `first`: the buffers have no value yet."""
    g = _gradient(param, grad, weight_decay, maximize)
    if momentum:
        if first:
            momentum_buffer[...] = g
        else:
            momentum_buffer *= momentum
            momentum_buffer += (1 - dampening) * g
        g = g + momentum * momentum_buffer if nesterov else momentum_buffer
    param -= lr * g


@update
def adam_step(
    xp: Any, param: Array, grad: Array, exp_avg: Array, exp_avg_sq: Array,
    max_exp_avg_sq: ArrayOrNone, lr: float, beta1: float, beta2: float, eps: float,
    weight_decay: float, decoupled: bool, amsgrad: bool, maximize: bool, step: int,
) -> None:  # fmt: skip
    """Adam (Kingma & Ba, 2015); `decoupled`: AdamW (Loshchilov & Hutter, 2019); `step` from 1."""
    g = _decayed(param, grad, lr, weight_decay, decoupled, maximize)
    _average(exp_avg, g, 1 - beta1)
    _average_square(exp_avg_sq, g, beta2)
    if amsgrad:
        xp.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
    spread = xp.sqrt(max_exp_avg_sq if amsgrad else exp_avg_sq)
    spread /= sqrt(1 - beta2**step)
    spread += eps
    param -= xp.divide(lr / (1 - beta1**step) * exp_avg, spread, out=spread)


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


@update
def rmsprop_step(
    xp: Any, param: Array, grad: Array, square_avg: Array, momentum_buffer: ArrayOrNone,
    grad_avg: ArrayOrNone, lr: float, alpha: float, eps: float, weight_decay: float,
    momentum: float, centered: bool, maximize: bool,
) -> None:  # fmt: skip
    """RMSprop (Hinton, 2012), centered as in Graves (2013)."""
    g = _gradient(param, grad, weight_decay, maximize)
    _average_square(square_avg, g, alpha)
    spread = square_avg
    if centered:
        _average(grad_avg, g, 1 - alpha)
        spread = square_avg - grad_avg * grad_avg
    spread = xp.sqrt(spread)
    spread += eps
    if momentum:
        momentum_buffer *= momentum
        momentum_buffer += xp.divide(g, spread, out=spread)
        param -= lr * momentum_buffer
    else:
        param -= xp.divide(lr * g, spread, out=spread)


@update
def adadelta_step(
    xp: Any, param: Array, grad: Array, square_avg: Array, acc_delta: Array, lr: float,
    rho: float, eps: float, weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """Adadelta (Zeiler, 2012)."""
    g = _gradient(param, grad, weight_decay, maximize)
    _average_square(square_avg, g, rho)
    delta = xp.sqrt(acc_delta + eps) / xp.sqrt(square_avg + eps) * g
    _average_square(acc_delta, delta, rho)
    param -= lr * delta


@update
def adagrad_step(
    xp: Any, param: Array, grad: Array, sum: Array, lr: float, lr_decay: float,
    weight_decay: float, eps: float, maximize: bool, step: int,
) -> None:  # fmt: skip
    """Adagrad (Duchi et al., 2011); `step` from 1."""
    g = _gradient(param, grad, weight_decay, maximize)
    sum += g * g
    param -= lr / (1 + (step - 1) * lr_decay) * g / (xp.sqrt(sum) + eps)


@update
def adamax_step(
    xp: Any, param: Array, grad: Array, exp_avg: Array, exp_inf: Array, lr: float, beta1: float,
    beta2: float, eps: float, weight_decay: float, maximize: bool, step: int,
) -> None:  # fmt: skip
    """Adamax, Adam by the largest gradient (Kingma & Ba, 2015); `step` from 1."""
    g = _gradient(param, grad, weight_decay, maximize)
    _average(exp_avg, g, 1 - beta1)
    xp.maximum(exp_inf * beta2, abs(g) + eps, out=exp_inf)
    param -= lr / (1 - beta1**step) * exp_avg / exp_inf


@update
def asgd_step(
    xp: Any, param: Array, grad: Array, ax: Array, eta: float, mu: float, lambd: float,
    weight_decay: float, maximize: bool,
) -> None:  # fmt: skip
    """Averaged SGD (Polyak & Juditsky, 1992): a step of size `eta`, averaged with weight `mu`."""
    g = _gradient(param, grad, weight_decay, maximize)
    param *= 1 - lambd * eta
    param -= eta * g
    _average(ax, param, mu)


@update
def nadam_step(
    xp: Any, param: Array, grad: Array, exp_avg: Array, exp_avg_sq: Array, lr: float,
    beta1: float, beta2: float, eps: float, weight_decay: float, decoupled_weight_decay: bool,
    maximize: bool, step: int, mu: float, mu_next: float, mu_product: float,
) -> None:  # fmt: skip
    """Adam with Nesterov's momentum (Dozat, 2016), whose momenta are `mu`; `step` from 1."""
    g = _decayed(param, grad, lr, weight_decay, decoupled_weight_decay, maximize)
    _average(exp_avg, g, 1 - beta1)
    _average_square(exp_avg_sq, g, beta2)
    now, later = lr * (1 - mu) / (1 - mu_product), lr * mu_next / (1 - mu_product * mu_next)
    param -= (now * g + later * exp_avg) / (xp.sqrt(exp_avg_sq / (1 - beta2**step)) + eps)


@update
def radam_step(
    xp: Any, param: Array, grad: Array, exp_avg: Array, exp_avg_sq: Array, lr: float,
    beta1: float, beta2: float, eps: float, weight_decay: float, decoupled_weight_decay: bool,
    maximize: bool, step: int,
) -> None:  # fmt: skip
    """Rectified Adam (Liu et al., 2020); `step` from 1."""
    g = _decayed(param, grad, lr, weight_decay, decoupled_weight_decay, maximize)
    _average(exp_avg, g, 1 - beta1)
    _average_square(exp_avg_sq, g, beta2)
    most = 2 / (1 - beta2) - 1
    length = most - 2 * step * beta2**step / (1 - beta2**step)
    move = lr / (1 - beta1**step) * exp_avg
    if length > 5:
        rect = (length - 4) * (length - 2) * most / ((most - 4) * (most - 2) * length)
        move = move * (sqrt(rect * (1 - beta2**step)) / (xp.sqrt(exp_avg_sq) + eps))
    param -= move


@update
def rprop_step(
    xp: Any, param: Array, grad: Array, prev: Array, step_size: Array, shrink: float,
    grow: float, least: float, most: float, maximize: bool,
) -> None:  # fmt: skip
    """Resilient backpropagation (Riedmiller & Braun, 1993)."""
    g = _gradient(param, grad, 0, maximize)
    turn = g * prev
    scale = xp.where(turn > 0, grow, xp.where(turn < 0, shrink, 1.0))
    step_size *= scale.astype(step_size.dtype)
    xp.clip(step_size, least, most, out=step_size)
    g = xp.where(turn < 0, 0, g).astype(param.dtype)
    param -= xp.sign(g) * step_size
    prev[...] = g


def _root_mean_square(xp: Any, array: Array) -> Array:
    return xp.sqrt((array * array).mean())


@update
def adafactor_step(
    xp: Any, param: Array, grad: Array, row_var: ArrayOrNone, col_var: ArrayOrNone,
    variance: ArrayOrNone, lr: float, beta2_decay: float, eps1: float, eps2: float, d: float,
    weight_decay: float, maximize: bool, step: int,
) -> None:  # fmt: skip
    """Adafactor (Shazeer & Stern, 2018), of matrices (row and column variances) or of vectors."""
    size = min(lr, 1 / sqrt(step)) * xp.maximum(_root_mean_square(xp, param), eps2)
    g = _decayed(param, grad, lr, weight_decay, True, maximize)
    weight, square = step**beta2_decay, g * g
    if variance is None:
        _average(row_var, square.mean(axis=-1, keepdims=True), weight)
        _average(col_var, square.mean(axis=-2, keepdims=True), weight)
        square = xp.matmul(row_var, col_var)
        square /= xp.maximum(row_var.mean(axis=-2, keepdims=True), eps1)
    else:
        _average(variance, square, weight)
        square = variance
    change = g / xp.sqrt(xp.maximum(square, eps1 * eps1))
    change *= size / xp.maximum(_root_mean_square(xp, change) / d, 1.0)
    param -= change


def _as_bfloat16(xp: Any, array: Array) -> Array:
    """float32 values rounded to the nearest bfloat16, ties to even."""
    bits = xp.ascontiguousarray(array).view("uint32")
    bits = (bits + (0x7FFF + ((bits >> 16) & 1))) & 0xFFFF0000
    return bits.astype("uint32").view("float32")


def _orthogonal(
    xp: Any, matrix: Array, coefficients: tuple[float, ...], eps: float, n: int
) -> Array:
    """`n` steps of Newton's and Schulz's iteration towards the nearest orthogonal matrix."""
    a, b, c = coefficients
    x = _as_bfloat16(xp, matrix.astype("float32"))
    x = _as_bfloat16(xp, x / xp.maximum(_as_bfloat16(xp, xp.sqrt((x * x).sum())), eps))
    for _ in range(n):
        gram = _as_bfloat16(xp, x @ x.T)
        x = _as_bfloat16(xp, a * x + _as_bfloat16(xp, b * gram + c * (gram @ gram)) @ x)
    return x


@update
def muon_step(
    xp: Any, param: Array, grad: Array, momentum_buffer: Array, lr: float, weight_decay: float,
    momentum: float, nesterov: bool, ns_coefficients: tuple[float, ...], eps: float,
    ns_steps: int, adjust_lr_fn: str | None,
) -> None:  # fmt: skip
    """Muon (Jordan et al., 2024): the momentum's nearest orthogonal matrix, about.

    Found by Newton-Schulz iterations in bfloat16.
    """
    rows, columns = param.shape
    _average(momentum_buffer, grad, 1 - momentum)
    g = grad + momentum * (momentum_buffer - grad) if nesterov else momentum_buffer
    wide = g.T if rows > columns else g
    move = _orthogonal(xp, wide, ns_coefficients, eps, ns_steps)
    param *= 1 - lr * weight_decay
    size = lr * sqrt(max(1, rows / columns))
    if adjust_lr_fn == "match_rms_adamw":
        size = lr * 0.2 * sqrt(max(rows, columns))
    param -= size * (move.T if rows > columns else move).astype(param.dtype)


@update
def clamp_each(xp: Any, array: Array, limit: float) -> None:
    """Limit every element to `[-limit, limit]`; NaN stays."""
    xp.clip(array, -limit, limit, out=array)


@op(kind="update", outputs=("arrays",), public="")
def scale_each(xp: Any, arrays: Arrays, factor: Array) -> None:
    """Multiply by `factor` (0-d)."""

    def rule(array: Array) -> None:
        array *= factor.astype(array.dtype)

    _each(rule, arrays)


@op(dtypes="any", complex="written", public="")
def total_norm(xp: Any, arrays: Arrays, ord: float) -> Array:
    """The norm of all arrays as one vector; no derivative."""
    norm = vector_norm.generic
    return norm(xp, xp.stack([norm(xp, array, ord) for array in arrays]), ord)


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
