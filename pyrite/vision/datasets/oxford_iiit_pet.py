"""The Oxford-IIIT Pet data set (Parkhi et al., 2012)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .folder import palette_loader, pil_loader
from .utils import extract_archive, verify_str_arg
from .vision import Change, Root, VisionDataset

_PETS = "https://www.robots.ox.ac.uk/~vgg/data/pets/data/"


class OxfordIIITPet(VisionDataset[tuple[Any, Any]]):
    """Photographs of 37 breeds of cats and dogs, about 200 of each.

    Item i is an image (PIL, RGB) and its target: one thing, a tuple of several, or None.

    Args:
        root: the folder above `oxford-iiit-pet`.
        split: "trainval" (3,680 images) or "test" (3,669).
        target_types: one or several of "category" (the breed), "binary-category" (0 is a cat,
            1 a dog) and "segmentation" (a PIL image: 1 pet, 2 background, 3 border).
        transforms: called with image and target, returns both.
        transform: applied to the image.
        target_transform: applied to the target.
        download: get the files first, if they are not there.

    Raises:
        RuntimeError: the files are missing or damaged.
    """

    _RESOURCES: Any = (
        (_PETS + "images.tar.gz", "5c4f3ee8e5d25df40f4fd59a7f44e54c"),
        (_PETS + "annotations.tar.gz", "95a8c909bbe2e81eed6a22bccdf3f68f"),
    )
    _VALID_TARGET_TYPES = ("category", "binary-category", "segmentation")

    def __init__(
        self,
        root: Root,
        split: str = "trainval",
        target_types: Sequence[str] | str = "category",
        transforms: Change = None,
        transform: Change = None,
        target_transform: Change = None,
        download: bool = False,
    ) -> None:
        self._split = verify_str_arg(split, "split", ("trainval", "test"))
        kinds = [target_types] if isinstance(target_types, str) else target_types
        self._target_types = [
            verify_str_arg(kind, "target_types", self._VALID_TARGET_TYPES) for kind in kinds
        ]
        super().__init__(root, transforms, transform, target_transform)
        self._base_folder = self._folder / "oxford-iiit-pet"
        images, notes = self._base_folder / "images", self._base_folder / "annotations"
        if download and not (images.is_dir() and notes.is_dir()):
            for url, md5 in self._RESOURCES:
                extract_archive(self._fetch(url, self._base_folder, md5))
        path = self._need(notes / f"{split}.txt")
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        if any(len(row) != 4 or not row[1].isdigit() or not row[2].isdigit() for row in rows):
            raise RuntimeError(f"{path} is damaged: expected 'name class kind number' a line")
        self._images = [images / f"{row[0]}.jpg" for row in rows]
        self._segs = [notes / "trimaps" / f"{row[0]}.png" for row in rows]
        self._labels = [int(row[1]) - 1 for row in rows]
        self._bin_labels = [int(row[2]) - 1 for row in rows]
        breeds = dict(sorted((label, row[0]) for label, row in zip(self._labels, rows)))
        self.classes = [_title(name) for name in breeds.values()]
        self.class_to_idx = {name: index for index, name in enumerate(self.classes)}
        self.bin_classes = ["Cat", "Dog"]
        self.bin_class_to_idx = {"Cat": 0, "Dog": 1}

    def _target(self, kind: str, index: int) -> Any:
        if kind == "segmentation":
            return palette_loader(self._segs[index])
        return (self._labels if kind == "category" else self._bin_labels)[index]

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        found = [self._target(kind, index) for kind in self._target_types]
        target = tuple(found) if len(found) > 1 else found[0] if found else None
        return self._changed(pil_loader(self._images[index]), target)

    def __len__(self) -> int:
        return len(self._images)


def _title(name: str) -> str:
    """The breed in a name: `great_pyrenees_12` is a Great Pyrenees."""
    return " ".join(word.title() for word in name.rpartition("_")[0].split("_"))
