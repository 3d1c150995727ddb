"""Safetensors files: what is written and read back, alone and with the library of PyTorch."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _checkpoints import DTYPES, array, matches, tensor

import pyrite
from pyrite import safetensors


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the oracle here")


def test_safetensors_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    values = {kind: tensor((2, 3), kind) for kind in DTYPES if kind != "complex128"}
    values |= {"scalar": tensor(()), "empty": tensor((0, 3))}
    safetensors.save_file(values, path, {"note": "x"})
    for loaded in (safetensors.load_file(path), pyrite.load(path)):
        assert set(loaded) == set(values)
        for name, value in values.items():
            assert loaded[name].dtype is value.dtype
            assert loaded[name].shape == value.shape
            assert loaded[name].array.tobytes() == value.array.tobytes()
            assert loaded[name].array.flags.writeable


def test_safetensors_of_strided_tensors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    base = array((4, 6))
    values = {"t": base.T, "rows": array((6, 4))[::2], "row": np.broadcast_to(array((3,)), (2, 3))}
    safetensors.save_file({k: pyrite.from_numpy(v) for k, v in values.items() if k != "row"}, path)
    loaded = safetensors.load_file(path)
    for name, value in loaded.items():
        assert np.array_equal(value.numpy(), values[name])


def test_safetensors_ties(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    weight = tensor((64, 64))
    safetensors.save_file({"embed": weight, "other": tensor((2,)), "head": weight.detach()}, path)
    assert path.stat().st_size < 1.5 * weight.array.nbytes
    loaded = safetensors.load_file(path)
    assert loaded["head"] is loaded["embed"]
    flat = pyrite.from_numpy(weight.array[:2])
    with pytest.raises(RuntimeError, match="'flat' and 'whole'|'whole' and 'flat'"):
        safetensors.save_file({"whole": weight, "x": tensor((1,)), "flat": flat}, path)
    halves = {"a": weight.array[:32], "b": weight.array[32:]}
    safetensors.save_file({k: pyrite.from_numpy(v) for k, v in halves.items()}, path)
    assert np.array_equal(safetensors.load_file(path)["b"].numpy(), halves["b"])


def test_safetensors_errors(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(ValueError, match="expected a Tensor but received int"):
        safetensors.save_file({"x": 1}, path)  # type: ignore[dict-item]
    safetensors.save_file({"x": tensor((100,))}, path)
    raw = path.read_bytes()
    with pytest.raises(safetensors.SafetensorError):
        safetensors.save_file({"x": tensor((2,), "complex128")}, path)
    assert path.read_bytes() == raw
    assert os.listdir(tmp_path) == ["a.safetensors"]
    for i in range(20):
        path.write_bytes(raw[: len(raw) * i // 20])
        with pytest.raises(safetensors.SafetensorError, match="a.safetensors cannot be read"):
            safetensors.load_file(path)
    with pytest.raises(FileNotFoundError):
        safetensors.load_file(tmp_path / "none.safetensors")


def test_safetensors_both_ways(torch: Any, tmp_path: Path) -> None:
    theirs = pytest.importorskip("safetensors.torch")
    path = tmp_path / "a.safetensors"
    values = {"w": tensor((3, 2)).permute((1, 0)), "b": tensor((2,), "bfloat16")}
    safetensors.save_file(values, path)
    loaded = theirs.load_file(path)
    assert np.array_equal(loaded["w"].numpy(), values["w"].numpy())
    assert matches(values["b"], loaded["b"])
    model = torch.nn.Linear(2, 2)
    model.twin = model.weight
    theirs.save_model(model, str(path))
    ours = safetensors.load_file(path)
    assert set(ours) == {"weight", "bias", "twin"}
    assert ours["twin"] is ours["weight"]
