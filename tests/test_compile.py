"""Compiled functions do what they do in eager mode: values, gradients, state, and refusals."""

from __future__ import annotations

import copy
import gc
import logging
import pickle
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import pyrite
from pyrite import Tensor, backends, nn, optim
from pyrite.compiler._fusion import Fused

F = nn.functional
SCALE = 2.0
NAN, INFINITY = float("nan"), float("inf")
HAS_KERNELS = int(backends.get("cpu").fusion() is not None)


class Block(nn.Module):
    """A transformer's block, with several outputs from one call."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.attention = nn.LayerNorm(8), nn.MultiheadAttention(8, 2, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Dropout(0.2), nn.Linear(16, 8))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        h = self.norm(x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return {"out": x + self.mlp(x), "hidden": h}


class Recurrent(nn.Module):
    """An LSTM under a linear head; returns its state too."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(4, 5), nn.Linear(5, 2)

    def forward(self, x: Tensor, state: Any = None) -> Any:
        out, state = self.lstm(x, state)
        return self.head(out), state


def conv_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(36, 5),
    )  # fmt: skip


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.BatchNorm1d(8), nn.Linear(8, 3))


MODULES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "mlp": (mlp, (4, 6)),
    "convolutions": (conv_net, (2, 1, 8, 8)),
    "transformer": (Block, (2, 3, 8)),
    "recurrent": (Recurrent, (3, 2, 4)),
    "gru": (lambda: nn.GRU(4, 5, 2), (3, 2, 4)),
    "embedding": (lambda: nn.Sequential(nn.Embedding(7, 3), nn.Flatten(), nn.Linear(6, 2)), (4, 2)),
}


def leaves(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    values = value.values() if isinstance(value, dict) else value
    return [leaf for v in values for leaf in leaves(v)]


def data(shape: tuple[int, ...], name: str, step: int) -> Tensor:
    if name == "embedding":
        return pyrite.arange(step, step + 8).remainder(7).reshape(shape)
    size = pyrite.Size(shape).numel()
    return (pyrite.arange(size) * (0.7 + step)).sin().reshape(shape)


@pytest.mark.parametrize("name", MODULES)
@pytest.mark.parametrize("training", [True, False])
def test_modules(name: str, training: bool) -> None:
    """Outputs, gradients of parameters and inputs, buffers and dropout's draws, bit for bit."""
    make, shape = MODULES[name]
    found = []
    for compiled in (False, True):
        pyrite.manual_seed(0)
        module = make().train(training)
        call = pyrite.compile(module, fullgraph=True) if compiled else module
        seen: list[Tensor] = []
        for step in range(3):
            x = data(shape, name, step)
            if x.is_floating_point():
                x.requires_grad_()
            outs = leaves(call(x))
            module.zero_grad()
            sum((o * o.detach().cos()).sum() for o in outs[: step + 1]).backward()
            seen += [*outs, *[p.grad.clone() for p in module.parameters() if p.grad is not None]]
            seen += [] if x.grad is None else [x.grad]
            seen += [b.clone() for b in module.buffers()]
        with pyrite.no_grad():
            seen += leaves(call(data(shape, name, 5)))
        seen.append(pyrite.get_rng_state())
        found.append(seen)
        assert not compiled or call._compiled.count == 2
    assert len(found[0]) == len(found[1])
    assert all(a.equal(b) for a, b in zip(*found, strict=True))


OPTIMIZERS: dict[str, Callable[[Any], optim.Optimizer]] = {
    "SGD": lambda p: optim.SGD(p, 0.1),
    "momentum": lambda p: optim.SGD(p, 0.1, momentum=0.9, weight_decay=1e-3, nesterov=True),
    "Adam": lambda p: optim.Adam(p, 0.01),
    "AdamW": lambda p: optim.AdamW(p, 0.01, amsgrad=True),
    "RMSprop": lambda p: optim.RMSprop(p, 0.01, centered=True),
    "NAdam": lambda p: optim.NAdam(p, 0.01),
    "RAdam": lambda p: optim.RAdam(p, 0.01),
    "ASGD": lambda p: optim.ASGD(p, 0.01, t0=2),
    "Adagrad": lambda p: optim.Adagrad(p, 0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_whole_steps(name: str) -> None:
    """One function with backward and the optimizer's step, under a schedule, is one plan."""
    found = []
    for compiled in (False, True):
        pyrite.manual_seed(0)
        net = conv_net()
        optimizer = OPTIMIZERS[name](net.parameters())
        schedule = optim.lr_scheduler.StepLR(optimizer, 2, 0.5)

        def step(x: Tensor, y: Tensor, net: Any = net, optimizer: Any = optimizer) -> Tensor:
            optimizer.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            return loss

        run = pyrite.compile(step, fullgraph=True) if compiled else step
        seen: list[Tensor] = []
        for i in range(9):
            loss = run(data((4, 1, 8, 8), "", i), pyrite.arange(4))
            schedule.step()
            seen.append(loss.detach())
            assert loss.requires_grad
        with pytest.raises(RuntimeError, match="second time|modified by an inplace"):
            loss.backward()
        state = [v for s in optimizer.state.values() for v in s.values() if isinstance(v, Tensor)]
        found.append([*seen, *net.state_dict().values(), *state])
        found[-1] += [p.grad for p in net.parameters()]
        if compiled:
            assert 1 <= run.count <= (5 if name == "ASGD" else 3)  # its rate is part of a plan
    assert all(a.equal(b) for a, b in zip(*found, strict=True))


def _in_place(x: Tensor) -> Tensor:
    x.mul_(2)
    return x.sum()


def _alias(x: Tensor) -> tuple[Tensor, ...]:
    return x, x[0], x.t(), x + 1


def _nested(x: Tensor, y: dict[str, Any], *, scale: float = 1.0) -> Any:
    return [x * scale, {"a": (y["b"] - 1, None, "text")}]


FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Any, ...]]]] = {
    "in place": (_in_place, lambda: (pyrite.ones(2, 3),)),
    "alias": (_alias, lambda: (pyrite.arange(6.0).reshape(2, 3),)),
    "nested": (_nested, lambda: (pyrite.ones(2), {"b": pyrite.ones(3)})),
    "views": (lambda x: x.t()[1:].reshape(-1).exp(), lambda: (pyrite.arange(6.0).reshape(2, 3),)),
    "same twice": (lambda x: (x.exp() + x.exp(), x.exp()), lambda: (pyrite.ones(3),)),
    "unused": (lambda x: (x.cos(), x * 2)[1], lambda: (pyrite.ones(3),)),
    "draws": (lambda x: x + pyrite.rand(3) + F.dropout(x), lambda: (pyrite.ones(3),)),
    "integers": (lambda x: x // 2 + x.sum(), lambda: (pyrite.arange(5),)),
    "half": (lambda x: (x.half() @ x.half()).tanh(), lambda: (pyrite.ones(2, 2),)),
    "complex": (lambda x: pyrite.fft.fft(x).abs(), lambda: (pyrite.arange(5.0),)),
    "empty": (lambda x: (x * 2).sum(), lambda: (pyrite.ones(0, 3),)),
    "autocast": (
        lambda x: _with_autocast(x), lambda: (pyrite.arange(4.0).reshape(2, 2),)
    ),
}  # fmt: skip


def _with_autocast(x: Tensor) -> Tensor:
    with pyrite.autocast("cpu"):
        return x @ x


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name: str) -> None:
    function, make = FUNCTIONS[name]
    compiled = pyrite.compile(function, fullgraph=True)
    for seed in range(3):
        results = []
        for run in (function, compiled):
            args = make()
            pyrite.manual_seed(seed)
            out = run(*args)
            results.append([*leaves([t for t in _flat(out) if isinstance(t, Tensor)]), args[0]])
        for a, b in zip(*results, strict=True):
            assert a.equal(b)
            assert (a.dtype, a.stride()) == (b.dtype, b.stride())
    assert compiled.count == 1


def _flat(value: Any) -> list[Any]:
    if isinstance(value, tuple | list):
        return [v for part in value for v in _flat(part)]
    return _flat(list(value.values())) if isinstance(value, dict) else [value]


def test_outputs_share_what_they_share_in_eager_mode() -> None:
    run = pyrite.compile(_alias)
    for _ in range(2):
        x = pyrite.zeros(2, 3)
        same, row, turned, fresh = run(x)
        assert same is x
        row.fill_(1.0)
        assert turned[0, 0].item() == 1.0
        assert x._version == row._version == 1
        fresh.fill_(7.0)
        assert x.sum().item() == 3.0


def test_what_is_written_after_it_was_saved_is_noticed() -> None:
    w = pyrite.ones(3, requires_grad=True)
    run = pyrite.compile(lambda x: (x * w).exp())
    for write in ("input", "weight", "output"):
        x = pyrite.ones(3, requires_grad=True)
        out = run(x)
        with pyrite.no_grad():
            {"input": x, "weight": w, "output": out}[write].mul_(2)
        with pytest.raises(RuntimeError, match="modified by an inplace"):
            out.sum().backward()


def test_backward_twice_double_backward_and_retained_graphs() -> None:
    run = pyrite.compile(lambda x: (x**3).sum())
    for _ in range(2):
        x = pyrite.tensor([1.0, 2.0], requires_grad=True)
        out = run(x)
        out.backward(retain_graph=True)
        out.backward()
        assert x.grad.tolist() == [6.0, 24.0]
        with pytest.raises(RuntimeError, match="second time"):
            out.backward()
    out = run(x)
    with pytest.raises(RuntimeError, match="double backward"):
        pyrite.autograd.grad(out, x, create_graph=True)


def test_complex_results_keep_their_history() -> None:
    def spectrum(x: Tensor) -> Tensor:
        return pyrite.fft.fft(x)

    x = pyrite.arange(4.0, requires_grad=True)
    run = pyrite.compile(spectrum, fullgraph=True)
    wanted = pyrite.autograd.grad(spectrum(x).abs().sum(), x)[0]
    for _ in range(2):
        assert pyrite.autograd.grad(run(x).abs().sum(), x)[0].equal(wanted)


def test_gradients_flow_through_to_what_came_before() -> None:
    run = pyrite.compile(lambda a, b: (a * b, a.sum()))
    x = pyrite.ones(2, requires_grad=True)
    for _ in range(2):
        x.grad = None
        seen: list[Tensor] = []
        h = x * 3
        handle = x.register_hook(lambda g, seen=seen: seen.append(g))
        product, total = run(h, h * 2)
        product.sum().backward(retain_graph=True)
        assert x.grad.tolist() == [36.0, 36.0]
        total.backward()
        assert x.grad.tolist() == [39.0, 39.0]
        assert len(seen) == 2
        handle.remove()


@pytest.mark.parametrize(("change", "plans"), [
    (lambda m: m.eval(), 2), (lambda m: m.train(), 1), (lambda m: m.double(), 2),
    (lambda m: setattr(m[0], "weight", nn.Parameter(pyrite.ones(8, 6))), 2),
    (lambda m: m.load_state_dict({k: v * 0 + 1 for k, v in m.state_dict().items()}), 1),
    (lambda m: m[0].weight.requires_grad_(False), 2),
    (lambda m: m[0].register_forward_hook(lambda *a: a[2] * 2), 2),
    (lambda m: m.append(nn.ReLU()), 2), (lambda m: setattr(m[2], "eps", 0.5), 2),
    (lambda m: m._apply(lambda t: t.clone()), 2),
])  # fmt: skip
def test_changes_of_a_module_are_seen(change: Callable[[Any], Any], plans: int) -> None:
    pyrite.manual_seed(0)
    module = mlp()
    run = pyrite.compile(module)
    run(pyrite.ones(4, 6))
    change(module)
    x = pyrite.arange(24.0).reshape(4, 6).to(module[0].weight.dtype)
    for _ in range(2):
        buffers = [b.clone() for b in module.buffers()]
        want = module(x)
        for buffer, value in zip(module.buffers(), buffers, strict=True):
            buffer.copy_(value)
        assert run(x).equal(want)
    assert run._compiled.count == plans


def test_changes_of_variables_and_settings_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    factor = [3.0]
    shift = 1.0

    def f(x: Tensor) -> Tensor:
        return x * SCALE * factor[0] + shift

    run = pyrite.compile(f)
    assert [run(pyrite.ones(1)).item() for _ in range(2)] == [7.0, 7.0]
    monkeypatch.setitem(globals(), "SCALE", 1.0)
    assert run(pyrite.ones(1)).item() == 4.0
    factor[0] = 5.0
    assert run(pyrite.ones(1)).item() == 6.0
    shift = 2.0
    assert run(pyrite.ones(1)).item() == 7.0
    assert run.count == 4
    pyrite.set_default_dtype(pyrite.float64)
    try:
        assert pyrite.compile(lambda: pyrite.ones(1))().dtype is pyrite.float64
    finally:
        pyrite.set_default_dtype(pyrite.float32)


def test_kinds_of_arguments_have_plans_of_their_own() -> None:
    run = pyrite.compile(lambda x, n=2: x * n, recompile_limit=6)
    x = pyrite.arange(6.0).reshape(2, 3)
    calls = [(x,), (x, 3), (x, 3.0), (x.t(),), (x.double(),), (x[:1],)]
    for call in calls * 2:
        assert run(*call).equal(run.function(*call))
    assert run.count == 6
    assert run(x, 9).equal(x * 9)  # beyond the limit: as it is
    assert run.count == 6
    pyrite.compiler.reset()
    assert run(x, 9).equal(x * 9)
    assert run.count == 1


class Counting(nn.Module):
    """Changes itself at each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.unread = 0, 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


STORE: list[Tensor] = []
REFUSED: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "branch": (lambda x: x * 2 if x.sum() > 1 else x, r"looks at the value.*\n.*test_compile"),
    "item": (lambda x: x * x.max().item(), "looks at the value"),
    "numpy": (lambda x: x.numpy().sum(), "the memory"),
    "nonzero": (lambda x: x[x > 0], "depends on values"),
    "append": (lambda x: STORE.append(x) or x, "changes a list|changes 'STORE'"),
    "seed": (lambda x: pyrite.manual_seed(0) and x, "random state"),
    "object": (lambda x: (x, object()), "result holds a object"),
    "disabled": (pyrite.compiler.disable(lambda x: x), "disabled"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compiled_runs_as_it_is(name: str, caplog: pytest.LogCaptureFixture) -> None:
    function, reason = REFUSED[name]
    with pytest.raises(RuntimeError, match=rf"(?s)fullgraph.*({reason})"):
        pyrite.compile(function, fullgraph=True)(pyrite.ones(3))
    run = pyrite.compile(function)
    caplog.set_level(logging.INFO, "pyrite.compiler")
    for scale in (1.0, -1.0, 5.0):
        x = pyrite.full((3,), scale)
        out, want = run(x), function(x)
        assert name == "object" or (out == want if name == "numpy" else out.equal(want))
    assert run.count == 0
    assert len(caplog.records) == 1
    STORE.clear()


def test_python_state_is_kept_by_eager_mode() -> None:
    module = Counting()
    run = pyrite.compile(module)
    assert [run(pyrite.ones(1)).item() for _ in range(3)] == [1.0, 2.0, 3.0]
    for step in range(3):
        module.unread = step  # a name that no method reads
        plain = pyrite.compile(lambda x, m=module: x * len(m.__module__))
        plain(pyrite.ones(1))


def test_plans_hold_no_data() -> None:
    """Neither arguments nor what was computed from them outlive a call."""
    w = pyrite.ones(3, requires_grad=True)
    run = pyrite.compile(lambda x: (x * w).exp())
    for _ in range(2):
        x = pyrite.ones(3)
        out = run(x)
        arrays = [weakref.ref(x.array), weakref.ref(out.array)]
        out.sum().backward()
        del x, out
        gc.collect()
        assert [a() for a in arrays] == [None, None]
    assert run.count == 1


def test_accumulated_gradients() -> None:
    """Backward inside without zeroing adds to what is there."""
    w = nn.Parameter(pyrite.ones(2))

    def add(x: Tensor) -> Tensor:
        loss = (w * x).sum()
        loss.backward()
        return loss.detach()

    run = pyrite.compile(add, fullgraph=True)
    for i in range(1, 5):
        run(pyrite.ones(2))
        assert w.grad.tolist() == [float(i)] * 2
    w.grad = None
    run(pyrite.ones(2))
    assert w.grad.tolist() == [1.0, 1.0]
    assert run.count == 2


def test_modules_look_like_the_original() -> None:
    module = mlp()
    run = pyrite.compile(module)
    assert list(run.state_dict()) == [f"_orig_mod.{k}" for k in module.state_dict()]
    assert run._orig_mod is module
    assert len(run) == 4
    run.extra = 3
    assert module.extra == 3
    run.eval()
    assert not module.training
    assert not run.training
    twin = copy.deepcopy(run)
    assert twin._orig_mod is not module
    again = pickle.loads(pickle.dumps(run))
    x = pyrite.ones(2, 6)
    assert run(x).equal(module(x))
    assert twin(x).equal(run(x))
    assert again(x).equal(run(x))


def test_modules_in_place() -> None:
    module = mlp().eval()
    x = pyrite.ones(2, 6)
    want = module(x)
    module.compile(fullgraph=True)
    assert module(x).equal(want)
    assert module(x).equal(want)
    assert module._compiled_call_impl.count == 1
    assert list(module.state_dict()) == list(mlp().state_dict())
    assert copy.deepcopy(module)._compiled_call_impl is None
    assert pickle.loads(pickle.dumps(module))(x).equal(want)


def test_decorators() -> None:
    @pyrite.compile
    def f(x: Tensor) -> Tensor:
        """Doubles."""
        return x * 2

    @pyrite.compile(fullgraph=True, dynamic=False, mode="max-autotune")
    def g(x: Tensor) -> Tensor:
        assert pyrite.compiler.is_compiling()
        return f(x) + 1

    class Model:
        @pyrite.compile
        def call(self, x: Tensor) -> Tensor:
            return x * 3

    assert f.__doc__ == "Doubles."
    assert g(pyrite.ones(1)).item() == 3.0
    assert f.count == 0  # part of g's plan
    assert Model().call(pyrite.ones(1)).item() == 3.0
    assert not pyrite.compiler.is_compiling()
    assert pickle.loads(pickle.dumps(pyrite.compile(_in_place)))(pyrite.ones(2)).item() == 4.0


@pytest.mark.parametrize(("options", "message"), [
    ({"mode": "x"}, "Unrecognized mode=x"), ({"backend": "nope"}, "Invalid backend: 'nope'"),
    ({"mode": "default", "options": {}}, "Either mode or options"),
    ({"options": {"a": 1}}, "Unexpected optimization option a"),
])  # fmt: skip
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        pyrite.compile(_in_place, **options)


def test_stances_and_backends() -> None:
    assert pyrite.compile(_in_place, disable=True) is _in_place
    assert pyrite.compile(_in_place, backend="eager") is _in_place
    assert "inductor" in pyrite.compiler.list_backends()
    run = pyrite.compile(lambda x: x + 1, backend="aot_eager")
    with pyrite.compiler.set_stance("force_eager"):
        run(pyrite.ones(1))
    assert run.count == 0
    run(pyrite.ones(1))
    with pyrite.compiler.set_stance("fail_on_recompile"):
        run(pyrite.ones(1))
        with pytest.raises(RuntimeError, match="fail_on_recompile"):
            run(pyrite.ones(2))
    with pyrite.compiler.set_stance("eager_on_recompile"):
        run(pyrite.ones(2))
    assert run.count == 1


def _gated(x: Tensor, row: Tensor, column: Tensor, one: Tensor) -> Any:
    y = (x * row + column).exp() * 0.5 - one
    z = pyrite.where(y > 1, y, x.tanh())
    return z.clamp(-1, 2), F.gelu(z.sigmoid() * y), y > 0


def _chain(x: Tensor, *rest: Tensor) -> Any:
    for other in rest:
        x = F.silu(x) * other.mean() + x.abs().sqrt() / 3 - x**2
    return (x, F.leaky_relu(x).neg(), F.relu(x - 1))


CHAINS: dict[str, tuple[Callable[..., Any], list[tuple[int, ...]]]] = {
    "broadcast": (_gated, [(64, 96), (96,), (64, 1), ()]),
    "leading": (_gated, [(4, 16, 96), (1, 16, 96), (4, 1, 1), (1,)]),
    "long": (_chain, [(3, 1000), (3, 1000), (5,)]),
}


@pytest.mark.parametrize("name", CHAINS)
def test_chains_are_fused(name: str) -> None:
    """One kernel gives what its ops give, but for the last bits of exp and its kin."""
    function, shapes = CHAINS[name]
    run = pyrite.compile(function, fullgraph=True)
    pyrite.manual_seed(0)
    for step in range(3):
        args = [pyrite.randn(shape, requires_grad=step > 0) for shape in shapes]
        if step == 2:
            args[0].data.view(-1)[:4] = pyrite.tensor([NAN, INFINITY, -INFINITY, -0.0])
        results = []
        for call in (function, run):
            outs = call(*args)
            seen = [o.detach() for o in outs]
            if step:
                loss = sum((o * (i + 1)).sum() for i, o in enumerate(outs) if o.requires_grad)
                seen += pyrite.autograd.grad(loss, args[: 2 if step == 1 else 1])
            results.append(seen)
        for a, b in zip(*results, strict=True):
            pyrite.testing.assert_close(a, b, rtol=2e-6, atol=2e-6, equal_nan=True)
    (plan, *_), *_ = run.plans.values()
    fused = [c for c in plan.source.forward if isinstance(c, Fused)]
    assert len(fused) == HAS_KERNELS


def test_sums_of_products_are_collected() -> None:
    """The weight of a cell that runs step by step gets its gradient from one product."""
    pyrite.manual_seed(0)
    cell, x = nn.GRUCell(3, 4), pyrite.randn(6, 2, 3)

    def unrolled(x: Tensor) -> Tensor:
        h = x.new_zeros(2, 4)
        for part in x.unbind():
            h = cell(part, h)
        return h

    run, grads = pyrite.compile(unrolled, fullgraph=True), []
    for call in (unrolled, run, run):
        cell.zero_grad()
        call(x).sum().backward()
        grads.append([p.grad for p in cell.parameters()])
    for other in grads[1:]:
        for a, b in zip(grads[0], other, strict=True):
            pyrite.testing.assert_close(a, b, rtol=1e-6, atol=1e-6)
    ((plan,),) = run.plans.values()
    names = [c.op.name for c in plan.source.backward if not isinstance(c, Fused)]
    assert names.count("linear_grad_weight") == 2


def test_threads() -> None:
    module = mlp().eval()
    run = pyrite.compile(module)
    failed: list[Any] = []

    def work(seed: int) -> None:
        for i in range(20):
            x = pyrite.full((1 + i % 3, 6), float(seed))
            if not run(x).equal(module(x)):
                failed.append((seed, i))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert run._compiled.count == 3
