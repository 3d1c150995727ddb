"""Runs that are killed and resumed, or loaded by other workers, end bit-equal."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parent / "resume_program.py"


def _start(cache: Path | None, *options: str) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    if cache is not None:
        environment["PYRITE_CACHE_DIR"] = str(cache)
    command = [sys.executable, str(PROGRAM), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def _weights(cache: Path | None, *options: str) -> str:
    out, _ = _start(cache, *options).communicate(timeout=300)
    return next(line for line in out.splitlines() if line.startswith("weights"))


@functools.cache
def _uninterrupted() -> str:
    return _weights(None)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="the system has no SIGKILL")
@pytest.mark.parametrize("threads", ["1", "2"])
def test_killed_mid_epoch_and_resumed(tmp_path: Path, threads: str) -> None:
    """The first run starts with an empty kernel cache, the second finds it filled."""
    checkpoint, cache = tmp_path / "run.pt", tmp_path / "cache"
    options = ("--checkpoint", str(checkpoint), "--threads", threads)
    with _start(cache, *options) as first:
        assert first.stdout is not None
        for line in first.stdout:
            if line.split() == ["saved", "10"]:
                first.send_signal(signal.SIGKILL)
                break
    assert first.returncode == -signal.SIGKILL
    assert _weights(cache, *options) == _uninterrupted()


@pytest.mark.parametrize(
    "options",
    [
        ("--workers", "1"),
        ("--workers", "3"),
        ("--workers", "1", "--worker-type", "process"),
        ("--workers", "3", "--worker-type", "process"),
        ("--threads", "1"),
    ],
    ids=" ".join,
)
def test_workers_and_threads_change_nothing(options: tuple[str, ...]) -> None:
    assert _weights(None, *options) == _uninterrupted()
