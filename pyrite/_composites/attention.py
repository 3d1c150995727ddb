"""Attention in its plain mathematical form, with one and with several heads."""

from __future__ import annotations

import warnings
from math import sqrt
from typing import Any

from .._dtypes import bool_, dtype
from .._tensor import F, Tensor
from ._register import composite
from .arrange import repeat_interleave
from .dropout import dropout
from .shape import chunk, transpose


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


# ---- several heads


def _check_heads(
    query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None
) -> None:
    """AssertionError for numbers of dimensions that do not go together."""
    n = query.ndim
    if n not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {n}-D query tensor"
        )
    wanted = {"key": (key, (n,)), "value": (value, (n,)), "key_padding_mask": (padding, (n - 1,)),
              "attn_mask": (mask, (2, 3))}  # fmt: skip
    for name, (tensor, dims) in wanted.items():
        if tensor is not None and tensor.ndim not in dims:
            raise AssertionError(
                f"For a {n}-D `query`, expected `{name}` to be {' or '.join(map(str, dims))}-D but "
                f"found {tensor.ndim}-D tensor instead"
            )


def _added(name: str, mask: Tensor | None, kind: dtype) -> Tensor | None:
    """A mask as numbers to add: -inf where a boolean one is True."""
    if mask is None or mask.dtype.is_floating_point:
        return mask
    if mask.dtype is not bool_:
        raise AssertionError(
            f"only bool and floating types of {name} are supported, got {mask.dtype}"
        )
    zeros = F.full(tuple(mask.shape), 0.0, kind, device=mask.device)
    return F.where(mask, float("-inf"), zeros)


def _masks(
    mask: Tensor | None, padding: Tensor | None, kind: dtype
) -> tuple[Tensor | None, Tensor | None]:
    """The attention's and the keys' mask, both as numbers to add."""
    if mask is not None and padding is not None and mask.dtype is not padding.dtype:
        warnings.warn(
            "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type "
            "for both instead.",
            stacklevel=4,
        )
    return _added("attn_mask", mask, kind), _added("key_padding_mask", padding, kind)


def _check_widths(
    inputs: tuple[Tensor, Tensor, Tensor], width: int, heads: int, separate: bool
) -> None:
    """AssertionError for sizes that do not go together."""
    query, key, value = (list(x.shape) for x in inputs)
    if query[-1] != width:
        raise AssertionError(f"was expecting embedding dimension of {width}, but got {query[-1]}")
    if width % heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {heads}")
    same = 2 if separate else 3
    if key[:same] != value[:same]:
        raise AssertionError(f"key shape {key} does not match value shape {value}")


def _attended(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float, need_weights: bool
) -> tuple[Tensor, Tensor | None]:
    """The heads' results, and the weights where they are asked for."""
    if not need_weights:
        return scaled_dot_product_attention(q, k, v, mask, dropout_p), None
    scores = F.matmul(F.mul(q, sqrt(1 / q.shape[-1])), transpose(k, -2, -1))
    weights = F.softmax(scores if mask is None else F.add(scores, mask), -1)
    weights = dropout(weights, dropout_p) if dropout_p else weights
    return F.matmul(weights, v), weights


def _projected(
    inputs: tuple[Tensor, Tensor, Tensor], packed: Tensor | None, bias: Tensor | None,
    separate: bool, weights: tuple[Tensor | None, ...],
) -> list[Tensor]:  # fmt: skip
    """Query, key and value under their projections; a shared input is projected once."""
    query, key, value = inputs
    if not separate:
        if packed is None:
            raise AssertionError("use_separate_proj_weight is False but in_proj_weight is None")
        if query is key is value:
            return list(chunk(F.linear(query, packed, bias), 3, -1))
        weights = chunk(packed, 3)
    for name, weight in zip("qkv", weights, strict=True):
        if weight is None:
            raise AssertionError(f"use_separate_proj_weight is True but {name}_proj_weight is None")
    biases: Any = (None,) * 3 if bias is None else chunk(bias, 3)
    return [F.linear(*each) for each in zip(inputs, weights, biases, strict=True)]


def _joined_mask(
    mask: Tensor | None, padding: Tensor | None, batch: int, heads: int, sizes: tuple[int, int]
) -> Tensor | None:
    """Both masks as one, broadcast to (batch, heads, target length, source length)."""
    if mask is not None:
        fits = sizes if mask.ndim == 2 else (batch * heads, *sizes)
        if tuple(mask.shape) != fits:
            raise RuntimeError(
                f"The shape of the {mask.ndim}D attn_mask is {list(mask.shape)}, but should be "
                f"{fits}."
            )
        if mask.ndim == 3:
            mask = F.reshape(mask, (batch, heads, *sizes))
    if padding is None:
        return mask
    if tuple(padding.shape) != (batch, sizes[1]):
        raise RuntimeError(
            f"Expected key_padding_mask to be of size {(batch, sizes[1])}, but got "
            f"{list(padding.shape)}"
        )
    padding = F.reshape(padding, (batch, 1, 1, sizes[1]))
    return padding if mask is None else F.add(mask, padding)


def _lengthened(x: Tensor, row: Tensor | None) -> Tensor:
    """One more position at the end of (batch, heads, length, features): `row`, or zeros."""
    batch, heads, _, width = x.shape
    if row is None:
        return F.constant_pad_nd(x, (0, 0, 0, 1))
    row = F.expand(F.reshape(row, (1, heads, 1, width)), (batch, heads, 1, width))
    return F.cat([x, row], 2)


@composite(public="n")
def multi_head_attention_forward(
    query: Tensor, key: Tensor, value: Tensor, embed_dim_to_check: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None,
    bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Tensor | None, training: bool = True, key_padding_mask: Tensor | None = None,
    need_weights: bool = True, attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False, q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None, v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """Attention of several heads over (length, batch, features) or (length, features).

    Query, key and value are projected by the thirds of `in_proj_weight`, or by their own weights
    under `use_separate_proj_weight`; the heads' results, side by side, by `out_proj_weight`.

    Args:
        bias_k, bias_v: one more key and value for every query; `add_zero_attn`: one of zeros.
        key_padding_mask: (batch, source length); True or -inf leaves a key out.
        attn_mask: (target, source) or (batch * heads, target, source), in the same form.
        need_weights: also return the weights, the heads' mean under `average_attn_weights`.
        is_causal: a hint that `attn_mask`, which must be given, is the causal one.
        static_k, static_v: (batch * heads, source, head size) instead of the projections.
    """
    _check_heads(query, key, value, key_padding_mask, attn_mask)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint: give "
            "Transformer.generate_square_subsequent_mask(length)"
        )
    mask, padding = _masks(attn_mask, key_padding_mask, query.dtype)
    inputs: Any = (query, key, value)
    if single := query.ndim == 2:
        batches = {id(x): F.reshape(x, (x.shape[0], 1, x.shape[1])) for x in inputs}
        inputs = tuple([batches[id(x)] for x in inputs])  # one stays one
        padding = None if padding is None else F.reshape(padding, (1, -1))
    _check_widths(inputs, embed_dim_to_check, num_heads, use_separate_proj_weight)
    weights = (q_proj_weight, k_proj_weight, v_proj_weight)
    flat = _projected(inputs, in_proj_weight, in_proj_bias, use_separate_proj_weight, weights)
    length, batch, width = inputs[0].shape
    heads = (batch, num_heads, -1, width // num_heads)
    q, k, v = (
        F.permute(F.reshape(x, (x.shape[0], *heads[:2], heads[3])), (1, 2, 0, 3)) for x in flat
    )
    k = k if static_k is None else F.reshape(static_k, heads)
    v = v if static_v is None else F.reshape(static_v, heads)
    given = [x is not None for x in (bias_k, bias_v, static_k, static_v)]
    if given[0] != given[1] or (given[0] and any(given[2:])):
        raise AssertionError("bias_k and bias_v go together, and not with static_k or static_v")
    more = [(bias_k, bias_v)] * given[0] + [(None, None)] * add_zero_attn
    for row_k, row_v in more:
        k, v = _lengthened(k, row_k), _lengthened(v, row_v)
        mask, padding = (m if m is None else F.constant_pad_nd(m, (0, 1)) for m in (mask, padding))
    joined = _joined_mask(mask, padding, batch, num_heads, (length, k.shape[2]))
    out, shown = _attended(q, k, v, joined, dropout_p if training else 0.0, need_weights)
    out = F.reshape(F.permute(out, (2, 0, 1, 3)), (length * batch, width))
    out = F.linear(out, out_proj_weight, out_proj_bias)
    out = F.reshape(out, (*query.shape[:-1], out.shape[1]))
    if shown is not None:
        shown = F.mean(shown, 1) if average_attn_weights else shown
        shown = F.reshape(shown, shown.shape[1:]) if single else shown
    return out, shown
