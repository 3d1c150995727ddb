"""Regularisation that drops whole rows or blocks: stochastic depth and DropBlock."""

from __future__ import annotations

from typing import Any

from ... import Tensor, nn, zeros

F: Any = nn.functional


def stochastic_depth(input: Tensor, p: float, mode: str, training: bool = True) -> Tensor:
    """Zeros for whole samples (mode "row") or all of them at once ("batch"), the rest scaled.

    Huang et al., 2016 (arXiv:1603.09382). ValueError for p outside 0 to 1 or another mode.
    """
    _check_probability("p", p)
    if mode not in ("batch", "row"):
        raise ValueError(f"mode has to be either 'batch' or 'row', but got {mode!r}")
    if not training or p == 0.0:
        return input
    kept = 1.0 - p
    size = (input.shape[0] if mode == "row" else 1,) + (1,) * (input.ndim - 1)
    noise = zeros(size, dtype=input.dtype, device=input.device).bernoulli_(kept)
    return input * (noise / kept if kept > 0.0 else noise)


class StochasticDepth(nn.Module):
    """`stochastic_depth` with probability `p` and `mode`, while training."""

    def __init__(self, p: float, mode: str) -> None:
        super().__init__()
        self.p, self.mode = p, mode

    def forward(self, input: Tensor) -> Tensor:
        return stochastic_depth(input, self.p, self.mode, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}, mode={self.mode}"


def _check_probability(name: str, p: float) -> None:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"{name} has to be between 0 and 1, but got {p}")


def _drop_block(
    input: Tensor, p: float, block_size: int, inplace: bool, eps: float, training: bool, n: int
) -> Tensor:
    _check_probability("p", p)
    if input.ndim != n + 2:
        raise ValueError(f"input should be {n + 2} dimensional. Got {input.ndim} dimensions.")
    if not training or p == 0.0:
        return input
    space = input.shape[2:]
    block = min(block_size, *space)
    rate = p * input.shape[2:].numel() / block**n
    starts = (*input.shape[:2], *(size - block + 1 for size in space))
    for size in starts[2:]:
        rate /= size
    noise = zeros(starts, dtype=input.dtype, device=input.device).bernoulli_(min(rate, 1.0))
    noise = F.pad(noise, [block // 2] * (2 * n))
    pool = F.max_pool2d if n == 2 else F.max_pool3d
    kept = 1 - pool(noise, stride=1, kernel_size=block, padding=block // 2)
    if block % 2 == 0:
        kept = kept[(..., *(slice(size) for size in space))]
    scaled = kept * (kept.numel() / (eps + kept.sum()))
    return input.mul_(scaled) if inplace else input * scaled


def drop_block2d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06,
    training: bool = True,
) -> Tensor:  # fmt: skip
    """Zeros for squares of `block_size`, a share `p` of the area; the rest is scaled up.

    Ghiasi et al., 2018 (arXiv:1810.12890). `input` is (N, C, H, W); ValueError otherwise.
    """
    return _drop_block(input, p, block_size, inplace, eps, training, 2)


def drop_block3d(
    input: Tensor, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06,
    training: bool = True,
) -> Tensor:  # fmt: skip
    """`drop_block2d` with cubes, on (N, C, D, H, W)."""
    return _drop_block(input, p, block_size, inplace, eps, training, 3)


class DropBlock2d(nn.Module):
    """`drop_block2d` with probability `p` and blocks of `block_size`, while training."""

    n = 2

    def __init__(
        self, p: float, block_size: int, inplace: bool = False, eps: float = 1e-06
    ) -> None:
        super().__init__()
        self.p, self.block_size, self.inplace, self.eps = p, block_size, inplace, eps

    def forward(self, input: Tensor) -> Tensor:
        options = (self.inplace, self.eps, self.training, self.n)
        return _drop_block(input, self.p, self.block_size, *options)

    def extra_repr(self) -> str:
        return f"p={self.p}, block_size={self.block_size}, inplace={self.inplace}"


class DropBlock3d(DropBlock2d):
    """`drop_block3d` with probability `p` and blocks of `block_size`, while training."""

    n = 3
