"""Random parameters, all of Pyrite's own stream: in loaders keyed by seed, epoch and index."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Sequence
from itertools import accumulate

from ... import float32, rand, randperm


def uniform(low: float, high: float) -> float:
    """A number from `low` to `high`."""
    number: float = rand((), dtype=float32).item()
    return low + (high - low) * number


def uniforms(n: int) -> list[float]:
    """So many numbers from 0 to 1, by one call."""
    numbers: list[float] = rand(n, dtype=float32).tolist()
    return numbers


def integer(low: int, high: int) -> int:
    """A whole number from `low` to below `high`."""
    return low + int(uniform(0.0, 1.0) * (high - low))  # numbers are below 1 by at least 2**-24


def chance(p: float) -> bool:
    """True with probability `p`."""
    return uniform(0.0, 1.0) < p


def order(n: int) -> list[int]:
    """The numbers below `n` in random order."""
    return [int(i) for i in randperm(n).tolist()]


def weighted(weights: Sequence[float]) -> int:
    """An index, with probabilities in proportion to the weights."""
    ends = list(accumulate(weights))
    return min(bisect(ends, uniform(0.0, ends[-1])), len(ends) - 1)
