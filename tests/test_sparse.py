"""Sparse tensors: values, layouts and gradients as torch's; a graph network has its losses."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite.sparse import SparseTensor

torch = pytest.importorskip("torch", reason="the oracle")
pytestmark = pytest.mark.filterwarnings(  # torch: "in beta state", "materialization"
    "ignore:Sparse:UserWarning",
    "ignore:log1p_backward:UserWarning",
    "ignore:torch.sparse.SparseTensor:UserWarning",
)

ROW, COL = [0, 1, 1, 3, 1], [2, 0, 2, 1, 0]
Make = Callable[[Any], list[Any]]


def operands(m: Any, kind: str = "float64") -> dict[str, Any]:
    """The same operands in either library: u uncoalesced, a coalesced, c CSR, h hybrid."""
    rng = np.random.default_rng(0)

    def array(*shape: int) -> Any:
        return m.tensor(rng.uniform(0.5, 2.0, shape).tolist(), dtype=getattr(m, kind))

    u = m.sparse_coo_tensor([ROW, COL], array(5), (4, 3))
    return {
        "u": u, "a": u.coalesce(), "b": m.sparse_coo_tensor([[0, 2], [2, 1]], array(2), (4, 3)),
        "c": u.to_sparse_csr(), "h": m.sparse_coo_tensor([[3, 1]], array(2, 2), (4, 2)),
        "e": m.sparse_coo_tensor(m.zeros(2, 0, dtype=m.int64), array(0), (4, 3)),
        "d": array(4, 3), "x": array(3, 2), "v": array(3), "y": array(2, 4),
    }  # fmt: skip


CASES: dict[str, Callable[..., Any]] = {
    "to_dense": lambda m, u: u.to_dense(),
    "csr_to_dense": lambda m, c: c.to_dense(),
    "hybrid_to_dense": lambda m, h: h.to_dense(),
    "empty_to_dense": lambda m, e: e.to_dense(),
    "coalesce": lambda m, u: u.coalesce(),
    "to_csr": lambda m, u: u.to_sparse_csr(),
    "to_csc": lambda m, u: u.to_sparse_csc(),
    "csr_to_coo": lambda m, c: c.to_sparse_coo(),
    "csc_to_coo": lambda m, c: c.to_sparse_csc().to_sparse(),
    "dense_to_sparse": lambda m, d: (d * (d > 1)).to_sparse(),
    "dense_to_csr": lambda m, d: (d * (d > 1)).to_sparse_csr(),
    "dense_to_hybrid": lambda m, d: d.to_sparse(1),
    "mm": lambda m, u, x: m.sparse.mm(u, x),
    "mm_function": lambda m, a, x: m.mm(a, x),
    "csr_mm": lambda m, c, x: m.sparse.mm(c, x),
    "empty_mm": lambda m, e, x: m.sparse.mm(e, x),
    "matmul_operator": lambda m, a, x: a @ x,
    "spmm": lambda m, a, x: m.spmm(a, x),
    "mv": lambda m, a, v: m.mv(a, v),
    "csr_mv": lambda m, c, v: c @ v,
    "dense_by_sparse": lambda m, y, a: m.mm(y, a),
    "sparse_by_sparse": lambda m, a, b: m.sparse.mm(a, b.t()),
    "csr_by_csr": lambda m, c, b: c @ b.t().to_sparse_csr(),
    "smm": lambda m, a, x: m.smm(a, x),
    "hspmm": lambda m, a, x: m.hspmm(a, x),
    "bmm": lambda m, a, x: m.bmm(m.stack([a, a]), m.stack([x, x])),
    "addmm": lambda m, a, x: m.sparse.addmm(m.ones(4, 2, dtype=x.dtype), a, x, beta=2, alpha=3),
    "linear": lambda m, a, y: m.nn.functional.linear(a, y[:, :3].contiguous()),
    "add": lambda m, a, b: a + b,
    "add_alpha": lambda m, a, b: m.add(a, b, alpha=2),
    "csr_add": lambda m, c, b: c + b.to_sparse_csr(),
    "dense_add": lambda m, d, a: d + a,
    "sub": lambda m, a, b: a - b,
    "dense_sub": lambda m, d, a: d - a,
    "mul": lambda m, a, b: a * b,
    "mul_number": lambda m, u: u * 3,
    "number_mul": lambda m, u: 3 * u,
    "mul_dense": lambda m, a, d: a * d,
    "csr_mul_dense": lambda m, c, d: c * d,
    "div": lambda m, u: u / 4,
    "pow": lambda m, u: u**2,
    "neg": lambda m, u: -u,
    "sqrt": lambda m, u: u.sqrt(),
    "csr_sin": lambda m, c: c.sin(),
    "relu": lambda m, u: m.relu(u),
    "log1p": lambda m, u: m.log1p(u),
    "transpose": lambda m, u: u.transpose(0, 1),
    "t": lambda m, a: a.t(),
    "csr_t": lambda m, c: c.t(),
    "permute_hybrid": lambda m, h: h.permute(0, 1),
    "index_select": lambda m, a: a.index_select(0, m.tensor([1, 0, 1])),
    "index_select_columns": lambda m, a: a.index_select(1, m.tensor([2, 0])),
    "index_select_dense": lambda m, h: h.index_select(1, m.tensor([1])),
    "select": lambda m, a: a[1],
    "column": lambda m, a: a[:, 2],
    "cat": lambda m, a, b: m.cat([a, b]),
    "cat_columns": lambda m, a, b: m.cat([a, b], 1),
    "cat_dense": lambda m, h: m.cat([h, h], 1),
    "stack": lambda m, a, b: m.stack([a, b], 1),
    "unsqueeze": lambda m, a: a.unsqueeze(0),
    "clone": lambda m, u: u.clone(),
    "zeros_like": lambda m, u: m.zeros_like(u),
    "float": lambda m, u: u.float(),
    "sum": lambda m, u: m.sparse.sum(u),
    "sum_rows": lambda m, a: m.sparse.sum(a, 0),
    "sum_columns": lambda m, a: m.sparse.sum(a, -1),
    "sum_all_sparse": lambda m, h: m.sparse.sum(h, 0),
    "sum_dense": lambda m, h: m.sparse.sum(h, 1),
    "sum_method": lambda m, u: u.sum(),
    "softmax": lambda m, a: m.sparse.softmax(a, 1),
    "softmax_0": lambda m, a: m.sparse.softmax(a, 0),
    "softmax_hybrid": lambda m, h: m.sparse.softmax(h, 1),
    "softmax_hybrid_0": lambda m, h: m.sparse.softmax(h, 0),
    "log_softmax": lambda m, a: m.sparse.log_softmax(a, 1),
    "softmax_dtype": lambda m, a: m.sparse.softmax(a, 1, dtype=m.float32),
    "sparse_mask": lambda m, d, a: d.sparse_mask(a),
    "csr_mask": lambda m, d, c: d.sparse_mask(c),
    "sampled_addmm": lambda m, c, x, y: m.sparse.sampled_addmm(c, y.t(), x.t(), beta=2, alpha=3),
    "norm_method": lambda m, a: a.norm(),
    "unbind": lambda m, a: a.unbind(1)[2],
    "values": lambda m, a: a.values() * 2,
    "spdiags": lambda m, d: m.sparse.spdiags(d[:2], m.tensor([0, -1]), (4, 3)),
    "norm": lambda m, u: u.coalesce().values().norm(),
    "mean": lambda m, c, x: m.sparse.mm(c, x, "mean"),
    "sspaddmm": lambda m, a, u, d: m.sspaddmm(a, u, d[:3].contiguous(), beta=2, alpha=3),
    "legacy": lambda m, v: m.sparse.DoubleTensor(m.tensor([[0, 1, 1]]), v, (2,)),
    "compressed": lambda m, v: m.sparse_compressed_tensor(
        [0, 2, 3], [0, 1, 1], v, (2, 2), layout=m.sparse_csc
    ),
    "amax": lambda m, c, x: m.sparse.mm(c, x, "amax"),
    "in_place": lambda m, u: u.clone().mul_(2).neg_(),
    "in_place_add": lambda m, a, b: a.clone().add_(b),
}  # fmt: skip


def arguments(name: str, m: Any, grad: bool = False) -> dict[str, Any]:
    given = operands(m)
    names = CASES[name].__code__.co_varnames[1 : CASES[name].__code__.co_argcount]
    return {n: given[n].clone().detach().requires_grad_(grad) for n in names}


def dense(t: Any) -> np.ndarray:
    t = t.detach()
    return (t if str(t.layout).endswith("strided") else t.to_dense()).numpy()


def same(ours: Any, theirs: Any, rtol: float = 1e-12) -> None:
    assert str(ours.layout).split(".")[-1] == str(theirs.layout).split(".")[-1]
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    assert tuple(ours.shape) == tuple(theirs.shape)
    np.testing.assert_allclose(dense(ours), dense(theirs), rtol=rtol, atol=1e-12)
    if isinstance(ours, SparseTensor):
        assert (ours.sparse_dim(), ours.dense_dim()) == (theirs.sparse_dim(), theirs.dense_dim())


@pytest.mark.parametrize("name", CASES)
def test_values_and_layouts(name: str) -> None:
    ours = CASES[name](pyrite, **arguments(name, pyrite))
    rtol = 1e-6 if ours.dtype is pyrite.float32 else 1e-12
    same(ours, CASES[name](torch, **arguments(name, torch)), rtol)


def summed(m: Any, t: Any) -> Any:
    """A number of a result, with weights so that no two elements count the same."""
    t = t if str(t.layout).endswith("strided") else t.to_dense()
    return (t * m.arange(1, t.numel() + 1, dtype=t.dtype).reshape(t.shape)).sum()


DIFFERENTIABLE = [n for n in CASES if n != "zeros_like"]


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_equal_torch(name: str) -> None:
    """Ours have the operand's layout and pattern; torch's are dense for some ops, or refused."""
    ours, theirs = arguments(name, pyrite, grad=True), arguments(name, torch, grad=True)
    summed(pyrite, CASES[name](pyrite, **ours)).backward()
    try:
        summed(torch, CASES[name](torch, **theirs)).backward()
    except (NotImplementedError, RuntimeError):
        pytest.skip("torch has no gradient here")
    for n, t in ours.items():
        if t.grad is None:
            assert theirs[n].grad is None
            continue
        assert t.grad.layout is t.layout
        if n == "u" or theirs[n].grad is None:  # how torch splits a gradient among duplicates
            continue
        wanted = dense(theirs[n].grad)
        if isinstance(t, SparseTensor):
            wanted = dense(pyrite.from_numpy(wanted).sparse_mask(t))
        atol = 1e-6 if name == "softmax_dtype" else 1e-12
        np.testing.assert_allclose(dense(t.grad), wanted, rtol=1e-10, atol=atol)


@pytest.mark.parametrize("name", DIFFERENTIABLE)
def test_gradients_numerically(name: str) -> None:
    given = arguments(name, pyrite)
    numbers = [(t.held if isinstance(t, SparseTensor) else t).clone() for t in given.values()]

    def function(*values: Any) -> Any:
        pairs = zip(given.items(), values, strict=True)
        made = {n: t.like(v) if isinstance(t, SparseTensor) else v for (n, t), v in pairs}
        return summed(pyrite, CASES[name](pyrite, **made).double())

    inputs = [t.requires_grad_() for t in numbers]
    if name in ("float", "softmax_dtype"):  # rounded to float32 on the way
        assert function(*inputs).requires_grad
        return
    assert pyrite.autograd.gradcheck(function, inputs)
    if name in ("mm", "csr_mm", "sparse_by_sparse", "softmax", "mul", "sampled_addmm"):
        assert pyrite.autograd.gradgradcheck(function, inputs)


def test_operands_of_two_dtypes() -> None:
    ours, theirs = (operands(m) for m in (pyrite, torch))
    same(ours["a"] + ours["b"].float(), theirs["a"] + theirs["b"].float())
    assert (ours["a"].long() * 2.5).dtype is pyrite.float32
    with pytest.raises(RuntimeError, match="same dtype"):
        pyrite.sparse.mm(ours["a"], ours["x"].float())


def test_complex_numbers() -> None:
    def run(m: Any) -> list[np.ndarray]:
        x = m.tensor([[1 + 2j, 3j], [0.5, 1 - 1j]], dtype=m.complex128, requires_grad=True)
        v = m.tensor([2j, 1 + 1j, 3.0], dtype=m.complex128)
        a = m.sparse_coo_tensor([[0, 1, 1], [1, 0, 1]], v, (2, 2)).coalesce().requires_grad_()
        (m.sparse.mm(a, x).abs() ** 2).sum().backward()
        return [dense(a.grad), dense(x.grad)]

    for ours, theirs in zip(run(pyrite), run(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_grad_gives_sparse_gradients() -> None:
    given = arguments("mm", pyrite, grad=True)
    u, x = given.values()
    loss = (u @ x).pow(2).sum()
    du, dx = pyrite.autograd.grad(loss, [u, x], create_graph=True)
    assert du.layout is pyrite.sparse_coo
    assert du.requires_grad
    assert pyrite.autograd.grad(du.to_dense().sum(), x)[0].shape == dx.shape
    assert u.grad is None
    loss = (u @ x).sum()
    loss.backward(inputs=[u])
    assert u.grad is not None
    assert x.grad is None


def test_backward_from_a_sparse_result() -> None:
    def run(m: Any) -> list[np.ndarray]:
        t = operands(m)
        a, b, x = t["a"].requires_grad_(), t["b"].requires_grad_(), t["d"].requires_grad_()
        m.sparse.mm(a, b.t()).backward(m.ones(4, 4, dtype=a.dtype).to_sparse())
        (x.to_sparse() * 2).backward(x.detach().to_sparse())
        return [dense(g.grad) for g in (a, b, x)]

    for ours, theirs in zip(run(pyrite), run(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)


# ---- a graph network


def train(m: Any, layout: str, steps: int = 20) -> list[float]:
    """Two graph convolutions with edge weights that are learned, too."""
    rng = np.random.default_rng(1)
    n, edges = 30, rng.integers(0, 30, (2, 90))
    dtype = m.float64
    places = m.tensor(np.unique(edges, axis=1).tolist())
    weights = m.full((places.shape[1],), 0.2, dtype=dtype, requires_grad=True)
    x = m.tensor(rng.normal(size=(n, 8)).tolist(), dtype=dtype)
    labels = m.tensor(rng.integers(0, 3, n).tolist())
    one = m.tensor((rng.normal(size=(8, 16)) / 4).tolist(), dtype=dtype, requires_grad=True)
    two = m.tensor((rng.normal(size=(16, 3)) / 4).tolist(), dtype=dtype, requires_grad=True)
    learned = [one, two] + ([weights] if layout == "coo" else [])
    optimizer = m.optim.Adam(learned, lr=0.05)
    losses = []
    for _ in range(steps):
        adjacency = m.sparse_coo_tensor(places, weights, (n, n))
        if layout == "csr":
            adjacency = adjacency.detach().to_sparse_csr()
        hidden = m.relu(m.sparse.mm(adjacency, x @ one))
        loss = m.nn.functional.cross_entropy(m.sparse.mm(adjacency, hidden @ two), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@pytest.mark.parametrize("layout", ["coo", "csr"])
def test_a_graph_network_has_torchs_losses(layout: str) -> None:
    ours = train(pyrite, layout)
    np.testing.assert_allclose(ours, train(torch, layout), rtol=1e-9)
    assert ours[-1] < 0.8 * ours[0]
    assert ours == train(pyrite, layout)


# ---- files, copies and texts


@pytest.mark.parametrize("name", ["u", "a", "c", "h", "e"])
def test_files_go_both_ways(name: str, tmp_path: Path) -> None:
    ours, theirs = operands(pyrite)[name], operands(torch)[name]
    pyrite.save({"t": ours}, tmp_path / "ours.pt")
    torch.save({"t": theirs}, tmp_path / "theirs.pt")
    for t in (
        ours,
        pyrite.load(tmp_path / "ours.pt")["t"],
        pyrite.load(tmp_path / "theirs.pt")["t"],
    ):
        same(t, theirs)
        same(t, torch.load(tmp_path / "ours.pt")["t"])
        assert t._nnz() == theirs._nnz()
        if name != "c":
            assert t.is_coalesced() == theirs.is_coalesced()


@pytest.mark.parametrize("name", ["u", "c", "h"])
def test_copies(name: str) -> None:
    t = operands(pyrite)[name].requires_grad_()
    for copied in (copy.deepcopy(t), pickle.loads(pickle.dumps(t))):
        same(copied, t)
        assert copied.requires_grad
        copied.held.data.mul_(2)
        assert not np.allclose(dense(copied), dense(t))


def test_a_damaged_file_is_refused() -> None:
    file = io.BytesIO()
    t = operands(pyrite)["a"]
    t.places[0].array[0, 0] = 99
    pyrite.save(t, file)
    file.seek(0)
    with pytest.raises(RuntimeError, match="size is inconsistent with indices"):
        pyrite.load(file)


@pytest.mark.parametrize("name", ["u", "c", "h", "e"])
@pytest.mark.parametrize("grad", [False, True])
def test_text(name: str, grad: bool) -> None:
    for kind in ("float32", "float64"):
        ours = operands(pyrite, kind)[name].detach().requires_grad_(grad)
        theirs = operands(torch, kind)[name].detach().requires_grad_(grad)
        assert repr(ours).replace("pyrite.", "torch.").split() == repr(theirs).split()


# ---- errors

PLACES, V = [[0, 1], [0, 1]], [1.0, 2.0]
ERRORS: list[Callable[[Any, Any], Any]] = [
    lambda m, t: m.sparse_coo_tensor([[0, -1], [0, 1]], V),
    lambda m, t: m.sparse_coo_tensor(PLACES, [1.0, 2.0, 3.0], (2, 3)),
    lambda m, t: m.sparse_coo_tensor(PLACES, V, (2,)),
    lambda m, t: m.sparse_coo_tensor(PLACES, m.ones(2, 4), (2, 2, 3)),
    lambda m, t: m.sparse_coo_tensor([0, 1], V, (2, 2)),
    lambda m, t: m.sparse_coo_tensor([[0, 1], [0, 5]], V, (2, 3), check_invariants=True),
    *[
        (lambda parts: lambda m, t: m.sparse_csr_tensor(*parts, (2, 2), check_invariants=True))(p)
        for p in [
            ([0, 1], [0, 1], V), ([0, 1, 3], [0, 1], V), ([0, 1, 2], [0, 5], V),
            ([1, 1, 2], [0, 1], V), ([0, 2, 2], [1, 0], V),
            ([0, 1, 2], [0, 1], [1.0, 2.0, 3.0]),
        ]
    ],
    lambda m, t: t["u"].indices(),
    lambda m, t: t["u"].values(),
    lambda m, t: t["d"].indices(),
    lambda m, t: t["d"].coalesce(),
    lambda m, t: t["c"].indices(),
    lambda m, t: t["c"].is_coalesced(),
    lambda m, t: t["d"].crow_indices(),
    lambda m, t: t["a"].crow_indices(),
    lambda m, t: t["a"].to_sparse(1),
    lambda m, t: t["d"].to_sparse(3),
    lambda m, t: t["a"] + 1,
    lambda m, t: t["a"] + t["d"],
    lambda m, t: t["a"] / t["d"],
    lambda m, t: m.mm(t["a"], t["a"]),
    lambda m, t: m.cat([t["a"], t["d"]]),
    lambda m, t: m.sparse.sum(t["c"]),
    lambda m, t: m.sparse.softmax(t["a"], 2),
    lambda m, t: m.sparse.mm(t["c"], t["x"], "foo"),
    lambda m, t: m.sparse.spdiags(t["d"][:2], m.tensor([0, 0]), (3, 3)),
    lambda m, t: m.sparse.sampled_addmm(t["c"], t["d"], t["d"]),
    lambda m, t: t["a"].exp(),
    lambda m, t: t["a"].numpy(),
    lambda m, t: t["a"].tolist(),
    lambda m, t: np.asarray(t["a"]),
    lambda m, t: t["a"].mean(),
    lambda m, t: t["a"] == t["a"],
    lambda m, t: t["a"] > 0,
    lambda m, t: m.ones_like(t["a"]),
    lambda m, t: t["a"].data_ptr(),
    lambda m, t: bool(t["a"]),
    lambda m, t: t["a"].requires_grad_().mul_(2),
]  # fmt: skip
OWN_WORDS = r"Could not run|unsupported tensor layout|INTERNAL"


@pytest.mark.parametrize("i", range(len(ERRORS)))
def test_errors(i: int) -> None:
    with pytest.raises(Exception) as wanted:
        ERRORS[i](torch, operands(torch))
    with pytest.raises(wanted.type) as got:
        ERRORS[i](pyrite, operands(pyrite))
    first = str(wanted.value).split("(got")[0].split(". Use")[0].split(".\n")[0]
    if "Could not run" not in first:
        assert first[:40] in str(got.value)


def test_an_op_without_a_rule_is_refused_by_name() -> None:
    with pytest.raises(NotImplementedError, match=r"exp\(\) .* layout pyrite.sparse_coo.*to_dense"):
        operands(pyrite)["a"].exp()


def test_sizes_that_int64_cannot_count_are_refused() -> None:
    t = pyrite.sparse_coo_tensor([[0, 1], [5, 5], [1, 2]], V, (2**22,) * 3)
    with pytest.raises(RuntimeError, match="int64 overflows"):
        t.coalesce()


def test_the_invariants_switch() -> None:
    check = pyrite.sparse.check_sparse_tensor_invariants
    unsorted = ([0, 2, 2], [1, 0], [1.0, 2.0], (2, 2))
    assert not check.is_enabled()
    t = pyrite.sparse_csr_tensor(*unsorted)
    assert t.to_dense().tolist() == [[2, 1], [0, 0]]
    assert (t.to_sparse() * t.to_sparse()).to_dense().tolist() == [[4, 1], [0, 0]]
    with check(), pytest.raises(RuntimeError, match="sorted and distinct"):
        pyrite.sparse_csr_tensor(*unsorted)
    with pytest.raises(RuntimeError, match="sorted and distinct"):
        check()(pyrite.sparse_csr_tensor)(*unsorted)
    assert not check.is_enabled()
    check.enable()
    assert check.is_enabled()
    check.disable()


@pytest.mark.parametrize("name", ["mm", "sparse_by_sparse", "softmax", "mul", "cat"])
def test_the_strict_backend_gives_the_same(name: str) -> None:
    here = arguments(name, pyrite)
    there = {n: t.to("strict") for n, t in here.items()}
    case = CASES[name]
    out = case(pyrite, **there)
    assert out.device.type == "strict"
    same(out.to("cpu"), case(pyrite, **here))
