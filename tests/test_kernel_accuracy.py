"""Each kernel lies at most twice as far from the float64 result as PyTorch's does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyrite

pytest.importorskip("numba", reason="the kernels are compiled by numba")
torch = pytest.importorskip("torch", reason="the distance is compared with PyTorch's")

RNG = np.random.default_rng(3)
NEAR = np.geomspace(1e-30, 1, 5000)
SPREAD = RNG.normal(0, 3, 40_000)
# Operands: random, near 0 and near 1 from both sides, and as far as results are finite.
ANY = np.concatenate([SPREAD, NEAR, -NEAR, np.linspace(-80, 80, 5000), 1 - NEAR])
POSITIVE = np.concatenate([np.abs(SPREAD) + 1e-30, NEAR, np.geomspace(1e-30, 1e30, 5000)])
ROWS = np.stack([RNG.normal(0, 2, (64, 300)), RNG.normal(1000, 1e-2, (64, 300))])
SLOPES = RNG.normal(0, 1, ANY.size)

ELEMENTS: dict[str, tuple[np.ndarray[Any, Any], Callable[..., Any]]] = {
    **{name: (ANY, lambda L, x, name=name: getattr(L, name)(x)) for name in (
        "exp", "expm1", "tanh", "sigmoid", "erf", "abs", "neg", "floor", "ceil", "trunc", "round",
        "sign", "relu",
    )},
    **{name: (ANY, lambda L, x, name=name: getattr(L.nn.functional, name)(x)) for name in (
        "silu", "softplus", "elu", "leaky_relu", "hardtanh", "gelu",
    )},
    **{name: (POSITIVE, lambda L, x, name=name: getattr(L, name)(x)) for name in (
        "log", "log1p", "sqrt", "rsqrt", "reciprocal",
    )},
}  # fmt: skip
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "sum": lambda L, x: x.sum(-1), "mean": lambda L, x: x.mean(-1), "all": lambda L, x: x.sum(),
    "var": lambda L, x: x.var(-1), "std": lambda L, x: x.std(), "norm": lambda L, x: x.norm(),
    "softmax": lambda L, x: x.softmax(-1), "log_softmax": lambda L, x: x.log_softmax(-1),
    "layer_norm": lambda L, x: L.nn.functional.layer_norm(x, (300,)),
}  # fmt: skip
# Units in the last place within which a kernel may lie in any case.
LIMITS = {"erf": 2.5}


def distance(L: Any, function: Callable[..., Any], data: Any, wanted: Any, unit: Any) -> float:
    ours = function(L, L.tensor(data.astype("float32"))).numpy().astype("float64")
    return float(np.nanmax(np.abs(ours - wanted) / unit))


@pytest.mark.parametrize("name", ELEMENTS)
def test_functions(name: str) -> None:
    data, function = ELEMENTS[name]
    exact = data.astype("float32").astype("float64")
    wanted = function(torch, torch.tensor(exact)).numpy()
    unit = np.spacing(np.abs(wanted).astype("float32")).astype("float64")
    if name in ("silu", "gelu", "softplus", "elu"):  # sums that cancel: against their operand
        unit = np.maximum(unit, np.spacing(np.abs(exact).astype("float32")))
    ours, theirs = (distance(L, function, data, wanted, unit) for L in (pyrite, torch))
    assert ours <= max(2 * theirs, LIMITS.get(name, 1.5)), (ours, theirs)


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("rows", ROWS, ids=["spread", "far from 0"])
def test_reductions(name: str, rows: np.ndarray[Any, Any]) -> None:
    function = REDUCTIONS[name]
    wanted = function(torch, torch.tensor(rows.astype("float32")).double()).numpy()
    ours, theirs = (
        distance(L, function, rows, wanted, np.abs(wanted).max()) for L in (pyrite, torch)
    )
    assert ours <= max(2 * theirs, 2e-7), (ours, theirs)
