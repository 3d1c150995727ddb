"""Downloads, checksums and archives, by torchvision's names."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, Any

from ..._download import digest, fetch, mismatch
from ..._files import atomic_write

Place = str | os.PathLike[str]
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tbz2", ".tar.xz")
_OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_DAMAGE = (EOFError, OSError, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile, zlib.error)


def calculate_md5(fpath: Place, chunk_size: int = 1 << 20) -> str:
    """The MD5 checksum of a file, in hexadecimal digits; `chunk_size` is of no effect."""
    return digest(fpath)


def check_md5(fpath: Place, md5: str, **kwargs: Any) -> bool:
    """Whether a file has this MD5 checksum."""
    return calculate_md5(fpath, **kwargs) == md5


def check_integrity(fpath: Place, md5: str | None = None) -> bool:
    """Whether the file is there and has the checksum, if one is given."""
    return mismatch(fpath, md5 and f"md5:{md5}") is None


def download_url(
    url: str, root: Place, filename: Place | None = None, md5: str | None = None,
    max_redirect_hops: int = 3,
) -> None:  # fmt: skip
    """Download a file into the folder `root`, unless it is there with this checksum.

    A download that breaks off is resumed, if there is a checksum. `filename` is by default the
    last part of the address; `max_redirect_hops` is of no effect.

    Raises:
        ImportError: pooch is not installed.
        RuntimeError: the file cannot be had, or is another one than `md5` says.
    """
    name = filename or os.path.basename(url)
    fetch([url], Path(root).expanduser() / name, md5 and f"md5:{md5}")


def extract_archive(
    from_path: Place, to_path: Place | None = None, remove_finished: bool = False
) -> Place:
    """Unpack a tar or zip archive, or a single file that ends in .gz, .bz2 or .xz.

    The files are unpacked beside their place and renamed when all are there.

    Args:
        from_path: the archive.
        to_path: the folder for its files; None: that of the archive.
        remove_finished: remove the archive afterwards.

    Returns:
        The folder, or the path of the single file.

    Raises:
        RuntimeError: the archive is damaged, or of another kind.
    """
    source = Path(from_path)
    folder = source.parent if to_path is None else Path(to_path)
    try:
        done = _unpacked(source, folder)
    except _DAMAGE as error:
        raise RuntimeError(
            f"{source} cannot be unpacked ({error}): remove it and get it again"
        ) from error
    if remove_finished:
        source.unlink()
    return os.fspath(done) if isinstance(from_path, str) else done


def _unpacked(source: Path, folder: Path) -> Path:
    if source.suffix in _OPENERS and not source.name.endswith(_TARS):
        target = folder / source.stem
        stream: IO[bytes]
        with _OPENERS[source.suffix](source) as stream, atomic_write(target) as file:
            shutil.copyfileobj(stream, file, 1 << 20)
        return target
    if not source.name.endswith((*_TARS, ".zip")):
        raise RuntimeError(f"{source} is no archive that is known by its ending")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pyrite-", dir=folder) as beside:
        if source.suffix == ".zip":
            with zipfile.ZipFile(source) as packed:
                packed.extractall(beside)
        else:
            with tarfile.open(source) as archive:
                archive.extractall(beside, filter="data")
        if hasattr(os, "sync"):
            os.sync()
        _move(Path(beside), folder)
    return folder


def _move(source: Path, target: Path) -> None:
    """What a folder holds becomes part of another; files of equal names are replaced."""
    for path in source.iterdir():
        place = target / path.name
        if path.is_dir() and place.is_dir():
            _move(path, place)
        else:
            os.replace(path, place)


def download_and_extract_archive(
    url: str, download_root: Place, extract_root: Place | None = None,
    filename: Place | None = None, md5: str | None = None, remove_finished: bool = False,
) -> None:  # fmt: skip
    """`download_url` and `extract_archive`, by default into one folder."""
    folder = Path(download_root).expanduser()
    name = filename or os.path.basename(url)
    download_url(url, folder, name, md5)
    extract_archive(folder / name, extract_root or folder, remove_finished)


def verify_str_arg(
    value: Any, arg: str | None = None, valid_values: Iterable[str] | None = None,
    custom_msg: str | None = None,
) -> str:  # fmt: skip
    """The value; ValueError unless it is a string, and one of `valid_values` if they are given."""
    of = "" if arg is None else f" for argument {arg}"
    if not isinstance(value, str):
        raise ValueError(f"Expected type str{of}, but got type {type(value)}.")
    if valid_values is not None and value not in (known := tuple(valid_values)):
        names = "', '".join(known)
        default = f"Unknown value '{value}'{of}. Valid values are {{'{names}'}}."
        raise ValueError(custom_msg or default)
    return value
