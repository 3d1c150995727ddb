"""Loops compiled by Numba: when they are compiled, where they are kept, who fills the cache.

A loop is a plain top-level function `f(..., lo, hi)` of an ordinary file that does the part
[lo, hi) of a kernel's work; its annotations (`_native.TYPES`) are its one signature. It compiles
when it is first needed. If that finds an empty cache, one background process compiles the rest.
Which path serves a call depends on Numba's presence (`available`), never on the cache.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from .. import _threads

Array: TypeAlias = np.ndarray[Any, Any]
# What a loop's annotations may say; T is the loop's type, float32 or float64. All C-contiguous.
Vector: TypeAlias = Array  # of T
Matrix: TypeAlias = Array  # of T
Cube: TypeAlias = Array  # of T, three dimensions
Scalar: TypeAlias = Any  # one T
Doubles: TypeAlias = Array  # a float64 vector
Ints: TypeAlias = Array  # an int64 vector
Table: TypeAlias = Array  # an int64 matrix
Flags: TypeAlias = Array  # a bool vector
Place: TypeAlias = int  # lo and hi as unsigned integers: x[i] then needs no test for i < 0

LOOPS: list[Loop] = []
INLINED: list[tuple[Callable[..., Any], frozenset[str]]] = []
_lock = threading.RLock()
_state = {"filling": False, "broken": False}


class Unavailable(Exception):
    """Numba is installed but cannot compile here; the generic kernels serve."""


class Loop:
    """One compiled loop, callable as `loop(n, chunk, *args)`: the parts of [0, n) on all threads.

    Args:
        function: the loop.
        kind: what T stands for, "float32" or "float64".
        fastmath: LLVM's flags beyond strict arithmetic, as `numba.njit` takes them.
    """

    __slots__ = ("entry", "fastmath", "function", "kind")

    def __init__(self, function: Callable[..., None], kind: str, fastmath: frozenset[str]) -> None:
        self.function, self.kind, self.fastmath = function, kind, fastmath
        self.entry: Callable[..., None] | None = None
        LOOPS.append(self)

    @property
    def name(self) -> str:
        return f"{self.function.__name__}_{self.kind}"

    def __call__(self, n: int, chunk: int, *args: Any) -> None:
        entry = self.entry or self.load()
        pool = _threads.claim() if n > chunk else 0
        if not pool:
            entry(*args, n, chunk, 0)
            return
        try:
            entry(*args, n, chunk, pool)
        finally:
            _threads.release()

    def load(self) -> Callable[..., None]:
        """The machine code, from the cache or compiled now; Unavailable where Numba fails."""
        with _lock:
            if _state["broken"]:
                raise Unavailable
            if self.entry is None:
                try:
                    self.entry = _compile(self)
                except _failures() as error:
                    _turn_off(error)
                    raise Unavailable from error
            return self.entry


def loop(
    *fastmath: str, kinds: tuple[str, ...] = ("float32",)
) -> Callable[[Callable[..., None]], Any]:
    """Declare a loop; a tuple of `Loop`s where it is wanted in several `kinds`."""

    def declare(function: Callable[..., None]) -> Loop | tuple[Loop, ...]:
        made = tuple(Loop(function, kind, frozenset(fastmath)) for kind in kinds)
        return made if len(made) > 1 else made[0]

    return declare


def inline(*fastmath: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declare a function that loops call; its flags hold for its own arithmetic."""

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        INLINED.append((function, frozenset(fastmath)))
        return function

    return declare


def available() -> bool:
    """Whether numba can be imported and may compile."""
    return find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"


def _failures() -> tuple[type[Exception], ...]:
    """What an unfit version of Numba, of NumPy beside it, or of LLVM may raise."""
    usual = (ImportError, AttributeError, TypeError, ValueError, RuntimeError)
    try:
        from numba.core.errors import NumbaError
    except ImportError:
        return usual
    return (*usual, NumbaError)


def _turn_off(error: Exception) -> None:
    _state["broken"] = True
    reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    warnings.warn(
        f"Compiled kernels are off, NumPy serves all ops (slower): numba failed with {reason!r}; "
        "install a numba that fits this NumPy, or uninstall it",
        RuntimeWarning,
        stacklevel=2,
    )


# --- compiling ------------------------------------------------------------------------------


def _native() -> ModuleType:
    """The module that imports numba, with the symbols that compiled code calls in place."""
    from . import _native as native

    _threads.start(native, _decorate)
    while INLINED:
        native.register(*INLINED.pop())
    return native


def _compile(loop: Loop) -> Callable[..., None]:
    """Compile the entry `f(*args, n, chunk, pool)` that runs the loop as a parallel region.

    Numba caches by file, name and module, so the entry bears the loop's own file and module.
    """
    native = _native()
    from numba import njit, types

    parameters = inspect.signature(loop.function).parameters
    *names, _, _ = parameters
    *kinds, place, _ = native.numba_types([p.annotation for p in parameters.values()], loop.kind)
    options = {"nogil": True, "error_model": "numpy", "fastmath": set(loop.fastmath), "_nrt": False}
    given = ", ".join(names)
    text = f"def {loop.name}({given}, n, chunk, pool): fork(function, ({given},), n, chunk, pool)"
    scope: dict[str, Any] = {
        "__name__": loop.function.__module__,
        "fork": native.fork,
        "function": njit(**options)(loop.function),
    }
    exec(compile(text, loop.function.__code__.co_filename, "exec"), scope)
    signature = types.void(*kinds, place, place, types.int64)
    return _decorate(njit, scope[loop.name], signature, **options)


def _decorate(jit: Any, function: Callable[..., Any], signature: Any, **options: Any) -> Any:
    """`jit` with its cache in Pyrite's folder; without a cache where none can be had."""
    folder = cache_folder()
    if folder is not None:
        with _numba_cache_in(folder):
            try:
                made = jit(signature, cache=True, **options)(function)
            except RuntimeError:  # Numba found no place for it
                folder = None
        if folder is not None:
            if getattr(made, "stats", None) and made.stats.cache_misses:
                _fill_in_background(folder)
            return made
    return jit(signature, **options)(function)


@contextmanager
def _numba_cache_in(folder: Path) -> Iterator[None]:
    """Point Numba's cache at `folder` while a function is decorated: the user's must not move."""
    from numba import config

    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        yield
    finally:
        config.CACHE_DIR = before


# --- the cache ------------------------------------------------------------------------------


def user_cache() -> Path:
    """The user's folder for Pyrite's caches: $PYRITE_CACHE_DIR, else the platform's place."""
    chosen = os.environ.get("PYRITE_CACHE_DIR")
    if chosen:
        return Path(chosen)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "pyrite"


_folder: list[Path | None] = []


def cache_folder() -> Path | None:
    """The folder of this code, Numba, processor and set of options; None where unusable."""
    with _lock:
        if not _folder:
            _folder.append(_open_folder())
        return _folder[0]


def _open_folder() -> Path | None:
    try:
        path = user_cache() / _fingerprint()
        for part in (path.parent, path):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_foreign(part)
    except (OSError, RuntimeError) as error:
        warnings.warn(f"Compiled kernels will not be kept: {error}", RuntimeWarning, stacklevel=2)
        return None
    return path


def refuse_foreign(path: Path) -> None:
    """PermissionError for a folder that someone else could write to: cached kernels are code."""
    if not hasattr(os, "getuid"):
        return
    state = path.stat()
    if state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise PermissionError(
            f"{path} must belong to you and be writable by you alone (chmod 700), because cached "
            "kernels are code; set PYRITE_CACHE_DIR to another folder"
        )


def _fingerprint() -> str:
    """A hash of all that the machine code depends on, helpers in other files included."""
    import llvmlite
    import numba
    from llvmlite import binding

    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.read_bytes())
    features = str(binding.get_host_cpu_features().flatten())
    options = [numba.config.CPU_NAME, numba.config.CPU_FEATURES, str(numba.config.OPT)]
    versions = [numba.__version__, llvmlite.__version__, np.__version__, sys.version]
    digest.update(repr([binding.get_host_cpu_name(), features, options, versions]).encode())
    return digest.hexdigest()[:16]


# --- filling it -----------------------------------------------------------------------------


def all_loops() -> list[Loop]:
    """Every loop of the kernel files."""
    for found in pkgutil.iter_modules([str(Path(__file__).parent)], f"{__package__}."):
        importlib.import_module(found.name)
    return list(LOOPS)


def warmup() -> tuple[int, float, Path | None]:
    """Compile every kernel that the cache lacks: how many there are, seconds, the folder.

    Raises:
        ImportError: numba is not installed.
    """
    if not available():
        raise ImportError("kernels need numba: pip install numba")
    _state["filling"] = True  # this process does the filling
    begin = time.perf_counter()
    loops = all_loops()
    for each in loops:
        each.load()
    folder = cache_folder()
    if folder is not None:
        (folder / "complete").touch()
    return len(loops), time.perf_counter() - begin, folder


_FILL = """
import os, sys
if hasattr(os, "nice"):
    os.nice(10)
from pyrite.backends.numpy.kernels._jit import warmup
warmup()
"""
STALE = 900.0  # seconds after which a fill that left no "complete" is taken to have died


def _fill_in_background(folder: Path) -> None:
    """Start, once, the process that compiles the rest; $PYRITE_BACKGROUND_COMPILE=0 forbids it."""
    if _state["filling"] or os.environ.get("PYRITE_BACKGROUND_COMPILE", "1") == "0":
        return
    _state["filling"] = True
    if not sys.executable or (folder / "complete").exists() or not _take_turn(folder / "filling"):
        return
    root = str(Path(__file__).parents[4])
    paths = [root, os.environ.get("PYTHONPATH", "")]
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", _FILL],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in paths if p)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    process.returncode = 0  # it outlives us if it must: nobody waits for it


def _take_turn(mark: Path) -> bool:
    """Whether this process is the one to fill the cache: it made `mark`, or found it stale."""
    try:
        if mark.exists() and time.time() - mark.stat().st_mtime > STALE:
            mark.unlink()
        mark.touch(exist_ok=False)
    except OSError:
        return False
    return True
