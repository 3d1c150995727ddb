"""RMSprop."""

from __future__ import annotations

from .._tensor import Tensor
from ._rule import Rule
from ._state import checked
from .optimizer import Group, Params


class RMSprop(Rule):
    """RMSprop (Hinton, 2012; centered: Graves, 2013), as in PyTorch.

    Each step: `g += weight_decay * p`; `v = alpha * v + (1 - alpha) * g**2`; centered also
    `m = alpha * m + (1 - alpha) * g` and `v - m**2` in place of v; `p -= lr * g / (sqrt(v) + eps)`,
    where momentum accumulates that quotient.

    Args:
        params: tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element.
        alpha: decay of the running means.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty.
        momentum: 0 for none.
        centered: divide by the standard deviation of the gradient.
        capturable: accepted and without effect, like `foreach`.
        maximize: ascend instead.
    """

    rule = "rmsprop_step"

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False,
        capturable: bool = False, foreach: bool | None = None, maximize: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(**locals()))

    def _names(self, group: Group) -> list[str]:
        square, buffer, mean = super()._names(group)
        return [square, *[buffer] * (group["momentum"] > 0), *[mean] * group["centered"]]
