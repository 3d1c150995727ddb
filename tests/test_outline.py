"""`python -m pyrite inspect` and `diff`: files are listed and compared, and nothing is run."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _checkpoints import zipped

import pyrite
from pyrite import nn, safetensors
from pyrite.__main__ import main
from pyrite._outline import Outline, entries, outline


def listed(path: Path) -> dict[str, tuple[Any, ...]]:
    """Dtype, shape and note of each tensor in a file."""
    return {name: (v.dtype, v.shape, v.note) for name, v in entries(outline(path))
            if isinstance(v, Outline)}  # fmt: skip


def state() -> dict[str, Any]:
    pyrite.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    return layers.state_dict()


def test_names_shapes_and_dtypes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = state()
    content = {"model": model, "epoch": 3, "rates": [0.1] * 9, "b": pyrite.zeros(2, 0).bfloat16()}
    pyrite.save(content | {"nested": [{"x": pyrite.ones(2).bool()}]}, tmp_path / "a.pth")
    assert main(["inspect", str(tmp_path / "a.pth")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(maxsplit=2) == ["model.0.weight", "float32", "(4, 3, 3, 3)"]
    assert [line.split() for line in lines[7:9]] == [
        ["epoch", "int", "3"],
        ["rates", "list", "(9)", "0.1,", "0.1,", "0.1,", "0.1,", "0.1,", "0.1,", "…"],
    ]
    assert lines[-1] == "9 tensors, 131 numbers, 522 bytes"
    found = listed(tmp_path / "a.pth")
    assert found["b"] == ("bfloat16", (2, 0), "")
    assert found["nested.0.x"] == ("bool", (2,), "")
    safetensors.save_file(model | {"b": content["b"]}, tmp_path / "a.safetensors", {"by": "me"})
    expected = {
        name.removeprefix("model."): row for name, row in found.items() if "nest" not in name
    }
    assert listed(tmp_path / "a.safetensors") == expected
    assert dict(entries(outline(tmp_path / "a.safetensors")))["__metadata__.by"] == "me"


def test_no_tensor_is_read(tmp_path: Path) -> None:
    """The members with their bytes may be gone."""
    raw = io.BytesIO()
    pyrite.save(state(), raw)
    with zipfile.ZipFile(raw) as archive:
        body = archive.read("archive/data.pkl")
    (tmp_path / "a.pth").write_bytes(zipped([("a/data.pkl", body)]).getvalue())
    assert listed(tmp_path / "a.pth")["0.weight"] == ("float32", (4, 3, 3, 3), "")


class Settings:
    """A class that a checkpoint holds."""

    def __init__(self, path: Path) -> None:
        self.path, self.rate = path, 0.5

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),), vars(self)


def test_whole_models_are_listed_and_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "made"
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    pyrite.save({"model": model, "settings": Settings(target)}, tmp_path / "a.pth")
    assert main(["inspect", str(tmp_path / "a.pth")]) == 0
    assert not target.exists()
    assert listed(tmp_path / "a.pth")["model.1.running_mean"] == ("float32", (2,), "")
    assert listed(tmp_path / "a.pth")["model.0.weight"] == ("float32", (2, 3), "parameter")
    assert "settings.rate" in capsys.readouterr().out


def test_files_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="writes files of its own kinds")
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Conv2d(1, 2, 3))
    kinds = {"f8": torch.zeros(3).to(torch.float8_e4m3fn), "s": torch.eye(3).to_sparse(),
             "u": torch.zeros(2, dtype=torch.uint16), "n": np.zeros((2, 3))}  # fmt: skip
    torch.save({"model": model, "more": kinds}, tmp_path / "a.pth")
    found = listed(tmp_path / "a.pth")
    assert found["model.1.bias"] == ("float32", (2,), "parameter")
    assert found["more.f8"][:2] == ("float8_e4m3fn", (3,))
    assert found["more.u"][:2] == ("uint16", (2,))
    assert found["more.s"] == ("float32", (3, 3), "sparse_coo")
    torch.save(model.state_dict(), tmp_path / "b", _use_new_zipfile_serialization=False)
    assert list(listed(tmp_path / "b")) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_differences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = state(), state()
    second["0.weight"] = second["0.weight"].double()
    second["0.weight"][0, 0, 0, 0] += 0.25
    first["1.bias"][:2] = second["1.bias"][:2] = float("nan")
    second["1.bias"][0] = 0
    second["1.weight"] = pyrite.ones(5)
    second["new"] = second.pop("0.bias")
    for name, content in (("a.pth", first), ("b.pth", second)):
        pyrite.save(content, tmp_path / name)
    files = [str(tmp_path / name) for name in ("a.pth", "b.pth")]
    assert main(["diff", *files]) == 1
    rows = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert "0.25, relative " in rows["0.weight"]
    assert rows["0.weight"].endswith("1 of 108 differ  float32 and float64")
    assert "inf, 1 of 4 differ" in rows["1.bias"]
    assert "shape (5,)" in rows["1.weight"]
    assert files[0] in rows["0.bias"]
    assert files[1] in rows["new"]
    assert rows["1.running_var"].split() == ["(4,)", "0"]
    assert main(["diff", files[0], files[0]]) == 0
    safetensors.save_file(first, tmp_path / "a.safetensors")
    assert main(["diff", files[0], str(tmp_path / "a.safetensors")]) == 0
    first["0.weight"] += 1e-4
    pyrite.save(first, files[1])
    assert main(["diff", *files, "--atol", "1e-3"]) == 0
    assert main(["diff", *files]) == 1
    assert "largest difference: 0.0001" in capsys.readouterr().out


def test_control_characters_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pyrite.save({"a\x1b[2J": pyrite.ones(1), "b": "\x07"}, tmp_path / "a.pth")
    assert main(["inspect", str(tmp_path / "a.pth")]) == 0
    assert not set(capsys.readouterr().out) & {"\x1b", "\x07"}


def nested(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value, value]
    return value


def test_hostile_files_end_soon(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop: list[Any] = []
    loop.append(loop)
    path = tmp_path / "a.pth"
    bodies = [pickle.dumps(value, 2) for value in (loop, {"x": nested(200)}, [b"x"] * 10_000)]
    bodies += [
        b"\x80\x02" + b"]" * 100 + b"a" * 99 + b".",
        b"\x80\x02cposix\nsystem\nU\x02ls\x85R.",
    ]
    for body in bodies:
        path.write_bytes(zipped([("a/data.pkl", body)]).getvalue())
        assert main(["inspect", str(path)]) == 0
    for raw in (b"", b"text", b"\x80\x02.", b"PK\x03\x04" + bytes(40)):
        path.write_bytes(raw)
        assert main(["inspect", str(path)]) == 2
        assert "a.pth" in capsys.readouterr().err
    assert main(["inspect", str(tmp_path / "none")]) == 2
    assert main(["diff", str(path), str(path)]) == 2


@pytest.mark.parametrize("kind", ["zip", "legacy", "safetensors"])
def test_changed_files_are_listed_or_refused(tmp_path: Path, kind: str) -> None:
    """200 mutations of each: an answer or an error of a known class, no code run, no hang."""
    path = tmp_path / ("a.safetensors" if kind == "safetensors" else "a.pth")
    if kind == "safetensors":
        safetensors.save_file(state(), path)
    elif kind == "zip":
        pyrite.save({"model": state(), "step": 3}, path)
    else:
        torch = pytest.importorskip("torch", reason="writes files of the older format")
        torch.save({"w": torch.ones(3)}, path, _use_new_zipfile_serialization=False)
    raw, draw = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(200):
        bad = bytearray(raw)
        for place in draw.integers(0, len(raw) if kind == "legacy" else 1500, 3):
            bad[min(place, len(raw) - 1)] = draw.integers(256)
        path.write_bytes(bytes(bad)[: draw.integers(1, len(raw)) if draw.random() < 0.2 else None])
        refused += main(["inspect", str(path)]) == 2
    assert 10 < refused < 200
