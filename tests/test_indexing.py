"""Indexing as in PyTorch: reads, writes, gradients, which results are views, and what raises."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyrite

torch = pytest.importorskip("torch", reason="the oracle of indexing is PyTorch")

DATA = np.arange(24.0).reshape(2, 3, 4)

# Keys for a tensor (2, 3, 4), made with the namespace of each library.
KEYS: dict[str, Callable[[Any], Any]] = {
    "int": lambda T: 1,
    "negative": lambda T: (-1, -2, -3),
    "empty tuple": lambda T: (),
    "slices": lambda T: (slice(None), slice(1, None), slice(None, None, 2)),
    "beyond the end": lambda T: (slice(0, 9), slice(5, 9)),
    "negative slice": lambda T: (slice(-1, None), slice(None, -1)),
    "slice of tensors": lambda T: slice(T.tensor(0), T.tensor(1)),
    "none": lambda T: (None, 0, None, slice(None), None),
    "ellipsis": lambda T: (..., 1),
    "ellipsis inside": lambda T: (0, ..., slice(1, 3)),
    "only ellipsis": lambda T: ...,
    "0-d tensor": lambda T: (T.tensor(1), slice(None), T.tensor(-1)),
    "numpy int": lambda T: (np.int64(1), np.int32(0)),
    "tensor": lambda T: T.tensor([1, 0, 1]),
    "int32 tensor": lambda T: T.tensor([1, 0], dtype=T.int32),
    "negative tensor": lambda T: (slice(None), T.tensor([-1, 0])),
    "2-d tensor": lambda T: T.tensor([[1, 0], [0, 0]]),
    "empty tensor": lambda T: T.tensor([], dtype=T.int64),
    "two tensors": lambda T: (T.tensor([0, 1]), T.tensor([2, 0])),
    "broadcast tensors": lambda T: (T.tensor([[0], [1]]), slice(None), T.tensor([2, 0, 1])),
    "tensors apart": lambda T: (T.tensor([0, 1]), slice(None), T.tensor([2, 0])),
    "int and tensor": lambda T: (0, slice(None), T.tensor([3, 1])),
    "tensor and int": lambda T: (slice(None), T.tensor([2, 1]), 0),
    "int between": lambda T: (T.tensor([0, 1]), 1, T.tensor([2, 0])),
    "none between": lambda T: (T.tensor([0, 1]), None, T.tensor([2, 0])),
    "ellipsis and tensor": lambda T: (..., T.tensor([0, 3, 3])),
    "slice and tensor": lambda T: (slice(0, 1), T.tensor([0, 2])),
    "list": lambda T: [1, 0],
    "list inside": lambda T: (slice(None), [0, 2]),
    "list of bools": lambda T: (slice(None), [True, False, True]),
    "empty list": lambda T: [],
    "range": lambda T: range(1, 2),
    "array": lambda T: np.array([0, 1, 1]),
    "bool array": lambda T: np.array([True, False]),
    "mask": lambda T: T.tensor(DATA > 7),
    "mask in front": lambda T: T.tensor(DATA[..., 0] > 5),
    "1-d mask": lambda T: T.tensor([False, True]),
    "mask behind": lambda T: (slice(None), T.tensor(DATA[0] > 4)),
    "mask and tensor": lambda T: (T.tensor([True, True]), T.tensor([2, 0])),
    "mask and int": lambda T: (1, T.tensor([True, False, True])),
    "empty mask": lambda T: T.tensor(DATA < 0),
    "True": lambda T: True,
    "False": lambda T: (False, 0),
    "0-d mask": lambda T: (slice(None), T.tensor(True)),
    "byte mask": lambda T: T.tensor([0, 1], dtype=T.uint8),
}  # fmt: skip


def quietly(function: Callable[..., Any], *args: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*args)


@pytest.mark.parametrize("name", KEYS)
def test_reads_and_gradients(name: str) -> None:
    def read(T: Any) -> tuple[Any, ...]:
        x = T.tensor(DATA, requires_grad=True)
        y = x * 1
        out = y[KEYS[name](T)]
        weights = T.arange(out.numel(), dtype=T.float64).reshape(out.shape) + 1
        (out * out * weights).sum().backward()
        inside = y.data_ptr() <= out.data_ptr() < y.data_ptr() + 8 * y.numel()
        return out.tolist(), tuple(out.shape), x.grad.tolist(), out.numel() > 0 and inside

    assert quietly(read, pyrite) == quietly(read, torch)


@pytest.mark.parametrize("value", ["number", "tensor", "one", "gradient"])
@pytest.mark.parametrize("name", [k for k in KEYS if k != "byte mask"])
def test_writes(name: str, value: str) -> None:
    def write(T: Any) -> Any:
        x = T.tensor(DATA, requires_grad=True)
        key, y = KEYS[name](T), x.detach().clone() if value != "gradient" else x * 2
        shape = y[key].shape
        w = T.arange(-5.0, -5.0 - max(1, np.prod(shape)), -1.0, dtype=T.float64)
        w = w[: int(np.prod(shape))].reshape(shape).requires_grad_(value == "gradient")
        y[key] = {"number": 7, "one": T.full((1, 1), 3.5, dtype=T.float64)}.get(value, w)
        if value != "gradient":
            return y.tolist()
        y.sum().backward()
        return y.tolist(), x.grad.tolist(), w.grad.tolist()

    assert quietly(write, pyrite) == quietly(write, torch)


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "beyond the end": lambda T, x: x[2],
    "before the start": lambda T, x: x[-3],
    "beyond a later end": lambda T, x: x[0, :, 4],
    "too many": lambda T, x: x[0, 0, 0, 0],
    "too many tensors": lambda T, x: x[T.tensor([0]), 0, 0, 0],
    "of a scalar": lambda T, x: T.tensor(1.0)[0],
    "list of a scalar": lambda T, x: T.tensor(1.0)[[0]],
    "float": lambda T, x: x[1.5],
    "float slice": lambda T, x: x[0.5:],
    "float tensor": lambda T, x: x[T.tensor([0.0])],
    "int16 tensor": lambda T, x: x[T.tensor([0], dtype=T.int16)],
    "str": lambda T, x: x["a"],
    "negative step": lambda T, x: x[::-1],
    "zero step": lambda T, x: x[::0],
    "tensor beyond the end": lambda T, x: x[T.tensor([0, 2])],
    "tensor before the start": lambda T, x: x[:, T.tensor([-4])],
    "no broadcast": lambda T, x: x[T.tensor([0, 1]), T.tensor([0, 1, 2])],
    "mask of another size": lambda T, x: x[T.tensor([True])],
    "mask of more dimensions": lambda T, x: x[T.ones(2, 3, 4, 1, dtype=T.bool)],
    "list as a value": lambda T, x: x.__setitem__(0, [1.0]),
    "None as a value": lambda T, x: x.__setitem__(0, None),
    "value of another size": lambda T, x: x.__setitem__(0, T.ones(5)),
    "value of more dimensions": lambda T, x: x.__setitem__(0, T.ones(2, 3, 4)),
    "value for a mask": lambda T, x: x.__setitem__(x > 20, T.ones(5, dtype=T.float64)),
    "value of another dtype": lambda T, x: x.__setitem__(T.tensor([0]), T.ones(1)),
    "complex value": lambda T, x: x.__setitem__(0, 1j),
    "gather: negative": lambda T, x: x.gather(0, T.tensor([[[-1]]])),
    "gather: beyond": lambda T, x: x.gather(1, T.tensor([[[3]]])),
    "gather: dimensions": lambda T, x: x.gather(0, T.tensor([0])),
    "gather: too large": lambda T, x: x.gather(0, T.zeros(1, 3, 5, dtype=T.int64)),
    "gather: float": lambda T, x: x.gather(0, T.zeros(1, 1, 1)),
    "index_select: negative": lambda T, x: x.index_select(0, T.tensor([-1])),
    "index_select: matrix": lambda T, x: x.index_select(0, T.tensor([[0]])),
    "index_select: float": lambda T, x: x.index_select(0, T.tensor([0.0])),
    "index_add: beyond": lambda T, x: x.index_add(0, T.tensor([2]), x[:1]),
    "index_add: shape": lambda T, x: x.index_add(0, T.tensor([1]), x[:1, :2]),
    "index_add: dtype": lambda T, x: x.index_add(0, T.tensor([1]), x[:1].float()),
    "index_copy: beyond": lambda T, x: x.index_copy(0, T.tensor([2]), x[:1]),
    "index_fill: matrix value": lambda T, x: x.index_fill(0, T.tensor([1]), T.ones(2)),
    "scatter: negative": lambda T, x: x.scatter(0, T.tensor([[[-1]]]), 1.0),
    "scatter: small source": lambda T, x: x.scatter(0, T.tensor([[[0, 0]]]), x[:1, :1, :1]),
    "scatter: dtype": lambda T, x: x.scatter(0, T.tensor([[[0]]]), T.ones(1, 1, 1)),
    "scatter_reduce: name": lambda T, x: x.scatter_reduce(0, T.tensor([[[0]]]), x, "foo"),
    "take: beyond": lambda T, x: x.take(T.tensor([24])),
    "put: beyond": lambda T, x: x.put(T.tensor([24]), x[0, 0, :1]),
    "masked_select: dtype": lambda T, x: x.masked_select(x),
    "masked_scatter: source": lambda T, x: x.masked_scatter(x > 1, x[0, 0]),
    "index_put: dtype": lambda T, x: x.index_put((T.tensor([0]),), T.ones(1)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    with pytest.raises((RuntimeError, IndexError, TypeError, ValueError)) as expected:
        REFUSED[name](torch, torch.tensor(DATA))
    with pytest.raises((RuntimeError, IndexError, TypeError, ValueError)) as got:
        REFUSED[name](pyrite, pyrite.tensor(DATA))
    assert got.type is expected.type


def test_texts_name_index_dimension_and_size() -> None:
    x = pyrite.zeros(2, 3)
    for read, text in (
        (lambda: x[2], "index 2 is out of bounds for dimension 0 with size 2"),
        (lambda: x[..., 3], "index 3 is out of bounds for dimension 1 with size 3"),
        (lambda: x[:, [0, -4]], "index -4 is out of bounds for dimension 1 with size 3"),
        (lambda: x.gather(1, pyrite.tensor([[3]])), "index 3 is out of bounds for dimension 1"),
        (lambda: x[0, 0, 0], "too many indices for tensor of dimension 2"),
        (lambda: x.index_select(0, pyrite.tensor([5])), "index out of range in self"),
    ):
        with pytest.raises((IndexError, RuntimeError)) as error:
            read()
        assert text in str(error.value)


def test_sums_at_repeated_indices_repeat_bit_for_bit() -> None:
    values = pyrite.tensor(np.random.default_rng(0).standard_normal(10_000).astype("float32"))
    index = pyrite.tensor(np.random.default_rng(1).integers(0, 7, 10_000))
    first = pyrite.zeros(7).index_add(0, index, values)
    assert first.tolist() == pyrite.zeros(7).scatter_add(0, index, values).tolist()
    source = pyrite.zeros(7, requires_grad=True)
    source[index].backward(values)
    assert source.grad.tolist() == first.tolist()


def test_half_sums_round_once() -> None:
    ones = pyrite.ones(4097, dtype=pyrite.float16)
    index = pyrite.zeros(4097, dtype=pyrite.int64)
    assert pyrite.zeros(1, dtype=pyrite.float16).index_add(0, index, ones).item() == 4096.0
