"""Convolution and its two gradients, in any number of spatial dimensions.

Windows of the padded input are read through strides, copied to columns for a few images at a
time, and multiplied with the weight as a matrix (im2col). The three ops are each other's
derivatives.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from typing import Any

from .table import Array, op

Sizes = tuple[int, ...]
_COLUMN_BYTES = 1 << 20  # columns made at a time: they stay in the second-level cache


def output_sizes(
    sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Sizes:
    """Spatial sizes of a convolution's result."""
    each = zip(sizes, kernel, stride, padding, dilation, strict=True)
    return tuple([(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in each])


def inner(sizes: Sizes, padding: Sizes) -> tuple[Any, ...]:
    """The index of the unpadded part of a padded array."""
    return (..., *[slice(p, p + n) for n, p in zip(sizes, padding, strict=True)])


def padded(xp: Any, x: Any, padding: Sizes, value: float = 0.0, extra: Sizes | None = None) -> Any:
    """`x` with `padding` on both sides of its last dimensions, and `extra` more at their ends."""
    if not any(padding) and not any(extra or ()):
        return x
    sizes = x.shape[-len(padding) :]
    more = extra or (0,) * len(padding)
    shape = [n + 2 * p + e for n, p, e in zip(sizes, padding, more, strict=True)]
    out = xp.full((*x.shape[: -len(padding)], *shape), value, x.dtype)
    out[inner(sizes, padding)] = x
    return out


def offsets(kernel: Sizes, out: Sizes, stride: Sizes, dilation: Sizes) -> Iterator[tuple[Any, ...]]:
    """For each element of the kernel, in order, the index of what it meets in a padded input."""
    for at in product(*map(range, kernel)):
        each = zip(at, out, stride, dilation, strict=True)
        yield (..., *[slice(i * d, i * d + (n - 1) * s + 1, s) for i, n, s, d in each])


def _windows(
    xp: Any, input: Any, kernel: Sizes, out: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes
) -> Any:
    """A view (batch, channels, *kernel, *out) of the padded input (batch, channels, ...)."""
    x = padded(xp, input, padding)
    steps = [b * d for b, d in zip(x.strides[2:], dilation, strict=True)]
    steps += [b * s for b, s in zip(x.strides[2:], stride, strict=True)]
    shape = (*x.shape[:2], *kernel, *out)
    return xp.lib.stride_tricks.as_strided(x, shape, (*x.strides[:2], *steps))


def _blocks(n: int, bytes_each: int) -> Iterator[slice]:
    """Parts of the batch whose columns fit the cache."""
    step = max(1, _COLUMN_BYTES // max(bytes_each, 1))
    return (slice(i, min(i + step, n)) for i in range(0, n, step))


def _columns(xp: Any, windows: Any, groups: int, width: int) -> Iterator[tuple[slice, Any]]:
    """Parts of the batch, each with its columns (part, groups, channels * kernel, width)."""
    n = windows.shape[0]
    shape = (groups, prod(windows.shape[1:]) // (groups * max(width, 1)), width)
    if windows.flags.c_contiguous:
        yield slice(0, n), xp.reshape(windows, (n, *shape))
        return
    buffer: Any = None
    for part in _blocks(n, windows[0].nbytes if n else 0):
        if buffer is None:
            buffer = xp.empty((part.stop, *windows.shape[1:]), windows.dtype)
        block = buffer[: part.stop - part.start]
        block[...] = windows[part]
        yield part, xp.reshape(block, (block.shape[0], *shape))


def _matrices(xp: Any, weight: Any, groups: int) -> Any:
    """The weight as (groups, out / groups, in / groups * kernel)."""
    return xp.reshape(weight, (groups, weight.shape[0] // groups, prod(weight.shape[1:])))


def _add_windows(out: Any, columns: Any, kernel: Sizes, stride: Sizes, dilation: Sizes) -> None:
    """Add columns (batch, channels, kernel elements, *sizes) where their windows read `out`."""
    for i, place in enumerate(offsets(kernel, columns.shape[3:], stride, dilation)):
        out[place] += columns[:, :, i]


@op(kind="conv", public="", onnx="Conv")
def convolution(
    xp: Any, input: Array, weight: Array, bias: Array | None, stride: Sizes, padding: Sizes,
    dilation: Sizes, groups: int,
) -> Array:  # fmt: skip
    """Cross-correlation: (batch, in, ...) by (out, in / groups, ...) gives (batch, out, ...)."""
    kernel = weight.shape[2:]
    sizes = output_sizes(input.shape[2:], kernel, stride, padding, dilation)
    windows = _windows(xp, input, kernel, sizes, stride, padding, dilation)
    matrix, width = _matrices(xp, weight, groups), prod(sizes)
    out = xp.empty((input.shape[0], *matrix.shape[:2], width), input.dtype)
    for part, columns in _columns(xp, windows, groups, width):
        xp.matmul(matrix, columns, out=out[part])
    out = xp.reshape(out, (input.shape[0], weight.shape[0], *sizes))
    if bias is not None:
        out += xp.reshape(bias, (-1, *[1] * len(sizes)))
    return out


convolution.vjp(
    input=lambda F, g, weight, input_shape, attrs: F.conv_grad_input(
        g, weight, input_shape, *attrs
    ),
    weight=lambda F, g, input, weight_shape, attrs: F.conv_grad_weight(
        g, input, weight_shape, *attrs
    ),
    bias=lambda F, g, input: F.depend(F.sum(g, (0, *range(2, g.ndim))), input),
)


@op(kind="conv", public="")
def conv_grad_input(
    xp: Any, grad: Array, weight: Array, size: Sizes, stride: Sizes, padding: Sizes,
    dilation: Sizes, groups: int,
) -> Array:  # fmt: skip
    """The convolution's adjoint in its input, of shape `size` (a transposed convolution)."""
    n, kernel, sizes = grad.shape[0], weight.shape[2:], grad.shape[2:]
    matrix = xp.swapaxes(_matrices(xp, weight, groups), 1, 2)
    rows = xp.reshape(grad, (n, groups, weight.shape[0] // groups, prod(sizes)))
    spatial = tuple([k + 2 * p for k, p in zip(size[2:], padding, strict=True)])
    out = xp.zeros((*size[:2], *spatial), grad.dtype)
    bytes_each = size[1] * prod(kernel) * prod(sizes) * grad.dtype.itemsize
    for part in _blocks(n, bytes_each):
        columns = xp.matmul(matrix, rows[part])
        columns = xp.reshape(columns, (-1, size[1], prod(kernel), *sizes))
        _add_windows(out[part], columns, kernel, stride, dilation)
    return out[inner(size[2:], padding)] if any(padding) else out


def _transposed_input(F: Any, g: Any, weight: Any, grad_shape: Sizes, attrs: Any) -> Any:
    """The convolution of `g` by `weight`, cut to the windows of the gradient it replaces."""
    out = F.convolution(g, weight, None, *attrs[1:])
    if out.shape == grad_shape:
        return out
    # A transposed convolution whose output padding makes room for further windows.
    return F.slice(out, tuple([slice(0, n) for n in grad_shape]))


conv_grad_input.vjp(
    grad=_transposed_input,
    weight=lambda F, g, grad, weight_shape, attrs: F.conv_grad_weight(
        grad, g, weight_shape, *attrs[1:]
    ),
)


@op(kind="conv", public="")
def conv_grad_weight(
    xp: Any, grad: Array, input: Array, size: Sizes, stride: Sizes, padding: Sizes,
    dilation: Sizes, groups: int,
) -> Array:  # fmt: skip
    """The convolution's adjoint in its weight, of shape `size`."""
    sizes = grad.shape[2:]
    windows = _windows(xp, input, size[2:], sizes, stride, padding, dilation)
    rows = xp.reshape(grad, (grad.shape[0], groups, size[0] // groups, prod(sizes)))
    out = xp.zeros((groups, size[0] // groups, prod(size[1:])), grad.dtype)
    for part, columns in _columns(xp, windows, groups, prod(sizes)):
        out += xp.sum(xp.matmul(rows[part], xp.swapaxes(columns, 2, 3)), axis=0)
    return xp.reshape(out, size)


conv_grad_weight.vjp(
    grad=lambda F, g, input, grad_shape, attrs: _transposed_input(F, input, g, grad_shape, attrs),
    input=lambda F, g, grad, input_shape, attrs: F.conv_grad_input(
        grad, g, input_shape, *attrs[1:]
    ),
)


# ---- the columns on their own


@op(public="", complex="holomorphic")
def im2col(
    xp: Any, input: Array, kernel_size: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> Array:
    """The windows of (batch, channels, ...) as (batch, channels * kernel elements, windows)."""
    sizes = output_sizes(input.shape[2:], kernel_size, stride, padding, dilation)
    windows = _windows(xp, input, kernel_size, sizes, stride, padding, dilation)
    rows = input.shape[1] * prod(kernel_size)
    return xp.reshape(windows.copy(), (input.shape[0], rows, prod(sizes)))


@op(public="", complex="holomorphic")
def col2im(
    xp: Any, input: Array, output_size: Sizes, kernel_size: Sizes, dilation: Sizes, padding: Sizes,
    stride: Sizes,
) -> Array:  # fmt: skip
    """The adjoint of `im2col`: each window's elements added where they come from."""
    sizes = output_sizes(output_size, kernel_size, stride, padding, dilation)
    elements = prod(kernel_size)
    lead = (input.shape[0], input.shape[1] // elements)
    columns = xp.reshape(input, (*lead, elements, *sizes))
    spatial = [k + 2 * p for k, p in zip(output_size, padding, strict=True)]
    out = xp.zeros((*lead, *spatial), input.dtype)
    _add_windows(out, columns, kernel_size, stride, dilation)
    return out[inner(output_size, padding)].copy() if any(padding) else out


im2col.vjp(input=lambda F, g, input_shape, attrs: F.col2im(g, tuple(input_shape[2:]), *attrs))
col2im.vjp(input=lambda F, g, attrs: F.im2col(g, *attrs[1:]))
