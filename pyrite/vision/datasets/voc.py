"""Pascal VOC 2007 to 2012: boxes and masks (Everingham et al., 2010)."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

from .folder import palette_loader, pil_loader
from .utils import extract_archive, verify_str_arg
from .vision import Change, Root, VisionDataset

_VOC = "https://thor.robots.ox.ac.uk/pascal/VOC/"
_FOLDER = "VOCdevkit/VOC"


def _year(year: str, file: str, md5: str) -> dict[str, str]:
    name = f"{file}.tar"
    folder = "TrainVal/" * (year == "2011") + _FOLDER + year
    return {"url": f"{_VOC}voc{year}/{name}", "filename": name, "md5": md5, "base_dir": folder}


DATASET_YEAR_DICT = {
    "2012": _year("2012", "VOCtrainval_11-May-2012", "6cd6e144f989b92b3379bac3b3de84fd"),
    "2011": _year("2011", "VOCtrainval_25-May-2011", "6c3384ef61512963050cb5d687e5bf1e"),
    "2010": _year("2010", "VOCtrainval_03-May-2010", "da459979d0c395079b5c75ee67908abb"),
    "2009": _year("2009", "VOCtrainval_11-May-2009", "a3e00b113cfcfebf17e343f59da3caa1"),
    "2008": _year("2008", "VOCtrainval_14-Jul-2008", "2629fa636546599198acfcfbfcf1904a"),
    "2007": _year("2007", "VOCtrainval_06-Nov-2007", "c52e279531787c972589f7e41ab4ae64"),
    "2007-test": _year("2007", "VOCtest_06-Nov-2007", "b6e924de25625d8de591ea690078ad9f"),
}  # fmt: skip


class _VOCBase(VisionDataset[tuple[Any, Any]]):
    """Images and one file for the target of each."""

    _SPLITS_DIR: ClassVar[str]
    _TARGET_DIR: ClassVar[str]
    _TARGET_FILE_EXT: ClassVar[str]

    def __init__(
        self,
        root: Root,
        year: str = "2012",
        image_set: str = "train",
        download: bool = False,
        transform: Change = None,
        target_transform: Change = None,
        transforms: Change = None,
    ) -> None:
        super().__init__(root, transforms, transform, target_transform)
        self.year = verify_str_arg(year, "year", map(str, range(2007, 2013)))
        sets = ["train", "trainval", "val"] + ["test"] * (year == "2007")
        self.image_set = verify_str_arg(image_set, "image_set", sets)
        source = DATASET_YEAR_DICT["2007-test" if image_set == "test" else year]
        self.url, self.filename, self.md5 = source["url"], source["filename"], source["md5"]
        base = self._folder / source["base_dir"]
        listing = base / "ImageSets" / self._SPLITS_DIR / f"{image_set}.txt"
        if download and not listing.is_file():
            extract_archive(self._fetch(self.url, self._folder, self.md5))
        names = self._need(listing).read_text(encoding="utf-8").split()
        self.images = [str(base / "JPEGImages" / f"{name}.jpg") for name in names]
        ending = self._TARGET_FILE_EXT
        self.targets = [str(base / self._TARGET_DIR / (name + ending)) for name in names]

    def _target(self, path: str) -> Any:
        return palette_loader(path)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        return self._changed(pil_loader(self.images[index]), self._target(self.targets[index]))

    def __len__(self) -> int:
        return len(self.images)


class VOCSegmentation(_VOCBase):
    """Images and masks, PIL images of the palette's 21 classes, 255 between them.

    Args:
        root: the folder above `VOCdevkit`.
        year: "2007" to "2012".
        image_set: "train", "trainval" or "val"; of 2007 also "test".
        download: get the files first, if they are not there.
        transform: applied to the image.
        target_transform: applied to the target.
        transforms: called with image and target, returns both.

    Raises:
        RuntimeError: the files are missing.
    """

    _SPLITS_DIR = "Segmentation"
    _TARGET_DIR = "SegmentationClass"
    _TARGET_FILE_EXT = ".png"

    @property
    def masks(self) -> list[str]:
        """The paths of the masks."""
        return self.targets


class VOCDetection(_VOCBase):
    """Images and annotations, dicts of the XML file; `annotation`'s `object` is always a list.

    Arguments and errors as for `VOCSegmentation`; ValueError for a damaged XML file.
    """

    _SPLITS_DIR = "Main"
    _TARGET_DIR = "Annotations"
    _TARGET_FILE_EXT = ".xml"

    @property
    def annotations(self) -> list[str]:
        """The paths of the annotations."""
        return self.targets

    def _target(self, path: str) -> Any:
        raw = Path(path).read_bytes()
        if b"<!DOCTYPE" in raw.replace(b"\0", b""):  # which could declare endless entities
            raise ValueError(f"{path} declares entities, which annotations do not: get it again")
        try:
            return self.parse_voc_xml(ET.fromstring(raw))
        except (ET.ParseError, RecursionError, ValueError, LookupError) as error:
            raise ValueError(f"{path} is damaged ({error}): get it again") from error

    @staticmethod
    def parse_voc_xml(node: ET.Element) -> dict[str, Any]:
        """An element as a dict: text, or a dict of its children; lists of those of equal name."""
        text = (node.text or "").strip()
        children: dict[str, list[Any]] = defaultdict(list)
        for child in node:
            for name, value in VOCDetection.parse_voc_xml(child).items():
                children[name].append(value)
        if not len(node):
            return {node.tag: text} if node.text else {}
        if node.tag == "annotation":
            children["object"] = [children["object"]]
        return {node.tag: {n: v[0] if len(v) == 1 else v for n, v in children.items()}}
