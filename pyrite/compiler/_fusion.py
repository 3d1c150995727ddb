"""Chains of pointwise calls of one shape become one kernel, where the backend makes such kernels.

A group grows while its calls follow each other with nothing between that reads what it makes; it
runs where its last call stood. Results that nothing else reads are never written to memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from math import prod
from typing import Any

from .. import backends
from .._graph import Call, Value, leaves_of

SMALLEST = 2048  # elements: below, the calls of separate kernels cost less


class Fused:
    """A kernel made of several calls, in their place.

    Attributes:
        function: the kernel.
        args: what it reads: Values, then numbers.
        outputs: what it makes.
        shape, count, width: of the results; rows and their length where an operand is a row.
        full: names of the arguments that lie as the results do: their memory may be taken over.
    """

    __slots__ = ("args", "count", "full", "function", "outputs", "shape", "width")

    def __init__(self, function: Callable[..., Any], group: _Group, outputs: list[Value]) -> None:
        self.function, self.outputs = function, outputs
        self.args = [*group.values, *group.numbers]
        self.shape = group.shape
        size = prod(group.shape)
        self.width = group.width or size
        self.count = size // group.width if group.width else size
        kinds = zip(group.values, group.kinds, strict=True)
        self.full = {v.name for v, kind in kinds if kind == "full"}


class _Group:
    """Calls that may become one kernel."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.calls: list[Call] = []
        self.made: dict[str, int] = {}  # value -> the step that makes it
        self.values: list[Value] = []
        self.kinds: list[str] = []
        self.numbers: list[Any] = []
        self.steps: list[tuple[str, list[Any]]] = []
        self.width = 0


class Fusion:
    """Finds the groups in a list of calls.

    Args:
        uses: how often each value is used in the whole plan, its results included.
        dense: names of values whose memory is in the order of their elements.
        wide: values that are one element spread out -> that element.
    """

    def __init__(self, uses: Counter[str], dense: set[str], wide: dict[str, Value]) -> None:
        self.uses, self.dense, self.wide = uses, dense, wide
        self.makers: dict[type, Any] = {}

    def run(self, calls: list[Call]) -> list[Any]:
        """The calls, chains replaced."""
        self.open: list[_Group] = []
        self.out: list[Any] = []
        for call in calls:
            read = {v.name for v in leaves_of(call.args, Value)}
            mine = [g for g in self.open if read & g.made.keys()]
            if self._joins(call, mine):
                continue
            for group in list(self.open) if call.op.kind == "update" else mine:
                self._close(group)
            if not self._started(call):
                self.out.append(call)
        for group in list(self.open):
            self._close(group)
        return self.out

    def _started(self, call: Call) -> bool:
        """Let a call begin a group."""
        if not self._fits(call):
            return False
        group = _Group(tuple(call.outputs[0].shape))  # type: ignore[union-attr]
        if not self._add(group, call):
            return False
        self.open.append(group)
        return True

    def _fits(self, call: Call) -> bool:
        out = call.outputs[0] if len(call.outputs) == 1 else None
        if out is None or prod(out.shape) < SMALLEST or out.name not in self.dense:
            return False
        maker = self._maker(out)
        if maker is None or out.dtype.char not in "f?":
            return False
        args = ["x" if isinstance(a, Value) else a for a in call.args]
        return maker.expression(call.op.name, args) is not None

    def _maker(self, value: Value) -> Any:
        """What makes kernels for a value's backend, or None."""
        if value.kind not in self.makers:
            self.makers[value.kind] = backends._by_type[value.kind].fusion()
        return self.makers[value.kind]

    def _joins(self, call: Call, groups: list[_Group]) -> bool:
        """Let a call go on the groups that make its operands, which become one."""
        if not groups or not self._fits(call):
            return False
        if any(g.shape != tuple(call.outputs[0].shape) for g in groups):  # type: ignore[union-attr]
            return False
        merged = _Group(groups[0].shape)
        members = [c for g in self.open if g in groups for c in g.calls]
        if not all(self._add(merged, c) for c in [*members, call]):
            return False
        self.open = [g for g in self.open if g not in groups] + [merged]
        return True

    def _add(self, group: _Group, call: Call) -> bool:
        """Append a call to a group; False where an operand does not fit its loop."""
        out: Any = call.outputs[0]
        static = self._maker(out).STATIC.get(call.op.name, ())
        arguments: list[Any] = []
        for i, value in enumerate(call.args):
            if isinstance(value, Value):
                found = self._operand(group, value)
                if found is None:
                    return False
                arguments.append(found)
            elif i in static or isinstance(value, bool) or not isinstance(value, int | float):
                if hasattr(value, "text"):  # each replay asks for it anew
                    return False
                arguments.append(value)
            else:
                group.numbers.append(value)
                arguments.append(("n", len(group.numbers) - 1))
        group.made[out.name] = len(group.steps)
        group.steps.append((call.op.name, arguments))
        group.calls.append(call)
        return True

    def _operand(self, group: _Group, value: Value) -> tuple[str, int] | None:
        if value.name in group.made:
            return ("v", group.made[value.name])
        value = self.wide.get(value.name, value)
        for i, known in enumerate(group.values):
            if known.name == value.name:
                return ("x", i)
        kind, width = _place(tuple(value.shape), group.shape)
        if not kind or value.dtype.char not in "f?" or value.name not in self.dense:
            return None
        if width and group.width not in (0, width):
            return None
        group.width = width or group.width
        group.values.append(value)
        group.kinds.append(kind + "?" * (value.dtype.char == "?"))
        return ("x", len(group.values) - 1)

    def _close(self, group: _Group) -> None:
        self.open.remove(group)
        inside = Counter(v.name for c in group.calls for v in leaves_of(c.args, Value))
        outputs = [
            out for c in group.calls for out in c.outputs
            if out is not None and self.uses[out.name] > inside[out.name]
        ]  # fmt: skip
        function = None
        if len(group.calls) > 1:
            wanted = [group.made[o.name] for o in outputs]
            function = self._maker(outputs[0]).fuse(
                group.kinds, len(group.numbers), group.steps, wanted
            )
        self.out += group.calls if function is None else [Fused(function, group, outputs)]


def _place(shape: tuple[int, ...], whole: tuple[int, ...]) -> tuple[str, int]:
    """How an operand lies to the result, and the length of a row if that matters."""
    if shape == whole:
        return "full", 0
    if prod(shape) == 1:
        return "one", 0
    shape = (1,) * (len(whole) - len(shape)) + shape
    cut = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    if shape[cut:] == whole[cut:]:
        return "row", prod(shape[cut:])
    cut = len(shape) - next(i for i, n in enumerate(reversed(shape)) if n != 1)
    if shape[:cut] == whole[:cut]:
        return "column", prod(whole[cut:])
    return "", 0
