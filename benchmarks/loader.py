"""Batches per second of `DataLoader` against PyTorch's.

    python benchmarks/loader.py [--only NAME] [--rounds 5] [--jpegs 2000] [--output FILE]

A call of a case reads one epoch, so times are of epochs, workers started anew in each. Samples of
both libraries are equal and come in the same order. Thread workers are Pyrite's alone; PyTorch's
side of that case has processes. The cases of JPEGs (320x240, resized to 256, cropped to 224, as
floats) compare ImageFolder and transforms of torchvision, and are left out where it is missing.
"""

from __future__ import annotations

import inspect
import os
import tempfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import harness
import numpy as np

SAMPLES = 4096
CASES = {
    "tensors in memory": {"source": "tensors", "batch_size": 64},
    "images, no workers": {"source": "images", "batch_size": 64},
    "images, 2 processes": {"source": "images", "batch_size": 64, "num_workers": 2},
    "images, 2 threads": {
        "source": "images", "batch_size": 64, "num_workers": 2, "worker_type": "thread",
    },
    "JPEGs, no workers": {"source": "jpegs", "batch_size": 16},
    "JPEGs, 2 processes": {"source": "jpegs", "batch_size": 16, "num_workers": 2},
}  # fmt: skip


class Images:
    """Bytes of 3x64x64, flipped by chance of their index and scaled to float32."""

    def __init__(self, t: Any) -> None:
        self.library = t.__name__  # a module could not be sent to a process
        self.bytes = np.random.default_rng(0).integers(0, 256, (256, 3, 64, 64), np.uint8)

    def __len__(self) -> int:
        return SAMPLES

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image = self.bytes[index % 256]
        image = image[:, :, ::-1] if index % 3 else image
        return import_module(self.library).from_numpy(image.astype(np.float32) / 255), index % 10


def vision(t: Any) -> Any:
    """The library's package for images; torchvision's operators may be missing, its code is not."""
    if t.__name__ == "pyrite":
        return import_module("pyrite.vision")
    library = t.library.Library("torchvision", "FRAGMENT")
    for op in ("nms", "qnms"):
        library.define(f"{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    found = import_module("torchvision")
    library._destroy()
    return found


class Jpegs:
    """A folder of images, 50 of them different, with what a classifier does to them."""

    def __init__(self, t: Any) -> None:
        from PIL import Image

        self.library = t.__name__
        self.folder = Path(tempfile.mkdtemp(prefix="pyrite-jpegs-"))
        draw, (x, y) = np.random.default_rng(0), np.mgrid[:240, :320]
        for i in range(int(os.environ["LOADER_JPEGS"])):
            path = self.folder / f"class{i % 10}" / f"{i:04d}.jpg"
            path.parent.mkdir(exist_ok=True)
            if i < 50:
                waves = [np.sin(x / a + y / b) for a, b in draw.uniform(5, 50, (3, 2))]
                pixels = 128 + 90 * np.stack(waves, -1) + draw.normal(0, 8, (240, 320, 3))
                Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path, quality=90)
            else:
                os.link(self.folder / f"class{i % 10}" / f"{i % 50:04d}.jpg", path)
        self.open()

    def open(self) -> None:
        """The data set; a process that gets a copy opens it anew."""
        v = vision(import_module(self.library))
        steps = [v.transforms.Resize(256), v.transforms.CenterCrop(224), v.transforms.ToTensor()]
        self.images = v.datasets.ImageFolder(self.folder, v.transforms.Compose(steps))

    def __getstate__(self) -> dict[str, Any]:
        return {"library": self.library, "folder": self.folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.open()

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.images[index]


class Case:
    """One epoch of a loader in one library."""

    def __init__(self, t: Any, name: str) -> None:
        options = dict(CASES[name])
        data = t.utils.data
        sources = {
            "images": Images,
            "jpegs": Jpegs,
            "tensors": lambda t: data.TensorDataset(t.arange(SAMPLES * 16.0).reshape(-1, 16)),
        }
        dataset = sources[options.pop("source")](t)
        if "worker_type" not in inspect.signature(data.DataLoader).parameters:
            options.pop("worker_type", None)
        elif options.get("num_workers"):
            options.setdefault("worker_type", "process")
        self.loader = data.DataLoader(dataset, **options)

    def weights(self) -> None:
        """Nothing: the samples are the same in either library."""

    def run(self) -> float:
        """Read an epoch; the sum of what came first in each batch."""
        return sum(float(batch[0].reshape(-1)[0]) for batch in self.loader)

    def outcome(self) -> list[float]:
        """What the epoch summed up to."""
        return [self.run()]


def start(t: Any, name: str, weights: Any) -> Case:
    """The harness's door."""
    return Case(t, name)


def main() -> None:
    parser = harness.arguments(__doc__, rounds=5, seconds=0.1)
    parser.add_argument("--jpegs", type=int, default=2000, help="files in the cases of JPEGs")
    args = parser.parse_args()
    os.environ["LOADER_JPEGS"] = str(args.jpegs)  # for the processes of the libraries
    there = {n: c for n, c in CASES.items() if c["source"] != "jpegs" or find_spec("torchvision")}
    names = harness.chosen(there, args.only)

    def size(name: str) -> str:
        return f"{args.jpegs if CASES[name]['source'] == 'jpegs' else SAMPLES} samples"

    harness.compare("loader", names, args, 1e-6, size, "DataLoader")


if __name__ == "__main__":
    main()
