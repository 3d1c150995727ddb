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


# --- gradients, layers and losses -------------------------------------------------------------


def draw(*shape: int, scale: float = 1.0, shift: float = 0.0) -> np.ndarray[Any, Any]:
    return RNG.normal(shift, scale, shape)


def layer(name: str, *options: Any, **named: Any) -> Callable[..., Any]:
    return lambda L, *x: getattr(L.nn.functional, name)(*x, *options, **named)


def normalized(name: str, *rest: Any) -> Callable[..., Any]:
    return lambda L, x, w, b: getattr(L.nn.functional, name)(x, *rest, w, b)


def in_batch(L: Any, x: Any, w: Any, b: Any) -> Any:
    return L.nn.functional.batch_norm(x, None, None, w, b, True)


def labelled(L: Any, x: Any) -> Any:
    return L.nn.functional.cross_entropy(x, L.arange(len(x)) % x.shape[1], reduction="none")


def attended(L: Any, q: Any, k: Any, v: Any, **options: Any) -> Any:
    return L.nn.functional.scaled_dot_product_attention(q, k, v, **options)


def recurrent(kind: str) -> Callable[..., Any]:
    def run(L: Any, x: Any, *weights: Any) -> Any:
        cell = getattr(L.nn, kind)(24, 32).to(x.dtype)
        return L.func.functional_call(cell, dict(zip(dict(cell.named_parameters()), weights)), x)[0]

    return run


def weights(gates: int) -> list[np.ndarray[Any, Any]]:
    shapes = (gates * 32, 24), (gates * 32, 32), (gates * 32,), (gates * 32,)
    return [draw(*s, scale=0.2) for s in shapes]


IMAGES, FAR = draw(4, 32, 17, 19), draw(4, 32, 17, 19, scale=0.1, shift=30.0)
HEADS = [draw(2, 4, 75, 32, scale=1.5) for _ in range(3)]
SCALE_32 = [draw(32, shift=1.0), draw(32)]
LAYERS: dict[str, tuple[Callable[..., Any], list[np.ndarray[Any, Any]]]] = {
    **{f"{name} and its gradient": (f, [data]) for name, (data, f) in ELEMENTS.items()},
    **{f"{name} and its gradient": (f, [ROWS[0]]) for name, f in REDUCTIONS.items()},
    "layer_norm": (
        lambda L, x, w, b: L.nn.functional.layer_norm(x, (300,), w, b),
        [ROWS[0], draw(300, shift=1.0), draw(300)],
    ),
    "batch_norm": (in_batch, [IMAGES, *SCALE_32]),
    "batch_norm far from 0": (in_batch, [FAR, *SCALE_32]),
    "batch_norm of rows": (in_batch, [draw(301, 32), *SCALE_32]),
    "group_norm": (normalized("group_norm", 8), [IMAGES, *SCALE_32]),
    "cross_entropy": (labelled, [draw(128, 300, scale=5.0)]),
    "mse_loss": (layer("mse_loss"), [draw(128, 300), draw(128, 300)]),
    "huber_loss": (layer("huber_loss"), [draw(128, 300), draw(128, 300)]),
    "attention": (attended, HEADS),
    "causal attention": (lambda L, *x: attended(L, *x, is_causal=True), HEADS),
    "linear": (layer("linear"), [draw(129, 200), draw(301, 200), draw(301)]),
    "batched matmul": (lambda L, x, y: x @ y, [draw(5, 65, 200), draw(5, 200, 33)]),
    "3 x 3 convolution": (layer("conv2d", padding=1), [IMAGES, draw(48, 32, 3, 3), draw(48)]),
    "3 x 3, stride 2": (layer("conv2d", stride=2), [IMAGES, draw(48, 32, 3, 3), draw(48)]),
    "5 x 5 convolution": (layer("conv2d"), [IMAGES[:, :6], draw(16, 6, 5, 5), draw(16)]),
    "1 x 1 convolution": (layer("conv2d"), [IMAGES, draw(48, 32, 1, 1), draw(48)]),
    "depthwise": (layer("conv2d", padding=1, groups=32), [IMAGES, draw(32, 1, 3, 3), draw(32)]),
    "transposed": (
        layer("conv_transpose2d", stride=2, padding=1), [IMAGES, draw(32, 16, 4, 4), draw(16)]
    ),
    "max_pool2d": (layer("max_pool2d", 2), [IMAGES]),
    "avg_pool2d": (layer("avg_pool2d", 3, 2), [IMAGES]),
    "LSTM": (recurrent("LSTM"), [draw(20, 8, 24), *weights(4)]),
    "GRU": (recurrent("GRU"), [draw(20, 8, 24), *weights(3)]),
}  # fmt: skip


def outcomes(L: Any, function: Callable[..., Any], arrays: list[Any], dtype: Any) -> list[Any]:
    """The result and the gradients under a fixed cotangent, as float64 arrays."""
    inputs = [L.tensor(a.astype("float32")).to(dtype).requires_grad_() for a in arrays]
    out = function(L, *inputs)
    seed = np.random.default_rng(5).normal(size=tuple(out.shape)).astype("float32")
    out.backward(L.tensor(seed).to(dtype))
    return [t.detach().numpy().astype("float64") for t in (out, *(x.grad for x in inputs))]


@pytest.mark.parametrize("name", LAYERS)
def test_results_and_gradients(name: str) -> None:
    """Root mean square distances; the largest ones, which chance may double, by 4."""
    function, arrays = LAYERS[name]
    wanted = outcomes(torch, function, arrays, torch.float64)
    results = [outcomes(L, function, arrays, L.float32) for L in (pyrite, torch)]
    for exact, *found in zip(wanted, *results):
        scale = np.abs(exact).max() or 1.0
        apart = [np.abs(r - exact) / scale for r in found]
        ours, theirs = (float(np.sqrt(np.mean(d * d))) for d in apart)
        assert ours <= max(2 * theirs, 1e-7), (ours, theirs)
        ours, theirs = (float(d.max()) for d in apart)
        assert ours <= max(4 * theirs, 2e-7), (ours, theirs)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("spread", [1.0, 6.0], ids=["even", "peaked"])
def test_attention(causal: bool, spread: float) -> None:
    operands = [RNG.normal(0, spread, (2, 3, 77, 24)) for _ in range(3)]
    slope = RNG.normal(0, 1, operands[0].shape)

    def run(L: Any, kind: str) -> list[Any]:
        made = [L.tensor(x.astype("float32")).to(getattr(L, kind)) for x in (*operands, slope)]
        q, k, v = (x.requires_grad_() for x in made[:3])
        out = L.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)
        out.backward(made[3])
        return [x.detach().numpy().astype("float64") for x in (out, q.grad, k.grad, v.grad)]

    exact, ours, theirs = run(torch, "float64"), run(pyrite, "float32"), run(torch, "float32")
    for a, b, c in zip(exact, ours, theirs, strict=True):
        unit = np.abs(a).max()
        assert np.abs(b - a).max() / unit <= max(2 * np.abs(c - a).max() / unit, 2e-7)
