"""Custom Functions inside transforms: under `vmap` and in forward mode."""

from __future__ import annotations

import copy
from collections import namedtuple
from typing import Any

from .._tensor import F, Tensor
from .batching import VmapLevel, _front
from .function import Function, FunctionCtx
from .levels import entered

VmapInfo = namedtuple("VmapInfo", ["batch_size", "randomness"])


def apply_batched(level: VmapLevel, function: type[Function], args: tuple[Any, ...]) -> Any:
    """A Function on examples: by its own `vmap`, or by one made from forward and backward."""
    own = function.vmap is not Function.vmap
    if own and function.generate_vmap_rule:
        raise RuntimeError(
            f"You tried to vmap over {function.__name__}, but it has both generate_vmap_rule=True "
            "and an overridden vmap staticmethod. Please set generate_vmap_rule=False or delete it"
        )
    if not (own or function.generate_vmap_rule):
        raise RuntimeError(
            f"You tried to vmap over {function.__name__}, but it does not have vmap support. "
            "Please override and implement the vmap staticmethod or set generate_vmap_rule=True."
        )
    held = [a.value if level.has(a) else a for a in args]
    places = tuple([0 if level.has(a) else None for a in args])
    if not own:
        return level.wrap(_generated(level, function, places).apply(*held))
    info = VmapInfo(level.size, level.randomness)
    result, dims = function.vmap(info, places, *held)
    if not isinstance(result, tuple):
        return _example(level, result, dims)
    dims = dims if isinstance(dims, tuple | list) else [dims] * len(result)
    return tuple([_example(level, r, d) for r, d in zip(result, dims, strict=True)])


def _example(level: VmapLevel, result: Any, dim: int | None) -> Any:
    return result if dim is None else level.wrap(_front(result, dim % result.array.ndim))


def _generated(
    level: VmapLevel, function: type[Function], places: tuple[int | None, ...]
) -> type[Function]:
    """A Function of whole batches that runs `function` on examples."""

    def forward(*held: Any) -> Any:
        with entered(level):
            args = _examples(level, held, places)
            result = function.forward(*args)
            inner.needs_input_grad = tuple([isinstance(a, Tensor) for a in args])
            function.setup_context(inner, args, result)
        if isinstance(result, tuple):
            return tuple(map(level.lower, result))
        return level.lower(result)

    def backward(ctx: Any, *grads: Any) -> Any:
        with entered(level):
            result = function.backward(inner, *[g if g is None else level.wrap(g) for g in grads])
            several = result if isinstance(result, tuple | list) else (result,)
            return tuple([level.lower(g) for g in several])

    def jvp(ctx: Any, *tangents: Any) -> Any:
        with entered(level):
            result = tangents_of(function, inner, _examples(level, tangents, places))
            return tuple([level.lower(t) for t in result])

    inner = FunctionCtx()
    methods = {
        "forward": staticmethod(forward), "backward": staticmethod(backward),
        "setup_context": staticmethod(lambda ctx, inputs, output: None), "jvp": staticmethod(jvp),
    }  # fmt: skip
    return type(function.__name__, (Function,), methods)


def _examples(level: VmapLevel, held: Any, places: Any) -> tuple[Any, ...]:
    return tuple([
        level.wrap(t) if p == 0 and isinstance(t, Tensor) else t
        for t, p in zip(held, places, strict=True)
    ])  # fmt: skip


def tangents_of(function: type[Function], ctx: FunctionCtx, tangents: Any) -> tuple[Any, ...]:
    """The Function's `jvp`, which sees what `save_for_forward` kept."""
    seen = copy.copy(ctx)
    seen._node, seen.to_save = None, ctx.for_forward
    result = function.jvp(seen, *tangents)
    return result if isinstance(result, tuple) else (result,)


def apply_dual(level: Any, function: type[Function], args: tuple[Any, ...]) -> Any:
    """A Function in forward mode: its outputs, with the tangents of its `jvp`."""
    ctx = FunctionCtx()
    primals, tangents = level.separated(args)
    result = function._apply(ctx, True, tuple(primals), {})
    if ctx.materialize_grads:
        tangents = [
            F.zeros_like(p) if t is None and isinstance(p, Tensor) else t
            for p, t in zip(primals, tangents, strict=True)
        ]
    found = tangents_of(function, ctx, tangents)
    if not isinstance(result, tuple):
        return level.join(result, found[0])
    return tuple([level.join(r, t) for r, t in zip(result, found, strict=True)])
