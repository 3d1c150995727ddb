"""Names around the ops: storages, old constructors, formats, settings, marks, results, checks."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite import jit
from pyrite.testing import assert_close, make_tensor

GRID = pyrite.arange(6.0).reshape(2, 3)
IMAGE = pyrite.arange(120.0).reshape(2, 3, 4, 5)
LAST = pyrite.channels_last


# ---- old constructors and storages


@pytest.mark.parametrize(
    ("made", "shape", "dtype"),
    [
        (lambda: pyrite.Tensor(2, 3), (2, 3), pyrite.float32),
        (lambda: pyrite.Tensor([1, 2]), (2,), pyrite.float32),
        (lambda: pyrite.Tensor(), (0,), pyrite.float32),
        (lambda: pyrite.Tensor(GRID.shape), (2, 3), pyrite.float32),
        (lambda: pyrite.LongTensor([[1, 2]]), (1, 2), pyrite.int64),
        (lambda: pyrite.DoubleTensor(4), (4,), pyrite.float64),
        (lambda: GRID.new(3), (3,), pyrite.float32),
        (lambda: GRID.new([1, 2, 3]), (3,), pyrite.float32),
    ],
)
def test_old_constructors(made: Any, shape: tuple[int, ...], dtype: Any) -> None:
    t = made()
    assert tuple(t.shape) == shape
    assert t.dtype is dtype


def test_old_types_are_asked_for() -> None:
    assert isinstance(GRID, pyrite.FloatTensor)
    assert not isinstance(GRID, pyrite.LongTensor)
    assert not isinstance(GRID, pyrite.cuda.FloatTensor)
    with pytest.raises(TypeError, match="str"):
        pyrite.Tensor("text")


def test_storage_is_the_memory() -> None:
    base = pyrite.arange(4, dtype=pyrite.int32)
    bytes_ = base[2:].untyped_storage()
    assert (bytes_.nbytes(), bytes_.element_size(), len(bytes_)) == (16, 1, 16)
    assert bytes_ == base.untyped_storage()
    assert bytes_.data_ptr() == base.data_ptr()
    bytes_[4] = 9
    assert base.tolist() == [0, 9, 2, 3]
    assert pyrite.is_storage(bytes_)
    copied = bytes_.clone()
    copied.fill_(1)
    assert base.tolist() == [0, 9, 2, 3]


def test_set_shares_another_memory() -> None:
    t = pyrite.empty(0).set_(GRID.untyped_storage(), 1, (2, 2), (3, 1))
    assert t.tolist() == [[1, 2], [4, 5]]
    assert pyrite.empty(0).set_(GRID).is_set_to(GRID)
    with pytest.raises(RuntimeError, match="dtype|type"):
        pyrite.empty(0, dtype=pyrite.int64).set_(GRID)


def test_a_buffer_may_come_first() -> None:
    """No other call has to load the CPU's backend before."""
    code = "import pyrite as p; print(p.frombuffer(bytearray(b'ab'), dtype=p.uint8).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[97, 98]\n", "")


# ---- memory formats


def test_formats_show_in_strides() -> None:
    last = IMAGE.contiguous(memory_format=LAST)
    assert last.stride() == (60, 1, 15, 3)
    assert last.is_contiguous(memory_format=LAST)
    assert not last.is_contiguous()
    assert not IMAGE.is_contiguous(memory_format=LAST)
    assert last.tolist() == IMAGE.tolist()
    for same in (last.clone(), pyrite.empty_like(last), last.double(), last.to("cpu")):
        assert same.stride() == last.stride()
    for plain in (
        last.clone(memory_format=pyrite.contiguous_format),
        last.contiguous(),
        pyrite.zeros_like(last, memory_format=pyrite.contiguous_format),
    ):
        assert plain.stride() == IMAGE.stride()
    assert pyrite.empty(2, 3, 4, 5, memory_format=LAST).stride() == last.stride()
    assert pyrite.empty_permuted((2, 3, 4), (0, 2, 1)).stride() == (12, 1, 3)
    assert last.dim_order() == (0, 2, 3, 1)


@pytest.mark.parametrize(
    "call",
    [lambda: GRID.contiguous(memory_format=LAST), lambda: pyrite.empty(2, memory_format=LAST)],
)
def test_formats_have_a_rank(call: Any) -> None:
    with pytest.raises(RuntimeError, match="rank 4"):
        call()


def test_gradient_goes_through_a_format() -> None:
    x = IMAGE.clone().requires_grad_()
    (x.contiguous(memory_format=LAST) * 2).sum().backward()
    assert bool((x.grad == 2).all())


# ---- results, numbers, out=


def test_results_print_as_torchs_and_pickle() -> None:
    result = pyrite.topk(pyrite.arange(4.0), 2)
    assert repr(result) == (
        "pyrite.return_types.topk(\nvalues=tensor([3., 2.]),\nindices=tensor([3, 2]))"
    )
    assert pickle.loads(pickle.dumps(result))._fields == ("values", "indices")
    assert pyrite.return_types.topk is type(result)


@pytest.mark.parametrize(
    "call",
    [
        lambda: pyrite.maximum(GRID, 2),
        lambda: pyrite.atan2(1, GRID),
        lambda: pyrite.eq(2, GRID),
        lambda: GRID.logical_and(1),
        lambda: pyrite.addcmul(GRID, 2, GRID),
        lambda: pyrite.cat(GRID),
    ],
)
def test_numbers_only_where_torch_takes_them(call: Any) -> None:
    with pytest.raises(TypeError, match="must be|expected a Tensor"):
        call()


def test_numbers_where_torch_takes_them() -> None:
    for function in (pyrite.add, pyrite.sub, pyrite.mul, pyrite.div, pyrite.pow, pyrite.remainder):
        assert function(2, GRID + 1).shape == GRID.shape
    assert pyrite.eq(GRID, 2).sum() == 1


def test_out_is_checked() -> None:
    with pytest.raises(RuntimeError, match="dtype"):
        pyrite.mm(GRID, GRID.t(), out=pyrite.empty(2, 2, dtype=pyrite.float64))
    with pytest.raises(RuntimeError, match="single memory location"):
        pyrite.take(GRID, pyrite.tensor([1, 2]), out=GRID[0, :2])
    with pytest.raises(ValueError, match="non-empty"):
        pyrite.cat([])


# ---- helpers for tests


@pytest.mark.parametrize(
    ("actual", "expected", "text"),
    [
        (GRID, GRID + 1, "6 / 6"),
        (GRID, GRID.double(), "'dtype' do not match"),
        (GRID, GRID.t(), "'shape' do not match"),
        ([GRID, 1], [GRID, 2], r"item \[1\]"),
        ({"a": GRID}, {"b": GRID}, "keys"),
        (pyrite.tensor(1), pyrite.tensor(2), "Expected 2 but got 1"),
        (1, 1.0, "types do not match"),
    ],
)
def test_assert_close_says_where(actual: Any, expected: Any, text: str) -> None:
    with pytest.raises(AssertionError, match=text):
        assert_close(actual, expected)


def test_assert_close_holds() -> None:
    nan = pyrite.tensor([np.nan])
    assert_close(GRID, GRID + 1e-7)
    assert_close(nan, nan, equal_nan=True)
    assert_close(GRID, GRID.double(), check_dtype=False)
    with pytest.raises(AssertionError, match="mine"):
        assert_close(GRID, -GRID, msg="mine")
    with pytest.raises(ValueError, match="rtol and atol"):
        assert_close(GRID, GRID, rtol=1.0)


def test_make_tensor() -> None:
    t = make_tensor(3, 4, dtype=pyrite.int32, low=1, high=3, noncontiguous=True)
    assert set(t.flatten().tolist()) <= {1, 2}
    assert not t.is_contiguous()


# ---- marks, settings, checks


def test_marks_return_what_they_mark() -> None:
    def function() -> int:
        return 3

    assert jit.ignore(function) is jit.ignore(drop=True)(function) is function
    assert jit.unused(function) is jit.export(function) is function
    assert jit.annotate(int, 4) == 4
    assert not jit.is_scripting()
    assert not jit.is_tracing()
    assert jit.isinstance([1], list[int])


def test_settings_answer() -> None:
    pyrite.use_deterministic_algorithms(True, warn_only=True)
    assert pyrite.are_deterministic_algorithms_enabled()
    assert pyrite.get_deterministic_debug_mode() == 1
    pyrite.use_deterministic_algorithms(False)
    pyrite.set_float32_matmul_precision("high")
    assert pyrite.get_float32_matmul_precision() == "high"
    pyrite.set_float32_matmul_precision("highest")
    with pytest.raises(RuntimeError, match="highest"):
        pyrite.set_float32_matmul_precision("low")
    assert pyrite.get_device_module("cpu") is pyrite.cpu


def test_checks_raise() -> None:
    pyrite._check(True)
    with pytest.raises(ValueError, match="why"):
        pyrite._check_value(False, lambda: "why")
    with pytest.raises(RuntimeError):
        pyrite._check_is_size(-1)
    with pytest.raises(AssertionError, match="no"):
        pyrite._assert(False, "no")


def test_python_protocols() -> None:
    t = GRID.clone()
    assert 5.0 in t
    assert 7 not in t
    assert next(iter(reversed(t))).tolist() == [5, 4, 3]
    assert t.apply_(lambda v: v + 1)[0, 0] == 1
    assert t.map_(GRID, lambda a, b: a - b).sum() == 6

    class Mine(pyrite.Tensor):
        pass

    assert type(t.as_subclass(Mine)) is Mine


def test_foreach_in_place_returns_the_list() -> None:
    tensors = [pyrite.ones(2), pyrite.ones(3)]
    assert pyrite._foreach_mul_(tensors, [2.0, 3.0]) is tensors
    assert tensors[1].tolist() == [3, 3, 3]
    with pytest.raises(RuntimeError, match="same number"):
        pyrite._foreach_add(tensors, tensors[:1])


# ---- masked reductions


def test_masked_functions_leave_out_what_the_mask_does() -> None:
    mask = pyrite.tensor([[True, False, True], [False, False, False]])
    assert pyrite.masked.sum(GRID, 1, mask=mask).tolist() == [2, 0]
    assert pyrite.masked.amax(GRID, mask=mask).item() == 2
    assert pyrite.masked.mean(GRID, 1, mask=mask)[0] == 1
    assert bool(pyrite.masked.mean(GRID, 1, mask=mask)[1].isnan())
    assert pyrite.masked.softmax(GRID[0], 0, mask=mask[0])[1] == 0
    assert pyrite.masked._output_mask(pyrite.masked.sum, GRID, 1, mask=mask).tolist() == [
        True,
        False,
    ]


# ---- data that does not fit


@pytest.mark.parametrize(
    ("data", "dtype", "error"),
    [
        (2**63, None, ValueError),
        ([-(2**63) - 1], None, ValueError),
        (300, pyrite.uint8, RuntimeError),
        ([-200], pyrite.int8, RuntimeError),
        (float("nan"), pyrite.int64, RuntimeError),
        (None, None, RuntimeError),
        ([None], None, RuntimeError),
        ("text", None, TypeError),
        (1j, pyrite.float32, TypeError),
    ],
)
def test_data_that_no_tensor_holds(data: Any, dtype: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        pyrite.tensor(data, dtype=dtype)


def test_data_wraps_and_overflows_where_torchs_does() -> None:
    assert pyrite.tensor(-1, dtype=pyrite.uint8) == 255
    assert pyrite.tensor(1e300) == float("inf")
    assert pyrite.tensor(np.array([300]), dtype=pyrite.uint8) == 44
    assert pyrite.add(pyrite.tensor([True]), pyrite.tensor([True]), alpha=2).dtype is pyrite.bool
    assert pyrite.equal(pyrite.tensor([1]), pyrite.tensor([1.0]))
    assert pyrite.tensor(2.5).flip(0) == 2.5
