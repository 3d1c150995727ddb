"""Convolution over one or two spatial dimensions and its gradients; float32 and float64.

`winograd` serves 3 x 3 windows at stride 1 between many channels, `direct` all others. Parts are
cut by shape, so no result depends on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import depthwise, direct, winograd
from ._registry import F32, F64, Array, empty, kernel

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
    return direct.Shape(size[0], groups, weight[1], weight[0] // groups, *rest)


def tensors(*arrays: Array | None) -> list[Array] | None:
    """The arrays, contiguous; None unless they share a type that the loops know."""
    given = [a for a in arrays if a is not None]
    kind = given[0].dtype
    if kind not in (F32, F64) or any(a.dtype is not kind for a in given):
        return None
    return [np.ascontiguousarray(a) for a in given]


def by_winograd(kind: Any, p: direct.Shape) -> bool:
    """Whether `winograd` serves: the results are those of all windows, too."""
    rest = (p.kernel, p.stride, p.padding, p.dilation)
    whole = tuple([n + 2 * pad - 2 for n, pad in zip(p.size, p.padding, strict=True)])
    return winograd.fits(kind, p.inputs, p.outputs, p.groups, rest) and p.out == whole


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
    if by_winograd(g.dtype, p):
        return winograd.filter_gradient(g, x, p.padding[0])
    if depthwise.fits(p, g.dtype):
        return depthwise.filter_gradient(p, g, x).reshape(size)
    return direct.weight_gradient(p, g, x).reshape(size)
