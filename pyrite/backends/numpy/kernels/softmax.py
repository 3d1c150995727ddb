"""Softmax and log-softmax over the last dimension, and their gradients; float32."""

from __future__ import annotations

from typing import Any

from . import _math as m
from ._jit import Loop, Matrix, loop
from ._math import ONE, ZERO
from ._registry import Array, dense, kernel, like, rows


@loop("contract", "reassoc")
def softmax_rows(x: Matrix, out: Matrix, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        source, target = x[r], out[r]
        top, total = m.largest(source), ZERO
        for j in range(source.size):
            e = m.exp(source[j] - top)
            target[j] = e
            total += e
        scale = ONE / total
        for j in range(source.size):
            target[j] *= scale


@loop("contract", "reassoc")
def log_softmax_rows(x: Matrix, out: Matrix, lo: int, hi: int) -> None:
    for r in range(lo, hi):
        source, target = x[r], out[r]
        top, total = m.largest(source), ZERO
        for j in range(source.size):
            total += m.exp(source[j] - top)
        shift = m.log(total)
        for j in range(source.size):
            # Not x - (top + shift): that sum would round away the small term.
            target[j] = m.minus(m.minus(source[j], top), shift)


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


def last_dim(run: Loop, dim: int, *arrays: Array) -> Any:
    """A loop over the rows of one or two arrays and of the result."""
    first = arrays[0]
    if not first.ndim or not first.size or dim not in (-1, first.ndim - 1):
        return NotImplemented
    for a in arrays:
        if not dense(a) or a.shape != first.shape:
            return NotImplemented
    out, n = like(first), first.size // first.shape[-1]
    if first.ndim == 1:
        run(1, 1, *[a[None] for a in arrays], out[None])
    else:
        run(n, rows(n, 2 * first.shape[-1]), *arrays, out)
    return out


@kernel("softmax")
def softmax(input: Array, dim: int) -> Any:
    return last_dim(softmax_rows, dim, input)


@kernel("log_softmax")
def log_softmax(input: Array, dim: int) -> Any:
    return last_dim(log_softmax_rows, dim, input)


@kernel("softmax_grad")
def softmax_grad(grad: Array, output: Array, dim: int) -> Any:
    return last_dim(softmax_grad_rows, dim, grad, output)


@kernel("log_softmax_grad")
def log_softmax_grad(grad: Array, output: Array, dim: int) -> Any:
    return last_dim(log_softmax_grad_rows, dim, grad, output)
