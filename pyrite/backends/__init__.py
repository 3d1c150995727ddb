"""Backends: name -> backend, array type -> backend, and the binding of the op table to one.

A third party's backend is a package with an entry point in the group `pyrite.backends` that
loads a `Backend` subclass; it is imported when a device of its name is first asked for.
"""

from __future__ import annotations

import threading
from typing import Any

from .. import _device
from ._base import Backend
from ._bind import bind as bind
from ._switches import cuda, cudnn, mkldnn, mps

__all__ = [
    "Backend", "available", "bind", "cuda", "cudnn", "get", "mkldnn", "mps", "names", "of",
    "register", "run_serially",
]  # fmt: skip

_lock = threading.RLock()
_by_name: dict[str, Backend] = {}
_by_type: dict[type, Backend] = {}


def register(backend: Backend) -> Backend:
    """Make a backend reachable by its device name and its array type."""
    with _lock:
        _by_name[backend.name] = backend
        _by_type[backend.array_type] = backend
        _device.KNOWN.add(backend.name)
    return backend


def get(name: str) -> Backend:
    """The backend of a device type; an error that says what to install where there is none."""
    found = _by_name.get(name)
    return found if found is not None else _load(name)


def of(array: Any) -> Backend:
    """The backend that owns `array`; TypeError for an unknown array type."""
    found = _by_type.get(type(array))
    if found is None:
        kind = type(array)
        raise TypeError(f"no backend has arrays of type {kind.__module__}.{kind.__name__}")
    return found


def _entry_points() -> dict[str, Any]:
    """Backends of other packages by name; the import costs too much for start-up."""
    from importlib.metadata import entry_points

    return {e.name: e for e in entry_points(group="pyrite.backends")}


def names() -> list[str]:
    """Device types with a backend, loaded or installed."""
    return sorted({"cpu", "cuda", *_entry_points(), *_by_name})


def available(name: str) -> bool:
    """Whether a device of this type can be used now; never raises."""
    try:
        return get(name).is_available()
    except (ImportError, RuntimeError, ValueError):
        return False


def _load(name: str) -> Backend:
    with _lock:
        if name in _by_name:
            return _by_name[name]
        if name == "cpu":
            from .numpy import NumpyBackend

            return register(NumpyBackend())
        if name == "cuda":
            from .cupy import load

            return register(load())
        entry = _entry_points().get(name)
        if entry is not None:
            return register(entry.load()())
    raise RuntimeError(
        f"no backend for device type '{name}': known are {', '.join(names())}; a package offers "
        "one through an entry point in the group pyrite.backends"
    )


def get_num_threads() -> int:
    """The threads that kernels on the CPU use."""
    from .numpy import _threads

    return _threads.get_num_threads()


def set_num_threads(count: int) -> None:
    """Set the threads that kernels on the CPU use; results do not depend on it."""
    from .numpy import _threads

    _threads.set_num_threads(count)


def run_serially() -> None:
    """Let kernels that the calling thread starts run on it alone (loader threads)."""
    from .numpy import _threads

    _threads.run_serially()


def warmup() -> tuple[int, float, Any]:
    """Compile every kernel of the CPU now: how many, the seconds, and the cache folder."""
    from .numpy.kernels import _jit

    return _jit.warmup()
