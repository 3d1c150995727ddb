"""The vision transformer (Dosovitskiy et al., 2020, arXiv:2010.11929)."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from ... import Tensor, cat, empty, nn, zeros
from ..ops.misc import MLP, Conv2dNormActivation
from ._api import door
from ._build import Layer, builder, renames

_NORM: Layer = partial(nn.LayerNorm, eps=1e-6)


class ConvStemConfig(NamedTuple):
    """One convolution of a stem that stands for the projection of patches."""

    out_channels: int
    kernel_size: int
    stride: int
    norm_layer: Layer = nn.BatchNorm2d
    activation_layer: Layer = nn.ReLU


class MLPBlock(MLP):
    """Two linear layers with GELU; states with the old names `linear_1`, `linear_2` fit."""

    _version = 2

    def __init__(self, in_dim: int, mlp_dim: int, dropout: float) -> None:
        super().__init__(in_dim, [mlp_dim, in_dim], activation_layer=nn.GELU, dropout=dropout)
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.normal_(layer.bias, std=1e-6)


class EncoderBlock(nn.Module):
    """Attention and MLP, each normalised first and added to its input; on (N, S, E)."""

    def __init__(
        self, num_heads: int, hidden_dim: int, mlp_dim: int, dropout: float,
        attention_dropout: float, norm_layer: Layer = _NORM,
    ) -> None:  # fmt: skip
        super().__init__()
        self.num_heads = num_heads
        self.ln_1 = norm_layer(hidden_dim)
        self.self_attention = nn.MultiheadAttention(
            hidden_dim, num_heads, dropout=attention_dropout, batch_first=True
        )
        self.dropout = nn.Dropout(dropout)
        self.ln_2 = norm_layer(hidden_dim)
        self.mlp = MLPBlock(hidden_dim, mlp_dim, dropout)

    def forward(self, input: Tensor) -> Tensor:
        x = self.ln_1(input)
        x = self.dropout(self.self_attention(x, x, x, need_weights=False)[0]) + input
        return x + self.mlp(self.ln_2(x))


class Encoder(nn.Module):
    """Positions are added, then come the blocks and a norm; on (N, S, E)."""

    def __init__(
        self, seq_length: int, num_layers: int, num_heads: int, hidden_dim: int, mlp_dim: int,
        dropout: float, attention_dropout: float, norm_layer: Layer = _NORM,
    ) -> None:  # fmt: skip
        super().__init__()
        self.pos_embedding = nn.Parameter(empty(1, seq_length, hidden_dim).normal_(std=0.02))
        self.dropout = nn.Dropout(dropout)
        options = (num_heads, hidden_dim, mlp_dim, dropout, attention_dropout, norm_layer)
        blocks = ((f"encoder_layer_{i}", EncoderBlock(*options)) for i in range(num_layers))
        self.layers = nn.Sequential(OrderedDict(blocks))
        self.ln = norm_layer(hidden_dim)

    def forward(self, input: Tensor) -> Tensor:
        return self.ln(self.layers(self.dropout(input + self.pos_embedding)))


class VisionTransformer(nn.Module):
    """Patches as a sequence behind a class token, whose result is classified.

    Args:
        image_size: pixels of a side; ValueError unless a multiple of `patch_size`.
        patch_size: pixels of a patch's side.
        num_layers: blocks.
        num_heads: of the attention.
        hidden_dim: features of a token.
        mlp_dim: features between a block's linear layers.
        dropout: probability.
        attention_dropout: probability for attention's weights.
        num_classes: size of the result.
        representation_size: width of one more layer before the last, if given.
        norm_layer: LayerNorm with eps 1e-6.
        conv_stem_configs: convolutions in place of one projection (arXiv:2106.14881).
    """

    def __init__(
        self, image_size: int, patch_size: int, num_layers: int, num_heads: int, hidden_dim: int,
        mlp_dim: int, dropout: float = 0.0, attention_dropout: float = 0.0,
        num_classes: int = 1000, representation_size: int | None = None,
        norm_layer: Layer = _NORM, conv_stem_configs: Sequence[ConvStemConfig] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if image_size % patch_size:
            raise ValueError(
                f"image_size {image_size} has to be a multiple of patch_size {patch_size}"
            )
        self.image_size, self.patch_size, self.hidden_dim = image_size, patch_size, hidden_dim
        self.mlp_dim, self.num_classes, self.norm_layer = mlp_dim, num_classes, norm_layer
        self.attention_dropout, self.dropout = attention_dropout, dropout
        self.representation_size = representation_size
        self.conv_proj = _projection(hidden_dim, patch_size, conv_stem_configs)
        self.seq_length = (image_size // patch_size) ** 2 + 1
        self.class_token = nn.Parameter(zeros(1, 1, hidden_dim))
        self.encoder = Encoder(
            self.seq_length, num_layers, num_heads, hidden_dim, mlp_dim, dropout,
            attention_dropout, norm_layer,
        )  # fmt: skip
        self.heads = _heads(hidden_dim, representation_size, num_classes)
        renames(self, r"(mlp\.)linear_([12])\.", lambda m: f"{m[1]}{3 * int(m[2]) - 3}.")

    def forward(self, x: Tensor) -> Tensor:
        n, _, *size = x.shape
        if size != [self.image_size] * 2:
            raise ValueError(f"expected images of {self.image_size} pixels a side, got {size}")
        x = self.conv_proj(x).flatten(2).permute(0, 2, 1)
        x = self.encoder(cat([self.class_token.expand(n, -1, -1), x], 1))
        return self.heads(x[:, 0])


def _projection(width: int, patch: int, stem: Sequence[ConvStemConfig] | None) -> nn.Module:
    if stem is None:
        conv = nn.Conv2d(3, width, patch, stride=patch)
        nn.init.trunc_normal_(conv.weight, std=math.sqrt(1 / (3 * patch**2)))
        nn.init.zeros_(conv.bias)
        return conv
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    channels = 3
    for i, (out, kernel, stride, norm, active) in enumerate(stem):
        parts[f"conv_bn_relu_{i}"] = Conv2dNormActivation(
            channels, out, kernel, stride, norm_layer=norm, activation_layer=active
        )
        channels = out
    last = nn.Conv2d(channels, width, 1)
    nn.init.normal_(last.weight, std=math.sqrt(2 / width))
    nn.init.zeros_(last.bias)
    return nn.Sequential(OrderedDict(parts, conv_last=last))


def _heads(width: int, inner: int | None, classes: int) -> nn.Sequential:
    parts: OrderedDict[str, nn.Module] = OrderedDict()
    if inner is not None:
        first = nn.Linear(width, inner)
        nn.init.trunc_normal_(first.weight, std=math.sqrt(1 / width))
        nn.init.zeros_(first.bias)
        parts |= OrderedDict(pre_logits=first, act=nn.Tanh())
    parts["head"] = nn.Linear(inner or width, classes)
    nn.init.zeros_(parts["head"].weight)
    nn.init.zeros_(parts["head"].bias)
    return nn.Sequential(parts)


def _row(size: str, patch: int, layers: int, heads: int, width: int, mlp: int) -> Any:
    doc = f"ViT-{size.upper()}/{patch}."
    options: dict[str, Any] = {
        "image_size": 224, "patch_size": patch, "num_layers": layers, "num_heads": heads,
        "hidden_dim": width, "mlp_dim": mlp,
    }  # fmt: skip
    return builder(
        f"vit_{size}_{patch}", doc, VisionTransformer,
        pins=lambda asked, meta: {"image_size": meta["min_size"][0]}, **options,
    )  # fmt: skip


_BASE, _LARGE = (12, 12, 768, 3072), (24, 16, 1024, 4096)
vit_b_16, vit_b_32 = (_row("b", patch, *_BASE) for patch in (16, 32))
vit_l_16, vit_l_32 = (_row("l", patch, *_LARGE) for patch in (16, 32))
vit_h_14 = _row("h", 14, 32, 16, 1280, 5120)

__all__ = ["VisionTransformer", "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32"]
__getattr__ = door(__name__)
