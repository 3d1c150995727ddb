"""Covariance and correlation."""

from __future__ import annotations

from typing import Any

from .._tensor import F, Tensor
from ._register import composite
from .factor import mT
from .shape import conj, reshape


def _at_most_matrix(name: str, input: Tensor) -> None:
    if input.ndim > 2:
        raise RuntimeError(
            f"{name}(): expected input to have two or fewer dimensions but got {input.ndim}"
        )


def _weights(name: str, given: Tensor, floating: bool, n: int) -> None:
    if given.ndim > 1:
        raise RuntimeError(
            f"cov(): expected {name} to have one or fewer dimensions but got {given.ndim}"
        )
    if given.dtype.is_floating_point is not floating:
        kind = "floating point" if floating else "integral"
        raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {given.dtype}")
    if given.array.size != n:
        raise RuntimeError(
            f"cov(): expected {name} to have the same numel as there are observations in the input "
            f"but got {given.array.size} != {n}"
        )
    if F.any(F.lt(given, 0)):
        raise RuntimeError(f"cov(): {name} cannot be negative")


@composite()
def cov(
    input: Tensor, *, correction: int = 1, fweights: Tensor | None = None,
    aweights: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The covariance of the rows (variables) over columns, which may count several times."""
    _at_most_matrix("cov", input)
    x = input if input.ndim == 2 else reshape(input, (1, -1))
    if not (x.dtype.is_floating_point or x.dtype.is_complex):
        x = F.div(x, 1)
    n, w = x.shape[1], None
    for name, given, floating in (("fweights", fweights, False), ("aweights", aweights, True)):
        if given is not None:
            _weights(name, given, floating, n)
            w = given if w is None else F.mul(w, given)
    total = n if w is None else F.sum(w)
    weighted = x if w is None else F.mul(x, w)
    away = F.sub(x, F.div(F.sum(weighted, 1, True), total))
    spread = away if w is None else F.mul(away, w)
    free = _freedom(total, w, aweights, correction)
    out = F.div(F.matmul(spread, conj(mT(away))), free)
    return F.reshape(out, ()) if out.array.size == 1 else out


def _freedom(total: Any, w: Tensor | None, aweights: Tensor | None, correction: int) -> Any:
    """What sums of squares are divided by: the total weight less the correction, at least 0."""
    if w is None:
        return max(total - correction, 0)
    if aweights is not None and correction:
        correction = F.div(F.mul(F.sum(F.mul(w, aweights)), correction), total)
    return F.clamp(F.sub(total, correction), 0, None)


@composite()
def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of the rows (variables) over columns."""
    _at_most_matrix("corrcoef", input)
    c = cov(input)
    if not c.ndim:
        return F.div(c, c)
    d = F.diagonal(c)
    if c.dtype.is_complex:
        d = F.real(d)
    scale = F.sqrt(d)
    out = F.div(F.div(c, F.reshape(scale, (-1, 1))), scale)
    return out if c.dtype.is_complex else F.clamp(out, -1, 1)
