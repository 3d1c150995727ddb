"""The types of results in parts, by the name of their function: `return_types.topk`, ..."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

_TYPES: dict[str, Any] = {}


def _text(self: Any) -> str:
    """One part per line, as torch prints them."""
    parts = ",\n".join(f"{name}={getattr(self, name)!r}" for name in self._fields)
    return f"{__name__}.{type(self).__name__}(\n{parts})"


def result_type(name: str, *fields: str) -> Any:
    """The named tuple of a function's results; made once, found again when it is unpickled."""
    kind = _TYPES.get(name)
    if kind is None or kind._fields != fields:
        body = {"__slots__": (), "__repr__": _text, "__module__": __name__}
        kind = _TYPES[name] = type(name, (namedtuple(name, fields),), body)
    return kind


def __getattr__(name: str) -> Any:
    if name not in _TYPES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _TYPES[name]


def __dir__() -> list[str]:
    return sorted(_TYPES)
