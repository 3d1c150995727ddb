"""Samples of softmax and log-softmax."""

from typing import Any

from . import A, S, samples


def _softmax_grad(g: Any, y: Any, dim: int) -> Any:
    return y * (g - (g * y).sum(dim, True))


def _log_softmax_grad(g: Any, y: Any, dim: int) -> Any:
    return g - y.exp() * g.sum(dim, True)


_INPUTS = [
    (A((3, 5)), 1),
    (A((3, 5)), 0),
    (A((2, 3, 4)), -2),
    (A((4, 3), layout="T"), -1),
    (A((3, 4), layout="step"), 1),
    (A(()), 0),
    (A((0, 3)), 1),
    (A((2, 3), values=[[1e4, 1e4 + 1, -1e4], [0.0, float("-inf"), 1.0]], grad=False), 1),
]

samples(
    softmax=[S(*i) for i in _INPUTS],
    log_softmax=[S(*i) for i in _INPUTS],
    softmax_grad=[S(A((3, 5)), A((3, 5)), dim, torch=_softmax_grad) for dim in (0, -1)],
    log_softmax_grad=[S(A((3, 5)), A((3, 5)), dim, torch=_log_softmax_grad) for dim in (0, -1)],
)
