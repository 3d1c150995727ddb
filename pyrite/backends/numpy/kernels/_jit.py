"""Loops compiled by Numba: when they are compiled, where they are kept, who fills the cache.

A loop is a plain top-level function `f(..., lo, hi)` of an ordinary file that does the part
[lo, hi) of a kernel's work; its annotations (`_native.TYPES`) are its one signature. It compiles
when it is first needed, to an object file in the cache (`_objects`) where that can be, else to
Numba's own. If that finds an empty cache, one background process compiles the rest. Which path
serves a call depends on Numba's presence (`available`), never on the cache.
"""

from __future__ import annotations

import gc
import hashlib
import importlib
import inspect
import math
import os
import pkgutil
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from ..._base import Unavailable
from .. import _threads
from . import _objects
from ._cache import cache_folder, prune, take_turn

Array: TypeAlias = np.ndarray[Any, Any]
# What a loop's annotations may say; T is the loop's type, float32 or float64. All C-contiguous;
# an array of more dimensions stands for one of these with its leading dimensions taken together.
Vector: TypeAlias = Array  # of T
Matrix: TypeAlias = Array  # of T
Cube: TypeAlias = Array  # of T, three dimensions
Scalar: TypeAlias = Any  # one T
Doubles: TypeAlias = Array  # a float64 vector
Ints: TypeAlias = Array  # an int64 vector
Table: TypeAlias = Array  # an int64 matrix
Flags: TypeAlias = Array  # a bool vector
Bytes: TypeAlias = Array  # a uint8 vector
Place: TypeAlias = int  # lo and hi as unsigned integers: x[i] then needs no test for i < 0

# Dimensions of the arrays among them.
DIMENSIONS = {
    "Vector": 1, "Doubles": 1, "Ints": 1, "Flags": 1, "Bytes": 1, "Matrix": 2, "Table": 2,
    "Cube": 3,
}  # fmt: skip

LOOPS: list[Loop] = []
Function: TypeAlias = Callable[..., Any]
INLINED: list[tuple[Function, frozenset[str], bool]] = []
_lock = threading.RLock()
_numbers = count()
_state: dict[str, Any] = {"filling": False, "broken": False, "started": False}


class Loop:
    """One compiled loop, callable as `loop(n, chunk, *args)`: the parts of [0, n) on all threads.

    Args:
        function: the loop.
        kind: what T stands for, "float32" or "float64".
        fastmath: LLVM's flags beyond strict arithmetic, as `numba.njit` takes them.

    Raises:
        TypeError: an argument is not what the loop's annotations say.
        Unavailable: at a call, where Numba fails.
    """

    # A slot for what a call runs: first `_first`, then machine code, with no Python in between.
    __slots__ = ("__call__", "entry", "fastmath", "function", "kind")

    def __init__(self, function: Callable[..., None], kind: str, fastmath: frozenset[str]) -> None:
        self.function, self.kind, self.fastmath = function, kind, fastmath
        self.entry: Callable[..., None] | None = None
        self.__call__: Callable[..., None] = self._first
        LOOPS.append(self)

    @property
    def name(self) -> str:
        return f"{self.function.__name__}_{self.kind}"

    def _first(self, *args: Any) -> None:
        self.load()(*args)

    def load(self) -> Callable[..., None]:
        """The machine code, from the cache or compiled now; Unavailable where Numba fails."""
        with _lock:
            if _state["broken"]:
                raise Unavailable
            if self.entry is None:
                try:
                    self.entry = _load(self)
                except _failures() as error:
                    _turn_off(error)
                    raise Unavailable from error
                self.__call__ = self.entry
            return self.entry


def loop(
    *fastmath: str, kinds: tuple[str, ...] = ("float32",)
) -> Callable[[Callable[..., None]], Any]:
    """Declare a loop; a tuple of `Loop`s where it is wanted in several `kinds`."""

    def declare(function: Callable[..., None]) -> Loop | tuple[Loop, ...]:
        made = tuple(Loop(function, kind, frozenset(fastmath)) for kind in kinds)
        return made if len(made) > 1 else made[0]

    return declare


def inline(*fastmath: str, always: bool = False) -> Callable[[Function], Function]:
    """Declare a function that loops call; its flags hold for its own arithmetic.

    `always`: it becomes part of each caller, however long it is, so that these vectorise.
    """

    def declare(function: Function) -> Function:
        INLINED.append((function, frozenset(fastmath), always))
        return function

    return declare


def available() -> bool:
    """Whether numba can be imported and may compile."""
    return find_spec("numba") is not None and os.environ.get("NUMBA_DISABLE_JIT", "0") == "0"


def _failures() -> tuple[type[Exception], ...]:
    """What an unfit version of Numba, of NumPy beside it, or of LLVM may raise."""
    usual = (ImportError, AttributeError, TypeError, ValueError, RuntimeError, AssertionError)
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


# --- object files ---------------------------------------------------------------------------


def _load(loop: Loop) -> Callable[..., None]:
    """What a call of `loop` runs: a built-in function, or Numba's dispatcher in a wrapper."""
    if _objects.usable():
        try:
            _start_pool()
            return _objects.builtin(loop.name, _objects.link(*_code(loop.name, loop)))
        except _failures():  # an unfit Numba or LLVM: its public interface may still serve
            pass
    return _dispatcher(loop)


def _start_pool() -> None:
    """Start the threads, with the object code of their two functions."""
    if not _state["started"]:
        launch, worker = (_objects.link(*_code(name, None)) for name in ("launch", "worker"))
        _threads.start(launch, worker)
        _state["started"] = True


def _code(name: str, loop: Loop | None) -> tuple[str, bytes]:
    """A name of its own and object code, from the cache or compiled now."""
    path = _path(name, loop)
    code = None if path is None else _objects.read(path)
    if code is None:
        if path is not None:
            _announce(path.parent)
            with suppress(OSError):
                path.with_suffix(".turn").touch()
        code = _compile(name, loop)
        if path is not None:
            with suppress(OSError):  # a folder that can only be read
                _objects.write(path, code)
                path.with_suffix(".turn").unlink()
    return f"{name}.{next(_numbers)}", code


def _path(name: str, loop: Loop | None) -> Path | None:
    """The object file of a loop, or of the pool's function of this name; None for no file."""
    folder = cache_folder()
    if folder is None or loop is None:
        return folder and folder / f"{name}.o"
    home, _, family = loop.function.__module__.rpartition(".")
    if home == __package__:
        return folder / f"{family}.{name}.o"
    try:  # not Pyrite's, and so not in the folder's name
        source = Path(inspect.getfile(loop.function)).read_bytes()
    except (OSError, TypeError):
        return None
    return folder / f"{family}.{name}.{hashlib.sha256(source).hexdigest()[:16]}.o"


def _compile(name: str, loop: Loop | None) -> bytes:
    """Compile a loop, or the pool's function of this name."""
    with _without_collection():
        native = _native()
        from . import _entry

        if loop is None:
            return _entry.words_code(getattr(native, name), **OPTIONS)
        names, kinds, options = _signature(native, loop)
        return _entry.builtin_code(loop.function, names[:-2], kinds, **options)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Put garbage collection off: a compiler makes so much that lives that it takes a quarter."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _after_fork() -> None:
    """A forked child has a lock of its own: another thread of the parent may have held it."""
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

# --- compiling ------------------------------------------------------------------------------

OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}


def _native() -> ModuleType:
    """The module that imports numba, with Pyrite's helpers made known to it."""
    from . import _native as native

    for name in ("_vectors", "_tiles"):
        importlib.import_module(f"{__package__}.{name}")
    while INLINED:
        native.register(*INLINED.pop())
    return native


def _signature(native: ModuleType, loop: Loop) -> tuple[list[str], list[Any], dict[str, Any]]:
    """The names and Numba types of a loop's parameters, and its options."""
    parameters = inspect.signature(loop.function).parameters
    kinds = native.numba_types([p.annotation for p in parameters.values()], loop.kind)
    return list(parameters), kinds, {**OPTIONS, "fastmath": set(loop.fastmath)}


def _dispatcher(loop: Loop) -> Callable[..., None]:
    """The loop by Numba's public interface, with its dispatcher and its cache.

    Numba caches by file, name and module, so the entry bears the loop's own file and module.
    """
    native = _native()
    from numba import cfunc, njit, types

    if not _state["started"]:
        words = [_decorate(cfunc, f, native.WORDS) for f in (native.launch, native.worker)]
        _threads.start(*(word.address for word in words))
        _state["started"] = words  # compiled code holds their addresses
    names, kinds, options = _signature(native, loop)
    given = ", ".join(names[:-2])
    text = f"def {loop.name}({given}, n, chunk, pool): fork(function, ({given},), n, chunk, pool)"
    scope: dict[str, Any] = {
        "__name__": loop.function.__module__,
        "fork": native.fork,
        "function": njit(**options)(loop.function),
    }
    exec(compile(text, loop.function.__code__.co_filename, "exec"), scope)
    *kinds, place, _ = kinds
    signature = types.void(*kinds, place, place, types.int64)
    entry = _decorate(njit, scope[loop.name], signature, **options)
    annotations = [p.annotation for p in inspect.signature(loop.function).parameters.values()]
    dims = [DIMENSIONS.get(a, 0) for a in annotations[:-2]]

    def call(n: int, chunk: int, *args: Any) -> None:
        if len(args) != len(dims):
            raise TypeError(f"{loop.name} takes {len(dims) + 2} arguments")
        shaped = [_at_most(a, d) if d else a for a, d in zip(args, dims, strict=True)]
        entry(*shaped, n, chunk, _threads.pool() if n > chunk else 0)

    return call


def _at_most(array: Any, dims: int) -> Any:
    """A contiguous array with its leading dimensions taken together, to have `dims`."""
    if not isinstance(array, np.ndarray) or array.ndim == dims or not array.flags.c_contiguous:
        return array
    split = array.ndim - dims + 1
    return array.reshape(math.prod(array.shape[:split]), *array.shape[split:])


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
                _announce(folder)
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


# --- filling the cache ----------------------------------------------------------------------


def all_loops() -> list[Loop]:
    """Every loop of the kernel files."""
    for found in pkgutil.iter_modules([str(Path(__file__).parent)], f"{__package__}."):
        if not found.name.endswith(
            ("._native", "._entry", "._vectors", "._tiles")
        ):  # they import numba
            importlib.import_module(found.name)
    return [each for each in LOOPS if each.function.__module__.startswith(f"{__package__}.")]


def warmup() -> tuple[int, float, Path | None]:
    """Compile every kernel that the cache lacks: how many there are, seconds, the folder.

    Raises:
        ImportError: numba is not installed.
    """
    if not available():
        raise ImportError("kernels need numba: pip install numba")
    _state["filling"] = True  # this process does the filling
    begin = time.perf_counter()
    loops, folder = all_loops(), cache_folder()
    for patient in (False, True):  # what another process is at comes last: by then it is done
        for each in sorted(loops, key=_turn):
            if patient or not _is_taken(each):
                each.load()
    if folder is not None:
        (folder / "complete").touch()
        prune(folder)
    return len(loops), time.perf_counter() - begin, folder


# What a training step needs last is filled first: the program that waits begins with the rest.
ORDER = (
    "optim", "loss", "pool", "normalization", "softmax", "_gemm", "matmul", "reduce", "direct",
    "winograd", "pointwise",
)  # fmt: skip


def _turn(loop: Loop) -> tuple[bool, int]:
    family = loop.function.__module__.rpartition(".")[2]
    return loop.kind == "float64", ORDER.index(family) if family in ORDER else len(ORDER)


def _is_taken(loop: Loop) -> bool:
    path = _path(loop.name, loop)
    return path is not None and path.with_suffix(".turn").exists() and not path.exists()


_FILL = """
import os, sys
if hasattr(os, "nice"):
    os.nice(10)
from pyrite.backends.numpy.kernels._jit import warmup
warmup()
"""
STALE = 900.0  # seconds after which a fill that left no "complete" is taken to have died
SECONDS = 0.25  # to compile a kernel, roughly


def _announce(folder: Path) -> None:
    """Say, once, that kernels are being compiled, and start the process that compiles the rest.

    $PYRITE_BACKGROUND_COMPILE=0 forbids that process: kernels then compile as they are needed.
    """
    if _state["filling"]:
        return
    _state["filling"] = True
    if (folder / "complete").exists():
        return
    what = "kernels as they are first needed"
    if os.environ.get("PYRITE_BACKGROUND_COMPILE", "1") != "0":
        missing = len(LOOPS) - sum(1 for _ in folder.rglob("*.o"))
        what = f"{missing} kernels once, about {max(1, missing * SECONDS):.0f} s"
        if sys.executable and take_turn(folder / "filling", STALE):
            _fill_in_background()
    ahead = "`python -m pyrite warmup` does this ahead"
    sys.stderr.write(f"pyrite: compiling {what}; {ahead}\n")


def _fill_in_background() -> None:
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
