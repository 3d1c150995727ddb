"""Filling new memory."""

from __future__ import annotations

from typing import Any

from ._elementwise import BOTH, LIGHT
from ._jit import Place, Scalar, Vector, loop
from ._registry import F32, F64, empty, kernel, part


@loop(kinds=BOTH)
def fill_parts(out: Vector, value: Scalar, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = value


@kernel("full")
def full(size: tuple[int, ...], fill_value: Any, dtype: Any) -> Any:
    kind = dtype.numpy
    if not (kind is F32 or kind is F64) or type(fill_value) not in (int, float):
        return NotImplemented
    out = empty(size, kind)
    if out.size < LIGHT:
        out.fill(fill_value)
    else:
        fill_parts[kind is F64](out.size, part(out.size), out.reshape(-1), float(fill_value))
    return out


@kernel("write_number", LIGHT)
def write_number(target: Any, value: Any) -> Any:
    kind = target.dtype
    if not (kind is F32 or kind is F64) or type(value) not in (int, float):
        return NotImplemented
    if not target.flags.c_contiguous or abs(value) > 3e38:
        return NotImplemented
    fill_parts[kind is F64](target.size, part(target.size), target, float(value))
    return None
