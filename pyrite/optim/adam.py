"""Adam and AdamW."""

from __future__ import annotations

from typing import Any

from .._tensor import Tensor
from ._rule import Rule
from ._state import checked
from .optimizer import Group, Params, State


class Adam(Rule):
    """Adam (Kingma & Ba, 2015; amsgrad: Reddi et al., 2018), as in PyTorch.

    Each step t: `g += weight_decay * p`; `m = beta1 * m + (1 - beta1) * g`;
    `v = beta2 * v + (1 - beta2) * g**2`;
    `p -= lr / (1 - beta1**t) * m / (sqrt(v / (1 - beta2**t)) + eps)`.

    Args:
        params: tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator.
        weight_decay: factor of the L2 penalty, or of the decay if decoupled.
        amsgrad: divide by the largest mean square so far.
        foreach: accepted and without effect, like `fused` and `capturable`.
        maximize: ascend instead.
        decoupled_weight_decay: shrink the parameter instead of adding to the gradient (AdamW).
    """

    rule = "adam_step"

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 0, amsgrad: bool = False, *, foreach: bool | None = None,
        maximize: bool = False, capturable: bool = False, differentiable: bool = False,
        fused: bool | None = None, decoupled_weight_decay: bool = False,
    ) -> None:  # fmt: skip
        given = dict(locals())  # before there are other names
        for name, value in {"lr": lr, "betas[0]": betas[0], "betas[1]": betas[1]}.items():
            if isinstance(value, Tensor) and foreach and not capturable:
                raise ValueError(
                    f"{name} as a Tensor is not supported for capturable=False and foreach=True"
                )
        super().__init__(params, checked(**given))

    def _names(self, group: Group) -> list[str]:
        return super()._names(group)[: 3 if group["amsgrad"] else 2]

    def _facts(self, group: Group, step: int, states: list[State]) -> dict[str, Any]:
        return {"decoupled": group["decoupled_weight_decay"]}


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter, 2019), as in PyTorch.

    Before each step `p *= 1 - lr * weight_decay`; otherwise as `Adam`.
    """

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999), eps: float = 1e-8,
        weight_decay: float = 1e-2, amsgrad: bool = False, *, maximize: bool = False,
        foreach: bool | None = None, capturable: bool = False, differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, foreach=foreach, maximize=maximize,
            capturable=capturable, differentiable=differentiable, fused=fused,
            decoupled_weight_decay=True,
        )  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True  # checkpoints older than the option
