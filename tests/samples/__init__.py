"""Sample calls of the table's ops: data for the one table-driven test (tests/test_ops.py)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SAMPLES: dict[str, list[Sample]] = {}


@dataclass
class A:
    """An array operand: uniform in [low, high) unless `values` are given.

    `kind` is "float" (the test's dtype), "complex" (of its precision), "int" (int64), "bool";
    `grad` whether its derivative is checked; `layout` "C", "T" (transposed memory), "step" (every
    second element), "expand".
    """

    shape: tuple[int, ...]
    low: float = -2.0
    high: float = 2.0
    kind: str = "float"
    grad: bool = True
    layout: str = "C"
    values: Any = None


@dataclass
class Sample:
    """One call. `torch` overrides the oracle: a dotted torch name, a callable, or None for none.

    `half`: whether the op takes half precision.
    """

    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    torch: str | Callable[..., Any] | None = ""
    gradgrad: bool = True
    full: bool = False
    half: bool = True


def S(
    *args: Any, torch: Any = "", gradgrad: bool = True, full: bool = False, half: bool = True,
    **kw: Any,
) -> Sample:  # fmt: skip
    return Sample(args, kw, torch, gradgrad, full, half)


def samples(**families: list[Sample]) -> None:
    """Register the samples of ops by name; the names are the table's."""
    for name, calls in families.items():
        SAMPLES.setdefault(name, []).extend(calls)
