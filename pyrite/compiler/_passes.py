"""What a captured call can do without: unused results, equal results, copies of what nobody keeps.

Memory decides what is allowed. Two values with one root share memory; roots that are written in
place, and those that the caller can reach afterwards, stay exactly as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from math import prod
from typing import Any

from .._graph import Call, Value, leaves_of, shown, targets_of
from .._storage import root_array
from ._fusion import Fusion
from ._sums import Collector

# Values whose identity is a fact of the call: two empty buffers are not one.
_DISTINCT = frozenset(("empty", "empty_strided"))


class Steps:
    """The calls of a plan and the values that must exist at its end.

    Attributes:
        calls: in order.
        wanted: values that leave the plan (results, gradients); others may go.
        outside: names of values that come from outside.
        later: ids of the calls of the backward pass.
    """

    def __init__(
        self, calls: list[Call], wanted: Iterable[Value], arrays: dict[str, Any], outside: set[str],
        later: set[int],
    ) -> None:  # fmt: skip
        self.calls, self.outside, self.later = calls, outside, later
        self.wanted = {v.name: v for v in wanted}
        self.roots = {name: id(root_array(a)) for name, a in arrays.items()}
        self.whole = {n for n, a in arrays.items() if _whole(a)}
        self.dense = {n for n, a in arrays.items() if a.flags.c_contiguous}
        self.written = {self.roots[t.name] for c in calls if c.op.kind == "update"
                        for t in targets_of(c)}  # fmt: skip
        self.renamed: dict[str, Value] = {}

    def improve(self) -> None:
        """All passes, in the order in which they help each other."""
        self.merge()
        self.drop()
        self.collect()
        self.adopt()

    def rename(self, nest: Any) -> Any:
        """Arguments, or a result, with the values that stand in for others."""
        if isinstance(nest, Value):
            return self.renamed.get(nest.name, nest)
        if type(nest) in (tuple, list):
            return type(nest)([self.rename(v) for v in nest])
        return nest

    def drop(self) -> None:
        """Remove calls whose results nobody uses."""
        live = set(self.wanted)
        kept: list[Call] = []
        for call in reversed(self.calls):
            names = {o.name for o in call.outputs if o is not None}
            if call.op.kind == "update" or names & live:
                kept.append(call)
                live |= {v.name for v in leaves_of(call.args, Value)}
        self.calls = kept[::-1]

    def merge(self) -> None:
        """Compute once what is computed twice from the same values, between two writes."""
        seen: dict[Any, list[Value | None]] = {}
        kept: list[Call] = []
        for call in self.calls:
            call.args = self.rename(call.args)
            if call.op.kind == "update":
                seen.clear()
                kept.append(call)
                continue
            key = _key(call)
            before = seen.get(key) if key is not None else None
            if before is not None and self._may_stand_in(before, call.outputs):
                for old, new in zip(call.outputs, before, strict=True):
                    if old is not None and new is not None:
                        self.renamed[old.name] = new
                continue
            if key is not None:
                seen.setdefault(key, call.outputs)
            kept.append(call)
        self.calls = kept

    def _may_stand_in(self, before: list[Value | None], after: list[Value | None]) -> bool:
        for new, old in zip(before, after, strict=True):
            if old is None:
                continue
            if new is None or old.name in self.wanted or new.name in self.wanted:
                return False
            if self.roots[old.name] in self.written or self.roots[new.name] in self.written:
                return False
        return True

    def collect(self) -> None:
        """Sums of products become one product."""
        fixed = {*self.wanted, *[n for n, root in self.roots.items() if root in self.written]}
        self.calls = Collector(self.calls, fixed, self.later).run()
        for call in self.calls:
            for out in call.outputs:
                if out is None:
                    continue
                if out.name not in self.roots:
                    self.whole.add(out.name)
                    self.dense.add(out.name)
                    self.roots[out.name] = id(out)
                elif call.op.name == "reshape" and call.args[0].name[:2] == "vs":
                    self.roots[out.name] = self.roots[call.args[0].name]

    def adopt(self) -> None:
        """Give away the memory of a value in place of copying it, if that is its only use left."""
        kept_roots = {self.roots[n] for n in self.outside} | self.written
        kept_roots |= {self.roots[self.rename(v).name] for v in self.wanted.values()}
        last = {self.roots[v.name]: i for i, c in enumerate(self.calls)
                for v in leaves_of(self.rename(c.args), Value)}  # fmt: skip
        kept: list[Call] = []
        for i, call in enumerate(self.calls):
            call.args = self.rename(call.args)
            if call.op.name == "clone" and call.args[1] is None:
                source, copy = call.args[0], call.outputs[0]
                assert copy is not None
                root = self.roots[source.name]
                lone = root not in kept_roots and self.roots[copy.name] not in self.written
                lone = lone and last[root] == i
                if lone and source.name in self.whole and copy.name in self.whole:
                    self.renamed[copy.name] = source
                    kept_roots.add(root)
                    continue
            kept.append(call)
        self.calls = kept

    def fusion(self) -> Fusion:
        """What fuses the calls."""
        uses = Counter(v.name for c in self.calls for v in leaves_of(c.args, Value))
        uses.update(self.rename(v).name for v in self.wanted.values())
        wide: dict[str, Value] = {}
        for call in self.calls:
            if call.op.name in ("expand", "reshape", "view") and prod(call.args[0].shape) == 1:
                source = call.args[0]
                wide[call.outputs[0].name] = wide.get(source.name, source)  # type: ignore[union-attr]
        return Fusion(uses, self.dense, wide)

    def free(self, names: set[str], held: set[str]) -> list[str]:
        """Those of the names whose memory nothing in `held` shares."""
        roots = {self.roots[n] for n in held if n in self.roots}
        return sorted(n for n in names & self.whole - held if self.roots[n] not in roots)


def _whole(array: Any) -> bool:
    """Whether an array is contiguous and the only part of its memory."""
    return bool(array.flags.c_contiguous) and root_array(array).size == array.size


def _key(call: Call) -> Any:
    """Calls of one key compute the same; None for those that never do."""
    if call.op.kind == "random" or call.op.name in _DISTINCT:
        return None
    return call.op.name, shown(call.args), repr(call.device)
