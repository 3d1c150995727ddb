"""Writing into a tensor: every `op_` and every `out=` is derived here from the plain op.

An in-place operation is the operation, followed by one write: the result is copied into the
tensor's memory, the storage counts a version, and the tensor takes over the result's history. If
the tensor is a view, its base gets a node that puts the new values in place of the old ones, and
all views of that base refresh their history when they are next used.
"""

from __future__ import annotations

import functools
import inspect
import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any

from . import _dtypes, backends
from ._ops.table import TABLE, Op
from ._storage import Reshaped, base_of, root_array, steps, storage_of
from ._tensor import F, Tensor, refresh, refused_view
from .autograd import hooks
from .autograd.levels import Wrapped
from .autograd.modes import INTERCEPT, PLAIN, no_grad, state
from .autograd.node import Node, edge_of, record
from .backends._target import target

# Functions whose `out=` must have the result's dtype; those that may not write what they read.
_EXACT = (
    "abs addbmm addmm addmv amax amin aminmax baddbmm bmm ceil conj_physical cross cummax cummin "
    "diag diff dot floor frac frexp gather heaviside histc histogram index_add index_copy "
    "index_select inner kthvalue linalg_cross log_softmax logcumsumexp masked_select matmul mm "
    "mode msort multi_dot mv nan_to_num nanquantile narrow_copy neg norm quantile renorm round "
    "scatter scatter_add sgn sign slice_scatter softmax sort take take_along_dim tensordot topk "
    "tril triu trunc vdot vecdot vector_norm where"
)
_APART = (
    "cat cross gather index_select kthvalue linalg_cross masked_select mode take take_along_dim"
)
LARGE = 8192  # elements from which an operation may write its result where it belongs
EXACT_OUT, NO_OVERLAP = frozenset(_EXACT.split()), frozenset(_APART.split())

_SHARED = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a "
    "single memory location. Please clone() the tensor before performing the operation."
)


def derive(name: str, function: Callable[..., Any], op: Op | None = None) -> Callable[..., Any]:
    """The in-place twin `name_` of a function on Tensors; `op` says what the function saves."""
    aligned = op is not None and op.kind == "pointwise"
    typed = op is None and "dtype" in inspect.unwrap(function).__code__.co_varnames

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        others = (*args, *kwargs.values()) if kwargs else args
        if typed:
            kwargs.setdefault("dtype", self.dtype)
        operand = self
        followed = check_writable(self, others)
        if followed:
            operand = _operand(self, op, args, kwargs)
        if aligned and self.storage is not None:
            check_partial_overlap(self, others)
        if aligned and not followed and state.mode < INTERCEPT and self.array.size >= LARGE:
            target.array = self.array
            try:
                result = function(operand, *args, **kwargs)
            finally:
                target.array = None
            if result.array is self.array:
                storage_of(self).version += 1
                return self
        else:
            result = function(operand, *args, **kwargs)
        return write_back(self, result, name + "_")

    functools.update_wrapper(method, function, assigned=("__doc__",))
    method.__name__ = method.__qualname__ = name + "_"
    return no_grad()(method) if name.startswith("logical_") else method  # torch tracks none


def _needs_grad(value: Any) -> bool:
    return isinstance(value, Tensor) and value._requires_grad


def recorded(*values: Any) -> bool:
    """Whether what is done with these operands is recorded now."""
    if state.mode & PLAIN:
        return False
    for value in values:
        if isinstance(value, Tensor) and (
            value._requires_grad or (value.cut is not None and base_of(value.cut)._requires_grad)
        ):
            return True
    return False


def check_writable(tensor: Tensor, others: Iterable[Any] = (), overlap: bool = True) -> bool:
    """Refuse writes that torch refuses: to leaves that need gradients, to some views, to overlap.

    `others` are the other operands; `overlap=False` allows that elements share memory. Returns
    whether the write is recorded.
    """
    if overlap and _overlaps(tensor.array):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            f"single memory location (shape {list(tensor.shape)}, strides {tensor.stride()}). "
            "Please clone() the tensor before performing the operation."
        )
    if not recorded(tensor, *others):
        return False
    view = tensor.cut
    if view is not None:
        if view.origin:
            raise refused_view(tensor, "and is being")
        if tensor.requires_grad and base_of(view).node is None:
            raise RuntimeError(
                "a view of a leaf Variable that requires grad is being used in an in-place "
                "operation. clone() the leaf first, or write under `with pyrite.no_grad():`"
            )
        refresh(tensor)
    elif tensor._requires_grad and tensor.node is None:
        raise RuntimeError(
            "a leaf Variable that requires grad is being used in an in-place operation. Use "
            "the out-of-place form, or write under `with pyrite.no_grad():`"
        )
    return True


def _overlaps(array: Any) -> bool:
    """Whether two indices lead to one element (an expanded dimension)."""
    return (
        0 in array.strides
        and array.size > 0
        and any(n > 1 and s == 0 for n, s in zip(array.shape, array.strides, strict=True))
    )


def check_partial_overlap(tensor: Tensor, others: Iterable[Any]) -> None:
    """Refuse to write over a part of what an operation reads, element by element."""
    for other in others:
        if isinstance(other, Tensor) and other is not tensor and _overlaps_partly(tensor, other):
            raise RuntimeError(_SHARED)


def _check_overlap(out: Tensor, inputs: Iterable[Any]) -> None:
    """Refuse to write to memory that an operation reads elsewhere at the same time."""
    for value in inputs:
        if isinstance(value, tuple | list):
            _check_overlap(out, value)
        elif isinstance(value, Tensor) and (value is out or _overlaps_partly(out, value, True)):
            raise RuntimeError(_SHARED)


def _overlaps_partly(one: Tensor, two: Tensor, whole: bool = False) -> bool:
    """Whether two tensors without gaps share some of their elements, but not one by one.

    `whole=True`: or one by one.
    """
    if one.storage is None or two.storage is None or one.storage.root is not two.storage.root:
        return False
    a, b = one.array, two.array
    if not (a.size and b.size and _is_dense(a) and _is_dense(b)):
        return False
    first, second = one.data_ptr(), two.data_ptr()
    if first == second and a.nbytes == b.nbytes:
        return whole or a.shape != b.shape or _steps(a) != _steps(b)
    return first < second + b.nbytes and second < first + a.nbytes


def _steps(array: Any) -> list[int]:
    """Strides as torch gives them: those of new dimensions follow from the next one."""
    steps, step = [], array.itemsize
    for n, s in zip(reversed(array.shape), reversed(array.strides), strict=True):
        steps.append(s if s or n > 1 else step)
        step = n * steps[-1]
    return steps


def check_no_overlap(tensor: Tensor, value: Tensor) -> None:
    """Refuse to write at chosen places what is read from the same memory."""
    if value is tensor or _overlaps_partly(tensor, value):
        raise RuntimeError(
            "unsupported operation: the values lie in the memory that is written to. Please "
            "clone() them before performing the operation."
        )


def steps_of(array: Any) -> list[tuple[int, int]]:
    """Size and stride of each dimension that has more than one element."""
    return [(n, s) for n, s in zip(array.shape, array.strides, strict=True) if n > 1]


def _is_dense(array: Any) -> bool:
    """Whether the elements fill their memory without gaps, in some order of the dimensions."""
    if array.flags.c_contiguous:
        return True
    step = array.dtype.itemsize
    for stride, n in sorted(zip(array.strides, array.shape, strict=True)):
        if n != 1:
            if stride != step:
                return False
            step *= n
    return True


def _operand(self: Tensor, op: Op | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor:
    """What a recorded operation reads in place of `self`: a copy if it saves the old values."""
    if isinstance(self, Wrapped):
        return self.map(lambda held: _operand(held, op, args, kwargs))
    out = Tensor(self.array, self._requires_grad)
    out.node, out.index = self.node, self.index
    if op is None or _saves_first(op, (self, *args), kwargs):
        with no_grad():
            out.array = F.clone(self).array
    return out


def _saves_first(op: Op, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a formula that names the op's first input is going to run."""
    if not op.differentiable:
        return False
    users = op.compile().saved.get(op.arrays[0].name, ())
    values = {p.name: v for p, v in zip(op.params, args, strict=False)} | kwargs
    return any(_needs_grad(values.get(user)) for user in users)


def write_back(self: Tensor, result: Tensor, name: str) -> Tensor:
    """Put `result` into the memory of `self` and its history into that of `self`."""
    if result.array.shape != self.array.shape:
        raise RuntimeError(
            f"output with shape {list(self.shape)} doesn't match the broadcast shape "
            f"{list(result.shape)} of {name}"
        )
    if isinstance(self, Wrapped):
        self.update(result, lambda held, value: write_back(held, value, name))
        return self
    followed = recorded(result, self)
    if result.array.dtype is not self.array.dtype and result.dtype is not self.dtype:
        check_cast(result, self, name)
        if followed:
            result = F.cast(result, self.dtype)
    F.write(self, result)
    if followed:
        adopt(self, result)
    return self


def check_cast(result: Tensor, target: Tensor, name: str) -> None:
    """RuntimeError where writing would lose the result's kind of number."""
    if not _dtypes.can_cast(result.dtype, target.dtype):
        raise (TypeError if name == "cat" else RuntimeError)(
            f"result type {result.dtype} of {name} can't be cast to the desired output type "
            f"{target.dtype}"
        )


def adopt(self: Tensor, result: Tensor) -> None:
    """Give `self`, which holds the values of `result`, its history; views of a base rebase it.

    What a node had saved of the result is redirected to the memory of `self`.
    """
    node, index = result.node, result.index
    written, before = self, self.node
    if node is None:
        name, source = ("clone", result) if result._requires_grad else ("constant", self)
        node, index = _node(name, self, _edge(source))
    if self.cut is None:
        self.node, self.index, self._requires_grad = node, index, True
    else:
        base = base_of(self.cut)
        written, before = base, base.node
        edge = (node, index - 1) if index else node
        saved = (steps(self.cut.chain),)
        base.node, base.index = _node("view_scatter", base, edge_of(base), edge, saved=saved)
        base._requires_grad = True
        refresh(self)
    if written.hooks and before is not None:
        hooks.follow(written, before)
    if node.saved and result.array is not self.array:
        node.saved = tuple([_redirected(entry, result, self) for entry in node.saved])


def _edge(tensor: Tensor) -> Any:
    """The edge to what the tensor was, also if its memory has been written since."""
    node = tensor.node
    if node is None:
        return tensor if tensor._requires_grad else None
    return (node, tensor.index - 1) if tensor.index else node


def _node(name: str, like: Tensor, *edges: Any, saved: tuple[Any, ...] = ()) -> tuple[Node, int]:
    """A new node with one output of the shape and dtype of `like`."""
    op = TABLE[name]
    op.compile()
    return record(op, edges[: len(op.arrays)], saved, like.array.shape, like.array.dtype), 0


def _redirected(saved: Any, result: Tensor, target: Tensor) -> Any:
    """A saved entry of the result's array, as one of the tensor that it was written to."""
    if type(saved) is tuple and len(saved) == 3 and saved[0] is result.array:
        storage = storage_of(target)
        return (target.array, storage, storage.version)
    return saved


def overwrite(self: Tensor, value: Any) -> Tensor:
    """Write a number or a Tensor without history; no gradient flows through what was there."""
    check_writable(self, overlap=False)
    if isinstance(self, Wrapped):
        self.update(value, overwrite)
        return self
    if isinstance(value, Tensor):
        F.write(self, value)
    else:
        F.write_number(self, value)
    if recorded(self):
        adopt(self, Tensor(self.array))
    return self


def reshape_in_place(
    self: Tensor, function: Callable[..., Tensor], *args: Any, **kwargs: Any
) -> Tensor:
    """Give `self` the shape, strides and history of `function(self, *args)`, a view of it."""
    check_writable(self, overlap=False)
    if isinstance(self, Wrapped):
        self.become(function(self, *args, **kwargs))
        return self
    shared, was = self.storage, Tensor(self.array, self._requires_grad)
    was.node, was.index, was.storage = self.node, self.index, shared
    out = function(self, *args, **kwargs)
    storage_of(self).version += 1
    plain = state.mode & PLAIN
    if self.cut is not None:
        self.cut = out.cut
    elif shared is not None and not (plain and self._requires_grad):
        # Views of the old shape may exist: they keep it as their base.
        self.cut = Reshaped(was, out.cut.chain, 0, "")  # type: ignore[union-attr]
    if not plain:
        self.node, self.index = out.node, out.index
    self.array = out.array
    if self.cut is not None:
        self.cut.version = storage_of(self).version
    return self


def write_out(name: str, result: Any, out: Any, inputs: Iterable[Any] = ()) -> Any:
    """Write results into `out=`: resized if it has another shape, cast if that is safe."""
    if isinstance(result, tuple):
        if not isinstance(out, tuple | list) or len(out) != len(result):
            raise TypeError(f"{name}(): argument 'out' must be a tuple of {len(result)} Tensors")
        for r, o in zip(result, out, strict=True):
            _write_out(name, r, o, inputs)
        return type(result)(*out) if hasattr(result, "_fields") else tuple(out)
    return _write_out(name, result, out, inputs)


def _write_out(name: str, result: Tensor, out: Tensor, inputs: Iterable[Any]) -> Tensor:
    if not isinstance(out, Tensor):
        raise TypeError(f"{name}(): argument 'out' must be Tensor, not {type(out).__name__}")
    if recorded(result, out, *inputs):
        raise RuntimeError(
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad."
        )
    if name in EXACT_OUT and out.dtype is not result.dtype:
        raise RuntimeError(
            f"{name}(): Expected out tensor to have dtype {result.dtype}, but got {out.dtype} "
            "instead"
        )
    check_cast(result, out, name)
    if backends.of(out.array) is not backends.of(result.array):
        raise RuntimeError(
            f"{name}(): expected out tensor to be on {result.device}, but it is on {out.device}"
        )
    check_writable(out)
    if name in NO_OVERLAP:
        _check_overlap(out, inputs)
    if out.array.shape != result.array.shape:
        if any(value is out for value in inputs):
            raise RuntimeError(
                f"output with shape {list(out.shape)} doesn't match the broadcast shape "
                f"{list(result.shape)} of {name}"
            )
        _resize(out, result)
    else:
        check_partial_overlap(out, inputs)
    F.write(out, result)
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
    """Give a tensor another shape; memory is kept where its storage suffices, else new."""
    array, size = tensor.array, math.prod(shape)
    if array.shape == shape:
        return
    root = storage_of(tensor).root
    if root.dtype == array.dtype and root.flags.c_contiguous:
        start = tensor.storage_offset()
        if start + size <= root.size:
            tensor.array = root.reshape(-1)[start : start + size].reshape(shape)
            return
    fresh = backends.of(array).empty(shape, array.dtype)
    flat = fresh.reshape(-1)
    flat[: array.size] = array.reshape(-1)[:size]
    tensor.array = fresh
    storage_of(tensor).root = root_array(fresh)
