"""Convolutions and transposed convolutions in one to three dimensions."""

from __future__ import annotations

from typing import Any

from .._ops.conv import output_sizes
from .._tensor import F, Tensor
from ._shapes import Sizes, batched, named, per_dim, unbatched


def _times(sizes: Any) -> str:
    return " x ".join(map(str, sizes))


def _check(
    name: str, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, transposed: bool
) -> None:
    """RuntimeError where shapes and dtypes of a convolution do not fit together."""
    size = list(weight.shape)
    if weight.ndim != input.ndim:
        raise RuntimeError(
            f"Expected {input.ndim}-dimensional weight for the {input.ndim}-dimensional input "
            f"{list(input.shape)} of {name}, but got weight of size {size} instead"
        )
    if groups <= 0:
        raise RuntimeError(f"non-positive groups is not supported, got groups={groups}")
    if weight.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size {size} instead"
        )
    channels = weight.shape[0] if transposed else weight.shape[1] * groups
    if input.shape[1] != channels:
        raise RuntimeError(
            f"Given groups={groups}, {'transposed=1, ' * transposed}weight of size {size}, "
            f"expected input{list(input.shape)} to have {channels} channels, but got "
            f"{input.shape[1]} channels instead"
        )
    out = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and tuple(bias.shape) != (out,):
        raise RuntimeError(
            f"Given {'transposed=1, ' * transposed}weight of size {size}, expected bias to be "
            f"1-dimensional with {out} elements, but got bias of size {list(bias.shape)} instead"
        )
    for what, other in (("weight", weight), ("bias", bias)):
        if other is not None and other.dtype is not input.dtype:
            raise RuntimeError(
                f"Input type ({input.dtype}) and {what} type ({other.dtype}) should be the same; "
                "convert one with .to()"
            )


def _positive(name: str, stride: Sizes, padding: Sizes, dilation: Sizes) -> None:
    if min(stride) <= 0:
        raise RuntimeError(f"{name}: non-positive stride is not supported, got {stride}")
    if min(padding) < 0:
        raise RuntimeError(f"{name}: negative padding is not supported, got {padding}")
    if min(dilation) <= 0:
        raise RuntimeError(f"{name}: dilation should be greater than zero, got {dilation}")


def _padding(
    name: str, input: Tensor, padding: Any, kernel: Sizes, stride: Sizes, dilation: Sizes
) -> tuple[Tensor, Sizes]:
    """Symmetric padding; for an uneven "same", the input with the odd element at its ends."""
    if not isinstance(padding, str):
        return input, per_dim(name, "padding", padding, len(kernel))
    if padding == "valid":
        return input, (0,) * len(kernel)
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}'; expected 'same' or 'valid'")
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if any(t % 2 for t in total):
        ends = tuple([end for t in reversed(total) for end in (0, t % 2)])
        input = F.constant_pad_nd(input, ends, 0.0)
    return input, tuple([t // 2 for t in total])


def _conv(
    n: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    dilation: Any, groups: int,
) -> Tensor:  # fmt: skip
    name = f"conv{n}d"
    x = batched(name, input, n)
    _check(name, x, weight, bias, groups, False)
    stride, dilation = per_dim(name, "stride", stride, n), per_dim(name, "dilation", dilation, n)
    kernel = tuple(weight.shape[2:])
    x, pad = _padding(name, x, padding, kernel, stride, dilation)
    _positive(name, stride, pad, dilation)
    if min(output_sizes(x.shape[2:], kernel, stride, pad, dilation)) <= 0:
        span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
        raise RuntimeError(
            "Calculated padded input size per channel: "
            f"({_times(s + 2 * p for s, p in zip(x.shape[2:], pad, strict=True))}). Kernel size: "
            f"({_times(span)}). Kernel size can't be greater than actual input size"
        )
    return unbatched(F.convolution(x, weight, bias, stride, pad, dilation, groups), input)


def _conv_transpose(
    n: int, input: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any,
    output_padding: Any, groups: int, dilation: Any,
) -> Tensor:  # fmt: skip
    name = f"conv_transpose{n}d"
    x = batched(name, input, n)
    _check(name, x, weight, bias, groups, True)
    stride, pad, extra, dilation = (
        per_dim(name, what, value, n)
        for what, value in (
            ("stride", stride), ("padding", padding), ("output_padding", output_padding),
            ("dilation", dilation),
        )
    )  # fmt: skip
    _positive(name, stride, pad, dilation)
    rows = zip(x.shape[2:], weight.shape[2:], stride, pad, extra, dilation, strict=True)
    if any(e >= s and e >= d for s, e, d in zip(stride, extra, dilation, strict=True)):
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got output_padding "
            f"{extra}, stride {stride}, dilation {dilation}"
        )
    sizes = [(m - 1) * s - 2 * p + d * (k - 1) + e + 1 for m, k, s, p, e, d in rows]
    if min(sizes) < 0:
        raise RuntimeError(
            f"Given input size per channel: ({_times(x.shape[2:])}). Calculated output size per "
            f"channel: ({_times(sizes)}). Output size is too small"
        )
    shape = (x.shape[0], weight.shape[1] * groups, *sizes)
    out = F.conv_grad_input(x, weight, shape, stride, pad, dilation, groups)
    if bias is not None:
        out = F.add(out, F.reshape(bias, (-1, *[1] * n)))
    return unbatched(out, input)


def _public(n: int) -> None:
    """`conv{n}d` and `conv_transpose{n}d`."""

    def conv(
        input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        return _conv(n, input, weight, bias, stride, padding, dilation, groups)

    def conv_transpose(
        input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Tensor:  # fmt: skip
        return _conv_transpose(
            n, input, weight, bias, stride, padding, output_padding, groups, dilation
        )

    named(
        conv, f"conv{n}d", "fn",
        f"Convolve (batch, in, {n} sizes) with (out, in / groups, {n} sizes); the batch may be "
        'left out, padding may be "same" or "valid".',
    )  # fmt: skip
    named(
        conv_transpose, f"conv_transpose{n}d", "fn",
        f"The adjoint of conv{n}d: (batch, in, {n} sizes) by (in, out / groups, {n} sizes).",
    )  # fmt: skip


for _n in (1, 2, 3):
    _public(_n)
