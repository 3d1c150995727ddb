"""Data sets that are folders of files, a folder for each class."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from .vision import Change, Root, VisionDataset

IMG_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
Endings = str | tuple[str, ...] | None
IsValid = Callable[[str], bool] | None


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether a name ends in one of these (small letters), in letters of any case."""
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Whether a name ends in one of `IMG_EXTENSIONS`."""
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def find_classes(directory: Root) -> tuple[list[str], dict[str, int]]:
    """The folders in a folder, sorted, and the index of each; FileNotFoundError without any."""
    with os.scandir(directory) as entries:
        classes = sorted(entry.name for entry in entries if entry.is_dir())
    if not classes:
        raise FileNotFoundError(f"Couldn't find any class folder in {directory}.")
    return classes, {name: index for index, name in enumerate(classes)}


def make_dataset(
    directory: Root, class_to_idx: dict[str, int] | None = None, extensions: Endings = None,
    is_valid_file: IsValid = None, allow_empty: bool = False,
) -> list[tuple[str, int]]:  # fmt: skip
    """Path and class index of each file below the class folders, sorted by class and path.

    Args:
        directory: the folder with a folder for each class.
        class_to_idx: the index of each class; None: as `find_classes` says.
        extensions: the endings of files to take; ValueError with `is_valid_file`, or without both.
        is_valid_file: tells of a path whether to take it.
        allow_empty: a class may have no file, else FileNotFoundError.
    """
    if class_to_idx is None:
        _, class_to_idx = find_classes(Path(directory).expanduser())
    if not class_to_idx:
        raise ValueError("'class_to_index' must have at least one entry to collect any samples.")
    if (extensions is None) == (is_valid_file is None):
        raise ValueError("Both extensions and is_valid_file cannot be None or not None")
    valid = is_valid_file or (lambda path: path.lower().endswith(extensions or ()))
    folders = {name: os.path.join(os.path.expanduser(directory), name) for name in class_to_idx}
    found = {name: [*filter(valid, _files(folders[name]))] for name in sorted(folders)}
    empty = [name for name, paths in found.items() if not paths]
    if empty and not allow_empty:
        known = extensions if isinstance(extensions, str) else ", ".join(extensions or ())
        raise FileNotFoundError(
            f"Found no valid file for the classes {', '.join(empty)} in {directory}. "
            + f"Supported extensions are: {known}" * bool(extensions)
        )
    return [(path, class_to_idx[name]) for name, paths in found.items() for path in paths]


def _files(folder: str) -> Iterator[str]:
    for place, _, names in sorted(os.walk(folder, followlinks=True)):
        yield from (os.path.join(place, name) for name in sorted(names))


def pil_loader(path: Root) -> Image.Image:
    """The image in a file, in RGB; OSError where it is damaged."""
    with open(path, "rb") as file:
        image = Image.open(file)
        image.load()
    return image if image.mode == "RGB" else image.convert("RGB")


def palette_loader(path: Root) -> Image.Image:
    """The image in a file, in the mode that it has there: masks are numbers or palettes."""
    with Image.open(path) as image:
        image.load()
    return image


def default_loader(path: Root) -> Any:
    """What image data sets read a file with: `pil_loader`."""
    return pil_loader(path)


class DatasetFolder(VisionDataset[tuple[Any, Any]]):
    """Files in a folder for each class, with folders inside as they please.

    Item i is what `loader` makes of file i, and the index of its class. A subclass may have
    `find_classes` and `make_dataset` of its own.

    Args:
        root: the folder with the class folders.
        loader: makes a sample of a path.
        extensions: the endings of files to take, or None.
        transform: applied to the sample.
        target_transform: applied to the class index.
        is_valid_file: tells of a path whether to take it, in place of `extensions`.
        allow_empty: a class may have no file, else FileNotFoundError.

    Attributes:
        classes: the class names, sorted.
        class_to_idx: the index of each class name.
        samples: pairs of path and class index.
        targets: the class index of each sample.
    """

    def __init__(
        self,
        root: Root,
        loader: Callable[[str], Any],
        extensions: Endings = None,
        transform: Change = None,
        target_transform: Change = None,
        is_valid_file: IsValid = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.classes, self.class_to_idx = self.find_classes(self.root)
        self.samples = self.make_dataset(
            self.root,
            class_to_idx=self.class_to_idx,
            extensions=extensions,
            is_valid_file=is_valid_file,
            allow_empty=allow_empty,
        )
        self.loader = loader
        self.extensions = extensions
        self.targets = [target for _, target in self.samples]

    @staticmethod
    def make_dataset(
        directory: Root, class_to_idx: dict[str, int], extensions: Endings = None,
        is_valid_file: IsValid = None, allow_empty: bool = False,
    ) -> list[tuple[str, int]]:  # fmt: skip
        """The samples: `make_dataset` of this module, with the classes given."""
        if class_to_idx is None:
            raise ValueError("The class_to_idx parameter cannot be None.")
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: Root) -> tuple[list[str], dict[str, int]]:
        """The classes: `find_classes` of this module."""
        return find_classes(directory)

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._changed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Images in a folder for each class: `root/dog/1.png`, `root/cat/any/2.jpg`.

    Item i is an image (PIL, RGB) and the index of its class.

    Args:
        root: the folder with the class folders.
        transform: applied to the image.
        target_transform: applied to the class index.
        loader: makes an image of a path.
        is_valid_file: tells of a path whether to take it; None: by `IMG_EXTENSIONS`.
        allow_empty: a class may have no file, else FileNotFoundError.

    Attributes:
        classes, class_to_idx, samples, targets: as for `DatasetFolder`.
        imgs: the samples.
    """

    def __init__(
        self,
        root: Root,
        transform: Change = None,
        target_transform: Change = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: IsValid = None,
        allow_empty: bool = False,
    ) -> None:
        endings = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(
            root, loader, endings, transform, target_transform, is_valid_file, allow_empty
        )
        self.imgs = self.samples
