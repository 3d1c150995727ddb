"""What an operation costs beside its arithmetic, against PyTorch in the same run.

    python benchmarks/overhead.py [--rounds 7]

Prints, per case, the median over rounds of Pyrite's and PyTorch's time (µs) and of their ratio
(below 1: Pyrite is faster). Import times come from fresh processes, sizes from the files.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pyrite

OPS = 50


def cases(library: Any) -> dict[str, Callable[[], Any]]:
    """The same work in either library: 16 float32 elements, one thread."""
    a, b = library.ones(16), library.full((16,), 2.0)
    x, w = library.ones(16, requires_grad=True), library.full((16,), 2.0).requires_grad_()
    p = library.nn.Parameter(library.ones(16))

    def chain() -> Any:
        y = x
        for _ in range(OPS):
            y = y * w
            y = y + w
        return y

    def tape() -> None:
        y = x
        for _ in range(OPS):
            y = (y * 2.0).sin()
        y.sum().backward()

    def chain_backward() -> None:
        chain().sum().backward()

    return {
        "add, not recorded": lambda: a + b,
        "add, recorded, Tensors": lambda: x + w,
        "mul, recorded, Tensors": lambda: x * w,
        "add, recorded, Parameter": lambda: x + p,
        "mul by a number, recorded": lambda: x * 2.0,
        "exp, recorded": lambda: x.exp(),
        "chain of 100 ops, forward": chain,
        "chain of 100 ops, forward + backward": chain_backward,
        "chain of 100 mul/sin, forward + backward": tape,
    }


def measure(function: Callable[[], Any], seconds: float = 0.05) -> float:
    """Seconds per call, the best of three blocks."""
    function()
    start = time.perf_counter()
    function()
    count = max(1, int(seconds / max(time.perf_counter() - start, 1e-7)))
    best = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(count):
            function()
        best = min(best, (time.perf_counter() - start) / count)
    return best


def compare(other: ModuleType, rounds: int) -> None:
    """The table of cases."""
    ours, theirs = cases(pyrite), cases(other)
    print(f"{'µs':44s} {'pyrite':>9s} {'torch':>9s} {'ratio':>7s}")
    for name in ours:
        pairs = [(measure(ours[name]), measure(theirs[name])) for _ in range(rounds)]
        a, b = (statistics.median(p[i] for p in pairs) for i in (0, 1))
        ratio = statistics.median(p[0] / p[1] for p in pairs)
        print(f"{name:44s} {a * 1e6:9.2f} {b * 1e6:9.2f} {ratio:7.2f}")


def import_time(module: str) -> float:
    """Seconds that `import module` takes in a fresh process with bytecode, best of seven."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    runs = [subprocess.check_output(command, env=environment) for _ in range(8)]
    return min(float(r) for r in runs)


def sizes() -> None:
    """Import times and installed size."""
    times = {m: import_time(m) for m in ("numpy", "pyrite", "torch")}
    extra = times["pyrite"] - times["numpy"]
    for module, seconds in times.items():
        print(f"import {module:10s} {seconds:6.3f} s")
    print(f"import pyrite beyond numpy: {extra:.3f} s (bound 0.1)")
    home = Path(pyrite.__file__).parent
    files = [f for f in home.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    total = sum(f.stat().st_size for f in files)
    print(f"installed size of the package, without bytecode: {total / 1e6:.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    import torch

    torch.set_num_threads(1)
    compare(torch, rounds)
    sizes()


if __name__ == "__main__":
    main()
