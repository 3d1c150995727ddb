"""The one thread pool of the NumPy backend, and how many threads it uses.

Workers are daemon threads that live in compiled code without the interpreter lock: they spin for
up to a millisecond after a region, then sleep on a pipe. A region opens and closes without
waiting for threads that have not woken; on Linux it keeps them off the launching thread's
processor, where the system would often wake them, beside an idle one. One thread launches at a
time; a thread that finds the pool taken, a loader's thread (`run_serially`) and a forked child run
their regions alone, to the same bits.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from contextlib import suppress
from typing import Any

import numpy as np

SPINS = 20_000  # pauses of 5 to 50 ns: longer than Python takes from op to op

# Words of the pool's record, which all threads share (addresses in bytes; those that are written
# while threads wait lie on cache lines of their own). OWNER: 1 while a thread launches.
# WORD: generation << 16 | threads that entered << 1 | open. A thread may enter a region only by
# a compare-and-swap of this word while it is open; the launching thread closes it, then waits for
# those who entered. So a thread that wakes late touches nothing, and nobody waits for it.
# HOME: the processor that the workers keep off, -1 for none. THREADS: their numbers, from there on.
WORD, DONE, SLEEPERS, JOB, LIMIT, OWNER, HOME, FIXED, _, BYTES = range(0, 10 * 64, 64)
PAUSES, READ_END, WRITE_END, LAUNCH, READ, WRITE, PROCESSOR, GET_MASK, SET_MASK = range(
    FIXED, FIXED + 9 * 8, 8
)
THREADS, MOST = BYTES + 1024 * 8, 1024

# Where compiled code finds the pool: its record's address, or 0 where regions run alone.
POOL = np.zeros(1, np.int64)

_resizing = threading.Lock()
_forked = False
_state: np.ndarray[Any, Any] | None = None  # the record
_workers: list[threading.Thread] = []
_code: list[int] = []  # the addresses of launch(pool, region, data) and worker(pool, index)


class _Local(threading.local):
    """Whether this thread never launches."""

    serial = False


_local = _Local()


def _thread_key() -> Any:
    """A key of the C API, in which compiled code reads what `_local` says; None without that."""
    try:
        key = (ctypes.c_int64 * 4)()  # a Py_tss_t that is not yet created
        return None if ctypes.pythonapi.PyThread_tss_create(key) else key
    except AttributeError:
        return None


SERIAL = _thread_key()


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
    with _resizing:
        _count = count
        _grow()


def run_serially() -> None:
    """Keep the calling thread, for all its life, from launching parallel regions."""
    _local.serial = True
    if SERIAL is not None:
        ctypes.pythonapi.PyThread_tss_set(SERIAL, ctypes.c_void_p(1))


def pool() -> int:
    """The address of the pool's record if the calling thread may launch, else 0."""
    return 0 if _local.serial else int(POOL[0])


def start(launch: int, worker: int) -> None:
    """Start the workers, given the addresses of the pool's two compiled functions; once."""
    with _resizing:
        if not _code:
            _code.extend((launch, worker))
            _grow()


def _grow() -> None:
    """Set how many workers may enter a region, and start those that are missing."""
    global _state
    POOL[0] = 0
    if _count == 1 or _forked or not _code:
        return
    launch, worker = _code
    if _state is None:
        _state = _new_state(launch)
    address = _state.ctypes.data
    life = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)(worker)
    while len(_workers) < min(_count - 1, MOST):
        thread = threading.Thread(
            target=life,
            args=(address, len(_workers), 0),
            name=f"pyrite-{len(_workers) + 1}",
            daemon=True,
        )
        thread.start()
        _state[THREADS // 8 + len(_workers)] = thread.native_id or 0
        _workers.append(thread)
    _state[HOME // 8], _state[LIMIT // 8] = -1, min(_count - 1, MOST)
    POOL[0] = address


def _new_state(launch: int) -> np.ndarray[Any, Any]:
    """The pool's record, on cache lines of its own."""
    raw = np.zeros(THREADS // 8 + MOST + 16, np.int64)
    state = raw[-raw.ctypes.data % 64 // 8 :]
    fixed = [SPINS, *os.pipe(), launch, *_functions()]
    state[FIXED // 8 : FIXED // 8 + len(fixed)] = fixed
    return state


def _functions() -> list[int]:
    """The addresses of the C library's read and write; on Linux also of what places threads."""
    if sys.platform == "win32":
        library = ctypes.CDLL("ucrtbase")
        return [address_of(library._read), address_of(library._write)]
    library = ctypes.CDLL(None)
    found = [library.read, library.write]
    if sys.platform == "linux":
        with suppress(AttributeError):
            found += [library.sched_getcpu, library.sched_getaffinity, library.sched_setaffinity]
    return [address_of(f) for f in found]


def address_of(function: Any) -> int:
    """The address of a foreign function."""
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _after_fork() -> None:
    """A forked child has no workers: it runs alone, for good."""
    global _forked, _resizing
    POOL[0], _forked = 0, True
    _resizing = threading.Lock()  # another thread of the parent may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
