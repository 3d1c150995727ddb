"""Samples of the convolution and its gradients in one to three dimensions."""

from typing import Any

from . import A, S, samples


def _convolution(x: Any, w: Any, b: Any, *rest: Any) -> Any:
    import torch

    return getattr(torch, f"conv{x.ndim - 2}d")(x, w, b, *rest)


def _grad_input(g: Any, w: Any, size: Any, *rest: Any) -> Any:
    import torch

    return getattr(torch.nn.grad, f"conv{g.ndim - 2}d_input")(size, w, g, *rest)


def _grad_weight(g: Any, x: Any, size: Any, *rest: Any) -> Any:
    import torch

    return getattr(torch.nn.grad, f"conv{g.ndim - 2}d_weight")(x, size, g, *rest)


# input, kernel, dilation, padding, stride, and the shape of the columns
_WINDOWS: list[Any] = [
    ((2, 3, 5, 6), (2, 3), (1, 1), (0, 0), (1, 1), (2, 18, 16)),
    ((1, 2, 6, 5), (2, 2), (2, 1), (1, 0), (1, 2), (1, 8, 12)),
    ((2, 1, 5, 5), (3, 3), (1, 1), (1, 1), (2, 2), (2, 9, 9)),
    ((0, 1, 5, 5), (3, 3), (1, 1), (0, 0), (1, 1), (0, 9, 9)),
]

# input, weight, output sizes, and (stride, padding, dilation, groups)
_CASES: list[Any] = [
    ((2, 3, 7), (4, 3, 3), (5,), ((1,), (0,), (1,), 1)),
    ((2, 4, 9), (6, 2, 3), (4,), ((2,), (1,), (2,), 2)),
    ((2, 3, 5, 6), (4, 3, 3, 3), (3, 4), ((1, 1), (0, 0), (1, 1), 1)),
    ((2, 3, 5, 6), (2, 3, 3, 2), (3, 8), ((2, 1), (1, 2), (1, 2), 1)),
    ((2, 4, 4, 4), (4, 1, 3, 3), (4, 4), ((1, 1), (1, 1), (1, 1), 4)),
    ((2, 3, 4, 4), (5, 3, 1, 1), (4, 4), ((1, 1), (0, 0), (1, 1), 1)),
    ((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), (2, 3, 2), ((1,) * 3, (0,) * 3, (1,) * 3, 1)),
]

samples(
    convolution=[
        *[S(A(x), A(w), None, *rest, torch=_convolution) for x, w, _, rest in _CASES],
        *[
            S(A(x), A(w), A(w[:1]), *rest, torch=_convolution, gradgrad=False)
            for x, w, _, rest in _CASES
        ],
        S(A((2, 2, 4, 4), layout="T"), A((3, 2, 3, 3), layout="T"), None, (1, 1), (1, 1), (1, 1), 1,
          torch=_convolution),
        S(A((0, 2, 4, 4)), A((3, 2, 3, 3)), None, (1, 1), (1, 1), (1, 1), 1, torch=_convolution,
          gradgrad=False),
    ],
    conv_grad_input=[
        S(A((x[0], w[0], *out)), A(w), x, *rest, torch=_grad_input) for x, w, out, rest in _CASES
    ],
    conv_grad_weight=[
        S(A((x[0], w[0], *out)), A(x), w, *rest, torch=_grad_weight) for x, w, out, rest in _CASES
    ],
    im2col=[S(A(x), *rest, torch="nn.functional.unfold") for x, *rest, _ in _WINDOWS],
    col2im=[S(A(columns), x[2:], *rest, torch="nn.functional.fold")
            for x, *rest, columns in _WINDOWS],
)  # fmt: skip
