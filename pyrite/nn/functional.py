"""`pyrite.nn.functional`: the functions of the op table and the composites under torch's names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._exports import EXPORTS


def __getattr__(name: str) -> Callable[..., Any]:
    make = EXPORTS["nn.functional"].get(name)
    if make is None:
        raise AttributeError(f"module 'pyrite.nn.functional' has no attribute {name!r}")
    function = globals()[name] = make()
    return function


def __dir__() -> list[str]:
    return sorted({*globals(), *EXPORTS["nn.functional"]})
