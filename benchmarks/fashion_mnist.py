"""One program under PyTorch and Pyrite on the real Fashion-MNIST: 60,000 and 10,000 images.

    python benchmarks/fashion_mnist.py --root /usr/share/datasets/fashion-mnist [--epochs 4]

The program is written against a namespace, `t`. Both libraries start from the same weights and see
the same batches in the same order. Prints how far the losses of the first 50 steps lie apart, and
both test accuracies.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

import pyrite
from pyrite.vision.datasets import FashionMNIST

BATCH = 128


def build(t: Any) -> Any:
    """A CNN of two convolutions, without dropout, so that nothing random is left."""
    nn = t.nn
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10),
    )  # fmt: skip


def program(t: Any, weights: dict[str, Any], data: dict[str, np.ndarray], epochs: int) -> Any:
    """Train and test; returns the losses and the share of test images classified right."""
    model = build(t)
    model.load_state_dict({k: t.from_numpy(w.copy()) for k, w in weights.items()})
    optimizer = t.optim.AdamW(model.parameters(), lr=1e-3)
    images, labels = t.from_numpy(data["images"]), t.from_numpy(data["labels"])
    losses = []
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(len(images))
        for start in range(0, len(order), BATCH):
            batch = t.from_numpy(order[start : start + BATCH])
            loss = t.nn.functional.cross_entropy(model(images[batch]), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    right = 0
    model.eval()
    with t.no_grad():
        for start in range(0, len(data["test_images"]), 500):
            found = model(t.from_numpy(data["test_images"][start : start + 500])).argmax(1)
            right += (found == t.from_numpy(data["test_labels"][start : start + 500])).sum().item()
    return losses, right / len(data["test_images"])


def load(root: str) -> dict[str, np.ndarray]:
    """Both parts as arrays, normalised by the training images."""
    data = {}
    for name, train in (("", True), ("test_", False)):
        part = FashionMNIST(root, train=train)
        data[f"{name}images"] = part.data.unsqueeze(1).numpy().astype(np.float32) / 255
        data[f"{name}labels"] = part.targets.numpy()
    mean, std = data["images"].mean(), data["images"].std()
    for key in ("images", "test_images"):
        data[key] = (data[key] - mean) / std
    return data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", required=True)
    parser.add_argument("--epochs", type=int, default=4)
    args = parser.parse_args()
    import torch

    data = load(args.root)
    torch.manual_seed(0)
    weights = {k: v.numpy().copy() for k, v in build(torch).state_dict().items()}
    results = {}
    for library in (torch, pyrite):
        start = time.perf_counter()
        results[library] = losses, accuracy = program(library, weights, data, args.epochs)
        seconds = time.perf_counter() - start
        facts = f"accuracy {accuracy:.2%}, last loss {losses[-1]:.4f}, {seconds:.0f} s"
        print(f"{library.__name__:7s} {facts}")
    pairs = list(zip(results[pyrite][0], results[torch][0], strict=True))[:50]
    worst = max(abs(a - b) / abs(b) for a, b in pairs)
    print(f"losses of the first 50 steps agree to {worst:.1e} relative (bound 1e-3)")
    gap = abs(results[pyrite][1] - results[torch][1])
    print(f"accuracies differ by {gap * 100:.2f} points (bound 0.5)")


if __name__ == "__main__":
    main()
