"""Two libraries side by side: a process each, asked in turn, so that neither disturbs the other.

A suite is a module with `start(t, name, weights)` -> a case: an object with `run()` (what is
timed) and, for the gate, `outcome()` (numbers that both libraries must agree on) and `weights()`
(what the second library starts from). The parent imports neither library.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import importlib
import multiprocessing
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

OURS, THEIRS = LIBRARIES = ("pyrite", "torch")
REST = 0.02  # seconds after which idle workers of either library's pool sleep


# ---- in a library's process


class Worker:
    """Answers the parent's requests, one method each."""

    def __init__(self, library: str, suite: str, threads: int) -> None:
        self.t: Any = importlib.import_module(library)
        self.t.set_num_threads(threads)
        self.suite = importlib.import_module(suite)
        self.case: Any = None

    def version(self) -> str:
        """The library's version."""
        return str(self.t.__version__)

    def start(self, name: str, weights: Any = None) -> Any:
        """Build a case; returns the weights that it starts from."""
        self.case = None
        gc.collect()
        self.case = self.suite.start(self.t, name, weights)
        return self.case.weights()

    def outcome(self) -> Any:
        """What the gate compares."""
        return self.case.outcome()

    def exact(self, name: str, weights: Any) -> Any:
        """What the gate compares, computed in float64; None where a case has no such form."""
        case = self.suite.start(self.t, name, weights)
        if not hasattr(case, "widen"):
            return None
        case.widen()
        return case.outcome()

    def once(self) -> float:
        """Seconds of one call of a warm case: the better of two."""
        return min(self.block(1), self.block(1))

    def block(self, count: int) -> float:
        """Seconds per call over `count` calls, after a rest and one call that is not counted."""
        run = self.case.run
        time.sleep(REST)
        run()
        start = time.perf_counter()
        for _ in range(count):
            run()
        return (time.perf_counter() - start) / count

    def peak(self, small: int) -> float:
        """MB that a step adds at its highest to what the process holds after a step of `small`.

        So code, parameters, gradients and the optimizer's state are there before. Linux only.
        """
        size = self.case.workload.batch
        for batch in (small, small, size):
            self.case.feed(batch)
            gc.collect()
            if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
                libc.malloc_trim(0)
            Path("/proc/self/clear_refs").write_text("5")  # the highest mark starts anew
            before = _status("VmRSS")
            self.case.run()
        return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    """A number of /proc/self/status, in kB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def _next(pipe: Any) -> Any:
    """The next request; None where the parent is gone."""
    try:
        return pipe.recv()
    except EOFError:
        return None


def _serve(pipe: Any, *facts: Any) -> None:
    try:
        worker = Worker(*facts)
        pipe.send((True, None))
        while request := _next(pipe):
            name, *arguments = request
            pipe.send((True, getattr(worker, name)(*arguments)))
    except Exception as error:
        pipe.send((False, f"{type(error).__name__}: {error}"))
        raise


# ---- in the parent


class Peer:
    """The parent's end: a method call is a request to the library's process."""

    def __init__(self, library: str, suite: str, threads: int) -> None:
        self.library = library
        self._pipe, other = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        facts = (other, library, suite, threads)
        self._process = context.Process(target=_serve, args=facts)
        os.environ["OMP_NUM_THREADS"] = str(threads)
        self._process.start()
        other.close()
        self._answer()

    def _answer(self) -> Any:
        good, value = self._pipe.recv()
        if not good:
            raise SystemExit(f"{self.library}: {value}")
        return value

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def request(*arguments: Any) -> Any:
            self._pipe.send((name, *arguments))
            return self._answer()

        return request

    def close(self) -> None:
        """End the process."""
        self._pipe.close()
        self._process.join()


class Row(NamedTuple):
    """What was measured of one case; times in seconds, ratio = PyTorch / Pyrite."""

    name: str
    ours: float
    theirs: float
    low: float
    ratio: float
    high: float
    apart: float


def distance(ours: Any, theirs: Any) -> float:
    """The largest difference relative to the largest magnitude of each array; infinite for NaN."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        gap = np.abs(np.asarray(a, np.float64) - b)
        scale = max(float(np.max(np.abs(b), initial=0)), 1e-30)
        worst = max(worst, float(np.max(gap, initial=0)) / scale)
        if not np.isfinite(gap).all():
            return float("inf")
    return worst


def measure(peers: Sequence[Peer], name: str, rounds: int, seconds: float, bound: float) -> Row:
    """One case: equal weights, equal outcomes (else SystemExit), then blocks in turn.

    Outcomes that are further apart than the bound are equal if ours are at most twice as far from
    float64's as PyTorch's: an activation that rounding puts on the other side of 0 moves a whole
    gradient by 1e-3, in either library.
    """
    ours, theirs = peers
    weights = ours.start(name)
    theirs.start(name, weights)
    found = ours.outcome(), theirs.outcome()
    apart = distance(*found)
    if not apart <= bound:
        exact = theirs.exact(name, weights)
        near, far = (distance(v, exact) for v in found) if exact else (apart, 0.0)
        if not near <= 2 * far:
            raise SystemExit(
                f"{name}: the libraries differ by {apart:.1e} (bound {bound:.0e}); from float64, "
                f"Pyrite by {near:.1e} and PyTorch by {far:.1e}"
            )
    counts = [max(1, round(seconds / peer.once())) for peer in peers]
    times: list[list[float]] = [[], []]
    for turn in range(rounds):
        for i in (0, 1) if turn % 2 else (1, 0):
            times[i].append(peers[i].block(counts[i]))
    ratios = [b / a for a, b in zip(*times)]
    low, ratio, high = (float(q) for q in np.quantile(ratios, (0.25, 0.5, 0.75)))
    return Row(name, *map(statistics.median, times), low, ratio, high, apart)


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean of ratios."""
    return float(np.exp(np.mean(np.log(list(ratios)))))


def table(rows: Sequence[Row], about: Callable[[str], str]) -> list[str]:
    """Markdown: a line per row and the geometric mean."""
    lines = [
        "| | | Pyrite, ms | PyTorch, ms | ratio | quartiles | apart |",
        "|---|---|---:|---:|---:|---|---|",
    ]
    lines += [
        f"| {r.name} | {about(r.name)} | {r.ours * 1e3:.3g} | {r.theirs * 1e3:.3g} | "
        f"{r.ratio:.2f} | {r.low:.2f} to {r.high:.2f} | {r.apart:.0e} |"
        for r in rows
    ]
    mean = geometric_mean(r.ratio for r in rows)
    return [*lines, f"| geometric mean of {len(rows)} | | | | {mean:.2f} | | |"]


def environment(peers: Sequence[Peer], threads: int) -> str:
    """Where and of what the figures are."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"
    versions = {"Python": platform.python_version(), "NumPy": np.__version__}
    versions |= {"Numba": _version("numba"), "PyTorch": peers[1].version()}
    listed = ", ".join(f"{k} {v}" for k, v in versions.items())
    return f"{_processor()}, {os.cpu_count()} cores; {threads} threads; {listed}; commit {commit}."


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def arguments(text: str, rounds: int, seconds: float) -> argparse.ArgumentParser:
    """The options that all suites share."""
    parser = argparse.ArgumentParser(description=text.splitlines()[0])
    parser.add_argument("--only", action="append", metavar="NAME", help="names or parts of names")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--seconds", type=float, default=seconds, help="length of a block")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="a Markdown file that the table goes to")
    return parser


def chosen(names: Iterable[str], only: Sequence[str] | None) -> list[str]:
    """The names that contain one of `only`, all without it; a whole name means itself alone."""
    names = list(names)
    wanted = [[n for n in names if n == o] or [n for n in names if o in n] for o in only or [""]]
    return [n for n in names if any(n in each for each in wanted)]


def compare(
    suite: str, names: Sequence[str], args: argparse.Namespace, bound: float,
    about: Callable[[str], str], title: str,
) -> list[Row]:  # fmt: skip
    """Measure the cases, print each as it is done, and write the table."""
    with ExitStack() as stack:
        peers = []
        for library in LIBRARIES:
            peers.append(peer := Peer(library, suite, args.threads))
            stack.callback(peer.close)
        rows = []
        for name in names:
            row = measure(peers, name, args.rounds, args.seconds, bound)
            rows.append(row)
            print(
                f"{name:24s} pyrite {row.ours * 1e3:9.3f} ms   torch {row.theirs * 1e3:9.3f} ms   "
                f"ratio {row.ratio:5.2f}  ({row.low:.2f} to {row.high:.2f})   "
                f"apart {row.apart:.0e}",
                flush=True,
            )
        where = environment(peers, args.threads)
    options = f" --rounds {args.rounds} --threads {args.threads}"
    command = f"python benchmarks/{suite}.py{options}"
    lines = [f"# {title}", "", where, "", f"`{command}`", ""]
    lines += ["Ratio = PyTorch's time / Pyrite's, the median of the rounds.", ""]
    publish([*lines, *table(rows, about)], args.output)
    return rows


def publish(lines: Sequence[str], output: Path | None) -> None:
    """Print the last line; write all of them where a file is named."""
    print(lines[-1])
    if output is not None:
        output.write_text("\n".join(lines) + "\n")
