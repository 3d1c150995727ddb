"""Optimizers: trajectories as torch's, states exchanged with torch, errors, hooks, clipping."""

from __future__ import annotations

import copy
import io
import math
import pickle
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import pyrite
from pyrite import nn
from pyrite.optim import SGD, Adam, Optimizer, RMSprop
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
    *[("Adadelta", {"rho": 0.8, **o}) for o in options(**DECAY)],
    *[("Adagrad", {"lr": 0.1, "lr_decay": 0.1, **o}) for o in options(
        initial_accumulator_value=(0, 0.5), **DECAY)],
    *[("Adamax", {"lr": 0.1, "betas": (0.8, 0.9), **o}) for o in options(**DECAY)],
    *[("ASGD", {"lr": 0.1, "lambd": 0.1, "t0": 2, **o}) for o in options(**DECAY)],
    *[(n, {"lr": 0.1, "betas": (0.8, 0.9), **o}) for n in ("NAdam", "RAdam") for o in options(
        decoupled_weight_decay=(False, True), **DECAY)],
    *[("Rprop", {"lr": 0.1, "etas": (0.4, 1.3), **o}) for o in options(maximize=(False, True))],
    *[("Adafactor", {"lr": 0.1, "d": 1.5, **o}) for o in options(
        eps=((None, 1e-3), (0.01, 0.5)), beta2_decay=(-0.8, -0.1), **DECAY)],
]  # fmt: skip
RICH = [
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "weight_decay": 0.1}),
    ("AdamW", {"lr": 0.1}),
    ("RMSprop", {"momentum": 0.9, "centered": True}),
    ("NAdam", {"lr": 0.1}),
    ("ASGD", {"lr": 0.1, "t0": 1}),
    ("Rprop", {"lr": 0.125}),
    ("Adagrad", {"initial_accumulator_value": 0.5}),
    ("Adafactor", {"weight_decay": 0.1}),
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
    # torch, too, goes on with float64 numbers where it had float32 ones before it loaded them.
    rtol = 1e-6 if name in ("NAdam", "ASGD") else 1e-12
    for a, b in zip(run(order[1], params, optimizer, grads[STEPS:]), want, strict=True):
        assert_allclose(a, b, rtol=rtol, atol=1e-14)


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
