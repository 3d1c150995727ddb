"""Pyrite: deep learning in plain Python over NumPy and CuPy arrays, with PyTorch's API."""

from __future__ import annotations

import importlib
import math
from typing import Any

from . import _exports, backends
from ._composites.tensor_types import TYPES as _TYPES
from ._device import device, get_default_device, set_default_device
from ._dtypes import (
    bfloat16,
    complex64,
    complex128,
    dtype,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    promote_types,
    set_default_dtype,
    uint8,
)  # fmt: skip
from ._dtypes import bool_ as bool
from ._errors import OutOfMemoryError
from ._formats import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)  # fmt: skip
from ._repr import set_printoptions
from ._tensor import Size, Tensor
from .autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled
from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)  # fmt: skip
from .backends import _settings

__version__ = "0.1.0"

pi, e, inf, nan = math.pi, math.e, math.inf, math.nan
newaxis = None

half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128

_exports.build()
globals().update(_TYPES["cpu"])
importlib.import_module("._numpy", __name__)
_SUBMODULES = frozenset((
    "accelerator", "amp", "autograd", "backends", "compiler", "cpu", "cuda", "data",
    "distributions", "fft", "func", "hub", "jit", "library", "linalg", "masked", "nn", "optim",
    "random", "return_types", "safetensors", "serialization", "signal", "sparse", "special",
    "testing", "utils", "version", "vision",
))  # fmt: skip
_FROM = {
    "save": "serialization", "load": "serialization", "Generator": "random",
    "manual_seed": "random", "seed": "random", "initial_seed": "random",
    "get_rng_state": "random", "set_rng_state": "random", "default_generator": "random",
    "compile": "compiler",
    "vmap": "func", "set_num_threads": "backends", "get_num_threads": "backends",
    "UntypedStorage": "_composites.storage",
    **dict.fromkeys(_settings.__all__, "backends._settings"),
    **dict.fromkeys((
        "autocast", "is_autocast_enabled", "set_autocast_enabled", "get_autocast_dtype",
        "set_autocast_dtype", "is_autocast_cache_enabled", "set_autocast_cache_enabled",
        "autocast_increment_nesting", "autocast_decrement_nesting", "clear_autocast_cache",
    ), "amp.autocast_mode"),
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """Submodules and generated functions, made when they are first asked for."""
    if name in _SUBMODULES:
        return importlib.import_module(f"{__name__}.{name}")
    make = _exports.EXPORTS[""].get(name)
    if make is not None:
        value = make()
    elif name in _FROM:
        value = getattr(importlib.import_module(f"{__name__}.{_FROM[name]}"), name)
    else:
        raise AttributeError(f"module 'pyrite' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    inner = {"Any", "annotations", "importlib", "math"}
    return sorted({*globals(), *_SUBMODULES, *_exports.EXPORTS[""], *_FROM} - inner)
