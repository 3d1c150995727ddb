"""Each workload of the benchmarks trains in Pyrite alone, and as PyTorch does where that is."""

import importlib
import math
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import pyrite

FOLDER = Path(__file__).parent.parent / "benchmarks"
NAMES = (
    "MLP", "tiny MLP", "LeNet", "ResNet-18", "depthwise CNN", "U-Net", "VAE", "DCGAN", "LSTM",
    "GRU", "GPT", "BERT", "ViT", "GCN", "embedding bag", "DQN",
)  # fmt: skip


@pytest.fixture
def suite(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `workloads`, as the scripts beside it import it."""
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("workloads")


def test_all_workloads_are_tested(suite: ModuleType) -> None:
    assert tuple(suite.WORKLOADS) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_step(suite: ModuleType, name: str) -> None:
    ours = suite.Running(pyrite, name)
    weights = ours.weights()
    ours.feed(2)
    losses = [ours.step().item() for _ in range(2)]
    assert all(math.isfinite(x) for x in losses)
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    theirs = suite.Running(torch, name, weights)
    theirs.feed(2)
    expected = [theirs.step().item() for _ in range(2)]
    assert losses == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("name", ["exp, 1e3", "linear, 1e3, grad", "gather, 1e3, grad"])
def test_op(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    ops, harness = (importlib.import_module(m) for m in ("ops", "harness"))
    torch = pytest.importorskip("torch", reason="compares with PyTorch")
    ours, theirs = (ops.start(t, name, None).outcome() for t in (pyrite, torch))
    assert len(ours) == (4 if "linear" in name else 1 + name.endswith("grad"))
    assert harness.distance(ours, theirs) < ops.BOUND


def test_distance_and_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(FOLDER))
    harness = importlib.import_module("harness")
    assert harness.distance([[1.0, 2.0]], [np.array([1.0, 4.0])]) == 0.5
    assert harness.distance([float("nan")], [1.0]) == float("inf")
    assert harness.chosen(["MLP", "tiny MLP"], ["MLP"]) == ["MLP"]
    assert harness.chosen(["MLP", "tiny MLP"], ["LP"]) == ["MLP", "tiny MLP"]
    assert harness.geometric_mean([0.5, 2.0]) == pytest.approx(1.0)
