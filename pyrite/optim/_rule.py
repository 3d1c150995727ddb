"""`Rule`: an optimizer that is one update op, its options and its state."""

from __future__ import annotations

from typing import Any

from .._ops import TABLE
from .._tensor import F, Tensor
from ._state import count_step, counter, zeros
from .optimizer import Group, Optimizer, State


class Rule(Optimizer):
    """Calls the update op `rule`, whose parameters are named after state and options.

    Attributes:
        rule: the op's name. Its arrays after `params` and `grads` are the states, in the plural.
        parts: option -> the op's names for its parts (`betas` -> `beta1`, `beta2`).
    """

    rule: str
    parts = {"betas": ("beta1", "beta2")}

    def _names(self, group: Group) -> list[str]:
        """The states that a group uses."""
        arrays = [p.name for p in TABLE[self.rule].params if p.role == "arrays"]
        return [name.removesuffix("s") for name in arrays[2:]]

    def _new_state(self, group: Group, param: Tensor) -> State:
        return {"step": counter(), **zeros(param, *self._names(group))}

    def _facts(self, group: Group, step: int, states: list[State]) -> dict[str, Any]:
        """What the op takes beside options and state."""
        return {}

    def _update(
        self, group: Group, params: list[Tensor], grads: list[Tensor], states: list[State]
    ) -> None:
        step = count_step(states) if "step" in states[0] else 0
        given = {"params": params, "grads": grads, "step": step, **group}
        given.update({f"{name}s": [s[name] for s in states] for name in self._names(group)})
        for option, names in self.parts.items():
            given.update(zip(names, group.get(option, ()), strict=False))
        given.update(self._facts(group, step, states))
        given["params"] = params  # a group has an entry of this name
        op = TABLE[self.rule]  # a list that the options leave unused is empty
        getattr(F, self.rule)(*[given.get(p.name, []) for p in op.params])
