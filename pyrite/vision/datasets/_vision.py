"""What the data sets of greyscale images with class labels share."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from ... import Tensor, from_numpy
from ...data import Dataset


class VisionDataset(Dataset[tuple[Any, Any]]):
    """Images in memory: item i is `(image, label)`, a PIL image of mode L and an int.

    Attributes:
        data: uint8 tensor (N, H, W), 0 to 255.
        targets: int64 tensor (N,) of class indices.
        classes: the class names, by index.
    """

    classes: ClassVar[list[str]]
    data: Tensor
    targets: Tensor

    def __init__(
        self,
        root: str | PathLike[str] | None = None,
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
    ) -> None:
        self.root = None if root is None else Path(root).expanduser()
        self.transform = transform
        self.target_transform = target_transform

    @property
    def class_to_idx(self) -> dict[str, int]:
        """The index of each class name."""
        return {name: index for index, name in enumerate(self.classes)}

    def extra_repr(self) -> str:
        """Lines that `repr` shows after those common to all data sets."""
        return ""

    def _set(self, images: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> None:
        self.data = from_numpy(images)
        self.targets = from_numpy(labels.astype(np.int64))

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        image: Any = Image.fromarray(self.data[index].numpy())
        target: Any = int(self.targets[index])
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines += self.extra_repr().splitlines()
        return "\n    ".join([f"Dataset {type(self).__name__}", *lines])
