"""Samples of order, search and counting."""

from __future__ import annotations

import math
from typing import Any

from . import A, S, samples

X, CUBE, POINT = A((3, 4), layout="T"), A((2, 3, 4)), A(())
TIES = A((2, 4), values=[[2, 1, 2, 1], [3, 3, 0, 3]], kind="int")
NANS = A((2, 3), values=[[1.0, math.nan, 2.0], [3.0, 0.0, 3.0]])
LONG = A((2, 200), -9, 9)
FORMS = [(X, -1), (CUBE, 0), (CUBE, -2), (POINT, 0), (NANS, 1), (A((2, 0)), 1)]


def _sorted(x: Any, dim: int = -1, descending: bool = False) -> Any:
    return x.sort(dim=dim, descending=descending, stable=True)[1]


def _kept(name: str) -> Any:
    def oracle(x: Any, dim: int = -1, skip_nan: bool = False) -> Any:
        return getattr(x, "nan" * skip_nan + name)(dim, True)[1]

    return oracle


def _top(x: Any, k: int, dim: int = -1, largest: bool = True) -> Any:
    return x.topk(k, dim, largest)[1]


def _search(edges: Any, values: Any, right: bool, narrow: bool) -> Any:
    import torch

    return torch.searchsorted(edges, values, right=right, out_int32=narrow)


def _member(elements: Any, test_elements: Any, invert: bool = False) -> Any:
    import torch

    return torch.isin(elements, test_elements, invert=invert)


def _distinct(x: Any, dim: int | None, consecutive: bool) -> Any:
    how = x.unique_consecutive if consecutive else x.unique
    return how(return_inverse=True, return_counts=True, dim=dim)


EDGES = A((2, 4), values=[[0.0, 1.0, 1.0, 3.0], [-1.0, 0.0, 2.0, 2.0]], grad=False)
PLACES = A((2, 3), values=[[1.0, 4.0, -1.0], [2.0, -0.5, 0.0]], grad=False)
samples(
    sort_indices=[S(x, d, r, torch=_sorted) for x, d in [*FORMS, (TIES, 1)] for r in (False, True)],
    topk_indices=[
        S(X, 2, 0, torch=_top),
        S(CUBE, 3, -1, False, torch=_top),
        S(X, 0, torch=_top),
        S(POINT, 1, torch=_top),
        S(LONG, 5, torch=_top),
        S(LONG, 3, 1, False, torch=_top),
        S(A((2, 3), values=[[1.0, math.nan, 2.0], [3.0, 0.0, 1.0]]), 2, torch=_top),
    ],
    median_indices=[S(x, d, torch=_kept("median")) for x, d in FORMS[:4]]
    + [
        S(A((2, 3), values=[[1.0, math.nan, 2.0], [3.0, 0.0, 1.0]]), 1, s, torch=_kept("median"))
        for s in (False, True)
    ],
    mode_indices=[
        S(TIES, 1, torch=lambda x, d: x.mode(d, True)[1]),
        S(X, 0, torch=None),
        S(POINT, 0, torch=None),
    ],
    search_rows=[
        S(EDGES, PLACES, right, narrow, torch=_search)
        for right in (False, True)
        for narrow in (False, True)
    ]
    + [
        S(
            A((3,), values=[1, 2, 4], kind="int"),
            A((2, 2), 0, 5, kind="int"),
            False,
            False,
            torch=_search,
        )
    ],
    is_member=[
        S(A((2, 4), 0, 9, kind="int"), A((3,), 0, 9, kind="int"), i, torch=_member)
        for i in (False, True)
    ]
    + [S(A((3,), grad=False), A((0,), grad=False), torch=_member)],
    distinct=[
        S(x, d, c, torch=_distinct)
        for x in (TIES, A((3, 2), 0, 2, kind="int"), A((2, 2), kind="bool"))
        for d in (None, 0, 1)
        for c in (False, True)
    ],
    bincount=[
        S(A((6,), 0, 5, kind="int")),
        S(A((6,), 0, 5, kind="int"), minlength=8),
        S(A((6,), 0, 5, kind="int"), A((6,), grad=False)),
        S(A((0,), kind="int"), None, 3),
    ],
    histogram_counts=[
        S(
            A((9,), -3, 3, grad=False),
            None,
            4,
            -2.0,
            2.0,
            torch=lambda x, w, b, lo, hi: x.histc(b, lo, hi),
        ),
        S(
            A((9,), grad=False),
            A((9,), grad=False),
            4,
            -2.0,
            2.0,
            torch=lambda x, w, b, lo, hi: x.histogram(b, range=(lo, hi), weight=w)[0],
        ),
    ],
)
