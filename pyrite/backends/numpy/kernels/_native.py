"""The Numba side of the compiled kernels: types, options, atomics and the parallel region.

Imported when the first kernel is compiled or loaded, never before: it imports numba. Beside the
public interface it uses `compile_subroutine` and `call_internal_no_propagate` of Numba's target
context, and LLVM IR for what Numba's language lacks; where they fail `_jit` turns kernels off.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.core.targetconfig import ConfigStack
from numba.extending import intrinsic, overload, register_jitable

from .._threads import (
    BYTES,
    DONE,
    GET_MASK,
    HOME,
    JOB,
    LAUNCH,
    LIMIT,
    OWNER,
    PAUSES,
    PROCESSOR,
    READ,
    READ_END,
    SET_MASK,
    SLEEPERS,
    THREADS,
    WORD,
    WRITE,
    WRITE_END,
)  # fmt: skip
from . import _math

I32, I64 = ir.IntType(32), ir.IntType(64)
POINTER = ir.IntType(8).as_pointer()
REGION = ir.FunctionType(ir.VoidType(), [POINTER])
C_FUNCTION = ir.FunctionType(ir.VoidType(), [I64, I64, I64])  # launch and worker
WORDS = types.void(types.int64, types.int64, types.int64)  # the same, in Numba's words

# Processor -> the instruction for a waiting loop, with its operand.
PAUSE: dict[str, tuple[Any, ...]] = {
    "x86_64": ("llvm.x86.sse2.pause",),
    "amd64": ("llvm.x86.sse2.pause",),
    "aarch64": ("llvm.aarch64.hint", I32(1)),
    "arm64": ("llvm.aarch64.hint", I32(1)),
}

MASK = 128  # bytes of a set of processors

# Of functions that only compiled code calls: half of the time that compiling them would take.
INNER = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}

# Annotations of a loop -> Numba types; T is the loop's floating type.
TYPES: dict[str, Callable[[Any], Any]] = {
    "Vector": lambda t: t[::1],
    "Matrix": lambda t: t[:, ::1],
    "Cube": lambda t: t[:, :, ::1],
    "Scalar": lambda t: t,
    "Doubles": lambda t: types.float64[::1],
    "Ints": lambda t: types.int64[::1],
    "Table": lambda t: types.int64[:, ::1],
    "Flags": lambda t: types.boolean[::1],
    "Bytes": lambda t: types.uint8[::1],
    "Place": lambda t: types.uintp,
    "int": lambda t: types.int64,
    "float": lambda t: types.float64,
    "bool": lambda t: types.boolean,
}


def numba_types(annotations: list[str], kind: str) -> list[Any]:
    """The Numba types of a loop's parameters for `kind`, "float32" or "float64"."""
    return [TYPES[a](getattr(types, kind)) for a in annotations]


# --- the language's missing words -----------------------------------------------------------


def _shared_word(method: str, *options: str) -> Any:
    """An atomic read-modify-write on the 64-bit word at an address; returns the old value."""

    @intrinsic
    def word(typing: Any, address: Any, value: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            target = builder.inttoptr(args[0], I64.as_pointer())
            return builder.atomic_rmw(method, target, args[1], "seq_cst")

        return types.int64(types.int64, types.int64), generate

    return word


add, swap, keep_bits = _shared_word("add"), _shared_word("xchg"), _shared_word("and")


@intrinsic
def load(typing: Any, address: Any) -> Any:
    """Atomic read of the word at `address`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.load_atomic(builder.inttoptr(args[0], I64.as_pointer()), "seq_cst", 8)

    return types.int64(types.int64), generate


@intrinsic
def replace(typing: Any, address: Any, old: Any, new: Any) -> Any:
    """Compare and swap: write `new` where `old` still stands; whether it did."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        target = builder.inttoptr(args[0], I64.as_pointer())
        pair = builder.cmpxchg(target, args[1], args[2], "seq_cst", "seq_cst")
        return builder.extract_value(pair, 1)

    return types.boolean(types.int64, types.int64, types.int64), generate


@intrinsic
def pause(typing: Any) -> Any:
    """Tell the core that this is a waiting loop."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        name, *hint = PAUSE.get(platform.machine().lower(), (None,))
        if name:
            kind = ir.FunctionType(ir.VoidType(), [I32] * len(hint))
            builder.call(cgutils.get_or_insert_function(builder.module, kind, name), hint)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def call_region(typing: Any, function: Any, data: Any) -> Any:
    """Call the C function `void function(void *data)` at an address."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        function = builder.inttoptr(args[0], REGION.as_pointer())
        builder.call(function, [builder.inttoptr(args[1], POINTER)])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64), generate


@intrinsic
def _call(typing: Any, function: Any, number: Any, one: Any, two: Any) -> Any:
    """A function of the C library, by its address: `int function(int, word or pointer, same)`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        # Of the result of read the low half: all of it on Windows, enough of it elsewhere.
        kind = ir.FunctionType(I32, [I32, I64, I64])
        function, number, *words = args
        given = [builder.trunc(number, I32), *words]
        return builder.sext(builder.call(builder.inttoptr(function, kind.as_pointer()), given), I64)

    return types.int64(types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def _stack(typing: Any) -> Any:
    """The address of `MASK` bytes of the calling function's stack."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ptrtoint(cgutils.alloca_once(builder, I64, I64(MASK // 8)), I64)

    return types.int64(), generate


def _float_pair(name: str) -> Any:
    @intrinsic
    def pair(typing: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = args[0].type
            shape = ir.FunctionType(kind, [kind, kind])
            function = builder.module.declare_intrinsic(f"llvm.{name}", [kind], shape)
            return builder.call(function, args)

        return x(x, x), generate

    return pair


_maximum, _minimum = _float_pair("maximum"), _float_pair("minimum")


@intrinsic
def _power_of_two(typing: Any, n: Any) -> Any:
    """2**n as float32 for -126 <= n <= 127, by its exponent bits (Numba's << would widen)."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        bits = builder.shl(builder.add(args[0], I32(127)), I32(23))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.int32), generate


@intrinsic
def _gemm(typing: Any, function: Any, flags: Any, sizes: Any, a: Any, b: Any, out: Any) -> Any:
    """Call a `cblas_?gemm` with 64-bit integers at an address, with alpha 1.

    flags: (a transposed, b transposed, beta 1 instead of 0: add to what is there); sizes:
    (m, n, k); a, b, out: (matrix, first row, first column).
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        flag, size, *panels = (
            cgutils.unpack_tuple(builder, v, n) for v, n in zip(args[1:], (3, 3, 3, 3, 3))
        )
        kind = context.get_value_type(a[0].dtype)
        spots = [_spot(context, builder, t, p) for t, p in zip((a, b, out), panels)]
        order = [I32(101), *(builder.select(f, I32(112), I32(111)) for f in flag[:2]), *size]
        beta = builder.select(flag[2], kind(1), kind(0))
        values = [*order, kind(1), *spots[0], *spots[1], beta, *spots[2]]
        shape = ir.FunctionType(ir.VoidType(), [v.type for v in values])
        builder.call(builder.inttoptr(args[0], shape.as_pointer()), values)
        return context.get_dummy_value()

    return types.void(function, flags, sizes, a, b, out), generate


def _spot(context: Any, builder: Any, kind: Any, panel: Any) -> tuple[Any, Any]:
    """The address of one element of a matrix, and the elements from a row to the next."""
    array = context.make_array(kind[0])(context, builder, panel[0])
    width = builder.extract_value(array.shape, 1)
    offset = builder.add(builder.mul(panel[1], width), panel[2])
    return builder.gep(array.data, [offset]), width


def stack(count: int) -> Any:
    """What makes a vector of `count` elements, of the type of its argument, on the stack."""

    @intrinsic
    def buffer(typing: Any, like: Any) -> Any:
        kind = types.Array(like.dtype, 1, "C")

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            size, item = I64(count), context.get_data_type(like.dtype)
            data = cgutils.alloca_once(builder, item, size)
            data.align = 64
            made = context.make_array(kind)(context, builder)
            width = I64(context.get_abi_sizeof(item))
            spread = {"shape": [size], "strides": [width], "itemsize": width, "meminfo": None}
            context.populate_array(made, data=data, **spread)
            return made._getvalue()

        return kind(like), generate

    return buffer


@intrinsic
def _outline(typing: Any) -> Any:
    """Keep the function that calls this from being compiled into each of its callers."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        builder.function.attributes.add("noinline")
        return context.get_dummy_value()

    return types.void(), generate


_math.outline = _outline
_math.buffer = stack(_math.BLOCK)  # in a function of its own the memory would not outlive the call
overload(_math.gemm)(
    lambda function, flags, sizes, a, b, out: (
        lambda function, flags, sizes, a, b, out: _gemm(function, flags, sizes, a, b, out)
    )
)
overload(_math.fmax)(lambda x, y: lambda x, y: _maximum(x, y))
overload(_math.fmin)(lambda x, y: lambda x, y: _minimum(x, y))
overload(_math.power_of_two)(lambda n: lambda n: _power_of_two(n))


def register(function: Callable[..., Any], fastmath: frozenset[str], always: bool) -> None:
    """Let compiled code call a plain function."""
    options = {"error_model": "numpy", "fastmath": set(fastmath), "forceinline": always}
    register_jitable(**options, **INNER)(function)


def wide(context: Any) -> Any:
    """Numba's target with vectors of 512 bits, where LLVM would stop at 256 by itself."""
    if not hasattr(context, "apply_target_attributes"):  # an older Numba
        return context
    return context.subtarget(apply_target_attributes=_prefer_wide)


def _prefer_wide(function: Any, *_: Any) -> None:
    set.add(function.attributes, '"prefer-vector-width"="512"')


# --- the parallel region --------------------------------------------------------------------


@intrinsic
def fork(typing: Any, function: Any, args: Any, n: Any, chunk: Any, pool: Any) -> Any:
    """Run `function(*args, lo, hi)` over [0, n) in chunks, on the threads of `pool` (0: here)."""
    inner = types.void(*args, n, n)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, packed, n, chunk, pool = values
        flags = ConfigStack().top().copy()  # the loop's own, not Numba's defaults
        compiled = wide(context).compile_subroutine(
            builder, function.dispatcher.py_func, inner, flags=flags
        )
        given = cgutils.unpack_tuple(builder, packed, len(args))
        run_region(context, builder, compiled.fndesc, inner, given, n, chunk, pool)
        return context.get_dummy_value()

    return types.void(function, args, n, n, types.int64), generate


def run_region(
    context: Any, builder: Any, loop: Any, signature: Any, args: list[Any], n: Any, chunk: Any,
    pool: Any,
) -> None:  # fmt: skip
    """Generate the run of `loop(*args, lo, hi)` over [0, n), `loop` being what Numba describes.

    The region's record (chunks taken, n, chunk, arguments) lies on the caller's stack. Whoever runs
    the region takes chunks by an atomic addition until none is left: the caller from the front, the
    pool's threads from the back, so that each finds in its cache what it wrote in the last region.
    """
    fields = [I64(0), n, chunk, *args]
    record = ir.LiteralStructType([f.type for f in fields])
    spot = cgutils.alloca_once(builder, record)
    for i, value in enumerate(fields):
        builder.store(value, cgutils.gep_inbounds(builder, spot, 0, i))
    region = _region(context, builder.module, loop, signature, record)
    data = builder.bitcast(spot, POINTER)
    with builder.if_else(cgutils.is_null(builder, pool)) as (alone, together):
        with alone:
            builder.call(region, [data])
        with together:
            word = builder.inttoptr(builder.add(pool, I64(LAUNCH)), I64.as_pointer())
            function = builder.inttoptr(builder.load(word), C_FUNCTION.as_pointer())
            builder.call(function, [pool, *(builder.ptrtoint(p, I64) for p in (region, data))])


def _region(context: Any, module: Any, loop: Any, signature: Any, record: Any) -> Any:
    """The C function of one parallel region: take chunks and run the loop until none is left.

    An odd address of the record says to take them from the back. Its first word counts the chunks
    taken from the front in its low half, those from the back in its high half.
    """
    region = ir.Function(module, REGION, module.get_unique_name("region"))
    region.linkage = "internal"
    _prefer_wide(region)  # the loop becomes a part of it
    builder = ir.IRBuilder(region.append_basic_block())
    word = builder.ptrtoint(region.args[0], I64)
    backwards = builder.trunc(word, ir.IntType(1))
    spot = builder.inttoptr(builder.and_(word, I64(-2)), record.as_pointer())
    field = [cgutils.gep_inbounds(builder, spot, 0, i) for i in range(len(record.elements))]
    n, chunk, *args = (builder.load(f) for f in field[1:])
    last = builder.udiv(builder.sub(n, I64(1)), chunk)
    step = builder.select(backwards, I64(1 << 32), I64(1))
    take, work, done = (region.append_basic_block() for _ in range(3))
    builder.cbranch(builder.icmp_signed(">", n, I64(0)), take, done)
    builder.position_at_end(take)
    taken = builder.atomic_rmw("add", field[0], step, "seq_cst")
    front, back = builder.and_(taken, I64((1 << 32) - 1)), builder.lshr(taken, I64(32))
    builder.cbranch(builder.icmp_signed("<=", builder.add(front, back), last), work, done)
    builder.position_at_end(work)
    lo = builder.mul(builder.select(backwards, builder.sub(last, back), front), chunk)
    hi = builder.add(lo, chunk)
    hi = builder.select(builder.icmp_signed("<", hi, n), hi, n)
    context.call_internal_no_propagate(builder, loop, signature, [*args, lo, hi])
    builder.branch(take)
    builder.position_at_end(done)
    builder.ret_void()
    return region


# --- the threads' side of the pool ----------------------------------------------------------


@njit(**INNER)
def _is_new(word: int, seen: int) -> bool:
    return (word & 1) == 1 and (word >> 16) != seen


@njit(**INNER)
def _withdraw(pool: int) -> bool:
    """Take one entry off the sleepers' count; False where the waker already took it."""
    n = load(pool + SLEEPERS)
    while n > 0:
        if replace(pool + SLEEPERS, n, n - 1):
            return True
        n = load(pool + SLEEPERS)
    return False


@njit(**INNER)
def _wait(pool: int, seen: int) -> int:
    """Spin, then sleep on the pipe, until there is a region newer than `seen`."""
    while True:
        for _ in range(load(pool + PAUSES)):
            word = load(pool + WORD)
            if _is_new(word, seen):
                return word
            pause()
        add(pool + SLEEPERS, 1)
        asleep = not _is_new(load(pool + WORD), seen) or not _withdraw(pool)
        if asleep and _call(load(pool + READ), load(pool + READ_END), pool + BYTES, 1) != 1:
            return -1


def worker(pool: int, index: int, _: int) -> None:
    """The life of pool thread `index`; it returns when the pipe is closed."""
    seen = 0
    while True:
        word = _wait(pool, seen)
        if word < 0:
            return
        seen = word >> 16
        while index < load(pool + LIMIT) and (word & 1) == 1 and (word >> 16) == seen:
            if replace(pool + WORD, word, word + 2):
                call_region(load(pool + JOB), load(pool + JOB + 8) + 1)
                add(pool + DONE, 1)
                break
            word = load(pool + WORD)


@njit(**INNER)
def _keep_off(pool: int) -> None:
    """Have the workers wake elsewhere than on the calling thread's processor.

    Linux would wake them there, beside an idle one, and leave them waiting for their turn.
    """
    cpu = _call(load(pool + PROCESSOR), 0, 0, 0)
    if cpu == load(pool + HOME) or not 0 <= cpu < 8 * MASK:
        return
    swap(pool + HOME, cpu)
    mask = _stack()
    if _call(load(pool + GET_MASK), 0, MASK, mask) == 0:
        keep_bits(mask + cpu // 64 * 8, ~(1 << (cpu & 63)))
        for i in range(load(pool + LIMIT)):  # fails, and nothing changes, where no other is allowed
            _call(load(pool + SET_MASK), load(pool + THREADS + 8 * i), MASK, mask)


def launch(pool: int, region: int, data: int) -> None:
    """Run a region on all threads that enter it; alone where the pool is taken."""
    if not replace(pool + OWNER, 0, 1):
        call_region(region, data)
        return
    swap(pool + JOB, region)
    swap(pool + JOB + 8, data)
    swap(pool + DONE, 0)
    word = (((load(pool + WORD) >> 16) + 1) << 16) + 1
    swap(pool + WORD, word)
    sleepers = swap(pool + SLEEPERS, 0)
    if sleepers > 0:
        if load(pool + PROCESSOR):
            _keep_off(pool)
        _call(load(pool + WRITE), load(pool + WRITE_END), pool + BYTES, sleepers)
    call_region(region, data)
    entered = (keep_bits(pool + WORD, -2) & 0xFFFF) >> 1
    while load(pool + DONE) != entered:
        pause()
    swap(pool + OWNER, 0)
