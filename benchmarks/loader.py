"""Batches per second of `DataLoader` against PyTorch's.

    python benchmarks/loader.py [--only NAME] [--rounds 5] [--output FILE]

A call of a case reads one epoch, so times are of epochs, workers started anew in each. Samples of
both libraries are equal and come in the same order. Thread workers are Pyrite's alone; PyTorch's
side of that case has processes.
"""

from __future__ import annotations

import inspect
from importlib import import_module
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


class Case:
    """One epoch of a loader in one library."""

    def __init__(self, t: Any, name: str) -> None:
        options = dict(CASES[name])
        data = t.utils.data
        if options.pop("source") == "images":
            dataset: Any = Images(t)
        else:
            dataset = data.TensorDataset(t.arange(SAMPLES * 16.0).reshape(-1, 16))
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
    args = harness.arguments(__doc__, rounds=5, seconds=0.1).parse_args()
    names = harness.chosen(CASES, args.only)
    harness.compare("loader", names, args, 1e-6, lambda name: f"{SAMPLES} samples", "DataLoader")


if __name__ == "__main__":
    main()
