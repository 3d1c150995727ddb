"""Max and average pooling over the last two dimensions, and their gradients; float32."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from ._jit import Cube, Matrix, Table, loop
from ._math import ZERO
from ._registry import F32, I64, Array, dense, empty, kernel, rows

MIN = 64
Sizes = tuple[int, ...]
LOWEST = np.float32(-np.inf)


@loop()
def max_windows(
    x: Cube, kh: int, kw: int, sh: int, sw: int, ph: int, pw: int, dh: int, dw: int, out: Cube,
    indices: Table, lo: int, hi: int,
) -> None:  # fmt: skip
    """Per plane: the largest element of each window, the last NaN if any, and its flat index."""
    height, width = x.shape[1], x.shape[2]
    columns = out.shape[2]
    for p in range(lo, hi):
        for i in range(out.shape[1]):
            top = i * sh - ph
            while top < 0:
                top += dh
            end = min(i * sh - ph + (kh - 1) * dh + 1, height)
            for j in range(columns):
                left = j * sw - pw
                while left < 0:
                    left += dw
                right = min(j * sw - pw + (kw - 1) * dw + 1, width)
                best, at = LOWEST, top * width + left
                for r in range(top, end, dh):
                    for c in range(left, right, dw):
                        v = x[p, r, c]
                        if v > best or v != v:
                            best, at = v, r * width + c
                out[p, i, j] = best
                indices[p, i * columns + j] = at


@loop()
def max_pairs(x: Cube, out: Cube, indices: Table, lo: int, hi: int) -> None:
    """Windows of 2 x 2 side by side, without padding: straight-line code that vectorises."""
    width, columns = x.shape[2], out.shape[2]
    for p in range(lo, hi):
        for i in range(out.shape[1]):
            upper, lower, into = x[p, 2 * i], x[p, 2 * i + 1], out[p, i]
            places = indices[p, i * columns : (i + 1) * columns]
            for j in range(columns):
                best, at = upper[2 * j], 0
                v = upper[2 * j + 1]
                at = 1 if v > best or v != v else at
                best = v if v > best or v != v else best
                v = lower[2 * j]
                at = width if v > best or v != v else at
                best = v if v > best or v != v else best
                v = lower[2 * j + 1]
                at = width + 1 if v > best or v != v else at
                into[j] = v if v > best or v != v else best
                places[j] = 2 * i * width + 2 * j + at


@loop()
def scatter_planes(g: Matrix, indices: Table, gx: Matrix, lo: int, hi: int) -> None:
    for p in range(lo, hi):
        into = gx[p]
        for k in range(into.size):
            into[k] = ZERO
        for k in range(g.shape[1]):
            into[indices[p, k]] += g[p, k]


def output_size(size: int, k: int, s: int, p: int, d: int, ceil_mode: bool) -> int:
    """Windows along one dimension; with `ceil_mode` a last one that starts inside."""
    span = size + 2 * p - d * (k - 1) - 1
    count = (span + (s - 1 if ceil_mode else 0)) // s + 1
    return count - 1 if ceil_mode and (count - 1) * s >= size + p else count


def windows(
    input: Array, k: Sizes, s: Sizes, p: Sizes, d: Sizes, ceil_mode: bool
) -> tuple[int, int] | None:
    """The size of the result; None where the loops do not apply."""
    if len(k) != 2 or input.ndim < 3 or input.size < MIN or not dense(input):
        return None
    h, w = (output_size(input.shape[i - 2], k[i], s[i], p[i], d[i], ceil_mode) for i in (0, 1))
    return (h, w) if min(h, w) > 0 and all(2 * p[i] <= k[i] for i in (0, 1)) else None


@kernel("max_pool2d_with_indices", MIN)
@kernel("max_pool2d", MIN)
def max_pool2d(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool = False,
) -> Any:
    plan = windows(input, kernel_size, stride, padding, dilation, ceil_mode)
    if plan is None:
        return NotImplemented
    h, w = plan
    planes, size = prod(input.shape[:-2]), input.shape[-2] * input.shape[-1]
    x = input.reshape(planes, *input.shape[-2:])
    out, indices = empty((planes, h, w), F32), empty((planes, h * w), I64)
    numbers = (*kernel_size, *stride, *padding, *dilation)
    if numbers == (2, 2, 2, 2, 0, 0, 1, 1) and not ceil_mode:
        max_pairs(planes, rows(planes, size), x, out, indices)
    else:
        max_windows(planes, rows(planes, size), x, *numbers, out, indices)
    shape = (*input.shape[:-2], h, w)
    return out.reshape(shape), indices.reshape(shape)


@kernel("max_pool2d_grad")
def max_pool2d_grad(g: Array, indices: Array, input_shape: Sizes) -> Any:
    planes, size = prod(input_shape[:2]), prod(input_shape[2:])
    usable = dense(g) and indices.dtype is I64 and indices.flags.c_contiguous
    if not usable or planes * size < MIN:
        return NotImplemented
    gx, width = empty((planes, size), F32), g.size // planes
    scatter_planes(
        planes, rows(planes, size), g.reshape(planes, width), indices.reshape(planes, width), gx
    )  # fmt: skip
    return gx.reshape(input_shape)


@loop("contract")
def mean_windows(
    x: Cube, kh: int, kw: int, sh: int, sw: int, ph: int, pw: int, count_padding: bool,
    divisor: int, out: Cube, lo: int, hi: int,
) -> None:  # fmt: skip
    height, width = x.shape[1], x.shape[2]
    for p in range(lo, hi):
        for i in range(out.shape[1]):
            top, end = i * sh - ph, min(i * sh - ph + kh, height + ph)
            tall, top, end = end - top, max(top, 0), min(end, height)
            for j in range(out.shape[2]):
                left, right = j * sw - pw, min(j * sw - pw + kw, width + pw)
                wide, left, right = right - left, max(left, 0), min(right, width)
                total = ZERO
                for r in range(top, end):
                    for c in range(left, right):
                        total += x[p, r, c]
                count = tall * wide if count_padding else (end - top) * (right - left)
                out[p, i, j] = total / np.float32(divisor if divisor > 0 else count)


@loop("contract")
def spread_windows(
    g: Cube, kh: int, kw: int, sh: int, sw: int, ph: int, pw: int, count_padding: bool,
    divisor: int, gx: Cube, lo: int, hi: int,
) -> None:  # fmt: skip
    height, width = gx.shape[1], gx.shape[2]
    for p in range(lo, hi):
        for r in range(height):
            for c in range(width):
                gx[p, r, c] = ZERO
        for i in range(g.shape[1]):
            top, end = i * sh - ph, min(i * sh - ph + kh, height + ph)
            tall, top, end = end - top, max(top, 0), min(end, height)
            for j in range(g.shape[2]):
                left, right = j * sw - pw, min(j * sw - pw + kw, width + pw)
                wide, left, right = right - left, max(left, 0), min(right, width)
                count = tall * wide if count_padding else (end - top) * (right - left)
                share = g[p, i, j] / np.float32(divisor if divisor > 0 else count)
                for r in range(top, end):
                    for c in range(left, right):
                        gx[p, r, c] += share


@kernel("avg_pool2d", MIN)
def avg_pool2d(
    input: Array,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    plan = windows(input, kernel_size, stride, padding, (1, 1), ceil_mode)
    if plan is None or (divisor_override is not None and divisor_override < 1):
        return NotImplemented
    h, w = plan
    planes, size = prod(input.shape[:-2]), input.shape[-2] * input.shape[-1]
    out = empty((planes, h, w), F32)
    mean_windows(
        planes, rows(planes, size), input.reshape(planes, *input.shape[-2:]), *kernel_size,
        *stride, *padding, count_include_pad, divisor_override or 0, out,
    )  # fmt: skip
    return out.reshape(*input.shape[:-2], h, w)


@kernel("avg_pool2d_grad")
def avg_pool2d_grad(
    g: Array,
    input_shape: Sizes,
    kernel_size: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Any:
    if len(kernel_size) != 2 or not dense(g) or prod(input_shape) < MIN:
        return NotImplemented
    if divisor_override is not None and divisor_override < 1:
        return NotImplemented
    planes, size = prod(input_shape[:-2]), input_shape[-2] * input_shape[-1]
    gx = empty((planes, *input_shape[-2:]), F32)
    spread_windows(
        planes, rows(planes, size), g.reshape(planes, *g.shape[-2:]), *kernel_size, *stride,
        *padding, count_include_pad, divisor_override or 0, gx,
    )  # fmt: skip
    return gx.reshape(input_shape)
