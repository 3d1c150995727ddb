"""Padding layers in one to three dimensions."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from .. import functional
from ._make import FunctionModule, declared, facts, made, tuple_of


class _PadNd(FunctionModule):
    mode: str


@declared
class _Pad(_PadNd):
    padding: Any

    def __post_init__(self) -> None:
        self.padding = tuple_of(self.padding, 2 * self.n)

    def forward(self, input: Tensor) -> Any:
        dims = (self.n + 1, self.n + 2)
        if self.mode == "circular" and input.ndim not in dims:
            raise ValueError(f"expected {dims[0]}D or {dims[1]}D input (got {input.ndim}D input)")
        return functional.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


@declared
class _ConstantPad(_Pad):
    value: float

    def forward(self, input: Tensor) -> Any:
        return functional.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        return facts(self, "padding", "value")


__all__ = []
for _n in (1, 2, 3):
    for _name, _base, _mode, _with in (
        ("Zero", _Pad, "constant", "zeros"), ("Constant", _ConstantPad, "constant", "`value`"),
        ("Reflection", _Pad, "reflect", "the reflection at the border"),
        ("Replication", _Pad, "replicate", "the border's values"),
        ("Circular", _Pad, "circular", "the values of the other end"),
    ):  # fmt: skip
        __all__.append(f"{_name}Pad{_n}d")
        _doc = f"Pads the last {_n} dimensions, (before, after) from the last on, with {_with}."
        globals()[__all__[-1]] = made(_base, __all__[-1], _doc, n=_n, mode=_mode)
