"""Attention in its plain mathematical form."""

from __future__ import annotations

from math import sqrt
from typing import Any

from .._dtypes import bool_
from .._tensor import F, Tensor
from ._register import composite
from .arrange import repeat_interleave
from .dropout import dropout
from .shape import transpose


def _masked(scores: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Scores under a mask (True: take part; floats: added), and which rows have nothing left.

    Those rows are 0 before the softmax, so that neither it nor its gradient meets inf - inf.
    """
    if mask.dtype is bool_:
        scores = F.where(mask, scores, float("-inf"))
    else:
        scores = F.add(scores, mask)
    dead = F.eq(F.amax(scores.detach(), -1, True), float("-inf"))
    return F.where(dead, 0.0, scores), dead


@composite(public="n")
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(query keyᵀ * scale + mask) value, over (..., heads, length, features).

    Args:
        attn_mask: broadcast to (..., query length, key length); bool (True takes part) or floats
            that are added. A query with nothing to attend to gives 0.
        is_causal: query i attends to keys 0 to i.
        scale: default 1 / sqrt(features).
        enable_gqa: key and value may have fewer heads, each serving several of the query's.
    """
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True; leave one out"
        )
    if enable_gqa:
        key, value = (
            repeat_interleave(x, query.shape[-3] // x.shape[-3], -3) for x in (key, value)
        )
    factor = 1 / sqrt(query.shape[-1]) if scale is None and query.shape[-1] else scale or 1.0
    scores = F.matmul(F.mul(query, factor), transpose(key, -2, -1))
    dead: Any = None
    if is_causal:
        size = tuple(scores.shape[-2:])
        lower = F.tril(F.full(size, True, bool_, device=query.device))
        scores = F.where(lower, scores, float("-inf"))
    elif attn_mask is not None:
        scores, dead = _masked(scores, attn_mask)
    weights = F.softmax(scores, -1)
    if dead is not None:
        weights = F.where(dead, 0.0, weights)
    if dropout_p:
        weights = dropout(weights, dropout_p)
    return F.matmul(weights, value)
