"""Batch normalisation, in evaluation, folded into the layer before it."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any, TypeVar

from ..._tensor import F, Parameter
from ..modules.module import Module

M = TypeVar("M", bound=Module)


def _fused(
    weight: Any, bias: Any, mean: Any, var: Any, eps: float, scale: Any, shift: Any,
    shape: tuple[int, ...],
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias whose result is normalised; None stands for 0 (bias, shift) and 1."""
    rate = F.rsqrt(var + eps)
    rate = rate if scale is None else rate * scale
    moved = -mean if bias is None else bias - mean
    moved = moved * rate if shift is None else moved * rate + shift
    new = (weight * rate.reshape(shape)).to(dtype=weight.dtype)
    needed = True if bias is None else bias.requires_grad
    start = moved.to(dtype=weight.dtype if bias is None else bias.dtype)
    return Parameter(new.detach(), weight.requires_grad), Parameter(start.detach(), needed)


def fuse_conv_bn_weights(
    conv_w: Any, conv_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:  # fmt: skip
    """Weight and bias of a convolution followed by a batch norm.

    Args:
        conv_w, conv_b: of the convolution; the bias may be None.
        bn_rm, bn_rv, bn_eps: running mean and variance and epsilon.
        bn_w, bn_b: of the batch norm, or None.
        transpose: for a transposed convolution, whose outputs are dimension 1.
    """
    rest = [1] * (conv_w.ndim - 2)
    shape = (1, -1, *rest) if transpose else (-1, 1, *rest)
    return _fused(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, shape)


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:
    """Weight and bias of a linear layer followed by a batch norm."""
    return _fused(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, (-1, 1))


def _evaluated(layer: M, bn: Any, weights: Any) -> M:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval! Call .eval() on both modules first")
    out: Any = copy.deepcopy(layer)
    given = out.weight, out.bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
    out.weight, out.bias = weights(*given)
    return out


def fuse_conv_bn_eval(conv: M, bn: Module, transpose: bool = False) -> M:
    """A convolution that does the work of `conv` and `bn`; AssertionError in training mode."""
    return _evaluated(conv, bn, partial(fuse_conv_bn_weights, transpose=transpose))


def fuse_linear_bn_eval(linear: M, bn: Any) -> M:
    """A linear layer that does the work of `linear` and `bn`; AssertionError in training mode."""
    out: Any = linear
    if out.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1; got "
            f"{out.out_features} and {bn.num_features}"
        )
    return _evaluated(linear, bn, fuse_linear_bn_weights)
