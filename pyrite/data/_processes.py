"""Worker processes, and the memory through which they hand over batches.

A batch is pickled with its arrays out of band and written into a slot: a file in memory without
a name (`memfd`; elsewhere a temporary file), inherited or passed as a descriptor. The kernel frees
it with its last descriptor, so nothing leaks, not even when everything is killed; it counts
against no `/dev/shm` quota, and when memory runs out there is an OSError, not a SIGBUS. The pipe
carries a few bytes per batch. Each worker has `prefetch_factor` slots, used in turn, which bounds
the memory.

Start method: the one given or set by `multiprocessing.set_start_method`, else fork on Linux, which
needs neither a picklable dataset nor an importable `__main__`. A fork after parallel kernels is
safe because forked children run the serial variants of Pyrite's kernels, which give equal bits; a
dataset that launches parallel kernels of its own needs `multiprocessing_context="forkserver"`.
"""

from __future__ import annotations

import io
import itertools
import multiprocessing
import os
import pickle
import signal
import socket
import sys
import tempfile
import threading
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, reduction
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

from .._dtypes import dtype
from .._tensor import Tensor
from ._fetch import Builder, Epoch, Failure, Job, Result, Task, fresh_memory
from ._workers import GRACE, Pool

_LOST = (EOFError, ConnectionResetError, BrokenPipeError)
_REFUSED = (pickle.PicklingError, AttributeError, TypeError)
_HINTS = {
    "SIGKILL": ": out of memory? Use fewer workers or smaller batches",
    "SIGTERM": ": a forked worker may launch no parallel (OpenMP) kernels of other packages; use "
    "multiprocessing_context='forkserver' or worker_type='thread'",
}
_HAS_MASK = hasattr(signal, "pthread_sigmask")


class Slot:
    """Memory that a worker writes one batch into and the loader reads it from."""

    def __init__(self, file: Any = None) -> None:
        if file is None and sys.platform == "linux":
            file = io.FileIO(os.memfd_create("pyrite-loader"), "r+b")
        self.file = file or tempfile.TemporaryFile(buffering=0)  # noqa: SIM115

    def __reduce__(self) -> tuple[Any, ...]:
        # Only while a process is being started: the descriptor goes with it.
        if sys.platform == "win32":
            return _reopen, (self.file.name,)
        return _adopt, (reduction.DupFd(self.file.fileno()),)

    def write(self, value: Any) -> list[int]:
        """Store a value; the sizes in bytes of its pickle and of each array."""
        buffers: list[pickle.PickleBuffer] = []
        head = io.BytesIO()
        _Pickler(head, protocol=5, buffer_callback=buffers.append).dump(value)
        views = [head.getbuffer(), *(buffer.raw() for buffer in buffers)]
        self.file.seek(0)
        for view in views:
            done = 0
            while done < view.nbytes:
                done += self.file.write(view[done:])
        return [view.nbytes for view in views]

    def read(self, sizes: list[int]) -> Any:
        """The value that was stored, in memory of its own."""
        self.file.seek(0)
        head, *arrays = [self._read(size) for size in sizes]
        return pickle.loads(head, buffers=arrays)

    def _read(self, size: int) -> Any:
        memory, done = fresh_memory(size), 0
        while done < size:
            done += self.file.readinto(memory[done:])
        return memory


class _Pickler(pickle.Pickler):
    """Sends a tensor as its own elements, not as the whole storage that it may be a view of."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tensor or not value.is_leaf:
            return NotImplemented
        array = value.detach().numpy()
        return _rebuild, (array, value.dtype, value.requires_grad)


def _rebuild(array: Any, kind: dtype, requires_grad: bool) -> Tensor:
    # NumPy unpickles a dtype as a new object; kernels know theirs by identity.
    tensor = Tensor(array.view(kind.numpy))
    tensor.requires_grad = requires_grad
    return tensor


def _adopt(descriptor: Any) -> Slot:
    return Slot(io.FileIO(descriptor.detach(), "r+b"))


def _reopen(path: str) -> Slot:
    """Windows: a temporary file goes with its last handle; each process opens it by its path."""
    flags = getattr(os, "O_TEMPORARY", 0) | getattr(os, "O_BINARY", 0) | os.O_RDWR
    return Slot(io.FileIO(os.open(path, flags), "r+b"))


class _Worker(NamedTuple):
    process: Any
    pipe: connection.Connection
    slots: list[Slot]
    turns: Iterator[Slot]


class ProcessPool(Pool):
    """Workers as processes, for datasets that hold Python's lock or draw from global streams."""

    def __init__(self, job: Job, prefetch: int, context: BaseContext) -> None:
        super().__init__(job.num_workers)
        self._workers: list[_Worker] = []
        self.close = weakref.finalize(self, _stop, self._workers, os.getpid())
        with _quiet_start():
            for number in range(job.num_workers):
                self._start(job, number, prefetch, context)

    def _start(self, job: Job, number: int, prefetch: int, context: Any) -> None:
        slots = [Slot() for _ in range(prefetch)]
        pipe, theirs = context.Pipe()
        # A forked child must close the loader's ends of the pipes, or nobody sees them close.
        forked = context.get_start_method() == "fork"
        inherited = [pipe, *(w.pipe for w in self._workers)] if forked else []
        process = context.Process(
            target=_serve, args=(job, number, theirs, slots, inherited), daemon=True
        )
        self._workers.append(_Worker(process, pipe, slots, itertools.cycle(slots)))
        try:
            process.start()
        except _REFUSED as error:
            raise pickle.PicklingError(
                f"DataLoader: the dataset ({type(job.dataset).__name__}), collate_fn or "
                f"worker_init_fn cannot be sent to a process started by "
                f"{context.get_start_method()!r}: {error}. Define it at the top level of a module, "
                "or use worker_type='thread', or on Linux multiprocessing_context='fork'"
            ) from error
        finally:
            theirs.close()

    def send(self, worker: int, message: Epoch | Task) -> None:
        try:
            self._workers[worker].pipe.send(message)
        except _LOST:
            raise self._loss(worker) from None

    def wait(self, seconds: float) -> list[Result]:
        ready = connection.wait([worker.pipe for worker in self._workers], seconds)
        return [self._take(n) for n, worker in enumerate(self._workers) if worker.pipe in ready]

    def _take(self, number: int) -> Result:
        worker = self._workers[number]
        try:
            result, sizes = worker.pipe.recv()
        except _LOST:
            raise self._loss(number) from None
        answer: Result = result._replace(value=next(worker.turns).read(sizes))
        return answer

    def _loss(self, number: int) -> RuntimeError:
        """The error for a worker that is gone; the others are ended."""
        process = self._workers[number].process
        process.join(GRACE)
        code, name = process.exitcode, f"DataLoader worker {number} (pid {process.pid})"
        self.close()
        if code is not None and code < 0:
            ended = signal.Signals(-code).name
            return RuntimeError(f"{name} is killed by signal: {ended}{_HINTS.get(ended, '')}")
        return RuntimeError(
            f"{name} exited unexpectedly with exit code {code}: see its traceback above; under "
            'spawn and forkserver, a script needs `if __name__ == "__main__":`'
        )


def as_context(choice: Any) -> BaseContext:
    """A context by name, or the default one for None; ValueError for a name of none."""
    methods = multiprocessing.get_all_start_methods()
    if choice is None:
        fork = "fork" if sys.platform == "linux" else None
        choice = multiprocessing.get_start_method(allow_none=True) or fork
    if isinstance(choice, BaseContext):
        return choice
    if choice is None or choice in methods:
        return multiprocessing.get_context(choice)
    error = ValueError if isinstance(choice, str) else TypeError
    raise error(
        "multiprocessing_context option should be a multiprocessing context or one of the start "
        f"methods {methods}, but got multiprocessing_context={choice!r}"
    )


@contextmanager
def _holding_ctrl_c() -> Iterator[None]:
    """Let Ctrl-C wait for the end of the block: workers are started or not, closed or not."""
    came: list[Any] = []
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, lambda *call: came.append(call))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Start processes that never see Ctrl-C: they inherit it blocked, then ignore it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT}) if _HAS_MASK else set()
    try:
        with _holding_ctrl_c(), warnings.catch_warnings():
            # Python warns of any fork beside threads, whatever the child goes on to do.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        if _HAS_MASK:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _serve(job: Job, number: int, pipe: Any, slots: list[Slot], inherited: list[Any]) -> None:
    """A worker process's life; it ends when the loader closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if _HAS_MASK:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for other in inherited:
        other.close()
    builder = Builder(job, number, f"process {number} (pid {os.getpid()})")
    turns = itertools.cycle(slots)
    try:
        while True:
            result = builder.answer(pipe.recv())
            if result is not None:
                pipe.send((result._replace(value=None), _store(result, next(turns), builder)))
            del result
    except _LOST:
        for slot in slots:
            slot.file.close()


def _store(result: Result, slot: Slot, builder: Builder) -> list[int]:
    """Write a result's value into the slot; in place of what cannot be pickled, the error."""
    value = result.value
    try:
        return slot.write(value)
    except (*_REFUSED, OSError) as error:
        failure = Failure(
            type(error),
            f"DataLoader worker {builder.place} cannot hand over a {type(value).__name__} "
            f"({builder.doing()}): {error}. Return tensors, arrays and plain containers from "
            "collate_fn, or use worker_type='thread'",
        )
    # The class of an error may be local to a function: the text names it.
    return slot.write(value._replace(kind=RuntimeError) if isinstance(value, Failure) else failure)


def _hang_up(pipe: connection.Connection) -> None:
    """Close a pipe for all that hold it: workers of other loaders, forked since, may."""
    if sys.platform != "win32":
        end = socket.socket(fileno=pipe.fileno())
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
        end.detach()
    pipe.close()


def _stop(workers: list[_Worker], owner: int) -> None:
    """Close the pipes, which ends the workers; those that do not end in time are killed."""
    if os.getpid() != owner:
        return
    with _holding_ctrl_c():
        for worker in workers:
            _hang_up(worker.pipe)
        processes = [worker.process for worker in workers if worker.process.pid is not None]
        for end in ("is_alive", "terminate", "kill"):
            deadline = time.monotonic() + GRACE
            for process in [p for p in processes if p.is_alive()]:
                getattr(process, end)()
            for process in processes:
                process.join(max(deadline - time.monotonic(), 0))
        # Not left to the garbage collector, whose callbacks would swallow a Ctrl-C.
        for worker in workers:
            if not worker.process.is_alive():
                worker.process.close()
            for slot in worker.slots:
                slot.file.close()
