"""Advanced indexing, gather and scatter."""

from __future__ import annotations

from typing import Any

from . import A, S, samples

X = A((3, 4))
T = A((3, 4), layout="T")
CUBE = A((2, 3, 4))


def I(*values: Any) -> A:  # noqa: E743
    """An index operand."""
    return A((), kind="int", values=list(values))


def _key(x: Any, indices: Any, dims: Any) -> Any:
    key = [slice(None)] * x.ndim
    for d, i in zip(dims, indices, strict=True):
        key[d] = i
    return tuple(key)


def _index(x: Any, indices: Any, dims: Any, wrap: bool = True) -> Any:
    return x[_key(x, indices, dims)]


def _index_put(
    x: Any, values: Any, indices: Any, dims: Any, accumulate: bool = False, wrap: bool = True
) -> Any:
    import torch

    if len(dims) > 1:
        return x.index_put(tuple(indices), values, accumulate)
    # One dimension: all others are named too, as index_put wants them.
    grid = torch.meshgrid(*[torch.arange(n) for n in x.shape], indexing="ij")
    chosen = indices[0] % x.shape[dims[0]]
    places = tuple([g.index_select(dims[0], chosen) for g in grid])
    return x.index_put(places, values.expand(places[0].shape), accumulate)


def _index_grad(g: Any, indices: Any, dims: Any, size: Any) -> Any:
    import torch

    source = g.new_zeros(size, requires_grad=True)
    return torch.autograd.grad(_index(source, indices, dims), source, g, create_graph=True)[0]


def _gather_grad(g: Any, dim: int, index: Any, size: Any) -> Any:
    return g.new_zeros(size).scatter_add(dim, index, g)


def _scatter(x: Any, dim: int, index: Any, src: Any) -> Any:
    return x.scatter(dim, index, src.expand(index.shape))


def _scatter_sum(x: Any, dim: int, index: Any, src: Any) -> Any:
    return x.scatter_add(dim, index, src)


def _fold(x: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool) -> Any:
    return x.scatter_reduce(dim, index, src, reduce, include_self=include_self)


ROWS = I([0, 2, 1, 0], [2, 2, 0, 1])
SAME = I([0, 1, 1, 2], [0, 0, 1, 2])

samples(
    index=[
        S(X, [I(0, 2, 0)], (0,), torch=_index),
        S(T, [I(-1, 1)], (1,), torch=_index),
        S(CUBE, [I(0, 1, 1), I(2, 0, -1)], (0, 1), torch=_index),
        S(CUBE, [I(0, 1), I([3], [0])], (0, 2), torch=_index),
        S(X, [I([0, 1], [2, 0])], (0,), False, torch=_index),
        S(A((3, 0)), [I(1)], (0,), torch=_index),
        S(A((3, 4), kind="bool"), [I(1, 1)], (0,), torch=_index),
    ],
    index_grad=[
        S(A((3, 4)), [I(0, 2, 0)], (0,), (3, 4), torch=_index_grad),
        S(A((3, 2)), [I(-1, 1)], (1,), (3, 4), torch=_index_grad),
        S(A((3, 4)), [I(0, 1, 1), I(2, 0, -1)], (0, 1), (2, 3, 4), torch=_index_grad),
        S(A((2, 2, 3)), [I(0, 1), I([3], [0])], (0, 2), (2, 3, 4), torch=_index_grad),
    ],
    index_put=[
        S(X, A((2, 4)), [I(0, 2)], (0,), torch=_index_put),
        S(T, A(()), [I(1, 3)], (1,), torch=_index_put),
        S(X, A((3,)), [I(0, 1, 1), I(2, 0, 0)], (0, 1), True, torch=_index_put),
        S(X, A((3, 4)), [I(0, 1, 0)], (0,), True, torch=_index_put),
        S(X, A((1, 4)), [I(1)], (0,), True, False, torch=_index_put),
    ],
    index_put_add=[
        S(X, A((3,)), [I(0, 1, 1), I(2, 0, 0)], (0, 1), True, torch=_index_put),
        S(X, A((3, 4)), [I(0, 1, 0)], (0,), True, torch=_index_put),
        S(X, A((1, 4)), [I(1)], (0,), True, False, torch=_index_put),
    ],
    gather=[
        S(X, 0, ROWS),
        S(T, -1, I([3, 0], [1, 1])),
        S(A((3,)), 0, I(2, 2, 0)),
        S(A(()), 0, I(0)),
    ],
    gather_grad=[
        S(A((2, 4)), 0, ROWS, (3, 4), torch=_gather_grad),
        S(A((2, 2)), 1, I([3, 0], [1, 1]), (3, 4), torch=_gather_grad),
    ],
    scatter=[
        S(X, 0, I([0, 1, 2, 0]), A((1, 4)), torch=_scatter),
        S(T, 1, I([3, 0], [1, 2]), A((2, 2)), torch=_scatter),
        S(X, 0, I([0, 1, 2, 0]), A(()), torch=_scatter),
    ],
    scatter_sum=[
        S(X, 0, ROWS, A((2, 4)), torch=_scatter_sum),
        S(T, 1, I([3, 3], [1, 2]), A((2, 2)), torch=_scatter_sum),
        S(A((3,), kind="int"), 0, I(1, 1), A((2,), kind="int"), torch=_scatter_sum),
    ],
    scatter_fold=[
        S(X, 0, SAME, A((2, 4)), reduce, include_self, torch=_fold)
        for reduce in ("amax", "amin", "prod")
        for include_self in (True, False)
    ]
    + [
        S(
            A((2,), values=[0.0, 2.0]),
            0,
            I(0, 1, 1),
            A((3,), values=[3.0, 0.0, 4.0]),
            "prod",
            True,
            torch=_fold,
        ),
        S(
            A((2,), values=[3.0, 2.0]),
            0,
            I(0, 1, 1),
            A((3,), values=[3.0, 1.0, 2.0]),
            "amax",
            True,
            torch=_fold,
        ),
    ],
    nonzero=[S(A((3, 4), kind="bool")), S(A((), kind="int", values=1)), S(A((0, 2), kind="bool"))],
)
