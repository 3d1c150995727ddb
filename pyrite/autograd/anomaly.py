"""Anomaly mode: nodes remember the line that recorded them; NaN gradients are errors."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from typing import Any

from .._dtypes import FLOAT
from .._storage import storage_of
from .._tensor import F, Tensor
from . import modes
from .node import WRITERS, Node


class _State(threading.local):
    enabled: bool = False
    check_nan: bool = True


state = _State()


def is_anomaly_enabled() -> bool:
    """Whether nodes remember where they were recorded."""
    return state.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether NaN gradients raise in anomaly mode."""
    return state.check_nan


def _remember(op: Any, call: Callable[..., Any], args: tuple[Any, ...], kwargs: Any) -> Any:
    result = call(*args, **kwargs)
    if op.kind == "update":
        stack = _user_stack()
        for p, arg in zip(op.params, args, strict=True):
            if any(o.name == p.name for o in op.outputs):
                targets = arg if p.role == "arrays" else [arg]
                WRITERS.update({storage_of(t): stack for t in targets or () if t is not None})
    first = result[0] if isinstance(result, tuple) and result else result
    node = getattr(first, "node", None)
    if node is not None:
        if node.note is None:
            node.note = {}
        node.note.setdefault("trace", _user_stack())
    return result


def _user_stack() -> str:
    """The stack of the caller, without Pyrite's own frames."""
    here = __file__.rsplit("autograd", 1)[0]
    frames = [
        f
        for f in traceback.extract_stack()
        if not f.filename.startswith(here) and not f.filename.startswith("<pyrite")
    ]
    return "".join(traceback.format_list(frames[-8:]))


class set_detect_anomaly:
    """Turn anomaly mode on or off; as a context manager, restore it at the end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = (state.enabled, state.check_nan, modes.state.stack)
        self._set(mode, check_nan)

    def _set(self, mode: bool, check_nan: bool) -> None:
        state.enabled, state.check_nan = mode, check_nan
        others = tuple(i for i in modes.state.stack if i is not _remember)
        modes.state.stack = (*others, _remember) if mode else others
        modes._set_grad(modes.is_grad_enabled())

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: Any) -> None:
        enabled, check_nan, _stack = self._before
        self._set(enabled, check_nan)


class detect_anomaly(set_detect_anomaly):
    """Context manager: errors in backward name the forward line, NaN gradients raise."""

    def __init__(self, check_nan: bool = True) -> None:
        super().__init__(True, check_nan)


def evaluate(walk: Any, plan: Any, g: Any, node: Node, needs: Any) -> Any:
    """Run a node's formulas; errors and NaNs are reported with the line that recorded it."""
    grads_in = g if type(g) is list else [g]
    run = plan.backward_tensor if walk.tensors else plan.backward_array
    space = walk.space(next(x for x in grads_in if x is not None))
    try:
        grads = run(space, g, node, needs)
    except RuntimeError as error:
        if (where := _where(node)) in str(error):
            raise
        raise RuntimeError(f"{error}{where}") from error
    if state.check_nan:
        for i, grad in enumerate(grads):
            if grad is not None and _has_nan(grad if walk.tensors else Tensor(grad)):
                raise RuntimeError(
                    f"Function '{node.name()}' returned nan values in its {i}th output."
                    + _where(node)
                )
    return grads


def _where(node: Node) -> str:
    trace = (node.note or {}).get("trace")
    return f"\nThe forward call that made {node.name()}:\n{trace}" if trace else ""


def _has_nan(grad: Tensor) -> bool:
    with modes.below(()), modes.no_grad():
        return grad.dtype.category >= FLOAT and bool(F.any(F.ne(grad, grad)).item())
