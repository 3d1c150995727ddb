"""Helpers beside the framework's core; `pyrite.utils.data` is `pyrite.data`."""

from . import checkpoint, data

__all__ = ["checkpoint", "data"]
