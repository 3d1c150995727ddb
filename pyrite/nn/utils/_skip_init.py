"""Layers whose parameters are left without initial values."""

from __future__ import annotations

import inspect
from typing import Any

from ..modules.module import Module


def skip_init(module_cls: Any, *args: Any, **kwargs: Any) -> Any:
    """Make a module without drawing its initial values, which are whatever the memory held.

    RuntimeError for what is no Module class, or takes no `device`.
    """
    if not (isinstance(module_cls, type) and issubclass(module_cls, Module)):
        raise RuntimeError(f"Expected a Module; got {module_cls}")
    if "device" not in inspect.signature(module_cls).parameters:
        raise RuntimeError("Module must support a 'device' arg to skip initialization")
    blank: Any = type(module_cls.__name__, (module_cls,), {"reset_parameters": lambda self: None})
    module = blank(*args, **kwargs)
    module.__class__ = module_cls
    return module
