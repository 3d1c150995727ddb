"""Chains of pointwise ops as one loop: its source is written from a table of expressions.

The source goes into the user's cache, is imported from there and compiled as any other loop, so
Numba keeps its machine code. Each operation is rounded as it is alone; exp and its kin are the
polynomials of `_math` at any size.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ...._codegen import define
from ...._files import atomic_write
from ._elementwise import VALUES
from ._jit import Loop, Unavailable, available, cache_folder
from ._registry import F32, empty, part, rows

Text = str | None


def _compared(sign: str) -> Callable[..., Text]:
    return lambda x, y: f"{x} {sign} {y}"


# Beside the rows of `_elementwise`: op -> the value of an element from those of its arguments, in
# order; None: not this call. Numbers arrive as text, strings and None as they are, and what STATIC
# names as the number itself.
FORMS: dict[str, Callable[..., Text]] = {
    "add": lambda x, y, alpha=1: f"{x} + {y}" if alpha == 1 else None,
    "sub": lambda x, y, alpha=1: f"{x} - {y}" if alpha == 1 else None,
    "pow": lambda x, n: f"{x} * {x}" if n == 2 else None,
    "clamp": lambda x, low=None, high=None: _clamped(x, low, high),
    "gelu": lambda x, kind="none": f"{x} * normal_cdf({x})" if kind == "none" else None,
    "gelu_grad": lambda g, x, kind="none": (
        f"{g} * (normal_cdf({x}) + {x} * DENSITY * exp(-HALF * {x} * {x}))"
        if kind == "none" else None
    ),
    "gt": _compared(">"), "ge": _compared(">="), "lt": _compared("<"), "le": _compared("<="),
    "eq": _compared("=="), "ne": _compared("!="),
    "ones_like": lambda x, *rest: "ONE", "zeros_like": lambda x, *rest: "ZERO",
}  # fmt: skip
STATIC = {"add": {2}, "sub": {2}, "pow": {1}}
TRUTHS = frozenset(("gt", "ge", "lt", "le", "eq", "ne"))  # ops whose result is a bool

_HEADER = '''"""Written by Pyrite: a chain of pointwise ops. Delete it as you like."""

from __future__ import annotations

from pyrite.backends.numpy.kernels._jit import Flags, Place, Scalar, Vector, loop
from pyrite.backends.numpy.kernels._math import *


@loop()
'''


def _clamped(x: str, low: Text, high: Text) -> str:
    text = x if low is None else f"fmax({x}, {low})"
    return text if high is None else f"fmin({text}, {high})"


def expression(op: str, arguments: Sequence[Any]) -> Text:
    """The element of an op's result, or None where no loop is made for such a call."""
    fixed = STATIC.get(op, ())
    given = [a if isinstance(a, str) or a is None or i in fixed else "0"
             for i, a in enumerate(arguments)]  # fmt: skip
    return _value(op, given)


def _value(op: str, arguments: Sequence[Any]) -> Text:
    if op in FORMS:
        return FORMS[op](*arguments)
    params, text = VALUES.get(op, ((), ""))
    if not text or len(params) != len(arguments) or None in arguments:
        return None
    texts = dict(zip(params, arguments, strict=True))
    return re.sub(r"\w+", lambda word: texts.get(word[0], word[0]), text)


def fuse(
    inputs: Sequence[str], numbers: int, steps: Sequence[tuple[str, Sequence[Any]]],
    outputs: Sequence[int],
) -> Callable[..., Any] | None:  # fmt: skip
    """One function of arrays for a chain of ops on float32; None without Numba.

    Args:
        inputs: per array how it lies to the result: "full", "row" (the elements of each row),
            "column" (one element per row), "one" (a single element); with a trailing "?" of bools.
        numbers: how many numbers follow the arrays.
        steps: (op, arguments): ("x", i) an input, ("n", i) a number, ("v", i) an earlier step,
            else a plain value.
        outputs: the steps whose results are wanted.

    Returns:
        `f(*arrays, *numbers, shape, rows, into)`: the wanted arrays in a list; `into` has per
        output an array of the same shape that may be overwritten, or None.
    """
    if not available():
        return None
    key = (tuple(inputs), numbers, tuple([(o, tuple(a)) for o, a in steps]), tuple(outputs))
    return _made(key)


@cache
def _made(key: Any) -> Callable[..., Any] | None:
    inputs, numbers, steps, outputs = key
    body = [f"v{i} = {_text(op, arguments)}" for i, (op, arguments) in enumerate(steps)]
    truths = [steps[i][0] in TRUTHS for i in outputs]
    source = _source(inputs, numbers, body, outputs, truths)
    try:
        loop = _imported(source)
        loop.load()
    except (Unavailable, OSError):
        return None
    return _caller(loop, inputs, numbers, truths)


def _text(op: str, arguments: Any) -> Text:
    return _value(op, [f"{a[0]}{a[1]}" if isinstance(a, tuple) else a for a in arguments])


def _source(
    inputs: Sequence[str], numbers: int, body: list[str], outputs: Sequence[int],
    truths: list[bool],
) -> str:  # fmt: skip
    """The loop: over elements, or over rows where an operand is broadcast."""
    by_rows = any(kind.rstrip("?") in ("row", "column") for kind in inputs)
    note = {True: "Flags", False: "Vector"}
    params = [f"i{k}: {note[kind.endswith('?')]}" for k, kind in enumerate(inputs)]
    params += [f"n{k}: Scalar" for k in range(numbers)]
    params += [f"o{k}: {note[truth]}" for k, truth in enumerate(truths)]
    place = "int" if by_rows else "Place"
    params += ["width: int"] * by_rows + [f"lo: {place}", f"hi: {place}"]
    lines = [f"def chain({', '.join(params)}) -> None:"]
    kinds = [kind.rstrip("?") for kind in inputs]
    lines += [f"    x{k} = i{k}[0]" for k, kind in enumerate(kinds) if kind == "one"]
    pad, index = "        ", "j"
    if by_rows:
        lines.append("    for r in range(lo, hi):")
        lines += [f"        x{k} = i{k}[r]" for k, kind in enumerate(kinds) if kind == "column"]
        part_of = "[r * width : (r + 1) * width]"
        full = [k for k, kind in enumerate(kinds) if kind == "full"]
        lines += [f"        p{k} = i{k}{part_of}" for k in full]
        lines += [f"        q{k} = o{k}{part_of}" for k in range(len(outputs))]
        lines.append("        for j in range(width):")
        pad = "            "
    else:
        lines.append("    for j in range(lo, hi):")
    source = {"full": "p" if by_rows else "i", "row": "i"}
    lines += [f"{pad}x{k} = {source[kind]}{k}[{index}]" for k, kind in enumerate(kinds)
              if kind in source]  # fmt: skip
    lines += [f"{pad}{line}" for line in body]
    target = "q" if by_rows else "o"
    lines += [f"{pad}{target}{k}[{index}] = v{i}" for k, i in enumerate(outputs)]
    return "\n".join(lines) + "\n"


def _imported(source: str) -> Loop:
    """The loop of a module in the user's cache; written beside, then renamed."""
    name = f"pyrite_fused_{hashlib.sha256(source.encode()).hexdigest()[:16]}"
    if name not in sys.modules:
        folder = cache_folder()
        if folder is None:
            scope: dict[str, Any] = {"__name__": name}
            return define(_HEADER + source, "chain", scope)  # type: ignore[return-value]
        path = folder / f"{name}.py"
        if not path.exists():
            with atomic_write(path) as file:
                file.write((_HEADER + source).encode())
        _load(name, path)
    found: Loop = sys.modules[name].chain
    return found


def _load(name: str, path: Path) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def _caller(
    loop: Loop, inputs: Sequence[str], numbers: int, truths: list[bool]
) -> Callable[..., Any]:  # fmt: skip
    """The function of arrays around a loop, as generated source: no lists, no tests."""
    names = [f"x{k}" for k in range(len(inputs))] + [f"n{k}" for k in range(numbers)]
    outs = [f"o{k}" for k in range(len(truths))]
    by_rows = any(kind.rstrip("?") in ("row", "column") for kind in inputs)
    lines = [f"def fused({', '.join(names)}, shape, count, width, into):"]
    for k, truth in enumerate(truths):
        made = f"empty(shape, {'bool_' if truth else 'float32'})"
        lines.append(f"    o{k} = {made} if into[{k}] is None else into[{k}]")
    given = [f"x{k}" + ".reshape(-1)" * (kind[:3] == "one") for k, kind in enumerate(inputs)]
    given += [f"n{k}" for k in range(numbers)] + outs + ["width"] * by_rows
    chunk = "rows(count, width)" if by_rows else "part(count)"
    lines.append(f"    loop(count, {chunk}, {', '.join(given)})")
    lines.append(f"    return [{', '.join(outs)}]")
    scope = {"empty": empty, "float32": F32, "bool_": np.dtype(bool), "loop": loop, "part": part,
             "rows": rows}  # fmt: skip
    return define("\n".join(lines) + "\n", "fused", scope)
