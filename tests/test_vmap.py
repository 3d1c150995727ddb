"""`vmap`: every op of the table equals a loop over examples; what is refused, nesting, in-place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import test_ops

import pyrite
from pyrite import Tensor, vmap
from pyrite._ops.table import TABLE
from pyrite._tensor import F
from pyrite.autograd.batch_rules import rule_of
from pyrite.autograd.batching import loop

# Ops without a rule: one call per example.
LOOPS = {
    "as_strided", "bag_sum", "bag_sum_grad", "bincount", "cross_entropy_index_grad",
    "cross_entropy_mass", "embedding_share", "gru_layer", "gru_layer_grad", "histogram_counts",
    "is_member", "lstm_layer", "lstm_layer_grad", "restride", "sampled_matmul", "search_rows",
    "sparse_matmul", "total_norm", "view_grad", "view_scatter",
}  # fmt: skip
# Their results' shapes depend on values.
REFUSED = {"nonzero", "distinct", "bincount"}
B = 3


def test_the_ops_that_loop() -> None:
    """Besides the optimizers' steps, which nobody runs on examples."""
    kinds = ("create", "update")
    found = {n for n, op in TABLE.items() if op.kind not in kinds and rule_of(op, {}) is loop}
    assert found == LOOPS


def _cases() -> list[Any]:
    return [c for c in test_ops._cases() if c.values[0] not in REFUSED]


def _examples(sample: Any, name: str) -> tuple[Any, list[list[Tensor]]]:
    """A call with operands from a list, and per operand one Tensor per example."""
    columns: list[list[Tensor]] = []
    make = test_ops._pyrite("cpu", "float64")

    def collect(array: np.ndarray, grad: bool) -> test_ops.Hole:
        rows = [array]
        for i in range(1, B):
            other = np.roll(array.reshape(-1), i).reshape(array.shape)
            rows.append(other if array.dtype.kind in "fc" else array)
        columns.append([make(r, False) for r in rows])
        return test_ops.Hole(len(columns) - 1)

    args, kwargs, _ = test_ops._build(sample, name, "float64", collect)

    def call(operands: Any) -> Any:
        result = test_ops.called(name, args, kwargs, operands)
        return tuple(result) if isinstance(result, tuple) else result

    return call, columns


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


def same(program: Any, *arrays: np.ndarray) -> None:
    """The program on both libraries."""
    torch = pytest.importorskip("torch", reason="torch is the oracle here")
    ours = program(pyrite, pyrite.vmap, *[pyrite.tensor(a) for a in arrays])
    theirs = program(torch, torch.vmap, *[torch.tensor(a) for a in arrays])
    pairs = zip(test_ops._leaves(ours), test_ops._leaves(theirs), strict=True)
    for a, b in pairs:
        assert tuple(a.shape) == tuple(b.shape)
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


X = np.random.default_rng(0).standard_normal((3, 4))


def _written(t: Any, v: Any, x: Any) -> Any:
    def program(a: Any) -> Any:
        b = a.clone()
        b.mul_(2)
        b[0] = 5
        b[1:3] += a[:2]
        b.view(2, 2)[0].zero_()
        b.clamp_(max=1.0).add_(t.ones(4, dtype=a.dtype))
        out = a.new_zeros(4)
        out[1] = b[0]
        out.index_add_(0, t.tensor([0, 1]), a[:2])
        out.scatter_(0, t.tensor([3]), a[:1])
        return b, out.masked_fill_(a > 0, 7.0), out.unsqueeze_(0)

    return v(program)(x)


def _recorded(t: Any, v: Any, x: Any) -> Any:
    x = x.requires_grad_()

    def program(a: Any) -> Any:
        b = a * 2
        b[1:].mul_(a[1:])
        b[0] = a[3]
        return b.exp_()

    y = v(program)(x)
    return (y, *t.autograd.grad(y.sum(), x))


PROGRAMS: list[Any] = [
    _written,
    _recorded,
    lambda t, v, x: v(lambda a, i: (a[i], a[t.tensor([1, 2])], x[i, i]))(x, t.tensor([0, 1, 2])),
    lambda t, v, x: v(
        lambda d: {"y": d["a"] * d["b"][0]}, in_dims=({"a": 0, "b": (0, None)},)
    )({"a": x, "b": (x, x)})["y"],
    lambda t, v, x: v(lambda a: (a, a.sum(), a[None] * 2), out_dims=(1, 0, -1))(x),
    lambda t, v, x: v(lambda a, b: a * b, in_dims=(1, -1))(x, x),
    lambda t, v, x: v(lambda a: a * 2, in_dims=1, out_dims=1, chunk_size=3)(x),
    lambda t, v, x: v(lambda a: a.sum())(x[:0]),
    lambda t, v, x: v(lambda a: v(lambda b: v(lambda c: a * b.sum() + c, 0)(x[0]))(x))(x),
    lambda t, v, x: v(v(lambda a, b: a - b, (0, None)), (None, 0))(x, x[0]),
    lambda t, v, x: v(lambda a: t.einsum("i,ij->j", a, x.T @ x))(x),
    lambda t, v, x: v(lambda a: (t.outer(a, a).norm() + a.var(), t.logsumexp(a, 0)))(x),
    lambda t, v, x: v(lambda a: (*a.sort(), *a.topk(2), a.argmax(), *a.max(0), a.diff()))(x),
    lambda t, v, x: v(lambda a: t.nn.functional.batch_norm(
        a.reshape(2, 2), None, None, training=True))(x),
    lambda t, v, x: v(lambda a, y: t.nn.functional.cross_entropy(a, y))(x, t.tensor([0, 1, 3])),
    lambda t, v, x: v(lambda a: t.linalg.solve(t.outer(a, a) + t.eye(4, dtype=a.dtype), a))(x),
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*performance drop")
def test_programs_equal_torch(program: Any) -> None:
    same(program, X)


REFUSALS: list[Any] = [
    lambda t, v, x: v(lambda a: a.sum().item())(x),
    lambda t, v, x: v(lambda a: a if a.sum() > 0 else -a)(x),
    lambda t, v, x: v(lambda a: [1, 2][a.sum().long()])(x),
    lambda t, v, x: v(lambda a: a.tolist())(x),
    lambda t, v, x: v(lambda a: a.numpy())(x),
    lambda t, v, x: v(lambda a: a.nonzero())(x),
    lambda t, v, x: v(lambda a: a[a > 0])(x),
    lambda t, v, x: v(lambda a: a + t.rand(4))(x),
    lambda t, v, x: v(lambda a: t.nn.functional.dropout(a))(x),
    lambda t, v, x: v(lambda a: t.zeros(4).copy_(a))(x),
    lambda t, v, x: v(lambda a: a.sum().backward())(x),
    lambda t, v, x: v(lambda a: a.requires_grad_())(x),
    lambda t, v, x: v(lambda a: 1)(x),
    lambda t, v, x: v(lambda: 1)(),
    lambda t, v, x: v(lambda a: a, in_dims=(0, 0))(x),
    lambda t, v, x: v(lambda a: a, in_dims=5)(x),
    lambda t, v, x: v(lambda a: a, in_dims=None)(x),
    lambda t, v, x: v(lambda a: a, in_dims="a")(x),
    lambda t, v, x: v(lambda a: a, in_dims=0)(1),
    lambda t, v, x: v(lambda a, b: a, in_dims=(0, 1))(x, x),
    lambda t, v, x: v(lambda a: a, in_dims=(None,))(x),
    lambda t, v, x: v(lambda a: a, out_dims=(0, 1))(x),
    lambda t, v, x: v(lambda a: a, out_dims=5)(x),
    lambda t, v, x: v(lambda a: a, out_dims="a")(x),
    lambda t, v, x: v(lambda a: a, out_dims=None)(x),
    lambda t, v, x: v(lambda a: a, randomness="x")(x),
    lambda t, v, x: v(lambda a: a, chunk_size=0)(x),
]  # fmt: skip


@pytest.mark.parametrize("program", REFUSALS)
def test_refusals_are_torchs(program: Any) -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle here")
    with pytest.raises(Exception) as theirs:
        program(torch, torch.vmap, torch.tensor(X))
    with pytest.raises(theirs.type) as ours:
        program(pyrite, vmap, pyrite.tensor(X))
    assert ours.type is theirs.type
    start = str(theirs.value)[:13]
    assert str(ours.value).startswith(start) or "functorch" in str(theirs.value)


def test_random_numbers_per_example_or_for_all() -> None:
    def program(a: Tensor) -> Any:
        ones = a * 0 + 1
        return (
            a * 0 + pyrite.rand(4), pyrite.nn.functional.dropout(ones), pyrite.randperm(4),
            pyrite.bernoulli(ones / 2), pyrite.randn_like(a), a.clone().normal_(),
            pyrite.multinomial(ones, 2), pyrite.randint(0, 99, (4,)),
        )  # fmt: skip

    x = pyrite.zeros(3, 8)[:, :4]
    pyrite.manual_seed(1)
    for draws in vmap(program, randomness="same")(x):
        assert bool((draws == draws[0]).all())
    for draws in vmap(program, randomness="different")(x):
        assert draws.shape[0] == 3
        assert not bool((draws == draws[0]).all())
    off = vmap(lambda a: pyrite.nn.functional.dropout(a, training=False))(x)
    assert off.equal(x)
    permuted = vmap(lambda a: pyrite.randperm(4), randomness="different")(x)
    assert permuted.sort(1)[0].tolist() == [[0, 1, 2, 3]] * 3


def test_a_gradient_in_what_all_examples_share() -> None:
    w = pyrite.ones(4, requires_grad=True)
    x = pyrite.tensor(X, dtype=pyrite.float32)
    vmap(lambda a: (a * w).sum())(x).sum().backward()
    np.testing.assert_allclose(w.grad.numpy(), X.sum(0), rtol=1e-5)
    with pytest.raises(RuntimeError, match="the same for all examples"):
        vmap(lambda a: pyrite.autograd.grad((a * w).sum(), w)[0])(x)
