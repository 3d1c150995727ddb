"""What a function may read beside its arguments: modules, closures, globals, optimizers' state.

A world is found once, from the function's code and what that names, and copied. Later the copies
are compared with what is there now: a difference means that the function may do something else.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator
from operator import attrgetter, itemgetter
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from .._device import device
from .._dtypes import dtype
from .._tensor import Tensor
from ..nn.modules.module import Module
from ..optim.optimizer import Optimizer
from ..random import Generator

PACKAGE = __name__.partition(".")[0]
ATOMS = (int, float, complex, str, bytes, type(None), dtype, device, Generator)  # bool is an int
MANY = 1000  # elements of a list beyond which it counts as data, not as a setting
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_contents = attrgetter("cell_contents")
# Names in code by which it can read an attribute that no name shows.
_REFLECTION = frozenset(("getattr", "setattr", "vars", "__dict__", "hasattr", "delattr"))


@functools.cache
def _own(name: str | None) -> bool:
    """Whether a module is Pyrite's, Python's or an installed one, whose globals are no settings."""
    top = (name or "").partition(".")[0]
    if top == "__main__":  # its file may be that of a notebook's kernel
        return False
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    installed = {"site-packages", "dist-packages"} & set(Path(file).parts)
    return top == PACKAGE or top in sys.stdlib_module_names or bool(installed)


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class _View:
    """Values without a container: numbers by value and type, all else by identity."""

    __slots__ = ("get", "ids", "names", "values")

    def __init__(self, get: Callable[[], tuple[Any, ...]], names: list[str]) -> None:
        self.get, self.names, self.values = get, names, get()
        self.ids = tuple(map(id, self.values))

    def change(self) -> str | None:
        """The name of what is not as it was; other objects that are equal are taken over."""
        now = self.get()
        if len(now) != len(self.values):
            return self.names[0]
        for i, (a, b) in enumerate(zip(now, self.values, strict=True)):
            if not _same(a, b):
                return self.names[i if i < len(self.names) else 0]
        self.values, self.ids = now, tuple(map(id, now))
        return None


class World:
    """The reachable state.

    Attributes:
        tensors: parameters, buffers and the like: the array's id -> the Tensor that holds it.
        leaves: those whose `.grad` may matter.
        ages: ids of arrays that only optimizers read (step counts and moments).
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self.names: set[str] = set()
        self.tensors: dict[int, Tensor] = {}
        self.leaves: list[Tensor] = []
        self.ages: set[int] = set()
        self.live: list[Any] = []  # dicts, lists and sets, each with its copy in `seen`
        self.seen: list[Any] = []
        self.owners: list[Any] = []
        self.views: list[_View] = []
        self.empty: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._todo = list(roots)
        while self._todo:
            self._walk(self._todo.pop())

    # ---- finding

    def _watch(self, container: Any, owner: Any = None) -> None:
        self.live.append(container)
        self.seen.append(dict(container) if isinstance(container, dict) else container.copy())
        self.owners.append(owner)
        values = list(container.values()) if isinstance(container, dict) else list(container)
        if any(isinstance(v, Tensor) and v.array.size == 1 for v in values):
            # Comparing one-element tensors compares their values.
            held = container.values if isinstance(container, dict) else container.__iter__
            self._get(lambda: tuple(held()), ["a tensor"])

    def _walk(self, value: Any) -> None:
        kind = type(value)
        if isinstance(value, ATOMS) or kind is BuiltinFunctionType or id(value) in self._memo:
            return
        self._memo[id(value)] = value
        if isinstance(value, Tensor):
            self._tensor(value)
        elif isinstance(value, Module):
            self._module(value)
        elif isinstance(value, Optimizer):
            self._optimizer(value)
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, MethodType):
            self._each((value.__self__, value.__func__))
        elif isinstance(value, list | tuple | dict | set | frozenset):
            self._container(value)
        elif isinstance(value, ModuleType | type) or _own(kind.__module__):
            for name in ("func", "args", "keywords", "__wrapped__"):  # functools.partial and kin
                if hasattr(value, name):
                    self._todo.append(getattr(value, name))
        else:
            self._object(value)

    def _tensor(self, tensor: Tensor) -> None:
        self.tensors.setdefault(id(tensor.array), tensor)
        if tensor._requires_grad and tensor.node is None:
            self.leaves.append(tensor)

    def _module(self, module: Module) -> None:
        own = module.__dict__
        self._watch(own, module)
        for name in ("_parameters", "_buffers", "_modules"):
            if own[name]:
                self._watch(own[name])
            self._each(own[name].values())
        for name in HOOKS:
            if own[name]:
                self._watch(own[name])
                self._each(own[name].values())
            else:
                self.empty.append(own[name])
        self._class(type(module))
        self._each([v for k, v in own.items() if not k.startswith("_")])

    def _class(self, kind: type) -> None:
        """The methods of a user's class, whose code tells what is read."""
        for base in kind.__mro__:
            if not _own(base.__module__) and id(base) not in self._memo:
                self._memo[id(base)] = base
                for member in vars(base).values():
                    member = getattr(member, "__func__", getattr(member, "fget", member))
                    if isinstance(member, FunctionType):
                        self._todo.append(member)

    def _optimizer(self, optimizer: Optimizer) -> None:
        self._get(lambda: (optimizer.param_groups, optimizer.state), ["param_groups", "state"])
        self._each([list(hooks.values()) for hooks in optimizer._hooks.values()])
        self._watch(optimizer.param_groups)
        for group in optimizer.param_groups:
            self._watch(group["params"])
            self._each(group["params"])
        self._watch(optimizer.state)
        for state in optimizer.state.values():
            if isinstance(state, dict) and all(isinstance(v, Tensor) for v in state.values()):
                self._watch(state)
                for tensor in state.values():
                    self.ages.add(id(tensor.array))
                    self.tensors.setdefault(id(tensor.array), tensor)

    def _function(self, function: FunctionType) -> None:
        if _own(function.__module__):
            if hasattr(function, "__wrapped__"):  # a decorator of ours around the user's function
                self._each(c.cell_contents for c in function.__closure__ or () if _filled(c))
            return
        names: set[str] = set()
        for code in _codes(function.__code__):
            names.update(code.co_names)
        self.names |= names
        cells = [c for c in function.__closure__ or () if _filled(c)]
        if cells:
            self._get(lambda: tuple(map(_contents, cells)), list(function.__code__.co_freevars))
        scope = function.__globals__
        found = sorted(n for n in names if n in scope and not _is_fixed(scope[n]))
        if found:
            get = itemgetter(*found)
            one = len(found) == 1
            self._get((lambda: (get(scope),)) if one else (lambda: get(scope)), found)
        self._each(scope[n] for n in found)
        for name in names & scope.keys():
            if isinstance(scope[name], ModuleType) and not _own(scope[name].__name__):
                self._each(vars(scope[name]).get(n) for n in names)
        self._each((function.__defaults__, function.__kwdefaults__))
        self._each(map(_contents, cells))

    def _get(self, get: Callable[[], tuple[Any, ...]], names: list[str]) -> None:
        """Watch values that have no container."""
        self.views.append(_View(get, names))

    def _container(self, value: Any) -> None:
        if isinstance(value, list | dict | set):
            if len(value) > MANY:
                return
            self._watch(value)
        self._each(value.values() if isinstance(value, dict) else value)

    def _object(self, value: Any) -> None:
        own = getattr(value, "__dict__", None)
        if isinstance(own, dict):
            self._class(type(value))
            self._watch(own, value)
            self._each(list(own.values()))

    def _each(self, values: Iterable[Any]) -> None:
        self._todo += values

    # ---- comparing

    def same(self) -> bool:
        """Whether all is as it was; what no code reads may change."""
        for view in self.views:
            if tuple(map(id, view.get())) != view.ids and view.change() is not None:
                return False
        if any(self.empty):
            return False
        try:
            if self.live == self.seen:
                return True
        except (RuntimeError, ValueError, TypeError):
            pass  # arrays and tensors that are not the same object
        return self.change() is None

    def change(self) -> str | None:
        """What is not as it was, in words; None if nothing that matters."""
        for view in self.views:
            if (name := view.change()) is not None:
                return name
        if any(self.empty):
            return "a hook"
        for i, (now, was) in enumerate(zip(self.live, self.seen, strict=True)):
            if now is was or (found := self._difference(now, was, self.owners[i])) is None:
                continue
            if found:
                return found
            self.seen[i] = dict(now)
        return None

    def _difference(self, now: Any, was: Any, owner: Any) -> str | None:
        """None: equal; empty: unequal in what nothing reads."""
        if not isinstance(now, dict):
            same = len(now) == len(was) and all(map(_same, now, was))
            return None if same else f"a {type(now).__name__}"
        keys = [k for k in {**was, **now} if k not in was or k not in now or
                not _same(was[k], now[k])]  # fmt: skip
        if not keys:
            return None
        open_ = owner is None or _own(type(owner).__module__) or bool(self.names & _REFLECTION)
        read = [k for k in keys if open_ or k in self.names]
        if not read:
            return ""
        home = "" if owner is None else f" of {type(owner).__name__}"
        return f"{read[0]!r}{home}"


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _is_fixed(value: Any) -> bool:
    return isinstance(value, ModuleType | type | BuiltinFunctionType) or (
        isinstance(value, FunctionType) and _own(value.__module__)
    )


def _same(a: Any, b: Any) -> bool:
    return a is b or (isinstance(a, ATOMS) and type(a) is type(b) and (a == b or a != a))
