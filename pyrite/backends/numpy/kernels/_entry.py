"""Machine code of a loop as a built-in function of Python; imports numba.

The function is called as `loop(n, chunk, *args)`. It checks each argument (a TypeError says which
is wrong), reads arrays from NumPy's structs, gives up the interpreter lock around work that takes
long, and runs the region here or on the pool's threads. Uses Numba's compiler pipeline below its
public interface; where that has changed `_jit` turns to Numba's own dispatcher.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.compiler import Flags, compile_extra
from numba.core.compiler_lock import global_compiler_lock
from numba.core.registry import cpu_target
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import as_dtype

from . import _objects as structs
from ._native import C_FUNCTION, I32, I64, POINTER, run_region, wide

DOUBLE = ir.DoubleType()
BRIEF = 8192  # elements of all arrays together up to which the interpreter lock is kept


def builtin_code(
    function: Callable[..., None], names: list[str], kinds: list[Any], **options: Any
) -> bytes:
    """Object code of the built-in function of a loop whose parameters are `names`, lo and hi."""

    def define(context: Any, module: Any, loop: Any) -> None:
        _Call(context, module, function.__name__).define(names, kinds[:-2], loop, kinds)

    return _object_code(function, kinds, define, **options)


def words_code(function: Callable[..., None], **options: Any) -> bytes:
    """Object code of a C function of three words."""
    kinds = [types.int64] * 3

    def define(context: Any, module: Any, loop: Any) -> None:
        builder, outer = _function(module, C_FUNCTION)
        context.call_internal_no_propagate(builder, loop, types.void(*kinds), outer.args)
        builder.ret_void()

    return _object_code(function, kinds, define, **options)


def _function(module: Any, kind: Any) -> tuple[Any, Any]:
    outer = ir.Function(module, kind, structs.SYMBOL)
    return ir.IRBuilder(outer.append_basic_block()), outer


@global_compiler_lock
def _object_code(
    function: Callable[..., None], kinds: list[Any], define: Callable[..., None], **options: Any
) -> bytes:
    """Compile `function` and, around it, what `define` adds: optimised together, once."""
    context = cpu_target.target_context
    flags = Flags()
    cpu_target.options.parse_as_flags(flags, options)
    flags.no_compile = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    library = context.codegen().create_library(function.__name__)
    cpu_target.typing_context.refresh()
    context.refresh()
    loop = compile_extra(
        cpu_target.typing_context, wide(context), function, kinds, types.void, flags, {}, library
    ).fndesc
    module = context.create_module("entry")
    define(context, module, loop)
    library.add_ir_module(module)
    final = library._final_module
    for each in dict.fromkeys(library._linking_libraries):
        final.link_in(each._get_module_for_linking(), preserve=True)
    final.get_function(loop.llvm_func_name).linkage = "internal"
    library._optimize_final_module()
    final.verify()
    refuse_foreign(final)
    code: bytes = context.codegen()._tm.emit_object(final)
    return code


def refuse_foreign(module: Any) -> None:
    """ValueError for code that needs more than `LIBRARY`, or holds this process's addresses."""
    wanted = [v.name for v in (*module.functions, *module.global_variables) if v.is_declaration]
    wanted = [n for n in wanted if not n.startswith("llvm.") and n not in structs.LIBRARY]
    held = [v.name for v in module.global_variables if v.name.startswith("numba.dynamic.globals")]
    if wanted or held:
        raise ValueError(f"object code may not refer to {', '.join(wanted + held)}")


class _Call:
    """The built-in function under construction: how it takes its arguments apart."""

    def __init__(self, context: Any, module: Any, name: str) -> None:
        self.context, self.name = context, name
        self.builder, self.outer = _function(
            module, ir.FunctionType(POINTER, [POINTER, POINTER, I64])
        )
        self.failed, self.refused = (self.outer.append_basic_block() for _ in range(2))
        self.message = ir.IRBuilder(self.refused).phi(POINTER)
        owner, self.args, self.count = self.outer.args
        self.table = self.field(owner, structs.DATA, POINTER)
        self.elements: list[Any] = []  # of each array

    def define(self, names: list[str], kinds: list[Any], loop: Any, parameters: list[Any]) -> None:
        builder = self.builder
        wanted = I64(len(names) + 2)
        self.require(
            builder.icmp_signed("==", self.count, wanted), f"takes {wanted.constant} arguments"
        )
        n, chunk = (self.number(i, types.int64) for i in range(2))
        values = [
            (self.array if isinstance(kind, types.Array) else self.number)(i, kind, name)
            for i, (kind, name) in enumerate(zip(kinds, names, strict=True), 2)
        ]
        whole = builder.icmp_signed("<=", n, chunk)
        brief = builder.and_(whole, self.are_few())
        saved = cgutils.alloca_once_value(builder, POINTER(None))
        with builder.if_then(builder.not_(brief)):
            builder.store(self.call("PyEval_SaveThread", POINTER), saved)
        signature = types.void(*parameters)
        pool = self.pool(whole)
        run_region(self.context, builder, loop, signature, values, n, chunk, pool)
        with builder.if_then(builder.not_(brief)):
            self.call("PyEval_RestoreThread", ir.VoidType(), builder.load(saved))
        none = builder.inttoptr(self.entry("None"), POINTER)
        self.call("Py_IncRef", ir.VoidType(), none)
        builder.ret(none)
        self.finish()

    def finish(self) -> None:
        """The ends of a call that failed: an error is set, or is set here from the message."""
        builder = self.builder
        builder.position_at_end(self.refused)
        error = builder.inttoptr(self.entry("TypeError"), POINTER)
        self.call("PyErr_SetString", ir.VoidType(), error, self.message)
        builder.branch(self.failed)
        builder.position_at_end(self.failed)
        builder.ret(POINTER(None))

    # --- pieces of code ---

    def field(self, base: Any, offset: int, kind: Any) -> Any:
        """What lies `offset` bytes after an address."""
        place = self.builder.gep(base, [I64(offset)])
        return self.builder.load(self.builder.bitcast(place, kind.as_pointer()))

    def entry(self, name: str) -> Any:
        return self.field(self.table, 8 * structs.TABLE.index(name), I64)

    def call(self, name: str, result: Any, *args: Any) -> Any:
        """Call a function of the interpreter."""
        kind = ir.FunctionType(result, [a.type for a in args])
        return self.builder.call(self.builder.inttoptr(self.entry(name), kind.as_pointer()), args)

    def require(self, condition: Any, message: str) -> None:
        """Go on where the condition holds; elsewhere the call raises TypeError."""
        block, builder = self.outer.append_basic_block(), self.builder
        text = self.context.insert_const_string(builder.module, f"{self.name} {message}")
        self.message.add_incoming(builder.bitcast(text, POINTER), builder.block)
        builder.cbranch(condition, block, self.refused).set_weights([99, 1])
        builder.position_at_end(block)

    def number(self, i: int, kind: Any, name: str = "") -> Any:
        """Argument i as an integer, a truth value or a floating number."""
        builder, given = self.builder, self.field(self.args, 8 * i, POINTER)
        if isinstance(kind, types.Float):
            value = self.call("PyFloat_AsDouble", DOUBLE, given)
            odd = builder.fcmp_ordered("==", value, DOUBLE(-1))
        else:
            value = self.call("PyLong_AsLongLong", I64, given)
            odd = builder.icmp_signed("==", value, I64(-1))
        with builder.if_then(odd, likely=False):  # the mark of an error, or just this number
            error = self.call("PyErr_Occurred", POINTER)
            with builder.if_then(cgutils.is_not_null(builder, error)):
                builder.branch(self.failed)
        if isinstance(kind, types.Boolean):
            return builder.icmp_signed("!=", value, I64(0))
        return builder.fptrunc(value, ir.FloatType()) if kind is types.float32 else value

    def array(self, i: int, kind: Any, name: str) -> Any:
        """Argument i as Numba's array; leading dimensions beyond the kind's are taken together."""
        builder, given = self.builder, self.field(self.args, 8 * i, POINTER)
        least = 0 if kind.ndim == 1 else kind.ndim
        message = (
            f"expects a C-contiguous {kind.dtype} array of at least {least} dimensions for {name}"
        )
        type_, wanted = self.field(given, structs.TYPE, I64), self.entry("ndarray")
        with builder.if_then(builder.icmp_signed("!=", type_, wanted), likely=False):
            both = (builder.inttoptr(t, POINTER) for t in (type_, wanted))
            self.require(
                builder.icmp_signed("!=", self.call("PyType_IsSubtype", I32, *both), I32(0)),
                message,
            )
        dims = builder.sext(self.field(given, structs.NDIM, I32), I64)
        order = builder.and_(self.field(given, structs.FLAGS, I32), I32(0x101))
        element = self.field(self.field(given, structs.DTYPE, POINTER), structs.KIND, I64)
        word = builder.and_(element, I64(structs.KIND_MASK))
        fits = builder.and_(
            builder.icmp_signed(">=", dims, I64(least)),
            builder.icmp_signed("==", order, I32(0x101)),
        )
        self.require(builder.and_(fits, self.is_one_of(word, _words(kind))), message)
        shape = self.shape(self.field(given, structs.SHAPE, POINTER), dims, kind.ndim)
        return self.describe(self.field(given, structs.DATA, POINTER), shape, kind)

    def is_one_of(self, word: Any, words: list[int]) -> Any:
        found = ir.Constant(ir.IntType(1), 0)
        for each in words:
            found = self.builder.or_(found, self.builder.icmp_signed("==", word, I64(each)))
        return found

    def shape(self, sizes: Any, dims: Any, count: int) -> list[Any]:
        """`count` sizes out of `dims`, the first being the product of all that come before."""
        builder = self.builder

        def size(i: Any) -> Any:
            place = builder.gep(builder.bitcast(sizes, I64.as_pointer()), [i])
            return builder.load(place)

        leading = builder.sub(dims, I64(count - 1))
        first = cgutils.alloca_once_value(builder, I64(1))
        with cgutils.for_range(builder, leading) as loop:
            builder.store(builder.mul(builder.load(first), size(loop.index)), first)
        rest = [size(builder.add(leading, I64(j))) for j in range(count - 1)]
        return [builder.load(first), *rest]

    def describe(self, data: Any, shape: list[Any], kind: Any) -> Any:
        """Numba's array struct."""
        builder, context = self.builder, self.context
        made = context.make_array(kind)(context, builder)
        width = context.get_abi_sizeof(context.get_data_type(kind.dtype))
        strides = [I64(width)]
        for size in shape[:0:-1]:
            strides.insert(0, builder.mul(strides[0], size))
        data = builder.bitcast(data, made.data.type)
        populate_array(made, data, shape, strides, width, None)
        self.elements.append(made.nitems)
        return made._getvalue()

    def are_few(self) -> Any:
        """Whether all arrays together are so small that the work cannot take long."""
        total: Any = I64(0)
        for count in self.elements:
            total = self.builder.add(total, count)
        return self.builder.icmp_signed("<=", total, I64(BRIEF))

    def pool(self, whole: Any) -> Any:
        """The pool to run on: none for a single part, or on a thread that must not launch."""
        builder = self.builder
        found = cgutils.alloca_once_value(builder, I64(0))
        with builder.if_then(builder.not_(whole)):
            key = builder.inttoptr(self.entry("serial"), POINTER)
            serial = self.call("PyThread_tss_get", POINTER, key)
            with builder.if_then(cgutils.is_null(builder, serial)):
                pool = builder.inttoptr(self.entry("pool"), POINTER)
                builder.store(self.field(pool, 0, I64), found)
        return builder.load(found)


def _words(kind: Any) -> list[int]:
    """How the dtypes that Numba's array type covers describe themselves (long and long long)."""
    wanted = as_dtype(kind.dtype)
    letters = "bhilq" if wanted.kind == "i" else wanted.char
    return sorted({structs.kind_word(np.dtype(c)) for c in letters if np.dtype(c) == wanted})
