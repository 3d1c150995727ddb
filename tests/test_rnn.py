"""Recurrent layers, cells and packed sequences against torch from the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite import Tensor, nn
from pyrite.nn.utils import rnn

torch = pytest.importorskip("torch", reason="the oracle is not installed")

LAYERS: list[tuple[str, dict[str, Any]]] = [
    ("LSTM", {}), ("LSTM", {"proj_size": 2, "bidirectional": True}), ("LSTM", {"bias": False}),
    ("GRU", {}), ("GRU", {"bidirectional": True, "batch_first": True}), ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "bidirectional": True}),
]  # fmt: skip


def _pair(name: str, **options: Any) -> tuple[Any, Any]:
    theirs = getattr(torch.nn, name)(3, 5, **options).double()
    ours = getattr(nn, name)(3, 5, **options).double()
    assert repr(ours) == repr(theirs)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict({k: pyrite.from_numpy(v.numpy().copy()) for k, v in state.items()})
    return ours, theirs


def _flat(result: Any) -> list[Any]:
    if hasattr(result, "detach"):
        return [result]
    found = [getattr(result, "data", None)] if hasattr(result, "batch_sizes") else list(result)
    return [x for item in found for x in _flat(item)]


def _same(ours: Any, theirs: Any, x: Tensor, y: Any, modules: tuple[Any, Any]) -> None:
    """Results, and the gradients of the input and of every weight."""
    for a, b in zip(_flat(ours), _flat(theirs), strict=True):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-11, atol=1e-13)
    sum(r.sin().sum() for r in _flat(ours)).backward()
    sum(r.sin().sum() for r in _flat(theirs)).backward()
    pairs = [(x, y), *zip(modules[0].parameters(), modules[1].parameters(), strict=True)]
    for a, b in pairs:
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("name", "options"), LAYERS)
@pytest.mark.parametrize("kind", ["batched", "unbatched", "packed", "with state"])
def test_layers_equal_torch(name: str, options: dict[str, Any], kind: str) -> None:
    ours, theirs = _pair(name, num_layers=2, **options)
    values = np.random.default_rng(0).normal(size=(7, 3) if kind == "unbatched" else (7, 4, 3))
    x = pyrite.from_numpy(values.copy()).requires_grad_()
    y = torch.from_numpy(values.copy()).requires_grad_()
    mine: list[Any] = [x]
    other: list[Any] = [y]
    if kind == "packed":
        lengths = [3, 4, 1, 2, 4, 3, 1] if options.get("batch_first") else [3, 7, 1, 5]
        settings = {"batch_first": options.get("batch_first", False), "enforce_sorted": False}
        mine = [rnn.pack_padded_sequence(x, lengths, **settings)]
        other = [torch.nn.utils.rnn.pack_padded_sequence(y, lengths, **settings)]
    elif kind == "with state":
        batch = 7 if options.get("batch_first") else 4
        rows = 4 if options.get("bidirectional") else 2
        sizes = [(rows, batch, options.get("proj_size") or 5), (rows, batch, 5)]
        states = [np.random.default_rng(1).normal(size=s) for s in sizes[: 1 + (name == "LSTM")]]
        for given, module in ((mine, pyrite), (other, torch)):
            made = [module.from_numpy(s.copy()) for s in states]
            given.append(tuple(made) if name == "LSTM" else made[0])
    _same(ours(*mine), theirs(*other), x, y, (ours, theirs))


@pytest.mark.parametrize(("name", "options"), [
    ("LSTMCell", {}), ("GRUCell", {"bias": False}), ("RNNCell", {"nonlinearity": "relu"}),
])  # fmt: skip
@pytest.mark.parametrize("shape", [(4, 3), (3,)])
def test_cells_equal_torch(name: str, options: dict[str, Any], shape: tuple[int, ...]) -> None:
    ours, theirs = _pair(name, **options)
    values = np.random.default_rng(0).normal(size=shape)
    x = pyrite.from_numpy(values.copy()).requires_grad_()
    y = torch.from_numpy(values.copy()).requires_grad_()
    _same(ours(x, ours(x)), theirs(y, theirs(y)), x, y, (ours, theirs))


def test_packing_there_and_back() -> None:
    sequences = [pyrite.arange(float(n)).reshape(n, 1) + 10 * n for n in (2, 4, 1)]
    packed = rnn.pack_sequence(sequences, enforce_sorted=False)
    assert packed.batch_sizes.tolist() == [3, 2, 1, 1]
    assert packed.sorted_indices.tolist() == [1, 0, 2]
    assert packed.data.reshape(-1).tolist() == [40.0, 20.0, 10.0, 41.0, 21.0, 42.0, 43.0]
    for a, b in zip(rnn.unpack_sequence(packed), sequences, strict=True):
        assert a.equal(b)
    padded, lengths = rnn.pad_packed_sequence(packed, padding_value=-1.0, total_length=5)
    assert padded[:, 2, 0].tolist() == [10.0, -1.0, -1.0, -1.0, -1.0]
    assert lengths.tolist() == [2, 4, 1]
    assert packed.double().data.dtype is pyrite.float64
    left = rnn.pad_sequence(sequences, batch_first=True, padding_side="left")
    assert left[0, :, 0].tolist() == [0.0, 0.0, 20.0, 21.0]


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: nn.LSTM(3, 0), ValueError, "hidden_size must be greater than zero"),
    (lambda: nn.LSTM(3.0, 4), TypeError, "input_size should be of type int, got: float"),
    (lambda: nn.GRU(3, 4, proj_size=2), ValueError, "only supported for LSTM"),
    (lambda: nn.RNN(3, 4, nonlinearity="sin"), ValueError, "Unknown nonlinearity 'sin'"),
    (lambda: nn.GRU(3, 4)(pyrite.ones(2, 2, 5)), RuntimeError, "Expected 3, got 5"),
    (lambda: nn.GRU(3, 4)(pyrite.ones(3)), ValueError, "Expected input to be 2D or 3D, got 1D"),
    (lambda: nn.GRU(3, 4)(pyrite.ones(2, 2, 3).double()), ValueError, "does not match weight"),
    (lambda: nn.GRU(3, 4)(pyrite.ones(2, 2, 3), pyrite.ones(1, 3, 4)), RuntimeError,
     r"Expected hidden size \(1, 2, 4\), got \[1, 3, 4\]"),
    (lambda: nn.LSTM(3, 4)(pyrite.ones(2, 3), (pyrite.ones(1, 1, 4),) * 2), RuntimeError,
     "hx and cx should also be 2-D"),
    (lambda: rnn.pack_padded_sequence(pyrite.ones(3, 2), [1, 2]), RuntimeError, "sorted"),
    (lambda: rnn.pack_padded_sequence(pyrite.ones(3, 2), [1, 0]), RuntimeError, "greater than 0"),
])  # fmt: skip
def test_errors(make: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        make()


def test_useless_dropout_warns() -> None:
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.LSTM(3, 4, dropout=0.5)
