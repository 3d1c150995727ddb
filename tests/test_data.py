"""Collate, datasets, samplers, and the arguments of the loader."""

import collections
import types
from typing import Any

import numpy as np
import pytest
from _loading import Point, Sized, Stream, plain, seeded
from PIL import Image

import pyrite
from pyrite import data
from pyrite.data import DataLoader

# ---- collate


def collate_cases(np_or_lib: Any) -> list[Any]:
    t = np_or_lib.tensor
    return [
        [t([1.0, 2.0]), t([3.0, 4.0])],
        [np.ones((2, 3), np.float32), np.zeros((2, 3), np.float32)],
        [np.float32(1), np.float32(2)],
        [np.int8(3), np.int8(4)],
        [np.bool_(True), np.bool_(False)],
        [1, 2, 3],
        [1.5, 2.5],
        [True, False],
        [1, 2.5],
        ["a", "b"],
        [b"a", b"b"],
        [{"a": 1, "b": [2.0, "x"]}, {"a": 3, "b": [4.0, "y"]}],
        [(t([1]), 2), (t([3]), 4)],
        [[1, 2], [3, 4]],
        [Point(1, t([2])), Point(3, t([4]))],
        [types.MappingProxyType({"a": 1}), types.MappingProxyType({"a": 2})],
        [collections.OrderedDict(a=1), collections.OrderedDict(a=2)],
        [range(2), range(2)],
        [np.ones(2, np.float32), np.ones(2, np.float64)],
    ]


@pytest.mark.parametrize("case", range(19))
def test_collate_as_torch(case: int) -> None:
    torch = pytest.importorskip("torch", reason="compares with torch")
    ours = data.default_collate(collate_cases(pyrite)[case])
    theirs = torch.utils.data.default_collate(collate_cases(torch)[case])
    assert type(ours) is type(theirs) or isinstance(ours, pyrite.Tensor)
    assert plain(ours) == plain(theirs)
    mine = data.default_convert(collate_cases(pyrite)[case])
    assert plain(mine) == plain(torch.utils.data.default_convert(collate_cases(torch)[case]))


def test_collate_keeps_what_a_mapping_carries() -> None:
    table = collections.defaultdict(list, a=1)
    assert data.default_collate([table, table]).default_factory is list


@pytest.mark.parametrize(
    ("batch", "error", "text"),
    [
        ([{1}, {2}], TypeError, "found <class 'set'>"),
        ([None], TypeError, "NoneType"),
        ([np.array(["a"])], TypeError, "<U1"),
        ([Image.new("L", (2, 2))], TypeError, r"found <class 'PIL.*ToTensor\(\)"),
        ([[1], [1, 2]], RuntimeError, r"equal size, got lengths \[1, 2\]"),
        ([np.ones(2), np.ones(3)], RuntimeError, "equal size"),
        ([pyrite.ones(2), pyrite.ones(3)], RuntimeError, "equal size"),
    ],
)
def test_collate_refuses(batch: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        data.default_collate(batch)


# ---- datasets


def test_datasets_as_torch() -> None:
    torch = pytest.importorskip("torch", reason="compares with torch")

    def look(lib: Any, module: Any) -> list[Any]:
        a = module.TensorDataset(lib.arange(4), lib.arange(4) * 10)
        both = a + module.Subset(a, [2, 0])
        stack = module.StackDataset(x=range(3), y="abc")
        items = [a[-1], both[4], both[-1], stack[1], module.StackDataset(range(3), "abc")[2]]
        return [len(a), len(both), both.cumulative_sizes, len(stack), *map(plain, items)]

    assert look(pyrite, data) == look(torch, torch.utils.data)
    chained = data.ChainDataset([Stream(3), Stream(2)])
    assert [i for i, _ in chained] == [0, 1, 2, 0, 1]
    assert [i for i, _ in Stream(1) + Stream(1)] == [0, 0]


@pytest.mark.parametrize("lengths", [[3, 7], [0.5, 0.5], [0.3, 0.3, 0.4], [1 / 3, 1 / 3, 1 / 3]])
def test_random_split_as_torch(lengths: list[float]) -> None:
    torch = pytest.importorskip("torch", reason="compares with torch")
    parts = data.random_split(range(10), lengths, generator=seeded())
    theirs = torch.utils.data.random_split(range(10), lengths)
    assert [len(p) for p in parts] == [len(p) for p in theirs]
    assert sorted(i for part in parts for i in part) == list(range(10))
    again = data.random_split(range(10), lengths, generator=seeded())
    assert [p.indices for p in parts] == [p.indices for p in again]


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda m: m.random_split(range(10), [3, 3]), ValueError),
        (lambda m: m.random_split(range(10), [0.5, -0.5, 1.0]), ValueError),
        (lambda m: m.ConcatDataset([]), AssertionError),
        (lambda m: m.ConcatDataset([range(3)])[-4], ValueError),
        (lambda m: m.StackDataset(), ValueError),
        (lambda m: m.StackDataset(range(3), range(2)), ValueError),
        (lambda m: m.StackDataset(range(3), y=range(3)), ValueError),
        (lambda m: m.Dataset()[0], NotImplementedError),
        (lambda m: m.IterableDataset(), TypeError),
        (lambda m: list(m.ChainDataset([range(3)])), AssertionError),
        (lambda m: m.RandomSampler([]), ValueError),
        (lambda m: m.RandomSampler([1], replacement=1), TypeError),
        (lambda m: m.WeightedRandomSampler([1.0], 0), ValueError),
        (lambda m: m.WeightedRandomSampler([[1.0]], 1), ValueError),
        (lambda m: m.WeightedRandomSampler([1.0], 1, replacement=2), ValueError),
        (lambda m: m.BatchSampler([1], 0, False), ValueError),
        (lambda m: m.BatchSampler([1], 2, 1), ValueError),
    ],
)
def test_errors_have_torch_s_class(make: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        make(data)
    torch = pytest.importorskip("torch", reason="compares with torch")
    with pytest.raises(error):
        make(torch.utils.data)


def test_tensor_dataset_sizes() -> None:
    with pytest.raises(AssertionError, match=r"Size mismatch between tensors: got \[2, 3\]"):
        data.TensorDataset(pyrite.ones(2), pyrite.ones(3))


def test_split_into_nothing_warns() -> None:
    with pytest.warns(UserWarning, match="index 1 is 0"):
        data.random_split(range(2), [0.9, 0.1])


# ---- samplers


def test_samplers_as_torch() -> None:
    torch = pytest.importorskip("torch", reason="compares with torch")
    for drop in (True, False):
        for size in (1, 3, 5, 10):
            ours = data.BatchSampler(data.SequentialSampler(range(10)), size, drop)
            module = torch.utils.data
            theirs = module.BatchSampler(module.SequentialSampler(range(10)), size, drop)
            assert (list(ours), len(ours)) == (list(theirs), len(theirs))


def test_random_samplers() -> None:
    assert sorted(data.RandomSampler(range(20))) == list(range(20))
    longer = list(data.RandomSampler(range(5), num_samples=12))
    assert sorted(longer[:5]) == sorted(longer[5:10]) == list(range(5))
    assert len(longer) == 12
    drawn = list(data.RandomSampler(range(5), replacement=True, num_samples=70))
    assert len(drawn) == 70
    assert set(drawn) == set(range(5))
    assert sorted(data.SubsetRandomSampler([4, 8, 2])) == [2, 4, 8]
    weighted = list(data.WeightedRandomSampler([0, 1, 3], 4000, generator=seeded()))
    assert set(weighted) == {1, 2}
    assert 0.71 < weighted.count(2) / 4000 < 0.79
    assert sorted(data.WeightedRandomSampler([1, 1, 1], 3, replacement=False)) == [0, 1, 2]


def test_random_sampler_draws_from_its_generator() -> None:
    generator = seeded()
    sampler = data.RandomSampler(range(10), generator=generator)
    first, second = list(sampler), list(sampler)
    assert first != second
    assert first == pyrite.randperm(10, generator=seeded()).tolist()
    state = pyrite.get_rng_state()
    list(sampler)
    assert plain(pyrite.get_rng_state()) == plain(state)
    pyrite.manual_seed(1)
    one = list(data.RandomSampler(range(10)))
    pyrite.manual_seed(1)
    assert list(data.RandomSampler(range(10))) == one


# ---- the loader's arguments


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"num_workers": -1}, ValueError),
        ({"timeout": -1}, ValueError),
        ({"prefetch_factor": 2}, ValueError),
        ({"num_workers": 1, "prefetch_factor": -1}, ValueError),
        ({"persistent_workers": True}, ValueError),
        ({"sampler": [1], "shuffle": True}, ValueError),
        ({"batch_sampler": [[1]], "batch_size": 2}, ValueError),
        ({"batch_sampler": [[1]], "drop_last": True}, ValueError),
        ({"batch_size": None, "drop_last": True}, ValueError),
        ({"batch_size": 0}, ValueError),
        ({"drop_last": 1}, ValueError),
        ({"multiprocessing_context": "fork"}, ValueError),
        ({"num_workers": 1, "multiprocessing_context": "no"}, ValueError),
        ({"num_workers": 1, "multiprocessing_context": 3}, TypeError),
    ],
)
def test_arguments_are_checked(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        DataLoader(range(4), **options)
    torch = pytest.importorskip("torch", reason="compares with torch")
    with pytest.raises(error):
        torch.utils.data.DataLoader(range(4), **options)


@pytest.mark.parametrize("options", [{"shuffle": True}, {"sampler": [1]}, {"batch_sampler": [[1]]}])
def test_streams_have_no_sampler(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"IterableDataset.*{next(iter(options))}"):
        DataLoader(Stream(), **options)


def test_arguments_as_torch() -> None:
    torch = pytest.importorskip("torch", reason="compares with torch")
    for options in [
        {"batch_size": 4}, {"batch_size": 4, "drop_last": True}, {"batch_size": None},
        {"batch_sampler": [[1, 2], [5]]}, {"sampler": [3, 1]}, {"batch_size": 3, "num_workers": 1},
        {"collate_fn": tuple, "batch_size": 5}, {"batch_size": 2, "in_order": False},
    ]:  # fmt: skip
        numbers = [np.full(2, i, np.float32) for i in range(10)]
        ours, theirs = (
            DataLoader(numbers, **options),
            torch.utils.data.DataLoader(numbers, **options),
        )
        assert len(ours) == len(theirs)
        for name in ("batch_size", "drop_last", "num_workers", "prefetch_factor", "timeout"):
            assert getattr(ours, name) == getattr(theirs, name)
        assert [plain(b) for b in ours] == [plain(b) for b in theirs]


def test_fixed_attributes_and_worker_types() -> None:
    loader = DataLoader(range(4))
    with pytest.raises(ValueError, match="batch_size attribute should not be set"):
        loader.batch_size = 2
    with pytest.raises(ValueError, match="worker_type"):
        DataLoader(range(4), worker_type="fibre")
    assert DataLoader(range(4), num_workers=1).worker_type == "thread"
    spawned = DataLoader(range(4), num_workers=1, multiprocessing_context="spawn")
    assert spawned.worker_type == "process"
    with pytest.warns(UserWarning, match="pin_memory has no effect"):
        DataLoader(range(4), pin_memory=True)


def test_len_of_a_stream() -> None:
    with pytest.raises(TypeError):
        len(DataLoader(Stream()))
    assert len(DataLoader(data.ChainDataset([Sized(7), Sized(4)]), batch_size=4)) == 3
