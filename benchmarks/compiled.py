"""Whole training steps as `pyrite.compile` makes them, against PyTorch's eager mode.

    python benchmarks/compiled.py [--only NAME] [--rounds 9] [--threads 2] [--output FILE]

The workloads, data and bound are those of `steps.py`; a step is one compiled function.
"""

from __future__ import annotations

from typing import Any

import harness
from steps import BOUND, Training, about
from workloads import WORKLOADS


class Compiled(Training):
    """A workload whose step is compiled in Pyrite and as it is in PyTorch."""

    def __init__(self, t: Any, name: str, weights: Any) -> None:
        super().__init__(t, name, weights)
        step = self.workload.step
        self.compiled = t.compile(step) if t.__name__ == harness.OURS else step

    def step(self) -> Any:
        return self.compiled(self.t, self.model, self.optimizers, self.inputs, self.targets)

    run = step


def start(t: Any, name: str, weights: Any) -> Compiled:
    """The harness's door."""
    return Compiled(t, name, weights)


def main() -> None:
    args = harness.arguments(__doc__, rounds=9, seconds=0.15).parse_args()
    names = harness.chosen(WORKLOADS, args.only)
    harness.compare("compiled", names, args, BOUND, about, "Compiled training steps")


if __name__ == "__main__":
    main()
