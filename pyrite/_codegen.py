"""Functions from generated source, shown by debuggers and tracebacks like any other."""

from __future__ import annotations

import linecache
from collections.abc import Callable
from typing import Any


def define(source: str, name: str, scope: dict[str, Any]) -> Callable[..., Any]:
    """Execute `source` in `scope` and return its function `name`."""
    filename = f"<pyrite {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(compile(source, filename, "exec"), scope)
    function: Callable[..., Any] = scope[name]
    return function
