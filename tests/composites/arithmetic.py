"""Element-wise composites, reductions, order statistics and counts."""

from __future__ import annotations

import math

from samples import A, S

from . import at

X, T, V = A((3, 4)), A((3, 4), layout="T"), A((5,))
POSITIVE = A((3, 4), 0.1, 2)
WHOLE = A((3, 4), -5, 6, kind="int")
INDEX = at([3, 0, 1, 1, 4, 2])
NANS = A((2, 3), values=[[1.0, math.nan, 2.0], [math.nan, -1.0, 0.5]], grad=False)
ENDS = A((4,), values=[math.inf, -math.inf, math.nan, 1.5], grad=False)
TIES = A((2, 4), values=[[2.0, 1.0, 2.0, 0.0], [3.0, 3.0, -1.0, 3.0]], grad=False)

CALLS = {
    # arithmetic
    "rsub": [S(X, T), S(X, 2, alpha=3)],
    "div": [S(X, POSITIVE), S(X, 2.0, rounding_mode="trunc"), S(WHOLE, 3, rounding_mode="floor")],
    "true_divide": [S(X, POSITIVE), S(WHOLE, 2)],
    "float_power": [S(POSITIVE, 2), S(WHOLE, 2), S(POSITIVE, X)],
    "positive": [S(X)],
    "ldexp": [S(X, at([0, 1, 2, 3]))],
    "lerp": [S(X, T, 0.3), S(X, T, 0.7), S(X, A((4,)), A((3, 4), 0, 1))],
    "addcmul": [S(X, T, A((4,)), value=0.5)],
    "addcdiv": [S(X, T, POSITIVE, value=-2)],
    "logit": [S(A((3,), 0.1, 0.9)), S(A((3,), -1, 2, grad=False), 0.1)],
    "logaddexp2": [S(X, T)],
    "sinc": [S(X), S(A((3,), values=[0.0, 1.0, 0.5]))],
    "fmax": [S(X, T), S(NANS, A((3,), grad=False))],
    "fmin": [S(X, T), S(NANS, A((3,), grad=False))],
    "clamp_min": [S(X, 0.1), S(X, A((4,)))],
    "clamp_max": [S(X, 0.1), S(WHOLE, 2)],
    "heaviside": [S(A((3,), values=[-1.0, 0.0, 2.0], grad=False), A((3,), grad=False))],
    "where": [S(A((3, 4), kind="bool"), X, T), S(A((4,), kind="bool"), X, 0.5)],
    "masked_fill": [S(X, A((4,), kind="bool"), 1.5), S(WHOLE, A((3, 1), kind="bool"), 7)],
    "nan_to_num": [S(ENDS), S(ENDS, 1.0, 2.0, -3.0), S(X)],
    "isclose": [S(X, X), S(ENDS, ENDS, equal_nan=True), S(WHOLE, WHOLE)],
    "square": [S(X), S(WHOLE)],
    "frac": [S(X)],
    "deg2rad": [S(X), S(WHOLE)],
    "rad2deg": [S(X)],
    "isposinf": [S(ENDS)],
    "isneginf": [S(ENDS)],
    # reductions
    "sum": [S(X), S(X, 1), S(T, (0, 1), keepdim=True), S(WHOLE), S(X, -1, dtype="float64")],
    "mean": [S(X), S(X, 0, True), S(WHOLE, dtype="float32")],
    "prod": [S(X), S(X, 1), S(WHOLE, 0)],
    "nansum": [S(NANS), S(NANS, 1)],
    "nanmean": [S(NANS), S(NANS, 0, keepdim=True)],
    "count_nonzero": [S(WHOLE), S(WHOLE, 1), S(WHOLE, (0, 1))],
    "max": [S(X), S(X, 1), S(X, 0, True), S(X, T)],
    "min": [S(X), S(X, -1), S(X, T)],
    "aminmax": [S(X), S(X, dim=1), S(X, dim=0, keepdim=True)],
    "std": [S(X), S(X, 1), S(X, 0, correction=0, keepdim=True), S(X, unbiased=False)],
    "var": [S(X), S(X, (0, 1)), S(X, 1, correction=2)],
    "std_mean": [S(X), S(X, 1)],
    "var_mean": [S(X, 0, correction=0)],
    "norm": [S(X), S(X, 1), S(X, math.inf, 1), S(X, 3, 0, True), S(X, "fro")],
    "dist": [S(X, T), S(X, T, 1)],
    "logsumexp": [S(X, 1), S(X, (0, 1), True)],
    "cumsum": [S(X, 1), S(WHOLE, 0)],
    "cumprod": [S(X, 1)],
    "cummax": [S(X, 1), S(TIES, 1)],
    "cummin": [S(X, 0), S(TIES, 1)],
    "logcumsumexp": [S(X, 1)],
    "diff": [S(X), S(X, 2, 0), S(X, 1, 1, A((3, 1)), A((3, 2))), S(A((4,), kind="bool"))],
    "trapezoid": [S(X), S(X, dx=0.5), S(X, A((4,), values=[0.0, 1.0, 3.0, 4.0]))],
    "cumulative_trapezoid": [S(X, dim=0), S(X, A((3, 4), 0, 1), dim=1)],
    # order
    "sort": [S(X), S(X, 0, True), S(TIES, stable=True, dim=1), S(NANS)],
    "argsort": [S(X), S(X, 0, descending=True)],
    "msort": [S(X)],
    "topk": [S(X, 2), S(X, 2, 0, False)],
    "kthvalue": [S(X, 2), S(X, 1, 0, True)],
    "median": [S(V), S(X, 1), S(NANS, 1)],
    "nanmedian": [S(V), S(NANS, 1)],
    "mode": [S(at([[1, 2, 2, 3], [5, 5, 4, 4]]))],
    "quantile": [S(V, 0.3), S(X, A((2,), values=[0.25, 0.5], grad=False), 1, keepdim=True)],
    "nanquantile": [S(NANS, 0.5, dim=1)],
    "searchsorted": [S(at([0, 2, 4, 6]), A((2, 2), 0, 7, kind="int"), right=True)],
    "bucketize": [S(X, A((3,), values=[-1.0, 0.0, 1.0], grad=False))],
    "isin": [S(INDEX, at([1, 3])), S(INDEX, 1, invert=True)],
    "unique": [S(INDEX), S(INDEX, return_inverse=True, return_counts=True)],
    "unique_consecutive": [S(INDEX, return_inverse=True, return_counts=True)],
    "bincount": [S(INDEX), S(INDEX, A((6,), grad=False), 8)],
    "histc": [S(A((20,), grad=False), 5), S(A((20,), grad=False), 4, -1, 1)],
    "histogram": [S(A((20,), grad=False), 5, density=True), S(A((0,), grad=False), 2)],
    "histogramdd": [
        S(A((9, 2), grad=False), [2, 3]),
        S(A((9, 2), grad=False), [2, 2], range=[-1.0, 1.0, -2.0, 2.0]),
    ],
    # helpers
    "gradient": [
        S(X),
        S(X, spacing=0.5, dim=1, edge_order=2),
        S(X, spacing=[A((3,), values=[0.0, 1.0, 3.0], grad=False)], dim=0),
    ],
    "vander": [S(A((5,), grad=False)), S(A((5,), grad=False), 3, True)],
    "renorm": [S(X, 2, 0, 1.0), S(X, 1, 1, 0.5)],
    "unravel_index": [S(INDEX, (2, 3)), S(INDEX, (3, 1, 2))],
    "nonzero_static": [S(WHOLE, size=3), S(A((3,), kind="bool"), size=5, fill_value=9)],
    "segment_reduce": [
        S(A((5, 2)), "sum", lengths=at([2, 3])),
        S(A((5,)), "max", lengths=at([1, 4])),
        S(A((5,)), "mean", lengths=at([2, 0, 3]), initial=1.0, gradgrad=False),
    ],
    "isreal": [S(X)],
    "angle": [S(X), S(WHOLE)],
}
