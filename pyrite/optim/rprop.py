"""Rprop."""

from __future__ import annotations

from .._tensor import Tensor
from ._rule import Rule
from ._state import checked, counter, filled, zeros
from .optimizer import Group, Params, State


class Rprop(Rule):
    """Resilient backpropagation (Riedmiller & Braun, 1993), as in PyTorch.

    Each element has a step size, which grows while its gradient keeps the sign and shrinks when
    it turns; only the sign of the gradient counts.

    Args:
        params: tensors, named tensors or groups.
        lr: the first step sizes, a number or a tensor of one element.
        etas: factors by which a step size shrinks and grows.
        step_sizes: smallest and largest step size.
        maximize: ascend instead.
        foreach: accepted and without effect, like `capturable`.
    """

    rule = "rprop_step"
    parts = {"etas": ("shrink", "grow"), "step_sizes": ("least", "most")}

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-2, etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50), *, capturable: bool = False,
        foreach: bool | None = None, maximize: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]} (expected 0 < a < 1 < b)")
        super().__init__(params, checked(**locals()))

    def _new_state(self, group: Group, param: Tensor) -> State:
        size = filled(param, group["lr"])
        return {"step": counter(), **zeros(param, "prev"), "step_size": size}
