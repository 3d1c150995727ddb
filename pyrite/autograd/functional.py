"""Products with Jacobians and Hessians of functions of Tensors: torch.autograd.functional."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._tensor import F, Tensor
from . import modes
from .batching import vmap
from .engine import differentiate
from .forward import alias, jvp_of

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Function = Callable[..., Any]
Tensors = Tensor | tuple[Tensor, ...]


def _tuple(value: Any, what: str, name: str) -> tuple[bool, tuple[Tensor, ...]]:
    """Whether it was a tuple, and the Tensors; TypeError for anything else."""
    several = isinstance(value, tuple)
    for i, element in enumerate(value if several else (value,)):
        if not isinstance(element, Tensor):
            where = f"value at index {i}" if several else f"given {what}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the "
                f"{where} has type {type(element)}."
            )
    return several, value if several else (value,)


class _Call:
    """A function called at new places to differentiate at.

    Attributes:
        inputs, outputs: the Tensors; `several_inputs`, `several_outputs` whether they are tuples.
    """

    def __init__(self, name: str, func: Function, inputs: Any, create_graph: bool) -> None:
        self.several_inputs, given = _tuple(inputs, "inputs", name)
        self.create_graph = create_graph
        with modes.enable_grad():
            self.inputs = tuple([alias(t, create_graph) for t in given])
            result = func(*self.inputs)
        what = "outputs of the user-provided function"
        self.several_outputs, self.outputs = _tuple(result, what, name)

    def packed(self, values: Sequence[Any], several: bool) -> Any:
        """Values as the user gets them: without history unless asked for."""
        out = tuple([v if self.create_graph else v.detach() for v in values])
        return out if several else out[0]

    def as_outputs(self, values: Sequence[Any]) -> Any:
        return self.packed(values, self.several_outputs)

    def as_inputs(self, values: Sequence[Any]) -> Any:
        return self.packed(values, self.several_inputs)

    def check_strict(self, strict: bool) -> None:
        for i, output in enumerate(self.outputs):
            if strict and not output.requires_grad:
                raise RuntimeError(
                    f"Output {i} of the user-provided function does not require gradients. The "
                    "outputs must be computed in a differentiable manner from the input when "
                    "running in strict mode."
                )

    def cotangents(self, v: Any, like: Sequence[Tensor], several: bool, source: str) -> Any:
        """The vector of a product, checked; 1 where None may stand for it."""
        if v is None:
            if len(like) != 1 or like[0].array.size != 1:
                raise RuntimeError(f"The vector v can only be None if {source}.")
            return (F.ones_like(like[0].detach()),)
        v = v if isinstance(v, tuple) else (v,)
        if len(v) != len(like):
            raise RuntimeError(
                f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}."
                if several
                else "The given v should contain a single Tensor."
            )
        for i, (a, b) in enumerate(zip(v, like, strict=True)):
            if a.array.shape != b.array.shape:
                raise RuntimeError(
                    f"{f'Entry {i} in ' if several else ''}v has invalid size: should be {b.shape} "
                    f"but got {a.shape}."
                )
        return v


_ONE_OUTPUT = "the user-provided function returns a single Tensor with a single element"
_ONE_INPUT = "the input to the user-provided function is a single Tensor with a single element"


def slopes(
    outputs: Sequence[Any], inputs: Sequence[Tensor], seeds: Sequence[Any], create: bool
) -> list[Any]:
    """Gradients of those outputs that have a history; None where there is none."""
    pairs = [(o, s) for o, s in zip(outputs, seeds, strict=True)
             if o is not None and o.requires_grad]  # fmt: skip
    if not pairs:
        return [None] * len(inputs)
    with modes.set_grad_enabled(create):
        return differentiate([o for o, _ in pairs], inputs, [s for _, s in pairs], create, True)


def _gradients(
    outputs: Sequence[Any], inputs: Sequence[Tensor], seeds: Sequence[Any], create: bool,
    strict: bool = False, what: str = "The output",
) -> list[Tensor]:  # fmt: skip
    """Gradients; where there are none zeros, or RuntimeError if `strict`."""
    grads = slopes(outputs, inputs, seeds, create)
    for i, grad in enumerate(grads):
        if grad is None and strict:
            raise RuntimeError(
                f"{what} of the user-provided function is independent of input {i}. This is "
                "not allowed in strict mode."
            )
        if grad is None:
            grads[i] = F.zeros_like(inputs[i].detach())
    return grads


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v J): the product of a vector with the Jacobian.

    Args:
        v: cotangents in the shape of the outputs; None where the output is a single number.
        create_graph: let the result be differentiated further.
        strict: RuntimeError where an output does not depend on an input, in place of zeros.
    """
    call = _Call("vjp", func, inputs, create_graph)
    call.check_strict(strict)
    seeds = call.cotangents(v, call.outputs, call.several_outputs, _ONE_OUTPUT)
    grads = _gradients(call.outputs, call.inputs, seeds, create_graph, strict)
    return call.as_outputs(call.outputs), call.as_inputs(grads)


def _directional(
    outputs: Sequence[Tensor], inputs: Sequence[Tensor], v: Any, create: bool, strict: bool
) -> list[Tensor]:
    """The derivative along v: that of the gradient in its cotangent."""
    seeds = [alias(F.zeros_like(o.detach()), False) for o in outputs]
    grads = _gradients(outputs, inputs, seeds, True, strict)
    return _gradients(grads, seeds, v, create)


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), J v): the product of the Jacobian with a vector; arguments as for `vjp`."""
    call = _Call("jvp", func, inputs, create_graph)
    v = call.cotangents(v, call.inputs, call.several_inputs, _ONE_INPUT)
    call.check_strict(strict)
    rates = _directional(call.outputs, call.inputs, v, create_graph, strict)
    return call.as_outputs(call.outputs), call.as_outputs(rates)


def _scalar(call: _Call, name: str) -> None:
    if call.several_outputs or len(call.outputs) != 1:
        raise RuntimeError(f"The function given to {name} should return a single Tensor")
    if call.outputs[0].array.size != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element"
        )


def _second_order(
    name: str, product: Function, func: Function, inputs: Any, v: Any, create: bool, strict: bool
) -> tuple[Any, Any]:
    """The value, and `product`, of the gradients along v or of v with the gradients' Jacobian."""
    call = _Call(name, func, inputs, create)
    call.check_strict(strict)
    _scalar(call, name)
    v = call.cotangents(v, call.inputs, call.several_inputs, _ONE_INPUT)
    seed = F.ones_like(call.outputs[0].detach())
    grads = _gradients(call.outputs, call.inputs, [seed], True, strict)
    products = product(grads, call.inputs, v, create, strict)
    return call.as_outputs(call.outputs), call.as_inputs(products)


def vhp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), v H): the product of a vector with the Hessian of a single number."""
    return _second_order("vhp", _gradients, func, inputs, v, create_graph, strict)


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """(func(*inputs), H v): the product of the Hessian of a single number with a vector."""
    return _second_order("hvp", _directional, func, inputs, v, create_graph, strict)


def _units(tensor: Tensor) -> Tensor:
    """The unit vectors of a Tensor's elements, as a batch."""
    n = tensor.array.size
    return F.reshape(F.eye(n, n, tensor.dtype, device=tensor.device), (n, *tensor.array.shape))


def _rows(row: Function, units: Tensor, vectorize: bool) -> list[Tensor]:
    """`row` of each unit vector, stacked."""
    if vectorize:
        return list(vmap(row)(units))
    return [F.stack(column) for column in zip(*map(row, F.unbind(units, 0)), strict=True)]


def jacobian(
    func: Function, inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Jacobian of a function, per output and input as (*output, *input).

    Args:
        create_graph, strict: as for `vjp`; `strict` not with `vectorize`.
        vectorize: compute all rows as one batch (`vmap`).
        strategy: "reverse-mode", or "forward-mode" with `vectorize`.
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant.'
        )
    if strict and vectorize:
        raise RuntimeError(
            "jacobian: `strict=True` and `vectorize=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    if strategy == "forward-mode":
        return _forward(func, inputs, create_graph, vectorize)
    call = _Call("jacobian", func, inputs, create_graph)
    call.check_strict(strict)
    blocks = []
    for i, output in enumerate(call.outputs):

        def row(unit: Tensor, output: Tensor = output, what: str = f"Output {i}") -> Any:
            return tuple(_gradients([output], call.inputs, [unit], create_graph, strict, what))

        rows = _rows(row, _units(output), vectorize)
        blocks.append(call.as_inputs([
            F.reshape(r, (*output.array.shape, *t.array.shape))
            for r, t in zip(rows, call.inputs, strict=True)
        ]))  # fmt: skip
    return tuple(blocks) if call.several_outputs else blocks[0]


def _forward(func: Function, inputs: Any, create_graph: bool, vectorize: bool) -> Any:
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only "
            "implemented for `vectorize=True`."
        )
    several, given = _tuple(inputs, "inputs", "jacobian")
    kept = [t if create_graph else t.detach() for t in given]
    single: list[bool] = []

    def column(i: int) -> Function:
        def along(unit: Tensor) -> Any:
            directions = [F.zeros_like(t) for t in kept]
            directions[i] = unit
            result, level = jvp_of(func, kept, directions)
            is_tuple, outputs = _tuple(result, "outputs of the user-provided function", "jacobian")
            single[:] = [not is_tuple]
            pairs = [level.split(o) for o in outputs]
            return tuple([F.zeros_like(p) if r is None else r for p, r in pairs])

        return along

    columns = [vmap(column(i), out_dims=-1)(_units(t)) for i, t in enumerate(kept)]
    blocks = []
    for parts in zip(*columns, strict=True):
        shaped = tuple([
            F.reshape(p, (*p.array.shape[:-1], *t.array.shape))
            for p, t in zip(parts, kept, strict=True)
        ])  # fmt: skip
        blocks.append(shaped if several else shaped[0])
    return blocks[0] if single[0] else tuple(blocks)


def hessian(
    func: Function, inputs: Any, create_graph: bool = False, strict: bool = False,
    vectorize: bool = False, outer_jacobian_strategy: str = "reverse-mode",
) -> Any:  # fmt: skip
    """The Hessian of a function of a single number, per pair of inputs; see `jacobian`."""
    several, _ = _tuple(inputs, "inputs", "hessian")

    def gradient(*values: Tensor) -> Any:
        call = _Call("hessian", func, values, True)
        call.check_strict(strict)
        _scalar(call, "hessian")
        seed = F.ones_like(call.outputs[0].detach())
        grads = _gradients(call.outputs, call.inputs, [seed], True, strict)
        for i, grad in enumerate(grads):
            if strict and not grad.requires_grad:
                raise RuntimeError(
                    "While computing the hessian, found that the jacobian of the user-provided "
                    f"function with respect to input {i} is independent of the input. This is not "
                    "allowed in strict mode. You should ensure that your function is twice "
                    "differentiable and that the jacobian depends on the inputs (this would be "
                    "violated by a linear function for example)."
                )
        return tuple(grads) if several else grads[0]

    return jacobian(
        gradient, inputs, create_graph, strict, vectorize, strategy=outer_jacobian_strategy
    )
