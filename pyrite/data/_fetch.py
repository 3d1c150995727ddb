"""Building batches: the same work in the loader's own thread, a worker thread or process.

Randomness: a sample's key is (base seed, epoch, index). While it is read, a generator with that
key stands in for the default one, so that its random numbers depend on neither the worker, the
batch size nor what was read before. A stream's key has the sample's place in the place of the
index; a sample that a sampler names again in one epoch, and `collate_fn`, have longer keys.
"""

from __future__ import annotations

import contextlib
import hashlib
import operator
import random
import reprlib
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, NoReturn

import numpy as np

from ..random import derive, generator_scope
from ._collate import default_collate, default_convert
from ._dataset import gather, reads_batches

_MASK = 2**64 - 1
_END = object()


@dataclass(frozen=True)
class WorkerInfo:
    """What `get_worker_info()` tells: the worker's number, how many there are, seed, dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_here = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The loader worker that this code runs in, or None outside of one."""
    info: WorkerInfo | None = getattr(_here, "info", None)
    return info


@dataclass(frozen=True)
class Job:
    """What a loader asks of its workers, for all of its epochs."""

    dataset: Any
    collate_fn: Callable[[Any], Any]
    batch_size: int | None
    drop_last: bool
    iterable: bool
    batched: bool
    seed: int
    num_workers: int
    init_fn: Callable[[int], None] | None
    # Whether `random` and `numpy.random` can be seeded per sample: threads share them.
    isolate: bool


class Epoch(NamedTuple):
    """The start of an epoch. `ticket` tells its results from those of an abandoned one.

    For streams: the batches that each worker has delivered already, and its dataset's state.
    """

    ticket: int
    number: int
    delivered: list[int]
    states: list[Any]


class Task(NamedTuple):
    """A batch to build; `repeats` counts how often the epoch named each index before, if ever."""

    ticket: int
    number: int
    indices: Any
    repeats: list[int] | None


class Result(NamedTuple):
    """A worker's answer to a task; `state` is that of a dataset which has `state_dict`."""

    worker: int
    ticket: int
    number: int
    kind: Literal["batch", "end", "error"]
    value: Any = None
    state: Any = None


class Failure(NamedTuple):
    """An exception of the user's code in a worker: its class, the text to raise it with."""

    kind: type[BaseException]
    text: str

    def reraise(self) -> NoReturn:
        """Raise the class again; RuntimeError where the interpreter would misread the class."""
        kind, text = self.kind, self.text
        if issubclass(kind, StopIteration) or not issubclass(kind, Exception):
            kind = RuntimeError
        if issubclass(kind, KeyError):
            text = _Verbatim(text)
        try:
            error = kind(text)
        except TypeError:
            error = kind.__new__(kind, text)
        if self.text not in str(error):
            error.add_note(text)
        raise error


class _Verbatim(str):
    """Text that KeyError, which shows the repr of its argument, shows as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Guard(contextlib.AbstractContextManager["Guard"]):
    """Holds back whatever the user's code raises, as the `Failure` that the loader will raise."""

    failure: Failure | None = None

    def __init__(self, builder: Builder, place: str) -> None:
        self.builder, self.place = builder, place

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is not None:
            original = "".join(traceback.format_exception(error))
            name, doing = type(error).__name__, self.builder.doing()
            text = f"Caught {name} in DataLoader worker {self.place}, {doing}.\nOriginal {original}"
            self.failure = Failure(type(error), text)
        return True


@contextlib.contextmanager
def isolated() -> Iterator[None]:
    """Give `random` and `numpy.random` back their state afterwards."""
    state, bits = random.getstate(), np.random.get_bit_generator()
    np.random.set_bit_generator(np.random.MT19937(0))
    try:
        yield
    finally:
        np.random.set_bit_generator(bits)
        random.setstate(state)


def index_key(index: Any) -> int:
    """64 bits that stand for an index in keys: itself if it is an integer, else a hash."""
    try:
        return operator.index(index) & _MASK
    except TypeError:
        digest = hashlib.blake2b(repr(index).encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little")


@dataclass
class Builder:
    """Builds the batches of one worker (or of the loader itself, which is worker 0 of 0)."""

    job: Job
    worker: int = 0
    epoch: Epoch = field(default_factory=lambda: Epoch(0, 0, [0], [None]))
    _ready: bool = False
    _stream: Iterator[Any] | None = None
    _batches: int = 0
    _places: int = 0
    _doing: tuple[str, Any] = ("in worker_init_fn", "")

    def begin(self, epoch: Epoch) -> None:
        """Start an epoch; its stream is opened by the first task."""
        self.epoch, self._stream = epoch, None
        self._batches = self._places = 0

    def doing(self) -> str:
        """What the user's code was doing last, for error messages."""
        what, index = self._doing
        return f"{what} {reprlib.repr(index) if isinstance(index, list) else index}".rstrip()

    def build(self, task: Task) -> Result:
        """The batch of a task, or the end of the stream. Lets the user's exceptions through."""
        with isolated() if self.job.isolate else contextlib.nullcontext():
            if not self._ready:
                self._initialise()
            if self.job.iterable:
                return self._next_batch(task)
            batch = self._read(task)
        return Result(self.worker, task.ticket, task.number, "batch", batch)

    def _initialise(self) -> None:
        job = self.job
        if job.num_workers:
            _here.info = WorkerInfo(
                self.worker, job.num_workers, (job.seed + self.worker) & _MASK, job.dataset
            )
        if job.init_fn is not None:
            with self._keyed(self.worker, 0, 0, 0):
                job.init_fn(self.worker)
        self._ready = True

    def _keyed(self, *key: int) -> contextlib.AbstractContextManager[Any]:
        """A scope in which random numbers come from the key (base seed, epoch, *key)."""
        generator = derive(self.job.seed, self.epoch.number, *key)
        if self.job.isolate:
            seed = generator.initial_seed()
            random.seed(seed)
            np.random.seed(seed & 0xFFFFFFFF)
        scope: contextlib.AbstractContextManager[Any] = generator_scope(generator)
        return scope

    def _read(self, task: Task) -> Any:
        job, indices = self.job, task.indices
        if not job.batched:
            repeat = task.repeats[0] if task.repeats else 0
            return self._collate(self._sample(indices, repeat), task.number)
        if job.collate_fn is default_collate:
            self._doing = ("at sample indices", indices)
            columns = gather(job.dataset, indices)
            if columns is not None:
                return columns
        if reads_batches(job.dataset):
            self._doing = ("at sample indices", indices)
            with self._keyed(*map(index_key, indices[:1])):
                return self._collate(job.dataset.__getitems__(indices), task.number)
        repeats = task.repeats or [0] * len(indices)
        samples = [self._sample(i, n) for i, n in zip(indices, repeats, strict=True)]
        return self._collate(samples, task.number)

    def _sample(self, index: Any, repeat: int) -> Any:
        self._doing = ("at sample index", index)
        key = (index_key(index), repeat) if repeat else (index_key(index),)
        with self._keyed(*key):
            return self.job.dataset[index]

    def _collate(self, samples: Any, number: int) -> Any:
        function = self.job.collate_fn
        before = f"(after {self.doing()})"
        self._doing = ("in collate_fn of batch", f"{number} {before}")
        if function is default_collate or function is default_convert:
            return function(samples)
        with self._keyed(number, 0, 0):
            return function(samples)

    def _next_batch(self, task: Task) -> Result:
        job = self.job
        stream = self._open() if self._stream is None else self._stream
        samples = list(self._take(stream, job.batch_size or 1))
        if not samples or (job.drop_last and len(samples) < (job.batch_size or 1)):
            return Result(self.worker, task.ticket, task.number, "end")
        number = self._batches * max(job.num_workers, 1) + self.worker
        self._batches += 1
        batch = self._collate(samples if job.batched else samples[0], number)
        state = job.dataset.state_dict() if _is_stateful(job.dataset) else None
        return Result(self.worker, task.ticket, task.number, "batch", batch, state)

    def _open(self) -> Iterator[Any]:
        """Start the stream where the epoch says: from the dataset's state, or by skipping."""
        dataset, state = self.job.dataset, self.epoch.states[self.worker]
        self._batches = self.epoch.delivered[self.worker]
        samples = self._batches * (self.job.batch_size or 1)
        self._doing = ("in __iter__ of the dataset", "")
        if state is not None:
            dataset.load_state_dict(state)
        # The same key in all workers: what they shuffle here, they shuffle alike.
        with self._keyed(0, 0, 0, 0):
            self._stream = stream = iter(dataset)
        if state is None:
            samples -= sum(1 for _ in self._take(stream, samples))
        self._places += samples
        return stream

    def _take(self, stream: Iterator[Any], count: int) -> Iterator[Any]:
        """Up to `count` samples of the stream."""
        workers = max(self.job.num_workers, 1)
        for _ in range(count):
            self._doing = ("at sample", f"{self._places} of the worker's stream")
            with self._keyed(self._places * workers + self.worker):
                sample = next(stream, _END)
            if sample is _END:
                # An ended stream is not asked again: it might start over.
                self._stream = iter(())
                return
            self._places += 1
            yield sample


def _is_stateful(dataset: Any) -> bool:
    return hasattr(dataset, "state_dict") and hasattr(dataset, "load_state_dict")
