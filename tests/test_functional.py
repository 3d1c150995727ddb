"""Composites of `nn.functional` against torch: values, first and second derivatives, errors."""

from __future__ import annotations

import itertools
import warnings
import zlib
from typing import Any

import numpy as np
import pytest

import pyrite
import pyrite.nn.functional as F

torch = pytest.importorskip("torch", reason="torch is the oracle")

Row = tuple[str, tuple[Any, ...], dict[str, Any]]
RNG = np.random.default_rng(7)


def X(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape)


def I(high: int, *shape: int, low: int = 0) -> np.ndarray:  # noqa: E743
    return RNG.integers(low, high, shape)


def _attention(shape: Any, source: Any, weights: Any, **options: Any) -> Row:
    query, key = X(*shape), X(*source)
    fixed = (8, 2, weights, X(24), None, None, False, 0.0, X(8, 8), X(8))
    options.setdefault("training", False)
    return "multi_head_attention_forward", (query, key, key, *fixed), options


_SEPARATE = {"use_separate_proj_weight": True, "q_proj_weight": X(8, 8), "k_proj_weight": X(8, 8),
             "v_proj_weight": X(8, 8)}  # fmt: skip
_LOG = np.log(RNG.dirichlet(np.ones(4), (6, 3)))
_ENDS, _LABELS = np.array([6, 5, 4]), np.array([3, 0, 2])

ROWS: list[Row] = [
    *[("interpolate", (X(2, 2, *[4, 5, 3][:n]),), {"size": 6, "mode": mode})
      for n, mode in ((1, "area"), (2, "area"), (3, "area"), (3, "trilinear"), (1, "linear"))],
    *[("interpolate", (X(1, 2, 4, 5),), {"scale_factor": 1.6, "mode": "bicubic",
       "recompute_scale_factor": again}) for again in (None, True)],
    *[("grid_sample", (X(2, 3, 4, 5), RNG.uniform(-1.6, 1.6, (2, 3, 2, 2)), mode, padding, corners),
       {}) for mode, padding, corners in itertools.product(
           ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (False, True))],
    ("grid_sample", (X(1, 2, 3, 4, 2), RNG.uniform(-1.3, 1.3, (1, 2, 3, 2, 3))),
     {"align_corners": False}),
    ("affine_grid", (X(2, 2, 3), (2, 1, 3, 4)), {"align_corners": True}),
    ("affine_grid", (X(2, 3, 4), (2, 1, 3, 1, 2)), {"align_corners": False}),
    ("unfold", (X(2, 3, 5, 6), (2, 3), 1, (1, 0), 2), {}), ("unfold", (X(3, 5, 6), 3), {}),
    ("fold", (X(2, 12, 9), (4, 4), 2), {}), ("fold", (X(12, 9), (4, 4), (2, 2)), {}),
    ("pixel_shuffle", (X(2, 8, 3, 4), 2), {}), ("pixel_unshuffle", (X(3, 4, 6), 2), {}),
    ("channel_shuffle", (X(2, 6, 3), 3), {}),
    ("conv_tbc", (X(6, 2, 3), X(3, 3, 4), X(4), 1), {}),
    ("fractional_max_pool2d", (X(2, 3, 7, 8), 2, (3, 4)),
     {"_random_samples": RNG.random((2, 3, 2)), "return_indices": True}),
    ("fractional_max_pool3d", (X(1, 2, 6, 7, 6), 2),
     {"output_ratio": 0.5, "_random_samples": RNG.random((1, 2, 3))}),
    *[("embedding_bag", (I(7, 9), X(7, 3), np.array([0, 2, 2, 7])),
       {"mode": mode, "padding_idx": pad, "include_last_offset": last})
      for mode in ("sum", "mean", "max") for pad, last in ((None, False), (2, True))],
    ("embedding_bag", (I(7, 4, 3), X(7, 3)), {"mode": "sum", "per_sample_weights": X(4, 3)}),
    *[("ctc_loss", (_LOG, I(4, 3, 3, low=1), _ENDS, _LABELS), {"reduction": how})
      for how in ("none", "sum", "mean")],
    ("ctc_loss", (_LOG, I(4, 5, low=1), _ENDS, _LABELS), {"zero_infinity": True}),
    ("ctc_loss", (_LOG, np.array([[1, 1, 1]] * 3), np.array([3, 5, 6]), np.array([3, 3, 3])),
     {"reduction": "none"}),
    ("linear_cross_entropy", (X(5, 3), X(4, 3), I(4, 5)), {"linear_bias": X(4)}),
    ("linear_cross_entropy", (X(5, 3), X(4, 2, 3), I(4, 5, 2)), {"ignore_index": 1}),
    _attention((4, 3, 8), (5, 3, 8), X(24, 8)),
    _attention((4, 3, 8), (5, 3, 8), X(24, 8), attn_mask=X(6, 4, 5), average_attn_weights=False),
    _attention((4, 8), (5, 8), X(24, 8), key_padding_mask=np.arange(5) > 3, need_weights=False),
    _attention((4, 3, 8), (5, 3, 8), None, key_padding_mask=X(3, 5), **_SEPARATE),
    ("max_unpool2d", (X(1, 2, 2, 2), np.array([[[[0, 3], [9, 14]]] * 2]), 2), {}),
    *[("pad", (X(2, 3, *[4, 5, 3][:n]), (1, 2) * n), {"mode": mode})
      for n in (1, 2, 3) for mode in ("reflect", "replicate", "circular")],
    *[(f"conv_transpose{n}d", (X(2, 4, *[4, 5, 3][:n]), X(4, 3, *[3] * n), X(6)),
       {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}) for n in (1, 2, 3)],
    ("conv3d", (X(1, 2, 4, 4, 4), X(3, 2, 2, 2, 2)), {"padding": "same", "dilation": 2}),
]  # fmt: skip

ERRORS: list[Row] = [
    ("interpolate", (X(1, 2, 3),), {}), ("interpolate", (X(1, 2, 3), 4), {"scale_factor": 2}),
    ("interpolate", (X(1, 2, 3), 4), {"mode": "bilinear"}),
    ("interpolate", (X(1, 2, 3), (4, 4)), {}), ("interpolate", (X(1, 2, 3), 0), {}),
    ("interpolate", (X(1, 2, 3), 4), {"align_corners": True}),
    ("interpolate", (X(1, 2, 3), 4), {"mode": "linear", "antialias": True}),
    ("interpolate", (X(1, 2, 3), 4), {"mode": "cube"}),
    ("grid_sample", (X(1, 1, 2, 2), X(1, 2, 2, 3)), {"align_corners": True}),
    ("grid_sample", (X(1, 1, 2, 2), X(2, 2, 2, 2)), {"align_corners": True}),
    ("grid_sample", (X(1, 1, 2, 2), X(1, 2, 2, 2), "cubic"), {}),
    ("affine_grid", (X(1, 2, 3), (1, 1, 2)), {"align_corners": True}),
    ("affine_grid", (X(1, 3, 3), (1, 1, 2, 2)), {"align_corners": True}),
    ("unfold", (X(1, 1, 2, 2), 3), {}),
    ("fold", (X(1, 5, 4), (3, 3), 2), {}), ("fold", (X(1, 4, 5), (3, 3), 2), {}),
    ("pixel_shuffle", (X(3, 2, 2), 2), {}), ("pixel_unshuffle", (X(3, 3, 2), 2), {}),
    ("channel_shuffle", (X(1, 3, 2), 2), {}),
    ("fractional_max_pool2d", (X(1, 4, 4), 2), {}),
    ("fractional_max_pool2d", (X(1, 4, 4), 3, 3), {}),
    ("embedding_bag", (I(3, 4), X(3, 2)), {}),
    ("embedding_bag", (I(3, 4), X(3, 2), np.array([1])), {}),
    ("embedding_bag", (I(3, 2, 2), X(3, 2)), {"mode": "prod"}),
    ("embedding_bag", (I(3, 2, 2), X(3, 2)), {"per_sample_weights": X(2, 2)}),
    ("ctc_loss", (_LOG, I(4, 3, 3, low=1), _ENDS[:2], _LABELS), {}),
    ("ctc_loss", (_LOG, I(4, 3, 3, low=1), _ENDS + 1, _LABELS), {}),
    ("ctc_loss", (_LOG, I(4, 3, 3, low=1), _ENDS, _LABELS), {"blank": 4}),
    ("linear_cross_entropy", (X(5, 3), X(4, 2), I(4, 5)), {}),
    _attention((4, 3, 7), (5, 3, 7), X(24, 7)),
    _attention((4, 3, 8), (5, 8), X(24, 8)),
    _attention((4, 3, 8), (5, 3, 8), X(24, 8), is_causal=True),
    _attention((4, 3, 8), (5, 3, 8), X(24, 8), attn_mask=X(5, 4)),
]  # fmt: skip


def _call(module: Any, wrap: Any, row: Row) -> tuple[list[Any], list[Any]]:
    """The results, and the operands that have a gradient."""
    name, args, kwargs = row
    leaves: list[Any] = []

    def convert(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            return value
        leaf = wrap(value.copy())
        if value.dtype.kind == "f" and not name.startswith("fractional"):
            leaves.append(leaf.requires_grad_())
        return leaf

    given = [convert(a) for a in args], {k: convert(v) for k, v in kwargs.items()}
    out = getattr(module, name)(*given[0], **given[1])
    out = out if isinstance(out, tuple) else (out,)
    return [o for o in out if o is not None], leaves


def _derivatives(grad: Any, wrap: Any, outs: list[Any], leaves: list[Any], seed: int) -> list[Any]:
    """Gradients of the outputs that have one, for random cotangents."""
    outs = [o for o in outs if o.requires_grad]
    if not outs:
        return []
    rng = np.random.default_rng(seed)
    cotangents = [wrap(rng.standard_normal(tuple(o.shape))) for o in outs]
    return list(grad(outs, leaves, cotangents, allow_unused=True, create_graph=True))


def _id(row: Row) -> str:
    return f"{row[0]}-{'-'.join(str(v) for v in row[2].values() if isinstance(v, str | bool))}"


@pytest.mark.parametrize("row", ROWS, ids=_id)
def test_value_and_derivatives_equal_torch(row: Row) -> None:
    theirs, their_leaves = _call(torch.nn.functional, torch.from_numpy, row)
    ours, leaves = _call(F, pyrite.from_numpy, row)
    assert [tuple(o.shape) for o in ours] == [tuple(t.shape) for t in theirs]
    for o, t in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(o.detach().numpy(), t.detach().numpy(), rtol=1e-9, atol=1e-10)
    if not all(bool(torch.isfinite(t).all()) for t in theirs if t.is_floating_point()):
        return  # torch's gradient of an infinite loss is NaN
    seed = zlib.crc32(row[0].encode())
    first = _derivatives(pyrite.autograd.grad, pyrite.from_numpy, ours, leaves, seed)
    wanted = _derivatives(torch.autograd.grad, torch.from_numpy, theirs, their_leaves, seed)
    for g, w in zip(first, wanted, strict=True):
        if g is not None or w is not None:
            np.testing.assert_allclose(
                0.0 if g is None else g.detach().numpy(),
                0.0 if w is None else w.detach().numpy(), rtol=1e-7, atol=1e-8,
            )  # fmt: skip


SMOOTH = [r for r in ROWS if r[0] in ("interpolate", "unfold", "fold", "ctc_loss", "embedding_bag")]
SMOOTH += [r for r in ROWS if r[0] == "grid_sample" and r[1][2:3] != ("nearest",)][::5]


@pytest.mark.parametrize("row", SMOOTH, ids=_id)
def test_second_derivative_numerically(row: Row) -> None:
    if row[0] == "ctc_loss":  # over log_softmax, as its gradient takes for granted
        row = (row[0], (_LOG, *row[1][1:]), row[2])

    def function(*operands: Any) -> Any:
        rest = list(operands)
        if row[0] == "ctc_loss":
            rest[0] = rest[0].log_softmax(2)
        args = [rest.pop(0) if _floats(a) else a for a in map(_fixed, row[1])]
        kwargs = {k: rest.pop(0) if _floats(v) else _fixed(v) for k, v in row[2].items()}
        return getattr(F, row[0])(*args, **kwargs)

    leaves = [
        pyrite.from_numpy(a.copy()).requires_grad_()
        for a in (*row[1], *row[2].values())
        if _floats(a)
    ]
    if bool(pyrite.isfinite(function(*leaves)).all()):
        assert pyrite.autograd.gradgradcheck(function, leaves, eps=1e-5, atol=1e-4)


def _floats(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _fixed(value: Any) -> Any:
    ints = isinstance(value, np.ndarray) and value.dtype.kind != "f"
    return pyrite.from_numpy(value) if ints else value


@pytest.mark.parametrize("row", ERRORS, ids=_id)
def test_errors_have_torch_s_class(row: Row) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as theirs:
            _call(torch.nn.functional, torch.from_numpy, row)
        with pytest.raises(theirs.type):
            _call(F, pyrite.from_numpy, row)


def test_gumbel_softmax() -> None:
    logits = pyrite.randn(400, 3, dtype=pyrite.float64).requires_grad_()
    soft = F.gumbel_softmax(logits, tau=0.5)
    np.testing.assert_allclose(soft.detach().sum(1).numpy(), 1.0)
    hard = F.gumbel_softmax(logits, hard=True)
    values = hard.detach().numpy()
    assert set(values.round(12).ravel()) == {0.0, 1.0}
    np.testing.assert_array_equal(values.sum(1).round(12), 1.0)
    (grad,) = pyrite.autograd.grad(hard[:, 0].sum(), [logits])
    assert float(grad.abs().sum()) > 0
    draws = F.gumbel_softmax(pyrite.zeros(4000, 2) + pyrite.tensor([0.0, 1.0]), hard=True)
    assert abs(float(draws[:, 1].mean()) - 0.731) < 0.03


def test_gradient_by_frequency() -> None:
    weight = pyrite.eye(4).requires_grad_()
    bags = pyrite.tensor([[0, 1], [1, 2]])
    F.embedding_bag(bags, weight, mode="sum", scale_grad_by_freq=True).sum().backward()
    assert weight.grad is not None
    assert weight.grad[:, 0].tolist() == [1.0, 1.0, 1.0, 0.0]  # each row's mean, not its sum


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
def test_sampling_at_no_number_equals_torch(mode: str, padding: str) -> None:
    image, points = X(1, 2, 3, 3), np.array([[[[np.nan, 0.3], [0.2, 0.1], [np.inf, 0.0]]]])
    got, want = (
        module.grid_sample(wrap(image), wrap(points), mode, padding, False).numpy()
        for module, wrap in ((F, pyrite.from_numpy), (torch.nn.functional, torch.from_numpy))
    )
    np.testing.assert_allclose(got, want, rtol=1e-12)


def test_old_names_warn() -> None:
    x = pyrite.rand(1, 1, 2, 2)
    for name in ("upsample", "upsample_nearest", "upsample_bilinear"):
        with pytest.warns(UserWarning, match="Use `nn.functional.interpolate` instead"):
            assert getattr(F, name)(x, scale_factor=2).shape == (1, 1, 4, 4)
    with pytest.warns(UserWarning, match="align_corners=False"):
        F.affine_grid(pyrite.rand(1, 2, 3), (1, 1, 2, 2))
