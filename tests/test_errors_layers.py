"""Errors of the layer functions: torch's class, and a message that names shapes and the fix."""

from collections.abc import Callable
from typing import Any

import pytest

import pyrite
from pyrite.nn import functional as F

X = (2, 3, 8, 8)


def _ones(*size: int) -> Any:
    return pyrite.ones(size)


def _labels(*values: int) -> Any:
    return pyrite.tensor(values)


CASES: list[tuple[type[Exception], str, Callable[[], Any]]] = [
    (RuntimeError, r"shapes cannot be multiplied \(2x3 and 4x5\)",
     lambda: pyrite.matmul(_ones(2, 3), _ones(4, 5))),
    (RuntimeError, r"\(2x3 and 4x5\).*expects inputs whose last size is 4",
     lambda: F.linear(_ones(2, 3), _ones(5, 4))),
    (RuntimeError, "cannot be multiplied", lambda: pyrite.bmm(_ones(2, 3, 4), _ones(2, 5, 4))),
    (RuntimeError, "expected input 1-D", lambda: pyrite.dot(_ones(2, 3), _ones(3))),
    (RuntimeError, "subscript i has size 3", lambda: pyrite.einsum("i,i->", _ones(2), _ones(3))),
    (RuntimeError, "to have 4 channels, but got 3", lambda: F.conv2d(_ones(*X), _ones(5, 4, 3, 3))),
    (RuntimeError, "Kernel size: \\(9 x 9\\)", lambda: F.conv2d(_ones(*X), _ones(5, 3, 9, 9))),
    (RuntimeError, "strided convolutions",
     lambda: F.conv2d(_ones(*X), _ones(5, 3, 3, 3), stride=2, padding="same")),
    (RuntimeError, "should be the same",
     lambda: F.conv2d(_ones(*X), _ones(5, 3, 3, 3).to(pyrite.float64))),
    (RuntimeError, "at most half", lambda: F.max_pool2d(_ones(*X), 2, padding=2)),
    (RuntimeError, "too small", lambda: F.avg_pool2d(_ones(*X), 9)),
    (ValueError, "more than 1 value per channel",
     lambda: F.batch_norm(_ones(1, 3), None, None, training=True)),
    (RuntimeError, "weight should contain 3 elements not 4",
     lambda: F.batch_norm(_ones(*X), None, None, _ones(4), training=True)),
    (RuntimeError, r"normalized_shape=\[4\], expected input with shape \[\*, 4\]",
     lambda: F.layer_norm(_ones(2, 3), (4,))),
    (RuntimeError, "divisible by num_groups", lambda: F.group_norm(_ones(*X), 2)),
    (IndexError, "Target 3 is out of bounds: there are 3 classes",
     lambda: F.cross_entropy(_ones(2, 3), _labels(0, 3))),
    (IndexError, "Target -1", lambda: F.nll_loss(_ones(2, 3), _labels(0, -1))),
    (ValueError, r"batch_size \(2\) to match target batch_size \(3\)",
     lambda: F.cross_entropy(_ones(2, 3), _labels(0, 1, 2))),
    (RuntimeError, "expected scalar type Long",
     lambda: F.cross_entropy(_ones(2, 3), _ones(2))),
    (ValueError, "avg is not a valid value for reduction",
     lambda: F.mse_loss(_ones(2), _ones(2), reduction="avg")),
    (ValueError, "must be the same as input size",
     lambda: F.binary_cross_entropy_with_logits(_ones(2, 1), _ones(2))),
    (RuntimeError, "between 0 and 1", lambda: F.binary_cross_entropy(_ones(2) * 2, _ones(2))),
    (IndexError, "valid indices are 0 to 3, got 4", lambda: F.embedding(_labels(4), _ones(4, 2))),
    (RuntimeError, "sparse=True", lambda: F.embedding(_labels(1), _ones(4, 2), sparse=True)),
    (RuntimeError, "smaller than num_classes", lambda: F.one_hot(_labels(0, 5), 3)),
    (ValueError, "between 0 and 1, but got 1.5", lambda: F.dropout(_ones(2), 1.5)),
    (IndexError, "Dimension out of range", lambda: pyrite.softmax(_ones(2, 3), 2)),
    (RuntimeError, "not implemented for int64", lambda: pyrite.softmax(_labels(1, 2), 0)),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "message", "call"), CASES)
def test_error(kind: type[Exception], message: str, call: Callable[[], Any]) -> None:
    with pytest.raises(kind, match=message) as caught:
        call()
    assert type(caught.value) is kind


def test_broadcasting_target_warns() -> None:
    with pytest.warns(UserWarning, match="different to the input size"):
        F.mse_loss(_ones(2, 1), _ones(2))


def test_max_norm_shrinks_rows_in_place() -> None:
    weight = _ones(3, 4)
    version = weight._version
    F.embedding(_labels(1, 1), weight, max_norm=1.0)
    assert weight._version > version
    norms = weight.norm(dim=1).tolist()
    assert norms == pytest.approx([2.0, 1.0, 2.0], rel=1e-5)


def test_running_statistics_are_torchs() -> None:
    torch = pytest.importorskip("torch", reason="the oracle")
    values = [[[float(i * j % 7 + k) for k in range(4)] for j in range(3)] for i in range(2)]
    ours, theirs = [pyrite.zeros(3), pyrite.ones(3)], [torch.zeros(3), torch.ones(3)]
    for _ in range(2):
        F.batch_norm(pyrite.tensor(values), *ours, training=True, momentum=0.3)
        torch.nn.functional.batch_norm(torch.tensor(values), *theirs, training=True, momentum=0.3)
    for a, b in zip(ours, theirs, strict=True):
        assert a.tolist() == pytest.approx(b.tolist(), rel=1e-5)
