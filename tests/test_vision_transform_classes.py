"""Transforms as classes: parameters drawn rightly, and then torchvision's results."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from _torchvision import torchvision_part
from _vision_cases import synthetic
from PIL import Image

import pyrite
from pyrite.data import DataLoader, Dataset
from pyrite.vision import transforms as v1
from pyrite.vision import tv_tensors
from pyrite.vision.transforms import v2

# With noise: on even ramps every other mean is half a level, and rounds either way.
NOISE = np.random.default_rng(0).integers(0, 128, (3, 120, 160)).astype(np.uint8)
PLANES = synthetic()[:, :120, :160] // 2 + NOISE
BOXES = np.array([[10, 20, 60, 80], [90, 5, 150, 110]], np.float32)
MASK = (np.add.outer(np.arange(120), np.arange(160)) // 40 % 2).astype(np.uint8)[None]
STILL: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Resize", (60,), {"interpolation": 3}), ("CenterCrop", ((50, 170),), {}),
    ("Pad", ([3, 4],), {"fill": 7}), ("Grayscale", (3,), {}), ("FiveCrop", (40,), {}),
    ("TenCrop", (40,), {"vertical_flip": True}), ("RandomHorizontalFlip", (1.0,), {}),
    ("RandomVerticalFlip", (1.0,), {}), ("RandomInvert", (1.0,), {}),
    ("RandomEqualize", (1.0,), {}), ("RandomAutocontrast", (1.0,), {}),
    ("RandomPosterize", (3, 1.0), {}), ("RandomSolarize", (120, 1.0), {}),
    ("RandomAdjustSharpness", (1.7, 1.0), {}), ("RandomGrayscale", (1.0,), {}),
    ("RandomHorizontalFlip", (0.0,), {}),
]  # fmt: skip
ONLY2: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("RGB", (), {}), ("ToImage", (), {}), ("ToPureTensor", (), {}), ("Identity", (), {}),
    ("ConvertBoundingBoxFormat", ("CXCYWH",), {}), ("ClampBoundingBoxes", (), {}),
    ("SanitizeBoundingBoxes", (70.0,), {}), ("SetClampingMode", (None,), {}),
]  # fmt: skip
DRAWN: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("RandomResizedCrop", (50,), {}), ("RandomRotation", (40,), {"fill": 3}),
    ("RandomAffine", (40, (0.2, 0.1), (0.7, 1.3), (-10, 10, -5, 5)), {}),
    ("RandomAffine", (5,), {"interpolation": "bilinear", "fill": 9}),
    ("RandomPerspective", (0.4, 1.0), {}), ("ElasticTransform", (20.0,), {}),
    ("GaussianBlur", (5,), {}), ("RandomZoomOut", (4,), {"p": 1.0}),
    ("ScaleJitter", ((100, 90),), {}), ("RandomShortestSize", ([70, 90], 150), {}),
    ("RandomResize", (50, 70), {}), ("RandomChannelPermutation", (), {}),
    ("JPEG", ((20, 90),), {}), ("RandomErasing", (1.0,), {"value": [1, 2, 3]}),
    ("RandomCrop", (70,), {"padding": 5, "padding_mode": "constant", "fill": 8}),
    ("RandomCrop", ((150, 170),), {"pad_if_needed": True}),
    ("ColorJitter", (0.4, 0.4, 0.4, 0.1), {}), ("RandomPhotometricDistort", (), {}),
    ("RandomIoUCrop", (), {}),
]  # fmt: skip


def label(case: Any) -> str:
    return f"{case[0]}{case[1]}{case[2] or ''}"


def sample(kinds: Any, from_numpy: Any) -> dict[str, Any]:
    boxes = kinds.BoundingBoxes(from_numpy(BOXES.copy()), format="XYXY", canvas_size=(120, 160))
    return {
        "image": kinds.Image(from_numpy(PLANES.copy())), "boxes": boxes,
        "mask": kinds.Mask(from_numpy(MASK.copy())), "labels": from_numpy(np.arange(2)),
    }  # fmt: skip


def same(found: Any, expected: Any, levels: float = 1.0) -> None:
    """Two samples, or parts of them, of both libraries agree."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            same(found[name], expected[name], levels if name == "image" else 1e-3)
    elif isinstance(expected, tuple | list):
        assert len(found) == len(expected)
        for a, b in zip(found, expected, strict=True):
            same(a, b, levels)
    else:
        if isinstance(expected, Image.Image):
            assert found.mode == expected.mode
            found, expected = np.asarray(found), np.asarray(expected)
        else:
            assert type(found).__name__ == type(expected).__name__
            for about in ("canvas_size", "clamping_mode"):
                assert getattr(found, about, None) == getattr(expected, about, None)
            found, expected = found.numpy(), expected.numpy()
        assert found.shape == expected.shape
        assert found.dtype == expected.dtype
        off = np.abs(found.astype(np.float64) - expected.astype(np.float64))
        assert off.max(initial=0) <= levels


@pytest.fixture(scope="module")
def theirs() -> Iterator[Any]:
    with warnings.catch_warnings(), torchvision_part("transforms.v2"):
        warnings.simplefilter("ignore")
        yield importlib.import_module("torchvision")


@pytest.mark.parametrize("case", [*STILL, *ONLY2], ids=label)
def test_samples_are_transformed_as_in_torchvision(theirs: Any, case: Any) -> None:
    name, args, named = case
    from_numpy = importlib.import_module("torch").from_numpy
    given, ours = sample(theirs.tv_tensors, from_numpy), sample(tv_tensors, pyrite.from_numpy)
    if name in ("FiveCrop", "TenCrop"):
        given, ours = given["image"], ours["image"]
    expected = getattr(theirs.transforms.v2, name)(*args, **named)(given)
    same(getattr(v2, name)(*args, **named)(ours), expected)


@pytest.mark.parametrize("case", STILL, ids=label)
def test_images_are_transformed_as_in_version_1(theirs: Any, case: Any) -> None:
    name, args, named = case
    torch = importlib.import_module("torch")
    photo = Image.fromarray(np.ascontiguousarray(PLANES.transpose(1, 2, 0)))
    for image, their_image in (
        (photo, photo),
        (pyrite.from_numpy(PLANES.copy()), torch.from_numpy(PLANES.copy())),
    ):
        expected = getattr(theirs.transforms, name)(*args, **named)(their_image)
        same(getattr(v1, name)(*args, **named)(image), expected)


def translated(name: str, params: Any, torch: Any) -> Any:
    """Our parameters of one sample as theirs."""
    if isinstance(params, dict):
        params = {key: translated("", value, torch) for key, value in params.items()}
    if isinstance(params, pyrite.Tensor):
        return torch.from_numpy(params.numpy().copy())
    if name == "RandomCrop":
        top, left, height, width = params["box"]
        params |= {"top": top, "left": left, "height": height, "width": width}
        params |= {"needs_crop": True, "needs_pad": any(params["padding"])}
    if name == "RandomPerspective":
        params = {"coefficients": params["coefficients"]}
    if name == "RandomIoUCrop" and params:
        names = ("top", "left", "height", "width")
        params = dict(zip(names, params["box"], strict=True)) | {
            "is_within_crop_area": params["kept"]
        }
    if name == "ColorJitter":
        params = jitter(params["steps"])
    if name == "RandomPhotometricDistort":
        *steps, (_, order) = params["steps"]
        params = jitter(steps)
        before = params.pop("fn_idx").index(1) == 1
        params |= {"contrast_before": before, "channel_permutation": order}
    return params


def jitter(steps: Any) -> dict[str, Any]:
    names = ["brightness", "contrast", "saturation", "hue"]
    found = {f.__name__.removeprefix("adjust_") + "_factor": factor for f, factor in steps}
    return found | {"fn_idx": [names.index(f.__name__.removeprefix("adjust_")) for f, _ in steps]}


@pytest.mark.parametrize("case", DRAWN, ids=label)
def test_equal_parameters_give_torchvision_s_results(theirs: Any, case: Any) -> None:
    name, args, named = case
    torch = importlib.import_module("torch")
    pyrite.manual_seed(len(label(case)))
    ours, other = getattr(v2, name)(*args, **named), getattr(theirs.transforms.v2, name)
    other = other(*args, **named)
    for _ in range(4):
        mine, given = (
            sample(tv_tensors, pyrite.from_numpy),
            sample(theirs.tv_tensors, torch.from_numpy),
        )
        parts = [part for part in ("image", "boxes", "mask") if name != "JPEG" or part == "image"]
        parts = ["image"] if name == "RandomErasing" else parts
        params = ours.make_params([mine[part] for part in parts])
        if name == "JPEG":  # torchvision's own codec is not there: Pillow's is
            image = v1.functional.to_pil_image(mine["image"])
            expected = other.transform(image, params)
            same(ours.transform(image, params), expected)
            continue
        their_params = translated(name, copy.copy(params), torch)
        for part in parts:
            result = ours.transform(mine[part], params)
            steps = 2 if "steps" in params else 1  # each cuts to whole levels
            levels = steps if part == "image" else 0.01
            same(result, other.transform(given[part], their_params), levels)


# ---- what is drawn


def ks(a: Any, b: Any) -> float:
    """The largest distance of two samples' distribution functions, in its 1 % quantile."""
    a, b = np.sort(a), np.sort(b)
    every = np.concatenate((a, b))
    parts = (np.searchsorted(x, every, side="right") / len(x) for x in (a, b))
    return float(np.abs(np.subtract(*parts)).max() / (1.63 * np.sqrt(2 / len(a))))


SIZES: list[tuple[str, tuple[Any, ...]]] = [
    ("RandomResizedCrop", ("image", (0.08, 1.0), (0.75, 4 / 3))),
    ("RandomErasing", ("image", (0.02, 0.33), (0.3, 3.3), [0.0])),
    ("RandomCrop", ("image", (50, 60))),
    ("RandomAffine", ((-10, 20), (0.2, 0.1), (0.5, 2.0), (-5, 5, -1, 3), (160, 120))),
    ("RandomPerspective", (160, 120, 0.5)), ("RandomRotation", ([-30.0, 60.0],)),
    ("GaussianBlur", (0.1, 2.0)), ("AutoAugment", (25,)),
    ("ColorJitter", ((0.5, 1.5), (0.2, 1.0), (1.0, 3.0), (-0.1, 0.4))),
]  # fmt: skip


def flat_numbers(value: Any) -> list[float]:
    if isinstance(value, tuple | list):
        return [number for part in value for number in flat_numbers(part)]
    return flat_numbers(value.tolist()) if hasattr(value, "tolist") else [float(value)]


@pytest.mark.parametrize(("name", "args"), SIZES)
def test_parameters_are_distributed_as_in_torchvision(theirs: Any, name: str, args: Any) -> None:
    torch = importlib.import_module("torch")
    pyrite.manual_seed(3)
    torch.manual_seed(3)

    def draws(module: Any, image: Any) -> Any:
        given = [image if arg == "image" else arg for arg in args]
        kind = getattr(module, name)
        return np.array([flat_numbers(kind.get_params(*given)) for _ in range(800)]).T

    ours = draws(v1, pyrite.from_numpy(PLANES))
    other = draws(theirs.transforms, torch.from_numpy(PLANES.copy()))
    assert ours.shape == other.shape
    assert max(ks(a, b) for a, b in zip(ours, other, strict=True)) < 1.25
    with np.errstate(invalid="ignore"):
        mine, their = np.corrcoef(ours[:6]), np.corrcoef(other[:6])
    np.testing.assert_allclose(np.nan_to_num(mine), np.nan_to_num(their), atol=0.17)


def test_chances() -> None:
    pyrite.manual_seed(0)
    image = pyrite.arange(2.0).reshape(1, 1, 2)
    flip = v1.RandomHorizontalFlip(0.3)
    share = sum(float(flip(image)[0, 0, 0]) for _ in range(2000)) / 2000
    assert abs(share - 0.3) < 0.04
    step = [v1.Lambda(lambda x, i=i: x * 4 + i) for i in range(3)]
    found = Counter(v1.RandomChoice(step, p=[1, 2, 5])(0) for _ in range(2000))
    for i, part in enumerate((1 / 8, 2 / 8, 5 / 8)):
        assert abs(found[i] / 2000 - part) < 0.04
    orders = Counter(v2.RandomOrder(step)(0) for _ in range(1200))
    assert len(orders) == 6
    assert max(orders.values()) < 260
    applied = sum(v1.RandomApply(step[1:2], p=0.25)(0) for _ in range(2000)) / 2000
    assert abs(applied - 0.25) < 0.04


def test_mixing_shares_are_beta_distributed() -> None:
    pyrite.manual_seed(0)
    mix = v2.MixUp(alpha=0.4, num_classes=3)
    shares = np.array([mix.make_params([])["lam"] for _ in range(800)])
    assert ks(shares, np.random.default_rng(0).beta(0.4, 0.4, 800)) < 1.25


# ---- policies


@pytest.mark.parametrize("name", ["AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"])
def test_spaces_of_steps_are_torchvision_s(theirs: Any, name: str) -> None:
    ours, other = getattr(v2, name)(), getattr(theirs.transforms.v2, name)
    spaces = [(ours._space, other._AUGMENTATION_SPACE)]
    if name == "AugMix":
        spaces.append((ours._few, other._PARTIAL_AUGMENTATION_SPACE))
    for mine, their in spaces:
        assert set(mine) - {"Identity"} == set(their) - {"Identity"}
        for step, (magnitudes, _) in their.items():
            values = magnitudes(10, 120, 160)
            if values is not None:
                found = [mine[step](i / 9, (120, 160)) for i in range(10)]
                np.testing.assert_allclose(found, values.numpy(), rtol=1e-6, atol=1e-6)


def test_policies_are_torchvision_s(theirs: Any) -> None:
    for policy in v1.AutoAugmentPolicy:
        other = theirs.transforms.v2.AutoAugment(theirs.transforms.AutoAugmentPolicy(policy.value))
        expected = [[(n, p, m or 0) for n, p, m in pair] for pair in other._policies]
        assert v1.AutoAugment(policy)._policies == expected


@pytest.mark.parametrize("pillow", [False, True])
def test_steps_are_torchvision_s(theirs: Any, pillow: bool) -> None:
    torch = importlib.import_module("torch")
    photo = Image.fromarray(np.ascontiguousarray(PLANES.transpose(1, 2, 0)))
    image, given = pyrite.from_numpy(PLANES.copy()), torch.from_numpy(PLANES.copy())
    ours, other = v2.AutoAugment(fill=5), theirs.transforms.v2.AutoAugment(fill=5)
    mode = theirs.transforms.InterpolationMode.NEAREST
    for step, magnitude in ours._space.items():
        for strength in (0.2, 0.9):
            m = magnitude(strength, (120, 160))
            expected = other._apply_image_or_video_transform(
                photo if pillow else given, step, m, mode, other._fill
            )
            same(ours._step(photo if pillow else image, step, m), expected)


@pytest.mark.parametrize("module", [v1, v2])
@pytest.mark.parametrize("name", ["AutoAugment", "RandAugment", "TrivialAugmentWide", "AugMix"])
def test_augmentations_keep_size_and_kind(module: Any, name: str) -> None:
    pyrite.manual_seed(1)
    photo = Image.fromarray(np.ascontiguousarray(PLANES.transpose(1, 2, 0)))
    augment = getattr(module, name)()
    for image in (photo, pyrite.from_numpy(PLANES), tv_tensors.Image(pyrite.from_numpy(PLANES))):
        for _ in range(10):
            out = augment(image)
            assert type(out) is type(image)
            size = out.size if out is not image and isinstance(out, Image.Image) else None
            assert size in (None, (160, 120))
            assert size or getattr(out, "shape", (3, 120, 160)) == (3, 120, 160)
    if module is v2:
        with pytest.raises(TypeError, match="not supported"):
            augment(sample(tv_tensors, pyrite.from_numpy))


# ---- batches, containers, types


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_batches_are_mixed_as_in_torchvision(theirs: Any, name: str) -> None:
    torch = importlib.import_module("torch")
    pyrite.manual_seed(5)
    images = np.random.default_rng(0).random((4, 3, 12, 16)).astype(np.float32)
    ours = getattr(v2, name)(num_classes=5)
    other = getattr(theirs.transforms.v2, name)(num_classes=5)
    labels = pyrite.tensor([0, 3, 1, 4])
    for _ in range(5):
        params = ours.make_params([pyrite.from_numpy(images)])
        ours.make_params = lambda flat, params=params: params
        found, mixed = ours(pyrite.from_numpy(images), labels)
        del ours.make_params
        given = {**params, "lam_adjusted": params["lam"]}
        other.make_params = lambda flat, given=given: given
        expected, their_labels = other(torch.from_numpy(images), torch.tensor([0, 3, 1, 4]))
        np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=1e-6)
        np.testing.assert_allclose(mixed.numpy(), their_labels.numpy(), atol=1e-6)


def test_samples_keep_their_containers_and_the_rest() -> None:
    image, other = pyrite.zeros(3, 4, 6), pyrite.ones(2)
    out = v2.RandomHorizontalFlip(1.0)({"a": [image, ("text", other)], "b": None, "c": 3})
    assert list(out) == ["a", "b", "c"]
    assert out["a"][1][1] is other
    both = v2.Compose([v2.Resize((2, 3)), v2.ToDtype(pyrite.float64)])
    first, second = both(tv_tensors.Image(image), tv_tensors.Mask(pyrite.zeros(4, 6)))
    assert (first.dtype, tuple(second.shape)) == (pyrite.float64, (2, 3))
    crops = v1.Compose([v1.FiveCrop(2), v1.Lambda(lambda parts: pyrite.stack(parts))])(image)
    assert tuple(crops.shape) == (5, 3, 2, 2)
    assert v1.Compose([])(image) is image


def test_arrays_and_pillow_images_become_tensors_and_back() -> None:
    array = np.ascontiguousarray(PLANES.transpose(1, 2, 0))
    photo = Image.fromarray(array)
    shine = v1.ToTensor()(photo)
    assert np.array_equal(shine.numpy(), PLANES.astype(np.float32) / np.float32(255))
    assert v1.ToTensor()(array).equal(shine)
    assert shine.is_contiguous()
    assert v1.ToTensor()(array[:, :, 0]).equal(shine[:1])
    assert np.array_equal(v1.PILToTensor()(photo).numpy(), PLANES)
    for image in (shine, v1.PILToTensor()(photo), array):
        assert np.array_equal(np.asarray(v1.ToPILImage()(image)), array)
    assert type(v2.ToImage()(photo)) is tv_tensors.Image
    for mode in ("1", "L", "LA", "RGBA", "CMYK", "HSV", "P", "I", "F", "I;16"):
        other = photo.convert("I" if mode == "I;16" else mode).convert(mode)
        planes = v1.functional.pil_to_tensor(other)
        expected = np.atleast_3d(np.array(other)).transpose(2, 0, 1)
        assert np.array_equal(planes.numpy(), expected), mode
        if mode not in ("1", "P", "I;16"):
            back = v1.functional.to_pil_image(planes, mode)
            assert np.array_equal(np.asarray(back), np.asarray(other)), mode


# ---- randomness belongs to the sample


class Photos(Dataset[Any]):
    """Images transformed at random."""

    step = v1.Compose([
        v1.RandomResizedCrop(16), v1.RandomHorizontalFlip(), v1.ColorJitter(0.4, 0.4, 0.4, 0.1),
        v1.RandAugment(), v1.ToTensor(), v1.RandomErasing(value="random"),
    ])  # fmt: skip

    def __getitem__(self, index: int) -> Any:
        planes = np.roll(PLANES, index * 7, axis=-1)
        return self.step(Image.fromarray(np.ascontiguousarray(planes.transpose(1, 2, 0))))

    def __len__(self) -> int:
        return 8


def test_random_numbers_depend_on_seed_epoch_and_index_only() -> None:
    def epochs(**how: Any) -> Any:
        generator = pyrite.Generator().manual_seed(11)
        loader = DataLoader(Photos(), generator=generator, **how)
        return [pyrite.cat(list(loader)) for _ in range(2)]

    first, second = epochs(batch_size=8)
    assert not first.equal(second)
    for how in ({"batch_size": 3}, {"batch_size": 2, "num_workers": 2}):
        for a, b in zip(epochs(**how), (first, second), strict=True):
            assert a.equal(b)


def test_transforms_are_copied_and_pickled() -> None:
    for name in v1.__all__:
        kind = getattr(v1, name)
        if inspect.isclass(kind) and issubclass(kind, v2.Transform):
            assert (kind.__name__, kind.__module__.split("._")[0]) == (
                name, "pyrite.vision.transforms" + (".v2" if kind is v2.RandomChoice else ""),
            )  # fmt: skip
    crop = pickle.loads(pickle.dumps(v1.RandomCrop((3, 4), padding=2)))
    about = "size=(3, 4), pad_if_needed=False, padding=[2, 2, 2, 2], fill=0, padding_mode=constant"
    assert repr(crop) == f"RandomCrop({about})"
    function = pickle.loads(pickle.dumps(v2.functional.resize))
    assert function is v2.functional.resize


def test_own_kinds_and_transforms() -> None:
    class Heat(tv_tensors.TVTensor):
        pass

    heat = Heat(pyrite.zeros(4))
    assert v2.RandomHorizontalFlip(1.0)(heat) is heat
    with pytest.raises(TypeError, match="supports inputs of type"):
        v2.functional.hflip(heat)
    v2.functional.register_kernel("horizontal_flip", Heat)(lambda inpt: inpt + 1)
    assert v2.RandomHorizontalFlip(1.0)(heat).tolist() == [1] * 4

    class Add(v2.Transform):
        def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
            return {"n": len(flat_inputs)}

        def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
            return inpt + params["n"]

    assert Add()(pyrite.zeros(2), "rest")[0].tolist() == [1, 1]


# ---- mistakes

PHOTO = pyrite.zeros(3, 8, 9)
BOX = tv_tensors.BoundingBoxes([1, 2, 3, 4], format="XYXY", canvas_size=(8, 9))
MISTAKES: list[tuple[Any, type[Exception], str]] = [
    (lambda: v1.ToTensor()(PHOTO), TypeError, "takes a PIL Image or an array"),
    (lambda: v1.Resize(4)(np.zeros((3, 4))), TypeError, "takes a Tensor or a PIL Image"),
    (lambda: v1.Normalize([0], [1])(PHOTO.to(pyrite.uint8)), TypeError, "should be a float tensor"),
    (lambda: v1.Normalize([0], [0])(PHOTO), ValueError, "std evaluated to zero"),
    (lambda: v1.Normalize([0], [1])(Image.new("L", (2, 2))), TypeError, "does not support PIL"),
    (lambda: v1.Resize((1, 2, 3)), ValueError, "1 or 2 values"),
    (lambda: v1.Resize(2.5), TypeError, "int or sequence"),  # type: ignore[arg-type]
    (lambda: v1.Resize(5, "cubic")(PHOTO), ValueError, "Invalid interpolation mode"),
    (lambda: v1.Resize(8, max_size=7)(PHOTO), ValueError, "strictly greater"),
    (lambda: v1.RandomCrop(20)(PHOTO), ValueError, "larger than"),
    (lambda: v1.FiveCrop(20)(PHOTO), ValueError, "bigger than input size"),
    (lambda: v1.Pad([1, 2, 3]), ValueError, "1, 2, or 4 element"),
    (lambda: v1.Pad(1, padding_mode="wrap"), ValueError, "either constant, edge"),
    (lambda: v1.RandomRotation(-1), ValueError, "must be positive"),
    (lambda: v1.RandomAffine(0, translate=(2, 0)), ValueError, "between 0 and 1"),
    (lambda: v1.RandomAffine(0, scale=(0, 1)), ValueError, "should be positive"),
    (lambda: v1.RandomAffine(0, shear=(1, 2, 3)), ValueError, "length 2 or 4"),
    (lambda: v1.ColorJitter(hue=0.7), ValueError, "hue values should be between"),
    (lambda: v1.ColorJitter(-1), ValueError, "must be non negative"),
    (lambda: v1.GaussianBlur(4), ValueError, "odd and positive"),
    (lambda: v1.RandomErasing(value="noise"), ValueError, "should be 'random'"),
    (lambda: v1.RandomErasing(1.0, value=[1, 2])(PHOTO), ValueError, "3 \\(number of input"),
    (lambda: v1.RandomHorizontalFlip(1.5), ValueError, "interval"),
    (lambda: v2.Compose([]), ValueError, "at least one"),
    (lambda: v2.Compose(v2.Identity()), TypeError, "sequence of callables"),  # type: ignore[arg-type]
    (lambda: v1.functional.posterize(PHOTO, 9), ValueError, "between 0 and 8"),
    (lambda: v1.functional.adjust_hue(PHOTO, 0.6), ValueError, "is not in"),
    (lambda: v1.functional.adjust_contrast(PHOTO[:2], 1.0), TypeError, "channel values are 1 or 3"),
    (lambda: v1.functional.to_pil_image(pyrite.zeros(5, 2, 2)), ValueError, "> 4 channels"),
    (lambda: v1.functional.to_pil_image(PHOTO, "L"), ValueError, "Incorrect mode"),
    (lambda: v1.functional.rotate(PHOTO, "a"), TypeError, "angle should be"),
    (lambda: v1.functional.affine(PHOTO, 0, [0], 1, [0]), ValueError, "length 2"),
    (lambda: v1.functional.rotate(PHOTO, 9, fill=[1, 2]), ValueError, "cannot broadcast"),
    (lambda: v1.functional.rotate(PHOTO, 9, "bicubic"), ValueError, "unsupported with Tensor"),
    (lambda: v2.ConvertBoundingBoxFormat("XY")(BOX), KeyError, "XY"),
    (lambda: tv_tensors.Image([1.0]), ValueError, "2D or higher"),
    (lambda: v2.MixUp()(PHOTO[None], pyrite.tensor([0])), ValueError, "num_classes must be"),
    (lambda: v2.RandomIoUCrop()(PHOTO), TypeError, "requires input sample"),
    (lambda: v2.AutoAugment("imagenet"), ValueError, "not recognized"),  # type: ignore[arg-type]
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "match"), MISTAKES)
def test_mistakes_are_named(call: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        call()


def test_inputs_may_be_named_and_other_names_are_refused() -> None:
    assert v1.functional.hflip(img=PHOTO).equal(v2.functional.hflip(inpt=PHOTO))
    assert v1.functional.normalize(tensor=PHOTO, mean=[0.0], std=[1.0]).equal(PHOTO)
    assert list(inspect.signature(v2.functional.crop).parameters)[:2] == ["inpt", "top"]
    for call in (
        lambda: v2.functional.hflip(), lambda: v2.functional.crop(BOX, 1, 2, 3, width=4, depth=5),
        lambda: v2.functional.crop(BOX, 1, 2), lambda: tv_tensors.Image(PHOTO, size=3),
        lambda: v2.Identity(3),
    ):  # fmt: skip
        with pytest.raises(TypeError):
            call()


def test_pillow_images_of_rare_modes_are_padded() -> None:
    photo = Image.fromarray(np.ascontiguousarray(PLANES.transpose(1, 2, 0)))
    for mode in ("1", "L", "LA", "P", "I", "F", "I;16", "RGBA", "CMYK"):
        image = photo.convert("I" if mode == "I;16" else mode).convert(mode)
        padded = v1.functional.pad(image, [3, 4], padding_mode="symmetric")
        assert (padded.mode, padded.size) == (mode, (166, 128))
        inner = padded.crop((3, 4, 163, 124))
        assert np.array_equal(np.asarray(inner), np.asarray(image))
        assert np.array_equal(np.asarray(padded)[4, 2], np.asarray(image)[0, 0])


def test_old_names_warn() -> None:
    with pytest.warns(UserWarning, match="deprecated"):
        v2.ToTensor()
    with pytest.warns(UserWarning, match="always applied"):
        v1.Resize(4, antialias=False)(Image.new("L", (9, 9)))
    with pytest.warns(UserWarning, match="kind \\(min, max\\)"):
        v1.RandomResizedCrop(4, scale=(1.0, 0.5))
