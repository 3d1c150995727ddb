"""Loops over elements, made from expressions: any operand may be a number, broadcast or strided.

A loop goes through its result in blocks. Where an operand lies as the result does, a block of it
is read in place; else it is first spread out into a buffer of one block, which stays in the
innermost cache. So one loop serves every shape that broadcasts.
"""

from __future__ import annotations
import __future__

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..._target import target
from . import _math as m
from ._jit import Flags, Loop, Scalar, Table, Vector, loop
from ._registry import F32, F64, Array, empty, kernel, like, part

BOTH = ("float32", "float64")
# Elements from which a loop beats NumPy's: one cheap ufunc, one that costs more, several, many.
LIGHT, MEDIUM, SEVERAL, HEAVY = 16384, 8192, 2048, 64
BLOCK = m.BLOCK
IN_PLACE, SPREAD, NUMBER = 0, 1, 2  # how a loop reads an operand
Number = float | int
SCOPE = {"Flags": Flags, "Scalar": Scalar, "Table": Table, "Vector": Vector, "BLOCK": BLOCK}

# Op of a row -> its parameters and the value of an element: what chains of ops are made of.
VALUES: dict[str, tuple[list[str], str]] = {}

_LOOP = """
def {name}_loop({arrays}{numbers}out: Vector, plan: Table, lo: int, hi: int) -> None:
{buffers}
    for start in range(lo, hi, BLOCK):
        n = min(BLOCK, hi - start)
{blocks}
        to_out = out[start : start + n]
        for j in range(n):
{elements}
            to_out[j] = {value}
"""
_BUFFER = """
    buffer_{0} = m.buffer(all_{0})
"""
_BLOCK = """
        if plan[{1}, 0] == 1 or (plan[{1}, 0] == 2 and start == lo):
            m.spread(all_{0}, buffer_{0}, plan[{1}], start, n)
        some_{0} = buffer_{0}[:n] if plan[{1}, 0] else all_{0}[start : start + n]
"""
_ONE = """
        some_{0} = all_{0}[start : start + n]
"""
_KERNEL = """
def {name}({signature}):
    return serve(loops, {size}, ({arrays}), ({numbers}))
"""


def expression(
    name: str, arrays: Sequence[str], numbers: Sequence[str], value: str, *fastmath: str,
    kinds: tuple[str, ...] = ("float32",),
) -> tuple[Loop, ...]:  # fmt: skip
    """The loops, one per kind, that give each element the `value` of the operands' elements.

    The operand `condition` is bool, the others are of the loop's type.
    """
    notes = {a: "Flags" if a == "condition" else "Vector" for a in arrays}
    buffer, block = (_BUFFER, _BLOCK) if len(arrays) > 1 else ("", _ONE)
    text = _LOOP.format(
        name=name,
        arrays="".join(f"all_{a}: {note}, " for a, note in notes.items()),
        numbers="".join(f"{v}: Scalar, " for v in numbers),
        buffers="".join(buffer.format(a, i) for i, a in enumerate(arrays)),
        blocks="".join(block.format(a, i) for i, a in enumerate(arrays)),
        elements="\n".join(f"            {a} = some_{a}[j]" for a in arrays),
        value=value,
    )
    scope = {**vars(m), **SCOPE, "m": m, "__name__": f"{__package__}.pointwise"}
    exec(compile(text, __file__, "exec", __future__.annotations.compiler_flag), scope)
    made = loop(*fastmath, kinds=kinds)(scope[f"{name}_loop"])
    return made if isinstance(made, tuple) else (made,)


def row(
    name: str, signature: str, value: str, size: int, *fastmath: str,
    kinds: tuple[str, ...] = ("float32",),
) -> tuple[Loop, ...]:  # fmt: skip
    """The kernel of op `name`, all in one: parameters with a default are numbers."""
    params = [p.strip() for p in signature.split(",") if p.strip() not in "*"]
    VALUES[name] = [p.partition("=")[0] for p in params], value
    arrays = [p for p in params if "=" not in p]
    numbers = [p.partition("=")[0] for p in params if "=" in p]
    loops = expression(name, arrays, numbers, value, *fastmath, kinds=kinds)
    text = _KERNEL.format(
        name=name, signature=signature, size=size, arrays="".join(f"{a}, " for a in arrays),
        numbers="".join(f"{v}, " for v in numbers),
    )  # fmt: skip
    scope: dict[str, Any] = {"serve": serve, "loops": loops, "__name__": __name__}
    exec(compile(text, __file__, "exec"), scope)
    kernel(name, size)(scope[name])
    return loops


# --- calling a loop -------------------------------------------------------------------------


class Plan(NamedTuple):
    """How operands of certain shapes are read.

    Attributes:
        shape: the result's, its dimensions in the order of memory.
        order: those dimensions; None where they are in order.
        back: the order that undoes it.
        table: per operand how it is read, the sizes of the two inner of three dimensions, and its
            steps along all three.
    """

    shape: tuple[int, ...]
    order: tuple[int, ...] | None
    back: tuple[int, ...] | None
    table: Array


def serve(
    loops: tuple[Loop, ...], size: int, operands: tuple[Any, ...], numbers: Any, into: Any = None
) -> Any:
    """A loop's result for arrays, and numbers in place of some, of at least `size` elements.

    It is written to `into`, or to the memory on offer, where it fits that.
    """
    if into is None and target.array is None:
        out = _dense(loops, size, operands, numbers)
        if out is not None:
            return out
    arrays = [v for v in operands if type(v) is np.ndarray and v.ndim]
    kind: Any = next((a.dtype for a in arrays if a.dtype.char != "?"), None)
    which = 0 if kind is F32 else 1 if kind is F64 else 2
    if which >= len(loops):
        return NotImplemented
    given = []
    for v in operands:
        if type(v) is float or type(v) is int:
            v = np.array(v, kind)
        elif type(v) is not np.ndarray or not (v.dtype is kind or v.dtype.char == "?"):
            return NotImplemented
        given.append(v)
    plan = plan_for(tuple([(v.shape, v.strides, v.itemsize) for v in given]))
    if plan is None or (n := prod(plan.shape)) < size:
        return NotImplemented
    if len(given) == 1 and plan.table[0, 0] != IN_PLACE:  # its loop has no buffer
        return serve(loops, size, (np.array(given[0], order="C"),), numbers, into)
    flat = [_flat(v, how, plan) for v, how in zip(given, plan.table, strict=True)]
    offered = target.array if into is None else into
    # A loop whose operand is its result does one element at a time: such a one is spread out.
    same = [v is offered for v in given]
    out = _result(plan, kind, arrays, None if same == [True] and into is None else offered)
    if into is not None and out is not into:
        return NotImplemented
    table = plan.table
    if out is offered and any(same):
        table = table.copy()
        table[same, 0] = SPREAD
    loops[which](n, part(n), *flat, *numbers, out.reshape(-1), table)
    return out if plan.back is None else out.transpose(plan.back)


def _dense(
    loops: tuple[Loop, ...], size: int, operands: tuple[Any, ...], numbers: Any
) -> Array | None:
    """The result for numbers and C-contiguous arrays of one shape and type; None for others."""
    x = operands[-1]
    if type(x) is not np.ndarray:
        x = operands[0]
        if type(x) is not np.ndarray:
            return None
    kind, shape, n = x.dtype, x.shape, x.size
    which = 0 if kind is F32 else 1 if kind is F64 else 2
    if which >= len(loops) or n < size or not shape:
        return None
    given, numeric = [], []
    for v in operands:
        number = type(v) is float or type(v) is int
        if number:
            v = np.array((v,), kind)
        elif type(v) is not np.ndarray or not (v.dtype is kind or v.dtype.char == "?"):
            return None
        if not (number or (v.shape == shape and v.flags.c_contiguous)):
            return None
        given.append(v)
        numeric.append(number)
    out = like(x)
    loops[which](n, part(n), *given, *numbers, out, _whole(*numeric))
    return out


@lru_cache
def _whole(*numbers: bool) -> Array:
    """The plan's table for operands that are numbers, or lie as the result does."""
    table = np.zeros((len(numbers), 6), np.int64)
    for entry, number in zip(table, numbers):
        entry[:3] = (NUMBER, 1, 1 << 62) if number else (IN_PLACE, 1, 1)
    return table


def _result(plan: Plan, kind: Any, operands: list[Array], offered: Any) -> Array:
    """The memory on offer where the result fits it, else new memory."""
    if offered is None or offered.dtype is not kind or offered.shape != plan.shape:
        return empty(plan.shape, kind)
    if plan.order is not None or not offered.flags.c_contiguous:
        return empty(plan.shape, kind)
    for x in operands:  # an operand may be that memory, element by element, but no part of it
        if x is not offered and np.may_share_memory(x, offered):
            return empty(plan.shape, kind)
    return offered


@lru_cache(maxsize=4096)
def plan_for(operands: tuple[tuple[tuple[int, ...], tuple[int, ...], int], ...]) -> Plan | None:
    """The plan for operands given by shape, strides and item size; None where no loop fits."""
    try:
        shape = np.broadcast_shapes(*[o[0] for o in operands])
    except ValueError:
        return None
    ndim, steps = len(shape), []
    for sizes, strides, item in operands:
        if any(s < 0 or s % item for s in strides):
            return None
        own = [0 if n == 1 else s // item for n, s in zip(sizes, strides, strict=True)]
        steps.append([0] * (ndim - len(own)) + own)
    whole = next((s for s, o in zip(steps, operands, strict=True) if o[0] == shape), None)
    order = list(range(ndim))
    if whole is not None:
        if 0 in [s for s, n in zip(whole, shape, strict=True) if n > 1]:  # it is expanded
            nested = [[s for s, n in zip(line, shape) if s and n > 1] for line in steps]
            if any(line != sorted(line, reverse=True) for line in nested):
                return None
        long = sorted((d for d in order if shape[d] > 1 and whole[d]), key=lambda d: -whole[d])
        if long != sorted(long):
            if len(long) < ndim:
                return None
            order = long
    sizes, lines = _merged([shape[d] for d in order], [[s[d] for d in order] for s in steps])
    if len(sizes) > 3:
        return None
    sizes = [1] * (3 - len(sizes)) + sizes
    table = np.zeros((len(lines), 6), np.int64)
    for entry, line in zip(table, lines, strict=True):
        line = [0] * (3 - len(line)) + line
        dense = [s for n, s in zip(sizes, (sizes[1] * sizes[2], sizes[2], 1)) if n > 1]
        own = [s for n, s in zip(sizes, line) if n > 1]
        entry[0] = NUMBER if not any(own) else IN_PLACE if own == dense else SPREAD
        entry[1:] = *sizes[1:], *line
    ordered = tuple([shape[d] for d in order])
    if order == list(range(ndim)):
        return Plan(ordered, None, None, table)
    return Plan(ordered, tuple(order), tuple(np.argsort(order).tolist()), table)


def _merged(sizes: list[int], steps: list[list[int]]) -> tuple[list[int], list[list[int]]]:
    """Sizes and steps with neighbouring dimensions joined wherever all operands allow it."""
    kept: list[int] = []
    lines: list[list[int]] = [[] for _ in steps]
    for d, n in enumerate(sizes):
        if n == 1:
            continue
        if kept and all(line[-1] == s[d] * n for line, s in zip(lines, steps, strict=True)):
            kept[-1] *= n
            for line, s in zip(lines, steps, strict=True):
                line[-1] = s[d]
        else:
            kept.append(n)
            for line, s in zip(lines, steps, strict=True):
                line.append(s[d])
    return kept, lines


def _flat(x: Array, how: Array, plan: Plan) -> Array:
    """The memory of an operand as a vector."""
    if x.flags.c_contiguous:
        return x.reshape(-1)
    if how[0] == IN_PLACE and plan.order is not None:
        return x.transpose(plan.order).reshape(-1)
    length = 1 + sum((n - 1) * s for n, s in zip(x.shape, x.strides)) // x.itemsize
    return as_strided(x, (length,), (x.itemsize,))
