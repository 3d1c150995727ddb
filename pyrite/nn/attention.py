"""torch's switches of attention, for programs that set them. Pyrite has one implementation.

`nn.functional.scaled_dot_product_attention` keeps no matrix of weights on any device, so there is
nothing to choose from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import IntEnum

__all__ = ["SDPBackend", "sdpa_kernel"]


class SDPBackend(IntEnum):
    """The implementations that torch knows."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(
    backends: Sequence[SDPBackend] | SDPBackend, set_priority: bool = False
) -> Iterator[None]:
    """Checks its arguments as torch does, and changes nothing.

    Raises:
        AssertionError: `backends` is neither an SDPBackend nor a list of them.
    """
    given = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(given, list) or not all(isinstance(b, SDPBackend) for b in given):
        raise AssertionError(f"backends must be an SDPBackend or a list of them, got {backends!r}")
    yield
