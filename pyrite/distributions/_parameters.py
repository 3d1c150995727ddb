"""What distributions do with parameters: broadcasting, lazy values, probabilities and logits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._dtypes import finfo, get_default_dtype
from .._tensor import Size, Tensor
from ..autograd.modes import enable_grad
from . import _functions as fn

euler_constant = 0.5772156649015329


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Tensors and numbers as tensors of one shape; numbers take the first tensor's dtype.

    ValueError for anything else.
    """
    if not all(isinstance(v, Tensor | int | float) for v in values):
        kinds = ", ".join(type(v).__name__ for v in values)
        raise ValueError(f"Input arguments must all be Tensors or numbers, got {kinds}")
    like = next((v for v in values if isinstance(v, Tensor)), None)
    kind = get_default_dtype() if like is None else like.dtype
    where = None if like is None else like.device
    tensors = [
        v if isinstance(v, Tensor) else fn.tensor(v, dtype=kind, device=where) for v in values
    ]
    same = all(t.shape == tensors[0].shape for t in tensors)
    return tuple(tensors if same else fn.broadcast_tensors(*tensors))


def _standard_normal(shape: Any, dtype: Any, device: Any) -> Tensor:
    """Standard normal draws."""
    return fn.randn(shape, dtype=dtype, device=device)


def _sum_rightmost(value: Any, dim: int) -> Any:
    """The sum over the last `dim` dimensions."""
    return value.sum(tuple(range(-dim, 0))) if dim else value


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of log odds (binary), or of the log weights in the last dim."""
    return logits.sigmoid() if is_binary else fn.softmax(logits, dim=-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities kept eps away from 0 and 1."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """Log odds of probabilities (binary), or logs of those in the last dim; both finite."""
    inside = clamp_probs(probs)
    return inside.log() - (-inside).log1p() if is_binary else inside.log()


class lazy_property:
    """A method as an attribute that is computed, with gradients, when first read."""

    def __init__(self, wrapped: Callable[..., Any]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.name, value)
        return value


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The entries on and below diagonal `diag` of matrices (..., n, n), row by row."""
    n = mat.shape[-1]
    if not -n <= diag < n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = fn.tril_indices(n, n, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """The inverse of `tril_matrix_to_vec`: matrices with zeros elsewhere."""
    count = vec.shape[-1]
    n = round(
        (-1 - 2 * diag + ((1 + 2 * diag) ** 2 + 8 * count + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    )
    rows, columns = fn.tril_indices(n, n, diag)
    if len(rows) != count:
        raise ValueError(f"The size of last dimension is {count}, not that of a lower triangle.")
    flat = vec.new_zeros((*vec.shape[:-1], n * n))
    place = (rows * n + columns).expand(vec.shape)
    return flat.scatter(-1, place, vec).reshape((*vec.shape[:-1], n, n))


def size(shape: Any) -> Size:
    """A shape as `Size`."""
    return shape if isinstance(shape, Size) else Size(shape)
