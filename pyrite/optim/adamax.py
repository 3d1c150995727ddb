"""Adamax."""

from __future__ import annotations

from .._tensor import Tensor
from ._rule import Rule
from ._state import checked
from .optimizer import Params


class Adamax(Rule):
    """Adamax (Kingma & Ba, 2015), as in PyTorch.

    Adam with the largest gradient so far, decaying by `beta2`, in place of the mean square.

    Args:
        params: tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.
        maximize: ascend instead.
        foreach: accepted and without effect, like `capturable`.
    """

    rule = "adamax_step"

    def __init__(
        self, params: Params, lr: float | Tensor = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, foreach: bool | None = None, *,
        maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(**locals()))
