"""The op table: one record per op, from which every function, method and rule is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from .formula import Formula, Plan
from .mixed import POLICIES, policies

# Annotations of a generic kernel: `Array` marks a tensor input, `Arrays` a sequence of them;
# every other parameter is an attribute (a plain Python value).
if TYPE_CHECKING:
    Array: TypeAlias = Any
    Arrays: TypeAlias = Sequence[Any]
else:
    Array, Arrays = type("Array", (), {}), type("Arrays", (), {})

TABLE: dict[str, Op] = {}

KINDS = {
    "pointwise": ("fmi", "promote", ""),
    "reduce": ("fm", "same", ""),
    "view": ("fm", "any", "written"),
    "move": ("fm", "any", "written"),
    "matmul": ("fm", "same", "holomorphic"),
    "matrix": ("", "same", "written"),  # of the last two dimensions; those before are batch
    "conv": ("f", "same", "holomorphic"),
    "create": ("", "any", "written"),
    "random": ("", "any", "written"),
    "update": ("", "any", "written"),
    "other": ("f", "same", ""),
}  # kind -> (default public spaces, default dtype rule, default way with complex numbers)


class Param:
    """One parameter of an op: its name, role (array, arrays, attr), default and form."""

    __slots__ = ("name", "role", "optional", "default", "keyword_only")

    def __init__(self, p: inspect.Parameter) -> None:
        note = str(getattr(p.annotation, "__name__", p.annotation)).removeprefix(f"{__name__}.")
        self.name = p.name
        self.role = next((r.lower() for r in ("Arrays", "Array") if note.startswith(r)), "attr")
        self.optional = "None" in note
        self.default = p.default
        self.keyword_only = p.kind is inspect.Parameter.KEYWORD_ONLY


class Output:
    """One output: `name`; `~name` is visible but not differentiable, `_name` is auxiliary."""

    __slots__ = ("name", "visible", "differentiable")

    def __init__(self, spec: str) -> None:
        self.name = spec.lstrip("~_")
        self.visible = not spec.startswith("_")
        self.differentiable = spec[0] not in "~_"


class Op:
    """The record of one op. What is public, in-place, differentiable or bound follows from it."""

    __slots__ = (
        "name", "generic", "vjps", "outputs", "kind", "dtypes", "complex", "domain", "autocast",
        "onnx", "aliases", "public",
        # derived, filled by loops over the table
        "params", "arrays", "plan", "bound", "call",
    )  # fmt: skip

    kind: str
    autocast: dict[str, str] | None
    complex: str
    dtypes: Any
    outputs: Any
    public: str
    aliases: tuple[str, ...]

    def __init__(self, generic: Callable[..., Any], name: str, **fields: Any) -> None:
        self.name = name
        self.generic = generic
        for key, value in fields.items():
            setattr(self, key, value)
        self.params = [Param(p) for p in list(inspect.signature(generic).parameters.values())[1:]]
        self.arrays = [p for p in self.params if p.role != "attr"]
        self.vjps: dict[str, Formula] | None = None
        self.bound: dict[Any, Callable[..., Any]] = {}
        self.call: Callable[..., Any] | None = None
        self.plan: Plan | None = None

    def vjp(self, **formulas: Formula) -> Op:
        """Give one derivative formula per differentiable input, by the input's name."""
        unknown = set(formulas) - {p.name for p in self.arrays}
        if unknown:
            raise TypeError(f"{self.name}.vjp: no tensor input named {sorted(unknown)}")
        self.vjps = dict(formulas)
        return self

    def vjp_joint(self, formula: Formula) -> Op:
        """Give one formula for all inputs; it gets `mask` and returns a gradient per input."""
        self.vjps = {"": formula}
        return self

    @property
    def differentiable(self) -> bool:
        return self.vjps is not None

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.generic) or ""

    def compile(self) -> Plan:
        """Turn the formulas into the two backward functions; done once, at first recording."""
        if self.plan is None:
            self.plan = Plan(self)
        return self.plan

    def __repr__(self) -> str:
        return f"<op {self.name} ({self.kind})>"


def op(
    *, kind: str = "other", dtypes: str | tuple[str, ...] | None = None,
    complex: str | None = None, outputs: Sequence[str] | str = ("out",),
    autocast: str | None = None, onnx: Any = None,
    domain: Sequence[tuple[float | None, float | None]] | None = None,
    aliases: Iterable[str] = (), public: str | None = None, name: str | None = None,
) -> Callable[[Callable[..., Any]], Op]:  # fmt: skip
    """Define an op: decorates its generic kernel, written once on `xp`, the array module.

    Args:
        kind: one of `KINDS`; drives batching, fusion, in-place and the defaults below.
        dtypes: promote, number (promote, bool refused), power (promote, integers not to a
            negative number), float, bool, same or any; a tuple restricts it to the inputs
            named. "tensors" behind it: where a pointwise op of two or more takes Python numbers
            for operands, this one does not.
        complex: "holomorphic" takes complex operands, and formulas that are written as for real
            numbers hold (where the output is complex, they see and give conjugates: `formula`);
            "written" takes them, and the formulas are torch's gradients as they stand, right for
            data movement, for what is not holomorphic (abs, conj) and for decompositions with
            real and complex outputs; "" refuses complex operands. The default goes by kind.
        outputs: names of the outputs; `~name` not differentiable, `_name` auxiliary, "*" many.
        autocast: "lower", "float32" or "promote" under automatic mixed precision on every
            device, for an op that is on none of torch's lists (`mixed`).
        onnx: the ONNX operator, or a lowering function.
        domain: valid interval per tensor input (None = unbounded), for random tests.
        aliases: further public names; a dotted one names its namespace.
        public: where its own name goes: f function, m method, i in-place, n nn.functional.
        name: its name, if that is not the kernel's.
    """
    if kind not in KINDS:
        raise ValueError(f"op kind {kind!r} is none of {', '.join(KINDS)}")
    spaces, rule, way = KINDS[kind]
    fields = {
        "kind": kind, "dtypes": rule if dtypes is None else dtypes, "domain": domain,
        "complex": way if complex is None else complex,
        "outputs": "*" if outputs == "*" else tuple([Output(o) for o in outputs]),
        "autocast": autocast and dict.fromkeys(POLICIES, autocast), "onnx": onnx,
        "aliases": tuple(aliases),
        "public": spaces if public is None else public,
    }  # fmt: skip

    def define(generic: Callable[..., Any]) -> Op:
        record = Op(generic, name or generic.__name__, **fields)
        if autocast is None:
            record.autocast = policies(record.name, record.aliases)
        if record.name in TABLE:
            raise ValueError(f"op {record.name!r} is defined twice")
        TABLE[record.name] = record
        for listener in LISTENERS:
            listener(record)
        return record

    return define


def row(
    name: str, doc: str, kernel: Callable[..., Any], *formulas: Formula, kind: str = "pointwise",
    **fields: Any,
) -> Op:  # fmt: skip
    """Define an op whose kernel and formulas are lambdas: all its parameters are tensor inputs.

    Args:
        name: the op's name.
        doc: its docstring.
        kernel: the generic kernel.
        formulas: the derivative in each input, in order; none where there is no derivative.
        kind: as for `op`.
        fields: the other fields of `op`.
    """
    kernel.__name__, kernel.__doc__ = name, doc
    inputs = list(inspect.signature(kernel).parameters)[1:]
    kernel.__annotations__ = dict.fromkeys(inputs, "Array")
    record = op(kind=kind, **fields)(kernel)
    return record.vjp(**dict(zip(inputs, formulas, strict=True))) if formulas else record


floating = partial(row, dtypes="float")

# Called with each record defined after the package is complete (a user's own op).
LISTENERS: list[Callable[[Op], None]] = []
