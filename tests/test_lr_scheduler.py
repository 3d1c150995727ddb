"""Learning rate schedules: rates as torch's, resuming, errors, warnings."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from numpy.testing import assert_allclose

import pyrite
from pyrite.optim import SGD
from pyrite.optim import lr_scheduler as S

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]
needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")

LEAF = pyrite.ones(1, requires_grad=True)
PLATEAU = [1.0, 0.9, 0.8, 0.8, 0.8, 0.8, 0.7, 0.7, 0.7, 0.7, 0.7, 0.7]
SCHEDULES: list[tuple[str, dict[str, Any]]] = [
    ("LambdaLR", {"lr_lambda": lambda e: 0.9**e}),
    ("LambdaLR", {"lr_lambda": [lambda e: 1 / (1 + e), lambda e: e + 1]}),
    ("MultiplicativeLR", {"lr_lambda": lambda e: 0.9}),
    ("StepLR", {"step_size": 3, "gamma": 0.5}),
    ("MultiStepLR", {"milestones": [2, 5, 5, 9], "gamma": 0.5}),
    ("ConstantLR", {"factor": 0.5, "total_iters": 4}),
    ("LinearLR", {"start_factor": 0.2, "end_factor": 0.8, "total_iters": 7}),
    ("ExponentialLR", {"gamma": 0.9}),
    ("PolynomialLR", {"total_iters": 8, "power": 2.0}),
    ("CosineAnnealingLR", {"T_max": 5, "eta_min": 0.01}),
    ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "step_size_up": 3, "mode": "triangular2"}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": [0.1, 0.2], "step_size_up": 3, "step_size_down": 2,
                  "mode": "exp_range", "gamma": 0.9}),
    ("CyclicLR", {"base_lr": 0.01, "max_lr": 0.1, "scale_fn": lambda x: 1 / x,
                  "step_size_up": 2}),
    ("OneCycleLR", {"max_lr": 0.5, "total_steps": 16}),
    ("OneCycleLR", {"max_lr": [0.5, 0.2], "epochs": 4, "steps_per_epoch": 4, "three_phase": True,
                    "anneal_strategy": "linear", "pct_start": 0.4}),
]  # fmt: skip


def schedule(lib: Any, build: Any, rule: str = "SGD", **kwargs: Any) -> tuple[Any, Any]:
    params = [lib.nn.Parameter(lib.zeros(1)) for _ in range(2)]
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.03}]
    optimizer = getattr(lib.optim, rule)(groups, lr=0.2, **kwargs)
    return optimizer, build(lib.optim.lr_scheduler, optimizer)


def rates(optimizer: Any, scheduler: Any, count: int = 15) -> list[list[float]]:
    rows = []
    for _ in range(count):
        optimizer.step()
        scheduler.step()
        rows.append([float(v) for g in optimizer.param_groups for v in _moving(g)])
        last = [float(v) for v in scheduler.get_last_lr()]
        assert last == [float(g["lr"]) for g in optimizer.param_groups]
    return rows


def _moving(group: dict[str, Any]) -> list[Any]:
    return [group["lr"], group["betas"][0] if "betas" in group else group["momentum"]]


def _ids(case: Any) -> str:
    return case if isinstance(case, str) else ",".join(case)


@needs_torch
@pytest.mark.parametrize(("name", "kwargs"), SCHEDULES, ids=_ids)
@pytest.mark.parametrize("rule", ["SGD", "Adam"])
def test_schedule_is_torchs(name: str, kwargs: dict[str, Any], rule: str) -> None:
    def build(lib: Any, optimizer: Any) -> Any:
        return getattr(lib, name)(optimizer, **kwargs)

    momentum = {"momentum": 0.9} if rule == "SGD" else {}
    got = rates(*schedule(pyrite, build, rule, **momentum))
    want = rates(*schedule(torch, build, rule, **momentum))
    assert_allclose(got, want, rtol=1e-12, atol=1e-18)


COMBINED: list[Callable[[Any, Any], Any]] = [
    lambda lib, o: lib.SequentialLR(
        o, [lib.ConstantLR(o, 0.1, 3), lib.ExponentialLR(o, 0.9), lib.StepLR(o, 2)], [4, 8]),
    lambda lib, o: lib.SequentialLR(
        o, [lib.LinearLR(o, 0.01, total_iters=4), lib.CosineAnnealingLR(o, 9)], [4]),
    lambda lib, o: lib.ChainedScheduler([lib.ConstantLR(o, 0.1, 3), lib.ExponentialLR(o, 0.9)]),
]  # fmt: skip


@needs_torch
@pytest.mark.parametrize("build", COMBINED)
def test_combined_schedule_is_torchs(build: Callable[[Any, Any], Any]) -> None:
    got = rates(*schedule(pyrite, build, momentum=0.9))
    want = rates(*schedule(torch, build, momentum=0.9))
    assert_allclose(got, want, rtol=1e-12)


@needs_torch
@pytest.mark.parametrize(("name", "kwargs"), SCHEDULES[3:11], ids=_ids)
def test_jump_to_an_epoch(name: str, kwargs: dict[str, Any]) -> None:
    ends = []
    for lib in (pyrite, torch):
        optimizer, scheduler = schedule(lib, lambda s, o: getattr(s, name)(o, **kwargs))
        optimizer.step()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scheduler.step(6)
        ends.append([g["lr"] for g in optimizer.param_groups])
    assert_allclose(*ends, rtol=1e-12)


@pytest.mark.parametrize("build", [
    *[lambda s, o, n=n, k=k: getattr(s, n)(o, **k) for n, k in SCHEDULES], *COMBINED
])  # fmt: skip
def test_schedule_resumes(build: Callable[..., Any]) -> None:
    optimizer, scheduler = schedule(pyrite, build, momentum=0.9)
    rates(optimizer, scheduler, 5)
    states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    want = rates(optimizer, scheduler, 8)
    optimizer, scheduler = schedule(pyrite, build, momentum=0.9)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    assert rates(optimizer, scheduler, 8) == want


@needs_torch
@pytest.mark.parametrize("kwargs", [
    {"patience": 1, "factor": 0.5}, {"patience": 0, "cooldown": 2, "min_lr": [0.1, 0.001]},
    {"mode": "max", "threshold_mode": "abs", "patience": 2, "threshold": 0.05},
])  # fmt: skip
def test_plateau_is_torchs(kwargs: dict[str, Any]) -> None:
    rows: dict[Any, list[Any]] = {pyrite: [], torch: []}
    for lib, row in rows.items():
        optimizer, scheduler = schedule(lib, lambda s, o: s.ReduceLROnPlateau(o, **kwargs))
        for metric in PLATEAU:
            scheduler.step(lib.tensor(metric))
            row += [g["lr"] for g in optimizer.param_groups] + [scheduler.num_bad_epochs]
    assert_allclose(rows[pyrite], rows[torch], rtol=1e-12)


def test_schedule_fills_a_rate_that_is_a_tensor() -> None:
    rate = pyrite.tensor(0.5)
    optimizer = SGD([LEAF], lr=rate)
    scheduler = S.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25
    assert scheduler.get_last_lr()[0] is not rate


def test_own_schedule() -> None:
    class Warm(S.LRScheduler):
        def get_lr(self) -> list[float]:
            return [base * min(1.0, (self.last_epoch + 1) / 4) for base in self.base_lrs]

    optimizer = SGD([LEAF], lr=1.0)
    scheduler = Warm(optimizer)
    seen = [scheduler.get_last_lr()[0]]
    for _ in range(4):
        optimizer.step()
        scheduler.step()
        seen += scheduler.get_last_lr()
    assert seen == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_objects_as_functions_keep_their_state() -> None:
    class Scale:
        def __init__(self) -> None:
            self.by = 0.5

        def __call__(self, epoch: int) -> float:
            return self.by**epoch

    scheduler = S.LambdaLR(SGD([LEAF], lr=1.0), Scale())
    state = scheduler.state_dict()
    assert state["lr_lambdas"] == [{"by": 0.5}]
    state["lr_lambdas"] = [{"by": 0.25}]
    scheduler.load_state_dict(state)
    assert scheduler.lr_lambdas[0](1) == 0.25


def test_schedule_before_optimizer_warns() -> None:
    scheduler = S.StepLR(SGD([LEAF], lr=1.0), 1)
    with pytest.warns(UserWarning, match=r"before `optimizer.step\(\)`"):
        scheduler.step()


def test_asking_for_the_next_rate_warns() -> None:
    scheduler = S.StepLR(SGD([LEAF], lr=1.0), 1)
    with pytest.warns(UserWarning, match="get_last_lr"):
        scheduler.get_lr()


def _sgd(**kwargs: Any) -> SGD:
    return SGD([pyrite.ones(1, requires_grad=True)], lr=1.0, **kwargs)


SCHEDULE_ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: S.StepLR(3, 1), TypeError, "int is not an Optimizer"),
    (lambda: S.StepLR(_sgd(), 1, last_epoch=2), KeyError, "initial_lr"),
    (lambda: S.LambdaLR(_sgd(), [abs, abs]), ValueError, "same length as optimizer.param_groups"),
    (lambda: S.LambdaLR(_sgd(), 0.5), TypeError, "should be a function"),
    (lambda: S.ConstantLR(_sgd(), 2.0), ValueError, "between 0 and 1"),
    (lambda: S.LinearLR(_sgd(), 0.0), ValueError, "greater than 0"),
    (lambda: S.LinearLR(_sgd(), end_factor=2.0), ValueError, "between 0 and 1"),
    (lambda: S.CosineAnnealingWarmRestarts(_sgd(), 0), ValueError, "positive integer T_0"),
    (lambda: S.CyclicLR(_sgd(), 0.1, 1.0, mode="x"), ValueError, "mode is invalid"),
    (lambda: S.OneCycleLR(_sgd(), 0.1), ValueError, "total_steps OR"),
    (lambda: S.OneCycleLR(_sgd(), 0.1, 10, pct_start=2.0), ValueError, "pct_start"),
    (lambda: S.SequentialLR(_sgd(), [], []), ValueError, "at least one scheduler"),
    (lambda: S.ChainedScheduler([]), ValueError, "at least one scheduler"),
    (
        lambda: S.ChainedScheduler([S.ReduceLROnPlateau(_sgd())]), ValueError,
        "does not support `ReduceLROnPlateau`",
    ),
    (
        lambda: S.SequentialLR(_sgd(), [S.StepLR(_sgd(), 1)], []), ValueError,
        "belong to the same optimizer",
    ),
    (lambda: S.ReduceLROnPlateau(_sgd(), factor=1.0), ValueError, "Factor should be < 1.0"),
    (lambda: S.ReduceLROnPlateau(_sgd(), mode="x"), ValueError, "mode x is unknown"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("call", "error", "text"), SCHEDULE_ERRORS, ids=[e[2] for e in SCHEDULE_ERRORS]
)
def test_schedule_errors(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()
