"""Pooling over windows, in any number of spatial dimensions, with the gradients."""

from __future__ import annotations

from math import prod
from typing import Any

from .conv import Sizes, inner, offsets, padded
from .table import Array, op


def pooled_sizes(
    sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> Sizes:
    """Sizes of the result; under `ceil_mode` a last window must start inside input or left pad."""
    out = []
    for n, k, s, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
        room = n + 2 * p - d * (k - 1) - 1
        count = (room + (s - 1 if ceil_mode else 0)) // s + 1
        out.append(count - 1 if ceil_mode and (count - 1) * s >= n + p else count)
    return tuple(out)


def _windowed(
    xp: Any, input: Any, sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes,
    dilation: Sizes, value: Any,
) -> Any:  # fmt: skip
    """The input padded so that each of `sizes` windows lies inside it."""
    spatial = input.shape[-len(kernel) :]
    each = zip(sizes, kernel, stride, padding, dilation, spatial, strict=True)
    extra = [max(0, (o - 1) * s + d * (k - 1) + 1 - n - 2 * p) for o, k, s, p, d, n in each]
    return padded(xp, input, padding, value, tuple(extra))


def _max_pool(
    xp: Any, input: Array, kernel_size: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes,
    ceil_mode: bool = False,
) -> tuple[Array, Array]:  # fmt: skip
    """Maximum of each window of (batch, channels, ...), and its index in the flattened plane.

    The first of equal values wins, and the last NaN. Indices are int64.
    """
    spatial = input.shape[2:]
    sizes = pooled_sizes(spatial, kernel_size, stride, padding, dilation, ceil_mode)
    lowest = -xp.inf if input.dtype.kind == "f" else xp.iinfo(input.dtype).min
    x = _windowed(xp, input, sizes, kernel_size, stride, padding, dilation, lowest)
    # Places in the plane, -1 in the padding: that is never chosen, whatever the values are.
    places = xp.full(x.shape[2:], -1, dtype=xp.int64)
    places[inner(spatial, padding)] = xp.reshape(xp.arange(prod(spatial), dtype=xp.int64), spatial)
    best: Any = None
    at: Any = None
    for index in offsets(kernel_size, sizes, stride, dilation):
        value, place = x[index], xp.broadcast_to(places[index], (*x.shape[:2], *sizes))
        if best is None:
            best, at = value.copy(), place.copy()
            continue
        better = value > best
        better |= value != value
        if x is not input:
            better |= at < 0
            better &= place >= 0
        xp.copyto(best, value, where=better)
        xp.copyto(at, place, where=better)
    return best, at


for _name, _indices, _onnx in (
    ("max_pool2d", "_indices", "MaxPool"),
    ("max_pool2d_with_indices", "~indices", None),
    ("max_pool3d", "~indices", "MaxPool"),
):
    op(public="", outputs=("out", _indices), onnx=_onnx, name=_name)(_max_pool).vjp(
        input=lambda F, g, indices, input_shape: F.max_pool2d_grad(g, indices, input_shape)
    )


@op(public="", dtypes=("same", "g"))
def max_pool2d_grad(xp: Any, g: Array, indices: Array, input_shape: Sizes) -> Array:
    """Zeros of `input_shape` with each element of `g` added where `indices` took it from."""
    planes, plane = prod(input_shape[:2]), prod(input_shape[2:])
    first = xp.arange(planes, dtype=xp.int64) * plane
    flat = xp.reshape(indices, (planes, prod(indices.shape[2:]))) + first[:, None]
    sums = xp.bincount(flat.reshape(-1), weights=g.reshape(-1), minlength=planes * plane)
    return xp.reshape(sums.astype(g.dtype), input_shape)


def _at_indices(F: Any, g: Any, indices: Any) -> Any:
    lead, shape = g.shape[:2], indices.shape
    flat = F.reshape(g, (*lead, prod(g.shape[2:])))
    return F.reshape(F.gather(flat, 2, F.reshape(indices, (*lead, prod(shape[2:])))), shape)


max_pool2d_grad.vjp(g=_at_indices)


def _sums(xp: Any, input: Any, sizes: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes) -> Any:
    """The sum of each of `sizes` windows over the last dimensions."""
    ones = (1,) * len(kernel)
    x = _windowed(xp, input, sizes, kernel, stride, padding, ones, 0)
    out = xp.zeros((*input.shape[: -len(sizes)], *sizes), input.dtype)
    for index in offsets(kernel, sizes, stride, ones):
        out += x[index]
    return out


def _divisor(
    xp: Any, like: Any, sizes: Sizes, spatial: Sizes, kernel: Sizes, stride: Sizes, padding: Sizes,
    include_pad: bool, override: int | None,
) -> Any:  # fmt: skip
    """What the window sums are divided by: a number, or an array of the windows' shape."""
    if override is not None:
        return override
    if include_pad:
        spatial = tuple([n + 2 * p for n, p in zip(spatial, padding, strict=True)])
        padding = (0,) * len(padding)
    each = zip(sizes, kernel, stride, spatial, strict=True)
    if not any(padding) and all((o - 1) * s + k <= n for o, k, s, n in each):
        return prod(kernel)
    return _sums(xp, xp.ones(spatial, like.dtype), sizes, kernel, stride, padding)


@op(public="", onnx="AveragePool")
def avg_pool2d(
    xp: Any, input: Array, kernel_size: Sizes, stride: Sizes, padding: Sizes, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Array:  # fmt: skip
    """Mean of each window over the last dimensions, as many as the kernel has."""
    spatial = input.shape[-len(kernel_size) :]
    ones = (1,) * len(kernel_size)
    sizes = pooled_sizes(spatial, kernel_size, stride, padding, ones, ceil_mode)
    out = _sums(xp, input, sizes, kernel_size, stride, padding)
    window = (sizes, spatial, kernel_size, stride, padding)
    count = _divisor(xp, out, *window, count_include_pad, divisor_override)
    return out / count if out.dtype.kind == "f" else xp.trunc(out / count).astype(out.dtype)


avg_pool2d.vjp(input=lambda F, g, input_shape, attrs: F.avg_pool2d_grad(g, input_shape, *attrs))


@op(public="")
def avg_pool2d_grad(
    xp: Any, g: Array, input_shape: Sizes, kernel_size: Sizes, stride: Sizes, padding: Sizes,
    ceil_mode: bool, count_include_pad: bool, divisor_override: int | None,
) -> Array:  # fmt: skip
    """The average pool's adjoint: each window's share added to its elements."""
    ones = (1,) * len(kernel_size)
    spatial, sizes = input_shape[-len(kernel_size) :], g.shape[-len(kernel_size) :]
    window = (sizes, spatial, kernel_size, stride, padding)
    share = g / _divisor(xp, g, *window, count_include_pad, divisor_override)
    out = xp.zeros(input_shape, g.dtype)
    x = _windowed(xp, out, sizes, kernel_size, stride, padding, ones, 0)
    for index in offsets(kernel_size, sizes, stride, ones):
        x[index] += share
    return x if x is out else x[inner(spatial, padding)]


avg_pool2d_grad.vjp(g=lambda F, g, attrs: F.avg_pool2d(g, *attrs[1:]))
