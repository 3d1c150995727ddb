"""Samples of reductions and cumulative ops."""

from __future__ import annotations

import math
from typing import Any

from . import A, S, Sample, samples

X, CUBE, POINT = A((3, 4), layout="T"), A((2, 3, 4)), A(())
TIES = A((2, 3), values=[[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
NANS = A((2, 3), values=[[1.0, math.nan, 2.0], [3.0, 0.0, 3.0]], grad=False)


def over(*operands: A, several: bool = True, **options: Any) -> list[Sample]:
    """All forms of `dim` and `keepdim`, 0-d and empty operands."""
    calls = [S(X, **options), S(X, 0, **options), S(CUBE, -2, True, **options), S(POINT, **options)]
    calls += [S(POINT, -1, True, **options), S(A((0, 3)), 1, **options)]
    if several:
        calls += [S(CUBE, (0, -1), **options), S(CUBE, (1,), keepdim=True, **options)]
    return calls + [S(x, 1, **options) for x in operands]


def spread(name: str) -> list[Sample]:
    """Calls of var and std under their own argument order."""

    def oracle(x: Any, dim: Any = None, correction: float = 1, keepdim: bool = False) -> Any:
        return getattr(x, name)(dim, correction=correction, keepdim=keepdim)

    calls = [(X,), (X, 0), (CUBE, (0, 2), 0, True), (CUBE, -1, 1.5), (CUBE, 1, 2, True)]
    return [S(*args, torch=oracle) for args in calls]


def norms() -> list[Sample]:
    powers = (0, 0.5, 1, 1.5, 2, 3, math.inf, -math.inf)
    calls = [S(X, p, gradgrad=p != 0.5, torch="linalg.vector_norm") for p in powers]
    calls += [S(CUBE, p, (0, 2), True, torch="linalg.vector_norm") for p in powers]
    return calls + [S(A((2,), values=[0.0, 0.0]), 2, gradgrad=False, torch="linalg.vector_norm")]


def _total(arrays: list[Any], p: float) -> Any:
    """The norm of all arrays as one vector."""
    import torch

    return torch.linalg.vector_norm(torch.cat([a.reshape(-1) for a in arrays]), p)


def along(**options: Any) -> list[Sample]:
    """Scans along one dimension."""
    return [
        S(X, 0, **options),
        S(CUBE, -1, **options),
        S(CUBE, 1, **options),
        S(POINT, 0, **options),
        S(A((2, 0)), 1, **options),
    ]


WHOLE = A((2, 3), 0, 5, kind="int")
ZEROS = A((2, 4), values=[[2.0, 0.0, 3.0, 1.5], [0.0, 2.0, 0.0, 4.0]])


def _scan(decay: Any, values: Any, dim: int, reverse: bool = False) -> Any:
    """linear_scan as a loop."""
    outs: list[Any] = []
    for i in reversed(range(values.shape[dim])) if reverse else range(values.shape[dim]):
        v, d = values.select(dim, i), decay.select(dim, i)
        outs.append(v + d * outs[-1] if outs else v)
    return outs and _stack(outs[::-1] if reverse else outs, dim)


def _stack(parts: list[Any], dim: int) -> Any:
    import torch

    return torch.stack(parts, dim)


samples(
    sum=[*over(WHOLE), S(A((2, 3), kind="bool"))],
    mean=over(),
    prod=[S(X, 0), S(CUBE, -2, True), S(POINT, 0), S(WHOLE, 1), S(ZEROS, 1), S(A((3, 0)), 1)],
    logsumexp=[s for s in over() if len(s.args) > 1]
    + [S(A((2, 2), values=[[-math.inf, -math.inf], [800.0, 801.0]], grad=False), 1), S(WHOLE, 0)],
    var=spread("var"),
    std=spread("std"),
    vector_norm=norms(),
    amax=[s for s in over(TIES, NANS, WHOLE) if s.args[0].shape != (0, 3)],
    amin=[s for s in over(TIES, NANS, WHOLE) if s.args[0].shape != (0, 3)],
    argmax=over(TIES, NANS, WHOLE, several=False),
    argmin=over(TIES, NANS, WHOLE, several=False),
    extreme=[
        S(x, d, k, m, torch=lambda x, d, k, m: (x.max if m else x.min)(d, k))
        for x, d, k in ((X, 0, False), (CUBE, -2, True), (POINT, 0, False), (TIES, 1, False))
        for m in (True, False)
    ],
    any=[*over(WHOLE), S(A((2, 3), kind="bool"), 1)],
    all=[*over(WHOLE), S(A((2, 3), kind="bool"), 1)],
    cumsum=[*along(), S(WHOLE, 1)],
    cumprod=[*along(), S(WHOLE, 1), S(ZEROS, 1)],
    logcumsumexp=[*along(), S(A((3,), values=[-math.inf, 0.0, 700.0], grad=False), 0)],
    linear_scan=[S(A((2, 5)), A((2, 5)), 1, r, torch=_scan) for r in (False, True)],
    total_norm=[
        S(
            [A((3, 4), grad=False), A((), grad=False), A((2, 3), layout="T", grad=False)],
            p,
            torch=_total,
        )
        for p in (1, 2, math.inf)
    ],
    extreme_indices=[
        S(x, 1, largest, torch=lambda x, d, top: (x.cummax(d) if top else x.cummin(d))[1])
        for x in (X, TIES, NANS, WHOLE)
        for largest in (True, False)
    ],
)
