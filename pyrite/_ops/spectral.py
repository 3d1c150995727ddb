"""Eigenvalues, singular values, the pseudoinverse and least squares.

Derivatives: Giles 2008, "Collected matrix derivative results"; Golub and Pereyra 1973, "The
differentiation of pseudo-inverses"; Wan and Zhang 2019, "Automatic differentiation for complex
valued SVD". Those of vectors are infinite where values repeat.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from .._errors import LinAlgError
from .factor import adjoint, mT_array, part
from .pointwise import is_complex
from .table import Array, op


def _converged(name: str, reason: str, xp: Any, function: Callable[..., Any], *args: Any) -> Any:
    """A decomposition, or torch's error where its iteration fails."""
    try:
        return function(*args)
    except xp.linalg.LinAlgError:
        bad = not xp.isfinite(args[0]).all()
        why = (
            "the input matrix contained non-finite values." if bad
            else f"the input matrix is ill-conditioned or has too many repeated {reason}."
        )  # fmt: skip
        raise LinAlgError(
            f"linalg.{name}: The algorithm failed to converge because {why}"
        ) from None


def _row(F: Any, x: Any) -> Any:
    return F.reshape(x, (*x.shape[:-1], 1, x.shape[-1]))


def _column(F: Any, x: Any) -> Any:
    return F.reshape(x, (*x.shape, 1))


def _gaps(F: Any, values: Any, eye: Any) -> Any:
    """`values[j] - values[i]`, and 1 on the diagonal."""
    return F.add(F.sub(_row(F, values), _column(F, values)), eye)


def _diagonal_only(F: Any, g: Any, left: Any, right: Any) -> Any:
    """`left @ diag(g) @ right`."""
    return F.matmul(F.mul(left, _row(F, g)), right)


def _skew(F: Any, x: Any) -> Any:
    return F.sub(x, adjoint(F, x))


# ---- eigenvalues of symmetric and Hermitian matrices


@op(kind="matrix", outputs=("eigenvalues", "eigenvectors"))
def eigh(xp: Any, A: Array, UPLO: str = "L") -> Any:
    """Ascending real eigenvalues and the eigenvectors as columns, from one triangle."""
    return tuple(_converged("eigh", "eigenvalues", xp, xp.linalg.eigh, A, UPLO))


def _eigh_vjp(
    F: Any, g_eigenvalues: Any, g_eigenvectors: Any, eigenvalues: Any, eigenvectors: Any
) -> Any:
    V = eigenvectors
    if g_eigenvectors is None:
        return _diagonal_only(F, g_eigenvalues, V, adjoint(F, V))
    inner = F.mul(_skew(F, F.matmul(adjoint(F, V), g_eigenvectors)), 0.5)
    eye = F.identity_like(V)
    inner = F.mul(F.div(inner, _gaps(F, eigenvalues, eye)), F.sub(1.0, eye))
    if g_eigenvalues is not None:
        inner = F.add(inner, F.mul(_row(F, g_eigenvalues), eye))
    return F.matmul(F.matmul(V, inner), adjoint(F, V))


eigh.vjp(A=_eigh_vjp)


@op(kind="matrix")
def eigvalsh(xp: Any, A: Array, UPLO: str = "L") -> Array:
    """Ascending real eigenvalues, from one triangle."""
    return _converged("eigh", "eigenvalues", xp, xp.linalg.eigvalsh, A, UPLO)


def _eigvalsh_vjp(F: Any, g: Any, A: Any, UPLO: str) -> Any:
    V = F.eigh(A, UPLO)[1]
    return _diagonal_only(F, g, V, adjoint(F, V))


eigvalsh.vjp(A=_eigvalsh_vjp)


# ---- eigenvalues of any square matrix


def _complex(xp: Any, x: Any) -> Any:
    """As complex numbers of the same precision."""
    return x.astype(xp.result_type(x.dtype, xp.complex64))


@op(kind="matrix", outputs=("eigenvalues", "eigenvectors"))
def eig(xp: Any, A: Array) -> Any:
    """Complex eigenvalues, and eigenvectors of length 1 as columns."""
    values, vectors = _converged("eig", "eigenvalues", xp, xp.linalg.eig, A)
    return _complex(xp, values), _complex(xp, vectors)


def _eig_vjp(
    F: Any, g_eigenvalues: Any, g_eigenvectors: Any, eigenvalues: Any, eigenvectors: Any
) -> Any:
    V, Vh = eigenvectors, adjoint(F, eigenvectors)
    if g_eigenvectors is None:
        return F.solve_ex(Vh, F.mul(_column(F, g_eigenvalues), Vh))[0]
    inner = F.matmul(Vh, g_eigenvectors)
    eye = F.identity_like(V)
    own = F.mul(inner, eye)
    real = F.mul(F.add(own, F.conj_physical(own)), 0.5)
    inner = F.sub(inner, F.matmul(F.matmul(Vh, V), real))
    inner = F.mul(F.div(inner, F.conj_physical(_gaps(F, eigenvalues, eye))), F.sub(1.0, eye))
    if g_eigenvalues is not None:
        inner = F.add(inner, F.mul(_row(F, g_eigenvalues), eye))
    return F.solve_ex(Vh, F.matmul(inner, Vh))[0]


@op(kind="matrix")
def eigvals(xp: Any, A: Array) -> Array:
    """Complex eigenvalues."""
    return _complex(xp, _converged("eig", "eigenvalues", xp, xp.linalg.eigvals, A))


def _eigvals_vjp(F: Any, g: Any, A: Any) -> Any:
    Vh = adjoint(F, F.eig(A)[1])
    return F.solve_ex(Vh, F.mul(_column(F, g), Vh))[0]


eig.vjp(A=_eig_vjp)
eigvals.vjp(A=_eigvals_vjp)


# ---- singular values


@op(kind="matrix", outputs=("U", "S", "Vh"))
def svd(xp: Any, A: Array, full_matrices: bool = False) -> Any:
    """`A = U @ diag(S) @ Vh`, S descending."""
    return tuple(_converged("svd", "singular values", xp, xp.linalg.svd, A, full_matrices))


def _svd_inner(F: Any, turns: tuple[Any, Any], g_S: Any, S: Any, eye: Any) -> Any:
    """The gradient between U and Vh, from the skew parts of U^H gU and V^H gV."""
    left, right = turns
    gaps = _gaps(F, F.mul(S, S), eye)
    inner = None if left is None else F.mul(left, _row(F, S))
    if right is not None:
        other = F.mul(_column(F, S), right)
        inner = other if inner is None else F.add(inner, other)
    inner = F.div(inner, gaps)
    if left is not None and is_complex(left):  # left + right is 0 there for a sound loss
        inner = F.mul(inner, F.sub(1.0, eye))
        inner = F.add(inner, F.mul(F.div(left, _row(F, F.mul(S, 2.0))), eye))
    return inner if g_S is None else F.add(inner, F.mul(_row(F, g_S), eye))


def _svd_vjp(F: Any, g_U: Any, g_S: Any, g_Vh: Any, U: Any, S: Any, Vh: Any) -> Any:
    k = S.shape[-1]
    lead = slice(None, k)
    U, Vh = part(F, U, columns=lead), part(F, Vh, lead)
    if g_U is None and g_Vh is None:
        return _diagonal_only(F, g_S, U, Vh)
    g_U = None if g_U is None else part(F, g_U, columns=lead)
    g_Vh = None if g_Vh is None else part(F, g_Vh, lead)
    Uh, V = adjoint(F, U), adjoint(F, Vh)
    left = None if g_U is None else _skew(F, F.matmul(Uh, g_U))
    right = None if g_Vh is None else _skew(F, F.matmul(Vh, adjoint(F, g_Vh)))
    eye = F.identity_like(right if left is None else left)
    inner = _svd_inner(F, (left, right), g_S, S, eye)
    out = F.matmul(F.matmul(U, inner), Vh)
    if g_U is not None and U.shape[-2] > k:
        away = F.div(g_U, _row(F, S))
        out = F.add(out, F.matmul(F.sub(away, F.matmul(U, F.matmul(Uh, away))), Vh))
    if g_Vh is not None and Vh.shape[-1] > k:
        away = F.div(g_Vh, _column(F, S))
        out = F.add(out, F.matmul(U, F.sub(away, F.matmul(F.matmul(away, V), Vh))))
    return out


svd.vjp(A=_svd_vjp)


@op(kind="matrix")
def svdvals(xp: Any, A: Array) -> Array:
    """Descending singular values."""
    return _converged("svd", "singular values", xp, partial(xp.linalg.svd, compute_uv=False), A)


def _svdvals_vjp(F: Any, g: Any, A: Any) -> Any:
    U, _, Vh = F.svd(A)
    return _diagonal_only(F, g, U, Vh)


svdvals.vjp(A=_svdvals_vjp)


# ---- what small singular values decide


def _kept(xp: Any, A: Any, S: Any, atol: Any, rtol: Any) -> Any:
    """Which singular values count: above max(atol, rtol * the largest).

    rtol is by default eps times the larger side, or 0 where atol is above 0.
    """
    if rtol is None:
        rtol = xp.finfo(S.dtype).eps * max(A.shape[-2:])
        rtol = rtol if atol is None else xp.where(atol > 0, 0.0, rtol)
    largest = S.max(axis=-1, initial=0.0)
    bound = largest * rtol if atol is None else xp.maximum(atol, largest * rtol)
    return xp.greater(S, bound[..., None])


@op(kind="matrix", dtypes="any", outputs=("~out",))
def matrix_rank(
    xp: Any, A: Array, atol: Array | None = None, rtol: Array | None = None, hermitian: bool = False
) -> Array:
    """The number of singular values (absolute eigenvalues if hermitian) that count; int64."""
    values = eigvalsh if hermitian else svdvals
    S = xp.absolute(values.generic(xp, A))
    return xp.asarray(_kept(xp, A, S, atol, rtol).sum(axis=-1))


@op(kind="matrix", dtypes="any")
def pinv(
    xp: Any, A: Array, atol: Array | None = None, rtol: Array | None = None, hermitian: bool = False
) -> Array:
    """The pseudoinverse, singular values that do not count taken as 0."""
    if hermitian:
        values, left = eigh.generic(xp, A)
        right, S = mT_array(xp, left), xp.absolute(values)
    else:
        left, S, right = svd.generic(xp, A)
        values = S
    keep = _kept(xp, A, S, atol, rtol)
    inverse = xp.where(keep, 1 / xp.where(keep, values, 1), 0)
    out = (mT_array(xp, right) * inverse[..., None, :]) @ mT_array(xp, left)
    return out.astype(A.dtype)


def _pinv_grad(F: Any, g: Any, A: Any, P: Any) -> Any:
    """Of P = pinv(A) at constant rank.

    dP = -P dA P + P P^H dA^H (1 - A P) + (1 - P A) dA^H P^H P.
    """
    Ph, gh = adjoint(F, P), adjoint(F, g)
    back, ahead = F.matmul(gh, F.matmul(P, Ph)), F.matmul(F.matmul(Ph, P), gh)
    out = F.neg(F.matmul(Ph, F.matmul(g, Ph)))
    out = F.add(out, F.sub(back, F.matmul(A, F.matmul(P, back))))
    return F.add(out, F.sub(ahead, F.matmul(F.matmul(ahead, P), A)))


pinv.vjp(A=lambda F, g, A, out: _pinv_grad(F, g, A, out))


@op(kind="matrix", outputs=("solution", "~rank", "~singular_values"))
def lstsq(xp: Any, A: Array, B: Array, rcond: float) -> Any:
    """X of least norm that minimises `A @ X - B`; singular values up to rcond count as 0."""
    U, S, Vh = svd.generic(xp, A)
    keep = _kept(xp, A, S, None, rcond)
    inverse = xp.where(keep, 1 / xp.where(keep, S, 1), 0)[..., None]
    solution = mT_array(xp, Vh) @ (inverse * (mT_array(xp, U) @ B))
    return solution.astype(B.dtype), xp.asarray(keep.sum(axis=-1)), S


def _lstsq_grads(F: Any, g_solution: Any, A: Any, B: Any, mask: tuple[bool, ...]) -> Any:
    P = F.pinv(A)
    gA = _pinv_grad(F, F.matmul(g_solution, adjoint(F, B)), A, P) if mask[0] else None
    return gA, F.matmul(adjoint(F, P), g_solution)


lstsq.vjp_joint(_lstsq_grads)
