"""What all models share: the registry, builders made from rows, fresh weights, state loading."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from functools import partial
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from ... import Tensor, load, nn

M = TypeVar("M", bound=nn.Module)
Layer = Callable[..., nn.Module]
Weights = str | PathLike[str] | None

_MODELS: dict[str, Callable[..., Any]] = {}


def register_model(name: str | None = None) -> Callable[[Callable[..., M]], Callable[..., M]]:
    """Decorate a function that builds a model: `get_model` finds it under `name`, or its own.

    ValueError if the name is taken.
    """

    def registered(fn: Callable[..., M]) -> Callable[..., M]:
        key = name or fn.__name__
        if key in _MODELS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        _MODELS[key] = fn
        return fn

    return registered


def _matching(names: set[str], patterns: Iterable[str] | str) -> set[str]:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return {name for pattern in patterns for name in fnmatch.filter(names, pattern)}


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of all registered models, sorted.

    Args:
        module: only those of this package, such as `pyrite.vision.models.segmentation`.
        include: patterns with * and ?; what fits one of them is listed.
        exclude: patterns; what fits one of them is not.
    """
    names = {
        name
        for name, fn in _MODELS.items()
        if module is None or fn.__module__.rpartition(".")[0] == module.__name__
    }
    names = _matching(names, include) if include else names
    return sorted(names - _matching(names, exclude or ()))


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds the model of this name; ValueError for an unknown one."""
    try:
        return _MODELS[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name}; list_models() has the names") from None


def get_model(name: str, **config: Any) -> nn.Module:
    """The model of this name; `config` goes to its builder."""
    return get_model_builder(name)(**config)


def builder(name: str, doc: str, make: Callable[..., M], *args: Any, **usual: Any) -> Any:
    """A registered function that builds `make(*args)`; `usual` are defaults of its keywords."""

    def build(*, weights: Weights = None, progress: bool = True, **kwargs: Any) -> M:
        return loaded(make(*args, **{**usual, **kwargs}), weights)

    build.__name__ = build.__qualname__ = name
    build.__module__ = make.__module__
    build.__doc__ = f"""{doc}

    Args:
        weights: None for fresh weights, or the path of a file with a state_dict: torchvision's
            own .pth files as they are.
        progress: of no effect, since nothing is downloaded.
        **kwargs: go to `{getattr(make, "__name__", "the model")}`.
    """
    return register_model(name)(build)


def loaded(model: M, weights: Weights) -> M:
    """The model with the state of a file, if one is given; ValueError if there is no such file."""
    if weights is None:
        return model
    path = Path(weights).expanduser()
    if not path.is_file():
        raise ValueError(
            f"weights: no file {path}; expected None or the path of a saved state_dict "
            "(.pth files from download.pytorch.org/models load as they are)"
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
