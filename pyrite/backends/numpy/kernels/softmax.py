"""Softmax, log-softmax, their gradients, and the logarithm of sums of exponentials; float32."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _math as m
from . import _simd as s
from ._jit import Loop, Matrix, Vector, inline, loop
from ._math import INF, ONE, ZERO
from ._registry import Array, dense, empty, kernel, like, rows
from .move import ordered_copy
from .reduce import layout, turned


@inline()
def highest(row: Vector) -> Any:
    """The largest element, whole vectors first; a NaN may be passed over: the sum will show it."""
    vectors = row.size // s.lanes(row)
    top = s.peak(row, 0, vectors) if vectors else -INF
    for j in range(vectors * s.lanes(row), row.size):
        top = row[j] if row[j] > top else top
    return top


@loop("contract", "reassoc")
def softmax_rows(x: Matrix, out: Matrix, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        source, target = x[r], out[r]
        top, total = highest(source), ZERO
        for j in range(source.size):
            e = m.exp_below(source[j] - top)
            target[j] = e
            total += e
        scale = ONE / total
        for j in range(source.size):
            target[j] *= scale


@loop("contract", "reassoc")
def log_softmax_rows(x: Matrix, out: Matrix, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        source, target = x[r], out[r]
        top, total = highest(source), ZERO
        for j in range(source.size):
            total += m.exp_below(source[j] - top)
        shift = m.log(total)
        for j in range(source.size):
            # Not x - (top + shift): that sum would round away the small term.
            target[j] = m.minus(m.minus(source[j], top), shift)


@loop("contract", "reassoc")
def log_sum_rows(x: Matrix, out: Vector, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        row, total = x[r], ZERO
        top = m.largest(row)
        shift = top if abs(top) < m.INF else ZERO
        for j in range(row.size):
            total += m.exp(row[j] - shift)
        out[r] = m.log(total) + shift


@loop("contract", "reassoc")
def softmax_grad_rows(g: Matrix, y: Matrix, out: Matrix, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        slope, source, target = g[r], y[r], out[r]
        dot = ZERO
        for j in range(source.size):
            dot += slope[j] * source[j]
        for j in range(source.size):
            target[j] = source[j] * (slope[j] - dot)


@loop("contract", "reassoc")
def log_softmax_grad_rows(g: Matrix, y: Matrix, out: Matrix, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        slope, source, target = g[r], y[r], out[r]
        total = ZERO
        for j in range(source.size):
            total += slope[j]
        for j in range(source.size):
            target[j] = slope[j] - m.exp(source[j]) * total


def along(run: Loop, dim: int, *arrays: Array) -> Any:
    """A loop over the rows of one or two arrays and of the result."""
    first = arrays[0]
    if not first.ndim or not first.size:
        return NotImplemented
    if dim not in (-1, first.ndim - 1):
        return _turned(run, dim, arrays)
    for a in arrays:
        if not dense(a) or a.shape != first.shape:
            return NotImplemented
    out, n = like(first), first.size // first.shape[-1]
    if first.ndim == 1:
        run(1, 1, *[a[None] for a in arrays], out[None])
    else:
        run(n, rows(n, 2 * first.shape[-1]), *arrays, out)
    return out


def _turned(run: Loop, dim: int, arrays: tuple[Array, ...]) -> Any:
    """`along` another dimension, which is copied to be the last and back."""
    if not -arrays[0].ndim <= dim < arrays[0].ndim:
        return NotImplemented
    moved = [ordered_copy(np.moveaxis(a, dim, -1)) for a in arrays]
    if any(a is NotImplemented for a in moved):
        return NotImplemented
    out = along(run, -1, *moved)
    return out if out is NotImplemented else ordered_copy(np.moveaxis(out, -1, dim))


@kernel("logsumexp", 64)
def logsumexp(input: Array, dim: Any, keepdim: bool = False) -> Any:
    found = layout(input.shape, dim, keepdim)
    if found is None or not dense(input):
        return NotImplemented
    if found.sizes is None or found.sizes[2] > 1:
        input = turned(input, found)
        if input is NotImplemented:
            return input
    out = empty(found.shape, input.dtype)
    n = out.size
    width = input.size // n
    log_sum_rows(n, rows(n, 2 * width), input.reshape(n, width), out)
    return out


@kernel("softmax")
def softmax(input: Array, dim: int) -> Any:
    return along(softmax_rows, dim, input)


@kernel("log_softmax")
def log_softmax(input: Array, dim: int) -> Any:
    return along(log_softmax_rows, dim, input)


@kernel("softmax_grad")
def softmax_grad(grad: Array, output: Array, dim: int) -> Any:
    return along(softmax_grad_rows, dim, grad, output)


@kernel("log_softmax_grad")
def log_softmax_grad(grad: Array, output: Array, dim: int) -> Any:
    return along(log_softmax_grad_rows, dim, grad, output)
