"""Views and in-place writes step by step as in PyTorch: values, gradients, strides, aliasing.

Each program is written against a namespace and runs under both libraries. It gets a leaf (3, 4)
and what is computed from it, and returns the tensors to compare.
"""

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyrite

torch = pytest.importorskip("torch", reason="the oracle of views and in-place writes is PyTorch")

DATA = (np.arange(12.0).reshape(3, 4) / 4 + 0.5).tolist()
PROGRAMS: list[Callable[..., Any]] = []
REFUSED: list[Callable[..., Any]] = []


def program(function: Callable[..., Any]) -> Callable[..., Any]:
    """A program that runs; returns one tensor or several."""
    PROGRAMS.append(function)
    return function


def refused(function: Callable[..., Any]) -> Callable[..., Any]:
    """A program that must raise the same class of error under both."""
    REFUSED.append(function)
    return function


def start(T: Any) -> tuple[Any, Any]:
    leaf = T.tensor(DATA, requires_grad=True)
    return leaf, leaf * 1.0


def result(function: Callable[..., Any], T: Any) -> dict[str, Any]:
    """Values, strides, aliasing and the leaf's gradient of a program under one library."""
    leaf, base = start(T)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = function(T, leaf, base)
    tensors = [*(out if isinstance(out, tuple) else (out,)), base]
    found: dict[str, Any] = {
        "values": [t.tolist() for t in tensors],
        "shapes": [tuple(t.shape) for t in tensors],
        "grad": [t.requires_grad for t in tensors],
        "leaf": [t.is_leaf for t in tensors],
        "dtype": [str(t.dtype).split(".")[-1] for t in tensors],
        "strides": [
            [s for s, n in zip(t.stride(), t.shape, strict=True) if n > 1]
            for t in tensors
            if t.numel()
        ],
        "offsets": [t.data_ptr() - base.data_ptr() if _inside(t, base) else None for t in tensors],
    }
    loss = sum(
        (t * (T.arange(t.numel()).reshape(t.shape) + k + 1)).sum()
        for k, t in enumerate(tensors)
        if t.requires_grad
    )
    if tensors and any(t.requires_grad for t in tensors):
        loss.backward()
        found["gradient"] = None if leaf.grad is None else leaf.grad.tolist()
    return found


def _inside(tensor: Any, base: Any) -> bool:
    """Whether a tensor lies in the memory of the base."""
    last = base.data_ptr() + base.numel() * base.element_size()
    return tensor.numel() > 0 and base.data_ptr() <= tensor.data_ptr() < last


def outcome(function: Callable[..., Any], T: Any) -> type[BaseException] | dict[str, Any]:
    try:
        return result(function, T)
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        return type(error)


def name_of(function: Callable[..., Any]) -> str:
    return function.__name__.strip("_")


# ---- views of the base, and views of views


@program
def _views(T, leaf, y):
    return (
        y.view(2, 6), y.view((4, -1)), y.reshape(-1), y.t(), y.T, y.mT, y.transpose(0, -1),
        y.permute(1, 0), y.permute((1, 0)), y[1], y[1:, 2], y[:, None, ::2], y[..., -1], y[-1, -2],
        y.unsqueeze(1).squeeze(), y.expand(2, 3, 4), y[:, :1].expand(-1, 5), y.narrow(1, 1, 2),
        y.select(1, 3), y.diagonal(), y.diagonal(-1), y.unfold(1, 2, 1), y.flatten(), y.ravel(),
        y.unflatten(1, (2, -1)), y.movedim(0, 1), y.as_strided((2, 2), (1, 5), 1), y[()],
        y.swapaxes(0, 1), y.view_as(y), y.t().reshape(-1), y.t().reshape(2, 6), y.t().contiguous(),
        y.t().clone(), y.t()[1:].reshape(3, 3), y.contiguous(), y.expand(2, 3, 4).clone(),
    )  # fmt: skip


@program
def _several_outputs(T, leaf, y):
    return (
        *y.unbind(), *y.unbind(1), *y.split(2), *y.split([1, 3], 1), *y.chunk(3, 1),
        *y.tensor_split(2, 1), *y.tensor_split((1, 2)), *y.hsplit(2), *y.vsplit(3), *y,
    )  # fmt: skip


@program
def _partly_used_outputs(T, leaf, y):
    return y.unbind()[1], y.split(2)[1], y.split([1, 2, 1], 1)[2]


# ---- in place


@program
def _on_the_base(T, leaf, y):
    v = y[1]
    y.mul_(2)
    return v, v * 3


@program
def _on_a_view(T, leaf, y):
    v = y[1]
    v.mul_(T.tensor([1.0, 2.0, 3.0, 4.0]))
    return v, y * 2


@program
def _on_a_view_of_a_view(T, leaf, y):
    v = y.t()
    w = v[1:3]
    u = w.reshape(2, 3)[:, 1]
    u.mul_(3)
    w.add_(1)
    return u, w, v


@program
def _on_a_transposed_base(T, leaf, y):
    z = y.t().mul(2)
    v = z.t().view(-1)
    v[3:7].mul_(5)
    return v, z


@program
def _on_several_views(T, leaf, y):
    a, b = y[0], y[:, 1]
    a.mul_(2)
    b.mul_(3)
    a.add_(b.sum())
    return a, b


@program
def _with_itself(T, leaf, y):
    y.add_(y)
    y[0].add_(y[1])
    return y.t()


@program
def _output_saved_by_the_operation(T, leaf, y):
    y.sigmoid_()
    w = y.sqrt() * 1
    w[1].exp_()
    return w


@program
def _saved_input_of_the_operation(T, leaf, y):
    y.pow_(3)
    y[1].square_()
    return y


@program
def _leaf_written_into_constants(T, leaf, y):
    z = T.zeros(3, 4)
    v = z[1]
    z[0] = leaf[1]
    z[2].copy_(leaf[0])
    return z, v


@program
def _leaf_copied_as_it_is(T, leaf, y):
    z = T.zeros(3, 4)
    z.copy_(leaf)
    w = T.zeros(2, 3, 4)
    w[1] = leaf
    return z, w


@program
def _cast_on_copy(T, leaf, y):
    z = T.zeros(3, 4, dtype=T.float64)
    z.copy_(y)
    y[0] = z[1] * 2
    return z


@program
def _constants(T, leaf, y):
    y[0] = 2.0
    y[:, 1].fill_(7)
    y[2].zero_()
    y[1, 2:] = T.tensor([5.0, 6.0])
    return y * y


@program
def _all_constant(T, leaf, y):
    y.zero_()
    return y * 2


@program
def _filled_with_a_gradient(T, leaf, y):
    z = T.zeros(4)
    z.fill_(y[0, 0])
    y[1].fill_(y[2, 3])
    return z


@program
def _a_view_made_before_the_base_has_history(T, leaf, y):
    z = T.zeros(3, 4)
    v = z.view(-1)[2:6]
    z.add_(y)
    u = v * 1
    v.mul_(2)
    return u, v, z


@program
def _detach_shares_memory(T, leaf, y):
    d = y.detach()
    with T.no_grad():
        d[0] = 3
    return d, y * 1


@program
def _no_grad_writes(T, leaf, y):
    v = y[0]
    with T.no_grad():
        y.mul_(2)
        leaf.add_(1)
        v.sub_(1)
    return v * 2, y


@program
def _both_inside_no_grad(T, leaf, y):
    with T.no_grad():
        y[0].mul_(3)
        y.unbind()[1].zero_()
    return y * 2


@program
def _augmented(T, leaf, y):
    y += 1
    y[0] *= 2
    y[:, 1] -= y[:, 0]
    y[1:] /= 2
    return y


@program
def _as_strided_written(T, leaf, y):
    v = y.as_strided((2, 2), (5, 2), 1)
    v.mul_(3)
    return v


@program
def _diagonal_written(T, leaf, y):
    y.diagonal(1).mul_(4)
    y[:3, :3].fill_diagonal_(9)
    return y


@program
def _expanded_then_one_row(T, leaf, y):
    y[:, :1].expand(3, 4)[1][2:3].mul_(2)
    return y


@program
def _index_writes(T, leaf, y):
    v = y[1:]
    v[T.tensor([0, 1, 0])] = y.detach()[0] + leaf[0]
    v[:, T.tensor([0, 2])] = 4.0
    y[y > 2.5] = 0.5
    y[T.tensor([True, False, True]), 1] = leaf[:2, 3]
    y.index_put_((T.tensor([0, 0, 2]),), leaf[:1].exp(), accumulate=True)
    return v, y * y


@program
def _named_writes(T, leaf, y):
    i = T.tensor([2, 0])
    y.index_add_(0, i, leaf[:2], alpha=2)
    y.index_copy_(1, i, leaf[:, :2] * 3)
    y.index_fill_(0, T.tensor([1]), 0.25)
    y.scatter_(1, T.tensor([[0, 1], [1, 3]]), leaf[:2, 2:])
    y.scatter_add_(0, T.tensor([[0, 0, 2, 1]]), leaf[2:])
    y.masked_fill_(T.tensor([[True], [False], [False]]), 3.0)
    y.masked_scatter_(T.tensor([False, True, False, True]), leaf)
    y.put_(T.tensor([0, -1]), leaf[1, :2])
    return y.t()


# ---- the tensor's own shape


@program
def _own_shape(T, leaf, y):
    z = y * 2
    z.t_()
    z.unsqueeze_(0)
    z.transpose_(0, 2)
    z.squeeze_()
    return z


@program
def _own_shape_of_a_view(T, leaf, y):
    v = y[:2]
    v.t_()
    v.mul_(2)
    v[1].add_(1)
    return v


@program
def _own_shape_under_views(T, leaf, y):
    v = y[0]
    y.t_()
    y.mul_(T.arange(12.0).reshape(4, 3))
    w = y[0]
    w.add_(1)
    v.mul_(2)
    return v, w


@program
def _resized(T, leaf, y):
    z = T.arange(6)
    z.resize_(2)
    z.resize_(3, 2)
    return (z,)


@program
def _counters(T, leaf, y):
    d, v = y.detach(), y[0]
    y.mul_(2)
    v.add_(1)
    with T.no_grad():
        d.zero_()
    y.t_()
    y.data.add_(1)
    return T.tensor([t._version for t in (y, d, v, y.data)]), v


@program
def _read_as_another_type(T, leaf, y):
    z = T.arange(8, dtype=T.int32)
    return z.view(T.int64), z.view(T.uint8), z.view(T.float32), z.view(2, 4).view(T.int16)


@program
def _view_of_no_grad_requires_grad(T, leaf, y):
    with T.no_grad():
        v = y[0]
    return (v.detach(), T.tensor([v.requires_grad, v.is_leaf]))


# ---- refused


@refused
def _leaf(T, leaf, y):
    leaf.mul_(2)


@refused
def _view_of_a_leaf(T, leaf, y):
    leaf[0].mul_(2)


@refused
def _item_of_a_leaf(T, leaf, y):
    leaf[0] = 1


@refused
def _own_shape_of_a_leaf(T, leaf, y):
    leaf.t_()


@refused
def _one_of_several(T, leaf, y):
    y.unbind()[0].mul_(2)


@refused
def _one_of_a_split(T, leaf, y):
    y.split(2)[0].zero_()


@refused
def _one_of_a_chunk(T, leaf, y):
    y.chunk(2)[1][0].add_(1)


@refused
def _constant_one_of_several(T, leaf, y):
    T.zeros(3, 4).unbind()[0].mul_(leaf[0])


@refused
def _several_after_the_base(T, leaf, y):
    a, *_ = y.unbind()
    y.mul_(2)
    return a * 2


@refused
def _several_after_a_no_grad_write(T, leaf, y):
    a, *_ = y.unbind()
    with T.no_grad():
        y.mul_(2)
    return a * 2


@refused
def _made_under_no_grad(T, leaf, y):
    with T.no_grad():
        v = y[0]
    v.mul_(2)


@refused
def _made_under_no_grad_of_a_leaf(T, leaf, y):
    with T.no_grad():
        v = leaf[0]
    v.mul_(2)


@refused
def _expanded(T, leaf, y):
    y[:1].expand(3, 4).add_(1)


@refused
def _expanded_copy(T, leaf, y):
    T.zeros(1).expand(3).copy_(T.ones(3))


@refused
def _overlapping_operands(T, leaf, y):
    z = T.arange(5.0)
    z[1:].add_(z[:-1])


@refused
def _overlapping_copy(T, leaf, y):
    z = T.arange(5.0)
    z[1:] = z[:-1]


@refused
def _overlapping_out(T, leaf, y):
    z = T.arange(5.0)
    T.mul(z[1:], 2, out=z[:-1])


@refused
def _saved_input(T, leaf, y):
    z = y * y
    y.add_(1)
    return z


@refused
def _saved_input_through_a_view(T, leaf, y):
    z = y.sin()
    y[0].zero_()
    return z


@refused
def _saved_input_through_detach(T, leaf, y):
    z = y.sin()
    y.detach().zero_()
    return z


@refused
def _saved_input_of_another_shape(T, leaf, y):
    z = y.sin()
    y.t_()
    return z


@refused
def _saved_output(T, leaf, y):
    z = y.exp()
    z.mul_(2)
    return z


@refused
def _saved_output_of_a_view(T, leaf, y):
    w = y[0].exp_() * 1
    y.mul_(2)
    return w


@refused
def _saved_index(T, leaf, y):
    i = T.tensor([0, 1])
    z = y[i]
    i.add_(1)
    return z


@refused
def _wider_result(T, leaf, y):
    y[:, :1].add_(y)


@refused
def _lossy_result(T, leaf, y):
    T.zeros(3, dtype=T.int64).add_(1.5)


@refused
def _out_with_a_gradient(T, leaf, y):
    T.add(y, 1, out=T.zeros(3, 4))


@refused
def _out_that_needs_a_gradient(T, leaf, y):
    T.add(T.ones(3, 4), 1, out=leaf)


@refused
def _out_of_another_kind(T, leaf, y):
    T.add(T.ones(2), 1, out=T.zeros(2, dtype=T.int64))


@refused
def _strides_that_allow_no_view(T, leaf, y):
    y.t().view(-1)


@refused
def _wrong_size(T, leaf, y):
    y.view(5, -1)


@refused
def _detached_view(T, leaf, y):
    y[0].detach_()


@refused
def _saved_and_detached(T, leaf, y):
    z = y.sin().sum()
    y.detach_()
    z.backward()


@refused
def _resized_with_gradient(T, leaf, y):
    y.resize_(2)


@refused
def _negative_step(T, leaf, y):
    y[::-1]


@pytest.mark.parametrize("function", PROGRAMS, ids=name_of)
def test_program(function: Callable[..., Any]) -> None:
    expected, got = result(function, torch), result(function, pyrite)
    for key, value in expected.items():
        if key in ("values", "gradient"):
            for a, b in zip(_leaves(got[key]), _leaves(value), strict=True):
                np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6, err_msg=key)
        else:
            assert got[key] == value, key


def _leaves(value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    return list(itertools.chain.from_iterable(map(_leaves, value)))


@pytest.mark.parametrize("function", REFUSED, ids=name_of)
def test_refused(function: Callable[..., Any]) -> None:
    expected = outcome(lambda T, a, b: function(T, a, b) if function else b, torch)
    got = outcome(lambda T, a, b: function(T, a, b) if function else b, pyrite)
    assert isinstance(expected, type), "PyTorch does not refuse it"
    assert got is expected


def test_out_resizes_with_a_warning() -> None:
    out = pyrite.zeros(2)
    with pytest.warns(UserWarning, match="was resized"):
        pyrite.add(pyrite.ones(3), 1, out=out)
    assert out.tolist() == [2.0, 2.0, 2.0]
    empty = pyrite.zeros(0)
    assert pyrite.add(pyrite.ones(2, 2), 1, out=empty) is empty
    assert empty.tolist() == [[2.0, 2.0], [2.0, 2.0]]


def test_second_derivative_through_a_written_view() -> None:
    def second(T: Any) -> Any:
        leaf, y = start(T)
        y[1].mul_(leaf[0])
        y[T.tensor([0, 0])] = leaf[1] ** 2
        y.t()[1].mul_(y[2, :3].clone())
        y[0].exp_()
        (first,) = T.autograd.grad((y**2).sum(), leaf, create_graph=True)
        return T.autograd.grad((first**2).sum(), leaf)[0].tolist()

    np.testing.assert_allclose(second(pyrite), second(torch), rtol=1e-4)


def test_a_long_chain_of_views_stays_cheap() -> None:
    x = pyrite.ones(2, 3, requires_grad=True)
    y = x * 1
    for _ in range(20_000):
        y = y.t()
    y.sum().backward()
    assert x.grad.tolist() == [[1.0] * 3] * 2


@pytest.mark.parametrize(
    "write",
    [
        lambda x, y: x.add_(y, alpha=0.5),
        lambda x, y: x.mul_(0.9).clamp_(0.1, 0.8),
        lambda x, y: x.relu_().lerp_(y, 0.2),
        lambda x, y: x.sub_(x),
        lambda x, y: x.add_(y.t()).mul_(y[0]),
    ],
)
def test_large_tensors_are_written_where_they_are(write: Callable[..., Any]) -> None:
    arrays = [np.random.default_rng(i).random((150, 150), "float32") for i in (0, 1)]
    x, y = (pyrite.tensor(a) for a in arrays)
    before, version = x.data_ptr(), x._version
    assert write(x, y) is x
    assert x.data_ptr() == before
    assert x._version > version
    expected = write(*(torch.tensor(a) for a in arrays))
    np.testing.assert_allclose(x.numpy(), expected.numpy(), rtol=1e-6, atol=1e-6)
