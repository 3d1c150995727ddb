"""Factorisations by elimination and reflection: triangular solves, Cholesky, LU with pivots, QR.

What array libraries lack is written on `xp` for a whole batch: recursion over blocks of columns,
so that most work is matrix products (Toledo 1997, "Locality of reference in LU decomposition with
partial pivoting"). Derivatives: Giles 2008, "Collected matrix derivative results for forward and
reverse mode"; Murray 2016, "Differentiation of the Cholesky decomposition".
"""

from __future__ import annotations

from math import prod
from typing import Any

from .._errors import LinAlgError
from .matmul import transposed as mT
from .pointwise import is_complex
from .table import Array, op


@op(kind="matrix")
def identity_like(xp: Any, input: Array) -> Array:
    """The identity in the input's shape (its last two dimensions) and dtype."""
    return xp.broadcast_to(xp.eye(*input.shape[-2:], dtype=input.dtype), input.shape)


def adjoint(F: Any, x: Any) -> Any:
    """The conjugate transpose of the last two dimensions."""
    return F.conj_physical(mT(F, x)) if is_complex(x) else mT(F, x)


def part(F: Any, x: Any, rows: slice = slice(None), columns: slice = slice(None)) -> Any:
    """A block of the last two dimensions."""
    return F.slice(x, (*[slice(None)] * (x.ndim - 2), rows, columns))


def batch(array: Any, matrix: int = 2) -> Any:
    """An array as one batch: the dimensions before the last `matrix` become one."""
    cut = array.ndim - matrix
    return array.reshape((prod(array.shape[:cut]), *array.shape[cut:]))


def mT_array(xp: Any, x: Any, conjugate: bool = True) -> Any:
    """The transpose of the last two dimensions of an array, conjugated unless told."""
    out = xp.swapaxes(x, -1, -2)
    return xp.conj(out) if conjugate and out.dtype.kind == "c" else out


@op(kind="matrix", dtypes="any", outputs=("~out",))
def check_info(xp: Any, info: Array, message: str) -> Array:
    """The info; LinAlgError for the first matrix where it is not 0.

    In the message `{0}` stands for which of a batch it is, `{1}` for its info.
    """
    codes = info.reshape(-1).tolist()
    first = next((i for i, code in enumerate(codes) if code), None)
    if first is not None:
        where = f"(Batch element {first}): " if info.ndim else ""
        raise LinAlgError(message.format(where, codes[first]))
    return info


# ---- triangular systems


def substitute(A: Any, X: Any, unit: bool) -> None:
    """Solve `A @ Y = X` for a lower triangular A, writing Y into X."""
    n = A.shape[-1]
    if n == 1 and not unit:
        X[...] = X / A
    if n <= 1:
        return
    h = n // 2
    top, rest = X[..., :h, :], X[..., h:, :]
    substitute(A[..., :h, :h], top, unit)
    rest[...] = rest - A[..., h:, :h] @ top
    substitute(A[..., h:, h:], rest, unit)


@op(kind="matrix", complex="holomorphic")
def solve_triangular(
    xp: Any, A: Array, B: Array, upper: bool, unitriangular: bool = False
) -> Array:
    """X of `A @ X = B`, of which only the triangle counts; infinite where A is singular."""
    X = B + xp.zeros((*A.shape[:-2], 1, 1), B.dtype)
    step = -1 if upper else 1
    substitute(A[..., ::step, ::step], X[..., ::step, :], unitriangular)
    return X


def _triangular_grads(
    F: Any, g: Any, A: Any, out: Any, upper: bool, unitriangular: bool, mask: tuple[bool, ...]
) -> Any:
    gB = F.solve_triangular(mT(F, A), g, not upper, unitriangular)
    if not mask[0]:
        return None, gB
    gA = F.neg(F.matmul(gB, mT(F, out)))
    away = int(unitriangular)
    return (F.triu(gA, away) if upper else F.tril(gA, -away)), gB


solve_triangular.vjp_joint(_triangular_grads)


# ---- Cholesky


def _cholesky_columns(xp: Any, A: Any) -> Any:
    """Cholesky column by column: NaN from the first minor that is not positive, whose order."""
    L, info = xp.zeros_like(A), xp.zeros(A.shape[:-2], xp.int32)
    for j in range(A.shape[-1]):
        row = xp.conj(L[..., j, :j])[..., None]
        column = A[..., j:, j] - (L[..., j:, :j] @ row)[..., 0]
        pivot = xp.real(column[..., 0])
        info = xp.where(xp.logical_and(info == 0, ~(pivot > 0)), j + 1, info)
        L[..., j:, j] = column / xp.sqrt(xp.where(pivot > 0, pivot, xp.nan))[..., None]
    return L, info.astype(xp.int32)


@op(kind="matrix", outputs=("L", "~info"))
def cholesky_ex(xp: Any, input: Array) -> Any:
    """L of `input = L @ L.mH`, from the lower triangle; info: 0, or the minor not positive."""
    try:
        L = xp.linalg.cholesky(input)
    except xp.linalg.LinAlgError:
        return _cholesky_columns(xp, input)
    if not (xp.real(xp.diagonal(L, 0, -2, -1)) > 0).all():  # CuPy does not raise
        return _cholesky_columns(xp, input)
    return L, xp.zeros(input.shape[:-2], xp.int32)


def _cholesky_vjp(F: Any, g_L: Any, L: Any) -> Any:
    low = F.tril(F.matmul(adjoint(F, L), g_L))
    inner = F.add(low, adjoint(F, F.tril(low, -1)))
    half = F.solve_triangular(adjoint(F, L), F.mul(inner, 0.5), True)
    return adjoint(F, F.solve_triangular(adjoint(F, L), adjoint(F, half), True))


cholesky_ex.vjp(input=_cholesky_vjp)


# ---- LU


def _eliminate(xp: Any, LU: Any, pivots: Any, low: int, high: int, pivot: bool) -> None:
    """Factor columns low to high, in place; rows are swapped over all columns."""
    if high - low == 1:
        if pivot:
            _swap(xp, LU, pivots, low)
        top = LU[:, low, low][:, None]
        below = LU[:, low + 1 :, low]
        below[...] = xp.where(top == 0, below, below / top)
        return
    mid = (low + high) // 2
    _eliminate(xp, LU, pivots, low, mid, pivot)
    _update(LU, low, mid, high)
    _eliminate(xp, LU, pivots, mid, high, pivot)


def _update(LU: Any, low: int, mid: int, high: int) -> None:
    """Carry the elimination of columns low to mid over to those from mid to high."""
    right, rest = LU[:, low:mid, mid:high], LU[:, mid:, mid:high]
    substitute(LU[:, low:mid, low:mid], right, True)
    rest[...] = rest - LU[:, mid:, low:mid] @ right


def _swap(xp: Any, LU: Any, pivots: Any, j: int) -> None:
    """Bring the largest element of column j to the diagonal (for complex by LAPACK's |re|+|im|)."""
    column = LU[:, j:, j]
    size = xp.absolute(column.real) + xp.absolute(column.imag)
    chosen, every = xp.argmax(size, axis=1) + j, xp.arange(LU.shape[0])
    pivots[:, j] = chosen + 1
    lifted = LU[every, chosen]
    LU[every, chosen] = LU[:, j]
    LU[:, j] = lifted


@op(kind="matrix", outputs=("LU", "~pivots", "~info"), complex="holomorphic")
def lu_factor_ex(xp: Any, input: Array, pivot: bool = True) -> Any:
    """L (without its unit diagonal) and U in one; row swaps, from 1; the first zero pivot or 0."""
    m, n = input.shape[-2:]
    k = min(m, n)
    LU = batch(input).copy()
    pivots = xp.zeros((LU.shape[0], k), xp.int32) + xp.arange(1, k + 1, dtype=xp.int32)
    if LU.size:
        _eliminate(xp, LU, pivots, 0, k, pivot)
        _update(LU, 0, k, n)
    zero = xp.diagonal(LU, 0, 1, 2) == 0
    info = xp.where(zero, xp.arange(1, k + 1), k + 1).min(axis=1, initial=k + 1) % (k + 1)
    lead = input.shape[:-2]
    return (
        LU.reshape(input.shape), pivots.reshape((*lead, k)),
        info.astype(xp.int32).reshape(lead),
    )  # fmt: skip


@op(kind="matrix")
def pivots_to_rows(xp: Any, pivots: Array, n: int) -> Array:
    """The permutation of `n` rows that swaps (from 1) stand for: row i of the result was where."""
    swaps = batch(pivots, 1).astype(xp.int64) - 1
    every = xp.arange(swaps.shape[0])
    rows = xp.zeros((swaps.shape[0], n), xp.int64) + xp.arange(n)
    for j in range(swaps.shape[1]):
        chosen = swaps[:, j]
        lifted = rows[every, chosen]
        rows[every, chosen] = rows[:, j]
        rows[:, j] = lifted
    return rows.reshape((*pivots.shape[:-1], n))


@op(kind="matrix")
def permutation_matrix(xp: Any, rows: Array, like: Array) -> Array:
    """P with `P[rows[i], i] = 1`, in the dtype of `like`: `A = P @ L @ U`."""
    n = rows.shape[-1]
    return (rows[..., None, :] == xp.arange(n)[:, None]).astype(like.dtype)


def permuted(F: Any, pivots: Any, like: Any) -> Any:
    """The matrix of the row swaps of a factor's matrix."""
    return F.permutation_matrix(F.pivots_to_rows(pivots, like.shape[-2]), like)


def _lu_vjp(F: Any, g_LU: Any, LU: Any, pivots: Any) -> Any:
    """For M = L1^-1 dA1 U1^-1 of the leading square L1^-1 dL1 = tril(M, -1), dU1 U1^-1 = triu(M).

    The rest of a wide or tall matrix follows from A2 = L U2 or A2 = L2 U.
    """
    k = min(LU.shape[-2:])
    lead, rest = slice(None, k), slice(k, None)
    square, g = part(F, LU, lead, lead), part(F, g_LU, lead, lead)
    U2, gU2 = (part(F, x, lead, rest) for x in (LU, g_LU))
    L2, gL2 = (part(F, x, rest, lead) for x in (LU, g_LU))
    U = F.triu(square)
    L = F.add(F.tril(square, -1), F.identity_like(square))
    low = F.sub(F.matmul(mT(F, L), F.tril(g, -1)), F.matmul(gU2, mT(F, U2)))
    up = F.sub(F.matmul(F.triu(g), mT(F, U)), F.matmul(mT(F, L2), gL2))
    inner = F.add(F.tril(low, -1), F.triu(up))
    below = F.cat([inner, gL2], -2)  # both are multiplied by U^-T on the right
    below = mT(F, F.solve_triangular(U, mT(F, below), True))
    top = F.cat([part(F, below, lead), gU2], -1)  # and these by L^-T on the left
    top = F.solve_triangular(mT(F, L), top, True, True)
    bottom = part(F, below, rest)
    full = top if not bottom.shape[-2] else F.cat([top, bottom], -2)
    return F.matmul(permuted(F, pivots, full), full)


lu_factor_ex.vjp(input=_lu_vjp)


# ---- QR


@op(kind="matrix", outputs=("Q", "R"))
def qr(xp: Any, input: Array, complete: bool = False) -> Any:
    """Q with orthonormal columns and upper triangular R of a matrix with no fewer rows."""
    return tuple(xp.linalg.qr(input, "complete" if complete else "reduced"))


def _qr_vjp(F: Any, g_Q: Any, g_R: Any, Q: Any, R: Any) -> Any:
    if Q.shape[-1] > R.shape[-1]:
        raise RuntimeError(
            "The QR decomposition is not differentiable when mode='complete' and nrows > ncols: "
            "use mode='reduced'"
        )
    inner = F.matmul(g_R, adjoint(F, R)) if g_R is not None else None
    if g_Q is not None:
        back = F.neg(F.matmul(adjoint(F, Q), g_Q))
        inner = back if inner is None else F.add(inner, back)
    upper = F.triu(inner)
    middle = F.mul(upper, F.identity_like(upper))
    spread = F.add(upper, adjoint(F, F.sub(upper, middle)))
    if is_complex(Q):
        spread = F.sub(spread, F.mul(F.sub(middle, adjoint(F, middle)), 0.5))
    out = F.matmul(Q, spread)
    out = out if g_Q is None else F.add(out, g_Q)
    return adjoint(F, F.solve_triangular(R, adjoint(F, out), True))


qr.vjp(input=_qr_vjp)


@op(kind="matrix", outputs=("~a", "~tau"))
def geqrf(xp: Any, input: Array) -> Any:
    """QR as LAPACK leaves it: R above, the reflections below the diagonal, and their scales."""
    h, tau = xp.linalg.qr(input, "raw")
    return xp.ascontiguousarray(xp.swapaxes(h, -1, -2)), tau
