"""Sample calls of composites by torch's name: data for tests/test_composites.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from samples import A


def at(values: Any) -> A:
    """Integer or bool operands of given values."""
    array = np.array(values)
    return A(array.shape, values=values, kind="bool" if array.dtype.kind == "b" else "int")
