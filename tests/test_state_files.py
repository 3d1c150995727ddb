"""The state of every layer that has one goes to torch and back through files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite import nn

torch = pytest.importorskip("torch", reason="the oracle is not installed")

ROWS, SERIES, IMAGE, BLOCK = (3, 6), (2, 4, 7), (2, 4, 6, 6), (2, 4, 5, 5, 5)
SEQUENCE = (5, 2, 6)
# name -> constructor arguments, options, and the shapes of the inputs ("int": indices below 4).
LAYERS: dict[str, tuple[tuple[Any, ...], dict[str, Any], tuple[Any, ...]]] = {
    "Linear": ((6, 5), {}, (ROWS,)),
    "Bilinear": ((6, 6, 2), {}, (ROWS, ROWS)),
    **{f"Conv{n}d": ((4, 6, 3), {}, (s,)) for n, s in enumerate((SERIES, IMAGE, BLOCK), 1)},
    **{
        f"ConvTranspose{n}d": ((4, 6, 3), {}, (s,)) for n, s in enumerate((SERIES, IMAGE, BLOCK), 1)
    },
    **{f"BatchNorm{n}d": ((4,), {}, (s,)) for n, s in enumerate((SERIES, IMAGE, BLOCK), 1)},
    **{
        f"InstanceNorm{n}d": ((4,), {"affine": True, "track_running_stats": True}, (s,))
        for n, s in enumerate((SERIES, IMAGE, BLOCK), 1)
    },
    "LayerNorm": ((6,), {}, (ROWS,)),
    "GroupNorm": ((2, 4), {}, (IMAGE,)),
    "RMSNorm": ((6,), {}, (ROWS,)),
    "PReLU": ((4,), {}, (IMAGE,)),
    "Embedding": ((4, 3), {"padding_idx": 1}, ("int",)),
    "EmbeddingBag": ((4, 3), {}, ("int",)),
    "RNN": ((6, 5, 2), {"nonlinearity": "relu"}, (SEQUENCE,)),
    "LSTM": ((6, 5, 2), {"bidirectional": True, "proj_size": 3}, (SEQUENCE,)),
    "GRU": ((6, 5), {"batch_first": True}, (SEQUENCE,)),
    "RNNCell": ((6, 5), {}, (ROWS,)),
    "LSTMCell": ((6, 5), {}, (ROWS,)),
    "GRUCell": ((6, 5), {}, (ROWS,)),
    "MultiheadAttention": ((6, 2), {"add_bias_kv": True}, (SEQUENCE, SEQUENCE, SEQUENCE)),
    "TransformerEncoderLayer": ((6, 2, 8), {"norm_first": True}, (SEQUENCE,)),
    "TransformerDecoderLayer": ((6, 2, 8), {}, (SEQUENCE, SEQUENCE)),
    "Transformer": ((6, 2, 1, 1, 8), {}, (SEQUENCE, SEQUENCE)),
}
BUILT = {
    "TransformerEncoder": lambda m: m.TransformerEncoder(
        m.TransformerEncoderLayer(6, 2, 8), 2, enable_nested_tensor=False
    ),
    "TransformerDecoder": lambda m: m.TransformerDecoder(m.TransformerDecoderLayer(6, 2, 8), 2),
    "AdaptiveLogSoftmaxWithLoss": lambda m: m.AdaptiveLogSoftmaxWithLoss(6, 8, [2, 4]),
    "SyncBatchNorm": lambda m: m.SyncBatchNorm(4),
    "LinearCrossEntropyLoss": lambda m: m.LinearCrossEntropyLoss(6, 4),
}
INPUTS = {"TransformerEncoder": (SEQUENCE,), "TransformerDecoder": (SEQUENCE, SEQUENCE)}


def _make(module: Any, name: str) -> Any:
    if name in BUILT:
        return BUILT[name](module).double().eval()
    args, options, _ = LAYERS[name]
    return getattr(module, name)(*args, **options).double().eval()


def _run(layer: Any, lib: Any, name: str) -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    shapes = LAYERS[name][2] if name in LAYERS else INPUTS.get(name, ())
    arrays = [rng.integers(0, 4, (2, 3)) if s == "int" else rng.normal(size=s) for s in shapes]
    if not arrays:
        return []
    out = layer(*[lib.from_numpy(a) for a in arrays])
    flat = [out] if hasattr(out, "detach") else [
        t for o in out for t in (o if isinstance(o, tuple) else (o,))
    ]  # fmt: skip
    return [t.detach().numpy() for t in flat]


@pytest.mark.filterwarnings(r"ignore::UserWarning:torch\..*")
@pytest.mark.parametrize("name", [*LAYERS, *(n for n in BUILT if hasattr(nn, n))])
def test_state_goes_both_ways_through_files(name: str, tmp_path: Path) -> None:
    theirs = _make(torch.nn, name)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pt")
    ours = _make(nn, name)
    ours.load_state_dict(pyrite.load(tmp_path / "theirs.pt"))
    want = _run(theirs, torch, name)
    for a, b in zip(_run(ours, pyrite, name), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
    pyrite.save(ours.state_dict(), tmp_path / "ours.pt")
    again = _make(torch.nn, name)
    state = torch.load(tmp_path / "ours.pt", weights_only=True)
    assert list(state) == list(theirs.state_dict())
    again.load_state_dict(state)
    for a, b in zip(_run(again, torch, name), want, strict=True):
        np.testing.assert_array_equal(a, b)
