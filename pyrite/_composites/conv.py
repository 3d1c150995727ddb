"""Convolutions and transposed convolutions in one to three dimensions, and their windows."""

from __future__ import annotations

from math import prod
from typing import Any

from .._ops.conv import output_sizes
from .._tensor import F, Tensor
from ._register import composite, named
from ._shapes import Sizes, batched, per_dim, unbatched


def _times(sizes: Any) -> str:
    return " x ".join(map(str, sizes))


def _check(
    name: str, input: Tensor, weight: Tensor, bias: Tensor | None, groups: int, transposed: bool
) -> None:
    """RuntimeError where shapes and dtypes of a convolution do not fit together."""
    size, shape = list(weight.shape), list(input.shape)

    def given() -> str:
        kind = "transposed=1, " * transposed
        return f"Given groups={groups}, {kind}weight of size {size}, expected"

    if weight.ndim != input.ndim:
        raise RuntimeError(
            f"Expected {input.ndim}-dimensional weight for the {input.ndim}-dimensional input "
            f"{shape} of {name}, but got weight of size {size} instead"
        )
    if groups <= 0:
        raise RuntimeError(f"non-positive groups is not supported, got groups={groups}")
    if size[0] % groups:
        raise RuntimeError(f"{given()} weight to be divisible by {groups} at dimension 0")
    first, second = size[0], size[1] * groups
    channels, out = (first, second) if transposed else (second, first)
    if shape[1] != channels:
        raise RuntimeError(
            f"{given()} input{shape} to have {channels} channels, but got {shape[1]} channels "
            "instead"
        )
    if bias is not None and tuple(bias.shape) != (out,):
        raise RuntimeError(
            f"{given()} bias to be 1-dimensional with {out} elements, but got bias of size "
            f"{list(bias.shape)} instead"
        )
    for what, other in (("weight", weight), ("bias", bias)):
        if other is not None and other.dtype is not input.dtype:
            raise RuntimeError(
                f"Input type ({input.dtype}) and {what} type ({other.dtype}) should be the same; "
                "convert one with .to()"
            )


def _positive(name: str, stride: Sizes, padding: Sizes, dilation: Sizes) -> None:
    if min(*stride, *dilation) <= 0 or min(padding) < 0:
        raise RuntimeError(
            f"{name}: non-positive stride, negative padding and non-positive dilation are not "
            f"supported, got stride={stride}, padding={padding}, dilation={dilation}"
        )


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


def _convolution(n: int) -> None:
    name = f"conv{n}d"

    def conv(
        input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
        padding: Any = 0, dilation: Any = 1, groups: int = 1,
    ) -> Tensor:  # fmt: skip
        x = batched(name, input, n)
        _check(name, x, weight, bias, groups, False)
        stride = per_dim(name, "stride", stride, n)
        dilation = per_dim(name, "dilation", dilation, n)
        kernel = tuple(weight.shape[2:])
        x, pad = _padding(name, x, padding, kernel, stride, dilation)
        _positive(name, stride, pad, dilation)
        if min(output_sizes(x.shape[2:], kernel, stride, pad, dilation)) <= 0:
            padded = [s + 2 * p for s, p in zip(x.shape[2:], pad, strict=True)]
            span = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
            raise RuntimeError(
                f"Calculated padded input size per channel: ({_times(padded)}). Kernel size: "
                f"({_times(span)}). Kernel size can't be greater than actual input size"
            )
        return unbatched(F.convolution(x, weight, bias, stride, pad, dilation, groups), input)

    doc = f"Convolve (batch, in, {n} sizes) with (out, in / groups, {n} sizes); the batch may be "
    named(conv, name, "fn", doc + 'left out, padding may be "same" or "valid".')


def _transposed(n: int) -> None:
    name = f"conv_transpose{n}d"

    def conv_transpose(
        input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1,
        padding: Any = 0, output_padding: Any = 0, groups: int = 1, dilation: Any = 1,
    ) -> Tensor:  # fmt: skip
        x = batched(name, input, n)
        _check(name, x, weight, bias, groups, True)
        stride, pad = per_dim(name, "stride", stride, n), per_dim(name, "padding", padding, n)
        extra = per_dim(name, "output_padding", output_padding, n)
        dilation = per_dim(name, "dilation", dilation, n)
        _positive(name, stride, pad, dilation)
        rows = zip(x.shape[2:], weight.shape[2:], stride, pad, extra, dilation, strict=True)
        if any(e >= s and e >= d for s, e, d in zip(stride, extra, dilation, strict=True)):
            raise RuntimeError(
                "output padding must be smaller than either stride or dilation, but got "
                f"output_padding {extra}, stride {stride}, dilation {dilation}"
            )
        sizes = [(m - 1) * s - 2 * p + d * (k - 1) + e + 1 for m, k, s, p, e, d in rows]
        if min(sizes) < 0:
            raise RuntimeError(
                f"Given input size per channel: ({_times(x.shape[2:])}). Calculated output size "
                f"per channel: ({_times(sizes)}). Output size is too small"
            )
        shape = (x.shape[0], weight.shape[1] * groups, *sizes)
        out = F.conv_grad_input(x, weight, shape, stride, pad, dilation, groups)
        if bias is not None:
            out = F.add(out, F.reshape(F.bias_of(bias, x), (-1, *[1] * n)))
        return unbatched(out, input)

    doc = f"The adjoint of conv{n}d: (batch, in, {n} sizes) by (in, out / groups, {n} sizes)."
    named(conv_transpose, name, "fn", doc)


for _n in (1, 2, 3):
    _convolution(_n)
    _transposed(_n)


@composite(public="fn")
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolve (time, batch, in) with (width, in, out): `conv1d` with the channels last."""
    if input.ndim != 3 or weight.ndim != 3:
        raise RuntimeError(
            "conv_tbc: expected input (time, batch, in) and weight (width, in, out), got "
            f"{list(input.shape)} and {list(weight.shape)}"
        )
    x, kernel = F.permute(input, (1, 2, 0)), F.permute(weight, (2, 1, 0))
    _check("conv_tbc", x, kernel, bias, 1, False)
    return F.permute(F.convolution(x, kernel, bias, (1,), (pad,), (1,), 1), (2, 0, 1))


# ---- windows as columns


def _window(
    name: str, space: Sizes, kernel_size: Any, dilation: Any, padding: Any, stride: Any
) -> tuple[tuple[Sizes, ...], int]:
    """Kernel, dilation, padding and stride of two dimensions, and the number of windows."""
    arguments = {"kernel_size": kernel_size, "dilation": dilation, "padding": padding,
                 "stride": stride}  # fmt: skip
    kernel, spread, pad, step = (per_dim(name, n, v, 2) for n, v in arguments.items())
    if min(kernel) <= 0:
        raise RuntimeError(f"{name}: kernel size should be greater than zero, but got {kernel}")
    _positive(name, step, pad, spread)
    blocks = output_sizes(space, kernel, step, pad, spread)
    if min(blocks) < 1:
        raise RuntimeError(
            f"{name}: given spatial size {list(space)}, kernel_size={kernel}, dilation={spread}, "
            f"padding={pad}, stride={step}, calculated shape of the array of sliding blocks as "
            f"{blocks}, but its components must be at least one"
        )
    return (kernel, spread, pad, step), prod(blocks)


@composite(public="n")
def unfold(
    input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """The windows of (batch, channels, h, w) as columns: (batch, channels * kernel, windows)."""
    if input.ndim not in (3, 4) or not all(input.shape[input.ndim - 3 :]):
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(input.shape)}"
        )
    x = batched("unfold", input, 2)
    window, _ = _window("unfold", tuple(x.shape[2:]), kernel_size, dilation, padding, stride)
    out = F.im2col(x, *window)
    return F.reshape(out, (*input.shape[:-3], *out.shape[1:]))


@composite(public="n")
def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0,
    stride: Any = 1,
) -> Tensor:  # fmt: skip
    """Add columns (batch, channels * kernel, windows) up to (batch, channels, *output_size)."""
    if input.ndim not in (2, 3) or not all(input.shape[-2:]):
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(input.shape)}"
        )
    space = per_dim("fold", "output_size", output_size, 2)
    if min(space) <= 0:
        raise RuntimeError(f"fold: output_size should be greater than zero, but got {space}")
    window, blocks = _window("fold", space, kernel_size, dilation, padding, stride)
    elements = prod(window[0])
    if input.shape[-2] % elements:
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={input.shape[-2]} and kernel_size={window[0]}"
        )
    if input.shape[-1] != blocks:
        raise RuntimeError(
            f"Given output_size={space} and kernel_size={window[0]}, expected size of input's "
            f"dimension 2 to match the calculated number of sliding blocks {blocks}, but got "
            f"input.size(2)={input.shape[-1]}"
        )
    x = batched("fold", input, 1)
    out = F.col2im(x, space, *window)
    return F.reshape(out, (*input.shape[:-2], *out.shape[1:]))
