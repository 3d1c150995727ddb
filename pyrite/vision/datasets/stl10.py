"""STL-10 (Coates, Lee and Ng, 2011), from its binary files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .utils import verify_str_arg
from .vision import Change, PlanarImages, Root

_SIZE = 3 * 96 * 96


class STL10(PlanarImages):
    """96x96 images of ten kinds of things, and 100,000 without a label, which is then -1.

    Item i is a PIL image and its label.

    Args:
        root: the folder above `stl10_binary`.
        split: "train" (5,000 images), "train+unlabeled", "unlabeled" or "test" (8,000).
        folds: of the training images, one of ten folds of 1,000; None: all of them.
        transform: applied to the image of an item.
        target_transform: applied to its label.
        download: get the files first, if they are not there.

    Attributes:
        data: uint8 array (N, 3, 96, 96).
        labels: array (N,).
        classes: the class names, by index, if the folder has them.

    Raises:
        RuntimeError: a file is missing or damaged.
    """

    base_folder = "stl10_binary"
    url = "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz"
    filename = "stl10_binary.tar.gz"
    tgz_md5 = "91f7769df0f17e558f3565bffb0c7dfb"
    class_names_file = "class_names.txt"
    folds_list_file = "fold_indices.txt"
    train_list = [
        ["train_X.bin", "918c2871b30a85fa023e0c44e0bee87f"],
        ["train_y.bin", "5a34089d4802c674881badbb80307741"],
        ["unlabeled_X.bin", "5242ba1fed5e4be9e1e742405eb56ca4"],
    ]
    test_list = [
        ["test_X.bin", "7f263ba9f9e0b06b93213547f721ac82"],
        ["test_y.bin", "36f9794fa4beb8a2c72628de14fa638e"],
    ]
    splits = ("train", "train+unlabeled", "unlabeled", "test")

    def __init__(
        self,
        root: Root,
        split: str = "train",
        folds: int | None = None,
        transform: Change = None,
        target_transform: Change = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.splits)
        if folds is not None and folds not in range(10):
            raise ValueError(f"folds should be None or an int in [0, 10), got {folds!r}")
        self.folds = folds
        if download:
            self.download()
        parts = [self._part(name) for name in split.split("+")]
        self.data = np.concatenate([images for images, _ in parts])
        self.labels = np.concatenate([labels for _, labels in parts])
        names = self._binary / self.class_names_file
        if names.is_file():
            self.classes = names.read_text(encoding="utf-8").splitlines()

    @property
    def _binary(self) -> Path:
        return self._folder / self.base_folder

    def _part(self, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Images and labels of "train", "test" or "unlabeled"."""
        images = self._read(f"{name}_X.bin")
        if len(images) % _SIZE:
            raise RuntimeError(f"{self._binary}/{name}_X.bin holds no whole images: get it again")
        images = images.reshape(-1, 3, 96, 96).transpose(0, 1, 3, 2)
        if name == "unlabeled":
            return images, np.full(len(images), -1)
        labels = self._read(f"{name}_y.bin") - np.uint8(1)
        if name == "train" and self.folds is not None:
            path = self._need(self._binary / self.folds_list_file)
            rows = path.read_text(encoding="utf-8").splitlines()[self.folds]
            chosen = np.array(rows.split(), np.int64)
            images, labels = images[chosen], labels[chosen]
        if len(images) != len(labels):
            raise RuntimeError(
                f"{self._binary}/{name}_X.bin holds {len(images)} images, {name}_y.bin "
                f"{len(labels)} labels: get both again"
            )
        return images, labels

    def _read(self, name: str) -> np.ndarray[Any, Any]:
        md5 = dict([*self.train_list, *self.test_list])[name]
        return np.fromfile(self._need(self._binary / name, md5), np.uint8)

    def download(self) -> None:
        """Download and unpack the archive, unless all files are there."""
        files = [*self.train_list, *self.test_list]
        self._install(self.url, self.tgz_md5, self._binary, files)
