"""Products of a sparse matrix, given by its nonzeros, and a dense one.

The two ops are each other's derivatives: nothing of the size of the dense form is ever made.
"""

from __future__ import annotations

from typing import Any

from .embedding import checked_indices, embedding_grad
from .table import Array, op


def _rows(xp: Any, matrix: Any, index: Any) -> Any:
    """The rows of a matrix that the nonzeros meet; IndexError for one that it does not have."""
    return xp.take(matrix, checked_indices(index, matrix.shape[0], "the matrix"), axis=0)


@op(public="", dtypes=("same", "values", "dense"), complex="holomorphic")
def sparse_matmul(xp: Any, values: Array, row: Array, col: Array, dense: Array, rows: int) -> Array:
    """`A @ dense`, (rows, m): A has `values[i]` (n,) added at `row[i], col[i]`; dense is (k, m).

    The products of one row are added in the order of the nonzeros.
    """
    products = values[:, None] * _rows(xp, dense, col)
    return embedding_grad.generic(xp, products, checked_indices(row, rows, "the result"), rows)


sparse_matmul.vjp(
    values=lambda F, g, row, col, dense: F.sampled_matmul(g, row, col, dense),
    dense=lambda F, g, values, row, col, dense_shape: F.sparse_matmul(
        values, col, row, g, dense_shape[0]
    ),
)


@op(public="", dtypes=("same", "left", "right"), complex="holomorphic")
def sampled_matmul(xp: Any, left: Array, row: Array, col: Array, right: Array) -> Array:
    """The elements of `left @ right.T` at `row[i], col[i]`, (n,): left (r, m), right (k, m)."""
    return xp.sum(_rows(xp, left, row) * _rows(xp, right, col), axis=1, dtype=left.dtype)


sampled_matmul.vjp(
    left=lambda F, g, row, col, right, left_shape: F.sparse_matmul(
        g, row, col, right, left_shape[0]
    ),
    right=lambda F, g, left, row, col, right_shape: F.sparse_matmul(
        g, col, row, left, right_shape[0]
    ),
)
