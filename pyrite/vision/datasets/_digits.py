"""UCI's handwritten digits, shipped with the package."""

from __future__ import annotations

import zipfile
from importlib.resources import files
from typing import Any

import numpy as np
from PIL import Image

from ... import Tensor, from_numpy
from .vision import Change, Root, VisionDataset


class Digits(VisionDataset[tuple[Any, Any]]):
    """1797 handwritten digits, 8x8 pixels (E. Alpaydin and C. Kaynak, UCI, 1998; CC BY 4.0).

    The source counts 0 to 16 pixels per cell; `data` holds 16 times that, at most 255, so that a
    transform made for MNIST fits. The split is stratified and always the same: of each class a
    fifth, drawn by a fixed seed, is for testing (1438 and 359 images).

    Args:
        root: a folder with another copy of `digits.npz`; None reads the package's own.
        train: True for the training part, False for the test part, None for all images.
        transform: applied to the image of an item.
        target_transform: applied to its label.

    Attributes:
        data: uint8 tensor (N, 8, 8), 0 to 255.
        targets: int64 tensor (N,) of class indices.
        classes: the class names, by index.
        class_to_idx: the index of each class name.
    """

    classes = [str(digit) for digit in range(10)]
    class_to_idx = {str(digit): digit for digit in range(10)}
    data: Tensor
    targets: Tensor

    def __init__(
        self,
        root: Root | None = None,
        train: bool | None = None,
        transform: Change = None,
        target_transform: Change = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.train = train
        counts, labels = self._read()
        images = np.minimum(counts.astype(np.uint16) * 16, 255).astype(np.uint8)
        if train is not None:
            chosen = _is_test(labels) != train
            images, labels = images[chosen], labels[chosen]
        self.data, self.targets = from_numpy(images), from_numpy(labels.astype(np.int64))

    def _read(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        folder: Any = files("pyrite.vision") / "data" if self.root is None else self._folder
        path = folder / "digits.npz"
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                return archive["images"], archive["labels"]
        except FileNotFoundError as error:
            raise RuntimeError(
                f"Digits: no file {path}; leave root out to read the copy in the package"
            ) from error
        except (KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(
                f"Digits: {path} is damaged or no NumPy archive of 'images' and 'labels' "
                f"({error}); leave root out to read the copy in the package"
            ) from error

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        return self._changed(Image.fromarray(self.data[index].numpy()), int(self.targets[index]))

    def __len__(self) -> int:
        return len(self.data)


def _is_test(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Marks a fifth of each class; RandomState's stream is frozen, so the split never moves."""
    draw = np.random.RandomState(0)
    marked = np.zeros(len(labels), dtype=bool)
    for digit in range(10):
        members = draw.permutation(np.flatnonzero(labels == digit))
        marked[members[: round(len(members) / 5)]] = True
    return marked
