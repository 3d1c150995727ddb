"""Lazy modules: shapes from the first batch or from a file, as torch's."""

import copy
import pickle
from typing import Any

import pytest

import pyrite
from pyrite import nn
from pyrite.nn.modules.lazy import LazyModuleMixin
from pyrite.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy

# name -> arguments, the example's size
LAYERS: dict[str, tuple[dict[str, Any], tuple[int, ...]]] = {
    "Linear": ({"out_features": 3}, (2, 5)),
    **{f"Conv{n}d": ({"out_channels": 4, "kernel_size": 2, "groups": 2}, (1, 2, *[4] * n))
       for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": ({"out_channels": 4, "kernel_size": 2, "bias": False}, (3, *[3] * n))
       for n in (1, 2, 3)},
    "BatchNorm1d": ({}, (4, 5)), "BatchNorm2d": ({"momentum": None}, (2, 3, 2, 2)),
    "BatchNorm3d": ({"track_running_stats": False}, (2, 3, 2, 2, 2)),
    "InstanceNorm1d": ({"affine": True, "track_running_stats": False}, (2, 3, 4)),
    "InstanceNorm2d": ({"affine": False, "track_running_stats": True}, (2, 3, 4, 4)),
    "InstanceNorm3d": ({"affine": False, "track_running_stats": False}, (2, 3, 4, 4, 4)),
}  # fmt: skip


def _full(name: str, lazy: Any, arguments: Any, size: tuple[int, ...]) -> Any:
    first = {"Linear": size[-1], **{f"ConvTranspose{n}d": 3 for n in (1, 2, 3)}}
    return getattr(nn, name)(first.get(name, size[1]), **arguments)


@pytest.mark.parametrize("name", LAYERS)
def test_the_first_batch_makes_the_layer(name: str) -> None:
    arguments, size = LAYERS[name]
    x = pyrite.rand(size)
    pyrite.manual_seed(0)
    lazy = getattr(nn, f"Lazy{name}")(**arguments)
    out = lazy(x)
    after = pyrite.get_rng_state()
    pyrite.manual_seed(0)
    full = _full(name, lazy, arguments, size)
    assert type(lazy) is type(full)
    assert list(lazy.state_dict()) == list(full.state_dict())
    assert out.equal(full(x))
    assert pyrite.get_rng_state().equal(after)
    if lazy.state_dict():
        assert repr(lazy) == repr(full)
    assert not lazy._forward_pre_hooks
    assert not lazy._load_pre_hooks


@pytest.mark.parametrize("name", ["Linear", "Conv2d", "BatchNorm1d"])
def test_a_file_gives_the_shapes(name: str) -> None:
    arguments, size = LAYERS[name]
    full, lazy = _full(name, None, arguments, size), getattr(nn, f"Lazy{name}")(**arguments)
    lazy.load_state_dict(full.state_dict())
    assert not lazy.has_uninitialized_params()
    x = pyrite.rand(size)
    assert lazy(x).equal(full(x))


def test_before_the_first_batch() -> None:
    lazy = nn.LazyLinear(3)
    weight = lazy.weight
    assert type(weight) is UninitializedParameter
    assert is_lazy(weight)
    assert lazy.in_features == 0
    assert isinstance(lazy, nn.Linear)
    with pytest.raises(RuntimeError, match="Can't access the shape"):
        assert weight.shape
    with pytest.raises(ValueError, match="uninitialized parameter"):
        weight + 1
    assert "Uninitialized" in repr(weight)
    lazy.double()
    optimizer = pyrite.optim.SGD(lazy.parameters(), lr=1.0)
    for twin in (copy.deepcopy(lazy), pickle.loads(pickle.dumps(lazy.state_dict()))):
        assert is_lazy(twin["weight"] if isinstance(twin, dict) else twin.weight)
    other = nn.LazyLinear(3)
    other.load_state_dict(lazy.state_dict())
    assert is_lazy(other.weight)
    lazy(pyrite.ones(2, 4, dtype=pyrite.float64)).sum().backward()
    assert lazy.weight is weight
    assert type(weight) is nn.Parameter
    assert (weight.dtype, weight.shape) == (pyrite.float64, (3, 4))
    before = weight.detach().clone()
    optimizer.step()
    assert weight.equal(before - 2)


def test_buffers_follow_their_module() -> None:
    lazy = nn.LazyBatchNorm1d().double()
    assert type(lazy.running_mean) is UninitializedBuffer
    lazy(pyrite.rand(3, 2, dtype=pyrite.float64))
    assert lazy.running_mean.dtype is pyrite.float64
    assert type(lazy.running_mean) is pyrite.Tensor


def test_a_buffer_is_registered_when_it_is_assigned() -> None:
    module = nn.Module()
    module.mean, module.seen = nn.Buffer(pyrite.ones(2)), nn.Buffer(persistent=False)
    assert [n for n, _ in module.named_buffers()] == ["mean", "seen"]
    assert list(module.state_dict()) == ["mean"]
    module.mean = nn.Buffer(pyrite.zeros(3), persistent=False)
    assert type(module.mean) is pyrite.Tensor
    assert list(module.state_dict()) == []
    module.mean = nn.Parameter(pyrite.ones(1))
    assert [n for n, _ in module.named_parameters()] == ["mean"]
    assert (nn.Buffer(pyrite.ones(2)) + 1).tolist() == [2.0, 2.0]


def test_an_own_lazy_module() -> None:
    class Scale(LazyModuleMixin, nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = UninitializedParameter()

        def initialize_parameters(self, x: Any, ready: bool = True) -> None:
            if ready:
                self.weight.materialize(x.shape[1:])
                self.weight.data.fill_(2.0)

        def forward(self, x: Any, ready: bool = True) -> Any:
            return x * self.weight

    with pytest.raises(RuntimeError, match="has not been fully initialized"):
        Scale()(pyrite.ones(2, 3), ready=False)
    module = nn.Sequential(Scale(), nn.LazyLinear(2))
    assert module(pyrite.ones(2, 3)).shape == (2, 2)
    assert module[0].weight.tolist() == [2.0] * 3
    with pytest.raises(RuntimeError, match="Expected 3D .unbatched. or 4D"):
        nn.LazyConv2d(1, 1)(pyrite.ones(2, 2))


def test_lazy_instance_norms_have_the_defaults_of_batch_norms() -> None:
    lazy = nn.LazyInstanceNorm1d()
    assert lazy.affine
    assert lazy.track_running_stats
    with pytest.raises(TypeError):
        nn.LazyLinear()
