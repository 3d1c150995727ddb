"""Full backward hooks: a module's inputs and outputs are tied so that their gradients meet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..._tensor import F, Tensor

if TYPE_CHECKING:
    from .module import Module


class Watch:
    """Collects one call's output gradients and hands them on with the input gradients."""

    def __init__(self, module: Module) -> None:
        self.module = module
        self.grad_output: tuple[Any, ...] = ()
        self.has_inputs = False

    def inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Tie the tensors among the arguments; their joint node calls the hooks."""
        tied, node = _tie(args)
        if node is not None:
            self.has_inputs = True
            node.register_hook(self._input_gradients)
        return tied

    def outputs(self, result: Any) -> Any:
        """Tie the tensors of the result; their joint node notes the gradients."""
        single = isinstance(result, Tensor)
        if not single and not isinstance(result, tuple | list):
            return result
        tied, node = _tie((result,) if single else tuple(result))
        if node is not None:
            node.register_prehook(self._output_gradients)
        if single:
            return tied[0]
        return type(result)(tied) if type(result) in (tuple, list) else type(result)(*tied)

    def _output_gradients(self, grads: tuple[Any, ...]) -> Any:
        self.grad_output = self._call(self.module._backward_pre_hooks, grads)
        if not self.has_inputs:
            self._input_gradients((None,))
        return self.grad_output

    def _input_gradients(self, grads: tuple[Any, ...], _: Any = None) -> Any:
        return self._call(self.module._backward_hooks, grads, self.grad_output)

    def _call(self, hooks: Any, grads: tuple[Any, ...], *rest: Any) -> tuple[Any, ...]:
        for hook in list(hooks.values()):
            changed = hook(self.module, grads, *rest)
            if changed is not None:
                grads = changed if isinstance(changed, tuple) else (changed,)
        return grads


def _tie(values: tuple[Any, ...]) -> tuple[tuple[Any, ...], Any]:
    """The values with their tensors passed through one node; the node, if it was recorded."""
    places = [i for i, v in enumerate(values) if isinstance(v, Tensor)]
    tensors = [values[i] for i in places]
    if not any(t.requires_grad for t in tensors):
        return values, None
    out = list(values)
    for i, t in zip(places, F.tie(tensors), strict=True):
        out[i] = t
    return tuple(out), out[places[0]].node
