"""`make_tensor`: random tensors of any dtype for tests."""

from __future__ import annotations

import math
from typing import Any

from .._composites.create import lengths
from .._composites.random import rand, randint
from .._dtypes import dtype, iinfo
from .._tensor import Tensor


def make_tensor(
    *shape: Any, dtype: dtype, device: Any = None, low: float | None = None,
    high: float | None = None, requires_grad: bool = False, noncontiguous: bool = False,
    exclude_zero: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """Uniform in [low, high): [-9, 9) unless given, [0, 10) for uint8, [0, 2) for bool.

    Args:
        shape: ints or one tuple.
        dtype: any.
        device: where it lives.
        low: the smallest value.
        high: values stay below it.
        requires_grad: whether it asks for a gradient.
        noncontiguous: whether to leave gaps in memory (more than one element).
        exclude_zero: whether zeros become the smallest positive number of the dtype.
        memory_format: the order of elements in memory.
    """
    size = lengths("make_tensor", shape)
    if noncontiguous and memory_format is not None:
        raise ValueError("noncontiguous and memory_format are mutually exclusive")
    wide = (*size[:-1], 2 * size[-1]) if noncontiguous and size else size
    default = {"bool": (0, 2), "uint8": (0, 10)}.get(dtype.name, (-9, 9))
    small, large = default[0] if low is None else low, default[1] if high is None else high
    if small >= large:
        raise ValueError(f"`low` must be less than `high`, got {small} and {large}")
    if dtype.is_floating_point:
        out: Any = (rand(wide, device=device) * (large - small) + small).to(dtype)
    elif dtype.is_complex:
        raise TypeError(f"make_tensor(): expected a real dtype, got {dtype}")
    else:
        if dtype.name != "bool":
            small, large = max(small, iinfo(dtype).min), min(large, iinfo(dtype).max + 1)
        out = randint(math.ceil(small), math.ceil(large), wide, device=device).to(dtype)
    out = out[..., ::2] if wide != size else out
    if exclude_zero:
        out[out == 0] = 1
    if memory_format is not None:
        out = out.contiguous(memory_format=memory_format)
    return out.requires_grad_(requires_grad)
