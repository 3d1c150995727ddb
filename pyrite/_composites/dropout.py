"""The dropout family: zeros at random while training, the rest scaled up."""

from __future__ import annotations

from collections.abc import Callable

from .._tensor import F, Tensor
from ..random import current_generator
from ._register import composite, in_place_or_not, named

_ALPHA = 1.7580993408473766  # SELU's limit for large negative input, negated


def _active(input: Tensor, p: float, training: bool) -> bool:
    """Whether anything is to be done; ValueError for a probability outside [0, 1]."""
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return training and p > 0 and input.array.size > 0


def _elements(input: Tensor, p: float) -> Tensor:
    return F.dropout(input, p, True, *current_generator().advance())


def _kept(input: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    """1 / (1 - p) with probability 1 - p, else 0."""
    return _elements(F.full(shape, 1.0, input.dtype, device=input.device), p)


def _channels(input: Tensor) -> tuple[int, ...]:
    """One number per sample and channel."""
    if input.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return (*input.shape[:2], *[1] * (input.ndim - 2))


def _features(input: Tensor, p: float) -> Tensor:
    return F.mul(input, _kept(input, p, _channels(input)))


def _alpha(input: Tensor, p: float, shape: tuple[int, ...]) -> Tensor:
    """Dropped elements become SELU's limit; then scaled and shifted to mean 0, variance 1."""
    if p == 1.0:
        return F.mul(input, 0.0)
    a = ((_ALPHA**2 * p + 1) * (1 - p)) ** -0.5
    kept = F.mul(_kept(input, p, shape), 1 - p)
    shift = F.add(F.mul(F.sub(kept, 1.0), _ALPHA * a), _ALPHA * a * p)
    return F.add(F.mul(input, F.mul(kept, a)), shift)


def _alpha_elements(input: Tensor, p: float) -> Tensor:
    return _alpha(input, p, tuple(input.shape))


def _alpha_features(input: Tensor, p: float) -> Tensor:
    return _alpha(input, p, _channels(input))


def _run(
    function: Callable[..., Tensor], name: str, input: Tensor, p: float, train: bool, inplace: bool
) -> Tensor:
    if not _active(input, p, train):
        return input
    return in_place_or_not(name, function, inplace, input, p)


@composite(public="n")
def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability p; the others times 1 / (1 - p)."""
    return _run(_elements, "dropout", input, p, training, inplace)


@composite(public="n")
def alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """Dropout that keeps mean and variance of SELU activations."""
    return _run(_alpha_elements, "alpha_dropout", input, p, training, inplace)


@composite(public="n")
def feature_alpha_dropout(
    input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False
) -> Tensor:
    """`alpha_dropout` of whole channels."""
    return _run(_alpha_features, "feature_alpha_dropout", input, p, training, inplace)


def _spatial(n: int) -> None:
    """`dropout{n}d`: whole channels of (batch, channels, ...) or (channels, ...)."""

    def function(
        input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
    ) -> Tensor:
        single = input.ndim == n + 1
        if not single:
            return _run(_features, f"dropout{n}d", input, p, training, inplace)
        x = F.view(input, (1, *input.shape)) if inplace else F.reshape(input, (1, *input.shape))
        out = _run(_features, f"dropout{n}d", x, p, training, inplace)
        return input if inplace else F.reshape(out, input.shape)

    doc = "Zero whole channels with probability p; the others times 1 / (1 - p)."
    named(function, f"dropout{n}d", "n", doc)


for _n in (1, 2, 3):
    _spatial(_n)


def _torch_form(name: str, function: Callable[..., Tensor], inplace: bool) -> None:
    """The form `name(input, p, train)` or `name_(input, p, train)` of the top namespace."""

    def form(input: Tensor, p: float, train: bool) -> Tensor:
        return _run(function, name, input, p, train, inplace)

    place = " in place" if inplace else ""
    named(form, name + "_" * inplace, "f", f"`nn.functional.{name}`{place}.")


for _name, _function in (
    ("dropout", _elements), ("alpha_dropout", _alpha_elements), ("feature_dropout", _features),
    ("feature_alpha_dropout", _alpha_features),
):  # fmt: skip
    for _inplace in (False, True):
        _torch_form(_name, _function, _inplace)
