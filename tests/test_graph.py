"""Capture: a replay does what the function does, on other inputs, draws, options and sizes."""

from __future__ import annotations

import copy

import pytest

import pyrite
from pyrite import Tensor, nn
from pyrite._graph import Graph, GuardFailed, capture


def _writes(x: Tensor, y: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    z = (x @ y).relu()
    row = z[0]
    row.fill_(1.0)
    z.mul_(2)
    out = pyrite.empty(z.shape)
    pyrite.exp(z * 0.1, out=out)
    return z.sum(0), {"row": row, "out": out, "x": x}


def test_views_and_writes_keep_their_order() -> None:
    pyrite.manual_seed(0)
    graph, _ = capture(_writes, pyrite.randn(3, 4), pyrite.randn(4, 5))
    x, y = pyrite.randn(3, 4), pyrite.randn(4, 5)
    (total, made), (want, wanted) = graph(x, y), _writes(x, y)
    assert total.equal(want)
    assert made["row"].equal(wanted["row"])
    assert made["out"].equal(wanted["out"])
    assert made["x"] is x


def test_memory_from_outside_is_written_and_shared() -> None:
    count = pyrite.zeros(3)

    def add_to_count(x: Tensor) -> Tensor:
        count.add_(x)
        return count[:2]

    graph, _ = capture(add_to_count, pyrite.ones(3))
    version = count._version
    view = graph(pyrite.full((3,), 2.0))
    assert count.tolist() == [3.0, 3.0, 3.0]
    assert count._version > version
    view[0] = 7.0
    assert count.tolist() == [7.0, 3.0, 3.0]


def _net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.3), nn.Linear(36, 5),
    )  # fmt: skip


@pytest.mark.parametrize("make", [
    lambda p: pyrite.optim.SGD(p, 0.1, momentum=0.9, weight_decay=1e-3),
    lambda p: pyrite.optim.AdamW(p, 0.01),
    lambda p: pyrite.optim.RMSprop(p, 0.01, centered=True),
])  # fmt: skip
def test_a_training_step_replays_bit_for_bit(make: object) -> None:
    """Backward, gradients, dropout's draws, statistics, step counts and a changing rate."""
    pyrite.manual_seed(0)
    images, labels = pyrite.randn(8, 1, 8, 8), pyrite.randint(0, 5, (8,))
    losses, weights = [], []
    for captured in (False, True):
        pyrite.manual_seed(1)
        net = _net()
        optimizer = make(net.parameters())  # type: ignore[operator]

        def step(x: Tensor, y: Tensor, net: nn.Module = net, optimizer=optimizer) -> Tensor:  # type: ignore[no-untyped-def]
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            return loss.detach()

        step(images, labels)
        run, seen = step, []
        for i in range(4):
            optimizer.param_groups[0]["lr"] = 0.01 / (i + 1)
            optimizer.zero_grad()
            if captured and i == 1:
                run, loss = capture(step, images + i, labels)
            else:
                loss = run(images + i, labels)
            seen.append(loss.item())
        losses.append(seen)
        weights.append(copy.deepcopy(net.state_dict()))
    assert losses[0] == losses[1]
    assert all(weights[0][k].equal(weights[1][k]) for k in weights[0])


def test_gradients_arrive_in_grad() -> None:
    w = pyrite.ones(3, requires_grad=True)

    def loss(x: Tensor) -> Tensor:
        out = (w * x).sum()
        out.backward()
        return out.detach()

    graph, _ = capture(loss, pyrite.ones(3))
    w.grad = None
    assert graph(pyrite.tensor([1.0, 2.0, 3.0])).item() == 6.0
    assert w.grad.tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(GuardFailed, match="whether the leaf has a gradient"):
        graph(pyrite.ones(3))


def test_sizes_declared_dynamic_are_asked_for_anew() -> None:
    def f(x: Tensor) -> Tensor:
        n, m = x.shape
        flat = x.reshape(n * m)
        return flat.view(m, n).sum(1) / n + pyrite.arange(m) + x.size(0)

    graph, _ = capture(f, pyrite.ones(2, 3), dynamic={0: (0, 1)})
    x = pyrite.arange(20.0).reshape(4, 5)
    assert graph(x).equal(f(x))


def test_a_size_that_decides_is_a_guard() -> None:
    def f(x: Tensor) -> Tensor:
        return x * 2 if x.shape[0] > 2 else x

    graph, _ = capture(f, pyrite.ones(3), dynamic={0: (0,)})
    assert graph(pyrite.ones(5)).tolist() == [2.0] * 5
    with pytest.raises(GuardFailed, match=r"shape\[0\] > 2"):
        graph(pyrite.ones(2))


@pytest.mark.parametrize("look", [
    lambda x: x.sum().item() > 1, lambda x: bool(x.sum() > 1), lambda x: int(x.sum()),
    lambda x: x.tolist(), lambda x: x.numpy(), lambda x: x.to(pyrite.int64)[0].__index__(),
])  # fmt: skip
def test_looking_at_values_is_refused(look: object) -> None:
    with pytest.raises(RuntimeError, match="looks at the value of a tensor"):
        capture(look, pyrite.ones(3))  # type: ignore[arg-type]


def test_looking_at_values_may_be_a_guard() -> None:
    def f(x: Tensor) -> Tensor:
        return x * 2 if x.sum() > 1 else x

    graph, _ = capture(f, pyrite.ones(3), guards=True)
    assert graph(pyrite.full((3,), 4.0)).tolist() == [8.0] * 3
    with pytest.raises(GuardFailed, match="capture it anew"):
        graph(pyrite.zeros(3))


def test_shapes_that_depend_on_values_are_guarded() -> None:
    graph, _ = capture(lambda x: x[x > 0].sum(), pyrite.tensor([1.0, -1.0, 2.0]))
    assert graph(pyrite.tensor([-1.0, 4.0, 5.0])).item() == 9.0
    with pytest.raises(GuardFailed, match="shape"):
        graph(pyrite.ones(3))


def test_other_inputs_than_captured_are_refused() -> None:
    graph, _ = capture(lambda x: x + 1, pyrite.ones(3))
    with pytest.raises(GuardFailed, match=r"input 0 was captured as float32 \[3\]"):
        graph(pyrite.ones(4))
    with pytest.raises(GuardFailed, match="int64"):
        graph(pyrite.ones(3, dtype=pyrite.int64))
    with pytest.raises(TypeError, match="expected 1 tensors, got 2"):
        graph(pyrite.ones(3), pyrite.ones(3))


def test_first_steps_are_refused() -> None:
    w = pyrite.ones(2, requires_grad=True)
    optimizer = pyrite.optim.Adam([w])
    w.grad = pyrite.ones(2)
    with pytest.raises(RuntimeError, match="take one step before the capture"):
        capture(lambda: optimizer.step())


def test_a_graph_shows_what_it_does() -> None:
    graph, _ = capture(lambda x: (x * 2).sum(0), pyrite.ones(3))
    assert isinstance(graph, Graph)
    assert repr(graph).splitlines() == [
        "graph(x0):", "    v1 = mul(x0, 2)", "    v2 = sum(v1, 0, False)", "    return v2",
    ]  # fmt: skip


def test_nothing_is_left_behind() -> None:
    with pytest.raises(ZeroDivisionError):
        capture(lambda x: x * (1 // 0), pyrite.ones(2))
    assert pyrite.ones(2).sum().item() == 2.0
    assert pyrite._tensor.WATCHERS == []
