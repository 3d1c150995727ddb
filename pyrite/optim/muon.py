"""Muon."""

from __future__ import annotations

from .._tensor import Tensor
from ._rule import Rule
from ._state import checked, zeros
from .optimizer import Group, Params, State


class Muon(Rule):
    """Muon (Jordan et al., 2024), as in PyTorch: momentum, orthogonalised; for 2-D parameters.

    Each step: `b += (1 - momentum) * (g - b)`; `u = g + momentum * (b - g)` (Nesterov) or `b`; `u`
    is brought near the orthogonal matrix of its singular vectors; `p *= 1 - lr * weight_decay`;
    `p -= lr * s * u`, where s is `sqrt(max(1, rows / columns))`.

    Args:
        params: matrices: hidden layers' weights; give the others to AdamW.
        lr: learning rate, a number or a tensor of one element.
        weight_decay: factor by which a parameter shrinks.
        momentum: decay of the running mean of the gradient.
        nesterov: look ahead.
        ns_coefficients: of the Newton-Schulz polynomial of degree 5.
        eps: the least norm that a gradient is divided by.
        ns_steps: number of iterations, < 100.
        adjust_lr_fn: "original" (the default), or "match_rms_adamw": s is
            `0.2 * sqrt(max(rows, columns))`, for rates found for AdamW (Liu et al., 2025).
    """

    rule = "muon_step"

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-3, weight_decay: float = 0.1,
        momentum: float = 0.95, nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315), eps: float = 1e-7,
        ns_steps: int = 5, adjust_lr_fn: str | None = None,
    ) -> None:  # fmt: skip
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(f"Adjust learning rate function {adjust_lr_fn} is not supported")
        super().__init__(params, checked(**locals()))
        for param in [p for group in self.param_groups for p in group["params"]]:
            if param.ndim != 2:
                raise ValueError(
                    "Muon only supports 2D parameters whereas we found a parameter with size: "
                    f"{param.shape}"
                )

    def _new_state(self, group: Group, param: Tensor) -> State:
        if param.dtype.is_complex:
            raise RuntimeError("Muon does not support complex parameters")
        if group["ns_steps"] >= 100:
            raise ValueError(
                "Number of steps must be less than 100 for computational efficiency, got "
                f"{group['ns_steps']}"
            )
        if len(group["ns_coefficients"]) != 3:
            raise ValueError(
                f"Coefficients must be a tuple of exactly 3 values, got {group['ns_coefficients']}"
            )
        return zeros(param, "momentum_buffer")
