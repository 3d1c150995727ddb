"""Worker processes, and the memory through which they hand over batches.

A batch is pickled with its arrays out of band and written into a slot: a file in memory without
a name (`memfd`; elsewhere an unlinked temporary file), inherited or passed as a descriptor. The
kernel frees it with its last descriptor, so nothing can leak, not even when everything is killed;
it counts against no `/dev/shm` quota, and running out of memory is an OSError, not a SIGBUS. The
pipes carry a few bytes per batch. Each worker has `prefetch_factor` slots, used in turn: that
bounds the memory.

Start method: what `multiprocessing.set_start_method` chose, else fork on Linux, which needs
neither a pickled dataset nor an importable `__main__`. Forking after parallel kernels is safe
because a forked child runs the serial variants of Pyrite's kernels, which give equal bits;
a dataset that launches parallel kernels of its own needs `multiprocessing_context="forkserver"`.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
import time
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import connection, reduction
from multiprocessing.context import BaseContext
from typing import Any, NamedTuple

import numpy as np

from .. import from_numpy
from .._tensor import Tensor
from ._fetch import Builder, Epoch, Failure, Job, Result, Task
from ._workers import GRACE, Pool, answer

_LOST = (EOFError, ConnectionResetError, BrokenPipeError)


class Slot:
    """Memory that a worker writes one batch into and the loader reads it from."""

    def __init__(self, file: io.FileIO | None = None) -> None:
        self.file = _unnamed_file() if file is None else file

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
        views = [head.getbuffer(), *(b.raw() for b in buffers)]
        self.file.seek(0)
        for view in views:
            rest = view
            while rest.nbytes:
                rest = rest[self.file.write(rest) :]
        return [view.nbytes for view in views]

    def read(self, sizes: list[int]) -> Any:
        """The value that was stored, in memory of its own."""
        self.file.seek(0)
        head, *arrays = [self._read(size) for size in sizes]
        return pickle.loads(head, buffers=arrays)

    def _read(self, size: int) -> np.ndarray[Any, Any]:
        memory = np.empty(size, np.uint8)
        rest = memoryview(memory)
        while rest.nbytes:
            count = self.file.readinto(rest)
            if not count:
                raise EOFError("a worker wrote less than it said")
            rest = rest[count:]
        return memory


def _unnamed_file() -> io.FileIO:
    if sys.platform == "linux":
        return io.FileIO(os.memfd_create("pyrite-loader"), "r+b")
    fd, path = tempfile.mkstemp("pyrite-loader")
    if sys.platform == "win32":
        os.close(fd)
        return _open_temporary(path)
    os.unlink(path)
    return io.FileIO(fd, "r+b")


def _open_temporary(path: str) -> io.FileIO:
    """Windows: a file that goes with its last handle, opened by path in each process."""
    flags = getattr(os, "O_TEMPORARY", 0) | getattr(os, "O_BINARY", 0) | os.O_RDWR
    return io.FileIO(path, "r+b", opener=lambda name, _: os.open(name, flags))


def _reopen(path: str) -> Slot:
    return Slot(_open_temporary(path))


def _adopt(fd: Any) -> Slot:
    return Slot(io.FileIO(fd.detach(), "r+b"))


class _Pickler(pickle.Pickler):
    """Sends tensors as the NumPy arrays they hold."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is not Tensor:
            return NotImplemented
        return _tensor, (value.detach().numpy(), value.requires_grad)


def _tensor(array: np.ndarray[Any, Any], requires_grad: bool) -> Tensor:
    tensor: Tensor = from_numpy(array)
    return tensor.requires_grad_(requires_grad)


class _Answer(NamedTuple):
    """What goes through the pipe: a result whose value lies in a slot."""

    result: Result
    slot: int
    sizes: list[int]


class _Worker(NamedTuple):
    process: Any
    pipe: connection.Connection
    slots: list[Slot]
    free: list[int]


class ProcessPool(Pool):
    """Workers as processes, for datasets that hold Python's lock or draw from global streams."""

    def __init__(self, job: Job, prefetch: int, context: BaseContext) -> None:
        super().__init__(job.num_workers)
        self._workers: list[_Worker] = []
        self.close = weakref.finalize(self, _stop_processes, self._workers, os.getpid())
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
            target=_serve,
            args=(job, number, theirs, slots, inherited),
            name=f"pyrite-loader-{number}",
            daemon=True,
        )
        try:
            process.start()
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            raise _unpicklable(job, context.get_start_method(), error) from error
        finally:
            theirs.close()
        self._workers.append(_Worker(process, pipe, slots, list(range(prefetch))))

    def _send(self, worker: int, message: Epoch | Task) -> None:
        target = self._workers[worker]
        slot = target.free.pop() if isinstance(message, Task) else -1
        try:
            target.pipe.send((message, slot))
        except _LOST:
            raise self._loss(target) from None

    def _wait(self, seconds: float) -> list[Result]:
        pipes = {w.pipe: w for w in self._workers}
        ready = connection.wait(pipes, max(seconds, 0))
        return [self._take(pipes[pipe]) for pipe in ready]

    def _take(self, worker: _Worker) -> Result:
        try:
            answered: _Answer = worker.pipe.recv()
        except _LOST:
            raise self._loss(worker) from None
        value = worker.slots[answered.slot].read(answered.sizes)
        worker.free.append(answered.slot)
        return answered.result._replace(value=value)

    def _loss(self, worker: _Worker) -> RuntimeError:
        """The error for a worker that is gone; the others are ended."""
        process, number = worker.process, self._workers.index(worker)
        process.join(GRACE)
        code = process.exitcode
        self.close()
        name = f"DataLoader worker {number} (pid {process.pid})"
        if code is not None and code < 0:
            hint = " (out of memory? use fewer workers or smaller batches)" if code == -9 else ""
            return RuntimeError(f"{name} is killed by signal: {signal.Signals(-code).name}{hint}")
        return RuntimeError(
            f"{name} exited unexpectedly with exit code {code}. A traceback above is its own; "
            'under spawn and forkserver the script needs `if __name__ == "__main__":`'
        )


def check_context(choice: Any) -> BaseContext:
    """The context that a user names; ValueError for an unknown method, TypeError otherwise."""
    methods = multiprocessing.get_all_start_methods()
    if isinstance(choice, str) and choice not in methods:
        raise ValueError(
            f"multiprocessing_context option should specify a valid start method in {methods}, "
            f"but got multiprocessing_context={choice!r}"
        )
    context = multiprocessing.get_context(choice) if isinstance(choice, str) else choice
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={choice}"
        )
    return context


def default_context() -> BaseContext:
    """The context that the program set, else fork on Linux, else the platform's."""
    method = multiprocessing.get_start_method(allow_none=True)
    return multiprocessing.get_context(method or ("fork" if sys.platform == "linux" else None))


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Start processes so that Ctrl-C reaches the loader alone.

    Children inherit the blocked signal and ignore it before they unblock it.
    """
    block = getattr(signal, "pthread_sigmask", None)
    before = block(signal.SIG_BLOCK, {signal.SIGINT}) if block else None
    try:
        with warnings.catch_warnings():
            # Python warns of forks beside threads, whatever the child goes on to do.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        if block:
            block(signal.SIG_SETMASK, before)


def _unpicklable(job: Job, method: str, error: Exception) -> Exception:
    """The error for a job that cannot be sent: names the part of it that pickle refuses."""
    parts = {"dataset": job.dataset, "collate_fn": job.collate_fn, "worker_init_fn": job.init_fn}
    name, part = next(((n, p) for n, p in parts.items() if not _picklable(p)), ("job", job))
    return pickle.PicklingError(
        f"DataLoader: the {name} ({part!r}) cannot be sent to a worker started by {method!r}: "
        f"{error}. Define it at the top level of a module, or use worker_type='thread'"
        + (" or multiprocessing_context='fork'" if sys.platform == "linux" else "")
    )


def _picklable(value: Any) -> bool:
    try:
        reduction.ForkingPickler.dumps(value)
    except (pickle.PicklingError, AttributeError, TypeError):
        return False
    return True


def _serve(
    job: Job,
    number: int,
    pipe: connection.Connection,
    slots: list[Slot],
    inherited: list[connection.Connection],
) -> None:
    """A worker process's life; it ends when the loader closes the pipe or dies."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    for other in inherited:
        other.close()
    builder, place = Builder(job, number), f"process {number} (pid {os.getpid()})"
    try:
        while True:
            message, slot = pipe.recv()
            result = answer(builder, message, place)
            if result is not None:
                pipe.send(_store(result, slot, slots[slot], builder))
            del message, result
    except _LOST:
        return


def _store(result: Result, number: int, slot: Slot, builder: Builder) -> _Answer:
    """Write a result's value into the slot; what cannot be pickled becomes an error."""
    bare = result._replace(value=None)
    try:
        return _Answer(bare, number, slot.write(result.value))
    except (pickle.PicklingError, AttributeError, TypeError, OSError) as error:
        failure = Failure(
            type(error),
            f"DataLoader worker process {builder.worker} cannot hand over its batch "
            f"({type(result.value).__name__}, {builder.doing()}): {error}. Return tensors, arrays "
            "and plain containers from collate_fn, or use worker_type='thread'",
        )
    if isinstance(result.value, Failure):
        # Its class is local to a function: the text names it.
        failure = Failure(RuntimeError, result.value.text)
    return _Answer(bare._replace(kind="error"), number, slot.write(failure))


def _stop_processes(workers: list[_Worker], owner: int) -> None:
    """Close the pipes, which ends the workers; who does not end in time is killed."""
    if os.getpid() != owner:
        return
    for worker in workers:
        worker.pipe.close()
    for end in ("", "terminate", "kill"):
        deadline = time.monotonic() + GRACE
        for process in (w.process for w in workers if w.process.is_alive()):
            if end:
                getattr(process, end)()
        for worker in workers:
            worker.process.join(max(deadline - time.monotonic(), 0))
    for worker in workers:
        for slot in worker.slots:
            slot.file.close()
