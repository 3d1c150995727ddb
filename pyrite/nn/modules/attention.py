"""Attention of several heads."""

from __future__ import annotations

from typing import Any

from ..._composites.attention import several_heads
from ..._tensor import Parameter, Tensor
from .. import init
from ._make import add_parameters
from .linear import Linear
from .module import Module


class NonDynamicallyQuantizableLinear(Linear):
    """A `Linear` under the name that torch's attention shows."""


class MultiheadAttention(Module):
    """Attention of `num_heads` heads side by side (Vaswani et al. 2017).

    Shapes: query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim), or (N, L, ...) under
    `batch_first`, or without the batch. Gives the result, shaped as the query, and the weights
    (N, L, S), or (N, num_heads, L, S), or None.
    """

    in_proj_bias: Parameter | None

    def __init__(
        self, embed_dim: int, num_heads: int, dropout: float = 0.0, bias: bool = True,
        add_bias_kv: bool = False, add_zero_attn: bool = False, kdim: int | None = None,
        vdim: int | None = None, batch_first: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                "embed_dim and num_heads must be greater than 0, got "
                f"embed_dim={embed_dim} and num_heads={num_heads} instead"
            )
        if embed_dim % num_heads:
            raise AssertionError(
                f"embed_dim must be divisible by num_heads, got {embed_dim} and {num_heads}"
            )
        super().__init__()
        self.embed_dim, self.num_heads, self.dropout = embed_dim, num_heads, dropout
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.head_dim, self.batch_first = embed_dim // num_heads, batch_first
        self.add_zero_attn = add_zero_attn
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim
        widths = {"q_proj_weight": embed_dim, "k_proj_weight": self.kdim,
                  "v_proj_weight": self.vdim}  # fmt: skip
        alone, row = not self._qkv_same_embed_dim, (1, 1, embed_dim) if add_bias_kv else None
        each = {n: (embed_dim, w) if alone else None for n, w in widths.items()}
        joint = None if alone else (3 * embed_dim, embed_dim)
        shift = (3 * embed_dim,) if bias else None
        add_parameters(self, device, dtype, **each, in_proj_weight=joint, in_proj_bias=shift)
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias, device, dtype)
        add_parameters(self, device, dtype, bias_k=row, bias_v=row)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        """Projections uniform and added rows normal by Glorot's rule, biases 0."""
        for name, parameter in self._parameters.items():
            if parameter is not None and name.endswith("weight"):
                init.xavier_uniform_(parameter)
            elif parameter is not None and name in ("bias_k", "bias_v"):
                init.xavier_normal_(parameter)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)

    def forward(
        self, query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
        need_weights: bool = True, attn_mask: Tensor | None = None,
        average_attn_weights: bool = True, is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:  # fmt: skip
        return several_heads(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight,
            self.in_proj_bias, self.bias_k, self.bias_v, self.add_zero_attn,
            self.dropout if self.training else 0.0, self.out_proj.weight, self.out_proj.bias,
            key_padding_mask, need_weights, attn_mask, not self._qkv_same_embed_dim,
            (self.q_proj_weight, self.k_proj_weight, self.v_proj_weight),
            average_attn_weights=average_attn_weights, is_causal=is_causal,
            batch_first=self.batch_first and query.ndim == 3,
        )  # fmt: skip
