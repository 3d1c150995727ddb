"""Samples of attention and its gradients."""

from typing import Any

import numpy as np

from . import A, S, samples
from .norm import gradient_of

NO_DRAWS = (0, 0)
BOOLS = np.array([[True, False, True, True, False], [False] * 5, [True, True, False, True, True]])
HOLES = np.where(BOOLS, 0.5, -np.inf)


def _plain(q: Any, k: Any, v: Any, m: Any, p: float, causal: bool, scale: float, *_: int) -> Any:
    """From primitives, as torch's own kernels differ in what they can differentiate twice."""
    import torch

    s = q @ k.transpose(-2, -1) * scale
    if causal:
        m = torch.ones(s.shape[-2:], dtype=torch.bool).tril()
    if m is not None:
        s = s.masked_fill(~m, float("-inf")) if m.dtype == torch.bool else s + m
    dead = (s == float("-inf")).all(-1, keepdim=True)
    s = s.masked_fill(dead, 0.0)
    return s.softmax(-1).masked_fill(dead, 0.0) @ v


def _grad(
    g: Any, q: Any, k: Any, v: Any, m: Any, out: Any, lse: Any, wanted: bool, *rest: Any
) -> Any:
    if wanted:
        return gradient_of(lambda q, k, v, m: _plain(q, k, v, m, *rest))(g, q, k, v, m)
    none = g[..., 0, :0]
    return *gradient_of(lambda q, k, v: _plain(q, k, v, m, *rest))(g, q, k, v), none


def _row(
    batch: tuple[int, ...], sizes: tuple[int, int, int, int], mask: Any = None,
    causal: bool = False, scale: float = 0.5, layout: str = "C", **options: Any,
) -> Any:  # fmt: skip
    length, keys, width, wide = sizes
    shapes = ((*batch, length, width), (*batch, keys, width), (*batch, keys, wide))
    operands = [A(shape, layout=layout) for shape in shapes]
    return S(*operands, mask, 0.0, causal, scale, *NO_DRAWS, torch=_plain, **options)


def _grad_row(batch: tuple[int, ...], mask: Any, causal: bool, wanted: bool) -> Any:
    rng = np.random.default_rng(3)
    q, k, v, g = (rng.standard_normal((*batch, n, w)) for n, w in ((3, 4), (5, 4), (5, 2), (3, 2)))
    s = q @ np.swapaxes(k, -1, -2) * 0.5
    if causal:
        s = np.where(np.tril(np.ones(s.shape[-2:])) > 0, s, -np.inf)
    elif mask is not None:
        s = np.where(mask.values, s, -np.inf) if mask.kind == "bool" else s + mask.values
    e = np.exp(s)
    total = e.sum(-1, keepdims=True)
    out = e @ v / np.where(total == 0, 1, total)
    lse = np.where(total == 0, np.inf, np.log(np.where(total == 0, 1, total)))[..., 0]
    arrays = [A(x.shape, values=x) for x in (g, q, k, v)]
    fixed = [A(x.shape, values=x, grad=False) for x in (out, lse)]
    return S(*arrays, mask, *fixed, wanted, 0.0, causal, 0.5, *NO_DRAWS, torch=_grad)


samples(
    attention=[
        _row((2, 3), (4, 5, 3, 2)),
        _row((), (3, 3, 2, 2), causal=True),
        _row((2,), (3, 5, 4, 4), causal=True, scale=-0.7, layout="T"),
        _row((2,), (5, 3, 4, 4), causal=True, layout="step"),
        _row((2, 2), (3, 5, 2, 3), A((3, 5), kind="bool", values=BOOLS)),
        _row((2, 2), (3, 5, 2, 3), A((3, 5), values=HOLES)),
        _row((2, 2), (3, 5, 2, 3), A((2, 1, 1, 5))),
        _row((2, 2), (3, 5, 2, 3), A((2, 3, 1))),
        _row((2, 2), (3, 5, 2, 3), A((5,))),
        _row((0, 2), (3, 5, 2, 3)),
        _row((2,), (0, 5, 2, 3)),
    ],
    attention_grad=[
        _grad_row((2, 2), None, False, False),
        _grad_row((2,), None, True, False),
        _grad_row((2,), A((3, 5), kind="bool", values=BOOLS), False, False),
        _grad_row((2, 2), A((2, 1, 3, 5), values=np.arange(30.0).reshape(2, 1, 3, 5) / 20), False,
                  True),
        _grad_row((2,), A((1, 5), values=np.arange(5.0).reshape(1, 5) / 5), False, True),
    ],
)  # fmt: skip
