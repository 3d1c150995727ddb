"""Checkpoints: what is written and read back, alone and with PyTorch."""

from __future__ import annotations

import collections
import io
import os
import pickle
import struct
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _checkpoints import DTYPES, array, edit, matches, same, saved, shares, tensor, through

import pyrite
from pyrite import _files

# ---- round trips


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (0, 3), (2, 1, 4)])
def test_dtypes_and_shapes(kind: str, shape: tuple[int, ...]) -> None:
    value = tensor(shape, kind)
    assert same(through(value), value)


def test_strides() -> None:
    base = array((4, 6))
    for part in (
        base.T,
        base[1:3],
        base[:, ::2],
        base[2:, 1:].T,
        base.T.reshape(2, 3, 4, order="F"),
    ):
        value = pyrite.from_numpy(part)
        loaded = through(value)
        assert same(loaded, value)
        assert loaded.storage_offset() == value.storage_offset()


def test_memory_with_gaps_is_saved_as_values() -> None:
    class Foreign:
        """An array interface without a NumPy array behind it, as other libraries export it."""

        def __init__(self, whole: np.ndarray[Any, Any]) -> None:
            part = whole[::2]
            self.whole = whole
            self.__array_interface__ = dict(part.__array_interface__, strides=part.strides)

    value = pyrite.from_numpy(np.asarray(Foreign(array((6, 2)))))
    loaded = through(value)
    assert loaded.is_contiguous()
    assert np.array_equal(loaded.numpy(), array((6, 2))[::2])


def test_shared_memory_is_written_once_and_shared_again() -> None:
    whole = tensor((64, 64))
    parts = {"whole": whole, "t": whole.permute((1, 0)), "again": whole}
    file = io.BytesIO()
    pyrite.save(parts, file)
    assert len(file.getvalue()) < 2 * whole.array.nbytes
    file.seek(0)
    loaded = pyrite.load(file)
    assert loaded["again"] is loaded["whole"]
    assert shares(loaded["t"], loaded["whole"])
    version = loaded["t"]._version
    loaded["whole"].mul_(2)
    assert loaded["t"]._version == version + 1
    assert np.array_equal(loaded["t"].numpy(), 2 * array((64, 64)).T)


def test_loaded_tensors_are_writable_and_apart() -> None:
    loaded = through([tensor((3,)), tensor((3,))])
    loaded[0].mul_(0)
    assert np.array_equal(loaded[1].numpy(), array((3,)))


def test_plain_data() -> None:
    value = {
        "dtype": pyrite.bfloat16,
        "device": pyrite.device("cpu"),
        "gpu": pyrite.device("cuda", 1),
        "size": pyrite.Size((2, 3)),
        "nested": [1, (2.5, None, True), {"a": {1, 2}, 3: frozenset({"x"})}],
        "bytes": (b"", b"\x00\xff", bytearray(b"ab")),
        "large": [2**31, -(2**70), 1e300, 1 + 2j],
        "text": "grüße \ud800",
        "counter": collections.Counter("abca"),
        "array": np.arange(6, dtype="<i4").reshape(2, 3).T,
        "scalars": [np.float64(1.5), np.int64(-3), np.bool_(True), np.float16(0.5)],
        "dtypes": [np.dtype("float32"), np.dtype(">u2")],
        ("tuple", 1): 2,
    }
    loaded = through(value)
    found, wanted = loaded.pop("array"), value.pop("array")
    assert found.dtype == wanted.dtype
    assert found.strides == wanted.strides
    assert np.array_equal(found, wanted)
    assert loaded == value
    assert [type(s) for s in loaded["scalars"]] == [type(s) for s in value["scalars"]]
    assert type(loaded["size"]) is pyrite.Size
    assert loaded["dtype"] is pyrite.bfloat16


def test_requires_grad_and_parameters() -> None:
    leaf = tensor((2,)).requires_grad_()
    weight = pyrite.nn.Parameter(tensor((2, 2)))
    weight.note = "kept"
    frozen = pyrite.nn.Parameter(tensor((2,)), requires_grad=False)
    loaded = through([leaf, weight, frozen, weight])
    assert loaded[0].requires_grad
    assert type(loaded[1]) is type(loaded[2]) is pyrite.nn.Parameter
    assert loaded[1].note == "kept"
    assert not loaded[2].requires_grad
    assert loaded[3] is loaded[1]


def test_state_dict_keeps_its_metadata() -> None:
    state = collections.OrderedDict(w=tensor((2,)))
    state._metadata = {"": {"version": 2}}  # type: ignore[attr-defined]
    assert through(state)._metadata == {"": {"version": 2}}


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_protocols(protocol: int) -> None:
    file = io.BytesIO()
    value = {"w": tensor((3,)), "s": {1}, "f": frozenset({2}), "b": b"x", "long": "y" * 300}
    pyrite.save(value, file, pickle_protocol=protocol)
    file.seek(0)
    loaded = pyrite.load(file)
    assert same(loaded.pop("w"), value.pop("w"))
    assert loaded == value


def test_same_bytes_for_same_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        pyrite.save({"w": tensor((5,))}, tmp_path / name / "model.pt")
    assert (tmp_path / "a/model.pt").read_bytes() == (tmp_path / "b/model.pt").read_bytes()


def test_storages_start_at_multiples_of_64(tmp_path: Path) -> None:
    path = tmp_path / "model.v1.pt"
    pyrite.save([tensor((n,)) for n in range(1, 20)], path)
    raw = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            name, extra = struct.unpack("<26x2H", raw[info.header_offset :][:30])
            assert (info.header_offset + 30 + name + extra) % 64 == 0
            assert info.filename.startswith("model.v1/")


def test_plain_pickle_and_a_second_dtype_on_one_memory() -> None:
    value = tensor((4,))
    other = pyrite.from_numpy(value.array.view(np.int32))
    with pytest.raises(RuntimeError, match="view the same data as different types"):
        pyrite.save([value, other], io.BytesIO())


def test_arguments() -> None:
    with pytest.raises(AttributeError, match="'write' attribute"):
        pyrite.save(1, 3)
    with pytest.raises(ValueError, match="zip format"):
        pyrite.save(1, io.BytesIO(), _use_new_zipfile_serialization=False)
    with pytest.raises(RuntimeError, match="pickle_module"):
        pyrite.load(io.BytesIO(), pickle_module=pickle, weights_only=True)
    with pytest.raises(ValueError, match="file path"):
        pyrite.load(io.BytesIO(), mmap=True)


# ---- files


def test_a_file_that_cannot_seek() -> None:
    class Pipe(io.RawIOBase):
        def tell(self) -> int:
            raise io.UnsupportedOperation("underlying stream is not seekable")

    with pytest.raises(io.UnsupportedOperation, match="BytesIO"):
        pyrite.load(Pipe())


def test_writes_to_a_file_that_cannot_seek() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.kept = bytearray()

        def write(self, data: Any) -> int:
            self.kept += data
            return len(data)

    pipe = Pipe()
    pyrite.save({"w": tensor((3,))}, pipe)  # type: ignore[arg-type]
    assert same(pyrite.load(io.BytesIO(bytes(pipe.kept)))["w"], tensor((3,)))


def test_mmap(tmp_path: Path) -> None:
    path = tmp_path / "big.pt"
    pyrite.save({"w": tensor((100,)), "e": tensor((0,)), "t": tensor((3, 4)).permute((1, 0))}, path)
    before = path.read_bytes()
    loaded = pyrite.load(path, mmap=True)
    assert same(loaded["w"], tensor((100,)))
    assert same(loaded["t"], tensor((3, 4)).permute((1, 0)))
    loaded["w"].mul_(2)
    del loaded
    assert path.read_bytes() == before


def test_map_location(tmp_path: Path) -> None:
    seen = []

    def place(storage: Any, location: str) -> Any:
        seen.append(location)
        return storage

    path = tmp_path / "gpu.pt"
    pyrite.save(tensor((2,)), path)
    # The same file as a GPU would have written it: the location is a string in the pickle.
    raw = edit(
        path.read_bytes(),
        "data.pkl",
        lambda p: p.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:7"),
    )
    for location in ("cpu", pyrite.device("cpu"), {"cuda:7": "cpu"}, place):
        assert same(pyrite.load(io.BytesIO(raw), location), tensor((2,)))
    assert seen == ["cuda:7"]
    if not pyrite.backends.available("cuda"):
        for location in (None, {}, lambda *_: None, lambda s, _: s.cuda(1)):
            with pytest.raises(RuntimeError, match="not available here; load it with map_location"):
                pyrite.load(io.BytesIO(raw), location)


def test_atomic_write_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pt"
    pyrite.save("old", path)
    path.chmod(0o640)

    class Bad:
        def __reduce__(self) -> Any:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pyrite.save([tensor((1000,)), Bad()], path)
    for stage in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(_files.os, stage, lambda *_: (_ for _ in ()).throw(OSError("disk full")))
            with pytest.raises(OSError, match="disk full"):
                pyrite.save("new", path)
        assert pyrite.load(path) == "old"
        assert os.listdir(tmp_path) == ["model.pt"]
    pyrite.save("new", path)
    assert pyrite.load(path) == "new"
    assert path.stat().st_mode & 0o777 == 0o640 or os.name == "nt"


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
def test_links_devices_and_missing_folders(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "latest.pt"
    link.symlink_to(tmp_path / "real" / "epoch1.pt")
    pyrite.save(1, link)
    assert link.is_symlink()
    assert pyrite.load(tmp_path / "real" / "epoch1.pt") == 1
    pyrite.save(1, "/dev/null")
    assert not Path("/dev/null").is_file()
    with pytest.raises(RuntimeError, match="Parent directory .* does not exist"):
        pyrite.save(1, tmp_path / "none" / "a.pt")


def test_readers_see_a_whole_file_at_all_times(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    pyrite.save("old", path)
    with _files.atomic_write(path) as file:
        file.write(b"half")
        file.flush()
        assert pyrite.load(path) == "old"
        file.seek(0)
        file.truncate()
        file.write(saved("new"))
    assert pyrite.load(path) == "new"


# ---- PyTorch's files


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the oracle here")


@pytest.mark.parametrize("kind", DTYPES)
def test_torch_reads_ours(torch: Any, kind: str, tmp_path: Path) -> None:
    base = tensor((4, 6), kind)
    values = [base, base.permute((1, 0)), tensor((), kind), tensor((0, 2), kind)]
    pyrite.save(values, tmp_path / "a.pt")
    loaded = torch.load(tmp_path / "a.pt", weights_only=True)
    assert all(matches(ours, theirs) for ours, theirs in zip(values, loaded, strict=True))
    assert loaded[0].untyped_storage().data_ptr() == loaded[1].untyped_storage().data_ptr()
    loaded = torch.load(tmp_path / "a.pt", weights_only=True, mmap=True)
    assert matches(values[0], loaded[0])


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", DTYPES)
def test_we_read_torchs(torch: Any, kind: str, zipped: bool) -> None:
    base = (torch.arange(24) % 7).reshape(4, 6).to(getattr(torch, kind))
    values = [base, base.t()[1:], base[2], base[0, 0], base[:0], base[:, ::2], base.expand(2, 4, 6)]
    file = io.BytesIO()
    torch.save(values, file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    loaded = pyrite.load(file)
    assert all(matches(ours, theirs) for ours, theirs in zip(loaded, values, strict=True))
    assert shares(loaded[0], loaded[1])


def plain(namespace: Any) -> dict[Any, Any]:
    return {
        "size": namespace.Size((1, 2)),
        "dtype": namespace.float16,
        "device": namespace.device("cpu"),
        "gpu": namespace.device("cuda", 1),
        "nested": [1, (2, None), {"a": {1, 2}}, collections.OrderedDict(x=1.5)],
        "bytes": [b"\xff", bytearray(b"a")],
        "complex": 1 + 2j,
        3: "text",
    }


def test_plain_data_both_ways(torch: Any) -> None:
    file = io.BytesIO()
    torch.save(plain(torch), file)
    file.seek(0)
    assert pyrite.load(file) == plain(pyrite)
    assert torch.load(io.BytesIO(saved(plain(pyrite))), weights_only=True) == plain(torch)


def test_parameters_and_subclasses_both_ways(torch: Any) -> None:
    weight = torch.nn.Parameter(torch.ones(2, dtype=torch.bfloat16))
    buffer = torch.nn.Buffer(torch.ones(3))
    file = io.BytesIO()
    torch.save([weight, weight, buffer], file)
    file.seek(0)
    loaded = pyrite.load(file)
    assert type(loaded[0]) is pyrite.nn.Parameter
    assert loaded[0] is loaded[1]
    assert matches(loaded[0], weight)
    assert matches(loaded[2], buffer)
    ours = [pyrite.nn.Parameter(tensor((2,))), tensor((2,)).requires_grad_()]
    theirs = torch.load(io.BytesIO(saved(ours)), weights_only=True)
    assert type(theirs[0]) is torch.nn.Parameter
    assert all(matches(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("zipped", [True, False])
def test_a_training_checkpoint_of_torch(torch: Any, zipped: bool) -> None:
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.ones(2, 1, 4, 4)).sum().backward()
    optimizer.step()
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "best": np.float64(0.5),
        "history": np.arange(3.0),
        "rng": torch.get_rng_state(),
    }
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    file.seek(0)
    loaded = pyrite.load(file)
    assert list(loaded["model"]) == list(state["model"])
    assert loaded["model"]._metadata == state["model"]._metadata
    assert all(matches(loaded["model"][k], v) for k, v in state["model"].items())
    assert matches(
        loaded["optimizer"]["state"][0]["exp_avg"], optimizer.state_dict()["state"][0]["exp_avg"]
    )
    assert loaded["optimizer"]["param_groups"] == state["optimizer"]["param_groups"]
    assert loaded["epoch"] == 3
    assert loaded["best"] == 0.5
    assert np.array_equal(loaded["history"], state["history"])
    assert matches(loaded["rng"], state["rng"])
    back = torch.load(io.BytesIO(saved(loaded["model"])), weights_only=True)
    model.load_state_dict(back)
    assert all(torch.equal(back[k], v) for k, v in state["model"].items())


def test_a_whole_model_of_torch_is_refused_with_advice(torch: Any) -> None:
    file = io.BytesIO()
    torch.save(torch.nn.Linear(2, 2), file)
    for options in ({}, {"weights_only": False}):
        file.seek(0)
        with pytest.raises(
            pickle.UnpicklingError, match=r"torch.nn.modules.linear.Linear.*state_dict"
        ):
            pyrite.load(file, **options)


def test_other_byte_order(torch: Any) -> None:
    from torch.serialization import set_default_load_endianness

    value = {
        "f": torch.arange(4.0),
        "b": torch.ones(2, dtype=torch.bfloat16),
        "c": torch.ones(2) * 1j,
    }
    file = io.BytesIO()
    torch.save(value, file)
    swapped = edit(
        file.getvalue(), "byteorder", lambda _: b"big" if sys.byteorder == "little" else b"little"
    )
    for key, width in (("0", 4), ("1", 2), ("2", 4)):
        swapped = edit(
            swapped,
            f"data/{key}",
            lambda d, w=width: np.frombuffer(d, f"u{w}").byteswap().tobytes(),
        )
    loaded = pyrite.load(io.BytesIO(swapped))
    assert set_default_load_endianness is not None
    assert all(matches(loaded[k], v) for k, v in value.items())
