"""`DataLoader`: batches of a dataset, by workers if asked for, resumable at any batch."""

from __future__ import annotations

import abc
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
from ._fetch import Builder, Epoch, Failure, Job, Result, Task, index_key
from ._sampler import (
    BatchSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    draw_seed,
    may_repeat,
)
from ._workers import Pool, ThreadPool

T_co = TypeVar("T_co", covariant=True)
_FIXED = {"batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers"}


class _Endless(Sampler[None]):
    """The sampler of a stream, which has no indices."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


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
    yielded: int = 0
    ahead: set[int] = field(default_factory=set)
    turn: int = 0
    finished: bool = False

    def deliver(self, number: int | None, worker: int, state: Any = None) -> None:
        """Count a batch as delivered; those of streams have no number."""
        if number is None:
            self.yielded += 1
        else:
            self.ahead.add(number)
        while self.yielded in self.ahead:
            self.ahead.remove(self.yielded)
            self.yielded += 1
        self.delivered[worker] += 1
        self.states[worker] = state
        self.turn = (worker + 1) % len(self.delivered)


class _Plan:
    """The tasks of one epoch that are not delivered yet, drawn under (base seed, epoch)."""

    def __init__(self, loader: DataLoader[Any], progress: _Progress, ticket: int) -> None:
        sampler = loader._index_sampler
        self._generator = derive(loader._seed(), progress.epoch)
        self._ticket = ticket
        self._batched = loader._auto_collation
        self._stream = loader._is_stream
        self._skipped = {*range(progress.yielded), *progress.ahead}
        # How often each index came, to give repeated samples random numbers of their own.
        self._counts: Counter[int] | None = Counter() if may_repeat(sampler) else None
        with generator_scope(self._generator):
            self._indices = enumerate(iter(sampler))

    def next(self) -> Task | None:
        """The next task, or None at the end."""
        while True:
            with generator_scope(self._generator):
                number, indices = next(self._indices, (-1, None))
            if number < 0:
                return None
            if self._stream:
                # What a stream has delivered is skipped by its worker.
                return Task(self._ticket, number, None, None)
            indices = list(indices) if self._batched else indices
            repeats = self._repeats(indices if self._batched else [indices])
            if number not in self._skipped:
                return Task(self._ticket, number, indices, repeats)

    def _repeats(self, indices: list[Any]) -> list[int] | None:
        if self._counts is None:
            return None
        repeats = []
        for key in map(index_key, indices):
            repeats.append(self._counts[key])
            self._counts[key] += 1
        return repeats if any(repeats) else None


class _Iterator(abc.ABC, Iterator[Any]):
    """One epoch of a loader."""

    def __init__(self, loader: DataLoader[Any], progress: _Progress) -> None:
        self._loader = loader
        self._progress = progress
        self._stream = loader._is_stream
        self._ticket = loader._next_ticket()
        self._plan = _Plan(loader, progress, self._ticket)

    def __len__(self) -> int:
        return len(self._loader)

    @abc.abstractmethod
    def _next(self) -> Result | None:
        """The next batch, delivered, or None at the end of the epoch."""

    def __next__(self) -> Any:
        result = None if self._progress.finished else self._next()
        if result is None:
            self._progress.finished = True
            raise StopIteration
        if isinstance(result.value, Failure):
            result.value.reraise()
        return result.value

    def _deliver(self, result: Result) -> None:
        progress = self._progress
        number = None if self._stream else result.number
        progress.deliver(number, result.worker, result.state)
        expected = self._loader._stream_length
        if self._stream and expected is not None and progress.yielded == expected + 1:
            warnings.warn(
                f"Length of IterableDataset {type(self._loader.dataset).__name__} was reported as "
                f"{expected} batches, but more have been fetched. With workers, __iter__ must give "
                "each its own part of the stream: see get_worker_info()",
                stacklevel=4,
            )


class _Inline(_Iterator):
    """Batches built in the calling thread, when asked for."""

    def __init__(self, loader: DataLoader[Any], progress: _Progress) -> None:
        super().__init__(loader, progress)
        self._builder = Builder(loader._job())
        self._builder.begin(loader._epoch_message(self._ticket, progress))

    def _next(self) -> Result | None:
        task = self._plan.next()
        if task is None:
            return None
        with _Named(self._builder, lambda: self._deliver(Result(0, 0, task.number, "error"))):
            result = self._builder.build(task)
        if result.kind == "end":
            return None
        self._deliver(result)
        return result


class _Named:
    """Adds the sample to what the user's code raises, and counts its batch as delivered."""

    def __init__(self, builder: Builder, count: Callable[[], None]) -> None:
        self._builder, self._count = builder, count

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Exception):
            error.add_note(f"raised in DataLoader (num_workers=0), {self._builder.doing()}")
            self._count()


class _Pooled(_Iterator):
    """Batches built by workers, `prefetch_factor * num_workers` of them ahead of the caller."""

    def __init__(self, loader: DataLoader[Any], progress: _Progress) -> None:
        super().__init__(loader, progress)
        self._pool = loader._workers()
        self._pool.begin(loader._epoch_message(self._ticket, progress))
        # Submitted and not delivered, in order; of these, what has come; streams not at their end.
        self._flying: dict[int, int] = {}
        self._arrived: dict[int, Result] = {}
        self._open = list(range(loader.num_workers))
        self._turn = progress.turn
        self._exhausted = False

    def _next(self) -> Result | None:
        try:
            return self._next_arrived()
        except KeyboardInterrupt:
            # A message may be half read: these workers cannot be used again.
            self._pool.close()
            raise

    def _next_arrived(self) -> Result | None:
        if self._pool.ticket != self._ticket:
            raise RuntimeError(
                "this iterator's workers serve a newer iterator of the same DataLoader: "
                "use one at a time, or persistent_workers=False"
            )
        if not self._pool.close.alive:
            raise RuntimeError("the DataLoader's workers have ended: start a new iteration")
        self._fill()
        while self._flying or not self._exhausted:
            due = self._flying if self._loader.in_order else self._arrived
            number = next(iter(due), -1)
            result = self._arrived.pop(number, None)
            if result is None:
                self._receive()
            else:
                del self._flying[number]
            self._fill()
            if result is not None and result.kind != "end":
                self._deliver(result)
                return result
        if not self._loader.persistent_workers:
            self._pool.close()
        return None

    def _fill(self) -> None:
        """Keep the workers busy."""
        depth, pending = self._loader._depth, self._pool.pending
        while self._open and len(self._flying) < depth * len(self._open):
            worker = self._choose()
            if pending[worker] >= depth:
                return
            task = self._plan.next()
            if task is None:
                self._exhausted = True
                return
            self._pool.submit(worker, task)
            self._flying[task.number] = worker
            self._turn = (worker + 1) % len(pending)
        self._exhausted = self._exhausted or not self._open

    def _choose(self) -> int:
        """The next worker in turn for streams, which keep their order; else the least busy one."""
        if self._stream:
            return next((w for w in self._open if w >= self._turn), self._open[0])
        return min(self._open, key=self._pool.pending.__getitem__)

    def _receive(self) -> None:
        timeout = self._loader.timeout
        try:
            results = self._pool.receive(timeout)
        except TimeoutError:
            raise RuntimeError(f"DataLoader timed out after {timeout} seconds") from None
        for result in results:
            if result.ticket != self._ticket:
                continue
            self._arrived[result.number] = result
            if result.kind == "end" and result.worker in self._open:
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

    dataset: Any
    batch_size: int | None
    sampler: Any
    batch_sampler: Any
    drop_last: bool
    persistent_workers: bool

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler[Any] | Iterable[Any] | None = None,
        batch_sampler: Sampler[list[Any]] | Iterable[list[Any]] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
        worker_type: Literal["thread", "process"] | None = None,
    ) -> None:
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor
        self.timeout = timeout
        self.worker_type = worker_type or ("process" if multiprocessing_context else "thread")
        self._check_workers(persistent_workers)
        self.multiprocessing_context = multiprocessing_context
        self._is_stream = isinstance(dataset, IterableDataset)
        _check_sampling(self._is_stream, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if pin_memory:
            warnings.warn("pin_memory has no effect: batches are ordinary memory", stacklevel=2)
        if sampler is None:
            sampler = _default_sampler(dataset, bool(shuffle))
        if batch_sampler is not None:
            batch_size = None
        elif batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        default = default_convert if batch_sampler is None else default_collate
        self.collate_fn = default if collate_fn is None else collate_fn
        self.worker_init_fn, self.generator = worker_init_fn, generator
        self.pin_memory, self.pin_memory_device = pin_memory, pin_memory_device
        self.in_order = in_order
        self._base_seed: int | None = None
        self._ticket = self._epoch = 0
        self._progress: _Progress | None = None
        self._resume: _Progress | None = None
        self._pool: Pool | None = None
        self._stream_length: int | None = None
        fixed = dataset, batch_size, sampler, batch_sampler, drop_last, persistent_workers
        self.dataset, self.batch_size, self.sampler, self.batch_sampler, *flags = fixed
        self.drop_last, self.persistent_workers = flags

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED and "persistent_workers" in self.__dict__:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized: "
                "make a new one"
            )
        super().__setattr__(name, value)

    def _check_workers(self, persistent: bool) -> None:
        if self.num_workers < 0:
            raise ValueError(
                f"num_workers option should be non-negative, got {self.num_workers}; "
                "use num_workers=0 to load in the calling thread"
            )
        if self.timeout < 0:
            raise ValueError(f"timeout option should be non-negative, got {self.timeout}")
        if self.num_workers == 0 and self.prefetch_factor is not None:
            raise ValueError("prefetch_factor option needs num_workers > 0")
        if self.num_workers > 0 and self._depth <= 0:
            raise ValueError(f"prefetch_factor option should be positive, got {self._depth}")
        if persistent and self.num_workers == 0:
            raise ValueError("persistent_workers option needs num_workers > 0")
        if self.worker_type not in ("thread", "process"):
            raise ValueError(f"worker_type is 'thread' or 'process', got {self.worker_type!r}")

    @property
    def multiprocessing_context(self) -> Any:
        """The multiprocessing context of worker processes; None for the default."""
        return self._context

    @multiprocessing_context.setter
    def multiprocessing_context(self, value: Any) -> None:
        if value is not None:
            if self.num_workers == 0:
                raise ValueError("multiprocessing_context can only be used with num_workers > 0")
            from ._processes import check_context

            value = check_context(value)
        self._context = value

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        return self.sampler if self.batch_sampler is None else self.batch_sampler

    @property
    def _depth(self) -> int:
        return self.prefetch_factor or 0

    def __len__(self) -> int:
        if not self._is_stream:
            return len(self._index_sampler)
        length = len(self.dataset)
        if self.batch_size is not None:
            size = self.batch_size
            length = length // size if self.drop_last else -(-length // size)
        self._stream_length = length
        return length

    def __iter__(self) -> Iterator[Any]:
        progress = self._begin()
        return _Pooled(self, progress) if self.num_workers else _Inline(self, progress)

    def _begin(self) -> _Progress:
        """The progress of the epoch that starts now: a new one, or the one to resume."""
        self._seed()
        resume, self._resume = self._resume, None
        if resume is not None:
            _restore(self._index_sampler, resume.samplers)
        self._progress = resume or self._fresh()
        self._epoch += 1
        return self._progress

    def _fresh(self) -> _Progress:
        workers = max(self.num_workers, 1)
        samplers = _snapshot(self._index_sampler)
        return _Progress(self._epoch, samplers, [0] * workers, [None] * workers)

    def _seed(self) -> int:
        """The base seed, drawn when it is first needed."""
        if self._base_seed is None:
            self._base_seed = draw_seed(self.generator)
        return self._base_seed

    def _next_ticket(self) -> int:
        self._ticket += 1
        return self._ticket

    def _epoch_message(self, ticket: int, progress: _Progress) -> Epoch:
        return Epoch(ticket, progress.epoch, list(progress.delivered), list(progress.states))

    def _job(self) -> Job:
        return Job(
            dataset=self.dataset,
            collate_fn=self.collate_fn,
            batch_size=self.batch_size,
            drop_last=self.drop_last,
            iterable=self._is_stream,
            batched=self._auto_collation,
            seed=self._seed(),
            num_workers=self.num_workers,
            init_fn=self.worker_init_fn if self.num_workers else None,
            isolate=self.num_workers == 0 or self.worker_type == "process",
        )

    def _workers(self) -> Pool:
        """The pool for an epoch: a new one, or the persistent one."""
        if self._pool is not None and self._pool.close.alive:
            return self._pool
        if self.worker_type == "thread":
            pool: Pool = ThreadPool(self._job())
        else:
            from ._processes import ProcessPool, default_context

            pool = ProcessPool(self._job(), self._depth, self._context or default_context())
        if self.persistent_workers:
            self._pool = pool
        return pool

    def set_epoch(self, epoch: int) -> None:
        """Number the next epoch; a loaded position in the same epoch is kept.

        Passed on to the sampler's `set_epoch` if it has one.
        """
        if self._resume is not None and epoch != self._epoch:
            self._resume = None
        self._epoch = epoch
        if hasattr(self.sampler, "set_epoch"):
            self.sampler.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """The position: plain numbers and lists, and the state tensors of samplers' generators.

        Batches that were prefetched and not yet delivered do not count. Between two epochs it is
        the start of the next one.
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
            raise ValueError(f"not a state of a DataLoader: it lacks {sorted(missing)}")
        now = _Progress(**{name: copy.deepcopy(state_dict[name]) for name in names})
        now.ahead = set(now.ahead)
        workers = max(self.num_workers, 1)
        if now.yielded or now.ahead:
            expected = {"batch_size": state_dict["batch_size"]}
            if self._is_stream:
                expected["num_workers"] = len(now.delivered)
            found = {"batch_size": self.batch_size, "num_workers": workers}
            for name, value in expected.items():
                if value != found[name]:
                    raise ValueError(
                        f"a position inside an epoch needs the same {name}: it was saved with "
                        f"{value}, this DataLoader has {found[name]}"
                    )
        if len(now.delivered) != workers:
            now.delivered, now.states = [0] * workers, [None] * workers
            now.turn = 0
        if self._pool is not None:
            self._pool.close()
        self._base_seed, self._epoch = state_dict["base_seed"], now.epoch
        self._resume, self._progress = now, None


def _check_sampling(
    stream: bool,
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Any,
    batch_sampler: Any,
    drop_last: bool,
) -> None:
    if stream:
        given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                    f"{name}={value}: the stream has its own order"
                )
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        raise ValueError(
            "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
            "drop_last"
        )
    if batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


def _default_sampler(dataset: Any, shuffle: bool) -> Sampler[Any]:
    if isinstance(dataset, IterableDataset):
        return _Endless()
    return RandomSampler(dataset) if shuffle else SequentialSampler(dataset)


def _chain(sampler: Any) -> Iterator[Any]:
    """A sampler and those that it wraps."""
    while sampler is not None:
        yield sampler
        sampler = getattr(sampler, "sampler", None)


def _snapshot(sampler: Any) -> list[Any]:
    """What each sampler of the chain needs to draw its epoch again."""
    states = []
    for part in _chain(sampler):
        generator = getattr(part, "generator", None)
        if hasattr(part, "state_dict"):
            states.append(part.state_dict())
        else:
            states.append(generator.get_state() if isinstance(generator, Generator) else None)
    return states


def _restore(sampler: Any, states: list[Any]) -> None:
    for part, state in zip(_chain(sampler), states, strict=True):
        if hasattr(part, "load_state_dict"):
            part.load_state_dict(state)
        elif state is not None:
            part.generator.set_state(state)
