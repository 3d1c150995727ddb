"""Samples of factorisations, systems and spectra.

Where LAPACK chooses signs, or torch takes a matrix for symmetric, tests/test_linalg.py compares
with torch; here the generic kernels and both modes of the derivatives are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import A, S, samples


def _spd(n: int, kind: str = "float", lead: tuple[int, ...] = ()) -> A:
    """A positive-definite matrix."""
    rng = np.random.default_rng(n)
    x: Any = rng.standard_normal((*lead, n, n))
    if kind == "complex":
        x = x + 1j * rng.standard_normal((*lead, n, n))
    values = x @ x.conj().swapaxes(-1, -2) + 2 * np.eye(n)
    return A(values.shape, values=values, kind=kind)


def _cofactor(x: Any) -> Any:
    return x.det()[..., None, None] * x.inverse().mT


def _identity(x: Any) -> Any:
    return x.new_ones(x.shape).tril().triu()


def _rows(pivots: Any, n: int) -> Any:
    rows = list(range(n))
    for i, p in enumerate(pivots.tolist()):
        rows[i], rows[p - 1] = rows[p - 1], rows[i]
    return pivots.new_tensor(rows).long()


SQUARE, BATCH, EMPTY = A((3, 3), layout="T"), A((2, 4, 4)), A((2, 0, 0))
TALL, WIDE, TURN = A((5, 3)), A((2, 3, 4)), A((3, 3), kind="complex")
SWAPS = A((3,), values=[3, 3, 3], kind="int")
LD, BLOCKS = A((3, 3), grad=False), A((3,), values=[1, -3, -3], kind="int")
_FIXED = A((4, 2), values=np.random.default_rng(0).standard_normal((4, 2)))  # U[:, 2:] is free
BATCHES = [S(SQUARE), S(BATCH), S(TURN), S(EMPTY)]


def over(name: str, **options: Any) -> list[Any]:
    return [S(*s.args, torch=name, **options) for s in BATCHES]


samples(
    check_info=[S(A((2,), values=[0, 0], kind="int"), "{0}{1}", torch=lambda info, _: info)],
    identity_like=[S(x, torch=_identity) for x in (SQUARE, TALL, WIDE)],
    solve_triangular=[
        S(A((3, 3), 1.0), A((3, 2)), True, torch=None),
        S(A((2, 4, 4), 1.0), A((4, 2)), False, torch=None),
        S(A((3, 3)), A((2, 3, 1)), False, True, torch=None),
        S(TURN, A((3, 1), kind="complex"), True, torch=None),
        S(A((0, 0)), A((0, 2)), True, torch=None),
    ],
    cholesky_ex=[
        S(_spd(3), torch="linalg.cholesky_ex"), S(_spd(3, "complex"), torch="linalg.cholesky_ex"),
        S(_spd(2, lead=(2,)), torch="linalg.cholesky_ex"), S(EMPTY, torch="linalg.cholesky_ex"),
    ],
    lu_factor_ex=[S(x, torch="linalg.lu_factor_ex") for x in (SQUARE, BATCH, TALL, WIDE, TURN)]
    + [S(SQUARE, False, torch=None)],
    pivots_to_rows=[S(SWAPS, 3, torch=_rows), S(SWAPS, 4, torch=_rows)],
    permutation_matrix=[S(A((3,), values=[2, 0, 1], kind="int"), SQUARE, torch=None)],
    qr=[S(x, torch="linalg.qr") for x in (SQUARE, TALL, BATCH, TURN)]
    + [S(A((3, 3)), True, torch=None)],
    geqrf=[S(x) for x in (SQUARE, TALL, WIDE, TURN)],
    ldl_factor_ex=[
        S(_spd(4), torch="linalg.ldl_factor_ex"), S(_spd(3, "complex"), True, torch=None),
    ],
    ldl_solve=[S(LD, BLOCKS, A((3, 2), grad=False), torch=None)],
    inv_ex=over("linalg.inv_ex"),
    solve_ex=[
        S(SQUARE, A((3, 2)), torch="linalg.solve_ex"), S(BATCH, A((4, 1)), torch="linalg.solve_ex"),
        S(SQUARE, A((2, 3, 3)), torch="linalg.solve_ex"),
        S(TURN, A((3, 1), kind="complex"), torch="linalg.solve_ex"),
    ],
    det=[*over("det"), S(A((3, 3), values=[[1, 2, 3], [2, 4, 6], [0, 1, 1]]))],
    cofactor=[S(SQUARE, torch=_cofactor), S(BATCH, torch=_cofactor), S(TURN, torch=_cofactor)],
    slogdet=over("linalg.slogdet"),
    matrix_exp=[*over("matrix_exp"), S(A((2, 3, 3), 5.0, 9.0), gradgrad=False)],
    eigh=[S(_spd(3), torch=None), S(_spd(3, "complex"), "U", torch=None), S(EMPTY, torch=None)],
    eigvalsh=[S(_spd(3), torch="linalg.eigvalsh"), S(_spd(3, "complex"), torch="linalg.eigvalsh")],
    eig=[S(_spd(3), torch=None), S(_spd(3, "complex"), torch=None)],
    eigvals=[S(_spd(3), torch=None), S(_spd(3, "complex"), torch=None)],
    svd=[S(x, torch=None) for x in (SQUARE, TALL, WIDE)] + [S(_FIXED, True, torch=None)],
    svdvals=[S(x, torch="linalg.svdvals") for x in (SQUARE, TALL, WIDE, TURN, EMPTY)],
    matrix_rank=[S(x, torch="linalg.matrix_rank") for x in (SQUARE, TALL, WIDE, TURN)],
    pinv=[S(x, torch="linalg.pinv") for x in (SQUARE, TALL, WIDE, TURN)],
    lstsq=[S(TALL, A((5, 2)), 1e-6, torch=None), S(WIDE, A((2, 3, 1)), 1e-6, torch=None)],
)  # fmt: skip
