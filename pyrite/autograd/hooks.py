"""Hooks on tensors: on a leaf they live on the tensor, else on the node that made it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable
from typing import Any

from .._tensor import Tensor
from .node import Node, RemovableHandle, _hooks, add_hook


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
