"""Whole training steps against PyTorch: equal data, equal weights, losses compared first.

    python benchmarks/steps.py [--only NAME] [--rounds 9] [--threads 2] [--memory] [--output FILE]

A workload is timed only after the losses of its first steps agree. The bound is 1e-3: both
libraries round each operation to float32, and the differences of some 1e-7 grow with each update.
Beyond it, Pyrite's losses may be twice as far from those of float64 as PyTorch's.
`--memory` compares the highest memory of a step in fresh processes instead of its time.
"""

from __future__ import annotations

from typing import Any

import harness
from workloads import WORKLOADS, Running

STEPS, BOUND = 5, 1e-3


class Training(Running):
    """A workload whose training steps are timed."""

    run = Running.step

    def outcome(self) -> list[float]:
        """The losses of the first steps."""
        return [self.step().item() for _ in range(STEPS)]


def start(t: Any, name: str, weights: Any) -> Training:
    """The harness's door."""
    return Training(t, name, weights)


def about(name: str) -> str:
    """The workload's sizes."""
    return WORKLOADS[name].about


def memory(names: list[str], args: Any) -> None:
    """MB that a step takes at its highest, beyond what it finds."""
    lines = ["| | | Pyrite, MB | PyTorch, MB | ratio |", "|---|---|---:|---:|---:|"]
    for name in names:
        peaks = []
        for library in harness.LIBRARIES:
            peer = harness.Peer(library, "steps", args.threads)
            peer.start(name)
            peaks.append(peer.peak(2))
            peer.close()
        ours, theirs = peaks
        lines.append(
            f"| {name} | {about(name)} | {ours:.1f} | {theirs:.1f} | "
            f"{theirs / max(ours, 0.1):.2f} |"
        )
        print(lines[-1], flush=True)
    harness.publish(["# Highest memory of a training step", "", *lines], args.output)


def main() -> None:
    parser = harness.arguments(__doc__, rounds=9, seconds=0.15)
    parser.add_argument("--memory", action="store_true")
    args = parser.parse_args()
    names = harness.chosen(WORKLOADS, args.only)
    if args.memory:
        memory(names, args)
    else:
        harness.compare("steps", names, args, BOUND, about, "Training steps")


if __name__ == "__main__":
    main()
