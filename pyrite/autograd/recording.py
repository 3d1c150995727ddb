"""The call of an op on Tensors: unwrap, run the bound kernel, wrap, record.

One function per op is generated at first use. It tests one thing, that the mode is plain and
the operands are Tensors (or numbers where the op takes them); all else, interceptors, `out=`,
subclasses and wrong arguments, goes to `slow`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from .. import backends
from .._codegen import define
from .._device import as_device
from .._dtypes import shared
from .._errors import explain
from .._formats import arranged
from .._ops.formula import HELPERS, output_names, visible_names
from .._ops.table import TABLE, Op
from .._storage import Storage, View, storage_of
from .._tensor import F, Parameter, Tensor, refresh
from ..return_types import result_type
from . import levels, modes
from .modes import state
from .node import LENT, Lent, Node, edge_of, keep_lent, next_sequence, record

HELPERS["Tensor"] = Tensor
NUMBERS = frozenset((int, float, bool, complex))
# Inputs that an op saves where torch saves a result of its own.
LENDS = {"cross_entropy_index": ("input",)}
ERRORS = (ValueError, IndexError, TypeError, MemoryError, OverflowError, AttributeError)


class Bound(dict[Any, Callable[..., Any]]):
    """Array type -> bound function of one op; binds a backend when its first array comes."""

    def __init__(self, op: Op) -> None:
        super().__init__()
        self.op = op

    def __missing__(self, kind: Any) -> Callable[..., Any]:
        if kind in NUMBERS or kind is type(None):
            self[kind] = self._by_operands
            return self._by_operands
        owner = backends._by_type.get(kind)
        if owner is None:
            raise TypeError(f"{self.op.name}(): no backend has arrays of type {kind.__name__}")
        function = self[kind] = backends.bind(owner, self.op)
        return function

    def _by_operands(self, *args: Any) -> Any:
        """The first operand is a number: the first array decides."""
        for value in args:
            if hasattr(value, "shape"):
                return self[type(value)](*args)
        raise TypeError(f"{self.op.name}(): expected a Tensor among the arguments, got {args}")

    def on(self, device: Any) -> Callable[..., Any]:
        """The bound function for a device (ops that create)."""
        place = as_device(device)
        owner = backends.get(place.type)
        owner.set_device(place.index)
        return self[owner.array_type]


class ArrayNamespace:
    """`F` in array mode: the bound functions of one backend, bound at first use."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = bound_of(TABLE[name])[self.backend.array_type]
        setattr(self, name, function)
        return function


class Spaces(dict[type, ArrayNamespace]):
    """Array type -> `F` in array mode."""

    def __missing__(self, kind: type) -> ArrayNamespace:
        space = self[kind] = ArrayNamespace(backends._by_type[kind])
        return space


SPACES = Spaces()


def bound_of(op: Op) -> Bound:
    """The op's bound functions by array type."""
    if not isinstance(op.bound, Bound):
        op.bound = Bound(op)
    return op.bound


def call_of(op: Op) -> Callable[..., Any]:
    """The op's function on Tensors, generated now if it was not."""
    if op.call is None:
        op.call = _Caller(op).build()
    return op.call


class _Caller:
    """Generates the source of one op's call."""

    def __init__(self, op: Op) -> None:
        self.op = op
        self.plan = op.compile() if op.differentiable else None
        self.arrays = [p.name for p in op.arrays]
        self.creates = op.kind in ("create", "random") and not self.arrays
        self.takes_out = op.kind not in ("view", "update") and op.outputs != "*"
        self.visible = visible_names(op)
        self.weak = _takes_numbers(op)

    def build(self) -> Callable[..., Any]:
        op = self.op
        scope: dict[str, Any] = {
            "OP": op, "Tensor": Tensor, "Parameter": Parameter, "state": state, "slow": slow,
            "refresh": refresh, "bound": bound_of(op), "explain": explain, "ERRORS": ERRORS,
            "new": Tensor.__new__, "Node": Node, "new_node": Node.__new__, "NUMBERS": NUMBERS,
            "next_sequence": next_sequence, "Storage": Storage, "sequence": _sequence,
            "storage_of": storage_of, "wrap": wrap, "edge_of": edge_of,
            "views": views, "View": View, "new_view": View.__new__, "entry": entry,
            "arranged": arranged, "Lent": Lent, "LENT": LENT, "keep_lent": keep_lent,
        }  # fmt: skip
        if len(self.visible) > 1:
            scope["Result"] = result_type(op.name, *self.visible)
        for i, p in enumerate(op.params):
            scope[f"default_{i}"] = p.default
        function = define("\n".join(self.source()) + "\n", op.name, scope)
        function.__doc__ = op.doc
        function.__module__ = "pyrite"
        function.__qualname__ = op.name
        return function

    def signature(self) -> str:
        parts, star = [], False
        for i, p in enumerate(self.op.params):
            if p.keyword_only and not star:
                parts.append("*")
                star = True
            empty = p.default is inspect.Parameter.empty
            parts.append(p.name if empty else f"{p.name}=default_{i}")
        if self.takes_out or self.creates:
            parts += ([] if star else ["*"]) + ["out=None"] * self.takes_out
            parts += ["device=None"] * self.creates
        return ", ".join(parts)

    def source(self) -> list[str]:
        op = self.op
        names = ", ".join(p.name for p in op.params)
        comma = "," if op.params else ""
        out, device = ("out" if self.takes_out else "None"), "device" if self.creates else "None"
        self.fallback = f"slow(OP, ({names}{comma}), {out}, {device})"
        test = "mode > 1 or out is not None" if self.takes_out else "mode > 1"
        lines = [f"def {op.name}({self.signature()}):", "    mode = state.mode"]
        lines.append(f"    if {test}: return {self.fallback}")
        for p in op.arrays:
            lines += self.operand(p)
        if op.kind == "update":
            roles = {p.name: p.role for p in op.arrays}
            targets = [f"*({o.name} or ())" if roles[o.name] == "arrays" else o.name
                       for o in op.outputs]  # fmt: skip
            lines.append(f"    if LENT: keep_lent(({', '.join(targets)},))")
        lines += self.run()
        lines += {
            "update": self.updated, "view": self.viewed,
        }.get(op.kind, self.wrapped)()  # fmt: skip
        return lines

    def operand(self, p: Any) -> list[str]:
        n = p.name
        if p.role == "arrays":
            return [
                f"    pair = sequence({n})" + (f" if {n} else ((), False)" if p.optional else ""),
                f"    if pair is None: return {self.fallback}",
                f"    x_{n}, r_{n} = pair",
            ]
        lines = [
            f"    t = type({n})",
            "    if t is Tensor or t is Parameter:",
            *[f"        if {n}.cut is not None: refresh({n})"] * (self.plan is not None),
            f"        x_{n} = {n}.array; r_{n} = {n}._requires_grad; w_{n} = {n}.storage",
        ]
        if self.weak:
            lines.append(f"    elif t in NUMBERS: x_{n} = {n}; r_{n} = False; w_{n} = None")
        if p.optional:
            lines.append(f"    elif {n} is None: x_{n} = w_{n} = None; r_{n} = False")
        return [*lines, f"    else: return {self.fallback}"]

    def run(self) -> list[str]:
        op = self.op
        args = ", ".join(p.name if p.role == "attr" else f"x_{p.name}" for p in op.params)
        if self.creates:
            key = "bound.on(device)"
        else:
            first = op.arrays[0]
            inner = f"x_{first.name}[0]" if first.role == "arrays" else f"x_{first.name}"
            key = f"bound[type({inner})]"
        return [
            "    try:",
            f"        z = {key}({args})",
            *self.arranged(),
            "    except ERRORS as error:",
            f"        raise explain({op.name!r}, ({args},), error)",
        ]

    def shared(self) -> str:
        """Source of the test that an operand does not lie in order: a view, or what came of one."""
        tests = [
            f"w_{p.name} is not None and not x_{p.name}.flags.c_contiguous" for p in self.op.arrays
        ]
        tests += ["memory_format is not None" for p in self.op.params if p.name == "memory_format"]
        return " or ".join(tests)

    def arranged(self) -> list[str]:
        """Strides of the result, as torch chooses them for pointwise ops and reductions."""
        if self.op.kind not in ("pointwise", "reduce") or self.op.outputs == "*":
            return []
        if any(p.role == "arrays" for p in self.op.arrays):
            return []
        operands = ", ".join(f"x_{p.name}" for p in self.op.arrays)
        follow = self.op.kind == "pointwise"
        return [
            f"        apart = {self.shared()}",
            f"        if apart: z = arranged(z, ({operands},), {follow})",
        ]

    def updated(self) -> list[str]:
        """In-place updates: every array that the op names as output counts a version."""
        lines = []
        for o in self.op.outputs:
            role = next(p.role for p in self.op.arrays if p.name == o.name)
            target = f"{o.name} or ()" if role == "arrays" else f"({o.name},)"
            lines.append(f"    for t in {target}:")
            lines.append("        if t is not None: storage_of(t).version += 1")
        return [*lines, "    return None"]

    def targets(self) -> list[str]:
        """The inputs that have a derivative."""
        assert self.plan is not None
        return [n for n in self.arrays if self.plan.joint or n in self.plan.formulas]

    def condition(self) -> str:
        """Source of the test whether to record."""
        test = " or ".join(f"r_{n}" for n in self.targets())
        if any(p.name == "dtype" for p in self.op.params):
            return f"mode == 0 and ({test}) and z.dtype.kind not in 'biu'"
        return f"mode == 0 and ({test})"

    def node(self, shape: str, kind: str) -> list[str]:
        return [
            "n = new_node(Node); n.op = OP; n.seq = next_sequence(); n.hooks = n.note = None",
            f"n.shape = {shape}; n.dtype = {kind}",
            f"n.edges = {self.edges()}",
        ]

    def edges(self) -> str:
        assert self.plan is not None
        if len(self.op.arrays) == 1 and self.op.arrays[0].role == "arrays":
            return f"tuple([edge_of(t) for t in {self.arrays[0]}])"
        terms = []
        for p in self.op.arrays:
            n = p.name
            if not (self.plan.joint or n in self.plan.formulas):
                terms.append("None")
                continue
            terms.append(
                f"(({n} if (q := {n}.node) is None else q if not {n}.index else "
                f"(q, {n}.index - 1)) if r_{n} else None)"
            )
        return f"({', '.join(terms)},)"

    def saved(self) -> str:
        assert self.plan is not None
        if not self.plan.saved:
            return "()"
        return f"({', '.join(self.entry(n, u) for n, u in self.plan.saved.items())},)"

    def saved_output(self, name: str, tensor: str, array: str) -> list[str]:
        """Source of the entry of a visible output, if a formula that names it will run."""
        assert self.plan is not None
        make = f"w = {tensor}.storage = Storage({array}); s_{name} = ({array}, w, 0)"
        users = self.plan.saved[name]
        if users.issuperset(self.targets()):
            return [f"        {make}"]
        needed = " or ".join(f"r_{u}" for u in sorted(users))
        return [f"        if {needed}: {make}", f"        else: s_{name} = None"]

    def entry(self, name: str, users: set[str]) -> str:
        """Source of one saved entry; arrays only if a formula that names them will run."""
        roles = {p.name: p.role for p in self.op.params}
        role = roles.get(name)
        needed = " or ".join(f"r_{u}" for u in sorted(users))
        if role == "array" and name in LENDS.get(self.op.name, ()):
            return f"(Lent({name}) if {needed} else None)"
        if role == "array":
            value = f"({name} if w_{name} is None else ({name}, w_{name}.version))"
            return f"({value} if {needed} else None)"
        if role == "arrays":
            return f"([entry(t) for t in {name}] if {needed} else None)"
        if role == "attr":
            return name
        outputs = output_names(self.op)
        if name in outputs:
            visible = self.op.outputs[outputs.index(name)].visible
            raw = f"z[{outputs.index(name)}]" if len(outputs) > 1 else "z"
            return f"s_{name}" if visible else raw
        base, _, what = name.rpartition("_")
        if what in ("shape", "dtype"):
            return f"x_{base}.{what}"
        if what == "shapes":
            return f"[x.shape for x in x_{base}]"
        raise TypeError(
            f"{self.op.name}: a formula asks for {name!r}, which is no input, output, attribute or "
            "<input>_shape"
        )

    def wrapped(self) -> list[str]:
        """Fresh results: one Tensor, a named tuple of several, or a tuple of any number."""
        if self.op.outputs == "*":
            return [
                "    outs = tuple([wrap(a) for a in z])",
                *self.recorded(["outs"], "[a.shape for a in z]", "[a.dtype for a in z]"),
                "        for i, o in enumerate(outs):",
                "            o.node = n; o.index = i + 1; o._requires_grad = True",
                "    return outs",
            ][: None if self.plan else 1] + ([] if self.plan else ["    return outs"])
        if len(output_names(self.op)) == 1:
            return self.single("z")
        if len(self.visible) == 1:
            return ["    y = z[0]", *self.single("y")]
        return self.several()

    def single(self, z: str) -> list[str]:
        lines = [
            f"    o = new(Tensor); o.array = {z}; o.index = 0",
            "    o._grad = o.cut = o.hooks = o.storage = None",
        ]
        # A storage, so that what is computed from it asks for strides again.
        apart = "apart" if self.arranged() else ""
        if self.op.name in ("clone", "cast"):
            apart = f"({self.shared()})"
        if apart:
            made = f"o.storage = Storage({z})"
            lines.append(f"    if {apart} and not {z}.flags.c_contiguous: {made}")
        if self.plan is None:
            return [*lines, "    o.node = None; o._requires_grad = False", "    return o"]
        name = self.visible[0]
        lines.append(f"    if {self.condition().replace('z.dtype', f'{z}.dtype')}:")
        lines += [f"        {s}" for s in self.node(f"{z}.shape", f"{z}.dtype")]
        if name in self.plan.saved:
            lines += self.saved_output(name, "o", z)
        lines.append(f"        n.saved = {self.saved()}")
        lines.append("        o.node = n; o._requires_grad = True")
        lines.append("    else: o.node = None; o._requires_grad = False")
        lines.append("    return o")
        return lines

    def recorded(self, outs: list[str], shape: str, kind: str) -> list[str]:
        if self.plan is None:
            return []
        return [
            f"    if {self.condition()}:",
            *[f"        {s}" for s in self.node(shape, kind)],
            f"        n.saved = {self.saved()}",
        ]

    def several(self) -> list[str]:
        """Several visible outputs as a named tuple."""
        k = len(self.visible)
        lines = [f"    {', '.join('o_' + v for v in self.visible)} = " + ", ".join(
            f"wrap(z[{i}])" for i in range(k))]  # fmt: skip
        result = f"Result({', '.join('o_' + v for v in self.visible)})"
        if self.plan is None:
            return [*lines, f"    return {result}"]
        lines.append(f"    if {self.condition()}:")
        for i, v in enumerate(self.visible):
            if v in self.plan.saved:
                lines += self.saved_output(v, f"o_{v}", f"z[{i}]")
        shapes = ", ".join(f"z[{i}].shape" for i in range(k))
        kinds = ", ".join(f"z[{i}].dtype" for i in range(k))
        lines += [f"        {s}" for s in self.node(f"({shapes},)", f"({kinds},)")]
        lines.append(f"        n.saved = {self.saved()}")
        for i, o in enumerate(self.op.outputs[:k]):
            if o.differentiable:
                lines.append(
                    f"        o_{o.name}.node = n; o_{o.name}.index = {i + 1}; "
                    f"o_{o.name}._requires_grad = True"
                )
        return [*lines, f"    return {result}"]

    def viewed(self) -> list[str]:
        """Results that share the input's memory; without a derivative, not its history."""
        if self.plan is None:
            return ["    o = Tensor(z); o.storage = storage_of(input)", "    return o"]
        attrs = ", ".join(p.name for p in self.op.params if p.role == "attr")
        attrs = f"({attrs}{',' if attrs else ''})"
        many = self.op.outputs == "*"
        shape = "[a.shape for a in z]" if many else "z.shape"
        kind = "[a.dtype for a in z]" if many else "z.dtype"
        lines = [
            f"    if {self.condition()}:",
            *[f"        {s}" for s in self.node(shape, kind)],
            f"        n.saved = {self.saved()}",
            "    else: n = None",
        ]
        if many:
            return [*lines, f"    return views(input, z, n, {self.op.name!r}, {attrs}, mode)"]
        return [
            *lines,
            "    w = w_input",
            "    if w is None: w = storage_of(input)",
            "    b = input.cut; v = new_view(View); v.version = w.version",
            "    if b is None:",
            "        v.base = input; v.origin = 'no_grad' if mode else ''",
            f"        v.chain = (None, {self.op.name!r}, {attrs})",
            "    else:",
            "        v.base = b.base; v.origin = 'no_grad' if mode else b.origin",
            f"        v.chain = (b.chain, {self.op.name!r}, {attrs})",
            "    o = new(Tensor); o.array = z; o.storage = w; o.cut = v; o.node = n; o.index = 0",
            "    o.hooks = o._grad = None",
            "    o._requires_grad = n is not None or mode == 1 and r_input",
            "    return o",
        ]


def _takes_numbers(op: Op) -> bool:
    """Whether Python numbers may stand for operands: arithmetic of two or more."""
    return op.kind == "pointwise" and len(op.arrays) > 1 and "tensors" not in op.dtypes


def wrap(array: Any) -> Any:
    """A Tensor around a raw array, or None around None."""
    return None if array is None else Tensor(array)


def entry(tensor: Tensor) -> Any:
    """The saved entry of an input."""
    storage = tensor.storage
    return tensor if storage is None else (tensor, storage.version)


def _sequence(tensors: Any) -> tuple[list[Any], bool] | None:
    """Raw arrays of a sequence of plain Tensors and whether one needs a gradient."""
    if not isinstance(tensors, tuple | list) or not tensors:
        return None
    raw, grad = [], False
    for t in tensors:
        if type(t) is not Tensor and type(t) is not Parameter:
            return None
        if t.cut is not None:
            refresh(t)
        raw.append(t.array)
        grad = grad or t._requires_grad
    return raw, grad


def views(
    source: Tensor, z: Any, node: Node | None, name: str, attrs: tuple[Any, ...], mode: int
) -> tuple[Tensor, ...]:
    """Wrap the several results of a view op and note how they were cut from their base."""
    storage, before = storage_of(source), source.cut
    base, earlier = (source, None) if before is None else (before.base, before.chain)
    origin = "no_grad" if mode else "multi"
    outs = []
    for i, piece in enumerate(z, 1):
        out = Tensor(piece, node is not None or (mode == 1 and source._requires_grad))
        out.storage, out.node, out.index = storage, node, i
        out.cut = View(base, (earlier, name, attrs), storage.version, origin)
        outs.append(out)
    return tuple(outs)


def slow(op: Op, args: tuple[Any, ...], out: Any = None, device: Any = None) -> Any:
    """Calls that are not plain: transforms, interceptors, `out=`, subclasses, wrong arguments."""
    level = levels.outermost(args)
    if level is not None:
        result = level.call(op, args, device)
        return result if out is None else _written(op, result, out, args)
    if state.stack and state.mode > 1:
        return _intercepted(op, args, out, device)
    if out is not None:
        return _written(op, _call(op, args, device), out, args)
    for value in args:
        for v in value if isinstance(value, tuple | list) else (value,):
            if isinstance(v, Tensor) and v.rules is not None:
                return v.rules(op, args)
    return _call(op, tuple(_plain(op, p, a) for p, a in zip(op.params, args, strict=True)), device)


def _call(op: Op, args: tuple[Any, ...], device: Any) -> Any:
    positional = [a for p, a in zip(op.params, args, strict=True) if not p.keyword_only]
    named = {p.name: a for p, a in zip(op.params, args, strict=True) if p.keyword_only}
    if op.kind in ("create", "random") and not op.arrays:
        named["device"] = device
    return call_of(op)(*positional, **named)


def _intercepted(op: Op, args: tuple[Any, ...], out: Any, device: Any) -> Any:
    *rest, top = state.stack
    named = {"device": device} if op.kind in ("create", "random") and not op.arrays else {}
    with modes.below(tuple(rest)):
        result = top(op, lambda *a, device=None: _call(op, a, device), args, named)
    return result if out is None else _written(op, result, out, args)


def _written(op: Op, result: Any, out: Any, args: tuple[Any, ...]) -> Any:
    from .._inplace import write_out

    return write_out(op.name, result, out, args)


def _plain(op: Op, param: Any, value: Any) -> Any:
    """The operand as a plain Tensor; TypeError in torch's words for anything else."""
    if param.role == "attr" or (param.role == "array" and type(value) in (Tensor, Parameter)):
        return value
    if param.role == "arrays" and isinstance(value, tuple | list):
        if not value and not param.optional:
            kind = ValueError if op.name == "cat" else RuntimeError
            raise kind(f"{op.name}(): expected a non-empty list of Tensors")
        return [_element(op, param, v, i) for i, v in enumerate(value)]
    if isinstance(value, Tensor) and param.role == "array":
        return plain(value)
    if _takes_numbers(op) and type(value) in NUMBERS:
        return value
    if _takes_numbers(op) and getattr(value, "shape", None) == () and hasattr(value, "item"):
        return value.item()  # a NumPy scalar counts as a number
    if _takes_numbers(op) and type(value) in backends._by_type:
        return Tensor(shared(value))
    if value is None and param.optional:
        return None
    position = [p.name for p in op.params].index(param.name) + 1
    wanted = "tuple of Tensors" if param.role == "arrays" else "Tensor"
    raise TypeError(
        f"{op.name}(): argument '{param.name}' (position {position}) must be {wanted}, not "
        f"{type(value).__name__}"
        + ("; convert it with pyrite.from_numpy(array)" if hasattr(value, "shape") else "")
    )


def plain(value: Tensor) -> Tensor:
    """A subclass' value as a plain Tensor, whose gradient finds the way back to a leaf."""
    out = value.as_plain()
    if value._requires_grad and value.node is None:
        clone = TABLE["clone"]
        clone.compile()
        out.node = record(clone, (value,), (), out.array.shape, out.array.dtype)
    return out


def _element(op: Op, param: Any, value: Any, index: int) -> Tensor:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{op.name}(): expected Tensor as element {index} in argument '{param.name}', but got "
            f"{type(value).__name__}"
        )
    return value if type(value) in (Tensor, Parameter) else plain(value)


def install() -> None:
    """Let `F` make calls from the table."""
    F.resolve = lambda name: call_of(TABLE[name])
