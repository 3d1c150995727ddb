"""Reductions with torch's signatures: `dtype=`, several forms of `max`, spread, scans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from .._dtypes import dtype as dtype_
from .._errors import wrap_dim
from .._tensor import F, Tensor
from ..return_types import result_type
from ._register import composite, named

Dims: TypeAlias = int | Sequence[int] | None


MAX, MIN, CUMMAX, CUMMIN = (
    result_type(name, "values", "indices") for name in ("max", "min", "cummax", "cummin")
)
AMINMAX = result_type("aminmax", "min", "max")


def pick(
    input: Tensor, indices: Tensor, dim: int, keepdim: bool, result: Any
) -> tuple[Tensor, Tensor]:
    """The elements at `indices` (whose `dim` has size 1) and the indices."""
    values = F.gather(input, dim, indices)
    if keepdim or not input.ndim:
        return result(values, indices)
    shape = list(input.shape)
    del shape[wrap_dim(dim, input.ndim)]
    return result(F.reshape(values, tuple(shape)), F.reshape(indices, tuple(shape)))


# ---- sums, means, products


def _in_dtype(function: Any, input: Tensor, dtype: dtype_ | None, *args: Any) -> Tensor:
    """Compute in `dtype` if one is given; the result has it too."""
    if dtype is None:
        return function(input, *args)
    out: Tensor = function(F.cast(input, dtype), *args)
    return out if out.dtype is dtype else F.cast(out, dtype)


@composite(out=True)
def sum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtype_ | None = None
) -> Tensor:
    """The sum over `dim` (all if None); integers and bool in int64 unless `dtype` is given."""
    if dtype is None:
        return F.sum(input, dim, keepdim)
    return _in_dtype(F.sum, input, dtype, dim, keepdim)


@composite(out=True)
def mean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtype_ | None = None
) -> Tensor:
    """The mean over `dim` (all if None); RuntimeError for integers without `dtype`."""
    return F.mean(input if dtype is None else F.cast(input, dtype), dim, keepdim)


@composite(out=True)
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: dtype_ | None = None
) -> Tensor:
    """The product over `dim` (all if None); integers and bool in int64 unless `dtype` is given."""
    if dim is None:
        return _in_dtype(F.prod, F.reshape(input, (-1,)) if input.ndim else input, dtype, 0)
    return _in_dtype(F.prod, input, dtype, dim, keepdim)


@composite(out=True)
def nansum(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtype_ | None = None
) -> Tensor:
    """The sum over `dim` with NaN as zero; RuntimeError for complex."""
    if input.dtype.is_complex:
        raise RuntimeError("nansum does not support complex inputs; sum the parts' views")
    return sum(F.where(F.isnan(input), 0, input), dim, keepdim, dtype=dtype)


@composite(out=True)
def nanmean(
    input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: dtype_ | None = None
) -> Tensor:
    """The mean over `dim` of what is not NaN."""
    if not input.dtype.is_floating_point:
        raise RuntimeError(f"nanmean(): expected a floating point input, but got {input.dtype}")
    n = F.sum(F.logical_not(F.isnan(input)), dim, keepdim)
    return F.div(nansum(input, dim, keepdim, dtype=dtype), n)


@composite()
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements over `dim` are not zero; int64."""
    return F.sum(F.ne(input, 0), dim)


# ---- the largest and the smallest


@composite(out=True)
def max(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """`max(x)` the largest element; `max(x, dim)` values and indices; `max(x, y)` the maximum.

    Of equal elements along `dim` the first is taken, and it alone gets the gradient.
    """
    if other is not None or isinstance(dim, Tensor):
        return F.maximum(input, dim if other is None else other)
    return F.amax(input) if dim is None else MAX(*F.extreme(input, dim, keepdim, True))


@composite(out=True)
def min(input: Tensor, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """`min(x)` the smallest element; `min(x, dim)` values and indices; `min(x, y)` the minimum."""
    if other is not None or isinstance(dim, Tensor):
        return F.minimum(input, dim if other is None else other)
    return F.amin(input) if dim is None else MIN(*F.extreme(input, dim, keepdim, False))


@composite(out=True)
def aminmax(input: Tensor, *, dim: int | None = None, keepdim: bool = False) -> Any:
    """The smallest and the largest element over `dim`."""
    dims = () if dim is None else dim
    try:
        return AMINMAX(F.amin(input, dims, keepdim), F.amax(input, dims, keepdim))
    except IndexError as error:
        if dim is not None or input.numel():
            raise
        raise RuntimeError(f"aminmax(): cannot compute over an empty dimension: {error}") from None


# ---- spread


def _spread(op: str, doc: str) -> None:
    """`var` and `std`, each alone and with the mean.

    The older form has `unbiased`, also as the first argument, the newer one `correction`.
    """

    def spread(
        input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
        *, correction: float | None = None,
    ) -> Tensor:  # fmt: skip
        if isinstance(dim, bool):
            unbiased, dim = dim, None
        if correction is None:
            correction = 1 if unbiased is None else int(unbiased)
        return getattr(F, op)(input, dim, correction, keepdim)

    def with_mean(
        input: Tensor, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
        *, correction: float | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        out = spread(input, dim, unbiased, keepdim, correction=correction)
        return out, F.mean(input, None if isinstance(dim, bool) else dim, keepdim)

    named(spread, op, "fm", f"{doc} over `dim`, with n - `correction` (default 1).", out=True)
    named(with_mean, f"{op}_mean", "f", f"{doc} and mean over `dim`.")


_spread("var", "Variance")
_spread("std", "Standard deviation")


# ---- cumulative


@composite("fmi", out=True)
def cumsum(input: Tensor, dim: int, *, dtype: dtype_ | None = None) -> Tensor:
    """The running sum along `dim`."""
    return _in_dtype(F.cumsum, input, dtype, dim)


@composite("fmi", out=True)
def cumprod(input: Tensor, dim: int, *, dtype: dtype_ | None = None) -> Tensor:
    """The running product along `dim`."""
    return _in_dtype(F.cumprod, input, dtype, dim)


@composite(out=True)
def cummax(input: Tensor, dim: int) -> Any:
    """The running maximum along `dim` and where it was last met."""
    return pick(input, F.extreme_indices(input, dim, True), dim, True, CUMMAX)


@composite(out=True)
def cummin(input: Tensor, dim: int) -> Any:
    """The running minimum along `dim` and where it was last met."""
    return pick(input, F.extreme_indices(input, dim, False), dim, True, CUMMIN)
