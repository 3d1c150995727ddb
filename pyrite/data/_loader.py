"""`DataLoader`: batches of a dataset, by workers if asked for, resumable at any batch."""

from __future__ import annotations

import copy
import itertools
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Generic, Literal, TypeVar

from ..random import Generator, derive, generator_scope
from ._collate import default_collate, default_convert
from ._dataset import Dataset, IterableDataset
from ._fetch import Epoch, Failure, Job, Result, Task, index_key
from ._sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    draw_seed,
    may_repeat,
)  # fmt: skip
from ._workers import InlinePool, Pool, ThreadPool

T_co = TypeVar("T_co", covariant=True)
_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


@dataclass
class _Progress:
    """What an epoch has delivered, whatever was prefetched beyond it.

    Batches below `yielded` are delivered, and those in `ahead` (with `in_order=False`). For
    streams also: the batches of each worker, its dataset's state, and whose `turn` is next.
    `samplers` are the samplers' states at the epoch's start.
    """

    epoch: int
    samplers: list[Any]
    delivered: list[int]
    states: list[Any]
    turn: int = 0
    yielded: int = 0
    ahead: set[int] = field(default_factory=set)
    finished: bool = False

    def deliver(self, result: Result, stream: bool) -> None:
        """Count a batch as delivered; the numbers of streams have gaps and mean nothing here."""
        self.ahead.add(self.yielded if stream else result.number)
        while self.yielded in self.ahead:
            self.ahead.remove(self.yielded)
            self.yielded += 1
        self.delivered[result.worker] += 1
        self.states[result.worker] = result.state
        self.turn = (result.worker + 1) % len(self.delivered)


class _Batches(Iterator[Any]):
    """One epoch of a loader: keeps `prefetch_factor * num_workers` batches ahead of the caller."""

    def __init__(self, loader: DataLoader[Any], progress: _Progress, pool: Pool) -> None:
        self._loader, self._progress, self._pool = loader, progress, pool
        self._ticket = pool.ticket + 1
        self._stream = loader._is_stream
        self._generator = derive(loader._seed(), progress.epoch)
        self._skipped = {*range(progress.yielded), *progress.ahead}
        sampler = loader._index_sampler
        # How often each index came, to give repeated samples random numbers of their own.
        self._counts: Counter[int] = Counter()
        self._counting = may_repeat(sampler)
        # Tasks submitted and not delivered; results of these; workers whose stream goes on.
        self._flying: dict[int, int] = {}
        self._arrived: dict[int, Result] = {}
        self._open = list(range(len(pool.pending)))
        self._turn, self._exhausted = progress.turn, False
        with generator_scope(self._generator):
            self._indices = enumerate(sampler)
        delivered, states = list(progress.delivered), list(progress.states)
        pool.begin(Epoch(self._ticket, progress.epoch, delivered, states))

    def __len__(self) -> int:
        return len(self._loader)

    def __next__(self) -> Any:
        try:
            result = None if self._progress.finished else self._next()
        except KeyboardInterrupt:
            # A message may be half read: these workers cannot be used again.
            self._pool.close()
            raise
        if result is None:
            self._progress.finished = True
            if not self._loader.persistent_workers:
                self._pool.close()
            raise StopIteration
        self._progress.deliver(result, self._stream)
        if self._stream and self._progress.yielded == self._loader._reported + 1:
            warnings.warn(
                f"the IterableDataset reported {self._loader._reported} batches, and there are "
                "more. Does __iter__ give each worker its own part? See get_worker_info()",
                stacklevel=2,
            )
        value = result.value
        if isinstance(value, Failure):
            try:
                value.reraise()
            finally:
                del value, result
        return value

    def _next(self) -> Result | None:
        if self._pool.ticket != self._ticket or not self._pool.close.alive:
            raise RuntimeError(
                "this iterator's workers have ended or serve a newer iterator of the DataLoader: "
                "start a new one, or use persistent_workers=False"
            )
        self._fill()
        while self._flying or not self._exhausted:
            due = self._flying if self._loader.in_order else self._arrived
            number = next(iter(due), -1)
            result = self._arrived.pop(number, None)
            if result is None:
                self._receive()
            else:
                del self._flying[number]
            if self._loader.num_workers or result is None or result.ended:
                self._fill()
            if result is not None and not result.ended:
                return result
        return None

    def _fill(self) -> None:
        """Keep the workers busy."""
        depth, pending = self._loader._depth, self._pool.pending
        self._exhausted = self._exhausted or not self._open
        while not self._exhausted and len(self._flying) < depth * len(self._open):
            # Streams take turns, which keeps their order; other tasks go to the least busy worker.
            later = [w for w in self._open if w >= self._turn] or self._open
            worker = later[0] if self._stream else min(self._open, key=pending.__getitem__)
            if pending[worker] >= depth:
                return
            task = self._draw()
            self._exhausted = task is None
            if task is not None:
                self._flying[task.number] = worker
                self._turn = (worker + 1) % len(pending)
                self._pool.submit(worker, task)

    def _draw(self) -> Task | None:
        """The next task that is not delivered yet, or None at the sampler's end."""
        while True:
            with generator_scope(self._generator):
                number, drawn = next(self._indices, (-1, ()))
            if number < 0:
                return None
            if self._stream:
                # What a stream has delivered is skipped by its worker.
                return Task(self._ticket, number, [], [])
            indices: list[Any] = [*drawn] if self._loader._auto_collation else [drawn]
            repeats = []
            for key in map(index_key, indices if self._counting else ()):
                repeats.append(self._counts[key])
                self._counts[key] += 1
            if number not in self._skipped:
                return Task(self._ticket, number, indices, repeats)

    def _receive(self) -> None:
        timeout = self._loader.timeout
        try:
            results = self._pool.receive(timeout)
        except TimeoutError:
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None
        for result in results:
            # Others belong to an epoch that was left before its end.
            if result.ticket == self._ticket:
                self._arrived[result.number] = result
                if result.ended and result.worker in self._open:
                    self._open.remove(result.worker)


class DataLoader(Generic[T_co]):
    """Batches of a dataset, in the order of a sampler, built by workers if asked for.

    The arguments are torch's, and:

    Args:
        worker_type: "thread" (the default) or "process". Threads start at once, copy nothing and
            see the program's objects; NumPy and Pillow let them run side by side. Take processes
            for Python-heavy transforms and for those that draw from `random` or `numpy.random`,
            which threads share and cannot seed. A `multiprocessing_context` implies processes.
        generator: draws the base seed, once, at the first iteration; default: the default one.
        timeout: seconds to wait for a batch of the workers; 0 waits for ever.
        pin_memory: accepted; batches are ordinary memory.

    The same seed gives the same batches for any number and type of workers, and each sample the
    same random numbers for any batch size. While sample i is read, Pyrite's default generator is
    `derive(base seed, epoch, i)`; `random` and `numpy.random` are seeded likewise (not in
    threads). An epoch is one `iter(loader)`; `set_epoch` renumbers. `shuffle` draws its
    permutation from `derive(base seed, epoch)`.

    `state_dict()`, at any time, says which batches have been delivered; a loader of the same
    arguments continues behind them after `load_state_dict`, without reading them again (streams
    without a `state_dict` of their own are read and skipped).

    An exception in a worker is raised here with its class, the sample's index, the worker and its
    traceback; a worker that dies gives a RuntimeError with its pid and signal.
    """

    def __init__(
        self, dataset: Dataset[T_co], batch_size: int | None = 1, shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0, collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False, drop_last: bool = False, timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None, multiprocessing_context: Any = None,
        generator: Generator | None = None, *, prefetch_factor: int | None = None,
        persistent_workers: bool = False, pin_memory_device: str = "", in_order: bool = True,
        worker_type: Literal["thread", "process"] | None = None,
    ) -> None:  # fmt: skip
        stream = isinstance(dataset, IterableDataset)
        unlike_stream = {"shuffle": shuffle or None, "sampler": sampler,
                         "batch_sampler": batch_sampler}  # fmt: skip
        for wrong, text in (
            (num_workers < 0, f"num_workers option should be non-negative, got {num_workers}"),
            (timeout < 0, f"timeout option should be non-negative, got {timeout}"),
            (num_workers == 0 and prefetch_factor is not None,
             "prefetch_factor option needs num_workers > 0"),
            (prefetch_factor is not None and prefetch_factor < 1,
             f"prefetch_factor option should be positive, got {prefetch_factor}"),
            (persistent_workers and num_workers == 0,
             "persistent_workers option needs num_workers > 0"),
            (multiprocessing_context is not None and num_workers == 0,
             "multiprocessing_context can only be used with num_workers > 0"),
            (worker_type not in (None, "thread", "process"),
             f"worker_type is 'thread' or 'process', got {worker_type!r}"),
            *((stream and value is not None,
               f"IterableDataset: expected unspecified {name} option, but got {name}={value}")
              for name, value in unlike_stream.items()),
            (sampler is not None and shuffle, "sampler option is mutually exclusive with shuffle"),
            (batch_sampler is not None
             and (batch_size != 1 or shuffle or sampler is not None or drop_last),
             "batch_sampler option excludes batch_size, shuffle, sampler and drop_last"),
            (batch_size is None and drop_last,
             "batch_size=None option disables batching and excludes drop_last"),
        ):  # fmt: skip
            if wrong:
                raise ValueError(f"DataLoader: {text}")
        if pin_memory:
            warnings.warn("pin_memory has no effect: batches are ordinary memory", stacklevel=2)
        if multiprocessing_context is not None:
            from ._processes import as_context

            multiprocessing_context = as_context(multiprocessing_context)
        if sampler is None and not stream:
            sampler = RandomSampler(dataset) if shuffle else SequentialSampler(dataset)  # type: ignore[arg-type]
        self.dataset = dataset
        # A stream has no indices: its sampler says None for ever.
        self.sampler: Any = itertools.repeat(None) if sampler is None else sampler
        self.batch_size = None if batch_sampler is not None else batch_size
        if self.batch_size is not None:
            batch_sampler = BatchSampler(self.sampler, self.batch_size, drop_last)
        self.batch_sampler = batch_sampler
        self.drop_last, self.num_workers, self.timeout = drop_last, num_workers, timeout
        default = default_convert if batch_sampler is None else default_collate
        self.collate_fn = default if collate_fn is None else collate_fn
        self.prefetch_factor = 2 if prefetch_factor is None and num_workers else prefetch_factor
        self.worker_type = worker_type or ("process" if multiprocessing_context else "thread")
        self.worker_init_fn, self.generator, self.in_order = worker_init_fn, generator, in_order
        self.multiprocessing_context = multiprocessing_context
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self._is_stream, self._depth = stream, self.prefetch_factor or 1
        self._base_seed: int | None = None
        self._reported = -1
        self._next_epoch = 0
        self._progress: _Progress | None = None
        self._resume: _Progress | None = None
        self._pool: Pool | None = None
        self.persistent_workers = persistent_workers

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "persistent_workers" in self.__dict__:
            raise ValueError(f"{name} attribute should not be set after DataLoader is initialized")
        super().__setattr__(name, value)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    def __len__(self) -> int:
        if not self._is_stream:
            return len(self._index_sampler)
        length, size = len(self.dataset), self.batch_size or 1  # type: ignore[arg-type]
        self._reported = length // size if self.drop_last else -(-length // size)
        return self._reported

    def __iter__(self) -> Iterator[Any]:
        self._seed()
        resume, self._resume = self._resume, None
        if resume is not None:
            for (_, restore), state in zip(_states(self._index_sampler), resume.samplers):
                restore(state)
        self._progress = resume or self._fresh()
        self._next_epoch += 1
        return _Batches(self, self._progress, self._workers())

    def _fresh(self) -> _Progress:
        workers = max(self.num_workers, 1)
        samplers = [get() for get, _ in _states(self._index_sampler)]
        return _Progress(self._next_epoch, samplers, [0] * workers, [None] * workers)

    def _seed(self) -> int:
        """The base seed, drawn when it is first needed."""
        if self._base_seed is None:
            self._base_seed = draw_seed(self.generator)
        return self._base_seed

    def _workers(self) -> Pool:
        """The pool for an epoch: a new one, or the persistent one."""
        if self._pool is not None and self._pool.close.alive:
            return self._pool
        job = Job(
            self.dataset, self.collate_fn, self.batch_size or 1, self.drop_last, self._is_stream,
            self._auto_collation, self._seed(), self.num_workers, self.worker_init_fn,
            isolate=self.num_workers == 0 or self.worker_type == "process",
        )  # fmt: skip
        if self.num_workers == 0:
            return InlinePool(job)
        if self.worker_type == "thread":
            pool: Pool = ThreadPool(job)
        else:
            from ._processes import ProcessPool, as_context

            pool = ProcessPool(job, self._depth, as_context(self.multiprocessing_context))
        self._pool = pool if self.persistent_workers else None
        return pool

    def set_epoch(self, epoch: int) -> None:
        """Number the next epoch, for a sampler with `set_epoch` too.

        A position that was loaded is kept if it is in that epoch.
        """
        if self._resume is not None and epoch != self._next_epoch:
            self._resume = None
        self._next_epoch = epoch
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """The position: plain numbers and lists, and the state tensors of samplers' generators.

        Batches that were prefetched and not yet delivered do not count. Between two epochs it is
        the start of the next one; after a `break` it is the place of the `break`.
        """
        now = self._resume or self._progress
        if now is None or now.finished:
            now = self._fresh()
        state = {"base_seed": self._seed(), "batch_size": self.batch_size, **asdict(now)}
        return {**state, "ahead": sorted(now.ahead)}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue, at the next `iter()`, behind the batches that `state_dict` has delivered.

        ValueError for a position inside an epoch that another batch size, or for streams another
        number of workers, made.
        """
        names = [f.name for f in fields(_Progress)]
        missing = {"base_seed", "batch_size", *names} - set(state_dict)
        if missing:
            raise ValueError(f"not the state of a DataLoader: it lacks {sorted(missing)}")
        now = _Progress(**{name: copy.deepcopy(state_dict[name]) for name in names})
        now.ahead = set(now.ahead)
        fresh = self._fresh()
        moved = len(now.delivered) != len(fresh.delivered)
        if now.yielded and (
            state_dict["batch_size"] != self.batch_size or (self._is_stream and moved)
        ):
            raise ValueError(
                "a position inside an epoch needs the same batch_size, and for an IterableDataset "
                f"the same num_workers: saved with {state_dict['batch_size']} and "
                f"{len(now.delivered)}, but this DataLoader has {self.batch_size} and "
                f"{self.num_workers}"
            )
        if moved:
            now.delivered, now.states, now.turn = fresh.delivered, fresh.states, 0
        if self._pool is not None:
            self._pool.close()
        self._base_seed, self._next_epoch = state_dict["base_seed"], now.epoch
        self._resume, self._progress = now, None


def _states(sampler: Any) -> list[tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """How to get and set the states that a sampler and those that it wraps draw from."""
    found = []
    while sampler is not None:
        generator = getattr(sampler, "generator", None)
        if hasattr(sampler, "state_dict"):
            found.append((sampler.state_dict, sampler.load_state_dict))
        elif isinstance(generator, Generator):
            found.append((generator.get_state, generator.set_state))
        sampler = getattr(sampler, "sampler", None)
    return found
