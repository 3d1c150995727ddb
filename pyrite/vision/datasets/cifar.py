"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), from the pickled batches for Python."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..._pickle import SafeUnpickler
from .vision import Change, Root, VisionDataset, split_name


class CIFAR10(VisionDataset[tuple[Any, Any]]):
    """32x32 images of ten kinds of things, 50,000 for training and 10,000 for testing.

    Item i is a PIL image and its label. The files' checksums are compared, and their pickles are
    read without running anything in them.

    Args:
        root: the folder above `cifar-10-batches-py`.
        train: the training part, else the test part.
        transform: applied to the image of an item.
        target_transform: applied to its label.
        download: get the files first, if they are not there.

    Attributes:
        data: uint8 array (N, 32, 32, 3).
        targets: list of class indices.
        classes: the class names, by index.
        class_to_idx: the index of each class name.

    Raises:
        RuntimeError: a file is missing or damaged.
    """

    base_folder = "cifar-10-batches-py"
    url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"
    filename = "cifar-10-python.tar.gz"
    tgz_md5 = "c58f30108f718f92721af3b95e74349a"
    train_list = [
        ["data_batch_1", "c99cafc152244af753f735de768cd75f"],
        ["data_batch_2", "d4bba439e000b95fd0a9bffe97cbabec"],
        ["data_batch_3", "54ebc095f3ab1f0389bbae665268c751"],
        ["data_batch_4", "634d18415352ddfa80567beed471001a"],
        ["data_batch_5", "482c414d41f54cd18b22e5b47cb7c3cb"],
    ]
    test_list = [["test_batch", "40351d587109b95175f43aff81a1287e"]]
    meta = {
        "filename": "batches.meta",
        "key": "label_names",
        "md5": "5ff9c542aee3614f3951f8cda6e48888",
    }

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
        rows, self.targets = [], list[int]()
        for name, md5 in self.train_list if train else self.test_list:
            path = self._need(self._batches / name, md5)
            batch = _unpickled(path)
            labels: Any = batch.get("labels", batch.get("fine_labels"))
            rows.append(_checked(path, batch.get("data"), labels))
            self.targets += labels
        self.data = np.vstack(rows).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        path = self._need(self._batches / self.meta["filename"], self.meta["md5"])
        self.classes: list[str] = _unpickled(path)[self.meta["key"]]
        self.class_to_idx = {name: index for index, name in enumerate(self.classes)}

    @property
    def _batches(self) -> Path:
        return self._folder / self.base_folder

    def download(self) -> None:
        """Download and unpack the archive, unless all files are there."""
        files = [*self.train_list, *self.test_list, [self.meta["filename"], self.meta["md5"]]]
        self._install(self.url, self.tgz_md5, self._batches, files)

    def extra_repr(self) -> str:
        return split_name(self.train)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        return self._changed(Image.fromarray(self.data[index]), self.targets[index])

    def __len__(self) -> int:
        return len(self.data)


class CIFAR100(CIFAR10):
    """32x32 images of 100 kinds of things, 50,000 for training and 10,000 for testing.

    Arguments, attributes and errors as for `CIFAR10`; the folder is `cifar-100-python`.
    """

    base_folder = "cifar-100-python"
    url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"
    filename = "cifar-100-python.tar.gz"
    tgz_md5 = "eb9058c3a382ffc7106e4002c42a8d85"
    train_list = [["train", "16019d7e3df5f24257cddd939b257f8d"]]
    test_list = [["test", "f0ef6b0ae62326f3e7ffdfab6717acfc"]]
    meta = {
        "filename": "meta",
        "key": "fine_label_names",
        "md5": "7973b15100ade9c7d40fb424638fde48",
    }


def _unpickled(path: Path) -> dict[str, Any]:
    """A batch; RuntimeError unless it is a pickled dict of plain data and arrays."""

    def refuse(pid: object) -> Any:
        raise ValueError("a tensor")

    with io.BytesIO(path.read_bytes()) as file:
        try:
            found = SafeUnpickler(file, str(path), refuse, encoding="latin1").load()
        except pickle.UnpicklingError as error:
            raise RuntimeError(f"{path} is no batch of images: {error}") from None
    if not isinstance(found, dict):
        raise RuntimeError(f"{path} holds a {type(found).__name__}, expected a dict: get it again")
    return found


def _checked(path: Path, images: Any, labels: Any) -> np.ndarray[Any, Any]:
    """The images of a batch; RuntimeError unless they are rows of 3072 bytes with a label each."""
    if (
        not isinstance(images, np.ndarray)
        or images.dtype != np.uint8
        or images.shape[1:] != (3 * 32 * 32,)
        or not isinstance(labels, list)
        or len(labels) != len(images)
    ):
        raise RuntimeError(
            f"{path} is damaged: expected rows of 3072 bytes and a list with a label for each; get "
            "it again"
        )
    return images
