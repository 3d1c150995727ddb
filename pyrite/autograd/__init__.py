"""Automatic differentiation: `backward`, `grad`, grad modes, custom functions, checks."""

from __future__ import annotations

import importlib
from typing import Any

# Loaded when first asked for: the Tensor and the engine reach each other through this package.
_HOME = {
    "backward": "engine", "grad": "engine", "no_grad": "modes", "enable_grad": "modes",
    "set_grad_enabled": "modes", "inference_mode": "modes", "Function": "function",
    "once_differentiable": "function", "gradcheck": "check", "gradgradcheck": "check",
    "GradcheckError": "check", "detect_anomaly": "anomaly", "set_detect_anomaly": "anomaly",
    "Node": "node",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _HOME:
        value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
        globals()[name] = value
        return value
    if name in _HOME.values() or name in ("forward_ad", "functional", "graph"):
        return importlib.import_module(f"{__name__}.{name}")
    if name == "Variable":  # torch's old name for what every Tensor is now
        from .._tensor import Tensor

        return Tensor
    raise AttributeError(f"module 'pyrite.autograd' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*_HOME, "Variable", "forward_ad", "functional", "graph"})
