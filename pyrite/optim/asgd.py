"""ASGD."""

from __future__ import annotations

from typing import Any

from .._graph import outside
from .._tensor import Tensor
from ._rule import Rule
from ._state import checked, counter
from .optimizer import Group, Params, State


class ASGD(Rule):
    """Averaged stochastic gradient descent (Polyak & Juditsky, 1992), as in PyTorch.

    Each step t: `p = (1 - lambd * eta) * p - eta * g`; the average `ax += mu * (p - ax)`; then
    `eta = lr / (1 + lambd * lr * t)**alpha` and `mu = 1 / max(1, t - t0)`.

    Args:
        params: tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element.
        lambd: decay.
        alpha: power by which the step falls.
        t0: the step at which averaging starts.
        weight_decay: factor of the L2 penalty.
        maximize: ascend instead.
        foreach: accepted and without effect, like `capturable`.
    """

    rule = "asgd_step"

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-2, lambd: float = 1e-4, alpha: float = 0.75,
        t0: float = 1e6, weight_decay: float = 0, foreach: bool | None = None,
        maximize: bool = False, differentiable: bool = False, capturable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(**locals()))

    def _new_state(self, group: Group, param: Tensor) -> State:
        numbers = {"eta": counter(float(group["lr"])), "mu": counter(1.0)}
        return {**super()._new_state(group, param), **numbers}

    def _facts(self, group: Group, step: int, states: list[State]) -> dict[str, Any]:
        lr, decay, power, start = (float(group[n]) for n in ("lr", "lambd", "alpha", "t0"))

        def sizes() -> tuple[float, float]:
            step = int(states[0]["step"].array)
            later = lr / (1 + decay * lr * step) ** power, 1 / max(1, step - start)
            now = float(states[0]["eta"].array), float(states[0]["mu"].array)
            for state in states:
                state["eta"].array[...], state["mu"].array[...] = later
            return now

        eta, mu = outside(sizes)
        return {"eta": eta, "mu": mu}
