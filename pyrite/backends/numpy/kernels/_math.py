"""Elementary float32 functions written as arithmetic that LLVM vectorises, with NaN and infinity.

Plain Python on NumPy scalars; Numba compiles them into the loops that call them. The polynomial
coefficients are least-squares fits reweighted to equal error (Lawson's iteration) in float64.
Maximum errors in units in the last place: exp 1.0, log 1.0, tanh 1.5, erf 2.5.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ._jit import inline

f32 = np.float32

ZERO, HALF, ONE, TWO = f32(0), f32(0.5), f32(1), f32(2)
INF, NAN = f32(np.inf), f32(np.nan)
LOG2_E = f32(math.log2(math.e))
# ln 2 in two parts: the first has few bits, so that n * LN2_HIGH is exact.
LN2_HIGH = f32(0.693359375)
LN2_LOW = f32(math.log(2) - 0.693359375)
EXP_LOW, EXP_HIGH = f32(-104), f32(89)
# Added to a small number, it leaves the rounded one in the low bits.
ROUNDER, ROUNDER_BITS = f32(1.5 * 2**23), np.int32(0x4B400000)
SQRT_HALF = f32(math.sqrt(0.5))
SQRT_2_OVER_PI = f32(math.sqrt(2 / math.pi))
DENSITY = f32(1 / math.sqrt(2 * math.pi))
NEAR = f32(0.625)
TINY, TWO_23 = f32(np.finfo(np.float32).tiny), f32(2**23)
CUBIC = f32(0.044715)

E0, E1, E2 = f32(0.5), f32(0.1666666716337204), f32(0.041666269302368164)
E3, E4, E5 = f32(0.008333264850080013), f32(0.0013946190010756254), f32(0.000199179703486152)

T0, T1, T2 = f32(-0.3333328366279602), f32(0.13331490755081177), f32(-0.05374349281191826)
T3, T4 = f32(0.020650576800107956), f32(-0.005717033986002207)

L0, L1, L2 = f32(0.3333331048488617), f32(-0.24999986588954926), f32(0.20002231001853943)
L3, L4, L5 = f32(-0.1666925698518753), f32(0.14218555390834808), f32(-0.12384162098169327)
L6, L7, L8 = f32(0.11873598396778107), f32(-0.11791273951530457), f32(0.06915734708309174)

S0, S1, S2 = f32(1.128379225730896), f32(-0.37612637877464294), f32(0.11283782124519348)
S3, S4, S5 = f32(-0.0268654003739357), f32(0.005220945458859205), f32(-0.0008482828852720559)
S6, S7 = f32(0.0001125694761867635), f32(-9.641515134717338e-06)

B0, B1, B2 = f32(0.00018847041064873338), f32(-1.1295803785324097), f32(-0.633216381072998)
B3, B4, B5 = f32(-0.10842212289571762), f32(0.02521035633981228), f32(-0.004205291159451008)
B6, B7 = f32(0.0004414739378262311), f32(-2.1697722331737168e-05)

P0, P1, P2 = f32(1.1283791065216064), f32(0.1999223679304123), f32(0.05057303607463837)
P3, P4, P5 = f32(0.0037015106063336134), f32(0.00014184754400048405), f32(-1.95781399270345e-06)
P6 = f32(1.9924126348769278e-08)
Q1, Q2 = f32(0.5105082392692566), f32(0.1149975135922432)
Q3, Q4 = f32(0.014353012666106224), f32(0.000956013158429414)
ERF_END = f32(3.92)


def fmax(x: Any, y: Any) -> Any:
    """The larger of two numbers; NaN where either is NaN."""
    return np.maximum(x, y)


def fmin(x: Any, y: Any) -> Any:
    """The smaller of two numbers; NaN where either is NaN."""
    return np.minimum(x, y)


def power_of_two(n: Any) -> Any:
    """float32 2**n for int32 n, -126 <= n <= 127."""
    return np.ldexp(ONE, n)


def gemm(function: int, flags: Any, sizes: Any, a: Any, b: Any, out: Any) -> None:
    """One panel of a matrix product by the BLAS function at an address (`_native._gemm`)."""
    (x, i, k), (y, d, j), (z, r, c) = a, b, out
    m, n, depth = sizes
    left = x[k : k + depth, i : i + m].T if flags[0] else x[i : i + m, k : k + depth]
    right = y[j : j + n, d : d + depth].T if flags[1] else y[d : d + depth, j : j + n]
    z[r : r + m, c : c + n] = left @ right + (z[r : r + m, c : c + n] if flags[2] else ZERO)


BLOCK = 1024  # elements of a buffer on the stack


def buffer(like: Any) -> Any:
    """Uninitialised memory for `BLOCK` elements of the type of `like`, on a loop's stack."""
    return np.empty(BLOCK, like.dtype)


def outline() -> None:
    """Keep the function that calls this from being compiled into each of its callers."""


@inline()
def spread(x: Any, into: Any, how: Any, start: int, count: int) -> None:
    """Elements `start` on of an operand, as a result reads it (`_elementwise.Plan.table`)."""
    outline()
    middle, inner = how[1], how[2]
    done = 0
    while done < count:
        line, c = (start + done) // inner, (start + done) % inner
        first = line // middle * how[3] + line % middle * how[4] + c * how[5]
        n = min(inner - c, count - done)
        to = into[done : done + n]
        if how[5] == 0:
            for j in range(n):
                to[j] = x[first]
        elif how[5] == 1:
            run = x[first : first + n]
            for j in range(n):
                to[j] = run[j]
        else:
            for j in range(n):
                to[j] = x[first + j * how[5]]
        done += n


@inline("contract")
def exp(x: Any) -> Any:
    """e**x; denormal results included, 0 below and infinity above the range."""
    c = EXP_HIGH if x > EXP_HIGH else x
    c = c if c > EXP_LOW else EXP_LOW  # NaN lands here too
    k = np.rint(c * LOG2_E)
    r = (c - k * LN2_HIGH) - k * LN2_LOW
    p = ((((E5 * r + E4) * r + E3) * r + E2) * r + E1) * r + E0
    n = np.int32(k)
    h = np.int32(n >> 1)
    y = ((p * (r * r) + r + ONE) * power_of_two(h)) * power_of_two(np.int32(n - h))
    return y if x == x else x


@inline("contract")
def exp_below(x: Any) -> Any:
    """e**x for x <= 0; 0 where that is no normal number."""
    c = f32(-88) if x < f32(-88) else x
    shifted = c * LOG2_E + ROUNDER
    k = shifted - ROUNDER
    r = (c - k * LN2_HIGH) - k * LN2_LOW
    p = ((((E5 * r + E4) * r + E3) * r + E2) * r + E1) * r + E0
    n = np.int32(np.float32(shifted).view(np.int32) - ROUNDER_BITS)
    return (p * (r * r) + r + ONE) * power_of_two(n)


@inline("contract")
def log(x: Any) -> Any:
    """Natural logarithm; -infinity at 0, NaN below."""
    small = x < TINY
    bits = np.float32(x * TWO_23 if small else x).view(np.int32)
    # The mantissa in [sqrt(1/2), sqrt(2)) and the exponent, by integer arithmetic on the bits.
    moved = np.int32(bits - np.int32(0x3F3504F3))
    k = np.int32(moved >> 23)
    f = np.int32(bits - np.int32(k << 23)).view(np.float32) - ONE
    k32 = np.float32(k) - (f32(23) if small else ZERO)
    p = (((((((L8 * f + L7) * f + L6) * f + L5) * f + L4) * f + L3) * f + L2) * f + L1) * f + L0
    z = f * f
    y = (p * f * z + k32 * LN2_LOW) - HALF * z
    y = (y + f) + k32 * LN2_HIGH
    y = y if x < INF else x  # infinity and NaN
    y = y if x > ZERO else NAN
    y = -INF if x == ZERO else y
    return y if x == x else x


@inline("contract")
def expm1(x: Any) -> Any:
    """e**x - 1, exact near 0."""
    c = fmin(x, EXP_HIGH)
    c = c if c > f32(-20) else f32(-20)
    k = np.rint(c * LOG2_E)
    r = (c - k * LN2_HIGH) - k * LN2_LOW
    p = ((((E5 * r + E4) * r + E3) * r + E2) * r + E1) * r + E0
    n = np.int32(k)
    h = np.int32(n >> 1)
    high, low = power_of_two(h), power_of_two(np.int32(n - h))
    # 2**n (1 + r + r**2 p) - 1; 2**n may be beyond float32 where the result is not.
    y = (r + p * (r * r)) * high * low + (high - ONE / low) * low
    return y if x == x else x


@inline("contract")
def log1p(x: Any) -> Any:
    """log(1 + x), exact near 0: the logarithm of the rounded sum, plus what rounding lost."""
    u = ONE + x
    lost = x - minus(u, ONE) if abs(x) < ONE else ONE - minus(u, x)
    y = log(u) + lost / u
    y = y if x < INF else x
    return y if abs(x) > TINY else x


@inline("contract")
def softplus(x: Any) -> Any:
    """log(1 + e**x) without overflow."""
    return fmax(x, ZERO) + log1p(exp(-abs(x)))


@inline()
def sign(x: Any) -> Any:
    """-1, 0 or 1; 0 for NaN."""
    return ONE if x > ZERO else -ONE if x < ZERO else ZERO


@inline("contract")
def tanh(x: Any) -> Any:
    """Hyperbolic tangent."""
    a = abs(x)
    z = a * a
    near = ((((T4 * z + T3) * z + T2) * z + T1) * z + T0) * (z * a) + a
    far = ONE - TWO / (exp(a + a) + ONE)
    return math.copysign(near if a < NEAR else far, x)


@inline("contract")
def sigmoid(x: Any) -> Any:
    """1 / (1 + e**-x)."""
    return ONE / (ONE + exp(-x))


@inline("contract")
def erf(x: Any) -> Any:
    """Error function."""
    a = abs(x)
    c = a if a < f32(4) else f32(4)
    z = x * x
    near = ((((((S7 * z + S6) * z + S5) * z + S4) * z + S3) * z + S2) * z + S1) * z + S0
    q = ((((((B7 * c + B6) * c + B5) * c + B4) * c + B3) * c + B2) * c + B1) * c + B0
    far = math.copysign(ONE - exp(q), x)
    y = near * x if a < ONE else far
    return y if x == x else x


@inline("contract")
def erf_fast(x: Any) -> Any:
    """Error function to 4e-7 absolute, as one rational function (6.5 ulp)."""
    c = fmin(fmax(x, -ERF_END), ERF_END)
    z = c * c
    p = ((((((P6 * z + P5) * z + P4) * z + P3) * z + P2) * z + P1) * z + P0) * c
    return p / ((((Q4 * z + Q3) * z + Q2) * z + Q1) * z + ONE)


@inline("contract")
def normal_cdf(x: Any) -> Any:
    """The standard normal distribution function."""
    return HALF * (ONE + erf_fast(x * SQRT_HALF))


@inline("contract")
def silu_slope(x: Any) -> Any:
    """The derivative of x * sigmoid(x)."""
    s = sigmoid(x)
    return s * (ONE + x * (ONE - s))


@inline("contract")
def gelu_angle(x: Any) -> Any:
    """2u, where the approximation of the normal distribution function is (1 + tanh u) / 2."""
    return TWO * SQRT_2_OVER_PI * (x + CUBIC * x * x * x)


@inline("contract")
def gelu_tanh_slope(x: Any) -> Any:
    """The derivative of x * sigmoid(gelu_angle(x))."""
    s = sigmoid(gelu_angle(x))
    return s * (ONE + x * (ONE - s) * TWO * SQRT_2_OVER_PI * (ONE + f32(3) * CUBIC * x * x))


@inline()
def minus(x: Any, y: Any) -> Any:
    """Subtract, in this order even where the loop around may reassociate."""
    return x - y


@inline()
def order_key(x: Any) -> Any:
    """An integer in the order of float32 numbers: NaN last, -0 as 0."""
    bits = np.int64(np.float32(x + ZERO).view(np.int32))
    key = bits ^ ((bits >> 31) & 0x7FFFFFFF)
    return key if x == x else np.int64(0x7FFFFFFF)


@inline("contract", "reassoc")
def total(x: Any) -> Any:
    """The sum of a vector as float64: runs of 256 in its own type, their sums in float64."""
    result = 0.0
    for start in range(0, x.size, 256):
        run = x[start : start + 256]
        part = x.dtype.type(0)
        for i in range(run.size):
            part += run[i]
        result += part
    return result


@inline("contract", "reassoc")
def exact_total(x: Any) -> Any:
    """The sum of a vector in float64."""
    result = 0.0
    for i in range(x.size):
        result += x[i]
    return result


@inline("contract", "reassoc")
def deviations(x: Any, center: Any) -> Any:
    """The sum of x - center over a vector as float64, in runs as `total`."""
    result = 0.0
    for start in range(0, x.size, 256):
        run = x[start : start + 256]
        part = x.dtype.type(0)
        for i in range(run.size):
            part += run[i] - center
        result += part
    return result


@inline("contract", "reassoc")
def squared_deviations(x: Any, center: Any) -> Any:
    """The sum of (x - center)**2 over a vector as float64, in runs as `total`."""
    result = 0.0
    for start in range(0, x.size, 256):
        run = x[start : start + 256]
        part = x.dtype.type(0)
        for i in range(run.size):
            part += (run[i] - center) * (run[i] - center)
        result += part
    return result


@inline()
def largest(x: Any) -> Any:
    """The largest element of a vector that is not empty; NaN if there is one."""
    result = x[0]
    for i in range(x.size):
        result = fmax(result, x[i])
    return result


@inline()
def smallest(x: Any) -> Any:
    """The smallest element of a vector that is not empty; NaN if there is one."""
    result = x[0]
    for i in range(x.size):
        result = fmin(result, x[i])
    return result
