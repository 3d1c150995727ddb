"""Linear systems, inverses, determinants and the matrix exponential.

Derivatives: Giles 2008, "Collected matrix derivative results for forward and reverse mode
algorithmic differentiation"; of holomorphic ops with plain transposes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .factor import adjoint, batch, identity_like, lu_factor_ex, part
from .matmul import transposed as mT
from .pointwise import is_complex
from .table import Array, op

# ---- systems and inverses


def _info(xp: Any, A: Any) -> Any:
    """For each matrix the order of its first zero pivot, 0 where there is none."""
    info = lu_factor_ex.generic(xp, A)[2].reshape(math.prod(A.shape[:-2]))
    matrices = batch(A)
    for i in range(matrices.shape[0]):
        try:
            xp.linalg.inv(matrices[i])
        except xp.linalg.LinAlgError:  # LAPACK's rounding made the pivot zero, ours perhaps not
            info[i] = info[i].item() or A.shape[-1]
    return info.reshape(A.shape[:-2])


def _regular(xp: Any, A: Any, compute: Callable[[Any], Any]) -> Any:
    """The result and the info: singular matrices give NaN and do not disturb the others."""
    try:
        result = compute(A)
        if xp.isfinite(result).all():
            return result, xp.zeros(A.shape[:-2], xp.int32)
    except xp.linalg.LinAlgError:
        pass
    info = _info(xp, A)
    singular = (info != 0)[..., None, None]
    result = compute(xp.where(singular, identity_like.generic(xp, A), A))
    return xp.where(singular, xp.nan, result).astype(A.dtype), info


@op(kind="matrix", outputs=("inverse", "~info"), complex="holomorphic")
def inv_ex(xp: Any, A: Array) -> Any:
    """The inverse; info: 0, or which pivot is zero."""
    return _regular(xp, A, xp.linalg.inv)


inv_ex.vjp(
    A=lambda F, g_inverse, inverse: F.neg(
        F.matmul(mT(F, inverse), F.matmul(g_inverse, mT(F, inverse)))
    )
)


@op(kind="matrix", outputs=("result", "~info"), complex="holomorphic")
def solve_ex(xp: Any, A: Array, B: Array) -> Any:
    """X of `A @ X = B`; info: 0, or which pivot is zero. Batches broadcast."""
    return _regular(xp, A, lambda a: xp.linalg.solve(a, B))


def _solve_grads(F: Any, g_result: Any, A: Any, result: Any, mask: tuple[bool, ...]) -> Any:
    gB = F.solve_ex(mT(F, A), g_result)[0]
    return F.neg(F.matmul(gB, mT(F, result))) if mask[0] else None, gB


solve_ex.vjp_joint(_solve_grads)


# ---- determinants


@op(kind="matrix", complex="holomorphic")
def det(xp: Any, A: Array) -> Array:
    """The determinant."""
    return xp.asarray(xp.linalg.det(A)).astype(A.dtype)


det.vjp(A=lambda F, g, A: F.mul(F.reshape(g, (*g.shape, 1, 1)), F.cofactor(A)))


@op(kind="matrix", complex="holomorphic")
def cofactor(xp: Any, A: Array) -> Array:
    """The matrix of cofactors, which is the gradient of the determinant, singular or not.

    `det(A) * inv(A).mT`, or by the singular values where that would lose digits (Higham, "What
    Is the Adjugate of a Matrix?").
    """
    d = xp.linalg.det(A)
    if (xp.absolute(d) > 100 * xp.finfo(A.dtype).eps).all():
        return (d[..., None, None] * xp.swapaxes(xp.linalg.inv(A), -1, -2)).astype(A.dtype)
    U, S, Vh = xp.linalg.svd(A)
    eye = xp.eye(S.shape[-1], dtype=S.dtype)
    others = xp.where(eye != 0, eye, S[..., None, :]).prod(axis=-1)
    turn = (xp.linalg.det(U) * xp.linalg.det(Vh))[..., None, None]
    return (turn * xp.conj((U * others[..., None, :]) @ Vh)).astype(A.dtype)


def _cofactor_vjp(F: Any, g: Any, A: Any) -> Any:
    """The second derivative of det is a sum of products of all singular values but two.

    With A = U S Vh, E' = U^H E V and G' alike: D2 det(A)[E, G] = det(U) det(Vh) times the sum over
    i != j of (E'_ii G'_jj - E'_ij G'_ji) prod(S_k, k not i, j).
    """
    U, S, Vh = F.svd(A)
    eye, n = F.identity_like(A), A.shape[-1]
    lead = eye.shape[:-2]
    taken = F.add(F.reshape(eye, (*lead, n, 1, n)), F.reshape(eye, (*lead, 1, n, n)))
    values = F.reshape(S, (*S.shape[:-1], 1, 1, n))
    rest = F.where(F.ne(taken, 0.0), 1.0, values)
    pairs = F.mul(F.prod(rest, -1), F.sub(1.0, eye))
    turned = F.matmul(F.matmul(adjoint(F, U), g), adjoint(F, Vh))
    own = F.reshape(F.diagonal(turned, 0, -2, -1), (*S.shape, 1))
    inner = F.sub(F.mul(eye, F.matmul(pairs, own)), F.mul(mT(F, turned), pairs))
    turn = F.mul(F.det(U), F.det(Vh))
    inner = F.mul(inner, F.reshape(turn, (*turn.shape, 1, 1)))
    left, right = (mT(F, adjoint(F, x)) for x in (U, Vh))
    return F.matmul(F.matmul(left, inner), right)


cofactor.vjp(A=_cofactor_vjp)


@op(kind="matrix", outputs=("sign", "logabsdet"))
def slogdet(xp: Any, A: Array) -> Any:
    """The determinant's sign (or phase) and the logarithm of its size."""
    sign, size = xp.linalg.slogdet(A)
    return xp.asarray(sign), xp.asarray(size)


def _slogdet_vjp(F: Any, g_sign: Any, g_logabsdet: Any, sign: Any, A: Any) -> Any:
    if is_complex(A):  # d sign = sign * i * im(trace(A^-1 dA))
        weight = F.mul(sign, 0.0) if g_logabsdet is None else F.add(F.mul(sign, 0.0), g_logabsdet)
        if g_sign is not None:
            turn = F.mul(F.conj_physical(g_sign), sign)
            weight = F.sub(weight, F.mul(F.sub(turn, F.conj_physical(turn)), 0.5))
    elif g_logabsdet is None:
        return F.zeros_like(A)
    else:
        weight = g_logabsdet
    inverse = F.inv_ex(adjoint(F, A))[0]
    return F.mul(F.reshape(weight, (*weight.shape, 1, 1)), inverse)


slogdet.vjp(A=_slogdet_vjp)


# ---- the exponential

# Coefficients of the Padé approximant of degree 13, and the norm up to which it is exact to
# float64's rounding (Higham 2005, "The scaling and squaring method for the matrix exponential").
PADE = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000,
    10559470521600, 670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip
REACH = 5.371920351148152


@op(kind="matrix", complex="holomorphic")
def matrix_exp(xp: Any, input: Array) -> Array:
    """The exponential of a square matrix."""
    norm = xp.absolute(input).sum(axis=-2).max(axis=-1, initial=0.0)[..., None, None]
    steps = xp.ceil(xp.log2(xp.maximum(norm, REACH) / REACH))
    steps = xp.where(xp.isfinite(steps), steps, 0)
    A = input / (2.0**steps).astype(norm.dtype)
    A2 = A @ A
    A4 = A2 @ A2
    powers = (xp.eye(A.shape[-1], dtype=A.dtype), A2, A4, A4 @ A2)

    def series(first: int) -> Any:
        """The terms `first`, first + 2, ... of the approximant, without the odd ones' A."""
        terms = [c / PADE[0] for c in PADE[first::2]]
        low = sum(c * p for c, p in zip(terms, powers, strict=False))
        return low + powers[3] @ sum(c * p for c, p in zip(terms[4:], powers[1:], strict=True))

    even, odd = series(0), A @ series(1)
    X = xp.linalg.solve(even - odd, even + odd)
    for i in range(int(steps.max(initial=0).item())):
        X = xp.where(steps > i, X @ X, X)
    return X.astype(input.dtype)


def _exp_vjp(F: Any, g: Any, input: Any) -> Any:
    """The upper right block of exp([[A^T, g], [0, A^T]]) (Higham 2008, Functions of Matrices)."""
    n, A = input.shape[-1], mT(F, input)
    top, bottom = F.cat([A, g], -1), F.cat([F.zeros_like(g), A], -1)
    return part(F, F.matrix_exp(F.cat([top, bottom], -2)), slice(None, n), slice(n, None))


matrix_exp.vjp(input=_exp_vjp)
