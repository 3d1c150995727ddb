"""Random programs for `tools/fuzz.py`: lists of Python lines over a namespace `T`.

A program is a list of strings. Each line is one statement that runs alike under `T = torch` and
`T = pyrite`; tensors are named x0, x1, ... The maker runs every line on torch while it writes,
so that it knows shapes, dtypes and values: most lines are valid, and some are wrong on purpose.
"""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable
from typing import Any

import torch


def _names(text: str) -> list[str]:
    return text.split()


DTYPES = {
    "float32": 9, "float64": 2, "float16": 2, "bfloat16": 2, "int64": 2, "int32": 1, "int16": 1,
    "int8": 1, "uint8": 1, "bool": 2,
}  # fmt: skip
FLOATS = ("float32", "float64", "float16", "bfloat16")
# A multiple of 1/64 in reach is a number of every floating dtype.
UNARY = _names(
    "abs neg sign exp log sqrt sin cos tanh sigmoid relu square reciprocal rsqrt floor "
    "ceil round trunc frac expm1 log1p log2 log10 exp2 erf erfc atan asin acos sinh cosh "
    "asinh tan lgamma logical_not isnan isfinite positive deg2rad sgn nan_to_num sinc "
    "digamma erfinv logit"
)
ACTIVATIONS = _names(
    "relu relu6 elu selu celu gelu silu mish softplus softsign hardtanh hardswish "
    "hardsigmoid leaky_relu logsigmoid tanhshrink hardshrink softshrink"
)
BINARY = _names(
    "add sub mul div pow maximum minimum fmax fmin atan2 remainder fmod floor_divide eq ne "
    "lt le gt ge logical_and logical_or logical_xor hypot copysign logaddexp xlogy "
    "bitwise_and bitwise_or bitwise_xor true_divide heaviside float_power rsub gcd lcm "
    "logaddexp2"
)
ARITHMETIC = _names("add sub mul div maximum minimum")
OPERATORS = _names("+ - * / // % ** < <= > >= == != & | ^")
REDUCTIONS = _names(
    "sum mean prod amax amin max min any all var std logsumexp norm argmax argmin nansum "
    "count_nonzero median nanmean"
)
POSITIVE = {"log", "sqrt", "rsqrt", "log2", "log10", "lgamma", "digamma", "reciprocal"}
UNIT = {"asin", "acos", "erfinv", "atanh", "log1p"}


class Skip(Exception):
    """Nothing live fits the rule that was drawn."""


class Stop(Exception):
    """The program ends before this line: what torch does is an accident."""


class Maker:
    """Writes one program.

    Attributes:
        lines: the program so far.
        live: the tensors by name, as torch computed them.
    """

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.lines: list[str] = []
        self.live: dict[str, torch.Tensor] = {}
        self.scope: dict[str, Any] = {"T": torch}
        self.names = 0
        self.fixed: set[str] = set()  # index tensors, which are not written

    # ---- drawing

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def one(self, options: Any) -> Any:
        options = list(options)
        if not options:
            raise Skip
        return self.rng.choice(options)

    def dtype(self) -> str:
        return self.rng.choices(list(DTYPES), list(DTYPES.values()))[0]

    def tensor(self, want: Callable[[torch.Tensor], bool] = lambda t: True) -> str:
        """The name of a live tensor, later ones more often."""
        stale = self.chance(0.03)  # views of several whose base was written may be met, too
        names = [
            n for n, t in self.live.items() if _holds(want, t) and (stale or _holds(_known, t))
        ]
        if not names:
            raise Skip
        return self.rng.choices(names, [1 + i for i in range(len(names))])[0]

    def floating(self, least: int = 0) -> str:
        return self.tensor(lambda t: t.is_floating_point() and t.ndim >= least)

    def with_dims(self, least: int) -> str:
        return self.tensor(lambda t: t.ndim >= least)

    def dim(self, x: str) -> int:
        n = max(self.live[x].ndim, 1)
        if self.chance(0.02) and self.live[x].numel():
            return self.one((n, -n - 1))
        return self.rng.randrange(-n, n)

    def dims(self, x: str) -> str:
        """A dim, several, or none, as source."""
        n = self.live[x].ndim
        if self.chance(0.25) or n == 0:
            return ""
        if n > 1 and self.chance(0.3):
            return repr(tuple(self.rng.sample(range(n), self.rng.randint(1, n))))
        return str(self.dim(x))

    def shape(self, most: int = 3) -> tuple[int, ...]:
        sizes = (0, 1, 2, 3, 4, 5)
        weights = (1, 3, 8, 10, 6, 2)
        return tuple(self.rng.choices(sizes, weights, k=self.rng.randint(0, most)))

    def number(self, kind: str = "") -> str:
        """A Python number as source."""
        kind = kind or self.one(("int", "float", "float", "float", "bool"))
        if kind == "bool":
            return self.one(("True", "False"))
        if kind == "int":
            return str(self.rng.randint(-3, 5))
        return str(self.rng.choice((-1, 1, 1)) * self.rng.randint(1, 200) / 64)

    def nested(self, shape: tuple[int, ...], dtype: str) -> Any:
        if shape:
            return [self.nested(shape[1:], dtype) for _ in range(shape[0])]
        if dtype == "bool":
            return self.chance(0.5)
        if dtype in FLOATS:
            return self.rng.randint(-160, 160) / 64
        return self.rng.randint(0 if dtype == "uint8" else -4, 6)

    # ---- writing

    def leaf(self, shape: tuple[int, ...] | None = None, dtype: str = "", grad: float = 0.6) -> str:
        """A line that makes a tensor of literal values; returns its name."""
        shape = self.shape() if shape is None else shape
        dtype = dtype or self.dtype()
        extra = ", requires_grad=True" if dtype in FLOATS and self.chance(grad) else ""
        data = self.nested(shape, dtype)
        source = f"T.tensor({data}, dtype=T.{dtype}{extra})"
        if 0 in shape[:-1]:  # nested lists cannot say what follows a zero
            source = f"T.zeros({shape}, dtype=T.{dtype}{extra})"
        return self.write(source)[0]

    def write(self, source: str, ways: tuple[str, ...] = ()) -> list[str]:
        """Run an expression and write it down, assigned if it makes new tensors."""
        prefix = "with T.no_grad(): " if self.chance(0.04) and "tensor(" not in source else ""
        before = {id(t) for t in self.live.values()}
        with torch.set_grad_enabled(not prefix):
            try:
                value = eval(source, self.scope, self.live)
            except Skip:
                raise
            except Exception as error:  # noqa: BLE001 whatever torch raises is compared
                if "not implemented for" in str(error) or self.chance(0.7):
                    raise Skip from None
                self.lines.append(prefix + source)
                return []
        values = list(value) if isinstance(value, (tuple, list)) else [value]
        made = [v for v in values if isinstance(v, torch.Tensor)]
        if prefix and any(v._is_view() and _holds(lambda t: t.requires_grad, v) for v in made):
            raise Skip  # a leaf for PyTorch, yet none that gets a gradient
        if len(made) != len(values) or all(id(v) in before for v in made):
            self.lines.append(prefix + source)
            return []
        names = [f"x{self.names + i}" for i in range(len(made))]
        self.names += len(made)
        self.live.update(zip(names, made, strict=True))
        comma = "," if isinstance(value, (tuple, list)) and len(names) == 1 else ""
        self.lines.append(f"{prefix}{', '.join(names)}{comma} = {source}")
        return names

    def statement(self, source: str) -> None:
        """Run a statement that assigns no name and write it down."""
        try:
            exec(source, self.scope, self.live)
        except Exception as error:  # noqa: BLE001 whatever torch raises is compared
            if "not implemented for" in str(error) or self.chance(0.7):
                raise Skip from None
        if any(t.requires_grad and not t.is_floating_point() for t in self.live.values()):
            raise Stop  # a recorded write made integers need a gradient
        self.lines.append(source)

    def tame(self, source: str) -> str:
        """The expression, if its values stay in reach (or, now and then, if they do not)."""
        try:
            with torch.no_grad():
                value = eval(source, self.scope, self.live)
        except Exception:  # noqa: BLE001 `write` decides
            return source
        for v in value if isinstance(value, tuple) else (value,):
            if isinstance(v, torch.Tensor) and v.is_floating_point() and v.numel():
                big = v.detach().double().abs().max().item()
                if not big < 1e3 and not self.chance(0.06):
                    raise Skip
        return source

    def distinct(self, x: str) -> None:
        """Skip if a tensor has equal elements, whose order is not defined."""
        t = self.live[x].detach()
        if t.unique().numel() != t.numel() or (t.is_floating_point() and t.isnan().any()):
            raise Skip

    def other(self, x: str) -> str:
        """An operand beside `x`: broadcastable, a number, 0-d, now and then anything."""
        t = self.live[x]
        draw = self.rng.random()
        if draw < 0.25:
            return self.number()
        if draw < 0.33:
            return self.leaf((), grad=0.3)
        if draw < 0.80:
            fits = lambda o: _broadcasts(tuple(o.shape), tuple(t.shape))  # noqa: E731
            return self.tensor(fits)
        if draw < 0.96:
            shape = [1 if self.chance(0.3) else n for n in t.shape]
            return self.leaf(tuple(shape[self.rng.randint(0, len(shape)) :]))
        return self.tensor()

    def indices(self, size: int, count: int, unique: bool) -> list[int]:
        """Positions along a dimension of some size, negative ones included."""
        if size == 0 and count:
            raise Skip
        if unique:
            count = min(count, size)
            found = self.rng.sample(range(size), count)
        else:
            found = [self.rng.randrange(size) for _ in range(count)]
        return found

    def index(self, x: str, unique: bool = False) -> str:
        """An index expression: basic, advanced, boolean or mixed."""
        t = self.live[x]
        if self.chance(0.12) and t.ndim:
            return self.boolean(x)
        parts: list[str] = []
        advanced = self.chance(0.35)
        done = False
        for size in t.shape[: self.rng.randint(0, t.ndim)]:
            draw = self.rng.random()
            if advanced and not done and size and draw < 0.6:
                found = self.indices(size, self.rng.randint(1, 3), unique)
                found = [i - size if self.chance(0.2) else i for i in found]
                parts.append(self.one((f"{found}", f"T.tensor({found})")))
                done = unique
            elif draw < 0.3 and size:
                parts.append(str(self.rng.randrange(-size, size)))
            elif draw < 0.4:
                parts += ["None", ":"]
            else:
                parts.append(self.slice(size))
        if self.chance(0.15) and len(parts) < t.ndim:
            parts.append(self.one(("...", "None")))
        if self.chance(0.02) and len(parts) < t.ndim:
            parts.append(self.one(("7", "::-1")))
        return (
            ", ".join(parts) if parts else self.one(("...", "()", "None", ":" if t.ndim else "..."))
        )

    def slice(self, size: int) -> str:
        start = self.one(("", str(self.rng.randint(-size - 1, size)), "1"))
        stop = self.one(("", str(self.rng.randint(-size, size + 1))))
        return f"{start}:{stop}" + self.one(("", "", f":{self.rng.randint(1, 3)}"))

    def boolean(self, x: str) -> str:
        """A boolean mask of the shape of `x` or of its first dimensions."""
        t = self.live[x]
        if t.dtype != torch.bool and self.chance(0.5):
            return f"{x} > {self.number('float')}"
        shape = tuple(t.shape[: self.rng.randint(1, t.ndim)])
        return self.leaf(shape, "bool")

    def target(self) -> str:
        """A tensor to write into; seldom one that torch refuses."""
        refused = self.chance(0.06)
        free = lambda t: (refused or not (t.is_leaf and t.requires_grad)) and not _folded(t)  # noqa: E731
        name = self.tensor(free)
        memory = self.live[name].untyped_storage().data_ptr()
        if any(self.live[n].untyped_storage().data_ptr() == memory for n in self.fixed):
            raise Skip
        return name

    def shared(self, x: str) -> bool:
        """Whether another live tensor lies in the same memory."""
        memory = self.live[x].untyped_storage().data_ptr()
        twins = [t for t in self.live.values() if t.untyped_storage().data_ptr() == memory]
        return len(twins) > 1


def _holds(want: Callable[[torch.Tensor], bool], tensor: torch.Tensor) -> bool:
    try:
        return want(tensor)
    except RuntimeError:  # a stale view of several has no history to ask for
        return False


def _known(t: torch.Tensor) -> bool:
    return t.is_leaf or t.grad_fn is not None


def _together(one: torch.Tensor, two: torch.Tensor) -> bool:
    """Whether two tensors share memory; PyTorch does not notice every undefined overlap."""
    return one.untyped_storage().data_ptr() == two.untyped_storage().data_ptr()


def _folded(t: torch.Tensor) -> bool:
    """Whether elements overlap otherwise than by expansion (`unfold`): writes are undefined."""
    if not t.numel() or 0 in t.stride():
        return False
    last = sum((n - 1) * s for n, s in zip(t.shape, t.stride()))
    return bool(torch.arange(last + 1).as_strided(t.shape, t.stride()).unique().numel() < t.numel())


def _broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(reversed(a), reversed(b)))


# ---- the rules, each with its weight

RULES: dict[str, tuple[Callable[[Maker], None], int]] = {}


def rule(weight: int) -> Callable[[Callable[[Maker], None]], Callable[[Maker], None]]:
    def add(function: Callable[[Maker], None]) -> Callable[[Maker], None]:
        RULES[function.__name__] = (function, weight)
        return function

    return add


@rule(3)
def leaf(m: Maker) -> None:
    m.leaf()


@rule(12)
def unary(m: Maker) -> None:
    name, x = m.one(UNARY), m.tensor()
    operand = x
    if name in POSITIVE and m.chance(0.85):
        operand = f"({x}.abs() + 0.5)"
    elif name in UNIT and m.chance(0.85):
        operand = f"({x} * 0.125)"
    t = m.live[x]
    if name == "digamma" and operand == x and t.dtype == torch.float64 and bool((t < 0).any()):
        raise Skip  # PyTorch's is off by 90 ulp near the poles, and there is no better reference
    m.write(m.tame(m.one((f"T.{name}({operand})", f"{operand}.{name}()"))))


@rule(5)
def activation(m: Maker) -> None:
    m.write(m.tame(f"T.nn.functional.{m.one(ACTIVATIONS)}({m.floating()})"))


@rule(14)
def binary(m: Maker) -> None:
    x = m.tensor()
    name, y = m.one((*BINARY, *ARITHMETIC * 4)), m.other(x)
    if name in ("pow", "float_power"):
        whole = not m.live[x].is_floating_point() and y in m.live  # see the departures
        x = x if m.chance(0.3) and not whole else f"({x}.abs() + 0.5)"
    forms = [f"T.{name}({x}, {y})"]
    if name in ("add", "sub") and m.chance(0.2):
        forms = [f"T.{name}({x}, {y}, alpha={m.number(m.one(('int', 'float')))})"]
    elif name == "div" and m.chance(0.3):
        forms = [f"T.div({x}, {y}, rounding_mode={m.one(('floor', 'trunc'))!r})"]
    elif hasattr(torch.Tensor, name):
        forms.append(f"{x}.{name}({y})")
    if name == "heaviside":  # not differentiable for PyTorch
        forms = [f"T.heaviside({x}.detach(), {x}.detach())"]
    if name == "floor_divide":  # without a gradient here, refused by PyTorch's backward
        forms = [f"T.floor_divide({x}.detach(), {m.number()})"]
    m.write(m.tame(m.one(forms)))


@rule(8)
def operator(m: Maker) -> None:
    x = m.tensor()
    y, sign = m.other(x), m.one((*OPERATORS, *"+-*/" * 3))
    pair = (y, x) if m.chance(0.3) else (x, y)
    if sign == "**":
        pair = (f"({x}.abs() + 0.5)", y)
    if sign == "//":
        pair = (f"{x}.detach()", m.number())
    m.write(m.tame(f"{pair[0]} {sign} {pair[1]}"))


@rule(4)
def ternary(m: Maker) -> None:
    x = m.floating()
    y, z = m.other(x), m.other(x)
    low, high = (y, z) if (y in m.live) == (z in m.live) else (m.number(), m.number())
    form = m.one((
        f"T.addcmul({x}, {y}, {z}, value={m.number('float')})", f"T.lerp({x}, {y}, {z})",
        f"T.addcdiv({x}, {y}, {z})", f"T.clamp({x}, {low}, {high})", f"T.clamp({x}, min={y})",
        f"T.clamp({x}, {m.number('float')}, {m.number('float')})", f"{x}.clip(max={y})",
        f"T.lerp({x}, {y}, {m.number('float')})",
    ))  # fmt: skip
    if form.startswith("T.lerp") and z in m.live and m.live[z].dtype == torch.uint8:
        raise Skip  # PyTorch computes 1 - weight modulo 256 in the gradient
    m.write(m.tame(form))


@rule(6)
def where(m: Maker) -> None:
    x = m.tensor()
    y = m.other(x)
    mask = m.one((f"{x} > {m.number('float')}", m.leaf(tuple(m.live[x].shape), "bool")))
    form = m.one((
        f"T.where({mask}, {x}, {y})", f"{x}.where({mask}, {y})",
        f"{x}.masked_fill({mask}, {m.number()})", f"{x}.masked_select({mask})",
    ))  # fmt: skip
    m.write(form)


@rule(14)
def inplace(m: Maker) -> None:
    x = m.target()
    name = m.one((*ARITHMETIC * 3, "pow", "remainder", "copysign", "logical_and"))
    if m.chance(0.4):
        name = m.one(UNARY)
        if not hasattr(torch.Tensor, name + "_") or (
            name == "logical_not" and m.live[x].requires_grad
        ):
            raise Skip
        m.tame(f"{x}.{name}()")
        return m.statement(f"{x}.{name}_()")
    y = m.other(x)
    if not hasattr(torch.Tensor, name + "_") or (name == "logical_and" and m.live[x].requires_grad):
        name = "add"
    if y != x and y in m.live and m.shared(x) and m.shared(y):
        raise Skip  # PyTorch does not notice every overlap that is undefined
    m.tame(f"{x}.{name}({y})")
    if name in ("add", "sub", "mul", "div") and m.chance(0.3):
        sign = {"add": "+", "sub": "-", "mul": "*", "div": "/"}[name]
        return m.statement(f"{x} {sign}= {y}")
    return m.statement(f"{x}.{name}_({y})")


@rule(6)
def fill(m: Maker) -> None:
    x = m.target()
    if 0 in m.live[x].stride():
        raise Skip
    small = "" if m.live[x].is_floating_point() else "bool"
    m.statement(m.one((
        f"{x}.zero_()", f"{x}.fill_({m.number()})",
        f"{x}.copy_({m.tensor(lambda t: t is m.live[x] or not _together(t, m.live[x]))})",
        f"{x}.clamp_({m.number('float')})", f"{x}.masked_fill_({x} > 0, {m.number(small)})",
        f"{x}.addcmul_({x}, {x}, value=0.5)", f"{x}.lerp_({x}, 0.25)", f"{x}.detach_()",
        f"{x}.t_()", f"{x}.unsqueeze_({m.dim(x)})", f"{x}.squeeze_()", f"{x}.transpose_(0, -1)",
        f"{x}.cumsum_({m.dim(x)})", f"{x}.fill_diagonal_(2)", f"{x}.tril_()",
    )))  # fmt: skip


@rule(16)
def view(m: Maker) -> None:
    x = m.tensor()
    t = m.live[x]
    n, d = t.ndim, m.dim(x)
    order = tuple(m.rng.sample(range(n), n))
    bigger = tuple(m.rng.randint(1, 3) for _ in range(m.rng.randint(0, 1)))
    spread = bigger + tuple(m.rng.randint(2, 3) if s == 1 else m.one((s, -1)) for s in t.shape)
    size = t.shape[d] if n and -n <= d < n else 1
    start = m.rng.randint(0, size)
    form = m.one((
        f"{x}.transpose({d}, {m.dim(x)})", f"{x}.permute({order})", f"{x}.reshape({_sizes(m, x)})",
        f"{x}.view({_sizes(m, x)})", f"{x}.unsqueeze({m.rng.randint(-n - 1, n)})", f"{x}.squeeze()",
        f"{x}.squeeze({d})", f"{x}.expand({spread})", f"{x}.flatten()", f"{x}.view(-1)",
        f"{x}.narrow({d}, {start}, {m.rng.randint(0, size - start)})", f"{x}.detach()",
        f"{x}.select({d}, {m.rng.randrange(-size, size) if size else 0})", f"{x}.mT", f"{x}.t()",
        f"{x}.diagonal()", f"{x}.movedim({d}, {m.dim(x)})", f"{x}.unfold({d}, {min(size, 2)}, 1)",
        f"{x}.swapaxes({d}, 0)", f"{x}.expand_as({m.tensor()})", f"{x}.view_as({m.tensor()})",
        f"{x}.contiguous()", f"{x}.reshape(-1)", f"T.ravel({x})", f"{x}.unflatten({d}, (1, -1))",
        f"T.broadcast_to({x}, {spread})", f"{x}.flatten({m.dim(x)})", f"{x}[{m.index(x)}]",
    ))  # fmt: skip
    m.write(form)


def _sizes(m: Maker, x: str) -> str:
    """A shape with as many elements as `x`, one size perhaps left open."""
    n, sizes = m.live[x].numel(), []
    while n > 1 and len(sizes) < 3:
        factor = m.one([f for f in range(1, n + 1) if n % f == 0])
        sizes.append(factor)
        n //= factor
    sizes.append(n)
    if m.chance(0.3):
        sizes[m.rng.randrange(len(sizes))] = -1
    return repr(tuple(sizes))


@rule(6)
def several_views(m: Maker) -> None:
    x = m.with_dims(1)
    t, d = m.live[x], m.dim(x)
    size = t.shape[d] if -t.ndim <= d < t.ndim else 2
    cut = m.rng.randint(0, size)
    if size == 0 or size > 4:
        raise Skip
    m.write(m.one((
        f"{x}.unbind({d})", f"{x}.split({m.rng.randint(1, 3)}, {d})", f"T.chunk({x}, 2, {d})",
        f"{x}.split([{cut}, {size - cut}], {d})", f"T.tensor_split({x}, 2, {d})",
    )))  # fmt: skip


@rule(8)
def index_read(m: Maker) -> None:
    x = m.tensor()
    m.write(f"{x}[{m.index(x)}]")


@rule(10)
def index_write(m: Maker) -> None:
    x = m.target()
    if 0 in m.live[x].stride():  # writes into what is expanded are deprecated
        raise Skip
    key = m.index(x, unique=True)
    try:
        part = eval(f"{x}[{key}]", m.scope, m.live).detach()
    except (IndexError, ValueError, RuntimeError, TypeError):
        part = m.live[x].detach()
    value = m.number()
    if m.chance(0.5):
        fits = [
            n
            for n, t in m.live.items()
            if tuple(t.shape) == tuple(part.shape)[max(0, part.ndim - t.ndim) :]
            and (n == x or not _together(t, m.live[x]))
        ]
        value = m.one(fits) if fits else m.leaf(tuple(part.shape))
    m.statement(f"{x}[{key}] {m.one(('=', '=', '+=', '*='))} {value}")


@rule(12)
def reduction(m: Maker) -> None:
    name, x = m.one((*REDUCTIONS, *("sum", "mean", "amax") * 3)), m.tensor()
    if name == "median":
        m.distinct(x)
        if not m.live[x].numel():
            raise Skip
    dims, keep = m.dims(x), m.one(("", "", ", keepdim=True"))
    if name in ("argmax", "argmin", "median", "max", "min", "any", "all", "prod"):
        dims = dims if not dims.startswith("(") else ""
    arguments = f"{dims}{keep}" if dims else ""
    if name == "logsumexp":
        arguments = arguments or "0"
    elif name == "norm":
        order = m.one(("2", "1", repr("fro"))) if dims.count(",") < 2 else "2"
        arguments = f"{order}, {dims}" if dims else order
    elif name in ("sum", "mean") and m.chance(0.1):
        arguments = (arguments + ", " if arguments else "") + f"dtype=T.{m.one(FLOATS)}"
    elif name == "count_nonzero":
        arguments = dims
    m.write(m.tame(f"{x}.{name}({arguments})"))


@rule(7)
def product(m: Maker) -> None:
    x = m.with_dims(1)
    t = m.live[x]
    dtype = str(t.dtype).removeprefix("torch.")
    k = t.shape[-1]
    y = m.leaf((k, *m.shape(1)) if m.chance(0.7) else (2, k, 3), dtype)
    n = m.live[y].ndim
    forms = [f"{x} @ {y}", f"T.matmul({x}, {y})"]
    if t.ndim == 2 and n == 2:
        bias = m.leaf((m.live[y].shape[1],), dtype)
        forms += [f"T.mm({x}, {y})", f"{x}.mm({y})"]
        forms += [f"T.addmm({bias}, {x}, {y}, alpha=2)"] * (dtype != "bool")
    if n == 2:
        forms += [f"T.nn.functional.linear({x}, {y}.t())", f"T.tensordot({x}, {y}, 1)"]
    if t.ndim == 1 and n == 1:
        forms += [f"T.dot({x}, {y})", f"T.outer({x}, {y})"]
    if t.ndim == 2 and n == 1:
        forms += [f"T.mv({x}, {y})"]
    if m.chance(0.05):
        forms = [f"{x} @ {m.tensor(lambda t: t.numel() > 0 and m.live[x].numel() > 0)}"]
    m.write(m.tame(m.one(forms)))


@rule(5)
def softmax(m: Maker) -> None:
    x = m.floating()
    name = m.one(("softmax", "log_softmax"))
    m.write(m.one((f"T.{name}({x}, {m.dim(x)})", f"T.nn.functional.{name}({x}, dim={m.dim(x)})")))


@rule(6)
def join(m: Maker) -> None:
    x = m.tensor()
    same = [n for n, t in m.live.items() if t.shape == m.live[x].shape]
    parts = [x, *m.rng.choices(same, k=m.rng.randint(1, 2))]
    if m.chance(0.15):
        parts.append(m.tensor())
    m.rng.shuffle(parts)
    name = m.one(("cat", "stack", "cat", "stack", "hstack", "vstack"))
    dim = f", {m.dim(x)}" if name in ("cat", "stack") else ""
    m.write(f"T.{name}([{', '.join(parts)}]{dim})")


def _index_tensor(m: Maker, shape: tuple[int, ...], size: int, unique_along: int | None) -> str:
    """A line with an index tensor for gather and scatter."""
    if size == 0 or 0 in shape:
        raise Skip
    count = math.prod(shape)
    t = torch.tensor([m.rng.randrange(size) for _ in range(count)], dtype=torch.int64)
    t = t.reshape(shape)
    if unique_along is not None:
        rows = t.movedim(unique_along, -1)
        flat = rows.reshape(-1, rows.shape[-1]).clone()
        for row in flat:
            row.copy_(torch.tensor(m.rng.sample(range(size), len(row))))
        t = flat.reshape(rows.shape).movedim(-1, unique_along)
    name = m.write(f"T.tensor({t.tolist()})")[0]
    m.fixed.add(name)
    return name


@rule(7)
def gather_scatter(m: Maker) -> None:
    x = m.with_dims(1)
    t = m.live[x]
    d = m.rng.randrange(t.ndim)
    dtype = str(t.dtype).removeprefix("torch.")
    shape = tuple(m.rng.randint(1, max(n, 1)) for n in t.shape)
    name = m.one(("gather", "scatter", "scatter_add", "index_select", "index_add", "take_along_dim",
                  "index_fill", "index_copy", "scatter_", "index_add_", "take"))  # fmt: skip
    if name.endswith("_"):
        x = m.target()
        t = m.live[x]
        if t.ndim <= d or 0 in t.stride():
            raise Skip
        dtype = str(t.dtype).removeprefix("torch.")
        shape = tuple(m.rng.randint(1, max(n, 1)) for n in t.shape)
    if name in ("gather", "take_along_dim"):
        index = _index_tensor(m, shape, t.shape[d], None)
        last = f"{index}, {d}" if name == "take_along_dim" else f"{d}, {index}"
        m.write(f"{x}.{name}({last})")
    elif name == "take":
        m.write(f"{x}.take({_index_tensor(m, (3,), t.numel(), None)})")
    elif name.startswith("scatter"):
        index = _index_tensor(m, shape, t.shape[d], None if name == "scatter_add" else d)
        source = m.leaf(shape, dtype)
        source = m.number("int") if name != "scatter_add" and m.chance(0.3) else source
        m.write(f"{x}.{name}({d}, {index}, {source})")
    else:
        plain = name in ("index_select", "index_add", "index_add_")
        index = _index_tensor(
            m, (m.rng.randint(1, max(t.shape[d], 1)),), t.shape[d], None if plain else 0
        )
        count = m.live[index].shape[0]
        source = {
            "index_select": "",
            "index_fill": ", 1.5" if t.is_floating_point() else ", 1",
        }.get(name)
        if source is None:
            source = ", " + m.leaf((*t.shape[:d], count, *t.shape[d + 1 :]), dtype)
        m.write(f"{x}.{name}({d}, {index}{source})")


@rule(5)
def order(m: Maker) -> None:
    x = m.with_dims(1)
    d = m.dim(x)
    name = m.one(("cumsum", "cumprod", "cummax", "cummin", "logcumsumexp", "flip", "roll", "diff",
                  "sort", "topk", "argsort", "kthvalue", "msort", "tril", "triu"))  # fmt: skip
    if name in ("sort", "topk", "argsort", "kthvalue", "msort"):
        m.distinct(x)
    arguments = {
        "flip": f"({d},)", "roll": f"{m.rng.randint(-2, 3)}, {d}", "diff": f"dim={d}", "msort": "",
        "sort": f"{d}, descending={m.chance(0.5)}", "topk": f"{m.rng.randint(0, 2)}, {d}",
        "kthvalue": f"1, {d}", "tril": str(m.rng.randint(-1, 1)), "triu": str(m.rng.randint(-1, 1)),
    }.get(name, str(d))  # fmt: skip
    m.write(m.tame(f"{x}.{name}({arguments})"))


@rule(4)
def norm_layer(m: Maker) -> None:
    x = m.floating(1)
    t = m.live[x]
    dtype = str(t.dtype).removeprefix("torch.")
    name = m.one(("layer_norm", "rms_norm", "batch_norm", "group_norm", "normalize"))
    form = f"T.nn.functional.{name}({x}"
    if name in ("layer_norm", "rms_norm"):
        shape = tuple(t.shape[-m.rng.randint(1, t.ndim) :])
        form += f", {shape}"
        form += f", {m.leaf(shape, dtype)}" if m.chance(0.6) else ""
    elif name == "batch_norm":
        form += ", None, None, training=True"
    elif name == "group_norm":
        form += ", 1"
    else:
        form += f", dim={m.dim(x)}"
    m.write(form + ")")


@rule(5)
def loss(m: Maker) -> None:
    x = m.floating()
    t = m.live[x]
    dtype = str(t.dtype).removeprefix("torch.")
    y = m.leaf(tuple(t.shape), dtype)
    how = f"reduction={m.one(('mean', 'sum', 'none'))!r}"
    names = ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "soft_margin_loss",
             "binary_cross_entropy_with_logits", "kl_div", "poisson_nll_loss")  # fmt: skip
    forms = [f"T.nn.functional.{name}({x}, {y}, {how})" for name in names]
    forms.append(f"T.nn.functional.binary_cross_entropy({x}.sigmoid(), {y}.sigmoid(), {how})")
    if t.ndim >= 2 and t.numel():
        classes = _index_tensor(m, (t.shape[0], *t.shape[2:]), t.shape[1], None)
        forms += [f"T.nn.functional.cross_entropy({x}, {classes}, {how})"] * 3
        forms.append(f"T.nn.functional.nll_loss({x}, {classes}, {how})")
        forms.append(f"T.nn.functional.cosine_similarity({x}, {y})")
    m.write(m.tame(m.one(forms)))


@rule(6)
def cast(m: Maker) -> None:
    x = m.tensor(lambda t: t.is_leaf or bool(t.grad_fn))
    dtype = m.dtype()
    t = m.live[x].detach()
    if dtype not in FLOATS and dtype != "bool" and t.is_floating_point() and t.numel():
        low = 0 if dtype == "uint8" else -100
        if not bool(((t >= low) & (t <= 100)).all()):  # other values are undefined
            raise Skip
    m.write(m.one((f"{x}.to(T.{dtype})", f"{x}.to(T.{dtype})", f"{x}.type_as({m.tensor()})")
                  if dtype in FLOATS else (f"{x}.to(T.{dtype})",)))  # fmt: skip


@rule(5)
def copy(m: Maker) -> None:
    x = m.tensor()
    m.write(m.one((
        f"{x}.clone()", f"{x}.clone()", f"{x}.detach()", f"{x}.detach().clone()", f"{x}.data",
        f"T.zeros_like({x})", f"T.ones_like({x})", f"{x}.repeat({(2,) * max(m.live[x].ndim, 1)})",
        f"T.full_like({x}, 2)", f"{x}.new_zeros({m.shape(2)})",
    )))  # fmt: skip


@rule(3)
def need_gradient(m: Maker) -> None:
    x = m.tensor(lambda t: t.is_leaf)
    if m.shared(x):  # what becomes of its views is an accident
        raise Skip
    m.statement(f"{x}.requires_grad_()")


@rule(3)
def hooks(m: Maker) -> None:
    # PyTorch crashes at some hooks of views that were written.
    x = m.tensor(lambda t: (t.requires_grad or m.chance(0.03)) and not t._is_view())
    m.statement(m.one((
        f"{x}.retain_grad()", f"{x}.register_hook(lambda g: None if g is None else g * 2)",
        f"{x}.register_hook(lambda g: None)",
    )))  # fmt: skip


@rule(4)
def out(m: Maker) -> None:
    x = m.tensor(lambda t: not t.requires_grad or m.chance(0.03))
    y = m.tensor(
        lambda t: not t.requires_grad and _broadcasts(tuple(t.shape), tuple(m.live[x].shape))
    )
    target = m.tensor(lambda t: not t.requires_grad and (t.is_floating_point() or m.chance(0.3)))
    forms = [f"T.{m.one(ARITHMETIC)}({x}, {y}, out={target})"]
    if m.live[x].dtype == m.live[target].dtype:
        forms.append(f"T.{m.one(('sin', 'abs', 'neg'))}({x}, out={target})")
    if m.live[x].untyped_storage().data_ptr() != m.live[target].untyped_storage().data_ptr():
        forms += [
            f"T.{name}, out={target})"
            for name in (f"cat([{x}, {x}]", f"sum({x}, 0", f"cumsum({x}, 0")
        ]
    source = m.one(forms)
    if m.live[target].is_floating_point():
        m.tame(source.replace(f", out={target}", ""))
    with torch.no_grad():
        try:
            made = eval(source.replace(f", out={target}", ""), m.scope, m.live)
        except Exception:  # noqa: BLE001 `statement` decides
            made = m.live[target]
    if made.shape != m.live[target].shape and m.shared(target):
        raise Skip  # a view that is resized may leave its memory
    m.statement(source)


def _scalar(m: Maker) -> str:
    """An expression for a random scalar of one or two tensors that need a gradient."""
    terms = []
    for _ in range(m.rng.randint(1, 2)):
        x = m.tensor(lambda t: t.requires_grad)
        terms.append(m.one((
            f"{x}.sum()", f"({x} * {m.number('float')}).sum()", f"{x}.square().sum()",
            f"({x} * {x}.detach()).sum()", f"{x}.mean()", f"({x}.sin() * 2).sum()",
        )))  # fmt: skip
    return " + ".join(terms)


@rule(8)
def backward(m: Maker) -> None:
    more = m.one(("", "", "retain_graph=True", "create_graph=True"))
    if m.chance(0.2):
        x = m.tensor(lambda t: t.requires_grad)
        t = m.live[x]
        seed = m.leaf(tuple(t.shape), str(t.dtype).removeprefix("torch."), grad=0.0)
        return m.statement(f"{x}.backward({seed}.clone(){', ' + more if more else ''})")
    return m.statement(f"({_scalar(m)}).backward({more})")


@rule(8)
def grad(m: Maker) -> None:
    inputs = dict.fromkeys(m.tensor(lambda t: t.requires_grad) for _ in range(m.rng.randint(1, 2)))
    more = m.one(("", ", retain_graph=True", ", create_graph=True", ", create_graph=True"))
    more += m.one(("", ", allow_unused=True", ", materialize_grads=True"))
    source = f"T.autograd.grad({_scalar(m)}, [{', '.join(inputs)}]{more})"
    # The strides of a gradient are its formula's affair.
    m.write(f"[g.contiguous().clone() for g in {source} if g is not None]")


@rule(2)
def use_gradient(m: Maker) -> None:
    x = m.tensor(lambda t: t.is_leaf and t.grad is not None)
    m.write(m.one((f"{x}.grad * 2", f"{x}.grad.clone()", f"{x} - {x}.grad")))


def program(seed: int) -> list[str]:
    """The program of a seed: leaves, then 5 to 30 statements."""
    m = Maker(seed)
    functions = [f for f, _ in RULES.values()]
    weights = [w for _, w in RULES.values()]
    for _ in range(m.rng.randint(1, 3)):
        m.leaf(dtype="float32" if m.chance(0.4) else "")
    length = m.rng.randint(5, 30)
    for _ in range(200):
        written = len(
            [line for line in m.lines if not re.match(r"x\d+ = T\.(tensor|zeros)\(", line)]
        )
        if written >= length:
            break
        try:
            m.rng.choices(functions, weights)[0](m)
        except Skip:
            pass
        except Stop:
            break
    return m.lines
