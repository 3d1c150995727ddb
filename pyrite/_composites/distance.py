"""Distances and angles between vectors."""

from __future__ import annotations

from .._dtypes import bool_
from .._tensor import F, Tensor
from ._register import composite
from .matmul import check_dims
from .norm import normalize
from .shape import broadcast_tensors, reshape


@composite(public="fn")
def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Cosine of the angle between vectors along `dim`; norms below `eps` count as `eps`."""
    pair = broadcast_tensors(x1, x2)
    unit = [normalize(x, 2, dim, eps) for x in pair]
    return F.sum(F.mul(*unit), dim)


@composite(public="fn")
def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """p-norm of `x1 - x2 + eps` along the last dimension."""
    return F.vector_norm(F.add(F.sub(x1, x2), eps), p, -1, keepdim)


@composite(public="f")
def cdist(x1: Tensor, x2: Tensor, p: float = 2.0, compute_mode: str | None = None) -> Tensor:
    """p-norm between each row of x1 (..., p, m) and of x2 (..., r, m): (..., p, r)."""
    if x1.ndim < 2 or x2.ndim < 2 or x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            "cdist: X1 and X2 must be at least 2-D with the same number of columns, got shapes "
            f"{list(x1.shape)} and {list(x2.shape)}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    rows = reshape(x1, (*x1.shape[:-1], 1, x1.shape[-1]))
    columns = reshape(x2, (*x2.shape[:-2], 1, *x2.shape[-2:]))
    return F.vector_norm(F.sub(rows, columns), p, -1)


@composite(public="fn")
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """p-norms between all pairs of rows of (n, m), i < j in order: (n (n - 1) / 2,)."""
    check_dims("pdist", input=(input, 2))
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    n = input.shape[0]
    pairs = F.nonzero(F.triu(F.full((n, n), True, bool_, device=input.device), 1))
    first, second = (F.embedding(input, i) for i in F.unbind(pairs, 1))
    return F.vector_norm(F.sub(first, second), p, -1)


@composite()
def dist(input: Tensor, other: Tensor, p: float = 2) -> Tensor:
    """The norm of order `p` of `input - other`."""
    return F.vector_norm(F.sub(input, other), p)
