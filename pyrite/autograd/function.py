"""Custom operations: `Function`, whose `forward` computes and whose `backward` differentiates."""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from .._dtypes import FLOAT, from_numpy_dtype
from .._inplace import adopt, check_writable
from .._storage import storage_of
from .._tensor import F, Tensor
from . import anomaly, hooks, modes
from .levels import outermost
from .modes import is_grad_enabled
from .node import (
    Edge,
    Node,
    edge_of,
    freed,
    record,
    save_output,
    unpack_output_array,
    unpack_tensor,
)  # fmt: skip
from .recording import entry


class FunctionCtx:
    """What `forward` hands on to `backward`; attributes of the user's may be set on it.

    Attributes:
        needs_input_grad: per argument of `apply`, whether it is a tensor that needs a gradient.
    """

    needs_input_grad: tuple[bool, ...] = ()
    materialize_grads = True
    to_save: tuple[Tensor | None, ...] = ()
    for_forward: tuple[Tensor | None, ...] = ()
    dirty_tensors: tuple[Tensor, ...] = ()
    non_differentiable: tuple[Tensor, ...] = ()
    _node: Callable[[], Node | None] | None = None
    _tensor_inputs: tuple[bool, ...] = ()

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors (inputs, outputs, others) for `backward`; in-place changes are noticed."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {i} is of type "
                    f"{type(t).__name__}; set it as an attribute of ctx"
                )
        self.to_save = tensors

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What `save_for_backward` kept; RuntimeError if freed, or changed in place since."""
        node = None if self._node is None else self._node()
        if node is None:
            return self.to_save
        if node.saved is None:
            freed(node)
        return tuple([_unpack(e, node) for e in node.saved or ()])

    def save_for_forward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for `jvp`."""
        self.for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Name the inputs that `forward` changes in place; it must return them."""
        self.dirty_tensors = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Name the outputs that have no gradient."""
        self.non_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether gradients that nobody computed come as zeros (the default) or as None."""
        self.materialize_grads = value


class _FunctionOp:
    """Stands for a Function in its nodes: runs its backward as the plan of a table op does."""

    kept = None  # whatever was saved

    def __init__(self, function: type[Function]) -> None:
        self.function, self.plan = function, self
        self.name = f"{function.__name__}Backward"

    def backward_array(self, space: Any, g: Any, node: Node, needs: Any) -> list[Any]:
        """Gradients of the arguments as raw arrays."""
        arrays = g if type(g) is list else [g]
        grads = [None if a is None else Tensor(a) for a in arrays]
        return [None if t is None else t.array for t in self._run(node, grads)]

    def backward_tensor(self, space: Any, g: Any, node: Node, needs: Any) -> list[Any]:
        """Gradients of the arguments as Tensors, recorded."""
        return self._run(node, g if type(g) is list else [g])

    def _run(self, node: Node, grads: list[Tensor | None]) -> list[Tensor | None]:
        assert node.note is not None
        ctx = node.note["context"]
        if ctx.materialize_grads and any(g is None for g in grads):
            grads = _materialized(node, grads)
        result = _backward_of(self.function)(ctx, *grads)
        results = list(result) if isinstance(result, tuple | list) else [result]
        return _checked(node, ctx._tensor_inputs, results)


class Function:
    """Base of custom operations; a subclass is used as `MyFunction.apply(*args)`.

    Static methods: `forward(ctx, *args)` computes, unrecorded, a tensor or a tuple;
    `backward(ctx, *grads)`, also named `vjp`, gets one gradient per output and returns one per
    argument, None where there is none. With `setup_context(ctx, inputs, output)` defined,
    `forward(*args)` has no ctx. Under `create_graph=True` backward is recorded in turn.
    """

    _op: _FunctionOp

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._op = _FunctionOp(cls)

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; defined by the subclass."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Fill `ctx` after `forward`; optional."""

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of the arguments; defined by the subclass."""

    vjp = backward

    generate_vmap_rule = False

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs, from those of the arguments; optional."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> Any:
        """The outputs for a batch, and where their batch dimensions are; optional."""
        raise RuntimeError(
            "You tried to vmap over a custom autograd.Function, but it does not have vmap support. "
            "Please override and implement the vmap staticmethod or set generate_vmap_rule=True."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError(
            f"an instance of {type(self).__name__} is called, as a legacy autograd function with "
            f"non-static forward method; use {type(self).__name__}.apply(...) with static methods"
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run `forward` and record the operation if an argument needs a gradient."""
        apart = cls.setup_context is not Function.setup_context
        if apart:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, {}
        level = outermost(args)
        if level is None:
            return cls._apply(FunctionCtx(), apart, args, kwargs)
        if not apart:
            raise RuntimeError(
                "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, "
                f"jacrev, ...), it must override the setup_context staticmethod: {cls.__name__} "
                "has a forward with ctx"
            )
        return level.apply(cls, args)

    @classmethod
    def _apply(
        cls, ctx: FunctionCtx, apart: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        ctx._tensor_inputs = tuple([isinstance(a, Tensor) for a in args])
        ctx.needs_input_grad = tuple([isinstance(a, Tensor) and a.requires_grad for a in args])
        edges = None
        if is_grad_enabled() and any(ctx.needs_input_grad):
            edges = tuple([edge_of(a) if isinstance(a, Tensor) else None for a in args])
        with modes.no_grad():
            result = cls.forward(*args) if apart else cls.forward(ctx, *args, **kwargs)
            if apart:
                cls.setup_context(ctx, args, result)
        outputs = result if isinstance(result, tuple) else (result,)
        outputs = _finish(cls, ctx, args, outputs, edges)
        return outputs if isinstance(result, tuple) else outputs[0]


def _finish(
    function: type[Function], ctx: FunctionCtx, inputs: tuple[Any, ...],
    outputs: tuple[Any, ...], edges: tuple[Edge, ...] | None,
) -> tuple[Any, ...]:  # fmt: skip
    """Give the outputs their history and the node what was saved."""
    dirty = {id(t) for t in ctx.dirty_tensors}
    if not dirty <= {id(o) for o in outputs}:
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. "
            "The inputs that are modified inplace must all be outputs of the Function."
        )
    node = None if edges is None else _node(function, ctx, outputs, edges)
    fixed = {id(t) for t in ctx.non_differentiable}
    given = {id(a) for a in inputs if isinstance(a, Tensor)}
    results = []
    for i, output in enumerate(outputs):
        key, index = id(output), i + 1 if len(outputs) > 1 else 0
        if not isinstance(output, Tensor):
            results.append(output)
        elif node is None or key in fixed or output.dtype.category < FLOAT:
            keep = key in dirty or not (key in given or output.requires_grad)
            results.append(output if keep else output.detach())
        elif key in dirty and key in given:
            results.append(_changed(output, node, index))
        else:
            results.append(_made(output, node, index, key in given))
    if node is not None:
        node.saved = _saved(ctx, node)
        hooks.pack_saved(node, [None] * len(node.saved))
        ctx.to_save = ()
    ctx.dirty_tensors = ctx.non_differentiable = ()
    return tuple(results)


def _node(
    function: type[Function], ctx: FunctionCtx, outputs: tuple[Any, ...], edges: tuple[Edge, ...]
) -> Node:
    arrays = [o.array if isinstance(o, Tensor) else None for o in outputs]
    shapes, kinds = (tuple([getattr(a, name, None) for a in arrays]) for name in ("shape", "dtype"))
    if len(outputs) == 1:
        shapes, kinds = shapes[0], kinds[0]
    node = record(function._op, edges, (), shapes, kinds)
    node.note = {"context": ctx}
    if anomaly.state.enabled:
        node.note["trace"] = anomaly._user_stack()
    ctx._node = weakref.ref(node)
    return node


def _made(output: Tensor, node: Node, index: int, given: bool) -> Tensor:
    """An output with its history; an input that was returned as it is becomes a view of itself."""
    if given:
        with modes.no_grad():
            output = F.view(output, output.array.shape)
    if output.cut is not None:
        output.cut.origin = "function"
    output.node, output.index, output._requires_grad = node, index, True
    return output


def _changed(tensor: Tensor, node: Node, index: int) -> Tensor:
    """An input that was changed in place takes over the new history."""
    check_writable(tensor, overlap=False)
    storage_of(tensor).version += 1
    result = Tensor(tensor.array, True)
    result.node, result.index = node, index
    adopt(tensor, result)
    return tensor


def _saved(ctx: FunctionCtx, node: Node) -> tuple[Any, ...]:
    """Saved entries; an output is kept without its history, which leads to this node."""
    return tuple([
        None if t is None else entry(t) if t.node is not node
        else (*save_output(t.array, t), t.index) for t in ctx.to_save
    ])  # fmt: skip


def _unpack(saved: Any, node: Node) -> Tensor | None:
    if type(saved) is not tuple or len(saved) == 2:
        return unpack_tensor(saved, node)
    *output, index = saved
    result = Tensor(unpack_output_array(tuple(output), node, max(index - 1, 0)), True)
    result.storage, result.node, result.index = saved[1], node, index
    return result


def _materialized(node: Node, grads: list[Tensor | None]) -> list[Tensor | None]:
    """Zeros in place of the gradients of tensors that nobody computed."""
    device = next(g for g in grads if g is not None).device
    return [
        F.full(shape, 0, from_numpy_dtype(kind), device=device)
        if g is None and shape is not None
        else g
        for g, shape, kind in zip(grads, node.shape, node.dtype, strict=True)
    ]


def _backward_of(function: type[Function]) -> Callable[..., Any]:
    own = [f for f in (function.backward, function.vjp) if f is not Function.backward]
    if len(own) > 1:
        raise RuntimeError(
            "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
            "should only implement one of them."
        )
    if not own:
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            f"autograd.Function to use it with backward mode AD; {function.__name__} has none."
        )
    return own[0]


def _checked(node: Node, tensors: Sequence[bool], grads: list[Any]) -> list[Tensor | None]:
    """What `backward` returned, as one gradient per argument; RuntimeError where it is wrong."""
    name, count = node.name(), len(tensors)
    extra = grads[count:]
    if len(grads) < count or any(g is not None for g in extra):
        raise RuntimeError(
            f"function {name} returned an incorrect number of gradients (expected {count}, got "
            f"{len(grads)})"
        )
    for i, (grad, is_tensor, edge) in enumerate(zip(grads, tensors, node.edges, strict=False)):
        wrong = None
        if grad is None:
            continue
        if not is_tensor:
            wrong = (
                f"a gradient different than None at position {i + 1}, but the corresponding "
                "forward input was not a Variable"
            )
        elif not isinstance(grad, Tensor):
            wrong = f"{type(grad).__name__} at position {i + 1}, expected Variable or None"
        elif edge is not None and not _reduces_to(grad.array.shape, _shape_of(edge)):
            wrong = (
                f"an invalid gradient at index {i} - got {list(grad.shape)} but expected shape "
                f"compatible with {list(_shape_of(edge))}"
            )
        if wrong:
            raise RuntimeError(f"Function {name} returned {wrong}")
    return grads[:count]


def _shape_of(edge: Edge) -> tuple[int, ...]:
    return edge[0].shape[edge[1]] if type(edge) is tuple else tuple(edge.shape)


def _reduces_to(shape: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether a gradient of `shape` sums to that of a tensor broadcast from `target`."""
    lead = len(shape) - len(target)
    return lead >= 0 and all(b in (1, a) for a, b in zip(shape[lead:], target, strict=True))


def once_differentiable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark a `backward` that cannot be differentiated: doing so raises RuntimeError."""

    @functools.wraps(function)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        with modes.no_grad():
            outputs = function(ctx, *grads)
        needed = any(isinstance(g, Tensor) and g.requires_grad for g in grads)
        if not needed or not is_grad_enabled():
            return outputs
        several = outputs if isinstance(outputs, tuple) else (outputs,)
        results = _Once.apply(several, *grads)
        return results if isinstance(outputs, tuple) else results[0]

    return wrapper


class _Once(Function):
    """Passes on what was computed without a record; its backward says so."""

    @staticmethod
    def forward(ctx: Any, outputs: tuple[Any, ...], *grads: Any) -> Any:
        return tuple([o.detach() if isinstance(o, Tensor) else o for o in outputs])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )
