"""The compiled kernels that write at indices and copy into memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba", reason="the kernels are compiled by numba")

from _moves import RNG, numbers

import pyrite
from pyrite._ops.table import TABLE
from pyrite.backends.numpy.kernels import KERNELS


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("write", (numbers(200, 167).T[:, :40],)),
        ("write_number", (0.3,)),
        ("index_write", (numbers(40, 200), [np.arange(40)[::-1].copy()], (0,), False)),
        ("index_write", (numbers(300, 200), [RNG.integers(-40, 40, 300)], (0,), True)),
        ("scatter_write", (1, RNG.integers(0, 200, (40, 200)), numbers(40, 200), True)),
        ("scatter_write", (1, RNG.integers(0, 200, (40, 200)), numbers(), False)),
    ],
)
def test_writing_into_memory(name: str, args: tuple[Any, ...]) -> None:
    ours = numbers(167 if name == "write" else 40, 40 if name == "write" else 200)
    theirs = ours.copy()
    assert KERNELS[name](ours, *args) is None
    TABLE[name].generic(np, theirs, *args)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("bad", [-91, 90])
def test_an_index_out_of_range_is_left_to_the_generic_kernel(bad: int) -> None:
    index = np.append(RNG.integers(0, 90, 499), bad)
    x = numbers(90, 33)
    before = x.copy()
    assert KERNELS["index"](x, [index], (0,)) is NotImplemented
    assert KERNELS["embedding"](x, index) is NotImplemented
    assert KERNELS["embedding_grad"](numbers(500, 33), index, 90) is NotImplemented
    assert KERNELS["index_write"](x, numbers(500, 33), [index], (0,)) is NotImplemented
    np.testing.assert_array_equal(x, before)
    with pytest.raises(IndexError, match="out of bounds for dimension 0 with size 90"):
        pyrite.from_numpy(x)[pyrite.from_numpy(index)]
