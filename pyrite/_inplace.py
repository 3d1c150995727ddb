"""Writing into a tensor: every `op_` and every `out=` is derived here from the plain op.

An in-place operation is the operation, followed by one write: the result is copied into the
tensor's memory, the storage counts a version, and the tensor takes over the result's history. If
the tensor is a view, its base gets a node that puts the new values in place of the old ones, and
all views of that base refresh their history when they are next used.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

from . import _dtypes, backends
from ._ops.table import TABLE, Op
from ._storage import root_array, storage_of
from ._tensor import F, Tensor, refresh
from .autograd.modes import RECORD, state
from .autograd.node import edge_of, record


def derive(name: str, function: Callable[..., Any], op: Op | None = None) -> Callable[..., Any]:
    """The in-place twin `name_` of a function on Tensors; `op` says what the function saves."""

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        check_writable(self)
        operand = _operand(self, op, (*args, *kwargs.values()))
        return write_back(self, function(operand, *args, **kwargs), name + "_")

    functools.update_wrapper(method, function, assigned=("__doc__",))
    method.__name__ = method.__qualname__ = name + "_"
    return method


def check_writable(tensor: Tensor) -> None:
    """Refuse writes that torch refuses: to leaves that need gradients, to some views, to overlap."""
    if _overlaps(tensor.array):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            f"single memory location (shape {list(tensor.shape)}, strides {tensor.stride()}). "
            "Please clone() the tensor before performing the operation."
        )
    if state.mode & 1 or not tensor.requires_grad:
        return
    view = tensor.view
    if view is None:
        if tensor.node is None:
            raise RuntimeError(
                "a leaf Variable that requires grad is being used in an in-place operation. Use "
                "the out-of-place form, or write under `with pyrite.no_grad():`"
            )
        return
    if view.base.node is None and view.base._requires_grad:
        raise RuntimeError(
            "a view of a leaf Variable that requires grad is being used in an in-place operation. "
            "clone() the leaf first, or write under `with pyrite.no_grad():`"
        )
    if view.origin:
        raise RuntimeError(_ORIGINS[view.origin])


_ORIGINS = {
    "multi": "a view that is one of several outputs of a function (split, unbind, chunk) is being "
    "modified inplace. Such views do not allow it; use the out-of-place form, or narrow() or "
    "indexing in place of the function that makes several views",
    "no_grad": "A view was created in no_grad mode and is being modified inplace with grad mode "
    "enabled. Create the view with gradients enabled, or write under no_grad()",
}


def _overlaps(array: Any) -> bool:
    """Whether two indices lead to one element (an expanded dimension)."""
    return any(n > 1 and s == 0 for n, s in zip(array.shape, array.strides, strict=True))


def _operand(self: Tensor, op: Op | None, others: tuple[Any, ...]) -> Tensor:
    """What the operation reads in place of `self`: a copy if it saves the old values."""
    out = Tensor(self.array, self._requires_grad)
    out.node, out.index = self.node, self.index
    recorded = state.mode == RECORD and (
        self._requires_grad or any(isinstance(o, Tensor) and o._requires_grad for o in others)
    )
    if recorded and (op is None or (op.differentiable and op.arrays[0].name in op.compile().saved)):
        out.array = self.array.copy()
    return out


def write_back(self: Tensor, result: Tensor, name: str) -> Tensor:
    """Put `result` into the memory of `self` and its history into that of `self`."""
    if result.array.shape != self.array.shape:
        raise RuntimeError(
            f"output with shape {list(self.shape)} doesn't match the broadcast shape "
            f"{list(result.shape)} of {name}"
        )
    if result.array.dtype != self.array.dtype:
        check_cast(result, self, name)
        result = F.cast(result, self.dtype)
    backends.of(self.array).copy_into(self.array, result.array)
    storage = storage_of(self)
    storage.version += 1
    if state.mode == RECORD and (result._requires_grad or self._requires_grad):
        if self.view is None:
            _adopt(self, result)
            storage.generation += 1
        else:
            _rebase(self, result)
    return self


def check_cast(result: Tensor, target: Tensor, name: str) -> None:
    """RuntimeError where writing would lose the result's kind of number."""
    if not _dtypes.can_cast(result.dtype, target.dtype):
        raise RuntimeError(
            f"result type {result.dtype} of {name} can't be cast to the desired output type "
            f"{target.dtype}"
        )


def _adopt(self: Tensor, result: Tensor) -> None:
    """Give `self` the history of `result`; what was saved of the result is now in `self`."""
    node = result.node
    if node is None:
        node = record(TABLE["constant"], (), (), self.array.shape, self.array.dtype)
    elif node.saved and node.shape == self.array.shape:
        node.saved = tuple([_moved(e, result, self) for e in node.saved])
    self.node, self.index, self._requires_grad = node, result.index, True


def _moved(saved: Any, result: Tensor, target: Tensor) -> Any:
    """A saved entry of the result's array, redirected to the tensor it was written to."""
    if type(saved) is tuple and len(saved) == 3 and saved[0] is result.array:
        storage = storage_of(target)
        return (target.array, storage, storage.version)
    return saved


def _rebase(self: Tensor, result: Tensor) -> None:
    """Give the base of a view a node that puts the result in place of the view's old values."""
    view = self.view
    assert view is not None
    base = view.base
    refresh(self)
    edges = (edge_of(base), edge_of(result))
    op = TABLE["view_scatter"]
    op.compile()
    base.node = record(op, edges, (view.chain,), base.array.shape, base.array.dtype)
    base.index, base._requires_grad = 0, True
    base.storage.generation += 1
    refresh(self)


def write_out(name: str, result: Any, out: Any) -> Any:
    """Write results into `out=`: resized if it has another shape, cast if that is safe."""
    if isinstance(result, tuple):
        if not isinstance(out, tuple | list) or len(out) != len(result):
            raise TypeError(f"{name}(): argument 'out' must be a tuple of {len(result)} Tensors")
        for r, o in zip(result, out, strict=True):
            _write_out(name, r, o)
        return type(result)(*out) if hasattr(result, "_fields") else tuple(out)
    return _write_out(name, result, out)


def _write_out(name: str, result: Tensor, out: Tensor) -> Tensor:
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if state.mode == RECORD and (result._requires_grad or out.requires_grad):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    check_cast(result, out, name)
    if backends.of(out.array) is not backends.of(result.array):
        raise RuntimeError(
            f"{name}(): expected out tensor to be on {result.device}, but it is on {out.device}"
        )
    if out.array.shape != result.array.shape:
        _resize(out, result)
    elif _overlaps(out.array):
        check_writable(out)
    backends.of(out.array).copy_into(out.array, result.array)
    storage_of(out).version += 1
    return out


def _resize(out: Tensor, like: Tensor) -> None:
    if out.array.size:
        warnings.warn(
            f"An output with one or more elements was resized since it had shape {list(out.shape)}"
            f", which does not match the required output shape {list(like.shape)}. Resize it to "
            "zero elements first: t.resize_(0)",
            stacklevel=5,
        )
    resize(out, like.array.shape)


def resize(tensor: Tensor, shape: tuple[int, ...]) -> None:
    """Give a tensor another shape; memory is kept where it suffices, else new and larger."""
    backend = backends.of(tensor.array)
    size = 1
    for n in shape:
        size *= n
    array = tensor.array
    if size <= array.size and array.flags.c_contiguous:
        tensor.array = array.reshape(-1)[:size].reshape(shape)
        return
    fresh = backend.empty(shape, array.dtype)
    flat = fresh.reshape(-1)
    flat[: array.size] = array.reshape(-1)[: flat.size]
    tensor.array = fresh
    storage_of(tensor).root = root_array(fresh)

