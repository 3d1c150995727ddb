"""Whole training steps against PyTorch: equal data, equal weights, losses compared first.

    python benchmarks/steps.py [--rounds 15] [--threads 2]

Both libraries run in this process in turn. A workload is timed only after the losses of its first
ten steps agree to 1e-3. The ratio is PyTorch's time over Pyrite's (above 1: Pyrite is faster).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import pyrite


def mlp(library: Any) -> Any:
    """784-512-512-10, batch 128, Adam."""
    nn = library.nn
    return nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )


def lenet(library: Any) -> Any:
    """LeCun et al. 1998 with ReLU and max pooling, 28x28 images, batch 64, SGD with momentum."""
    nn = library.nn
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


WORKLOADS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], Callable[[Any, Any], Any]]] = {
    "MLP": (mlp, (128, 784), lambda lib, p: lib.optim.Adam(p, lr=1e-3)),
    "LeNet": (lenet, (64, 1, 28, 28), lambda lib, p: lib.optim.SGD(p, lr=0.01, momentum=0.9)),
}


def make_step(library: Any, name: str, weights: list[np.ndarray] | None) -> Callable[[], float]:
    """A closure that trains one step and returns the loss."""
    build, shape, optimizer = WORKLOADS[name]
    model = build(library)
    rng = np.random.default_rng(0)
    images = library.from_numpy(rng.standard_normal(shape, dtype=np.float32))
    labels = library.from_numpy(rng.integers(0, 10, shape[0]))
    if weights is not None:
        state = zip(model.state_dict(), weights, strict=True)
        model.load_state_dict({k: library.from_numpy(w) for k, w in state})
    opt = optimizer(library, model.parameters())
    lossf = library.nn.CrossEntropyLoss()

    def step() -> Any:
        opt.zero_grad()
        loss = lossf(model(images), labels)
        loss.backward()
        opt.step()
        return loss

    step.model = model  # type: ignore[attr-defined]
    return step


def compare(name: str, other: Any, rounds: int) -> None:
    """Gate on equal losses, then time blocks in turn."""
    theirs = make_step(other, name, None)
    weights = [w.detach().numpy().copy() for w in theirs.model.state_dict().values()]  # type: ignore[attr-defined]
    ours = make_step(pyrite, name, weights)
    losses = [(ours().item(), theirs().item()) for _ in range(10)]
    worst = max(abs(a - b) / abs(b) for a, b in losses)
    if not worst < 1e-3:
        raise SystemExit(f"{name}: losses differ by {worst:.2e} relative: no timing")
    pairs = []
    for _ in range(rounds):
        times = []
        for step in (ours, theirs):
            start = time.perf_counter()
            for _ in range(10):
                step()
            times.append((time.perf_counter() - start) / 10)
        pairs.append(times)
    a, b = (statistics.median(p[i] for p in pairs) * 1e3 for i in (0, 1))
    ratio = statistics.median(t / o for o, t in pairs)
    times = f"pyrite {a:7.2f} ms   torch {b:7.2f} ms   ratio {ratio:5.2f}"
    print(f"{name:8s} {times}   losses within {worst:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    pyrite.set_num_threads(args.threads)
    for name in WORKLOADS:
        compare(name, torch, args.rounds)


if __name__ == "__main__":
    main()
