"""Samples of interpolation and its adjoint."""

from typing import Any

from . import A, S, samples

_NAMES = {"linear": ["linear", "bilinear", "trilinear"], "cubic": ["", "bicubic"]}


def _resample(
    x: Any, sizes: Any, scales: Any, method: str, align_corners: bool, antialias: bool
) -> Any:
    import torch

    corners = None if method.startswith("nearest") else align_corners
    mode = _NAMES.get(method, [method] * 3)[len(sizes) - 1]
    size = {"size": sizes} if scales[0] is None else {"scale_factor": scales}
    return torch.nn.functional.interpolate(
        x, **size, mode=mode, align_corners=corners, antialias=antialias
    )


def _adjoint(g: Any, shape: Any, *rest: Any) -> Any:
    import torch

    x = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
    return torch.autograd.grad(_resample(x, *rest), x, g, create_graph=True)[0]


_NONE = (None, None)
# input, sizes, scales, method, align_corners, antialias
_CASES: list[Any] = [
    ((2, 3, 5), (8,), (None,), "nearest", False, False),
    ((1, 2, 5, 4), (3, 7), _NONE, "nearest-exact", False, False),
    ((2, 1, 6), (3,), (0.6,), "linear", False, False),
    ((2, 3, 4, 5), (7, 3), _NONE, "linear", True, False),
    ((1, 2, 3, 2, 4), (2, 4, 4), (None,) * 3, "linear", False, False),
    ((1, 2, 4, 5), (9, 3), _NONE, "cubic", False, False),
    ((1, 2, 4, 5), (2, 5), _NONE, "cubic", True, False),
    ((1, 2, 7, 5), (3, 8), _NONE, "linear", False, True),
    ((1, 2, 7, 5), (3, 2), _NONE, "cubic", True, True),
    ((1, 1, 7, 8), (3, 3), _NONE, "lanczos", False, True),
]

samples(
    resample=[
        *[S(A(x), *rest, torch=_resample) for x, *rest in _CASES],
        S(A((2, 3, 4, 5), layout="T"), (8, 5), _NONE, "linear", False, False, torch=_resample),
        S(A((2, 3, 5), layout="step"), (5,), (None,), "linear", False, False, torch=_resample),
    ],
    resample_grad=[
        S(A((*x[:2], *sizes)), x, sizes, *rest, torch=_adjoint) for x, sizes, *rest in _CASES
    ],
)
