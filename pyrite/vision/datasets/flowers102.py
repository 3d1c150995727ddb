"""Oxford's 102 flowers (Nilsback and Zisserman, 2008)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import _matlab
from .folder import default_loader
from .utils import extract_archive, verify_str_arg
from .vision import Change, Root, VisionDataset

_CLASSES = """
pink primrose, hard-leaved pocket orchid, canterbury bells, sweet pea, english marigold, tiger
lily, moon orchid, bird of paradise, monkshood, globe thistle, snapdragon, colt's foot, king
protea, spear thistle, yellow iris, globe-flower, purple coneflower, peruvian lily, balloon
flower, giant white arum lily, fire lily, pincushion flower, fritillary, red ginger, grape
hyacinth, corn poppy, prince of wales feathers, stemless gentian, artichoke, sweet william,
carnation, garden phlox, love in the mist, mexican aster, alpine sea holly, ruby-lipped cattleya,
cape flower, great masterwort, siam tulip, lenten rose, barbeton daisy, daffodil, sword lily,
poinsettia, bolero deep blue, wallflower, marigold, buttercup, oxeye daisy, common dandelion,
petunia, wild pansy, primula, sunflower, pelargonium, bishop of llandaff, gaura, geranium, orange
dahlia, pink-yellow dahlia?, cautleya spicata, japanese anemone, black-eyed susan, silverbush,
californian poppy, osteospermum, spring crocus, bearded iris, windflower, tree poppy, gazania,
azalea, water lily, rose, thorn apple, morning glory, passion flower, lotus, toad lily, anthurium,
frangipani, clematis, hibiscus, columbine, desert-rose, tree mallow, magnolia, cyclamen,
watercress, canna lily, hippeastrum, bee balm, ball moss, foxglove, bougainvillea, camellia,
mallow, mexican petunia, bromelia, blanket flower, trumpet creeper, blackberry lily
"""


class Flowers102(VisionDataset[tuple[Any, Any]]):
    """Photographs of 102 kinds of flowers, 40 to 258 of each.

    Item i is an image and its label.

    Args:
        root: the folder above `flowers-102`.
        split: "train" (1,020 images), "val" (1,020) or "test" (6,149).
        transform: applied to the image.
        target_transform: applied to the label.
        download: get the files first, if they are not there.
        loader: makes an image of a path.

    Raises:
        RuntimeError: a file is missing or has another checksum.
        ValueError: a MATLAB file is damaged.
    """

    classes = [name.strip() for name in _CLASSES.replace("\n", " ").split(",")]
    _download_url_prefix = "https://www.robots.ox.ac.uk/~vgg/data/flowers/102/"
    _file_dict = {
        "image": ("102flowers.tgz", "52808999861908f626f3c1f4e79d11fa"),
        "label": ("imagelabels.mat", "e0620be6f572b9609742df49c70aed4d"),
        "setid": ("setid.mat", "a5357ecc9cb78c4bef273ce3793fc85c"),
    }
    _splits_map = {"train": "trnid", "val": "valid", "test": "tstid"}

    def __init__(
        self,
        root: Root,
        split: str = "train",
        transform: Change = None,
        target_transform: Change = None,
        download: bool = False,
        loader: Callable[[Any], Any] = default_loader,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self._split = verify_str_arg(split, "split", self._splits_map)
        self._base_folder = self._folder / "flowers-102"
        self._images_folder = self._base_folder / "jpg"
        self.loader = loader
        if download:
            self.download()
        labels = self._numbers("label", "labels")
        ids = self._numbers("setid", self._splits_map[split])
        if ids and not 0 < min(ids) <= max(ids) <= len(labels):
            raise ValueError(
                f"{self._base_folder}: images {min(ids)} to {max(ids)} of {len(labels)}"
            )
        self._labels = [labels[i - 1] - 1 for i in ids]
        self._image_files = [self._images_folder / f"image_{i:05d}.jpg" for i in ids]

    def _numbers(self, file: str, key: str) -> list[int]:
        name, md5 = self._file_dict[file]
        path = self._need(self._base_folder / name, md5)
        found = _matlab.read(path)
        if key not in found:
            raise ValueError(f"{path} has no array {key!r}: get it again")
        return found[key].reshape(-1).astype(int).tolist()

    def download(self) -> None:
        """Download what is not there."""
        for key, (name, md5) in self._file_dict.items():
            url = self._download_url_prefix + name
            if key != "image":
                self._fetch(url, self._base_folder, md5)
            elif not self._images_folder.is_dir():
                extract_archive(self._fetch(url, self._base_folder, md5))

    def extra_repr(self) -> str:
        return f"split={self._split}"

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        return self._changed(self.loader(self._image_files[index]), self._labels[index])

    def __len__(self) -> int:
        return len(self._image_files)
