"""Pointwise ops on random broadcast shapes, values drawn from each op's domain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

import pyrite
from pyrite._ops.table import TABLE, Op
from pyrite._tensor import F

torch = pytest.importorskip("torch", reason="compares with torch")

# For integers, with several outputs, or (the last three) without a derivative in torch.
OTHERWISE = {"gcd", "lcm", "nextafter", "ldexp", "frexp", "floor_divide", "igamma", "igammac"}
PLAIN = [
    op
    for op in TABLE.values()
    if op.kind == "pointwise"
    and len(op.params) == len(op.arrays) <= 2
    and hasattr(torch, op.name)
    and op.name not in OTHERWISE
    and not op.name.startswith("bitwise")
]


def _operands(op: Op, shapes: Any, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    domain = list(op.domain or ()) + [(None, None)] * len(shapes)
    out = []
    for shape, (low, high) in zip(shapes, domain):
        a = -2.0 if low is None else low + 0.05
        b = max(a, 0.0) + 3.0 if high is None else high - 0.05
        out.append(rng.uniform(a, b, shape))
    return out


@pytest.mark.parametrize("op", PLAIN, ids=lambda op: op.name)
@settings(max_examples=6, deadline=None, derandomize=True, database=None)
@given(data=st.data())
def test_values_and_gradients(op: Op, data: Any) -> None:
    shapes = data.draw(
        mutually_broadcastable_shapes(num_shapes=len(op.arrays), max_dims=4, min_side=0, max_side=5)
    ).input_shapes
    arrays = _operands(op, shapes, data.draw(st.integers(0, 999)))
    ours = [pyrite.from_numpy(a.copy()).requires_grad_(op.differentiable) for a in arrays]
    theirs = [torch.from_numpy(a.copy()).requires_grad_(op.differentiable) for a in arrays]
    got, want = getattr(F, op.name)(*ours), getattr(torch, op.name)(*theirs)
    assert tuple(got.shape) == tuple(want.shape)
    np.testing.assert_allclose(
        got.detach().numpy(), want.detach().numpy(), rtol=1e-7, atol=1e-9, equal_nan=True
    )
    if not want.requires_grad:
        return
    got.sum().backward()
    want.sum().backward()
    for a, b in zip(ours, theirs):
        if b.grad is None:
            continue
        np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(force=True), rtol=1e-6, atol=1e-8)
