"""Hooks on tensors: on a leaf they live on the tensor, else on the node that made it."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from .._ops.formula import visible_names
from .._ops.table import Op
from .._tensor import Tensor
from . import modes
from .node import Node, Packed, RemovableHandle, _hooks, add_hook


def _of_tensor(tensor: Tensor, kind: str) -> dict[int, Any]:
    if tensor.hooks is None:
        tensor.hooks = {}
    return tensor.hooks.setdefault(kind, {})


def register_hook(tensor: Tensor, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
    """Call `hook(grad)` when the gradient of `tensor` is known; it may return another one."""
    if not tensor.requires_grad:
        raise RuntimeError(
            "cannot register a hook on a tensor that doesn't require gradient; call "
            "requires_grad_() first"
        )
    node = tensor.grad_fn
    if node is None:
        return add_hook(_of_tensor(tensor, "grad"), hook)
    return add_hook(_hooks(node).outputs, (max(tensor.index - 1, 0), hook))


def register_post_accumulate_grad_hook(
    tensor: Tensor, hook: Callable[[Tensor], None]
) -> RemovableHandle:
    """Call `hook(tensor)` after a backward accumulated into `.grad` of this leaf."""
    if not tensor.requires_grad:
        raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
    if not tensor.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    return add_hook(_of_tensor(tensor, "post"), hook)


def retain_grad(tensor: Tensor) -> None:
    """Let backward fill `.grad` of a non-leaf tensor."""
    if not tensor.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    node = tensor.grad_fn
    if node is None or tensor.retains_grad:
        return
    _of_tensor(tensor, "retain")
    _hooks(node).retain[max(tensor.index - 1, 0)] = weakref.ref(tensor)


def follow(tensor: Tensor, before: Node) -> None:
    """Let `retain_grad()` follow a tensor that was written: to its new history."""
    if tensor.retains_grad and before.hooks is not None:
        for index, reference in list(before.hooks.retain.items()):
            if reference() is tensor:
                del before.hooks.retain[index]
        assert tensor.hooks is not None
        del tensor.hooks["retain"]
        retain_grad(tensor)


def new_arguments(hook: Any, result: Any, args: Any, kwargs: Any) -> tuple[Any, Any]:
    """Arguments after a hook that may return new ones as a pair."""
    if result is None:
        return args, kwargs
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(
            f"{hook} must return None or a tuple of (new_args, new_kwargs), but got {result}."
        )
    return result


def clear_grads(parameters: Iterable[Tensor], set_to_none: bool) -> None:
    """Drop gradients (None), or fill them with zeros, without their history."""
    for param in parameters:
        if set_to_none:
            param._grad = None
        elif param._grad is not None:
            grad: Any = param._grad
            grad.detach_() if grad.grad_fn is not None else grad.requires_grad_(False)
            grad.zero_()


def before_node(node: Node, grads: list[Tensor | None]) -> list[Tensor | None]:
    """Run the hooks that see a node's incoming gradients, one per output."""
    hooks = node.hooks
    assert hooks is not None
    for index, hook in list(hooks.outputs.values()):
        if grads[index] is not None:
            grads[index] = _replaced(hook(grads[index]), grads[index])
    for hook in list(hooks.pre.values()):
        grads = _listed(hook(tuple(grads)), grads)
    for index, reference in hooks.retain.items():
        tensor = reference()
        if tensor is not None and grads[index] is not None:
            tensor._grad = grads[index] if tensor._grad is None else tensor._grad + grads[index]
    return grads


def after_node(node: Node, outgoing: list[Any], incoming: list[Any]) -> list[Any]:
    """Run the hooks that see what a node computed; they may replace it."""
    assert node.hooks is not None
    for hook in list(node.hooks.post.values()):
        outgoing = _listed(hook(tuple(outgoing), tuple(incoming)), outgoing)
    return outgoing


def on_leaf(tensor: Tensor, grad: Tensor) -> Tensor:
    """Run a leaf's hooks on its gradient."""
    for hook in list((tensor.hooks or {}).get("grad", {}).values()):
        grad = _replaced(hook(grad), grad)
    return grad


def after_leaf(tensor: Tensor) -> None:
    """Run a leaf's hooks after its gradient was accumulated."""
    for hook in list((tensor.hooks or {}).get("post", {}).values()):
        hook(tensor)


def _listed(result: Any, before: list[Any]) -> list[Any]:
    """What a node's hook returned in place of the gradients, or those."""
    if result is None:
        return before
    return list(result) if isinstance(result, tuple | list) else [result]


def _replaced(result: Any, grad: Any) -> Any:
    if result is None:
        return grad
    if not isinstance(result, Tensor):
        raise TypeError(f"hook returned {type(result).__name__}, expected a Tensor or None")
    if result.shape != grad.shape:
        raise RuntimeError(
            f"hook has changed the size of value: expected {list(grad.shape)}, got "
            f"{list(result.shape)}"
        )
    return result


# ---- hooks on what nodes save


class _Packing(threading.local):
    stack: tuple[tuple[Any, Any], ...] = ()
    disabled: str | None = None


packing = _Packing()


def pack_saved(node: Node, places: Iterable[Any]) -> None:
    """Let the innermost pack hook keep what a node saved.

    `places` says for each entry: False for no array, the index of an output with a history, None.
    """
    if packing.stack and node.saved:
        hooks = packing.stack[-1]
        with modes.no_grad():
            node.saved = tuple([
                entry if place is False else _packed(entry, hooks, place)
                for entry, place in zip(node.saved, places, strict=True)
            ])  # fmt: skip


def _packed(entry: Any, hooks: tuple[Any, Any], index: int | None) -> Any:
    if isinstance(entry, list):
        return [_packed(e, hooks, index) for e in entry]
    value = entry[0] if isinstance(entry, tuple) else entry
    if value is None or isinstance(value, Packed | int | float | complex):
        return entry
    if isinstance(value, Tensor):
        return Packed(value, hooks, None)
    return Packed(
        Tensor(value), hooks, entry[3] if isinstance(entry, tuple) and len(entry) == 4 else index
    )


def places_of(op: Op) -> list[Any]:
    """The places (see `pack_saved`) of what a table op's nodes save."""
    several = len(visible_names(op)) > 1
    outputs = {
        o.name: i + several if o.visible and o.differentiable else None
        for i, o in enumerate(() if op.outputs == "*" else op.outputs)
    }
    inputs = dict.fromkeys([p.name for p in op.arrays])
    return [(inputs | outputs).get(name, False) for name in op.compile().saved]


def intercept_saving(op: Op, call: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """An interceptor: what the call's node saves goes through the hooks."""
    result = call(*args, **kwargs)
    for output in result if isinstance(result, tuple) else (result,):
        node = getattr(output, "node", None)
        if node is not None and node.op is op:
            pack_saved(node, places_of(op))
            break
    return result
