"""Compiling functions, modules and training steps: see `compile`."""

from ._api import compile, disable, is_compiling, list_backends
from ._api import is_compiling as is_dynamo_compiling
from ._compile import reset, set_stance

__all__ = [
    "compile", "disable", "is_compiling", "is_dynamo_compiling", "list_backends", "reset",
    "set_stance",
]  # fmt: skip
