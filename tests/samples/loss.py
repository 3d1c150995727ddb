"""Samples of the fused losses."""

from typing import Any

import numpy as np

from . import A, S, samples

_rng = np.random.default_rng(11)


def _entropy(x: Any, t: Any, w: Any, ignore: int, smoothing: float, reduction: str) -> Any:
    import torch

    return torch.nn.functional.cross_entropy(
        x, t, w, ignore_index=ignore, label_smoothing=smoothing, reduction=reduction
    )


def _entropy_grad(g: Any, x: Any, t: Any, w: Any, _: Any, *rest: Any) -> Any:
    import torch

    x = x if x.requires_grad else x.detach().requires_grad_()
    return torch.autograd.grad(_entropy(x, t, w, *rest), x, g, create_graph=True)[0]


def _binary(x: Any, t: Any) -> Any:
    import torch

    return torch.nn.functional.binary_cross_entropy(x, t, reduction="none")


_LABELS = A((4,), kind="int", values=[0, 2, -100, 1])
_WEIGHT = A((3,), low=0.5, high=2, grad=False)
# target, weight, ignore_index, label_smoothing, reduction
_CASES: list[Any] = [
    (_LABELS, None, -100, 0.0, "mean"),
    (_LABELS, _WEIGHT, -100, 0.0, "mean"),
    (_LABELS, _WEIGHT, -100, 0.2, "mean"),
    (_LABELS, None, -100, 0.2, "sum"),
    (_LABELS, _WEIGHT, -100, 0.3, "none"),
    (A((4,), kind="int", values=[0, 2, 2, 1]), None, 2, 0.0, "none"),
]


def _grad_sample(case: Any) -> Any:
    x = _rng.standard_normal((4, 3))
    total = np.log(np.exp(x).sum(1))
    grad = A((4,) if case[-1] == "none" else ())
    return S(grad, A((4, 3), values=x), *case[:2], A((4,), values=total, grad=False), *case[2:],
             torch=_entropy_grad)  # fmt: skip


samples(
    cross_entropy_index=[
        *[S(A((4, 3)), *case, torch=_entropy) for case in _CASES],
        S(A((4, 3), low=-90, high=90), *_CASES[0], torch=_entropy),
        S(A((40, 30)), A((40,), kind="int", low=0, high=29), None, -100, 0.0, "mean",
          torch=_entropy),
    ],
    cross_entropy_index_grad=[_grad_sample(case) for case in _CASES],
    cross_entropy_mass=[S(A((4, 3)), *case, torch=None) for case in _CASES],
    class_indices=[S(_LABELS, 3, -100, torch=None)],
    binary_cross_entropy=[
        S(A((3, 4), low=0.1, high=0.9), A((3, 4), low=0, high=1), torch=_binary),
        S(A((3,), values=[0.0, 1.0, 0.5]), A((3,), values=[0.0, 1.0, 1.0], grad=False),
          torch=_binary, gradgrad=False),
    ],
)  # fmt: skip
