"""Ops that make tensors from nothing; the device comes with the call."""

from __future__ import annotations

from typing import Any

from .. import backends
from .._device import device
from .._dtypes import dtype as Dtype
from .table import Array, op


@op(kind="create")
def empty(xp: Any, size: tuple[int, ...], dtype: Dtype) -> Array:
    """Uninitialised memory."""
    return xp.empty(size, dtype.numpy)


@op(kind="create")
def full(xp: Any, size: tuple[int, ...], fill_value: Any, dtype: Dtype) -> Array:
    """Every element `fill_value`."""
    if isinstance(fill_value, complex) and not dtype.is_complex:
        raise RuntimeError(f"value cannot be converted to type {dtype} without overflow")
    out = xp.empty(size, dtype.numpy)
    out.fill(xp.asarray(fill_value).astype(dtype.numpy))
    return out


@op(kind="create")
def arange(xp: Any, start: Any, end: Any, step: Any, dtype: Dtype) -> Array:
    """`start, start + step, ...` below `end`."""
    if dtype.is_floating_point:
        n = max(0, -int(-((end - start) / step) // 1))
        out = xp.arange(n, dtype="float64")
        out *= step
        out += start
        return out.astype(dtype.numpy, copy=False)
    return xp.arange(start, end, step, dtype="int64").astype(dtype.numpy, copy=False)


@op(kind="create")
def linspace(xp: Any, start: Any, end: Any, steps: int, dtype: Dtype) -> Array:
    """`steps` values from `start` to `end`, both included; the two halves count from their end."""
    if not (dtype.is_floating_point or dtype.is_complex):
        start, end = int(start), int(end)
    step = (end - start) / max(steps - 1, 1)
    half = steps // 2 + steps % 2
    out = xp.empty((steps,), dtype=dtype.numpy)
    out[:half] = start + step * xp.arange(half, dtype="float64")
    out[half:] = end - step * xp.arange(steps - half - 1, -1, -1, dtype="float64")
    return out


@op(kind="create")
def eye(xp: Any, n: int, m: int, dtype: Dtype) -> Array:
    """Ones on the diagonal of an n×m matrix of zeros."""
    return xp.eye(n, m, dtype=dtype.numpy)


@op(kind="move", public="")
def to_device(xp: Any, input: Array, target: device, source: device) -> Array:
    """A copy on another device; the gradient comes back to `source`."""
    here, there = backends.of(input), backends.get(target.type)
    there.set_device(target.index)
    return there.from_host(here.to_host(input))


to_device.vjp(input=lambda F, g, target, source: F.to_device(g, source, target))
