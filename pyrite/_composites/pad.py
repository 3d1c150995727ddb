"""Padding by constants, mirrors, edges or wrapping around."""

from __future__ import annotations

from collections.abc import Sequence

from .. import backends
from .._tensor import F, Tensor
from ._register import composite
from .shape import ints


@composite(public="n")
def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Pad (before, after) each dimension, the last first; negative sizes crop.

    `mode` is "constant" (with `value`, default 0), "reflect", "replicate" or "circular".
    """
    sizes = ints("pad", (tuple(pad),))
    if mode == "constant":
        return F.constant_pad_nd(input, sizes, 0 if value is None else value)
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    if value:
        raise ValueError(f'Padding mode "{mode}" doesn\'t take in value argument')
    n = len(sizes) // 2
    if len(sizes) % 2 or not 1 <= n <= 3 or input.array.ndim - n not in (1, 2):
        raise NotImplementedError(
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: got "
            f"{len(sizes)} padding sizes for an input of {input.array.ndim} dimensions"
        )
    for i in range(n):
        before, after = sizes[2 * i : 2 * i + 2]
        if before or after:
            input = _pad_dim(input, input.array.ndim - 1 - i, before, after, mode)
    return input


def _pad_dim(input: Tensor, d: int, before: int, after: int, mode: str) -> Tensor:
    n = input.array.shape[d]
    most = {"reflect": n - 1, "circular": n}.get(mode, max(before, after))
    if max(before, after) > most:
        raise RuntimeError(
            f"Padding size should be {'less than' if mode == 'reflect' else 'at most'} the "
            f"corresponding input dimension, but got: padding ({before}, {after}) at dimension {d} "
            f"of input {list(input.shape)}"
        )
    if n + before + after <= 0 or not n:
        raise RuntimeError(
            f"input (size {list(input.shape)}, dimension {d}) with padding ({before}, {after}) "
            "leaves an output without elements"
        )
    xp = backends.of(input.array).xp
    at = xp.arange(-before, n + after)
    if mode == "circular":  # of what negative sizes leave
        at = max(-before, 0) + (at + min(before, 0)) % (n + min(before, 0) + min(after, 0))
    elif mode == "reflect":
        at = abs(at)
        at = xp.where(at >= n, 2 * (n - 1) - at, at)
    else:
        at = xp.clip(at, 0, n - 1)
    return F.index(input, [Tensor(at)], (d,))
