"""Workers: none, threads (here) and processes (`_processes.py`).

A pool's workers are told of an epoch by `begin` and given tasks by `submit`; `receive` waits for
results. `close` ends the workers, and runs by itself when the pool is collected or the
interpreter ends: so workers refer to queues, never to the pool.
"""

from __future__ import annotations

import abc
import copy
import os
import queue
import sys
import threading
import time
import weakref
from typing import Any

from .. import backends
from ._dataset import Dataset
from ._fetch import Builder, Epoch, Job, Result, Task

# Seconds that workers get to finish what they are at before they are left, or killed.
GRACE = 2.0
# Ctrl-C ends a blocking wait at once on POSIX; on Windows it is seen between waits.
_LONGEST_WAIT = 0.2 if sys.platform == "win32" else 3600.0


class Pool(abc.ABC):
    """Workers of one kind, serving the epoch of `ticket`; `pending` counts each one's tasks."""

    close: weakref.finalize[Any, Any]
    ticket = 0

    def __init__(self, workers: int) -> None:
        self.pending = [0] * workers

    def begin(self, epoch: Epoch) -> None:
        """Tell every worker that an epoch starts."""
        self.ticket = epoch.ticket
        for worker in range(len(self.pending)):
            self.send(worker, epoch)

    def submit(self, worker: int, task: Task) -> None:
        """Give a worker a task."""
        self.send(worker, task)
        self.pending[worker] += 1

    def receive(self, timeout: float) -> list[Result]:
        """The results that have come, at least one; TimeoutError after `timeout` s (0: never)."""
        end = time.monotonic() + (timeout or float("inf"))
        while not (results := self.wait(min(_LONGEST_WAIT, max(end - time.monotonic(), 0)))):
            if time.monotonic() >= end:
                raise TimeoutError
        for result in results:
            self.pending[result.worker] -= 1
        return results

    @abc.abstractmethod
    def send(self, worker: int, message: Epoch | Task) -> None:
        """Put a message into a worker's queue."""

    @abc.abstractmethod
    def wait(self, seconds: float) -> list[Result]:
        """The results that come within some seconds, possibly none."""


class InlinePool(Pool):
    """No workers: a batch is built when its task is submitted."""

    def __init__(self, job: Job) -> None:
        super().__init__(1)
        self._builder = Builder(job, 0, "")
        self._results: list[Result] = []
        self.close = weakref.finalize(self, bool)

    def send(self, worker: int, message: Epoch | Task) -> None:
        result = self._builder.answer(message)
        self._results = [] if result is None else [result]

    def wait(self, seconds: float) -> list[Result]:
        results, self._results = self._results, []
        return results


class ThreadPool(Pool):
    """Workers as threads: nothing is sent; NumPy and Pillow run beside each other.

    Each worker has a shallow copy of a `Dataset` and of those that it wraps, so that what they or
    `worker_init_fn` set on them (an open file, the worker's part of a stream) stays its own.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job.num_workers)
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._tasks: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue() for _ in self.pending]
        stop, threads = threading.Event(), []
        for worker, tasks in enumerate(self._tasks):
            own = job._replace(dataset=_own_copy(job.dataset))
            builder = Builder(own, worker, f"thread {worker}")
            name, args = f"pyrite-loader-{worker}", (builder, tasks, self._results, stop)
            threads.append(threading.Thread(target=_work, args=args, name=name, daemon=True))
        self.close = weakref.finalize(self, _stop, threads, self._tasks, stop, os.getpid())
        for thread in threads:
            thread.start()

    def send(self, worker: int, message: Epoch | Task) -> None:
        self._tasks[worker].put(message)

    def wait(self, seconds: float) -> list[Result]:
        try:
            return [self._results.get(timeout=seconds)]
        except queue.Empty:
            return []


def _own_copy(dataset: Any) -> Any:
    if not isinstance(dataset, Dataset):
        return dataset
    try:
        own = copy.copy(dataset)
    except TypeError:
        # It holds what cannot be copied (a generator, say): the workers share it.
        return dataset
    inner = {k: _own_copy(v) for k, v in vars(own).items() if isinstance(v, Dataset)}
    vars(own).update(inner)
    return own


def _work(builder: Builder, tasks: Any, results: Any, stop: threading.Event) -> None:
    """A worker thread's life."""
    backends.run_serially()
    while (message := tasks.get()) is not None and not stop.is_set():
        result = builder.answer(message)
        if result is not None:
            results.put(result)
        # A thread that waits must not keep its last batch alive.
        del result


def _stop(threads: list[threading.Thread], tasks: list[Any], stop: Any, owner: int) -> None:
    if os.getpid() != owner:
        return
    stop.set()
    deadline = time.monotonic() + GRACE
    for messages in tasks:
        messages.put(None)
    for thread in threads:
        if thread.ident is not None and thread is not threading.current_thread():
            thread.join(max(deadline - time.monotonic(), 0))
