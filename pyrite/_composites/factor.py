"""Factorisations of matrices and what is solved with them, in `linalg` and under older names."""

from __future__ import annotations

from functools import partial
from typing import Any

from .._ops.factor import adjoint as _adjoint
from .._ops.factor import part, permuted
from .._ops.matmul import transposed
from .._tensor import F, Tensor
from ..return_types import result_type
from ._register import composite

mT, adjoint = partial(transposed, F), partial(_adjoint, F)

CHOLESKY_EX = result_type("linalg_cholesky_ex", "L", "info")
LU, QR = result_type("linalg_lu", "P", "L", "U"), result_type("linalg_qr", "Q", "R")
LU_FACTOR = result_type("linalg_lu_factor", "LU", "pivots")
LDL_FACTOR = result_type("linalg_ldl_factor", "LD", "pivots")
TRIANGULAR = result_type("triangular_solve", "solution", "cloned_coefficient")
SOLVE_EX = result_type("linalg_solve_ex", "result", "info")
INV_EX = result_type("linalg_inv_ex", "inverse", "info")

# ---- checks

# {0} stands for the place in a batch, {1} for what the factorisation reports of the matrix.
_SINGULAR = "linalg.solve: {0}The solver failed because the input matrix is singular."
_NO_INVERSE = (
    "linalg.inv: {0}The diagonal element {1} is zero, the inversion could not be completed because "
    "the input matrix is singular."
)
_NOT_POSITIVE = (
    "linalg.cholesky: {0}The factorization could not be completed because the input is not "
    "positive-definite (the leading minor of order {1} is not positive-definite)."
)
_ZERO_PIVOT = (
    "linalg.lu_factor: {0}U[{1},{1}] is zero and using it on lu_solve would result in a "
    "division by zero. If you still want to perform the factorization, consider calling "
    "linalg.lu(A, pivot) or linalg.lu_factor_ex(A, pivot)"
)
_ZERO_BLOCK = (
    "linalg.ldl_factor: {0}the factorization has a zero on the diagonal of D at {1}: the "
    "matrix is singular."
)


def check_matrix(name: str, A: Tensor, square: bool = False, precise: bool = True) -> None:
    """RuntimeError unless `A` holds (square) matrices of float32, float64 or complex numbers."""
    if A.array.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor A must have at least 2 dimensions, got {list(A.shape)}."
        )
    *_, m, n = A.array.shape
    if square and m != n:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {m} by {n} matrices"
        )
    kind = A.dtype
    if not (kind.is_floating_point or kind.is_complex):
        raise RuntimeError(
            f"{name}: Expected a floating point or complex tensor as input. Got {kind}; convert "
            "with .float()"
        )
    if precise and kind.itemsize == 2:
        raise RuntimeError(
            f"{name}: Low precision dtypes not supported. Got {kind}; convert with .float()"
        )


def check_system(name: str, A: Tensor, B: Tensor, left: bool = True) -> None:
    """RuntimeError unless `A @ X = B` (or `X @ A = B`) can be meant: dtypes, shapes."""
    if A.dtype is not B.dtype:
        raise RuntimeError(
            f"{name}: Expected A and B to have the same dtype, but found A of type {A.dtype} and B "
            f"of type {B.dtype} instead"
        )
    check_matrix(name, A, square=True)
    if B.array.ndim < 2:
        raise RuntimeError(
            f"{name}: The input tensor B must have at least 2 dimensions, got {list(B.shape)}."
        )
    if A.shape[-2] != B.shape[-2 if left else -1]:
        sizes = ["x".join(map(str, x.shape[-2:])) for x in (A, B)]
        raise RuntimeError(
            f"{name}: Incompatible shapes of A and B for the equation {'AX' if left else 'XA'} = B "
            f"({sizes[0]} and {sizes[1]})"
        )


# ---- systems


@composite("", aliases=("linalg.inv_ex",), out=True)
def inv_ex(A: Tensor, *, check_errors: bool = False) -> Any:
    """The inverse and per matrix 0, or which pivot is zero (that inverse is NaN)."""
    check_matrix("linalg.inv", A, square=True)
    out = INV_EX(*F.inv_ex(A))
    if check_errors:
        F.check_info(out.info, _NO_INVERSE)
    return out


@composite(out=True)
def inverse(input: Tensor) -> Tensor:
    """The inverse of square matrices; LinAlgError where one is singular."""
    return inv_ex(input, check_errors=True).inverse


@composite("", aliases=("linalg.inv",), out=True, name="linalg_inv")
def linalg_inv(A: Tensor) -> Tensor:
    """The inverse of square matrices; LinAlgError where one is singular."""
    return inverse(A)


@composite("", aliases=("linalg.solve_ex",), out=True)
def solve_ex(A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False) -> Any:
    """X of `A @ X = B` (`X @ A = B` if not left) and per matrix 0, or which pivot is zero.

    B holds matrices, or vectors where it is 1-D or has the shape of A without its last dimension.
    """
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(B.shape) == tuple(A.shape[:-1]))
    if vector and not left:
        raise RuntimeError(
            "linalg.solve: Vector broadcasting of the left hand side is not supported for "
            "left=False. In this case linalg.solve is equivalent to B / A.squeeze(-1)"
        )
    right = F.reshape(B, (*B.shape, 1)) if vector else B
    check_system("linalg.solve", A, right, left)
    X, info = F.solve_ex(A, right) if left else F.solve_ex(mT(A), mT(right))
    X = F.reshape(X, X.shape[:-1]) if vector else X if left else mT(X)
    if check_errors:
        F.check_info(info, _SINGULAR)
    return SOLVE_EX(X, info)


@composite("", aliases=("linalg.solve",), out=True)
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X of `A @ X = B` (`X @ A = B` if not left); LinAlgError where a matrix is singular."""
    return solve_ex(A, B, left=left, check_errors=True).result


@composite("", aliases=("linalg.solve_triangular",), out=True)
def solve_triangular(
    input: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """X of `A @ X = B` (`X @ A = B` if not left) for triangular A; infinite where singular."""
    check_system("linalg.solve_triangular", input, B, left)
    if left:
        return F.solve_triangular(input, B, upper, unitriangular)
    return mT(F.solve_triangular(mT(input), mT(B), not upper, unitriangular))


@composite(out=True)
def triangular_solve(
    input: Tensor, A: Tensor, upper: bool = True, transpose: bool = False,
    unitriangular: bool = False,
) -> Any:  # fmt: skip
    """X of `A @ X = input` (with `A.T` if told) and a copy of A (the older name)."""
    check_system("triangular_solve", A, input)
    B, factor = input, A
    if transpose:
        factor, upper = mT(A), not upper
    return TRIANGULAR(F.solve_triangular(factor, B, upper, unitriangular), F.clone(A))


# ---- Cholesky


@composite("", aliases=("linalg.cholesky_ex",), out=True)
def cholesky_ex(input: Tensor, *, upper: bool = False, check_errors: bool = False) -> Any:
    """L of `A = L @ L.mH` (its adjoint if upper), and per matrix 0 or the minor not positive."""
    check_matrix("linalg.cholesky", input, square=True)
    L, info = F.cholesky_ex(adjoint(input) if upper else input)
    if check_errors:
        F.check_info(info, _NOT_POSITIVE)
    return CHOLESKY_EX(adjoint(L) if upper else L, info)


@composite(aliases=("linalg.cholesky",), out=True)
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """L of `A = L @ L.mH`, its adjoint if upper; LinAlgError if A is not positive-definite."""
    return cholesky_ex(input, upper=upper, check_errors=True).L


@composite(out=True)
def cholesky_solve(input: Tensor, input2: Tensor, upper: bool = False) -> Tensor:
    """X of `A @ X = input` from the Cholesky factor of A, `input2`."""
    B, L = input, input2
    check_system("cholesky_solve", L, B)
    low, high = (adjoint(L), L) if upper else (L, adjoint(L))
    return F.solve_triangular(high, F.solve_triangular(low, B, False), True)


@composite(out=True)
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A from its Cholesky factor."""
    check_matrix("cholesky_inverse", input, square=True)
    return cholesky_solve(F.identity_like(input), input, upper)


# ---- LU


@composite("", aliases=("linalg.lu_factor_ex",), out=True)
def lu_factor_ex(A: Tensor, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """L and U in one matrix, the row swaps (from 1), and per matrix the first zero pivot or 0."""
    check_matrix("lu_factor", A)
    out = F.lu_factor_ex(A, pivot)
    if check_errors:
        F.check_info(out.info, _ZERO_PIVOT)
    return out


@composite("", aliases=("linalg.lu_factor",), out=True)
def lu_factor(A: Tensor, *, pivot: bool = True) -> Any:
    """L and U in one matrix, and the row swaps (from 1); RuntimeError if a pivot is zero."""
    return LU_FACTOR(*lu_factor_ex(A, pivot=pivot, check_errors=True)[:2])


@composite(out=True)
def lu(A: Tensor, pivot: bool = True, get_infos: bool = False) -> Any:
    """`linalg.lu_factor` (the older name), with the info if `get_infos`."""
    return tuple(lu_factor_ex(A, pivot=pivot) if get_infos else lu_factor(A, pivot=pivot))


@composite("f", out=True)
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> Any:
    """P, L and U of `A = P @ L @ U` from what `linalg.lu_factor` gives; empty what is not asked."""
    if LU_pivots.dtype.name != "int32":
        raise RuntimeError(
            "lu_unpack: LU_pivots is expected to be a contiguous tensor of int32 "
            f"dtype, got {LU_pivots.dtype}"
        )
    P, L, U = (F.empty((0,), LU_data.dtype, device=LU_data.device) for _ in range(3))
    if unpack_pivots:
        P = permuted(F, LU_pivots, LU_data)
    if unpack_data:
        k = min(LU_data.shape[-2:])
        left, U = part(F, LU_data, columns=slice(None, k)), part(F, LU_data, slice(None, k))
        L, U = F.add(F.tril(left, -1), F.identity_like(left)), F.triu(U)
    return LU(P, L, U)


@composite("", aliases=("linalg.lu",), out=True, name="linalg_lu")
def linalg_lu(A: Tensor, *, pivot: bool = True) -> Any:
    """P, L and U of `A = P @ L @ U`; P is empty without pivots."""
    factor, pivots, _ = lu_factor_ex(A, pivot=pivot)
    return lu_unpack(factor, pivots, True, pivot)


@composite("", aliases=("linalg.lu_solve",), out=True, name="linalg_lu_solve")
def linalg_lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """X of `A @ X = B` (`X @ A = B` if not left, `A.mH` if adjoint) from `linalg.lu_factor(A)`."""
    check_system("linalg.lu_solve", LU, B, left)
    H = partial(_adjoint, F)
    if not left:
        return H(linalg_lu_solve(LU, pivots, H(B), adjoint=not adjoint))
    P = permuted(F, pivots, LU)
    if adjoint:
        X = F.solve_triangular(H(LU), B, False)
        return F.matmul(P, F.solve_triangular(H(LU), X, True, True))
    X = F.solve_triangular(LU, F.matmul(mT(P), B), False, True)
    return F.solve_triangular(LU, X, True)


@composite(out=True)
def lu_solve(input: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """`linalg.lu_solve` with the arguments in the older order."""
    return linalg_lu_solve(LU_data, LU_pivots, input)


# ---- LDL


@composite("", aliases=("linalg.ldl_factor_ex",), out=True)
def ldl_factor_ex(input: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> Any:
    """L and D of a symmetric (Hermitian) matrix in one, swaps and blocks, and the info."""
    check_matrix("linalg.ldl_factor_ex", input, square=True)
    out = F.ldl_factor_ex(input, hermitian)
    if check_errors:
        F.check_info(out.info, _ZERO_BLOCK)
    return out


@composite("", aliases=("linalg.ldl_factor",), out=True)
def ldl_factor(input: Tensor, *, hermitian: bool = False) -> Any:
    """`linalg.ldl_factor_ex` without the info; LinAlgError for a singular matrix."""
    return LDL_FACTOR(*ldl_factor_ex(input, hermitian=hermitian, check_errors=True)[:2])


@composite("", aliases=("linalg.ldl_solve",), out=True)
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """X of `A @ X = B` from `linalg.ldl_factor(A)`."""
    check_system("linalg.ldl_solve", LD, B)
    return F.ldl_solve(LD, pivots, B, hermitian)


# ---- QR and reflections


def _qr_reduced(A: Tensor, complete: bool) -> tuple[Tensor, Tensor]:
    m, n = A.shape[-2:]
    if m >= n:
        return tuple(F.qr(A, complete and m > n))
    Q, R = F.qr(part(F, A, columns=slice(None, m)))
    right = F.matmul(adjoint(Q), part(F, A, columns=slice(m, None)))
    return Q, F.cat([R, right], -1)


@composite("", aliases=("linalg.qr",), out=True, name="linalg_qr")
def linalg_qr(A: Tensor, mode: str = "reduced") -> Any:
    """`A = Q @ R`; mode "reduced", "complete" (square Q) or "r" (Q empty)."""
    check_matrix("linalg.qr", A)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', "
            "or 'complete'"
        )
    Q, R = _qr_reduced(A, mode == "complete")
    return QR(F.empty((0,), A.dtype, device=A.device) if mode == "r" else Q, R)


@composite(out=True)
def qr(input: Tensor, some: bool = True) -> Any:
    """`linalg.qr` (the older name): reduced, or complete if not `some`."""
    return linalg_qr(input, "reduced" if some else "complete")


@composite(out=True)
def geqrf(input: Tensor) -> Any:
    """QR as LAPACK leaves it: R above, the reflections below the diagonal, and their scales."""
    check_matrix("geqrf", input)
    return F.geqrf(input)


def _reflect(vectors: Tensor, tau: Tensor, C: Tensor, adjoint: bool) -> Tensor:
    """`Q @ C`, or `Q.mH @ C`, for Q the product of the reflections `1 - tau v v^H`."""
    k = tau.shape[-1]
    lead = part(F, vectors, columns=slice(None, k))
    V = F.add(F.tril(lead, -1), F.identity_like(lead))
    Vh = _adjoint(F, V)
    scales = F.reshape(tau, (*tau.shape, 1))
    if adjoint and tau.dtype.is_complex:
        scales = F.conj_physical(scales)
    for i in range(k) if adjoint else reversed(range(k)):
        one = slice(i, i + 1)
        along = F.mul(F.matmul(part(F, Vh, one), C), part(F, scales, one))
        C = F.sub(C, F.matmul(part(F, V, columns=one), along))
    return C


@composite(name="orgqr", aliases=("linalg.householder_product",), out=True)
def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of the reflections that `geqrf` gives."""
    name = "linalg.householder_product"
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input must have at least 2 dimensions.")
    if input.shape[-2] < input.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]"
        )
    if input.shape[-1] < tau.shape[-1]:
        raise RuntimeError(
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]"
        )
    _check_reflections(name, input, tau)
    return _reflect(input, tau, F.add(F.constant(input), F.identity_like(input)), False)


def _check_reflections(name: str, input: Tensor, tau: Tensor) -> None:
    if tau.dtype is not input.dtype:
        raise RuntimeError(
            f"{name}: tau dtype {tau.dtype} does not match input dtype {input.dtype}"
        )
    if tuple(tau.shape[:-1]) != tuple(input.shape[:-2]):
        raise RuntimeError(
            f"{name}: Expected batch dimensions of tau to be equal to input.shape[:-2], but got "
            f"{list(tau.shape[:-1])}"
        )
    check_matrix(name, input)


@composite(out=True)
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Tensor:
    """`Q @ other` (`other @ Q` if not left; Q.mH if transpose) for the Q that `geqrf` gives."""
    if input.ndim < 2 or other.ndim < 2:
        raise RuntimeError("ormqr: input must have at least 2 dimensions, other too.")
    side = -2 if left else -1
    if tau.shape[-1] > other.shape[side]:
        raise RuntimeError(
            f"ormqr: other.shape[{side}] must be greater than or equal to tau.shape[-1]"
        )
    if tau.shape[-1] != min(other.shape[side], input.shape[-1]):
        raise RuntimeError(
            f"ormqr: tau.shape[-1] must be equal to min(other.shape[{side}], input.shape[-1])"
        )
    if input.shape[-2] != other.shape[side]:
        raise RuntimeError(f"ormqr: other.shape[{side}] must be equal to input.shape[-2]")
    _check_reflections("ormqr", input, tau)
    if left:
        return _reflect(input, tau, other, transpose)
    return adjoint(_reflect(input, tau, adjoint(other), not transpose))
