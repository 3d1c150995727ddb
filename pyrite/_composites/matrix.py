"""Functions of matrices: determinants, powers, spectra, ranks; `linalg` and older names."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .._dtypes import finfo
from .._ops.factor import part
from .._tensor import F, Tensor
from ..return_types import result_type
from ._register import composite
from .factor import adjoint, check_matrix, inv_ex, inverse, linalg_qr, solve
from .norm import matrix_norm, vector_norm
from .random import randn
from .shape import movedim, reshape

EIGH, EIG = (
    result_type(f"linalg_{name}", "eigenvalues", "eigenvectors") for name in ("eigh", "eig")
)
SVD, OLD_SVD = result_type("linalg_svd", "U", "S", "Vh"), result_type("svd", "U", "S", "V")
LSTSQ = result_type("linalg_lstsq", "solution", "residuals", "rank", "singular_values")

# ---- determinants and functions of a matrix


@composite("", aliases=("linalg.det",), out=True, name="linalg_det")
def linalg_det(A: Tensor) -> Tensor:
    """The determinant of square matrices."""
    check_matrix("linalg.det", A, square=True)
    return F.det(A)


@composite()
def det(input: Tensor) -> Tensor:
    """The determinant of square matrices."""
    return linalg_det(input)


@composite("", aliases=("linalg.slogdet",), out=True, name="linalg_slogdet")
def linalg_slogdet(A: Tensor) -> Any:
    """The determinant's sign (phase) and the logarithm of its size, without overflow."""
    check_matrix("linalg.slogdet", A, square=True)
    return F.slogdet(A)


@composite(out=True)
def slogdet(input: Tensor) -> Any:
    """The determinant's sign (phase) and the logarithm of its size, without overflow."""
    return linalg_slogdet(input)


@composite()
def logdet(input: Tensor) -> Tensor:
    """The logarithm of the determinant; NaN where that is negative."""
    sign, size = slogdet(input)
    if input.dtype.is_complex:
        return F.add(F.log(sign), size)
    return F.where(F.lt(sign, 0.0), math.nan, size)


@composite(aliases=("linalg.matrix_exp",))
def matrix_exp(input: Tensor) -> Tensor:
    """The matrix exponential of square matrices."""
    check_matrix("linalg.matrix_exp", input, square=True, precise=False)
    return F.matrix_exp(input)


@composite(aliases=("linalg.matrix_power",), out=True)
def matrix_power(input: Tensor, n: int) -> Tensor:
    """The product of `n` times a square matrix, of its inverse if n is negative."""
    if input.ndim < 2 or input.shape[-1] != input.shape[-2]:
        check_matrix("linalg.matrix_power", input, square=True)
    if n < 0:
        return matrix_power(inverse(input), -n)
    out, square = None, input
    while n:
        if n % 2:
            out = square if out is None else F.matmul(out, square)
        n //= 2
        square = F.matmul(square, square) if n else square
    if out is None:
        return F.add(F.constant(input), F.identity_like(input))
    return F.clone(out) if out is input else out


# ---- spectra


@composite("", aliases=("linalg.eigh",), out=True)
def eigh(input: Tensor, UPLO: str = "L") -> Any:
    """Eigenvalues, ascending, and eigenvectors of symmetric (Hermitian) matrices."""
    return EIGH(*F.eigh(input, _triangle("linalg.eigh", input, UPLO)))


@composite("", aliases=("linalg.eigvalsh",), out=True)
def eigvalsh(input: Tensor, UPLO: str = "L") -> Tensor:
    """Eigenvalues, ascending, of symmetric (Hermitian) matrices."""
    return F.eigvalsh(input, _triangle("linalg.eigvalsh", input, UPLO))


def _triangle(name: str, input: Tensor, UPLO: str) -> str:
    check_matrix(name, input, square=True)
    side = UPLO.upper() if UPLO else ""
    if side not in ("L", "U"):
        raise RuntimeError(
            f"Expected UPLO argument to be 'L' or 'U', but got {UPLO} ({name} reads one triangle)"
        )
    return side


@composite("", aliases=("linalg.eig",), out=True)
def eig(input: Tensor) -> Any:
    """Complex eigenvalues and eigenvectors of square matrices."""
    check_matrix("linalg.eig", input, square=True)
    return EIG(*F.eig(input))


@composite("", aliases=("linalg.eigvals",), out=True)
def eigvals(input: Tensor) -> Tensor:
    """Complex eigenvalues of square matrices."""
    check_matrix("linalg.eigvals", input, square=True)
    return F.eigvals(input)


def _driver(name: str, driver: str | None, A: Tensor) -> None:
    check_matrix("linalg.svd", A)
    if driver is not None and not A.is_cuda:
        raise RuntimeError(
            f"linalg.{name}: keyword argument `driver=` is only supported on CUDA inputs "
            f"with cuSOLVER backend; leave it out (got {driver!r} on {A.device})"
        )


@composite("", aliases=("linalg.svd",), out=True, name="linalg_svd")
def linalg_svd(A: Tensor, full_matrices: bool = True, *, driver: str | None = None) -> Any:
    """`A = U @ diag(S) @ Vh`, S descending; square U and Vh if `full_matrices`."""
    _driver("svd", driver, A)
    return SVD(*F.svd(A, full_matrices))


@composite("", aliases=("linalg.svdvals",), out=True)
def svdvals(A: Tensor, *, driver: str | None = None) -> Tensor:
    """The singular values, descending."""
    _driver("svdvals", driver, A)
    return F.svdvals(A)


@composite(out=True)
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> Any:
    """`input = U @ diag(S) @ V.mH` (the older name); zeros for U and V if not `compute_uv`."""
    if not compute_uv:
        lead, (m, n) = tuple(input.shape[:-2]), input.shape[-2:]
        U, V = (F.full((*lead, k, k), 0, input.dtype, device=input.device) for k in (m, n))
        return OLD_SVD(U, svdvals(input), V)
    U, S, Vh = linalg_svd(input, not some)
    return OLD_SVD(U, S, adjoint(Vh))


def _lowrank(A: Tensor, q: int, niter: int | None) -> tuple[Tensor, Tensor, Tensor]:
    """Halko, Martinsson and Tropp 2011, "Finding structure with randomness", algorithm 5.1."""
    wide = A.shape[-2] < A.shape[-1]
    A = adjoint(A) if wide else A
    Q = linalg_qr(F.matmul(A, randn(A.shape[-1], q, dtype=A.dtype, device=A.device))).Q
    for _ in range(2 if niter is None else niter):
        Q = linalg_qr(F.matmul(A, linalg_qr(F.matmul(adjoint(A), Q)).Q)).Q
    U, S, Vh = linalg_svd(F.matmul(adjoint(Q), A), False)
    U, V = F.matmul(Q, U), adjoint(Vh)
    return (V, S, U) if wide else (U, S, V)


@composite("f")
def svd_lowrank(
    A: Tensor, q: int | None = 6, niter: int | None = 2, M: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """U, S and V of about the `q` largest singular values of `A - M`, by random projections."""
    return _lowrank(A if M is None else F.sub(A, M), 6 if q is None else q, niter)


@composite("f")
def pca_lowrank(
    A: Tensor, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Tensor, Tensor, Tensor]:
    """`svd_lowrank` of A with the mean of its rows taken off if `center`; columns of V: axes."""
    most = min(A.shape[-2:])
    q = min(6, most) if q is None else q
    if not 0 <= q <= most:
        raise ValueError(
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={most}"
        )
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return _lowrank(F.sub(A, F.mean(A, -2, True)) if center else A, q, niter)


# ---- condition


@composite("", aliases=("linalg.cond",), out=True)
def cond(input: Tensor, p: float | str | None = None) -> Tensor:
    """`norm(A) * norm(inv(A))` in the norm `p` (default 2); infinite for singular matrices."""
    if input.ndim < 2:
        raise RuntimeError("linalg.cond: The input tensor must have at least 2 dimensions.")
    check_matrix("linalg.cond", input, square=p is not None and p not in (2, -2))
    if p is None or p in (2, -2):
        S = svdvals(input)
        if not S.shape[-1]:
            return F.sum(S, -1)
        first, last = (F.slice(S, (Ellipsis, i)) for i in (0, -1))
        return F.div(last, first) if p == -2 else F.div(first, last)
    inverse, info = inv_ex(input)
    if not input.array.size:
        return F.sum(vector_norm(input, 2, -1), -1)
    singular = F.reshape(F.ne(info, 0), (*info.shape, 1, 1))
    inverse = F.where(singular, math.inf, inverse)
    out = F.mul(matrix_norm(input, p), matrix_norm(inverse, p))
    return F.where(F.isnan(out), math.inf, out)


# ---- rank, pseudoinverse, least squares


def _bound(value: float | Tensor | None, input: Tensor) -> Tensor | None:
    """A tolerance as a tensor, in the precision of real parts."""
    if value is None or isinstance(value, Tensor):
        return value
    kind = F.abs(F.zeros_like(input)).dtype if input.dtype.is_complex else input.dtype
    return F.full((), value, kind, device=input.device)


@composite("", aliases=("linalg.matrix_rank",), out=True)
def matrix_rank(
    input: Tensor, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """How many singular values are above max(atol, rtol * largest); `tol` is the older atol."""
    check_matrix("linalg.matrix_rank", input, square=hermitian)
    if tol is not None:
        atol, rtol = tol, 0.0
    return F.matrix_rank(input.detach(), _bound(atol, input), _bound(rtol, input), hermitian)


@composite("", aliases=("linalg.pinv",), out=True)
def pinv(
    input: Tensor, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None
) -> Tensor:
    """The pseudoinverse; singular values up to max(atol, rtol * largest) count as 0."""
    check_matrix("linalg.pinv", input, square=hermitian)
    rtol = rcond if rtol is None else rtol
    return F.pinv(input, _bound(atol, input), _bound(rtol, input), hermitian)


@composite()
def pinverse(input: Tensor, rcond: float = 1e-15) -> Tensor:
    """`linalg.pinv` (the older name)."""
    return pinv(input, rcond)


_DRIVERS = ("gels", "gelsd", "gelss", "gelsy")


@composite("", aliases=("linalg.lstsq",), out=True)
def lstsq(
    input: Tensor, b: Tensor, rcond: float | None = None, *, driver: str | None = None
) -> Any:
    """The X that makes `A @ X - B` smallest, its squared residuals, A's rank and singular values.

    As in torch the last three are empty where the driver does not give them, and residuals where a
    matrix lacks full rank or is not tall. Every driver solves by singular values here.
    """
    name = "linalg.lstsq"
    A, vector = input, input.ndim - 1 == b.ndim and tuple(input.shape[:-1]) == tuple(b.shape)
    _check_lstsq(name, A, b, vector, driver)
    driver = driver or "gelsy"
    B = F.reshape(b, (*b.shape, 1)) if vector else b
    m, n = A.shape[-2:]
    X, rank, S = F.lstsq(A, B, finfo(A.dtype).eps * max(m, n) if rcond is None else rcond)
    residuals = F.reshape(F.abs(part(F, X, slice(0, 0))), (0,))
    if m > n and driver != "gelsy" and F.all(F.eq(rank, n)):
        away = F.abs(F.sub(F.matmul(A, X), B))
        residuals = F.sum(F.mul(away, away), -2)
    if vector:
        X = F.reshape(X, X.shape[:-1])
    return LSTSQ(
        X, residuals, rank if driver != "gels" else F.full((0,), 0, rank.dtype, device=A.device),
        S if driver in ("gelsd", "gelss") else F.full((0,), 0, S.dtype, device=A.device),
    )  # fmt: skip


def _check_lstsq(name: str, A: Tensor, b: Tensor, vector: bool, driver: str | None) -> None:
    if A.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if b.ndim < 1:
        raise RuntimeError(f"{name}: other must have at least 1 dimension.")
    if A.dtype is not b.dtype:
        raise RuntimeError(
            f"{name}: Expected input and other to have the same dtype, but got input's dtype "
            f"{A.dtype} and other's dtype {b.dtype}"
        )
    if driver is not None and driver not in _DRIVERS:
        raise RuntimeError(
            f"{name}: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}"
        )
    if A.shape[-2] != b.shape[-1 if vector or b.ndim < 2 else -2]:
        raise RuntimeError(
            f"{name}: input.size(-2) should match other.size({-1 if vector else -2}), got "
            f"{list(A.shape)} and {list(b.shape)}"
        )
    check_matrix(name, A)


# ---- tensors as matrices


@composite("", aliases=("linalg.tensorinv",), out=True)
def tensorinv(input: Tensor, ind: int = 2) -> Tensor:
    """The inverse of `input` as a map from its last dimensions to its first `ind`."""
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    first, last = tuple(input.shape[:ind]), tuple(input.shape[ind:])
    size = math.prod(first)
    if ind > input.ndim or math.prod(last) != size:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[ind:]) == "
            f"prod(self.shape[:ind]), but got {math.prod(last)} != {size}"
        )
    return F.reshape(inverse(reshape(input, (size, size))), last + first)


@composite("", aliases=("linalg.tensorsolve",), out=True)
def tensorsolve(input: Tensor, other: Tensor, dims: Sequence[int] | None = None) -> Tensor:
    """X of `tensordot(input, X, X.ndim) = other`; `dims` are moved to the end of input first."""
    A = input
    if dims is not None:
        A = movedim(A, tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = tuple(A.shape[other.ndim :])
    size, columns = other.array.size, math.prod(shape)
    if size != columns:
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {columns} != {size}"
        )
    X = solve(reshape(A, (size, columns)), reshape(other, (size,)))
    return F.reshape(X, shape)


@composite("", aliases=("linalg.vander",), name="linalg_vander")
def linalg_vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Powers 0 to N - 1 (default: as many as elements) of (..., n): (..., n, N)."""
    x = x if x.ndim else F.reshape(x, (1,))
    N = x.shape[-1] if N is None else N
    if N < 2:
        raise RuntimeError(f"N must be greater than 1, got {N}.")
    powers = F.cumprod(F.expand(F.reshape(x, (*x.shape, 1)), (*x.shape, N - 1)), -1)
    first = F.ones_like(F.slice(powers, (Ellipsis, slice(0, 1))))
    return F.cat([first, powers], -1)


@composite("f")
def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The Vandermonde matrix of a vector, powers falling unless `increasing`."""
    if x.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.shape[0] if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    if n < 2:
        return F.full((x.shape[0], n), 1, x.dtype, device=x.device)
    out = linalg_vander(x, N=n)
    return out if increasing else F.flip(out, (1,))


@composite("", aliases=("linalg.diagonal",), name="linalg_diagonal")
def linalg_diagonal(A: Tensor, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """The diagonal of the last (or given) two dimensions, as the last dimension; a view."""
    return F.diagonal(A, offset, dim1, dim2)
