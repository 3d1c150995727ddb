"""Containers: Sequential, ModuleList, ModuleDict, ParameterList, ParameterDict."""

from __future__ import annotations

import itertools
import operator
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from ..._tensor import Parameter, Tensor
from .module import Module, indent

Self = TypeVar("Self", bound="_ListLike")
Many = TypeVar("Many", bound="_Extendable")


def _position(length: int, index: Any, what: str) -> int:
    index = operator.index(index)
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of range: the {what} has {length} entries")
    return index % length


class _Extendable(Module):
    """Values that are added at the end."""

    def extend(self: Many, values: Iterable[Any]) -> Many:
        """Add values at the end."""
        if not isinstance(values, Iterable) or isinstance(values, Tensor):
            raise TypeError(
                f"{type(self).__name__}.extend should be called with an iterable, but got "
                f"{type(values).__name__}"
            )
        for value in list(values):
            self.append(value)
        return self

    __iadd__ = extend


class _ListLike(_Extendable):
    """Modules numbered from 0 under the names "0", "1", ..."""

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def _key(self, index: Any) -> str:
        return list(self._modules)[_position(len(self), index, type(self).__name__)]

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(self._slice(index))
        return self._modules[self._key(index)]

    def _slice(self, index: slice) -> Any:
        return list(self._modules.values())[index]

    def __setitem__(self, index: int, module: Module) -> None:
        setattr(self, self._key(index), module)

    def __delitem__(self, index: Any) -> None:
        kept = list(self._modules.values())
        del kept[index if isinstance(index, slice) else _position(len(self), index, "list")]
        self._renumber(kept)

    def _renumber(self, modules: list[Any]) -> None:
        self._modules.clear()
        self._modules.update((str(i), module) for i, module in enumerate(modules))

    def __dir__(self) -> list[str]:
        return [k for k in super().__dir__() if not k.isdigit()]

    def append(self: Self, module: Module) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def insert(self: Self, index: int, module: Module) -> Self:
        """Insert a module before position `index`."""
        modules = list(self._modules.values())
        modules.insert(index, module)
        self._renumber(modules)
        return self

    def pop(self, index: int = -1) -> Module:
        """Remove and return a module."""
        module: Module = self[index]
        del self[index]
        return module


class Sequential(_ListLike):
    """Modules called one after another, each with the result of the one before.

    Takes modules, or one OrderedDict of names to modules.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named = len(args) == 1 and isinstance(args[0], OrderedDict)
        for name, module in args[0].items() if named else enumerate(args):
            self.add_module(str(name), module)

    def _slice(self, index: slice) -> Any:
        return OrderedDict(list(self._modules.items())[index])

    def __add__(self, other: Iterable[Module]) -> Sequential:
        return Sequential(*self, *other)

    def forward(self, input: Any) -> Any:
        for module in self._modules.values():
            input = module(input)  # type: ignore[misc]
        return input


class ModuleList(_ListLike):
    """A list of modules; it registers them and is called by its owner."""

    def __repr__(self) -> str:
        """Equal neighbours stand on one line: `(0-2): 3 x Linear(...)`."""
        lines, end = [], 0
        for text, group in itertools.groupby(map(repr, self)):
            start, end = end, end + len(list(group))
            one = end - start == 1
            where = f"({start}): " if one else f"({start}-{end - 1}): {end - start} x "
            lines.append("\n  " + where + indent(text))
        return f"{self._get_name()}({''.join(lines)}" + ("\n)" if lines else ")")

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def __add__(self, other: Iterable[Module]) -> ModuleList:
        return ModuleList([*self, *other])


class ParameterList(_Extendable):
    """A list of parameters (Tensors become Parameters; other values are kept as they are)."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return ParameterList([getattr(self, str(i)) for i in range(self._size)[index]])
        return getattr(self, str(_position(self._size, index, "ParameterList")))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(_position(self._size, index, "ParameterList")), _parameter(value))

    def __iter__(self) -> Iterator[Any]:
        return iter(self[i] for i in range(self._size))

    def append(self, value: Any) -> ParameterList:
        """Add a value at the end."""
        self._size += 1
        self[-1] = value
        return self

    def __repr__(self) -> str:
        return _listed(self, enumerate(self))


class _DictLike(Module):
    """Values by name; `_names` has the names in their order."""

    _names: dict[str, Any]

    def __len__(self) -> int:
        return len(self._names)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __contains__(self, key: object) -> bool:
        return key in self._names

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __delitem__(self, key: str) -> None:
        del self._names[key]

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._names.keys()

    def values(self) -> Iterable[Any]:
        """The values."""
        return (self[key] for key in self)

    def items(self) -> Iterable[tuple[str, Any]]:
        """Pairs of name and value."""
        return ((key, self[key]) for key in self)

    def clear(self) -> None:
        """Remove all."""
        for key in list(self):
            del self[key]

    def pop(self, key: str) -> Any:
        """Remove and return one."""
        value = self[key]
        del self[key]
        return value

    def update(self, values: Any) -> None:
        """Add the pairs of a mapping or iterable."""
        if not isinstance(values, Iterable):
            raise TypeError(
                f"{type(self).__name__}.update should be called with an iterable of key/value "
                f"pairs, but got {type(values).__name__}"
            )
        for key, value in values.items() if hasattr(values, "items") else values:
            self[key] = value


class ModuleDict(_DictLike):
    """A dictionary of modules."""

    _names = property(lambda self: self._modules)

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)


class ParameterDict(_DictLike):
    """A dictionary of parameters."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._names = {}
        if parameters is not None:
            self.update(parameters)

    def __setitem__(self, key: str, value: Any) -> None:
        self._names[key] = None
        setattr(self, key, _parameter(value))

    def __delitem__(self, key: str) -> None:
        super().__delitem__(key)
        delattr(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or `default`."""
        return getattr(self, key) if key in self._names else default

    def __repr__(self) -> str:
        return _listed(self, self.items())


def _parameter(value: Any) -> Any:
    plain = isinstance(value, Tensor) and not isinstance(value, Parameter)
    return Parameter(value) if plain else value


def _listed(module: Module, pairs: Iterable[tuple[Any, Any]]) -> str:
    """A container of parameters as text."""
    return f"{module._get_name()}({chr(10).join(f'  ({k}): {_kind(v)}' for k, v in pairs)})"


def _kind(value: Any) -> str:
    if not isinstance(value, Tensor):
        return f"Object of type: {type(value).__name__}"
    name = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"{name} containing: [{value.dtype} of size {'x'.join(map(str, value.shape))}]"
