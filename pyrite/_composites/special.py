"""Special functions made of others."""

from __future__ import annotations

import math

from .._tensor import F, Tensor
from ._register import composite


@composite("f", aliases=("special.polygamma",), out=True)
def polygamma(n: int, input: Tensor) -> Tensor:
    """The derivative of order `n` of digamma; RuntimeError for a negative order."""
    if n < 0:
        raise RuntimeError(f"polygamma(n, x) does not support negative n, got {n}")
    return F.polygamma_of(input, n) if n else F.digamma(input)


@composite("mi", name="polygamma")
def polygamma_method(input: Tensor, n: int) -> Tensor:
    """The derivative of order `n` of digamma."""
    return polygamma(n, input)


@composite("fmi", aliases=("special.multigammaln",), out=True)
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """The log of the multivariate gamma function of dimension `p`."""
    if p < 1:
        raise RuntimeError(f"mvlgamma: p has to be greater than or equal to 1, got {p}")
    out = F.lgamma(input)
    for j in range(1, p):
        out = F.add(out, F.lgamma(F.sub(input, j / 2)))
    return F.add(out, p * (p - 1) / 4 * math.log(math.pi))


@composite("", aliases=("special.xlog1py",), out=True)
def xlog1py(input: Tensor | float, other: Tensor | float) -> Tensor:
    """`input * log(1 + other)`, and 0 where `input` is 0 and `other` is not NaN."""
    return F.xlogy(input, F.add(other, 1.0) if isinstance(other, Tensor) else other + 1.0)


@composite("", aliases=("special.entr",), out=True)
def entr(input: Tensor) -> Tensor:
    """`-input * log(input)`, 0 at 0 and -inf below."""
    return F.where(F.lt(input, 0), -math.inf, F.neg(F.xlogy(input, input)))


@composite("", aliases=("special.ndtr",), out=True)
def ndtr(input: Tensor) -> Tensor:
    """The normal distribution function."""
    return F.mul(F.erfc(F.mul(input, -math.sqrt(0.5))), 0.5)


@composite("", aliases=("special.log_ndtr",), out=True)
def log_ndtr(input: Tensor) -> Tensor:
    """The logarithm of the normal distribution function."""
    x = F.mul(input, -math.sqrt(0.5))
    tail = F.sub(F.log(F.mul(F.erfcx(F.clamp(x, 0.0)), 0.5)), F.mul(x, x))
    bulk = F.log1p(F.mul(F.erfc(F.neg(F.clamp(x, None, 1.0))), -0.5))
    return F.where(F.lt(input, -1.0), tail, bulk)


@composite("fmi", aliases=("special.i0", "special.modified_bessel_i0"), out=True)
def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of order 0."""
    return F.mul(F.i0e(input), F.exp(F.abs(input)))


@composite("", aliases=("special.i1", "special.modified_bessel_i1"), out=True)
def i1(input: Tensor) -> Tensor:
    """The modified Bessel function of order 1."""
    return F.mul(F.i1e(input), F.exp(F.abs(input)))


@composite("", aliases=("special.spherical_bessel_j0",), out=True)
def spherical_bessel_j0(input: Tensor) -> Tensor:
    """`sin(input) / input`, and 1 at 0."""
    ratio = F.div(F.sin(input), F.where(F.eq(input, 0), 1.0, input))
    return F.where(F.eq(input, 0), 1.0, F.where(F.isinf(input), 0.0, ratio))
