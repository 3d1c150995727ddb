"""What all data sets of images share."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np
from PIL import Image

from ..._download import fetch, mismatch
from ...data import Dataset
from .utils import check_integrity, extract_archive

T_co = TypeVar("T_co", covariant=True)
Root = str | os.PathLike[str]
Change = Callable[..., Any] | None


class VisionDataset(Dataset[T_co]):
    """Pairs of an image and a target; subclasses write `__getitem__` and `__len__`.

    Args:
        root: the folder of the files, or None.
        transforms: called with image and target, returns both; ValueError beside the next two.
        transform: applied to the image of an item.
        target_transform: applied to its target.
    """

    _repr_indent = 4
    # Addresses of folders that hold the files too, tried after the data set's own.
    mirrors: ClassVar[list[str]] = []

    def __init__(
        self,
        root: Root | None = None,
        transforms: Change = None,
        transform: Change = None,
        target_transform: Change = None,
    ) -> None:
        self.root: Any = os.path.expanduser(root) if isinstance(root, str) else root
        separate = transform is not None or target_transform is not None
        if transforms is not None and separate:
            raise ValueError("Only transforms or transform/target_transform can be passed")
        self.transform = transform
        self.target_transform = target_transform
        self.transforms = StandardTransform(transform, target_transform) if separate else transforms

    def extra_repr(self) -> str:
        """Lines that `repr` shows after those common to all data sets."""
        return ""

    def _changed(self, image: Any, target: Any) -> tuple[Any, Any]:
        """The item after the transforms, which may have been set after construction."""
        joint = self.transforms
        if joint is None or isinstance(joint, StandardTransform):
            joint = StandardTransform(self.transform, self.target_transform)
        return joint(image, target)

    @property
    def _folder(self) -> Path:
        return Path(self.root).expanduser()

    def _need(self, path: Path, md5: str | None = None) -> Path:
        """The path; RuntimeError if there is no such file, or one with another checksum."""
        wrong = mismatch(path, md5 and f"md5:{md5}")
        if wrong is None:
            return path
        raise RuntimeError(
            f"{type(self).__name__}: {path}: {wrong}. Dataset not found or corrupted. You can use "
            "download=True to download it, or put the file there"
        )

    def _fetch(self, url: str, folder: Path, md5: str) -> Path:
        """The file of an address or of the mirrors, in `folder`."""
        name = url.rpartition("/")[2]
        return fetch([url, *(m + name for m in self.mirrors)], folder / name, f"md5:{md5}")

    def _install(self, url: str, md5: str, folder: Path, files: Iterable[Sequence[str]]) -> None:
        """Download and unpack an archive, unless all its files (name, checksum) are there."""
        if not all(check_integrity(folder / name, each) for name, each in files):
            extract_archive(self._fetch(url, self._folder, md5))

    def __len__(self) -> int:
        raise NotImplementedError(f"{type(self).__name__} must define __len__()")

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        if self.transforms is not None:
            lines.append(repr(self.transforms))
        indent = "\n" + " " * self._repr_indent
        return indent.join([f"Dataset {type(self).__name__}", *lines])


class PlanarImages(VisionDataset[tuple[Any, Any]]):
    """Images in one array `data` (N, 3, height, width) with `labels`, of a part named `split`."""

    data: np.ndarray[Any, Any]
    labels: np.ndarray[Any, Any]
    split: str

    def extra_repr(self) -> str:
        return f"Split: {self.split}"

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        image = Image.fromarray(self.data[index].transpose(1, 2, 0))
        return self._changed(image, int(self.labels[index]))

    def __len__(self) -> int:
        return len(self.data)


class StandardTransform:
    """A transform of the image and one of the target, called with both."""

    def __init__(self, transform: Change = None, target_transform: Change = None) -> None:
        self.transform = transform
        self.target_transform = target_transform

    def __call__(self, input: Any, target: Any) -> tuple[Any, Any]:
        if self.transform is not None:
            input = self.transform(input)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return input, target

    def __repr__(self) -> str:
        parts = {"Transform: ": self.transform, "Target transform: ": self.target_transform}
        lines = [
            head + repr(part).replace("\n", "\n" + " " * len(head))
            for head, part in parts.items()
            if part is not None
        ]
        return "\n".join([type(self).__name__, *lines])


def split_name(train: bool) -> str:
    """How `repr` names the two parts."""
    return f"Split: {'Train' if train is True else 'Test'}"
