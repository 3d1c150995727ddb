"""Adadelta."""

from __future__ import annotations

from .._tensor import Tensor
from ._rule import Rule
from ._state import checked
from .optimizer import Params


class Adadelta(Rule):
    """Adadelta (Zeiler, 2012), as in PyTorch.

    Each step: `v = rho * v + (1 - rho) * g**2`; `d = sqrt(u + eps) / sqrt(v + eps) * g`;
    `u = rho * u + (1 - rho) * d**2`; `p -= lr * d`.

    Args:
        params: tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element.
        rho: decay of the running means.
        eps: added to both.
        weight_decay: factor of the L2 penalty.
        maximize: ascend instead.
        foreach: accepted and without effect, like `capturable`.
    """

    rule = "adadelta_step"

    def __init__(
        self, params: Params, lr: float | Tensor = 1.0, rho: float = 0.9, eps: float = 1e-6,
        weight_decay: float = 0, foreach: bool | None = None, *, capturable: bool = False,
        maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        if not 0.0 <= rho <= 1.0:
            raise ValueError(f"Invalid rho value: {rho} (expected in [0, 1])")
        super().__init__(params, checked(**locals()))
