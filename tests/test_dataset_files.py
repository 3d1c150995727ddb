"""Data sets from small files in the exact formats, compared with torchvision's reading of them."""

from __future__ import annotations

import gzip
import json
import lzma
import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _torchvision import torchvision_part
from PIL import Image

import pyrite
from pyrite.vision import datasets
from pyrite.vision.datasets import folder

draw = np.random.default_rng(0)


def put(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def picture(path: Path, size: tuple[int, int] = (9, 7), mode: str = "RGB") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], *([3] if mode == "RGB" else []))
    image = Image.fromarray(draw.integers(0, 20, shape, np.uint8))
    if mode == "P":
        image.putpalette([*range(60)])
    image.save(path)
    return path


def idx(array: np.ndarray) -> bytes:
    kind = {"uint8": 8, "int32": 12}[array.dtype.name]
    head = struct.pack(f">4B{array.ndim}i", 0, 0, kind, array.ndim, *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def pixels(*shape: int) -> np.ndarray:
    return draw.integers(0, 256, shape, np.uint8)


def labels(count: int, below: int = 10) -> np.ndarray:
    return draw.integers(0, below, count, np.uint8)


# ---- files


def write_mnist(root: Path) -> None:
    for kind in ("MNIST", "FashionMNIST", "KMNIST"):
        for part, count in (("train", 5), ("t10k", 3)):
            put(root / kind / "raw" / f"{part}-images-idx3-ubyte", idx(pixels(count, 28, 28)))
            put(root / kind / "raw" / f"{part}-labels-idx1-ubyte", idx(labels(count)))


def write_emnist(root: Path) -> None:
    for split in datasets.EMNIST.splits:
        for part in ("train", "test"):
            start = root / "EMNIST" / "raw" / f"emnist-{split}-{part}"
            put(Path(f"{start}-images-idx3-ubyte"), idx(pixels(4, 28, 28)))
            put(Path(f"{start}-labels-idx1-ubyte"), idx(labels(4)))


def write_qmnist(root: Path) -> None:
    for start, count in (("qmnist-train", 4), ("qmnist-test", 6), ("xnist", 5)):
        raw = root / "QMNIST" / "raw" / start
        put(Path(f"{raw}-images-idx3-ubyte"), idx(pixels(count, 28, 28)))
        known = draw.integers(0, 70_000, (count, 8), np.int32)
        known[:, 0] %= 10
        put(Path(f"{raw}-labels-idx2-int"), idx(known))


def python2(value: Any) -> bytes:
    """How Python 2 pickled batches of images by protocol 2: text and bytes are one."""
    if isinstance(value, str):
        raw = value.encode("latin1")
        short = len(raw) < 256
        return (b"U" + bytes([len(raw)]) if short else b"T" + struct.pack("<i", len(raw))) + raw
    if isinstance(value, int):
        return b"K" + bytes([value])
    if isinstance(value, list):
        return b"](" + b"".join(map(python2, value)) + b"e"
    if isinstance(value, dict):
        return b"}(" + b"".join(python2(v) for pair in value.items() for v in pair) + b"u"
    rows, columns = value.shape
    return (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01"
         b"K" + bytes([rows]) + b"M" + struct.pack("<H", columns) + b"\x86"
        + b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        + b"K\x00tb\x89" + python2(value.tobytes().decode("latin1")) + b"tb"
    )  # fmt: skip


def write_cifar(root: Path) -> None:
    for base, names, key in (
        ("cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"], ""),
        ("cifar-100-python", ["train", "test"], "fine_"),
    ):
        for name in names:
            batch = {"batch_label": name, f"{key}labels": labels(3).tolist()}
            batch |= {"coarse_labels": labels(3).tolist()} if key else {}
            batch |= {"data": pixels(3, 3072), "filenames": ["a.png", "b.png", "c.png"]}
            put(root / base / name, b"\x80\x02" + python2(batch) + b".")
        meta = {f"{key or ''}label_names": [f"kind {i}" for i in range(10)]}
        name = "meta" if key else "batches.meta"
        put(root / base / name, b"\x80\x02" + python2(meta) + b".")


def write_svhn(root: Path) -> None:
    io = pytest.importorskip("scipy.io", reason="writes MATLAB files")
    for split, packed in (("train", True), ("test", False), ("extra", True)):
        content = {"X": pixels(32, 32, 3, 4), "y": np.array([[1], [10], [9], [10]], np.uint8)}
        io.savemat(root / f"{split}_32x32.mat", content, do_compression=packed)


def write_stl10(root: Path) -> None:
    base = root / "stl10_binary"
    for part, count in (("train", 6), ("test", 3)):
        put(base / f"{part}_X.bin", pixels(count, 3, 96, 96).tobytes())
        put(base / f"{part}_y.bin", (labels(count) + 1).tobytes())
    put(base / "unlabeled_X.bin", pixels(2, 3, 96, 96).tobytes())
    put(base / "class_names.txt", "airplane\nbird\n")
    put(base / "fold_indices.txt", "".join(f"{i % 6} 5 0 \n" for i in range(10)))


def write_folder(root: Path) -> None:
    for name in ("cat/1.png", "cat/in/0.JPG", "dog/2.webp", "dog/z.bmp", "dog/deep/er/3.png"):
        picture(root / name)
    put(root / "cat" / "notes.txt", "no image")
    put(root / "notes.txt", "no class")
    (root / "empty").mkdir()


def write_pets(root: Path) -> None:
    base = root / "oxford-iiit-pet"
    rows = ["great_pyrenees_12 2 2 1", "Abyssinian_100 1 1 1", "great_pyrenees_7 2 2 1"]
    for split in ("trainval", "test"):
        put(base / "annotations" / f"{split}.txt", "\n".join(rows) + "\n")
    for row in rows:
        picture(base / "images" / f"{row.split()[0]}.jpg")
        picture(base / "annotations" / "trimaps" / f"{row.split()[0]}.png", mode="L")


def write_flowers(root: Path) -> None:
    io = pytest.importorskip("scipy.io", reason="writes MATLAB files")
    base = root / "flowers-102"
    for i in range(1, 7):
        picture(base / "jpg" / f"image_{i:05d}.jpg")
    ids = {"trnid": [[2, 6]], "valid": [[1, 3]], "tstid": [[4, 5]]}
    ids = {key: np.array(value, np.uint16) for key, value in ids.items()}
    io.savemat(base / "setid.mat", ids, do_compression=True)
    io.savemat(base / "imagelabels.mat", {"labels": np.array([[77, 1, 102, 5, 5, 9]], np.float64)})


ANNOTATION = """<annotation><folder>VOC</folder><filename>{0}.jpg</filename><size><width>9</width>
<height>7</height></size><segmented>0</segmented><owner/>{1}</annotation>"""
THING = """<object><name>{}</name><bndbox><xmin>1</xmin><xmax>5</xmax></bndbox>
<part><name>head</name></part><part><name>hand</name></part></object>"""


def write_voc(root: Path) -> None:
    for above, year in (("", 2007), ("", 2012), ("TrainVal/", 2011)):
        base = root / f"{above}VOCdevkit/VOC{year}"
        for name, things in (("one", ["dog"]), ("two", ["dog", "sofa"]), ("none", [])):
            picture(base / "JPEGImages" / f"{name}.jpg")
            picture(base / "SegmentationClass" / f"{name}.png", mode="P")
            text = ANNOTATION.format(name, "".join(map(THING.format, things)))
            put(base / "Annotations" / f"{name}.xml", text)
        for kind in ("Main", "Segmentation"):
            for part in ("train", "trainval", "val", "test"):
                put(base / "ImageSets" / kind / f"{part}.txt", "two\none\nnone\n")


COCO = {
    "images": [{"id": 9, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 9, "category_id": 4, "bbox": [0, 1, 2, 3], "caption": "a dog"},
        {"id": 7, "image_id": 9, "category_id": 5, "bbox": [1, 1, 2, 2], "caption": "a cat"},
    ],
    "categories": [{"id": 4, "name": "dog"}, {"id": 5, "name": "cat"}],
}

# Name of the class, how its files are written, arguments to compare.
CASES: list[tuple[str, Callable[[Path], None], list[dict[str, Any]]]] = [
    ("MNIST", write_mnist, [{}, {"train": False}]),
    ("FashionMNIST", write_mnist, [{}]),
    ("KMNIST", write_mnist, [{"train": False}]),
    ("EMNIST", write_emnist, [{"split": s, "train": t}
                              for s in datasets.EMNIST.splits for t in (True, False)]),
    ("QMNIST", write_qmnist, [{}, {"train": False}, {"what": "nist", "compat": False},
                              {"what": "test10k"}, {"what": "test50k"}]),
    ("CIFAR10", write_cifar, [{}, {"train": False}]),
    ("CIFAR100", write_cifar, [{}, {"train": False}]),
    ("SVHN", write_svhn, [{}, {"split": "test"}, {"split": "extra"}]),
    ("STL10", write_stl10, [{"split": s} for s in datasets.STL10.splits]
                           + [{"folds": 3}, {"split": "train+unlabeled", "folds": 1}]),
    ("ImageFolder", write_folder, [
        {"allow_empty": True}, {"is_valid_file": lambda p: "3" in p, "allow_empty": True},
    ]),
    ("OxfordIIITPet", write_pets, [{}, {"split": "test", "target_types": "segmentation"},
                                   {"target_types": ["category", "binary-category"]},
                                   {"target_types": []}]),
    ("Flowers102", write_flowers, [{"split": s} for s in ("train", "val", "test")]),
    ("VOCSegmentation", write_voc, [{}, {"year": "2011", "image_set": "val"}]),
    ("VOCDetection", write_voc, [{}, {"year": "2007", "image_set": "test"}]),
]  # fmt: skip
ATTRIBUTES = (
    "root", "classes", "class_to_idx", "data", "targets", "labels", "samples", "imgs", "images",
    "train", "split", "what", "bin_classes", "bin_class_to_idx", "url", "filename", "raw_folder",
    "masks", "annotations", "year", "image_set", "mirrors", "resources", "splits", "extensions",
)  # fmt: skip


def plain(value: Any) -> Any:
    """A value in a form that both libraries share."""
    if isinstance(value, Image.Image):
        return value.mode, value.getpalette(), np.asarray(value).tolist()
    if hasattr(value, "numpy"):
        return str(value.dtype).rpartition(".")[2], value.numpy().tolist()
    if isinstance(value, np.ndarray):
        return value.dtype, value.tolist()
    if isinstance(value, list | tuple):
        return type(value), [plain(v) for v in value]
    return value


def unchecked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files made here have other checksums than the real ones."""
    from pyrite.vision.datasets import vision

    def mismatch(path: Path, checksum: str | None) -> str | None:
        return None if path.is_file() else f"missing (expected {checksum})"

    monkeypatch.setattr(vision, "mismatch", mismatch)


@pytest.mark.parametrize(("name", "write", "options"), CASES, ids=[case[0] for case in CASES])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:.*align should be passed")
def test_as_torchvision_reads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, write: Any, options: Any
) -> None:
    write(tmp_path)
    unchecked(monkeypatch)
    with torchvision_part("datasets") as theirs:
        for module in (theirs.cifar, theirs.svhn, theirs.stl10, theirs.flowers102):
            monkeypatch.setattr(
                module, "check_integrity", lambda path, md5=None: Path(path).exists()
            )
        for given in options:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                expected = getattr(theirs, name)(str(tmp_path), **given)
            ours = getattr(datasets, name)(str(tmp_path), **given)
            assert len(ours) == len(expected)
            assert repr(ours) == repr(expected)
            for attribute in ATTRIBUTES:
                if hasattr(expected, attribute) and attribute != "mirrors":
                    assert plain(getattr(ours, attribute)) == plain(getattr(expected, attribute))
            for i in range(len(expected)):
                assert plain(ours[i]) == plain(expected[i])


def test_torchvision_s_tables_and_arguments() -> None:
    """Addresses, checksums, class names, and the order and defaults of arguments."""
    import inspect

    with torchvision_part("datasets") as theirs:
        for name in datasets.__all__:
            expected, ours = getattr(theirs, name, None), getattr(datasets, name)
            if expected is None:
                continue
            assert list(inspect.signature(ours).parameters) == list(
                inspect.signature(expected).parameters
            ), name
            for key, value in vars(expected).items():
                if isinstance(value, str | list | tuple | dict) and not key.startswith("__"):
                    if key in ("training_file", "test_file", "_merged_classes", "mirrors"):
                        continue
                    assert getattr(ours, key) == value, f"{name}.{key}"
            if "mirrors" in vars(expected):
                assert set(ours.mirrors) >= set(expected.mirrors)
        assert theirs.voc.DATASET_YEAR_DICT.keys() == datasets.voc.DATASET_YEAR_DICT.keys()
        for year, row in theirs.voc.DATASET_YEAR_DICT.items():
            ours = datasets.voc.DATASET_YEAR_DICT[year]
            assert all(ours[k] == v for k, v in row.items() if (year, k) != ("2008", "filename"))


def test_transforms(tmp_path: Path) -> None:
    write_voc(tmp_path)
    both = datasets.VOCSegmentation(tmp_path, transforms=lambda image, mask: (mask, image.size))
    assert both[0][1] == (9, 7)
    each = datasets.VOCSegmentation(tmp_path, transform=str, target_transform=type)
    assert each[0][1] is not type(None)
    assert repr(each).splitlines()[3:] == [
        "    StandardTransform",
        "Transform: <class 'str'>",
        "Target transform: <class 'type'>",
    ]
    each.transform = lambda image: 5
    assert each[0][0] == 5
    with pytest.raises(ValueError, match="Only transforms or"):
        datasets.VOCSegmentation(tmp_path, transforms=print, transform=print)


def test_coco_needs_no_other_package(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        picture(tmp_path / name)
    path = put(tmp_path / "captions.json", json.dumps(COCO))
    data = datasets.CocoDetection(tmp_path, path)
    assert (len(data), data.ids) == (2, [3, 9])
    assert data[0][1] == []
    assert data[1][1] == COCO["annotations"]
    assert np.array_equal(np.asarray(data[1][0]), np.asarray(Image.open(tmp_path / "b.jpg")))
    assert data.coco.loadCats(data.coco.getCatIds())[1]["name"] == "cat"
    assert data.coco.loadImgs(data.coco.getImgIds())[0] == COCO["images"][0]
    assert datasets.CocoCaptions(tmp_path, str(path))[1][1] == ["a dog", "a cat"]
    with pytest.raises(ValueError, match="must be of type integer"):
        data["3"]
    for text in ("{", "[]", '{"images": [{}]}', "[" * 100_000, '{"annotations": 5}'):
        put(path, text)
        with pytest.raises(ValueError, match=r"captions\.json is no JSON file of COCO"):
            datasets.CocoDetection(tmp_path, path)


def test_fake_data() -> None:
    data = datasets.FakeData(5, (3, 8, 6), num_classes=4)
    state = pyrite.get_rng_state()
    image, label = data[2]
    assert pyrite.equal(pyrite.get_rng_state(), state)
    assert (image.mode, image.size, type(label)) == ("RGB", (6, 8), int)
    assert 0 <= label < 4
    assert data[2][0].tobytes() == image.tobytes() != data[3][0].tobytes()
    shifted = datasets.FakeData(5, (3, 8, 6), num_classes=4, random_offset=1)
    assert shifted[1][0].tobytes() == image.tobytes()
    assert datasets.FakeData(2, (1, 4, 4))[0][0].mode == "L"
    with pytest.raises(IndexError):
        data[5]
    assert repr(data) == "Dataset FakeData\n    Number of datapoints: 5"


def test_folders(tmp_path: Path) -> None:
    write_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no valid file for the classes empty"):
        datasets.ImageFolder(tmp_path)
    with pytest.raises(ValueError, match="extensions and is_valid_file"):
        datasets.DatasetFolder(tmp_path, str)
    with pytest.raises(ValueError, match="at least one entry"):
        folder.make_dataset(tmp_path, {}, ".png")
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder"):
        datasets.ImageFolder(tmp_path / "empty")
    data = datasets.DatasetFolder(tmp_path, Path, (".txt",), str, str, allow_empty=True)
    assert data[0] == (str(tmp_path / "cat" / "notes.txt"), "0")
    assert folder.is_image_file("A.JPEG")


def test_a_missing_or_wrong_file_is_named_with_its_checksum(tmp_path: Path) -> None:
    makers = {
        "MNIST/raw": (lambda: datasets.MNIST(tmp_path), "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        "QMNIST/raw": (lambda: datasets.QMNIST(tmp_path), "ed72d4157d28c017586c42bc6afe6370"),
        "EMNIST/raw": (lambda: datasets.EMNIST(tmp_path, "mnist"), "no file emnist-mnist-train"),
        "cifar-10-batches-py/data_batch_1": (
            lambda: datasets.CIFAR10(tmp_path), "c99cafc152244af753f735de768cd75f",
        ),
        "train_32x32.mat": (lambda: datasets.SVHN(tmp_path), "e26dedcc434d2e4c54c9b2d4a06d8373"),
        "stl10_binary/test_X.bin": (
            lambda: datasets.STL10(tmp_path, "test"), "7f263ba9f9e0b06b93213547f721ac82",
        ),
        "flowers-102/imagelabels.mat": (
            lambda: datasets.Flowers102(tmp_path), "e0620be6f572b9609742df49c70aed4d",
        ),
        "oxford-iiit-pet/annotations/trainval.txt": (
            lambda: datasets.OxfordIIITPet(tmp_path), "missing",
        ),
        "VOCdevkit/VOC2012/ImageSets/Main/train.txt": (
            lambda: datasets.VOCDetection(tmp_path), "missing",
        ),
    }  # fmt: skip
    for name, (make, word) in makers.items():
        for _ in range(2):
            with pytest.raises(RuntimeError, match="download=True") as caught:
                make()
            assert str(tmp_path / name) in str(caught.value)
            assert word in str(caught.value)
            if len(word) != 32 or "MNIST" in name:
                break
            put(tmp_path / name, b"damaged")
            word = "got md5:"


BATCH = "cifar-10-batches-py/data_batch_2"


def cut(raw: bytes) -> bytes:
    return raw[: len(raw) // 2]


def changed(raw: bytes) -> bytes:
    return raw.replace(b"numpy", b"posix").replace(b"_reconstruct", b"system")


@pytest.mark.parametrize(
    ("make", "write", "file", "damage"),
    [
        (datasets.CIFAR10, write_cifar, BATCH, cut),
        (datasets.CIFAR10, write_cifar, BATCH, changed),
        (datasets.CIFAR10, write_cifar, BATCH, lambda _: b"\x80\x02N."),
        (datasets.CIFAR10, write_cifar, BATCH, lambda _: b"\x80\x02}."),
        (datasets.SVHN, write_svhn, "train_32x32.mat", cut),
        (datasets.SVHN, write_svhn, "train_32x32.mat", lambda raw: raw[:200]),
        (datasets.SVHN, write_svhn, "train_32x32.mat", lambda raw: raw.replace(b"IM", b"XX", 1)),
        (datasets.STL10, write_stl10, "stl10_binary/train_X.bin", cut),
        (datasets.STL10, write_stl10, "stl10_binary/train_X.bin", lambda raw: raw[:-9]),
        (datasets.Flowers102, write_flowers, "flowers-102/setid.mat", cut),
        (datasets.OxfordIIITPet, write_pets, "oxford-iiit-pet/annotations/trainval.txt", cut),
        (datasets.VOCDetection, write_voc, "VOCdevkit/VOC2012/Annotations/two.xml", cut),
        (datasets.VOCDetection, write_voc, "VOCdevkit/VOC2012/Annotations/two.xml",
         lambda raw: b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + raw),
        (datasets.QMNIST, write_qmnist, "QMNIST/raw/qmnist-train-labels-idx2-int", cut),
        (datasets.MNIST, write_mnist, "MNIST/raw/train-images-idx3-ubyte",
         lambda raw: idx(np.zeros((1, 1, 1), np.uint8))[:4] + b"\x7f\xff\xff\xff" * 3 + raw[16:]),
    ],
)  # fmt: skip
def test_damaged_files_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, write: Any, file: str, damage: Any
) -> None:
    write(tmp_path)
    unchecked(monkeypatch)
    path = tmp_path / file
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises((RuntimeError, ValueError)) as caught:
        make(tmp_path)[0]
    assert str(path) in str(caught.value)


def test_packed_files_are_read_too(tmp_path: Path) -> None:
    write_qmnist(tmp_path)
    raw = tmp_path / "QMNIST" / "raw"
    plainly = datasets.QMNIST(tmp_path, "nist").data
    for path in raw.glob("xnist*"):
        put(raw / f"{path.name}.xz", lzma.compress(path.read_bytes()))
        path.unlink()
    assert pyrite.equal(datasets.QMNIST(tmp_path, "nist").data, plainly)
    images = put(tmp_path / "a.gz", gzip.compress(idx(pixels(2, 3, 4))))
    assert datasets.mnist.read_image_file(images).shape == (2, 3, 4)
    ys = put(tmp_path / "b", idx(labels(3)))
    assert datasets.mnist.read_label_file(ys).dtype is pyrite.int64
