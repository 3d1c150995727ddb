"""Random images, for trying a program out."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from ... import Generator, Tensor, randint, randn
from .vision import Change, VisionDataset


class FakeData(VisionDataset[tuple[Any, Any]]):
    """Images of noise with random labels; item i is always the same.

    Args:
        size: number of items.
        image_size: channels (1 or 3), height and width.
        num_classes: labels are below it.
        transform: applied to the PIL image.
        target_transform: applied to the label, a 0-d tensor; a tensor that it returns becomes an
            int.
        random_offset: added to the index, makes the seed of an item.
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Change = None,
        target_transform: Change = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        draw = Generator().manual_seed(index + self.random_offset)
        noise = randn(*self.image_size, generator=draw).numpy() * 255
        pixels = noise.astype(np.int32).astype(np.uint8).transpose(1, 2, 0)
        label = randint(0, self.num_classes, (1,), generator=draw)[0]
        gray = self.image_size[0] == 1
        image = Image.fromarray(pixels[..., 0] if gray else np.ascontiguousarray(pixels))
        image, label = self._changed(image, label)
        return image, label.item() if isinstance(label, Tensor) else label

    def __len__(self) -> int:
        return self.size
