"""Street View House Numbers (Netzer et al., 2011), from MATLAB files."""

from __future__ import annotations

import numpy as np

from . import _matlab
from .utils import verify_str_arg
from .vision import Change, PlanarImages, Root


class SVHN(PlanarImages):
    """32x32 images of digits on houses; digit 0 has label 0, though the files say 10.

    Item i is a PIL image and its label.

    Args:
        root: the folder with `train_32x32.mat` and the like.
        split: "train" (73,257 images), "test" (26,032) or "extra" (531,131).
        transform: applied to the image of an item.
        target_transform: applied to its label.
        download: get the file first, if it is not there.

    Attributes:
        data: uint8 array (N, 3, 32, 32).
        labels: int64 array (N,).

    Raises:
        RuntimeError: the file is missing or has another checksum.
        ValueError: it is no MATLAB file of these arrays.
    """

    split_list = {
        "train": [
            "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
            "train_32x32.mat",
            "e26dedcc434d2e4c54c9b2d4a06d8373",
        ],
        "test": [
            "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
            "test_32x32.mat",
            "eb5a983be6a315427106f1b164d9cef3",
        ],
        "extra": [
            "http://ufldl.stanford.edu/housenumbers/extra_32x32.mat",
            "extra_32x32.mat",
            "a93ce644f1a588dc4d68dda5feec44a7",
        ],
    }

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transform: Change = None,
        target_transform: Change = None,
        download: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.split = verify_str_arg(split, "split", self.split_list)
        self.url, self.filename, self.file_md5 = self.split_list[split]
        if download:
            self.download()
        path = self._need(self._folder / self.filename, self.file_md5)
        found = _matlab.read(path)
        images, labels = found.get("X"), found.get("y")
        if images is None or labels is None or images.shape != (32, 32, 3, labels.size):
            raise ValueError(f"{path} does not hold images X and labels y: get it again")
        self.data = images.transpose(3, 2, 0, 1)
        self.labels = labels.astype(np.int64).reshape(-1) % 10

    def download(self) -> None:
        """Download the file of the split, if it is not there."""
        self._fetch(self.url, self._folder, self.file_md5)
