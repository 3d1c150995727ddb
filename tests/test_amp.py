"""Mixed precision: which function runs in which dtype, kept casts, scaling; torch is the oracle."""

import io
import math
import pickle
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pyrite
from pyrite._composites import COMPOSITES
from pyrite._ops import TABLE
from pyrite._ops.mixed import POLICIES, policies
from pyrite.amp import GradScaler, autocast, custom_bwd, custom_fwd

Case = Callable[[Any, Callable[..., Any]], Any]

# name -> (library, random tensor of a size) -> what is computed inside the region
CASES: dict[str, Case] = {
    "linear": lambda L, t: L.nn.functional.linear(t(3, 4), t(5, 4), t(5)),
    "matmul": lambda L, t: t(3, 4) @ t(4, 5),
    "bmm": lambda L, t: L.bmm(t(2, 3, 4), t(2, 4, 5)),
    "addmm": lambda L, t: L.addmm(t(3, 5), t(3, 4), t(4, 5)),
    "mv is not lowered": lambda L, t: L.mv(t(3, 4), t(4)),
    "dot is not lowered": lambda L, t: L.dot(t(3), t(3)),
    "einsum": lambda L, t: L.einsum("ij,jk->ik", t(3, 4), t(4, 5)),
    "double stays": lambda L, t: t(3, 4).double() @ t(4, 3).double(),
    "conv": lambda L, t: L.nn.functional.conv2d(t(2, 3, 6, 6), t(4, 3, 3, 3), t(4)),
    "conv_transpose": lambda L, t: L.nn.functional.conv_transpose1d(t(2, 3, 6), t(3, 4, 3), t(4)),
    "conv and batch_norm": lambda L, t: L.nn.functional.batch_norm(
        L.nn.functional.conv1d(t(2, 3, 6), t(4, 3, 3)), t(4), t(4).abs(), t(4), t(4), True
    ),
    "group_norm": lambda L, t: L.nn.functional.group_norm(t(2, 3) @ t(3, 4), 2, t(4), t(4)),
    "layer_norm": lambda L, t: L.nn.functional.layer_norm(t(2, 3) @ t(3, 4), (4,), t(4), t(4)),
    "rms_norm": lambda L, t: L.nn.functional.rms_norm((t(2, 3) @ t(3, 4)), (4,), None, 1e-5),
    "attention": lambda L, t: L.nn.functional.scaled_dot_product_attention(
        t(2, 4, 8), t(2, 4, 8), t(2, 4, 8)
    ),
    "softmax": lambda L, t: (t(3, 4) @ t(4, 5)).softmax(-1),
    "exp": lambda L, t: (t(3, 4) @ t(4, 5)).exp(),
    "sum": lambda L, t: (t(3, 4) @ t(4, 5)).sum(),
    "prod": lambda L, t: (t(3, 4) @ t(4, 5)).prod(),
    "sum of both": lambda L, t: t(3, 4) @ t(4, 5) + t(3, 5),
    "cat promotes": lambda L, t: L.cat([t(3, 4) @ t(4, 5), t(3, 5)]),
    "stack of lower": lambda L, t: L.stack([t(3, 4) @ t(4, 5), t(3, 4) @ t(4, 5)]),
    "mse_loss": lambda L, t: L.nn.functional.mse_loss(t(3, 4) @ t(4, 5), t(3, 5)),
    "cross_entropy": lambda L, t: L.nn.functional.cross_entropy(
        t(3, 4) @ t(4, 5), L.tensor([0, 1, 2])
    ),
    "bce on the CPU": lambda L, t: L.nn.functional.binary_cross_entropy(
        (t(3, 4) @ t(4, 5)).sigmoid(), t(3, 5).sigmoid()
    ),
    "kl_div": lambda L, t: L.nn.functional.kl_div(
        t(3, 4) @ t(4, 5), t(3, 5).sigmoid(), reduction="sum"
    ),
    "inverse": lambda L, t: L.linalg.inv(t(3, 4) @ t(4, 3) + 5 * L.eye(3)),
    "quantile": lambda L, t: L.quantile(t(3, 4) @ t(4, 3), 0.5),
    "cdist": lambda L, t: L.cdist(t(3, 4) @ t(4, 3), t(2, 3)),
    "prelu": lambda L, t: L.nn.functional.prelu(t(3, 4), t(4)),
    "lstm cell": lambda L, t: _filled(L, t, L.nn.LSTMCell(4, 5))(t(3, 4))[0],
    "gru": lambda L, t: _filled(L, t, L.nn.GRU(4, 5))(t(2, 3, 4))[0],
    "rnn": lambda L, t: _filled(L, t, L.nn.RNN(4, 5))(t(2, 3, 4))[0],
    "off inside": lambda L, t: _off(L, t(3, 4), t(4, 5)),
}


def _filled(L: Any, t: Callable[..., Any], module: Any) -> Any:
    with L.no_grad():
        for p in module.parameters():
            p.copy_(t(*p.shape))
    return module


def _off(L: Any, a: Any, b: Any) -> Any:
    with L.autocast("cpu", enabled=False):
        return a @ b


def _evaluate(lib: Any, case: Case, kind: str) -> Any:
    rng = np.random.default_rng(0)

    def t(*size: int) -> Any:
        return lib.tensor(rng.standard_normal(size).astype("float32"))

    with lib.autocast("cpu", dtype=getattr(lib, kind)):
        return case(lib, t).detach()


@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", CASES)
def test_dtypes_are_torchs(name: str, kind: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    ours, theirs = (_evaluate(lib, CASES[name], kind) for lib in (pyrite, torch))
    assert str(ours.dtype).split(".")[-1] == str(theirs.dtype).split(".")[-1]
    step = 2**-7 if kind == "bfloat16" else 2**-9
    assert_allclose(ours.float().numpy(), theirs.float().numpy(), rtol=8 * step, atol=4 * step)


# Our functions on torch's lists under another name, or with reasons of their own.
RENAMED = {
    "cross_entropy_loss": "cross_entropy",
    "frobenius_norm": "norm", "nuclear_norm": "norm",
}  # fmt: skip
# cross_entropy is log_softmax and nll_loss; fft takes no half precision; interpolate is one name.
OURS = {"cross_entropy", "grid_sample", "interpolate", "gru", "lstm", "rnn_tanh", "rnn_relu"}


@pytest.mark.parametrize(("device", "key"), [("cpu", "AutocastCPU"), ("cuda", "AutocastCUDA")])
def test_lists_are_torchs(device: str, key: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    listed = set()
    for full in torch._C._dispatch_get_all_op_names():
        if full.startswith("aten::") and torch._C._dispatch_has_kernel_for_dispatch_key(full, key):
            name = full.removeprefix("aten::").split(".")[0]
            listed.add(RENAMED.get(name, name))
    own = {n for n, policy in POLICIES[device].items() if policy != "keep"}
    assert own - listed - OURS == set()
    ours = [*TABLE.values(), *COMPOSITES.values()]
    public = {alias.replace(".", "_") for r in ours if r.public for alias in (r.name, *r.aliases)}
    assert not (listed - own) & public - {"asin", "linalg_vecdot"}


def test_a_record_may_say_its_policy() -> None:
    assert TABLE["matmul"].autocast == {"cpu": "lower", "cuda": "lower"}
    assert TABLE["exp"].autocast == {"cuda": "float32"}
    assert policies("svdvals", ["linalg.svdvals"]) == {"cpu": "float32"}
    assert TABLE["add"].autocast is None


@pytest.mark.parametrize("kept", [True, False])
def test_parameters_are_cast_once(kept: bool) -> None:
    model, x = pyrite.nn.Linear(3, 3), pyrite.ones(2, 3)
    casts = pyrite.amp.autocast_mode._state.casts
    with autocast("cpu", cache_enabled=kept):
        first = model(x)
        before = [entry[3] for entry in casts.values()]
        assert model(x).equal(first)
        assert [entry[3] for entry in casts.values()] == before
        assert len(casts) == (2 if kept else 0)
        with pyrite.no_grad():
            model.weight.add_(1.0)  # a new value is seen
        assert model(x).float().allclose(first.float() + 3, atol=0.1)
    assert not casts


def test_gradients_reach_parameters_in_their_dtype() -> None:
    model = pyrite.nn.Linear(3, 2)
    with autocast("cpu"):
        loss = (model(model.weight.new_ones(4, 3)) + model(pyrite.zeros(4, 3))).sum()
        loss.backward()
    assert loss.dtype is pyrite.bfloat16
    assert model.weight.grad.dtype is pyrite.float32
    assert model.weight.grad.tolist() == [[4.0] * 3] * 2
    assert model.bias.grad.tolist() == [8.0, 8.0]


def test_regions_nest_and_end() -> None:
    assert not pyrite.is_autocast_enabled("cpu")
    with autocast("cpu", dtype=pyrite.float16):
        assert pyrite.is_autocast_enabled("cpu")
        assert not pyrite.is_autocast_enabled()
        assert pyrite.get_autocast_dtype("cpu") is pyrite.float16
        with autocast("cpu", enabled=False):
            assert not pyrite.is_autocast_enabled("cpu")
            assert (pyrite.ones(2, 2) @ pyrite.ones(2, 2)).dtype is pyrite.float32
        assert (pyrite.ones(2, 2) @ pyrite.ones(2, 2)).dtype is pyrite.float16
        other: list[bool] = []
        thread = threading.Thread(target=lambda: other.append(pyrite.is_autocast_enabled("cpu")))
        thread.start()
        thread.join()
        assert other == [False]
    assert pyrite.get_autocast_dtype("cpu") is pyrite.bfloat16
    assert pyrite.autograd.modes.state.stack == ()
    pyrite.set_autocast_enabled("cpu", True)
    assert (pyrite.ones(2, 2) @ pyrite.ones(2, 2)).dtype is pyrite.bfloat16
    pyrite.set_autocast_enabled("cpu", False)
    assert (pyrite.ones(2, 2) @ pyrite.ones(2, 2)).dtype is pyrite.float32


def test_decorator_and_old_names() -> None:
    @pyrite.cpu.amp.autocast()
    def product(n: int) -> Any:
        return product(n - 1) if n else pyrite.ones(2, 2) @ pyrite.ones(2, 2)

    assert product(2).dtype is pyrite.bfloat16
    assert not pyrite.is_autocast_enabled("cpu")
    if not pyrite.cuda.is_available():
        with pytest.warns(UserWarning, match="CUDA is not available"):
            assert not pyrite.cuda.amp.GradScaler().is_enabled()
        with pytest.warns(UserWarning, match="CUDA is not available"):
            assert not pyrite.cuda.amp.autocast()._enabled
    with pytest.raises(RuntimeError, match="unsupported autocast device_type 'tpu'"):
        autocast("tpu")
    with pytest.warns(UserWarning, match="float64 is not supported"):
        autocast("cpu", dtype=pyrite.float64)
    with pytest.raises(TypeError, match="requires a callable"):
        autocast("cpu")(1)  # type: ignore[arg-type]


def test_a_capture_sees_the_casts() -> None:
    from pyrite._graph import capture

    model, x = pyrite.nn.Linear(2, 2), pyrite.ones(1, 2)
    with autocast("cpu"):
        model(x)
        graph, out = capture(lambda v: model(v), x)
    assert [c.op.name for c in graph.calls].count("linear") == 1
    with pyrite.no_grad():
        model.weight.fill_(0.0)
        model.bias.fill_(3.0)
    assert graph(x).tolist() == [[3.0, 3.0]]
    assert out.dtype is graph(x).dtype is pyrite.bfloat16


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_a_checkpoint_computes_again_in_the_same_precision(use_reentrant: bool) -> None:
    from pyrite.utils.checkpoint import checkpoint

    model = pyrite.nn.Sequential(pyrite.nn.Linear(3, 4), pyrite.nn.Tanh(), pyrite.nn.Linear(4, 2))
    grads = []
    for call in (model, lambda x: checkpoint(model, x, use_reentrant=use_reentrant)):
        model.zero_grad()
        with autocast("cpu"):
            out = call(pyrite.ones(2, 3, requires_grad=True))
        out.float().square().sum().backward()
        grads.append([p.grad for p in model.parameters()])
    assert all(a.equal(b) for a, b in zip(*grads, strict=True))


@pytest.mark.parametrize("cast_inputs", [None, "float32"])
def test_custom_functions_keep_their_state(cast_inputs: str | None) -> None:
    seen: list[Any] = []

    class Product(pyrite.autograd.Function):
        @staticmethod
        @custom_fwd(device_type="cpu", cast_inputs=cast_inputs and getattr(pyrite, cast_inputs))
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            seen.append((a.dtype, pyrite.is_autocast_enabled("cpu")))
            return a @ b

        @staticmethod
        @custom_bwd(device_type="cpu")
        def backward(ctx: Any, g: Any) -> Any:
            a, b = ctx.saved_tensors
            seen.append(pyrite.is_autocast_enabled("cpu"))
            return (g @ b.T).to(a.dtype), (a.T @ g).to(b.dtype)

    a = pyrite.ones(2, 2).bfloat16().requires_grad_()
    with autocast("cpu"):
        out = Product.apply(a, pyrite.ones(2, 2))
    out.backward(pyrite.ones_like(out))
    lowered = cast_inputs is None
    assert out.dtype is (pyrite.bfloat16 if lowered else pyrite.float32)
    assert seen == [(pyrite.bfloat16 if lowered else pyrite.float32, lowered), lowered]


# ---- scaling


def _train(lib: Any, steps: int, resume: Any = None, stop: int = 0) -> tuple[list[Any], Any]:
    """Steps of AdamW with a schedule and a scaler, one of them with an overflow."""
    rng = np.random.default_rng(0)
    model = lib.nn.Linear(4, 3)
    with lib.no_grad():
        for p in model.parameters():
            p.copy_(lib.tensor(rng.standard_normal(tuple(p.shape)).astype("float32")))
    optimizer = lib.optim.AdamW(model.parameters(), lr=0.05)
    schedule = lib.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=20)
    scaler = lib.amp.GradScaler("cpu", init_scale=1024.0, growth_interval=3)
    parts = {"model": model, "optimizer": optimizer, "schedule": schedule, "scaler": scaler}
    start = 0
    if resume is not None:
        state = lib.load(resume, weights_only=False)
        start = state.pop("step")
        for name, part in parts.items():
            part.load_state_dict(state[name])
    trace = []
    batches = rng.standard_normal((steps, 8, 4)).astype("float32")
    for step in range(start, steps):
        optimizer.zero_grad()
        with lib.autocast("cpu"):
            loss = (model(lib.tensor(batches[step])) ** 2).float().mean()
        scaler.scale(loss * (math.inf if step == 4 else 1.0)).backward()
        scaler.unscale_(optimizer)
        lib.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        trace.append([loss.item(), scaler.get_scale(), schedule.get_last_lr()[0]])
        if step + 1 == stop:
            file = io.BytesIO()
            lib.save({**{n: p.state_dict() for n, p in parts.items()}, "step": step + 1}, file)
            file.seek(0)
            return trace, file
    return trace, [p.detach().numpy() for p in model.parameters()]


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize("writer", ["torch", "pyrite"])
def test_an_interrupted_run_resumes(writer: str) -> None:
    torch = pytest.importorskip("torch", reason="torch is the oracle")
    libs = {"torch": torch, "pyrite": pyrite}
    whole, weights = _train(torch, 12)
    first, file = _train(libs.pop(writer), 12, stop=6)
    (reader,) = libs.values()
    rest, end = _train(reader, 12, resume=file)
    assert_allclose(first + rest, whole, rtol=2e-2)
    for ours, theirs in zip(end, weights, strict=True):
        assert_allclose(ours, theirs, rtol=2e-2, atol=2e-3)
    scales = [row[1] for row in first + rest]
    assert scales == [row[1] for row in whole]
    assert scales[3:5] == [2048.0, 1024.0]


def _scaled_step(scaler: Any, grad: float) -> tuple[Any, Any]:
    param = pyrite.nn.Parameter(pyrite.ones(2))
    optimizer = pyrite.optim.SGD([param], lr=1.0)
    scaler.scale((param * grad).sum()).backward()
    return param, optimizer


def test_a_step_with_overflow_is_left_out() -> None:
    scaler = GradScaler("cpu", init_scale=4.0, growth_interval=1)
    param, optimizer = _scaled_step(scaler, math.nan)
    assert scaler.step(optimizer) is None
    assert param.tolist() == [1.0, 1.0]
    scaler.update()
    assert scaler.get_scale() == 2.0
    param, optimizer = _scaled_step(scaler, 0.5)
    scaler.unscale_(optimizer)
    assert param.grad.tolist() == [0.5, 0.5]
    scaler.step(optimizer)
    assert param.tolist() == [0.5, 0.5]
    scaler.update()
    assert (scaler.get_scale(), scaler.state_dict()["_growth_tracker"]) == (4.0, 0)
    copy = pickle.loads(pickle.dumps(scaler))
    assert copy.state_dict() == scaler.state_dict()
    scaler.scale([param.sum(), (param.sum(),)])
    scaler.update(16.0)
    assert scaler.get_scale() == 16.0


def test_a_disabled_scaler_passes_through() -> None:
    scaler = GradScaler("cpu", enabled=False)
    param, optimizer = _scaled_step(scaler, 0.5)
    scaler.step(optimizer)
    scaler.update()
    assert param.tolist() == [0.5, 0.5]
    assert (scaler.get_scale(), scaler.state_dict()) == (1.0, {})
    with pytest.raises(RuntimeError, match="source state dict is empty"):
        GradScaler("cpu").load_state_dict({})


def test_mistakes_with_a_scaler() -> None:
    scaler = GradScaler("cpu")
    with pytest.raises(AssertionError, match="_scale is None"):
        scaler.update()
    _, optimizer = _scaled_step(scaler, 1.0)
    with pytest.raises(AssertionError, match="No inf checks"):
        scaler.update()
    with pytest.raises(RuntimeError, match="Closure use"):
        scaler.step(optimizer, closure=lambda: None)
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called on this optimizer"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    with pytest.raises(RuntimeError, match="called after step"):
        scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="already been called since"):
        scaler.step(optimizer)
    with pytest.raises(AssertionError, match="growth factor"):
        GradScaler("cpu", growth_factor=1.0)
    half = pyrite.nn.Parameter(pyrite.ones(2).half())
    optimizer = pyrite.optim.SGD([half])
    scaler.scale(half.sum()).backward()
    with pytest.raises(ValueError, match="FP16 gradients"):
        scaler.step(optimizer)
