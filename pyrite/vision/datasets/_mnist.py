"""MNIST and Fashion-MNIST from IDX files (format: http://yann.lecun.com/exdb/mnist/)."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ._vision import VisionDataset

_UNSIGNED_BYTE = 0x08


class MNIST(VisionDataset):
    """28x28 images of handwritten digits, 60,000 for training and 10,000 for testing.

    Reads `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same of `t10k`, raw or
    with the ending .gz. RuntimeError for a missing file, ValueError for a damaged one.

    Args:
        root: the folder with the files, or one above it that holds `MNIST/raw`.
        train: the training part, else the test part.
        transform: applied to the image of an item.
        target_transform: applied to its label.
    """

    classes = [
        f"{digit} - {name}"
        for digit, name in enumerate(
            ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
        )
    ]
    root: Path
    _folders: ClassVar[tuple[str, ...]] = ("", "MNIST/raw", "mnist")
    _source: ClassVar[str] = "put the four IDX files there"

    def __init__(
        self,
        root: str | PathLike[str],
        train: bool = True,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(root, transform, target_transform)
        self.train = train
        part = "train" if train else "t10k"
        images_path = self._find(f"{part}-images-idx3-ubyte")
        labels_path = self._find(f"{part}-labels-idx1-ubyte")
        images, labels = _read_idx(images_path, 3), _read_idx(labels_path, 1)
        if len(images) != len(labels):
            raise ValueError(
                f"{labels_path} holds {len(labels)} labels, {images_path} {len(images)} images: "
                "take both files from one source"
            )
        if labels.size and labels.max() >= len(self.classes):
            raise ValueError(
                f"{labels_path} holds label {labels.max()}, expected 0 to "
                f"{len(self.classes) - 1}: get the file again"
            )
        self._set(images, labels)

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"

    def _find(self, name: str) -> Path:
        folders = [self.root / folder for folder in self._folders]
        for folder in folders:
            for path in (folder / name, folder / f"{name}.gz"):
                if path.is_file():
                    return path
        raise RuntimeError(
            f"{type(self).__name__}: no file {name} or {name}.gz in "
            f"{' or '.join(map(str, folders))}; {self._source}"
        )


class FashionMNIST(MNIST):
    """28x28 images of clothing, 60,000 for training and 10,000 for testing (Zalando, 2017).

    Files and errors as for `MNIST`. Debian's package `dataset-fashion-mnist` has them in
    `/usr/share/datasets/fashion-mnist`.

    Args:
        root: the folder with the files, or one above that holds `FashionMNIST/raw`.
        train: the training part, else the test part.
        transform: applied to the image of an item.
        target_transform: applied to its label.
    """

    classes = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]
    _folders = ("", "FashionMNIST/raw", "fashion-mnist")
    _source = (
        "put the four IDX files there, or `apt-get install dataset-fashion-mnist` and give "
        "root='/usr/share/datasets/fashion-mnist'"
    )


def _read_idx(path: Path, dimensions: int) -> np.ndarray[Any, Any]:
    """The uint8 array in an IDX file: 0, 0, type, rank, big-endian int32 sizes, then the bytes."""
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{path} cannot be unpacked ({error}): get the file again") from error
    magic = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    start = 4 + 4 * dimensions
    if raw[:4] != magic or len(raw) < start:
        raise ValueError(
            f"{path} is no IDX file of {dimensions}-d bytes: expected the first bytes "
            f"{magic.hex(' ')}, got {raw[:4].hex(' ')}; get the file again"
        )
    shape = tuple(int(size) for size in np.frombuffer(raw, ">i4", dimensions, 4))
    if math.prod(shape) != len(raw) - start:
        raise ValueError(
            f"{path} is cut off or has a damaged header: shape {shape} needs "
            f"{math.prod(shape)} bytes, got {len(raw) - start}; get the file again"
        )
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape).copy()
