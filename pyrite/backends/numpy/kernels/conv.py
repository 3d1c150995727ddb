"""Convolution over one or two spatial dimensions and its gradients; float32 and float64.

An image is the work of one thread: the windows of a few output rows become columns that stay in
the cache, and single-threaded BLAS multiplies them with the weight. Parts are cut by shape, so no
result depends on the number of threads.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from . import _math as m
from ._jit import Cube, Matrix, Vector, inline, loop
from ._registry import F32, F64, Array, empty, kernel
from .matmul import BOTH, Blas, blas

COLUMNS = 1 << 17  # elements of the columns made at a time
PARTS = 8
WEIGHTS = 1 << 22  # elements of all parts' weight gradients together

Sizes = tuple[int, ...]


@inline()
def first_inside(left: int, step: int) -> int:
    """The first window whose element, `left` for the first, does not lie before the input."""
    return 0 if left >= 0 else (step - 1 - left) // step


@inline()
def end_inside(left: int, step: int, size: int, windows: int) -> int:
    """One after the last window whose element lies inside of the input."""
    return min(windows, (size - 1 - left) // step + 1) if left < size else 0


@inline()
def zero(x: Vector) -> None:
    for k in range(x.size):
        x[k] = 0


@inline()
def trade(pixels: Vector, step: int, piece: Vector, back: bool) -> None:
    """Every `step`-th pixel into the piece of a column, or that added to the pixels."""
    if back and step == 1:
        for k in range(piece.size):
            pixels[k] += piece[k]
    elif back:
        for k in range(piece.size):
            pixels[k * step] += piece[k]
    elif step == 1:
        for k in range(piece.size):
            piece[k] = pixels[k]
    else:
        for k in range(piece.size):
            piece[k] = pixels[k * step]


@inline()
def exchange(
    x: Cube, plane: int, window: Any, steps: Any, rows: Any, width: int, columns: Matrix, row: int,
    back: bool,
) -> None:  # fmt: skip
    """Columns of the output rows `rows` = (first, end), from the channels from `plane` on.

    `back`: add the columns to where they would be read.
    """
    channels, kh, kw = window
    sh, sw, ph, pw, dh, dw = steps
    height, wide = x.shape[1], x.shape[2]
    for c in range(channels):
        for i in range(kh):
            for j in range(kw):
                line, left = columns[row + (c * kh + i) * kw + j], j * dw - pw
                a, b = first_inside(left, sw), end_inside(left, sw, wide, width)
                for y in range(rows[0], rows[1]):
                    start, r = (y - rows[0]) * width, y * sh - ph + i * dh
                    piece = line[start : start + width]
                    inside = r >= 0 and r < height and a < b
                    if not back:
                        zero(piece[:a] if inside else piece)
                        zero(piece[b:] if inside else piece[:0])
                    if inside:
                        trade(x[plane + c, r, left + a * sw :], sw, piece[a:b], back)


@loop(kinds=BOTH)
def forward(
    gemm: int, x: Cube, flat: Matrix, w: Matrix, bias: Vector, groups: int, kh: int, kw: int,
    sh: int, sw: int, ph: int, pw: int, dh: int, dw: int, height: int, width: int, tile: int,
    images: int, columns: Matrix, out: Matrix, lo: int, hi: int,
) -> None:  # fmt: skip
    """`flat` is `x` where windows are single elements (no columns needed), else empty."""
    each, depth = w.shape[0] // groups, w.shape[1]
    inputs, row = depth // (kh * kw), lo // images * depth
    for n in range(lo, hi):
        for g in range(groups):
            plane, at = (n * groups + g) * inputs, (n * groups + g) * each
            for y in range(0, height, tile):
                end = min(y + tile, height)
                sizes, into = (each, (end - y) * width, depth), (out, at, y * width)
                if flat.size:
                    source = (flat, plane, y * width)
                    m.gemm(gemm, (False, False, False), sizes, (w, g * each, 0), source, into)
                    continue
                exchange(x, plane, (inputs, kh, kw), (sh, sw, ph, pw, dh, dw), (y, end), width,
                         columns, row, False)  # fmt: skip
                m.gemm(gemm, (False, False, False), sizes, (w, g * each, 0), (columns, row, 0),
                       into)  # fmt: skip
        for c in range(bias.size):
            line, b = out[n * w.shape[0] + c], bias[c]
            for k in range(line.size):
                line[k] += b


@loop(kinds=BOTH)
def to_input(
    gemm: int, grad: Matrix, w: Matrix, groups: int, kh: int, kw: int, sh: int, sw: int, ph: int,
    pw: int, dh: int, dw: int, height: int, width: int, tile: int, images: int, columns: Matrix,
    flat: Matrix, x: Cube, lo: int, hi: int,
) -> None:  # fmt: skip
    each, depth = w.shape[0] // groups, w.shape[1]
    inputs, row = depth // (kh * kw), lo // images * depth
    for n in range(lo, hi):
        for g in range(groups):
            plane, at = (n * groups + g) * inputs, (n * groups + g) * each
            if not flat.size:
                for c in range(plane, plane + inputs):
                    for r in range(x.shape[1]):
                        zero(x[c, r])
            for y in range(0, height, tile):
                end = min(y + tile, height)
                sizes, source = (depth, (end - y) * width, each), (grad, at, y * width)
                if flat.size:
                    m.gemm(gemm, (True, False, False), sizes, (w, g * each, 0), source,
                           (flat, plane, y * width))  # fmt: skip
                    continue
                m.gemm(gemm, (True, False, False), sizes, (w, g * each, 0), source,
                       (columns, row, 0))  # fmt: skip
                exchange(x, plane, (inputs, kh, kw), (sh, sw, ph, pw, dh, dw), (y, end), width,
                         columns, row, True)  # fmt: skip


@loop(kinds=BOTH)
def to_weight(
    gemm: int, grad: Matrix, x: Cube, flat: Matrix, groups: int, kh: int, kw: int, sh: int,
    sw: int, ph: int, pw: int, dh: int, dw: int, height: int, width: int, tile: int, images: int,
    columns: Matrix, out: Matrix, channels: int, lo: int, hi: int,
) -> None:  # fmt: skip
    """Each part adds up in rows of its own of `out` (parts * channels, depth)."""
    each, depth, part = channels // groups, out.shape[1], lo // images
    inputs, row = depth // (kh * kw), part * depth
    for r in range(part * channels, (part + 1) * channels):
        zero(out[r])
    for n in range(lo, hi):
        for g in range(groups):
            plane, at = (n * groups + g) * inputs, (n * groups + g) * each
            into = (out, part * channels + g * each, 0)
            for y in range(0, height, tile):
                end = min(y + tile, height)
                sizes, source = (each, depth, (end - y) * width), (grad, at, y * width)
                if flat.size:
                    m.gemm(gemm, (False, True, True), sizes, source, (flat, plane, y * width), into)
                    continue
                exchange(x, plane, (inputs, kh, kw), (sh, sw, ph, pw, dh, dw), (y, end), width,
                         columns, row, False)  # fmt: skip
                m.gemm(gemm, (False, True, True), sizes, source, (columns, row, 0), into)


class Plan(NamedTuple):
    """What the loops share: sizes, steps and scratch memory of one convolution."""

    library: Blas
    gemm: int
    double: bool
    planes: Sizes  # of the input
    single: bool  # windows are single elements, one after the other
    weight: Sizes
    steps: Sizes
    output: Sizes
    tile: int
    chunk: int
    columns: Array


def plan(
    kind: Any, size: Sizes, weight: Sizes, steps: tuple[Sizes, Sizes, Sizes], output: Sizes,
    groups: int, parts: int = PARTS,
) -> Plan | None:  # fmt: skip
    """None where the loops do not serve: other types, ranks, an empty operand, another BLAS."""
    library, dims = blas(), len(size) - 2
    gemm = None if library is None else library.gemm[kind]
    if library is None or gemm is None or dims not in (1, 2) or 0 in (*size, *output):
        return None
    stride, padding, dilation = (s if dims == 2 else (p, *s) for s, p in zip(steps, (1, 0, 1)))
    kernel = tuple(weight[2:]) if dims == 2 else (1, *weight[2:])
    height, width = output if dims == 2 else (1, *output)
    planes = (size[0] * size[1], *(size[2:] if dims == 2 else (1, *size[2:])))
    depth = weight[1] * kernel[0] * kernel[1]
    if not depth or not weight[0]:
        return None
    single = kernel == stride == (1, 1) and padding == (0, 0)
    tile = height if single else max(1, min(height, COLUMNS // (depth * width)))
    chunk = -(-size[0] // parts)
    scratch = (0, 0) if single else (-(-size[0] // chunk) * depth, tile * width)
    return Plan(
        library, gemm, kind is F64, planes, single, (weight[0], depth),
        (groups, *kernel, *stride, *padding, *dilation), (height, width), tile, chunk,
        empty(scratch, kind),
    )  # fmt: skip


def tensors(*arrays: Array) -> list[Array] | None:
    """The arrays, contiguous; None unless they share a type that the loops know."""
    kind = arrays[0].dtype
    if kind not in (F32, F64) or any(a.dtype is not kind for a in arrays):
        return None
    return [np.ascontiguousarray(a) for a in arrays]


def as_planes(x: Array, p: Plan) -> tuple[Array, Array]:
    """The input as planes, and as a matrix if its elements are the columns."""
    flat = x.reshape(p.planes[0], -1) if p.single else np.empty((0, 0), x.dtype)
    return x.reshape(p.planes), flat


@kernel("convolution")
def convolution(
    input: Array, weight: Array, bias: Array | None, stride: Sizes, padding: Sizes,
    dilation: Sizes, groups: int,
) -> Any:  # fmt: skip
    given = tensors(input, weight, *([] if bias is None else [bias]))
    if given is None or input.shape[1] != weight.shape[1] * groups:
        return NotImplemented
    each = zip(input.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    sizes = tuple([(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in each])
    steps = (stride, padding, dilation)
    p = plan(input.dtype, input.shape, weight.shape, steps, sizes, groups)
    if p is None or min(sizes) < 1:
        return NotImplemented
    x, flat = as_planes(given[0], p)
    out = empty((input.shape[0] * weight.shape[0], p.output[0] * p.output[1]), input.dtype)
    shift = given[2] if bias is not None else np.empty(0, input.dtype)
    p.library.run(
        forward[p.double], input.shape[0], p.chunk, p.gemm, x, flat, given[1].reshape(p.weight),
        shift, *p.steps, *p.output, p.tile, p.chunk, p.columns, out,
    )  # fmt: skip
    return out.reshape(input.shape[0], weight.shape[0], *sizes)


@kernel("conv_grad_input")
def conv_grad_input(
    grad: Array, weight: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Any:  # fmt: skip
    given = tensors(grad, weight)
    steps = (stride, padding, dilation)
    p = None
    if given is not None:
        p = plan(grad.dtype, size, weight.shape, steps, grad.shape[2:], groups)
    if given is None or p is None:
        return NotImplemented
    out = empty(size, grad.dtype)
    x, flat = as_planes(out, p)
    rows = given[0].reshape(grad.shape[0] * grad.shape[1], -1)
    p.library.run(
        to_input[p.double], size[0], p.chunk, p.gemm, rows, given[1].reshape(p.weight), *p.steps,
        *p.output, p.tile, p.chunk, p.columns, flat, x,
    )  # fmt: skip
    return out


@kernel("conv_grad_weight")
def conv_grad_weight(
    grad: Array, input: Array, size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    groups: int,
) -> Any:  # fmt: skip
    given = tensors(grad, input)
    if given is None:
        return NotImplemented
    parts = max(2, min(PARTS, WEIGHTS // max(1, int(np.prod(size)))))
    steps = (stride, padding, dilation)
    p = plan(grad.dtype, input.shape, size, steps, grad.shape[2:], groups, parts)
    if p is None:
        return NotImplemented
    x, flat = as_planes(given[1], p)
    rows = given[0].reshape(grad.shape[0] * grad.shape[1], -1)
    count = -(-input.shape[0] // p.chunk)
    out = empty((count * size[0], p.weight[1]), grad.dtype)
    p.library.run(
        to_weight[p.double], input.shape[0], p.chunk, p.gemm, rows, x, flat, *p.steps, *p.output,
        p.tile, p.chunk, p.columns, out, size[0],
    )  # fmt: skip
    return out.reshape(count, *size).sum(0) if count > 1 else out.reshape(size)
