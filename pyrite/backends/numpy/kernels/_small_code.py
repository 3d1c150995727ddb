"""Machine code for `_small`: builtin functions written in LLVM's IR.

Each is a C function `(bound, arguments, count, keywords)` of CPython's vectorcall convention. It
tests its operands, makes the result with NumPy's own C function, runs the loop and returns; where
a test fails it calls `bound` with the same arguments.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import binding, ir

from ._objects import DATA, FASTCALL_WITH_KEYWORDS, FLAGS, NDIM, SHAPE, TYPE, builtin, forever
from ._objects import DTYPE as DESCR
from ._small import FORMS, LIMIT, SCALED, UPDATES, WIDE

BOOL, I8, I32, I64 = (ir.IntType(bits) for bits in (1, 8, 32, 64))
POINTER = I8.as_pointer()
CALL = ir.FunctionType(POINTER, [POINTER, POINTER.as_pointer(), I64, POINTER])
KINDS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}

VALUE = 16  # of a float; of arrays `_objects` says it
DENSE, WRITEABLE = 0x101, 0x400  # C-contiguous and aligned; writeable
NEW_FROM_DESCR = 94  # place of PyArray_NewFromDescr in NumPy's table of C functions
EXACT = 1 << 24  # integers up to here are float32 numbers


def _symbols() -> dict[str, int | None]:
    """Addresses that the code refers to by name: objects, and NumPy's C function."""
    table = np._core._multiarray_umath._ARRAY_API  # type: ignore[attr-defined]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    functions = ctypes.cast(pointer(table, None), ctypes.POINTER(ctypes.c_void_p))
    objects = {
        "array": np.ndarray, "float": float, "int": int, "one": 1, "none": None,
        **{kind: np.dtype(kind) for kind in KINDS},
    }  # fmt: skip
    found: dict[str, int | None] = {f"pyrite_{name}": id(o) for name, o in objects.items()}
    return {**found, "pyrite_new": functions[NEW_FROM_DESCR]}


def _machine() -> Any:
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=2,
        jit=True,
    )


MACHINE = _machine()


def compiled() -> bytes:
    """Object code of the functions of all ops."""
    module = ir.Module("small")
    module.triple, module.data_layout = MACHINE.triple, str(MACHINE.target_data)
    for name in FORMS:
        _Writer(module, name)
    parsed = binding.parse_assembly(str(module))
    parsed.verify()
    # Of interleaved and unrolled loops nothing is gained at these sizes, and they compile longer.
    options = binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = True
    options.loop_interleaving = options.loop_unrolling = False
    passes = binding.create_pass_builder(MACHINE, options)
    passes.getModulePassManager().run(parsed, passes)
    code: bytes = MACHINE.emit_object(parsed)
    return code


def load(code: bytes) -> Callable[[str, Callable[..., Any]], Callable[..., Any]]:
    """What makes the function of an op that falls back on another, from object code."""
    for name, address in _symbols().items():
        binding.add_symbol(name, address)
    engine = forever(binding.create_mcjit_compiler(binding.parse_assembly(""), MACHINE))
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()

    def make(name: str, bound: Callable[..., Any]) -> Callable[..., Any]:
        address = engine.get_function_address(f"pyrite_small_{name}")
        return builtin(name, address, bound, FASTCALL_WITH_KEYWORDS)

    return make


def reads_arrays() -> bool:
    """Whether fields lie where this file says they do."""

    def word(thing: Any, offset: int, kind: Any = ctypes.c_int64) -> int:
        value: int = kind.from_address(id(thing) + offset).value
        return value

    x = np.zeros((3, 5), np.float32)
    flags = word(x, FLAGS, ctypes.c_int32)
    shape = (ctypes.c_int64 * 2).from_address(word(x, SHAPE))
    return (
        (word(x, TYPE), word(1.5, TYPE), word(x, DESCR)) == (id(np.ndarray), id(float), id(x.dtype))
        and word(x, DATA) == x.ctypes.data
        and (word(x, NDIM, ctypes.c_int32), *shape) == (2, 3, 5)
        and ctypes.c_double.from_address(id(1.5) + VALUE).value == 1.5
        and flags & (DENSE | WRITEABLE) == DENSE | WRITEABLE
        and not word(x.T, FLAGS, ctypes.c_int32) & 1
    )


@dataclass(frozen=True)
class Array:
    """An operand that is an array, and its dtype object."""

    thing: Any
    descr: Any


class Layout:
    """How a second array lies along the first: `rows` times `width` elements.

    It has the first one's shape, or is one number (0-d), a row (its last dimension), or a column
    (1 in its last dimension); the second advances by `step` from row to row, and within a row
    unless it is `single`.
    """

    def __init__(self, writer: _Writer, size: Any) -> None:
        self.w, self.size = writer, size
        self.slots = [writer.b.alloca(kind) for kind in (I64, I64, I64, BOOL)]
        self.set(I64(1), size, I64(0), BOOL(0))

    def set(self, *values: Any) -> None:
        for slot, value in zip(self.slots, values, strict=True):
            self.w.b.store(value, slot)

    def place(self, x: Any, y: Any) -> None:
        """Write the tests and the slots for array y along array x."""
        b, w, nx, ny = self.w.b, self.w, self.w.ndim(x), self.w.ndim(y)
        with b.if_else(b.icmp_signed("==", ny, I64(0))) as (number, array):
            with number:
                self.set(I64(1), self.size, I64(0), BOOL(1))
            with array, b.if_else(b.icmp_signed("==", nx, ny)) as (alike, row):
                with alike:
                    self.place_alike(x, y, nx)
                with row:
                    w.require(b.icmp_signed("==", ny, I64(1)))
                    width = self.width(x, nx)
                    w.require(b.icmp_signed("==", w.dimension(y, I64(0)), width))
                    self.set(b.sdiv(self.size, width), width, I64(0), BOOL(0))

    def place_alike(self, x: Any, y: Any, ndim: Any) -> None:
        """Of as many dimensions: y has the same ones, or 1 instead of the last."""
        b, w, last = self.w.b, self.w, self.w.b.sub(ndim, I64(1))
        with w.loop(last) as i:
            w.require(b.icmp_signed("==", w.dimension(x, i), w.dimension(y, i)))
        ends = [w.dimension(a, last) for a in (x, y)]
        with b.if_then(b.icmp_signed("!=", *ends)):
            w.require(b.icmp_signed("==", ends[1], I64(1)))
            width = self.width(x, ndim)
            self.set(b.sdiv(self.size, width), width, I64(1), BOOL(1))

    def width(self, x: Any, ndim: Any) -> Any:
        """x's last dimension; x must have elements and dimensions."""
        b = self.w.b
        self.w.require(b.icmp_signed(">", ndim, I64(0)))
        self.w.require(b.icmp_signed(">", self.size, I64(0)))
        return self.w.dimension(x, b.sub(ndim, I64(1)))


class _Writer:
    """Writes one op's function."""

    def __init__(self, module: ir.Module, name: str) -> None:
        self.module, self.name, self.form = module, name, FORMS[name]
        self.arity = self.form.__code__.co_argcount - 1
        self.function = ir.Function(self.module, CALL, f"pyrite_small_{name}")
        self.b = ir.IRBuilder(self.function.append_basic_block("entry"))
        self.slow = self.function.append_basic_block("slow")
        self.write()

    def write(self) -> None:
        """Test the call, go to the block for its operands, and run the loop there."""
        bound, arguments, count, keywords = self.function.args
        self.test_arguments(arguments, count, keywords)
        first, *second = (self.item(arguments, i) for i in range(self.arity))
        if not second:
            self.serve(self.array(first))
        elif self.name in UPDATES:
            self.serve(self.array(first), self.array(second[0]))
        else:
            self.serve_two(first, second[0])
        self.b.position_at_end(self.slow)
        self.b.ret(self.call("PyObject_Vectorcall", CALL, [bound, arguments, count, keywords]))

    def serve_two(self, first: Any, second: Any) -> None:
        """Two arrays, or one and a number on either side."""
        test = self.same(self.field(first, TYPE, POINTER), "array")
        with self.b.if_else(test) as (arrays, number):
            with arrays:
                x = self.array(first)
                test = self.same(self.field(second, TYPE, POINTER), "array")
                with self.b.if_else(test) as (two, one):
                    with two:
                        self.serve(x, self.array(second))
                    with one:
                        self.serve(x, self.number(second))
            with number:
                self.serve(self.number(first), self.array(second))
        self.b.unreachable()

    def test_arguments(self, arguments: Any, count: Any, keywords: Any) -> None:
        """No keywords, and the operands alone or with a factor of 1."""
        b = self.b
        self.require(b.icmp_unsigned("==", keywords, POINTER(None)))
        if self.name not in SCALED:
            self.require(b.icmp_signed("==", count, I64(self.arity)))
            return
        third, served = (self.function.append_basic_block() for _ in range(2))
        b.cbranch(b.icmp_signed("==", count, I64(self.arity)), served, third)
        b.position_at_end(third)
        self.require(b.icmp_signed("==", count, I64(self.arity + 1)))
        self.require(self.same(self.item(arguments, self.arity), "one"))
        b.branch(served)
        b.position_at_end(served)

    def array(self, thing: Any) -> Array:
        """An operand that must be an array, dense and small."""
        self.require(self.same(self.field(thing, TYPE, POINTER), "array"))
        flags = self.b.and_(self.field(thing, FLAGS, I32), I32(DENSE))
        self.require(self.b.icmp_signed("==", flags, I32(DENSE)))
        return Array(thing, self.field(thing, DESCR, POINTER))

    def number(self, thing: Any) -> Any:
        """An operand that must be a float, or an int that every floating type holds."""
        b = self.b
        whole, fraction, known = (self.function.append_basic_block() for _ in range(3))
        b.cbranch(self.same(self.field(thing, TYPE, POINTER), "float"), fraction, whole)
        b.position_at_end(fraction)
        real = self.field(thing, VALUE, KINDS["float64"])
        b.branch(known)
        b.position_at_end(whole)
        self.require(self.same(self.field(thing, TYPE, POINTER), "int"))
        beyond = b.alloca(I32)
        convert = ir.FunctionType(I64, [POINTER, I32.as_pointer()])
        integer = self.call("PyLong_AsLongLongAndOverflow", convert, [thing, beyond])
        shifted = b.add(integer, I64(EXACT))
        self.require(b.icmp_signed("==", b.load(beyond), I32(0)))
        self.require(b.icmp_unsigned("<=", shifted, I64(2 * EXACT)))
        converted, end = b.sitofp(integer, KINDS["float64"]), b.block
        b.branch(known)
        b.position_at_end(known)
        value = b.phi(KINDS["float64"])
        value.add_incoming(real, fraction)
        value.add_incoming(converted, end)
        return value

    def serve(self, *operands: Any) -> None:
        """Test how two arrays go together, make the result, run the loop of their type."""
        b = self.b
        model, *others = (x for x in operands if isinstance(x, Array))
        layout = Layout(self, self.size(model.thing))
        for other in others:
            self.require(b.icmp_unsigned("==", other.descr, model.descr))
            layout.place(model.thing, other.thing)
        for kind in ["float32"] if self.name in WIDE else KINDS:
            block, after = (self.function.append_basic_block() for _ in range(2))
            b.cbranch(self.same(model.descr, kind), block, after)
            b.position_at_end(block)
            self.run(kind, model, operands, layout)
            b.position_at_end(after)
        b.branch(self.slow)

    def run(self, kind: str, model: Array, operands: Any, layout: Layout) -> None:
        """The loop over all elements, into a new array or into the first."""
        b = self.b
        out = self.updated(model) if self.name in UPDATES else self.new(model)
        pointers = [self.elements(x, kind) for x in operands]
        rows, width, step, single = (b.load(slot) for slot in layout.slots)
        with self.loop(rows) as row:
            start = b.mul(row, width)
            places = [b.gep(self.elements(Array(out, None), kind), [start])]
            for x, pointer in zip(operands, pointers, strict=True):
                offset = start if x is model else b.mul(row, step)
                places.append(b.gep(pointer, [offset]))
            self.line(kind, [isinstance(x, Array) for x in operands], single, places, width)
        if self.name in UPDATES:
            out = self.object("none")
            self.count(out)
        b.ret(out)

    def line(self, kind: str, arrays: list[bool], single: Any, places: Any, width: Any) -> None:
        """One row: operands that are arrays advance, unless the second is `single`."""
        steps = tuple(map(int, arrays))
        if steps != (1, 1):
            self.b.call(self.inner(kind, steps), [*places, width])
            return
        with self.b.if_else(single) as (one, many):
            with one:
                self.b.call(self.inner(kind, (1, 0)), [*places, width])
            with many:
                self.b.call(self.inner(kind, (1, 1)), [*places, width])

    def inner(self, kind: str, steps: tuple[int, ...]) -> Any:
        """The function of one row: result, operands, width; an operand advances by its step."""
        name = f"{self.name}_{kind}_{''.join(map(str, steps))}"
        if name in self.module.globals:
            return self.module.globals[name]
        places = [KINDS[kind].as_pointer()] * (len(steps) + 1)
        function = ir.Function(self.module, ir.FunctionType(ir.VoidType(), [*places, I64]), name)
        function.linkage = "internal"
        if self.name not in UPDATES:
            function.args[0].add_attribute("noalias")
        writer = copy(self)
        writer.function, writer.b = function, ir.IRBuilder(function.append_basic_block())
        out, *sources, width = function.args
        with writer.loop(width) as i:
            b = writer.b
            values = [b.load(b.gep(x, [b.mul(i, I64(s))])) for x, s in zip(sources, steps)]
            if self.name in WIDE:
                values = [b.fpext(v, KINDS["float64"]) for v in values]
            value = self.form(b, *values)
            b.store(b.fptrunc(value, KINDS[kind]) if self.name in WIDE else value, b.gep(out, [i]))
        writer.b.ret_void()
        return function

    # --- pieces

    def load(self, place: Any, kind: Any) -> Any:
        return self.b.load(self.b.bitcast(place, kind.as_pointer()))

    def field(self, thing: Any, offset: int, kind: Any) -> Any:
        return self.load(self.b.gep(thing, [I64(offset)]), kind)

    def object(self, name: str) -> Any:
        """The object behind a symbol."""
        if f"pyrite_{name}" not in self.module.globals:
            ir.GlobalVariable(self.module, I8, f"pyrite_{name}")
        return self.module.globals[f"pyrite_{name}"]

    def same(self, thing: Any, name: str) -> Any:
        return self.b.icmp_unsigned("==", thing, self.object(name))

    def call(self, name: str, kind: Any, arguments: list[Any]) -> Any:
        if name not in self.module.globals:
            ir.Function(self.module, kind, name)
        return self.b.call(self.module.globals[name], arguments)

    def require(self, test: Any) -> None:
        """Go on where the test holds, else to `bound`."""
        block = self.function.append_basic_block()
        self.b.cbranch(test, block, self.slow)
        self.b.position_at_end(block)

    def item(self, arguments: Any, i: int) -> Any:
        return self.b.load(self.b.gep(arguments, [I64(i)]))

    @contextmanager
    def loop(self, end: Any) -> Iterator[Any]:
        """`for i in range(end)` around what is written meanwhile."""
        test, inside, after = (self.function.append_basic_block() for _ in range(3))
        before = self.b.block
        self.b.branch(test)
        self.b.position_at_end(test)
        i = self.b.phi(I64)
        i.add_incoming(I64(0), before)
        self.b.cbranch(self.b.icmp_signed("<", i, end), inside, after)
        self.b.position_at_end(inside)
        yield i
        i.add_incoming(self.b.add(i, I64(1)), self.b.block)
        self.b.branch(test)
        self.b.position_at_end(after)

    def ndim(self, x: Any) -> Any:
        return self.b.sext(self.field(x, NDIM, I32), I64)

    def dimension(self, x: Any, i: Any) -> Any:
        return self.load(self.b.gep(self.field(x, SHAPE, POINTER), [self.b.mul(i, I64(8))]), I64)

    def size(self, x: Any) -> Any:
        """The number of elements, at most as many as are few."""
        few = I64(WIDE.get(self.name, LIMIT))
        total = self.b.alloca(I64)
        self.b.store(I64(1), total)
        with self.loop(self.ndim(x)) as i:
            self.b.store(self.b.mul(self.b.load(total), self.dimension(x, i)), total)
            self.require(self.b.icmp_unsigned("<=", self.b.load(total), few))
        return self.b.load(total)

    def elements(self, x: Any, kind: str) -> Any:
        """Where the elements of an array lie, or one number."""
        if isinstance(x, Array):
            return self.b.bitcast(self.field(x.thing, DATA, POINTER), KINDS[kind].as_pointer())
        number = x if kind == "float64" else self.b.fptrunc(x, KINDS[kind])
        place = self.b.alloca(KINDS[kind])
        self.b.store(number, place)
        return place

    def updated(self, model: Array) -> Any:
        """The first operand, which must be writeable."""
        flags = self.b.and_(self.field(model.thing, FLAGS, I32), I32(WRITEABLE))
        self.require(self.b.icmp_signed("!=", flags, I32(0)))
        return model.thing

    def new(self, model: Array) -> Any:
        """A new array like another; NULL goes straight to the caller: NumPy has set the error."""
        self.count(model.descr)  # the callee takes a reference
        kind = ir.FunctionType(
            POINTER, [POINTER, POINTER, I32, POINTER, POINTER, POINTER, I32, POINTER]
        )
        null, ndim = POINTER(None), self.field(model.thing, NDIM, I32)
        shape = self.field(model.thing, SHAPE, POINTER)
        given = [self.object("array"), model.descr, ndim, shape, null, null, I32(0), null]
        out = self.call("pyrite_new", kind, given)
        with self.b.if_then(self.b.icmp_unsigned("==", out, null), likely=False):
            self.b.ret(out)
        return out

    def count(self, thing: Any) -> None:
        """Take a reference to an object."""
        self.call("Py_IncRef", ir.FunctionType(ir.VoidType(), [POINTER]), [thing])
