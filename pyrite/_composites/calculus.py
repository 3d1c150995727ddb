"""Differences, slopes and integrals of samples along a dimension."""

from __future__ import annotations

from typing import Any

from .._errors import wrap_dim
from .._tensor import F, Tensor
from ._register import composite
from .create import zeros
from .shape import dims_of


@composite()
def gradient(
    input: Tensor, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The slope of samples along each of `dim` (all): central differences, one-sided at the edges.

    Args:
        input: the samples.
        spacing: the step, one number per dimension, or one tensor of coordinates per dimension.
        dim: an int or several.
        edge_order: 1 or 2, the order of the formula at the edges.
    """
    dims = tuple(range(input.ndim)) if dim is None else dims_of(input, dim)
    spacing = 1 if spacing is None else spacing
    steps = spacing if isinstance(spacing, tuple | list) else [spacing] * len(dims)
    if len(steps) != len(dims):
        raise RuntimeError(
            "gradient expected spacing to be unspecified, a number, or one per dimension: "
            f"{len(dims)}, but got {len(steps)}"
        )
    if edge_order not in (1, 2):
        raise RuntimeError("gradient only supports edge_order=1 and edge_order=2.")
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"dim {dims} appears multiple times in the list of dims")
    if any(input.shape[d] < edge_order + 1 for d in dims):
        raise RuntimeError("gradient expected each dimension size to be at least edge_order+1")
    return tuple([_slope(input, d, s, edge_order) for d, s in zip(dims, steps)])


def _slope(x: Tensor, dim: int, step: Any, edge_order: int) -> Tensor:
    n, kind = x.shape[dim], x.dtype
    if isinstance(step, Tensor):
        if step.ndim != 1 or step.shape[0] != n:
            raise RuntimeError(
                "gradient expected each tensor of spacing to be 1-dimensional with as many "
                f"elements as the dimension: expected {n}, got shape {list(step.shape)}"
            )
        gaps = F.view(diff(step), (-1,) + (1,) * (x.ndim - 1 - dim))
    else:
        gaps = (
            zeros(
                (n - 1,) + (1,) * (x.ndim - 1 - dim),
                device=x.device,
                dtype=kind if kind.is_floating_point else None,
            )
            + step
        )
    d = dim - x.ndim
    first, last = gaps.narrow(d, 0, 1), gaps.narrow(d, n - 2, 1)
    rise = F.div(diff(x, dim=dim), gaps)
    before, after = gaps.narrow(d, 0, n - 2), gaps.narrow(d, 1, n - 2)
    inner = (rise.narrow(dim, 0, n - 2) * after + rise.narrow(dim, 1, n - 2) * before) / (
        before + after
    )
    left, right = rise.narrow(dim, 0, 1), rise.narrow(dim, n - 2, 1)
    if edge_order == 2:
        left = left + (left - rise.narrow(dim, 1, 1)) * first / (first + gaps.narrow(d, 1, 1))
        right = right + (right - rise.narrow(dim, n - 3, 1)) * last / (
            last + gaps.narrow(d, n - 3, 1)
        )
    return F.cat([left, inner, right], dim)


def _along(x: Tensor, dim: int, start: int | None, stop: int | None) -> Tensor:
    return F.slice(x, (slice(None),) * wrap_dim(dim, x.ndim) + (slice(start, stop),))


@composite(out=True)
def diff(
    input: Tensor, n: int = 1, dim: int = -1, prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """The difference of neighbours along `dim`, `n` times; RuntimeError for 0-d tensors."""
    if not input.ndim:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    parts = [x for x in (prepend, input, append) if x is not None]
    out = F.cat(parts, dim) if n and len(parts) > 1 else input
    minus = F.logical_xor if out.dtype.name == "bool" else F.sub
    for _ in range(n):
        out = minus(_along(out, dim, 1, None), _along(out, dim, None, -1))
    return out if n else F.clone(out)


@composite("f", aliases=("trapz",))
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1) -> Tensor:
    """The integral of `y` along `dim` by the trapezoid rule, over points `x` or steps `dx`."""
    return F.sum(_trapezoids(y, x, dx, dim), dim)


@composite("f")
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: float = 1, dim: int = -1
) -> Tensor:
    """The running integral of `y` along `dim` by the trapezoid rule."""
    return F.cumsum(_trapezoids(y, x, dx, dim), dim)


def _trapezoids(y: Tensor, x: Tensor | None, dx: float, dim: int) -> Tensor:
    both = F.mul(F.add(_along(y, dim, 1, None), _along(y, dim, None, -1)), 0.5)
    if x is None:
        return F.mul(both, dx)
    if x.ndim == 1:
        x = F.reshape(x, (-1,) + (1,) * (y.ndim - 1 - wrap_dim(dim, y.ndim)))
        return F.mul(both, diff(x, dim=0))
    return F.mul(both, diff(x, dim=dim))
