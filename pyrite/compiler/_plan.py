"""A plan: an observed call as generated source, with its guards, and its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._codegen import define
from .._formats import arranged, contiguous_format
from .._graph import Call, Gradient, Guard, Host, Source, Value, leaves_of, targets_of
from .._storage import storage_of
from .._symbols import SCOPE
from .._tensor import Tensor
from .._trees import flatten
from ..autograd import modes
from ..autograd.node import (
    Node,
    edge_of,
    freed,
    record,
    save_output,
    unpack_array,
    unpack_output_array,
)
from ..autograd.recording import SPACES, entry
from ..backends._bind import QUIET, quiet, restore
from ._fusion import Fused
from ._passes import Steps
from ._trace import Observed, Unsupported

_DECLINED = object()


class Missed(Exception):
    """A guard on numbers from outside failed; `drawn` are those asked for so far."""

    def __init__(self, *drawn: Any) -> None:
        super().__init__()
        self.drawn = drawn


class Plan:
    """What `run(*tensors)` does again; DECLINED where a guard on state says no.

    Attributes:
        objects: arguments that are neither tensors nor settings, kept so that ids stay theirs.
    """

    DECLINED = _DECLINED

    def __init__(self, seen: Observed, improve: bool, objects: Sequence[Any]) -> None:
        self.objects = tuple(objects)
        self.source = _Writer(seen, improve)
        self.run: Callable[..., Any] = self.source.build()
        self.source.release()


class CompiledOp:
    """Stands for a plan in its nodes: runs the backward plan as the formulas of a table op."""

    kept = None  # whatever was saved
    name = "CompiledFunctionBackward"

    def __init__(self, unpack: Callable[..., Any], run: Callable[..., Any], count: int) -> None:
        self.plan, self.unpack, self.run, self.count = self, unpack, run, count

    def backward_array(self, space: Any, g: Any, node: Node, needs: Any) -> list[Any]:
        """Gradients as raw arrays, one per edge."""
        if node.saved is None:
            freed(node)
        given = [None if a is None else _dense(a) for a in (g if type(g) is list else [g])]
        if any(a is None for a in given):
            given = _materialized(node, given)
        token = quiet(QUIET)
        try:
            grads: list[Any] = self.run(*given, *self.unpack(node))
        finally:
            restore(token)
        return [a if n is not None else None for a, n in zip(grads, needs, strict=True)]

    def backward_tensor(self, space: Any, g: Any, node: Node, needs: Any) -> list[Any]:
        """Gradients without a history of their own; RuntimeError where one is asked for."""
        if modes.is_grad_enabled():
            raise RuntimeError(
                "compile does not support double backward (create_graph=True) through what it "
                "compiled: differentiate the original function"
            )
        modes.tell("effect", "a backward pass goes into what was compiled apart")
        arrays = [None if t is None else t.array for t in (g if type(g) is list else [g])]
        grads = self.backward_array(space, arrays, node, needs)
        return [None if a is None else Tensor(a) for a in grads]


class RefusedOp:
    """Stands for a history that cannot be followed: backward raises what eager mode raised."""

    kept = None
    name = "CompiledFunctionBackward"

    def __init__(self, error: str) -> None:
        self.plan, self.error = self, error

    def backward_array(self, space: Any, g: Any, node: Node, needs: Any) -> list[Any]:
        """RuntimeError."""
        raise RuntimeError(self.error)

    backward_tensor = backward_array


def _dense(array: Any) -> Any:
    """The array in the order of its elements: what kernels of a plan were made for."""
    if array.flags.c_contiguous:
        return array
    return SPACES[type(array)].clone(array, contiguous_format)


def _materialized(node: Node, grads: list[Any]) -> list[Any]:
    """Zeros in place of the cotangents of outputs that nobody used."""
    model = next(a for a in grads if a is not None)
    zeros = SPACES[type(model)].zeros_like
    shapes, kinds = (node.shape, node.dtype) if len(grads) > 1 else ([node.shape], [node.dtype])
    full = SPACES[type(model)].expand
    made = []
    for grad, shape, kind in zip(grads, shapes, kinds, strict=True):
        if grad is None:
            one = zeros(model.reshape(-1)[:1].astype(kind)).reshape((1,) * len(shape))
            grad = full(one, list(shape)).copy()
        made.append(grad)
    return made


class _Writer(Source):
    """Writes the source of one plan.

    The function checks what it stands on, asks for numbers from outside, makes the calls, and
    wraps the results. Constants are its globals, bound anew when a tensor got other memory.
    """

    def __init__(self, seen: Observed, improve: bool) -> None:
        self.seen, self.trace = seen, seen.trace
        self.scope: dict[str, Any] = {
            **SCOPE, "Tensor": Tensor, "Missed": Missed, "quiet": quiet, "restore": restore,
            "QUIET": QUIET, "DECLINED": _DECLINED, "rebind": self.rebind, "edge_of": edge_of,
            "record": record, "entry": entry, "save_output": save_output,
            "storage_of": storage_of, "dense": _dense, "arranged": arranged,
            "same": self.trace.world.same,
        }  # fmt: skip
        self.constants = {v.name: v for v in self.trace.constants}
        self.leaves = [(t, before) for t, before in seen.before.values()]
        self._gradients()
        self._check_writes()
        self._arrange(improve)

    # ---- what the steps are

    def _gradients(self) -> None:
        """Which leaves' gradients are read (`old`) and set (`new`)."""
        known = set(self.seen.before)
        strange = [
            s for s in self.trace.steps if isinstance(s, Gradient) and id(s.leaf) not in known
        ]
        if strange:
            raise Unsupported(
                "a backward pass reaches a tensor that nothing the function names holds"
            )
        by_array = {id(b.array): t for t, b in self.leaves if b is not None}
        arrays = {n: self.trace.by_name[n] for n in self.constants}
        self.old = {n: by_array[id(a)] for n, a in arrays.items() if id(a) in by_array}
        self.new: list[tuple[Tensor, Any]] = []
        for leaf, before in self.leaves:
            if leaf._grad is not before:
                grad = leaf._grad
                self.new.append((leaf, None if grad is None else self.trace.value(grad)))

    def _check_writes(self) -> None:
        """A constant that the function writes must be somebody's, or it is made at each call."""
        held = {id(t.array) for t in self.trace.world.tensors.values()}
        for step in self.trace.steps:
            if isinstance(step, Call) and step.op.kind == "update":
                for name in [t.name for t in targets_of(step)]:
                    constant = name in self.constants and name not in self.old
                    if constant and id(self.trace.by_name[name]) not in held:
                        raise Unsupported("it writes to a tensor that nothing it names holds")

    def _arrange(self, improve: bool) -> None:
        seen, outside = self.seen, {*self.constants, *[v.name for v in self.seen.values]}
        steps, split = self.trace.steps, seen.split
        forward = [s for s in steps[:split] if isinstance(s, Call)]
        backward = [s for s in steps[split:] if isinstance(s, Call)]
        self.asked = [s for s in steps if isinstance(s, Host | Guard)]
        news = [v for _, v in self.new if v is not None]
        results = list(leaves_of(flatten(seen.encoded)[0], Value))
        wanted = [*results, *news, *seen.grads]
        later = set(map(id, backward))
        whole = Steps([*forward, *backward], wanted, self.trace.by_name, outside, later)
        self.whole = whole
        if improve:
            whole.improve()
        self.forward: list[Any] = [c for c in whole.calls if id(c) not in later]
        self.backward: list[Any] = [c for c in whole.calls if id(c) in later]
        if improve:
            fusion = whole.fusion()
            self.forward, self.backward = fusion.run(self.forward), fusion.run(self.backward)
        self.results = whole.rename(flatten(seen.encoded)[0])
        self.grads = whole.rename(seen.grads)
        self.new = [(t, whole.rename(v)) for t, v in self.new]
        self._outputs()

    def _outputs(self) -> None:
        """Name results, what they share memory with, and what the backward pass needs."""
        seen, names = self.seen, set(self.constants) | {v.name for v in self.seen.values}
        results = [v.name for v in self.results if isinstance(v, Value)]
        self.made = [n for n in dict.fromkeys(results) if n not in names]
        renamed = {n: self.whole.rename(self.trace.value(t)).name for n, t in seen.tensors.items()}
        self.history = [renamed[self.trace.value(t).name] for t in seen.differentiable]
        made_here = {o.name for c in self.forward for o in c.outputs if o is not None}
        needed = [v.name for c in self.backward for v in leaves_of(c.args, Value)]
        needed += [v.name for v in self.grads]
        seeds = {v.name for v in seen.seeds}
        made_back = {o.name for c in self.backward for o in c.outputs if o is not None}
        used = [n for n in dict.fromkeys(needed) if n not in seeds | made_back]
        self.saved_outside = [n for n in used if n not in made_here]
        self.saved_inside = [n for n in used if n in made_here]
        texts = " ".join(self.text(c.args) for c in self.backward)
        self.saved_numbers = [s.name for s in self.asked if isinstance(s, Host) and s.name in texts]
        if seen.error is None and not seen.grads and self.history:
            self.history = []
        outside = [*seen.inputs, *[v.tensor for v in self.constants.values()]]
        owners = {id(t.storage): t for t in outside if t is not None and t.storage is not None}
        self.shares: dict[str, Tensor] = {}
        for name, tensor in seen.tensors.items():
            owner = owners.get(id(tensor.storage))
            if owner is not None and renamed[name] in self.made:
                self.shares[renamed[name]] = owner
        if set(self.shares) & set(self.history):
            raise Unsupported("it returns a view of an argument or parameter, with a history")

    # ---- source

    def build(self) -> Callable[..., Any]:
        self.tensor_names = {id(t): f"t{i}" for i, t in enumerate(self.seen.inputs)}
        params = ", ".join(self.tensor_names.values())
        lines = [f"def run({params}):", *self._prologue(), "    token = quiet(QUIET)", "    try:"]
        keep = [*self.made, *self.saved_inside, *[v.name for _, v in self.new if v is not None]]
        lines += [f"        {line}" for line in self._calls(self.forward, set(keep))] or [
            "        pass"
        ]
        lines += ["    finally: restore(token)", *self._epilogue()]
        self.text_of_run = "\n".join(lines) + "\n"
        run = define(self.text_of_run, "run", self.scope)
        if self.history:
            self.scope["OP"] = self._op()
        return run

    def release(self) -> None:
        """Let go of the observed call's tensors: a plan keeps what is outside of it alone."""
        for name in self.old:
            del self.constants[name]
        for value in (*self.seen.values, *self.seen.seeds):
            value.tensor = None
        del self.seen, self.trace, self.whole, self.leaves, self.shares

    def holder(self, tensor: Tensor) -> str:
        """Source for a Tensor from outside: a parameter of the function, or a global."""
        name = self.tensor_names.get(id(tensor))
        if name is None:
            name = self.tensor_names[id(tensor)] = self.name(tensor)
        return name

    def _prologue(self) -> list[str]:
        tests = ["same()"]
        for name, value in self.constants.items():
            if name not in self.old:
                self.scope[name] = value.tensor.array  # type: ignore[union-attr]
        fixed = [(n, v.tensor) for n, v in self.constants.items() if n not in self.old]
        self.fixed = fixed
        self.flags = {n: t._requires_grad for n, t in fixed if t is not None}
        for name, tensor in fixed:
            held = self.holder(tensor)  # type: ignore[arg-type]
            tests.append(f"{held}.array is {name} and {held}._requires_grad is {self.flags[name]}")
        tests += self._grad_tests()
        moved = " and ".join(tests[: 1 + len(fixed)])
        lines = [f"    if not ({moved}) and not (same() and rebind()): return DECLINED"]
        if rest := " and ".join(tests[1 + len(fixed) :]):
            lines.append(f"    if not ({rest}): return DECLINED")
        lines += [f"    {v.name} = t{i}.array" for i, v in enumerate(self.seen.values)]
        lines += [f"    {n} = {self.holder(t)}._grad.array" for n, t in self.old.items()]
        return [*lines, *self._asking()]

    def _grad_tests(self) -> list[str]:
        if not self.new and not self.old:
            return []
        tests, read = [], {id(t) for t in self.old.values()}
        for leaf, before in self.leaves:
            held = self.holder(leaf)
            if leaf.hooks:
                raise Unsupported("a parameter has hooks, which its backward pass would call")
            tests.append(f"{held}.hooks is None")
            if before is None:
                tests.append(f"{held}._grad is None")
            elif id(leaf) in read:
                tests.append(f"{held}._grad is not None")
        return tests

    def rebind(self) -> bool:
        """Take over other memory of the constants; False where it is of another kind."""
        for (name, tensor), value in zip(self.fixed, self._fixed_values(), strict=True):
            old, new = self.scope[name], tensor.array  # type: ignore[union-attr]
            same = new.shape == value.shape and new.dtype == value.dtype
            if not same or type(new) is not value.kind or new.strides != old.strides:
                return False
            if tensor._requires_grad is not self.flags[name]:  # type: ignore[union-attr]
                return False
        for name, tensor in self.fixed:
            self.scope[name] = tensor.array  # type: ignore[union-attr]
        return True

    def _fixed_values(self) -> list[Value]:
        return [self.constants[n] for n, _ in self.fixed]

    def _asking(self) -> list[str]:
        """Numbers from outside in their order, and the conditions on them."""
        lines, names = [], []
        for step in self.asked:
            if isinstance(step, Host):
                names.append(step.name)
                lines.append(f"    {step.name} = {self.name(step.function)}()")
            else:
                want = self.text(step.want)
                lines.append(f"    if {step.text} != {want}: raise Missed({', '.join(names)})")
        return lines

    def _calls(self, calls: list[Any], keep: set[str]) -> list[str]:
        """One line per call; what is not needed any more is let go at once."""
        last: dict[str, int] = {}
        for i, call in enumerate(calls):
            for value in (*leaves_of(call.args, Value), *call.outputs):
                if value is not None:
                    last[value.name] = i
        made = {o.name for c in calls for o in c.outputs if o is not None}
        held = {n for n in self.whole.roots if n in keep or n not in made}
        lines = []
        for i, call in enumerate(calls):
            if isinstance(call, Fused):
                later = {n for n, at in last.items() if at > i}
                lines.append(self._fused(call, self.whole.free(call.full, held | later)))
            else:
                lines.append(self.call(call))
            over = sorted(n for n, at in last.items() if at == i and n[0] == "v" and n not in keep)
            if over:
                lines.append(f"del {', '.join(over)}")
        return lines

    def call(self, step: Call) -> str:
        """One call; its result lies in memory as it did, whatever NumPy makes of the operands."""
        text, dense = super().call(step), self.whole.dense
        values = [v for v in step.args if isinstance(v, Value)]
        lone = step.op.kind in ("pointwise", "reduce") and len(step.outputs) == 1
        if not lone or all(v.name in dense for v in values if v.name[0] != "g"):
            return text
        out, _, right = text.partition(" = ")
        if out in dense:
            return f"{out} = dense({right})"
        operands = "".join(f"{v.name}, " for v in values)
        return f"{out} = arranged({right}, ({operands}), {step.op.kind == 'pointwise'})"

    def _fused(self, call: Fused, free: list[str]) -> str:
        """The line of a fused kernel; results take over the memory of operands that end here."""
        numbers = [f"float({self.text(a)})" for a in call.args if not isinstance(a, Value)]
        given = [a.name for a in call.args if isinstance(a, Value)]
        into = [free.pop() if free and o.dtype.char == "f" else None for o in call.outputs]
        outs = ", ".join(o.name for o in call.outputs)
        facts = f"{call.shape!r}, {call.count}, {call.width}, ({', '.join(map(str, into))},)"
        return f"[{outs}] = {self.name(call.function)}({', '.join([*given, *numbers])}, {facts})"

    def _epilogue(self) -> list[str]:
        inputs = set(map(id, self.seen.inputs))  # tensors outside of them have a storage by now
        held = [(self.holder(t), id(t) in inputs) for t in self.seen.written]
        lines = [f"    {f'storage_of({t})' if own else f'{t}.storage'}.version += 1"
                 for t, own in held]  # fmt: skip
        for leaf, value in self.new:
            made = "None" if value is None else f"Tensor({value.name})"
            if value is not None and value.name in self.constants and value.name not in self.old:
                made = self.holder(self.constants[value.name].tensor)  # type: ignore[arg-type]
            lines.append(f"    {self.holder(leaf)}._grad = {made}")
        for name in self.made:
            lines.append(f"    o_{name} = Tensor({name})")
            if name in self.shares:
                lines.append(f"    o_{name}.storage = storage_of({self.holder(self.shares[name])})")
        if self.history:
            lines += self._node()
        return [*lines, f"    return {self._result()}"]

    def _result(self) -> str:
        texts = [self._leaf(v) for v in self.results]
        nest = self.seen.encoded
        if isinstance(nest, Value) or not isinstance(nest, tuple | list | dict):
            return texts[0]
        if type(nest) in (tuple, list) and not any(
            isinstance(v, tuple | list | dict) for v in nest
        ):
            inner = "".join(f"{t}, " for t in texts)
            return f"({inner})" if type(nest) is tuple else f"[{inner}]"
        return f"{self.name(flatten(nest)[1])}(iter([{', '.join(texts)}]))"

    def _leaf(self, value: Any) -> str:
        if not isinstance(value, Value):
            return self.text(value)
        if value.name in self.made:
            return f"o_{value.name}"
        for i, own in enumerate(self.seen.values):
            if own.name == value.name:
                return f"t{i}"
        if value.name in self.old:
            return f"{self.holder(self.old[value.name])}._grad"
        return self.holder(self.constants[value.name].tensor)  # type: ignore[arg-type]

    # ---- history

    def _node(self) -> list[str]:
        """Source that records one node for all results with a history."""
        outs = [f"o_{n}" for n in self.history]
        many = len(outs) > 1
        shape = ", ".join(f"{n}.shape" for n in self.history)
        kind = ", ".join(f"{n}.dtype" for n in self.history)
        edges = "".join(f"{self._edge(e)}, " for e in self.seen.ends)
        if self.seen.error is not None:
            edges = "None, "  # a node without edges would not run
        lines = [
            f"    n = record(OP, ({edges}), ({self._saved()}), "
            + (f"({shape},), ({kind},))" if many else f"{shape}, {kind})")
        ]
        for i, out in enumerate(outs):
            index = i + 1 if many else 0
            lines.append(f"    {out}.node = n; {out}.index = {index}; {out}._requires_grad = True")
        return lines

    def _edge(self, end: int | Tensor) -> str:
        return f"edge_of(t{end})" if isinstance(end, int) else self.holder(end)

    def _saved(self) -> str:
        """Source of the node's entries; memory that the caller sees is saved with its version."""
        if self.seen.error is not None:
            return ""
        parts = [f"entry({self._leaf(self._value(n))})" for n in self.saved_outside]
        visible = {self.whole.roots[n]: n for n in reversed(self.made)}
        self.seen_saved: list[bool] = []
        for name in self.saved_inside:
            out = visible.get(self.whole.roots[name])
            self.seen_saved.append(out is not None)
            parts.append(name if out is None else f"save_output({name}, o_{out})")
        return "".join(f"{p}, " for p in [*parts, *self.saved_numbers])

    def _value(self, name: str) -> Value:
        if name in self.constants:
            return self.constants[name]
        return next(v for v in self.seen.values if v.name == name)

    def _op(self) -> Any:
        if self.seen.error is not None:
            return RefusedOp(self.seen.error)
        outside, inside = len(self.saved_outside), list(self.seen_saved)

        def unpack(node: Node) -> list[Any]:
            saved: Any = node.saved
            arrays = [unpack_array(e, node) for e in saved[:outside]]
            for i, visible in enumerate(inside, outside):
                arrays.append(unpack_output_array(saved[i], node, 0) if visible else saved[i])
            return [*arrays, *saved[outside + len(inside) :]]

        params = [v.name for v in self.seen.seeds]
        params += [*self.saved_outside, *self.saved_inside, *self.saved_numbers]
        lines = [f"def backward({', '.join(params)}):"]
        keep = {v.name for v in self.grads}
        lines += [f"    {line}" for line in self._calls(self.backward, keep)]
        lines.append(f"    return [{', '.join(v.name for v in self.grads)}]")
        run = define("\n".join(lines) + "\n", "backward", self.scope)
        return CompiledOp(unpack, run, len(self.grads))
