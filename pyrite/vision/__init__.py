"""Computer vision: data sets, models, operators and pictures with torchvision's names."""

import importlib
from typing import Any

__all__ = ["datasets", "models", "ops", "transforms", "tv_tensors", "utils"]


def __getattr__(name: str) -> Any:
    """The parts, imported when they are first asked for."""
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"Any", "importlib"})
