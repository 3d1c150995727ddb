"""Digits from the package; MNIST and Fashion-MNIST from IDX files made here."""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import pyrite
from pyrite.vision.datasets import MNIST, Digits, FashionMNIST


def idx(array: np.ndarray) -> bytes:
    head = struct.pack(f">4B{array.ndim}i", 0, 0, 8, array.ndim, *array.shape)
    return head + array.astype(np.uint8).tobytes()


def write(folder: Path, part: str, count: int, pack: bool = False) -> np.ndarray:
    """`count` random images labelled 0, 1, 2, ...; returns the images."""
    folder.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(count).integers(0, 256, (count, 28, 28))
    for name, array in (("images-idx3", images), ("labels-idx1", np.arange(count) % 10)):
        raw, path = idx(array), folder / f"{part}-{name}-ubyte"
        if pack:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(raw))
        else:
            path.write_bytes(raw)
    return images


def test_digits_are_uci_s() -> None:
    digits = Digits()
    assert len(digits) == 1797
    assert (digits.data.dtype, digits.targets.dtype) == (pyrite.uint8, pyrite.int64)
    assert tuple(digits.data.shape) == (1797, 8, 8)
    counts = np.bincount(digits.targets.numpy())
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert digits.data[0, 0].tolist() == [0, 0, 80, 208, 144, 16, 0, 0]
    assert digits.data.max().item() == 255


def test_digits_equal_scikit_learn_s() -> None:
    sklearn = pytest.importorskip("sklearn.datasets", reason="compares with scikit-learn's copy")
    theirs = sklearn.load_digits()
    assert np.array_equal(Digits().data.numpy(), np.minimum(theirs.images * 16, 255))
    assert np.array_equal(Digits().targets.numpy(), theirs.target)


def test_digits_split_is_stratified_and_fixed() -> None:
    train, test = Digits(train=True), Digits(train=False)
    assert (len(train), len(test)) == (1438, 359)
    shares = np.bincount(test.targets.numpy()) / np.bincount(Digits().targets.numpy())
    assert np.abs(shares - 0.2).max() < 0.003
    rows = [row.tobytes() for part in (train, test) for row in part.data.numpy()]
    assert sorted(rows) == sorted(row.tobytes() for row in Digits().data.numpy())
    assert np.array_equal(test.data.numpy(), Digits(train=False).data.numpy())
    assert test.targets[:8].tolist() == [3, 7, 3, 9, 0, 8, 7, 0]


def test_items_are_pil_images_and_ints() -> None:
    image, label = Digits()[3]
    assert (image.mode, image.size, label) == ("L", (8, 8), 3)
    assert type(label) is int
    assert np.array_equal(np.asarray(image), Digits().data[3].numpy())
    changed = Digits(transform=lambda im: im.size, target_transform=lambda y: -y)
    assert changed[3] == ((8, 8), -3)
    with pytest.raises(IndexError):
        Digits()[1797]


def test_repr_says_what_it_is(tmp_path: Path) -> None:
    assert repr(Digits()) == "Dataset Digits\n    Number of datapoints: 1797"
    write(tmp_path, "t10k", 3)
    lines = repr(MNIST(tmp_path, train=False)).splitlines()
    assert lines == [
        "Dataset MNIST",
        "    Number of datapoints: 3",
        f"    Root location: {tmp_path}",
        "    Split: Test",
    ]


@pytest.mark.parametrize("pack", [False, True], ids=["raw", "gz"])
@pytest.mark.parametrize("layout", ["", "FashionMNIST/raw", "fashion-mnist"])
def test_fashion_mnist_reads_each_layout(tmp_path: Path, layout: str, pack: bool) -> None:
    images = write(tmp_path / layout, "train", 12, pack)
    data = FashionMNIST(str(tmp_path))
    assert np.array_equal(data.data.numpy(), images)
    assert data.targets.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert data.classes[data[9][1]] == "Ankle boot"
    assert data.class_to_idx["Bag"] == 8
    assert isinstance(data[0][0], Image.Image)


def test_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="train-images-idx3-ubyte") as caught:
        FashionMNIST(tmp_path)
    assert str(tmp_path / "FashionMNIST" / "raw") in str(caught.value)
    assert "dataset-fashion-mnist" in str(caught.value)
    with pytest.raises(RuntimeError, match=r"no file .*digits\.npz; leave root out"):
        Digits(tmp_path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:-1], "cut off"),
        (lambda raw: raw[:6], "no IDX file"),
        (lambda raw: b"<html>" + raw, "expected the first bytes 00 00 08 03, got 3c 68 74 6d"),
        (lambda raw: struct.pack(">4B3i", 0, 0, 8, 3, -1, 28, 28) + raw[16:], "damaged header"),
    ],
)
def test_damaged_images_are_refused(tmp_path: Path, damage, message: str) -> None:
    write(tmp_path, "train", 2)
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=message) as caught:
        MNIST(tmp_path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("keep", [slice(0, 40), slice(4, None)], ids=["cut", "no header"])
def test_damaged_archives_are_refused(tmp_path: Path, keep: slice) -> None:
    write(tmp_path, "train", 2, pack=True)
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[keep][:20])
    with pytest.raises(ValueError, match="cannot be unpacked"):
        MNIST(tmp_path)


def test_images_and_labels_must_fit(tmp_path: Path) -> None:
    write(tmp_path, "train", 4)
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(idx(np.arange(3)))
    with pytest.raises(ValueError, match="3 labels, .* 4 images"):
        MNIST(tmp_path)
    labels.write_bytes(idx(np.array([0, 1, 2, 10])))
    with pytest.raises(ValueError, match="label 10, expected 0 to 9"):
        MNIST(tmp_path)


def test_damaged_digits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "digits.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(ValueError, match="damaged"):
        Digits(tmp_path)


def test_real_fashion_mnist() -> None:
    root = Path("/usr/share/datasets/fashion-mnist")
    if not root.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    for train, count in ((True, 60_000), (False, 10_000)):
        data = FashionMNIST(root, train)
        assert tuple(data.data.shape) == (count, 28, 28)
        assert np.bincount(data.targets.numpy()).tolist() == [count // 10] * 10
