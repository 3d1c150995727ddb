"""Building batches: the same work in the loader's own thread, a worker thread or process.

Randomness: a sample's key is (base seed, epoch, index). While it is read, a generator with that
key stands in for the default one, so that its random numbers depend on neither the worker, the
batch size nor what was read before. In a stream the sample's place stands for the index; a sample
that the sampler names again in an epoch, and `collate_fn`, have longer keys of their own.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import itertools
import operator
import random
import reprlib
import threading
import traceback
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ..random import Generator, derive, generator_scope
from ._collate import default_collate, default_convert
from ._dataset import TensorDataset, unwrap

_MASK = 2**64 - 1
_END = object()
_here = threading.local()


class WorkerInfo(NamedTuple):
    """A worker's number, how many there are, its seed, and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


def get_worker_info() -> WorkerInfo | None:
    """The loader worker that this code runs in, or None outside of one."""
    return getattr(_here, "info", None)


class Job(NamedTuple):
    """What a loader asks of its workers. `isolate`: `random` and `numpy.random` can be seeded."""

    dataset: Any
    collate_fn: Callable[[Any], Any]
    batch_size: int
    drop_last: bool
    stream: bool
    batched: bool
    seed: int
    num_workers: int
    init_fn: Callable[[int], None] | None
    isolate: bool


class Epoch(NamedTuple):
    """The start of an epoch; for streams, each worker's delivered batches and dataset state."""

    ticket: int
    number: int
    delivered: list[int]
    states: list[Any]


class Task(NamedTuple):
    """A batch to build. `repeats`: how often the epoch named each index before, if it did."""

    ticket: int
    number: int
    indices: list[Any]
    repeats: list[int]


class Result(NamedTuple):
    """A worker's answer: a batch, a `Failure`, or the end of its stream."""

    worker: int
    ticket: int
    number: int
    value: Any = None
    state: Any = None
    ended: bool = False


class Failure(NamedTuple):
    """What the user's code raised: the exception itself, or its class and text from a worker."""

    kind: type[BaseException]
    text: str
    error: BaseException | None = None

    def reraise(self) -> NoReturn:
        """Raise the error again, or its class; RuntimeError for what the caller would misread."""
        error = self._rebuilt() if self.error is None else self.error
        try:
            raise error
        finally:
            # The traceback refers to this frame: no cycle may keep the loader's workers alive.
            del self, error

    def _rebuilt(self) -> BaseException:
        kind, text = self.kind, self.text
        if issubclass(kind, StopIteration) or not issubclass(kind, Exception):
            kind = RuntimeError
        try:
            error = kind(_Verbatim(text))
            if text in str(error):
                return error
        except TypeError:
            pass
        # A constructor with arguments of its own: pass it by, and show the text anyway.
        named: Any = type(kind.__name__, (kind,), {"__str__": lambda _: text})
        rebuilt: BaseException = named.__new__(named)
        return rebuilt


class _Verbatim(str):
    """Text that KeyError, which shows the repr of its argument, shows as it is."""

    __slots__ = ()
    __repr__ = str.__str__


def index_key(index: Any) -> int:
    """64 bits that stand for an index in keys: itself if it is an integer, else a hash."""
    try:
        return operator.index(index) & _MASK
    except TypeError:
        return int.from_bytes(hashlib.blake2b(repr(index).encode(), digest_size=8).digest())


class _Lazy(Generator):
    """A generator that derives its seed from a key when it is first asked for a number."""

    __slots__ = ("_key", "_known")

    _key: tuple[int, ...]
    _known: int | None

    def rekey(self, *key: int) -> None:
        """Start the stream of another key."""
        self._key, self._known, self._offset = key, None, 0

    def _get(self) -> int:
        if self._known is None:
            self._known = derive(*self._key).initial_seed()
        return self._known

    def _set(self, seed: int) -> None:
        self._known = seed

    _seed = property(_get, _set)


class Builder:
    """Builds the batches of one worker, or of the loader itself (worker 0 of 0)."""

    epoch: Epoch

    def __init__(self, job: Job, worker: int, place: str) -> None:
        self.job, self.worker, self.place = job, worker, place
        self._ready = not job.num_workers
        self._generator = _Lazy()
        self._bits = np.random.MT19937(0) if job.isolate else None
        self._stream: Iterator[Any] | None = None
        self._batches = self._samples = 0
        self._doing: tuple[str, Any] = ("in worker_init_fn", "")

    def answer(self, message: Epoch | Task) -> Result | None:
        """Begin an epoch, or answer a task; errors of the user's code are part of the answer."""
        if isinstance(message, Epoch):
            self.epoch, self._stream = message, None
            self._epoch_seed = derive(self.job.seed, message.number).initial_seed()
            return None
        result = Result(self.worker, message.ticket, message.number)
        with _Guard(self) as guard, generator_scope(self._generator), _isolated(self._bits):
            if not self._ready:
                self._initialise()
            if not self.job.stream:
                return result._replace(value=self._read(message))
            return self._read_stream(result)
        return result._replace(value=guard.take())

    def doing(self) -> str:
        """What the user's code was doing last."""
        what, which = self._doing
        return f"{what} {reprlib.repr(which) if isinstance(which, list) else which}".rstrip()

    def _initialise(self) -> None:
        seed = self.job.seed + self.worker & _MASK
        _here.info = WorkerInfo(self.worker, self.job.num_workers, seed, self.job.dataset)
        if self.job.init_fn is not None:
            self._key(self.worker, 0, 0, 0)
            self.job.init_fn(self.worker)
        self._ready = True

    def _key(self, *key: int) -> None:
        """Let random numbers come from the key (base seed, epoch, *key) from here on."""
        self._generator.rekey(self.job.seed, self.epoch.number, *key)
        if self.job.isolate:
            seed = self._epoch_seed
            for number in key:
                seed = (seed + number) * 0x9E3779B97F4A7C15 & _MASK
            random.seed(seed)
            np.random.seed(seed >> 32)

    def _read(self, task: Task) -> Any:
        job, indices = self.job, task.indices
        if job.batched:
            self._doing = ("at sample indices", indices)
            base, chosen = unwrap(job.dataset, indices)
            if (
                type(base) is TensorDataset
                and job.collate_fn is default_collate
                and all(type(i) is int for i in chosen)
            ):
                # One gather per tensor gives what stacking sample by sample gives.
                return [tensor[chosen] for tensor in base.tensors]
            if hasattr(base, "__getitems__"):
                self._key(*map(index_key, indices[:1]))
                return self._collate(base.__getitems__(chosen), task.number)
        repeats = itertools.chain(task.repeats, itertools.repeat(0))
        samples = [self._sample(i, n) for i, n in zip(indices, repeats)]
        return self._collate(samples, task.number)

    def _sample(self, index: Any, repeat: int) -> Any:
        self._doing = ("at sample index", index)
        self._key(index_key(index), *([repeat] if repeat else []))
        return self.job.dataset[index]

    def _collate(self, samples: Any, number: int) -> Any:
        function = self.job.collate_fn
        self._doing = (f"in collate_fn of batch {number}, whose last step was", self.doing())
        samples = samples if self.job.batched else samples[0]
        if function is default_collate or function is default_convert:
            return function(samples)
        self._key(number, 0, 0)
        return function(samples)

    def _read_stream(self, result: Result) -> Result:
        job = self.job
        stream = self._open() if self._stream is None else self._stream
        samples = list(self._take(stream, job.batch_size))
        if not samples or (job.drop_last and len(samples) < job.batch_size):
            return result._replace(ended=True)
        number = self._batches * max(job.num_workers, 1) + self.worker
        self._batches += 1
        batch = self._collate(samples, number)
        stateful = hasattr(job.dataset, "state_dict")
        state = copy.deepcopy(job.dataset.state_dict()) if stateful else None
        return result._replace(value=batch, state=state)

    def _open(self) -> Iterator[Any]:
        """Start the stream where the epoch says: from the dataset's state, or by skipping."""
        dataset, state = self.job.dataset, self.epoch.states[self.worker]
        self._batches = self.epoch.delivered[self.worker]
        self._samples = self._batches * self.job.batch_size if state is not None else 0
        self._doing = ("in __iter__ of the dataset", "")
        # The same key in all workers: what they shuffle here, they shuffle alike.
        self._key(0, 0, 0, 0)
        if state is not None:
            dataset.load_state_dict(state)
        self._stream = stream = iter(dataset)
        for _ in self._take(stream, self._batches * self.job.batch_size - self._samples):
            pass
        return stream

    def _take(self, stream: Iterator[Any], count: int) -> Iterator[Any]:
        """Up to `count` samples of the stream."""
        workers = max(self.job.num_workers, 1)
        for _ in range(count):
            self._doing = ("at sample", f"{self._samples} of the worker's stream")
            self._key(self._samples * workers + self.worker)
            sample = next(stream, _END)
            if sample is _END:
                # An ended stream is not asked again: it might start over.
                self._stream = iter(())
                return
            self._samples += 1
            yield sample


def fresh_memory(size: int) -> Any:
    """A writable buffer of `size` bytes, whatever they are."""
    return np.empty(size, np.uint8)


class _Guard(contextlib.AbstractContextManager["_Guard"]):
    """Holds back what the user's code raises; in a worker whatever it is, else exceptions only."""

    _failure: Failure

    def __init__(self, builder: Builder) -> None:
        self._builder = builder

    def take(self) -> Failure:
        """The failure, which the guard, met again in the error's traceback, forgets."""
        return self.__dict__.pop("_failure")

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        place, doing = self._builder.place, self._builder.doing()
        if isinstance(error, Exception) and not place:
            error.add_note(f"raised in DataLoader (num_workers=0) {doing}")
            self._failure = Failure(type(error), "", error)
        elif error is not None:
            original = "".join(traceback.format_exception(error))
            caught = f"Caught {type(error).__name__} in DataLoader worker {place}, {doing}"
            self._failure = Failure(type(error), f"{caught}.\nOriginal {original}")
        return bool(place) or isinstance(error, Exception)


@contextlib.contextmanager
def _isolated(bits: Any) -> Iterator[None]:
    """Let `numpy.random` draw from `bits`; give it and `random` back their state afterwards."""
    if bits is None:
        yield
        return
    state, before = random.getstate(), np.random.mtrand.get_bit_generator()
    np.random.mtrand.set_bit_generator(bits)
    try:
        yield
    finally:
        np.random.mtrand.set_bit_generator(before)
        random.setstate(state)
