"""Downloads from a server on this machine: whole, resumed, broken off, wrong, from mirrors."""

from __future__ import annotations

import gzip
import hashlib
import io
import multiprocessing
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from _servers import Files, serving

from pyrite._download import fetch, mismatch
from pyrite.vision.datasets import MNIST
from pyrite.vision.datasets.utils import (
    check_integrity,
    download_and_extract_archive,
    download_url,
    extract_archive,
    verify_str_arg,
)  # fmt: skip

DATA = np.random.default_rng(0).bytes(300_000)
CHUNK = 1 << 14
SUM = f"sha256:{hashlib.sha256(DATA).hexdigest()}"


@pytest.fixture
def server() -> Iterator[Files]:
    pytest.importorskip("pooch", reason="downloads go through pooch")
    with serving({"data.bin": DATA}) as server:
        yield server


def test_a_file_is_fetched_once_and_checked(server: Files, tmp_path: Path) -> None:
    path = tmp_path / "new" / "data.bin"
    for _ in range(2):
        assert fetch([server.url + "data.bin"], path, SUM, progress=False) == path
    assert path.read_bytes() == DATA
    assert server.requests == [("data.bin", None)]
    assert [p.name for p in path.parent.iterdir()] == ["data.bin"]
    path.write_bytes(b"damaged")
    fetch([server.url + "data.bin"], path, SUM[:20])  # the first digits are enough
    assert path.read_bytes() == DATA


def test_a_broken_download_is_resumed(server: Files, tmp_path: Path) -> None:
    server.cuts = [200_000, 50_000]
    path = fetch([server.url + "data.bin"], tmp_path / "data.bin", SUM)
    assert path.read_bytes() == DATA
    ranges = [int(asked[6:-1]) if asked else 0 for _, asked in server.requests]
    assert ranges == [0, 12 * CHUNK, 15 * CHUNK]


def test_it_is_resumed_by_a_later_call_and_another_mirror(server: Files, tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    server.cuts = [100_000, 0]
    with pytest.raises(RuntimeError, match="kept and resumed") as caught:
        fetch([server.url + "data.bin"], path, SUM)
    assert all(word in str(caught.value) for word in (str(path), SUM, server.url))
    assert not path.exists()
    assert (tmp_path / "data.bin.part").stat().st_size == 6 * CHUNK
    fetch([server.url + "absent", server.url + "data.bin"], path, SUM)
    assert path.read_bytes() == DATA
    assert server.requests[-1] == ("data.bin", f"bytes={6 * CHUNK}-")


def test_a_server_without_parts_starts_anew(server: Files, tmp_path: Path) -> None:
    server.parts, server.cuts = False, [100_000]
    assert fetch([server.url + "data.bin"], tmp_path / "d", SUM).read_bytes() == DATA


def test_without_a_checksum_it_starts_anew(server: Files, tmp_path: Path) -> None:
    server.cuts = [100_000]
    assert fetch([server.url + "data.bin"], tmp_path / "d").read_bytes() == DATA
    assert [asked for _, asked in server.requests] == [None, None]


@pytest.mark.parametrize("stale", [b"another file" * 1000, DATA, DATA + b"more"])
def test_what_a_former_run_left_is_checked(server: Files, tmp_path: Path, stale: bytes) -> None:
    (tmp_path / "d.part").write_bytes(stale)
    assert fetch([server.url + "data.bin"], tmp_path / "d", SUM).read_bytes() == DATA
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_a_wrong_file_is_refused_and_the_next_mirror_asked(server: Files, tmp_path: Path) -> None:
    server.content["bad"] = b"<html>"
    got = hashlib.sha256(b"<html>").hexdigest()
    with pytest.raises(RuntimeError, match=f"expected {SUM}, got sha256:{got}"):
        fetch([server.url + "bad"], tmp_path / "d", SUM)
    assert not [p for p in tmp_path.iterdir() if not p.name.endswith(".lock")]
    assert fetch([server.url + n for n in ("bad", "data.bin")], tmp_path / "d", SUM).exists()


def test_no_answer_is_an_error(tmp_path: Path) -> None:
    pytest.importorskip("pooch", reason="downloads go through pooch")
    with serving({}) as server:
        url = server.url
    with pytest.raises(RuntimeError, match="could not be downloaded"):
        fetch([url + "data.bin"], tmp_path / "d", SUM)


def _fetch(url: str, path: Path) -> None:
    assert fetch([url], path, SUM, progress=False).read_bytes() == DATA


def test_processes_share_one_download(server: Files, tmp_path: Path) -> None:
    url, path = server.url + "data.bin", tmp_path / "data.bin"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fetch, args=(url, path)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(server.requests) == 1


def test_without_pooch_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"pip install 'pyrite\[download\]'") as caught:
        fetch(["http://nowhere/file"], tmp_path / "file", SUM)
    assert str(tmp_path / "file") in str(caught.value)
    (tmp_path / "file").write_bytes(DATA)
    assert fetch([], tmp_path / "file", SUM).exists()


def tar(files: dict[str, bytes], mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def test_archives_are_unpacked(server: Files, tmp_path: Path) -> None:
    files = {"top/a": b"1", "top/in/b": b"2"}
    for name, raw in (("x.tgz", tar(files)), ("x.tar", tar(files, "w")), ("x.zip", zipped(files))):
        server.content[name] = raw
        (tmp_path / name / "top").mkdir(parents=True)
        (tmp_path / name / "top" / "kept").write_bytes(b"3")
        download_and_extract_archive(server.url + name, tmp_path / "packed", tmp_path / name)
        found = {p.name: p.read_bytes() for p in (tmp_path / name).rglob("*") if p.is_file()}
        assert found == {"a": b"1", "b": b"2", "kept": b"3"}
    server.content["y.gz"] = gzip.compress(b"4")
    download_url(server.url + "y.gz", tmp_path, md5=hashlib.md5(server.content["y.gz"]).hexdigest())
    assert extract_archive(str(tmp_path / "y.gz"), remove_finished=True) == str(tmp_path / "y")
    assert (tmp_path / "y").read_bytes() == b"4"
    assert not (tmp_path / "y.gz").exists()


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("x.tgz", tar({"a": b"1" * 100_000})[:60]),
        ("x.tar", tar({"../a": b"1"}, "w")),
        ("x.zip", zipped({"a": b"1"})[:-5]),
        ("x.gz", gzip.compress(b"1" * 1000)[:20]),
        ("x.xz", b"no xz"),
        ("x.exe", b"MZ"),
    ],
)
def test_damaged_archives_are_refused(tmp_path: Path, name: str, raw: bytes) -> None:
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(raw)
    with pytest.raises(RuntimeError, match=r"cannot be unpacked|known by its ending") as caught:
        extract_archive(path)
    assert str(path) in str(caught.value)
    assert list(tmp_path.rglob("*")) == [path.parent, path]


def test_integrity(tmp_path: Path) -> None:
    path = tmp_path / "a"
    assert mismatch(path, "md5:00") == "the file is missing (expected md5:00)"
    assert not check_integrity(path)
    path.write_bytes(b"a")
    assert check_integrity(path)
    assert check_integrity(path, "0cc175b9c0f1b6a831c399e269772661")
    assert not check_integrity(path, "00")
    with pytest.raises(ValueError, match=r"Unknown value 'x' for argument split.*'a', 'b'"):
        verify_str_arg("x", "split", ("a", "b"))


def test_mnist_comes_from_the_second_mirror(server: Files, tmp_path: Path) -> None:
    head = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 28, 0, 0, 0, 28])
    images = gzip.compress(head + bytes(2 * 784))
    labels = gzip.compress(bytes([0, 0, 8, 1, 0, 0, 0, 2, 7, 3]))
    files = {f"{part}-images-idx3-ubyte.gz": images for part in ("train", "t10k")}
    files |= {f"{part}-labels-idx1-ubyte.gz": labels for part in ("train", "t10k")}
    server.content = {f"mirror/{name}": raw for name, raw in files.items()}
    sums = [(name, hashlib.md5(raw).hexdigest()) for name, raw in files.items()]
    mirrors = [server.url + "gone/", server.url + "mirror/"]
    Small = type("MNIST", (MNIST,), {"resources": sums, "mirrors": mirrors})
    for _ in range(2):
        data = Small(tmp_path, train=False, download=True)
    assert data.targets.tolist() == [7, 3]
    assert (tmp_path / "MNIST" / "raw" / "t10k-labels-idx1-ubyte").is_file()
    assert len(server.requests) == 8
    server.content = dict.fromkeys(server.content, b"<html>")
    with pytest.raises(RuntimeError, match=f"expected md5:{sums[0][1]}"):
        Small(tmp_path / "other", download=True)
