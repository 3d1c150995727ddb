"""Samples of the products with sparse matrices; the oracle is torch on dense forms."""

from __future__ import annotations

from typing import Any

from . import A, S, samples

ROW, COL = A((5,), values=[2, 0, 2, 1, 0], kind="int"), A((5,), values=[1, 0, 3, 3, 0], kind="int")


def product(values: Any, row: Any, col: Any, dense: Any, rows: int) -> Any:
    matrix = values.new_zeros(rows, dense.shape[0])
    return matrix.index_put((row, col), values, accumulate=True) @ dense


def sampled(left: Any, row: Any, col: Any, right: Any) -> Any:
    return (left @ right.T)[row, col]


samples(
    sparse_matmul=[
        S(A((5,)), ROW, COL, A((4, 3)), 3, torch=product),
        S(A((5,)), ROW, COL, A((4, 3), layout="T"), 6, torch=product),
        S(A((5,), kind="complex"), ROW, COL, A((4, 3), kind="complex"), 3, torch=product),
        S(A((0,)), A((0,), kind="int"), A((0,), kind="int"), A((4, 3)), 3, torch=product),
    ],
    sampled_matmul=[
        S(A((3, 2)), ROW, COL, A((4, 2)), torch=sampled),
        S(A((3, 2), layout="T"), ROW, COL, A((4, 2)), torch=sampled),
        S(A((3, 2), kind="complex"), ROW, COL, A((4, 2), kind="complex"), torch=sampled),
        S(A((3, 2)), A((0,), kind="int"), A((0,), kind="int"), A((4, 2)), torch=sampled),
    ],
)
