"""Worker threads, and what they share with worker processes (`_processes.py`).

A pool starts its workers once; `begin` tells them of an epoch, `submit` gives a worker a task,
`receive` waits for results. `close` ends the workers and runs by itself when the pool is
collected or the interpreter ends, so workers refer to queues, never to the pool.
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
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ._dataset import Dataset
from ._fetch import Builder, Epoch, Guard, Job, Result, Task

# Seconds that workers get to finish what they are at before they are left or killed.
GRACE = 2.0
# A blocking wait ends at Ctrl-C at once on POSIX, and only between waits on Windows.
_LONGEST_WAIT = 0.2 if sys.platform == "win32" else 3600.0


class Pool(abc.ABC):
    """Workers of one kind, serving the epoch that has `ticket`.

    `pending` counts each worker's tasks without a result.
    """

    close: weakref.finalize[Any, Any]

    def __init__(self, num_workers: int) -> None:
        self.pending = [0] * num_workers
        self.ticket = 0

    def begin(self, epoch: Epoch) -> None:
        """Tell every worker that an epoch starts."""
        self.ticket = epoch.ticket
        for worker in range(len(self.pending)):
            self._send(worker, epoch)

    def submit(self, worker: int, task: Task) -> None:
        """Give a worker a task."""
        self._send(worker, task)
        self.pending[worker] += 1

    def receive(self, timeout: float) -> list[Result]:
        """The results that have come, at least one; TimeoutError after `timeout` s (0: never)."""
        deadline = time.monotonic() + timeout if timeout else float("inf")
        while not (results := self._wait(min(_LONGEST_WAIT, deadline - time.monotonic()))):
            if time.monotonic() >= deadline:
                raise TimeoutError
        for result in results:
            self.pending[result.worker] -= 1
        return results

    @abc.abstractmethod
    def _send(self, worker: int, message: Epoch | Task) -> None:
        """Put a message into the worker's queue."""

    @abc.abstractmethod
    def _wait(self, seconds: float) -> list[Result]:
        """The results that come within some seconds, possibly none."""


def answer(builder: Builder, message: Epoch | Task, place: str) -> Result | None:
    """What a worker does with a message: begin an epoch, or answer a task."""
    if isinstance(message, Epoch):
        builder.begin(message)
        return None
    with Guard(builder, place) as guard:
        return builder.build(message)
    return Result(builder.worker, message.ticket, message.number, "error", guard.failure)


class ThreadPool(Pool):
    """Workers as threads: nothing is copied; NumPy and Pillow run beside each other.

    Each worker has a shallow copy of a `Dataset`, so that what `worker_init_fn` or the dataset
    sets on itself (an open file, the worker's part of a stream) stays the worker's own.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job.num_workers)
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._tasks: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue() for _ in self.pending]
        stop = threading.Event()
        threads = [
            threading.Thread(
                target=_work,
                args=(Builder(_own_copy(job), worker), tasks.get, self._results.put, stop),
                name=f"pyrite-loader-{worker}",
                daemon=True,
            )
            for worker, tasks in enumerate(self._tasks)
        ]
        self.close = weakref.finalize(self, _stop_threads, threads, self._tasks, stop, os.getpid())
        for thread in threads:
            thread.start()

    def _send(self, worker: int, message: Epoch | Task) -> None:
        self._tasks[worker].put(message)

    def _wait(self, seconds: float) -> list[Result]:
        results = []
        try:
            results.append(self._results.get(timeout=max(seconds, 0)))
            while True:
                results.append(self._results.get_nowait())
        except queue.Empty:
            return results


def _own_copy(job: Job) -> Job:
    if not isinstance(job.dataset, Dataset):
        return job
    try:
        return replace(job, dataset=copy.copy(job.dataset))
    except TypeError:
        # It holds what cannot be copied (a generator, a handle): the workers share it.
        return job


def _work(
    builder: Builder,
    receive: Callable[[], Epoch | Task | None],
    reply: Callable[[Result], None],
    stop: threading.Event,
) -> None:
    """A worker thread's life."""
    while (message := receive()) is not None and not stop.is_set():
        result = answer(builder, message, f"thread {builder.worker}")
        if result is not None:
            reply(result)
        # A thread that waits must not keep its last batch alive.
        del result


def _stop_threads(
    threads: list[threading.Thread],
    tasks: list[queue.SimpleQueue[Any]],
    stop: threading.Event,
    owner: int,
) -> None:
    if os.getpid() != owner:
        return
    stop.set()
    for messages in tasks:
        messages.put(None)
    deadline = time.monotonic() + GRACE
    for thread in threads:
        if thread.ident is not None and thread is not threading.current_thread():
            thread.join(max(deadline - time.monotonic(), 0))
