"""Exceptions, and what an array library's error means in torch's words.

Operands are checked after a kernel failed, never before each call: `explain` looks at the
operands then and gives the error torch's class, the shapes, dtypes and devices, and the fix.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any


class OutOfMemoryError(RuntimeError):
    """A device has too little free memory for an allocation."""


class LinAlgError(RuntimeError):
    """A matrix is singular, not positive-definite, or an iteration did not converge."""


def describe(value: Any) -> str:
    """A short description of an argument: `float32[3, 8]` for arrays, the value otherwise."""
    shape, kind = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and kind is not None:
        name = getattr(kind, "name", None) or str(kind)
        return f"{name}[{', '.join(map(str, shape))}]"
    if isinstance(value, list | tuple):
        inner = ", ".join(describe(v) for v in value[:6]) + (", ..." if len(value) > 6 else "")
        return f"[{inner}]" if isinstance(value, list) else f"({inner})"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def explain(op: str, args: Sequence[Any], error: Exception) -> Exception:
    """The error to raise instead of `error`, which `op` raised on the raw operands `args`."""
    text = str(error)
    arrays = [a for a in args if hasattr(a, "shape")]
    if type(error).__name__ == "AxisError":
        found = re.search(r"axis (-?\d+) is out of bounds for array of dimension (\d+)", text)
        if found:
            return dim_error(int(found[1]), int(found[2]))
        return IndexError(text) if "out of bounds" in text else RuntimeError(f"{op}: {text}")
    if isinstance(error, MemoryError):
        return OutOfMemoryError(
            f"{op}: not enough memory for its result; operands: {', '.join(map(describe, arrays))}."
            " Use a smaller batch, or a smaller dtype"
        )
    if isinstance(error, ValueError) and "could not be broadcast" in text and len(arrays) > 1:
        return broadcast_error(op, arrays)
    if isinstance(error, ValueError) and ("matmul" in text or "mismatch in its core" in text):
        return RuntimeError(
            f"{op}: shapes cannot be multiplied ({' and '.join(_size(a) for a in arrays[:2])})"
        )
    unsupported = "not support" in text or "did not contain a loop" in text
    if isinstance(error, TypeError) and unsupported and arrays:
        return RuntimeError(
            f'"{op}" not implemented for {" and ".join(sorted({a.dtype.name for a in arrays}))}: '
            "convert the operands to another dtype"
        )
    if isinstance(error, ValueError) and "negative integer powers" in text:
        return RuntimeError(f"{text} Use a floating dtype: input.float()")
    return error


def _size(array: Any) -> str:
    return "x".join(map(str, array.shape)) or "scalar"


def dim_error(dim: int, ndim: int) -> IndexError:
    """torch's error for a dimension that does not exist."""
    low, high = (-ndim, ndim - 1) if ndim else (-1, 0)
    return IndexError(
        f"Dimension out of range (expected to be in range of [{low}, {high}], but got {dim})"
    )


def wrap_dim(dim: int, ndim: int) -> int:
    """A non-negative dimension; IndexError out of range (0-d tensors count as one dim)."""
    size = ndim or 1
    if not -size <= dim < size:
        raise dim_error(dim, ndim)
    return dim + size if dim < 0 else dim


def broadcast_error(op: str, arrays: Sequence[Any]) -> RuntimeError:
    """torch's broadcasting error: which dimension differs, then all shapes."""
    a, b = next(
        (
            (x, y)
            for i, x in enumerate(arrays)
            for y in arrays[i + 1 :]
            if not _broadcastable(x.shape, y.shape)
        ),
        (arrays[0], arrays[1]),
    )
    n = max(len(a.shape), len(b.shape))
    left = (1,) * (n - len(a.shape)) + tuple(a.shape)
    right = (1,) * (n - len(b.shape)) + tuple(b.shape)
    for i in range(n - 1, -1, -1):
        if left[i] != right[i] and 1 not in (left[i], right[i]):
            return RuntimeError(
                f"The size of tensor a ({left[i]}) must match the size of tensor b ({right[i]}) at "
                f"non-singleton dimension {i} ({op} of {describe(a)} and {describe(b)}; sizes are "
                "aligned at the last dimension)"
            )
    return RuntimeError(f"{op}: shapes {tuple(a.shape)} and {tuple(b.shape)} do not broadcast")


def _broadcastable(a: Sequence[int], b: Sequence[int]) -> bool:
    return all(x == y or 1 in (x, y) for x, y in zip(reversed(a), reversed(b), strict=False))
