"""Samples of the normalisations and their gradients."""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import A, S, samples

_rng = np.random.default_rng(7)


def gradient_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """An oracle: the gradients of `function(*inputs)` for a cotangent, differentiable in turn."""

    def oracle(g: Any, *inputs: Any) -> Any:
        import torch

        wanted = [x if x.requires_grad else x.detach().requires_grad_() for x in inputs]
        return torch.autograd.grad(function(*wanted), wanted, g, create_graph=True)

    return oracle


def _normalized(x: Any, dims: Any, eps: float) -> Any:
    """From primitives: third derivatives of torch's own layers take the statistics as constants."""
    x = x - x.mean(dims, keepdim=True)
    return x * ((x * x).mean(dims, keepdim=True) + eps).rsqrt()


def _layer_grad(g: Any, x: Any, mean: Any, rstd: Any, w: Any, shape: Any, eps: float) -> Any:
    w, b = x.new_ones(shape) if w is None else w, x.new_zeros(shape)
    dims = tuple(range(-len(shape), 0))
    return gradient_of(lambda x, w, b: _normalized(x, dims, eps) * w + b)(g, x, w, b)


def _batch(x: Any, w: Any, b: Any, eps: float) -> Any:
    import torch

    out = torch.nn.functional.batch_norm(x, None, None, w, b, True, 0.1, eps)
    dims = [d for d in range(x.ndim) if d != 1]
    var = x.detach().var(dims, unbiased=False)
    return out, x.detach().mean(dims), (var + eps).rsqrt()


def _given(x: Any, mean: Any, var: Any, w: Any, b: Any, eps: float) -> Any:
    shape = (-1, *[1] * (x.ndim - 2))
    out = (x - mean.reshape(shape)) / (var.reshape(shape) + eps).sqrt()
    out = out if w is None else out * w.reshape(shape)
    return out if b is None else out + b.reshape(shape)


def _batch_grad(g: Any, x: Any, w: Any, mean: Any, invstd: Any, eps: float) -> Any:
    n = x.shape[1]
    w, b = x.new_ones(n) if w is None else w, x.new_zeros(n)
    dims, shape = [d for d in range(x.ndim) if d != 1], (n, *[1] * (x.ndim - 2))

    def function(x: Any, w: Any, b: Any) -> Any:
        return _normalized(x, dims, eps) * w.reshape(shape) + b.reshape(shape)

    return gradient_of(function)(g, x, w, b)


def _layer_sample(shape: tuple[int, ...], normalized: tuple[int, ...], weighted: bool) -> Any:
    x = _rng.standard_normal(shape)
    dims = tuple(range(len(shape) - len(normalized), len(shape)))
    mean, var = x.mean(dims, keepdims=True), x.var(dims, keepdims=True)
    statistics = [A(v.shape, values=v, grad=False) for v in (mean, 1 / np.sqrt(var + 0.1))]
    weight = A(normalized) if weighted else None
    return S(A(shape), A(shape, values=x), *statistics, weight, normalized, 0.1, torch=_layer_grad)


def _batch_sample(shape: tuple[int, ...], weighted: bool) -> Any:
    x = _rng.standard_normal(shape)
    dims = tuple(d for d in range(len(shape)) if d != 1)
    statistics = [
        A(v.shape, values=v, grad=False) for v in (x.mean(dims), 1 / np.sqrt(x.var(dims) + 0.1))
    ]
    weight = A(shape[1:2]) if weighted else None
    return S(A(shape), A(shape, values=x), weight, *statistics, 0.1, torch=_batch_grad)


_LAYER = "nn.functional.layer_norm"

samples(
    layer_norm=[
        S(A((3, 5)), (5,), A((5,)), A((5,)), 1e-5, torch=_LAYER),
        S(A((2, 3, 4)), (3, 4), A((3, 4)), A((3, 4)), 0.1, torch=_LAYER),
        S(A((2, 3, 4)), (4,), None, None, 0.1, torch=_LAYER),
        S(A((2, 3, 4)), (4,), A((4,)), None, 0.1, torch=_LAYER),
        S(A((3, 4), layout="T"), (4,), A((4,)), A((4,)), 0.1, torch=_LAYER),
        S(A((4, 3, 1)), (3, 1), A((3, 1)), A((3, 1)), 0.1, torch=_LAYER),
    ],
    layer_norm_grad=[
        _layer_sample((3, 5), (5,), True),
        _layer_sample((2, 3, 4), (3, 4), True),
        _layer_sample((2, 3, 4), (4,), False),
    ],
    batch_norm_train=[
        S(A((5, 3)), A((3,)), A((3,)), 1e-5, torch=_batch),
        S(A((3, 2, 4)), A((2,)), A((2,)), 0.1, torch=_batch),
        S(A((2, 3, 3, 4)), None, None, 0.1, torch=_batch),
        S(A((2, 3, 3, 4), layout="T"), A((3,)), None, 0.1, torch=_batch),
    ],
    batch_norm_eval=[
        S(A((5, 3)), A((3,)), A((3,), low=0.5, high=2), A((3,)), A((3,)), 0.1, torch=_given),
        S(
            A((2, 3, 4, 2), layout="T"),
            A((3,)),
            A((3,), low=0.5, high=2),
            None,
            None,
            0.1,
            torch=_given,
        ),
    ],
    batch_norm_grad=[
        _batch_sample((5, 3), True),
        _batch_sample((2, 3, 3, 2), True),
        _batch_sample((3, 2, 4), False),
    ],
)
