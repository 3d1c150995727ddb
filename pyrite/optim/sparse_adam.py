"""SparseAdam."""

from __future__ import annotations

from typing import Any

from .._graph import outside
from .._tensor import F, Tensor
from ._state import checked, zeros
from .optimizer import Group, Optimizer, Params, State


class SparseAdam(Optimizer):
    """Adam that changes moments and parameters only where a sparse gradient has entries.

    As in PyTorch: see `Adam`; without weight decay.

    Args:
        params: dense tensors, named tensors or groups.
        lr: learning rate, a number or a tensor of one element; > 0.
        betas: decay of the running means of the gradient and of its square.
        eps: added to the denominator; > 0.
        maximize: ascend instead.
    """

    _sparse = True

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8, maximize: bool = False,
    ) -> None:  # fmt: skip
        options = checked(**locals())
        for name, value in (("learning rate", lr), ("epsilon value", eps)):
            if not float(value) > 0.0:
                raise ValueError(f"Invalid {name}: {value} (expected > 0)")
        super().__init__(params, options)
        rows = [
            ([i, k], p) for i, g in enumerate(self.param_groups) for k, p in enumerate(g["params"])
        ]
        if found := [place for place, p in rows if p.is_sparse]:
            raise ValueError(
                f"Sparse params at indices {found}: SparseAdam requires dense parameter tensors"
            )
        if found := [place for place, p in rows if p.dtype.is_complex]:
            raise ValueError(
                f"Complex params at indices {found}: SparseAdam does not support complex parameters"
            )

    def _new_state(self, group: Group, param: Tensor) -> State:
        return {"step": 0, **zeros(param, "exp_avg", "exp_avg_sq")}

    def _update(
        self, group: Group, params: list[Tensor], grads: list[Any], states: list[State]
    ) -> None:
        if not all(grad.is_sparse for grad in grads):
            raise RuntimeError(
                "SparseAdam does not support dense gradients, please consider Adam instead"
            )

        def count() -> int:
            for state in states:
                state["step"] = int(state["step"]) + 1
            return int(states[0]["step"])

        merged = [grad.coalesce() for grad in grads]
        F.sparse_adam_step(
            params, [g.values() for g in merged], [g.indices() for g in merged],
            [s["exp_avg"] for s in states], [s["exp_avg_sq"] for s in states], group["lr"],
            *group["betas"], group["eps"], group["maximize"], outside(count),
        )  # fmt: skip
