"""Adafactor."""

from __future__ import annotations

from typing import Any

from .._dtypes import finfo
from .._tensor import F, Tensor
from ._rule import Rule
from ._state import checked, counter, zeros
from .optimizer import Group, Params, State


class Adafactor(Rule):
    """Adafactor (Shazeer & Stern, 2018), as in PyTorch.

    Adam without a first moment, whose second moment of a matrix is kept as the means of its rows
    and columns; steps are relative to the parameter's size and clipped.

    Args:
        params: tensors, named tensors or groups.
        lr: the largest relative step, a number or a tensor of one element.
        beta2_decay: the weight of a new square in step t is `t**beta2_decay`; <= 0.
        eps: the least second moment (None: the dtype's epsilon) and the least parameter size.
        d: root mean square from which an update is clipped; >= 1.
        weight_decay: factor by which a parameter shrinks.
        maximize: ascend instead.
        foreach: accepted and without effect.
    """

    rule = "adafactor_step"
    parts = {"eps": ("eps1", "eps2")}

    def __init__(
        self, params: Params, lr: float | Tensor = 1e-2, beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3), d: float = 1.0, weight_decay: float = 0.0,
        *, foreach: bool | None = None, maximize: bool = False,
    ) -> None:  # fmt: skip
        for name, value, good, wanted in (
            ("beta2_decay", beta2_decay, beta2_decay <= 0.0, "<= 0"),
            ("epsilon1", eps[0], eps[0] is None or eps[0] >= 0.0, ">= 0"),
            ("epsilon2", eps[1], eps[1] >= 0.0, ">= 0"),
            ("Clipping threshold d", d, d >= 1.0, ">= 1"),
        ):
            if not good:
                raise ValueError(f"{name} should be {wanted} but is: {value}")
        options = checked(lr=lr, weight_decay=weight_decay, foreach=foreach, maximize=maximize)
        super().__init__(params, {**options, "beta2_decay": beta2_decay, "eps": eps, "d": d})

    def _new_state(self, group: Group, param: Tensor) -> State:
        if param.dtype.is_complex:
            raise RuntimeError("Adafactor does not support complex parameters")
        if param.ndim < 2:
            return {"step": counter(), **zeros(param, "variance")}
        zero = zeros(param, "zero")["zero"]
        rows, columns = F.slice(zero, (..., slice(1))), F.slice(zero, (..., slice(1), slice(None)))
        return {"step": counter(), "row_var": F.clone(rows), "col_var": F.clone(columns)}

    def _names(self, group: Group) -> list[str]:
        return list(group["kept"])

    def _facts(self, group: Group, step: int, states: list[State]) -> dict[str, Any]:
        least = group["eps"][0]
        kind = states[0][group["kept"][0]].dtype
        return {"eps1": finfo(kind).eps if least is None else least}

    def _update(
        self, group: Group, params: list[Tensor], grads: list[Tensor], states: list[State]
    ) -> None:
        rows = list(zip(params, grads, states, strict=True))
        for kept in (("row_var", "col_var"), ("variance",)):
            chosen = [row for row in rows if kept[0] in row[2]]
            if chosen:
                super()._update({**group, "kept": kept}, *map(list, zip(*chosen, strict=True)))
