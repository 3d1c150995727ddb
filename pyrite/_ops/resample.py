"""Interpolation of the spatial dimensions, one dimension after the other, and its adjoint.

Along one dimension every output is a weighted sum of a few inputs (taps). The taps are a table
(taps, outputs) of positions and weights that follows from the sizes alone; the adjoint sums by
the table turned round (taps, inputs), so both are the same gathers, added in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any

from .table import Array, op

Sizes = tuple[int, ...]
Scales = tuple[float | None, ...]
Taps = tuple[Any, Any]  # positions and weights, (taps, outputs) each


def _step(n: int, m: int, scale: float | None, align_corners: bool) -> float:
    """The distance in the input of two neighbouring outputs."""
    if align_corners:
        return (n - 1) / (m - 1) if m > 1 else 0.0
    return 1 / scale if scale else n / m


def _cubic(xp: Any, x: Any, a: float) -> Any:
    """Keys' convolution kernel: -1/2 is the exact one for parabolas, -3/4 is sharper."""
    x = xp.absolute(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return xp.where(x <= 1, near, xp.where(x < 2, far, 0))


def _lanczos(xp: Any, x: Any) -> Any:
    return xp.where(xp.absolute(x) < 3, xp.sinc(x) * xp.sinc(x / 3), 0)


# Half the width of each method's filter, and the filter, as they are used against aliasing.
_FILTERS: dict[str, tuple[int, Callable[..., Any]]] = {
    "linear": (1, lambda xp, x: xp.maximum(1 - xp.absolute(x), 0)),
    "cubic": (2, lambda xp, x: _cubic(xp, x, -0.5)),
    "lanczos": (3, _lanczos),
}


def _smooth_taps(xp: Any, n: int, m: int, step: float, method: str, kind: Any) -> Taps:
    """Taps of a filter as wide as the outputs lie apart."""
    width, weigh = _FILTERS[method]
    stretch = max(step, 1.0)
    middle = (xp.arange(m, dtype=kind) + 0.5) * step
    first = xp.maximum(xp.trunc(middle - width * stretch + 0.5), 0)
    end = xp.minimum(xp.trunc(middle + width * stretch + 0.5), n)
    at = first + xp.arange(2 * ceil(width * stretch) + 1, dtype=kind)[:, None]
    weight = xp.where(at < end, weigh(xp, (at - middle + 0.5) / stretch), 0)
    weight = weight / xp.sum(weight, axis=0)
    return xp.minimum(at, n - 1).astype(xp.int64), weight.astype(kind)


def _taps(
    xp: Any, n: int, m: int, scale: float | None, method: str, align_corners: bool, antialias: bool,
    kind: Any,
) -> Taps:  # fmt: skip
    """Positions and weights of the inputs, of `n`, that each of `m` outputs is made of."""
    step, centre = _step(n, m, scale, align_corners), 0.0 if align_corners else 0.5
    if antialias:
        return _smooth_taps(xp, n, m, step, method, kind)
    at = xp.arange(m, dtype=kind)
    if method in ("nearest", "nearest-exact"):
        at = xp.floor((at + 0.5) * step if method == "nearest-exact" else at * step)
        return xp.minimum(at, n - 1).astype(xp.int64)[None], xp.ones((1, m), kind)
    at = (at + centre) * step - centre
    at = at if method == "cubic" else xp.maximum(at, 0)
    first = xp.minimum(xp.floor(at), n - 1)
    rest = xp.clip(at - first, 0, 1)
    if method == "linear":
        steps, weight = (0, 1), xp.stack([1 - rest, rest])
    else:
        steps = (-1, 0, 1, 2)
        weight = xp.stack([_cubic(xp, rest - i, -0.75) for i in steps])
    places = xp.stack([first + i for i in steps]).astype(xp.int64)
    return xp.clip(places, 0, n - 1), weight.astype(kind)


def _turned(xp: Any, taps: Taps, n: int) -> Taps:
    """The same table by input: for each of `n`, the outputs it enters, and the weights."""
    places, weight = taps
    count, m = places.shape
    source = xp.reshape(places, (-1,))
    order = xp.argsort(source, kind="stable")
    each = xp.bincount(source, minlength=n)
    rank = xp.arange(count * m) - (xp.cumsum(each) - each)[source[order]]
    outputs = xp.zeros((max(each.max().item(), 1), n), xp.int64)
    weights = xp.zeros(outputs.shape, weight.dtype)
    outputs[rank, source[order]] = order % m
    weights[rank, source[order]] = xp.reshape(weight, (-1,))[order]
    return outputs, weights


def _gathered(xp: Any, x: Any, axis: int, taps: Taps) -> Any:
    """The weighted sum of the inputs that the taps name along one dimension."""
    shape = (-1, *[1] * (x.ndim - 1 - axis))
    out: Any = None
    for place, weight in zip(*taps, strict=True):
        part = xp.take(x, place, axis=axis)
        part *= xp.reshape(weight, shape)
        out = part if out is None else xp.add(out, part, out=out)
    return out


def _kept(n: int, m: int, scale: float | None, method: str, antialias: bool) -> bool:
    """Whether a dimension stays as it is."""
    return n == m and (scale is None or antialias or method in ("nearest", "linear"))


def _kind(xp: Any, x: Any) -> Any:
    """The type of the taps' weights."""
    return xp.float64 if x.dtype == xp.float64 else xp.float32


@op(public="", onnx="Resize", autocast="float32")
def resample(
    xp: Any, input: Array, sizes: Sizes, scales: Scales, method: str, align_corners: bool,
    antialias: bool,
) -> Array:  # fmt: skip
    """Interpolate the last dimensions, as many as there are `sizes`, to these sizes.

    `method` is nearest, nearest-exact, linear, cubic or lanczos; `scales` are factors that are used
    in place of the ratio of the sizes where they are not None. `antialias` widens the filter
    where the result is smaller. Integers are rounded after each dimension, the last one first.
    """
    x, kind = input, _kind(xp, input)
    near = method.startswith("nearest")
    whole = input.dtype.kind != "f" and not near
    x = x.astype(kind) if whole else x
    for axis in range(input.ndim - 1, input.ndim - 1 - len(sizes), -1):
        n, m, scale = x.shape[axis], sizes[axis - input.ndim], scales[axis - input.ndim]
        if _kept(n, m, scale, method, antialias):
            continue
        taps = _taps(xp, n, m, scale, method, align_corners, antialias, kind)
        if near:
            x = xp.take(x, taps[0][0], axis=axis)
            continue
        x = _gathered(xp, x, axis, taps)
        if whole:
            limits = xp.iinfo(input.dtype)
            x = xp.clip(xp.floor(x + kind(0.5)), limits.min, limits.max, out=x)
    if whole:
        return x.astype(input.dtype)
    return x.copy() if x is input else x


@op(public="")
def resample_grad(
    xp: Any, g: Array, input_shape: Sizes, sizes: Sizes, scales: Scales, method: str,
    align_corners: bool, antialias: bool,
) -> Array:  # fmt: skip
    """The adjoint of `resample`, of shape `input_shape`."""
    x, kind = g, _kind(xp, g)
    for axis in range(g.ndim - len(sizes), g.ndim):
        n, m, scale = input_shape[axis], g.shape[axis], scales[axis - g.ndim]
        if not _kept(n, m, scale, method, antialias):
            taps = _taps(xp, n, m, scale, method, align_corners, antialias, kind)
            x = _gathered(xp, x, axis, _turned(xp, taps, n))
    return x.copy() if x is g else x


resample.vjp(input=lambda F, g, input_shape, attrs: F.resample_grad(g, input_shape, *attrs))
resample_grad.vjp(g=lambda F, g, attrs: F.resample(g, *attrs[1:]))
