"""Character models against PyTorch: the same weights, the same batches, the losses reached.

    python benchmarks/sequence.py [--steps 300] [--threads 2]

Prints a table: per model the mean loss over the last tenth of the steps in either library, the
largest relative difference of any step's loss, and PyTorch's time over Pyrite's (above 1: Pyrite
is faster). The text is the Python manual that comes with Python (`pydoc_data.topics`). The
libraries take turns, so that both meet the same load of the machine.
"""

from __future__ import annotations

import argparse
import pydoc_data.topics
import statistics
import time
from collections.abc import Callable
from typing import Any

import models
import numpy as np

import pyrite

LENGTH, BATCH = 128, 16


def text() -> tuple[np.ndarray, int]:
    """The text as indices of its characters, and how many different ones there are."""
    letters = "\n".join(pydoc_data.topics.topics.values())
    known = sorted(set(letters))
    index = {c: i for i, c in enumerate(known)}
    return np.array([index[c] for c in letters]), len(known)


MODELS: dict[str, Callable[[Any, int], Any]] = {
    "LSTM": lambda t, letters: models.recurrent(t, "LSTM", letters),
    "GPT": lambda t, letters: models.gpt(t, letters, width=128, heads=4, depth=2),
}


def make_step(library: Any, model: Any) -> Callable[[np.ndarray], float]:
    """A closure that trains on one batch, (BATCH, LENGTH + 1) indices, and returns the loss."""
    optimizer = library.optim.AdamW(model.parameters(), lr=3e-3)
    lossf = library.nn.CrossEntropyLoss()

    def step(batch: np.ndarray) -> float:
        rows = library.from_numpy(batch)
        optimizer.zero_grad()
        loss = lossf(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
        loss.backward()
        optimizer.step()
        return float(loss.item())

    return step


def compare(name: str, other: Any, steps: int) -> str:
    """One row of the table."""
    data, letters = text()
    models = [MODELS[name](library, letters) for library in (pyrite, other)]
    weights = models[1].state_dict()
    models[0].load_state_dict({k: pyrite.from_numpy(w.numpy().copy()) for k, w in weights.items()})
    runs = [make_step(lib, m) for lib, m in zip((pyrite, other), models, strict=True)]
    rng = np.random.default_rng(0)
    losses: list[list[float]] = [[], []]
    times: list[list[float]] = [[], []]
    for _ in range(steps):
        starts = rng.integers(0, len(data) - LENGTH - 1, (BATCH, 1))
        batch = data[starts + np.arange(LENGTH + 1)]
        for i, step in enumerate(runs):
            begin = time.perf_counter()
            losses[i].append(step(batch))
            times[i].append(time.perf_counter() - begin)
    apart = max(abs(a - b) / b for a, b in zip(*losses, strict=True))
    ours, theirs = (statistics.mean(each[-max(1, steps // 10) :]) for each in losses)
    a, b = (statistics.median(each[steps // 10 :]) * 1e3 for each in times)
    return (
        f"| {name:5s} | {steps} | {ours:.4f} | {theirs:.4f} | {apart:.1e} | {a:.1f} | {b:.1f} | "
        f"{b / a:.2f} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    pyrite.set_num_threads(args.threads)
    torch.manual_seed(0)
    print("| model | steps | loss, Pyrite | PyTorch | apart | ms, Pyrite | PyTorch | ratio |")
    print("|---|---|---|---|---|---|---|---|")
    for name in MODELS:
        print(compare(name, torch, args.steps))


if __name__ == "__main__":
    main()
