"""`pyrite.masked`: reductions and normalisations over the elements that a mask keeps.

What the mask leaves out counts as the operation's identity; a mask broadcasts to the input.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

from .._dtypes import dtype as Dtype
from .._dtypes import iinfo, int64
from .._tensor import F, Tensor
from ._register import composite, named
from .shape import broadcast_to, dims_of

Dims = int | tuple[int, ...] | None


def _kept(input: Tensor, mask: Tensor | None, identity: float) -> Tensor:
    """The input with `identity` (infinities as the dtype has them) where the mask is False."""
    if mask is None:
        return input
    if math.isinf(identity) and not (input.dtype.is_floating_point or input.dtype.is_complex):
        if input.dtype.name == "bool":
            identity = identity > 0
        else:
            limits = iinfo(input.dtype)
            identity = limits.max if identity > 0 else limits.min
    out = F.where(mask, input, identity)
    return out if out.dtype is input.dtype else F.cast(out, input.dtype)


def _start(input: Tensor, dim: Dims, dtype: Dtype | None) -> tuple[Tensor, tuple[int, ...]]:
    """The input in the dtype asked for and the dimensions to reduce."""
    dims = tuple(range(input.ndim)) if dim is None or dim == () else dims_of(input, dim)
    return input if dtype is None else input.to(dtype), dims


def _count(input: Tensor, mask: Tensor | None, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    """How many elements are kept."""
    kept = F.ones_like(input) if mask is None else broadcast_to(mask, tuple(input.shape))
    return F.sum(F.cast(kept, int64), dims, keepdim)


def _reduction(name: str, identity: float, reduce: Callable[..., Any]) -> None:
    """Register a reduction: `reduce(filled, dims, keepdim)`."""

    def function(
        input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Dtype | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        x, dims = _start(input, dim, dtype)
        return reduce(_kept(x, mask, identity), dims, bool(keepdim))

    _register(name, function, f"`{name}` over `dim` of the elements that `mask` keeps.")


def _along(name: str, identity: float, apply: Callable[..., Any]) -> None:
    """Register a function along one dimension: `apply(filled, dim)`."""

    def function(
        input: Tensor, dim: int, *, dtype: Dtype | None = None, mask: Tensor | None = None
    ) -> Tensor:
        x, _ = _start(input, dim, dtype)
        return apply(_kept(x, mask, identity), dim)

    _register(name, function, f"`{name}` along `dim` over the elements that `mask` keeps.")


def _register(name: str, function: Callable[..., Any], doc: str) -> None:
    named(function, name, "", doc, aliases=(f"masked.{name}",), key=f"masked_{name}")


def _prod(x: Any, dims: tuple[int, ...], keepdim: bool) -> Any:
    for d in sorted(dims, reverse=True):
        x = x.prod(d, keepdim)
    return x if dims else x.prod()


_reduction("sum", 0, lambda x, dims, keepdim: x.sum(dims, keepdim))
_reduction("prod", 1, _prod)
_reduction("amax", -math.inf, lambda x, dims, keepdim: F.amax(x, dims, keepdim))
_reduction("amin", math.inf, lambda x, dims, keepdim: F.amin(x, dims, keepdim))
_reduction(
    "logsumexp", -math.inf, lambda x, dims, keepdim: F.logsumexp(x, dims, keepdim).to(x.dtype)
)
_along("cumsum", 0, lambda x, dim: x.cumsum(dim))
_along("cumprod", 1, lambda x, dim: x.cumprod(dim))
_along("softmax", -math.inf, lambda x, dim: x.softmax(dim))
_along("log_softmax", -math.inf, lambda x, dim: x.log_softmax(dim))
_along("softmin", math.inf, lambda x, dim: F.neg(x).softmax(dim))


def _argument(name: str, identity: float) -> None:
    def function(
        input: Tensor, dim: int | None = None, *, keepdim: bool = False,
        dtype: Dtype | None = None, mask: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        x: Any = _kept(_start(input, dim, dtype)[0], mask, identity)
        return getattr(x, name)(dim, bool(keepdim)).to(x.dtype)

    _register(name, function, f"`{name}` of the elements that `mask` keeps.")


_argument("argmax", -math.inf)
_argument("argmin", math.inf)


def _mean(input: Tensor, mask: Tensor | None, dims: tuple[int, ...], keepdim: bool) -> Tensor:
    return F.div(F.sum(_kept(input, mask, 0), dims, keepdim), _count(input, mask, dims, keepdim))


def mean(
    input: Tensor, dim: Dims = None, *, keepdim: bool = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The mean over `dim` of the elements that `mask` keeps; NaN where there are none."""
    x, dims = _start(input, dim, dtype)
    return _mean(x, mask, dims, bool(keepdim))


def var(
    input: Tensor, dim: Dims = None, unbiased: bool | None = None, *,
    correction: float | None = None, keepdim: bool = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The variance over `dim` of the elements that `mask` keeps."""
    x, dims = _start(input, dim, dtype)
    fewer = correction if correction is not None else 1 if unbiased in (None, True) else 0
    away = _kept(F.sub(x, _mean(x, mask, dims, True)), mask, 0)
    count = F.sub(_count(x, mask, dims, bool(keepdim)), fewer)
    return F.div(F.sum(F.mul(away, away), dims, bool(keepdim)), F.clamp(count, 0, None))


def std(*args: Any, **kwargs: Any) -> Tensor:
    """The standard deviation over `dim` of the elements that `mask` keeps."""
    return F.sqrt(var(*args, **kwargs))


std.__signature__ = inspect.signature(var)  # type: ignore[attr-defined]


def norm(
    input: Tensor, ord: float | None = 2.0, dim: Dims = None, *, keepdim: bool = False,
    dtype: Dtype | None = None, mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The vector norm of order `ord` over `dim` of the elements that `mask` keeps."""
    x, dims = _start(input, dim, dtype)
    order = 2.0 if ord is None else ord
    return F.vector_norm(_kept(x, mask, 0 if order >= 0 else math.inf), order, dims, bool(keepdim))


def normalize(
    input: Tensor, ord: float, dim: int, *, eps: float = 1e-12, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The kept elements divided by their norm along `dim`, or by `eps` if that is larger."""
    x, _ = _start(input, dim, dtype)
    length = norm(x, ord, dim, keepdim=True, mask=mask)
    return F.div(_kept(x, mask, 0), F.clamp(length, eps, None))


def median(
    input: Tensor, dim: int = -1, *, keepdim: bool = False, dtype: Dtype | None = None,
    mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The median along `dim` of the elements that `mask` keeps; NaN where there are none."""
    x: Any = _start(input, dim, dtype)[0]
    if mask is None:
        return x.median(dim, bool(keepdim))[0]
    return x.masked_fill(F.logical_not(mask), math.nan).nanmedian(dim, bool(keepdim))[0]


def logaddexp(
    input: Tensor, other: Tensor, *, dtype: Dtype | None = None,
    input_mask: Tensor | None = None, other_mask: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """`logaddexp` of the elements that the masks keep."""
    x, y = (t if dtype is None else t.to(dtype) for t in (input, other))
    return F.logaddexp(_kept(x, input_mask, -math.inf), _kept(y, other_mask, -math.inf))


for _function in (mean, var, std, norm, normalize, median, logaddexp):
    _register(_function.__name__, _function, _function.__doc__ or "")


# ---- the masks of results

_KEEPS_SHAPE = ("cumprod", "cumsum", "log_softmax", "normalize", "softmax", "softmin")


@composite("", aliases=("masked._input_mask",))
def _input_mask(input: Tensor, *args: Any, mask: Tensor | None = None, **kwargs: Any) -> Tensor:
    """The mask of a call, broadcast to the input; True where none was given."""
    return F.eq(F.zeros_like(input), 0) if mask is None else broadcast_to(mask, tuple(input.shape))


@composite("", aliases=("masked._output_mask",))
def _output_mask(op: Callable[..., Any], input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Where a call's result is defined: where any element of what it reduced was kept."""
    mask: Any = _input_mask(input, mask=kwargs.get("mask"))
    if op.__name__ in _KEEPS_SHAPE:
        return mask
    args = args[1:] if op.__name__ == "norm" else args
    _, dims = _start(input, args[0] if args else kwargs.get("dim"), None)
    return mask.any(dims, bool(kwargs.get("keepdim"))) if dims else mask
