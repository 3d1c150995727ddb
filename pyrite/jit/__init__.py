"""Marks for a compiler of programs: Python runs the program here, so they change nothing.

`ignore`, `unused`, `export` and the annotation `Final` let modules written for TorchScript run
as they are; `is_scripting()` and `is_tracing()` tell them that plain Python runs.
"""

from ._marks import (
    Attribute,
    Final,
    annotate,
    export,
    ignore,
    interface,
    is_scripting,
    is_tracing,
    script_if_tracing,
    unused,
)
from ._marks import is_instance as isinstance

__all__ = [
    "Attribute", "Final", "annotate", "export", "ignore", "interface", "is_scripting",
    "is_tracing", "isinstance", "script_if_tracing", "unused",
]  # fmt: skip
