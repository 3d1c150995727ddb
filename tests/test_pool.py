"""The CPU's storage pool: what is held is never given again, and what is idle goes back."""

import ctypes
import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite.backends.numpy import _pool
from pyrite.backends.numpy._pool import PERIOD, POOL, SPARE, Pool

F32 = np.dtype("float32")
SIZE = 50_000


class Capsule:
    """A DLPack capsule, which its first reader takes out."""

    def __init__(self, array: np.ndarray) -> None:
        self.device, self.capsule = array.__dlpack_device__(), array.__dlpack__()

    def __dlpack__(self, **_: Any) -> Any:
        return self.capsule

    def __dlpack_device__(self) -> Any:
        return self.device


def numba_tail(array: np.ndarray) -> Any:
    numba = pytest.importorskip("numba", reason="holds an argument of a Numba function")
    return numba.njit(lambda x: x[1:])(array)


HOLDERS: dict[str, tuple[Callable[[np.ndarray], Any], Callable[[Any], Any]]] = {
    "view": (lambda a: a[10:].reshape(2, -1).T[3:], np.asarray),
    "memoryview": (lambda a: memoryview(a)[5:], np.asarray),
    "dlpack": (Capsule, np.from_dlpack),
    "pointer": (
        lambda a: a.ctypes.data_as(ctypes.POINTER(ctypes.c_float)),
        lambda p: np.ctypeslib.as_array(p, (SIZE,)),
    ),
    "numba": (numba_tail, np.asarray),
    "tensor": (lambda a: pyrite.from_numpy(a)[7:], lambda t: t.numpy()),
    "buffer": (lambda a: np.frombuffer(a, np.uint8).view(F32), np.asarray),
}


@pytest.mark.parametrize("name", HOLDERS)
def test_what_is_held_is_not_given_again(name: str) -> None:
    hold, read = HOLDERS[name]
    pool = Pool()
    array = pool.empty(SIZE, F32)
    array[:] = 7
    held = hold(array)
    del array
    for _ in range(1000):
        pool.empty(SIZE, F32)[:] = 1
    values = read(held)
    assert (values == 7).all()
    one = pool.reserved // 2
    assert pool.stats() == {"allocated": one, "reserved": 2 * one, "peak": 2 * one}
    del values, held
    gc.collect()
    assert pool.stats()["allocated"] == 0


def test_blocks_are_aligned_and_waste_little() -> None:
    pool = Pool()
    for size in (1 << 16, 100_000, 123_457, 1 << 20, (1 << 20) + 1, 9_999_999):
        before = pool.reserved
        array = pool.empty((size,), np.dtype("uint8"))
        assert array.ctypes.data % 64 == 0
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.shape == (size,)
        assert size <= len(array.base) <= max(size * 9 / 8, before)
        pool.clear()
    assert pool.empty((100,), F32).base is None
    assert pool.like(np.zeros((200, 300), F32).T).flags.c_contiguous
    assert pool.empty((0, 1 << 20), F32).size == 0


def test_a_larger_block_serves_before_one_is_made() -> None:
    pool = Pool()
    pool.empty(SIZE * 3, F32)
    reserved = pool.reserved
    small = pool.empty(SIZE, F32)
    assert pool.reserved == reserved == pool.stats()["allocated"]
    assert small.shape == (SIZE,)


def test_idle_blocks_make_room() -> None:
    """Sizes that follow one another use the memory of those before."""
    pool = Pool()
    for step in range(40):
        held = [pool.empty(SIZE + 10_000 * step, F32) for _ in range(4)]
        assert pool.reserved <= pool.stats()["allocated"] * (1 + SPARE)
        held.clear()
    assert pool.stats()["allocated"] == 0 < pool.reserved <= pool.peak


def test_what_nobody_needs_for_long_goes_back() -> None:
    pool = Pool()
    held = [pool.empty(SIZE, F32) for _ in range(5)]
    one = pool.reserved // 5
    del held
    for _ in range(3 * PERIOD):
        pool.empty(SIZE, F32)
    assert pool.reserved == one
    pool.clear()
    assert pool.reserved == 0
    assert pool.stats()["peak"] == 5 * one


def test_too_many_blocks_are_left_to_the_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pool, "MOST", 3)
    pool = Pool()
    held = [pool.empty(SIZE, F32) for _ in range(5)]
    assert [a.base is None for a in held] == [False] * 3 + [True] * 2


def test_threads_share_blocks() -> None:
    pool, wrong = Pool(), []

    def work(mark: int) -> None:
        held: list[np.ndarray] = []
        for i in range(1500):
            array = pool.empty(SIZE - 1000 * (i % 3), F32)
            array[::97] = mark
            held = [*held[-(i % 4) :], array]
            wrong.extend(a for a in held if (a[::97] != mark).any())

    threads = [threading.Thread(target=work, args=(mark,)) for mark in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert pool.stats()["allocated"] == 0


def test_the_pool_can_be_off() -> None:
    pool = Pool(enabled=False)
    assert pool.empty(SIZE, F32).flags.owndata
    assert pool.stats()["reserved"] == 0
    code = "from pyrite.backends.numpy._pool import POOL; print(POOL.idle)"
    environment = {**os.environ, "PYRITE_STORAGE_POOL": "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout.strip() == "0"


def train(steps: int) -> list[float]:
    pyrite.manual_seed(0)
    nn = pyrite.nn
    model = nn.Sequential(nn.Linear(300, 400), nn.ReLU(), nn.LayerNorm(400), nn.Linear(400, 10))
    optimizer = pyrite.optim.AdamW(model.parameters(), lr=1e-3)
    inputs, labels = pyrite.randn(200, 300), pyrite.randint(0, 10, (200,))
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(inputs), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_results_do_not_depend_on_the_pool(monkeypatch: pytest.MonkeyPatch) -> None:
    pooled = train(4)
    monkeypatch.setattr(POOL, "smallest", sys.maxsize)
    assert train(4) == pooled


def test_a_gradient_is_taken_over_and_alone() -> None:
    """A first gradient on a block of its own is kept as it is; a second is added into it."""
    weight = pyrite.randn(300, 300, requires_grad=True)
    inputs = pyrite.randn(300, 300)
    (inputs @ weight).relu().sum().backward()
    assert weight.grad is not None
    memory, first = weight.grad.data_ptr(), weight.grad.clone()
    (inputs @ weight).relu().sum().backward()
    assert weight.grad.data_ptr() == memory
    assert weight.grad.equal(2 * first)
    given = pyrite.randn(300, 300)
    other = pyrite.zeros(300, 300, requires_grad=True)
    other.backward(given)
    assert other.grad is not None
    assert other.grad.data_ptr() != given.data_ptr()


def test_statistics() -> None:
    stats = pyrite.backends.get("cpu").memory_stats()
    held = pyrite.backends.get("cpu").empty((1000, 1000), F32)
    later = pyrite.backends.get("cpu").memory_stats()
    assert later["allocated"] >= stats["allocated"] + held.nbytes
    assert later["peak"] >= later["reserved"] >= later["allocated"]
    del held
    pyrite.accelerator.empty_cache()
    after = pyrite.backends.get("cpu").memory_stats()
    assert after["reserved"] == after["allocated"]
    assert pyrite.backends.get("cpu").memory_stats()["allocated"] <= stats["allocated"]
