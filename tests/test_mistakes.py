"""Forty mistakes that newcomers make: torch's class of error, and a message that helps."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import pytest

import pyrite

try:
    import torch
except ImportError:
    torch = None  # type: ignore[assignment]

MISTAKES: list[Any] = []


def mistake(error: type[Exception], *words: str) -> Callable[[Any], Any]:
    """Register a program of a library `t` that must fail with `error`, saying all the words."""

    def register(program: Any) -> Any:
        MISTAKES.append(pytest.param(program, error, words, id=program.__name__))
        return program

    return register


class Broken:
    """A dataset that fails at one index (at module level, so that processes can load it)."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> int:
        if index == 5:
            raise ValueError("cannot read this one")
        return index


def _net(t: Any) -> Any:
    class Net(t.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = t.nn.Sequential(t.nn.Linear(4, 8), t.nn.ReLU(), t.nn.Linear(9, 2))

        def forward(self, x: Any) -> Any:
            return self.body(x)

    return Net()


@mistake(RuntimeError, "Net.body.2", "float32[3, 8]", "weight float32[2, 9]", "9", "8")
def linear_gets_another_width(t: Any) -> None:
    _net(t)(t.ones(3, 4))


@mistake(RuntimeError, "Conv2d", "[2, 4, 8, 8]", "3 channels", "4 channels")
def conv_gets_other_channels(t: Any) -> None:
    t.nn.Conv2d(3, 8, 3)(t.ones(2, 4, 8, 8))


@mistake(RuntimeError, "Conv2d", "[8, 8]", "3D", "4D")
def conv_gets_a_matrix(t: Any) -> None:
    t.nn.Conv2d(1, 8, 3)(t.ones(8, 8))


@mistake(RuntimeError, "Conv2d", "Kernel size", "2 x 2", "5 x 5")
def kernel_larger_than_the_image(t: Any) -> None:
    t.nn.Conv2d(1, 1, 5)(t.ones(1, 1, 2, 2))


@mistake(RuntimeError, "Conv1d", "[2, 5, 9]", "3 channels")
def conv1d_gets_channels_last(t: Any) -> None:
    t.nn.Conv1d(3, 8, 3)(t.ones(2, 5, 9))


@mistake(ValueError, "BatchNorm2d", "expected 4D input", "[3, 4]")
def batch_norm_gets_a_matrix(t: Any) -> None:
    t.nn.BatchNorm2d(4)(t.ones(3, 4))


@mistake(RuntimeError, "BatchNorm1d", "running_mean", "4", "5")
def batch_norm_gets_other_channels(t: Any) -> None:
    t.nn.BatchNorm1d(4)(t.ones(3, 5))


@mistake(ValueError, "BatchNorm1d", "more than 1 value per channel", "[1, 4]")
def batch_norm_trains_on_one_sample(t: Any) -> None:
    t.nn.BatchNorm1d(4)(t.ones(1, 4))


@mistake(RuntimeError, "LayerNorm", "normalized_shape", "[7]", "[2, 6]")
def layer_norm_gets_another_width(t: Any) -> None:
    t.nn.LayerNorm(7)(t.ones(2, 6))


@mistake(IndexError, "Embedding", "12", "10")
def embedding_index_too_large(t: Any) -> None:
    t.nn.Embedding(10, 3)(t.tensor([1, 12]))


@mistake(RuntimeError, "Embedding", "float32", "int64")
def embedding_gets_floats(t: Any) -> None:
    t.nn.Embedding(10, 3)(t.tensor([1.0, 2.0]))


@mistake(RuntimeError, "MaxPool2d", "[2, 3]")
def pool_gets_a_matrix(t: Any) -> None:
    t.nn.MaxPool2d(2)(t.ones(2, 3))


@mistake(RuntimeError, "size of tensor a (3) must match the size of tensor b (4)", "dimension 1")
def shapes_do_not_broadcast(t: Any) -> None:
    t.ones(2, 3) + t.ones(2, 4)


@mistake(RuntimeError, "cannot be multiplied", "2x3", "2x3")
def matrices_do_not_fit(t: Any) -> None:
    t.ones(2, 3) @ t.ones(2, 3)


@mistake(RuntimeError, "shape '[4, 2]' is invalid for input of size 6")
def reshape_to_another_size(t: Any) -> None:
    t.ones(6).reshape(4, 2)


@mistake(RuntimeError, "reshape")
def view_of_a_transposed_tensor(t: Any) -> None:
    t.ones(2, 3).t().view(6)


@mistake(RuntimeError, "Sizes of tensors must match except in dimension 0", "3", "4")
def cat_of_other_widths(t: Any) -> None:
    t.cat([t.ones(2, 3), t.ones(2, 4)])


@mistake(RuntimeError, "equal size", "[2]", "[3]")
def stack_of_other_lengths(t: Any) -> None:
    t.stack([t.ones(2), t.ones(3)])


@mistake(IndexError, "Dimension out of range", "[-2, 1]", "2")
def dimension_does_not_exist(t: Any) -> None:
    t.ones(2, 3).sum(dim=2)


@mistake(IndexError, "index 5 is out of bounds for dimension 0 with size 3")
def index_out_of_range(t: Any) -> None:
    t.arange(3)[5]


@mistake(IndexError, "too many indices", "2")
def too_many_indices(t: Any) -> None:
    t.ones(2, 3)[0, 0, 0]


@mistake(RuntimeError, "Linear", "float64", "float32", ".float()")
def float64_from_numpy_meets_a_layer(t: Any) -> None:
    import numpy as np

    t.nn.Linear(3, 2)(t.from_numpy(np.ones((4, 3))))


@mistake(RuntimeError, "int64", "float32")
def integers_meet_a_layer(t: Any) -> None:
    t.nn.Linear(3, 2)(t.ones(4, 3, dtype=t.int64))


@mistake(RuntimeError, "floating point", "int64")
def integers_require_grad(t: Any) -> None:
    t.tensor([1, 2], requires_grad=True)


@mistake(RuntimeError, "int64")
def mean_of_integers(t: Any) -> None:
    t.arange(4).mean()


@mistake(RuntimeError, "can't be cast", "float32", "int64")
def in_place_result_of_another_kind(t: Any) -> None:
    x = t.arange(3)
    x += 0.5


@mistake(RuntimeError, "second time", "retain_graph=True")
def backward_twice(t: Any) -> None:
    y = (t.ones(2, requires_grad=True) ** 2).sum()
    y.backward()
    y.backward()


@mistake(RuntimeError, "scalar", "[2]")
def backward_of_a_vector(t: Any) -> None:
    (t.ones(2, requires_grad=True) * 2).backward()


@mistake(RuntimeError, "does not require grad")
def backward_without_gradient(t: Any) -> None:
    t.ones(2).sum().backward()


@mistake(RuntimeError, "modified by an inplace operation", "ExpBackward0", "version 1")
def in_place_on_a_saved_result(t: Any) -> None:
    y = t.ones(2, requires_grad=True).exp()
    y += 1
    y.sum().backward()


@mistake(RuntimeError, "leaf Variable that requires grad", "in-place")
def in_place_on_a_parameter(t: Any) -> None:
    w = t.nn.Parameter(t.ones(2))
    w -= 0.1


@mistake(RuntimeError, "requires grad", ".detach()")
def numpy_of_a_tensor_with_gradient(t: Any) -> None:
    t.ones(2, requires_grad=True).numpy()


@mistake(IndexError, "5", "3")
def label_out_of_range(t: Any) -> None:
    t.nn.CrossEntropyLoss()(t.randn(2, 3), t.tensor([0, 5]))


@mistake(RuntimeError, "float32")
def labels_are_floats(t: Any) -> None:
    t.nn.functional.nll_loss(t.randn(2, 3), t.tensor([0.0, 1.0]))


@mistake(ValueError, "batch_size", "(4)", "(3)")
def labels_of_another_batch(t: Any) -> None:
    t.nn.CrossEntropyLoss()(t.randn(4, 3), t.tensor([0, 1, 2]))


@mistake(RuntimeError, "between 0 and 1")
def bce_of_scores(t: Any) -> None:
    t.nn.BCELoss()(t.tensor([3.0]), t.tensor([1.0]))


@mistake(ValueError, "[2]", "[3]")
def bce_of_other_sizes(t: Any) -> None:
    t.nn.BCELoss()(t.tensor([0.5, 0.5]), t.tensor([1.0, 0.0, 1.0]))


@mistake(RuntimeError, "Missing key(s)", '"weight"', "Unexpected key(s)", '"kernel"')
def wrong_keys_in_state_dict(t: Any) -> None:
    t.nn.Linear(2, 2, bias=False).load_state_dict({"kernel": t.ones(2, 2)})


@mistake(RuntimeError, "size mismatch for weight", "[2, 3]", "[2, 2]")
def wrong_size_in_state_dict(t: Any) -> None:
    t.nn.Linear(2, 2, bias=False).load_state_dict({"weight": t.ones(2, 3)})


@mistake(AttributeError, "before Module.__init__() call")
def module_without_super_init(t: Any) -> None:
    class Net(t.nn.Module):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            self.layer = t.nn.Linear(2, 2)

    Net()


@mistake(NotImplementedError, "Net", "forward")
def module_without_forward(t: Any) -> None:
    class Net(t.nn.Module):  # type: ignore[name-defined, misc]
        pass

    Net()(t.ones(2))


@mistake(AttributeError, "Net", "layr")
def misspelled_attribute(t: Any) -> None:
    class Net(t.nn.Module):  # type: ignore[name-defined, misc]
        pass

    Net().layr  # noqa: B018


@mistake(ValueError, "empty parameter list")
def optimizer_without_parameters(t: Any) -> None:
    t.optim.SGD(t.nn.ReLU().parameters(), lr=0.1)


@mistake(ValueError, "learning rate", "-0.1")
def negative_learning_rate(t: Any) -> None:
    t.optim.Adam(t.nn.Linear(2, 2).parameters(), lr=-0.1)


@mistake(ValueError, "can't optimize a non-leaf Tensor")
def optimizer_over_results(t: Any) -> None:
    t.optim.SGD([t.ones(2, requires_grad=True) * 2], lr=0.1)


@mistake(ValueError, "cannot read this one", "5")
def dataset_raises_in_a_worker(t: Any) -> None:
    list(t.utils.data.DataLoader(Broken(), batch_size=2, num_workers=2))


@mistake(RuntimeError, "[3]", "[2]")
def samples_of_other_sizes(t: Any) -> None:
    list(t.utils.data.DataLoader([t.ones(2), t.ones(3)], batch_size=2))


@mistake(TypeError, "default_collate", "object")
def samples_that_do_not_collate(t: Any) -> None:
    list(t.utils.data.DataLoader([object(), object()], batch_size=2))


@mistake(ValueError, "num_samples", "0")
def shuffle_of_an_empty_dataset(t: Any) -> None:
    t.utils.data.DataLoader([], shuffle=True)


@mistake(RuntimeError, "4 elements", "Scalar")
def item_of_a_vector(t: Any) -> None:
    t.ones(4).item()


@mistake(RuntimeError, "ambiguous", "any", "all")
def truth_of_a_vector(t: Any) -> None:
    bool(t.ones(2) > 0)


@mistake(ValueError, "length")
def ragged_list(t: Any) -> None:
    t.tensor([[1, 2], [3]])


@mistake(TypeError, "must be Tensor", "list")
def list_instead_of_a_tensor(t: Any) -> None:
    t.exp([1.0, 2.0])


@mistake(RuntimeError, "device", "gpu")
def unknown_device(t: Any) -> None:
    t.ones(2, device="gpu")


def test_there_are_forty() -> None:
    assert len(MISTAKES) >= 40


@pytest.mark.parametrize(("program", "error", "words"), MISTAKES)
def test_message_helps(program: Any, error: type[Exception], words: tuple[str, ...]) -> None:
    with pytest.raises(error) as caught:
        program(pyrite)
    missing = [w for w in words if w not in str(caught.value)]
    assert missing == [], str(caught.value)


@pytest.mark.parametrize(("program", "error", "words"), MISTAKES)
@pytest.mark.filterwarnings("ignore")
def test_class_is_torchs(program: Any, error: type[Exception], words: tuple[str, ...]) -> None:
    if torch is None:
        pytest.skip("torch is not installed")
    importlib.import_module("torch.utils.data")
    with pytest.raises(Exception) as caught:
        program(torch)
    assert issubclass(error, type(caught.value)) or isinstance(caught.value, error)


def test_cuda_without_a_gpu_names_the_extra() -> None:
    if pyrite.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises((ImportError, RuntimeError), match=r"cuda12"):
        pyrite.ones(2, device="cuda")


def test_devices_do_not_mix() -> None:
    with pytest.raises(RuntimeError, match=r"same device.*strict.*cpu.*\.to\('strict'\)"):
        pyrite.ones(2, device="strict") + pyrite.ones(2)


def test_missing_zero_grad_is_visible() -> None:
    layer = pyrite.nn.Linear(2, 1)
    for _ in range(2):
        layer(pyrite.ones(1, 2)).sum().backward()
    assert layer.bias.grad.tolist() == [2.0]
