"""The LDL factorisation of symmetric matrices (Bunch and Kaufman 1977), stored as by LAPACK.

Pivots are chosen by value, so each matrix of a batch is worked by itself. No derivative.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .factor import batch, mT_array
from .table import Array, op

GROWTH = (1 + 17**0.5) / 8  # balances the growth of the two kinds of pivots


def _size(xp: Any, x: Any) -> Any:
    """LAPACK's magnitude, |re| + |im|."""
    return xp.absolute(x.real) + xp.absolute(x.imag)


def _pivot(xp: Any, T: Any) -> tuple[int, int]:
    """Of a symmetric matrix: the row to swap into the first block, and that block's size."""
    sizes = _size(xp, T)
    column = sizes[:, 0].tolist()
    largest = max(column[1:], default=0.0)
    if column[0] >= GROWTH * largest or largest == 0:
        return 0, 1
    r = column.index(largest, 1)
    row = sizes[:, r].tolist()
    own = row.pop(r)
    across = max(row)
    if column[0] >= GROWTH * largest * (largest / across):
        return 0, 1
    return r, (1 if own >= GROWTH * across else 2)


def _exchange(xp: Any, T: Any, i: int, j: int) -> Any:
    """A matrix with two rows swapped."""
    if i == j:
        return T
    order = list(range(T.shape[0]))
    order[i], order[j] = j, i
    return T[xp.asarray(order)]


def _factor(xp: Any, A: Any, pivots: Any, hermitian: bool) -> int:
    """Factor a full matrix, leaving L and D in its lower triangle; the first zero pivot or 0."""
    k, info, n = 0, 0, A.shape[0]
    while k < n:
        T = A[k:, k:]
        kp, s = _pivot(xp, T)
        T[...] = _exchange(xp, _exchange(xp, T, s - 1, kp).T, s - 1, kp).T
        D, below = T[:s, :s], T[s:, :s]
        pivots[k : k + s] = kp + k + 1 if s == 1 else -(kp + k + 1)
        if s == 1 and D.item() == 0:
            info = info or k + 1
        elif k + s < n:
            scaled = below @ xp.linalg.inv(D)
            T[s:, s:] = T[s:, s:] - scaled @ mT_array(xp, below, hermitian)
            below[...] = scaled
        k += s
    return info


@op(kind="matrix", outputs=("~LD", "~pivots", "~info"))
def ldl_factor_ex(xp: Any, input: Array, hermitian: bool = False) -> Any:
    """L and block-diagonal D in one lower triangle; negative pivots mark blocks of two."""
    A = batch(input)
    low, own = xp.tril(A, -1), xp.diagonal(A, 0, 1, 2)[..., None]
    own = (own.real if hermitian else own) * xp.eye(A.shape[-1], dtype=A.dtype)
    LD = low + mT_array(xp, low, hermitian) + own
    pivots = xp.zeros(LD.shape[:-1], xp.int32)
    info = xp.zeros(LD.shape[:1], xp.int32)
    for i in range(LD.shape[0]):
        info[i] = _factor(xp, LD[i], pivots[i], hermitian)
    lead = input.shape[:-2]
    return (
        xp.tril(LD).reshape(input.shape), pivots.reshape((*lead, LD.shape[-1])),
        info.reshape(lead),
    )  # fmt: skip


def _blocks(pivots: list[int]) -> Iterator[tuple[slice, int, int]]:
    """The diagonal blocks in order: their rows, and the two rows swapped at each."""
    k = 0
    while k < len(pivots):
        s = 1 if pivots[k] > 0 else 2
        yield slice(k, k + s), k + s - 1, abs(pivots[k]) - 1
        k += s


def _solve(xp: Any, LD: Any, pivots: list[int], B: Any, hermitian: bool) -> Any:
    blocks = list(_blocks(pivots))
    for rows, i, j in blocks:
        B = _exchange(xp, B, i, j)
        rest, D = slice(rows.stop, None), xp.tril(LD[rows, rows])
        D = D + mT_array(xp, xp.tril(D, -1), hermitian)
        B[rest] = B[rest] - LD[rest, rows] @ B[rows]
        B[rows] = xp.linalg.solve(D, B[rows])
    for rows, i, j in reversed(blocks):
        rest = slice(rows.stop, None)
        B[rows] = B[rows] - mT_array(xp, LD[rest, rows], hermitian) @ B[rest]
        B = _exchange(xp, B, i, j)
    return B


@op(kind="matrix")
def ldl_solve(xp: Any, LD: Array, pivots: Array, B: Array, hermitian: bool = False) -> Array:
    """X of `A @ X = B` from the factor of A."""
    lead = B + xp.zeros((*LD.shape[:-2], 1, 1), B.dtype)
    out = batch(lead)
    factors = batch(LD + xp.zeros((*lead.shape[:-2], 1, 1), LD.dtype))
    swaps = batch(pivots + xp.zeros((*lead.shape[:-2], 1), pivots.dtype), 1)
    for i in range(out.shape[0]):
        out[i] = _solve(xp, factors[i], swaps[i].tolist(), out[i].copy(), hermitian)
    return out.reshape(lead.shape)
