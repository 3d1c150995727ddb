"""Products of float32 matrices, however they are cut: near PyTorch's accuracy, equal bits."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

import pyrite

pytest.importorskip("numba", reason="the kernels are compiled by numba")
torch = pytest.importorskip("torch", reason="the distance is compared with PyTorch's")

RNG = np.random.default_rng(5)
# Rows, depth, columns: whole and broken tiles, few of each, blocks of the depth, several parts.
SIZES = [
    (1, 1, 1), (1, 300, 70), (2, 7, 5), (3, 16, 4), (5, 33, 17), (9, 400, 12), (17, 20, 100),
    (40, 5, 300), (70, 65, 1), (33, 200, 13), (100, 193, 96), (130, 385, 150), (600, 300, 97),
    (1, 700, 600), (9, 600, 290), (300, 64, 700),
]  # fmt: skip


def normal(*shape: int, turned: bool = False) -> np.ndarray[Any, Any]:
    x = RNG.standard_normal(shape[:-2] + shape[:-3:-1] if turned else shape, dtype="float32")
    return x.swapaxes(-1, -2) if turned else x


def check(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], bias: Any = None) -> None:
    def run(L: Any) -> Any:
        x, y = L.from_numpy(a), L.from_numpy(b)
        if bias is None:
            return L.matmul(x, y).numpy()
        return L.nn.functional.linear(x, y.t(), L.from_numpy(bias)).numpy()

    wanted = a.astype("float64") @ b.astype("float64") + (0 if bias is None else bias)
    ours, theirs = (np.abs(run(L) - wanted).max() for L in (pyrite, torch))
    assert ours <= max(2 * theirs, 1e-6 * np.sqrt(a.shape[-1])), (ours, theirs)
    before = pyrite.get_num_threads()
    pyrite.set_num_threads(1)
    alone = run(pyrite)
    pyrite.set_num_threads(3)
    np.testing.assert_array_equal(run(pyrite), alone)
    pyrite.set_num_threads(before)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_matrices(size: tuple[int, int, int]) -> None:
    rows, depth, columns = size
    for turned, other in product((False, True), repeat=2):
        check(normal(rows, depth, turned=turned), normal(depth, columns, turned=other))
    check(normal(rows, depth), normal(depth, columns, turned=True), normal(columns))


@pytest.mark.parametrize("size", [(12, 30, 20), (65, 64, 40), (130, 200, 100)], ids=str)
def test_batches(size: tuple[int, int, int]) -> None:
    rows, depth, columns = size
    for turned, other in product((False, True), repeat=2):
        check(normal(3, rows, depth, turned=turned), normal(3, depth, columns, turned=other))
    check(normal(3, 2, rows, depth), normal(depth, columns, turned=True), normal(columns))
    check(normal(4, rows, depth)[::2], normal(2, depth, columns + 3)[..., 3:])


@pytest.mark.parametrize("rows", [3, 100])
def test_what_is_not_finite_stays_in_its_row_and_column(rows: int) -> None:
    a, b = normal(rows, 50), normal(50, 37)
    a[1, 49], b[7, 36] = np.nan, np.inf
    for x, y in ((a, b), (np.asfortranarray(a), b), (a, np.asfortranarray(b))):
        finite = np.isfinite(pyrite.matmul(pyrite.from_numpy(x), pyrite.from_numpy(y)).numpy())
        wanted = np.ones((rows, 37), bool)
        wanted[1] = wanted[:, 36] = False
        np.testing.assert_array_equal(finite, wanted)
