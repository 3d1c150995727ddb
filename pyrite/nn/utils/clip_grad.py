"""Limits for gradients: by their total norm, or element by element."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable
from typing import Any

from ..._dtypes import get_default_dtype
from ..._inplace import check_writable
from ..._tensor import F, Tensor
from ...autograd.modes import no_grad

Tensors = Iterable[Tensor] | Tensor


def _listed(tensors: Tensors) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _grads(parameters: Tensors) -> list[Any]:
    return [p.grad for p in _listed(parameters) if p.grad is not None]


def _by_device(tensors: Iterable[Any], written: bool = True) -> dict[Any, list[Any]]:
    """Tensors of one device and dtype, to be handed to one call; those to be `written` may be."""
    groups: dict[Any, list[Any]] = {}
    for tensor in tensors:
        if written:
            check_writable(tensor)
        groups.setdefault((tensor.device, tensor.dtype), []).append(tensor)
    return groups


@no_grad()
def get_total_norm(
    tensors: Tensors, norm_type: float = 2.0, error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:  # fmt: skip
    """The norm of all tensors as one vector, a 0-d tensor on the first one's device.

    Args:
        tensors: a tensor or several.
        norm_type: the order, also `float("inf")`.
        error_if_nonfinite: RuntimeError if the norm is NaN or infinite.
        foreach: accepted and without effect.
    """
    order = float(norm_type)
    norms = [F.total_norm(each, order) for each in _by_device(_listed(tensors), False).values()]
    if not norms:
        return F.full((), 0.0, get_default_dtype())
    total: Tensor = norms[0]
    if len(norms) > 1:
        total = F.vector_norm(F.stack([n.to(total.device) for n in norms]), order)
    if error_if_nonfinite and not bool(F.isfinite(total)):
        raise RuntimeError(
            f"The total norm of order {order} for gradients from `parameters` is non-finite "
            f"({total.item()}), so it cannot be clipped. To disable this error and scale the "
            "gradients by the non-finite norm anyway, set `error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensors, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale all gradients, in place, by `max_norm / total_norm` where that is below 1."""
    scale: Any = F.div(float(max_norm), F.add(total_norm, 1e-6))
    scale = scale.clamp(max=1.0)
    for (place, _), grads in _by_device(_grads(parameters)).items():
        F.scale_each(grads, scale.to(place))


@no_grad()
def clip_grad_norm_(
    parameters: Tensors, max_norm: float, norm_type: float = 2.0,
    error_if_nonfinite: bool = False, foreach: bool | None = None,
) -> Tensor:  # fmt: skip
    """Scale the gradients, in place, so that their total norm is at most `max_norm`.

    Args:
        parameters: whose `.grad` to clip; those without one are left out.
        max_norm: the largest norm.
        norm_type: its order, also `float("inf")`.
        error_if_nonfinite: RuntimeError if the norm is NaN or infinite.
        foreach: accepted and without effect.

    Returns:
        The total norm before clipping, a 0-d tensor.
    """
    chosen = _listed(parameters)
    if not chosen and isinstance(parameters, types.GeneratorType):
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
        )
    total = get_total_norm(_grads(chosen), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(chosen, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensors, max_norm: float, norm_type: float = 2.0,
    error_if_nonfinite: bool = False, foreach: bool | None = None,
) -> Tensor:  # fmt: skip
    """Deprecated name of `clip_grad_norm_`."""
    warnings.warn(
        "`nn.utils.clip_grad_norm` is deprecated in favor of `nn.utils.clip_grad_norm_`.",
        FutureWarning, stacklevel=2,
    )  # fmt: skip
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


@no_grad()
def clip_grad_value_(parameters: Tensors, clip_value: float, foreach: bool | None = None) -> None:
    """Limit every element of the gradients, in place, to `[-clip_value, clip_value]`."""
    for grads in _by_device(_grads(parameters)).values():
        F.clamp_each(grads, float(clip_value))
