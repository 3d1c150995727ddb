"""`pyrite.linalg` and the older names against torch: values, first and second derivatives, errors.

Each row is a function of a namespace (torch or pyrite) and of tensors whose result does not
depend on the signs and phases that LAPACK chooses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyrite

torch = pytest.importorskip("torch", reason="the oracle of these tests")

pytestmark = pytest.mark.filterwarnings("ignore:.*deprecated")

Row = tuple[str, Callable[..., Any], list[tuple[int, ...]]]


def spd(m: Any, x: Any) -> Any:
    """A positive-definite matrix made of any."""
    return x @ x.mH + 2 * m.eye(x.shape[-1], dtype=x.dtype)


def herm(x: Any) -> Any:
    return x + x.mH


def projector(U: Any) -> Any:
    return U @ U.mH


SQUARE, BATCH, TALL, WIDE = (3, 3), (2, 4, 4), (2, 5, 3), (2, 3, 5)

# fmt: off
DIFFERENTIABLE: list[Row] = [
    ("cholesky", lambda m, x: m.linalg.cholesky(spd(m, x)), [BATCH]),
    ("cholesky upper", lambda m, x: m.cholesky(spd(m, x), upper=True), [SQUARE]),
    ("cholesky_ex", lambda m, x: m.linalg.cholesky_ex(spd(m, x), upper=True).L, [BATCH]),
    ("cholesky_solve", lambda m, b, x: m.cholesky_solve(b, m.linalg.cholesky(spd(m, x))),
        [(2, 4, 2), BATCH]),
    ("cholesky_solve upper", lambda m, b, x: m.cholesky_solve(b, x.triu() + 3 * m.eye(3), True),
        [(3, 2), SQUARE]),
    ("cholesky_inverse", lambda m, x: m.cholesky_inverse(m.linalg.cholesky(spd(m, x))), [SQUARE]),
    ("inv", lambda m, x: m.linalg.inv(x), [BATCH]),
    ("inverse", lambda m, x: x.inverse(), [SQUARE]),
    ("solve", lambda m, a, b: m.linalg.solve(a, b), [BATCH, (4, 2)]),
    ("solve vectors", lambda m, a, b: m.linalg.solve(a, b), [BATCH, (2, 4)]),
    ("solve vector", lambda m, a, b: m.linalg.solve(a, b), [SQUARE, (3,)]),
    ("solve right", lambda m, a, b: m.linalg.solve(a, b, left=False), [BATCH, (2, 2, 4)]),
    ("solve_triangular", lambda m, a, b: m.linalg.solve_triangular(a, b, upper=True),
        [SQUARE, (2, 3, 2)]),
    ("solve_triangular lower", lambda m, a, b: m.linalg.solve_triangular(
        a, b, upper=False, left=False, unitriangular=True), [BATCH, (2, 4)]),
    ("triangular_solve", lambda m, b, a: m.triangular_solve(b, a, transpose=True).solution,
        [(3, 2), SQUARE]),
    ("det", lambda m, x: m.det(x), [BATCH]),
    ("det of rank 1", lambda m, x, y: m.linalg.det(x @ y + 0 * m.ones(3, 3)), [(3, 1), (1, 3)]),
    ("slogdet", lambda m, x: tuple(m.linalg.slogdet(x)), [BATCH]),
    ("logdet", lambda m, x: m.logdet(spd(m, x)), [SQUARE]),
    ("lu_factor", lambda m, x: m.linalg.lu_factor(x).LU, [BATCH]),
    ("lu_factor_ex tall", lambda m, x: m.linalg.lu_factor_ex(x).LU, [TALL]),
    ("lu", lambda m, x: m.linalg.lu(x), [WIDE]),
    ("lu_unpack", lambda m, x: m.lu_unpack(*m.linalg.lu_factor(x))[1:], [TALL]),
    ("lu_solve", lambda m, a, b: m.lu_solve(b, *m.linalg.lu_factor(a)), [SQUARE, (3, 2)]),
    ("lu_solve adjoint", lambda m, a, b: m.linalg.lu_solve(
        *m.linalg.lu_factor(a), b, left=False, adjoint=True), [BATCH, (2, 2, 4)]),
    ("qr", lambda m, x: m.linalg.qr(x), [TALL]),
    ("qr wide", lambda m, x: m.qr(x), [WIDE]),
    ("qr complete", lambda m, x: m.linalg.qr(x, mode="complete"), [SQUARE]),
    ("qr r", lambda m, x: m.linalg.qr(x).R, [TALL]),
    ("householder_product", lambda m, a, t: m.linalg.householder_product(a, t), [TALL, (2, 2)]),
    ("ormqr", lambda m, a, t, c: m.ormqr(a, t, c), [(4, 3), (3,), (4, 2)]),
    ("ormqr right", lambda m, a, t, c: m.ormqr(a, t, c, left=False, transpose=True),
        [(4, 3), (3,), (2, 4)]),
    ("eigvalsh", lambda m, x: m.linalg.eigvalsh(herm(x)), [BATCH]),
    ("eigh", lambda m, x: (lambda L, V: (L, V @ (V.mH * L.exp().unsqueeze(-1))))(
        *m.linalg.eigh(herm(x))), [BATCH]),
    ("eigh U", lambda m, x: projector(m.linalg.eigh(herm(x), UPLO="U")[1][:, :2]), [SQUARE]),
    ("eigvals", lambda m, x: (m.linalg.eigvals(x) ** 3).sum(-1), [BATCH]),
    ("eig", lambda m, x: (lambda L, V: (V.abs() ** 2).sum() * 1 + L.abs().sum())(
        *m.linalg.eig(x)), [SQUARE]),
    ("svdvals", lambda m, x: m.linalg.svdvals(x), [WIDE]),
    ("svd", lambda m, x: (lambda U, S, Vh: (S, (U * S.exp().unsqueeze(-2)) @ Vh))(
        *m.linalg.svd(x, full_matrices=False)), [TALL]),
    ("svd wide", lambda m, x: (lambda U, S, V: (projector(U[..., :2]), projector(V[..., :2])))(
        *m.svd(x)), [WIDE]),
    ("svd full", lambda m, x: (lambda U, S, Vh: (S, U[..., :3] @ Vh))(
        *m.linalg.svd(x)), [TALL]),
    ("pinv", lambda m, x: m.linalg.pinv(x), [WIDE]),
    ("pinv of rank 2", lambda m, x, y: m.linalg.pinv(x @ y, rtol=1e-6), [(4, 2), (2, 3)]),
    ("pinv hermitian", lambda m, x: m.linalg.pinv(herm(x), hermitian=True), [SQUARE]),
    ("pinverse", lambda m, x: m.pinverse(x), [(3, 2)]),
    ("lstsq", lambda m, a, b: m.linalg.lstsq(a, b).solution, [TALL, (2, 5, 2)]),
    ("lstsq wide", lambda m, a, b: m.linalg.lstsq(a, b, driver="gelsd").solution,
        [WIDE, (2, 3, 2)]),
    ("lstsq residuals", lambda m, a, b: m.linalg.lstsq(a, b, driver="gelsd")[:2],
        [(5, 3), (5, 2)]),
    ("matrix_exp", lambda m, x: m.linalg.matrix_exp(x), [BATCH]),
    ("matrix_exp large", lambda m, x: m.matrix_exp(4 * x), [SQUARE]),
    ("matrix_power", lambda m, x: m.linalg.matrix_power(x, 5), [BATCH]),
    ("matrix_power negative", lambda m, x: x.matrix_power(-2), [SQUARE]),
    ("matrix_norm nuc", lambda m, x: m.linalg.matrix_norm(x, "nuc", keepdim=True), [TALL]),
    ("matrix_norm 2", lambda m, x: m.linalg.matrix_norm(x, 2, dim=(0, 2)), [TALL]),
    ("matrix_norm -2", lambda m, x: m.linalg.norm(x, -2), [(3, 2)]),
    ("matrix_norm 1", lambda m, x: m.linalg.matrix_norm(x, 1, keepdim=True), [WIDE]),
    ("matrix_norm -inf", lambda m, x: m.linalg.norm(x, -float("inf"), dim=(1, 2)), [WIDE]),
    ("norm nuc", lambda m, x: m.norm(x, p="nuc"), [SQUARE]),
    ("norm", lambda m, x: m.linalg.norm(x), [TALL]),
    ("norm 3", lambda m, x: m.linalg.norm(x, 3, dim=1), [TALL]),
    ("cond", lambda m, x: m.linalg.cond(x), [TALL]),
    ("cond -2", lambda m, x: m.linalg.cond(x, -2), [TALL]),
    ("tensorinv", lambda m, x: m.linalg.tensorinv(x, ind=1), [(6, 2, 3)]),
    ("tensorsolve", lambda m, a, b: m.linalg.tensorsolve(a, b, dims=(0,)), [(4, 2, 2), (2, 2)]),
    ("vander", lambda m, x: m.linalg.vander(x, N=4), [(2, 3)]),
    ("multi_dot", lambda m, a, b, c: m.linalg.multi_dot([a, b, c]), [(2, 5), (5, 3), (3,)]),
    ("diagonal", lambda m, x: m.linalg.diagonal(x, offset=1), [TALL]),
    ("vecdot", lambda m, x, y: m.linalg.vecdot(x, y), [(2, 3), (3,)]),
    ("vdot", lambda m, x, y: m.vdot(x, y), [(3,), (3,)]),
    ("cov", lambda m, x: m.cov(x), [(3, 6)]),
    ("cov of weights", lambda m, x: m.cov(x, aweights=m.arange(1.0, 7.0, dtype=m.float64),
        fweights=m.arange(1, 7)), [(3, 6)]),
    ("corrcoef", lambda m, x: m.corrcoef(x), [(3, 6)]),
]

# Without a derivative, or (the last two) with one that torch cannot compute.
VALUES: list[Row] = [
    ("geqrf", lambda m, x: tuple(m.geqrf(x)), [WIDE]),
    ("geqrf tall", lambda m, x: tuple(m.geqrf(x)), [TALL]),
    ("lu_factor", lambda m, x: tuple(m.linalg.lu_factor(x)), [(2, 3, 7, 5)]),
    ("lu_factor_ex", lambda m, x: tuple(m.linalg.lu_factor_ex(x * 0)), [SQUARE]),
    ("lu", lambda m, x: m.lu(x, get_infos=True), [(40, 33)]),
    ("lu_unpack", lambda m, x: tuple(m.lu_unpack(*m.linalg.lu_factor(x))), [(2, 6, 3)]),
    ("ldl_factor", lambda m, x: tuple(m.linalg.ldl_factor(x + x.mT)), [(3, 9, 9)]),
    ("ldl_factor hermitian", lambda m, x: tuple(m.linalg.ldl_factor(herm(x), hermitian=True)),
        [(3, 9, 9)]),
    ("ldl_factor_ex singular", lambda m, x: tuple(m.linalg.ldl_factor_ex(x * 0)), [SQUARE]),
    ("ldl_solve", lambda m, x, b: m.linalg.ldl_solve(*m.linalg.ldl_factor(x + x.mT), b),
        [(3, 9, 9), (9, 2)]),
    ("ldl_solve hermitian", lambda m, x, b: m.linalg.ldl_solve(
        *m.linalg.ldl_factor(herm(x), hermitian=True), b, hermitian=True), [(9, 9), (9, 2)]),
    ("matrix_rank", lambda m, x, y: m.linalg.matrix_rank(x @ y), [(2, 5, 2), (2, 2, 4)]),
    ("matrix_rank tol", lambda m, x: m.linalg.matrix_rank(x, 1.0), [BATCH]),
    ("matrix_rank atol", lambda m, x: m.linalg.matrix_rank(x, atol=0.5, rtol=0.6), [BATCH]),
    ("matrix_rank hermitian", lambda m, x: m.linalg.matrix_rank(herm(x), hermitian=True), [BATCH]),
    ("pinv bounds", lambda m, x: m.linalg.pinv(
        x, atol=m.tensor(0.5).double(), rtol=m.tensor([0.1, 0.9]).double()), [BATCH]),
    *[(f"lstsq {d}", lambda m, a, b, d=d: tuple(m.linalg.lstsq(a, b, driver=d)), [TALL, (2, 5, 2)])
        for d in ("gels", "gelsy", "gelsd", "gelss")],
    ("lstsq vectors", lambda m, a, b: tuple(m.linalg.lstsq(a, b)), [TALL, (2, 5)]),
    ("inv_ex singular", lambda m, x: m.linalg.inv_ex(m.stack([x, x * 0])).info, [SQUARE]),
    ("solve_ex singular", lambda m, x: m.linalg.solve_ex(m.stack([x, x * 0]), x).info, [SQUARE]),
    ("cholesky_ex failing", lambda m, x: m.linalg.cholesky_ex(
        m.stack([spd(m, x), -spd(m, x)])).info, [SQUARE]),
    ("cond of singular", lambda m, x: m.linalg.cond(x * 0, 1), [BATCH]),
    ("slogdet of singular", lambda m, x: tuple(m.linalg.slogdet(x * 0)), [BATCH]),
    ("svd values only", lambda m, x: m.svd(x, compute_uv=False).S, [TALL]),
    ("matrix_power 0", lambda m, x: m.linalg.matrix_power(x, 0), [BATCH]),
    ("matrix_exp of zeros", lambda m, x: m.matrix_exp(x * 0), [BATCH]),
    ("matrix_exp of large", lambda m, x: m.matrix_exp(x * m.tensor([1e-3, 9.0]).view(2, 1, 1)),
        [BATCH]),
    ("cond fro", lambda m, x: m.linalg.cond(x, "fro"), [BATCH]),
    ("vander", lambda m, x: m.vander(x), [(3,)]),
    *[(f"empty {name}", function, [shape]) for name, function, shape in (
        ("det", lambda m, x: m.det(x), (3, 0, 0)),
        ("slogdet", lambda m, x: tuple(m.slogdet(x)), (0, 0)),
        ("inv", lambda m, x: m.inverse(x), (0, 3, 3)),
        ("cholesky", lambda m, x: m.cholesky(x), (2, 0, 0)),
        ("svd", lambda m, x: tuple(m.linalg.svd(x)), (0, 3)),
        ("qr", lambda m, x: tuple(m.linalg.qr(x, mode="complete")), (3, 0)),
        ("lu", lambda m, x: tuple(m.linalg.lu(x)), (2, 0, 3)),
        ("pinv", lambda m, x: m.linalg.pinv(x), (0, 3)),
        ("eig", lambda m, x: tuple(m.linalg.eig(x)), (0, 0)),
        ("norm", lambda m, x: m.linalg.matrix_norm(x, 2), (2, 0, 3)),
        ("lstsq", lambda m, x: m.linalg.lstsq(x, x).solution, (0, 3)),
    )],
]
# fmt: on


def arrays(shapes: list[tuple[int, ...]], complex_: bool) -> list[np.ndarray]:
    rng = np.random.default_rng(7)
    parts = [rng.standard_normal(s) for s in shapes]
    return [p + 1j * rng.standard_normal(p.shape) if complex_ else p for p in parts]


def leaves(result: Any) -> list[Any]:
    return [x for r in result for x in leaves(r)] if isinstance(result, tuple) else [result]


def host(x: Any) -> np.ndarray:
    return x.numpy(force=True)


def walk(m: Any, function: Callable[..., Any], given: list[np.ndarray]) -> list[list[Any]]:
    """Values, first and second derivatives, as arrays; fixed cotangents."""
    rng = np.random.default_rng(1)
    inputs = [m.from_numpy(a.copy()).requires_grad_() for a in given]
    outs = [o for o in leaves(function(m, *inputs)) if o.requires_grad]

    def cotangent(o: Any) -> Any:
        c = rng.standard_normal(tuple(o.shape))
        if o.dtype.is_complex:
            c = c + 1j * rng.standard_normal(c.shape)
        return m.from_numpy(np.asarray(c, host(o).dtype))

    how: dict[str, Any] = {"create_graph": True, "allow_unused": True}
    first = m.autograd.grad(outs, inputs, [cotangent(o) for o in outs], **how)
    pairs = [(g, cotangent(g)) for g in first if g is not None]
    recorded = [p for p in pairs if p[0].requires_grad]
    second = [None] * len(inputs)
    if recorded:
        grads, weights = zip(*recorded)
        second = m.autograd.grad(grads, inputs, weights, **how)
    zero = [np.zeros_like(a) for a in given]
    return [
        [host(o) for o in outs],
        *[[z if g is None else host(g) for g, z in zip(gs, zero)] for gs in (first, second)],
    ]


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=[r[0] for r in DIFFERENTIABLE])
def test_value_and_derivatives_equal_torch(row: Row, kind: str) -> None:
    _, function, shapes = row
    given = arrays(shapes, kind == "complex")
    for ours, theirs in zip(
        walk(pyrite, function, given), walk(torch, function, given), strict=True
    ):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            assert (a.shape, a.dtype) == (b.shape, b.dtype)
            scale = max(1.0, float(np.abs(b).max(initial=0)))
            np.testing.assert_allclose(a, b, rtol=1e-7, atol=1e-8 * scale)


@pytest.mark.parametrize("kind", ["real", "complex"])
@pytest.mark.parametrize("row", VALUES, ids=[r[0] for r in VALUES])
def test_value_equals_torch(row: Row, kind: str) -> None:
    _, function, shapes = row
    given = arrays(shapes, kind == "complex")
    ours, theirs = (
        [host(o) for o in leaves(function(m, *[m.from_numpy(a.copy()) for a in given]))]
        for m in (pyrite, torch)
    )
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-10)


Call = Callable[[Any], Any]


def refuses(name: str, make: Call) -> Call:
    """The call of a function, `linalg.` or not, on an operand that it does not take."""

    def call(m: Any) -> Any:
        function = getattr(m.linalg if hasattr(m.linalg, name) else m, name)
        return function(make(m))

    return call


SQUARES = (
    "inv", "inv_ex", "cholesky", "cholesky_ex", "eigh", "eigvalsh", "eig", "eigvals", "det",
    "slogdet", "logdet", "matrix_exp", "ldl_factor",
)  # fmt: skip
CALLS: list[Call] = [
    *[refuses(name, lambda m: m.ones(3)) for name in SQUARES],
    *[refuses(name, lambda m: m.ones(3, 4)) for name in SQUARES],
    *[
        refuses(name, lambda m: m.ones(3, 3, dtype=m.int64))
        for name in ("inv", "svd", "qr", "pinv", "det", "matrix_exp", "matrix_norm", "cholesky")
    ],
    lambda m: m.linalg.solve(m.ones(3, 4), m.ones(3, 4)),
    lambda m: m.linalg.matrix_power(m.ones(3, 4), 2),
    lambda m: m.linalg.cond(m.ones(3, 4), 1),
    lambda m: m.linalg.inv(m.ones(3, 3)),
    lambda m: m.linalg.inv(m.stack([m.eye(3), m.ones(3, 3)])),
    lambda m: m.linalg.solve(m.ones(3, 3), m.ones(3, 1)),
    lambda m: m.linalg.solve(m.stack([m.eye(3), m.ones(3, 3)]), m.ones(3, 1)),
    lambda m: m.linalg.solve(m.eye(3), m.ones(2, 1)),
    lambda m: m.linalg.solve(m.eye(3), m.ones(3).double()),
    lambda m: m.linalg.solve(m.eye(3), m.ones(3), left=False),
    lambda m: m.linalg.cholesky(m.ones(3, 3)),
    lambda m: m.linalg.cholesky(m.stack([m.eye(3), -m.eye(3)])),
    lambda m: m.linalg.lu_factor(m.ones(3, 3)),
    lambda m: m.linalg.qr(m.eye(3), mode="full"),
    lambda m: m.linalg.eigh(m.eye(3), UPLO="X"),
    lambda m: m.linalg.svd(m.eye(3), driver="gesvd"),
    lambda m: m.linalg.svd(m.eye(3) * float("nan")),
    lambda m: m.linalg.eig(m.eye(3) * float("inf")),
    lambda m: m.linalg.lstsq(m.eye(3), m.ones(3, 1), driver="best"),
    lambda m: m.linalg.lstsq(m.eye(3), m.ones(2, 1)),
    lambda m: m.linalg.matrix_norm(m.eye(3), "max"),
    lambda m: m.linalg.matrix_norm(m.eye(3), 3),
    lambda m: m.linalg.matrix_norm(m.eye(3), dim=(0, 0)),
    lambda m: m.linalg.matrix_norm(m.eye(3), dim=(0,)),
    lambda m: m.linalg.norm(m.ones(2, 2, 2), 1),
    lambda m: m.linalg.norm(m.ones(2, 2, 2), dim=(0, 1, 2)),
    lambda m: m.linalg.matrix_norm(m.ones(2, 0, 3), -1, dim=(2, 1)),
    lambda m: m.linalg.householder_product(m.ones(2, 3), m.ones(2)),
    lambda m: m.linalg.householder_product(m.ones(3, 2), m.ones(3)),
    lambda m: m.ormqr(m.ones(3, 2), m.ones(2), m.ones(4, 2)),
    lambda m: m.linalg.tensorinv(m.ones(2, 3, 4)),
    lambda m: m.linalg.tensorinv(m.ones(2, 2), ind=0),
    lambda m: m.linalg.tensorsolve(m.ones(2, 3), m.ones(2)),
    lambda m: m.linalg.vander(m.ones(3), N=1),
    lambda m: m.pca_lowrank(m.ones(3, 3), q=4),
    lambda m: m.cov(m.ones(2, 2, 2)),
    lambda m: m.cov(m.ones(2, 2), fweights=m.ones(2)),
    lambda m: m.cov(m.ones(2, 2), aweights=-m.ones(2)),
    lambda m: m.linalg.qr(m.ones(4, 2).requires_grad_(), "complete").R.sum().backward(),
]  # fmt: skip


def raised(call: Call, m: Any) -> Exception:
    with pytest.raises((RuntimeError, ValueError, IndexError)) as info:
        call(m)
    return info.value


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_error_equals_torch(call: Call) -> None:
    """The class (torch's LinAlgError is ours), and for those the first words and the batch."""
    ours, theirs = raised(call, pyrite), raised(call, torch)
    failed = isinstance(theirs, torch.linalg.LinAlgError)
    assert isinstance(ours, pyrite.linalg.LinAlgError) or not failed
    kind = next(k for k in (RuntimeError, ValueError, IndexError) if isinstance(theirs, k))
    assert isinstance(ours, kind)
    if failed:
        assert str(ours) == str(theirs).removeprefix("torch.").split(" (error code")[0]


def test_results_are_named_and_out_is_written() -> None:
    x = pyrite.randn(3, 3)
    assert pyrite.linalg.svd(x)._fields == ("U", "S", "Vh")
    assert pyrite.linalg.slogdet(x)._fields == ("sign", "logabsdet")
    assert pyrite.linalg.lstsq(x, x)._fields == ("solution", "residuals", "rank", "singular_values")
    Q, R = pyrite.empty(0), pyrite.empty(0)
    out = pyrite.linalg.qr(x, out=(Q, R))
    assert out.Q is Q
    assert pyrite.allclose(Q @ R, x, atol=1e-5)


def test_lowrank_finds_a_matrix_of_that_rank() -> None:
    pyrite.manual_seed(0)
    for shape in ((12, 5), (5, 12)):
        x = pyrite.randn(shape[0], 2) @ pyrite.randn(2, shape[1])
        U, S, V = pyrite.svd_lowrank(x, q=3)
        assert pyrite.allclose((U * S) @ V.mT, x, atol=1e-4)
        U, S, V = pyrite.pca_lowrank(x, q=3)
        assert pyrite.allclose((U * S) @ V.mT, x - x.mean(0), atol=1e-4)


@pytest.mark.parametrize("name", ["det", "inverse", "matrix_exp"])
def test_third_derivative(name: str) -> None:
    x = np.random.default_rng(3).standard_normal((3, 3)) / 4 + np.eye(3)

    def third(m: Any) -> np.ndarray:
        leaf = m.from_numpy(x.copy()).requires_grad_()
        value = (getattr(m, name)(leaf) ** 2).sum()
        for _ in range(3):
            (grad,) = m.autograd.grad(value, leaf, create_graph=True)
            value = (grad * m.arange(9.0, dtype=m.float64).view(3, 3)).sum()
        return host(value)

    np.testing.assert_allclose(third(pyrite), third(torch), rtol=1e-7)
