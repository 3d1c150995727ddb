"""RAdam."""

from __future__ import annotations

from .._tensor import Tensor
from ._rule import Rule
from ._state import checked
from .optimizer import Params


class RAdam(Rule):
    """Rectified Adam (Liu et al., 2020), as in PyTorch.

    Adam whose step is scaled by how well the mean square is known, plain momentum at first.

    Args:
        params: tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay if decoupled.
        decoupled_weight_decay: shrink the parameter instead of adding to the gradient.
        maximize: ascend instead.
        foreach: accepted and without effect, like `capturable`.
    """

    rule = "radam_step"

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, decoupled_weight_decay: bool = False, *,
        foreach: bool | None = None, maximize: bool = False, capturable: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(**locals()))
