"""`nn.utils` and `nn.init`: the same state and the same results as torch's, through its files."""

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import pyrite
from pyrite import nn
from pyrite.nn.utils import parametrize, prune

torch = pytest.importorskip("torch", reason="torch is the oracle")
pytest.importorskip("torch.nn.utils.prune")
OLD = pytest.mark.filterwarnings("ignore:.*weight_norm` is deprecated")


def arrays(*sizes: Any) -> list[Any]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=s).astype("float32") for s in sizes]


# name -> (library) -> a module with something done to it, and the size of its input
WRAPPED: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "weight_norm": (lambda L: L.nn.utils.parametrizations.weight_norm(L.nn.Linear(3, 4)), (2, 3)),
    "weight_norm of a convolution": (
        lambda L: L.nn.utils.parametrizations.weight_norm(L.nn.Conv2d(2, 3, 2), dim=1),
        (1, 2, 4, 4),
    ),
    "weight_norm of the whole": (
        lambda L: L.nn.utils.parametrizations.weight_norm(L.nn.Linear(3, 4), dim=None), (2, 3),
    ),
    "old weight_norm": (lambda L: L.nn.utils.weight_norm(L.nn.Linear(3, 4)), (2, 3)),
    "spectral_norm": (
        lambda L: L.nn.utils.parametrizations.spectral_norm(L.nn.Linear(3, 4)), (2, 3),
    ),
    "spectral_norm of a convolution": (
        lambda L: L.nn.utils.parametrizations.spectral_norm(L.nn.Conv1d(2, 3, 2), dim=1),
        (1, 2, 5),
    ),
    "old spectral_norm": (lambda L: L.nn.utils.spectral_norm(L.nn.Linear(3, 4)), (2, 3)),
    "old spectral_norm of a convolution": (
        lambda L: L.nn.utils.spectral_norm(L.nn.Conv1d(2, 3, 2), n_power_iterations=2), (1, 2, 5),
    ),
    **{f"orthogonal {way} {n}x{k}": (
        lambda L, way=way, n=n, k=k: L.nn.utils.parametrizations.orthogonal(
            L.nn.Linear(k, n), orthogonal_map=way), (2, k),
    ) for way in ("matrix_exp", "cayley", "householder") for n, k in ((3, 3), (4, 2), (2, 4))},
    "orthogonal without base": (
        lambda L: L.nn.utils.parametrizations.orthogonal(
            L.nn.Linear(2, 4), orthogonal_map="householder", use_trivialization=False), (2, 2),
    ),
    "two parametrizations": (
        lambda L: L.nn.utils.parametrizations.spectral_norm(
            L.nn.utils.parametrizations.weight_norm(L.nn.Linear(3, 4))), (2, 3),
    ),
    "l1 pruning": (lambda L: L.nn.utils.prune.l1_unstructured(L.nn.Linear(3, 4), "weight", 0.5),
        (2, 3)),
    "two prunings": (lambda L: L.nn.utils.prune.ln_structured(
        L.nn.utils.prune.l1_unstructured(L.nn.Linear(3, 4), "weight", 5), "weight", 2, 2, 0),
        (2, 3)),
    "identity pruning": (lambda L: L.nn.utils.prune.identity(L.nn.Linear(3, 4), "bias"), (2, 3)),
}  # fmt: skip


@OLD
@pytest.mark.parametrize("name", WRAPPED)
def test_state_and_results_are_torchs(name: str) -> None:
    make, size = WRAPPED[name]
    theirs, ours = make(torch), make(pyrite)
    file = io.BytesIO()
    torch.save(theirs.state_dict(), file)
    file.seek(0)
    state = pyrite.load(file)
    assert list(ours.state_dict()) == list(state)
    ours.load_state_dict(state)
    (x,) = arrays(size)
    for mode in (True, False):
        results = []
        for lib, module in ((pyrite, ours), (torch, theirs)):
            module.train(mode)
            module.zero_grad()
            out = module(lib.tensor(x))
            (out * out).sum().backward()
            grads = {k: p.grad.numpy() for k, p in module.named_parameters()}
            buffers = {k: b.numpy() for k, b in module.named_buffers()}
            results.append({"out": out.detach().numpy(), **grads, **buffers})
        assert results[0].keys() == results[1].keys()
        for key, value in results[1].items():
            assert_allclose(results[0][key], value, rtol=2e-4, atol=2e-5, err_msg=key)


@OLD
@pytest.mark.parametrize(("make", "undo"), [
    (lambda m: nn.utils.parametrizations.weight_norm(m),
     lambda m: parametrize.remove_parametrizations(m, "weight")),
    (lambda m: nn.utils.parametrizations.spectral_norm(m),
     lambda m: parametrize.remove_parametrizations(m, "weight")),
    (nn.utils.weight_norm, nn.utils.remove_weight_norm),
    (nn.utils.spectral_norm, nn.utils.remove_spectral_norm),
    (lambda m: prune.random_unstructured(m, "weight", 3), lambda m: prune.remove(m, "weight")),
    (lambda m: prune.random_structured(m, "weight", 1, 0), lambda m: prune.remove(m, "weight")),
])  # fmt: skip
def test_undone_the_value_stays(make: Callable[[Any], Any], undo: Callable[[Any], Any]) -> None:
    module = nn.Linear(3, 4)
    make(module)
    module.eval()
    x = pyrite.ones(2, 3)
    before = module(x)
    undo(module)
    assert type(module) is nn.Linear
    assert list(module.state_dict()) in (["weight", "bias"], ["bias", "weight"])
    assert isinstance(module.weight, nn.Parameter)
    assert module(x).allclose(before, atol=1e-6)
    with pytest.raises(ValueError, match="weight"):
        undo(module)


# ---- parametrize


class Symmetric(nn.Module):
    def forward(self, x: Any) -> Any:
        return x.triu() + x.triu(1).T

    def right_inverse(self, x: Any) -> Any:
        return x.triu()


class Count(nn.Module):
    calls = 0

    def forward(self, x: Any) -> Any:
        Count.calls += 1
        return x


def test_an_attribute_is_computed_and_set() -> None:
    module = nn.Linear(3, 3)
    weight = module.weight
    parametrize.register_parametrization(module, "weight", Symmetric())
    assert module.weight.equal(module.weight.T)
    assert module.parametrizations.weight.original is weight
    assert type(module).__name__ == "ParametrizedLinear"
    assert parametrize.type_before_parametrizations(module) is nn.Linear
    assert parametrize.is_parametrized(module)
    assert parametrize.is_parametrized(module, "weight")
    assert not parametrize.is_parametrized(module, "bias")
    new = pyrite.eye(3)
    module.weight = new
    assert module.weight.equal(new)
    twin = copy.deepcopy(module)
    twin.weight = new * 2
    assert module.weight.equal(new)
    assert twin.weight.equal(new * 2)
    with pytest.raises(RuntimeError, match="only supported through state_dict"):
        pyrite.save(module, io.BytesIO())
    other = parametrize.transfer_parametrizations_and_params(module, nn.Linear(3, 3))
    assert other.weight.equal(new)
    parametrize.remove_parametrizations(module, "weight", leave_parametrized=False)
    assert module.weight is weight
    assert type(module) is nn.Linear


def test_cached_computes_once() -> None:
    module = nn.Linear(2, 2)
    parametrize.register_parametrization(module, "weight", Count())
    Count.calls = 0
    with parametrize.cached(), parametrize.cached():
        assert module.weight is module.weight
    assert Count.calls == 1
    assert module.weight is not None
    assert Count.calls == 2


def test_mistakes_with_parametrizations() -> None:
    class Wider(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.repeat(2, 1)

    class Double(nn.Module):
        def forward(self, x: Any) -> Any:
            return x.double()

    module = nn.Linear(2, 2)
    with pytest.raises(ValueError, match="may not change the shape"):
        parametrize.register_parametrization(module, "weight", Wider())
    with pytest.raises(ValueError, match="may not change the dtype"):
        parametrize.register_parametrization(module, "weight", Double())
    with pytest.raises(ValueError, match="does not have a parameter"):
        parametrize.register_parametrization(module, "scale", Count())
    parametrize.register_parametrization(module, "weight", Count())
    with pytest.raises(RuntimeError, match="does not implement right_inverse"):
        module.weight = pyrite.ones(2, 2)
    with pytest.raises(ValueError, match="orthogonal_map has to be one of"):
        nn.utils.parametrizations.orthogonal(nn.Linear(2, 2), orthogonal_map="qr")
    with pytest.raises(ValueError, match="Cannot leave unparametrized"):
        parametrize.remove_parametrizations(
            nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "weight", False
        )


@OLD
def test_files_of_the_old_weight_norm_load() -> None:
    old, new = nn.utils.weight_norm(nn.Linear(2, 3)), nn.Linear(2, 3)
    nn.utils.parametrizations.weight_norm(new).load_state_dict(old.state_dict())
    assert new.weight.allclose(old.weight)


# ---- pruning


def test_global_pruning_is_torchs() -> None:
    weights = arrays((4, 3), (2, 4))
    masks = []
    for lib in (pyrite, torch):
        layers = [lib.nn.Linear(3, 4), lib.nn.Linear(4, 2)]
        for layer, weight in zip(layers, weights, strict=True):
            layer.weight.data.copy_(lib.tensor(weight))
        parts = [(layer, "weight") for layer in layers]
        for amount in (5, 0.5):
            method = lib.nn.utils.prune.L1Unstructured
            lib.nn.utils.prune.global_unstructured(parts, method, amount=amount)
        assert lib.nn.utils.prune.is_pruned(layers[0])
        masks.append([layer.weight_mask.numpy() for layer in layers])
    for ours, theirs in zip(*masks, strict=True):
        assert (ours == theirs).all()


def test_random_pruning_takes_the_amount() -> None:
    module = prune.random_structured(nn.Linear(4, 6), "weight", 0.5, 0)
    kept = module.weight_mask.sum(dim=1)
    assert sorted(kept.tolist()) == [0.0] * 3 + [4.0] * 3
    prune.random_unstructured(module, "weight", 4)
    assert module.weight_mask.sum().item() == 8.0
    assert isinstance(next(iter(module._forward_pre_hooks.values())), prune.PruningContainer)


@pytest.mark.parametrize(("error", "call"), [
    (TypeError, lambda m: prune.l1_unstructured(m, "weight", "a")),
    (ValueError, lambda m: prune.l1_unstructured(m, "weight", 1.5)),
    (ValueError, lambda m: prune.l1_unstructured(m, "weight", 100)),
    (ValueError, lambda m: prune.random_structured(m, "bias", 1, 0)),
    (IndexError, lambda m: prune.random_structured(m, "weight", 1, 2)),
    (AssertionError, lambda m: prune.custom_from_mask(m, "weight", pyrite.ones(2))),
    (TypeError, lambda m: prune.global_unstructured([(m, "weight")], prune.Identity, [])),
])  # fmt: skip
def test_a_mistake_leaves_the_module_as_it_was(error: Any, call: Callable[[Any], Any]) -> None:
    module = nn.Linear(2, 2)
    with pytest.raises(error):
        call(module)
    assert list(module.state_dict()) == ["weight", "bias"]


# ---- fusion, init


@pytest.mark.parametrize("kind", ["Conv1d", "Conv2d", "Linear"])
@pytest.mark.parametrize("bias", [True, False])
def test_fused_layers_do_the_same(kind: str, bias: bool) -> None:
    if kind == "Linear":
        layer: Any = nn.Linear(3, 4, bias=bias)
        norm, x, fuse = nn.BatchNorm1d(4), pyrite.randn(5, 3), nn.utils.fuse_linear_bn_eval
    else:
        layer = getattr(nn, kind)(3, 4, 2, bias=bias)
        norm = getattr(nn, f"BatchNorm{kind[-2:]}")(4)
        x, fuse = pyrite.randn(5, 3, *[4] * int(kind[-2])), nn.utils.fuse_conv_bn_eval
    with pyrite.no_grad():
        norm(layer(x))
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
        with pytest.raises(AssertionError, match="Fusion only for eval"):
            fuse(layer, norm)
        whole = norm.eval()(layer.eval()(x))
        assert fuse(layer, norm)(x).allclose(whole, atol=1e-5)


@pytest.mark.parametrize("size", [(3, 5), (5, 3), (4, 2, 3)])
def test_orthogonal_rows_or_columns(size: tuple[int, ...]) -> None:
    w = nn.init.orthogonal_(pyrite.empty(size), gain=2.0).reshape(size[0], -1)
    square = w @ w.T if w.shape[0] < w.shape[1] else w.T @ w
    assert square.allclose(4 * pyrite.eye(len(square)), atol=1e-5)
    with pytest.raises(ValueError, match="2 or more dimensions"):
        nn.init.orthogonal_(pyrite.empty(3))


def test_old_names_of_init_warn() -> None:
    with pytest.warns(FutureWarning, match="deprecated in favor of `nn.init.constant_`"):
        assert nn.init.constant(pyrite.empty(2), 3.0).tolist() == [3.0, 3.0]  # type: ignore[attr-defined]


def test_skip_init_draws_nothing() -> None:
    before = pyrite.get_rng_state()
    module = nn.utils.skip_init(nn.Linear, 3, out_features=2)
    assert type(module) is nn.Linear
    assert (module.weight.shape, module.bias.shape) == ((2, 3), (2,))
    assert pyrite.get_rng_state().equal(before)
    with pytest.raises(RuntimeError, match="Expected a Module"):
        nn.utils.skip_init(int)


def test_weights_of_convolutions_change_their_order_of_memory() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Conv3d(2, 3, 2))
    before = model[0].weight.clone()
    nn.utils.convert_conv2d_weight_memory_format(model, pyrite.channels_last)
    assert model[0].weight.equal(before)
    assert model[0].weight.stride() == (8, 1, 4, 2)
    nn.utils.convert_conv3d_weight_memory_format(model, pyrite.channels_last_3d)
    assert model[1].weight.stride() == (16, 1, 8, 4, 2)
    empty = model.to_empty(device="cpu")
    assert empty[1].weight.shape == (3, 2, 2, 2, 2)
