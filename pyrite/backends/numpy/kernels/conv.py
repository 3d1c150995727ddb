"""Convolution over one or two spatial dimensions and its gradients; float32 and float64.

`winograd` serves many 3 x 3 windows at stride 1 between many channels, `depthwise` one filter per
channel, `matmul` what is one product, `direct` all others. Parts are cut by shape, so no result
depends on the number of threads.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from . import depthwise, direct, winograd
from ._registry import F32, F64, Array, empty, kernel
from .matmul import linear, linear_grad_weight, matmul

Sizes = tuple[int, ...]


def shape_of(
    size: Sizes, weight: Sizes, out: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> direct.Shape | None:  # fmt: skip
    """None where the loops do not serve: other ranks, an empty operand."""
    dims = len(size) - 2
    if dims not in (1, 2) or 0 in (*size, *weight, *out) or size[1] != weight[1] * groups:
        return None
    if min(out) < 1 or weight[0] % groups:
        return None
    rest: list[Sizes] = [
        tuple(n) if dims == 2 else (one, *n)
        for n, one in zip(
            (size[2:], out, weight[2:], stride, padding, dilation), (1, 1, 1, 1, 0, 1)
        )
    ]
    p = direct.Shape(size[0], groups, weight[1], weight[0] // groups, *rest)
    if direct.is_single(p):
        row = (1, prod(p.size))  # positions, whatever their rows
        return p._replace(size=row, out=row)
    return p


def tensors(*arrays: Array | None) -> list[Array] | None:
    """The arrays, contiguous; None unless they share a type that the loops know."""
    given = [a for a in arrays if a is not None]
    kind = given[0].dtype
    if kind not in (F32, F64) or any(a.dtype is not kind for a in given):
        return None
    return [np.ascontiguousarray(a) for a in given]


def by_winograd(kind: Any, p: direct.Shape, least: float = 1e4) -> bool:
    """Whether `winograd` serves: there are many windows, and the results are those of all."""
    if p.batch * prod(p.out) * (p.inputs * p.outputs) ** 0.5 < 4 * least:
        return False
    rest = (p.kernel, p.stride, p.padding, p.dilation)
    whole = tuple([n + 2 * pad - 2 for n, pad in zip(p.size, p.padding, strict=True)])
    return winograd.fits(kind, p.inputs, p.outputs, p.groups, rest) and p.out == whole


def as_product(kind: Any, p: direct.Shape) -> str:
    """Of what convolutions are products of matrices: one "image" by points, or whole "windows"."""
    if kind is not F32 or p.groups > 1:
        return ""
    if p.batch == 1 and direct.is_single(p):
        return "image"
    whole = p.kernel == p.size and p.padding == (0, 0) and p.out == p.dilation == (1, 1)
    return "windows" if whole else ""


@kernel("convolution")
def convolution(
    input: Array, weight: Array, bias: Array | None, stride: Sizes, padding: Sizes,
    dilation: Sizes, groups: int,
) -> Any:  # fmt: skip
    given = tensors(input, weight, bias)
    each = zip(input.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    out = tuple([(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in each])
    p = shape_of(input.shape, weight.shape, out, stride, padding, dilation, groups)
    if given is None or p is None:
        return NotImplemented
    x, w, *shift = given
    b = shift[0] if shift else None
    matrix = w.reshape(p.groups * p.outputs, -1)
    match as_product(x.dtype, p):
        case "image":
            made = matmul(matrix, x.reshape(p.inputs, -1))
            return (made if b is None else made + b[:, None]).reshape(1, p.outputs, *out)
        case "windows":
            return linear(x.reshape(p.batch, -1), matrix, b).reshape(p.batch, -1, *out)
    if by_winograd(x.dtype, p):
        return winograd.convolve(x, w, b, p.outputs, p.padding[0], False)
    result = empty((input.shape[0], weight.shape[0], *out), x.dtype)
    if depthwise.fits(p, x.dtype):
        return depthwise.convolve(p, x, w, b, False, result)
    if direct.in_place(p, 64 // x.itemsize):
        return direct.by_points(p, x, w, b, False, result)
    return direct.run(p, x, w, b, False, result)


@kernel("conv_grad_input")
def conv_grad_input(
    grad: Array, weight: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Any:  # fmt: skip
    given = tensors(grad, weight)
    p = shape_of(size, weight.shape, grad.shape[2:], stride, padding, dilation, groups)
    if given is None or p is None:
        return NotImplemented
    g, w = given
    matrix = w.reshape(p.groups * p.outputs, -1)
    match as_product(g.dtype, p):
        case "image":
            return matmul(matrix.T, g.reshape(p.outputs, -1)).reshape(size)
        case "windows":
            return matmul(g.reshape(p.batch, -1), matrix).reshape(size)
    if by_winograd(g.dtype, p):
        return winograd.convolve(g, w, None, p.inputs, 2 - p.padding[0], True)
    result = empty(size, g.dtype)
    if depthwise.fits(p, g.dtype):
        return depthwise.convolve(p, g, w, None, True, result)
    if direct.in_place(p, 64 // g.itemsize):
        return direct.by_points(p, g, w, None, True, result)
    return direct.run(p, g, w, None, True, result)


@kernel("conv_grad_weight")
def conv_grad_weight(
    grad: Array, input: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Any:  # fmt: skip
    given = tensors(grad, input)
    p = shape_of(input.shape, size, grad.shape[2:], stride, padding, dilation, groups)
    if given is None or p is None:
        return NotImplemented
    g, x = given
    match as_product(g.dtype, p):
        case "image":
            return linear(g.reshape(p.outputs, -1), x.reshape(p.inputs, -1)).reshape(size)
        case "windows":
            made = linear_grad_weight(g.reshape(p.batch, -1), x.reshape(p.batch, -1))
            return made.reshape(size)
    if by_winograd(g.dtype, p, 3e4):
        return winograd.filter_gradient(g, x, p.padding[0])
    if depthwise.fits(p, g.dtype):
        return depthwise.filter_gradient(p, g, x).reshape(size)
    return direct.weight_gradient(p, g, x).reshape(size)
