"""Machine code as files: loaded by llvmlite alone, called as a built-in function.

An object file holds one C function and needs nothing from outside but `LIBRARY`: what it uses of
the interpreter it finds in a table of addresses, the built-in function's `self`. So a process
whose kernels are cached imports no numba. The function reads its arguments from Python's and
NumPy's structs, whose layout is tested at the start (`usable`); where that or anything else here
fails, Numba's own dispatcher serves. $PYRITE_OBJECT_LOADER=0 asks for that.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .. import _threads

SYMBOL = "pyrite_entry"
# All that an object file may leave undefined: LLVM calls these where it has no instruction.
LIBRARY = (
    "memcpy", "memset", "memmove", "rint", "rintf", "fmaf", "fma", "pow", "powf", "exp", "expf",
    "log", "logf", "cos", "cosf", "sin", "sinf", "tanh", "tanhf", "fmod", "fmodf", "sqrt", "sqrtf",
)  # fmt: skip

# Offsets in bytes in the structs of an object, of an array and of its dtype.
TYPE, DATA, NDIM, SHAPE, DTYPE, FLAGS, KIND = 8, 16, 24, 32, 56, 64, 24
KIND_MASK = ~0xFF000000  # of the word at KIND: kind, letter, byte order, (free), number

FUNCTIONS = (
    "Py_IncRef", "PyLong_AsLongLong", "PyFloat_AsDouble", "PyErr_Occurred", "PyErr_SetString",
    "PyType_IsSubtype", "PyEval_SaveThread", "PyEval_RestoreThread", "PyThread_tss_get",
)  # fmt: skip
TABLE = ("None", "TypeError", "ndarray", "pool", "serial", *FUNCTIONS)


@cache
def usable() -> bool:
    """Whether machine code may read this interpreter's and this NumPy's structs."""
    if os.environ.get("PYRITE_OBJECT_LOADER", "1") == "0" or _threads.SERIAL is None:
        return False
    if sys.implementation.name != "cpython" or sys.platform not in ("linux", "darwin"):
        return False
    # An interpreter without the GIL has larger objects.
    fits = ctypes.sizeof(ctypes.c_void_p) == 8 and object.__basicsize__ == DATA
    return fits and sys.byteorder == "little" and _layout_fits()


def _layout_fits() -> bool:
    """Whether the structs of a few arrays hold at the offsets above what Python says they hold."""
    grid = np.arange(6, dtype=np.float32).reshape(2, 3)
    for array in (grid, grid[:, 1:], np.zeros(3, ">i8"), np.zeros((1, 1, 1), bool)):

        def word(offset: int, kind: Any = ctypes.c_int64, at: int = id(array)) -> int:
            return int(kind.from_address(at + offset).value)

        wanted = array.flags.c_contiguous | array.flags.aligned << 8
        if (
            word(TYPE) != id(np.ndarray)
            or word(DATA) != array.ctypes.data
            or word(NDIM, ctypes.c_int32) != array.ndim
            or word(DTYPE) != id(array.dtype)
            or word(FLAGS, ctypes.c_int32) & 0x101 != wanted
            or kind_word(array.dtype) != _described(array.dtype)
            or (ctypes.c_int64 * array.ndim).from_address(word(SHAPE))[:] != [*array.shape]
        ):
            return False
    return True


def kind_word(kind: np.dtype[Any]) -> int:
    """What the struct of a dtype says of the elements, as machine code compares it."""
    return ctypes.c_int64.from_address(id(kind) + KIND).value & KIND_MASK


def _described(kind: np.dtype[Any]) -> int:
    """`kind_word` from what Python says of the dtype."""
    letters = bytes([ord(kind.kind), ord(kind.char), ord(kind.byteorder), 0])
    return int.from_bytes(letters + kind.num.to_bytes(4, "little"), "little")


# --- the interpreter's side -----------------------------------------------------------------


@cache
def _table() -> np.ndarray[Any, Any]:
    """The addresses that `TABLE` names."""
    pool, key = _threads.POOL.ctypes.data, ctypes.addressof(_threads.SERIAL)
    found = [id(None), id(TypeError), id(np.ndarray), pool, key]
    found += [_threads.address_of(getattr(ctypes.pythonapi, name)) for name in FUNCTIONS]
    return np.array(found, np.uint64)


class Method(ctypes.Structure):
    """PyMethodDef."""

    _fields_ = (
        ("name", ctypes.c_char_p), ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int), ("doc", ctypes.c_char_p),
    )  # fmt: skip


FASTCALL, FASTCALL_WITH_KEYWORDS = 0x80, 0x82


def builtin(
    name: str, address: int, owner: Any = None, flags: int = FASTCALL
) -> Callable[..., Any]:
    """The built-in function of a machine-code function (owner, args, count) at an address.

    Its owner is the table of addresses where none is given.
    """
    method = forever(Method(name.encode(), address, flags, None))
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype = ctypes.py_object
    make.argtypes = [ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p]
    made: Callable[..., Any] = make(
        ctypes.addressof(method), _table() if owner is None else owner, None
    )
    return made


def forever(thing: Any) -> Any:
    """Keep an object for the life of the process: code may run while modules are torn down."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(thing))
    return thing


# --- loading --------------------------------------------------------------------------------


@cache
def _engine() -> Any:
    """LLVM's linker, which loads object code into this process."""
    from llvmlite import binding

    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    machine = target.create_target_machine(jit=True, codemodel="jitdefault")
    return forever(binding.create_lljit_compiler(machine, suppress_errors=True))


@cache
def _library() -> dict[str, int]:
    """The addresses of those of `LIBRARY` that the process has."""
    process = ctypes.CDLL(None)
    return {n: _threads.address_of(process[n]) for n in LIBRARY if hasattr(process, n)}


def link(name: str, code: bytes) -> int:
    """Load object code: the address of its function.

    Raises:
        RuntimeError: it is damaged.
    """
    from llvmlite.binding import JITLibraryBuilder

    builder = JITLibraryBuilder().add_object_img(code).export_symbol(SYMBOL)
    for symbol, address in _library().items():
        builder.import_symbol(symbol, address)
    address = forever(builder.link(_engine(), name))[SYMBOL]
    if not address:
        raise RuntimeError(f"the object code of {name} lacks its function")
    return int(address)


# --- files ----------------------------------------------------------------------------------


def read(path: Path) -> bytes | None:
    """The object code of a file; None where there is none, or a damaged one."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    return code if hashlib.sha256(code).digest() == digest else None


def write(path: Path, code: bytes) -> None:
    """Keep object code beside its digest; a reader sees all of it or none. OSError passes."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(hashlib.sha256(code).digest() + code)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
