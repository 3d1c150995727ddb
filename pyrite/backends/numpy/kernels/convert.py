"""Other types of numbers, where float32 is one of the two."""

from __future__ import annotations
import __future__

from typing import Any

import numpy as np

from ._elementwise import LIGHT
from ._jit import Loop, loop
from ._registry import Array, empty, kernel, part

_CAST = """
def from_{0}(x: {1}, out: {2}, lo: Place, hi: Place) -> None:
    for i in range(lo, hi):
        out[i] = x[i]
"""


def _cast(source: str, *notes: str) -> Loop:
    """The loop from one type to another, as annotations of loops name them."""
    scope: dict[str, Any] = {"__name__": __name__}
    text = _CAST.format(source, *notes)
    exec(compile(text, __file__, "exec", __future__.annotations.compiler_flag), scope)
    made: Loop = loop()(scope[f"from_{source}"])
    return made


CASTS = {
    (np.dtype("uint8"), np.dtype("float32")): _cast("uint8", "Bytes", "Vector"),
    (np.dtype("bool"), np.dtype("float32")): _cast("bool", "Flags", "Vector"),
    (np.dtype("int64"), np.dtype("float32")): _cast("int64", "Ints", "Vector"),
    (np.dtype("float64"), np.dtype("float32")): _cast("float64", "Doubles", "Vector"),
    (np.dtype("float32"), np.dtype("float64")): _cast("float32", "Vector", "Doubles"),
}


@kernel("cast", LIGHT)
def cast(input: Array, dtype: Any) -> Any:
    run = CASTS.get((input.dtype, dtype.numpy))
    if run is None or not input.flags.c_contiguous:
        return NotImplemented
    out = empty(input.shape, dtype.numpy)
    run(input.size, part(input.size), input, out)
    return out
