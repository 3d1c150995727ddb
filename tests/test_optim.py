"""Optimizers and schedules: trajectories as torch's, states exchanged with torch, errors, hooks."""

from __future__ import annotations

import copy
import io
import math
import pickle
import warnings
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import pyrite
from pyrite import nn
from pyrite.optim import SGD, Adam, Optimizer, RMSprop, lr_scheduler
from pyrite.optim.optimizer import register_optimizer_step_post_hook, required

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]
needs_torch = pytest.mark.skipif(torch is None, reason="torch is not installed")

SHAPES = (3, 4), (5,), ()
STEPS = 6


def options(**values: tuple[Any, ...]) -> list[dict[str, Any]]:
    """All combinations."""
    return [dict(zip(values, row, strict=True)) for row in product(*values.values())]


DECAY = {"weight_decay": (0, 0.1), "maximize": (False, True)}
CASES = [
    *[("SGD", {"lr": 0.1, **o}) for o in options(
        momentum=(0, 0.9), dampening=(0, 0.3), nesterov=(False,), **DECAY)],
    *[("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, **o}) for o in options(**DECAY)],
    *[(n, {"lr": 0.1, "betas": (0.8, 0.9), **o}) for n in ("Adam", "AdamW") for o in options(
        amsgrad=(False, True), eps=(1e-8, 0.1), **DECAY)],
    *[("RMSprop", {"lr": 0.02, "alpha": 0.9, **o}) for o in options(
        momentum=(0, 0.9), centered=(False, True), **DECAY)],
]  # fmt: skip
RICH = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
]


def name_of(case: Any) -> str:
    return case if isinstance(case, str) else ",".join(f"{k}={v}" for k, v in case.items())


def values(kind: str = "float64") -> tuple[list[np.ndarray], list[list[np.ndarray | None]]]:
    """Parameters, and gradients per step: one parameter has none in the second and third."""
    rng = np.random.default_rng(3)
    params = [np.asarray(rng.normal(size=s), kind) for s in SHAPES]
    grads: list[list[Any]] = [
        [np.asarray(rng.normal(size=s), kind) for s in SHAPES] for _ in range(2 * STEPS)
    ]
    for step in (1, 2):
        grads[step][1] = None
    return params, grads


def make(lib: Any, name: str, arrays: Any, **kwargs: Any) -> tuple[list[Any], Any]:
    params = [lib.nn.Parameter(lib.tensor(a)) for a in arrays]
    return params, getattr(lib.optim, name)(params, **kwargs)


def run(lib: Any, params: list[Any], optimizer: Any, grads: Any) -> list[np.ndarray]:
    for row in grads:
        for p, g in zip(params, row, strict=True):
            p.grad = None if g is None else lib.tensor(g)
        optimizer.step()
    return [p.detach().numpy().copy() for p in params]


# ---- rules


@needs_torch
@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=name_of)
def test_trajectory_is_torchs(name: str, kwargs: dict[str, Any]) -> None:
    arrays, grads = values()
    ours = run(pyrite, *make(pyrite, name, arrays, **kwargs), grads[:STEPS])
    theirs = run(torch, *make(torch, name, arrays, foreach=False, **kwargs), grads[:STEPS])
    for a, b in zip(ours, theirs, strict=True):
        assert_allclose(a, b, rtol=1e-13, atol=1e-15)


@needs_torch
@pytest.mark.parametrize(("name", "kwargs"), RICH, ids=name_of)
def test_trajectory_in_float32(name: str, kwargs: dict[str, Any]) -> None:
    arrays, grads = values("float32")
    ours = run(pyrite, *make(pyrite, name, arrays, **kwargs), grads[:STEPS])
    theirs = run(torch, *make(torch, name, arrays, foreach=False, **kwargs), grads[:STEPS])
    for a, b in zip(ours, theirs, strict=True):
        assert a.dtype == np.float32
        assert_allclose(a, b, rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("kind", ["float16", "bfloat16"])
@pytest.mark.parametrize(("name", "kwargs"), RICH, ids=name_of)
def test_half_precision_rounds_once(name: str, kwargs: dict[str, Any], kind: str) -> None:
    """One step equals the float32 step from the same values, rounded."""
    half = getattr(pyrite, kind)
    arrays, grads = values("float32")
    small = [pyrite.tensor(a).to(half) for a in arrays]
    slopes = [pyrite.tensor(g).to(half) for g in grads[0]]
    results = []
    for dtype in (half, pyrite.float32):
        params = [nn.Parameter(t.to(dtype).clone()) for t in small]
        optimizer = getattr(pyrite.optim, name)(params, **kwargs)
        for p, g in zip(params, slopes, strict=True):
            p.grad = g.to(dtype)
        optimizer.step()
        results.append(params)
    for a, b in zip(*results, strict=True):
        assert a.dtype is half
        assert a.tolist() == b.detach().to(half).tolist()


@pytest.mark.parametrize(("name", "kwargs"), RICH, ids=name_of)
def test_other_backends_give_the_same(name: str, kwargs: dict[str, Any]) -> None:
    arrays, grads = values("float32")
    ends = []
    for device in ("cpu", "strict"):
        params = [nn.Parameter(pyrite.tensor(a).to(device)) for a in arrays]
        optimizer = getattr(pyrite.optim, name)(params, **kwargs)
        for row in grads[:3]:
            for p, g in zip(params, row, strict=True):
                p.grad = None if g is None else pyrite.tensor(g).to(device)
            optimizer.step()
        ends.append([p.detach().cpu().numpy() for p in params])
    for a, b in zip(*ends, strict=True):
        assert_allclose(a, b, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("name", "kwargs"), RICH, ids=name_of)
def test_layout_does_not_matter(name: str, kwargs: dict[str, Any]) -> None:
    base = np.random.default_rng(0).normal(size=(6, 8)).astype("float32")
    ends = []
    for strided in (False, True):
        values = pyrite.tensor(base)[::2, ::2].t()
        param = nn.Parameter(values if strided else values.contiguous())
        optimizer = getattr(pyrite.optim, name)([param], **kwargs)
        param.grad = pyrite.tensor(base)[1::2, 1::2].t()
        optimizer.step()
        ends.append(param.detach().numpy())
    assert_allclose(ends[0], ends[1], rtol=1e-6)


def test_rate_as_tensor_is_read_at_each_step() -> None:
    param = nn.Parameter(pyrite.ones(2))
    rate = pyrite.tensor(0.5)
    optimizer = SGD([param], lr=rate)
    param.grad = pyrite.ones(2)
    optimizer.step()
    rate.fill_(0.25)
    optimizer.step()
    assert param.tolist() == [0.25, 0.25]


def test_step_counts_a_version_of_what_it_writes() -> None:
    weight = nn.Parameter(pyrite.ones(2))
    optimizer = SGD([weight], lr=0.1)
    loss = (weight * weight).sum()
    weight.grad = pyrite.ones(2)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_one_call_per_group(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    from pyrite._tensor import F

    step = F.adam_step

    def count(params: Any, *rest: Any) -> None:
        calls.append(len(params))
        step(params, *rest)

    monkeypatch.setattr(F, "adam_step", count)
    params = [nn.Parameter(pyrite.ones(2)) for _ in range(4)]
    params.append(nn.Parameter(pyrite.ones(2, dtype=pyrite.float64)))
    optimizer = Adam([{"params": params[:1]}, {"params": params[1:]}])
    for p in params:
        p.grad = pyrite.ones_like(p)
    optimizer.step()
    assert calls == [1, 3, 1]


# ---- groups


def test_groups_have_their_own_options() -> None:
    a, b = nn.Parameter(pyrite.ones(1)), nn.Parameter(pyrite.ones(1))
    optimizer = SGD([{"params": a}, {"params": [b], "lr": 0.5}], lr=0.25)
    a.grad, b.grad = pyrite.ones(1), pyrite.ones(1)
    optimizer.step()
    assert (a.item(), b.item()) == (0.75, 0.5)
    assert [g["lr"] for g in optimizer.param_groups] == [0.25, 0.5]


def test_named_parameters() -> None:
    model = nn.Linear(2, 3)
    optimizer = SGD(model.named_parameters(), lr=0.1)
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight", "bias"]


def test_repr_lists_options() -> None:
    text = repr(SGD([nn.Parameter(pyrite.ones(1))], lr=0.1))
    assert text.startswith("SGD (\nParameter Group 0\n    dampening: 0\n")
    assert "    lr: 0.1\n" in text
    assert text.endswith("\n)")


def test_zero_grad() -> None:
    param = nn.Parameter(pyrite.ones(2))
    optimizer = SGD([param])
    (param * 3).sum().backward()
    optimizer.zero_grad(set_to_none=False)
    assert param.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert param.grad is None


LEAF = pyrite.ones(1, requires_grad=True)
OTHER = pyrite.ones(1, requires_grad=True)
ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: SGD([]), ValueError, "empty parameter list"),
    (lambda: SGD(LEAF), TypeError, "should be an iterable of Tensors or dicts"),
    (lambda: SGD([1.0]), TypeError, "can only optimize Tensors.*float"),
    (lambda: SGD([LEAF * 2]), ValueError, "non-leaf.*MulBackward0"),
    (lambda: SGD([{"params": {LEAF}}]), TypeError, "ordered collections"),
    (lambda: SGD([{"params": [LEAF]}, {"params": [LEAF]}]), ValueError, "more than one"),
    (lambda: SGD([("a", LEAF), OTHER]), ValueError, "Some param names are missing"),
    (
        lambda: SGD([{"params": [LEAF]}, {"params": [("a", OTHER)]}]), ValueError,
        "cannot add param group with names",
    ),
    (lambda: SGD([LEAF], lr=-1), ValueError, "Invalid learning rate: -1"),
    (lambda: SGD([LEAF], lr=pyrite.ones(2)), ValueError, "1-element"),
    (lambda: SGD([LEAF], momentum=-1), ValueError, "Invalid momentum value: -1"),
    (lambda: SGD([LEAF], nesterov=True), ValueError, "requires a momentum and zero dampening"),
    (lambda: SGD([LEAF], fused=True, foreach=True), RuntimeError, "cannot be `True` together"),
    (lambda: Adam([LEAF], betas=(1.0, 0.9)), ValueError, "beta parameter at index 0"),
    (lambda: Adam([LEAF], betas=(0.9, pyrite.tensor(0.9))), ValueError, "both floats or both"),
    (lambda: Adam([LEAF], lr=pyrite.tensor(0.1), foreach=True), ValueError, "lr as a Tensor"),
    (lambda: Adam([LEAF], eps=-1), ValueError, "Invalid epsilon value: -1"),
    (lambda: RMSprop([LEAF], alpha=-1), ValueError, "Invalid alpha value: -1"),
    (lambda: Adam([LEAF], differentiable=True), RuntimeError, "differentiable"),
    (lambda: Optimizer([LEAF], {"lr": required}), ValueError, "required optimization parameter lr"),
    (lambda: SGD([LEAF]).add_param_group([LEAF]), TypeError, "must be a dict"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_duplicates_in_a_group_warn() -> None:
    with pytest.warns(UserWarning, match="duplicate parameters"):
        SGD([LEAF, LEAF])


# ---- states


def to_torch(value: Any) -> Any:
    """A state dict with torch's tensors, by way of a file."""
    file = io.BytesIO()
    pyrite.save(value, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def from_torch(value: Any) -> Any:
    file = io.BytesIO()
    torch.save(value, file)
    file.seek(0)
    return pyrite.load(file)


@needs_torch
@pytest.mark.parametrize(("name", "kwargs"), RICH, ids=name_of)
@pytest.mark.parametrize("ours_first", [True, False])
def test_state_goes_to_torch_and_back(name: str, kwargs: dict[str, Any], ours_first: bool) -> None:
    """Half of the steps in one library, half in the other, as all of them in torch."""
    arrays, grads = values()
    want = run(torch, *make(torch, name, arrays, foreach=False, **kwargs), grads)
    order = (pyrite, torch) if ours_first else (torch, pyrite)
    params, optimizer = make(order[0], name, arrays, **kwargs)
    middle = run(order[0], params, optimizer, grads[:STEPS])
    state = (to_torch if ours_first else from_torch)(optimizer.state_dict())
    params, optimizer = make(order[1], name, middle, lr=123.0)
    optimizer.load_state_dict(state)
    for a, b in zip(run(order[1], params, optimizer, grads[STEPS:]), want, strict=True):
        assert_allclose(a, b, rtol=1e-12, atol=1e-14)


@needs_torch
@pytest.mark.parametrize(("name", "kwargs"), RICH, ids=name_of)
def test_state_dict_has_torchs_keys(name: str, kwargs: dict[str, Any]) -> None:
    arrays, grads = values("float32")
    dicts = []
    for lib in (pyrite, torch):
        params, optimizer = make(lib, name, arrays, **kwargs)
        run(lib, params, optimizer, grads[:2])
        dicts.append(optimizer.state_dict())
    ours, theirs = dicts
    assert ours["param_groups"] == theirs["param_groups"]
    assert ours["state"].keys() == theirs["state"].keys()
    for index, state in ours["state"].items():
        for key, value in state.items():
            other = theirs["state"][index][key]
            assert (tuple(value.shape), str(value.dtype)[7:]) == (
                tuple(other.shape), str(other.dtype)[6:]
            )  # fmt: skip


def test_loading_copies_and_casts() -> None:
    param, target = nn.Parameter(pyrite.ones(2)), nn.Parameter(pyrite.ones(2).double())
    optimizer, other = Adam([param]), Adam([target])
    param.grad = pyrite.ones(2)
    optimizer.step()
    state = optimizer.state_dict()
    other.load_state_dict(state)
    assert other.state[target]["exp_avg"].dtype is pyrite.float64
    assert other.state[target]["step"].dtype is pyrite.float32
    optimizer.step()
    assert other.state[target]["step"].item() == 1.0


def test_older_checkpoints_lack_options() -> None:
    param = nn.Parameter(pyrite.ones(2))
    optimizer = Adam([param], amsgrad=True)
    state = optimizer.state_dict()
    group = state["param_groups"][0]
    for key in ("maximize", "foreach", "fused", "capturable", "differentiable"):
        group.pop(key)
    state["state"] = {0: {"step": 3, "exp_avg": param * 0, "exp_avg_sq": param * 0}}
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["maximize"] is False
    assert optimizer.state[param]["step"].item() == 3.0
    assert not optimizer.state[param]["exp_avg"].requires_grad


def test_loading_checks_sizes() -> None:
    one, two = SGD([LEAF]), SGD([LEAF, OTHER])
    three = SGD([{"params": [LEAF]}, {"params": [OTHER]}])
    with pytest.raises(ValueError, match="doesn't match the size"):
        one.load_state_dict(two.state_dict())
    with pytest.raises(ValueError, match="different number of parameter groups"):
        one.load_state_dict(three.state_dict())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_alike(copied: Callable[[Any], Any]) -> None:
    arrays, grads = values("float32")
    params, optimizer = make(pyrite, "AdamW", arrays, lr=0.1)
    run(pyrite, params, optimizer, grads[:STEPS])
    new_params, new = copied((params, optimizer))
    assert new.param_groups[0]["params"][0] is new_params[0]
    ends = [run(pyrite, p, o, grads[STEPS:]) for p, o in ((params, optimizer), (new_params, new))]
    for a, b in zip(*ends, strict=True):
        assert_array_equal(a, b)


def test_plain_sgd_has_no_state() -> None:
    param = nn.Parameter(pyrite.ones(2))
    optimizer = SGD([param])
    param.grad = pyrite.ones(2)
    optimizer.step()
    assert optimizer.state_dict()["state"] == {}


# ---- hooks, closures, own optimizers


def test_closure_runs_with_gradients() -> None:
    param = nn.Parameter(pyrite.ones(2))
    optimizer = SGD([param], lr=0.5)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (param * param).sum()
        loss.backward()
        return loss

    with pyrite.no_grad():
        assert optimizer.step(closure).item() == 2.0
    assert param.tolist() == [0.0, 0.0]


def test_step_hooks() -> None:
    param = nn.Parameter(pyrite.ones(1))
    optimizer, seen = SGD([param]), []
    handles = [
        optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before")),
        optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after")),
        register_optimizer_step_post_hook(lambda o, args, kwargs: seen.append(o is optimizer)),
    ]
    optimizer.step()
    assert seen == ["before", "after", True]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 3
    optimizer.register_step_pre_hook(lambda o, args, kwargs: ((o, lambda: 5), {}))
    assert optimizer.step() == 5
    optimizer.register_step_pre_hook(lambda o, args, kwargs: 1)
    with pytest.raises(RuntimeError, match="must return None or a tuple"):
        optimizer.step()


def test_state_hooks() -> None:
    optimizer, seen = SGD([LEAF], lr=0.1), []
    optimizer.register_state_dict_pre_hook(lambda o: seen.append("pre"))
    optimizer.register_state_dict_post_hook(lambda o, d: {**d, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda o, d: seen.append(d.pop("extra")))
    optimizer.register_load_state_dict_pre_hook(lambda o, d: seen.append("first"), prepend=True)
    optimizer.register_load_state_dict_post_hook(lambda o: seen.append("post"))
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert seen == ["pre", "first", 1, "post"]
    assert state["extra"] == 1


def test_own_optimizer_overrides_step() -> None:
    class Plain(Optimizer):
        def __init__(self, params: Any, lr: float = 0.5) -> None:
            super().__init__(params, {"lr": lr})

        @pyrite.no_grad()
        def step(self, closure: Any = None) -> None:
            for group in self.param_groups:
                for p in group["params"]:
                    self.state[p]["calls"] = self.state[p].get("calls", 0) + 1
                    p.add_(p.grad, alpha=-group["lr"])

    param = nn.Parameter(pyrite.ones(1))
    optimizer, seen = Plain([param]), []
    optimizer.register_step_post_hook(lambda *_: seen.append(1))
    param.grad = pyrite.ones(1)
    optimizer.step()
    assert (param.item(), optimizer.state[param]["calls"], seen) == (0.5, 1, [1])


# ---- schedules

S = lr_scheduler
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


# ---- clipping


@needs_torch
@pytest.mark.parametrize("order", [1.0, 2.0, 3.0, math.inf])
def test_clip_by_norm_is_torchs(order: float) -> None:
    arrays, grads = values("float32")
    ends = []
    for lib in (pyrite, torch):
        params, _ = make(lib, "SGD", arrays)
        for p, g in zip(params, grads[0], strict=True):
            p.grad = lib.tensor(g)
        total = lib.nn.utils.clip_grad_norm_(iter(params), 1.0, norm_type=order)
        ends.append([total.item(), *[p.grad.numpy() for p in params]])
    for a, b in zip(*ends, strict=True):
        assert_allclose(a, b, rtol=2e-6)


def test_clip_leaves_small_gradients() -> None:
    param = nn.Parameter(pyrite.ones(2))
    param.grad = pyrite.tensor([0.25, -2.0])
    assert nn.utils.clip_grad_norm_(param, 3.0).item() == pytest.approx(math.hypot(0.25, 2.0))
    assert param.grad.tolist() == [0.25, -2.0]
    nn.utils.clip_grad_value_(param, 0.5)
    assert param.grad.tolist() == [0.25, -0.5]
    assert nn.utils.clip_grad_norm_([nn.Parameter(pyrite.ones(1))], 1.0).item() == 0.0


def test_clip_refuses_nonfinite_norms() -> None:
    param = nn.Parameter(pyrite.ones(1))
    param.grad = pyrite.tensor([math.nan])
    assert math.isnan(nn.utils.clip_grad_norm_(param, 1.0).item())
    with pytest.raises(RuntimeError, match="non-finite"):
        nn.utils.clip_grad_norm_(param, 1.0, error_if_nonfinite=True)


def test_vector_of_parameters() -> None:
    model = nn.Linear(2, 3)
    vector = nn.utils.parameters_to_vector(model.parameters())
    assert vector.shape == (9,)
    nn.utils.vector_to_parameters(pyrite.arange(9.0), model.parameters())
    assert model.weight.tolist() == [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
    assert model.bias.tolist() == [6.0, 7.0, 8.0]
    with pytest.raises(TypeError, match="expected pyrite.Tensor"):
        nn.utils.vector_to_parameters([1.0], model.parameters())
