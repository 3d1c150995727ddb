"""Binding: a backend's array functions for every op of the table, with Pyrite's dtype rules.

This is the one place where array libraries' own promotion, 0-d results, half precision and
floating-point warnings are brought to one behaviour. `bind(backend, op)` composes, for one op,
the backend's kernel (if it has one and does not decline), the generic kernel and the rules.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from .. import _dtypes
from .._codegen import define
from .._dtypes import dtype, from_numpy_dtype
from ._base import Backend, Unavailable

F32, F64 = np.dtype("float32"), np.dtype("float64")
C64, C128 = np.dtype("complex64"), np.dtype("complex128")
REAL, COMPLEX = "F32 or d is F64", "C64 or d is C128"
_NUMBERS = (bool, int, float, complex)
_PLAIN = frozenset((*_NUMBERS, type(None)))


def _quiet_setter() -> tuple[Callable[..., Any], Callable[..., Any], Any]:
    """Functions that silence NumPy's floating-point warnings for one call (torch has none)."""
    try:
        from numpy._core import umath

        variable = umath._extobj_contextvar
        return variable.set, variable.reset, umath._make_extobj(all="ignore")
    except (ImportError, AttributeError):  # another NumPy: the public, slower way
        return _enter_errstate, _leave_errstate, None


def _enter_errstate(_: Any) -> np.errstate:
    state = np.errstate(all="ignore")
    state.__enter__()
    return state


def _leave_errstate(state: np.errstate) -> None:
    state.__exit__(None, None, None)


quiet, restore, QUIET = _quiet_setter()


def bind(backend: Backend, op: Any) -> Callable[..., Any]:
    """The function of raw arrays that serves `op` on `backend`: signature of the op, no `xp`."""
    kernel = backend.kernels().get(op.name)
    return backend.shortcut(op.name, _Binder(backend, op, kernel).build())


class _Binder:
    """Builds one bound function: a fast path for one floating type, a general path for the rest."""

    def __init__(self, backend: Backend, op: Any, kernel: Callable[..., Any] | None) -> None:
        self.backend, self.op, self.kernel = backend, op, kernel
        self.xp = backend.xp
        self.array_type: Any = backend.array_type
        rule = op.dtypes
        self.rule = rule.removesuffix(" tensors") if isinstance(rule, str) else rule[0]
        chosen = None if isinstance(rule, str) else set(rule[1:])
        self.positions = [i for i, p in enumerate(op.params) if p.role != "attr"]
        self.promoted = [i for i in self.positions if chosen is None or op.params[i].name in chosen]
        self.lists = {i for i in self.positions if op.params[i].role == "arrays"}
        self.weak = self.rule in ("promote", "number", "power", "float", "bool")
        self.keeps_half = op.kind in ("view", "move", "create", "update")
        named = [p.name for p in op.params if p.keyword_only]
        self.named, self.positional = named, len(op.params) - len(named)
        self.decisions: dict[Any, tuple[Any, ...]] = {}

    def build(self) -> Callable[..., Any]:
        scope = {
            "ND": self.array_type, "F32": F32, "F64": F64, "C64": C64, "C128": C128,
            "generic": self.op.generic, "kernel": self.kernel, "xp": self.xp,
            "general": self.general, "finish": self.finish, "Unavailable": Unavailable,
            "quiet": quiet, "restore": restore, "QUIET": QUIET, "NUMBERS": frozenset((int, float)),
        }  # fmt: skip
        for i, p in enumerate(self.op.params):
            scope[f"default_{i}"] = p.default
        return define(self.source(), f"bound_{self.op.name}", scope)

    def source(self) -> str:
        """A function whose first tests are for plain operands; all else goes to `general`."""
        params = self.op.params
        signature = ", ".join(
            p.name if p.default is inspect.Parameter.empty else f"{p.name}=default_{i}"
            for i, p in enumerate(params)
        )
        plain = ", ".join(p.name for p in params)
        call = ", ".join(f"{p.name}={p.name}" if p.keyword_only else p.name for p in params)
        lines = [f"def bound_{self.op.name}({signature}):"]
        fast = self.fast_condition()
        if fast is None:
            return f"{lines[0]}\n    return general({plain})\n"
        if self.op.kind == "view" and self.kernel is None:  # no arithmetic that could warn
            lines.append(f"    if {fast}: z = generic(xp, {call})")
        else:
            lines += [f"    if {fast}:", *self.quietly(self.kernel_call(call), call)]
            if reflected := self.number_first():
                before = self.kernel_call(call, 1)
                lines += [f"    elif {reflected}:", *self.quietly(before, call)]
            complex = self.fast_condition(COMPLEX)
            if self.op.complex and complex != fast:  # kernels are for real numbers
                lines += [f"    elif {complex}:", *self.quietly([], call)]
        lines.append(f"    else: return general({plain})")
        if self.op.kind != "update":
            lines.append("    return z if type(z) is ND else finish(z)")
        return "\n".join(lines) + "\n"

    def quietly(self, before: list[str], call: str) -> list[str]:
        """The generic kernel's call, after other lines, without NumPy's warnings."""
        run = f"z = generic(xp, {call})"
        declined = [f"        except Unavailable: {run}"] if before else []
        return [
            "        token = quiet(QUIET)", "        try:",
            *[f"            {line}" for line in (*before, run)], *declined,
            "        finally: restore(token)",
        ]  # fmt: skip

    def kernel_call(self, call: str, which: int = 0) -> list[str]:
        """The backend's kernel, where there is one and that operand is large enough for it."""
        if self.kernel is None:
            return []
        size = getattr(self.kernel, "min_size", 0)
        first = self.promoted[1] if which else min(self.positions, default=0)
        guard = [f"if {self.op.params[first].name}.size >= {size}:"] if size else []
        pad = "    " * len(guard)
        return [
            *guard, f"{pad}z = kernel({call})", f"{pad}if z is not NotImplemented: return z",
        ]  # fmt: skip

    def fast_condition(self, kinds: str = REAL) -> str | None:
        """Source of the test that no rule applies: arrays all of one of two dtypes.

        Where the rule allows numbers, Python's pass; operands that the rule leaves out, and all
        operands of data movement, only have to be arrays of this backend.
        """
        moves = self.keeps_half and (self.rule == "any" or bool(self.lists))
        if not self.positions:
            return "True"
        if self.lists and not moves:
            return None
        tests: list[str] = []
        ruled = False
        for i in self.positions:
            p = self.op.params[i]
            test = f"type({p.name}) is ND"
            if i in self.lists:
                test = f"all([type(v) is ND for v in {p.name}])"
                if self.weak:  # one dtype, whichever: nothing to promote
                    test += f" and (d := {p.name}[0].dtype)"
                    test += f" and all([v.dtype is d for v in {p.name}])"
            elif i in self.promoted and not moves:
                test = f"{test} and {p.name}.dtype is d" if ruled else self.one_of(p.name, kinds)
                if ruled and self.weak:
                    test = f"type({p.name}) in NUMBERS or {test}"
                ruled = ruled or not p.optional
            tests.append(f"({p.name} is None or {test})" if p.optional else f"({test})")
        return " and ".join(tests)

    def one_of(self, name: str, kinds: str = REAL) -> str:
        return f"type({name}) is ND and ((d := {name}.dtype) is {kinds})"

    def number_first(self) -> str | None:
        """Source of the test for a number before a floating array, as in `1 - x`."""
        if not self.weak or self.lists or len(self.promoted) != 2:
            return None
        one, two = (self.op.params[i].name for i in self.promoted)
        others = [self.op.params[i].name for i in self.positions if i not in self.promoted]
        tests = [f"type({one}) in NUMBERS", self.one_of(two), *[f"type({n}) is ND" for n in others]]
        return " and ".join(tests)

    def core(self, args: list[Any], kernel: Callable[..., Any] | None) -> Any:
        """Kernel, then generic, on arrays that already have their compute types."""
        n = self.positional
        positional, named = args[:n], dict(zip(self.named, args[n:], strict=True))
        token = quiet(QUIET)
        try:
            if kernel is not None and self.large(args):
                with suppress(Unavailable):
                    result = kernel(*positional, **named)
                    if result is not NotImplemented:
                        return result
            return self.op.generic(self.xp, *positional, **named)
        finally:
            restore(token)

    def large(self, args: list[Any]) -> bool:
        """Whether the first operand that is an array has the elements that the kernel wants."""
        least = getattr(self.kernel, "min_size", 0)
        sizes = [a.size for a in args if type(a) is self.array_type] if least else ()
        return not sizes or sizes[0] >= least

    def finish(self, result: Any) -> Any:
        """Array scalars become 0-d arrays; several outputs are handled one by one."""
        if type(result) is self.array_type:
            return result
        if isinstance(result, tuple | list):
            return tuple([None if r is None else self.finish(r) for r in result])
        if result is None or (hasattr(result, "__dlpack__") and type(result) is not np.generic):
            return result
        return self.backend.asarray(result)

    def general(self, *args: Any) -> Any:
        """Any types: promotion by the op's rule, half precision computed in float32."""
        values = list(args)
        key = self.key(values)
        if (decision := self.decisions.get(key)) is None:
            decision = self.decide(values)
            if key is not None:
                self.decisions[key] = decision
        kernel, compute, half, stay = decision
        if compute is None:
            self.numbers_to_arrays(values)
        else:
            if self.rule == "power" and compute.kind in "iub":
                _check_power(values[1])
            for i in self.promoted:
                v = values[i]
                if i in self.lists:
                    values[i] = [self.cast(x, compute) for x in v]
                elif type(v) not in stay:
                    values[i] = self.cast(v, compute)
        if half is None:
            return self.finish(self.core(values, kernel))
        for i in self.positions:
            values[i] = self.each(values[i], lambda a: _upcast(a, half))
        out = self.finish(self.core(values, kernel))
        if not isinstance(out, tuple) or self.op.outputs == "*":
            return self.each(out, lambda a: _round(a, half))
        named = zip(out, self.op.outputs)  # statistics and the like stay float32
        return tuple([_round(a, half) if o.differentiable else a for a, o in named])

    def key(self, values: list[Any]) -> Any:
        """All that a decision depends on; None where an operand is neither array nor number."""
        key: list[Any] = [_dtypes.get_default_dtype()]
        for i in self.positions:
            kind = type(value := values[i])
            if kind is self.array_type:
                key += (value.dtype, value.ndim == 0)
            elif kind in _PLAIN:
                key.append(kind)
            else:
                self.check_arrays(values)
                return None
        return tuple(key)

    def decide(self, values: list[Any]) -> tuple[Any, ...]:
        """Kernel, dtype of promoted operands (or None), half dtype to round to, what stays."""
        kernel = self.kernel
        if kind := self.complex_type(values):
            if not self.op.complex:
                raise RuntimeError(
                    f"\"{self.op.name}\" not implemented for '{kind}': take .abs(), .real or "
                    ".imag of the complex operand first"
                )
            kernel = None  # kernels are for real numbers
        if self.weak:
            return kernel, *self.promote(values)
        if self.rule == "same" and self.op.public:
            self.check_same(values)
        half = None if self.keeps_half else self.common_half(values)
        return kernel, None, None if half is None else half.numpy, ()

    def each(self, value: Any, function: Callable[[Any], Any]) -> Any:
        """Apply to an array, or to every array of a sequence; the rest passes through."""
        if isinstance(value, tuple | list):
            return type(value)([self.each(v, function) for v in value])
        return function(value) if type(value) is self.array_type else value

    def operands(self, values: list[Any], positions: list[int]) -> list[Any]:
        flat: list[Any] = []
        for i in positions:
            flat.extend(values[i]) if i in self.lists else flat.append(values[i])
        return flat

    def check_arrays(self, values: list[Any]) -> None:
        """All arrays must be this backend's; a 0-d one of another device is moved."""
        from . import of

        def move(value: Any) -> Any:
            if value is None or isinstance(value, (self.array_type, *_NUMBERS)):
                return value
            owner = of(value)
            if value.ndim == 0 and owner.name == "cpu":
                return self.backend.from_host(owner.to_host(value))
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{self.backend.name} and {owner.name}! Move one with .to('{self.backend.name}')"
            )

        for i in self.positions:
            value = values[i]
            values[i] = [move(v) for v in value] if i in self.lists else move(value)

    def complex_type(self, values: list[Any]) -> str | None:
        """torch's name for the type of the first complex operand, if there is one."""
        for v in self.operands(values, self.positions):
            kind = v.dtype if type(v) is self.array_type else np.dtype(type(v))
            if kind.kind == "c":
                return "ComplexFloat" if kind.itemsize == 8 else "ComplexDouble"
        return None

    def result_type(self, values: list[Any]) -> dtype:
        dims: list[dtype] = []
        zeros: list[dtype] = []
        scalars: list[dtype] = []
        for v in self.operands(values, self.promoted):
            if v is None:
                continue
            if type(v) is self.array_type:
                (dims if v.ndim else zeros).append(from_numpy_dtype(v.dtype))
            else:
                scalars.append(_dtypes.scalar_dtype(v))
        return _dtypes.combine(dims, zeros, scalars)

    def promote(self, values: list[Any]) -> tuple[Any, ...]:
        """As `decide`, where a rule promotes; beside a floating array, numbers may stay."""
        result = self.result_type(values)
        if self.rule == "number":
            self.check_not_bool(values)
        if self.rule == "float" and result.category < _dtypes.FLOAT:
            result = _dtypes.get_default_dtype()
        half = result.category == _dtypes.FLOAT and result.itemsize == 2
        compute = F32 if half else result.numpy
        arrays = any(type(values[i]) is self.array_type for i in self.promoted)
        stay = {int, float} if arrays and (compute is F32 or compute is F64) else set()
        return compute, result.numpy if half and self.rule != "bool" else None, stay

    def check_not_bool(self, values: list[Any]) -> None:
        for i in self.promoted:
            v = values[i]
            if isinstance(v, bool) or getattr(getattr(v, "dtype", None), "kind", "") == "b":
                raise RuntimeError(
                    f'"{self.op.name}" not implemented for bool: invert a mask with `~`, or '
                    "convert it with .int()"
                )

    def cast(self, value: Any, kind: np.dtype[Any]) -> Any:
        if value is None:
            return None
        if type(value) is self.array_type:
            return value if value.dtype is kind or value.dtype == kind else _astype(value, kind)
        token = quiet(QUIET)
        try:
            return self.backend.asarray(np.asarray(value).astype(kind))
        finally:
            restore(token)

    def check_same(self, values: list[Any]) -> None:
        """RuntimeError where floating operands differ in type, or any of a product's."""
        named = {
            self.op.params[i].name: values[i].dtype
            for i in self.promoted
            if type(values[i]) is self.array_type
        }
        kinds = set(named.values())
        if len(kinds) == 1:
            return
        floating = {k for k in kinds if k.kind not in "biu"}
        if len(floating) > 1 or (self.op.kind in ("matmul", "conv") and len(kinds) > 1):
            raise RuntimeError(
                f"{self.op.name}: expected all operands to have the same dtype, but got "
                + ", ".join(f"{n} {k.name}" for n, k in named.items())
                + "; convert one, for instance with .float() (NumPy's arrays are float64 unless "
                "made otherwise)"
            )

    def common_half(self, values: list[Any]) -> dtype | None:
        """The half type of the floating operands under the rules that do not promote."""
        halves = {
            v.dtype
            for v in self.operands(values, self.promoted)
            if type(v) is self.array_type and v.dtype.itemsize == 2 and v.dtype.kind not in "iu"
        }
        return from_numpy_dtype(halves.pop()) if halves else None

    def numbers_to_arrays(self, values: list[Any]) -> None:
        for i in self.positions:
            if isinstance(values[i], _NUMBERS):
                kind = _dtypes.scalar_dtype(values[i]).numpy
                values[i] = self.backend.asarray(values[i], kind)


def _check_power(exponent: Any) -> None:
    """Refuse a negative number for the exponent of integers; tensors may hold one."""
    if isinstance(exponent, int) and exponent < 0:
        raise ValueError("Integers to negative integer powers are not allowed.")  # as NumPy


def _astype(array: Any, kind: np.dtype[Any]) -> Any:
    token = quiet(QUIET)
    try:
        return (array.real if array.dtype.kind == "c" != kind.kind else array).astype(kind)
    finally:
        restore(token)


def _round(array: Any, half: np.dtype[Any]) -> Any:
    return _astype(array, half) if array is not None and array.dtype is F32 else array


def _upcast(array: Any, half: np.dtype[Any]) -> Any:
    return array.astype(F32) if array.dtype == half else array
