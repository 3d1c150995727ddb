"""What layers are made of: declared arguments, parameters with fresh memory, text."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar, dataclass_transform

from ..._composites.create import lengths
from ..._dtypes import get_default_dtype
from ..._tensor import F, Parameter, Tensor
from .. import functional
from .module import Module

M = TypeVar("M", bound="FunctionModule")
_EMPTY, _KIND = inspect.Parameter.empty, inspect.Parameter.POSITIONAL_OR_KEYWORD
_NAMED = inspect.Parameter.KEYWORD_ONLY


class FunctionModule(Module):
    """A layer that calls `nn.functional.<function>` with its arguments, which are attributes.

    Attributes:
        function: the function's name.
        options: the arguments that it is called with beside the inputs.
        hidden: arguments of the constructor that are none of the function's.
        shown: the arguments that the text form shows.
        n: the number of spatial dimensions, of layers made for several.
    """

    function: str
    options: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()
    n: int
    _arguments: Mapping[str, Any] = {}

    def __post_init__(self) -> None:
        """Check or complete the arguments, which are attributes by now."""

    def _call(self, *inputs: Any, **more: Any) -> Any:
        options = {name: getattr(self, name) for name in self.options} | more
        return getattr(functional, self.function)(*inputs, **options)

    def forward(self, input: Tensor) -> Any:
        return self._call(input)

    def extra_repr(self) -> str:
        return facts(self, *self.shown)


@dataclass_transform()
def declared(cls: type[M]) -> type[M]:
    """Like `dataclass`: the constructor takes the annotated attributes, the bases' ones first."""
    own = {name: vars(cls).get(name, _EMPTY) for name in inspect.get_annotations(cls)}
    for name in own.keys() & vars(cls).keys():
        delattr(cls, name)  # it would hide a buffer of the same name
    return takes(cls, {**cls._arguments, **own})


def takes(cls: type[M], arguments: Mapping[str, Any]) -> type[M]:
    """Give a class the constructor that keeps `arguments` (names and defaults) as attributes.

    Arguments after one named "*" are given by keyword only.
    """
    names = ["self", *arguments]
    star = names.index("*") if "*" in names else len(names)
    signature = inspect.Signature([
        inspect.Parameter(n, _KIND if i < star else _NAMED, default=arguments.get(n, _EMPTY))
        for i, n in enumerate(names)
        if n != "*"
    ])  # fmt: skip

    def __init__(*args: Any, **kwargs: Any) -> None:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{type(args[0]).__name__}{signature}: {error}") from None
        bound.apply_defaults()
        self: Any = bound.arguments.pop("self")
        Module.__init__(self)
        for name, value in bound.arguments.items():
            setattr(self, name, value)
        self.__post_init__()

    __init__.__signature__ = signature  # type: ignore[attr-defined]
    cls.__init__, cls._arguments = __init__, arguments  # type: ignore[method-assign]
    cls.options = tuple(name for name in arguments if name not in (*cls.hidden, "*"))
    return cls


def made(
    base: type[M], name: str, doc: str, arguments: Mapping[str, Any] | None = None, **members: Any
) -> type[M]:
    """A class made from a row: `base` with other class attributes and constructor arguments."""
    place = {"__module__": base.__module__, "__qualname__": name, "__doc__": doc}
    cls: type[M] = type(name, (base,), {**place, **members})
    return cls if arguments is None else takes(cls, arguments)


REQUIRED = _EMPTY  # in rows: an argument without default


def facts(module: Module, *names: str) -> str:
    """Attributes as `name=value` for the text form."""
    return ", ".join(f"{name}={getattr(module, name)}" for name in names)


def unusual(module: Module, **usual: Any) -> list[str]:
    """The names of the attributes that do not have their usual values."""
    return [name for name, value in usual.items() if getattr(module, name) != value]


def full(size: tuple[int, ...], value: Any, device: Any, dtype: Any) -> Tensor:
    """A tensor whose every element is `value`."""
    return F.full(size, value, dtype or get_default_dtype(), device=device)


def add_parameters(
    module: Module, device: Any, dtype: Any, **sizes: tuple[int, ...] | None
) -> None:
    """Register parameters with memory that `reset_parameters` fills; None where the size is."""
    dtype = dtype or get_default_dtype()
    for name, size in sizes.items():
        size = None if size is None else lengths("empty", (), size)
        made = None if size is None else Parameter(F.empty(size, dtype, device=device))
        module.register_parameter(name, made)


def tuple_of(value: Any, n: int) -> tuple[Any, ...]:
    """`value` n times, or the tuple it already is."""
    return tuple(value) if isinstance(value, tuple | list) else (value,) * n
