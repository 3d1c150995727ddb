"""Datasets: what a loader reads samples from."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from .._tensor import Tensor
from ..random import Generator
from ._sampler import permutation

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Dataset(Generic[T_co]):
    """A map from indices to samples: subclasses write `__getitem__` and usually `__len__`.

    A subclass may add `__getitems__(indices) -> list`, which reads the samples of one batch in
    one call; the call then has one random stream, keyed by the batch's first index.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index)")

    def __add__(self, other: Dataset[T_co]) -> ConcatDataset[T_co]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co], Iterable[T_co]):
    """A stream of samples: subclasses write `__iter__`.

    Every worker runs its own copy of the stream; `get_worker_info()` in `__iter__` tells it which
    part is its own. Give sample k of worker w the place `k * num_workers + w` of the stream (as
    `itertools.islice(stream, w, None, num_workers)` does) and each sample keeps its random
    numbers for any number of workers.

    A dataset with `state_dict()` and `load_state_dict(state)` resumes through them; any other is
    resumed by reading again and dropping what was already delivered.
    """

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__()")

    def __add__(self, other: Dataset[T_co]) -> ChainDataset[T_co]:  # type: ignore[override]
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is the tuple of the i-th entries of `tensors` along their first dimension."""

    tensors: tuple[Tensor, ...]

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [t.size(0) for t in tensors]
        if len(set(sizes)) > 1:
            raise AssertionError(
                f"Size mismatch between tensors: expected equal first dimensions, got {sizes}"
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return int(self.tensors[0].size(0))


class StackDataset(Dataset[Any]):
    """Sample i holds sample i of every dataset: a tuple, or a dict for keyword arguments."""

    datasets: tuple[Any, ...] | dict[str, Any]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args and kwargs:
            raise ValueError("StackDataset: give datasets by position or by keyword, not both")
        if not (args or kwargs):
            raise ValueError("StackDataset: at least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = [len(d) for d in self._parts()]
        if len(set(lengths)) > 1:
            raise ValueError(f"Size mismatch between datasets: their lengths are {lengths}")
        self._length = lengths[0]

    def _parts(self) -> list[Any]:
        data = self.datasets
        return list(data.values()) if isinstance(data, dict) else list(data)

    def _sample(self, parts: Iterable[Any]) -> Any:
        data = self.datasets
        return dict(zip(data, parts, strict=True)) if isinstance(data, dict) else tuple(parts)

    def __getitem__(self, index: Any) -> Any:
        return self._sample(d[index] for d in self._parts())

    def __getitems__(self, indices: list[Any]) -> list[Any]:
        columns = [read_batch(d, indices) for d in self._parts()]
        return [self._sample(row) for row in zip(*columns, strict=True)]

    def __len__(self) -> int:
        return self._length


class ConcatDataset(Dataset[T_co]):
    """The samples of several map-style datasets, one dataset after the other."""

    datasets: list[Any]
    cumulative_sizes: list[int]

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset: use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> T_co:
        if idx < 0:
            if -idx > len(self):
                raise ValueError("absolute value of index should not exceed dataset length")
            idx += len(self)
        part = bisect.bisect_right(self.cumulative_sizes, idx)
        start = self.cumulative_sizes[part - 1] if part else 0
        sample: T_co = self.datasets[part][idx - start]
        return sample


class ChainDataset(IterableDataset[T_co]):
    """The samples of several `IterableDataset`s, one stream after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = datasets

    def _streams(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield dataset

    def __iter__(self) -> Iterator[T_co]:
        return itertools.chain.from_iterable(self._streams())

    def __len__(self) -> int:
        return sum(len(d) for d in self._streams())


class Subset(Dataset[T_co]):
    """The samples of `dataset` at `indices`."""

    dataset: Any
    indices: Sequence[int]

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, idx: Any) -> T_co:
        chosen = [self.indices[i] for i in idx] if isinstance(idx, list) else self.indices[idx]
        sample: T_co = self.dataset[chosen]
        return sample

    def __getitems__(self, indices: list[Any]) -> list[T_co]:
        if type(self).__getitem__ is not Subset.__getitem__:
            return [self[i] for i in indices]
        return read_batch(self.dataset, [self.indices[i] for i in indices])

    def __len__(self) -> int:
        return len(self.indices)


def reads_batches(dataset: Any) -> bool:
    """Whether user code reads a batch in one call, looking through this module's wrappers."""
    own = getattr(type(dataset), "__getitems__", None)
    if own is Subset.__getitems__:
        plain = type(dataset).__getitem__ is Subset.__getitem__
        return plain and reads_batches(dataset.dataset)
    if own is StackDataset.__getitems__:
        plain = type(dataset).__getitem__ is StackDataset.__getitem__
        return plain and any(reads_batches(d) for d in dataset._parts())
    return callable(getattr(dataset, "__getitems__", None))


def read_batch(dataset: Any, indices: list[Any]) -> list[Any]:
    """The samples at `indices`, through `__getitems__` where the dataset has it."""
    if not callable(getattr(dataset, "__getitems__", None)):
        return [dataset[i] for i in indices]
    samples: list[Any] = dataset.__getitems__(indices)
    if len(samples) != len(indices):
        raise ValueError(
            f"{type(dataset).__name__}.__getitems__ returned {len(samples)} samples for "
            f"{len(indices)} indices"
        )
    return samples


def gather(dataset: Any, indices: list[Any]) -> list[Tensor] | None:
    """The collated batch of a `TensorDataset`, plain or behind `Subset`s; None for others.

    One gather per tensor gives what collating the samples one by one gives.
    """
    while type(dataset) is Subset:
        indices = [dataset.indices[i] for i in indices]
        dataset = dataset.dataset
    if type(dataset) is not TensorDataset or not all(type(i) is int for i in indices):
        return None
    return [tensor[indices] for tensor in dataset.tensors]


def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T]]:
    """Split a dataset at random into parts of the given lengths, or of fractions that sum to 1.

    A fraction gets `floor(fraction * len(dataset))` samples; what remains is dealt out one by one
    from the first part on. ValueError if the lengths do not sum to the dataset's.
    """
    total = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = _sizes(lengths, total)
    else:
        sizes = [int(n) for n in lengths]
    if sum(lengths) != total and sum(sizes) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"(expected {total}, got {sum(lengths)})"
        )
    order = permutation(total, generator)
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, order[end - n : end]) for end, n in zip(ends, sizes, strict=True)]


def _sizes(fractions: Sequence[float], total: int) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1 (got {fraction})")
    sizes = [math.floor(total * f) for f in fractions]
    for i in range(total - sum(sizes)):
        sizes[i % len(sizes)] += 1
    for i, size in enumerate(sizes):
        if size == 0:
            warnings.warn(f"Length of split at index {i} is 0: an empty dataset", stacklevel=3)
    return sizes
