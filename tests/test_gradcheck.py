"""`gradcheck` and `gradgradcheck`: what passes, what fails, and what the messages say."""

from __future__ import annotations

from typing import Any

import pytest

import pyrite
from pyrite.autograd import Function, GradcheckError, gradcheck, gradgradcheck


def leaf(*shape: int) -> Any:
    count = pyrite.Size(shape).numel()
    values = pyrite.arange(float(count)).double() * 0.37 % 1.0 + 0.2
    return values.reshape(shape).detach().requires_grad_()


class Wrong(Function):
    """A square whose derivative is `slope * x`, and whose second derivative is that of it."""

    slope = 2.5

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * x * Wrong.slope


def made(forward: Any, backward: Any) -> Any:
    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Made", (Function,), members).apply


def test_right_derivatives_pass() -> None:
    x, y = leaf(2, 3), leaf(3)
    assert gradcheck(lambda a, b: (a * b).exp().sum(1), (x, y))
    assert gradgradcheck(lambda a, b: (a * b).exp().sum(1), (x, y))
    assert gradcheck(lambda a: (a.sin(), a.cos()), x)
    assert gradgradcheck(lambda a: a.sin(), x, gen_non_contig_grad_outputs=True)
    assert gradgradcheck(lambda a: a.sin(), x, leaf(2, 3))


def test_inputs_are_left_as_they_were() -> None:
    x, plain = leaf(4), leaf(4).detach()
    before = x.tolist()
    assert gradcheck(lambda a, b, n: a * b * n, (x, plain, 3.0), fast_mode=True)
    assert x.tolist() == before
    assert x.grad is None
    assert x._version == 0


def test_memory_order_does_not_matter() -> None:
    assert gradcheck(lambda a: a.exp(), leaf(3, 2).detach().t().requires_grad_())
    assert gradcheck(lambda a: a.exp(), leaf().detach().requires_grad_())
    assert gradcheck(lambda a: a.exp(), leaf(0, 2))


def test_message_names_output_input_and_both_jacobians() -> None:
    x, y = leaf(2), leaf(2)
    with pytest.raises(GradcheckError) as error:
        gradcheck(lambda a, b: (a + b, a * Wrong.apply(b)), (x, y))
    text = str(error.value)
    assert text.startswith("Jacobian mismatch for output 1 with respect to input 1,\nnumerical:")
    assert "analytical:" in text
    slope = (x * y)[0].item()
    assert f"{2 * slope:.6g}" in text
    assert f"{2.5 * slope:.6g}" in text
    assert issubclass(GradcheckError, RuntimeError)


def test_no_exception_if_not_asked_for() -> None:
    assert gradcheck(Wrong.apply, leaf(2), raise_exception=False) is False
    assert gradcheck(Wrong.apply, leaf(2), atol=10.0)


def test_wrong_second_derivative() -> None:
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * made(lambda c, t: 2 * t, lambda c, h: h)(x)

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    square = made(forward, backward)
    assert gradcheck(square, leaf(2))
    with pytest.raises(GradcheckError, match="Jacobian mismatch for output 0"):
        gradgradcheck(square, leaf(2))


def test_backward_that_ignores_its_gradient() -> None:
    with pytest.raises(GradcheckError, match="not multiplied by grad_output"):
        gradcheck(made(lambda c, x: x.sum(), lambda c, g: pyrite.ones(2).double()), leaf(2))


def test_backward_that_differs_from_time_to_time() -> None:
    calls = []

    def backward(ctx: Any, g: Any) -> Any:
        calls.append(0)
        return g * (2 + 1e-7 * len(calls))

    noisy = made(lambda c, x: x * 2, backward)
    with pytest.raises(GradcheckError, match="not reentrant"):
        gradcheck(noisy, leaf(2))
    assert gradcheck(noisy, leaf(2), nondet_tol=1e-4, atol=1e-4)


def test_output_without_gradient() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        return (0 if g is None else g * 2) + (0 if h is None else h * 3) + (g is None)

    careless = made(forward, backward)
    assert gradcheck(careless, leaf(1), raise_exception=False) is False
    assert gradcheck(lambda x: (x * 2, x.detach()), leaf(2))
    with pytest.raises(GradcheckError, match="expected to be zero"):
        gradcheck(lambda x: x.detach() * 2, leaf(2))
    assert gradcheck(lambda x: pyrite.ones(2), leaf(2))


def test_undefined_gradients() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        if g is not None and h is not None:
            return g * 5
        return (0 if g is None else g * 2) + (0 if h is None else h * 3)

    with pytest.raises(GradcheckError, match="undefined output grads"):
        gradcheck(made(forward, backward), leaf(2))
    assert gradcheck(made(forward, backward), leaf(2), check_undefined_grad=False)


def test_unsuitable_inputs() -> None:
    with pytest.raises(ValueError, match="at least one input tensor to require gradient"):
        gradcheck(lambda x: x * 2, leaf(2).detach())
    with pytest.raises(RuntimeError, match="stride 0"):
        gradcheck(lambda x: x * 2, leaf(1).detach().expand(3).requires_grad_())
    with pytest.warns(UserWarning, match="not a double precision"):
        gradcheck(lambda x: x * 2, pyrite.ones(2, requires_grad=True), atol=1e-1)


def test_on_another_backend() -> None:
    x = leaf(3).detach().to("strict").requires_grad_()
    assert gradcheck(lambda a: a.exp(), x)
