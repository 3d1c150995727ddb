"""Composites against torch: value, dtype and gradient of every sample call."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from composites import arithmetic, movement
from samples import Sample
from test_ops import _build, _compare, _leaves, _pyrite, _torch

import pyrite

torch = pytest.importorskip("torch", reason="the oracle")
pytestmark = pytest.mark.filterwarnings("ignore:index_reduce:UserWarning")
CALLS: dict[str, list[Sample]] = arithmetic.CALLS | movement.CALLS
CASES = [
    pytest.param(n, s, id=f"{n}-{i}") for n, calls in CALLS.items() for i, s in enumerate(calls)
]


def _run(module: Any, name: str, sample: Sample, kind: str, grads: bool) -> tuple[Any, list[Any]]:
    make = (_pyrite("cpu", kind, grads) if module is pyrite else _torch(kind, grads))  # fmt: skip
    args, kwargs, wanted = _build(sample, name, kind, make)
    if isinstance(kwargs.get("dtype"), str):
        kwargs["dtype"] = getattr(module, kwargs["dtype"])
    if isinstance(kwargs.get("spacing"), list):
        kwargs["spacing"] = [
            _build(Sample((v,)), name, kind, make)[0][0] for v in kwargs["spacing"]
        ]
    return getattr(module, name)(*args, **kwargs), wanted


@pytest.mark.parametrize(("name", "sample"), CASES)
@pytest.mark.parametrize("kind", ["float32", "float64"])
def test_value_and_dtype(name: str, sample: Sample, kind: str) -> None:
    want, _ = _run(torch, name, sample, kind, False)
    got, _ = _run(pyrite, name, sample, kind, False)
    _compare(got, want, kind)


def _gradients(module: Any, name: str, sample: Sample) -> list[np.ndarray]:
    """Gradients of the weighted sum of all floating results."""
    out, wanted = _run(module, name, sample, "float64", True)
    rng, total = np.random.default_rng(zlib.crc32(name.encode())), 0.0
    for leaf in _leaves(out):
        weight = module.from_numpy(np.array(rng.standard_normal(tuple(leaf.shape))))
        if leaf.requires_grad:
            total = total + (leaf * weight).sum()
    if not wanted or isinstance(total, float):
        return []
    grads = module.autograd.grad(total, wanted, allow_unused=True)
    return [np.zeros(tuple(w.shape)) if g is None else g.numpy() for w, g in zip(wanted, grads)]


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_gradient(name: str, sample: Sample) -> None:
    want, got = (_gradients(module, name, sample) for module in (torch, pyrite))
    assert len(want) == len(got)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-9)
