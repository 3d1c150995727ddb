"""The registry of models, and published weights: enums made from `vision/data/weights.json`."""

from __future__ import annotations

import fnmatch
import functools
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from importlib.resources import files
from types import ModuleType
from typing import Any, TypeVar

from ... import nn
from ...hub import load_state_dict_from_url

M = TypeVar("M", bound=nn.Module)
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
    names = {n for n, fn in _MODELS.items() if module is None or _package(fn) == module.__name__}
    names = _matching(names, include) if include else names
    return sorted(names - _matching(names, exclude or ()))


def _package(fn: Callable[..., Any]) -> str:
    return fn.__module__.rpartition(".")[0]


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds the model of this name; ValueError for an unknown one."""
    try:
        return _MODELS[name.lower()]
    except KeyError:
        raise ValueError(f"Unknown model {name}; list_models() has the names") from None


def get_model(name: str, **config: Any) -> nn.Module:
    """The model of this name; `config` goes to its builder."""
    return get_model_builder(name)(**config)


@dataclass(eq=False)
class Weights:
    """Where weights lie and what is known of them.

    Attributes:
        url: the address of the file.
        transforms: makes the transforms that images need for these weights.
        meta: "categories", "num_params", "min_size", "recipe", "_metrics", ...
    """

    url: str
    transforms: Callable[..., Any]
    meta: dict[str, Any]

    def __eq__(self, other: object) -> bool:
        """Equal facts; `partial` objects are compared by what they hold, so that copies agree."""
        if not isinstance(other, Weights):
            return NotImplemented
        return (self.url, self.meta, _parts(self)) == (other.url, other.meta, _parts(other))


def _parts(weights: Weights) -> Any:
    made: Any = weights.transforms
    is_partial = isinstance(made, functools.partial)
    return (made.func, made.args, made.keywords) if is_partial else made


class WeightsEnum(Enum):
    """The weights of one model; `DEFAULT` is another name of the best of them."""

    @classmethod
    def verify(cls, obj: Any) -> Any:
        """The member for a name; a member or None as it is. KeyError or TypeError otherwise."""
        if isinstance(obj, str):
            return cls[obj.replace(f"{cls.__name__}.", "")]
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received "
                f"{type(obj).__name__}."
            )
        return obj

    def get_state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """`hub.load_state_dict_from_url` of the address."""
        return load_state_dict_from_url(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self._name_}"

    @property
    def url(self) -> str:
        """The address of the file."""
        return self.value.url

    @property
    def transforms(self) -> Callable[..., Any]:
        """Makes the transforms that images need: `weights.transforms()`."""
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        """What is known: "categories", "num_params", "_metrics", ..."""
        return self.value.meta


@functools.cache
def _table() -> Any:
    text = (files("pyrite.vision") / "data" / "weights.json").read_text(encoding="utf-8")
    return json.loads(text)


@functools.cache
def _models() -> dict[str, str]:
    """The model of each enum."""
    return {row["enum"]: model for model, row in _table()["models"].items()}


@functools.cache
def _enum(model: str) -> type[WeightsEnum]:
    table = _table()
    row = table["models"][model]
    members = {
        name: _weights(table["base"], table["lists"], **facts)
        for name, facts in row["weights"].items()
    }
    members["DEFAULT"] = members[row["default"]]
    module = _package(_MODELS[model])
    make: Any = WeightsEnum
    enum = make(row["enum"], members, module=module)
    enum.__doc__ = f"Published weights of `{model}`: {', '.join(row['weights'])}."
    return enum


def _weights(base: str, lists: Any, file: str, transforms: Any, **facts: Any) -> Weights:
    from . import _presets

    meta = {key: tuple(value) if isinstance(value, list) else value for key, value in facts.items()}
    for key in ("categories", "keypoint_names"):
        if meta.get(key):
            meta[key] = list(lists[meta[key]])
    return Weights(base + file, _presets.preset(*transforms), meta)


def enum_names(package: str) -> list[str]:
    """The names of the enums for the models of a package, so far."""
    names = _models().items()
    return [enum for enum, model in names if package == _package(_MODELS.get(model, _models))]


def door(module: str) -> Callable[[str], Any]:
    """A module's `__getattr__`: the enums of its models, made when they are first asked for."""

    def named(name: str) -> Any:
        for model, row in _table()["models"].items():
            homes = (
                (_MODELS[model].__module__, _package(_MODELS[model])) if model in _MODELS else ()
            )
            if row["enum"] == name and module in homes:
                return _enum(model)
        raise AttributeError(f"module {module!r} has no attribute {name!r}")

    return named


def get_model_weights(name: Callable[..., Any] | str) -> type[WeightsEnum]:
    """The enum of a model's weights; ValueError if none are published.

    Args:
        name: the model's name, or the function that builds it.
    """
    model = get_model_builder(name) if isinstance(name, str) else name
    if model.__name__ not in _models().values() or _MODELS.get(model.__name__) is not model:
        raise ValueError(f"no weights are published for {model.__name__}")
    return _enum(model.__name__)


def get_weight(name: str) -> WeightsEnum:
    """The weights of a full name, such as "ResNet50_Weights.IMAGENET1K_V1"; ValueError, KeyError.

    ValueError for a name of another form or an unknown enum, KeyError for an unknown member.
    """
    enum, dot, member = name.partition(".")
    if not dot or "." in member:
        raise ValueError(f"Invalid weight name provided: '{name}'.")
    if enum in _models():
        return _enum(_models()[enum])[member]
    raise ValueError(f"The weight enum '{enum}' for the specific method couldn't be retrieved.")
