"""Custom `Function`s: what forward and backward see, several outputs, in-place, views, errors."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import pyrite
from pyrite.autograd import Function, grad, gradcheck, gradgradcheck, once_differentiable
from pyrite.autograd.function import FunctionCtx

Ctx = FunctionCtx


def leaf(*values: float) -> Any:
    return pyrite.tensor(values, dtype=pyrite.float64, requires_grad=True)


def function(forward: Any, backward: Any, **members: Any) -> type[Function]:
    """A Function from two plain functions."""
    members |= {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("MyFn", (Function,), members)


class Exp(Function):
    @staticmethod
    def forward(ctx: Ctx, x: Any) -> Any:
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Ctx, g: Any) -> Any:
        (y,) = ctx.saved_tensors
        return g * y


class Fused(Function):
    """Two outputs of two inputs, a number and a flag."""

    @staticmethod
    def forward(ctx: Ctx, x: Any, y: Any, scale: float = 2.0, flag: bool = False) -> Any:
        ctx.save_for_backward(x, y)
        ctx.scale = scale
        return x * y * scale, x + y

    @staticmethod
    def backward(ctx: Ctx, g: Any, h: Any) -> Any:
        x, y = ctx.saved_tensors
        return g * y * ctx.scale + h, g * x * ctx.scale + h, None, None


def test_gradient_and_name() -> None:
    x = leaf(0.5, -1.0)
    y = Exp.apply(x)
    assert y.grad_fn.name() == "ExpBackward"
    assert not y.is_leaf
    y.sum().backward()
    assert x.grad.tolist() == y.tolist()


def test_derivatives_of_both_orders() -> None:
    x, y = leaf(0.5, -1.0), leaf(2.0, 0.3)
    assert gradcheck(Exp.apply, x)
    assert gradgradcheck(Exp.apply, x)
    assert gradcheck(Fused.apply, (x, y))
    assert gradgradcheck(lambda a, b: Fused.apply(a, b, 3.0), (x, y))


def test_several_outputs_used_apart() -> None:
    x, y = leaf(2.0), leaf(3.0)
    first, second = Fused.apply(x, y)
    assert (first.item(), second.item()) == (12.0, 5.0)
    assert [g.item() for g in grad(first, (x, y), retain_graph=True)] == [6.0, 4.0]
    assert [g.item() for g in grad(second, (x, y), retain_graph=True)] == [1.0, 1.0]
    assert [g.item() for g in grad((first, second), (x, y))] == [7.0, 5.0]


def test_needs_input_grad_is_per_argument() -> None:
    seen = []

    def backward(ctx: Ctx, g: Any) -> Any:
        seen.append(ctx.needs_input_grad)
        return g, None, None

    fn = function(lambda ctx, x, y, n: x + y + n, backward)
    fn.apply(leaf(1.0), pyrite.ones(1).double(), 3).sum().backward()
    assert seen == [(True, False, False)]


def test_forward_is_not_recorded_and_sees_the_tensors_themselves() -> None:
    x = leaf(1.0)
    seen = []

    def forward(ctx: Ctx, t: Any) -> Any:
        seen.extend([t is x, pyrite.is_grad_enabled(), (t * 2).requires_grad])
        return t * 2

    function(forward, lambda ctx, g: g * 2).apply(x)
    assert seen == [True, False, False]


def test_setup_context_and_keyword_arguments() -> None:
    class Scale(Function):
        @staticmethod
        def forward(x: Any, by: float = 2.0) -> Any:
            return x * by

        @staticmethod
        def setup_context(ctx: Ctx, inputs: Any, output: Any) -> None:
            assert output.tolist() == [inputs[0].item() * inputs[1]]
            ctx.by = inputs[1]

        @staticmethod
        def backward(ctx: Ctx, g: Any) -> Any:
            return g * ctx.by, None

    x = leaf(1.5)
    assert grad(Scale.apply(x, by=4.0), x)[0].item() == 4.0
    assert grad(Scale.apply(x), x)[0].item() == 2.0


def test_vjp_is_another_name_of_backward() -> None:
    class Twice(Function):
        @staticmethod
        def forward(ctx: Ctx, x: Any) -> Any:
            return x * 2

        @staticmethod
        def vjp(ctx: Ctx, g: Any) -> Any:
            return g * 2

    x = leaf(1.0)
    assert grad(Twice.apply(x), x)[0].item() == 2.0
    Twice.backward = staticmethod(lambda ctx, g: g)
    with pytest.raises(RuntimeError, match="both 'backward' and 'vjp'"):
        Twice.apply(x).backward()


def test_missing_gradients_are_zeros_or_none() -> None:
    seen: list[Any] = []
    for materialize in (True, False):

        def forward(ctx: Ctx, x: Any, on: bool = materialize) -> Any:
            ctx.set_materialize_grads(on)
            return x * 2, 5, x * 3

        def backward(ctx: Ctx, g: Any, number: Any, h: Any) -> Any:
            seen.append((None if g is None else g.tolist(), number, h.tolist()))
            return h * 3

        function(forward, backward).apply(leaf(1.0))[2].sum().backward()
    assert seen == [([0.0], None, [1.0]), (None, None, [1.0])]


def test_outputs_without_gradient() -> None:
    def forward(ctx: Ctx, x: Any) -> Any:
        kept = x.round()
        ctx.mark_non_differentiable(kept)
        return kept, x > 0, x * 2

    kept, positive, out = function(forward, lambda ctx, a, b, g: g * 2).apply(leaf(1.4))
    assert [t.requires_grad for t in (kept, positive, out)] == [False, False, True]


def test_nothing_is_recorded_without_need() -> None:
    assert not Exp.apply(leaf(1.0).detach()).requires_grad
    with pyrite.no_grad():
        assert not Exp.apply(leaf(1.0)).requires_grad


def test_in_place_on_an_input() -> None:
    def forward(ctx: Ctx, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2)

    double_ = function(forward, lambda ctx, g: g * 2)
    x = leaf(1.0, 3.0)
    y = x * 1
    assert double_.apply(y) is y
    assert y.grad_fn.name() == "MyFnBackward"
    assert grad(y.sum(), x)[0].tolist() == [2.0, 2.0]
    y = x * 1
    part = y[:1]
    assert double_.apply(part) is part
    assert grad(y.sum(), x)[0].tolist() == [2.0, 1.0]
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        double_.apply(leaf(1.0))


def test_dirty_inputs_must_be_returned() -> None:
    def forward(ctx: Ctx, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(2).clone()

    with pytest.raises(RuntimeError, match="were not returned as output"):
        function(forward, lambda ctx, g: g).apply(leaf(1.0) * 1)


@pytest.mark.parametrize("forward", [lambda ctx, x: x, lambda ctx, x: x[:1]])
def test_views_of_inputs(forward: Callable[..., Any]) -> None:
    """The gradient is the Function's; what would replace it is refused."""
    x = leaf(1.0, 2.0)
    fn = function(forward, lambda ctx, g: pyrite.cat([g, g])[:2] * 3)
    base = x * 1
    out = fn.apply(base)
    assert out is not base
    assert out._base is base
    assert grad(out.sum(), x, retain_graph=True)[0].tolist() == [3.0, 3.0]
    with pytest.raises(RuntimeError, match="custom Function"):
        out.mul_(2)
    base.mul_(2)
    with pytest.raises(RuntimeError, match="custom Function"):
        out.sum()


def test_changed_saved_tensors_are_noticed() -> None:
    x = leaf(1.0)
    y = Exp.apply(x)
    y.mul_(2)
    with pytest.raises(RuntimeError, match=r"modified by an inplace.*output 0 of ExpBackward"):
        y.sum().backward()
    z = x * 1
    first, _ = Fused.apply(z, x)
    z.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        first.sum().backward()


def test_backward_twice() -> None:
    x = leaf(1.0)
    y = Exp.apply(x)
    y.backward(retain_graph=True)
    y.backward()
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        y.backward()


def test_saved_tensors_lead_on() -> None:
    """In a recorded backward the saved output belongs to the graph."""
    x = leaf(0.5)
    (g,) = grad(Exp.apply(x), x, create_graph=True)
    (gg,) = grad(g, x, create_graph=True)
    assert gg.item() == pytest.approx(x.exp().item())
    assert gg.requires_grad


def test_once_differentiable() -> None:
    @once_differentiable
    def backward(ctx: Ctx, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 2 * x * g

    def forward(ctx: Ctx, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    x = leaf(3.0)
    square = function(forward, backward)
    assert grad(square.apply(x), x)[0].item() == 6.0
    (g,) = grad(square.apply(x) ** 2, x, create_graph=True)
    assert g.item() == 108.0
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.backward()


def _bad(result: Callable[[Any], Any]) -> Callable[[], Any]:
    fn = function(lambda ctx, x, n: x * n, lambda ctx, g: result(g))
    return lambda: fn.apply(leaf(1.0, 2.0), 2.0).sum().backward()


ERRORS: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (_bad(lambda g: g), RuntimeError, r"incorrect number of gradients \(expected 2, got 1\)"),
    (_bad(lambda g: (g, None, g)), RuntimeError, r"number of gradients \(expected 2, got 3\)"),
    (_bad(lambda g: (g, g)), RuntimeError, "gradient different than None at position 2"),
    (_bad(lambda g: (1.0, None)), RuntimeError, "expected Variable or None"),
    (
        _bad(lambda g: (pyrite.ones(3), None)), RuntimeError,
        r"invalid gradient at index 0 - got \[3\] but expected shape compatible with \[2\]",
    ),
    (
        lambda: Function.apply(leaf(1.0)), NotImplementedError, "must implement the forward",
    ),
    (
        lambda: type("F", (Function,), {"forward": staticmethod(lambda ctx, x: x * 2)})
        .apply(leaf(1.0)).backward(),
        NotImplementedError, "must implement either the backward or vjp",
    ),
    (lambda: Exp()(leaf(1.0)), RuntimeError, "legacy autograd function"),
    (
        lambda: function(lambda ctx, x: ctx.save_for_backward(1), None).apply(leaf(1.0)),
        TypeError, "can only save variables, but argument 0 is of type int",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "text"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(call: Callable[[], Any], error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        call()


def test_more_nones_than_arguments_and_broadcast_gradients() -> None:
    x = leaf(1.0, 2.0)
    fn = function(lambda ctx, t: t * 2, lambda ctx, g: (pyrite.ones(3, 2), None))
    assert grad(fn.apply(x).sum(), x)[0].tolist() == [3.0, 3.0]
    assert grad(fn.apply(x).sum(), x)[0].dtype is pyrite.float64


def test_anomaly_mode_names_the_line() -> None:
    with pyrite.autograd.detect_anomaly():
        y = function(lambda ctx, x: x * 2, lambda ctx, g: g * float("nan")).apply(leaf(1.0))
        with pytest.raises(
            RuntimeError, match=r"'MyFnBackward' returned nan.*(?s:.*)test_function"
        ):
            y.backward()


def test_on_another_backend() -> None:
    x = pyrite.tensor([0.5, 1.0]).to("strict").requires_grad_()
    first, second = Fused.apply(x, x)
    second.sum().backward()
    assert x.grad.cpu().tolist() == [2.0, 2.0]
    assert first.device.type == "strict"


def test_no_cycles_and_no_leaks() -> None:
    x = leaf(1.0)

    def step() -> Any:
        y = Exp.apply(x)
        z, _ = Fused.apply(y, x)
        z.sum().backward()
        return weakref.ref(y.grad_fn)

    step()
    gc.collect()
    gc.disable()
    try:
        node = step()
        assert node() is None
        assert gc.collect() == 0
    finally:
        gc.enable()
