"""NumPy's functions on Tensors: what torch gives, and gradients where torch raises."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite._tensor import Tensor

MATRIX = np.arange(6.0).reshape(2, 3) / 4 + 0.25
VECTOR = np.array([0.5, 1.5, -1.0])

# (function of one operand; the same function is called on an array, which is the oracle)
CALLS: dict[str, Callable[[Any], Any]] = {
    "sin": np.sin,
    "add": lambda t: np.add(t, 1),
    "subtract": lambda t: np.subtract(1, t),
    "divide": lambda t: np.divide(t, 2),
    "power": lambda t: np.power(t, 2),
    "maximum": lambda t: np.maximum(t, 0.6),
    "matmul": lambda t: np.matmul(t, VECTOR),
    "concatenate": lambda t: np.concatenate([t, t]),
    "stack": lambda t: np.stack([t, t], axis=1),
    "sum": np.sum,
    "sum axis": lambda t: np.sum(t, axis=0),
    "mean": np.mean,
    "mean kept": lambda t: np.mean(t, axis=1, keepdims=True),
    "max": np.max,
    "max axis": lambda t: np.max(t, axis=1),
    "std": np.std,
    "var": lambda t: np.var(t, axis=0, ddof=1),
    "where": lambda t: np.where(t > 0.6, t, 0.0),
    "clip": lambda t: np.clip(t, 0.3, 1.0),
    "reshape": lambda t: np.reshape(t, (3, 2)),
    "transpose": np.transpose,
    "dot": lambda t: np.dot(t, VECTOR),
    "prod": np.prod,
    "cumsum": lambda t: np.cumsum(t, axis=1),
    "split": lambda t: np.split(t, 3, axis=1)[1],
    "tile": lambda t: np.tile(t, 2),
    "repeat": lambda t: np.repeat(t, 2, axis=0),
    "expand_dims": lambda t: np.expand_dims(t, 0),
    "squeeze": np.squeeze,
    "flip": lambda t: np.flip(t, axis=0),
    "roll": lambda t: np.roll(t, 1, axis=1),
    "sort": lambda t: np.sort(t, axis=1),
    "median": lambda t: np.median(t),
    "einsum": lambda t: np.einsum("ij->j", t),
    "outer": lambda t: np.outer(t[0], t[1]),
    "take": lambda t: np.take(t, [1, 0], axis=1),
    "diff": lambda t: np.diff(t),
    "trace": np.trace,
    "add.reduce": lambda t: np.add.reduce(t),
    "add.accumulate": lambda t: np.add.accumulate(t, axis=1),
    "array first": lambda t: VECTOR * t,
    "array last": lambda t: t - VECTOR,
    "scalar": lambda t: np.float64(2) * t,
    "norm": lambda t: np.sqrt(np.sum(np.square(t))),
}


@pytest.mark.parametrize("name", CALLS)
def test_values_with_a_gradient(name: str) -> None:
    """The result is a Tensor with history; its values are NumPy's."""
    t = pyrite.tensor(MATRIX, requires_grad=True)
    got = CALLS[name](t)
    assert type(got) is Tensor
    assert got.requires_grad
    np.testing.assert_allclose(got.detach().numpy(), CALLS[name](MATRIX), rtol=1e-12)
    assert pyrite.autograd.grad(got.sum(), t)[0].shape == t.shape


@pytest.mark.parametrize("name", CALLS)
def test_values_without_a_gradient(name: str) -> None:
    got = CALLS[name](pyrite.tensor(MATRIX))
    np.testing.assert_allclose(np.asarray(got), CALLS[name](MATRIX), rtol=1e-12)


@pytest.mark.parametrize("name", CALLS)
def test_kind_of_result_is_torchs(name: str) -> None:
    """On a CPU tensor without gradient: Tensor, array or scalar, and dtype, where torch can."""
    torch = pytest.importorskip("torch", reason="the oracle")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            want = CALLS[name](torch.tensor(MATRIX))
    except (TypeError, ValueError):
        pytest.skip("torch raises")
    got = CALLS[name](pyrite.tensor(MATRIX))
    assert isinstance(got, Tensor) == isinstance(want, torch.Tensor)
    assert str(got.dtype).split(".")[-1] == str(want.dtype).split(".")[-1]


def test_derivative_through_numpy() -> None:
    t = pyrite.tensor(VECTOR, requires_grad=True)
    np.sum(np.exp(t) * 2).backward()
    np.testing.assert_allclose(t.grad.numpy(), 2 * np.exp(VECTOR))


def test_integers_follow_numpy_in_a_function_and_torch_beside_an_array() -> None:
    t = pyrite.arange(3)
    assert np.sin(t).dtype is pyrite.float64
    assert (np.float32(2) * t).dtype is pyrite.float32
    assert (np.ones(3, np.int32) * pyrite.ones(3)).dtype is pyrite.float32


def test_out_may_be_an_array_or_a_tensor() -> None:
    t, array, target = pyrite.ones(3), np.zeros(3, np.float32), pyrite.zeros(3)
    assert np.add(t, 1, out=array) is array
    assert array[0] == 2
    assert np.add(t, array, out=target) is target
    assert target[0] == 3
    array += t
    assert array[0] == 3


def test_a_function_without_counterpart_refuses_gradients() -> None:
    with pytest.raises(RuntimeError, match="detach"):
        np.convolve(pyrite.ones(3, requires_grad=True), np.ones(2))
    with pytest.raises(TypeError):
        np.cbrt(pyrite.ones(3, requires_grad=True))
