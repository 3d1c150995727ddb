"""The workloads' models in evaluation against PyTorch, at batch 1 and 32.

    python benchmarks/infer.py [--only NAME] [--rounds 9] [--threads 2] [--output FILE]

Nothing is recorded. Outputs must agree to 1e-4 of the largest one first.
"""

from __future__ import annotations

from typing import Any

import harness
from workloads import WORKLOADS, Running

BATCHES, BOUND = (1, 32), 1e-4


class Inference(Running):
    """A workload whose forward pass is timed."""

    run = Running.forward

    def outcome(self) -> list[Any]:
        """The outputs."""
        out = self.forward()
        return [o.numpy() for o in (out if isinstance(out, tuple) else (out,))]


def start(t: Any, name: str, weights: Any) -> Inference:
    """The harness's door; `name` ends in the batch size."""
    workload, _, batch = name.rpartition(", b")
    case = Inference(t, workload, weights)
    case.model.eval()
    case.feed(int(batch))
    return case


def main() -> None:
    args = harness.arguments(__doc__, rounds=9, seconds=0.05).parse_args()
    names = [f"{name}, b{batch}" for batch in BATCHES for name in WORKLOADS]
    names = harness.chosen(names, args.only)
    harness.compare("infer", names, args, BOUND, lambda name: "", "Inference")


if __name__ == "__main__":
    main()
