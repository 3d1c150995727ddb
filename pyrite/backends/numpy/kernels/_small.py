"""Small pointwise ops as C functions: nothing of Python between an op and its loop.

NumPy's ufuncs, and the tests before them, cost ten times what the arithmetic of a few numbers
does. `shortcut(name, bound)` is a builtin function, its machine code made by LLVM, that serves
C-contiguous float32 or float64 arrays up to `LIMIT` elements: one, or two of which the second is
of the first one's shape, a row or a column of it, or a number. Every other call it hands on to
`bound`. Each operation is rounded once, as NumPy's are, so both give the same bits, but for the
functions in `WIDE`.

The code reads arrays where CPython keeps them in memory. Without llvmlite, on another Python, or
where the self-test fails, `bound` serves all calls.
"""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from . import _objects
from ._cache import cache_folder
from ._jit import available

Function = Callable[..., Any]

LIMIT = 16384  # elements: some microseconds of work


def _exp(b: Any, x: Any) -> Any:
    """e**x in float64 to 2e-10: 2**n times the Taylor polynomial of the rest, |rest| < 0.35."""
    from llvmlite import ir

    kind, bits = x.type, ir.IntType(64)
    for far in (708.0, -708.0):  # beyond, float32 has infinity and 0
        outside = b.fcmp_ordered(">" if far > 0 else "<", x, kind(far))
        x = b.select(outside, kind(far), x)
    shift = kind(1.5 * 2**52)  # added, it leaves the rounded number in the lowest bits
    shifted = b.fadd(b.fmul(x, kind(math.log2(math.e))), shift)
    rest = b.fsub(x, b.fmul(b.fsub(shifted, shift), kind(math.log(2))))
    value = kind(1 / math.factorial(8))
    for i in reversed(range(8)):
        value = b.fadd(b.fmul(value, rest), kind(1 / math.factorial(i)))
    power = b.shl(b.add(b.bitcast(shifted, bits), bits(1023)), bits(52))
    return b.fmul(value, b.bitcast(power, kind))


def _sigmoid(b: Any, x: Any) -> Any:
    return b.fdiv(x.type(1), b.fadd(x.type(1), _exp(b, b.fneg(x))))


# Op -> its value for one element, from LLVM's builder and the operands' elements.
FORMS: dict[str, Function] = {
    "add": lambda b, x, y: b.fadd(x, y),
    "sub": lambda b, x, y: b.fsub(x, y),
    "mul": lambda b, x, y: b.fmul(x, y),
    "div": lambda b, x, y: b.fdiv(x, y),
    "neg": lambda b, x: b.fneg(x),
    "relu": lambda b, x: b.select(b.fcmp_ordered("<=", x, x.type(0)), x.type(0), x),
    "relu_grad": lambda b, g, y: b.select(b.fcmp_ordered("<=", y, y.type(0)), y.type(0), g),
    "sigmoid_grad": lambda b, g, y: b.fmul(g, b.fmul(b.fsub(y.type(1), y), y)),
    "tanh_grad": lambda b, g, y: b.fmul(g, b.fsub(y.type(1), b.fmul(y, y))),
    "accumulate": lambda b, x, y: b.fadd(x, y),
    "exp": _exp,
    "sigmoid": _sigmoid,
}
# Computed in float64 and rounded once: for float32 arrays, up to so many elements.
WIDE = {"exp": 1024, "sigmoid": 256}
SCALED = {"add", "sub"}  # take a factor, served where it is 1
UPDATES = {"accumulate"}  # write into their first operand and return None


def shortcut(name: str, bound: Function) -> Function:
    """`bound`, or a function before it that serves small operands of op `name`."""
    if name not in FORMS:
        return bound
    with _lock:  # threads may bind their first ops at once
        make = _maker()
        return bound if make is None else make(name, bound)


_lock = threading.RLock()


@cache
def _maker() -> Callable[[str, Function], Function] | None:
    """What compiles an op's function; None where that cannot work here."""
    free_threaded = not getattr(sys, "_is_gil_enabled", lambda: True)()
    debugging = hasattr(sys, "gettotalrefcount")
    if sys.implementation.name != "cpython" or free_threaded or debugging or sys.maxsize < 1 << 32:
        return None
    if not available():
        return None
    try:
        from . import _small_code as code
    except (ImportError, AttributeError):
        return None
    if not code.reads_arrays():
        return None
    make = code.load(_kept(code))
    return make if _agrees(make("mul", lambda *_: None)) else None


def _kept(code: ModuleType) -> bytes:
    """The object code from the user's cache, compiled and put there if it is not."""
    folder = cache_folder()
    if folder is None:
        return bytes(code.compiled())
    path = folder / "small.o"
    if (kept := _objects.read(path)) is None:
        kept = bytes(code.compiled())
        with suppress(OSError):  # no room, or a folder that can only be read
            _objects.write(path, kept)
    return kept


def _agrees(mul: Function) -> bool:
    """Whether the function multiplies what it should, and leaves the rest alone."""
    for kind in (np.float32, np.float64):
        x: Any = np.linspace(-3, 3, 21, dtype=kind).reshape(3, 7)
        for a, b in ((x, x + 1), (x, 0.7), (3, x)):
            z = mul(a, b)
            if type(z) is not np.ndarray or z.dtype != kind or not np.array_equal(z, a * b):
                return False
    others = x.T, x[:, ::2], x[:2], x.astype(np.float16), x.astype(">f8"), 1 << 70, None
    return all(mul(x, y) is None and mul(y, x) is None for y in others)
