"""NumPy's functions on Tensors: `__array_ufunc__` and `__array_function__`.

On CPU tensors without gradient NumPy computes, as in torch. Where torch raises (a gradient is
required, another device, an array beside a tensor), the call goes to the op of the same meaning:
the result is a Tensor on its device, with its history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import backends
from ._composites.create import as_tensor
from ._dtypes import float64, from_numpy_dtype
from ._exports import EXPORTS, TENSORS_ONLY
from ._inplace import write_out
from ._ops.table import TABLE
from ._tensor import F, Tensor
from ._trees import flatten, tree_map

# ufunc -> name here, where they differ.
_UFUNCS = {
    "conjugate": "conj", "degrees": "rad2deg", "equal": "eq", "fabs": "abs",
    "invert": "bitwise_not",
    "left_shift": "bitwise_left_shift", "mod": "remainder", "not_equal": "ne", "power": "pow",
    "radians": "deg2rad", "right_shift": "bitwise_right_shift", "rint": "round",
    "bitwise_invert": "bitwise_not", "bitwise_count": "",
}  # fmt: skip
# ufunc.reduce and ufunc.accumulate.
_REDUCE = {"add": "sum", "multiply": "prod", "maximum": "amax", "minimum": "amin",
           "logical_and": "all", "logical_or": "any"}  # fmt: skip
_ACCUMULATE = {"add": "cumsum", "multiply": "cumprod"}

# Function -> name here; those of equal name are listed without.
_SAME = (
    "all allclose amax amin angle any argmax argmin argsort argwhere atleast_1d atleast_2d "
    "atleast_3d broadcast_to clip column_stack count_nonzero cross cumprod cumsum diag diagonal "
    "diff dstack einsum empty_like flip fliplr flipud full_like hstack imag inner isclose isin "
    "kron linalg.det linalg.inv linalg.norm linalg.solve mean moveaxis nan_to_num nanmean nansum "
    "ones_like outer prod ravel real reshape roll rot90 searchsorted squeeze stack sum swapaxes "
    "tensordot tile trace trapezoid tril triu unique vdot vstack where zeros_like"
)
_FUNCTIONS: dict[str, str | Callable[..., Any]] = {
    **dict(zip(_SAME.split(), _SAME.split())),
    "absolute": "abs", "around": "round", "array_equal": "equal", "array_split": "tensor_split",
    "concatenate": "cat", "concat": "cat", "copy": "clone", "expand_dims": "unsqueeze",
    "max": "amax", "min": "amin", "permute_dims": "permute", "repeat": "repeat_interleave",
    "round": "round", "split": "tensor_split", "take_along_axis": "take_along_dim",
    "dot": lambda a, b: _dot(a, b),
    "meshgrid": lambda *xi, indexing="xy": _call("meshgrid", *xi, indexing=indexing),
    "median": lambda a, axis=None, **words: _call("quantile", a, 0.5, axis, **words),
    "nonzero": lambda a: _call("nonzero", a, as_tuple=True),
    "sort": lambda a, axis=-1: _call("sort", a, axis)[0],
    "std": lambda a, axis=None, ddof=0, **words: _call("std", a, axis, correction=ddof, **words),
    "take": lambda a, indices, axis=None: _take(a, indices, axis),
    "transpose": lambda a, axes=None: F.permute(a, tuple(axes or range(a.ndim - 1, -1, -1))),
    "var": lambda a, axis=None, ddof=0, **words: _call("var", a, axis, correction=ddof, **words),
}  # fmt: skip
# NumPy's keywords, and torch's in the functions that take several dimensions.
_WORDS = {"a": "input", "axis": "dim", "keepdims": "keepdim", "x": "input", "ddof": "correction"}
_DIMS = {"flip", "permute", "roll", "rot90", "tensordot"}


def _call(name: str, *args: Any, **kwargs: Any) -> Any:
    """The public function of a name, dotted for a namespace."""
    space, _, own = name.rpartition(".")
    return EXPORTS[space][own]()(*args, **kwargs)


def _dot(a: Any, b: Any) -> Any:
    """NumPy's product: over the last dimension of `a` and the last but one of `b`."""
    if not a.ndim or not b.ndim:
        return F.mul(a, b)
    return _call("tensordot", a, b, dims=([a.ndim - 1], [max(b.ndim - 2, 0)]))


def _take(a: Tensor, indices: Any, axis: int | None) -> Any:
    index = as_tensor(indices, device=a.device)
    if axis is None:
        return _call("take", a, index)
    found = _call("index_select", a, axis, F.reshape(index, (-1,)))
    d = axis % a.ndim
    return F.reshape(found, (*a.shape[:d], *index.shape, *a.shape[d + 1 :]))


# ---- which way a call goes


def _tensors(value: Any) -> Iterator[Tensor]:
    """The Tensors among nested arguments."""
    return (v for v in flatten(value)[0] if isinstance(v, Tensor))


def _plain(tensors: Iterator[Tensor]) -> bool:
    """Whether NumPy can compute: host memory, no gradient, a dtype that NumPy has."""
    return all(
        t.device.type == "cpu" and not t.requires_grad and t.dtype.name != "bfloat16"
        for t in tensors
    )


def _host(value: Any) -> Any:
    """Arguments with arrays in place of Tensors."""
    return tree_map(lambda v: v.array if isinstance(v, Tensor) else v, value)


def _wrapped(result: Any) -> Any:
    """NumPy's result as torch's `__array_wrap__` gives it: a Tensor, bytes for bool."""
    if isinstance(result, tuple):
        return tuple(map(_wrapped, result))
    if not hasattr(result, "dtype"):
        return result
    return as_tensor(result.astype("uint8") if result.dtype.kind == "b" else result)


def _is_array(value: Any) -> bool:
    """Whether an operand is an array or array scalar, and no Tensor."""
    return hasattr(value, "dtype") and not isinstance(value, Tensor)


def _as_operand(value: Any, device: Any) -> Any:
    """An array operand as a Tensor beside the others, an array scalar as a number."""
    if not _is_array(value):
        return value
    return as_tensor(value, device=device) if value.shape else value.item()


# ---- the protocols


def array_wrap(self: Tensor, array: Any, context: Any = None, return_scalar: bool = False) -> Any:
    """NumPy's protocol for results of functions that took this tensor as an array."""
    return _wrapped(array)


def array_ufunc(self: Tensor, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    """NumPy's protocol for element-wise functions and their reductions."""
    out = kwargs.get("out", ())
    name = _UFUNCS.get(ufunc.__name__, ufunc.__name__)
    name = {"__call__": name, "reduce": _REDUCE.get(name, ""),
            "accumulate": _ACCUMULATE.get(name, "")}.get(method, "")  # fmt: skip
    known = name in EXPORTS[""] and set(kwargs) <= {"out", "axis", "keepdims"}
    beside = method == "__call__" and any(map(_is_array, inputs))
    to_tensor = any(isinstance(o, Tensor) for o in out)
    plain = _plain(_tensors([*inputs, *out]))
    if plain and not (known and (to_tensor or (beside and not out))):
        result = getattr(ufunc, method)(*_host(inputs), **_host(kwargs))
        return out[0] if len(out) == 1 else _wrapped(result)
    if not known or (out and not to_tensor):
        return NotImplemented
    device = next(_tensors(inputs)).device
    operands = [_as_operand(v, device) for v in inputs]
    if "tensors" in TABLE[name].dtypes if name in TABLE else name in TENSORS_ONLY:
        kinds = [float64 if isinstance(v, float) else None for v in operands]
        pairs = zip(operands, kinds, strict=True)
        operands = [as_tensor(v, dtype=kind, device=device) for v, kind in pairs]
    words = {_WORDS[k]: v for k, v in kwargs.items() if k != "out"}
    if method != "__call__":
        words.setdefault("dim", 0)
    direct = method == "__call__" and name in TABLE  # also takes numbers where torch does not
    result = getattr(F, name)(*operands) if direct else _call(name, *operands, **words)
    return write_out(name, result, out[0], operands) if to_tensor else result


def array_function(self: Tensor, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    """NumPy's protocol for its other functions."""
    name = f"{func.__module__}.{func.__name__}".removeprefix("numpy.")
    own = _FUNCTIONS.get(name)
    if isinstance(own, str):
        space, _, target = own.rpartition(".")
        own = own if target in EXPORTS.get(space, ()) else None
    if own is None:
        return func._implementation(*args, **kwargs)
    if _plain(_tensors([args, kwargs])):
        try:
            return func._implementation(*args, **kwargs)
        except (TypeError, ValueError):  # as in torch, whose methods lack NumPy's words
            pass
    return _counterpart(own, args, kwargs)


def _counterpart(own: Any, args: Any, kwargs: Any) -> Any:
    """The call of the op, its arguments under torch's names."""
    device = next(_tensors([args, kwargs])).device
    args = tuple([_as_operand(a, device) for a in args])
    if "dtype" in kwargs and kwargs["dtype"] is not None:
        kind = backends.get("cpu").xp.dtype(kwargs["dtype"])
        kwargs = {**kwargs, "dtype": from_numpy_dtype(kind)}
    if callable(own):
        return own(*args, **kwargs)
    words = {"axis": "dims", "axes": "dims"} if own in _DIMS else _WORDS
    return _call(own, *args, **{words.get(k, k): v for k, v in kwargs.items() if v is not None})


for _name, _method in (
    ("__array_ufunc__", array_ufunc), ("__array_function__", array_function),
    ("__array_wrap__", array_wrap),
):  # fmt: skip
    setattr(Tensor, _name, _method)
