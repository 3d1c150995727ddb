"""Forward mode: tensors that carry a tangent, and its rules.

The tangent of an op follows from its derivative formula: the gradient g of an output is linear in
the cotangent u, and the derivative of g in u, along the tangent of the input, is the tangent of
the output. Linear ops are applied to the tangents themselves, products to one factor at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._dtypes import FLOAT
from .._ops.table import TABLE
from .._tensor import F, Tensor
from .._trees import flatten, tree_map
from . import modes
from .batching import Batched, broadcast_shape, examples
from .levels import Level, Wrapped, above, entered, outermost, parts
from .node import edge_of, record
from .recording import _call

LINEAR = frozenset((
    "add", "sub", "neg", "sum", "mean", "cumsum", "sum_to_size", "where", "avg_pool2d",
    "avg_pool2d_grad", "embedding_grad", "tie", "write", "accumulate", "index_write",
    "scatter_write", "constant", "max_pool2d_grad", "embedding",
))  # fmt: skip
AFFINE = frozenset(("constant_pad_nd",))  # a padding that is not 0 has no tangent
BILINEAR = frozenset((
    "mul", "matmul", "linear", "linear_grad_weight", "convolution", "conv_grad_input",
    "conv_grad_weight",
))  # fmt: skip


class DualLevel(Level):
    """One forward-mode differentiation."""

    ended = False

    def split(self, value: Any) -> tuple[Any, Any]:
        """The primal value and the tangent of this level; the tangent is None without one."""
        if above(value, self):
            pairs = [self.split(held) for held in value.held()]
            rates = [_with_zeros(p, t) for p, t in pairs]
            primal = value.around(*[p for p, _ in pairs])
            return primal, None if all(t is None for _, t in pairs) else value.around(*rates)
        if isinstance(value, Dual) and value.level is self:
            return value.value, None if self.ended else value.tangent
        return value, None

    def split_each(self, values: Any) -> tuple[Any, Any]:
        """`split` of a value or of each of a sequence; None in place of tangents without any."""
        if not isinstance(values, tuple | list):
            return self.split(values)
        pairs = [self.split(v) for v in values]
        rates = [t for _, t in pairs]
        return [p for p, _ in pairs], rates if any(t is not None for t in rates) else None

    def separated(self, values: Any) -> tuple[list[Any], list[Any]]:
        """Primals and tangents of several values."""
        pairs = [self.split(v) for v in values]
        return [p for p, _ in pairs], [t for _, t in pairs]

    def join(self, primal: Any, tangent: Any) -> Any:
        """The opposite of `split`."""
        if primal is None or tangent is None or primal.dtype.category < FLOAT:
            return primal
        inner = [x.level for x in (primal, tangent) if above(x, self)]
        if not inner:
            return Dual(primal, tangent, self)
        level = max(inner, key=lambda x: x.number)
        if isinstance(level, DualLevel):
            (p, dp), (t, dt) = map(level.split, (primal, tangent))
            return level.join(self.join(p, t), self.join(_with_zeros(p, dp), _with_zeros(t, dt)))
        below = [level.lower(x) for x in (primal, tangent)]
        return Batched(self.join(*below), level)

    def call(self, op: Any, args: tuple[Any, ...], device: Any) -> Any:
        pairs = [
            (a, None) if p.role == "attr" else self.split_each(a)
            for p, a in zip(op.params, args, strict=True)
        ]
        primals, tangents = [p for p, _ in pairs], [t for _, t in pairs]
        linear = op.differentiable or op.name in LINEAR
        if not linear or all(t is None for t in tangents):
            return _call(op, tuple(primals), device)
        if op.kind == "update" and tangents[0] is None:
            raise RuntimeError(
                "forward mode: a tensor with a tangent cannot be written in place into one that "
                "has none: use the out-of-place operation, or make the target from the tensor "
                "(x.new_zeros(size))"
            )
        values, rates = rule_of(op)(self, op, primals, tangents)
        if not isinstance(values, tuple):
            return self.join(values, rates[0])
        made = [self.join(v, r) for v, r in zip(values, rates, strict=True)]
        return type(values)(*made) if hasattr(values, "_fields") else tuple(made)

    def apply(self, function: Any, args: tuple[Any, ...]) -> Any:
        from .function_levels import apply_dual

        return apply_dual(self, function, args)

    def gradients(self, outputs: Any, inputs: Any, seeds: Any, create: bool, keep: bool) -> Any:
        """The gradients, and as their tangents those of the outputs' tangents.

        With y = f(x) and its tangent y' = J x', the tangent of v J is the gradient of v y' in x
        for a fixed x', plus v' J.
        """
        from .engine import differentiate

        (values, rates), (at, _), (weights, turns) = map(self.separated, (outputs, inputs, seeds))
        firsts = differentiate(values, at, weights, create, True)
        pairs = [*zip(rates, weights, strict=True), *zip(values, turns, strict=True)]
        pairs = [(y, v) for y, v in pairs if y is not None and v is not None and y.requires_grad]
        if not pairs:
            return firsts
        seconds = differentiate([y for y, _ in pairs], at, [v for _, v in pairs], create, keep)
        return [_both(self, g, t) for g, t in zip(firsts, seconds, strict=True)]


def _both(level: DualLevel, grad: Any, rate: Any) -> Any:
    if grad is None:
        return None if rate is None else level.join(F.zeros_like(rate), rate)
    return level.join(grad, rate)


class Dual(Wrapped):
    """A Tensor with a tangent of the same shape."""

    __slots__ = ("tangent",)

    tangent: Tensor

    def __init__(self, primal: Tensor, tangent: Tensor, level: DualLevel) -> None:
        super().__init__(primal.array, primal, level)
        self.tangent = tangent

    def held(self) -> tuple[Tensor, ...]:
        return (self.value, self.tangent)

    def around(self, *held: Tensor) -> Tensor:
        return Dual(held[0], held[1], self.level)

    def fresh(self, made: Tensor) -> Tensor:
        inner = super().fresh(made)
        return Dual(inner, F.clone(examples(F.zeros_like(inner), self.level)), self.level)

    def update(self, other: Any, write: Callable[[Tensor, Any], Any]) -> None:
        value, rate = self.level.split(other)
        write(self.value, value)
        write(self.tangent, F.zeros_like(self.tangent) if rate is None else rate)

    def become(self, other: Any) -> None:
        super().become(other)
        self.tangent = other.tangent

    def __repr__(self) -> str:
        return f"Dual({self.value!r}, tangent={self.tangent!r})"


# ---- rules: (level, op, primals, tangents) -> outputs, and a tangent (or None) for each

Values = list[Any]
Rated = tuple[Any, Values]


def rule_of(op: Any) -> Callable[..., Rated]:
    """How the tangents of an op's outputs are computed."""
    if op.name in BILINEAR:
        return _bilinear
    if op.name in LINEAR or (op.kind in ("view", "move") and op.name not in AFFINE):
        return _linear
    if op.kind == "pointwise":
        return _pointwise
    return _twice


def _outputs(value: Any) -> list[Any]:
    return list(value) if isinstance(value, tuple) else [value]


def _operands(op: Any) -> set[str]:
    """The inputs that the op is linear in, if it is linear in some."""
    plan = op.compile() if op.differentiable else None
    if plan is None or plan.joint:
        return {p.name for p in op.arrays} - {"indices", "index", "dim"}
    return set(plan.formulas)


def _linear(level: DualLevel, op: Any, primals: Values, tangents: Values) -> Rated:
    """The op on the tangents; zeros where there are none."""
    chosen = _operands(op)
    rates = [
        _with_zeros(p, t) if param.name in chosen else p
        for param, p, t in zip(op.params, primals, tangents, strict=True)
    ]
    value = _call(op, tuple(primals), None)
    rate = _outputs(_call(op, tuple(rates), None))
    if op.outputs == "*" or value is None:
        return value, rate
    visible = [o for o in op.outputs if o.visible]
    return value, [r if o.differentiable else None for r, o in zip(rate, visible, strict=True)]


def _with_zeros(primal: Any, tangent: Any) -> Any:
    if isinstance(primal, list | tuple):
        given = [None] * len(primal) if tangent is None else tangent
        return [_with_zeros(p, t) for p, t in zip(primal, given, strict=True)]
    if tangent is not None or primal is None:
        return tangent
    return F.zeros_like(primal) if isinstance(primal, Tensor) else type(primal)(0)


def _bilinear(level: DualLevel, op: Any, primals: Values, tangents: Values) -> Rated:
    """One factor's tangent at a time; a bias is added, and so is its tangent."""
    value, total = _call(op, tuple(primals), None), None
    names = [p.name for p in op.params]
    bias = names.index("bias") if "bias" in names else None
    for i, tangent in enumerate(tangents):
        if tangent is None or i == bias:
            continue
        args = [*primals]
        args[i] = tangent
        if bias is not None:
            args[bias] = None
        term = _call(op, tuple(args), None)
        total = term if total is None else F.add(total, term)
    if bias is not None and tangents[bias] is not None:
        ones = (1,) * (value.array.ndim - 2) if op.kind == "conv" else ()
        rate = F.reshape(tangents[bias], (*tangents[bias].array.shape, *ones))
        total = F.expand(rate, value.array.shape) if total is None else F.add(total, rate)
    return value, [total]


def _pointwise(level: DualLevel, op: Any, primals: Values, tangents: Values) -> Rated:
    """Element by element: the gradient of each operand for its tangent as the cotangent.

    That holds for real numbers, and without promotion, which broadcasting could change.
    """
    from .engine import differentiate

    kinds = {p.dtype for p in primals if isinstance(p, Tensor)}
    if len(kinds) > 1 or kinds.pop().is_complex or any(isinstance(p, complex) for p in primals):
        return _twice(level, op, primals, tangents)
    outer = modes.is_grad_enabled() and needs_record((primals, tangents))
    shape = broadcast_shape([p.array.shape for p in primals if isinstance(p, Tensor)])
    several = outermost(primals) is not None  # one operand may have the examples of another
    args, places = list(primals), [i for i, t in enumerate(tangents) if t is not None]
    for i in places:
        wide = F.expand(primals[i], shape)
        args[i] = _alias(examples(wide, level) if several else wide, outer)
    with modes.enable_grad():
        value = _call(op, tuple(args), None)
    outs = [o for o in _outputs(value) if o.requires_grad]
    spend([args[i] for i in places])
    total = None
    for i in places if outs else ():
        seed = F.expand(tangents[i], shape)
        (rate,) = differentiate(outs[:1], [args[i]], [seed], outer, True)
        if rate is not None:
            total = rate if total is None else F.add(total, rate)
    value = value if outer else tree_map(lambda v: v.detach(), value)
    return value, [total, *[None] * (len(_outputs(value)) - 1)]


def _twice(level: DualLevel, op: Any, primals: Values, tangents: Values) -> Rated:
    """Any op: the derivative of its gradients in their cotangents."""
    from .engine import differentiate

    outer = modes.is_grad_enabled() and needs_record((primals, tangents))
    several = outermost(primals) is not None  # one operand may have the examples of another
    inputs: list[Tensor] = []
    rates: list[Tensor] = []

    def watched(primal: Any, tangent: Any) -> Any:
        if tangent is None:
            return primal
        if isinstance(primal, list | tuple):
            return [watched(p, t) for p, t in zip(primal, tangent, strict=True)]
        inputs.append(_alias(examples(primal, level) if several else primal, outer))
        rates.append(tangent)
        return inputs[-1]

    args = [watched(p, t) for p, t in zip(primals, tangents, strict=True)]
    with modes.enable_grad():
        value = _call(op, tuple(args), None)
        every = _outputs(value)
        outs = [o for o in every if o.requires_grad]
        seeds = [_alias(F.zeros_like(o.detach()), False) for o in outs]
        grads = differentiate(outs, inputs, seeds, True, True) if outs else [None] * len(rates)
    spend([*inputs, *seeds])
    pairs = [(g, r) for g, r in zip(grads, rates, strict=True)
             if g is not None and g.requires_grad]  # fmt: skip
    found: list[Any] = [None] * len(outs)
    if pairs:
        found = differentiate([g for g, _ in pairs], seeds, [r for _, r in pairs], outer, outer)
    by_output = {id(o): r for o, r in zip(outs, found, strict=True)}
    result = [by_output.get(id(o)) for o in every]
    return (value if outer else tree_map(lambda v: v.detach(), value)), result


def needs_record(values: Any) -> bool:
    """Whether a Tensor among nested values needs a gradient."""
    return any(isinstance(v, Tensor) and v.requires_grad for v in flatten(values)[0])


def alias(tensor: Tensor, follow: bool = True) -> Tensor:
    """The same values as a new place to differentiate at, one per example inside `vmap`.

    With `follow` gradients flow on into the tensor's own history.
    """
    return _alias(examples(tensor), follow)


def _alias(tensor: Tensor, follow: bool) -> Tensor:
    if isinstance(tensor, Wrapped):
        return tensor.map(lambda held: _alias(held, follow))
    out = tensor.detach()
    if follow and tensor.requires_grad:
        op = TABLE["contiguous"]
        op.compile()
        out.node = record(op, (edge_of(tensor),), (), out.array.shape, out.array.dtype)
        out._requires_grad = True
    elif not (tensor.dtype.is_floating_point or tensor.dtype.is_complex):
        raise RuntimeError(
            "only Tensors of floating point and complex dtype can require gradients, got "
            f"{tensor.dtype}; convert with .float()"
        )
    else:
        out._requires_grad = True
    return out


def spend(aliases: Sequence[Tensor]) -> None:
    """Note that nobody will ask for gradients at these places any more but who made them."""
    for tensor in aliases:
        for part in parts(tensor):
            part.hooks = {"spent": {}}


def is_spent(leaf: Tensor) -> bool:
    """Whether a leaf is a place of a transform whose function has returned."""
    return leaf.hooks is not None and "spent" in leaf.hooks


def checked_tangent(tensor: Tensor, tangent: Tensor) -> Tensor:
    """The tangent; RuntimeError where its shape is another."""
    if tensor.array.shape != tangent.array.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(tensor.shape)} while the "
            f"given forward gradient is of size {list(tangent.shape)}."
        )
    return tangent


def jvp_of(
    function: Callable[..., Any], primals: Sequence[Tensor], tangents: Sequence[Tensor]
) -> tuple[Any, DualLevel]:
    """What the function returns for duals, and the level to split it with."""
    level = DualLevel()
    with entered(level):
        duals = [level.join(p, checked_tangent(p, t)) for p, t in zip(primals, tangents)]
        return function(*duals), level
