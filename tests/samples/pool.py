"""Samples of pooling."""

from typing import Any

import numpy as np

from . import A, S, samples

_PAIR = {"k": (2, 2), "s": (2, 2), "p": (0, 0), "d": (1, 1)}


def _max(x: Any, k: Any, s: Any, p: Any, d: Any, ceil_mode: bool = False) -> Any:
    import torch

    return getattr(torch.nn.functional, f"max_pool{x.ndim - 2}d")(x, k, s, p, d, ceil_mode)


def _max_indices(x: Any, k: Any, s: Any, p: Any, d: Any, ceil_mode: bool = False) -> Any:
    import torch

    function = getattr(torch.nn.functional, f"max_pool{x.ndim - 2}d")
    return function(x, k, s, p, d, ceil_mode, return_indices=True)


def _max_grad(g: Any, indices: Any, size: Any) -> Any:
    flat = g.new_zeros((*size[:2], int(np.prod(size[2:]))))
    out = flat.scatter_add(2, indices.reshape(*size[:2], -1), g.reshape(*size[:2], -1))
    return out.reshape(size)


def _avg(x: Any, *rest: Any) -> Any:
    import torch

    return getattr(torch.nn.functional, f"avg_pool{x.ndim - 2}d")(x, *rest)


def _avg_grad(g: Any, size: Any, *rest: Any) -> Any:
    import torch

    x = torch.zeros(size, dtype=g.dtype, requires_grad=True)
    return torch.autograd.grad(_avg(x, *rest), x, g, create_graph=True)[0]


_MAX: list[Any] = [
    ((2, 3, 4, 6), (2, 2), (2, 2), (0, 0), (1, 1), False),
    ((2, 3, 5, 5), (3, 3), (2, 2), (1, 1), (1, 1), False),
    ((1, 2, 6, 7), (3, 2), (1, 2), (1, 1), (2, 1), True),
    ((2, 2, 5, 7), (2, 3), (2, 3), (0, 1), (1, 1), True),
]
_SPECIAL = [
    [
        [
            [1.0, 2.0, np.nan, 0.0],
            [np.nan, np.nan, 3.0, 3.0],
            [-np.inf] * 4,
            [5.0, 5.0, -np.inf, -1.0],
        ]
    ]
]
# input, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
_AVG: list[Any] = [
    ((2, 3, 4, 6), (2, 2), (2, 2), (0, 0), False, True, None),
    ((2, 3, 5, 5), (3, 3), (2, 2), (1, 1), False, True, None),
    ((2, 3, 5, 5), (3, 3), (2, 2), (1, 1), False, False, None),
    ((1, 2, 6, 7), (3, 2), (2, 2), (1, 1), True, True, None),
    ((1, 2, 6, 7), (3, 2), (2, 2), (1, 1), True, False, 5),
    ((1, 2, 3, 4, 3), (2, 2, 2), (1, 1, 1), (0, 0, 0), False, True, None),
]
_AVG_OUT = [(2, 3, 2, 3), (2, 3, 3, 3), (2, 3, 3, 3), (1, 2, 4, 4), (1, 2, 4, 4), (1, 2, 2, 3, 2)]

samples(
    max_pool2d=[
        *[S(A(x), *rest, torch=_max) for x, *rest in _MAX],
        S(A((2, 3, 6, 4), layout="T"), (2, 2), (2, 2), (0, 0), (1, 1), torch=_max),
        S(A((1, 1, 4, 4), values=_SPECIAL, grad=False), (2, 2), (2, 2), (0, 0), (1, 1), torch=_max),
    ],
    max_pool2d_with_indices=[
        *[S(A(x), *rest, torch=_max_indices) for x, *rest in _MAX],
        S(A((1, 1, 4, 4), values=_SPECIAL, grad=False), (2, 2), (1, 1), (1, 1), (1, 1),
          torch=_max_indices),
        S(A((1, 1, 3, 3), low=0, high=3, kind="int"), (2, 2), (1, 1), (0, 0), (1, 1),
          torch=_max_indices),
    ],
    max_pool3d=[
        S(A((1, 2, 4, 5, 4)), (2, 2, 2), (2, 1, 2), (0, 1, 1), (1, 1, 1), torch=_max_indices)
    ],
    max_pool2d_grad=[
        S(A((2, 1, 2, 2)), A((2, 1, 2, 2), kind="int", low=0, high=11), (2, 1, 3, 4),
          torch=_max_grad),
    ],
    avg_pool2d=[S(A(x), *rest, torch=_avg) for x, *rest in _AVG],
    avg_pool2d_grad=[
        S(A(out), x, *rest, torch=_avg_grad)
        for out, (x, *rest) in zip(_AVG_OUT, _AVG, strict=True)
    ],
)  # fmt: skip
