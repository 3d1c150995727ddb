"""Datasets: what a loader reads samples from."""

from __future__ import annotations

import bisect
import itertools
import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from .._composites.random import randperm
from .._tensor import Tensor
from ..random import Generator

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Dataset(Generic[T_co]):
    """A map from indices to samples: subclasses write `__getitem__` and usually `__len__`.

    A subclass may add `__getitems__(indices) -> list`, which reads the samples of one batch in
    one call; the call then has one random stream, keyed by the batch's first index.
    """

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(index)")

    def __add__(self, other: Any) -> Dataset[T_co]:
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

    def __add__(self, other: Any) -> Dataset[T_co]:
        return ChainDataset([self, other])


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Sample i is the tuple of the i-th entries of `tensors` along their first dimension."""

    def __init__(self, *tensors: Tensor) -> None:
        _check_sizes([len(t) for t in tensors], AssertionError("Size mismatch between tensors"))
        self.tensors: tuple[Any, ...] = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __len__(self) -> int:
        return len(self.tensors[0])


class StackDataset(Dataset[Any]):
    """Sample i holds sample i of every dataset: a tuple, or a dict for keyword arguments."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if bool(args) is bool(kwargs):
            raise ValueError("StackDataset: give datasets either by position or by keyword")
        self.datasets: tuple[Any, ...] | dict[str, Any] = args or kwargs
        self._parts = args or tuple(kwargs.values())
        _check_sizes([len(d) for d in self._parts], ValueError("Size mismatch between datasets"))

    def __getitem__(self, index: Any) -> Any:
        sample = tuple(dataset[index] for dataset in self._parts)
        data = self.datasets
        return dict(zip(data, sample, strict=True)) if isinstance(data, dict) else sample

    def __len__(self) -> int:
        return len(self._parts[0])


def _check_sizes(sizes: list[int], error: Exception) -> None:
    if len(set(sizes)) > 1:
        error.args = (f"{error}: got {sizes}, expected equal ones",)
        raise error


class ConcatDataset(Dataset[T_co]):
    """The samples of several map-style datasets, one dataset after the other."""

    def __init__(self, datasets: Iterable[Any]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise AssertionError("datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            raise AssertionError("ConcatDataset does not support IterableDataset: use ChainDataset")
        self.cumulative_sizes = list(itertools.accumulate(len(d) for d in self.datasets))

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx: int) -> Any:
        if idx < -len(self):
            raise ValueError("absolute value of index should not exceed dataset length")
        idx = idx + len(self) if idx < 0 else idx
        part = bisect.bisect_right(self.cumulative_sizes, idx)
        return self.datasets[part][idx - (self.cumulative_sizes[part - 1] if part else 0)]


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

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, idx: Any) -> Any:
        chosen = [self.indices[i] for i in idx] if isinstance(idx, list) else self.indices[idx]
        return self.dataset[chosen]

    def __len__(self) -> int:
        return len(self.indices)


def unwrap(dataset: Any, indices: list[Any]) -> tuple[Any, list[Any]]:
    """The dataset behind `Subset`s, and its own indices."""
    while type(dataset) is Subset:
        indices, dataset = [dataset.indices[i] for i in indices], dataset.dataset
    return dataset, indices


def random_split(
    dataset: Dataset[T], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T]]:
    """Split a dataset at random into parts of the given lengths, or of fractions that sum to 1.

    A fraction gets `floor(fraction * len(dataset))` samples; what remains is dealt out one by one
    from the first part on. ValueError if the lengths do not sum to the dataset's.
    """
    total = len(dataset)  # type: ignore[arg-type]
    sizes = list(lengths)
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        sizes = _deal(lengths, total)
    if sum(sizes) != total:
        raise ValueError(
            "Sum of input lengths does not equal the length of the input dataset! "
            f"(got {sum(sizes)}, expected {total})"
        )
    order = randperm(total, generator=generator).tolist()
    ends = itertools.accumulate(sizes)
    return [Subset(dataset, order[end - n : end]) for end, n in zip(ends, sizes, strict=True)]


def _deal(fractions: Sequence[float], total: int) -> list[int]:
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            raise ValueError(f"Fraction at index {i} is not between 0 and 1 (got {fraction})")
    sizes = [math.floor(total * fraction) for fraction in fractions]
    for i in range(total - sum(sizes)):
        sizes[i % len(sizes)] += 1
    for i in [i for i, size in enumerate(sizes) if size == 0]:
        warnings.warn(f"Length of split at index {i} is 0: an empty dataset", stacklevel=3)
    return sizes
