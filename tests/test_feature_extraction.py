"""Intermediate results by name, compared with torchvision's extractors."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from _torchvision import torchvision_part

import pyrite
from pyrite import nn
from pyrite.vision import models
from pyrite.vision.models import feature_extraction as fe

# Models whose names are torchvision's, one for one.
SAME = [
    "alexnet", "densenet121", "efficientnet_b0", "googlenet", "mnasnet0_5", "mobilenet_v2",
    "regnet_y_400mf", "resnet18", "squeezenet1_1", "vgg11",
]  # fmt: skip
SMALL = 64


def example(name: str = "") -> Any:
    return pyrite.zeros(2, 3, SMALL, SMALL)


def test_names_are_paths_and_functions() -> None:
    model = models.resnet18()
    train, evaluation = fe.get_graph_node_names(model, example=example())
    assert train == evaluation
    assert evaluation[:6] == ["x", "conv1", "bn1", "relu", "maxpool", "layer1.0.conv1"]
    assert evaluation[8:12] == ["layer1.0.conv2", "layer1.0.bn2", "layer1.0.add", "layer1.0.relu_1"]
    assert evaluation[-3:] == ["avgpool", "flatten", "fc"]


def test_listing_changes_nothing() -> None:
    model = models.squeezenet1_1(num_classes=3)
    norms = nn.Sequential(nn.Conv2d(3, 3, 3), nn.BatchNorm2d(3), nn.Dropout(), model)
    norms[1].eval()
    before = {key: value.clone() for key, value in norms.state_dict().items()}
    state = pyrite.get_rng_state()
    fe.get_graph_node_names(norms, example=example())
    assert all(value.equal(before[key]) for key, value in norms.state_dict().items())
    assert (norms.training, norms[1].training, norms[0].training) == (True, False, True)
    assert pyrite.equal(pyrite.get_rng_state(), state)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in norms.modules())


@pytest.mark.parametrize("name", SAME)
def test_names_are_torchvision_s(name: str) -> None:
    with torchvision_part("models.feature_extraction") as theirs:
        from torchvision import models as their_models

        options = {"init_weights": False} if name in ("googlenet", "vgg11") else {}
        other = their_models.get_model(name, weights=None, **options)
        expected = theirs.get_graph_node_names(other, suppress_diff_warning=True)
    ours = fe.get_graph_node_names(
        models.get_model(name, **options), suppress_diff_warning=True, example=example()
    )
    assert ours == expected


NODES = {
    "layer2": "two",
    "layer3.0.add": "sum",
    "layer1.1.bn1": "norm",
    "flatten": "flat",
    "x": "x",
}


@pytest.mark.parametrize("training", [False, True])
def test_values_are_torchvision_s(training: bool) -> None:
    torch = pytest.importorskip("torch", reason="compares with torchvision")
    with torchvision_part("models.feature_extraction") as theirs:
        from torchvision import models as their_models

        torch.manual_seed(0)
        other = their_models.resnet18(weights=None).train(training)
        expected = theirs.create_feature_extractor(other, dict(NODES))
        model = models.resnet18().train(training)
        model.load_state_dict({k: pyrite.tensor(v.numpy()) for k, v in other.state_dict().items()})
        ours = fe.create_feature_extractor(model, NODES, example=example())
        assert ours.state_dict().keys() == expected.state_dict().keys()
        assert [n for n, _ in ours.named_parameters()] == [
            n for n, _ in expected.named_parameters()
        ]
        x = np.random.default_rng(0).standard_normal((4, 3, SMALL, SMALL), np.float32)
        found, other_found = ours(pyrite.tensor(x)), expected(torch.tensor(x))
    assert list(found) == list(other_found)
    for key, value in found.items():
        difference = np.abs(value.detach().numpy() - other_found[key].detach().numpy())
        assert difference.max() <= 1e-4 * max(other_found[key].abs().max().item(), 1)


def test_extractors_stop_when_all_is_there() -> None:
    model = models.resnet18(num_classes=5).eval()
    extractor = fe.create_feature_extractor(model, ["layer2"], example=example())
    assert not extractor.training
    assert extractor.layer1 is not None
    assert not hasattr(extractor, "layer3")
    assert extractor.conv1 is model.conv1
    model.layer3.forward = model.fc.forward = None  # would fail if it were called
    for size in (40, 72):
        out = extractor(pyrite.zeros(1, 3, size, size))
        assert list(out) == ["layer2"]
        assert out["layer2"].shape == (1, 128, size // 8, size // 8)


def test_gradients_reach_the_layers_that_ran() -> None:
    pyrite.manual_seed(0)
    model = models.squeezenet1_1()
    nodes = {"features.5": "a", "features.7.cat": "b"}
    extractor = fe.create_feature_extractor(model, nodes, example=example())
    out = extractor(pyrite.randn(2, 3, SMALL, SMALL))
    assert list(out) == ["a", "b"]
    (out["a"].mean() + out["b"].mean()).backward()
    assert all(p.grad is not None for p in extractor.parameters())
    assert sum(p.grad is not None for p in model.parameters()) == len(list(extractor.parameters()))
    copied = copy.deepcopy(extractor).eval()
    assert extractor.training
    x = pyrite.randn(1, 3, SMALL, SMALL)
    assert copied(x)["b"].equal(extractor.eval()(x)["b"])
    assert copied.features is not extractor.features


class Side(nn.Module):
    """A model whose modes differ, with a function called twice and a layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.linear, self.act = nn.Linear(4, 4), nn.Tanh()

    def forward(self, x: Any, scale: float = 1.0) -> Any:
        x = self.act(self.linear(x) * scale)
        if self.training:
            x = pyrite.cat([x, x], 1).chunk(2, 1)[0]
        return self.act(x + x + x).softmax(-1)


def test_modes_may_differ() -> None:
    model, x = Side(), pyrite.ones(2, 4)
    with pytest.warns(UserWarning, match="train mode are different"):
        train, evaluation = fe.get_graph_node_names(model, example=x)
    names = ["x", "linear", "mul", "act", "add", "add_1", "act_1", "softmax"]
    assert evaluation == names
    assert train == [*names[:4], "cat", "chunk", *names[4:]]
    extractor = fe.create_feature_extractor(
        model, train_return_nodes=["cat"], eval_return_nodes={"act": "first", "act_1": "last"},
        suppress_diff_warning=True, example=(x,),
    )  # fmt: skip
    assert extractor(x, scale=0.5)["cat"].shape == (2, 8)
    out = extractor.eval()(x)
    assert list(out) == ["first", "last"]
    assert pyrite.allclose(out["last"], (3 * out["first"]).tanh())
    leaf = fe.get_graph_node_names(
        nn.Sequential(Side()), {"leaf_modules": [Side]}, example=pyrite.ones(2, 4)
    )
    assert leaf == (["input", "0"], ["input", "0"])


def test_mistakes_are_explained() -> None:
    model = Side()
    with pytest.raises(ValueError, match="node: 'layer9' is not present"):
        fe.create_feature_extractor(models.resnet18(), ["layer9"], example=example())
    with pytest.raises(ValueError, match="should be specified"):
        fe.create_feature_extractor(model, example=pyrite.ones(1, 4))
    with pytest.raises(ValueError, match="should be specified"):
        fe.create_feature_extractor(model, ["act"], eval_return_nodes=["act"])
    with pytest.raises(ValueError, match=r"zeros of shape \(2, 3, 224, 224\): give .* example="):
        fe.get_graph_node_names(model)
