"""Windows for spectral analysis: `hann_window`, ... and the functions of `pyrite.signal.windows`.

A window of n values is a shape over the positions i = 0, ..., n - 1 and their span: n - 1 for a
symmetric window, n for one period of a periodic one. Values are computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from inspect import Parameter, Signature
from typing import Any

from .._dtypes import dtype, float32, float64, get_default_dtype
from .._tensor import F, Tensor
from .create import factory

_EITHER = Parameter.POSITIONAL_OR_KEYWORD
Shape = Callable[..., Tensor]  # (positions, span, **parameters)


def _cosines(i: Tensor, span: float, a: Iterable[float]) -> Tensor:
    """`a[0] - a[1] cos(2 pi i / span) + a[2] cos(4 pi i / span) - ...`."""
    if not (weights := tuple(a)):
        raise ValueError("Coefficients cannot be empty")
    total = F.zeros_like(i)
    for k, weight in enumerate(weights):
        total = total + F.cos(i * (2 * math.pi * k / span)) * (weight * (-1) ** k)
    return total


def _triangle(i: Tensor, span: float) -> Tensor:
    return 1.0 - F.abs(i * (2.0 / span) - 1.0)


def _bessel(i: Tensor, span: float, beta: float) -> Tensor:
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    place = i * (2.0 / span) - 1.0
    x = F.sqrt(F.clamp(1.0 - place * place, 0.0)) * beta
    return F.div(F.i0e(x) * F.exp(x - beta), F.i0e(F.full((), beta, float64, device=i.device)))


def _bell(i: Tensor, span: float, std: float) -> Tensor:
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    return F.exp(F.pow((i - span / 2) / std, 2) * -0.5)


def _decay(i: Tensor, span: float, center: float | None, tau: float) -> Tensor:
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    return F.exp(F.abs(i - (span / 2 if center is None else center)) / -tau)


def _arch(i: Tensor, span: float) -> Tensor:
    return F.sin((i + 0.5) * (math.pi / (span + 1)))


def _hamming(i: Tensor, span: float, alpha: float) -> Tensor:
    return _cosines(i, span, (alpha, 1.0 - alpha))


HANN, BLACKMAN = (0.5, 0.5), (0.42, 0.5, 0.08)
NUTTALL = (0.3635819, 0.4891775, 0.1365995, 0.0106411)


def _values(
    n: int, symmetric: bool, kind: dtype, device: Any, shape: Shape, parameters: dict[str, Any]
) -> Tensor:
    if n < 2:
        return F.full((n,), 1.0, kind, device=device)
    i = F.arange(0, n, 1, float64, device=device)
    out: Tensor = F.cast(shape(i, n - 1 if symmetric else n, **parameters), kind)
    return out


def _describe(
    function: Callable[..., Tensor], name: str, length: str, parameters: list[Parameter]
) -> None:
    """Name and signature of a function made in a loop."""
    function.__name__ = function.__qualname__ = name
    options = [Parameter(k, Parameter.KEYWORD_ONLY, default=None) for k in ("dtype", "device")]
    form = Signature([Parameter(length, _EITHER), *parameters, *options])
    function.__signature__ = form  # type: ignore[attr-defined]


def _classic(name: str, what: str, shape: Shape, **defaults: float) -> None:
    """Register a window of `pyrite` itself; its parameters may be given by position."""

    def function(
        window_length: int, periodic: bool = True, *parameters: float,
        dtype: dtype | None = None, device: Any = None, **named: float,
    ) -> Tensor:  # fmt: skip
        kind = dtype or get_default_dtype()
        if not kind.is_floating_point:
            raise RuntimeError(f"{name} expects floating point dtypes, got: {kind}")
        if window_length < 0:
            raise RuntimeError(
                f"{name} requires non-negative window_length, got window_length={window_length}"
            )
        given = {**defaults, **dict(zip(defaults, parameters, strict=False)), **named}
        return _values(window_length, not periodic, kind, device, shape, given)

    parameters = {"periodic": True, **defaults}
    _describe(function, name, "window_length", [Parameter(k, _EITHER, default=v)
                                                for k, v in parameters.items()])  # fmt: skip
    function.__doc__ = f"{what}, of `window_length` values: one period, or symmetric."
    factory(function)


def _of_module(name: str, what: str, shape: Shape, **defaults: Any) -> None:
    """Register a window of `pyrite.signal.windows`."""

    def function(
        M: int, *, sym: bool = True, dtype: dtype | None = None, device: Any = None,
        **parameters: Any,
    ) -> Tensor:  # fmt: skip
        kind = dtype or get_default_dtype()
        if M < 0:
            raise ValueError(f"{name} requires non-negative window length, got M={M}")
        if kind not in (float32, float64):
            raise ValueError(f"{name} expects float32 or float64 dtypes, got: {kind}")
        if unknown := set(parameters) - set(defaults):
            raise TypeError(f"{name}() got an unexpected keyword argument {unknown.pop()!r}")
        if sym and parameters.get("center") is not None:
            raise ValueError("Center must be None for symmetric windows")
        return _values(M, sym, kind, device, shape, {**defaults, **parameters})

    parameters = {**defaults, "sym": True}
    _describe(function, name, "M", [Parameter(k, Parameter.KEYWORD_ONLY, default=v)
                                    for k, v in parameters.items()])  # fmt: skip
    function.__doc__ = f"{what}, of `M` values: symmetric, or one period."
    factory(function, "", (f"signal.windows.{name}",))


_classic("hann_window", "A raised cosine", partial(_cosines, a=HANN))
_classic("blackman_window", "A sum of three cosines", partial(_cosines, a=BLACKMAN))
_classic("bartlett_window", "A triangle", _triangle)
_classic("kaiser_window", "Kaiser's window of shape `beta`", _bessel, beta=12.0)
_classic(
    "hamming_window", "The cosine `alpha - beta cos`",
    lambda i, span, alpha, beta: _cosines(i, span, (alpha, beta)), alpha=0.54, beta=0.46,
)  # fmt: skip

_of_module("hann", "A raised cosine", partial(_cosines, a=HANN))
_of_module("hamming", "Hamming's raised cosine", partial(_hamming, alpha=0.54))
_of_module("general_hamming", "The cosine `alpha - (1 - alpha) cos`", _hamming, alpha=0.54)
_of_module("blackman", "A sum of three cosines", partial(_cosines, a=BLACKMAN))
_of_module("nuttall", "A sum of four cosines", partial(_cosines, a=NUTTALL))
_of_module("general_cosine", "The sum of cosines with weights `a`", _cosines, a=())
_of_module("bartlett", "A triangle", _triangle)
_of_module("cosine", "Half a period of a sine", _arch)
_of_module("kaiser", "Kaiser's window of shape `beta`", _bessel, beta=12.0)
_of_module("gaussian", "A normal curve of deviation `std`", _bell, std=1.0)
_of_module("exponential", "A decay with `tau` from `center`", _decay, center=None, tau=1.0)
