"""Averaged models and their schedule; torch is the oracle."""

import copy
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pyrite
from pyrite.optim import SGD
from pyrite.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn


def _model(lib: Any) -> Any:
    model = lib.nn.Sequential(lib.nn.Linear(3, 4), lib.nn.BatchNorm1d(4), lib.nn.Linear(4, 1))
    rng = np.random.default_rng(0)
    with lib.no_grad():
        for p in model.parameters():
            p.copy_(lib.tensor(rng.normal(size=tuple(p.shape)).astype("float32")))
    return model


# name -> (module swa_utils) -> arguments of AveragedModel
AVERAGES: dict[str, Any] = {
    "mean": lambda swa: {},
    "mean of lists": lambda swa: {"multi_avg_fn": swa.get_swa_multi_avg_fn()},
    "exponential": lambda swa: {"avg_fn": swa.get_ema_avg_fn(0.9)},
    "exponential of lists": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(0.9)},
    "buffers too": lambda swa: {"multi_avg_fn": swa.get_ema_multi_avg_fn(), "use_buffers": True},
    "own function": lambda swa: {"avg_fn": lambda a, b, n: (a + b) / (n + 1)},
}


@pytest.mark.parametrize("name", AVERAGES)
def test_averages_are_torchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    states = []
    for lib in (pyrite, torch):
        model = _model(lib)
        averaged = lib.optim.swa_utils.AveragedModel(model, **AVERAGES[name](lib.optim.swa_utils))
        rng = np.random.default_rng(1)
        batches = [lib.tensor(rng.normal(size=(8, 3)).astype("float32")) for _ in range(4)]
        for batch in batches:
            model(batch)
            with lib.no_grad():
                for p in model.parameters():
                    p.mul_(1.25)
            averaged.update_parameters(model)
        if name == "mean":
            lib.optim.swa_utils.update_bn([[b] for b in batches], averaged)
        assert averaged.training
        assert averaged.module[1].momentum == 0.1
        states.append({k: v.numpy() for k, v in averaged.state_dict().items()})
    assert list(states[0]) == list(states[1])
    for key, value in states[1].items():
        assert_allclose(states[0][key], value, rtol=1e-5, atol=1e-6, err_msg=key)


@pytest.mark.parametrize("strategy", ["cos", "linear"])
@pytest.mark.parametrize("epochs", [0, 3])
def test_the_schedule_resumes(strategy: str, epochs: int) -> None:
    def rates(steps: int, state: Any = None) -> tuple[list[float], Any]:
        optimizer = SGD([pyrite.nn.Parameter(pyrite.ones(1))], lr=1.0)
        schedule = SWALR(optimizer, 0.1, epochs, strategy)
        if state is not None:
            optimizer.load_state_dict(state[0])
            schedule.load_state_dict(state[1])
        found = []
        for _ in range(steps):
            optimizer.step()
            schedule.step()
            found += schedule.get_last_lr()
        return found, copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))

    whole, _ = rates(5)
    first, state = rates(2)
    assert first + rates(3, state)[0] == whole
    assert whole[-1] == pytest.approx(0.1)


def test_mistakes() -> None:
    model = pyrite.nn.Linear(1, 1)
    with pytest.raises(AssertionError, match="Only one of"):
        AveragedModel(model, avg_fn=max, multi_avg_fn=get_ema_multi_avg_fn())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Invalid decay value 2"):
        get_ema_multi_avg_fn(2)
    with pytest.raises(ValueError, match="anneal_strategy must be"):
        SWALR(SGD(model.parameters()), 0.1, anneal_strategy="step")
    update_bn([], model)  # without batch norms the data is not read
