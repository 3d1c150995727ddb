"""Activation checkpointing: compute a part of the forward pass again in backward."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from .. import random
from .._tensor import Tensor
from ..amp.autocast_mode import present_regions
from ..autograd.engine import backward
from ..autograd.function import Function
from ..autograd.graph import saved_tensors_hooks
from ..autograd.modes import enable_grad

__all__ = ["CheckpointError", "checkpoint", "checkpoint_sequential"]

Contexts = Callable[[], tuple[AbstractContextManager[Any], AbstractContextManager[Any]]]
_UNSET = (
    "{}: the use_reentrant parameter should be passed explicitly. use_reentrant=False is "
    "recommended; the default is use_reentrant=True, as in PyTorch"
)


class CheckpointError(RuntimeError):
    """The second computation saved other tensors than the first."""


class _Conditions:
    """What a second run must find as the first did: precision and, if wanted, random state."""

    def __init__(self, preserve: bool) -> None:
        self.state = random.get_rng_state() if preserve else None
        self.regions = present_regions()

    @contextmanager
    def again(self) -> Iterator[None]:
        """Run as then, and restore what is now."""
        with ExitStack() as stack:
            for region in self.regions:
                stack.enter_context(region)
            if self.state is not None:
                stack.enter_context(random.fork_rng())
                random.set_rng_state(self.state)
            yield


class _Frame:
    """One checkpointed call: what it needs to run again, and what that saved."""

    def __init__(
        self, function: Callable[..., Any], args: Any, kwargs: Any, preserve: bool, check: str,
        contexts: Contexts,
    ) -> None:  # fmt: skip
        self.function, self.args, self.kwargs, self.check = function, args, kwargs, check
        self.conditions = _Conditions(preserve)
        self.context, self.again = contexts()
        self.facts: list[Any] = []
        self.values: dict[int, Tensor] = {}

    def forward(self) -> Any:
        with saved_tensors_hooks(self.pack, self.unpack), self.context:
            return self.function(*self.args, **self.kwargs)

    def pack(self, tensor: Tensor) -> int:
        self.facts.append(_facts(tensor))
        return len(self.facts) - 1

    def unpack(self, index: int) -> Tensor:
        if index not in self.values:
            self.recompute()
        return self.values.pop(index)

    def recompute(self) -> None:
        found: list[Tensor] = []

        def keep(tensor: Tensor) -> Tensor:
            found.append(tensor)
            return tensor

        inputs = [_fresh(a) for a in self.args]
        hooks = saved_tensors_hooks(keep, lambda kept: kept)
        with enable_grad(), self.conditions.again(), hooks, self.again:
            self.function(*inputs, **{k: _fresh(v) for k, v in self.kwargs.items()})
        self.compare(found)
        self.values = dict(enumerate(found))

    def compare(self, found: Sequence[Tensor]) -> None:
        if len(found) != len(self.facts):
            raise CheckpointError(
                "pyrite.utils.checkpoint: A different number of tensors was saved during the "
                f"original forward and recomputation. Number of tensors saved during forward: "
                f"{len(self.facts)}. Number of tensors saved during recomputation: {len(found)}."
            )
        if self.check == "none":
            return
        for i, (tensor, facts) in enumerate(zip(found, self.facts, strict=True)):
            if _facts(tensor) != facts:
                raise CheckpointError(
                    "pyrite.utils.checkpoint: Recomputed values for the following tensors have "
                    f"different metadata than during the forward pass: tensor at position {i}: "
                    f"saved metadata {facts}, recomputed metadata {_facts(tensor)}"
                )


def _facts(tensor: Tensor) -> Any:
    return tuple(tensor.shape), tensor.dtype, str(tensor.device)


def _fresh(value: Any) -> Any:
    """An argument as the start of a graph of its own."""
    if not isinstance(value, Tensor):
        return value
    return value.detach().requires_grad_(value.requires_grad)


class _Reentrant(Function):
    """Runs the function without a record, and again, followed by its backward, in backward."""

    @staticmethod
    def forward(ctx: Any, function: Any, preserve: bool, *args: Any) -> Any:
        ctx.function, ctx.args = function, args
        ctx.conditions = _Conditions(preserve)
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        inputs = [_fresh(a) for a in ctx.args]
        with enable_grad(), ctx.conditions.again():
            result = ctx.function(*inputs)
        outputs = result if isinstance(result, tuple) else (result,)
        pairs = [(o, g) for o, g in zip(outputs, grads, strict=True)
                 if isinstance(o, Tensor) and o.requires_grad]  # fmt: skip
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        backward([o for o, _ in pairs], [g for _, g in pairs])
        return None, None, *[a.grad if isinstance(a, Tensor) else None for a in inputs]


def _no_contexts() -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
    return nullcontext(), nullcontext()


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None,
    context_fn: Contexts = _no_contexts, determinism_check: str = "default",
    preserve_rng_state: bool = True, **kwargs: Any,
) -> Any:  # fmt: skip
    """Call `function` without keeping what its backward needs: backward computes it again.

    Args:
        use_reentrant: False runs it under saved-tensor hooks, and works with `autograd.grad`,
            keyword arguments and nested structures; True (the default, with a warning) runs it
            as a custom Function whose backward calls `backward`, for tensor arguments of which
            one needs a gradient.
        context_fn: returns the context managers for the first and the second computation.
        determinism_check: "default" compares shapes, dtypes and devices of what is saved, "none"
            only its count.
        preserve_rng_state: draw the same random numbers again.

    Memory falls to what the function's inputs take; it is computed twice.
    """
    if use_reentrant is None:
        warnings.warn(_UNSET.format("checkpoint"), stacklevel=2)
        use_reentrant = True
    if not use_reentrant:
        return _Frame(
            function, args, kwargs, preserve_rng_state, determinism_check, context_fn
        ).forward()
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if not any(isinstance(a, Tensor) and a.requires_grad for a in args):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )
    return _Reentrant.apply(function, preserve_rng_state, *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Call functions one after the other, all but the last of `segments` parts checkpointed.

    `functions` is a Sequential or a sequence of callables; `preserve_rng_state` as above.
    """
    if use_reentrant is None:
        warnings.warn(_UNSET.format("checkpoint_sequential"), stacklevel=2)
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    parts = list(functions.children()) if hasattr(functions, "children") else list(functions)
    width = len(parts) // segments

    def run(chosen: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
        def forward(value: Any) -> Any:
            for part in chosen:
                value = part(value)
            return value

        return forward

    last = width * (segments - 1)
    for start in range(0, last, width or 1):
        input = checkpoint(
            run(parts[start : start + width]), input, use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )  # fmt: skip
    return run(parts[last:])(input)
