"""Errors that pass through a Module's call learn where: path, arguments, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._errors import describe
from ..._tensor import Tensor
from ..parameter import is_lazy

if TYPE_CHECKING:
    from .module import Module

_MARK = "_pyrite_location"


class Location:
    """Where an exception was raised, filled in from the innermost module outwards."""

    def __init__(self, error: Exception, module: Module, facts: str) -> None:
        self.original, self.facts = error.args, facts
        self.kind = type(module).__name__
        self.modules = [module]

    def path(self) -> str:
        """The dotted path from the outermost module called, which is named by its class."""
        parts = [type(self.modules[-1]).__name__]
        for outer, inner in zip(self.modules[:0:-1], self.modules[-2::-1], strict=True):
            names = [n for n, m in outer.named_modules() if m is inner]
            parts.append(names[0] if names else f"<{type(inner).__name__}>")
        return ".".join(p for p in parts if p)


def locate(error: Exception, module: Module, args: Any, kwargs: Any) -> None:
    """Write the module's path and operands into the message; the class stays."""
    location = getattr(error, _MARK, None)
    if location is None:
        location = Location(error, module, _facts(module, args, kwargs))
        try:
            setattr(error, _MARK, location)
        except AttributeError:
            return
    else:
        location.modules.append(module)
    if len(location.original) != 1 or not isinstance(location.original[0], str):
        return
    where = location.path()
    named = f"{where} ({location.kind})" if len(location.modules) > 1 else where
    error.args = (f"{location.original[0]}\n  in {named}: {location.facts}",)


def _facts(module: Module, args: Any, kwargs: Any) -> str:
    given = [_describe(a) for a in args] + [f"{k}={_describe(v)}" for k, v in kwargs.items()]
    text = f"called with ({', '.join(given)})"
    own = [f"{n} {_describe(p)}" for n, p in module._parameters.items() if p is not None]
    return text + (f"; parameters: {', '.join(own)}" if own else "")


def _describe(value: Any) -> str:
    if is_lazy(value):
        return repr(value)
    if isinstance(value, Tensor):
        place = value.device
        return describe(value) + ("" if place.type == "cpu" else f" on {place}")
    return describe(value)
