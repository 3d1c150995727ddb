"""The folder in which compiled kernels are kept, one per version of everything they depend on."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
import time
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np

# Variables of Numba's that change the code it makes.
SETTINGS = (
    "OPT", "CPU_NAME", "CPU_FEATURES", "ENABLE_AVX", "LOOP_VECTORIZE", "SLP_VECTORIZE",
    "BOUNDSCHECK", "DEBUGINFO", "LLVM_REFPRUNE_PASS",
)  # fmt: skip
DAY = 86_400.0
UNUSED = 30 * DAY  # seconds after which the folder of another version is removed


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


@cache
def cache_folder() -> Path | None:
    """The folder of this code, Numba, processor and set of options; None where unusable."""
    try:
        path = user_cache() / _fingerprint()
        for part in (path.parent, path):
            part.mkdir(mode=0o700, parents=True, exist_ok=True)
            refuse_foreign(part)
        if time.time() - path.stat().st_mtime > DAY and os.access(path, os.W_OK):
            os.utime(path)  # it is in use
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
    from llvmlite import binding

    digest = hashlib.sha256()
    numba = find_spec("numba")  # importing it would cost a second
    for folder in (numba.submodule_search_locations if numba else None) or ():
        digest.update(Path(folder, "_version.py").read_bytes())
    if (settings := Path(".numba_config.yaml")).is_file():
        digest.update(settings.read_bytes())
    here = Path(__file__).parent
    for path in [here.parent / "_threads.py", *sorted(here.glob("*.py"))]:
        digest.update(path.read_bytes())
    features = binding.get_host_cpu_features().flatten()
    machine = [binding.get_process_triple(), binding.get_host_cpu_name(), features]
    options = [os.environ.get(f"NUMBA_{name}", "") for name in SETTINGS]
    versions = [llvmlite.__version__, np.__version__, sys.implementation.cache_tag, sys.version]
    digest.update(repr([machine, options, versions]).encode())
    return digest.hexdigest()[:16]


def prune(current: Path) -> None:
    """Remove the folders beside `current` that no process has used for `UNUSED` seconds."""
    for path in current.parent.iterdir():
        if path == current or path.is_symlink() or not re.fullmatch("[0-9a-f]{16}", path.name):
            continue
        try:
            if time.time() - path.stat().st_mtime > UNUSED:
                refuse_foreign(path)
                # Under another name first: nobody opens a folder that is half gone.
                shutil.rmtree(path.rename(path.with_suffix(f".old{os.getpid()}")))
        except OSError:  # in use on Windows, taken by another process, or not ours
            continue


def take_turn(mark: Path, stale: float) -> bool:
    """Whether this process made `mark`; one older than `stale` seconds is made anew."""
    try:
        if mark.exists() and time.time() - mark.stat().st_mtime > stale:
            mark.unlink()
        mark.touch(exist_ok=False)
    except OSError:
        return False
    return True
