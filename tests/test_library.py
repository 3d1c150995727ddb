"""Ops of the user's own: kernels, derivatives, and the checks of both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite import library


@pytest.fixture(autouse=True)
def fresh_registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(library, "_OPS", {})
    return


def power(x: pyrite.Tensor, n: int = 3) -> pyrite.Tensor:
    """`x ** n`."""
    return pyrite.from_numpy(x.numpy() ** n)


def keep(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    ctx.save_for_backward(inputs[0])
    ctx.n = inputs[1]


def slope(ctx: Any, g: pyrite.Tensor) -> tuple[Any, None]:
    (x,) = ctx.saved_tensors
    return g * ctx.n * x ** (ctx.n - 1), None


def wrong(ctx: Any, g: pyrite.Tensor) -> tuple[Any, None]:
    return g * ctx.saved_tensors[0], None


def make(**options: Any) -> library.CustomOp:
    op: library.CustomOp = library.custom_op("mine::power", power, mutates_args=(), **options)
    op.register_autograd(slope, setup_context=keep)
    return op


def test_it_computes_and_differentiates() -> None:
    op = make()
    x = pyrite.tensor([1.0, 2.0, -3.0], dtype=pyrite.float64, requires_grad=True)
    y = op(x)
    assert y.tolist() == [1, 8, -27]
    assert op(x, n=2).tolist() == [1, 4, 9]
    assert "mine_power" in repr(y)
    y.sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [3, 12, 27]
    assert op.__doc__ == "`x ** n`."
    assert pyrite.autograd.gradcheck(op, (x,))
    assert pyrite.autograd.gradgradcheck(op, (x,))


def test_each_device_has_its_kernel() -> None:
    op = make(device_types="cpu")
    x = pyrite.ones(2)
    with pytest.raises(NotImplementedError, match="Could not run 'mine::power'.*'strict'"):
        op(x.to("strict"))

    @op.register_kernel("strict")
    def on_strict(x: pyrite.Tensor, n: int = 3) -> pyrite.Tensor:
        return x + n

    t = x.to("strict").requires_grad_()
    out = op(t, 2)
    assert out.cpu().tolist() == [3, 3]
    out.sum().backward()
    assert t.grad is not None
    assert t.grad.cpu().tolist() == [2, 2]
    assert op(x).tolist() == [1, 1]


def test_without_a_derivative_backward_says_so() -> None:
    op = library.custom_op("mine::plain", power, mutates_args=())
    y = op(pyrite.ones(2, requires_grad=True))
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        y.sum().backward()


@pytest.mark.parametrize("shape", [(3, 4), (40, 50)])
def test_a_wrong_derivative_is_found_at_the_first_call(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    x = pyrite.rand(shape) + 0.5
    op = make(check=True)
    assert op(x).dtype is pyrite.float32
    library.register_autograd("mine::power", wrong, setup_context=keep)
    with pytest.raises(RuntimeError, match=r"opcheck of mine::power failed in test_gradient"):
        op(x)
    op(x)  # said once
    monkeypatch.setenv("PYRITE_CHECK_OPS", "1")
    op = library.custom_op("mine::power", power, mutates_args=())
    op.register_autograd(wrong, setup_context=keep)
    with pytest.raises(RuntimeError, match="test_gradient"):
        op(x)


def test_opcheck_compares_kernels_shapes_and_inputs() -> None:
    op = make()
    x = pyrite.rand(3, 4)
    assert set(library.opcheck(op, (x, 2)).values()) == {"SUCCESS"}
    op.register_kernel("cpu", lambda x, n: power(x, n) * 1.01)
    results = library.opcheck(op, (x,), raise_exception=False)
    assert "other values" in str(results["test_kernels"])
    library.register_kernel("mine::power", "cpu", power)
    library.register_fake("mine::power", lambda x, n: x.new_empty(x.shape[0]))
    results = library.opcheck(op, (x,), {"n": 2}, raise_exception=False)
    assert "register_fake says" in str(results["test_fake"])
    assert results["test_gradient"] == "SUCCESS"


def test_writing_is_declared() -> None:
    def double(x: pyrite.Tensor, *, by: float = 2.0) -> None:
        np.multiply(x.numpy(), by, out=x.numpy())

    op = library.custom_op("mine::double", double, mutates_args=("x",))
    x = pyrite.ones(3)
    version = x._version
    op(x, by=3.0)
    assert x.tolist() == [3, 3, 3]
    assert x._version == version + 1
    with pytest.raises(RuntimeError, match="leaf Variable"):
        op(pyrite.ones(3, requires_grad=True))
    silent = library.custom_op("mine::silent", double, mutates_args=())
    with pytest.raises(RuntimeError, match="'x' is changed"):
        library.opcheck(silent, (x,))


def test_several_outputs() -> None:
    def both(x: pyrite.Tensor) -> tuple[pyrite.Tensor, pyrite.Tensor]:
        return pyrite.from_numpy(np.sin(x.numpy())), pyrite.from_numpy(np.cos(x.numpy()))

    op = library.custom_op("mine::both", both, mutates_args=(), check=True)
    op.register_autograd(
        lambda ctx, s, c: s * ctx.saved_tensors[0].cos() - c * ctx.saved_tensors[0].sin(),
        setup_context=lambda ctx, inputs, output: ctx.save_for_backward(*inputs),
    )
    x = pyrite.linspace(0, 1, 300, requires_grad=True)
    s, c = op(x)
    (s + 2 * c).sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), (x.cos() - 2 * x.sin()).detach().numpy(), rtol=1e-5)


def test_errors() -> None:
    with pytest.raises(ValueError, match="'namespace::name', got 'power'"):
        library.custom_op("power", power, mutates_args=())
    make()
    make()  # the same function again, as when a notebook's cell runs twice
    with pytest.raises(ValueError, match="another function"):
        library.custom_op("mine::power", slope, mutates_args=())
    with pytest.raises(ValueError, match=r"known are \['mine::power'\]"):
        library.register_autograd("mine::none", slope)

    def total(xs: list[pyrite.Tensor]) -> pyrite.Tensor:
        return sum(xs)

    op = library.custom_op("mine::total", total, mutates_args=())
    assert op([pyrite.ones(2), pyrite.ones(2)]).tolist() == [2, 2]
    with pytest.raises(TypeError, match="in a list"):
        op([pyrite.ones(2, requires_grad=True)])
