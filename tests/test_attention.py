"""Attention: masks, dropout from the counter, memory, errors; torch as oracle."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite.backends.numpy import NumpyBackend
from pyrite.nn import functional as F

torch = pytest.importorskip("torch", reason="torch is the oracle")

RNG = np.random.default_rng(11)


def X(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape).astype("float32")


HOLES = RNG.random((5, 7)) > 0.4
HOLES[2] = False
# Operands (query, key and value), mask, further arguments.
SHAPES = ((2, 4, 5, 8), (2, 4, 7, 8), (2, 4, 7, 6))
CALLS: dict[str, tuple[tuple[tuple[int, ...], ...], Any, dict[str, Any]]] = {
    "plain": (SHAPES, None, {}),
    "matrices": (((5, 8), (7, 8), (7, 8)), None, {"scale": 0.1}),
    "no scale": (SHAPES, None, {"scale": 0.0}),
    "causal, more keys": (SHAPES, None, {"is_causal": True}),
    "causal, more queries": (((3, 9, 8), (3, 4, 8), (3, 4, 8)), None, {"is_causal": True}),
    "bool mask with a row of none": (SHAPES, HOLES, {}),
    "float mask with a row of none": (SHAPES, np.where(HOLES, X(5, 7), -np.inf), {}),
    "mask per key": (SHAPES, X(2, 1, 1, 7), {}),
    "mask per query": (SHAPES, X(5, 1), {}),
    "mask per head": (SHAPES, X(4, 5, 7), {}),
    "grouped heads": (((2, 6, 5, 8), (2, 2, 7, 8), (2, 3, 7, 8)), None, {"enable_gqa": True}),
    "one batch for all": (((2, 4, 5, 8), (1, 4, 7, 8), (1, 1, 7, 8)), None, {}),
    "no keys": (((2, 5, 8), (2, 0, 8), (2, 0, 8)), None, {}),
    "no queries": (((2, 0, 8), (2, 5, 8), (2, 5, 8)), None, {}),
    "no batch": (((0, 5, 8), (0, 5, 8), (0, 5, 8)), None, {}),
    "more than a block": (((1, 2, 300, 16), (1, 2, 530, 16), (1, 2, 530, 8)), X(300, 530), {}),
    "causal blocks": (((1, 2, 600, 16), (1, 2, 600, 16), (1, 2, 600, 16)), None,
                      {"is_causal": True}),
}  # fmt: skip


def attend(library: Any, arrays: list[np.ndarray], mask: Any, options: Any, kind: str) -> Any:
    function = library.nn.functional.scaled_dot_product_attention
    dtype = getattr(library, kind)
    tensors = [library.from_numpy(a).to(dtype).requires_grad_() for a in arrays]
    if mask is not None:
        mask = library.from_numpy(mask)
        if mask.is_floating_point():
            mask = mask.to(dtype).requires_grad_()
    out = function(*tensors, attn_mask=mask, **options)
    (out.float().cos().sum()).backward()
    learned = [*tensors, mask] if mask is not None and mask.requires_grad else tensors
    return out, [t.grad for t in learned]


@pytest.mark.parametrize("kind", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("name", CALLS)
def test_values_and_gradients_equal_torch(name: str, kind: str) -> None:
    shapes, mask, options = CALLS[name]
    arrays = [X(*s) for s in shapes]
    mask = mask if mask is None or mask.dtype == bool else mask.astype("float32")
    got, grads = attend(pyrite, arrays, mask, options, kind)
    want, wanted = attend(torch, arrays, mask, options, kind)
    limit = {"float32": 2e-5, "float64": 1e-6, "bfloat16": 5e-2}[kind]
    assert str(got.dtype).split(".")[1] == kind
    for a, b in zip([got, *grads], [want, *wanted], strict=True):
        assert tuple(a.shape) == tuple(b.shape)
        left, right = a.detach().double().numpy(), b.detach().double().numpy()
        np.testing.assert_allclose(left, right, rtol=limit, atol=limit)


@pytest.mark.parametrize("kernels", [True, False])
def test_dropout_is_that_of_the_weights_and_backward_draws_it_again(
    kernels: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    q, k, v = (pyrite.from_numpy(X(2, 3, n, 8)).requires_grad_() for n in (40, 50, 50))
    pyrite.manual_seed(5)
    out = F.scaled_dot_product_attention(q, k, v, dropout_p=0.3)
    grads = pyrite.autograd.grad(out.cos().sum(), (q, k, v))
    pyrite.manual_seed(5)
    weights = F.dropout(pyrite.softmax(q @ k.mT / 8**0.5, -1), 0.3)
    again = weights @ v
    wanted = pyrite.autograd.grad(again.cos().sum(), (q, k, v))
    for a, b in zip([out, *grads], [again, *wanted], strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-4, atol=1e-5)


def test_second_derivative_with_dropout_and_mask() -> None:
    q, k, v = (pyrite.from_numpy(X(2, n, 3)).double().requires_grad_() for n in (4, 5, 5))
    mask = pyrite.from_numpy(X(4, 5)).double().requires_grad_()

    def function(*operands: Any) -> Any:
        pyrite.manual_seed(3)
        return F.scaled_dot_product_attention(*operands, dropout_p=0.4)

    assert pyrite.autograd.gradcheck(function, (q, k, v, mask))
    assert pyrite.autograd.gradgradcheck(function, (q, k, v, mask))


def peak(length: int, heads: int, width: int) -> int:
    """Bytes allocated at most during forward and backward, beyond the operands."""
    q, k, v = (pyrite.from_numpy(X(heads, length, width)).requires_grad_() for _ in range(3))
    g = pyrite.ones_like(q)
    F.scaled_dot_product_attention(q[:, :2], k, v).backward(g[:, :2])  # compiled before
    tracemalloc.start()
    F.scaled_dot_product_attention(q, k, v, is_causal=True).backward(g)
    found = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return found


@pytest.mark.parametrize("compiled", [True, False])
def test_memory_is_linear_in_the_length(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The result, three gradients and the buffers of a fixed size; all weights would be 134 MB."""
    if not compiled:
        monkeypatch.setattr(NumpyBackend, "kernels", lambda self: {})
        for name in ("attention", "attention_grad"):
            monkeypatch.setattr(pyrite._ops.TABLE[name], "bound", {})
    length, heads, width = 4096, 2, 16
    operand = 4 * heads * length * width
    assert peak(length, heads, width) < 12 * operand + (16 << 20)
    assert 4 * heads * length**2 >= 128 << 20


ERRORS: list[tuple[type[Exception], str, tuple[Any, ...], dict[str, Any]]] = [
    (RuntimeError, "at least 2 dimensional", ((8,), (7, 8), (7, 8)), {}),
    (RuntimeError, "same number of features", ((5, 8), (7, 6), (7, 8)), {}),
    (RuntimeError, "same length", ((5, 8), (7, 8), (6, 8)), {}),
    (RuntimeError, "is_causal", ((5, 8), (7, 8), (7, 8)), {"attn_mask": (5, 7), "is_causal": True}),
    (RuntimeError, "does not broadcast", ((5, 8), (7, 8), (7, 8)), {"attn_mask": (2, 5, 7)}),
    (RuntimeError, "must divide", ((6, 5, 8), (4, 7, 8), (4, 7, 8)), {"enable_gqa": True}),
    (RuntimeError, "between 0 and 1", ((5, 8), (7, 8), (7, 8)), {"dropout_p": 1.5}),
]


@pytest.mark.parametrize(("kind", "text", "shapes", "options"), ERRORS)
def test_errors(kind: Any, text: str, shapes: Any, options: dict[str, Any]) -> None:
    for library in (pyrite, torch):
        operands = [library.zeros(s) for s in shapes]
        given = {n: library.zeros(o) if n == "attn_mask" else o for n, o in options.items()}
        with pytest.raises(kind, match=text if library is pyrite else None):
            library.nn.functional.scaled_dot_product_attention(*operands, **given)


MASK = np.triu(np.full((5, 5), -np.inf), 1)
SHORT = np.arange(5) > np.array([[2], [4], [3]])  # padding of a batch of 3
ENCODERS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"norm_first": True, "activation": "gelu"}, {"mask": MASK}),
    ({"batch_first": True}, {"mask": MASK, "is_causal": True}),
    ({"batch_first": True, "bias": False}, {"src_key_padding_mask": SHORT}),
    ({"layer_norm_eps": 0.1}, {"mask": MASK < 0, "src_key_padding_mask": SHORT}),
]


def _copied(theirs: Any, ours: Any) -> None:
    """torch's weights; names and text form are equal."""
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    assert repr(ours) == repr(theirs)
    ours.load_state_dict({k: pyrite.from_numpy(v.numpy().copy()) for k, v in state.items()})


def _results(layer: Any, library: Any, arrays: list[np.ndarray], masks: dict[str, Any]) -> Any:
    inputs = [library.from_numpy(a).double().requires_grad_() for a in arrays]
    wrapped = {n: library.from_numpy(m) if isinstance(m, np.ndarray) else m
               for n, m in masks.items()}  # fmt: skip
    out = layer(*inputs, **wrapped)
    (out * out.cos()).sum().backward()
    return [out, *[t.grad for t in (*inputs, *layer.parameters())]]


def _same(ours: Any, theirs: Any, arrays: list[np.ndarray], masks: dict[str, Any]) -> None:
    _copied(theirs, ours)
    got, want = _results(ours, pyrite, arrays, masks), _results(theirs, torch, arrays, masks)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=1e-7, atol=1e-9)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("options", "masks"), ENCODERS)
def test_encoder_equals_torch(options: Any, masks: Any, training: bool) -> None:
    layers = []
    for nn in (pyrite.nn, torch.nn):
        layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, **options)
        layers.append(nn.TransformerEncoder(layer, 2, nn.LayerNorm(8)).double().train(training))
    shape = (3, 5, 8) if options.get("batch_first") else (5, 3, 8)
    _same(*layers, [X(*shape)], masks)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor is True")
@pytest.mark.parametrize("batch", [True, False])
@pytest.mark.parametrize("options", [
    {}, {"norm_first": True, "batch_first": True}, {"bias": False, "activation": "gelu"},
])  # fmt: skip
def test_encoder_and_decoder_equal_torch(options: Any, batch: bool) -> None:
    layers = [nn.Transformer(8, 2, 1, 2, 12, 0.0, **options).double()
              for nn in (pyrite.nn, torch.nn)]  # fmt: skip
    masks: dict[str, Any] = {"tgt_mask": MASK, "tgt_is_causal": True, "memory_mask": MASK[:, :4]}
    shapes: list[tuple[int, ...]] = [(4, 8), (5, 8)]
    if batch:
        masks |= {"src_key_padding_mask": SHORT[:, :4], "tgt_key_padding_mask": SHORT}
        first = options.get("batch_first")
        shapes = [(3, n, 8) if first else (n, 3, 8) for n in (4, 5)]
        masks |= {"tgt_mask": MASK < 0}
    _same(*layers, [X(*s) for s in shapes], masks)


def test_transformer_starts_as_torch_does_and_tells_what_does_not_fit() -> None:
    nn, made = pyrite.nn, pyrite.nn.Transformer.generate_square_subsequent_mask(4)
    np.testing.assert_array_equal(made, MASK[:4, :4].astype("float32"))
    model = nn.Transformer(16, 2, 1, 1, 32)
    spread = model.encoder.layers[0].linear1.weight.std().item()
    assert spread == pytest.approx((2 / 48) ** 0.5, rel=0.15)
    with pytest.raises(RuntimeError, match="batch number"):
        model(pyrite.zeros(4, 2, 16), pyrite.zeros(4, 3, 16))
    with pytest.raises(RuntimeError, match="d_model 16, got 8"):
        model(pyrite.zeros(4, 2, 8), pyrite.zeros(4, 2, 16))
    with pytest.raises(RuntimeError, match="relu/gelu"):
        nn.TransformerEncoderLayer(8, 2, activation="tanh")


def test_the_causal_hint_spares_the_mask() -> None:
    layer = pyrite.nn.MultiheadAttention(8, 2).eval()
    x, mask = pyrite.from_numpy(X(5, 1, 8)), pyrite.from_numpy(MASK.astype("float32"))
    plain = layer(x, x, x, attn_mask=mask, need_weights=False)[0]
    hinted = layer(x, x, x, attn_mask=mask, need_weights=False, is_causal=True)[0]
    shown, weights = layer(x, x, x, attn_mask=mask, is_causal=True)
    for other in (hinted, shown):
        np.testing.assert_allclose(other.detach(), plain.detach(), rtol=1e-5, atol=1e-6)
    assert weights.triu(1).count_nonzero() == 0


def test_switches_of_attention() -> None:
    from pyrite.nn.attention import SDPBackend, sdpa_kernel

    x = pyrite.from_numpy(X(2, 3, 4))
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        inside = F.scaled_dot_product_attention(x, x, x)
    assert inside.equal(F.scaled_dot_product_attention(x, x, x))
    with pytest.raises(AssertionError, match="SDPBackend"), sdpa_kernel("math"):  # type: ignore[arg-type]
        pass
