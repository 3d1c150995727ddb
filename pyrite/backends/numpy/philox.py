"""The random stream on the CPU: NumPy's array operations under the common definition."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._philox import philox_words

__all__ = ["philox", "philox_words"]


def philox(seed: int, offset: int, n: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """The first `n` words of the call (seed, offset): a uint32 array of shape (n,)."""
    words: np.ndarray[Any, np.dtype[np.uint32]] = philox_words(np, seed, offset, n)
    return words
