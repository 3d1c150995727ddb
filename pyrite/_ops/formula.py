"""Derivative formulas: traced from notation into calls of table ops, compiled per op.

A formula is asked by parameter name for what it needs: `g` (the cotangent; `gs` if there are
several), outputs, inputs, `<input>_shape`, attributes (`attrs`: all of them in order), `F`, and
in a joint formula `mask`. What no formula names is not saved. Operators inside a
formula are notation: it runs once with symbols and becomes the source of F calls, so that array
mode goes through the same kernels and dtype rules as everything else. A formula that branches
on its attributes cannot be traced; it is called as it is and uses F calls only.

Complex numbers: the gradient is torch's, the conjugate Wirtinger derivative, so that a real loss
falls along minus the gradient. Formulas are written as for real numbers and are linear in `g`;
for a holomorphic op the gradient is then `conj(formula(conj(g), inputs))`. The backward function
of an op marked `complex="holomorphic"` does that where its output is complex (`conjugated`); what
arrives complex at a real input keeps its real part, where the engine casts to the input's dtype.
Formulas of ops marked `complex="written"`, and those whose output is real, are taken as written.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._codegen import define
from .._dtypes import complex64, complex128

if TYPE_CHECKING:
    from .table import Op

Formula = Callable[..., Any]


class Untraceable(Exception):
    """The formula looks at a value while it is traced."""


class Symbol:
    """A value inside a traced formula: Python source text that computes it."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def _refuse(self, *_: Any) -> Any:
        raise Untraceable(self.text)

    __bool__ = __iter__ = __len__ = __index__ = __int__ = __float__ = _refuse
    __hash__ = object.__hash__


def _text(value: Any) -> str:
    if isinstance(value, Symbol):
        return value.text
    if isinstance(value, tuple | list):
        inner = ", ".join(map(_text, value))
        end = "," if value else ""
        return f"({inner}{end})" if isinstance(value, tuple) else f"[{inner}]"
    if value is None or isinstance(value, bool | int | float | complex | str):
        return repr(value)
    raise Untraceable(repr(value))


class Value(Symbol):
    """An array or Tensor; its operators are calls of table ops."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        raise Untraceable(f"{self.text}.{name}")

    def __neg__(self) -> Value:
        return Value(f"F.neg({self.text})")


class Attribute(Symbol):
    """An attribute or a shape: a plain Python value whose operators stay Python's."""

    __slots__ = ()

    def __getitem__(self, key: Any) -> Attribute:
        if isinstance(key, slice):
            raise Untraceable("slice")
        return Attribute(f"{self.text}[{_text(key)}]")

    def __neg__(self) -> Attribute:
        return Attribute(f"(-{self.text})")


def _operator(symbol: str, name: str, method: str) -> None:
    def combine(left: Any, right: Any) -> Symbol:
        if isinstance(left, Value) or isinstance(right, Value):
            return Value(f"F.{name}({_text(left)}, {_text(right)})")
        return Attribute(f"({_text(left)} {symbol} {_text(right)})")

    setattr(Symbol, f"__{method}__", combine)
    setattr(Symbol, f"__r{method}__", lambda right, left: combine(left, right))


for _symbol, _name in {
    "+": "add", "-": "sub", "*": "mul", "/": "div", "**": "pow",
    "<": "lt", "<=": "le", ">": "gt", ">=": "ge", "==": "eq", "!=": "ne",
}.items():  # fmt: skip
    _operator(_symbol, _name, "truediv" if _name == "div" else _name)


class _Calls:
    """The namespace `F` while a formula is traced."""

    def __getattr__(self, name: str) -> Callable[..., Value]:
        def call(*args: Any, **kwargs: Any) -> Value:
            parts = [_text(a) for a in args] + [f"{k}={_text(v)}" for k, v in kwargs.items()]
            return Value(f"F.{name}({', '.join(parts)})")

        return call


def trace(formula: Formula, symbols: dict[str, Any]) -> str | None:
    """The formula as one Python expression over F calls, or None if it cannot be traced."""
    try:
        return _text(formula(**symbols))
    except (Untraceable, TypeError, AttributeError, KeyError):
        return None


class Plan:
    """What an op's derivative needs, and the two functions that compute it.

    Attributes:
        saved: the names to save, in order, each with the set of inputs whose formula uses it.
        kept: positions of the arrays among them, which a walk frees behind itself; each may be
            None where no input needed it.
        backward_array, backward_tensor: `(F, g, node, needs) -> gradients`, one per input.
    """

    __slots__ = (
        "saved", "kept", "joint", "backward_array", "backward_tensor", "formulas",
    )  # fmt: skip

    def __init__(self, op: Op) -> None:
        self.saved: dict[str, set[str]] = {}
        self.joint = "" in (op.vjps or {})
        self.formulas: dict[str, tuple[str, Formula]] = {}
        for target, formula in (op.vjps or {}).items():
            self._read(op, target, formula)
        kept = [i for i, name in enumerate(self.saved) if name in _array_names(op)]
        self.kept = tuple(kept)
        self.backward_array = _backward(op, self, tensors=False)
        self.backward_tensor = _backward(op, self, tensors=True)

    def _read(self, op: Op, target: str, formula: Formula) -> None:
        attributes = tuple([Attribute(p.name) for p in op.params if p.role == "attr"])
        arrays, special = _array_names(op), {"F": _Calls(), "attrs": attributes}
        users = {p.name for p in op.arrays} if self.joint else {target}
        symbols: dict[str, Any] = {}
        for name in inspect.signature(formula).parameters:
            kind = Value if name in arrays else Attribute
            symbols[name] = special[name] if name in special else kind(name)
            if name not in ("F", "mask") and not _is_cotangent(op, name):
                for part in attributes if name == "attrs" else [symbols[name]]:
                    self.saved.setdefault(part.text, set()).update(users)
        text = None if self.joint else trace(formula, symbols)
        if text is None:
            given = [f"{n}={'F' if n == 'F' else _text(s)}" for n, s in symbols.items()]
            text = f"formula_{target}({', '.join(given)})"
        self.formulas[target] = (text, formula)


def output_names(op: Op) -> list[str]:
    return [] if op.outputs == "*" else [o.name for o in op.outputs]


def _is_cotangent(op: Op, name: str) -> bool:
    return name in ("g", "gs") or (name[:2] == "g_" and name[2:] in output_names(op))


def _array_names(op: Op) -> set[str]:
    names = {p.name for p in op.arrays} | set(output_names(op)) | {"g"}
    return names | {f"g_{o}" for o in output_names(op)}


def conjugated(formulas: Callable[..., Any], F: Any, g: Any, node: Any, needs: Any) -> list[Any]:
    """A backward function's gradients for a complex output, from formulas for real numbers."""
    several = type(g) is list
    incoming = [None if x is None else F.conj_physical(x) for x in (g if several else [g])]
    grads = formulas(F, incoming if several else incoming[0], node, needs, False)
    return [None if x is None else F.conj_physical(x) for x in grads]


def _backward(op: Op, plan: Plan, tensors: bool) -> Callable[..., Any]:
    """Source of `(F, g, node, needs)`: unpacks what was saved and evaluates the formulas."""
    lines = [f"def {op.name}_backward(F, g, node, needs, outer=True):"]
    if op.complex == "holomorphic":
        kind = "node.dtype" if len(visible_names(op)) == 1 else "node.dtype[0]"
        lines.append(f"    if (d := {kind}) is C64 or d is C128:")
        lines.append(f"        if outer: return conjugated({op.name}_backward, F, g, node, needs)")
    if plan.saved:
        lines += ["    saved = node.saved", "    if saved is None: freed(node)"]
        lines.append(f"    ({', '.join('v_' + n for n in plan.saved)},) = saved")
        lines += [f"    {n} = {_unpack(op, n, tensors)}" for n in plan.saved]
    lines.append("    gs = g")
    if len(visible := visible_names(op)) > 1:
        lines.append(f"    ({', '.join('g_' + o for o in visible)},) = g")
        lines.append(f"    g = g_{visible[0]}")
    if plan.joint:
        lines.append("    mask = tuple([e is not None for e in needs])")
        lines.append(f"    return {plan.formulas[''][0]}")
    elif len(op.arrays) == 1 and op.arrays[0].role == "arrays":
        lines.append(f"    return {plan.formulas[op.arrays[0].name][0]}")
    else:
        terms = [
            f"None if needs[{i}] is None else {plan.formulas[p.name][0]}"
            if p.name in plan.formulas
            else "None"
            for i, p in enumerate(op.arrays)
        ]
        lines.append(f"    return ({', '.join(terms)},)")
    scope: dict[str, Any] = {f"formula_{t}": f for t, (_, f) in plan.formulas.items()}
    scope.update(HELPERS, C64=complex64.numpy, C128=complex128.numpy, conjugated=conjugated)
    return define("\n".join(lines) + "\n", f"{op.name}_backward", scope)


def visible_names(op: Op) -> list[str]:
    """Outputs that a caller sees and that can receive a cotangent; auxiliaries come after."""
    return [] if op.outputs == "*" else [o.name for o in op.outputs if o.visible]


def _unpack(op: Op, name: str, tensors: bool) -> str:
    """How a saved entry becomes the value a formula sees."""
    roles = {p.name: p.role for p in op.params}
    suffix = "tensor" if tensors else "array"
    if roles.get(name) == "array":
        plain = f"v_{name}" if tensors else f"v_{name}.array"
        fresh = f"type(v_{name}) is Tensor and v_{name}.storage is None"
        return f"{plain} if {fresh} else unpack_{suffix}(v_{name}, node)"
    if roles.get(name) == "arrays":
        return f"[unpack_{suffix}(v, node) for v in v_{name} or ()]"
    if name in output_names(op):
        index = output_names(op).index(name)
        return f"unpack_output_{suffix}(v_{name}, node, {index})"
    return f"v_{name}"


# Filled by the floor above: Tensor, unpack_array, unpack_tensor, unpack_output_*, freed.
HELPERS: dict[str, Any] = {}
