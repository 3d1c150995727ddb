"""Public names, made by loops over the op table and the composites.

`EXPORTS[space][name]` makes the function when it is first asked for: spaces are "" (pyrite),
"Tensor", "nn.functional" and the namespaces that dotted aliases name ("special", "linalg", ...).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

from . import _composites
from . import sparse as sparse  # its functions and methods register themselves
from ._composites import COMPOSITES
from ._inplace import derive, write_out
from ._ops import TABLE
from ._ops.table import LISTENERS, Op
from ._tensor import Tensor
from .autograd.recording import call_of, install

Maker = Callable[[], Callable[..., Any]]
EXPORTS: dict[str, dict[str, Maker]] = {}
LETTERS = {"f": "", "m": "Tensor", "n": "nn.functional"}
DUNDERS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "div", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "pow", "matmul": "matmul", "and": "bitwise_and",
    "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge", "eq": "eq",
    "ne": "ne", "neg": "neg", "abs": "abs", "invert": "bitwise_not",
}  # fmt: skip
_PLAIN = {"lt", "le", "gt", "ge", "eq", "ne", "neg", "abs", "invert"}


# How many of the first operands must be Tensors where only some of them may be numbers, as torch's
# signatures have it; composites and formulas go on using numbers.
_ONE = "clamp_max clamp_min copysign eq fmod ge gt le lt max min ne not_equal rsub"
_TWO = "fmax fmin heaviside isclose ldexp lerp"
TENSORS_ONLY = dict.fromkeys(_ONE.split(), 1) | dict.fromkeys(_TWO.split(), 2)


class LazyMethod:
    """Stands in the class for a method that is generated when it is first looked up."""

    __slots__ = ("name", "make")

    def __init__(self, name: str, make: Maker) -> None:
        self.name, self.make = name, make

    def __get__(self, instance: Any, owner: type) -> Any:
        function = self.make()
        setattr(Tensor, self.name, function)
        return function if instance is None else function.__get__(instance, owner)


def export(space: str, name: str, make: Maker) -> None:
    """Make a public name known; methods are put on the class."""
    EXPORTS.setdefault(space, {})[name] = make
    if space == "Tensor" and name not in Tensor.__dict__:
        setattr(Tensor, name, LazyMethod(name, make))


def _numpy_words(make: Maker) -> Maker:
    """Let a function with `dim` also take NumPy's words, `axis` and `keepdims`."""

    def made() -> Callable[..., Any]:
        function = make()
        code = inspect.unwrap(function).__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        if "dim" not in names or "axis" in names:
            return function

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if "axis" in kwargs:
                kwargs["dim"] = kwargs.pop("axis")
            if "keepdims" in kwargs:
                kwargs["keepdim"] = kwargs.pop("keepdims")
            return function(*args, **kwargs)

        return wrapped

    return made


def _tensors_only(name: str, make: Maker) -> Maker:
    """Let a function refuse numbers for its first operands; TypeError as in torch."""
    count = TENSORS_ONLY[name]

    def made() -> Callable[..., Any]:
        function = make()

        @functools.wraps(function)
        def checked(*args: Any, **kwargs: Any) -> Any:
            for value in args[:count]:
                if not isinstance(value, Tensor):
                    kinds = ", ".join(type(v).__name__ for v in args[:count])
                    raise TypeError(
                        f"{name}(): expected a Tensor for each of the first {count} operands, got "
                        f"{kinds}; wrap a number with pyrite.tensor()"
                    )
            return function(*args, **kwargs)

        return checked

    return made


def _spread(
    name: str, public: str, aliases: tuple[str, ...], function: Maker, method: Maker, inplace: Maker
) -> None:
    """One record under all its names: its own and the aliases, in-place twins included."""
    plain = [a for a in aliases if "." not in a]
    if name in TENSORS_ONLY:
        method = _tensors_only(name, method) if TENSORS_ONLY[name] > 1 else method
        function = _tensors_only(name, function)
    function, method = _numpy_words(function), _numpy_words(method)
    for n in (name, *plain):
        for letter, space in LETTERS.items():
            if letter in public:
                export(space, n, method if space == "Tensor" else function)
        if "i" in public:
            export("Tensor", n + "_", inplace)
            if "f" in public and "m" in public:
                export("", n + "_", inplace)
    for alias in set(aliases) - set(plain):
        space, _, n = alias.rpartition(".")
        target = inplace if n.endswith("_") else method if space == "Tensor" else function
        export(space, n, target)


def export_op(op: Op) -> None:
    """The public names of a table op."""

    def function() -> Callable[..., Any]:
        return call_of(op)

    _spread(
        op.name, op.public, op.aliases, function, function,
        lambda: derive(op.name, call_of(op), op),
    )  # fmt: skip


def _with_out(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    typed = (
        "dtype" in inspect.unwrap(function).__code__.co_varnames
    )  # computes in the dtype of `out`

    @functools.wraps(function)
    def wrapped(*args: Any, out: Any = None, **kwargs: Any) -> Any:
        if typed and isinstance(out, Tensor):
            kwargs.setdefault("dtype", out.dtype)
        result = function(*args, **kwargs)
        return result if out is None else write_out(name, result, out, args)

    return wrapped


def export_composite(c: _composites._register.Composite) -> None:
    """The public names of a composite."""

    def function() -> Callable[..., Any]:
        return _with_out(c.name, c.function) if c.out else c.function

    _spread(
        c.name, c.public, c.aliases, function, lambda: c.function,
        lambda: derive(c.name, c.function),
    )  # fmt: skip


def _operator(name: str, target: str) -> None:
    """A Python operator and its reflected and in-place forms."""

    def make() -> Callable[..., Any]:
        return getattr(Tensor, target)

    def make_reflected() -> Callable[..., Any]:
        function = EXPORTS[""][target]()
        return lambda self, other: function(other, self)

    def compared(self: Tensor, other: Any) -> Any:
        try:
            return getattr(Tensor, target)(self, other)
        except TypeError:
            return NotImplemented

    if name in ("eq", "ne"):
        setattr(Tensor, f"__{name}__", compared)
        return
    makers = {f"__{name}__": make}
    if name not in _PLAIN:
        makers[f"__r{name}__"] = make_reflected
        if f"{target}_" in EXPORTS["Tensor"]:
            makers[f"__i{name}__"] = lambda: getattr(Tensor, f"{target}_")
    for dunder, maker in makers.items():
        setattr(Tensor, dunder, LazyMethod(dunder, maker))


def door(space: str, scope: dict[str, Any]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a module that shows one space's functions."""
    makers = EXPORTS.setdefault(space, {})

    def __getattr__(name: str) -> Any:
        if name not in makers:
            raise AttributeError(f"module {scope['__name__']!r} has no attribute {name!r}")
        function = scope[name] = makers[name]()
        return function

    def __dir__() -> list[str]:
        return sorted({*scope, *makers} - {"Any", "annotations", "door"})

    return __getattr__, __dir__


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Per public function its names, what it is, its derivative and what it does."""
    spaces = {**LETTERS, "i": "Tensor"}
    records: list[Any] = [*TABLE.values(), *COMPOSITES.values()]
    for record in sorted(records, key=lambda r: r.name):
        dotted = {a for a in record.aliases if "." in a}
        plain = [record.name, *[a for a in record.aliases if a not in dotted]]
        own = [
            f"{space}.{n}{'_' * (letter == 'i')}".lstrip(".")
            for n in plain
            for letter, space in spaces.items()
            if letter in record.public
        ]
        if names := ", ".join(own + sorted(dotted)):
            kind, derivative = "composite", "of its parts"
            if isinstance(record, Op):
                kind, derivative = record.kind, "yes" if record.differentiable else "none"
            yield names, kind, derivative, record.doc.partition("\n")[0]


def build() -> None:
    """Fill `EXPORTS` and the methods of `Tensor`; done once, at import."""
    install()
    for record in TABLE.values():
        export_op(record)
    for c in COMPOSITES.values():
        export_composite(c)
    for name, target in DUNDERS.items():
        if target in EXPORTS["Tensor"]:
            _operator(name, target)
    LISTENERS.append(export_op)
