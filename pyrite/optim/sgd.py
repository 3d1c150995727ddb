"""Stochastic gradient descent."""

from __future__ import annotations

from .._tensor import F, Tensor
from ._state import checked, zeros
from .optimizer import Group, Optimizer, Params, State


class SGD(Optimizer):
    """Stochastic gradient descent with momentum (Sutskever et al., 2013), as in PyTorch.

    Each step: `g += weight_decay * p`; with momentum `b = momentum * b + (1 - dampening) * g` (at
    first `b = g`) and `g = g + momentum * b` (Nesterov) or `g = b`; `p -= lr * g`.

    Args:
        params: tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element.
        momentum: 0 for none.
        dampening: how much less a gradient counts in the momentum.
        weight_decay: factor of the L2 penalty.
        nesterov: look ahead; needs momentum and no dampening.
        maximize: ascend instead.
        foreach: accepted and without effect, like `fused`: a step is one call in any case.
    """

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3, momentum: float = 0,
        dampening: float = 0, weight_decay: float | Tensor = 0, nesterov: bool = False, *,
        maximize: bool = False, foreach: bool | None = None, differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:  # fmt: skip
        options = checked(**locals())
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        super().__init__(params, options)

    def _update(
        self, group: Group, params: list[Tensor], grads: list[Tensor], states: list[State]
    ) -> None:
        momentum = group["momentum"]
        first = states[0].get("momentum_buffer") is None
        if momentum and first:
            for param in params:
                self.state[param].update(zeros(param, "momentum_buffer"))
        buffers = [self.state[p]["momentum_buffer"] for p in params] if momentum else []
        F.sgd_step(
            params, grads, buffers, group["lr"], momentum, group["dampening"],
            group["weight_decay"], group["nesterov"], group["maximize"], first,
        )  # fmt: skip
