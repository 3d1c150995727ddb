"""`@composite`: registers a function of Tensors under its public names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .._inplace import derive
from .._ops.mixed import policies
from .._ops.table import TABLE
from ..autograd import modes

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
    aliases = tuple(aliases)

    def define(function: Function) -> Function:
        own = function.__name__
        key = name or (own if own.startswith("__") else own.rstrip("_"))
        if (key, public) in COMPOSITES:
            raise ValueError(f"composite {key!r} is defined twice")
        if (autocast := policies(key, aliases)) is not None:
            function = _mixed(function, autocast)
        COMPOSITES[key, public] = Composite(key, function, public, aliases, out)
        return function

    return define


def _mixed(function: Function, autocast: dict[str, str]) -> Function:
    """A function on torch's lists for mixed precision: it is cast as a whole, not op by op."""

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if modes.state.mode >= modes.INTERCEPT:
            for interceptor in modes.state.stack:
                if (cast := getattr(interceptor, "composite", None)) is not None:
                    return cast(function, autocast, args, kwargs)
        return function(*args, **kwargs)

    return wrapped  # type: ignore[return-value]


def named(
    function: Callable[..., Any], name: str, public: str, doc: str, out: bool = False,
    aliases: Iterable[str] = (), key: str | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """Register a composite that was made in a loop: give it its name and docstring."""
    return composite(public, aliases, out, key or name)(called(function, name, doc))


def called(function: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    """The function with the name and docstring that users see."""
    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return function


def in_place_or_not(
    name: str, function: Callable[..., Any], inplace: bool, input: Any, *args: Any
) -> Any:
    """`function(input, *args)`; with `inplace`, written into `input`."""
    if not inplace:
        return function(input, *args)
    return derive(name, function, TABLE.get(name))(input, *args)
