"""Forward mode: every op's tangent, dual levels, in-place, custom Functions, saved-tensor hooks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import test_ops

import pyrite
from pyrite import Tensor, func
from pyrite.autograd import forward_ad
from pyrite.autograd.graph import (
    disable_saved_tensors_hooks,
    increment_version,
    save_on_cpu,
    saved_tensors_hooks,
)
from pyrite.utils.checkpoint import CheckpointError, checkpoint, checkpoint_sequential


def _call(name: str, sample: Any) -> tuple[Any, list[Tensor]]:
    """A call as a function of the operands that have a derivative, and those."""
    wanted: list[Tensor] = []
    make = test_ops._pyrite("cpu", "float64")

    def collect(array: np.ndarray, grad: bool) -> Any:
        tensor = make(array, False)
        if not grad:
            return tensor
        wanted.append(tensor)
        return test_ops.Hole(len(wanted) - 1)

    args, kwargs, _ = test_ops._build(sample, name, "float64", collect)

    def call(*operands: Tensor) -> Any:
        return tuple(test_ops._leaves(test_ops.called(name, args, kwargs, operands)))

    return call, wanted


@pytest.mark.parametrize(("name", "sample"), test_ops._cases(differentiable=True))
def test_every_op_is_the_adjoint_of_its_gradient(name: str, sample: Any) -> None:
    """<u, J t> = <J^T u, t> for random u and t."""
    call, wanted = _call(name, sample)
    if not wanted or name in test_ops.BY_CONTRACT:
        pytest.skip("no operand with a derivative, or a gradient that is none by contract")
    if name == "vector_norm" and any(not w.any() for w in wanted):
        pytest.skip("the norm of zeros has a subgradient only")
    rng = np.random.default_rng(5)
    tangents = [pyrite.tensor(_random(rng, w)) for w in wanted]
    with pyrite.no_grad():  # forward mode needs no recording
        outputs, rates = func.jvp(call, tuple(wanted), tuple(tangents))
    leaves = [w.detach().requires_grad_() for w in wanted]
    recorded = call(*leaves)
    for value, plain in zip(outputs, recorded, strict=True):
        np.testing.assert_array_equal(test_ops._host(value), test_ops._host(plain))
        assert not value.requires_grad
    pairs = [(o, r) for o, r in zip(recorded, rates, strict=True) if o.requires_grad]
    if not pairs:
        return
    weights = [pyrite.tensor(_random(rng, o)) for o, _ in pairs]
    grads = pyrite.autograd.grad([o for o, _ in pairs], leaves, weights, allow_unused=True)
    used = [(g, t) for g, t in zip(grads, tangents, strict=True) if g is not None]
    forward = _product([r for _, r in pairs], weights)
    reverse = _product([g for g, _ in used], [t for _, t in used])
    np.testing.assert_allclose(forward, reverse, rtol=1e-7, atol=1e-9)


def _random(rng: np.random.Generator, like: Tensor) -> np.ndarray:
    values = rng.standard_normal(tuple(like.shape))
    return values + 1j * rng.standard_normal(values.shape) if like.is_complex() else values


def _product(ones: list[Tensor], others: list[Tensor]) -> float:
    """The inner product over the real numbers."""
    pairs = zip(map(test_ops._host, ones), map(test_ops._host, others), strict=True)
    return sum(float(np.sum(np.conj(a) * b).real) for a, b in pairs)


def test_dual_levels() -> None:
    x, t = pyrite.tensor([1.0, 2.0]), pyrite.tensor([3.0, 4.0])
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(x, t)
        assert dual.shape == (2,)
        assert dual[0].item() == 1.0
        result = forward_ad.unpack_dual(dual * dual)
        assert result.tangent.tolist() == [6.0, 16.0]
        assert result.primal.tolist() == [1.0, 4.0]
        assert forward_ad.unpack_dual(dual > 1).tangent is None
        assert forward_ad.unpack_dual(x) == (x, None)
    assert forward_ad.unpack_dual(dual).tangent is None
    assert type(dual * 2) is Tensor


def test_what_dual_levels_refuse() -> None:
    x = pyrite.ones(2)
    with pytest.raises(RuntimeError, match="no level exists"):
        forward_ad.make_dual(x, x)
    with pytest.raises(RuntimeError, match="Dual level must be"):
        forward_ad.exit_dual_level()
    with forward_ad.dual_level():
        with pytest.raises(RuntimeError, match="Nested forward mode"):
            forward_ad.enter_dual_level()
        with pytest.raises(RuntimeError, match="different size"):
            forward_ad.make_dual(x, x[0])
        with pytest.raises(ValueError, match="Expected primal to be floating point"):
            forward_ad.make_dual(x.long(), x)
        with pytest.raises(ValueError, match="Expected tangent to be floating point"):
            forward_ad.make_dual(x, x.long())
        dual = forward_ad.make_dual(x, x)
        with pytest.raises(RuntimeError, match="cannot be written in place"):
            pyrite.zeros(2).copy_(dual)


def test_in_place_and_views_carry_tangents() -> None:
    def program(x: Tensor) -> Tensor:
        y = x.clone()
        row = y[0]
        row.mul_(x[1])
        y[1] = 3.0
        y[0, 1] = x[0, 0]
        out = y.new_zeros(2)
        out[0] = y.sum()
        out.add_(y[0])
        return out.unsqueeze_(0)

    x = pyrite.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=pyrite.float64)
    jacobian = func.jacrev(program)(x)
    assert func.jacfwd(program)(x).equal(jacobian)
    assert jacobian[0, 0].tolist() == [[7.0, 0.0], [2.0, 0.0]]


class Cube(pyrite.autograd.Function):
    @staticmethod
    def forward(x: Tensor, scale: Any) -> Tensor:
        return x**3 * scale

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])
        ctx.scale = inputs[1]

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x**2 * ctx.scale, None

    @staticmethod
    def jvp(ctx: Any, t: Tensor, _: Any) -> Tensor:
        (x,) = ctx.saved_tensors
        return t * 3 * x**2 * ctx.scale


class Generated(Cube):
    generate_vmap_rule = True


class Batched(Cube):
    @staticmethod
    def vmap(info: Any, in_dims: Any, x: Tensor, scale: Any) -> Any:
        assert (info.batch_size, info.randomness, in_dims) == (3, "error", (0, None))
        return Cube.apply(x, scale), 0


X = pyrite.tensor([1.0, 2.0, 3.0], dtype=pyrite.float64)


def test_custom_functions_in_transforms() -> None:
    assert func.jvp(lambda x: Cube.apply(x, 2), (X,), (X,))[1].tolist() == [6, 48, 162]
    assert func.grad(lambda x: Cube.apply(x, 2).sum())(X).tolist() == [6, 24, 54]
    for kind in (Generated, Batched):
        assert func.vmap(lambda x, kind=kind: kind.apply(x, 2))(X).tolist() == [2, 16, 54]
        slope = func.grad(lambda x, kind=kind: kind.apply(x, 2))
        assert func.vmap(slope)(X).tolist() == [6, 24, 54]
    assert func.vmap(lambda x: func.jvp(lambda v: Generated.apply(v, 2), (x,), (x,))[1])(
        X
    ).tolist() == [6, 48, 162]
    w = X[0].clone().requires_grad_()
    func.vmap(lambda x: Generated.apply(w, 2) * x)(X).sum().backward()
    assert w.grad.item() == 36


def test_what_custom_functions_in_transforms_lack() -> None:
    class Old(pyrite.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 2

    class Plain(Old):
        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return x * 2

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

    with pytest.raises(RuntimeError, match="must override the setup_context"):
        func.vmap(Old.apply)(X)
    with pytest.raises(RuntimeError, match="does not have vmap support"):
        func.vmap(Plain.apply)(X)
    with pytest.raises(NotImplementedError, match="implement the jvp function"):
        func.jvp(Plain.apply, (X,), (X,))


# ---- hooks on saved tensors, checkpoints


def test_hooks_see_what_is_saved() -> None:
    x = pyrite.tensor([1.0, 2.0, 3.0], requires_grad=True)
    seen: list[Any] = []

    def pack(t: Tensor) -> Any:
        seen.append(tuple(t.shape))
        return t.detach().numpy().copy()

    with saved_tensors_hooks(pack, pyrite.tensor):
        y = (x * 2).exp()
        loss = pyrite.stack([(y * x).max(0)[0], y.sum()]).sum()
    loss.backward()
    plain = x.detach().requires_grad_()
    y = (plain * 2).exp()
    pyrite.stack([(y * plain).max(0)[0], y.sum()]).sum().backward()
    assert x.grad.equal(plain.grad)
    assert seen == [(3,), (3,), (3,), ()]


def test_hooks_that_change_the_values() -> None:
    x = pyrite.tensor([2.0], requires_grad=True)
    with saved_tensors_hooks(lambda t: t, lambda t: t * 10):
        (g,) = pyrite.autograd.grad(x * x * x, x, create_graph=True)
    assert g.item() == 40 + 20 * (20 + 20)
    with saved_tensors_hooks(lambda t: t, lambda t: t), save_on_cpu():
        (g,) = pyrite.autograd.grad(x.exp() * x, x, create_graph=True)
    (h,) = pyrite.autograd.grad(g, x)
    np.testing.assert_allclose(h.item(), 4 * np.exp(2), rtol=1e-6)


def test_hooks_refuse() -> None:
    x = pyrite.ones(2, requires_grad=True)
    refused = pytest.raises(RuntimeError, match="no hooks here")
    with disable_saved_tensors_hooks("no hooks here"), refused:
        saved_tensors_hooks(lambda t: t, lambda t: t).__enter__()
    with saved_tensors_hooks(lambda t: 1, lambda p: p):
        y = x * x
    with pytest.raises(TypeError, match="expected to be a Tensor but got result of type int"):
        y.sum().backward()
    refused = pytest.raises(RuntimeError, match="modifying its input in place")
    with refused, saved_tensors_hooks(lambda t: t.add_(1), lambda p: p):
        x.exp()


def test_increment_version() -> None:
    x, w = pyrite.ones(2), pyrite.ones(2, requires_grad=True)
    y = x * w
    increment_version(x)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


@pytest.mark.parametrize("reentrant", [True, False])
def test_checkpoint(reentrant: bool) -> None:
    w = pyrite.tensor([0.5, 0.25], requires_grad=True)
    calls = []

    def part(x: Tensor) -> Tensor:
        calls.append(1)
        return pyrite.nn.functional.dropout((x * w).exp(), 0.5)

    x = pyrite.tensor([1.0, 2.0], requires_grad=True)
    pyrite.manual_seed(0)
    part(x).sum().backward()
    want = (x.grad, w.grad)
    x.grad = w.grad = None
    pyrite.manual_seed(0)
    y = checkpoint(part, x, use_reentrant=reentrant)
    pyrite.rand(3)
    y.sum().backward()
    assert len(calls) == 3
    assert x.grad.equal(want[0])
    assert w.grad.equal(want[1])


def test_checkpoints_nest_and_differentiate_twice() -> None:
    x = pyrite.tensor([1.0, 2.0], dtype=pyrite.float64, requires_grad=True)

    def inner(u: Tensor, power: int = 2) -> Tensor:
        return (u**power).sin() * u

    def outer(v: Tensor) -> Tensor:
        return checkpoint(inner, v, power=3, use_reentrant=False) * v

    y = checkpoint(outer, x, use_reentrant=False)
    (g,) = pyrite.autograd.grad(y.sum(), x, create_graph=True)
    (h,) = pyrite.autograd.grad(g.sum(), x)
    plain = func.hessian(lambda v: (inner(v, 3) * v).sum())(x.detach())
    np.testing.assert_allclose(h.numpy(), plain.sum(0).numpy(), rtol=1e-12)


def test_checkpoint_sequential_and_errors() -> None:
    x = pyrite.tensor([1.0], requires_grad=True)
    steps = [lambda v: v * 2, pyrite.sin, lambda v: v * v, pyrite.exp]
    y = checkpoint_sequential(steps, 2, x, use_reentrant=False)
    y.backward()
    s = np.sin(2.0)
    np.testing.assert_allclose(x.grad.item(), np.exp(s * s) * 2 * s * np.cos(2.0) * 2, rtol=1e-5)
    with pytest.warns(UserWarning, match="use_reentrant"):
        checkpoint(pyrite.exp, x)
    with pytest.raises(ValueError, match="Unexpected keyword arguments: power"):
        checkpoint(pyrite.exp, x, use_reentrant=True, power=2)
    calls: list[int] = []

    def changing(v: Tensor) -> Tensor:
        calls.append(1)
        return v.exp() if len(calls) == 1 else v * 2

    with pytest.raises(CheckpointError, match="different number of tensors"):
        checkpoint(changing, x, use_reentrant=False).backward()
