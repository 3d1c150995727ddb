"""Datasets and helpers of the loader's tests."""

import collections
import os
import random
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import pyrite
from pyrite.data import DataLoader, Dataset, IterableDataset, get_worker_info

LINUX = sys.platform == "linux"
WORKERS = [(0, "thread"), (1, "thread"), (3, "thread"), (1, "process"), (3, "process")]
SOME = [(2, "thread"), (2, "process")]
Point = collections.namedtuple("Point", "x y")


class Noisy(Dataset):
    """Each sample has its index, Pyrite's random numbers, and (if wanted) the global ones."""

    def __init__(self, size: int = 23, others: bool = False) -> None:
        self.size, self.others = size, others

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        sample = index, pyrite.rand(3)
        return (*sample, np.random.rand(), random.random()) if self.others else sample


class Stream(IterableDataset):
    """0 to size - 1, each with random numbers, dealt out to the workers in turn."""

    def __init__(self, size: int = 23) -> None:
        self.size = size

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info else (0, 1)
        for i in range(first, self.size, step):
            yield i, pyrite.rand(2)


class Sized(Stream):
    def __len__(self) -> int:
        return self.size


class Counter(IterableDataset):
    """A stream that can say where it is."""

    def __init__(self) -> None:
        self.next = 0

    def __iter__(self) -> Iterator[int]:
        while self.next < 20:
            self.next += 1
            yield self.next
        self.next = 0

    def state_dict(self) -> dict[str, int]:
        return {"next": self.next}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.next = state["next"]


class Slow(Dataset):
    def __len__(self) -> int:
        return 1000

    def __getitem__(self, index: int) -> int:
        time.sleep(0.01)
        return index


class OddError(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)


class Failing(Dataset):
    def __init__(self, error: BaseException, at: int = 5) -> None:
        self.error, self.at = error, at

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int) -> int:
        if index == self.at:
            raise self.error
        return index


def plain(value: Any) -> Any:
    """Tensors as nested lists, to compare batches with ==."""
    if isinstance(value, pyrite.Tensor) or hasattr(value, "tolist"):
        return str(value.dtype).rpartition(".")[2], tuple(value.shape), value.tolist()
    if isinstance(value, Mapping):
        return {k: plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def epochs(loader: DataLoader, count: int = 2) -> list[Any]:
    return [plain(batch) for _ in range(count) for batch in loader]


def seeded(seed: int = 7) -> pyrite.Generator:
    return pyrite.Generator().manual_seed(seed)


def with_workers(count: int, kind: str) -> dict[str, Any]:
    return {"num_workers": count, "worker_type": kind if count else None}


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


PROGRAM = """
import os, sys, time
import pyrite
from pyrite.data import DataLoader, Dataset

class Own(Dataset):
    def __len__(self):
        return 10000
    def __getitem__(self, index):
        time.sleep(0.005)
        return pyrite.ones(500) * index, os.getpid()

if __name__ == "__main__":
    loader = DataLoader(Own(), 4, num_workers=2, **{options})
    pids = set()
    for number, (values, pid) in enumerate(loader):
        pids.update(pid.tolist())
        if number == 6:
            print(*pids, flush=True)
        {body}
"""


def program(options: dict[str, Any], body: str) -> subprocess.Popen[str]:
    code = PROGRAM.format(options=options, body=textwrap.dedent(body))
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def gone(pids: list[int], seconds: float = 5) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(alive, pids))
