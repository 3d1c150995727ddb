"""MNIST and its relatives, from IDX files (format: http://yann.lecun.com/exdb/mnist/)."""

from __future__ import annotations

import gzip
import lzma
import math
import os
import shutil
import string
import zlib
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ... import Tensor, from_numpy
from ..._download import fetch
from .utils import extract_archive, verify_str_arg
from .vision import Change, Root, VisionDataset, split_name

_KINDS = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_UNSIGNED_BYTE = 8
_MOST = 1032  # bytes that one packed byte can stand for
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


class MNIST(VisionDataset[tuple[Any, Any]]):
    """28x28 images of handwritten digits, 60,000 for training and 10,000 for testing.

    Item i is an image, a PIL image of mode L, and its label. RuntimeError for a missing file,
    ValueError for a damaged one.

    Args:
        root: the folder above `MNIST/raw`, which holds the IDX files, or that with the files
            themselves; raw or with the ending .gz.
        train: the training part, else the test part.
        transform: applied to the image of an item.
        target_transform: applied to its label.
        download: get the files first, if they are not there.

    Attributes:
        data: uint8 tensor (N, 28, 28), 0 to 255.
        targets: int64 tensor (N,) of class indices.
        classes: the class names, by index.
    """

    mirrors = [
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "http://yann.lecun.com/exdb/mnist/",
    ]
    resources: Any = [
        ("train-images-idx3-ubyte.gz", "f68b3c2dcbeaaa9fbdd348bbdeb94873"),
        ("train-labels-idx1-ubyte.gz", "d53e105ee54ea40749a09fcbcd1e9432"),
        ("t10k-images-idx3-ubyte.gz", "9fb629c4189551a2d022fa330f9573f3"),
        ("t10k-labels-idx1-ubyte.gz", "ec29112dd5afa0611ce80d1b7f02629c"),
    ]
    classes: Any = [f"{digit} - {name}" for digit, name in enumerate(_DIGITS)]
    data: Tensor
    targets: Tensor
    _folders: ClassVar[tuple[str, ...]] = ("", "mnist")
    _hint: ClassVar[str] = ""

    def __init__(
        self,
        root: Root,
        train: bool = True,
        transform: Change = None,
        target_transform: Change = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        if download:
            self.download()
        self.data, self.targets = self._load_data()

    @property
    def raw_folder(self) -> str:
        """The folder into which the files are downloaded."""
        return os.path.join(self.root, type(self).__name__, "raw")

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The index of each class name."""
        return {name: index for index, name in enumerate(self.classes)}

    def download(self) -> None:
        """Download and unpack the files that are not there, from the first mirror that has them."""
        folder = Path(self.raw_folder).expanduser()
        for name, md5 in self._wanted():
            if self._search(name.rpartition("/")[2].rpartition(".")[0]) is None:
                self._unpack(self._fetch_any(name, folder, md5))

    def extra_repr(self) -> str:
        return split_name(self.train)

    def _wanted(self) -> list[tuple[str, str]]:
        return self.resources

    def _fetch_any(self, name: str, folder: Path, md5: str) -> Path:
        return fetch([mirror + name for mirror in self.mirrors], folder / name, f"md5:{md5}")

    def _unpack(self, path: Path) -> None:
        extract_archive(path)

    def _names(self) -> tuple[str, str]:
        """The files of images and labels."""
        part = "train" if self.train else "t10k"
        return f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"

    def _load_data(self) -> tuple[Tensor, Tensor]:
        first, second = map(self._find, self._names())
        images, labels = _read_idx(first, 3, _UNSIGNED_BYTE), self._read_labels(second)
        if len(images) != len(labels):
            raise ValueError(
                f"{second} holds {len(labels)} labels, {first} {len(images)} images: "
                "take both files from one source"
            )
        return from_numpy(images), from_numpy(labels.astype(np.int64))

    def _read_labels(self, path: Path) -> np.ndarray[Any, Any]:
        labels = _read_idx(path, 1, _UNSIGNED_BYTE)
        if labels.size and labels.max() >= len(self.classes):
            raise ValueError(
                f"{path} holds label {labels.max()}, expected 0 to {len(self.classes) - 1}: get "
                "the file again"
            )
        return labels

    def _search(self, name: str) -> Path | None:
        places = [Path(self.raw_folder).expanduser(), *(self._folder / f for f in self._folders)]
        paths = (place / (name + ending) for place in places for ending in ("", ".gz", ".xz"))
        return next((path for path in paths if path.is_file()), None)

    def _find(self, name: str) -> Path:
        path = self._search(name)
        if path is not None:
            return path
        known = {n.rpartition("/")[2]: md5 for n, md5 in self._wanted()}
        packed = next((n for n in known if n.startswith(name)), "")
        expected = f" (md5:{known[packed]})" if packed else ""
        raise RuntimeError(
            f"{type(self).__name__}: no file {name} or {packed or name + '.gz'}{expected} in "
            f"{self.root} or {self.raw_folder}. Dataset not found. You can use download=True to "
            f"download it, or put the IDX files there{self._hint}"
        )

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        return self._changed(Image.fromarray(self.data[index].numpy()), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)


class FashionMNIST(MNIST):
    """28x28 images of clothing, 60,000 for training and 10,000 for testing (Zalando, 2017).

    Arguments, attributes and errors as for `MNIST`. Debian's package `dataset-fashion-mnist` has
    the files in `/usr/share/datasets/fashion-mnist`.
    """

    mirrors = [
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ]
    resources = [
        ("train-images-idx3-ubyte.gz", "8d4fb7e6c68d591d4c3dfef9ec88bf0d"),
        ("train-labels-idx1-ubyte.gz", "25c81989df183df01b3e8a0aad5dffbe"),
        ("t10k-images-idx3-ubyte.gz", "bef4ecab320f06d8554ea6380940ec79"),
        ("t10k-labels-idx1-ubyte.gz", "bb300cfdad3c16e7a12a480ee83cd310"),
    ]
    classes = [
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
        "Ankle boot",
    ]  # fmt: skip
    _folders = ("", "fashion-mnist")
    _hint = (
        ", or `apt-get install dataset-fashion-mnist` and give "
        "root='/usr/share/datasets/fashion-mnist'"
    )


class KMNIST(MNIST):
    """28x28 images of cursive Japanese characters, split as MNIST (Clanuwat et al., 2018).

    Arguments, attributes and errors as for `MNIST`.
    """

    mirrors = ["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"]
    resources = [
        ("train-images-idx3-ubyte.gz", "bdb82020997e1d708af4cf47b453dcf7"),
        ("train-labels-idx1-ubyte.gz", "e144d726b3acfaa3e44228e80efcd344"),
        ("t10k-images-idx3-ubyte.gz", "5c965bf0a639b31b8f53240b1b52f4d7"),
        ("t10k-labels-idx1-ubyte.gz", "7320c461ea6c1c855c0b718fb2a4b134"),
    ]
    classes = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]
    _folders = ("",)


_ALL = {*string.digits, *string.ascii_letters}
_BOTH_CASES_ALIKE = set("cijklmopsuvwxyz")


class EMNIST(MNIST):
    """28x28 images of handwritten letters and digits, lying on their side (Cohen et al., 2017).

    Arguments, attributes and errors as for `MNIST`, and:

    Args:
        split: one of `EMNIST.splits`.
        **kwargs: `train`, `transform`, `target_transform`, `download`.
    """

    url = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
    md5 = "58c8d27c78d21e728a6bc7b3cc06412e"
    mirrors = []
    splits = ("byclass", "bymerge", "balanced", "letters", "digits", "mnist")
    classes_split_dict: ClassVar[dict[str, list[str]]] = {
        "byclass": sorted(_ALL),
        "bymerge": sorted(_ALL - _BOTH_CASES_ALIKE),
        "balanced": sorted(_ALL - _BOTH_CASES_ALIKE),
        "letters": ["N/A", *string.ascii_lowercase],
        "digits": list(string.digits),
        "mnist": list(string.digits),
    }
    _folders = ("",)

    def __init__(self, root: Root, split: str, **kwargs: Any) -> None:
        self.split = verify_str_arg(split, "split", self.splits)
        self.classes = self.classes_split_dict[split]
        super().__init__(root, **kwargs)

    def _names(self) -> tuple[str, str]:
        start = f"emnist-{self.split}-{'train' if self.train else 'test'}"
        return f"{start}-images-idx3-ubyte", f"{start}-labels-idx1-ubyte"

    def _wanted(self) -> list[tuple[str, str]]:
        return [(self.url.rpartition("/")[2], self.md5)]

    def download(self) -> None:
        """Download all splits, unless this one is there."""
        if all(map(self._search, self._names())):
            return
        folder = Path(self.raw_folder).expanduser()
        extract_archive(self._fetch(self.url, folder, self.md5))
        for path in (folder / "gzip").glob("*.gz"):
            extract_archive(path, folder)
        shutil.rmtree(folder / "gzip")


_QMNIST = "https://raw.githubusercontent.com/facebookresearch/qmnist/master/"


class QMNIST(MNIST):
    """MNIST made anew, with 60,000 images for testing (Yadav and Bottou, 2019).

    Attributes and errors as for `MNIST`; `targets` (N, 8) holds what is known of each image:
    class, series, writer, index, global index, two codes, a duplicate's index.

    Args:
        root: the folder above `QMNIST/raw`, which holds the IDX files.
        what: "train", "test", "test10k", "test50k" or "nist"; None: as `train` says.
        compat: the target of an item is its class; else its row of `targets`.
        train: "train" or "test", where `what` is None.
        **kwargs: `transform`, `target_transform`, `download`.
    """

    subsets: ClassVar[dict[str, str]] = {
        "train": "train", "test": "test", "test10k": "test", "test50k": "test", "nist": "nist",
    }  # fmt: skip
    mirrors = []
    resources: Any = {
        "train": [
            (_QMNIST + "qmnist-train-images-idx3-ubyte.gz", "ed72d4157d28c017586c42bc6afe6370"),
            (_QMNIST + "qmnist-train-labels-idx2-int.gz", "0058f8dd561b90ffdd0f734c6a30e5e4"),
        ],
        "test": [
            (_QMNIST + "qmnist-test-images-idx3-ubyte.gz", "1394631089c404de565df7b7aeaf9412"),
            (_QMNIST + "qmnist-test-labels-idx2-int.gz", "5b5b05890a5e13444e108efe57b788aa"),
        ],
        "nist": [
            (_QMNIST + "xnist-images-idx3-ubyte.xz", "7f124b3b8ab81486c9d8c2749c17f834"),
            (_QMNIST + "xnist-labels-idx2-int.xz", "5ed0e788978e45d4a8bd4b7caec3d79d"),
        ],
    }
    _folders = ("",)

    def __init__(
        self, root: Root, what: str | None = None, compat: bool = True, train: bool = True,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        what = ("train" if train else "test") if what is None else what
        self.what = verify_str_arg(what, "what", self.subsets)
        self.compat = compat
        super().__init__(root, train, **kwargs)

    def _wanted(self) -> list[tuple[str, str]]:
        return self.resources[self.subsets[self.what]]

    def _fetch_any(self, name: str, folder: Path, md5: str) -> Path:
        return self._fetch(name, folder, md5)

    def _names(self) -> tuple[str, str]:
        first, second = (os.path.basename(url)[:-3] for url, _ in self._wanted())
        return first, second

    def _read_labels(self, path: Path) -> np.ndarray[Any, Any]:
        return _read_idx(path, 2, 12)

    def _load_data(self) -> tuple[Tensor, Tensor]:
        images, targets = super()._load_data()
        part = {"test10k": slice(0, 10_000), "test50k": slice(10_000, None)}.get(self.what)
        return (images, targets) if part is None else (images[part].clone(), targets[part].clone())

    def extra_repr(self) -> str:
        return f"Split: {self.what}"

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        target: Any = self.targets[index]
        target = int(target[0]) if self.compat else target
        return self._changed(Image.fromarray(self.data[index].numpy()), target)


def read_image_file(path: Root) -> Tensor:
    """The images in an IDX file: uint8 (N, H, W); ValueError for a damaged one."""
    return from_numpy(_read_idx(Path(path), 3, _UNSIGNED_BYTE))


def read_label_file(path: Root) -> Tensor:
    """The labels in an IDX file: int64 (N,); ValueError for a damaged one."""
    return from_numpy(_read_idx(Path(path), 1, _UNSIGNED_BYTE).astype(np.int64))


def _read_idx(path: Path, dimensions: int, kind: int) -> np.ndarray[Any, Any]:
    """The array in an IDX file: 0, 0, type, rank, big-endian int32 sizes, then the elements."""
    opened: Any = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    start = 4 + 4 * dimensions
    try:
        with opened(path, "rb") as file:
            head = file.read(start)
            if head[:4] != bytes([0, 0, kind, dimensions]) or len(head) < start:
                raise _no_idx(path, head, dimensions, kind)
            shape = tuple(int(size) for size in np.frombuffer(head, ">i4", dimensions, 4))
            dtype = np.dtype(_KINDS[kind])
            size = math.prod(shape) * dtype.itemsize
            if min(shape) >= 0 and size <= path.stat().st_size * _MOST:
                raw = file.read(size + 1)
            else:
                raw = b""
    except FileNotFoundError:
        raise
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"{path} cannot be unpacked ({error}): get the file again") from error
    if len(raw) != size or min(shape) < 0:
        raise ValueError(
            f"{path} is cut off or has a damaged header: shape {shape} needs {size} bytes, got "
            f"{'more' if len(raw) > size else len(raw)}; get the file again"
        )
    return np.frombuffer(raw, dtype).reshape(shape).astype(dtype.newbyteorder("="))


def _no_idx(path: Path, head: bytes, dimensions: int, kind: int) -> ValueError:
    return ValueError(
        f"{path} is no IDX file of {dimensions}-d {np.dtype(_KINDS[kind]).name}: expected the "
        f"first bytes {bytes([0, 0, kind, dimensions]).hex(' ')}, got {head[:4].hex(' ')}; get the "
        "file again"
    )
