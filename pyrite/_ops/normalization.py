"""Normalisation to mean 0 and variance 1 over some dimensions, with an affine map, and gradients.

`layer_norm` normalises over the last dimensions, with a weight for each of their elements;
`batch_norm_train` over all but the second, with a weight for each channel. Both are one function
of (dimensions normalised over, shape of the weight in broadcasting), as are their gradients.
"""

from __future__ import annotations

from typing import Any

from .reduce import average, few
from .table import Array, op

Sizes = tuple[int, ...]


def _layer_dims(ndim: int, normalized: Sizes) -> tuple[Sizes, Sizes]:
    return tuple(range(ndim - len(normalized), ndim)), normalized


def _batch_dims(shape: Sizes) -> tuple[Sizes, Sizes]:
    return (0, *range(2, len(shape))), (shape[1], *[1] * (len(shape) - 2))


def _repeats(ndim: int, shape: Sizes) -> Sizes:
    """The dimensions over which a weight of `shape` is repeated."""
    lead = ndim - len(shape)
    return (*range(lead), *[lead + i for i, n in enumerate(shape) if n == 1])


def _normalize(
    xp: Any, input: Any, weight: Any, bias: Any, eps: float, dims: Sizes, shape: Sizes
) -> tuple[Any, Any, Any]:
    """Result, mean and (biased) variance; the statistics keep their dimensions with size 1."""
    if few(input):
        x, w, b = (a if a is None else a.astype("float64") for a in (input, weight, bias))
        out, mean, var = _normalize(xp, x, w, b, eps, dims, shape)
        kind = input.dtype
        return out.astype(kind), mean.astype(kind), var.astype(kind)
    mean = average(xp, input, dims, True)
    out = xp.subtract(input, mean, order="C")
    var = average(xp, out * out, dims, True)
    out *= 1 / xp.sqrt(var + eps)
    if weight is not None:
        out *= xp.reshape(weight, shape)
    if bias is not None:
        out += xp.reshape(bias, shape)
    return out, mean, var


def _normalize_grad(
    xp: Any, grad: Any, input: Any, mean: Any, rstd: Any, weight: Any, dims: Sizes, shape: Sizes
) -> tuple[Any, Any, Any]:
    """Gradients of input, weight and bias."""
    x = (input - mean) * rstd
    slope = grad if weight is None else grad * xp.reshape(weight, shape)
    dx = slope - average(xp, slope, dims, True)
    dx -= x * average(xp, slope * x, dims, True)
    dx *= rstd
    repeats = _repeats(grad.ndim, shape)
    sums = (xp.sum(grad * x, axis=repeats), xp.sum(grad, axis=repeats))
    return dx, *[xp.reshape(s, shape) for s in sums]


def _normalize_second(
    F: Any, gs: Any, grad: Any, input: Any, weight: Any, eps: float, dims: Sizes, shape: Sizes
) -> tuple[Any, Any, Any]:
    """Derivative of `_normalize_grad` for the cotangents `gs`: in grad, input and weight.

    With x the normalised input, r its factor, m the mean over `dims` and the projection
    P(u) = u - m(u) - x m(u x), the gradients are r P(grad weight), sum(grad x) and sum(grad).
    All is computed from `input` anew, so that it can be differentiated further.
    """

    def mean(u: Any) -> Any:
        return F.mean(u, dims, True)

    def project(u: Any) -> tuple[Any, Any, Any]:
        average, along = mean(u), mean(F.mul(u, x))
        return F.sub(F.sub(u, average), F.mul(x, along)), average, along

    def scaled(u: Any) -> Any:
        return u if weight is None else F.mul(u, F.reshape(weight, shape))

    v, v_weight, v_bias = gs
    x = F.sub(input, mean(input))
    r = F.rsqrt(F.add(mean(F.mul(x, x)), eps))
    x = F.mul(x, r)
    d_grad = d_input = d_weight = None
    if v is not None:
        h = scaled(grad)
        (pv, mv, vx), (ph, mh, hx) = project(v), project(h)
        bend = F.sub(F.sub(mean(F.mul(v, h)), F.mul(mv, mh)), F.mul(vx, hx))
        bend = F.add(F.add(F.mul(x, bend), F.mul(hx, pv)), F.mul(vx, ph))
        d_input = F.neg(F.mul(F.mul(r, r), bend))
        d_grad = F.mul(scaled(pv), r)
        if weight is not None:
            along, repeats = F.mul(F.mul(grad, pv), r), _repeats(grad.ndim, shape)
            d_weight = F.reshape(F.sum(along, repeats) if repeats else along, weight.shape)
    if v_weight is not None:
        a = F.reshape(v_weight, shape)
        d_grad = _plus(F, d_grad, F.mul(a, x))
        d_input = _plus(F, d_input, F.mul(r, project(F.mul(a, grad))[0]))
    if v_bias is not None:
        d_grad = _plus(F, d_grad, F.expand(F.reshape(v_bias, shape), grad.shape))
    return d_grad, d_input, d_weight


def _plus(F: Any, total: Any, value: Any) -> Any:
    return value if total is None else F.add(total, value)


def wanted(mask: tuple[bool, ...], grads: tuple[Any, ...]) -> tuple[Any, ...]:
    """The gradients of a joint formula that are asked for, None for the others."""
    return tuple([g if m else None for m, g in zip(mask, grads, strict=True)])


@op(public="", outputs=("out", "_mean", "_rstd"), onnx="LayerNormalization")
def layer_norm(
    xp: Any, input: Array, normalized_shape: Sizes, weight: Array | None, bias: Array | None,
    eps: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Normalise over the last dimensions, whose sizes are `normalized_shape`."""
    dims = _layer_dims(input.ndim, normalized_shape)
    out, mean, var = _normalize(xp, input, weight, bias, eps, *dims)
    return out, mean, 1 / xp.sqrt(var + eps)


layer_norm.vjp_joint(
    lambda F, g, input, mean, rstd, weight, attrs, mask: wanted(
        mask, F.layer_norm_grad(g, input, mean, rstd, weight, *attrs)
    )
)


@op(public="", outputs=("grad_input", "grad_weight", "grad_bias"))
def layer_norm_grad(
    xp: Any, grad: Array, input: Array, mean: Array, rstd: Array, weight: Array | None,
    normalized_shape: Sizes, eps: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Gradients of `layer_norm` in input, weight and bias, given its statistics."""
    dims = _layer_dims(input.ndim, normalized_shape)
    return _normalize_grad(xp, grad, input, mean, rstd, weight, *dims)


def _layer_norm_second(
    F: Any, gs: Any, grad: Any, input: Any, weight: Any, normalized_shape: Sizes, eps: float
) -> tuple[Any, ...]:
    dims = _layer_dims(grad.ndim, normalized_shape)
    d_grad, d_input, d_weight = _normalize_second(F, gs, grad, input, weight, eps, *dims)
    return d_grad, d_input, None, None, d_weight


layer_norm_grad.vjp_joint(_layer_norm_second)


@op(public="", outputs=("out", "~mean", "~invstd"))
def batch_norm_train(
    xp: Any, input: Array, weight: Array | None, bias: Array | None, eps: float
) -> tuple[Array, Array, Array]:
    """Normalise each channel (dim 1); also its mean and 1 / standard deviation, (channels,)."""
    out, mean, var = _normalize(xp, input, weight, bias, eps, *_batch_dims(input.shape))
    return out, xp.reshape(mean, (-1,)), xp.reshape(1 / xp.sqrt(var + eps), (-1,))


batch_norm_train.vjp_joint(
    lambda F, g_out, input, weight, mean, invstd, eps, mask: wanted(
        mask, F.batch_norm_grad(g_out, input, weight, mean, invstd, eps)
    )
)


@op(public="", outputs=("grad_input", "grad_weight", "grad_bias"))
def batch_norm_grad(
    xp: Any, grad: Array, input: Array, weight: Array | None, mean: Array, invstd: Array, eps: float
) -> tuple[Array, Array, Array]:
    """Gradients of `batch_norm_train` in input, weight and bias, given its statistics."""
    dims, shape = _batch_dims(input.shape)
    mean, rstd = xp.reshape(mean, shape), xp.reshape(invstd, shape)
    dx, dw, db = _normalize_grad(xp, grad, input, mean, rstd, weight, dims, shape)
    return dx, xp.reshape(dw, (-1,)), xp.reshape(db, (-1,))


def _batch_norm_second(
    F: Any, gs: Any, grad: Any, input: Any, weight: Any, eps: float
) -> tuple[Any, ...]:
    dims = _batch_dims(grad.shape)
    return *_normalize_second(F, gs, grad, input, weight, eps, *dims), None, None


batch_norm_grad.vjp_joint(_batch_norm_second)


@op(public="", dtypes="promote", onnx="BatchNormalization")
def batch_norm_eval(
    xp: Any, input: Array, mean: Array, var: Array, weight: Array | None, bias: Array | None,
    eps: float,
) -> Array:  # fmt: skip
    """Normalise each channel (dim 1) by a given mean and variance, (channels,)."""
    shape = _batch_dims(input.shape)[1]
    scale = 1 / xp.sqrt(var + eps)
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    out = xp.multiply(input, xp.reshape(scale, shape), order="C")
    out += xp.reshape(shift, shape)
    return out


def _batch_norm_eval_grads(
    F: Any, g: Any, input: Any, mean: Any, var: Any, weight: Any, eps: float,
    mask: tuple[bool, ...],
) -> tuple[Any, ...]:  # fmt: skip
    dims, shape = _batch_dims(input.shape)
    rstd = F.rsqrt(F.add(var, eps))
    scale = rstd if weight is None else F.mul(rstd, weight)
    by_input = F.mul(g, F.reshape(scale, shape)) if mask[0] else None
    if mask[0] and weight is None:
        by_input = F.depend(by_input, input)  # one node in torch, with a second derivative
    if not any(mask[1:]):
        return by_input, None, None, None, None
    total = F.depend(F.sum(g, dims), input)
    along = F.mul(F.sum(F.mul(g, F.sub(input, F.reshape(mean, shape))), dims), rstd)
    by_var = F.mul(F.mul(F.mul(along, scale), rstd), -0.5) if mask[2] else None
    by_mean = F.neg(F.mul(total, scale)) if mask[1] else None
    return wanted(mask, (by_input, by_mean, by_var, along, total))


batch_norm_eval.vjp_joint(_batch_norm_eval_grads)
