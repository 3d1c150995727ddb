"""Attention with one and with several heads."""

from __future__ import annotations

import warnings
from math import sqrt
from typing import Any

from .._dtypes import bool_, dtype, float32
from .._tensor import F, Tensor
from ..random import current_generator
from ._register import composite
from .arrange import repeat_interleave
from .dropout import dropout
from .shape import broadcast_shapes, chunk, transpose


def _check_attention(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None) -> None:
    """RuntimeError for operands that do not go together."""
    named = {"query": query, "key": key, "value": value}
    if min(x.ndim for x in named.values()) < 2:
        raise RuntimeError(
            "Expected query, key, and value to all be at least 2 dimensional, but got "
            + ", ".join(f"{n}.dim: {x.ndim}" for n, x in named.items())
        )
    if len({x.dtype for x in named.values()}) > 1:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got "
            + ", ".join(f"{n}.dtype: {x.dtype}" for n, x in named.items())
        )
    if not query.dtype.is_floating_point:
        raise RuntimeError(f"attention needs floating-point numbers, but got {query.dtype}")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            "query and key must have the same number of features, and key and value the same "
            f"length, but got shapes {', '.join(str(tuple(x.shape)) for x in named.values())}"
        )
    if mask is not None and mask.dtype not in (bool_, query.dtype, float32):
        raise RuntimeError(
            "Expected attn_mask dtype to be bool or float or to match query dtype, but got "
            f"attn_mask.dtype: {mask.dtype} and query.dtype: {query.dtype} instead"
        )


def _one_batch(query: Tensor, key: Tensor, value: Tensor, gqa: bool) -> list[Tensor]:
    """The operands with equal leading dimensions: repeated under `gqa`, then broadcast."""
    operands = [query, key, value]
    if gqa:
        heads = [x.shape[-3] for x in operands]
        if any(not n or heads[0] % n for n in heads[1:]):
            raise RuntimeError(
                "Number of heads in key and value must divide the number of heads in query, but "
                f"got {heads[0]} in query, {heads[1]} in key and {heads[2]} in value"
            )
        operands[1:] = [
            repeat_interleave(x, heads[0] // n, -3) if n != heads[0] else x
            for x, n in zip(operands[1:], heads[1:], strict=True)
        ]
    if len({tuple(x.shape[:-2]) for x in operands}) == 1:
        return operands
    batch = broadcast_shapes(*[x.shape[:-2] for x in operands])
    return [F.expand(x, (*batch, *x.shape[-2:])) for x in operands]


@composite(public="n")
def scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None,
    dropout_p: float = 0.0, is_causal: bool = False, scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """softmax(query keyᵀ * scale + mask) value, over (..., heads, length, features).

    Memory grows with the lengths, not with their product, in backward too.

    Args:
        attn_mask: broadcast to (..., query length, key length); bool (True takes part) or floats
            that are added. A query with nothing to attend to gives 0.
        dropout_p: the probability with which a weight is dropped, in evaluation too.
        is_causal: query i attends to keys 0 to i.
        scale: default 1 / sqrt(features).
        enable_gqa: key and value may have fewer heads, each serving several of the query's.
    """
    _check_attention(query, key, value, attn_mask)
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            "_scaled_dot_product_attention: Explicit attn_mask should not be set when "
            "is_causal=True; leave one out"
        )
    if not 0.0 <= dropout_p <= 1.0:
        raise RuntimeError(f"dropout probability has to be between 0 and 1, but got {dropout_p}")
    query, key, value = _one_batch(query, key, value, enable_gqa)
    if not key.shape[-2]:
        return F.matmul(F.matmul(query, transpose(key, -2, -1)), value)
    if attn_mask is not None:
        attn_mask = _fitting(attn_mask, query, (*query.shape[:-1], key.shape[-2]))
    if scale is None:
        scale = 1 / sqrt(query.shape[-1] or 1)
    draws = current_generator().advance() if dropout_p else (0, 0)
    return F.attention(query, key, value, attn_mask, dropout_p, is_causal, float(scale), *draws)


def _fitting(mask: Tensor, query: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The mask in the query's type; RuntimeError unless it broadcasts to the weights' shape."""
    if tuple(broadcast_shapes(mask.shape, shape)) != shape:
        raise RuntimeError(
            f"attn_mask of shape {tuple(mask.shape)} does not broadcast to the weights' shape "
            f"{shape}, (..., query length, key length)"
        )
    return mask if mask.dtype in (bool_, query.dtype) else F.cast(mask, query.dtype)


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
            stacklevel=5,
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
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, dropout_p: float, need_weights: bool,
    is_causal: bool,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """The heads' results, and the weights where they are asked for."""
    if not need_weights:
        mask = None if is_causal else mask
        return scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal), None
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
    return several_heads(
        query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k,
        bias_v, add_zero_attn, dropout_p if training else 0.0, out_proj_weight, out_proj_bias,
        key_padding_mask, need_weights, attn_mask, use_separate_proj_weight,
        (q_proj_weight, k_proj_weight, v_proj_weight), static_k, static_v, average_attn_weights,
        is_causal,
    )  # fmt: skip


def several_heads(
    query: Tensor, key: Tensor, value: Tensor, embed_dim: int, num_heads: int,
    in_proj_weight: Tensor | None, in_proj_bias: Tensor | None, bias_k: Tensor | None,
    bias_v: Tensor | None, add_zero_attn: bool, dropout_p: float, out_proj_weight: Tensor,
    out_proj_bias: Tensor | None, key_padding_mask: Tensor | None, need_weights: bool,
    attn_mask: Tensor | None, separate: bool, weights: tuple[Tensor | None, ...],
    static_k: Tensor | None = None, static_v: Tensor | None = None,
    average_attn_weights: bool = True, is_causal: bool = False, batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:  # fmt: skip
    """`multi_head_attention_forward`, also for (batch, length, features) as it lies in memory."""
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
    _check_widths(inputs, embed_dim, num_heads, separate)
    flat = _projected(inputs, in_proj_weight, in_proj_bias, separate, weights)
    length, batch, width = inputs[0].shape
    order, back = (1, 2, 0, 3), (2, 0, 1, 3)
    if batch_first:
        length, batch, order, back = batch, length, (0, 2, 1, 3), (0, 2, 1, 3)
    heads = (batch, num_heads, -1, width // num_heads)
    q, k, v = (F.permute(F.reshape(x, (*x.shape[:2], *heads[1::2])), order) for x in flat)
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
    causal = is_causal and key_padding_mask is None and not more
    out, shown = _attended(q, k, v, joined, dropout_p, need_weights, causal)
    out = F.reshape(F.permute(out, back), (length * batch, width))
    out = F.linear(out, out_proj_weight, out_proj_bias)
    out = F.reshape(out, (*query.shape[:-1], out.shape[1]))
    if shown is not None:
        shown = F.mean(shown, 1) if average_attn_weights else shown
        shown = F.reshape(shown, shown.shape[1:]) if single else shown
    return out, shown
