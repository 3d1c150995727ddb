"""The one thread pool of the NumPy backend, and how many threads it uses.

Workers are daemon threads that live in compiled code without the interpreter lock: they spin for
up to 0.1 ms after a region, then sleep on a pipe. A region opens and closes without waiting for
threads that have not woken. One thread launches at a time; a thread that finds the pool taken, a
loader's thread (`run_serially`) and a forked child run their regions alone, to the same bits.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

SPINS = 2000  # pauses of 5 to 50 ns

_busy = threading.Lock()
_forked = False
_native: ModuleType | None = None
_state: np.ndarray[Any, Any] | None = None  # the record shared with the workers
_address = 0  # of _state; 0 while there is no pool
_workers: list[threading.Thread] = []
_run_worker: Callable[[int, int], None] | None = None
_keep: list[Any] = []  # functions whose addresses compiled code holds


class _Local(threading.local):
    """Whether this thread never launches."""

    serial = False


_local = _Local()


def _default_threads() -> int:
    """PYRITE_NUM_THREADS, else OMP_NUM_THREADS, else the processors this process may use."""
    for variable in ("PYRITE_NUM_THREADS", "OMP_NUM_THREADS"):
        value = os.environ.get(variable, "")
        if value.isdigit() and int(value) > 0:
            return int(value)
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_count = _default_threads()


def get_num_threads() -> int:
    """How many threads one operation on the CPU may use."""
    return _count


def set_num_threads(count: int) -> None:
    """Let operations on the CPU use `count` threads; results do not depend on it."""
    global _count
    if not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise ValueError(f"set_num_threads expects a positive integer, got {count!r}")
    with _busy:
        _count = count
        if _native is not None:
            _grow()


def run_serially() -> None:
    """Keep the calling thread, for all its life, from launching parallel regions."""
    _local.serial = True


def claim() -> int:
    """The pool's address if the calling thread may launch now (then `release` it), else 0."""
    if _count == 1 or not _address or _local.serial:
        return 0
    return _address if _busy.acquire(blocking=False) else 0


release = _busy.release


def start(native: ModuleType, decorate: Callable[..., Any]) -> None:
    """Bind the symbols that compiled code calls, and start the workers; once."""
    global _native, _run_worker
    if _native is not None:
        return
    from llvmlite import binding
    from numba import cfunc, njit, types

    word = types.int64
    for name, function in zip(("pyrite_read", "pyrite_write"), _pipe_calls()):
        binding.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)
        _keep.append(function)
    launch = decorate(cfunc, native.launch, types.void(word, word, word))
    binding.add_symbol("pyrite_launch", launch.address)
    _keep.append(launch)
    _run_worker = decorate(njit, native.worker, types.void(word, word), nogil=True)
    with _busy:
        _native = native
        _grow()


def _pipe_calls() -> tuple[Any, Any]:
    """The C library's read and write."""
    if sys.platform == "win32":
        library = ctypes.CDLL("ucrtbase")
        return library._read, library._write
    library = ctypes.CDLL(None)
    return library.read, library.write


def _grow() -> None:
    """Set the limit of workers that may enter a region, and start those that are missing."""
    global _state, _address
    if _count == 1 or _forked or _native is None or _run_worker is None:
        return
    if _state is None:
        _state = _new_state(_native)
    word = _state[_native.LIMIT // 8 :]
    word[0] = _count - 1
    address = _state.ctypes.data
    while len(_workers) < _count - 1:
        thread = threading.Thread(
            target=_run_worker,
            args=(address, len(_workers)),
            name=f"pyrite-{len(_workers) + 1}",
            daemon=True,
        )
        thread.start()
        _workers.append(thread)
    _address = address


def _new_state(native: ModuleType) -> np.ndarray[Any, Any]:
    """The shared record (`_native.WORD` and on), on cache lines of its own."""
    raw = np.zeros(native.BYTES // 8 + 16 + 1024, np.int64)
    state = raw[-raw.ctypes.data % 64 // 8 :]
    state[native.SPINS // 8] = SPINS
    state[native.READ_END // 8], state[native.WRITE_END // 8] = os.pipe()
    return state


def _after_fork() -> None:
    """A forked child has no workers: it runs alone, for good."""
    global _address, _busy, _forked, release
    _address, _forked = 0, True
    _busy = threading.Lock()  # another thread of the parent may have held it
    release = _busy.release


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
