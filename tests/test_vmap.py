"""`vmap`: every op of the table equals a loop over examples; what is refused, nesting, in-place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import test_ops

from pyrite import Tensor, vmap
from pyrite._ops.table import TABLE
from pyrite._tensor import F
from pyrite.autograd.batch_rules import rule_of
from pyrite.autograd.batching import loop

# Ops without a rule: one call per example.
LOOPS = {
    "as_strided", "bincount", "cross_entropy_mass", "embedding_renorm", "embedding_share",
    "histogram_counts", "is_member", "restride", "search_rows", "view_grad", "view_scatter",
    "adam_step", "cross_entropy_index_grad", "rmsprop_step", "sgd_step",
}  # fmt: skip
# Their results' shapes depend on values.
REFUSED = {"nonzero", "distinct", "bincount"}
B = 3


def test_the_ops_that_loop() -> None:
    found = {n for n, op in TABLE.items() if op.kind != "create" and rule_of(op, {}) is loop}
    assert found == LOOPS


def _cases() -> list[Any]:
    return [c for c in test_ops._cases() if c.values[0] not in REFUSED]


def _examples(sample: Any, name: str, grads: bool = False) -> tuple[Any, list[list[Tensor]]]:
    """A call with operands from a list, and per operand one Tensor per example."""
    columns: list[list[Tensor]] = []
    make = test_ops._pyrite("cpu", "float64")

    def collect(array: np.ndarray, grad: bool) -> int:
        rows = [array]
        for i in range(1, B):
            other = np.roll(array.reshape(-1), i).reshape(array.shape)
            rows.append(other if array.dtype.kind == "f" else array)
        columns.append([make(r, False) for r in rows])
        return _Hole(len(columns) - 1)

    args, kwargs, _ = test_ops._build(sample, name, "float64", collect)

    def call(operands: Any) -> Any:
        def fill(v: Any) -> Any:
            if isinstance(v, _Hole):
                return operands[v]
            if isinstance(v, list | tuple) and any(isinstance(x, _Hole) for x in v):
                return type(v)(fill(x) for x in v)
            return v

        result = getattr(F, name)(*map(fill, args), **{k: fill(v) for k, v in kwargs.items()})
        return tuple(result) if isinstance(result, tuple) else result

    return call, columns


class _Hole(int):
    """The place of an operand."""


@pytest.mark.parametrize(("name", "sample"), _cases())
def test_every_op_equals_the_loop(name: str, sample: Any) -> None:
    call, columns = _examples(sample, name)
    want = [call([c[i] for c in columns]) for i in range(B)]
    batches = [F.stack(c) for c in columns]
    _same(vmap(lambda *ops: call(ops))(*batches), want)
    if len(columns) > 1:  # only the first operand differs from example to example
        dims = (0, *[None] * (len(columns) - 1))
        want = [call([columns[0][i], *[c[0] for c in columns[1:]]]) for i in range(B)]
        mixed = [batches[0], *[c[0] for c in columns[1:]]]
        _same(vmap(lambda *ops: call(ops), dims)(*mixed), want)
        want = [call([columns[0][0], *[c[i] for c in columns[1:]]]) for i in range(B)]
        mixed = [columns[0][0], *batches[1:]]
        _same(vmap(lambda *ops: call(ops), (None, *[0] * (len(columns) - 1)))(*mixed), want)


def _same(got: Any, want: list[Any]) -> None:
    columns = zip(*[test_ops._leaves(w) for w in want], strict=True)
    for batch, rows in zip(test_ops._leaves(got), columns, strict=True):
        assert batch.dtype is rows[0].dtype
        assert tuple(batch.shape) == (B, *rows[0].shape)
        for i, row in enumerate(rows):
            np.testing.assert_allclose(
                test_ops._host(batch[i]), test_ops._host(row), rtol=1e-12, atol=1e-13
            )
