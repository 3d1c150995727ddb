"""The program that test_resume.py runs, kills and runs again: it checkpoints as it trains."""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path
from typing import Any

import pyrite
from pyrite import nn, optim
from pyrite.data import DataLoader, Dataset
from pyrite.vision.datasets import Digits


class Noisy(Dataset):
    """Digits with noise drawn per sample, so that data randomness is part of the result."""

    def __init__(self) -> None:
        digits = Digits(train=True)
        self.images, self.labels = digits.data.float().unsqueeze(1) / 255, digits.targets

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Any:
        return self.images[index] + 0.1 * pyrite.randn(1, 8, 8), self.labels[index]


def digest(model: nn.Module) -> str:
    """A hash of all parameters and buffers."""
    total = hashlib.sha256()
    for value in model.state_dict().values():
        total.update(value.numpy().tobytes())
    return total.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--checkpoint", type=Path)
    parser.add_argument("--every", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--worker-type", default="thread")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()

    pyrite.set_num_threads(args.threads)
    pyrite.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Dropout(0.2), nn.Linear(128, 64), nn.LayerNorm(64), nn.GELU(), nn.Linear(64, 10),
    )  # fmt: skip
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, 10, 0.9)
    loader = DataLoader(
        Noisy(), 64, shuffle=True, num_workers=args.workers, worker_type=args.worker_type
    )
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler, "loader": loader}
    epoch = step = 0
    if args.checkpoint and args.checkpoint.exists():
        saved = pyrite.load(args.checkpoint)
        for name, part in parts.items():
            part.load_state_dict(saved[name])
        pyrite.set_rng_state(saved["random"])
        epoch, step = saved["epoch"], saved["step"]
    for current in range(epoch, args.epochs):
        for images, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
            scheduler.step()
            step += 1
            if args.checkpoint and step % args.every == 0:
                state = {name: part.state_dict() for name, part in parts.items()}
                facts = {"epoch": current, "step": step, "random": pyrite.get_rng_state()}
                pyrite.save({**state, **facts}, args.checkpoint)
                print("saved", step, flush=True)
    print("weights", digest(model), flush=True)


if __name__ == "__main__":
    main()
