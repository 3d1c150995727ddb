"""Capture: the calls of table ops that a function makes, as a graph that can be run again.

`capture` runs a function once and writes down each op with its inputs, attributes and outputs,
the backward pass and the optimizer's updates included: writes into memory stay writes, views stay
views, and they keep their order. Numbers that come from outside (random offsets, learning rates,
step counts) are asked for anew at each replay, and so are sizes where they were declared dynamic.
What Python decides by looking at a value is a guard, or an error.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from . import _tensor, backends
from ._codegen import define
from ._dtypes import scalar_dtype
from ._errors import describe
from ._ops.formula import output_names
from ._ops.table import Op
from ._storage import storage_of
from ._symbols import KINDS, SCOPE, plain, remember
from ._tensor import F, Tensor
from ._trees import tree_map
from .autograd import modes
from .autograd.recording import bound_of

__all__ = ["Call", "Graph", "GuardFailed", "Value", "capture", "outside"]


# Ops whose result's shape depends on the values of their inputs.
DATA_SHAPED = frozenset(("nonzero", "distinct", "bincount"))


class GuardFailed(RuntimeError):
    """A replay met a condition under which the graph was not captured."""


class Value:
    """A tensor in a graph: `name` is its variable, `tensor` the Tensor if it came from outside."""

    __slots__ = ("dtype", "kind", "name", "shape", "tensor")

    def __init__(self, name: str, tensor: Tensor | None, array: Any) -> None:
        self.name, self.tensor = name, tensor
        self.kind, self.shape, self.dtype = type(array), array.shape, array.dtype

    def __repr__(self) -> str:
        return self.name


class Call:
    """One call of an op: arguments in the order of its parameters, Values in place of tensors.

    `outputs` follow the record: visible ones first, then auxiliaries; None where nobody needs it.
    """

    __slots__ = ("args", "device", "op", "outputs")

    def __init__(self, op: Op, args: list[Any], outputs: list[Value | None], device: Any) -> None:
        self.op, self.args, self.outputs, self.device = op, args, outputs, device

    def __repr__(self) -> str:
        left = ", ".join("_" if o is None else o.name for o in self.outputs)
        right = f"{self.op.name}({', '.join(map(shown, self.args))})"
        return f"{left} = {right}" if left else right


class Host:
    """Numbers asked for on the host at this place of the order."""

    __slots__ = ("function", "name")

    def __init__(self, name: str, function: Callable[[], Any]) -> None:
        self.name, self.function = name, function

    def __repr__(self) -> str:
        return f"{self.name} = {getattr(self.function, '__qualname__', 'number')}()"


class Guard:
    """A condition at this place of the order: the expression has the value that it had."""

    __slots__ = ("text", "want")

    def __init__(self, text: str, want: Any) -> None:
        self.text, self.want = text, want

    def __repr__(self) -> str:
        return f"guard {self.text} is {self.want!r}"


class Gradient:
    """`leaf.grad` becomes `value`, which was None before."""

    __slots__ = ("leaf", "value")

    def __init__(self, leaf: Tensor, value: Value) -> None:
        self.leaf, self.value = leaf, value

    def __repr__(self) -> str:
        return f"grad <- {self.value}"


Step = Call | Host | Guard | Gradient


def _plain(value: Any) -> Any:
    """An argument as the kernels get it: numbers without memory."""
    if type(value) in (tuple, list):
        return type(value)([_plain(v) for v in value])
    return plain(value)


def shown(value: Any) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(shown, value))}]"
    return getattr(value, "text", None) or repr(value)


class Recorder:
    """The interceptor that writes the graph; it belongs to one thread."""

    follows_backward = True

    def __init__(self, dynamic: bool, guards: bool) -> None:
        self.thread = threading.get_ident()
        self.dynamic, self.guards = dynamic, guards
        self.steps: list[Step] = []
        self.values: dict[int, Value] = {}  # by the array's identity, which `arrays` keeps
        self.arrays: list[Any] = []
        self.constants: list[Value] = []
        self.told: set[tuple[str, Any]] = set()  # conditions since the last write
        self.count = 0

    # ---- what tensors stand for

    def add(self, array: Any, tensor: Tensor | None = None, letter: str = "v") -> Value:
        value = Value(f"{letter}{self.count}", tensor, array)
        self.count += 1
        self.values[id(array)] = value
        self.arrays.append(array)
        return value

    def value(self, tensor: Any) -> Value:
        """What a Tensor or raw array stands for; one from outside becomes a constant."""
        array = tensor.array if isinstance(tensor, Tensor) else tensor
        found = self.values.get(id(array))
        if found is None:
            kept = tensor if isinstance(tensor, Tensor) else Tensor(array)
            found = self.add(array, kept, "c")
            self.constants.append(found)
        return found

    def encode(self, value: Any) -> Any:
        """An argument with Values in place of tensors, at any depth."""
        return tree_map(
            lambda v: self.value(v) if isinstance(v, Tensor) or type(v) in backends._by_type else v,
            value,
        )

    # ---- what happens

    def __call__(
        self, op: Op, call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        args = tuple([self.operand(p, a) for p, a in zip(op.params, args, strict=True)])
        encoded = [self.encode(a) for a in args]
        result = call(*map(_plain, args), **kwargs)
        step = Call(op, encoded, [], kwargs.get("device"))
        self.steps.append(step)
        step.outputs = self.outputs(op, args, result)
        return result

    def operand(self, param: Any, value: Any) -> Any:
        """A remembered number among the tensors becomes a tensor, which a replay makes anew."""
        if param.role != "array" or type(value) not in KINDS.values():
            return value
        with modes.intercept(self):
            return F.full((), value, scalar_dtype(plain(value)))

    def outputs(self, op: Op, args: Sequence[Any], result: Any) -> list[Value | None]:
        if result is None:
            self.told.clear()
            return []
        results = list(result) if isinstance(result, tuple) else [result]
        values: list[Value | None] = [self.add(r.array) for r in results]
        if op.name in DATA_SHAPED:
            self.decided(f"{values[0]}.shape", results[0].array.shape)
        node = next((r.node for r in results if r.node is not None and r.node.op is op), None)
        saved = {} if node is None else dict(zip(op.compile().saved, node.saved, strict=True))
        hidden = [saved.get(n) for n in output_names(op)[len(values) :]]  # only formulas see them
        values += [None if array is None else self.add(array) for array in hidden]
        if node is not None:
            node.saved = tuple(self.reminded(saved, op, args).values())
        return values

    def reminded(self, saved: dict[str, Any], op: Op, args: Sequence[Any]) -> dict[str, Any]:
        """What a node saved, with the numbers that remember in place of those the kernel got."""
        given = {p.name: a for p, a in zip(op.params, args, strict=True)}
        for name in saved:
            base, _, what = name.rpartition("_")
            if name in given and not list(leaves_of(given[name], Tensor)):
                saved[name] = given[name]
            elif what == "shape" and isinstance(given.get(base), Tensor):
                saved[name] = self.shape(given[base])
        return saved

    def host(self, function: Callable[[], Any]) -> Any:
        """Numbers from outside, that remember where they came from."""
        return self.asked(function, function())

    def asked(self, function: Callable[[], Any], value: Any) -> Any:
        name = f"h{self.count}"
        self.count += 1
        self.steps.append(Host(name, function))
        return self.remembered(value, name)

    def remembered(self, value: Any, text: str) -> Any:
        if isinstance(value, tuple):
            return tuple([self.remembered(v, f"{text}[{i}]") for i, v in enumerate(value)])
        return remember(value, text, self.decided)

    def effect(self, what: str) -> None:
        """RuntimeError for what happens once and could not be replayed."""
        raise RuntimeError(f"capture: {what}, which a replay would not do again")

    def first_step(self) -> None:
        """An optimizer makes its state, once."""
        self.effect("an optimizer makes its state: take one step before the capture")

    def gradient(self, leaf: Tensor, grad: Tensor) -> None:
        self.value(leaf)
        self.steps.append(Gradient(leaf, self.value(grad)))

    # ---- what Python looks at

    def shape(self, tensor: Tensor) -> tuple[int, ...]:
        """The sizes; remembered where the capture is dynamic and the tensor its own."""
        shape: tuple[int, ...] = tensor.array.shape
        found = self.values.get(id(tensor.array))
        if not self.dynamic or self.thread != threading.get_ident() or found is None:
            return shape
        if found.name[0] == "c":
            return shape
        return tuple([
            remember(n, f"{found}.shape[{d}]", self.decided) for d, n in enumerate(shape)
        ])  # fmt: skip

    def read(self, tensor: Tensor, form: str, value: Callable[[], Any]) -> Any:
        """A value on its way to Python: guarded, or refused."""
        found = self.values.get(id(tensor.array))
        seen = value()
        if self.thread != threading.get_ident() or found is None:
            return seen
        if not (self.guards and form):
            looked = form.format("tensor") or "the memory"
            raise RuntimeError(
                f"capture: the function looks at the value of a tensor ({looked} of "
                f"{describe(tensor)}), so what it does next could differ at each call. Keep the "
                "choice in tensors (pyrite.where), or move it out of the captured function"
            )
        self.decided(form.format(found), seen)
        return seen

    def decided(self, text: str, value: Any) -> None:
        """A condition; one that holds already is not written again."""
        if (text, value) not in self.told:
            self.told.add((text, value))
            self.steps.append(Guard(text, value))


def outside(function: Callable[[], Any]) -> Any:
    """The number, or tuple of numbers, that `function` returns; a replay asks for it anew.

    For what must not become a constant of a captured graph: random offsets, learning rates,
    step counts.
    """
    found = [i for i in modes.state.stack if isinstance(i, Recorder)]
    return found[-1].host(function) if found else function()


def capture(
    function: Callable[..., Any], *inputs: Tensor, guards: bool = False,
    dynamic: Mapping[int, Sequence[int]] | None = None,
) -> tuple[Graph, Any]:  # fmt: skip
    """Run `function(*inputs)` and write down what it does.

    Args:
        function: any function of Tensors; it runs once, with all its effects.
        inputs: the Tensors that a replay replaces; every other tensor is a constant of the graph,
            referred to and not copied.
        guards: whether `item()`, `bool(tensor)` and the like become conditions of the graph. Else
            they raise RuntimeError.
        dynamic: per input position the dimensions whose size a replay may change.

    Returns:
        The graph, and what the function returned.
    """
    recorder = Recorder(bool(dynamic), guards)
    values = [recorder.add(t.array, t, "x") for t in inputs]
    _tensor.WATCHERS.append(recorder)
    try:
        with modes.intercept(recorder):
            result = function(*inputs)
            encoded = recorder.encode(result)
    finally:
        _tensor.WATCHERS.remove(recorder)
    moving = {(i, d % inputs[i].ndim) for i, dims in (dynamic or {}).items() for d in dims}
    return Graph(values, recorder, encoded, _shared(result, recorder), moving), result


def _shared(result: Any, recorder: Recorder) -> dict[str, Value]:
    """Outputs that are views of an input or constant: variable -> whose memory they share."""
    owners = {
        id(v.tensor.storage): v
        for v in recorder.values.values()
        if v.tensor is not None and v.tensor.storage is not None
    }
    return {
        recorder.value(t).name: owners[id(t.storage)]
        for t in leaves_of(result, Tensor)
        if id(t.storage) in owners
    }


def leaves_of(nest: Any, kind: type) -> Iterator[Any]:
    """What is of one type in a nest of tuples, lists and dicts."""
    if isinstance(nest, kind):
        yield nest
    elif isinstance(nest, tuple | list | dict):
        for item in nest.values() if isinstance(nest, dict) else nest:
            yield from leaves_of(item, kind)


class Graph:
    """What a function did: `inputs`, `constants`, `steps` in order, and the nest of `outputs`.

    Calling it with other inputs does the same again; RuntimeError (`GuardFailed`) where a guard,
    a shape, a dtype or a device is not as it was at capture.
    """

    def __init__(
        self, inputs: list[Value], recorder: Recorder, outputs: Any, shared: dict[str, Value],
        moving: set[tuple[int, int]],
    ) -> None:  # fmt: skip
        self.inputs, self.constants = inputs, recorder.constants
        self.steps, self.outputs, self.moving = recorder.steps, outputs, moving
        self._shared = shared
        self._given = {v.name: v for v in (*inputs, *self.constants)}
        for value in inputs:
            value.tensor = None  # a graph does not keep the example
        self._run: Callable[..., Any] | None = None

    @property
    def calls(self) -> list[Call]:
        """The calls of ops alone."""
        return [s for s in self.steps if isinstance(s, Call)]

    def __repr__(self) -> str:
        lines = [f"graph({', '.join(map(repr, self.inputs))}):", *map(repr, self.steps)]
        return "\n    ".join([*lines, f"return {shown(self.outputs)}"])

    def __call__(self, *inputs: Tensor) -> Any:
        self._check(inputs)
        if self._run is None:
            self._run = Source(self).compile()
        given = [*inputs, *[v.tensor for v in self.constants]]
        with modes.no_grad():
            made = self._run(*[t.array for t in given])  # type: ignore[union-attr]
        tensors = dict(zip(self._given, given, strict=True))
        self._count_writes(tensors)
        return tree_map(lambda v: self._wrapped(v, made, tensors), self.outputs)

    def _check(self, inputs: Sequence[Tensor]) -> None:
        if len(inputs) != len(self.inputs):
            raise TypeError(f"graph(): expected {len(self.inputs)} tensors, got {len(inputs)}")
        for i, (tensor, value) in enumerate(zip(inputs, self.inputs, strict=True)):
            array = tensor.array
            same = array.ndim == len(value.shape) and all(
                a == b or (i, d) in self.moving
                for d, (a, b) in enumerate(zip(array.shape, value.shape, strict=True))
            )
            if not same or array.dtype != value.dtype or type(array) is not value.kind:
                raise GuardFailed(
                    f"graph(): input {i} was captured as {value.dtype.name} {list(value.shape)}, "
                    f"but got {describe(tensor)}; capture the function anew for it"
                )

    def _count_writes(self, tensors: dict[str, Any]) -> None:
        """Writes into memory from outside make what was saved of it stale, as in eager mode."""
        for call in self.calls:
            if call.op.kind == "update":
                for target in targets_of(call):
                    if target.name in tensors:
                        storage_of(tensors[target.name]).version += 1

    def _wrapped(self, value: Any, made: dict[str, Any], tensors: dict[str, Any]) -> Any:
        if isinstance(value, Value):
            if value.name not in tensors:
                out = tensors[value.name] = Tensor(made[value.name])
                if value.name in self._shared:
                    out.storage = storage_of(tensors[self._shared[value.name].name])
            return tensors[value.name]
        return value


def targets_of(call: Call) -> list[Value]:
    """The Values that an update writes into."""
    names = {o.name for o in call.op.outputs}
    given = [a for p, a in zip(call.op.params, call.args, strict=True) if p.name in names]
    return list(leaves_of(given, Value))


class Source:
    """A graph as one Python function of raw arrays: a flat list of bound calls."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.scope: dict[str, Any] = {**SCOPE, "check": _hold, "Tensor": Tensor}

    def compile(self) -> Callable[..., Any]:
        lines = [f"def replay({', '.join(self.graph._given)}):"]
        lines += [f"    {self.line(i, s)}" for i, s in enumerate(self.graph.steps)]
        wanted = {v.name for v in leaves_of(self.graph.outputs, Value)} - set(self.graph._given)
        lines.append(f"    return {{{', '.join(f'{n!r}: {n}' for n in sorted(wanted))}}}")
        return define("\n".join(lines) + "\n", "replay", self.scope)

    def name(self, value: Any) -> str:
        name = f"k{len(self.scope)}"
        self.scope[name] = value
        return name

    def line(self, index: int, step: Step) -> str:
        if isinstance(step, Host):
            return f"{step.name} = {self.name(step.function)}()"
        if isinstance(step, Guard):
            return f"check({step.text!r}, {step.text}, {self.text(step.want)})"
        if isinstance(step, Gradient):
            return f"{self.name(_set_grad(step.leaf))}({step.value})"
        return self.call(step)

    def call(self, step: Call) -> str:
        text = f"{self.name(self.bound(step))}({', '.join(map(self.text, step.args))})"
        if not step.outputs:
            return text
        if step.op.outputs == "*":
            return f"({', '.join(o.name for o in step.outputs if o)},) = {text}"
        if len(output_names(step.op)) == 1:
            return f"{step.outputs[0]} = {text}"
        names = ["_" if o is None else o.name for o in step.outputs]
        return f"({', '.join(names)},) = {text}"

    def bound(self, step: Call) -> Callable[..., Any]:
        bound, found = bound_of(step.op), list(leaves_of(step.args, Value))
        if not step.op.arrays:
            return bound.on(step.device)
        return bound[found[0].kind]

    def text(self, value: Any) -> str:
        """Source of an argument; what has no literal form is put into the scope."""
        if isinstance(value, Value):
            return value.name
        if hasattr(value, "text"):
            return str(value.text)
        if type(value) in (tuple, list):
            inner = "".join(f"{self.text(v)}, " for v in value)
            return f"({inner})" if isinstance(value, tuple) else f"[{inner}]"
        if value is None or type(value) in (bool, int, str):
            return repr(value)
        if type(value) is float and math.isfinite(value):
            return repr(value)
        return self.name(value)


def _hold(text: str, value: Any, want: Any) -> None:
    """GuardFailed unless the value is as it was (NaN equals NaN)."""
    if value != want and (value == value or want == want):
        raise GuardFailed(
            f"graph(): {text} was {want!r} when the function was captured and is {value!r} now, so "
            "it may do something else; capture it anew"
        )


def _set_grad(leaf: Tensor) -> Callable[[Any], None]:
    """Sets `leaf.grad` from an array; GuardFailed if there is one, since capture found none."""

    def assign(array: Any) -> None:
        _hold("whether the leaf has a gradient", leaf._grad is not None, False)
        leaf._grad = Tensor(array)

    return assign
