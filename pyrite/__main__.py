"""The command line: `python -m pyrite info`, `ops`, `port`, `inspect` and others."""

from __future__ import annotations

import argparse
import platform
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from . import __doc__ as _SUMMARY
from . import __version__, _outline, _port, backends, get_num_threads
from ._exports import rows

_PACKAGE = Path(__file__).parent
_LIBRARIES = ("numpy", "numba", "ml_dtypes", "pillow", "safetensors", "tqdm")
_CUPY = ("cupy-cuda12x", "cupy-cuda13x", "cupy")
_CLUTTER = {"__pycache__", ".ipynb_checkpoints"}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the process's exit status."""
    parser = argparse.ArgumentParser(prog="python -m pyrite", description=_SUMMARY)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for add in (
        _add_info,
        _add_ops,
        _add_examples,
        _port.add_command,
        _outline.add_commands,
        _add_warmup,
    ):
        add(commands)
    arguments = parser.parse_args(argv)
    status: int = arguments.run(arguments)
    return status


def _add_info(commands: Any) -> None:
    command = commands.add_parser("info", help="print versions, backends, threads, BLAS and GPU")
    command.set_defaults(run=_info)


def _info(arguments: argparse.Namespace) -> int:
    for name, value in _facts():
        print(f"{name:<12} {value}")
    return 0


def _facts() -> Iterator[tuple[str, str]]:
    yield "pyrite", f"{__version__} ({_PACKAGE})"
    yield "python", f"{platform.python_version()} on {platform.platform()}"
    for name in _LIBRARIES:
        yield name, _version(name) or "not installed"
    cupy = [f"{_version(name)} ({name})" for name in _CUPY if _version(name)]
    yield "cupy", ", ".join(cupy) or "not installed (extras cuda12 and cuda13)"
    for name in backends.names():
        yield f"backend {name}"[:12], _backend(name)
    yield "threads", str(get_num_threads())
    yield "BLAS", _blas()


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _backend(name: str) -> str:
    """Whether a backend serves here: its devices, or why not."""
    try:
        backend = backends.get(name)
    except (ImportError, RuntimeError) as error:
        return f"not available: {error}"
    count = backend.device_count()
    memory = "".join(f", {key} {size} B" for key, size in backend.memory_stats().items())
    return f"{count} device{'' if count == 1 else 's'}{memory}"


def _blas() -> str:
    config = backends.get("cpu").xp.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    return f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip()


def _add_ops(commands: Any) -> None:
    command = commands.add_parser("ops", help="print the functions on tensors as a table")
    command.add_argument("words", metavar="WORD", nargs="*", help="rows that hold all of these")
    command.set_defaults(run=_ops)


def _ops(arguments: argparse.Namespace) -> int:
    print("| names | kind | derivative | what |", "|---|---|---|---|", sep="\n")
    for line in [f"| {' | '.join(row)} |" for row in rows()]:
        if all(word in line for word in arguments.words):
            print(line)
    return 0


def _add_examples(commands: Any) -> None:
    command = commands.add_parser("examples", help="copy examples and notebooks into a folder")
    command.add_argument("folder", metavar="DIR", type=Path, help="made where it does not exist")
    command.add_argument("--force", action="store_true", help="overwrite files that are there")
    command.set_defaults(run=_examples)


def _examples(arguments: argparse.Namespace) -> int:
    source = _examples_folder()
    files = [path.relative_to(source) for path in sorted(source.rglob("*")) if path.is_file()]
    pairs = [(source / f, arguments.folder / f) for f in files if not _CLUTTER & set(f.parts)]
    taken = [str(target) for _, target in pairs if target.exists()]
    if taken and not arguments.force:
        print(
            f"nothing copied: {', '.join(taken)} would be overwritten; "
            "give an empty folder, or --force",
            file=sys.stderr,
        )
        return 1
    for path, target in pairs:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        print(target)
    return 0


def _examples_folder() -> Path:
    """Where the examples lie: in the installed package, or beside it in a checkout."""
    packed = _PACKAGE / "_examples"
    return packed if packed.is_dir() else _PACKAGE.parent / "examples"


def _add_warmup(commands: Any) -> None:
    command = commands.add_parser("warmup", help="compile all CPU kernels into the user's cache")
    command.set_defaults(run=_warmup)


def _warmup(arguments: argparse.Namespace) -> int:
    try:
        count, seconds, folder = backends.warmup()
    except ImportError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count} kernels in {seconds:.1f} s, cached in {folder or 'no folder'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
