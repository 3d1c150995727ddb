"""Flatten and Unflatten."""

from __future__ import annotations

from typing import Any

from ._make import FunctionModule, declared


@declared
class Flatten(FunctionModule):
    """Joins the dimensions from `start_dim` to `end_dim`."""

    shown = ("start_dim", "end_dim")
    start_dim: int = 1
    end_dim: int = -1

    def forward(self, input: Any) -> Any:
        return input.flatten(self.start_dim, self.end_dim)


@declared
class Unflatten(FunctionModule):
    """Splits dimension `dim` into `unflattened_size`."""

    shown = ("dim", "unflattened_size")
    dim: int
    unflattened_size: Any

    def forward(self, input: Any) -> Any:
        return input.unflatten(self.dim, self.unflattened_size)
