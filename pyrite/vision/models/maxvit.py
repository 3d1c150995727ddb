"""MaxViT (Tu et al., 2022, arXiv:2204.01697)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any

from ... import Tensor, empty, nn
from ..ops._drop import StochasticDepth
from ..ops.misc import Conv2dNormActivation, SqueezeExcitation
from ._api import door
from ._build import Layer, batch_norm, builder, fill, truncated
from .swin_transformer import join_windows, relative_index, split_windows


class MBConv(nn.Module):
    """An inverted residual, normalised first; the shortcut has a projection where it needs one."""

    def __init__(
        self, in_channels: int, out_channels: int, expansion_ratio: float, squeeze_ratio: float,
        stride: int, activation_layer: Layer, norm_layer: Layer,
        p_stochastic_dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        inner, squeezed = int(out_channels * expansion_ratio), int(out_channels * squeeze_ratio)
        conv = partial(
            Conv2dNormActivation, activation_layer=activation_layer, norm_layer=norm_layer,
            inplace=None,
        )  # fmt: skip
        self.proj: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            pool = [nn.AvgPool2d(3, stride, padding=1)] if stride == 2 else []
            self.proj = nn.Sequential(*pool, nn.Conv2d(in_channels, out_channels, 1))
        self.stochastic_depth = StochasticDepth(p_stochastic_dropout, "row")
        self.layers = nn.Sequential(
            OrderedDict(
                pre_norm=norm_layer(in_channels),
                conv_a=conv(in_channels, inner, 1),
                conv_b=conv(inner, inner, 3, stride, groups=inner),
                squeeze_excitation=SqueezeExcitation(inner, squeezed, activation=nn.SiLU),
                conv_c=nn.Conv2d(inner, out_channels, 1),
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x) + self.stochastic_depth(self.layers(x))


class RelativePositionalMultiHeadAttention(nn.Module):
    """Attention within the groups of (N, groups, places, C), with a learned bias per offset."""

    def __init__(self, feat_dim: int, head_dim: int, max_seq_len: int) -> None:
        super().__init__()
        if feat_dim % head_dim:
            raise ValueError(f"feat_dim: {feat_dim} must be divisible by head_dim: {head_dim}")
        self.n_heads, self.head_dim = feat_dim // head_dim, head_dim
        self.size, self.max_seq_len = math.isqrt(max_seq_len), max_seq_len
        self.to_qkv = nn.Linear(feat_dim, 3 * feat_dim)
        self.scale_factor = feat_dim**-0.5
        self.merge = nn.Linear(feat_dim, feat_dim)
        table = empty((2 * self.size - 1) ** 2, self.n_heads)
        self.relative_position_bias_table = nn.Parameter(truncated(table))
        self.register_buffer("relative_position_index", relative_index(self.size, self.size))

    def get_relative_positional_bias(self) -> Tensor:
        """What is added to the scores: (1, heads, places, places)."""
        bias = self.relative_position_bias_table[self.relative_position_index]
        return bias.permute(2, 0, 1).unsqueeze(0)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.to_qkv(x).reshape(*x.shape[:3], 3, self.n_heads, self.head_dim)
        q, k, v = qkv.permute(3, 0, 1, 4, 2, 5)
        scores = q @ (k * self.scale_factor).transpose(-2, -1)
        weights = (scores + self.get_relative_positional_bias()).softmax(-1)
        return self.merge((weights @ v).transpose(2, 3).reshape(x.shape))


class PartitionAttentionLayer(nn.Module):
    """Attention and MLP within squares ("window"), or among places equally far apart ("grid")."""

    def __init__(
        self, in_channels: int, head_dim: int, partition_size: int, partition_type: str,
        grid_size: Sequence[int], mlp_ratio: int, activation_layer: Layer, norm_layer: Layer,
        attention_dropout: float, mlp_dropout: float, p_stochastic_dropout: float,
    ) -> None:  # fmt: skip
        super().__init__()
        if partition_type not in ("grid", "window"):
            raise ValueError("partition_type must be either 'grid' or 'window'")
        self.partition_type = partition_type
        self.p = partition_size if partition_type == "window" else grid_size[0] // partition_size
        inner = in_channels * mlp_ratio
        self.attn_layer = nn.Sequential(
            norm_layer(in_channels),
            RelativePositionalMultiHeadAttention(in_channels, head_dim, partition_size**2),
            nn.Dropout(attention_dropout),
        )
        self.mlp_layer = nn.Sequential(
            nn.LayerNorm(in_channels), nn.Linear(in_channels, inner), activation_layer(),
            nn.Linear(inner, in_channels), nn.Dropout(mlp_dropout),
        )  # fmt: skip
        self.stochastic_dropout = StochasticDepth(p_stochastic_dropout, "row")

    def _swapped(self, x: Tensor) -> Tensor:
        return x.transpose(-2, -3) if self.partition_type == "grid" else x

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same; ValueError unless `p` divides height and width."""
        n, channels, *size = x.shape
        if size[0] % self.p or size[1] % self.p:
            raise ValueError(f"size {size} has to be a multiple of {self.p} in both dimensions")
        window = (self.p, self.p)
        x = split_windows(x.permute(0, 2, 3, 1), window)
        x = self._swapped(x.reshape(n, -1, self.p**2, channels))
        x = x + self.stochastic_dropout(self.attn_layer(x))
        x = x + self.stochastic_dropout(self.mlp_layer(x))
        return join_windows(self._swapped(x), window, size).permute(0, 3, 1, 2)


def _halved(size: Sequence[int]) -> tuple[int, int]:
    """Height and width behind a 3x3 convolution of stride 2."""
    return (size[0] + 1) // 2, (size[1] + 1) // 2


class _Level(nn.Module):
    """Layers of one width; the first halves the size."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x


class _Layer(nn.Module):
    """MBConv, attention in windows, attention in grids."""

    def __init__(self, conv: nn.Module, attention: Layer, norm: Layer) -> None:
        super().__init__()
        parts: OrderedDict[str, nn.Module] = OrderedDict(MBconv=conv)
        for kind in ("window", "grid"):
            parts[f"{kind}_attention"] = attention(partition_type=kind, norm_layer=norm)
        self.layers = nn.Sequential(parts)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class MaxVit(nn.Module):
    """Blocks of convolution, attention in windows and attention in grids.

    Args:
        input_size: height and width; ValueError unless `partition_size` divides each block's.
        stem_channels: channels of the first convolutions.
        partition_size: places along a side of what attention sees at once.
        block_channels: channels per block.
        block_layers: layers per block.
        head_dim: features of an attention head.
        stochastic_depth_prob: of the last layer; it grows from 0 with the depth.
        norm_layer: of the convolutions; BatchNorm2d with eps 0.001 and momentum 0.01 if None.
        activation_layer: of convolutions and MLPs.
        squeeze_ratio: of squeeze and excitation, in output channels.
        expansion_ratio: of the inverted residuals.
        mlp_ratio: width within the MLPs, in channels.
        mlp_dropout: probability.
        attention_dropout: probability.
        num_classes: size of the result.
    """

    def __init__(
        self, input_size: Sequence[int], stem_channels: int, partition_size: int,
        block_channels: Sequence[int], block_layers: Sequence[int], head_dim: int,
        stochastic_depth_prob: float, norm_layer: Layer | None = None,
        activation_layer: Layer = nn.GELU, squeeze_ratio: float = 0.25,
        expansion_ratio: float = 4, mlp_ratio: int = 4, mlp_dropout: float = 0.0,
        attention_dropout: float = 0.0, num_classes: int = 1000,
    ) -> None:  # fmt: skip
        super().__init__()
        norm, self.partition_size = norm_layer or batch_norm(), partition_size
        conv = partial(Conv2dNormActivation, inplace=None)
        self.stem = nn.Sequential(
            conv(
                3, stem_channels, stride=2, norm_layer=norm, activation_layer=activation_layer,
                bias=False,
            ),
            conv(stem_channels, stem_channels, norm_layer=None, activation_layer=None, bias=True),
        )  # fmt: skip
        move = partial(
            MBConv, expansion_ratio=expansion_ratio, squeeze_ratio=squeeze_ratio,
            activation_layer=activation_layer, norm_layer=norm,
        )  # fmt: skip
        attend = partial(
            PartitionAttentionLayer, head_dim=head_dim, partition_size=partition_size,
            mlp_ratio=mlp_ratio, activation_layer=activation_layer, mlp_dropout=mlp_dropout,
            attention_dropout=attention_dropout,
        )  # fmt: skip
        size, width, count = _halved(input_size), stem_channels, 0
        step = stochastic_depth_prob / max(1, sum(block_layers) - 1)
        self.blocks = nn.ModuleList()
        for out, depth in zip(block_channels, block_layers, strict=True):
            size, layers = _halved(size), []
            if size[0] % partition_size or size[1] % partition_size:
                raise ValueError(
                    f"input_size {tuple(input_size)} makes block {len(self.blocks)} see {size}, "
                    f"which partition_size {partition_size} does not divide: change one of the two"
                )
            for i in range(depth):
                drop = step * (count + i)
                block = move(
                    out if i else width, out, stride=1 if i else 2, p_stochastic_dropout=drop
                )
                attention = partial(attend, out, grid_size=size, p_stochastic_dropout=drop)
                layers.append(_Layer(block, attention, nn.LayerNorm))
            self.blocks.append(_Level(layers))
            width, count = out, count + depth
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(width), nn.Linear(width, width),
            nn.Tanh(), nn.Linear(width, num_classes, bias=False),
        )  # fmt: skip
        normal = partial(nn.init.normal_, std=0.02)
        fill(self, conv=normal, linear=normal)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.classifier(x)


_TINY: dict[str, Any] = {
    "input_size": (224, 224), "stem_channels": 64, "partition_size": 7, "head_dim": 32,
    "block_channels": (64, 128, 256, 512), "block_layers": (2, 2, 5, 2),
    "stochastic_depth_prob": 0.2,
}  # fmt: skip
maxvit_t = builder(
    "maxvit_t", "MaxViT, tiny, for images of 224x224.", MaxVit,
    pins=lambda asked, meta: {"input_size": meta["min_size"]}, **_TINY,
)  # fmt: skip

__all__ = ["MaxVit", "maxvit_t"]
__getattr__ = door(__name__)
