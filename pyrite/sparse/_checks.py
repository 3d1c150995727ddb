"""Whether the parts of a sparse tensor fit together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from .._formats import layout, sparse_csr
from .._tensor import F, Tensor


class check_sparse_tensor_invariants:
    """Whether constructors also refuse compressed indices that are out of order or repeated.

    Bounds and sizes are always checked. A context manager and a decorator; `enable()` and
    `disable()` switch it for good.
    """

    _enabled = False

    def __init__(self, enable: bool = True) -> None:
        self._wanted = enable
        self._before: list[bool] = []

    @staticmethod
    def is_enabled() -> bool:
        return check_sparse_tensor_invariants._enabled

    @staticmethod
    def enable() -> None:
        check_sparse_tensor_invariants._enabled = True

    @staticmethod
    def disable() -> None:
        check_sparse_tensor_invariants._enabled = False

    def __enter__(self) -> None:
        self._before.append(self.is_enabled())
        check_sparse_tensor_invariants._enabled = self._wanted

    def __exit__(self, *_: Any) -> None:
        check_sparse_tensor_invariants._enabled = self._before.pop()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            with type(self)(self._wanted):
                return function(*args, **kwargs)

        return checked


def check_coo(indices: Tensor, values: Tensor, size: Sequence[int] | None) -> tuple[int, ...]:
    """The size of a COO tensor of these parts; RuntimeError if they do not make one."""
    if indices.ndim != 2:
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    d, n = indices.shape
    inner = tuple(values.shape[1:])
    if size is not None and not n and not inner and values.shape[:1] == (0,):
        inner = tuple(size)[d:]
    if not values.ndim or values.shape[0] != n:
        found = values.shape[0] if values.ndim else 1
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {n}, nnz from "
            f"values: {found}"
        )
    low = indices.array.min(axis=1).tolist() if n and d else [0] * d
    high = indices.array.max(axis=1).tolist() if n and d else [-1] * d
    for dim, least in enumerate(low):
        if least < 0:
            raise RuntimeError(f"found negative index {least} for dim {dim}")
    if size is None:
        return (*[h + 1 for h in high], *inner)
    if len(size) != d + len(inner):
        raise RuntimeError(
            "'len(size) == sparse_dim + dense_dim' is not satisfied: len(size) = "
            f"{len(size)}, sparse_dim = {d}, dense_dim = {len(inner)}"
        )
    for dim, most in enumerate(high):
        if most >= size[dim]:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {dim}, size is {size[dim]} but found "
                f"index {most}"
            )
    if tuple(size[d:]) != inner:
        raise RuntimeError(
            f"values has incorrect size, expected {[n, *size[d:]]}, got {list(values.shape)}"
        )
    return tuple(size)


def check_compressed(
    kind: layout, starts: Tensor, plain: Tensor, values: Tensor, size: Sequence[int],
    strict: bool | None,
) -> None:  # fmt: skip
    """RuntimeError unless the parts make a matrix in CSR or CSC layout."""
    own, cross = ("row", "col") if kind is sparse_csr else ("col", "row")
    first, second = f"c{own}_indices", f"{cross}_indices"
    if starts.ndim != 1 or plain.ndim != 1 or values.ndim != 1 or len(size) != 2:
        raise RuntimeError(
            f"expected {first}, {second} and values of one dimension and a size of two, got "
            f"{starts.ndim}D, {plain.ndim}D, {values.ndim}D and {list(size)}: batches and dense "
            "dimensions want the COO layout"
        )
    n, (lines, across) = values.shape[0], tuple(size)[:: 1 if kind is sparse_csr else -1]
    if starts.shape[0] != lines + 1:
        raise RuntimeError(
            f"{first}.shape[-1] must be equal to the number of {own}s + 1 (={lines + 1}), but got "
            f"{starts.shape[0]}"
        )
    if plain.shape[0] != n:
        raise RuntimeError(
            f"{second}.shape[-1] must be equal to nnz (={n}) as defined by values.shape[0], but "
            f"got {plain.shape[0]}"
        )
    steps = starts.array[1:] - starts.array[:-1]
    between = f"0 <= {first}[..., 1:] - {first}[..., :-1] <= n{cross}s"
    conditions = {
        f"{first}[..., 0] == 0": starts.array[0].item() == 0,
        between: not lines or steps.min().item() >= 0,
        f"{first}[..., -1] == nnz": starts.array[-1].item() == n,
        f"0 <= {second} < n{cross}s": not n or (
            plain.array.min().item() >= 0 and plain.array.max().item() < across
        ),
    }  # fmt: skip
    for condition, holds in conditions.items():
        if not holds:
            raise RuntimeError(f"`{condition}` is not satisfied.")
    if (check_sparse_tensor_invariants._enabled if strict is None else strict) and (
        not compressed_in_order(starts, plain)
    ):
        raise RuntimeError(
            f"`{second}[..., {first}[..., i - 1]:{first}[..., i]] for all i = 1, ..., n{own}s are "
            "sorted and distinct along the last dimension values` is not satisfied."
        )


def compressed_in_order(starts: Tensor, plain: Tensor) -> bool:
    """Whether the indices of each row rise: a step down is only allowed where a row starts."""
    if plain.shape[0] < 2:
        return True
    rises = F.gt(plain[1:], plain[:-1])
    begins = F.full((plain.shape[0] + 1,), False, rises.dtype, device=plain.device)
    true = F.full((), True, rises.dtype, device=plain.device)
    begins = F.index_put(begins, true, [starts], (0,), False)
    return bool(F.all(F.logical_or(rises, begins[1:-1])))
