"""Numbers that remember how they came about: the sizes, draws and options of a captured graph.

Inside a capture a size is an int and a learning rate a float as ever, but arithmetic on them
builds the expression that a replay evaluates anew. A number that decides something (a comparison,
`bool`, `int`, `round`) is a condition of the graph, and its log is told.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

# Told (expression, value) each time a number decides something.
Log = Callable[[str, Any], None]


class _Number:
    """What `Int` and `Float` share: the Python expression and who is told of conditions."""

    text: str
    log: Log

    __hash__ = object.__hash__

    def _decide(self, text: str, value: Any) -> Any:
        self.log(text, value)
        return value


class Int(_Number, int):
    """An int that remembers."""

    __hash__ = int.__hash__


class Float(_Number, float):
    """A float that remembers."""

    __hash__ = float.__hash__


KINDS: dict[type, type] = {int: Int, float: Float}


def remember(value: Any, text: str, log: Log) -> Any:
    """The number as one that stands for `text`; bools decide, so they are told at once."""
    if type(value) not in KINDS:
        log(text, value)
        return value
    out = KINDS[type(value)](value)
    out.text, out.log = text, log
    return out


def plain(value: Any) -> Any:
    """The number without its memory."""
    if isinstance(value, Int):
        return int.__add__(value, 0)
    return float.__add__(value, 0.0) if isinstance(value, Float) else value


def text_of(value: Any) -> str:
    """The expression of a number, remembered or not."""
    return value.text if isinstance(value, _Number) else repr(value)


def _arithmetic(name: str, function: Callable[..., Any], symbol: str) -> None:
    def combine(left: Any, right: Any) -> Any:
        if not isinstance(left, int | float) or not isinstance(right, int | float):
            return NotImplemented
        log = left.log if isinstance(left, _Number) else right.log  # type: ignore[union-attr]
        text = f"({text_of(left)} {symbol} {text_of(right)})"
        return remember(function(plain(left), plain(right)), text, log)

    for kind in KINDS.values():
        setattr(kind, f"__{name}__", combine)
        if symbol not in _COMPARISONS:
            setattr(kind, f"__r{name}__", lambda right, left: combine(left, right))


_COMPARISONS = {"<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne"}
_ARITHMETIC = {
    "+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod", "**": "pow",
}  # fmt: skip
for _symbol, _name in {**_ARITHMETIC, **_COMPARISONS}.items():
    _arithmetic(_name, getattr(operator, _name), _symbol)


def _unary(name: str, function: Callable[..., Any], form: str, decides: bool) -> None:
    def method(self: Any, *rest: Any) -> Any:
        value, text = function(plain(self), *rest), form.format(text_of(self))
        return self._decide(text, value) if decides else remember(value, text, self.log)

    for kind in KINDS.values():
        setattr(kind, f"__{name}__", method)


_DECISIONS = (bool, int, float, round, math.trunc, math.floor, math.ceil)
_unary("neg", operator.neg, "(-{})", decides=False)
_unary("abs", abs, "abs({})", decides=False)
for _function in _DECISIONS:
    _unary(_function.__name__, _function, f"{_function.__name__}({{}})", decides=True)

# What an expression may name besides the values of its graph.
SCOPE = {function.__name__: function for function in (abs, *_DECISIONS)}


def integer(value: Any) -> int:
    """`operator.index` that keeps the memory; TypeError for what is no integer."""
    return value if isinstance(value, Int) else operator.index(value)
