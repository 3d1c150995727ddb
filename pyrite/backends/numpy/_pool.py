"""The storage pool: large arrays lie in blocks of memory that are used again.

The system hands out fresh memory page by page, at a fault each; what the C library gives back to
it in one step it takes anew in the next. So the pool keeps the blocks it ever made, and a request
looks for one that nobody else holds. Arrays on a block, views of them, memoryviews, DLPack
capsules and ctypes pointers all hold a reference to it, so what is in use cannot be given twice,
and nothing has to be given back. Blocks start at a page's boundary.

Before a block is made, a larger one may serve, and idle ones make room for it: the pool is at
most `SPARE` larger than what was in use at one time. Blocks that `PERIOD` requests did not need
go back to the system.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections import deque
from contextlib import suppress
from itertools import count
from math import prod
from sys import getrefcount
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = np.ndarray[Any, Any]

SMALLEST = 1 << 16  # bytes; smaller arrays are the C library's
HUGE = 1 << 22  # bytes; from here on the system is asked for huge pages
LARGER = 4  # how many times larger than asked for a block may be
SPARE = 0.25
MOST = 4096  # blocks
TRIES = 64  # blocks of a class that one request looks at
PERIOD = 8192  # requests
_PRIVATE = {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS} if hasattr(mmap, "MAP_PRIVATE") else {}


class Block(mmap.mmap):
    """Anonymous memory; it goes back to the system with its last reference."""

    __slots__ = ("used",)

    used: int  # the number of the request that last got it
    pooled = True  # the first array on it counts as the owner of its memory


class Pool:
    """Blocks by size class, eight classes from one power of two to the next.

    Threads need no lock to share blocks: who takes one out of its class has it alone.

    Attributes:
        idle: the reference count of a block that only the pool holds; 0 turns the pool off.
        reserved, peak: bytes of all blocks, now and at the most.
        most: bytes that were in use at one time, as far as making blocks showed it.
    """

    def __init__(self, enabled: bool = True) -> None:
        self.classes: dict[int, deque[Block]] = {}
        self.reserved = self.peak = self.most = 0
        self._next = count(1).__next__
        self._making = threading.Lock()
        self.idle = _idle_count() if enabled else 0
        self.smallest = SMALLEST if self.idle else sys.maxsize

    def empty(self, shape: int | tuple[int, ...], kind: np.dtype[Any]) -> Array:
        """An uninitialised C-contiguous array."""
        size = (shape if type(shape) is int else prod(shape)) * kind.itemsize  # type: ignore[arg-type]
        return np.empty(shape, kind) if size < self.smallest else self.take(size, shape, kind)

    def like(self, array: Array) -> Array:
        """An uninitialised array of the same shape and type, C-contiguous."""
        size = array.nbytes
        if size < self.smallest:
            return np.empty(array.shape, array.dtype)
        return self.take(size, array.shape, array.dtype)

    def take(self, size: int, shape: int | tuple[int, ...], kind: np.dtype[Any]) -> Array:
        """An array of `size` bytes on a block."""
        shift = size.bit_length() - 4
        size = -(-size >> shift) << shift
        used = self._next()
        try:
            block = self.classes[size].pop()
            if getrefcount(block) != self.idle:
                block = self._search(size, block)
        except (KeyError, IndexError):  # the first of its class, or another thread has the last
            block = None
        if block is None or not used % PERIOD:
            block = self._make(size, used, block)
            if block is None:
                return np.empty(shape, kind)
        array: Array = np.ndarray(shape, kind, block)
        block.used = used
        self.classes[len(block)].append(block)
        return array

    def _search(self, size: int, block: Block | None = None) -> Block | None:
        """An idle block of a class; `block`, already taken out, is not idle and goes back."""
        blocks, idle = self.classes[size], self.idle
        for _ in range(min(len(blocks), TRIES)):
            if block is not None:
                blocks.appendleft(block)
            block = blocks.pop()
            if getrefcount(block) == idle:
                return block
        if block is not None:
            blocks.appendleft(block)
        return None

    def _make(self, size: int, used: int, block: Block | None = None) -> Block | None:
        """A larger or a new block, once in a period after a look at all.

        None while another thread makes one, where there are too many, or no memory.
        """
        if not self._making.acquire(blocking=False):
            return block
        try:
            if not used % PERIOD:
                self._trim(0, used - PERIOD)
            return block or self._larger(size) or self._new(size, used)
        except (IndexError, OSError):
            return None
        finally:
            self._making.release()

    def _larger(self, size: int) -> Block | None:
        for other in sorted([s for s in self.classes if size < s <= size * LARGER]):
            if (block := self._search(other)) is not None:
                return block
        return None

    def _new(self, size: int, used: int) -> Block | None:
        self._trim(size, used - PERIOD)
        if sum(map(len, self.classes.values())) >= MOST:
            return None
        block = Block(-1, size, **_PRIVATE)
        self.classes.setdefault(size, deque())
        self.reserved += size
        self.peak = max(self.peak, self.reserved)
        if size >= HUGE and hasattr(mmap, "MADV_HUGEPAGE"):
            with suppress(OSError):  # a kernel without them
                block.madvise(mmap.MADV_HUGEPAGE)
        return block

    def _trim(self, wanted: int, before: int) -> None:
        """Make room for `wanted` bytes: the longest idle go first, and all not used since then."""
        idle = self._out()
        used = self.reserved - sum(map(len, idle))
        self.most = max(self.most, used + wanted)
        excess = self.reserved + wanted - self.most * (1 + SPARE)
        for block in sorted(idle, key=lambda block: block.used):
            if excess > 0 or block.used < before:
                excess -= len(block)
                self.reserved -= len(block)
            else:
                self.classes[len(block)].append(block)

    def _out(self) -> list[Block]:
        """All idle blocks, taken out of their classes."""
        found = []
        for blocks in tuple(self.classes.values()):
            with suppress(IndexError):
                for _ in range(len(blocks)):
                    block = blocks.pop()
                    if getrefcount(block) == self.idle:
                        found.append(block)
                    else:
                        blocks.appendleft(block)
        return found

    def clear(self) -> None:
        """Give all idle blocks back to the system."""
        with self._making:
            idle = self._out()
            self.reserved -= sum(map(len, idle))
            self.most = 0

    def stats(self) -> dict[str, int]:
        """Bytes of blocks in use, of all blocks, and of all blocks at the most."""
        with self._making:
            idle = self._out()
            for block in idle:
                self.classes[len(block)].append(block)
            used = self.reserved - sum(map(len, idle))
        return {"allocated": used, "reserved": self.reserved, "peak": self.peak}


def _idle_count() -> int:
    """What `getrefcount` tells of a block that only the pool holds; 0 if arrays do not show."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)() or not hasattr(sys, "getrefcount"):
        return 0
    blocks = deque([Block(-1, mmap.PAGESIZE, **_PRIVATE)])
    block = blocks.pop()
    idle = getrefcount(block)
    array: Any = np.ndarray((16,), np.uint8, block)
    counts = [getrefcount(block)]
    view = memoryview(array[1:].reshape(3, 5).T)
    del array
    counts.append(getrefcount(block))
    view.release()
    del view
    counts.append(getrefcount(block))
    return idle if counts == [idle + 1, idle + 1, idle] else 0


POOL = Pool(os.environ.get("PYRITE_STORAGE_POOL") != "0")
empty, like = POOL.empty, POOL.like

# glibc returns to the system at once what is larger than any block it has seen freed.
np.empty((1 << 25) - (1 << 16), np.uint8)
