"""Whole training steps as `pyrite.compile` makes them, against PyTorch's eager mode.

    python benchmarks/compiled.py [--only NAME] [--rounds 9] [--threads 2] [--both] [--output FILE]

The workloads, data and bound are those of `steps.py`; a step is one compiled function. With
`--both` it is compiled by `torch.compile` in PyTorch too (needs a C++ compiler).
"""

from __future__ import annotations

from typing import Any

import harness
import steps
from workloads import WORKLOADS

BOTH = ", both compiled"


class Compiled(steps.Training):
    """A workload whose step is compiled in Pyrite, and in PyTorch if `both` or as it is."""

    def __init__(self, t: Any, name: str, weights: Any, both: bool) -> None:
        super().__init__(t, name, weights)
        step = self.workload.step
        self.compiled = t.compile(step) if both or t.__name__ == harness.OURS else step

    def step(self) -> Any:
        return self.compiled(self.t, self.model, self.optimizers, self.inputs, self.targets)

    run = step


def start(t: Any, name: str, weights: Any) -> Compiled:
    """The harness's door."""
    return Compiled(t, name.removesuffix(BOTH), weights, name.endswith(BOTH))


def about(name: str) -> str:
    """The workload's sizes."""
    return steps.about(name.removesuffix(BOTH))


def main() -> None:
    parser = harness.arguments(__doc__, rounds=9, seconds=0.15)
    parser.add_argument("--both", action="store_true")
    args = parser.parse_args()
    names = [n + BOTH * args.both for n in harness.chosen(WORKLOADS, args.only)]
    harness.compare("compiled", names, args, steps.BOUND, about, "Compiled training steps")


if __name__ == "__main__":
    main()
