"""`python -m pyrite info` and `python -m pyrite examples DIR`."""

import subprocess
import sys
from pathlib import Path

import pytest

import pyrite
from pyrite.__main__ import main


def test_info_names_versions_and_backends(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    facts = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert facts["pyrite"].startswith(pyrite.__version__)
    assert facts["python"].startswith(sys.version.split()[0])
    assert facts["numpy"][0].isdigit()
    assert facts["threads"] == str(pyrite.get_num_threads())
    assert {"numba", "cupy", "ml_dtypes", "BLAS", "backend"} <= facts.keys()


def test_info_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "pyrite", "info"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "backend cpu  1 device" in done.stdout


def test_examples_are_copied_and_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "folder"
    assert main(["examples", str(folder)]) == 0
    digits = folder / "digits.py"
    original = digits.read_text(encoding="utf-8")
    assert (folder / "notebooks" / "01_first_hour.ipynb").is_file()
    assert not list(folder.rglob("__pycache__"))
    capsys.readouterr()

    digits.write_text("mine")
    assert main(["examples", str(folder)]) == 1
    error = capsys.readouterr().err
    assert str(digits) in error
    assert "--force" in error
    assert digits.read_text() == "mine"
    assert main(["examples", str(folder), "--force"]) == 0
    assert digits.read_text(encoding="utf-8") == original


def test_unknown_command_lists_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["inform"])
    assert caught.value.code == 2
    assert "info" in capsys.readouterr().err


def test_warmup_says_what_it_did(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(pyrite.backends, "warmup", lambda: (3, 1.25, tmp_path))
    assert main(["warmup"]) == 0
    assert capsys.readouterr().out == f"3 kernels in 1.2 s, cached in {tmp_path}\n"
