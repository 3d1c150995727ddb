"""Files from the internet: several addresses, resumed where a connection broke off, checked.

A download grows in `NAME.part` beside its place, is compared with its checksum, synced to the disk,
and renamed. pooch does the talking, with a progress bar on standard error.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from ._files import sync_folder

fcntl: Any
try:
    import fcntl
except ImportError:  # Windows: processes that fetch one file at one time are on their own
    fcntl = None

_TRIES = 5  # of an address whose connection breaks off after some bytes
_TIMEOUT = 30  # seconds without a byte
_CHUNK = 1 << 14  # bytes written at a time; where a connection breaks off, part of one is lost


def digest(path: str | os.PathLike[str], algorithm: str = "md5") -> str:
    """The hexadecimal checksum of a file; `algorithm` is one of hashlib's."""
    with open(path, "rb") as file:
        made = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return made.hexdigest()


def mismatch(path: str | os.PathLike[str], checksum: str | None) -> str | None:
    """What is wrong with a file, None if nothing.

    Args:
        path: the file.
        checksum: "md5:..." or "sha256:..."; the first digits are enough. None: not checked.
    """
    if not os.path.isfile(path):
        return "the file is missing" + f" (expected {checksum})" * bool(checksum)
    if not checksum:
        return None
    algorithm, _, wanted = checksum.partition(":")
    found = digest(path, algorithm)
    return None if found.startswith(wanted) else f"expected {checksum}, got {algorithm}:{found}"


def fetch(
    urls: Sequence[str], path: str | os.PathLike[str], checksum: str | None = None,
    progress: bool = True,
) -> Path:  # fmt: skip
    """The file at `path`, downloaded unless it is there already.

    Args:
        urls: addresses of the file, tried in turn.
        path: where it goes; its folder is made.
        checksum: as for `mismatch`. Without one, a broken download starts anew.
        progress: show a progress bar.

    Raises:
        ImportError: pooch is not installed.
        RuntimeError: no address gave the file; says why, for each.
    """
    path = Path(path)
    if mismatch(path, checksum) is None:
        return path
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            f"downloading {path.name} needs pooch: pip install 'pyrite[download]', or download "
            f"{urls[0]} by other means and put it at {path}"
        ) from error
    path.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    with _alone(path):
        if mismatch(path, checksum) is None:
            return path
        for url in urls:
            reason = _from_address(pooch, url, path, checksum, progress)
            if reason is None:
                return path
            reasons.append(f"\n  {url}: {reason}")
    expected = f" ({checksum})" if checksum else ""
    raise RuntimeError(
        f"{path}{expected} could not be downloaded:{''.join(reasons)}\nTry again (what came is "
        "kept and resumed), or download it by other means and put it there"
    )


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits while another process fetches the same file."""
    if fcntl is None:
        yield
        return
    lock = path.with_name(f".{path.name}.lock")
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
        lock.unlink(missing_ok=True)  # who still waits for it will find the file


def _from_address(
    pooch: ModuleType, url: str, path: Path, checksum: str | None, progress: bool
) -> str | None:
    """Downloads from one address; returns why it could not, None if it could."""
    part = path.with_name(f"{path.name}.part")
    reason: str | None = None
    for _ in range(_TRIES):
        if not checksum:  # nothing would tell that the file has changed meanwhile
            part.unlink(missing_ok=True)
        had = part.stat().st_size if part.exists() else 0
        try:
            _append(pooch, url, part, had, progress)
        except OSError as error:  # all errors of connections are
            reason = str(error)
            answer = getattr(error, "response", None)
            if had and answer is not None and answer.status_code == 416 and checksum:
                pass  # there are no more bytes: the file is whole, or another one
            elif part.exists() and part.stat().st_size > had:
                continue
            else:
                return reason
        reason = mismatch(part, checksum)
        if reason is None:
            os.replace(part, path)
            sync_folder(path.parent)
            return None
        part.unlink()
        if not had:
            return reason
    return reason


def _append(pooch: ModuleType, url: str, part: Path, had: int, progress: bool) -> None:
    """Downloads what comes after `had` bytes, or all where the server knows no parts."""
    with open(part, "ab") as file:

        def begin(response: Any, **_: Any) -> None:
            if response.status_code == 200:
                file.truncate(0)

        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {})
        get = pooch.HTTPDownloader(
            progressbar=progress, chunk_size=_CHUNK, headers=headers,
            hooks={"response": begin}, timeout=_TIMEOUT,
        )  # fmt: skip
        get(url, file, None)
        file.flush()
        os.fsync(file.fileno())
