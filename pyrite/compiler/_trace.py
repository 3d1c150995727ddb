"""One observed call: what it computes, what it changes, and whether it can be done again."""

from __future__ import annotations

import linecache
import random
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from .. import _tensor
from .._device import device
from .._dtypes import dtype
from .._formats import layout, memory_format
from .._graph import DATA_SHAPED, Recorder, Value, leaves_of
from .._storage import storage_of
from .._symbols import KINDS, plain
from .._tensor import F, Tensor
from .._trees import flatten
from ..autograd import modes
from ..autograd.engine import Walk, reachable, start
from ..autograd.node import Node, edge_of
from ._world import World

FOLDER = str(Path(__file__).parents[1])
# What a result may hold beside tensors: it is the same at each call.
FIXED = (int, float, complex, str, bytes, type(None), dtype, device, layout, memory_format)
_NUMBERS = frozenset(KINDS.values())


class Unsupported(RuntimeError):
    """A function cannot be compiled as a whole."""


def place_of_call() -> str:
    """The user's line that runs now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith((FOLDER, "<pyrite")):
        frame = frame.f_back
    if frame is None:
        return ""
    file, number = frame.f_code.co_filename, frame.f_lineno
    text = linecache.getline(file, number).strip()
    return f"\n  {file}:{number}, in {frame.f_code.co_name}\n    {text}"


class Trace(Recorder):
    """A capture that lets the function finish where it cannot be compiled, and remembers why."""

    def __init__(self, world: World, strict: bool, drawn: Sequence[Any]) -> None:
        super().__init__(dynamic=False, guards=False)
        self.world, self.strict, self.drawn = world, strict, list(drawn)
        self.refusal: str | None = None
        self.postponed = False
        self.by_name: dict[str, Any] = {}  # the array of each Value

    def add(self, array: Any, tensor: Tensor | None = None, letter: str = "v") -> Value:
        value = super().add(array, tensor, letter)
        self.by_name[value.name] = array
        return value

    def effect(self, what: str) -> None:
        if self.refusal is None:
            self.refusal = what + place_of_call()
        if self.strict and not self.postponed:
            raise Unsupported(f"compile(fullgraph=True): {self.refusal}")

    def first_step(self) -> None:
        """An optimizer makes its state: this call stays as it is, a later one is compiled."""
        if self.refusal is None:
            self.refusal, self.postponed = "an optimizer takes its first step", True

    def value(self, tensor: Any) -> Value:
        """A tensor from outside is known by its owner, not by a passing alias of it."""
        if isinstance(tensor, Tensor) and id(tensor.array) not in self.values:
            tensor = self.world.tensors.get(id(tensor.array), tensor)
        return super().value(tensor)

    def outputs(self, op: Any, args: Sequence[Any], result: Any) -> list[Value | None]:
        if op.name in DATA_SHAPED:
            self.effect(f"the shape of what {op.name}() returns depends on values")
        return super().outputs(op, args, result)

    def host(self, function: Callable[[], Any]) -> Any:
        if not self.drawn:
            return super().host(function)
        return self.asked(function, self.drawn.pop(0))  # a replay that missed has asked already

    def read(self, tensor: Tensor, form: str, value: Callable[[], Any]) -> Any:
        key = id(tensor.array)
        known = key in self.values or (key in self.world.tensors and key not in self.world.ages)
        if self.thread == threading.get_ident() and known:
            looked = form.format("tensor") or "the memory"
            self.effect(f"the function looks at the value of a tensor ({looked})")
        return value()


class Observed:
    """What one call did.

    Attributes:
        trace: the steps, forward ones first.
        inputs: the argument tensors; `values` stands for them in the steps.
        encoded: the result with Values in place of tensors.
        tensors: the result's tensors by the Value's name.
        split: how many steps belong to the function itself; backward ones follow.
        seeds, ends, grads: Values of the cotangents of the outputs in `differentiable`, where
            gradients go (positions of inputs, or leaf Tensors), and the Values of these gradients.
        error: why a backward pass through the outputs cannot be had.
        before: the leaves' gradients at the begin.
        written: tensors from outside whose memory the function wrote.
    """

    def __init__(self, trace: Trace, inputs: list[Tensor]) -> None:
        self.trace, self.inputs = trace, inputs
        self.values = [trace.add(t.array, t, "x") for t in inputs]
        self.differentiable: list[Tensor] = []
        self.seeds: list[Value] = []
        self.ends: list[int | Tensor] = []
        self.grads: list[Value] = []
        self.error: str | None = None
        self.nodes: set[Node] = set()
        world = trace.world.leaves + [t for t in inputs if t._requires_grad and t.node is None]
        self.before = {id(t): (t, t._grad) for t in world}
        self._facts = {id(t): _facts(t) for t in self._outside()}
        self._versions = {id(t): (t, storage_of(t).version) for t in self._outside()}

    def _outside(self) -> list[Tensor]:
        return [*self.inputs, *self.trace.world.tensors.values()]

    def run(self, function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Call the function and write down what it does; its result."""
        trace, luck = self.trace, random.getstate()
        _tensor.WATCHERS.append(trace)
        try:
            with modes.intercept(trace):
                result = function(*args, **kwargs)
                if trace.refusal is None:
                    self._result(result)
                if trace.refusal is None:
                    self._effects(luck)
                if trace.refusal is None:
                    self._history()
        finally:
            _tensor.WATCHERS.remove(trace)
            self._forget()
        return result

    def _result(self, result: Any) -> None:
        self.split = len(self.trace.steps)
        self.encoded = self.trace.encode(result)
        held = flatten(self.encoded)[0]
        strange = [type(v).__name__ for v in held if not isinstance(v, (Value, *FIXED))]
        strange += ["number that each call makes anew" for v in held if type(v) in _NUMBERS]
        if strange:
            self.trace.effect(f"the result holds a {strange[0]}")
        tensors = leaves_of(result, Tensor)
        self.tensors = {self.trace.value(t).name: t for t in tensors}

    def _effects(self, luck: Any) -> None:
        """What Python itself changed, which a replay would not."""
        change = self.trace.world.change()
        if change is not None:
            self.trace.effect(f"the function changes {change}")
        if random.getstate() != luck:
            self.trace.effect("the function draws from Python's random")
        for tensor in self._outside():
            if self._facts[id(tensor)] != _facts(tensor):
                self.trace.effect("the function gives an argument or parameter another history")
        self.written = [t for t, n in self._versions.values() if storage_of(t).version != n]

    def _history(self) -> None:
        """Follow a backward pass from the outputs to inputs and parameters, which stay as is."""
        if modes.is_grad_enabled():
            known = {id(t) for t in self._outside()}
            made = [t for t in self.tensors.values() if id(t) not in known]
            self.differentiable = [t for t in made if t.requires_grad]
        if not self.differentiable:
            return
        roots = [edge_of(t) for t in self.differentiable]
        inputs = {_key(edge_of(t)): i for i, t in enumerate(self.inputs) if t._requires_grad}
        stops = {k[0] for k in inputs if isinstance(k, tuple)}
        self.nodes = reachable(roots, stops)
        if any(n.hooks is not None for n in self.nodes):
            self.trace.effect("the function puts hooks on tensors")
            return
        walk = Walk(False, True)
        walk.needed = {n: () if n in stops else n.edges for n in self.nodes}
        walk.capture = {k: None for k in inputs if isinstance(k, tuple)}
        self._walk(walk, roots, inputs)

    def _walk(self, walk: Walk, roots: list[Any], inputs: dict[Any, int]) -> None:
        with modes.no_grad():
            seeds = [F.ones_like(t.detach()) for t in self.differentiable]
        del self.trace.steps[self.split :]
        self.seeds = [self.trace.add(s.array, s, "g") for s in seeds]
        try:
            start(walk, list(zip(roots, seeds, strict=True)))
        except RuntimeError as error:
            del self.trace.steps[self.split :]
            self.error = str(error)
            return
        found = {**walk.capture, **walk.pending}
        for key, grad in found.items():
            if grad is None:
                continue
            if (position := inputs.get(_key(key))) is not None:
                self._end(position, grad)
            elif isinstance(key, Tensor):
                if self.trace.value(key).name[0] != "c":
                    self.trace.effect("the function makes a leaf that requires a gradient")
                self._end(key, grad)

    def _end(self, end: int | Tensor, grad: Tensor) -> None:
        self.ends.append(end)
        self.grads.append(self.trace.value(grad))

    def _forget(self) -> None:
        """Numbers that remember leave the nodes that the caller's tensors hold."""
        tensors = getattr(self, "tensors", {}).values()
        for node in reachable([t.node for t in tensors if t.node is not None], set()):
            if node.saved:
                node.saved = tuple([_plain(v) for v in node.saved])


def _plain(value: Any) -> Any:
    if type(value) in (tuple, list):
        return type(value)([_plain(v) for v in value])
    return plain(value)


def _key(edge: Any) -> Any:
    """An edge as a key: a leaf, or (node, output)."""
    return (edge, 0) if type(edge) is Node else edge


def _facts(tensor: Tensor) -> tuple[Any, ...]:
    return id(tensor.array), tensor._requires_grad, tensor.node, tensor.index, tensor.cut
