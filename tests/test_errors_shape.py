"""Wrong shapes, sizes and dimensions: the class of PyTorch's error, and what its text names."""

from collections.abc import Callable
from typing import Any

import pytest

import pyrite

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

# A call with a wrong argument -> the class of its error and a part of its text.
WRONG: list[tuple[Callable[[Any, Any], Any], type[Exception], str]] = [
    (lambda T, x: x.view(2, 4), RuntimeError, "shape '[2, 4]' is invalid for input of size 6"),
    (lambda T, x: x.view(-1, 4), RuntimeError, "shape '[-1, 4]' is invalid for input of size 6"),
    (lambda T, x: x.view(-1, -1), RuntimeError, "only one dimension can be inferred"),
    (lambda T, x: x.view(-2, 3), RuntimeError, "invalid shape dimension -2"),
    (lambda T, x: x.t().view(6), RuntimeError, "Use .reshape(...) instead"),
    (lambda T, x: x.view(2.0, 3), TypeError, "float"),
    (lambda T, x: T.zeros(0).view(-1, 0), RuntimeError, "is ambiguous"),
    (lambda T, x: x.reshape(4), RuntimeError, "shape '[4]' is invalid for input of size 6"),
    (lambda T, x: x.t().reshape(4, 2), RuntimeError, "shape '[4, 2]' is invalid"),
    (lambda T, x: x.flatten(1, 0), RuntimeError, "start_dim cannot come after end_dim"),
    (lambda T, x: x.unflatten(1, (2, 2)), RuntimeError, "don't multiply up to the size of dim 1"),
    (lambda T, x: x.squeeze(2), IndexError, "range of [-2, 1], but got 2"),
    (lambda T, x: x.unsqueeze(3), IndexError, "range of [-3, 2], but got 3"),
    (lambda T, x: x.transpose(0, 2), IndexError, "range of [-2, 1], but got 2"),
    (lambda T, x: x.permute(0, 0), RuntimeError, "duplicate dims"),
    (lambda T, x: x.permute(0, 1, 2), RuntimeError, "number of dimensions"),
    (lambda T, x: x[None].t(), RuntimeError, "self is 3D"),
    (lambda T, x: x[0].mT, RuntimeError, "Got 1-D tensor"),
    (lambda T, x: x.movedim((0, 1), (0,)), RuntimeError, "movedim"),
    (lambda T, x: x.expand(3, 3), RuntimeError, "must match the existing size (2)"),
    (lambda T, x: x.expand(3), RuntimeError, "number of sizes provided (1)"),
    (lambda T, x: x.expand(-1, 2, 3), RuntimeError, "non-existing dimension 0"),
    (lambda T, x: T.broadcast_tensors(x, x.t()), RuntimeError, ""),
    (lambda T, x: T.broadcast_shapes((2,), (3,)), RuntimeError, ""),
    (lambda T, x: x.select(0, 2), IndexError, "index 2 out of range"),
    (lambda T, x: x.narrow(1, 2, 2), RuntimeError, "exceeds dimension size (3)"),
    (lambda T, x: x.narrow(1, 0, -1), RuntimeError, "length must be non-negative"),
    (lambda T, x: x.diagonal(0, 1, 1), RuntimeError, "cannot be identical 1, 1"),
    (lambda T, x: x.unfold(0, 3, 1), RuntimeError, "maximum size for tensor at dimension 0 is 2"),
    (lambda T, x: x.as_strided((9,), (1,)), RuntimeError, "out of bounds for storage"),
    (lambda T, x: x.as_strided((2,), (-1,)), RuntimeError, "egative strides"),
    (lambda T, x: x.split([1, 2]), RuntimeError, "sum exactly to 2"),
    (lambda T, x: x.split(-1), RuntimeError, "non-negative"),
    (lambda T, x: x.chunk(0), RuntimeError, "greater than 0"),
    (lambda T, x: x.tensor_split(0), RuntimeError, "larger than 0"),
    (lambda T, x: x.hsplit(2), RuntimeError, "not divisible"),
    (lambda T, x: x[0].vsplit(1), RuntimeError, "at least 2 dimension"),
    (lambda T, x: T.tensor(1.0).unbind(), IndexError, "no dimensions"),
    (lambda T, x: T.cat([x, x[0]]), RuntimeError, "same number of dimensions: got 2 and 1"),
    (lambda T, x: T.cat([x, x[:, :2]]), RuntimeError, "Expected size 3 but got size 2"),
    (lambda T, x: T.cat([x, T.tensor(1.0)]), RuntimeError, "zero-dimensional tensor"),
    (lambda T, x: T.cat([x, 1.0]), TypeError, "element 1"),
    (lambda T, x: T.stack([x, x.t()]), RuntimeError, "[2, 3] at entry 0 and [3, 2] at entry 1"),
    (lambda T, x: x.repeat(2), RuntimeError, "repeat dims"),
    (lambda T, x: x.repeat_interleave(-1), RuntimeError, "non-negative"),
    (lambda T, x: x.flip(0, 0), RuntimeError, "multiple times"),
    (lambda T, x: x.roll((1, 2), 0), RuntimeError, "shifts and dimensions must align"),
    (lambda T, x: x.rot90(1, (0, 0)), RuntimeError, "different"),
    (lambda T, x: x[0].tril(), RuntimeError, "at least 2 dimensions"),
    (lambda T, x: T.diag(x[None]), RuntimeError, "Got 3D"),
    (lambda T, x: T.meshgrid(x, indexing="ij"), RuntimeError, "0D or 1D"),
    (lambda T, x: T.nn.functional.pad(x, (0, 3), "reflect"), RuntimeError, "less than"),
    (lambda T, x: T.nn.functional.pad(x, (-2, -2)), RuntimeError, "negative output size"),
    (lambda T, x: T.nn.functional.pad(x, (1, 1), "mirror"), NotImplementedError, "mirror"),
    (lambda T, x: x.fill_(x), RuntimeError, "0-dimension"),
    (lambda T, x: x.copy_(T.ones(3, 2)), RuntimeError, "must match"),
    (lambda T, x: x.copy_([1.0]), TypeError, "must be Tensor, not list"),
    (lambda T, x: T.zeros(2, dtype=T.uint8).fill_(300), RuntimeError, "without overflow"),
    (lambda T, x: x.resize_(-1), RuntimeError, "negative"),
    (lambda T, x: x[:, :2].view(T.float64), RuntimeError, ""),
]


@pytest.mark.parametrize(("call", "kind", "text"), WRONG, ids=[str(i) for i in range(len(WRONG))])
def test_error(call: Callable[[Any, Any], Any], kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as error:
        call(pyrite, pyrite.ones(2, 3))
    assert error.type is kind
    assert text in str(error.value)
    if torch is not None:
        with pytest.raises(Exception) as theirs:
            call(torch, torch.ones(2, 3))
        assert theirs.type is kind
