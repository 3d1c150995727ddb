"""COCO's boxes, masks and captions (Lin et al., 2014), from its JSON files."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from .folder import pil_loader
from .vision import Change, Root, VisionDataset

Record = dict[str, Any]


class _Annotations:
    """The file's records by id, with the names and methods that pycocotools gives them.

    Attributes:
        dataset: the file's content.
        imgs, anns, cats: images, annotations and categories, by id.
        imgToAnns: the annotations of each image, by its id.
    """

    def __init__(self, path: Path) -> None:
        try:
            self.dataset = json.loads(path.read_bytes())
            self.imgs, self.anns, self.cats = (
                {record["id"]: record for record in self.dataset.get(key, [])}
                for key in ("images", "annotations", "categories")
            )
            self.imgToAnns: dict[int, list[Record]] = defaultdict(list)
            for annotation in self.anns.values():
                self.imgToAnns[annotation["image_id"]].append(annotation)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} is no JSON file of COCO's images and annotations "
                f"({type(error).__name__}: {error}): get it again"
            ) from error

    def loadImgs(self, ids: int | Iterable[int]) -> list[Record]:
        """The images of these ids."""
        return [self.imgs[i] for i in _several(ids)]

    def loadAnns(self, ids: int | Iterable[int]) -> list[Record]:
        """The annotations of these ids."""
        return [self.anns[i] for i in _several(ids)]

    def loadCats(self, ids: int | Iterable[int]) -> list[Record]:
        """The categories of these ids."""
        return [self.cats[i] for i in _several(ids)]

    def getAnnIds(self, imgIds: int | Iterable[int]) -> list[int]:
        """The ids of the annotations of these images."""
        return [record["id"] for i in _several(imgIds) for record in self.imgToAnns.get(i, [])]

    def getImgIds(self) -> list[int]:
        """The ids of all images."""
        return list(self.imgs)

    def getCatIds(self) -> list[int]:
        """The ids of all categories."""
        return list(self.cats)


def _several(ids: int | Iterable[int]) -> Iterable[int]:
    return [ids] if isinstance(ids, int) else ids


class CocoDetection(VisionDataset[tuple[Any, Any]]):
    """Images with all that the file says of each: boxes, masks, categories.

    Item i is an image (PIL, RGB) and the list of its annotations, dicts as in the file. Nothing
    but this package is needed to read them.

    Args:
        root: the folder of the images.
        annFile: the JSON file.
        transform: applied to the image.
        target_transform: applied to the list.
        transforms: called with image and list, returns both.

    Attributes:
        ids: the ids of the images, in order.
        coco: the file's records, with pycocotools' `imgs`, `anns`, `cats`, `loadImgs`, ...

    Raises:
        ValueError: the file is damaged, or another one.
    """

    def __init__(
        self,
        root: Root,
        annFile: Root,
        transform: Change = None,
        target_transform: Change = None,
        transforms: Change = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.coco = _Annotations(Path(annFile).expanduser())
        self.ids = sorted(self.coco.imgs)

    def _load_image(self, id: int) -> Any:
        return pil_loader(self._folder / self.coco.imgs[id]["file_name"])

    def _load_target(self, id: int) -> list[Any]:
        return self.coco.loadAnns(self.coco.getAnnIds(id))

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        if not isinstance(index, int):
            raise ValueError(f"Index must be of type integer, got {type(index)} instead.")
        return self._changed(self._load_image(self.ids[index]), self._load_target(self.ids[index]))

    def __len__(self) -> int:
        return len(self.ids)


class CocoCaptions(CocoDetection):
    """Images with their captions, a list of strings; arguments as for `CocoDetection`."""

    def _load_target(self, id: int) -> list[str]:
        return [annotation["caption"] for annotation in super()._load_target(id)]
