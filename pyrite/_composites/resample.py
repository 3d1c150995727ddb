"""Interpolation to other sizes, and sampling at coordinates."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from functools import partial, reduce
from itertools import product
from typing import Any

from .._dtypes import float64, int64
from .._tensor import F, Tensor
from ._register import composite, named
from .pool import adaptive_avg
from .shape import reshape

# ---- interpolation

# Each mode's name in the table, and the numbers of spatial dimensions it is for.
_MODES: dict[str, tuple[str, tuple[int, ...]]] = {
    "nearest": ("nearest", (1, 2, 3)), "nearest-exact": ("nearest-exact", (1, 2, 3)),
    "area": ("area", (1, 2, 3)), "linear": ("linear", (1,)), "bilinear": ("linear", (2,)),
    "trilinear": ("linear", (3,)), "bicubic": ("cubic", (2,)), "lanczos": ("lanczos", (2,)),
}  # fmt: skip
_SMOOTH = ("bilinear", "bicubic", "lanczos")  # the modes with antialias


def _check_mode(input: Tensor, mode: str, align_corners: bool | None, antialias: bool) -> None:
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear "
            f"| bicubic | trilinear; got mode {mode!r}: leave align_corners out"
        )
    if antialias and (mode not in _SMOOTH or input.ndim != 4):
        raise ValueError(
            "Anti-alias option is restricted to bilinear, bicubic, and lanczos modes and requires "
            f"a 4-D tensor as input; got mode {mode!r} and {input.ndim} dimensions"
        )
    dims = _MODES.get(mode, ("", ()))[1]
    if input.ndim - 2 not in dims:
        wanted = " or ".join(f"{d + 2}D" for d in dims)
        raise NotImplementedError(
            f"Got {input.ndim}D input, but {mode} mode needs {wanted} input"
            if dims
            else f"Input Error: got mode {mode!r}; expected one of {' | '.join(_MODES)}"
        )
    if mode == "lanczos" and (align_corners or not antialias):
        raise ValueError("Lanczos mode requires antialias=True and no align_corners")


def _per_dim(what: str, value: Any, input: Tensor) -> list[Any]:
    """`value` for each spatial dimension."""
    n = input.ndim - 2
    if not isinstance(value, list | tuple):
        return [value] * n
    if len(value) != n:
        raise ValueError(
            "Input and output must have the same number of spatial dimensions, but got input with "
            f"spatial dimensions of {list(input.shape[2:])} and {what} of {value}; expected {n} "
            "numbers"
        )
    return list(value)


@composite(public="n")
def interpolate(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None, recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Tensor:  # fmt: skip
    """Resize the spatial dimensions of (batch, channels, ...) to `size` or by `scale_factor`.

    Args:
        mode: nearest, nearest-exact, area (means), linear, bilinear or trilinear (1 to 3
            dimensions), bicubic; lanczos with `antialias`.
        align_corners: whether the centres of the corner elements coincide, not their corners.
        recompute_scale_factor: use the ratio of the sizes, not the factor that was given.
        antialias: in making smaller, take in all elements (bilinear, bicubic, lanczos).
    """
    _check_mode(input, mode, align_corners, antialias)
    if (size is None) == (scale_factor is None):
        few = "either size or scale_factor should be defined"
        raise ValueError(few if size is None else f"only one of {few[7:]}")
    scales: list[Any] = [None] * (input.ndim - 2)
    if size is not None:
        sizes = _per_dim("output size", size, input)
        if recompute_scale_factor:
            raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
        if not all(hasattr(s, "__index__") for s in sizes):
            raise TypeError(f"expected size to be an int or a tuple of ints, but got {size}")
    else:
        factors = _per_dim("scale_factor", scale_factor, input)
        sizes = [math.floor(n * f) for n, f in zip(input.shape[2:], factors, strict=True)]
        if not recompute_scale_factor and mode != "area":
            scales = [float(f) for f in factors]
    if min(*sizes, *input.shape[1:]) <= 0:
        raise RuntimeError(
            f"Input and output sizes should be greater than 0, but got input {list(input.shape)} "
            f"and output size {sizes}"
        )
    if mode == "area":
        return adaptive_avg(len(sizes), input, tuple(sizes))
    scheme = (_MODES[mode][0], bool(align_corners), antialias)
    return F.resample(input, tuple([int(s) for s in sizes]), tuple(scales), *scheme)


def _old(name: str, **fixed: Any) -> None:
    """An old name of `interpolate`."""

    def function(input: Tensor, size: Any = None, scale_factor: Any = None, **how: Any) -> Tensor:
        warnings.warn(
            f"`nn.functional.{name}` is deprecated. Use `nn.functional.interpolate` instead.",
            stacklevel=2,
        )
        return interpolate(input, size, scale_factor, **how, **fixed)

    named(function, name, "n", "`interpolate` under an old name; warns.")


_old("upsample_nearest", mode="nearest")
_old("upsample_bilinear", mode="bilinear", align_corners=True)


@composite(public="n")
def upsample(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """`interpolate` under an old name; warns."""
    warnings.warn(
        "`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.",
        stacklevel=2,
    )
    return interpolate(input, size, scale_factor, mode, align_corners)


# ---- sampling at coordinates: -1 and 1 are the borders (or the corner elements' centres)


def _aligned(align_corners: bool | None) -> bool:
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since "
            "1.3.0. Please specify align_corners=True if the old behavior is desired. See the "
            "documentation of grid_sample for details.",
            stacklevel=3,
        )
    return bool(align_corners)


@composite(public="n")
def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Coordinates for `grid_sample` under affine maps `theta` (batch, n, n + 1), n = 2 or 3.

    `size` is that of the result to sample, (batch, channels, n sizes); gives (batch, n sizes, n).
    """
    align_corners = _aligned(align_corners)
    n = len(size) - 2
    if not theta.dtype.is_floating_point:
        raise ValueError(f"Expected theta to have floating point type, but got {theta.dtype}")
    if n not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, "
            f"respectively. Got size {list(size)}."
        )
    if tuple(theta.shape[1:]) != (n, n + 1) or theta.ndim != 3:
        raise ValueError(
            f"Expected a batch of {n}D affine matrices of shape Nx{n}x{n + 1} for size "
            f"{list(size)}. Got {list(theta.shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {list(size)}")
    space = tuple(size[2:])
    columns = []
    for d in range(n - 1, -1, -1):
        m = space[d]
        edge = 1.0 if align_corners and m > 1 else (m - 1) / m * (not align_corners)
        line = F.linspace(-edge, edge, m, theta.dtype, device=theta.device)
        columns.append(F.expand(F.reshape(line, (m, *[1] * (n - 1 - d))), space))
    columns.append(F.full(space, 1.0, theta.dtype, device=theta.device))
    base = F.reshape(F.stack(columns, -1), (-1, n + 1))
    return F.reshape(F.matmul(base, F.permute(theta, (0, 2, 1))), (size[0], *space, n))


def _reflected(x: Tensor, low: float, high: float) -> Tensor:
    """`x` thrown back at both ends of [low, high] until it lies inside."""
    span = high - low
    if span <= 0:
        return F.mul(x, 0.0)
    x = F.abs(F.sub(x, low))
    turns = F.floor(F.div(x.detach(), span))
    rest = F.sub(x, F.mul(turns, span))
    even = F.eq(F.remainder(turns, 2), 0)
    return F.add(F.where(even, rest, F.sub(span, rest)), low)


def _inside(x: Tensor, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    """Coordinates moved to [0, size - 1] (NaN to 0), with no gradient where they are cut off."""
    if padding_mode == "zeros":
        return x
    if padding_mode == "reflection":
        x = _reflected(x, 0.0, size - 1.0) if align_corners else _reflected(x, -0.5, size - 0.5)
    return F.hardtanh(F.where(F.eq(x, x), x, 0.0), 0.0, size - 1.0)


def _keys(t: Tensor, distance: int) -> Tensor:
    """Weight, by Keys' cubic with -3/4, of the tap `distance` (-1, 0, 1, 2) from the floor."""
    a = -0.75
    x = F.sub(t, distance) if distance < 1 else F.sub(distance, t)
    if distance in (0, 1):
        return F.add(F.mul(F.mul(F.sub(F.mul(x, a + 2), a + 3), x), x), 1.0)
    return F.sub(F.mul(F.add(F.mul(F.sub(F.mul(x, a), 5 * a), x), 8 * a), x), 4 * a)


def _axis_taps(
    at: Tensor, size: int, mode: str, padding_mode: str, align_corners: bool
) -> list[tuple[Tensor, Tensor]]:
    """Index and weight of each element that a coordinate (in -1 to 1) of one dimension reads."""
    if align_corners:
        at = F.mul(F.add(at, 1.0), (size - 1) / 2)
    else:
        # Rounded once: between distant elements a place's last bit shows in the value.
        wide = F.mul(F.cast(F.add(at, 1.0), float64), size / 2)
        at = F.cast(F.sub(wide, 0.5), at.dtype)
    move = partial(_inside, size=size, padding_mode=padding_mode, align_corners=align_corners)
    if mode != "bicubic":
        at = move(at)
    first = F.floor(at.detach())
    rest = F.sub(at, first)
    if mode == "nearest":
        near = F.round(at.detach())
        taps = [(near, F.ones_like(near))]
    elif mode == "bilinear":
        taps = [(first, F.sub(1.0, rest)), (F.add(first, 1.0), rest)]
    else:
        taps = [(move(F.add(first, float(i))), _keys(rest, i)) for i in (-1, 0, 1, 2)]
    return [_bounded(place, weight, size) for place, weight in taps]


def _bounded(place: Tensor, weight: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """The place as an index, and the weight, 0 outside of the input."""
    inside = F.logical_and(F.ge(place, 0.0), F.le(place, size - 1.0))
    index = F.cast(F.where(inside, place, 0.0), int64)
    return index, F.mul(weight, F.cast(inside, weight.dtype))


def _check_grid(input: Tensor, grid: Tensor, mode: str, padding_mode: str) -> None:
    for what, value, known in (
        ("mode", mode, ("bilinear", "nearest", "bicubic")),
        ("padding_mode", padding_mode, ("zeros", "border", "reflection")),
    ):
        if value not in known:
            raise ValueError(
                f"nn.functional.grid_sample(): expected {what} to be one of {known}, but got: "
                f"'{value}'"
            )
    n = input.ndim - 2
    shapes = f"input of size {list(input.shape)} and grid of size {list(grid.shape)}"
    if n not in (2, 3) or grid.ndim != input.ndim or grid.shape[-1] != n:
        raise RuntimeError(
            "grid_sampler(): expected a 4D or 5D input and a grid with the same number of "
            f"dimensions that ends with one coordinate per spatial dimension, but got {shapes}"
        )
    if grid.shape[0] != input.shape[0]:
        raise RuntimeError(
            f"grid_sampler(): expected grid and input to have same batch size, but got {shapes}"
        )
    if not all(input.shape[2:]):
        raise RuntimeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but got "
            f"input of size {list(input.shape)}"
        )
    if n == 3 and mode == "bicubic":
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype is not grid.dtype:
        raise RuntimeError(
            "grid_sampler(): expected input and grid to have same dtype, but input has "
            f"{input.dtype} and grid has {grid.dtype}; convert one with .to(dtype)"
        )


@composite(public="n")
def grid_sample(
    input: Tensor, grid: Tensor, mode: str = "bilinear", padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:  # fmt: skip
    """Read `input` (batch, channels, n sizes) at the coordinates of `grid` (batch, m sizes, n).

    Coordinates are given last dimension first (x, y, z); -1 and 1 are the borders, or under
    `align_corners` the centres of the corner elements.

    Args:
        mode: bilinear (also in 3-D), nearest, or bicubic (2-D).
        padding_mode: what lies outside: zeros, the border's values, or the reflection.
    """
    align_corners = _aligned(align_corners)
    _check_grid(input, grid, mode, padding_mode)
    batch, channels, *sizes = input.shape
    plane = math.prod(sizes)
    lead = F.arange(0, batch * plane, plane, int64, device=input.device)
    lead = F.reshape(lead, (batch, *[1] * len(sizes)))
    taps = [
        _axis_taps(at, size, mode, padding_mode, align_corners)
        for at, size in zip(F.unbind(grid, -1)[::-1], sizes, strict=True)
    ]
    rows = reshape(F.permute(input, (0, *range(2, input.ndim), 1)), (batch * plane, channels))
    out: Any = None
    for combination in product(*taps):
        index = reduce(
            lambda flat, each: F.add(F.mul(flat, each[1]), each[0][0]),
            zip(combination[1:], sizes[1:], strict=True),
            combination[0][0],
        )
        weight = reduce(F.mul, [w for _, w in combination])
        read = F.embedding(rows, F.add(index, lead))
        part = F.mul(read, F.reshape(weight, (*weight.shape, 1)))
        out = part if out is None else F.add(out, part)
    return F.permute(out, (0, out.ndim - 1, *range(1, out.ndim - 1)))


@composite(public="f")
def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """`nn.functional.affine_grid`."""
    return affine_grid(theta, size, align_corners)


@composite(public="f")
def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """`nn.functional.grid_sample` with the modes as numbers."""
    mode = ("bilinear", "nearest", "bicubic")[interpolation_mode]
    padding = ("zeros", "border", "reflection")[padding_mode]
    return grid_sample(input, grid, mode, padding, align_corners)
