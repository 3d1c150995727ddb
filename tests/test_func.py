"""`pyrite.func` and `autograd.functional` against torch's, composed, on an MLP and attention."""

from __future__ import annotations

import importlib
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyrite

torch = pytest.importorskip("torch", reason="torch is the oracle of this file")

# torch's own, from what its transforms import and how they batch.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:torch"),
]

RNG = np.random.default_rng(0)
X, W, V = RNG.standard_normal((3, 4)), RNG.standard_normal((4, 4)), RNG.standard_normal(4)
Pair = namedtuple("Pair", ["one", "two"])


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, tuple | list):
        return [leaf for v in value for leaf in leaves(v)]
    return [value]


def same(program: Callable[..., Any], *arrays: np.ndarray) -> None:
    """The program on both libraries: equal structure, values, and requires_grad."""
    ours = program(pyrite, pyrite.func, *[pyrite.tensor(a) for a in arrays])
    theirs = program(torch, torch.func, *[torch.tensor(a) for a in arrays])
    for a, b in zip(leaves(ours), leaves(theirs), strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        assert a.requires_grad == b.requires_grad
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-10)


def layer_norm(t: Any, x: Any, weight: Any = None) -> Any:
    """torch's own layer_norm drops terms of mixed second derivatives in some compositions."""
    if t is pyrite:
        return t.nn.functional.layer_norm(x, (4,), weight)
    centered = x - x.mean(-1, keepdim=True)
    y = centered / ((centered**2).mean(-1, keepdim=True) + 1e-5).sqrt()
    return y if weight is None else y * weight


def mlp(t: Any, w: Any, x: Any) -> Any:
    return ((x @ w).tanh() @ w.T).sin().sum()


def attention(t: Any, w: Any, x: Any) -> Any:
    f = t.nn.functional
    q, k = f.linear(x, w), f.linear(x, w.T, w[0])
    y = f.scaled_dot_product_attention(q[None], k[None], x[None])[0]
    return (f.softmax(layer_norm(t, y + x, w[1]), -1) * x).sum()


def convolution(t: Any, w: Any, x: Any) -> Any:
    f = t.nn.functional
    y = f.conv2d(x.reshape(1, 1, 3, 4), w.reshape(4, 1, 2, 2), w[0])
    return f.max_pool2d(y.tanh(), 2).pow(2).sum() + f.avg_pool2d(y, 2).exp().sum()


def losses(t: Any, w: Any, x: Any) -> Any:
    f = t.nn.functional
    target = t.tensor([0, 3, 1])
    a = f.cross_entropy(x @ w, target, label_smoothing=0.1)
    return a + f.mse_loss(x @ w, x) + f.nll_loss(f.log_softmax(x @ w, 1), target, reduction="sum")


FUNCTIONS = [mlp, attention, convolution, losses]
TRANSFORMS: dict[str, Callable[..., Any]] = {
    "grad": lambda f, g, w, x: f.grad(g, argnums=(0, 1))(w, x),
    "grad_and_value": lambda f, g, w, x: f.grad_and_value(g)(w, x),
    "vjp": lambda f, g, w, x: f.vjp(g, w, x)[1](w.sum()),
    "jvp": lambda f, g, w, x: f.jvp(g, (w, x), (w.sin(), x.cos())),
    "linearize": lambda f, g, w, x: f.linearize(g, w, x)[1](w.sin(), x.cos()),
    "hessian": lambda f, g, w, x: f.hessian(g)(w, x),
    "hessian of both": lambda f, g, w, x: f.hessian(g, argnums=(0, 1))(w, x),
    "jacfwd of jacrev": lambda f, g, w, x: f.jacfwd(f.jacrev(g, argnums=1))(w, x),
    "jacrev of jacfwd": lambda f, g, w, x: f.jacrev(f.jacfwd(g))(w, x),
    "jacrev of jacrev": lambda f, g, w, x: f.jacrev(f.jacrev(g, argnums=1))(w, x),
    "jacfwd of jacfwd": lambda f, g, w, x: f.jacfwd(f.jacfwd(g))(w, x),
    "jacrev in chunks": lambda f, g, w, x: f.jacrev(f.grad(g), chunk_size=5)(w, x),
    "jvp of grad": lambda f, g, w, x: f.jvp(f.grad(g), (w, x), (w.sin(), x.cos())),
    "grad of jvp": lambda f, g, w, x: f.grad(lambda v: f.jvp(g, (w, v), (w, v.cos()))[1])(x),
    "vmap of grad": lambda f, g, w, x: f.vmap(f.grad(g), (None, 0))(w, stacked(x)),
    "vmap of hessian": lambda f, g, w, x: f.vmap(f.hessian(g, 1), (None, 0))(w, stacked(x)),
    "vmap of jvp": lambda f, g, w, x: f.vmap(lambda v: f.jvp(g, (w, v), (w, x)))(stacked(x)),
    "grad of vmap": lambda f, g, w, x: f.grad(
        lambda w: f.vmap(lambda v: g(w, v))(stacked(x)).prod()
    )(w),
    "vmap of vmap": lambda f, g, w, x: f.vmap(
        lambda v: f.vmap(f.grad(lambda u: g(v, u)))(stacked(x))
    )(stacked(w)),
}  # fmt: skip


def stacked(x: Any) -> Any:
    t = pyrite if isinstance(x, pyrite.Tensor) else torch
    return t.stack([x, x.sin(), x * 0.5])


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.filterwarnings("ignore:.*performance drop:UserWarning")
def test_transforms_equal_torch(function: Any, transform: str) -> None:
    def program(t: Any, f: Any, w: Any, x: Any) -> Any:
        return TRANSFORMS[transform](f, lambda w, x: function(t, w, x), w, x)

    same(program, W, X)


def test_per_example_gradients_of_a_module() -> None:
    def program(t: Any, f: Any, x: Any, *weights: Any) -> Any:
        nn = t.nn
        model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
        params = dict(zip(dict(model.named_parameters()), weights, strict=True))

        def loss(params: Any, x: Any, y: Any) -> Any:
            out = f.functional_call(model, params, (x[None],))
            return nn.functional.cross_entropy(out, y[None])

        labels = t.tensor([0, 2, 1])
        rows = f.vmap(f.grad(loss), in_dims=(None, 0, 0))(params, x, labels)
        curvature = f.hessian(loss)(params, x[0], labels[0])
        forward = f.jacfwd(f.jacrev(loss))(params, x[0], labels[0])
        return rows, curvature, forward

    sizes = [(5, 4), (5,), (3, 5), (3,)]
    same(program, X, *[RNG.standard_normal(s) for s in sizes])


def test_an_ensemble() -> None:
    def program(t: Any, f: Any, x: Any, w: Any) -> Any:
        models = [t.nn.Linear(4, 4).double() for _ in range(3)]
        with t.no_grad():
            for i, model in enumerate(models):
                model.weight.copy_(w * i)
                model.bias.copy_(w[i])
        params, buffers = f.stack_module_state(models)
        call = lambda p, b: f.functional_call(models[0], (p, b), (x,))  # noqa: E731
        return params["weight"], f.vmap(call)(params, buffers)

    same(program, X, W)


def test_structures_and_aux() -> None:
    def program(t: Any, f: Any, x: Any, w: Any) -> Any:
        def function(tree: Any, scale: Any) -> Any:
            return (tree["a"][0] @ tree["a"][1] * scale).sum(), {"aux": tree["a"][0] * 2}

        tree = {"a": (x, w)}
        gradient, aux = f.grad(function, has_aux=True)(tree, 2.0)
        both, (value, more) = f.grad_and_value(function, has_aux=True)(tree, 2.0)
        pair = f.jacrev(lambda v: Pair(v.sum(), v**2))(x)
        jacobian, _seen = f.jacfwd(lambda v: (v.sin(), v), has_aux=True)(x)
        out, pull, extra = f.vjp(lambda a, b: ({"y": a @ b}, a), x, w, has_aux=True)
        return gradient, aux, both, value, more, pair, jacobian, out, pull(out), extra

    same(program, X, W)


def test_history_from_outside_is_kept() -> None:
    def program(t: Any, f: Any, x: Any, w: Any) -> Any:
        w = w.requires_grad_()
        g = f.grad(lambda v: ((v @ w) ** 3).sum())(x)
        value, pull = f.vjp(lambda v: v @ w, x)
        with t.no_grad():
            plain = f.grad(lambda v: (v @ w).sum())(x)
        inner = t.autograd.grad(g.sum() + pull(value)[0].sum(), w)
        return g, plain, inner, f.grad(lambda v: (v**2).sum())(x)

    same(program, X, W)


ERRORS: list[Callable[..., Any]] = [
    lambda t, f, x: f.grad(lambda a: a)(x),
    lambda t, f, x: f.grad(lambda a: 1)(x),
    lambda t, f, x: f.grad(lambda a: a.sum())(x.long()),
    lambda t, f, x: f.grad(lambda a: a)(1.0),
    lambda t, f, x: f.grad(lambda a: a, argnums=3)(x),
    lambda t, f, x: f.grad(lambda a: a, argnums="x")(x),
    lambda t, f, x: f.grad(lambda a: a, argnums=(0, 0))(x),
    lambda t, f, x: f.grad(lambda a: a.sum(), has_aux=True)(x),
    lambda t, f, x: f.vjp(lambda a: a * 2, x)[1](t.ones(2)),
    lambda t, f, x: f.vjp(lambda a: 1, x),
    lambda t, f, x: f.jvp(lambda a: a, x, x),
    lambda t, f, x: f.jvp(lambda a: a, (x,), (x[0],)),
    lambda t, f, x: f.jvp(lambda a: a, (x,), (x, x)),
    lambda t, f, x: f.jvp(lambda a: 1, (x,), (x,)),
    lambda t, f, x: f.jacrev(lambda a: 1)(x),
    lambda t, f, x: f.jacfwd(lambda a: 1)(x),
    lambda t, f, x: f.functional_call(linear(t), {"weight": 3}, (x,)),
    lambda t, f, x: f.functional_call(linear(t), 3, (x,)),
    lambda t, f, x: f.functional_call(linear(t), ({"weight": x}, {"weight": x}), (x,)),
    lambda t, f, x: f.functional_call(linear(t), {"weight": x}, (x,), strict=True),
    lambda t, f, x: f.functional_call(linear(t), {"other": x}, (x,), strict=True),
    lambda t, f, x: f.functional_call(tied(t), {"weight": x, "again": -x}, (x,)),
    lambda t, f, x: f.stack_module_state([]),
    lambda t, f, x: f.stack_module_state([linear(t), t.nn.ReLU()]),
    lambda t, f, x: f.stack_module_state([linear(t), linear(t).eval()]),
]  # fmt: skip


def linear(t: Any) -> Any:
    return t.nn.Linear(4, 4).double()


def tied(t: Any) -> Any:
    model = linear(t)
    model.again = model.weight
    return model


def both_raise(program: Callable[..., Any], *spaces: Any) -> None:
    with pytest.raises(Exception) as theirs:
        program(torch, spaces[1], torch.tensor(X))
    with pytest.raises(theirs.type) as ours:
        program(pyrite, spaces[0], pyrite.tensor(X))
    assert ours.type is theirs.type
    start = str(theirs.value).split("torch")[0][:25]
    assert str(ours.value).startswith(start) or "structure" in str(theirs.value)


@pytest.mark.parametrize("program", ERRORS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_errors_are_torchs(program: Any) -> None:
    both_raise(program, pyrite.func, torch.func)


def cube(x: Any) -> Any:
    return (x**3).sin()


def two(x: Any, w: Any) -> Any:
    return (x @ w) ** 2, (w * 3).sum()


def scalar(x: Any, w: Any) -> Any:
    return ((x @ w) ** 3).sum()


OPTIONS: list[dict[str, Any]] = [
    {}, {"vectorize": True}, {"create_graph": True},
    {"strategy": "forward-mode", "vectorize": True},
]  # fmt: skip
FUNCTIONAL: list[Callable[..., Any]] = [
    lambda a, x, w: a.vjp(cube, x, x),
    lambda a, x, w: a.vjp(two, (x, w), (x, w[0, 0])),
    lambda a, x, w: a.jvp(two, (x, w), (x, w)),
    lambda a, x, w: a.vhp(scalar, (x, w), (x, w)),
    lambda a, x, w: a.hvp(scalar, (x, w), (x, w)),
    lambda a, x, w: a.hvp(lambda x: scalar(x, x.T), x, x),
    lambda a, x, w: a.vjp(lambda x: x.sum(), x, strict=True),
    *[lambda a, x, w, o=o: a.jacobian(cube, x, **o) for o in OPTIONS],
    *[lambda a, x, w, o=o: a.jacobian(two, (x, w), **o) for o in OPTIONS],
    *[
        lambda a, x, w, o=o: a.hessian(
            scalar, (x, w), **{k.replace("strategy", "outer_jacobian_strategy"): o[k] for k in o}
        )
        for o in OPTIONS
    ],
]  # fmt: skip


def functional(t: Any) -> Any:
    return importlib.import_module(f"{t.__name__}.autograd.functional")


@pytest.mark.parametrize("program", FUNCTIONAL)
def test_autograd_functional(program: Any) -> None:
    same(lambda t, f, x, w: program(functional(t), x, w), X, W)


FUNCTIONAL_ERRORS: list[Callable[..., Any]] = [
    lambda t, a, x: a.vjp(cube, x),
    lambda t, a, x: a.jvp(cube, x),
    lambda t, a, x: a.vjp(cube, x, t.ones(3)),
    lambda t, a, x: a.vjp(cube, x, (x, x)),
    lambda t, a, x: a.jacobian(lambda v: 1, x),
    lambda t, a, x: a.jacobian(cube, 1),
    lambda t, a, x: a.jacobian(lambda v: t.ones(2), x, strict=True),
    lambda t, a, x: a.jacobian(two, (x, x.T), strict=True),
    lambda t, a, x: a.jacobian(cube, x, strategy="forward-mode"),
    lambda t, a, x: a.hessian(cube, x),
    lambda t, a, x: a.hessian(lambda v: v.sum(), x, strict=True),
]  # fmt: skip


@pytest.mark.parametrize("program", FUNCTIONAL_ERRORS)
def test_errors_of_autograd_functional(program: Any) -> None:
    both_raise(program, functional(pyrite), functional(torch))


def test_a_batch_of_cotangents() -> None:
    def program(t: Any, f: Any, x: Any, w: Any) -> Any:
        x = x.requires_grad_()
        y, seeds = (x**2) @ w, t.eye(12, dtype=x.dtype).reshape(12, 3, 4)
        rows = t.autograd.grad(y, x, seeds, is_grads_batched=True, create_graph=True)
        return rows, t.autograd.grad(rows[0].sum(), x)

    same(program, X, W)
