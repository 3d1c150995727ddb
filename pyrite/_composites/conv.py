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
            out = F.add(out, F.reshape(bias, (-1, *[1] * n)))
        return unbatched(out, input)

    doc = f"The adjoint of conv{n}d: (batch, in, {n} sizes) by (in, out / groups, {n} sizes)."
    named(conv_transpose, name, "fn", doc)


for _n in (1, 2, 3):
    _convolution(_n)
    _transposed(_n)
