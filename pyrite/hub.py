"""States from the internet, kept in a folder, by torch.hub's names.

The folder is `$PYRITE_HOME/hub`, by default `~/.cache/pyrite/hub` (or below `$XDG_CACHE_HOME`);
files lie in its `checkpoints`. A file that torch downloaded before is used where it lies.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from ._download import fetch, mismatch
from .serialization import load

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

Place = str | os.PathLike[str]
_folder: str | None = None


def get_dir() -> str:
    """The folder for downloads: what `set_dir` said, or the default that the module names."""
    return str(_home("PYRITE_HOME", "pyrite") / "hub") if _folder is None else _folder


def set_dir(d: Place) -> None:
    """Let downloads go to another folder, in this process."""
    global _folder
    _folder = os.path.expanduser(d)


def _home(variable: str, name: str) -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get(variable) or f"{cache}/{name}").expanduser()


def download_url_to_file(
    url: str, dst: Place, hash_prefix: str | None = None, progress: bool = True
) -> None:
    """Download a file, with a progress bar.

    A file that is there already is kept if it has the checksum; without a checksum it is
    downloaded anew.

    Args:
        url: its address.
        dst: where it goes, a path with the file's name.
        hash_prefix: the first digits of its SHA-256 checksum. With it, a download that breaks
            off is resumed.
        progress: show the bar, on standard error.

    Raises:
        ImportError: pooch is not installed.
        RuntimeError: the file cannot be had, or has another checksum.
    """
    path = Path(dst).expanduser()
    if not hash_prefix:
        path.unlink(missing_ok=True)
    fetch([url], path, hash_prefix and f"sha256:{hash_prefix}", progress)


def load_state_dict_from_url(
    url: str, model_dir: Place | None = None, map_location: Any = None, progress: bool = True,
    check_hash: bool = False, file_name: str | None = None, weights_only: bool = True,
) -> dict[str, Any]:  # fmt: skip
    """Load what `save` wrote from the hub folder, or download it there first.

    Args:
        url: its address.
        model_dir: another folder; None: `checkpoints` in `get_dir()`.
        map_location: where tensors go, as for `load`.
        progress: show a progress bar.
        check_hash: the file's name is `NAME-DIGITS.EXT`; compare the digits with the first of its
            SHA-256 checksum.
        file_name: the name in the folder; None: the last part of the address.
        weights_only: run nothing of the file's, as for `load`.

    Raises:
        ImportError: it has to be downloaded, and pooch is not installed.
        RuntimeError: the file cannot be had, is damaged, or has another checksum.
    """
    name = file_name or os.path.basename(urlparse(url).path)
    digits = re.search(r"-([0-9a-f]+)\.", name) if check_hash else None
    checksum = f"sha256:{digits[1]}" if digits else None
    path = Path(get_dir() if model_dir is None else model_dir).expanduser()
    path = path / name if model_dir is not None else path / "checkpoints" / name
    torch_s = _home("TORCH_HOME", "torch") / "hub" / "checkpoints" / name
    if model_dir is None and checksum and not path.exists() and not mismatch(torch_s, checksum):
        path = torch_s
    return load(fetch([url], path, checksum, progress), map_location, weights_only=weights_only)
