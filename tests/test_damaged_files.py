"""Checkpoints that are cut short, changed, hostile, or none at all."""

from __future__ import annotations

import collections
import io
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _checkpoints import checkpoint, edit, same, saved, tensor, through, zipped

import pyrite
from pyrite import safetensors
from pyrite.serialization import (
    add_safe_globals,
    clear_safe_globals,
    get_safe_globals,
    safe_globals,
)


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is the oracle here")


# ---- damage


def test_truncated_files(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    raw = saved(checkpoint())
    for i in range(20):
        path.write_bytes(raw[: len(raw) * i // 20])
        with pytest.raises(RuntimeError, match="model.pt is (empty|damaged|no checkpoint)"):
            pyrite.load(path)
        with pytest.raises(RuntimeError, match="is (empty|damaged|no checkpoint)"):
            pyrite.load(path, mmap=True, weights_only=False)


def test_flipped_bytes() -> None:
    """Each flip is reported, or is in bytes that mean nothing (padding, dates, ids)."""
    raw, wanted = saved(checkpoint()), checkpoint()
    harmless = 0
    for i in range(0, len(raw), 3):
        bad = bytearray(raw)
        bad[i] ^= 0x41
        try:
            loaded = pyrite.load(io.BytesIO(bytes(bad)))
        except (RuntimeError, pickle.UnpicklingError):
            continue
        harmless += 1
        assert loaded["step"] == 3
        assert same(loaded["w"], wanted["w"])
        assert same(loaded["b"], wanted["b"])
    assert harmless < len(raw) / 3


def test_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    cases = {
        b"": "is empty",
        b"hello, world, this is text": "starts with b'hello",
        pickle.dumps([1, 2, 3]): "no checkpoint",
        safetensors.save({"w": tensor((2,))}): "safetensors.load_file",
    }
    for raw, message in cases.items():
        path.write_bytes(raw)
        with pytest.raises(RuntimeError, match=f"x.pt .*{message}"):
            pyrite.load(path)
    with pytest.raises(FileNotFoundError):
        pyrite.load(tmp_path / "none.pt")


def test_wrong_archives() -> None:
    body = pickle.dumps(1, 2)
    cases = [
        (zipped([("a.txt", b"x")]), "holds 0 files"),
        (zipped([("a/data.pkl", body), ("b/data.pkl", body)]), "holds 2 files"),
        (zipped([("a/data.pkl", body), ("a/data.pkl", body)]), "one name"),
        (zipped([("a/data.pkl", body)], zipfile.ZIP_DEFLATED), "compressed"),
        (zipped([("a/data.pkl", body), ("a/constants.pkl", b"")]), "TorchScript"),
    ]
    for file, message in cases:
        with pytest.raises(RuntimeError, match=message):
            pyrite.load(file)


def test_sizes_are_checked_before_memory_is_taken() -> None:
    raw = saved(tensor((8,)))
    for change, message in (
        (None, "no member 'data/0'"),
        (b"123", "3 bytes"),
        (bytes(64), "64 bytes"),
    ):
        with pytest.raises(RuntimeError, match=message):
            pyrite.load(io.BytesIO(edit(raw, "data/0", lambda _, new=change: new)))
    # A member that claims 2**62 bytes, in the table of contents.
    claim = bytearray(raw)
    entry = claim.rindex(b"PK\x01\x02", 0, claim.rindex(b"data/0"))
    claim[entry + 20 : entry + 28] = b"\xfe\xff\xff\x7f" * 2
    with pytest.raises(RuntimeError, match="members claim"):
        pyrite.load(io.BytesIO(bytes(claim)))


# ---- hostile pickles


def hostile(pickled: bytes, **options: Any) -> Any:
    members = [("x/data.pkl", pickled), ("x/data/0", bytes(16)), ("x/byteorder", b"little")]
    return pyrite.load(zipped(members), **options)


class Call:
    """Pickles as a call of `function`."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


class Allowed:
    """A user's class, with state."""

    def __init__(self) -> None:
        self.value = 1


class AllowedDict(dict):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
def test_code_is_refused_by_name(protocol: int, tmp_path: Path) -> None:
    target = tmp_path / "touched"
    for function, args in (
        (os.mkdir, (str(target),)),
        (eval, ("1",)),
        (getattr, (1, "real")),
        (type, ("X", (), {})),
        (__import__, ("os",)),
        (np.fromfile, (str(target),)),
        (pyrite.load, (str(target),)),
    ):
        with pytest.raises((pickle.UnpicklingError, RuntimeError)) as caught:
            hostile(pickle.dumps([Call(function, *args)], protocol))
        if protocol >= 2:
            assert caught.type is pickle.UnpicklingError
            assert f"{function.__name__}'" in str(caught.value)
            assert "nothing was run" in str(caught.value)
            assert "add_safe_globals" in str(caught.value)
    assert not target.exists()


STORAGE = (
    b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n"
    b"X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK%ctQ"
)


def tensor_pickle(numel: int, offset: str, size: str, stride: str) -> bytes:
    """A pickle of one tensor with made-up numbers, written in the text forms of opcodes."""

    def number(text: str) -> bytes:
        n = int(text)
        data = n.to_bytes(16, "little", signed=True)
        return b"\x8a\x10" + data

    def numbers(text: str) -> bytes:
        return b"(" + b"".join(number(t) for t in text.split()) + b"t"

    return (
        b"\x80\x02"
        + STORAGE.replace(b"%c", bytes([numel]))
        + number(offset) + numbers(size) + numbers(stride) + b"\x89}tR."
    )  # fmt: skip


def test_made_up_tensors_work_when_true() -> None:
    assert hostile(tensor_pickle(4, "1", "3", "1")).shape == (3,)
    assert hostile(tensor_pickle(4, "0", "1000000", "0")).shape == (1000000,)


@pytest.mark.parametrize(
    ("numel", "offset", "size", "stride"),
    [
        (4, "0", "5", "1"),
        (4, "1", "4", "1"),
        (4, "-1", "2", "1"),
        (4, "0", "2 2", "1 3"),
        (4, "3", "2", "-1"),
        (4, "0", "-2 -2", "1 1"),
        (4, "0", "2", "1 1"),
        (4, "0", "2 9223372036854775807", "9223372036854775807 1"),
        (4, "9223372036854775808", "1", "1"),
        (4, "0", "4611686018427387904 4611686018427387904", "0 0"),
        (4, "0", "1 " * 70, "1 " * 70),
        (5, "0", "1", "1"),
        (3, "0", "1", "1"),
    ],
)
def test_tensors_outside_their_storage(numel: int, offset: str, size: str, stride: str) -> None:
    with pytest.raises(RuntimeError, match="damaged"):
        hostile(tensor_pickle(numel, offset, size, stride))


def test_hostile_opcodes() -> None:
    deep = b"\x80\x02}" + b")" + b"\x85" * 300_000 + b"K\x01s."
    ordered = b"\x80\x02ccollections\nOrderedDict\n."
    rebuild = b"ctorch._utils\n_rebuild_tensor_v2\n"
    cases = {
        "nested tuples": deep,
        "nested tuples in a set": b"\x80\x02c__builtin__\nset\n(](" + deep[3:-3] + b"etR.",
        "a size to allocate": b"\x80\x05\x96" + b"\xff" * 7 + b"\x3f.",
        "a size of a bytearray": b"\x80\x02c__builtin__\nbytearray\nJ\xff\xff\xff\x7f\x85R.",
        "a memo index": b"\x80\x02Nr\xff\xff\xff\xff0j\x01\x00\x00\x00.",
        "state for a function": b"\x80\x02" + rebuild + b"N}X\x05\x00\x00\x00buildK\x01s\x86b.",
        "state for a class": ordered[:-1] + b"}X\x01\x00\x00\x00aK\x01sb.",
        "state for a tensor": tensor_pickle(4, "0", "1", "1")[:-1]
        + b"N}X\x05\x00\x00\x00arrayK\x01s\x86b.",
        "state over a method": ordered[:-1] + b")R}X\x05\x00\x00\x00itemsK\x01sb.",
        "a new object": ordered[:-1] + b")\x81.",
        "a call of an instance": b"\x80\x02ccollections\nCounter\n)R)R.",
        "a call of a type that is a value": b"\x80\x02ctorch\nTensor\nK\x01\x85R.",
        "a call of a dtype": b"\x80\x02ctorch\nfloat32\n)R.",
        "items for a tensor": tensor_pickle(4, "0", "1", "1")[:-1] + b"K\x00K\x01s.",
        "an append to a tuple": b"\x80\x02)K\x01a.",
        "a class of Python 2": b"(ios\nsystem\n.",
        "an extension": b"\x80\x02\x82\x01.",
        "a codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00hex\x86R.",
        "a storage that is none": b"\x80\x02(X\x06\x00\x00\x00moduleK\x01tQ.",
        "a storage of a wrong type": STORAGE.replace(b"FloatStorage", b"float32").replace(
            b"%c", b"\x04"
        )[35:]
        + b".",
        "a storage used as a tensor's dtype": b"\x80\x02" + rebuild + b")R.",
        "nothing": b"\x80\x02",
        "an empty stack": b"\x80\x02.",
    }
    for name, pickled in cases.items():
        with pytest.raises(RuntimeError, match="damaged|starts with"):
            print(name, hostile(pickled))


def test_mutated_pickles() -> None:
    """Every outcome is a value or an error of ours, never a crash or another class."""
    raw = saved(checkpoint())
    random = np.random.default_rng(0)
    outcomes = collections.Counter[str]()
    for _ in range(1000):
        count = random.integers(1, 4)

        def mutate(good: bytes, count: int = count) -> bytes:
            bad = bytearray(good)
            for position in random.integers(0, len(bad), count):
                bad[position] = random.integers(0, 256)
            return bytes(bad)

        try:
            pyrite.load(io.BytesIO(edit(raw, "data.pkl", mutate)))
            outcomes["loaded"] += 1
        except (RuntimeError, pickle.UnpicklingError) as error:
            outcomes[type(error).__name__] += 1
    assert min(outcomes[k] for k in ("loaded", "RuntimeError", "UnpicklingError")) > 10


def test_arrays_of_numpy_are_checked() -> None:
    good = pickle.dumps(np.arange(4, dtype="<f4"), 2)
    assert np.array_equal(hostile(good), np.arange(4, dtype="<f4"))
    for bad in (
        good.replace(b"K\x04\x85", b"K\x05\x85"),
        good.replace(b"K\x04\x85", b"J\xfc\xff\xff\xff\x85"),
        good.replace(b"K\x04\x85", b"J\xfe\xff\xff\xffJ\xfe\xff\xff\xff\x86"),
    ):
        assert bad != good
        with pytest.raises(RuntimeError, match="damaged"):
            hostile(bad)
    for kind in (object, "i4,i4", "U3"):
        with pytest.raises(pickle.UnpicklingError, match=r"numpy.dtype\(.*weights_only=False"):
            through(np.zeros(2, kind))


def test_safe_globals() -> None:
    raw = saved({"a": Allowed(), "b": AllowedDict(x=1)})
    with pytest.raises(pickle.UnpicklingError, match=r"test_damaged_files.Allowed"):
        pyrite.load(io.BytesIO(raw))
    with safe_globals([Allowed, AllowedDict]):
        assert set(get_safe_globals()) == {Allowed, AllowedDict}
        loaded = pyrite.load(io.BytesIO(raw))
        assert loaded["a"].value == 1
        assert type(loaded["b"]) is AllowedDict
        assert loaded["b"] == {"x": 1}
    assert get_safe_globals() == []
    add_safe_globals([(Allowed, f"{__name__}.Allowed"), AllowedDict])
    try:
        assert pyrite.load(io.BytesIO(raw))["a"].value == 1
    finally:
        clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        pyrite.load(io.BytesIO(raw))
    with pytest.raises(TypeError, match="expected classes"):
        add_safe_globals(["os.system"])


def test_weights_only_false() -> None:
    loaded = through({"a": Allowed(), "w": tensor((2,))}, weights_only=False)
    assert loaded["a"].value == 1
    assert same(loaded["w"], tensor((2,)))
    assert through({"a": Allowed()}, pickle_module=pickle)["a"].value == 1
    with pytest.raises(pickle.UnpicklingError, match="no counterpart in Pyrite"):
        hostile(b"\x80\x02ctorch.nn.modules.linear\nLinear\n)\x81.", weights_only=False)


def test_truncated_and_flipped_files_of_old_torch(torch: Any) -> None:
    file = io.BytesIO()
    torch.save({"w": torch.ones(64), "s": 1}, file, _use_new_zipfile_serialization=False)
    raw = file.getvalue()
    for i in range(20):
        with pytest.raises(
            (RuntimeError, pickle.UnpicklingError),
            match="is (empty|damaged|cut short|no checkpoint)|asks for",
        ):
            pyrite.load(io.BytesIO(raw[: len(raw) * i // 20]))
    for i in range(len(raw) - 256):
        bad = bytearray(raw)
        bad[i] ^= 0x15
        try:
            pyrite.load(io.BytesIO(bytes(bad)))
        except (RuntimeError, pickle.UnpicklingError):
            continue
