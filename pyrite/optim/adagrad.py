"""Adagrad."""

from __future__ import annotations

from .._tensor import Tensor
from ._rule import Rule
from ._state import checked, counter, filled
from .optimizer import Group, Params, State


class Adagrad(Rule):
    """Adagrad (Duchi et al., 2011), as in PyTorch.

    Each step t: `s += g**2`; `p -= lr / (1 + (t - 1) * lr_decay) * g / (sqrt(s) + eps)`.

    Args:
        params: tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element.
        lr_decay: how fast the rate falls.
        weight_decay: factor of the L2 penalty.
        initial_accumulator_value: what the sums of squares start from.
        eps: added to the denominator.
        maximize: ascend instead.
        foreach: accepted and without effect, like `fused`.
    """

    rule = "adagrad_step"

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-2, lr_decay: float = 0,
        weight_decay: float = 0, initial_accumulator_value: float = 0, eps: float = 1e-10,
        foreach: bool | None = None, *, maximize: bool = False, differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(**locals()))
        for group in self.param_groups:
            for param in group["params"]:
                self.state[param] = self._new_state(group, param)

    def _new_state(self, group: Group, param: Tensor) -> State:
        total = filled(param, group["initial_accumulator_value"])
        return {"step": counter(), "sum": total}
