"""Views that NumPy's own functions take long to make."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._registry import Array, kernel


@kernel("expand")
def expand(input: Array, size: tuple[int, ...]) -> Any:
    """As `np.broadcast_to`, which costs 2 µs; declined where it would fail."""
    shape, flags = input.shape, input.flags
    lead = len(size) - len(shape)
    if lead < 0 or not (flags.c_contiguous and flags.writeable):
        return NotImplemented
    steps = [0] * lead
    for n, m, step in zip(shape, size[lead:], input.strides):
        if n != m and n != 1:
            return NotImplemented
        steps.append(step if n == m else 0)
    return np.ndarray(size, input.dtype, input, 0, steps)
