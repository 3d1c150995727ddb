"""Norms of vectors and matrices, and what is scaled by them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._dtypes import dtype as dtype_
from .._errors import wrap_dim
from .._tensor import F, Tensor
from ._register import composite
from .factor import check_matrix
from .shape import movedim


@composite("", aliases=("linalg.vector_norm",), out=True)
def vector_norm(
    x: Tensor, ord: float = 2, dim: int | Sequence[int] | None = None, keepdim: bool = False,
    *, dtype: dtype_ | None = None,
) -> Tensor:  # fmt: skip
    """`sum(abs(x)**ord)**(1/ord)` over `dim` (all if None); inf and -inf: largest and smallest."""
    return F.vector_norm(x if dtype is None else F.cast(x, dtype), ord, dim, keepdim)


def _matrix_dims(name: str, A: Tensor, dim: Sequence[int]) -> tuple[int, int]:
    if A.ndim < 2:
        check_matrix(name, A)
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(f"{name}: dim must be a 2-tuple. Got {dim}")
    first, second = (wrap_dim(d, A.ndim) for d in dim)
    if first == second:
        raise RuntimeError(f"{name}: dims must be different. Got {tuple(dim)}")
    return first, second


def _extreme(x: Tensor, dim: int, largest: bool) -> Tensor:
    """The largest of sizes along `dim`, 0 of none, or the smallest; the dimension stays."""
    if largest:
        return F.amax(x, dim, True) if x.shape[dim] else F.sum(x, dim, True)
    return F.amin(x, dim, True)


@composite("", aliases=("linalg.matrix_norm",), out=True)
def matrix_norm(
    input: Tensor, ord: float | str = "fro", dim: Sequence[int] = (-2, -1), keepdim: bool = False,
    *, dtype: dtype_ | None = None,
) -> Tensor:  # fmt: skip
    """The norm of matrices: "fro", "nuc", or 1, 2, inf and their negatives (smallest)."""
    name = "linalg.matrix_norm"
    rows, columns = _matrix_dims(name, input, dim)
    A = input if dtype is None else F.cast(input, dtype)
    if ord == "fro":
        return vector_norm(A, 2, (rows, columns), keepdim)
    if ord == "nuc" or (not isinstance(ord, str) and abs(ord) == 2):
        check_matrix(name, A)
        S = F.svdvals(movedim(A, (rows, columns), (-2, -1)))
        out = F.sum(S, -1) if isinstance(ord, str) else _extreme(S, -1, ord > 0)
        sizes = [1 if d in (rows, columns) else n for d, n in enumerate(A.shape)]
        kept = [n for d, n in enumerate(sizes) if keepdim or d not in (rows, columns)]
        return F.reshape(out, tuple(kept))
    if isinstance(ord, str) or abs(ord) not in (1, math.inf):
        raise RuntimeError(f"{name}: Order {ord} not supported.")
    check_matrix(name, A, precise=False)
    along, across = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = F.vector_norm(A, 1.0, along, True)
    out = _extreme(sums, across, ord > 0)
    return out if keepdim else F.sum(out, (rows, columns))


@composite("", aliases=("linalg.norm",), out=True, name="linalg_norm")
def linalg_norm(
    input: Tensor, ord: float | str | None = None, dim: int | Sequence[int] | None = None,
    keepdim: bool = False, *, dtype: dtype_ | None = None,
) -> Tensor:  # fmt: skip
    """A vector norm, or a matrix norm where `dim` has two entries or `ord` asks for one."""
    dims = None if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
    if dims is not None and len(dims) not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dims)}"
        )
    if dims is None and ord is not None and input.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{input.ndim}D."
        )
    n = input.ndim if dims is None else len(dims)
    if ord is not None and n == 2:
        return matrix_norm(input, ord, dims or (0, 1), keepdim, dtype=dtype)
    if isinstance(ord, str):
        raise RuntimeError(f"linalg.norm: Order {ord} is one of matrices; a vector has none")
    return vector_norm(input, 2 if ord is None else ord, dims, keepdim, dtype=dtype)


@composite(out=True)
def norm(
    input: Tensor, p: float | str | None = "fro", dim: int | Sequence[int] | None = None,
    keepdim: bool = False, dtype: dtype_ | None = None,
) -> Tensor:  # fmt: skip
    """The vector norm of order `p` over `dim` ("fro" is 2), or the nuclear norm ("nuc")."""
    if p == "nuc":
        return matrix_norm(input, p, (-2, -1) if dim is None else dim, keepdim, dtype=dtype)  # type: ignore[arg-type]
    order = 2.0 if p is None or p == "fro" else p
    if isinstance(order, str):
        raise ValueError(f"norm: p must be a number, 'fro' or 'nuc', got {p!r}")
    return vector_norm(input, order, dim, keepdim, dtype=dtype)


@composite(public="n", out=True)
def normalize(input: Tensor, p: float = 2.0, dim: Any = 1, eps: float = 1e-12) -> Tensor:
    """Divide by the p-norm along `dim`, or by `eps` where the norm is smaller."""
    return F.div(input, F.clamp(F.vector_norm(input, p, dim, True), eps, None))


@composite("fmi", out=True)
def renorm(input: Tensor, p: float, dim: int, maxnorm: float) -> Tensor:
    """Slices along `dim` scaled down to norm `maxnorm` where their p-norm is larger."""
    if p <= 0 or maxnorm < 0:
        raise RuntimeError(
            f"renorm: expected p > 0 and maxnorm >= 0, got p={p} and maxnorm={maxnorm}"
        )
    if input.ndim < 2:
        raise RuntimeError(
            f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    norms = norm_except_dim(input, p, wrap_dim(dim, input.ndim))
    scale = F.where(F.gt(norms, maxnorm), F.div(maxnorm, F.add(norms, 1e-7)), 1.0)
    return F.mul(input, scale)


@composite("f")
def norm_except_dim(v: Tensor, pow: float = 2, dim: int = 0) -> Tensor:
    """The p-norm over all dimensions but one, which keep size 1; dim -1: over all."""
    d = wrap_dim(dim, v.ndim)
    others = None if dim == -1 else tuple([i for i in range(v.ndim) if i != d])
    return F.vector_norm(v, pow, others, dim != -1)
