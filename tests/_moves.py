"""Arguments of the kernels that copy, index and order, of sizes that they serve."""

from __future__ import annotations

from typing import Any

import numpy as np

import pyrite

RNG = np.random.default_rng(5)
MOVES: dict[str, list[tuple[Any, ...]]] = {}
ADDING = {
    "index_put_add", "index_grad", "embedding_grad", "scatter_sum", "gather_grad", "cumsum",
    "logsumexp", "bag_sum", "bag_sum_grad",
}  # fmt: skip


def numbers(*shape: int, kind: str = "float32") -> np.ndarray:
    drawn = RNG.normal(0, 9, shape)
    return np.asarray(drawn, kind) if kind != "complex64" else (drawn + 1j).astype(kind)


def indices(n: int, *shape: int, low: int = 0) -> np.ndarray:
    return RNG.integers(low, n, shape)


def expanded(column: np.ndarray, *shape: int) -> np.ndarray:
    return np.broadcast_to(column, shape)


def add(name: str, *cases: tuple[Any, ...]) -> None:
    MOVES.setdefault(name, []).extend(cases)


def copies(kind: str) -> None:
    def a(*shape: int) -> np.ndarray:
        return numbers(*shape, kind=kind)

    turned = [(a(201, 167).T,), (a(5, 33, 31, 7).transpose(0, 3, 1, 2),),
              (a(5, 7, 33, 31).transpose(3, 2, 1, 0),), (a(5, 7, 33, 31).transpose(1, 0, 3, 2),),
              (a(250, 402)[:, 5:206],), (a(40, 41, 42)[::2, :, 1::3],)]  # fmt: skip
    spread = [(expanded(x, 167, 201),) for x in (a(201), a(167, 1), a())]
    add("contiguous", *turned)
    add("clone", (a(167, 201),), *turned, *spread)
    add("reshape", (a(5, 77, 3, 31).swapaxes(1, 2), (15, 77 * 31)), (*spread[0], (201, 167)))
    for dim in (0, 1, -1):
        add("cat", ([a(167, 201), a(167, 201), a(201, 167).T], dim))
        add("stack", ([a(167, 201), a(201, 167).T], dim))
    add("cat", ([a(30, 4, 167).transpose(1, 2, 0), a(4, 90, 30)], 1))
    for dims in ((0,), (1,), (0, 1)):
        add("flip", (a(167, 201), dims), (a(201, 167).T, dims))
    for shifts, along in (((3,), (1,)), ((-3, 500), (1, 0)), ((7,), None), ((0,), (1,))):
        add("roll", (a(167, 201), shifts, along))
    for pad in ((1, 1), (1, 0, 3, 2), (-1, 2, 3, -4)):
        add("constant_pad_nd", (a(167, 201), pad, 2), (a(201, 167).T, pad))
    add("slice_grad", (a(167, 201), (slice(3, 170),), (180, 201)),
        (a(167, 201), (slice(None), slice(1, 202)), (167, 205)),
        (a(167), (slice(None), 7), (167, 205)))  # fmt: skip
    for name in ("zeros_like", "ones_like"):
        add(name, (a(167, 201),))
    add("blank", (a(3), (167, 201)))


def along_a_dimension(kind: str) -> None:
    def a(*shape: int) -> np.ndarray:
        return numbers(*shape, kind=kind)

    for size, dim, index in [
        ((90, 33), 0, expanded(indices(90, 500, 1), 500, 33)), ((90, 33), 0, indices(90, 500, 33)),
        ((90, 33), 1, indices(33, 90, 50)), ((9, 40, 33), 1, indices(40, 9, 70, 33)),
        ((9, 40, 33), -1, indices(33, 9, 40, 7)), ((900,), 0, indices(900, 700).astype("int32")),
        ((40, 33), 1, expanded(indices(33, 40, 1), 40, 50)),
        ((9, 40, 33), 1, expanded(indices(40, 70, 1), 9, 70, 33)),
    ]:  # fmt: skip
        add("gather", (a(*size), dim, index))
        add("scatter", (a(*size), dim, index, a(*index.shape)), (a(*size), dim, index, a()))
        if kind in ("float32", "float64"):
            add("scatter_sum", (a(*size), dim, index, a(*index.shape)), (a(*size), dim, index, a()))
            add("gather_grad", (a(*index.shape), dim, index, size))


def whole_slices(kind: str) -> None:
    def a(*shape: int) -> np.ndarray:
        return numbers(*shape, kind=kind)

    add("index", (a(900), [indices(900, 700)], (0,)),
        (a(90, 33), [indices(90, 500, low=-90)], (0,)),
        (a(9, 40, 33), [indices(40, 5, 70)], (1,)), (a(9, 40), [indices(40, 300)], (1,)),
        (a(90, 33), [indices(90, 500).astype("int32")], (0,), False))  # fmt: skip
    add("embedding", (a(90, 33), indices(90, 20, 25)))
    puts = [(a(90, 33), a(500, 33), [indices(90, 500)], (0,)),
            (a(9, 40, 33), a(9, 300, 33), [indices(40, 300, low=-40)], (1,)),
            (a(9, 400), a(), [indices(400, 300)], (1,))]  # fmt: skip
    add("index_put", *puts)
    if kind in ("float32", "float64"):
        add("index_put_add", *puts, (a(9000), a(5000), [indices(9000, 5000)], (0,)))
        add("index_grad", (a(500, 33), [indices(90, 500, low=-90)], (0,), (90, 33)),
            (a(9, 5, 70, 33), [indices(40, 5, 70)], (1,), (9, 40, 33)),
            (a(5000), [indices(900, 5000)], (0,), (900,)),
            (expanded(a(), 500, 33), [indices(90, 500)], (0,), (90, 33)))  # fmt: skip
        starts = np.array([0, 100, 100, 340, 499])
        for mean in (False, True):
            add("bag_sum", (a(90, 33), indices(90, 500), starts, mean, False),
                (a(90, 300), indices(90, 500), np.append(starts, 500), mean, True))  # fmt: skip
            add("bag_sum_grad", (a(5, 66), indices(90, 500), starts, 90, mean, False))
        add("embedding_grad", (a(500, 33), indices(90, 500), 90))
        add("embedding_grad", (a(10, 50, 300), indices(90, 10, 50), 90))


def orders() -> None:
    tied = np.round(numbers(9, 7, 129) / 9)
    tied[..., ::17], tied[..., 3::29], tied[..., 5::31] = np.nan, -0.0, np.inf
    for rows in (numbers(67, 93), numbers(1, 5000), tied):
        for down in (False, True):
            add("sort_indices", (rows, -1, down))
    for k in (1, 5, 64):
        add("topk_indices", (numbers(31, 200), k), (numbers(5, 7, 900), k, 2, False))
    for shape, dim in (((67, 129), 0), ((9, 1000), 1), ((5, 7, 33, 31), (0, 2)), ((70, 90), ())):
        for keep in (False, True):
            add("logsumexp", (numbers(*shape), dim, keep))
            for kind in ("float32", "float64"):
                x = np.round(numbers(*shape, kind=kind))
                for name in ("amax", "amin"):
                    add(name, (x, dim, keep))
                if isinstance(dim, int):
                    for name in ("argmax", "argmin"):
                        add(name, (x, dim, keep))
                    add(
                        "extreme",
                        (x, dim, keep, keep),
                        (np.where(x > 9, np.nan, x), dim, keep, True),
                    )
    for name in ("argmax", "argmin"):
        add(name, (numbers(50_003), None), (numbers(5, 7, 33), None, True))
    for kind in ("float32", "float64"):
        add("cumsum", (numbers(67, 129, kind=kind), -1), (numbers(5000, kind=kind), 0))
        add("cumsum", (numbers(9, 67, 33, kind=kind), 1))
    for kind in ("uint8", "bool", "int64", "float64"):
        add("cast", (np.abs(numbers(167, 201)).astype(kind), pyrite.float32))
    add("cast", (numbers(167, 201), pyrite.float64))


for _kind in ("float32", "int64", "complex64"):
    copies(_kind)
    along_a_dimension(_kind)
    whole_slices(_kind)
along_a_dimension("float64")
whole_slices("float64")
orders()
