"""`@composite`: registers a function of Tensors under its public names."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

Function = TypeVar("Function", bound=Callable[..., Any])

COMPOSITES: dict[str, Composite] = {}


class Composite:
    """A function of Tensors and where it is public (the letters and aliases of `@op`)."""

    __slots__ = ("name", "function", "public", "aliases", "out")

    def __init__(
        self, name: str, function: Callable[..., Any], public: str, aliases: tuple[str, ...],
        out: bool,
    ) -> None:  # fmt: skip
        self.name, self.function, self.public = name, function, public
        self.aliases, self.out = aliases, out


def composite(
    public: str = "fm", aliases: Iterable[str] = (), out: bool = False, name: str | None = None
) -> Callable[[Function], Function]:
    """Register a composite: `public` as in `@op`; `out=True` gives the function `out=`."""

    def define(function: Function) -> Function:
        key = name or function.__name__.rstrip("_")
        if (public, key) in {(c.public, c.name) for c in COMPOSITES.values()}:
            raise ValueError(f"composite {key!r} is defined twice")
        COMPOSITES[f"{function.__module__}.{function.__name__}"] = Composite(
            key, function, public, tuple(aliases), out
        )
        return function

    return define
