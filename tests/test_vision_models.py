"""Vision models: torchvision's keys (recorded), and its logits where it is installed."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _torchvision import torchvision_part

import pyrite
from pyrite import nn
from pyrite.vision import models

# Name, the first 16 digits of the hash of keys and shapes, number of parameters: torchvision 0.28.
RECORDED = {
    name: (digest, int(count))
    for name, digest, count in (
        line.split()
        for line in (Path(__file__).parent / "vision_keys.txt").read_text().splitlines()
    )
}
NAMES = models.list_models()
SEGMENTATION = models.list_models(models.segmentation)
FRESH: dict[str, Any] = {name: {"weights_backbone": None} for name in SEGMENTATION}
SMALL = ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1", "mnasnet0_5"]
SIZES = {"vit_h_14": 56, "inception_v3": 96, "maxvit_t": 224}


def shapes(model: Any) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in model.state_dict().items()}


def parameter_count(model: Any) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.fixture
def no_drawing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers keep the memory they get: the test looks at keys, or loads other weights."""
    for name in vars(nn.init):
        if name.endswith("_") and not name.startswith("_"):
            monkeypatch.setattr(nn.init, name, lambda tensor, *_, **__: tensor)


@pytest.mark.usefixtures("no_drawing")
@pytest.mark.parametrize("name", NAMES)
def test_keys_and_shapes_are_torchvision_s(name: str) -> None:
    model = models.get_model(name, **FRESH.get(name, {}))
    rows = sorted(f"{key} {shape}" for key, shape in shapes(model).items())
    digest = hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]
    assert (digest, parameter_count(model)) == RECORDED[name]


@pytest.mark.parametrize("name", SMALL)
def test_small_models_train(name: str) -> None:
    pyrite.manual_seed(0)
    model = models.get_model(name, num_classes=5)
    out = model(pyrite.randn(2, 3, 64, 64))
    nn.functional.cross_entropy(out, pyrite.tensor([1, 3])).backward()
    assert tuple(out.shape) == (2, 5)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_side_classifiers_answer_in_training() -> None:
    pyrite.manual_seed(0)
    x = pyrite.randn(2, 3, 96, 96)
    google = models.googlenet(num_classes=3)
    assert type(google(x)) is models.GoogLeNetOutputs
    assert [tuple(t.shape) for t in google(x)] == [(2, 3)] * 3
    assert tuple(google.eval()(x).shape) == (2, 3)


def test_dense_layers_save_memory_alike() -> None:
    plain = models.DenseNet(4, (2, 2), 8, num_classes=3).eval()
    saving = models.DenseNet(4, (2, 2), 8, num_classes=3, memory_efficient=True).eval()
    saving.load_state_dict(plain.state_dict())
    x = pyrite.randn(1, 3, 32, 32)
    for model in (plain, saving):
        model(x).sum().backward()
    pairs = zip(plain.parameters(), saving.parameters(), strict=True)
    assert all(pyrite.allclose(a.grad, b.grad, atol=1e-6) for a, b in pairs)


# ---- the registry


def test_models_are_found_by_name() -> None:
    assert models.get_model_builder("ResNet18") is models.resnet18
    assert models.list_models(include="*swin*", exclude=["*v2*"]) == ["swin_b", "swin_s", "swin_t"]
    assert models.list_models(models) == sorted(set(NAMES) - set(SEGMENTATION))
    assert len(SEGMENTATION) == 6
    assert models.resnet18.__name__ == "resnet18"
    assert "ResNet-18" in models.resnet18.__doc__
    with pytest.raises(ValueError, match="Unknown model resnet17"):
        models.get_model("resnet17")


def test_a_name_is_taken_once() -> None:
    with pytest.raises(ValueError, match="already registered under the name 'resnet18'"):
        models.register_model("resnet18")(lambda: nn.Identity())


# ---- weights from files


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    saved = models.squeezenet1_1(num_classes=4)
    pyrite.save(saved.state_dict(), tmp_path / "squeezenet.pth")
    model = models.squeezenet1_1(weights=tmp_path / "squeezenet.pth", num_classes=4)
    assert model.features[0].weight.equal(saved.features[0].weight)
    with pytest.raises(ValueError, match="no file IMAGENET1K_V9, and no published"):
        models.squeezenet1_1(weights="IMAGENET1K_V9")


OLD_NAMES = [
    (models.DenseNet, (4, (2,), 8), r"norm1", "norm.1"),
    (models.VisionTransformer, (32, 16, 1, 2, 8, 16), "mlp.3", "mlp.linear_2"),
]


@pytest.mark.parametrize(("make", "args", "new", "old"), OLD_NAMES)
def test_older_keys_load(make: Any, args: Any, new: str, old: str) -> None:
    model, state = make(*args), make(*args).state_dict()
    assert any(new in key for key in state)
    model.load_state_dict({key.replace(new, old): value for key, value in state.items()})
    assert all(value.equal(state[key]) for key, value in model.state_dict().items())


# ---- torchvision as oracle


@pytest.fixture(scope="module")
def theirs() -> Any:
    with torchvision_part("models") as part:
        yield part


def test_what_is_lacking_is_known(theirs: Any) -> None:
    """Of torchvision's names, those below are not built, and all the others are."""
    video = {"mc3_18", "mvit_v1_b", "mvit_v2_s", "r2plus1d_18", "r3d_18", "s3d", "swin3d_?"}
    detection = {"*rcnn*", "fcos*", "retinanet*", "ssd*"}
    lacking = theirs.list_models(include=video | detection | {"quantized_*", "raft_*"})
    assert set(NAMES) == set(theirs.list_models()) - set(lacking)


def lively(torch: Any, model: Any) -> Any:
    """Statistics and factors that a fresh model has at 0 or 1 get values that show."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.running_mean.normal_(std=0.1)
            layer.running_var.uniform_(0.5, 1.5)
        if hasattr(layer, "layer_scale"):
            layer.layer_scale.data.fill_(0.5)
    if hasattr(model, "heads"):
        torch.nn.init.normal_(model.heads.head.weight, std=0.02)
    return model.eval()


@pytest.mark.full
@pytest.mark.usefixtures("no_drawing")
@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", NAMES)
def test_logits_are_torchvision_s(theirs: Any, name: str) -> None:
    torch = pytest.importorskip("torch", reason="compares with torchvision")
    torch.manual_seed(0)
    size = SIZES.get(name, 64)
    options = {"image_size": size} if name.startswith("vit") else {}
    if name in SEGMENTATION:
        options = {"weights_backbone": None} | ({} if "lraspp" in name else {"aux_loss": True})
    other = lively(torch, theirs.get_model(name, weights=None, **options))
    model: Any = models.get_model(name, **options).eval()
    assert parameter_count(model) == parameter_count(other)
    state = {key: pyrite.from_numpy(t.numpy()) for key, t in other.state_dict().items()}
    assert list(model.state_dict()) == list(state)
    model.load_state_dict(state, strict=True)
    x = np.random.default_rng(0).standard_normal((1, 3, size, size), dtype=np.float32)
    with pyrite.no_grad(), torch.no_grad():
        expected, found = other(torch.from_numpy(x)), model(pyrite.from_numpy(x))
    if name not in SEGMENTATION:
        expected, found = {"out": expected}, {"out": found}
    assert list(found) == list(expected)
    for key, logits in expected.items():
        error = np.abs(found[key].numpy() - logits.numpy()).max()
        assert error <= 1e-4 * np.abs(logits.numpy()).max(), key
