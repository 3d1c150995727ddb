"""Complex numbers: parts, pending conjugations and polar form with torch's names.

Conjugates are copies: no tensor carries a pending conjugation, so `is_conj()` is always False.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._tensor import F, Tensor
from ._register import composite
from ._shapes import same_dtype


@composite(aliases=("resolve_neg",))
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: no conjugation (or negation) is ever pending."""
    return input


@composite(aliases=("is_neg",))
def is_conj(input: Tensor) -> bool:
    """Whether a conjugation (or negation) is pending: never."""
    return False


@composite(public="f")
def real(input: Tensor) -> Tensor:
    """The real part, a view; a real tensor is its own."""
    return F.real(input) if input.dtype.is_complex else input


@composite(public="f")
def imag(input: Tensor) -> Tensor:
    """The imaginary part, a view; RuntimeError for a real tensor."""
    if not input.dtype.is_complex:
        raise RuntimeError(
            f"imag is not implemented for tensors with non-complex dtypes, got {input.dtype}"
        )
    return F.imag(input)


@composite(public="f", out=True)
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Complex numbers from absolute value and angle, of one floating dtype."""
    same_dtype("polar", abs, angle)
    return F.complex(F.mul(abs, F.cos(angle)), F.mul(abs, F.sin(angle)))


def _settable(part: Callable[[Tensor], Tensor]) -> property:
    def write(self: Tensor, value: Any) -> None:
        part(self).copy_(value) if isinstance(value, Tensor) else part(self).fill_(value)

    return property(part, write)


Tensor.real = _settable(real)  # type: ignore[attr-defined]
Tensor.imag = _settable(imag)  # type: ignore[attr-defined]
