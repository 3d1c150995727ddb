"""The backward walk: depth, memory, cycles, hooks, modes, what is saved and freed."""

from __future__ import annotations

import gc
import threading
import tracemalloc
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite.autograd import backward, grad


def test_graph_100000_nodes_deep() -> None:
    x = pyrite.ones(2, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + 1
    y.sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]
    del y


def test_deep_graph_is_freed_without_backward() -> None:
    y = pyrite.ones(2, requires_grad=True)
    for _ in range(100_000):
        y = y * 1.0
    del y


def test_a_step_leaves_no_cycles() -> None:
    from pyrite import nn, optim

    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = optim.AdamW(model.parameters())
    images, labels = pyrite.randn(16, 4), pyrite.arange(16) % 3

    def step() -> None:
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images), labels).backward()
        optimizer.step()

    step()
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            step()
        assert gc.collect() == 0
    finally:
        gc.enable()


def _extra_peak(function: Any) -> int:
    """Bytes that a call holds at its peak beyond what was there before."""
    tracemalloc.start()
    try:
        kept = function()
        current, _ = tracemalloc.get_traced_memory()
        del kept
        return current
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", ["sum", "add", "reshape"])
def test_what_no_formula_names_is_not_saved(name: str) -> None:
    size = 1_000_000
    x = pyrite.ones(size, requires_grad=True)
    leaf = pyrite.ones(1, requires_grad=True)
    functions = {
        "sum": lambda: (x * leaf.detach()).sum(),
        "add": lambda: (x + leaf + 1.0).sum(),
        "reshape": lambda: (x + 1.0).reshape(1000, 1000).sum(),
    }
    functions[name]()
    assert _extra_peak(functions[name]) < 100_000


def test_10000_steps_do_not_grow() -> None:
    from pyrite import nn, optim

    model = nn.Linear(4, 1)
    optimizer = optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    x, y = pyrite.randn(8, 4), pyrite.randn(8, 1)

    def steps(n: int) -> None:
        for _ in range(n):
            optimizer.zero_grad()
            ((model(x) - y) ** 2).mean().backward()
            optimizer.step()

    steps(100)
    tracemalloc.start()
    try:
        steps(200)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        steps(9_700)
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] - before < 100_000
    finally:
        tracemalloc.stop()


def test_backward_twice_says_what_to_do() -> None:
    x = pyrite.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(RuntimeError, match="graph a second time.*retain_graph"):
        y.backward()


def test_retain_graph_accumulates() -> None:
    x = pyrite.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4.0] * 3


def test_what_saves_nothing_can_run_twice() -> None:
    x = pyrite.ones(3, requires_grad=True)
    y = (x + 1).sum()
    y.backward()
    y.backward()
    assert x.grad.tolist() == [2.0] * 3


def test_gradients_never_alias() -> None:
    a, b = (pyrite.ones(3, requires_grad=True) for _ in range(2))
    seed = pyrite.ones(3)
    (a + b).backward(seed)
    a.grad.mul_(5)
    assert b.grad.tolist() == [1.0] * 3
    assert seed.tolist() == [1.0] * 3
    c = pyrite.ones(3, requires_grad=True)
    c.sum().backward()
    c.grad[0] = 7.0
    assert c.grad.tolist() == [7.0, 1.0, 1.0]


def test_first_gradient_is_taken_over_without_a_copy() -> None:
    x = pyrite.ones(200_000, requires_grad=True)
    y = (x * 3.0).sum()
    tracemalloc.start()
    try:
        y.backward()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2 * x.numel() * 4


def test_higher_derivatives() -> None:
    x = pyrite.tensor(0.3, dtype=pyrite.float64, requires_grad=True)
    y = x.sin()
    values = []
    for _ in range(5):
        (y,) = grad(y, x, create_graph=True)
        values.append(y.item())
    c, s = np.cos(0.3), np.sin(0.3)
    np.testing.assert_allclose(values, [c, -s, -c, s, c], rtol=1e-14)


def test_gradient_of_an_inner_tensor() -> None:
    x = pyrite.ones(2, requires_grad=True)
    y = x * 3
    z = (y * y).sum()
    dy, dx = grad(z, [y, x])
    assert dy.tolist() == [6.0, 6.0]
    assert dx.tolist() == [18.0, 18.0]
    assert x.grad is None


def test_grad_leaves_freed_parts_alone() -> None:
    x, w = pyrite.ones(2, requires_grad=True), pyrite.ones(2, requires_grad=True)
    inner = x * x
    inner.sum().backward()
    (dw,) = grad((inner * w).sum(), w)
    assert dw.tolist() == [1.0, 1.0]


def test_unused_input() -> None:
    x, w = pyrite.ones(2, requires_grad=True), pyrite.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="allow_unused=True"):
        grad(x.sum(), w)
    assert grad(x.sum(), w, allow_unused=True) == (None,)
    assert grad(x.sum(), w, materialize_grads=True)[0].tolist() == [0.0, 0.0]


def test_backward_of_inputs_only() -> None:
    x, w = pyrite.ones(2, requires_grad=True), pyrite.ones(2, requires_grad=True)
    (x * w).sum().backward(inputs=[x])
    assert x.grad is not None
    assert w.grad is None


def test_non_scalar_needs_a_gradient() -> None:
    x = pyrite.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="scalar outputs"):
        (x * 2).backward()
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        (x * 2).backward(pyrite.ones(3))
    with pytest.raises(RuntimeError, match="does not require grad"):
        pyrite.ones(()).backward()


def test_several_roots() -> None:
    x = pyrite.ones(2, requires_grad=True)
    backward([x.sum(), (x * 2).sum()])
    assert x.grad.tolist() == [3.0, 3.0]


def test_leaf_and_inner_hooks() -> None:
    seen = []
    x = pyrite.ones(2, requires_grad=True)
    x.register_hook(lambda g: g * 10)
    y = x * 2
    handle = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g + 1)
    y.retain_grad()
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.tolist()))
    y.sum().backward()
    assert seen == [[1.0, 1.0], [40.0, 40.0]]
    assert y.grad.tolist() == [2.0, 2.0]
    handle.remove()
    (x * 2).sum().backward()
    assert x.grad.tolist() == [60.0, 60.0]
    assert len(seen) == 3


def test_node_hooks() -> None:
    x = pyrite.ones(2, requires_grad=True)
    y = x * 2
    calls = []
    y.grad_fn.register_prehook(lambda grads: (grads[0] * 3,))
    y.grad_fn.register_hook(lambda gin, gout: calls.append((gin[0].tolist(), gout[0].tolist())))
    y.sum().backward()
    assert calls == [([6.0, 6.0], [3.0, 3.0])]
    assert x.grad.tolist() == [6.0, 6.0]


def test_grad_fn_names_and_edges() -> None:
    x = pyrite.ones(2, requires_grad=True)
    y = (x * 2).exp()
    assert y.grad_fn.name() == "ExpBackward0"
    ((inner, _),) = y.grad_fn.next_functions
    assert inner.name() == "MulBackward0"
    assert inner.next_functions[0][0].variable is x


def test_modes_are_per_thread() -> None:
    found = []

    def run() -> None:
        found.append(pyrite.is_grad_enabled())

    with pyrite.no_grad():
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        assert not pyrite.is_grad_enabled()
    assert found == [True]


def test_grad_modes_as_contexts_and_decorators() -> None:
    x = pyrite.ones(2, requires_grad=True)

    @pyrite.no_grad()
    def plain() -> Any:
        return x * 2

    @pyrite.no_grad
    def bare() -> Any:
        return x * 2

    @pyrite.no_grad()
    def generator() -> Any:
        yield pyrite.is_grad_enabled()
        yield pyrite.is_grad_enabled()

    assert not plain().requires_grad
    assert not bare().requires_grad
    for enabled in generator():
        assert not enabled
        assert pyrite.is_grad_enabled()
    with pyrite.no_grad(), pyrite.enable_grad():
        assert (x * 2).requires_grad
    pyrite.set_grad_enabled(False)
    assert not (x * 2).requires_grad
    pyrite.set_grad_enabled(True)
    with pyrite.inference_mode():
        assert pyrite.is_inference_mode_enabled()
        assert not (x * 2).requires_grad
    with pyrite.inference_mode(False):
        assert (x * 2).requires_grad


def test_anomaly_mode_names_the_line() -> None:
    with pyrite.autograd.detect_anomaly():
        x = pyrite.tensor([-1.0], requires_grad=True)
        y = x.sqrt()  # the line to find
        with pytest.raises(RuntimeError, match="the line to find"):
            y.sum().backward()
    assert not pyrite.is_anomaly_enabled()


def test_a_stale_value_names_both_lines() -> None:
    with pyrite.autograd.detect_anomaly():
        y = pyrite.ones(3, requires_grad=True).exp()  # the line that saves
        y.mul_(2)  # the line that writes
        with pytest.raises(RuntimeError) as caught:
            y.sum().backward()
    assert str(caught.value).count("# the line that saves") == 1
    assert str(caught.value).count("# the line that writes") == 1


def test_backward_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    w = pyrite.ones(3, requires_grad=True)
    (pyrite.ones(2, 3) * w.exp()).sum().backward(explain=True)
    assert capsys.readouterr().out.splitlines() == [
        "SumBackward0: g is float32 []",
        (
            "    input: expand_reduced(g, dim, keepdim, input_shape) -> float32 [2, 3], for "
            "MulBackward0"
        ),
        "MulBackward0: g is float32 [2, 3]",
        "    other: mul(g, input) -> float32 [2, 3], summed to [3], for ExpBackward0",
        "ExpBackward0: g is float32 [3]",
        "    input: mul(g, out) -> float32 [3], for a leaf's .grad",
    ]


def test_a_subclass_of_parameter_gets_its_gradient() -> None:
    class Scale(pyrite.nn.Parameter):
        pass

    scale = Scale(pyrite.ones(2))
    (scale * 3.0).sum().backward()
    assert scale.grad.tolist() == [3.0, 3.0]


def test_threads_train_at_once() -> None:
    errors = []

    def run(seed: float) -> None:
        try:
            for _ in range(200):
                x = pyrite.full((8,), seed, requires_grad=True)
                ((x * x).sin() * x).sum().backward()
                want = np.sin(seed**2) + 2 * seed**2 * np.cos(seed**2)
                np.testing.assert_allclose(x.grad.numpy(), want, rtol=1e-4)
        except AssertionError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(0.1 * i,)) for i in range(1, 5)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert errors == []


def test_gradients_cross_devices() -> None:
    x = pyrite.ones(3, device="strict", requires_grad=True)
    y = (x * 2).to("cpu")
    assert y.device.type == "cpu"
    (y * pyrite.arange(3.0)).sum().backward()
    assert x.grad.device.type == "strict"
    assert x.grad.tolist() == [0.0, 2.0, 4.0]


def test_batch_norm_by_given_statistics_has_second_derivatives() -> None:
    """PyTorch's backward is one node: a gradient that is linear in `grad` has a graph as well."""
    x = pyrite.ones(2, 3, requires_grad=True)
    y = pyrite.nn.functional.batch_norm(x, pyrite.zeros(3), pyrite.ones(3))
    (gradient,) = pyrite.autograd.grad(y.sum(), x, create_graph=True)
    assert gradient.requires_grad
    (second,) = pyrite.autograd.grad(gradient.sum(), x)
    assert second.tolist() == [[0.0] * 3] * 2
