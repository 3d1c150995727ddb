"""Loader workers: errors, bounds, ends, signals."""

import gc
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from _loading import (
    LINUX,
    PROGRAM,
    SOME,
    Failing,
    Noisy,
    OddError,
    Slow,
    alive,
    gone,
    plain,
    program,
    seeded,
    with_workers,
)

import pyrite
from pyrite import data
from pyrite.data import DataLoader, IterableDataset, get_worker_info
from pyrite.data._processes import Slot

# ---- errors in workers


@pytest.mark.parametrize(("count", "kind"), SOME)
@pytest.mark.parametrize("error", [ValueError("bad file"), KeyError("label"), OddError(3, "odd")])
def test_worker_errors_name_sample_and_worker(count: int, kind: str, error: Exception) -> None:
    loader = DataLoader(Failing(error), 2, **with_workers(count, kind))
    batches = iter(loader)
    assert [next(batches).tolist() for _ in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(type(error)) as caught:
        next(batches)
    text = str(caught.value)
    assert f"Caught {type(error).__name__} in DataLoader worker {kind}" in text
    assert "at sample index 5" in text
    assert '_loading.py", line' in text
    assert "raise self.error" in text
    assert str(error) in text
    assert [b.tolist() for b in batches] == [[6, 7], [8, 9], [10, 11]]


def test_errors_without_workers_keep_their_object() -> None:
    error = ValueError("bad file")
    batches = iter(DataLoader(Failing(error), 2))
    with pytest.raises(ValueError, match="bad file") as caught:
        list(batches)
    assert caught.value is error
    assert error.__notes__ == ["raised in DataLoader (num_workers=0) at sample index 5"]


@pytest.mark.parametrize(("count", "kind"), SOME)
def test_errors_that_would_end_a_loop_silently(count: int, kind: str) -> None:
    for error in (StopIteration(), SystemExit(3)):
        with pytest.raises(RuntimeError, match=f"Caught {type(error).__name__}"):
            list(DataLoader(Failing(error), **with_workers(count, kind)))


@pytest.mark.parametrize(("count", "kind"), SOME)
def test_errors_elsewhere(count: int, kind: str) -> None:
    def fail(_: Any) -> None:
        raise LookupError("here")

    workers = with_workers(count, kind)
    with pytest.raises(LookupError, match="worker_init_fn"):
        list(DataLoader(range(4), worker_init_fn=fail, **workers))
    with pytest.raises(LookupError, match="collate_fn of batch 0, whose .* at sample index 1"):
        list(DataLoader(range(4), 2, collate_fn=fail, **workers))

    class Broken(IterableDataset):
        def __iter__(self) -> Iterator[int]:
            yield 1
            raise LookupError("here")

    with pytest.raises(LookupError, match="sample 1 of the worker's stream"):
        list(DataLoader(Broken(), **workers))


@pytest.mark.skipif(not LINUX, reason="needs fork")
def test_what_cannot_be_sent_is_refused() -> None:
    class Local(Exception):
        pass

    workers = with_workers(1, "process")
    with pytest.raises(RuntimeError, match="Caught Local in DataLoader worker process 0"):
        list(DataLoader(Failing(Local("x")), **workers))
    with pytest.raises((AttributeError, pickle.PicklingError), match="cannot hand over"):
        list(DataLoader(range(4), collate_fn=lambda samples: lambda: samples, **workers))
    with pytest.raises(pickle.PicklingError, match=r"'spawn'.*top level of a module"):
        iter(DataLoader(type("Local", (Noisy,), {})(), multiprocessing_context="spawn", **workers))


# ---- workers


def test_worker_info() -> None:
    assert get_worker_info() is None
    seen = []

    class Who(Noisy):
        def __getitem__(self, index: int) -> Any:
            info = get_worker_info()
            return info.id, info.num_workers, info.seed, int(info.dataset.opened)

    def opened(worker: int) -> None:
        get_worker_info().dataset.opened = worker
        seen.append(worker)

    for kind in ("thread", "process"):
        dataset = Who(8)
        loader = DataLoader(
            dataset, 2, worker_init_fn=opened, generator=seeded(), **with_workers(2, kind)
        )
        ids, counts, seeds, marks = (
            [v for batch in loader for v in batch[i].tolist()] for i in range(4)
        )
        assert set(ids) <= {0, 1}
        assert ids == marks
        assert set(counts) == {2}
        assert {s - i for s, i in zip(seeds, ids)} == {seeds[0] - ids[0]}
        assert not hasattr(dataset, "opened")
    assert set(seen) == {0, 1}
    assert get_worker_info() is None


def test_prefetch_is_bounded() -> None:
    read = []

    class Watched(Noisy):
        def __getitem__(self, index: int) -> Any:
            read.append(index)
            return super().__getitem__(index)

    loader = DataLoader(Watched(100), 2, num_workers=2, prefetch_factor=3)
    batches = iter(loader)
    for taken in range(1, 4):
        next(batches)
        limit = 2 * (taken + 6)
        deadline = time.monotonic() + 5
        while len(read) < limit and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(0.01)
        assert len(read) == limit


@pytest.mark.parametrize(("count", "kind"), SOME)
def test_timeout(count: int, kind: str) -> None:
    class Stuck(Noisy):
        def __getitem__(self, index: int) -> Any:
            time.sleep(0.4)

    start = time.monotonic()
    batches = iter(DataLoader(Stuck(), timeout=0.1, **with_workers(count, kind)))
    with pytest.raises(RuntimeError, match=r"timed out after 0\.1 seconds"):
        next(batches)
    assert time.monotonic() - start < 0.35


class Pids(Slow):
    def __getitem__(self, index: int) -> int:
        time.sleep(0.002)
        return os.getpid()


def loader_threads() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("pyrite-loader")]


@pytest.mark.parametrize("how", ["break", "collect", "finish"])
def test_workers_end_with_their_iterator(how: str) -> None:
    for kind in ("thread", "process"):
        batches = iter(DataLoader(data.Subset(Pids(), range(9)), **with_workers(2, kind)))
        pid = int(next(batches))
        assert (pid == os.getpid()) is (kind == "thread")
        assert len(loader_threads()) == (2 if kind == "thread" else 0)
        if how == "break":
            for _ in batches:
                break
        if how == "finish":
            list(batches)
        else:
            del batches
        assert not loader_threads()
        assert kind == "thread" or not alive(pid)


@pytest.mark.parametrize(("count", "kind"), [(0, "none"), *SOME])
def test_no_reference_cycle_keeps_workers(count: int, kind: str) -> None:
    for dataset in (Slow(), Failing(ValueError("bad"), 0), Failing(OddError(1, "bad"), 0)):
        gc.collect()
        gc.disable()
        try:
            batches = iter(DataLoader(dataset, **with_workers(count, kind)))
            there = weakref.ref(batches)
            with suppress(ValueError, OddError):
                next(batches)
            del batches
            if isinstance(dataset, Failing):
                # Without workers the exception is the dataset's own, and remembers its frames.
                dataset.error.__traceback__ = None
            assert there() is None
            assert not loader_threads()
        finally:
            gc.enable()


def test_persistent_workers() -> None:
    loader = DataLoader(
        data.Subset(Pids(), range(30)), persistent_workers=True, **with_workers(2, "process")
    )
    first, second = ({int(pid) for pid in loader} for _ in range(2))
    assert first == second
    assert len(first) == 2
    old = iter(loader)
    next(old)
    new = iter(loader)
    assert int(next(new)) in first
    with pytest.raises(RuntimeError, match="serve a newer iterator"):
        next(old)
    assert len(list(new)) == 29
    del old, new, loader
    assert not any(map(alive, first))


def test_a_killed_worker_is_named() -> None:
    batches = iter(DataLoader(Pids(), **with_workers(2, "process")))
    pid = int(next(batches))
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(RuntimeError, match=rf"pid {pid}\) is killed by signal: SIGKILL"):
        list(batches)
    with pytest.raises(RuntimeError, match="start a new one"):
        next(batches)


def test_a_worker_that_exits_is_named() -> None:
    class Exits(Noisy):
        def __getitem__(self, index: int) -> Any:
            os._exit(5)

    with pytest.raises(RuntimeError, match=r"worker 0 \(pid \d+\) exited .* exit code 5"):
        list(DataLoader(Exits(), **with_workers(1, "process")))


def test_a_view_is_sent_without_the_rest_of_its_memory() -> None:
    slot = Slot()
    sizes = slot.write([pyrite.arange(100_000)[7:17], pyrite.zeros(100, 100)[:, 3]])
    assert sum(sizes) < 2000
    first, second = slot.read(sizes)
    assert first.tolist() == list(range(7, 17))
    assert tuple(second.shape) == (100,)
    slot.file.close()


def test_batches_of_processes_are_ordinary_tensors() -> None:
    big = data.TensorDataset(pyrite.rand(64, 3000), pyrite.rand(64, 10).bfloat16())
    loader = DataLoader(big, 32, num_workers=1, worker_type="process")
    for (x, y), (a, b) in zip(loader, DataLoader(big, 32), strict=True):
        assert plain(x) == plain(a)
        assert (y.dtype, y.tolist()) == (b.dtype, b.tolist())
        assert x.array.dtype is a.array.dtype
        x.add_(1)
        assert not x.requires_grad


# ---- whole programs


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("kind", ["thread", "process"])
@pytest.mark.parametrize("times", [1, 3])
def test_ctrl_c_ends_everything(kind: str, times: int) -> None:
    shared = set(os.listdir("/dev/shm")) if LINUX else set()
    child = program({"worker_type": kind}, "")
    pids = [int(p) for p in child.stdout.readline().split()]
    for _ in range(times):
        # As the terminal does: to the program and to its workers.
        os.killpg(child.pid, signal.SIGINT)
        time.sleep(0.05)
    _, errors = child.communicate(timeout=10)
    assert child.returncode in (-signal.SIGINT, 130)
    assert gone(pids)
    if times == 1:
        assert errors.strip().endswith("KeyboardInterrupt")
        assert errors.count("Traceback") == 1
    assert "resource_tracker" not in errors
    assert not LINUX or set(os.listdir("/dev/shm")) <= shared


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_workers_and_memory_go_with_a_killed_program() -> None:
    shared = set(os.listdir("/dev/shm")) if LINUX else set()
    child = program({"worker_type": "process"}, "")
    pids = [int(p) for p in child.stdout.readline().split()]
    assert len(pids) == 2
    child.kill()
    child.communicate(timeout=10)
    assert gone(pids)
    assert not LINUX or set(os.listdir("/dev/shm")) <= shared


@pytest.mark.parametrize("kind", ["thread", "process"])
def test_leaving_a_loop_at_the_end_of_a_program(kind: str) -> None:
    child = program({"worker_type": kind}, "if number == 7: break")
    printed, errors = child.communicate(timeout=20)
    assert (child.returncode, errors) == (0, "")
    assert kind == "thread" or gone([int(p) for p in printed.split()])


def test_spawned_workers(tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    options = {"multiprocessing_context": "spawn"}
    script.write_text(PROGRAM.format(options=options, body="if number == 7: break"))
    done = subprocess.run(
        [sys.executable, "-W", "error", script], capture_output=True, text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.split()) == 2


@pytest.mark.full
@pytest.mark.skipif(not LINUX, reason="needs fork")
def test_fork_after_parallel_kernels() -> None:
    pytest.importorskip("numba", reason="needs parallel kernels")
    x = pyrite.rand(1000, 1000)
    for _ in range(3):
        (pyrite.exp(x) @ x).sum()

    class Computes(Noisy):
        def __getitem__(self, index: int) -> Any:
            return pyrite.exp(x).sum(), index

    expected = float(pyrite.exp(x).sum())
    for sums, _ in DataLoader(Computes(6), 2, **with_workers(2, "process")):
        assert sums.tolist() == [expected] * 2
