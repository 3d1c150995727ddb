"""Published weights: the table, the enums, and loading from a server on this machine."""

from __future__ import annotations

import copy
import functools
import hashlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _servers import Files, serving
from _torchvision import torchvision_part
from PIL import Image

import pyrite
from pyrite import hub
from pyrite.vision import models
from pyrite.vision.models import _api, segmentation

URL = "https://download.pytorch.org/models/"


def test_enums_know_their_weights() -> None:
    weights = models.ResNet50_Weights.DEFAULT
    assert weights is models.ResNet50_Weights.IMAGENET1K_V2
    assert models.resnet.ResNet50_Weights is models.ResNet50_Weights
    assert repr(weights) == str(weights) == "ResNet50_Weights.IMAGENET1K_V2"
    assert weights.url == f"{URL}resnet50-11ad3fa6.pth"
    assert weights.meta["_metrics"] == {"ImageNet-1K": {"acc@1": 80.858, "acc@5": 95.434}}
    assert weights.meta["categories"][:2] == ["tench", "goldfish"]
    assert len(models.ResNet50_Weights) == 2
    assert models.ResNet50_Weights.__module__ == "pyrite.vision.models"
    assert pickle.loads(pickle.dumps(weights)) is copy.deepcopy(weights) is weights
    first = models.ResNet50_Weights["IMAGENET1K_V1"]
    assert copy.deepcopy(weights.value) == weights.value != first.value
    coco = segmentation.FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1
    assert len(coco.meta["categories"]) == 21
    assert not hasattr(models, "FCN_ResNet50_Weights")
    assert not hasattr(models.vgg, "ResNet50_Weights")


def test_weights_are_found_by_name() -> None:
    weights = models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1
    assert models.get_weight("ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1") is weights
    for model in ("vit_b_16", models.vit_b_16):
        assert models.get_model_weights(model) is models.ViT_B_16_Weights
    assert weights.verify("DEFAULT") is models.ViT_B_16_Weights.IMAGENET1K_V1
    assert weights.verify(None) is None
    for wrong, message in (("ViT", "Invalid weight name"), ("A.B", "'A' .* be retrieved")):
        with pytest.raises(ValueError, match=message):
            models.get_weight(wrong)
    with pytest.raises(KeyError):
        models.get_weight("ViT_B_16_Weights.V9")
    with pytest.raises(ValueError, match="no weights are published"):
        models.get_model_weights(lambda: None)
    with pytest.raises(TypeError, match="expected VGG11_Weights but received ViT_B_16_Weights"):
        models.vgg11(weights=weights)


def test_every_model_has_weights_of_its_size() -> None:
    recorded = (Path(__file__).parent / "vision_keys.txt").read_text().splitlines()
    counts = {line.split()[0]: int(line.split()[2]) for line in recorded}
    for name in models.list_models():
        found = models.get_model_weights(name)
        assert found.DEFAULT.url.startswith(URL)
        plain = [w for w in found if "SWAG_E2E" not in w.name]
        # Those of segmentation count a side classifier, too; those of GoogLeNet do not.
        if name not in ("googlenet", *models.list_models(segmentation)):
            assert {w.meta["num_params"] for w in plain} == {counts[name]}


def test_table_is_torchvision_s() -> None:
    with torchvision_part("models") as theirs:
        for name in models.list_models():
            ours, enum = models.get_model_weights(name), theirs.get_model_weights(name)
            assert [*ours.__members__] == [*enum.__members__]
            assert ours.__name__ == enum.__name__
            for member, other in zip(ours, enum, strict=True):
                meta = {key: value for key, value in other.meta.items() if key != "_docs"}
                assert (member.name, member.url) == (other.name, other.url)
                assert sorted(map(str, member.meta.items())) == sorted(map(str, meta.items()))
                assert isinstance(member.transforms, functools.partial)
                assert member.transforms.func.__name__ == other.transforms.func.__name__
                words, expected = member.transforms.keywords, other.transforms.keywords
                assert words.keys() == expected.keys()
                assert all(str(words[key]) == str(value) for key, value in expected.items())
                assert repr(member.transforms()) == repr(other.transforms())


# ---- loading


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    """The published weights of squeezenet1_1, as this server says, in folders of the test's."""
    pytest.importorskip("pooch", reason="downloads go through pooch")
    pyrite.manual_seed(0)
    pyrite.save(models.squeezenet1_1().state_dict(), tmp_path / "state")
    raw = (tmp_path / "state").read_bytes()
    name = f"squeezenet1_1-{hashlib.sha256(raw).hexdigest()[:8]}.pth"
    for variable in ("PYRITE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.setattr(hub, "_folder", None)
    row = _api._table()["models"]["squeezenet1_1"]["weights"]["IMAGENET1K_V1"]
    monkeypatch.setitem(row, "file", name)
    with serving({name: raw}) as server:
        monkeypatch.setitem(_api._table(), "base", server.url)
        _api._enum.cache_clear()
        yield server
    monkeypatch.undo()
    _api._enum.cache_clear()


def same(model: Any, raw: bytes, folder: Path) -> bool:
    (folder / "expected").write_bytes(raw)
    expected = pyrite.load(folder / "expected")
    return all(value.equal(expected[key]) for key, value in model.state_dict().items())


def test_weights_are_downloaded_once(server: Files, tmp_path: Path) -> None:
    (name, raw), *_ = server.content.items()
    server.cuts = [len(raw) // 2]
    for weights in (models.SqueezeNet1_1_Weights.DEFAULT, "DEFAULT", "IMAGENET1K_V1",
                    "SqueezeNet1_1_Weights.IMAGENET1K_V1"):  # fmt: skip
        assert same(models.squeezenet1_1(weights=weights, progress=False), raw, tmp_path)
    assert same(models.get_model("squeezenet1_1", weights="DEFAULT"), raw, tmp_path)
    assert (tmp_path / "PYRITE_HOME" / "hub" / "checkpoints" / name).read_bytes() == raw
    assert [asked is None for _, asked in server.requests] == [True, False]
    with pytest.warns(UserWarning, match="'pretrained' is deprecated .*SqueezeNet1_1_Weights"):
        assert same(models.squeezenet1_1(pretrained=True), raw, tmp_path)
    with pytest.warns(UserWarning, match="weights=None"):
        models.squeezenet1_1(pretrained=False)
    with pytest.raises(ValueError, match="'num_classes' expected value 1000 but got 5"):
        models.squeezenet1_1(weights="DEFAULT", num_classes=5)


def test_a_wrong_file_is_refused(server: Files, tmp_path: Path) -> None:
    name = next(iter(server.content))
    server.content[name] = b"<html>"
    with pytest.raises(RuntimeError, match=r"expected sha256:[0-9a-f]{8}, got sha256:") as caught:
        models.squeezenet1_1(weights="DEFAULT")
    assert name in str(caught.value)


def test_a_file_that_torch_has_is_used(server: Files, tmp_path: Path) -> None:
    name, raw = server.content.popitem()
    path = tmp_path / "TORCH_HOME" / "hub" / "checkpoints" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(raw)
    assert same(models.squeezenet1_1(weights="DEFAULT"), raw, tmp_path)
    assert server.requests == []


def test_hub(server: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, raw = server.content.popitem()
    server.content = {"any/x.pth": raw}
    url = server.url + "any/x.pth"
    state = hub.load_state_dict_from_url(url, check_hash=True, progress=False)
    assert (tmp_path / "PYRITE_HOME" / "hub" / "checkpoints" / "x.pth").is_file()
    assert state.keys() == hub.load_state_dict_from_url(url, map_location="cpu").keys()
    assert len(server.requests) == 1
    hub.load_state_dict_from_url(url, model_dir=tmp_path / "own", file_name="y.pth")
    assert (tmp_path / "own" / "y.pth").is_file()
    hub.set_dir(tmp_path / "elsewhere")
    assert hub.get_dir() == str(tmp_path / "elsewhere")
    hub.download_url_to_file(url, tmp_path / "z", hashlib.sha256(raw).hexdigest())
    assert (tmp_path / "z").read_bytes() == raw
    with pytest.raises(RuntimeError, match="404"):
        hub.download_url_to_file(server.url + "none", tmp_path / "none")
    monkeypatch.setattr(hub, "_folder", None)
    monkeypatch.delenv("PYRITE_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert hub.get_dir() == str(tmp_path / "cache" / "pyrite" / "hub")


def given(monkeypatch: pytest.MonkeyPatch, model: Any) -> None:
    """Published weights are those of `model`."""
    states = lambda *_, **__: model.state_dict()  # noqa: E731
    monkeypatch.setattr(models.WeightsEnum, "get_state_dict", states)


def test_published_weights_fix_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, models.googlenet(init_weights=False))
    plain = models.googlenet(weights="DEFAULT")
    assert (plain.aux_logits, plain.aux1, plain.transform_input) == (False, None, True)
    with pytest.warns(UserWarning, match="NOT pretrained"):
        assert models.googlenet(weights="DEFAULT", aux_logits=True).aux1 is not None
    with pytest.raises(ValueError, match="'aux_logits' expected value True"):
        models.inception_v3(weights="DEFAULT", aux_logits=False)
    with pytest.raises(ValueError, match="'image_size' expected value 384 but got 224"):
        models.vit_b_16(weights="IMAGENET1K_SWAG_E2E_V1", image_size=224)
    with pytest.raises(ValueError, match="No weights available for model vit_h_14"):
        models.vit_h_14(pretrained=True)


def test_segmentation_takes_the_weights_of_its_backbone(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "lraspp_mobilenet_v3_large"
    with monkeypatch.context() as patch:
        backbone = models.mobilenet_v3_large()
        given(patch, backbone)
        whole = models.get_model(name)
        assert whole.backbone["0"][0].weight.equal(backbone.features[0][0].weight)
        with pytest.warns(UserWarning, match="'pretrained_backbone' is deprecated"):
            models.get_model(name, pretrained_backbone=True)
    given(monkeypatch, whole)
    again = models.get_model(name, weights=segmentation.LRASPP_MobileNet_V3_Large_Weights.DEFAULT)
    assert again.backbone["0"][0].weight.equal(whole.backbone["0"][0].weight)
    with pytest.raises(ValueError, match="'aux_loss' expected value True but got False"):
        segmentation.fcn_resnet50(weights="DEFAULT", aux_loss=False)
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        segmentation.fcn_resnet50(weights_backbone=None, colour=True)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(300, 400), (256, 256), (90, 500)])
def test_presets_are_torchvision_s(interpolation: str, size: tuple[int, int]) -> None:
    """On images and on tensors, one and several."""
    torch = pytest.importorskip("torch", reason="compares with torchvision")
    from pyrite.vision.models import _presets

    draw = np.random.default_rng(0)
    small = draw.integers(0, 256, (3, 12, 12), np.uint8)
    pixels = np.kron(small, np.ones((1, 42, 42), np.uint8))[:, : size[0], : size[1]]
    image = Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0)))
    batch = np.stack([pixels, pixels[::-1]])
    with torchvision_part("transforms._presets") as theirs:
        for name, options in (
            ("ImageClassification", {"crop_size": 112, "resize_size": 128}),
            ("SemanticSegmentation", {"resize_size": 100}),
            ("SemanticSegmentation", {"resize_size": None}),
        ):
            ours = _presets.preset(name, {**options, "interpolation": interpolation})()
            mode = theirs.InterpolationMode(interpolation)
            expected = getattr(theirs, name)(**options, interpolation=mode)
            assert repr(ours) == repr(expected)
            pairs = [(ours(image), expected(image))]
            pairs.append((ours(pyrite.tensor(batch)), expected(torch.tensor(batch))))
            for mine, other in pairs:
                assert mine.dtype is pyrite.float32
                apart = np.abs(mine.numpy() - other.numpy())
                # Bytes between two grey levels may be rounded either way.
                assert apart.max() < 1.01 / 255 / 0.224
                assert (apart > 1e-5).mean() < 0.01
    text = models.ResNet18_Weights.DEFAULT.transforms().describe()
    assert "cropped in the middle to [224]" in text
