"""Attention: softmax(query keyᵀ * scale + mask) value, without a matrix of all the weights.

Rows of queries are taken in blocks that hold a bounded number of weights. Forward keeps the
logarithm of each row's sum (Milakov & Gimelshein 2018); backward computes a block's weights anew
from it, and what dropout left of them from its counter (Dao et al. 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

from ..backends._philox import philox_words
from .normalization import wanted
from .random import keep_factors
from .table import Array, op

Sizes = tuple[int, ...]
Block = tuple[slice, slice]

# Weights in one block. On the CPU they stay in the cache; elsewhere they fill the device.
_CPU_BLOCK, _BLOCK = 1 << 18, 1 << 24
_INF = float("inf")


def _blocks(xp: Any, count: int, length: int, keys: int) -> Iterator[Block]:
    """(heads, rows) slices: several whole heads, or a part of one; none if there are no keys."""
    limit = _CPU_BLOCK if getattr(xp, "__name__", "") == "numpy" else _BLOCK
    rows = min(length, max(1, limit // max(keys, 1)))
    heads = max(1, limit // max(length * keys, 1)) if rows == length else 1
    for n in range(0, count if keys and length else 0, heads):
        for r in range(0, length, rows):
            yield slice(n, min(n + heads, count)), slice(r, min(r + rows, length))


def _owners(inner: Sizes, batch: Sizes) -> list[int]:
    """For each of the batch's matrices, in order, the one of `inner` that broadcasting gives it."""
    found, inner = [0], (1,) * (len(batch) - len(inner)) + inner
    for outer, size in zip(batch, inner, strict=True):
        found = [f * size + min(i, size - 1) for f in found for i in range(outer)]
    return found


class _Heads:
    """The operands as (heads, rows, features), and the weights of a block of them."""

    def __init__(
        self, xp: Any, query: Any, key: Any, value: Any, mask: Any, p: float, causal: bool,
        scale: float, seed: int, offset: int,
    ) -> None:  # fmt: skip
        self.xp, self.p, self.causal, self.scale = xp, p, causal, scale
        self.call, self.kind = (seed, offset), query.dtype.type
        self.batch = tuple(query.shape[:-2])
        self.q, self.k, self.v = (self.flat(x) for x in (query, key, value))
        self.length, self.keys = self.q.shape[1], self.k.shape[1]
        self.mask: Any = None
        self.owners = [0]
        if mask is not None:
            mask = mask.reshape((1,) * (2 - mask.ndim) + tuple(mask.shape))
            self.owners = _owners(tuple(mask.shape[:-2]), self.batch)
            self.mask = mask.reshape((prod(mask.shape[:-2]), *mask.shape[-2:]))

    def flat(self, x: Any) -> Any:
        return x.reshape((prod(self.batch), *x.shape[-2:]))

    def blocks(self) -> Iterator[Block]:
        return _blocks(self.xp, self.q.shape[0], self.length, self.keys)

    def scores(self, n: slice, r: slice) -> Any:
        """The products of a block's queries with all keys, scaled, -inf where masked."""
        xp, low = self.xp, self.kind(-_INF)
        out = xp.matmul(self.q[n, r] * self.scale, xp.swapaxes(self.k[n], 1, 2))
        if self.causal:
            out = xp.where(xp.arange(self.keys) <= xp.arange(r.start, r.stop)[:, None], out, low)
        if self.mask is not None:
            part = self.mask if self.mask.shape[1] == 1 else self.mask[:, r]
            part = part[self.owners[n]]
            out = xp.where(part, out, low) if part.dtype.kind == "b" else out + part
        return out

    def kept(self, n: slice, r: slice) -> Any:
        """Dropout's factors for a block: those of a call over all weights in order."""
        shape = (n.stop - n.start, r.stop - r.start, self.keys)
        first = (n.start * self.length + r.start) * self.keys
        draws = philox_words(self.xp, *self.call, prod(shape), first)
        return keep_factors(draws, self.p, self.kind).reshape(shape)


@op(
    public="", outputs=("out", "_lse"), autocast="lower",
    dtypes=("same", "query", "key", "value"),
)  # fmt: skip
def attention(
    xp: Any, query: Array, key: Array, value: Array, attn_mask: Array | None, dropout_p: float,
    is_causal: bool, scale: float, seed: int, offset: int,
) -> tuple[Array, Array]:  # fmt: skip
    """Attention over (..., length, features), all with the same leading dimensions.

    `attn_mask` broadcasts to (..., length, keys): bool (True takes part) or floats to add. A row
    with nothing to attend to is 0; its `lse` is infinity, so that its weights come out as 0.
    """
    heads = _Heads(xp, query, key, value, attn_mask, dropout_p, is_causal, scale, seed, offset)
    out = xp.zeros((heads.q.shape[0], heads.length, heads.v.shape[2]), dtype=query.dtype)
    lse = xp.full(out.shape[:2], _INF, dtype=query.dtype)
    zero, one = heads.kind(0), heads.kind(1)
    for n, r in heads.blocks():
        weights = heads.scores(n, r)
        top = xp.max(weights, axis=-1, keepdims=True)
        top = xp.where(top == -_INF, zero, top)
        weights = xp.exp(weights - top)
        total = xp.sum(weights, axis=-1, keepdims=True)
        dead = total == 0
        lse[n, r] = xp.where(dead, heads.kind(_INF), top + xp.log(total))[..., 0]
        if dropout_p:
            weights *= heads.kept(n, r)
        out[n, r] = xp.matmul(weights, heads.v[n]) / xp.where(dead, one, total)
    return out.reshape((*heads.batch, *out.shape[1:])), lse.reshape((*heads.batch, heads.length))


attention.vjp_joint(
    lambda F, g, query, key, value, attn_mask, out, lse, attrs, mask: wanted(
        mask, F.attention_grad(g, query, key, value, attn_mask, out, lse, mask[3], *attrs)
    )
)


@op(
    public="", outputs=("grad_query", "grad_key", "grad_value", "grad_mask"),
    dtypes=("same", "grad", "query", "key", "value", "output"),
)  # fmt: skip
def attention_grad(
    xp: Any, grad: Array, query: Array, key: Array, value: Array, attn_mask: Array | None,
    output: Array, lse: Array, mask_wanted: bool, dropout_p: float, is_causal: bool, scale: float,
    seed: int, offset: int,
) -> tuple[Array, Array, Array, Array]:  # fmt: skip
    """Gradients of `attention`; the mask's is empty unless `mask_wanted`."""
    heads = _Heads(xp, query, key, value, attn_mask, dropout_p, is_causal, scale, seed, offset)
    g, lse = heads.flat(grad), lse.reshape((*heads.q.shape[:2], 1))
    delta = xp.sum(g * heads.flat(output), axis=-1, keepdims=True)
    dq, dk, dv = (xp.zeros(x.shape, dtype=x.dtype) for x in (heads.q, heads.k, heads.v))
    dm = xp.zeros(heads.mask.shape if mask_wanted else (*heads.batch, 0), dtype=query.dtype)
    for n, r in heads.blocks():
        weights = xp.exp(heads.scores(n, r) - lse[n, r])
        slopes = xp.matmul(g[n, r], xp.swapaxes(heads.v[n], 1, 2))
        left = weights
        if dropout_p:
            kept = heads.kept(n, r)
            slopes *= kept
            left = weights * kept
        dv[n] += xp.matmul(xp.swapaxes(left, 1, 2), g[n, r])
        slopes -= delta[n, r]
        slopes *= weights
        if mask_wanted:
            _add_to_mask(xp, dm, slopes, heads.owners[n], r)
        dq[n, r] = xp.matmul(slopes, heads.k[n]) * scale
        dk[n] += xp.matmul(xp.swapaxes(slopes, 1, 2), heads.q[n, r]) * scale
    shaped = [d.reshape(x.shape) for d, x in zip((dq, dk, dv), (query, key, value), strict=True)]
    if attn_mask is not None and mask_wanted:
        dm = dm.reshape(attn_mask.shape)
    return *shaped, dm


def _add_to_mask(xp: Any, dm: Any, slopes: Any, owners: list[int], r: slice) -> None:
    """Add a block's gradients of the scores to those of the masks that the heads use."""
    over = tuple([d for d in (1, 2) if dm.shape[d] == 1])
    sums = xp.sum(slopes, axis=over, keepdims=True) if over else slopes
    rows = r if dm.shape[1] > 1 else slice(None)
    for i, owner in enumerate(owners):
        dm[owner, rows] += sums[i]


def _turned(F: Any, x: Any) -> Any:
    return F.permute(x, (*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _softmax(F: Any, scores: Any, mask: Any, causal: bool) -> Any:
    """The weights as one matrix; rows with nothing to attend to are 0."""
    if causal:
        scores = F.where(F.gt(F.tril(F.ones_like(scores)), 0.0), scores, -_INF)
    if mask is None:
        return F.softmax(scores, -1)
    bools = str(mask.dtype).endswith("bool")
    scores = F.where(mask, scores, -_INF) if bools else F.add(scores, mask)
    dead = F.eq(F.amax(scores, -1, True), -_INF)
    return F.where(dead, 0.0, F.softmax(F.where(dead, 0.0, scores), -1))


def _attention_second(
    F: Any, gs: Any, grad: Any, query: Any, key: Any, value: Any, attn_mask: Any,
    mask_wanted: bool, dropout_p: float, is_causal: bool, scale: float, seed: int, offset: int,
    mask: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """Derivative of `attention_grad`, from all the weights P: it is made of plain products.

    With Z dropout's factors, A = (grad valueᵀ) Z and dS = P (A - rowsum(P A)), the gradients are
    scale dS key, scale dSᵀ query, (P Z)ᵀ grad and dS. For their cotangents u, with the sum
    W = scale (u_q keyᵀ + query u_kᵀ) + u_m and U = (grad u_vᵀ) Z, <W, dS> + <P, U> is
    differentiated: in A, in P, and in what W and U hold. `output` and `lse` follow from the rest.
    """
    u_q, u_k, u_v, u_m = gs if mask_wanted else (*gs[:3], None)
    q, k = F.mul(query, scale), F.mul(key, scale)
    P = _softmax(F, F.matmul(q, _turned(F, key)), attn_mask, is_causal)
    kept = F.dropout(F.ones_like(P), dropout_p, True, seed, offset) if dropout_p else None

    def thinned(x: Any) -> Any:
        return x if kept is None else F.mul(x, kept)

    def total(*terms: Any) -> Any:
        given = [t for t in terms if t is not None]
        return sum(given[1:], given[0]) if given else None

    A = thinned(F.matmul(grad, _turned(F, value)))
    W = total(
        None if u_q is None else F.matmul(u_q, _turned(F, k)),
        None if u_k is None else F.matmul(q, _turned(F, u_k)),
        None if u_m is None else F.add(F.zeros_like(P), u_m),
    )
    d_g = d_q = d_k = d_v = bar = None
    if W is not None:
        dS, B = F.softmax_grad(A, P, -1), thinned(F.softmax_grad(W, P, -1))
        d_g, d_v = F.matmul(B, value), F.matmul(_turned(F, B), grad)
        d_q = None if u_k is None else F.mul(F.matmul(dS, u_k), scale)
        d_k = None if u_q is None else F.mul(F.matmul(_turned(F, dS), u_q), scale)
        bar = W * (A - F.sum(A * P, -1, True)) - A * F.sum(W * P, -1, True)
    if u_v is not None:
        d_g = total(d_g, F.matmul(thinned(P), u_v))
        bar = total(bar, thinned(F.matmul(grad, _turned(F, u_v))))
    if bar is None:
        return (None,) * 7
    bar = F.softmax_grad(bar, P, -1)
    d_q, d_k = total(d_q, F.matmul(bar, k)), total(d_k, F.matmul(_turned(F, bar), q))
    return d_g, d_q, d_k, d_v, F.sum_to_size(bar, attn_mask.shape) if mask[4] else None, None, None


attention_grad.vjp_joint(_attention_second)
