"""Layer norm and training batch norm, forward and backward; float32.

Statistics are two passes over a row or channel that lies in cache: mean, then squared deviations.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import _math as m
from ._jit import Cube, Matrix, Vector, loop
from ._math import ONE, ZERO
from ._registry import F32, F64, Array, dense, kernel, like, rows

MIN = 1  # element: none is too small
BLOCK = 32  # rows whose weight gradients are added up in float32
NONE = np.empty(0, F32)


@loop("contract", "reassoc")
def layer_norm_rows(
    x: Matrix, weight: Vector, bias: Vector, eps: float, out: Matrix, means: Vector,
    inverses: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    for r in range(lo, hi):
        row, into = x[r], out[r]
        # From the first element on: the mean of equal numbers is exact.
        mean = np.float32(row[0] + m.deviations(row, row[0]) / row.size)
        inverse = np.float32(1 / np.sqrt(m.squared_deviations(row, mean) / row.size + eps))
        means[r], inverses[r] = mean, inverse
        if weight.size == 0:
            for j in range(row.size):
                into[j] = (row[j] - mean) * inverse
        elif bias.size == 0:
            for j in range(row.size):
                into[j] = (row[j] - mean) * inverse * weight[j]
        else:
            for j in range(row.size):
                into[j] = (row[j] - mean) * inverse * weight[j] + bias[j]


@loop("contract", "reassoc")
def layer_norm_grad_blocks(
    g: Matrix, x: Matrix, means: Vector, inverses: Vector, weight: Vector, gx: Matrix, gw: Matrix,
    gb: Matrix, lo: int, hi: int,
) -> None:  # fmt: skip
    width = np.float32(x.shape[1])
    for b in range(lo, hi):
        by_weight, by_bias = gw[b], gb[b]
        for j in range(by_bias.size):
            by_weight[j], by_bias[j] = ZERO, ZERO
        for r in range(b * BLOCK, min((b + 1) * BLOCK, x.shape[0])):
            slope, row, into = g[r], x[r], gx[r]
            mean, inverse, plain, along = means[r], inverses[r], ZERO, ZERO
            for j in range(row.size):
                e = slope[j] * weight[j]
                plain += e
                along += e * ((row[j] - mean) * inverse)
            plain /= width
            along /= width
            for j in range(row.size):
                h = (row[j] - mean) * inverse
                into[j] = inverse * (slope[j] * weight[j] - plain - h * along)
            for j in range(row.size):
                by_weight[j] += slope[j] * ((row[j] - mean) * inverse)
                by_bias[j] += slope[j]


@kernel("layer_norm", MIN)
def layer_norm(
    input: Array,
    normalized_shape: tuple[int, ...],
    weight: Array | None,
    bias: Array | None,
    eps: float,
) -> Any:
    width = prod(normalized_shape)
    if (
        input.size < MIN
        or width < 8
        or not all(p is None or dense(p) for p in (input, weight, bias))
    ):
        return NotImplemented
    if weight is None and bias is not None:
        return NotImplemented
    n, out = input.size // width, like(input)
    means, inverses = np.empty(n, F32), np.empty(n, F32)
    layer_norm_rows(
        n, rows(n, width), input.reshape(n, width), _flat(weight), _flat(bias), eps,
        out.reshape(n, width), means, inverses,
    )  # fmt: skip
    outer = input.shape[: input.ndim - len(normalized_shape)] + (1,) * len(normalized_shape)
    return out, means.reshape(outer), inverses.reshape(outer)


def _flat(parameter: Array | None) -> Array:
    return NONE if parameter is None else parameter.reshape(-1)


@kernel("layer_norm_grad", MIN)
def layer_norm_grad(
    grad: Array,
    input: Array,
    mean: Array,
    rstd: Array,
    weight: Array | None,
    normalized_shape: tuple[int, ...],
    eps: float,
) -> Any:
    width = prod(normalized_shape)
    arrays = (grad, input, mean, rstd, *([] if weight is None else [weight]))
    if grad.size < MIN or width < 8 or not all(dense(a) for a in arrays):
        return NotImplemented
    n, gx = input.size // width, like(input)
    blocks = -(-n // BLOCK)
    gw, gb = np.empty((blocks, width), F32), np.empty((blocks, width), F32)
    factor = np.ones(width, F32) if weight is None else weight.reshape(-1)
    layer_norm_grad_blocks(
        blocks, rows(blocks, BLOCK * width), grad.reshape(n, width), input.reshape(n, width),
        mean.reshape(-1), rstd.reshape(-1), factor, gx.reshape(n, width), gw, gb,
    )  # fmt: skip
    return gx, _total(gw).reshape(normalized_shape), _total(gb).reshape(normalized_shape)


def _total(parts: Array) -> Array:
    """The sum of the blocks' sums, in float64."""
    return parts[0] if len(parts) == 1 else parts.sum(0, dtype=F64).astype(F32)


@loop("contract", "reassoc")
def batch_norm_channels(
    x: Cube, weight: Vector, bias: Vector, eps: float, out: Cube, means: Vector, inverses: Vector,
    lo: int, hi: int,
) -> None:  # fmt: skip
    count = x.shape[0] * x.shape[2]
    for c in range(lo, hi):
        total = 0.0
        for n in range(x.shape[0]):
            total += m.total(x[n, c])
        mean = np.float32(total / count)
        total = 0.0
        for n in range(x.shape[0]):
            total += m.squared_deviations(x[n, c], mean)
        inverse = np.float32(1 / np.sqrt(total / count + eps))
        means[c], inverses[c] = mean, inverse
        scale = inverse * weight[c] if weight.size else inverse
        shift = bias[c] if bias.size else ZERO
        for n in range(x.shape[0]):
            row, into = x[n, c], out[n, c]
            for j in range(row.size):
                into[j] = (row[j] - mean) * scale + shift


@loop("contract", "reassoc")
def batch_norm_grad_channels(
    g: Cube, x: Cube, weight: Vector, means: Vector, inverses: Vector, gx: Cube, gw: Vector,
    gb: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    count = x.shape[0] * x.shape[2]
    for c in range(lo, hi):
        mean, inverse, plain, along = means[c], inverses[c], 0.0, 0.0
        for n in range(x.shape[0]):
            slope, row = g[n, c], x[n, c]
            plain += m.total(slope)
            part = ZERO
            for j in range(row.size):
                part += slope[j] * (row[j] - mean)
            along += part
        gb[c], gw[c] = plain, along * inverse
        scale = inverse * (weight[c] if weight.size else ONE)
        level = np.float32(plain / count)
        tilt = np.float32(along / count * inverse * inverse)
        for n in range(x.shape[0]):
            slope, row, into = g[n, c], x[n, c], gx[n, c]
            for j in range(row.size):
                into[j] = scale * (slope[j] - level - (row[j] - mean) * tilt)


def _channels(*arrays: Array | None) -> tuple[int, int, int] | None:
    """(N, C, the rest) of equal dense arrays whose rest is worth a loop, else None."""
    first = arrays[0]
    if first is None or first.ndim < 3 or not all(a is None or dense(a) for a in arrays):
        return None
    shape = first.shape[0], first.shape[1], prod(first.shape[2:])
    return shape if first.size >= MIN and shape[2] >= 4 else None


@kernel("batch_norm_train", MIN)
def batch_norm_train(input: Array, weight: Array | None, bias: Array | None, eps: float) -> Any:
    cube = _channels(input, weight, bias)
    if cube is None:
        return NotImplemented
    n, channels, rest = cube
    out, mean, inverse = like(input), np.empty(channels, F32), np.empty(channels, F32)
    batch_norm_channels(
        channels, rows(channels, n * rest), input.reshape(cube), _flat(weight), _flat(bias), eps,
        out.reshape(cube), mean, inverse,
    )  # fmt: skip
    return out, mean, inverse


@kernel("batch_norm_grad", MIN)
def batch_norm_grad(
    grad: Array, input: Array, weight: Array | None, mean: Array, invstd: Array, eps: float
) -> Any:
    cube = _channels(input, grad, weight, mean, invstd)
    if cube is None:
        return NotImplemented
    n, channels, rest = cube
    gx, gw, gb = like(input), np.empty(channels, F32), np.empty(channels, F32)
    batch_norm_grad_channels(
        channels, rows(channels, n * rest), grad.reshape(cube), input.reshape(cube), _flat(weight),
        mean, invstd, gx.reshape(cube), gw, gb,
    )  # fmt: skip
    return gx, gw, gb


@loop("contract")
def batch_norm_planes(
    x: Matrix, mean: Vector, var: Vector, weight: Vector, bias: Vector, eps: float, out: Matrix,
    lo: int, hi: int,
) -> None:  # fmt: skip
    for p in range(lo, hi):
        row, into, c = x[p], out[p], p % mean.size
        scale = np.float32(1 / np.sqrt(var[c] + eps))
        scale = scale * weight[c] if weight.size else scale
        shift = (bias[c] if bias.size else ZERO) - mean[c] * scale
        for j in range(row.size):
            into[j] = row[j] * scale + shift


@kernel("batch_norm_eval", MIN)
def batch_norm_eval(
    input: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None, eps: float
) -> Any:
    cube = _channels(input, mean, var, weight, bias)
    if cube is None:
        return NotImplemented
    out, planes, rest = like(input), cube[0] * cube[1], cube[2]
    batch_norm_planes(
        planes, rows(planes, rest), input.reshape(planes, rest), mean, var, _flat(weight),
        _flat(bias), eps, out.reshape(planes, rest),
    )  # fmt: skip
    return out
