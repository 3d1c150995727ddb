"""The loader: equal batches for all workers, and resuming at any of them."""

import functools
import pickle
import random
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from _loading import WORKERS, Counter, Noisy, Stream, epochs, plain, seeded, with_workers

import pyrite
from pyrite import data
from pyrite.data import DataLoader

# ---- equal batches for all workers


@functools.cache
def reference(kind: type, options: tuple[tuple[str, Any], ...] = ()) -> list[Any]:
    return epochs(DataLoader(kind(), generator=seeded(), **dict(options)))


@pytest.mark.parametrize(("count", "kind"), WORKERS)
@pytest.mark.parametrize("options", [{"shuffle": True, "batch_size": 4}, {"batch_size": None}])
def test_batches_do_not_depend_on_workers(count: int, kind: str, options: dict[str, Any]) -> None:
    expected = reference(Noisy, tuple(options.items()))
    loader = DataLoader(Noisy(), generator=seeded(), **with_workers(count, kind), **options)
    assert epochs(loader) == expected
    kept = DataLoader(
        Noisy(), generator=seeded(), persistent_workers=count > 0, **with_workers(count, kind),
        **options,
    )  # fmt: skip
    assert epochs(kept) == expected


@pytest.mark.parametrize(("count", "kind"), WORKERS)
def test_streams_do_not_depend_on_workers(count: int, kind: str) -> None:
    expected = reference(Stream)
    found = epochs(DataLoader(Stream(), generator=seeded(), **with_workers(count, kind)))
    assert found == expected
    batches = DataLoader(Stream(), 3, **with_workers(count, kind), drop_last=True)
    index = [i for batch, _ in batches for i in batch.tolist()]
    assert len(index) == (18 if count == 3 else 21)
    assert len(set(index)) == len(index)


def test_sample_randomness_does_not_depend_on_the_batch_size() -> None:
    def samples(size: int) -> list[Any]:
        loader = DataLoader(Noisy(), size, shuffle=True, generator=seeded())
        return [(i, tuple(row)) for b in loader for i, row in zip(*(t.tolist() for t in b))]

    assert samples(1) == samples(4) == samples(23)
    assert len({row for _, row in samples(4)}) == 23


@pytest.mark.parametrize(("count", "kind"), [(0, "none"), (1, "process"), (3, "process")])
def test_global_streams_are_seeded_per_sample(count: int, kind: str) -> None:
    def state() -> Any:
        return random.getstate(), [str(v) for v in np.random.get_state()]

    before = state()
    loader = DataLoader(Noisy(others=True), 4, generator=seeded(), **with_workers(count, kind))
    found = epochs(loader)
    assert state() == before
    assert found == epochs(DataLoader(Noisy(others=True), 4, generator=seeded()))
    values = [v for batch in found for v in batch[2][2] + batch[3][2]]
    assert len(set(values)) == len(values) == 2 * 2 * 23


def test_a_sample_drawn_again_has_other_random_numbers() -> None:
    order = [3, 1, 3, 3, 1]
    runs = [
        [
            v
            for b in DataLoader(Noisy(), n, sampler=order, generator=seeded())
            for v in b[1].tolist()
        ]
        for n in (1, 2, 5)
    ]
    assert runs[0] == runs[1] == runs[2]
    assert len({tuple(v) for v in runs[0]}) == 5
    once = next(iter(DataLoader(Noisy(), 1, sampler=[1], generator=seeded())))[1]
    assert once.tolist() == [runs[0][1]]


def test_epochs_and_seeds_differ() -> None:
    loader = DataLoader(Noisy(), 23, shuffle=True, generator=seeded())
    first, second = next(iter(loader)), next(iter(loader))
    assert plain(first[0]) != plain(second[0])
    loader.set_epoch(0)
    assert plain(next(iter(loader))) == plain(first)
    assert plain(next(iter(loader))) == plain(second)
    other = DataLoader(Noisy(), 23, shuffle=True, generator=seeded(8))
    assert plain(next(iter(other))) != plain(first)
    pyrite.manual_seed(7)
    implicit = plain(next(iter(DataLoader(Noisy(), 23, shuffle=True))))
    pyrite.manual_seed(7)
    assert plain(next(iter(DataLoader(Noisy(), 23, shuffle=True)))) == implicit


def test_collate_fn_has_random_numbers_of_its_own() -> None:
    def mix(samples: list[Any]) -> Any:
        return pyrite.rand(2)

    runs = [
        epochs(DataLoader(Noisy(), 4, collate_fn=mix, generator=seeded(), **with_workers(*w)))
        for w in WORKERS
    ]
    assert all(run == runs[0] for run in runs)
    assert len({str(v) for v in runs[0]}) == len(runs[0])


def test_a_tensor_dataset_is_gathered_as_it_is_collated() -> None:
    values = data.TensorDataset(pyrite.rand(20, 3), pyrite.arange(20))
    part = data.Subset(data.Subset(values, range(15)), [14, 2, 7, 2, 0])
    for dataset in (values, part):
        gathered = epochs(DataLoader(dataset, 4, shuffle=True, generator=seeded()))
        collated = epochs(
            DataLoader(
                dataset,
                4,
                shuffle=True,
                generator=seeded(),
                collate_fn=lambda samples: data.default_collate(samples),
            )
        )
        assert gathered == collated
    with pytest.raises(IndexError) as caught:
        list(DataLoader(values, sampler=[3, 99]))
    assert "sample indices [99]" in caught.value.__notes__[0]


def test_getitems_reads_a_batch() -> None:
    calls = []

    class Many(Noisy):
        def __getitems__(self, indices: list[int]) -> list[Any]:
            calls.append(indices)
            return [self[i] for i in indices]

    list(DataLoader(data.Subset(Many(), range(10, 16)), 4))
    assert calls == [[10, 11, 12, 13], [14, 15]]


def test_keys_need_not_be_integers() -> None:
    images = {"cat": 1.0, "dog": 2.0}
    loader = DataLoader(images, sampler=["dog", "cat"], batch_size=2)
    assert next(iter(loader)).tolist() == [2.0, 1.0]


# ---- resuming


def check_resume(make: Any, at: range, other: Any = None) -> None:
    """Stop after each number of batches, continue in a new loader: as if there were no stop."""
    whole = epochs(make(), 3)
    for stop in at:
        first = make()
        batches = (plain(batch) for _ in range(3) for batch in first)
        head = [next(batches) for _ in range(stop)]
        state = pickle.loads(pickle.dumps(first.state_dict()))
        second = (other or make)()
        second.load_state_dict(state)
        assert other is not None or plain(second.state_dict()) == plain(state)
        assert head + epochs(second, 3)[: len(whole) - stop] == whole


@pytest.mark.parametrize(("count", "kind"), WORKERS)
def test_resume_at_every_batch(count: int, kind: str) -> None:
    def make(count: int = count, kind: str = kind) -> DataLoader:
        workers = with_workers(count, kind)
        return DataLoader(Noisy(10), 3, shuffle=True, generator=seeded(), **workers)

    stops = range(10) if kind == "thread" else range(1, 9, 3)
    check_resume(make, stops)
    check_resume(make, range(2, 3), lambda: make(2, "thread"))


def test_resume_with_samplers_of_one_s_own() -> None:
    class Own(data.Sampler[int]):
        def __iter__(self) -> Iterator[int]:
            return iter(pyrite.randperm(9).tolist())

    check_resume(lambda: DataLoader(Noisy(9), 2, sampler=Own(), generator=seeded()), range(8))

    def with_generator() -> DataLoader:
        sampler = data.RandomSampler(range(9), replacement=True, generator=seeded(3))
        return DataLoader(Noisy(9), 2, sampler=sampler, generator=seeded())

    check_resume(with_generator, range(8))


@pytest.mark.parametrize("size", [None, 1, 4])
@pytest.mark.parametrize(("count", "kind"), [(0, "none"), (3, "thread"), (2, "process")])
def test_resume_a_stream(count: int, kind: str, size: int | None) -> None:
    def make() -> DataLoader:
        return DataLoader(Stream(11), size, generator=seeded(), **with_workers(count, kind))

    check_resume(make, range(0, 9, 2))


@pytest.mark.parametrize(("count", "kind"), [(0, "none"), (1, "thread"), (2, "process")])
def test_resume_a_stream_by_its_own_state(count: int, kind: str) -> None:
    check_resume(lambda: DataLoader(Counter(), 3, **with_workers(count, kind)), range(0, 9, 2))


def test_resume_does_not_read_again() -> None:
    loader = DataLoader(Noisy(), 2, generator=seeded())
    batches = iter(loader)
    for _ in range(5):
        next(batches)
    state = loader.state_dict()
    read = []

    class Watched(Noisy):
        def __getitem__(self, index: int) -> Any:
            read.append(index)
            return super().__getitem__(index)

    resumed = DataLoader(Watched(), 2)
    resumed.load_state_dict(state)
    next(iter(resumed))
    assert read == [10, 11]


def test_resume_out_of_order() -> None:
    class Uneven(Noisy):
        def __getitem__(self, index: int) -> Any:
            time.sleep(0.03 * (index == 0))
            return super().__getitem__(index)

    def make() -> DataLoader:
        return DataLoader(Uneven(12), 2, generator=seeded(), num_workers=3, in_order=False)

    whole = epochs(make(), 1)
    loader = make()
    batches = iter(loader)
    head = [plain(next(batches)) for _ in range(2)]
    assert 0 not in head[0][0][2]
    assert loader.state_dict()["ahead"]
    second = make()
    second.load_state_dict(loader.state_dict())
    key = str
    assert sorted(head + epochs(second, 1), key=key) == sorted(whole, key=key)


def test_state_between_epochs_and_set_epoch() -> None:
    def make() -> DataLoader:
        return DataLoader(Noisy(6), 3, shuffle=True, generator=seeded())

    whole = epochs(make(), 3)
    loader = make()
    epochs(loader, 1)
    state = loader.state_dict()
    assert (state["epoch"], state["yielded"]) == (1, 0)
    batches = iter(loader)
    next(batches)
    middle = loader.state_dict()
    for given, expected in ((state, whole[2:4]), (middle, whole[3:4])):
        resumed = make()
        resumed.load_state_dict(given)
        resumed.set_epoch(1)
        assert epochs(resumed, 1) == expected
        assert epochs(resumed, 1) == whole[4:]
    moved = make()
    moved.load_state_dict(middle)
    moved.set_epoch(0)
    assert epochs(moved, 1) == whole[:2]


def test_a_position_that_does_not_fit_is_refused() -> None:
    loader = DataLoader(Noisy(), 4)
    next(iter(loader))
    state = loader.state_dict()
    with pytest.raises(ValueError, match="same batch_size"):
        DataLoader(Noisy(), 5).load_state_dict(state)
    with pytest.raises(ValueError, match=r"lacks .*base_seed"):
        loader.load_state_dict({"epoch": 1})
    stream = DataLoader(Stream(), 4)
    next(iter(stream))
    with pytest.raises(ValueError, match="num_workers"):
        DataLoader(Stream(), 4, num_workers=2).load_state_dict(stream.state_dict())
