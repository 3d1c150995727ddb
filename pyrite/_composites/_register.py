"""`@composite`: registers a function of Tensors under its public names."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

# By name and public spaces: a function and a method of one name may differ.
COMPOSITES: dict[tuple[str, str], Composite] = {}


class Composite:
    """A function of Tensors and where it is public (the letters and aliases of `@op`)."""

    __slots__ = ("name", "function", "public", "aliases", "out")

    def __init__(
        self, name: str, function: Callable[..., Any], public: str, aliases: tuple[str, ...],
        out: bool,
    ) -> None:  # fmt: skip
        self.name, self.function, self.public = name, function, public
        self.aliases, self.out = aliases, out

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""


def composite(
    public: str = "fm", aliases: Iterable[str] = (), out: bool = False, name: str | None = None
) -> Callable[[Function], Function]:
    """Register a composite: `public` as in `@op`; `out=True` gives the function `out=`."""

    def define(function: Function) -> Function:
        own = function.__name__
        key = name or (own if own.startswith("__") else own.rstrip("_"))
        if (key, public) in COMPOSITES:
            raise ValueError(f"composite {key!r} is defined twice")
        COMPOSITES[key, public] = Composite(key, function, public, tuple(aliases), out)
        return function

    return define
