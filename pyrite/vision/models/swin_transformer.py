"""Swin transformers (Liu et al., 2021: arXiv:2103.14030, version 2: arXiv:2111.09883)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

from ... import Tensor, arange, cat, empty, full, meshgrid, nn, stack, zeros_like
from ..ops._drop import StochasticDepth
from ..ops.misc import MLP, Permute
from ._api import door
from ._build import Layer, builder, fill, truncated

F: Any = nn.functional


def relative_index(height: int, width: int) -> Tensor:
    """For each pair of places in a window, the row of their offset in a table: (h*w, h*w)."""
    places = stack(meshgrid(arange(height), arange(width), indexing="ij")).flatten(1)
    down, right = places[:, :, None] - places[:, None, :]
    return (down + height - 1) * (2 * width - 1) + right + width - 1


class PatchMerging(nn.Module):
    """Each 2x2 square of (..., H, W, C) to one place of 2C features."""

    norm_first = True

    def __init__(self, dim: int, norm_layer: Layer = nn.LayerNorm) -> None:
        super().__init__()
        self.dim = dim
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)
        self.norm = norm_layer((4 if self.norm_first else 2) * dim)

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-3:-1]
        x = F.pad(x, (0, 0, 0, width % 2, 0, height % 2))
        x = cat([x[..., i::2, j::2, :] for j in (0, 1) for i in (0, 1)], -1)
        return self.reduction(self.norm(x)) if self.norm_first else self.norm(self.reduction(x))


class PatchMergingV2(PatchMerging):
    """`PatchMerging`, normalised last."""

    norm_first = False


def split_windows(x: Tensor, window: Sequence[int]) -> Tensor:
    """(N, H, W, C) as windows: (N * windows, places, C)."""
    n, height, width, channels = x.shape
    rows, columns = window
    x = x.reshape(n, height // rows, rows, width // columns, columns, channels)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, rows * columns, channels)


def join_windows(x: Tensor, window: Sequence[int], size: Sequence[int]) -> Tensor:
    """The inverse of `split_windows`, for images of `size` (H, W)."""
    rows, columns = window
    x = x.reshape(-1, size[0] // rows, size[1] // columns, rows, columns, x.shape[-1])
    return x.permute(0, 1, 3, 2, 4, 5).reshape(-1, *size, x.shape[-1])


def _shift_mask(
    size: Sequence[int], window: Sequence[int], shift: Sequence[int], like: Tensor
) -> Tensor:
    """-100 between places that only the cyclic shift brought together: (windows, 1, p, p)."""
    parts = []
    for length, block, step in zip(size, window, shift, strict=True):
        place = arange(length, device=like.device)
        parts.append((place >= length - block).long() + (place >= length - step).long())
    region = split_windows((3 * parts[0][:, None] + parts[1])[None, :, :, None], window).squeeze(-1)
    apart = region[:, None, :] != region[:, :, None]
    return apart.to(like.dtype).mul(-100.0).unsqueeze(1)


class ShiftedWindowAttention(nn.Module):
    """Attention within windows of (N, H, W, C), which can be shifted cyclically.

    Args:
        dim: channels.
        window_size: rows and columns.
        shift_size: rows and columns; none along a side that one window covers.
        num_heads: of the attention.
        qkv_bias: of the projection to queries, keys and values.
        proj_bias: of the last projection.
        attention_dropout: probability for the weights.
        dropout: probability for the result.
    """

    def __init__(
        self, dim: int, window_size: Sequence[int], shift_size: Sequence[int], num_heads: int,
        qkv_bias: bool = True, proj_bias: bool = True, attention_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        if len(window_size) != 2 or len(shift_size) != 2:
            raise ValueError("window_size and shift_size must be of length 2")
        self.window_size, self.shift_size, self.num_heads = window_size, shift_size, num_heads
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim, bias=proj_bias)
        self._table()
        self.register_buffer("relative_position_index", relative_index(*window_size).flatten())

    def _table(self) -> None:
        rows, columns = self.window_size
        table = empty((2 * rows - 1) * (2 * columns - 1), self.num_heads)
        self.relative_position_bias_table = nn.Parameter(truncated(table))

    def _offsets(self) -> Tensor:
        return self.relative_position_bias_table

    def _project(self, x: Tensor) -> Tensor:
        return self.qkv(x)

    def _scores(self, q: Tensor, k: Tensor) -> Tensor:
        return (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)

    def get_relative_position_bias(self) -> Tensor:
        """What is added to the scores: (1, heads, places, places)."""
        places = math.prod(self.window_size)
        bias = self._offsets()[self.relative_position_index].reshape(places, places, -1)
        return bias.permute(2, 0, 1).unsqueeze(0)

    def forward(self, x: Tensor) -> Tensor:
        window, (height, width) = self.window_size, x.shape[1:3]
        x = F.pad(x, (0, 0, 0, -width % window[1], 0, -height % window[0]))
        size = x.shape[1:3]
        pairs = zip(self.shift_size, window, size, strict=True)
        shift = tuple(0 if block >= length else step for step, block, length in pairs)
        if any(shift):
            x = x.roll((-shift[0], -shift[1]), (1, 2))
        parts = split_windows(x, window)
        qkv = self._project(parts).reshape(*parts.shape[:2], 3, self.num_heads, -1)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        scores = self._scores(q, k) + self.get_relative_position_bias()
        if any(shift):
            mask = _shift_mask(size, window, shift, scores)
            scores = (scores.reshape(-1, len(mask), *scores.shape[1:]) + mask).reshape(scores.shape)
        weights = F.dropout(scores.softmax(-1), self.attention_dropout, self.training)
        parts = self.proj((weights @ v).transpose(1, 2).reshape(parts.shape))
        x = join_windows(F.dropout(parts, self.dropout, self.training), window, size)
        return (x.roll(shift, (1, 2)) if any(shift) else x)[:, :height, :width]


class ShiftedWindowAttentionV2(ShiftedWindowAttention):
    """Attention by cosines, with a bias that an MLP computes from the offset."""

    def __init__(self, dim: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(dim, *args, **kwargs)
        heads = self.num_heads
        self.logit_scale = nn.Parameter(full((heads, 1, 1), math.log(10.0)))
        self.cpb_mlp = nn.Sequential(
            nn.Linear(2, 512), nn.ReLU(inplace=True), nn.Linear(512, heads, bias=False)
        )

    def _table(self) -> None:
        """Offsets from -8 to 8, as signed logarithms: (1, 2h - 1, 2w - 1, 2)."""
        sides = [
            arange(1 - length, length).float() * (8 / (length - 1)) for length in self.window_size
        ]
        offsets = stack(meshgrid(*sides, indexing="ij"), -1).unsqueeze(0)
        table = offsets.sign() * (offsets.abs() + 1.0).log2() / 3.0
        self.register_buffer("relative_coords_table", table)

    def _offsets(self) -> Tensor:
        bias = self.cpb_mlp(self.relative_coords_table).reshape(-1, self.num_heads)
        return 16 * bias.sigmoid()

    def _scores(self, q: Tensor, k: Tensor) -> Tensor:
        cosines = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        return cosines * self.logit_scale.clamp(max=math.log(100.0)).exp()

    def _project(self, x: Tensor) -> Tensor:
        """Keys have no bias: its entries are left out, though the state has them."""
        if self.qkv.bias is None:
            return self.qkv(x)
        query, key, value = self.qkv.bias.chunk(3)
        return F.linear(x, self.qkv.weight, cat([query, zeros_like(key), value]))


class SwinTransformerBlock(nn.Module):
    """Attention in windows and an MLP, each added to its input; on (N, H, W, C)."""

    attention: Layer = ShiftedWindowAttention
    norm_first = True

    def __init__(
        self, dim: int, num_heads: int, window_size: Sequence[int], shift_size: Sequence[int],
        mlp_ratio: float = 4.0, dropout: float = 0.0, attention_dropout: float = 0.0,
        stochastic_depth_prob: float = 0.0, norm_layer: Layer = nn.LayerNorm,
        attn_layer: Layer | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        options = {"attention_dropout": attention_dropout, "dropout": dropout}
        attention = attn_layer or type(self).attention
        self.norm1 = norm_layer(dim)
        self.attn = attention(dim, window_size, shift_size, num_heads, **options)
        self.stochastic_depth = StochasticDepth(stochastic_depth_prob, "row")
        self.norm2 = norm_layer(dim)
        inner = int(dim * mlp_ratio)
        self.mlp = MLP(dim, [inner, dim], activation_layer=nn.GELU, dropout=dropout)

    def forward(self, x: Tensor) -> Tensor:
        for layer, norm in ((self.attn, self.norm1), (self.mlp, self.norm2)):
            x = x + self.stochastic_depth(layer(norm(x)) if self.norm_first else norm(layer(x)))
        return x


class SwinTransformerBlockV2(SwinTransformerBlock):
    """`SwinTransformerBlock` with attention by cosines, normalised last."""

    attention = ShiftedWindowAttentionV2
    norm_first = False


class SwinTransformer(nn.Module):
    """Stages of blocks, between which squares of places are merged.

    Args:
        patch_size: pixels of a patch's sides.
        embed_dim: channels of the first stage; each further one has twice as many.
        depths: blocks per stage.
        num_heads: per stage.
        window_size: rows and columns; every other block's windows are shifted by half.
        mlp_ratio: width within the MLPs, in channels.
        dropout: probability.
        attention_dropout: probability for attention's weights.
        stochastic_depth_prob: of the last block; it grows from 0 with the depth.
        num_classes: size of the result.
        norm_layer: LayerNorm if None.
        block: SwinTransformerBlock if None.
        downsample_layer: merges squares of places.
    """

    def __init__(
        self, patch_size: Sequence[int], embed_dim: int, depths: Sequence[int],
        num_heads: Sequence[int], window_size: Sequence[int], mlp_ratio: float = 4.0,
        dropout: float = 0.0, attention_dropout: float = 0.0, stochastic_depth_prob: float = 0.1,
        num_classes: int = 1000, norm_layer: Layer | None = None, block: Layer | None = None,
        downsample_layer: Layer = PatchMerging,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_classes = num_classes
        norm, patch = norm_layer or nn.LayerNorm, tuple(patch_size)
        make = partial(
            block or SwinTransformerBlock, window_size=window_size, mlp_ratio=mlp_ratio,
            dropout=dropout, attention_dropout=attention_dropout, norm_layer=norm,
        )  # fmt: skip
        parts: list[nn.Module] = [
            nn.Sequential(
                nn.Conv2d(3, embed_dim, patch, stride=patch), Permute((0, 2, 3, 1)), norm(embed_dim)
            )
        ]
        half = [side // 2 for side in window_size]
        count, last = 0, sum(depths) - 1
        for stage, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            dim = embed_dim << stage
            if stage:
                parts.append(downsample_layer(dim // 2, norm))
            blocks = [
                make(
                    dim, heads, shift_size=half if i % 2 else [0, 0],
                    stochastic_depth_prob=stochastic_depth_prob * (count + i) / last,
                )
                for i in range(depth)
            ]  # fmt: skip
            parts.append(nn.Sequential(*blocks))
            count += depth
        self.features = nn.Sequential(*parts)
        self.norm = norm(dim)
        self.permute = Permute((0, 3, 1, 2))
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten(1)
        self.head = nn.Linear(dim, num_classes)
        fill(self, linear=truncated)

    def forward(self, x: Tensor) -> Tensor:
        x = self.permute(self.norm(self.features(x)))
        return self.head(self.flatten(self.avgpool(x)))


_SIZES = {
    "t": (96, (2, 2, 6, 2), (3, 6, 12, 24)),
    "s": (96, (2, 2, 18, 2), (3, 6, 12, 24)),
    "b": (128, (2, 2, 18, 2), (4, 8, 16, 32)),
}  # fmt: skip


def _row(size: str, drop: float, window: int, version: str = "", **options: Any) -> Any:
    doc = f"Swin transformer, size {size.upper()}{', version 2' * bool(version)}."
    return builder(
        f"swin_{version}{size}", doc, SwinTransformer, (4, 4), *_SIZES[size], (window, window),
        stochastic_depth_prob=drop, **options,
    )  # fmt: skip


_DROPS = {"t": 0.2, "s": 0.3, "b": 0.5}
_V2: dict[str, Any] = {"block": SwinTransformerBlockV2, "downsample_layer": PatchMergingV2}
swin_t, swin_s, swin_b = (_row(size, drop, 7) for size, drop in _DROPS.items())
swin_v2_t, swin_v2_s, swin_v2_b = (
    _row(size, drop, 8, "v2_", **_V2) for size, drop in _DROPS.items()
)

__all__ = [
    "SwinTransformer", "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s", "swin_v2_t",
]  # fmt: skip
__getattr__ = door(__name__)
