"""What all models share: builders made from rows, fresh weights, loading of published ones."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

from ... import Tensor, load, nn
from ._api import WeightsEnum, get_model_weights, register_model

M = TypeVar("M", bound=nn.Module)
Layer = Callable[..., nn.Module]
Given = WeightsEnum | str | PathLike[str] | None


def builder(
    name: str,
    doc: str,
    make: Callable[..., M],
    *args: Any,
    pins: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] = lambda asked, meta: {},
    trim: Callable[[M, dict[str, Any]], object] = lambda model, asked: None,
    **usual: Any,
) -> Any:
    """A registered function that builds `make(*args)`; `usual` are defaults of its keywords.

    Args:
        name: of the function and the model.
        doc: the first line of its docstring.
        make: the model's class, or a function.
        pins: what published weights fix beside `num_classes`, from the keywords of the call, to
            which it may add, and what is known of the weights.
        trim: called with a model that has published weights and the keywords of the call.
    """

    def build(*, weights: Given = None, progress: bool = True, **kwargs: Any) -> M:
        given = chosen(name, weights, kwargs)
        if isinstance(given, WeightsEnum):
            asked = dict(kwargs)
            pin(kwargs, **pinned_classes(given), **pins(kwargs, given.meta))
        model = loaded(make(*args, **{**usual, **kwargs}), given, progress)
        if isinstance(given, WeightsEnum):
            trim(model, asked)
        return model

    build.__name__ = build.__qualname__ = name
    build.__module__ = make.__module__
    build.__doc__ = f"""{doc}

    Args:
        weights: None for fresh weights; published ones, as a member of the enum that
            `get_model_weights({name!r})` gives, or its name; or the path of a file with a
            state_dict.
        progress: show how far a download is.
        **kwargs: go to `{getattr(make, "__name__", "the model")}`; `pretrained` is the old form of
            `weights`.
    """
    return register_model(name)(build)


def pinned_classes(weights: WeightsEnum) -> dict[str, Any]:
    """The number of classes that published weights are for; VGG's features alone have none."""
    categories = weights.meta["categories"]
    return {} if categories is None else {"num_classes": len(categories)}


def pin(kwargs: dict[str, Any], **fixed: Any) -> None:
    """Set keywords that published weights fix; ValueError where others were asked for."""
    for key, value in fixed.items():
        if kwargs.setdefault(key, value) != value:
            raise ValueError(
                f"The parameter '{key}' expected value {value} but got {kwargs[key]} instead."
            )


def chosen(name: str, weights: Given, kwargs: dict[str, Any], old: str = "pretrained") -> Given:
    """The weights that a call asks for: a member of the model's enum, a path, or None.

    Args:
        name: the model's.
        weights: the argument; a string is the name of a member, or a path.
        kwargs: loses the older keyword `old`, which warns as torchvision's does.

    Raises:
        TypeError: weights of another model.
        ValueError: there are none of this name, and no such file.
    """
    if weights is None and old not in kwargs:
        return None
    enum = get_model_weights(name)
    if old in kwargs:
        first = next(iter(enum))
        if kwargs[old] and "SWAG" in first.name:
            raise ValueError(f"No weights available for model {name}: take weights={first!r}")
        weights = first if kwargs.pop(old) else None
        warnings.warn(
            f"The parameter '{old}' is deprecated since 0.13 and may be removed in the future, "
            f"please use 'weights' instead; here it means weights={weights}.",
            UserWarning,
            stacklevel=3,
        )
    named = isinstance(weights, str) and weights.rpartition(".")[2] in enum.__members__
    return weights if isinstance(weights, str | PathLike) and not named else enum.verify(weights)


def loaded(model: M, weights: Given, progress: bool = True) -> M:
    """The model with published weights or the state of a file; ValueError if there is none."""
    if isinstance(weights, WeightsEnum):
        model.load_state_dict(weights.get_state_dict(progress=progress, check_hash=True))
    elif weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise ValueError(
                f"weights: no file {path}, and no published weights of this name; expected None, "
                "a member of the model's enum or its name, or the path of a saved state_dict"
            )
        model.load_state_dict(load(path, map_location="cpu", weights_only=True))
    return model


def renames(model: nn.Module, pattern: str, new: str | Callable[[re.Match[str]], str]) -> None:
    """Let `model` load states whose keys are older: where `pattern` is found, `new` stands."""

    def rename(state: dict[str, Any], prefix: str, *_: Any) -> None:
        for key in [k for k in state if re.search(pattern, k)]:
            state[re.sub(pattern, new, key)] = state.pop(key)

    model._register_load_state_dict_pre_hook(rename)


Fill = Callable[[Any], Any] | None


def fan_out(weight: Tensor) -> Tensor:
    """He's normal distribution, by the size of what a layer gives."""
    return nn.init.kaiming_normal_(weight, mode="fan_out", nonlinearity="relu")


def small(weight: Tensor) -> Tensor:
    """Normal with deviation 0.01."""
    return nn.init.normal_(weight, std=0.01)


def truncated(weight: Tensor) -> Tensor:
    """Normal with deviation 0.02, cut at -2 and 2."""
    return nn.init.trunc_normal_(weight, std=0.02)


def fill(model: nn.Module, conv: Fill = None, linear: Fill = None) -> None:
    """Fresh weights for convolutions and linear layers, where a rule is given; biases are 0."""
    for layer in model.modules():
        is_conv = isinstance(layer, nn.Conv2d)
        rule = conv if is_conv else linear if isinstance(layer, nn.Linear) else None
        if rule is not None:
            rule(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def make_divisible(value: float, divisor: int = 8, min_value: int | None = None) -> int:
    """The multiple of `divisor` nearest to `value`, but at least 0.9 of it and `min_value`."""
    near = max(min_value or divisor, int(value + divisor / 2) // divisor * divisor)
    return near if near >= 0.9 * value else near + divisor


def batch_norm(eps: float = 1e-3, momentum: float = 0.01) -> Layer:
    """BatchNorm2d with other constants."""
    return partial(nn.BatchNorm2d, eps=eps, momentum=momentum)
