"""Pooling functions in one to three dimensions."""

from __future__ import annotations

from math import prod
from typing import Any

from .._dtypes import int64
from .._ops.pool import pooled_sizes
from .._tensor import F, Tensor
from ._register import composite, named
from ._shapes import Sizes, batched, per_dim, unbatched
from .random import rand
from .shape import reshape

Indexed = tuple[Tensor, Tensor]


def _steps(name: str, n: int, kernel: Any, stride: Any, padding: Any) -> tuple[Sizes, ...]:
    """Kernel, stride (the kernel's size by default) and padding per dimension."""
    stride = kernel if stride is None or stride in ((), []) else stride
    rows = (("kernel_size", kernel), ("stride", stride), ("padding", padding))
    return tuple([per_dim(name, argument, value, n) for argument, value in rows])


def _window(
    name: str, input: Tensor, n: int, kernel: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool,
) -> tuple[Sizes, Sizes, Sizes, Sizes]:  # fmt: skip
    """Kernel, stride, padding and dilation per dimension, checked as torch checks them."""
    kernel, stride, padding = _steps(name, n, kernel, stride, padding)
    dilation = per_dim(name, "dilation", dilation, n)
    for what, value in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if min(value) <= 0:
            raise RuntimeError(f"{name}: {what} should be greater than zero, but got {value}")
    if min(padding) < 0:
        raise RuntimeError(f"{name}: pad must be non-negative, but got pad: {padding}")
    if any(2 * p > d * (k - 1) + 1 for p, k, d in zip(padding, kernel, dilation, strict=True)):
        raise RuntimeError(
            f"{name}: pad should be at most half of effective kernel size, but got pad={padding}, "
            f"kernel_size={kernel} and dilation={dilation}"
        )
    sizes = pooled_sizes(input.shape[-n:], kernel, stride, padding, dilation, ceil_mode)
    if min(sizes) <= 0:
        raise RuntimeError(
            f"Given input size: {list(input.shape)}. Calculated output size of {name}: "
            f"{list(sizes)}. Output size is too small: use a smaller kernel_size {kernel}, or "
            "padding"
        )
    return kernel, stride, padding, dilation


def _filled(name: str, x: Tensor) -> None:
    if not all(x.shape[1:]):
        raise RuntimeError(
            f"{name}: Expected input's non-batch dimensions to have positive length, but input has "
            f"a shape of {list(x.shape)}"
        )


def _max_pool(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, dilation: Any,
    ceil_mode: bool, return_indices: bool,
) -> Any:  # fmt: skip
    name = f"max_pool{n}d"
    x = batched(name, input, n)
    _filled(name, x)
    window = _window(name, x, n, kernel_size, stride, padding, dilation, ceil_mode)
    x, window = _planes(x, window)
    if n == 3 or return_indices:
        op = F.max_pool3d if n == 3 else F.max_pool2d_with_indices
        results = tuple(op(x, *window, ceil_mode))
    else:
        results = (F.max_pool2d(x, *window, ceil_mode),)
    results = tuple([_result(r, input, n) for r in results])
    return results if return_indices else results[0]


def _planes(x: Tensor, window: tuple[Sizes, ...]) -> tuple[Tensor, tuple[Sizes, ...]]:
    """A pooling over one dimension as one over planes of height 1."""
    if x.ndim > 3:
        return x, window
    x = reshape(x, (*x.shape[:2], 1, x.shape[2]))
    return x, tuple([(fill, *v) for fill, v in zip((1, 1, 0, 1), window)])


def _result(out: Tensor, like: Tensor, n: int) -> Tensor:
    """The result of `_planes` with the dimensions of the call's input."""
    return unbatched(F.reshape(out, (*out.shape[:2], out.shape[3])) if n == 1 else out, like)


def _avg_pool(
    n: int, input: Tensor, kernel_size: Any, stride: Any, padding: Any, ceil_mode: bool,
    count_include_pad: bool, divisor_override: int | None,
) -> Tensor:  # fmt: skip
    name = f"avg_pool{n}d"
    x = batched(name, input, n)
    _filled(name, x)
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    window = _window(name, x, n, kernel_size, stride, padding, 1, ceil_mode)[:3]
    x, window = _planes(x, window)
    out = F.avg_pool2d(x, *window, ceil_mode, count_include_pad, divisor_override)
    return _result(out, input, n)


# ---- adaptive: each output covers [floor(i n / m), ceil((i + 1) n / m)) of n elements


def _parts(x: Tensor, dim: int, m: int) -> list[Tensor]:
    """The stretch of `dim` behind each of `m` outputs."""
    n = x.shape[dim]
    lead = (slice(None),) * dim
    return [F.slice(x, (*lead, slice(i * n // m, -(-(i + 1) * n // m)))) for i in range(m)]


def _adaptive(name: str, input: Tensor, output_size: Any, n: int) -> tuple[Tensor, Sizes]:
    """The input with a batch, and the output size with the input's where None is given."""
    if n > 1 and input.ndim <= n:
        raise ValueError(f"Input dimension should be at least {n + 1}, got {input.ndim} in {name}")
    x = batched(name, input, n)
    _filled(name, x)
    value = (output_size,) * n if output_size is None else output_size
    if isinstance(value, list | tuple):
        if len(value) != n:
            raise RuntimeError(f"{name}: output_size must have {n} elements, got {output_size}")
        value = [x.shape[2 + i] if v is None else v for i, v in enumerate(value)]
    sizes = per_dim(name, "output_size", value, n)
    if min(sizes) < 0:
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0, but got {sizes}"
        )
    return x, sizes


def _even(x: Tensor, sizes: Sizes) -> Sizes | None:
    """The window size if the outputs divide the input evenly."""
    rows = [(k // m, k % m) if m else (0, 1) for k, m in zip(x.shape[2:], sizes, strict=True)]
    return None if any(rest for _, rest in rows) else tuple([size for size, _ in rows])


def _join(x: Tensor, parts: list[Tensor], dim: int) -> Tensor:
    return F.cat(parts, dim) if parts else F.slice(x, (*[slice(None)] * dim, slice(0, 0)))


def adaptive_avg(n: int, input: Tensor, output_size: Any) -> Tensor:
    x, sizes = _adaptive(f"adaptive_avg_pool{n}d", input, output_size, n)
    window = _even(x, sizes)
    if window is not None and prod(sizes) == 1:
        x = F.mean(x, tuple(range(2, n + 2)), True)
    elif window is not None:
        x = _avg_pool(n, x, window, window, 0, False, True, None)
    else:
        for dim, m in enumerate(sizes, 2):
            x = _join(x, [F.mean(p, dim, True) for p in _parts(x, dim, m)], dim)
    return unbatched(x, input)


def _adaptive_max(n: int, input: Tensor, output_size: Any) -> Indexed:
    x, sizes = _adaptive(f"adaptive_max_pool{n}d", input, output_size, n)
    window = _even(x, sizes)
    if window is not None:
        x, place = _max_pool(n, x, window, window, 0, 1, False, True)
    else:
        place = F.arange(0, prod(x.shape[2:]), 1, int64, device=x.device)
        place = F.expand(F.reshape(place, x.shape[2:]), x.shape)
        # From the last dimension on, so that of equal values the first in the plane is kept.
        for dim in range(n + 1, 1, -1):
            m = sizes[dim - 2]
            best = [F.argmax(part, dim, True) for part in _parts(x, dim, m)]
            x, place = (
                _join(y, [F.gather(p, dim, b) for p, b in zip(_parts(y, dim, m), best)], dim)
                for y in (x, place)
            )
    return unbatched(x, input), unbatched(place, input)


def _unpool(n: int) -> None:
    """`max_unpool{n}d`."""
    name = f"max_unpool{n}d"

    def max_unpool(
        input: Tensor, indices: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
        output_size: Any = None,
    ) -> Tensor:  # fmt: skip
        if indices.shape != input.shape:
            raise RuntimeError(
                "Expected shape of indices to be same as that of the input tensor "
                f"({list(input.shape)}) but got indices tensor with shape: {list(indices.shape)}"
            )
        x, places = batched(name, input, n), batched(name, indices, n)
        kernel, stride, pad = _steps(name, n, kernel_size, stride, padding)
        rows = zip(x.shape[2:], kernel, stride, pad, strict=True)
        sizes = tuple([(m - 1) * s + k - 2 * p for m, k, s, p in rows])
        if output_size is not None:
            wanted = tuple(output_size)[-n:]
            if any(abs(w - m) >= s for w, m, s in zip(wanted, sizes, stride, strict=True)):
                raise ValueError(
                    f"invalid output_size {list(output_size)}: each size must be less than the "
                    f"stride {stride} away from the default {list(sizes)}"
                )
            sizes = wanted
        where = places.array
        if where.size and not 0 <= where.min().item() <= where.max().item() < prod(sizes):
            raise RuntimeError(
                f"Found an invalid max index: indices must lie in [0, {prod(sizes)}) for an output "
                f"of size {list(sizes)}"
            )
        lead = tuple(x.shape[:2])
        flat = F.full((*lead, prod(sizes)), 0.0, x.dtype, device=x.device)
        rows = [reshape(t, (*lead, prod(x.shape[2:]))) for t in (places, x)]
        return unbatched(F.reshape(F.scatter(flat, 2, *rows), (*lead, *sizes)), input)

    named(max_unpool, name, "n", "Values at their places in the plane, zeros elsewhere.")


# ---- fractional: windows whose distances are drawn (Graham 2014)


def _starts(sizes: Sizes, out: Sizes, kernel: Sizes, samples: Tensor) -> list[Tensor]:
    """Where the windows of each dimension start: (batch, channels, out size) each, int64."""
    starts = []
    for d, (n, m, k) in enumerate(zip(sizes, out, kernel, strict=True)):
        at = 1 - d if len(sizes) == 2 else d  # torch's order of the samples
        u = F.slice(samples, (slice(None), slice(None), slice(at, at + 1)))
        step = (n - k) / (m - 1) if m > 1 else 0.0
        i = F.arange(0, m, 1, samples.dtype, device=samples.device)
        start = F.sub(F.trunc(F.mul(F.add(i, u), step)), F.trunc(F.mul(u, step)))
        starts.append(F.cast(F.where(F.eq(i, m - 1), float(n - k), start), int64))
    return starts


def _fractional_size(name: str, input: Tensor, n: int, size: Any, ratio: Any) -> Sizes:
    """The output size, given or as a ratio of the input's."""
    if size is None and ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    if size is not None:
        return per_dim(name, "output_size", size, n)
    ratios = tuple(ratio) if isinstance(ratio, list | tuple) else (ratio,) * n
    if len(ratios) != n:
        raise ValueError(f"{name} requires output_ratio to be one number or {n}, got {ratio}")
    return tuple([int(s * r) for s, r in zip(input.shape[-n:], ratios, strict=True)])


def _fractional(
    n: int, input: Tensor, kernel_size: Any, output_size: Any, output_ratio: Any,
    samples: Tensor | None,
) -> Indexed:  # fmt: skip
    name = f"fractional_max_pool{n}d"
    out = _fractional_size(name, input, n, output_size, output_ratio)
    kernel = per_dim(name, "kernel_size", kernel_size, n)
    x = batched(name, input, n)
    _filled(name, x)
    sizes, lead = tuple(x.shape[2:]), tuple(x.shape[:2])
    if any(m < 1 or k < 1 or m + k - 1 > s for s, m, k in zip(sizes, out, kernel, strict=True)):
        raise RuntimeError(
            f"{name}(): kernel_size {kernel} is too large relative to the input: output sizes "
            f"{out} plus kernel_size minus 1 must not be above the input's sizes {sizes}"
        )
    if samples is None:
        samples = rand(*lead, n, dtype=x.dtype, device=x.device)
    elif (
        samples.ndim != 3 or samples.shape[0] < lead[0] or tuple(samples.shape[1:]) != (lead[1], n)
    ):
        raise RuntimeError(
            f"{name}: expected _random_samples of size {[*lead, n]}, got {list(samples.shape)}"
        )
    samples = F.slice(samples, (slice(0, lead[0]),))
    places: Any = F.full((1,) * (2 + 2 * n), 0, int64, device=x.device)
    for d, start in enumerate(_starts(sizes, out, kernel, samples)):
        # Axes: batch, channels, then output and element of the window for each dimension.
        ones = [1] * n
        start = F.reshape(start, (*lead, *ones[:d], out[d], *ones[d + 1 :], *ones))
        element = F.arange(0, kernel[d], 1, int64, device=x.device)
        element = F.reshape(element, (kernel[d], *ones[d + 1 :]))
        places = F.add(F.mul(places, sizes[d]), F.add(start, element))
    places = F.reshape(places, (*lead, prod(out), prod(kernel)))
    flat = F.reshape(x, (*lead, prod(sizes)))
    seen = F.gather(flat.detach(), 2, F.reshape(places, (*lead, prod(out) * prod(kernel))))
    best = F.argmax(F.reshape(seen, places.shape), 3, True)
    places = F.reshape(F.gather(places, 3, best), (*lead, prod(out)))
    results = [F.reshape(t, (*lead, *out)) for t in (F.gather(flat, 2, places), places)]
    return unbatched(results[0], input), unbatched(results[1], input)


def _public(n: int) -> None:
    """The functions of `n` dimensions under torch's names."""
    over = f"over the last {n} dimensions of (batch, channels, ...)"

    def avg_pool(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0,
        ceil_mode: bool = False, count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Tensor:  # fmt: skip
        how = (ceil_mode, count_include_pad, divisor_override)
        return _avg_pool(n, input, kernel_size, stride, padding, *how)

    def max_pool(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = False,
    ) -> Any:  # fmt: skip
        window = (kernel_size, stride, padding, dilation)
        return _max_pool(n, input, *window, ceil_mode, return_indices)

    def with_indices(
        input: Tensor, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
        ceil_mode: bool = False, return_indices: bool = True,
    ) -> Any:  # fmt: skip
        return max_pool(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    def adaptive_avg_pool(input: Tensor, output_size: Any) -> Tensor:
        return adaptive_avg(n, input, output_size)

    def adaptive_max_pool(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
        results = _adaptive_max(n, input, output_size)
        return results if return_indices else results[0]

    def adaptive_with_indices(input: Tensor, output_size: Any, return_indices: bool = True) -> Any:
        return _adaptive_max(n, input, output_size)

    def fractional_max_pool(
        input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
        return_indices: bool = False, _random_samples: Tensor | None = None,
    ) -> Any:  # fmt: skip
        how = (kernel_size, output_size, output_ratio, _random_samples)
        results = _fractional(n, input, *how)
        return results if return_indices else results[0]

    def fractional_with_indices(
        input: Tensor, kernel_size: Any, output_size: Any = None, output_ratio: Any = None,
        return_indices: bool = True, _random_samples: Tensor | None = None,
    ) -> Any:  # fmt: skip
        return _fractional(n, input, kernel_size, output_size, output_ratio, _random_samples)

    def lp_pool(
        input: Tensor, norm_type: float, kernel_size: Any, stride: Any = None,
        ceil_mode: bool = False,
    ) -> Tensor:  # fmt: skip
        count = prod(per_dim(f"lp_pool{n}d", "kernel_size", kernel_size, n))
        powers = F.pow(input, norm_type)
        mean = _avg_pool(n, powers, kernel_size, stride, 0, ceil_mode, True, None)
        total = F.mul(F.mul(F.sign(mean), F.relu(F.abs(mean))), count)
        return F.pow(total, 1.0 / norm_type)

    top, place = "fn" if n == 1 else "n", "its place in the plane"
    for function, name, public, doc in (
        (avg_pool, "avg_pool", top, f"Mean of each window {over}."),
        (max_pool, "max_pool", "fn",
         f"Maximum of each window {over}; `return_indices`: also {place}."),
        (with_indices, "max_pool{}_with_indices", top,
         f"Maximum of each window {over}, and {place}."),
        (adaptive_avg_pool, "adaptive_avg_pool", top,
         f"Mean {over}, cut into `output_size` parts."),
        (adaptive_max_pool, "adaptive_max_pool", "n",
         f"Maximum {over}, cut into `output_size` parts; `return_indices`: also {place}."),
        (adaptive_with_indices, "adaptive_max_pool{}_with_indices", "n",
         f"Maximum {over}, cut into `output_size` parts, and {place}."),
        (fractional_max_pool, "fractional_max_pool", "n", f"Maximum of drawn windows {over}."),
        (fractional_with_indices, "fractional_max_pool{}_with_indices", "n",
         f"Maximum of drawn windows {over}, and {place}."),
        (lp_pool, "lp_pool", "n", f"(sum x**p)**(1/p) of each window {over}."),
    ):  # fmt: skip
        if n == 1 and "fractional" in name:
            continue
        full = name.format(f"{n}d") if "{}" in name else f"{name}{n}d"
        named(function, full, public, doc, out=function is avg_pool and n > 1)


for _n in (1, 2, 3):
    _public(_n)
    _unpool(_n)


@composite(public="f", name="adaptive_max_pool1d")
def torch_adaptive_max_pool1d(input: Tensor, output_size: Any) -> Indexed:
    """Maximum of `output_size` parts of (batch, channels, length), and its place."""
    return _adaptive_max(1, input, output_size)
