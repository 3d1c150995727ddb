"""Sums of products as one product: what a recurrent net adds up step by step in its backward pass.

`linear_grad_weight(g1, x1) + linear_grad_weight(g2, x2) + ...` is one product of the rows of all
`g` and all `x`, and a sum of column sums is one column sum. Rounding differs from adding them one
after another, as it does between any two orders of a sum.
"""

from __future__ import annotations

from collections import Counter
from math import prod
from typing import Any

from .._graph import Call, Value, leaves_of
from .._ops.table import TABLE

FEWEST = 4  # terms
LARGEST = 1 << 18  # elements of an operand: beyond, one product each is as fast
ROWS = {"linear_grad_weight": 2, "sum_to_size": 1}  # op -> how many operands have the rows


class Collector:
    """Collects such sums.

    Args:
        calls: in order.
        fixed: names of values that must exist as they are, or whose memory is written.
        later: ids of the calls of the backward pass; those that take their place are added.
    """

    def __init__(self, calls: list[Call], fixed: set[str], later: set[int]) -> None:
        self.calls, self.fixed, self.later = calls, fixed, later
        self.made = {c.outputs[0].name: c for c in calls if len(c.outputs) == 1 and c.outputs[0]}
        self.uses = Counter(v.name for c in calls for v in leaves_of(c.args, Value))
        self.stacks = [c for c in calls if c.op.name == "stack" and c.args[1] == 0]
        self.joined: dict[tuple[str, ...], Value] = {}
        self.gone: set[int] = set()
        self.count = 0

    def run(self) -> list[Call]:
        """The calls with sums collected."""
        out: list[Call] = []
        inner = {v.name for c in self.calls if _is_sum(c) for v in c.args[:2]}
        for call in self.calls:
            root = _is_sum(call) and not (
                call.outputs[0].name in inner and self._lone(call.outputs[0].name)  # type: ignore[union-attr]
            )
            new = self._collected(call) if root else [self._stacked(call)]
            if id(call) in self.later:
                self.later.update(map(id, new))
            out += new
        return [c for c in out if id(c) not in self.gone]

    def _lone(self, name: str) -> bool:
        return self.uses[name] == 1 and name not in self.fixed

    def _terms(self, call: Call, sums: list[Call]) -> list[Value]:
        """The leaves of a tree of sums whose inner sums nobody else uses; fills `sums`."""
        todo, terms = list(call.args[:2]), []
        sums.append(call)
        while todo:
            value = todo.pop()
            made = self.made.get(value.name)
            if made is not None and _is_sum(made) and self._lone(value.name):
                sums.append(made)
                todo += made.args[:2]
            else:
                terms.append(value)
        return terms

    def _collected(self, root: Call) -> list[Call]:
        """Calls in place of the last sum of a tree."""
        sums: list[Call] = []
        groups: dict[Any, list[Call]] = {}
        rest = []
        for value in self._terms(root, sums):
            made = self.made.get(value.name)
            key = None if made is None or not self._lone(value.name) else _kind(made)
            if made is None or key is None:
                rest.append(value)
            else:
                groups.setdefault(key, []).append(made)
        new: list[Call] = []
        values = list(rest)
        for group in groups.values():
            if len(group) < FEWEST or any(
                v.name in self.fixed for c in group for v in leaves_of(c.args, Value)
            ):
                values += [o for c in group for o in c.outputs if o is not None]
            else:
                self.gone.update(map(id, group))
                values.append(self._joint(group, new))
        if not new:
            return [root]
        self.gone.update(map(id, sums))
        return [*new, *self._added(values, root)]

    def _joint(self, group: list[Call], new: list[Call]) -> Value:
        """One product over the rows of all; appends the calls it needs."""
        group = self._ordered(group)
        op, count = group[0].op, ROWS[group[0].op.name]
        rows = [self._rows([c.args[i] for c in group], new) for i in range(count)]
        return self._new(op, [*rows, *group[0].args[count:]], group[0].outputs[0].shape, new)  # type: ignore[union-attr]

    def _ordered(self, group: list[Call]) -> list[Call]:
        """The terms in the order in which something stacks their operands anyway."""
        first = {c.args[0].name: c for c in group}
        for stack in self.stacks:
            names = [v.name for v in stack.args[0]]
            if set(names) == set(first) and len(names) == len(group):
                return [first[n] for n in names]
        return group

    def _rows(self, values: list[Value], new: list[Call]) -> Value:
        """The rows of all values in one array."""
        key = tuple([v.name for v in values])
        if key not in self.joined:
            shape = (len(values) * values[0].shape[0], *values[0].shape[1:])
            self.joined[key] = self._new(TABLE["cat"], [list(values), 0], shape, new)
        return self.joined[key]

    def _stacked(self, call: Call) -> Call:
        """A stack of what has been joined since is a view of that."""
        if call in self.stacks:
            joined = self.joined.get(tuple([v.name for v in call.args[0]]))
            if joined is not None and call.outputs[0].name not in self.fixed:  # type: ignore[union-attr]
                shape = tuple(call.outputs[0].shape)  # type: ignore[union-attr]
                return Call(TABLE["reshape"], [joined, shape], call.outputs, None)
        return call

    def _added(self, values: list[Value], root: Call) -> list[Call]:
        new: list[Call] = []
        total = values[0]
        if len(values) == 1:  # the product itself is the sum
            return [Call(TABLE["clone"], [total, None], root.outputs, None)]
        for value in values[1:-1]:
            total = self._new(root.op, [total, value, 1], total.shape, new)
        return [*new, Call(root.op, [total, values[-1], 1], root.outputs, None)]

    def _new(self, op: Any, args: list[Any], shape: Any, new: list[Call]) -> Value:
        model = next(leaves_of(args, Value))
        value = Value.__new__(Value)
        value.name, value.tensor = f"vs{self.count}", None
        value.kind, value.shape, value.dtype = model.kind, tuple(shape), model.dtype
        self.count += 1
        new.append(Call(op, args, [value], None))
        return value


def _is_sum(call: Call) -> bool:
    """Whether a call adds two values of one shape."""
    if call.op.name != "add" or call.args[2] != 1:
        return False
    a, b = call.args[:2]
    alike = isinstance(a, Value) and isinstance(b, Value) and a.shape == b.shape
    return alike and a.dtype == b.dtype and a.dtype.kind == "f"


def _kind(call: Call) -> Any:
    """What terms of one product have in common; None for other calls."""
    if (count := ROWS.get(call.op.name)) is None:
        return None
    rows, rest = call.args[:count], call.args[count:]
    if any(v.ndim < 2 or prod(v.shape) > LARGEST for v in map(_Shape, rows)):
        return None
    if count == 1 and tuple(rest[0]) != tuple(rows[0].shape[-len(rest[0]) :]):
        return None
    return (call.op.name, *[v.shape for v in rows], repr(rest))


class _Shape:
    """A Value's shape and rank."""

    def __init__(self, value: Value) -> None:
        self.shape, self.ndim = value.shape, len(value.shape)
