"""Backward: a walk over the recorded nodes from the newest to the oldest.

Sequence numbers order the nodes, so a heap replaces recursion and dependency counts: when a
node is taken, every node that used its output has run. With `create_graph=False` gradients are
raw arrays and formulas call bound kernels; with `create_graph=True` they are Tensors and the
formulas' calls are recorded in turn.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Container, Sequence
from heapq import heappop, heappush
from typing import Any

from .._dtypes import from_numpy_dtype
from .._tensor import F, Tensor
from . import anomaly, hooks, levels, modes
from ._explain import paragraph
from .node import Edge, Node, edge_of
from .recording import SPACES


class Walk:
    """One backward pass.

    Attributes:
        pending: gradient that has arrived so far, per node (a list for several outputs) or leaf.
        tensors: whether formulas get Tensors, recorded if the graph is to be differentiated too.
        owned: ends whose pending gradient is a buffer of this walk, safe to add into.
        needed: None for all, or per node which of its edges lead to an input asked for.
        report: None, or what gets a paragraph about each node.
        capture: edges (as keys) whose complete gradient is asked for -> gradient.
    """

    def __init__(self, create_graph: bool, keep: bool, tensors: bool = False) -> None:
        self.record, self.keep = create_graph, keep
        self.tensors = create_graph or tensors or modes.followed()
        self.pending: dict[Edge, Any] = {}
        self.owned: set[Any] = set()
        self.heap: list[tuple[int, Node]] = []
        self.needed: dict[Node, tuple[Any, ...]] | None = None
        self.capture: dict[Any, Any] = {}
        self.report: Callable[[str], Any] | None = None

    def space(self, grad: Any) -> Any:
        """`F` for this gradient: recording calls, or its backend's bound kernels."""
        return F if self.tensors else SPACES[type(grad)]

    def deliver(self, edges: Sequence[Edge], grads: Sequence[Any]) -> None:
        """Add gradients to what has arrived at the ends of their edges."""
        pending, tensors, owned = self.pending, self.tensors, self.owned
        for edge, grad in zip(edges, grads):
            if grad is None or edge is None:
                continue
            kind = type(edge)
            if kind is tuple:
                self.deliver_output(edge[0], edge[1], grad)
                continue
            array, end = grad.array if tensors else grad, edge if kind is Node else edge.array
            if array.shape != end.shape or array.dtype is not end.dtype:
                grad = self.fit(grad, end.shape, end.dtype)
            before = pending.get(edge)
            if before is None:
                pending[edge] = grad
                if kind is Node:
                    heappush(self.heap, (-edge.seq, edge))
            elif edge in owned:  # as `add` does, for a leaf used many times
                SPACES[type(before)].accumulate(before, grad)
            else:
                pending[edge] = self.add(edge, before, grad)

    def deliver_output(self, node: Node, index: int, grad: Any) -> None:
        """A gradient for one of several outputs."""
        grads = self.pending.get(node)
        if grads is None:
            grads = self.pending[node] = [None] * len(node.shape)
            heappush(self.heap, (-node.seq, node))
        grad = self.fit(grad, node.shape[index], node.dtype[index])
        before = grads[index]
        grads[index] = grad if before is None else self.add((node, index), before, grad)

    def fit(self, grad: Any, shape: tuple[int, ...], kind: Any) -> Any:
        """Undo broadcasting and promotion: the shape and dtype of what the gradient is for."""
        array = grad.array if self.tensors else grad
        if array.shape != shape:
            grad = self.space(array).sum_to_size(grad, shape)
            array = grad.array if self.tensors else grad
        if array.dtype is not kind and array.dtype != kind:
            grad = self.space(array).cast(grad, from_numpy_dtype(kind))
        return grad

    def add(self, key: Any, total: Any, grad: Any) -> Any:
        """The sum, written into `total` once that is a buffer of this walk."""
        if self.tensors:
            return F.add(total, grad)
        if key in self.owned:
            self.space(total).accumulate(total, grad)
            return total
        self.owned.add(key)
        return self.space(total).add(total, grad)

    def run(self) -> None:
        """Visit the nodes; what is pending at the end belongs to the leaves."""
        heap, pending = self.heap, self.pending
        needed, tensors, keep = self.needed, self.tensors, self.keep
        check, report = anomaly.state.enabled, self.report
        while heap:
            node = heappop(heap)[1]
            g = pending.pop(node)
            if node.hooks is not None or self.capture:
                g = self.before(node, g)
            needs = node.edges if needed is None else needed[node]
            if not needs:
                continue
            plan = node.op.plan
            if check:
                grads = anomaly.evaluate(self, plan, g, node, needs)
            elif tensors:
                grads = plan.backward_tensor(F, g, node, needs)
            else:
                space = SPACES[type(g)] if type(g) is not list else self.space(_first(g))
                grads = plan.backward_array(space, g, node, needs)
            if report is not None:
                report(paragraph(node, g, needs, grads))
            if node.hooks is not None and node.hooks.post:
                grads = self.after(node, grads, g)
            if not keep and (kept := plan.kept) != () and (saved := node.saved) is not None:
                for i in range(len(saved)) if kept is None else kept:  # it may have needed none
                    if saved[i] is not None:
                        node.saved = None
                        break
            del g
            self.deliver(needs, grads)

    def before(self, node: Node, g: Any) -> Any:
        """Hooks on incoming gradients, and capture of those that were asked for.

        As in torch, what is captured has passed the hooks only if the walk ends at this node.
        """
        grads = g if type(g) is list else [g]
        goes_on = self.needed is None or bool(self.needed[node])
        if node.hooks is not None and not goes_on:
            grads = self.hooked(node, grads)
        for index, grad in enumerate(grads):
            if (node, index) in self.capture and grad is not None:
                self.capture[node, index] = grad
        if node.hooks is not None and goes_on:
            grads = self.hooked(node, grads)
        return grads if type(g) is list else grads[0]

    def hooked(self, node: Node, grads: list[Any]) -> list[Any]:
        return self._as_raw(hooks.before_node(node, self._as_tensors(grads)))

    def after(self, node: Node, grads: Sequence[Any], g: Any) -> list[Any]:
        incoming = self._as_tensors(g if type(g) is list else [g])
        return self._as_raw(hooks.after_node(node, self._as_tensors(grads), incoming))

    def _as_tensors(self, grads: Sequence[Any]) -> list[Any]:
        if self.tensors:
            return list(grads)
        return [None if g is None else Tensor(g) for g in grads]

    def _as_raw(self, grads: Sequence[Any]) -> list[Any]:
        if self.tensors:
            return list(grads)
        return [None if g is None else g.array for g in grads]

    def restrict(self, roots: Sequence[Edge], targets: Sequence[Edge]) -> None:
        """Find which edges lead to the targets; the walk leaves all others out."""
        order = sorted(reachable(roots), key=lambda n: n.seq)
        leaves = {id(t) for t in targets if isinstance(t, Tensor)}
        nodes = {t[0] if type(t) is tuple else t for t in targets if not isinstance(t, Tensor)}
        self.needed = {}
        wanted = set(nodes)
        for node in order:
            edges = tuple([e if _leads(e, wanted, leaves) else None for e in node.edges])
            leads = any(e is not None for e in edges)
            self.needed[node] = edges if leads else ()
            if leads:
                wanted.add(node)
        self.capture = {(t[0], t[1]) if type(t) is tuple else (t, 0): None
                        for t in targets if not isinstance(t, Tensor)}  # fmt: skip

    def finish_leaf(self, leaf: Tensor, grad: Any) -> Tensor:
        """The gradient of a leaf as a Tensor, after its hooks."""
        out = grad if self.tensors else Tensor(grad)
        return hooks.on_leaf(leaf, out) if leaf.hooks else out


def _first(grads: Sequence[Any]) -> Any:
    return next(g for g in grads if g is not None)


def _leads(edge: Edge, wanted: set[Node], leaves: set[int]) -> bool:
    if edge is None:
        return False
    if isinstance(edge, Tensor):
        return id(edge) in leaves
    return (edge[0] if type(edge) is tuple else edge) in wanted


def reachable(roots: Sequence[Edge], stops: Container[Node] = ()) -> set[Node]:
    """The nodes behind edges; those behind a stop only if another way leads there."""
    found: set[Node] = set()
    stack = list(roots)
    while stack:
        edge = stack.pop()
        node = edge[0] if type(edge) is tuple else edge
        if type(node) is Node and node not in found:
            found.add(node)
            if node not in stops:
                stack.extend(node.edges)
    return found


def _seed(output: Tensor, gradient: Tensor | None) -> Tensor:
    """The gradient to start from: the one given, or 1 for a scalar."""
    if gradient is None:
        if output.array.size != 1:
            raise RuntimeError(
                "grad can be implicitly created only for scalar outputs, but the output has shape "
                f"{list(output.shape)}: reduce it (loss.mean().backward()) or pass gradient="
            )
        if output.dtype.is_complex:
            raise RuntimeError(
                "grad can be implicitly created only for real scalar outputs but got "
                f"{output.dtype}: take .abs() or .real of it, or pass gradient="
            )
        with modes.no_grad():
            seed: Tensor = F.ones_like(output)
        return seed
    if not isinstance(gradient, Tensor):
        raise TypeError(
            f"gradients can be either Tensors or None, but got {type(gradient).__name__}"
        )
    if gradient.shape != output.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output has a shape of {list(gradient.shape)} and output has "
            f"a shape of {list(output.shape)}."
        )
    return gradient


def _roots(
    walk: Walk, outputs: Sequence[Tensor], gradients: Sequence[Tensor | None]
) -> list[tuple[Edge, Any]]:
    pairs = []
    for output, gradient in zip(outputs, gradients, strict=True):
        if not output.requires_grad:
            raise RuntimeError(
                "element 0 of tensors does not require grad and does not have a grad_fn: nothing "
                "it was computed from has requires_grad=True, or it was made under no_grad()"
            )
        if output.rules is not None:  # sparse: the values at its places
            gradient = None if gradient is None else gradient.sparse_mask(output).held
            output = output.held
        seed = _seed(output, gradient)
        pairs.append((edge_of(output), seed if walk.tensors else seed.array))
    return pairs


def start(walk: Walk, pairs: Sequence[tuple[Edge, Any]]) -> None:
    """Run a walk from edges with their gradients."""
    state = modes.state
    if walk.tensors or state.stack:
        stack = state.stack if walk.tensors else ()
        with modes.below(stack), modes.set_grad_enabled(walk.record):
            _run(walk, pairs)
        return
    before, state.mode = state.mode, modes.PLAIN
    try:
        _run(walk, pairs)
    finally:
        state.mode = before


def _run(walk: Walk, pairs: Sequence[tuple[Edge, Any]]) -> None:
    for edge, seed in pairs:
        walk.deliver((edge,), (seed,))
    walk.run()


def _as_list(value: Any) -> list[Any]:
    return [value] if isinstance(value, Tensor) else list(value)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Tensor | Sequence[Tensor] | None = None,
    explain: bool = False,
) -> None:
    """Compute the gradients of `tensors` and accumulate them into `.grad` of the leaves.

    Args:
        grad_tensors: cotangents, one per tensor; None stands for 1 where the tensor is a scalar.
        retain_graph: keep what the graph saved for another pass (default: `create_graph`).
        create_graph: record the backward pass itself, for higher derivatives.
        inputs: accumulate only into these.
        explain: print for each node its formulas and the shapes of what comes and goes.

    Raises RuntimeError for a graph that was freed, for saved values modified in place, and for
    outputs that need no gradient.
    """
    outputs = _as_list(tensors)
    if levels.outermost(outputs) is not None:
        levels.refuse_backward()
    given = [None] * len(outputs) if grad_tensors is None else _as_list(grad_tensors)
    walk = Walk(create_graph, create_graph if retain_graph is None else retain_graph)
    walk.report = print if explain else None
    pairs = _roots(walk, outputs, given)
    if inputs is not None:
        chosen = _as_list(inputs)
        if not chosen:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        for tensor, grad in zip(chosen, _gradients(walk, pairs, chosen), strict=True):
            if grad is not None:
                accumulate(tensor, grad, create_graph)
        return
    start(walk, pairs)
    del pairs
    plain = not (walk.tensors or modes.state.stack)
    while walk.pending:
        leaf, raw = walk.pending.popitem()
        if not leaf._requires_grad:
            continue
        if plain and leaf._grad is None and leaf.hooks is None:
            leaf._grad = Tensor(raw if _is_lone(raw) else SPACES[type(raw)].clone(raw))
        else:
            out = walk.finish_leaf(leaf, raw)
            del raw
            accumulate(leaf, out, create_graph)
            hooks.after_leaf(leaf)


def _gradients(
    walk: Walk, pairs: Sequence[tuple[Edge, Any]], inputs: Sequence[Tensor]
) -> list[Tensor | None]:
    """Gradients with respect to `inputs` alone."""
    edges = [edge_of(t) for t in inputs]
    if any(e is None for e in edges):
        raise RuntimeError(
            "One of the differentiated Tensors does not require grad; call requires_grad_() on it "
            "before it is used"
        )
    walk.restrict([e for e, _ in pairs], edges)
    start(walk, pairs)
    results: list[Tensor | None] = []
    for edge in edges:
        if isinstance(edge, Tensor):
            raw = walk.pending.get(edge)
            results.append(None if raw is None else walk.finish_leaf(edge, raw))
        else:
            raw = walk.capture[edge if type(edge) is tuple else (edge, 0)]
            results.append(raw if raw is None or walk.tensors else Tensor(raw))
    return results


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`, returned instead of accumulated.

    With `is_grads_batched` the first dimension of `grad_outputs` and of the results is that of a
    batch of cotangents. RuntimeError for an input that was not used, unless `allow_unused`;
    `materialize_grads` gives zeros for it instead of None.
    """
    roots, targets = _as_list(outputs), _as_list(inputs)
    given = [None] * len(roots) if grad_outputs is None else _as_list(grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    compute = _for_each_cotangent if is_grads_batched else differentiate
    results = compute(roots, targets, given, create_graph, keep)
    if materialize_grads:
        ends = [t if t.rules is None else t.held for t in targets]
        pairs = zip(ends, results, strict=True)
        results = [_zeros(t, create_graph) if g is None else g for t, g in pairs]
    elif not allow_unused and any(g is None for g in results):
        raise RuntimeError(
            "One of the differentiated Tensors appears to not have been used in the graph. Set "
            "allow_unused=True if this is the desired behavior."
        )
    return tuple([
        g if g is None or t.rules is None else t.like(g)
        for t, g in zip(targets, results, strict=True)
    ])  # fmt: skip


def differentiate(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], given: Sequence[Tensor | None],
    create_graph: bool, keep: bool,
) -> list[Tensor | None]:  # fmt: skip
    """The gradients of outputs in inputs, inside transforms too; None where there is no path."""
    level = levels.outermost((*outputs, *inputs))
    if level is not None:
        seeds = [_seed(o, g) for o, g in zip(outputs, given, strict=True)]
        grads: list[Tensor | None] = level.gradients(outputs, inputs, seeds, create_graph, keep)
        return grads
    walk = Walk(create_graph, keep, tensors=levels.outermost(given) is not None)
    return _gradients(walk, _roots(walk, outputs, given), inputs)


def _for_each_cotangent(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], given: Sequence[Tensor | None],
    create_graph: bool, keep: bool,
) -> list[Tensor | None]:  # fmt: skip
    from .batching import vmap

    reached: list[bool] = []

    def one(*seeds: Any) -> Any:
        grads = differentiate(outputs, inputs, seeds, create_graph, True)
        reached[:] = [g is not None for g in grads]
        return [g for g in grads if g is not None]

    found = iter(vmap(one, tuple([None if g is None else 0 for g in given]))(*given))
    return [next(found) if r else None for r in reached]


def _zeros(like: Tensor, requires_grad: bool) -> Tensor:
    out: Tensor = F.zeros_like(like.detach())
    out._requires_grad = requires_grad
    return out


def accumulate(tensor: Tensor, grad: Tensor, create_graph: bool) -> None:
    """Add to `tensor.grad`; a first gradient is taken over if nothing else can reach its memory."""
    current = tensor._grad
    if current is None:
        tensor._grad = F.clone(grad) if create_graph else _own(grad)
        modes.tell("gradient", tensor, tensor._grad)
    elif create_graph:
        tensor._grad = F.add(current, grad)
    else:
        with modes.no_grad():
            F.accumulate(current, grad)


def _own(grad: Tensor) -> Tensor:
    """A gradient whose memory nobody shares: itself if that is certain, else a copy."""
    if grad.storage is None and _is_lone(grad.array):
        return grad
    with modes.no_grad():
        out: Tensor = F.clone(grad)
    return out


def _is_lone(array: Any) -> bool:
    """Whether only the caller holds the array, in one place, and nobody else its memory.

    The memory is the array's own or from its backend's pool. So it is for a reshaped result, if
    nobody else holds what it was reshaped from.
    """
    if sys.getrefcount(array) > _LONE or not array.flags.c_contiguous:
        return False
    base: Any = getattr(array, "base", None)
    if type(base) is type(array) and base.nbytes == array.nbytes:
        if sys.getrefcount(base) > _LONE:
            return False
        base = base.base
    return base is None or hasattr(base, "pooled")


def _calibrate() -> int:
    """The refcount in `_is_lone` of what one local of its caller holds; 0 turns the check off."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return 0

    def probe(array: Any) -> int:
        return sys.getrefcount(array)

    lone = bytearray(1)
    return probe(lone)


_LONE = _calibrate()
