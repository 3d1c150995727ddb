"""RMSprop."""

from __future__ import annotations

from .._tensor import F, Tensor
from ._state import checked, count_step, counter, zeros
from .optimizer import Group, Optimizer, Params, State


class RMSprop(Optimizer):
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

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-2, alpha: float = 0.99, eps: float = 1e-8,
        weight_decay: float = 0, momentum: float = 0, centered: bool = False,
        capturable: bool = False, foreach: bool | None = None, maximize: bool = False,
        differentiable: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(params, checked(
            lr=lr, momentum=momentum, alpha=alpha, eps=eps, centered=centered,
            weight_decay=weight_decay, capturable=capturable, foreach=foreach, maximize=maximize,
            differentiable=differentiable,
        ))  # fmt: skip

    def _new_state(self, group: Group, param: Tensor) -> State:
        used = {"momentum_buffer": group["momentum"] > 0, "grad_avg": group["centered"]}
        names = [name for name in used if used[name]]
        return {"step": counter(), **zeros(param, "square_avg", *names)}

    def _update(
        self, group: Group, params: list[Tensor], grads: list[Tensor], states: list[State]
    ) -> None:
        count_step(states)
        momentum, centered = group["momentum"], group["centered"]
        F.rmsprop_step(
            params, grads, [s["square_avg"] for s in states],
            [s["momentum_buffer"] for s in states] if momentum else [],
            [s["grad_avg"] for s in states] if centered else [],
            group["lr"], group["alpha"], group["eps"], group["weight_decay"], momentum,
            centered, group["maximize"],
        )  # fmt: skip
