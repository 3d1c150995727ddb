"""Errors of element-wise ops, reductions and order: torch's class, and what was wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pyrite
import pyrite.nn.functional as functional

X = pyrite.tensor([[1.0, 2.0], [3.0, 4.0]])
WHOLE = pyrite.tensor([1, 2])
FLAGS = pyrite.tensor([True, False])
EMPTY = pyrite.zeros(0, 3)

CASES: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: X + pyrite.zeros(3), RuntimeError, r"must match the size of tensor b \(3\)"),
    (lambda: pyrite.add(WHOLE, WHOLE, alpha=0.5), RuntimeError, "alpha"),
    (lambda: FLAGS - FLAGS, RuntimeError, "not implemented for bool"),
    (lambda: -FLAGS, RuntimeError, "not implemented for bool"),
    (lambda: X & 1, RuntimeError, "not implemented for float32"),
    (lambda: WHOLE // 0, RuntimeError, "ZeroDivisionError"),
    (lambda: WHOLE % 0, RuntimeError, "ZeroDivisionError"),
    (lambda: WHOLE**-1, RuntimeError, "negative integer powers"),
    (lambda: pyrite.div(X, X, rounding_mode="up"), RuntimeError, "'trunc', or 'floor'"),
    (lambda: X.clamp(), RuntimeError, "'min' or 'max'"),
    (lambda: pyrite.where(WHOLE, X, X), RuntimeError, "boolean tensor"),
    (lambda: X.masked_fill(X > 1, X), RuntimeError, "0-dimensional"),
    (lambda: pyrite.isclose(X, WHOLE), RuntimeError, "same dtype"),
    (lambda: pyrite.polygamma(-1, X), RuntimeError, "negative n"),
    (lambda: pyrite.exp("text"), TypeError, "must be Tensor, not str"),
    (lambda: functional.gelu(X, approximate="best"), RuntimeError, "none or tanh"),
    (lambda: functional.glu(pyrite.zeros(3)), RuntimeError, "must be even"),
    (lambda: functional.softshrink(X, -1.0), RuntimeError, "greater or equal to 0"),
    (lambda: functional.hardtanh(X, 1.0, -1.0), ValueError, "cannot be greater"),
    (lambda: functional.prelu(X, pyrite.zeros(3)), RuntimeError, "channel size = 2"),
    (lambda: X.sum(2), IndexError, r"range of \[-2, 1\], but got 2"),
    (lambda: X.sum((0, -2)), RuntimeError, "multiple times"),
    (lambda: WHOLE.mean(), RuntimeError, r"\.float\(\)"),
    (lambda: WHOLE.std(), RuntimeError, "floating point"),
    (lambda: EMPTY.max(), RuntimeError, "numel"),
    (lambda: EMPTY.max(0), IndexError, "non-zero size"),
    (lambda: EMPTY.argmax(), IndexError, "numel"),
    (lambda: pyrite.aminmax(EMPTY), RuntimeError, "reduction dim"),
    (lambda: pyrite.aminmax(EMPTY, dim=0), IndexError, "non-zero size"),
    (lambda: X.norm("max"), ValueError, "'fro'"),
    (lambda: X.topk(3), RuntimeError, "out of range: k=3 of 2"),
    (lambda: X.kthvalue(0), RuntimeError, "out of range"),
    (lambda: X.sort(dim=2), IndexError, "but got 2"),
    (lambda: pyrite.quantile(X, 1.5), RuntimeError, r"\[0, 1\]"),
    (lambda: pyrite.searchsorted(X, pyrite.zeros(3, 1)), RuntimeError, "must match"),
    (lambda: pyrite.bucketize(X, X), RuntimeError, "1 dimension"),
    (lambda: pyrite.bincount(X), RuntimeError, "non-negative integral"),
    (lambda: pyrite.histc(X, 0), RuntimeError, "bins"),
    (lambda: pyrite.diff(pyrite.tensor(1.0)), RuntimeError, "one-dimensional"),
]


@pytest.mark.parametrize(("call", "kind", "text"), CASES)
def test_error(call: Callable[[], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind, match=text):
        call()
