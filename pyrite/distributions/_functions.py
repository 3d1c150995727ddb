"""Pyrite's functions by name, those of `nn.functional` too, for the modules of this package."""

from __future__ import annotations

from typing import Any

from .._exports import EXPORTS


def __getattr__(name: str) -> Any:
    for space in ("", "nn.functional"):
        if name in EXPORTS[space]:
            function = globals()[name] = EXPORTS[space][name]()
            return function
    raise AttributeError(f"pyrite has no function {name!r}")
