"""NAdam."""

from __future__ import annotations

from typing import Any

from .._graph import outside
from .._tensor import Tensor
from ._rule import Rule
from ._state import checked, counter
from .optimizer import Group, Params, State


class NAdam(Rule):
    """Adam with Nesterov's momentum (Dozat, 2016), as in PyTorch.

    The momentum of step t is `beta1 * (1 - 0.96**(t * momentum_decay) / 2)`.

    Args:
        params: tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay if decoupled.
        momentum_decay: how fast the momentum grows.
        decoupled_weight_decay: shrink the parameter instead of adding to the gradient.
        maximize: ascend instead.
        foreach: accepted and without effect, like `capturable`.
    """

    rule = "nadam_step"

    def __init__(
        self, params: Params, lr: float | Tensor = 2e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, weight_decay: float = 0, momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False, *, foreach: bool | None = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(**locals()))

    def _new_state(self, group: Group, param: Tensor) -> State:
        return {**super()._new_state(group, param), "mu_product": counter(1.0)}

    def _facts(self, group: Group, step: int, states: list[State]) -> dict[str, Any]:
        beta1, decay = float(group["betas"][0]), float(group["momentum_decay"])

        def numbers() -> tuple[float, float, float]:
            step = int(states[0]["step"].array)
            mu, after = (beta1 * (1 - 0.5 * 0.96 ** (t * decay)) for t in (step, step + 1))
            for state in states:
                state["mu_product"].array *= mu
            return mu, after, float(states[0]["mu_product"].array)

        return dict(zip(("mu", "mu_next", "mu_product"), outside(numbers), strict=True))
