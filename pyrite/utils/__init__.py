"""Helpers beside the framework's core; `pyrite.utils.data` is `pyrite.data`."""

from . import data

__all__ = ["data"]
