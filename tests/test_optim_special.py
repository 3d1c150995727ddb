"""Optimizers beyond the common form: complex and sparse ones, Muon, LBFGS; torch is the oracle."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from test_optim import CASES, STEPS, make, name_of, options, run

import pyrite

torch = pytest.importorskip("torch", reason="torch is the oracle")


@pytest.mark.parametrize("name", sorted({n for n, _ in CASES} - {"Adafactor"}))
def test_complex_parameters_are_pairs(name: str) -> None:
    rng = np.random.default_rng(5)
    draws = [rng.normal(size=(3, 2, 2)) @ [1, 1j] for _ in range(STEPS + 1)]
    ends = []
    for lib, kwargs in ((pyrite, {}), (torch, {"foreach": False})):
        params, optimizer = make(lib, name, [draws[0]], lr=0.1, **kwargs)
        (end,) = run(lib, params, optimizer, [[d] for d in draws[1:]])
        state = sorted(optimizer.state[params[0]].items())
        ends.append([end, *[v.numpy() for _, v in state if hasattr(v, "numpy")]])
    for a, b in zip(*ends, strict=True):
        assert a.dtype == b.dtype
        assert_allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("kwargs", options(
    nesterov=(False, True), adjust_lr_fn=(None, "match_rms_adamw")), ids=name_of,
)  # fmt: skip
def test_muon_is_torchs(kwargs: dict[str, Any]) -> None:
    rng = np.random.default_rng(4)
    draws = [[rng.normal(size=s).astype("f4") for s in ((3, 5), (6, 2))] for _ in range(4)]
    ends, states = [], []
    for lib in (pyrite, torch):
        params, optimizer = make(lib, "Muon", draws[0], lr=0.1, **kwargs)
        ends.append(run(lib, params, optimizer, draws[1:]))
        states.append(optimizer.state_dict()["state"])
    for a, b in zip(*ends, strict=True):
        assert_allclose(a, b, rtol=2e-2, atol=2e-3)  # of bfloat16 products in another order
    assert [list(s) for s in states[0].values()] == [list(s) for s in states[1].values()]


@pytest.mark.parametrize("maximize", [False, True])
@pytest.mark.parametrize("dims", [1, 2])
def test_sparse_adam_is_torchs(dims: int, maximize: bool) -> None:
    rng = np.random.default_rng(6)
    start, values = rng.normal(size=(4, 3)), rng.normal(size=(3, 3, *[3] * (2 - dims)))
    places = np.array([[0, 2, 0], [1, 1, 2]])[:dims]
    ends = []
    for lib in (pyrite, torch):
        params, optimizer = make(lib, "SparseAdam", [start], lr=0.1, maximize=maximize)
        for step in range(3):
            if step == 2:
                optimizer.load_state_dict(optimizer.state_dict())
            where, what = lib.tensor((places + step) % 3), lib.tensor(values[step])
            params[0].grad = lib.sparse_coo_tensor(where, what, (4, 3), check_invariants=True)
            optimizer.step()
        state = optimizer.state[params[0]]
        ends.append(
            [t.detach().numpy() for t in (params[0], state["exp_avg"], state["exp_avg_sq"])]
        )
        assert list(state) == ["step", "exp_avg", "exp_avg_sq"]
        assert int(state["step"]) == 3
        params[0].grad = lib.ones_like(params[0])
        with pytest.raises(RuntimeError, match="does not support dense gradients"):
            optimizer.step()
    for a, b in zip(*ends, strict=True):
        assert_allclose(a, b, rtol=1e-13, atol=1e-15)


def rosenbrock(lib: Any, kind: str, optimizer: Any, param: Any) -> Callable[[], Any]:
    def closure() -> Any:
        optimizer.zero_grad()
        x = lib.view_as_real(param).reshape(-1) if kind == "complex128" else param
        loss = (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
        loss.backward()
        return loss

    return closure


@pytest.mark.parametrize("kwargs", [
    {"line_search_fn": "strong_wolfe"}, {"line_search_fn": "strong_wolfe", "history_size": 2},
    {"lr": 0.01}, {"line_search_fn": "strong_wolfe", "lr": 5.0, "max_eval": 7},
], ids=name_of)  # fmt: skip
@pytest.mark.parametrize("kind", ["float64", "complex128"])
def test_lbfgs_is_torchs(kind: str, kwargs: dict[str, Any]) -> None:
    """Interrupted after two steps: the other library goes on from its state."""
    start = np.array([-1.2, 1.0, 0.5, -0.3]).view(kind)
    traces: list[list[float]] = []
    for first, second in ((pyrite, torch), (torch, pyrite), (torch, torch)):
        param = first.nn.Parameter(first.tensor(start))
        optimizer = first.optim.LBFGS([param], max_iter=6, **kwargs)
        trace = []
        for step in range(5):
            if step == 2 and first is not second:
                state = io.BytesIO()
                first.save([optimizer.state_dict(), param.detach()], state)
                state.seek(0)
                saved, value = second.load(state)
                param = second.nn.Parameter(value)
                optimizer = second.optim.LBFGS([param], max_iter=6, **kwargs)
                optimizer.load_state_dict(saved)
                first = second
            loss = optimizer.step(rosenbrock(first, kind, optimizer, param))
            (state_now,) = optimizer.state.values()
            trace += [loss.item(), state_now["func_evals"], state_now["n_iter"]]
        traces.append(trace)
    assert_allclose(traces[0], traces[2], rtol=1e-6, atol=1e-12)
    assert_allclose(traces[1], traces[2], rtol=1e-6, atol=1e-12)


def test_sparse_gradients_are_refused_where_they_would_be_made_dense() -> None:
    params, optimizer = make(pyrite, "Adam", [np.ones((4, 2))])
    where, what = pyrite.tensor([[0, 2]]), pyrite.ones(2, 2, dtype=pyrite.float64)
    params[0].grad = pyrite.sparse_coo_tensor(where, what, (4, 2))
    with pytest.raises(RuntimeError, match="Adam does not support sparse gradients"):
        optimizer.step()
