"""Products of a sparse matrix and a dense one; float32 and float64."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._jit import Ints, Matrix, Vector, loop
from ._registry import I64, Array, empty, kernel, of_kind, rows

MIN = 256


@loop()
def place(index: Ints, start: Ints, order: Ints, lo: int, hi: int) -> None:
    """Counting sort: where each nonzero goes, `start` holding the next free place of each row."""
    for i in range(index.size):
        r = index[i]
        order[start[r]] = i
        start[r] += 1


@loop(kinds=("float32", "float64"))
def add_rows(
    values: Vector, order: Ints, first: Ints, col: Ints, dense: Matrix, out: Matrix, lo: int,
    hi: int,
) -> None:  # fmt: skip
    """Row r of the result: the rows of `dense` that its nonzeros name, times their values."""
    for r in range(lo, hi):
        into = out[r]
        for j in range(first[r], first[r + 1]):
            v, x = values[order[j]], dense[col[order[j]]]
            for k in range(into.size):
                into[k] += v * x[k]


@loop("reassoc", "contract", kinds=("float32", "float64"))
def dot_rows(
    left: Matrix, row: Ints, col: Ints, right: Matrix, out: Vector, lo: int, hi: int
) -> None:
    for i in range(lo, hi):
        x, y = left[row[i]], right[col[i]]
        total = x[0] * y[0]
        for k in range(1, x.size):
            total += x[k] * y[k]
        out[i] = total


def fits(matrix: Array, *indices: tuple[Array, int]) -> bool:
    """Whether the indices are int64, contiguous and in range, and there is work to do."""
    return bool(matrix.size) and all(
        i.dtype == I64 and i.size and i.flags.c_contiguous and i.min() >= 0 and i.max() < n
        for i, n in indices
    )


@kernel("sparse_matmul", MIN)
def sparse_matmul(values: Array, row: Array, col: Array, dense: Array, rows: int) -> Any:
    dense = np.ascontiguousarray(dense)  # the gradient of a sum is one number, expanded
    run = of_kind(add_rows, dense)
    if run is None or not values.flags.c_contiguous or values.dtype is not dense.dtype:
        return NotImplemented
    if not fits(dense, (row, rows), (col, dense.shape[0])):
        return NotImplemented
    first = np.zeros(rows + 1, I64)
    np.cumsum(np.bincount(row, minlength=rows), out=first[1:])
    order, out = np.empty_like(row), np.zeros((rows, dense.shape[1]), dense.dtype)
    place(1, 1, row, first[:-1].copy(), order)
    run(rows, chunk(rows, values.size * dense.shape[1]), values, order, first, col, dense, out)
    return out


def chunk(n: int, work: int) -> int:
    """Rows per part where all `n` together cost `work` elements."""
    return rows(n, -(-work // n))


@kernel("sampled_matmul")
def sampled_matmul(left: Array, row: Array, col: Array, right: Array) -> Any:
    left, right = np.ascontiguousarray(left), np.ascontiguousarray(right)
    run = of_kind(dot_rows, left)
    if run is None or row.size < MIN or right.dtype is not left.dtype:
        return NotImplemented
    if left.shape[1] != right.shape[1]:
        return NotImplemented
    if not fits(left, (row, left.shape[0]), (col, right.shape[0])):
        return NotImplemented
    out = empty(row.size, left.dtype)
    run(row.size, rows(row.size, left.shape[1]), left, row, col, right, out)
    return out
