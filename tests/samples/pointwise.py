"""Samples of element-wise ops: arithmetic, functions, comparison, activations."""

from __future__ import annotations

import math
from typing import Any

from . import A, S, Sample, samples

try:
    from torch.ops import aten
except ImportError:
    aten = None

NAN, INF = math.nan, math.inf
EDGES = A((6,), values=[0.0, -0.0, 1.0, -INF, INF, NAN], grad=False)


def unary(low: float = -2, high: float = 2, integers: Any = None, **options: Any) -> list[Sample]:
    """Transposed, 0-d and empty operands in [low, high), and integers."""
    calls = [S(A((3, 4), low, high, layout="T"), **options), S(A((), low, high), **options)]
    calls.append(S(A((2, 0), low, high), **options))
    calls.append(S(A((3,), values=integers or [0, 1, 2], kind="int"), **options))
    return calls


def binary(
    low: float = -2,
    high: float = 2,
    other: tuple[float, float] | None = None,
    number: float | None = None,
    integers: bool = True,
    **options: Any,
) -> list[Sample]:
    """Equal shapes, broadcasting both ways, 0-d and empty operands, integers, a number."""
    lo, hi = other or (low, high)
    calls = [
        S(A((3, 4), low, high), A((3, 4), lo, hi, layout="T"), **options),
        S(A((3, 1), low, high), A((2, 1, 4), lo, hi, layout="step"), **options),
        S(A((2, 3), low, high), A((), lo, hi), **options),
        S(A((0, 3), low, high), A((3,), lo, hi), **options),
    ]
    if integers:
        whole = A((2, 3), 1, 9, kind="int")
        calls += [
            S(whole, A((3,), lo, hi), **options),
            S(whole, A((3,), 1, 5, kind="int"), **options),
        ]
    if number is not None:
        calls.append(S(A((2, 3), low, high), number, **options))
    return calls


def _floor(x: Any, y: Any) -> Any:
    """floor_divide in torch's form that has a derivative."""
    return x.div(y, rounding_mode="floor")


def _trunc(x: Any, y: Any) -> Any:
    """The quotient rounded towards 0."""
    return x.div(y, rounding_mode="trunc")


def near(function: str, points: list[float]) -> Sample:
    """Values where branches meet, without derivatives."""
    return S(A((len(points),), values=points, grad=False), torch=function)


# ---- arithmetic and powers

samples(
    add=[
        *binary(number=2.5),
        S(A((3,)), A((3,)), alpha=3),
        S(A((2, 3)), 2, alpha=0.5),
        S(A((3,), kind="bool"), A((3,), kind="bool")),
        S(A((3,), kind="int"), 2.5),
    ],
    sub=[*binary(number=2), S(A((2, 3)), A((3,)), alpha=-2)],
    mul=[*binary(number=-1.5), S(A((3,), kind="bool"), A((3,)))],
    div=binary(other=(0.5, 2), number=3),
    trunc_divide=[
        *binary(-9, 9, (1, 4), 2.0, torch=_trunc),
        S(
            A((4,), values=[-7, 7, -8, 8], kind="int"),
            A((4,), values=[2, -2, 3, 3], kind="int"),
            torch=_trunc,
        ),
    ],
    floor_divide=[
        *binary(-9, 9, (1, 4), 2.0, torch=_floor),
        S(A((4,), values=[-7, 7, -8, 8], kind="int"), A((4,), values=[2, -2, 3, 3], kind="int")),
    ],
    remainder=[
        *binary(-9, 9, (1, 4), 2.5),
        S(A((4,), values=[-7, 7, -8, 8], kind="int"), A((4,), values=[2, -2, 3, 3], kind="int")),
    ],
    fmod=[
        *binary(-9, 9, (1, 4), 2.5),
        S(A((4,), values=[-7, 7, -8, 8], kind="int"), A((4,), values=[2, -2, 3, 3], kind="int")),
    ],
    neg=unary(),
    abs=[*unary(integers=[-1, 0, 2]), S(EDGES)],
    sign=[*unary(integers=[-1, 0, 2]), S(EDGES)],
    pow=[
        *binary(0.2, 2, (-2, 2), 3.0, integers=False),
        *[S(A((2, 3)), n) for n in (2, 2.0, 0, 1)],
        *[S(A((3,), 0.2, 2), p) for p in (0.5, -1.0)],
        S(A((3,), values=[0.0, 0.5, 2.0]), A((3,), values=[0.0, 1.0, 2.0], grad=False)),
        S(A((3,), -3, 3, kind="int"), 3),
        S(A((3,), kind="int"), 2.0),
        S(2.0, A((3,)), torch="pow"),
        S(A((4,), values=[1, -1, 2, -3], kind="int"), A((4,), values=[-1, -3, -2, 3], kind="int")),
    ],
    sqrt=unary(0.1, 3),
    rsqrt=unary(0.1, 3, [1, 4, 9]),
    reciprocal=unary(0.2, 2, [1, 2, 4]),
)

# ---- functions

samples(
    **{
        name: unary()
        for name in (
            "exp",
            "exp2",
            "expm1",
            "sin",
            "cos",
            "tan",
            "atan",
            "sinh",
            "deg2rad",
            "rad2deg",
            "cosh",
            "asinh",
            "tanh",
            "sigmoid",
            "erf",
            "erfc",
        )
    },
    **{name: unary(0.1, 3, [1, 2, 3]) for name in ("log", "log2", "log10", "log1p", "digamma")},
    **{name: unary(-0.9, 0.9, [0, 0, 0]) for name in ("asin", "acos", "atanh", "erfinv")},
    **{name: unary(integers=[-1, 0, 2]) for name in ("ceil", "floor", "trunc")},
    acosh=unary(1.1, 3, [1, 2, 3]),
    lgamma=[
        *unary(0.1, 30, [1, 2, 3]),
        near("lgamma", [-0.5, -3.7, 0.0, 1.0, 2.0, 1e-8, 171.5, INF, NAN]),
    ],
    atan2=binary(integers=False),
    hypot=binary(0.5, 2, integers=False),
    logaddexp=binary(-50, 50, integers=False),
    logaddexp2=binary(-50, 50, integers=False),
    logit=[*unary(0.05, 0.95), S(A((3,), -0.5, 1.5), 0.125), S(A((2, 0)))],
    xlogy=[
        *binary(other=(0.2, 2)),
        S(
            A((4,), values=[0.0, 0.0, 0.0, 1.0], grad=False),
            A((4,), values=[0.0, NAN, 2.0, 0.0], grad=False),
        ),
    ],
    copysign=binary(integers=False),
    nextafter=[S(A((3,)), A((2, 1)), gradgrad=False)],
    frexp=[S(A((3, 4), layout="T")), S(A((), 100, 200))],
    round=[
        *unary(-20, 20, [-1, 0, 2]),
        S(A((3,)), decimals=2),
        S(A((3,), -99, 99), decimals=-1),
        near("round", [0.5, 1.5, -0.5, -2.5, INF, NAN]),
    ],
    polygamma_of=[S(A((3, 2), 0.2, 5), n, torch=lambda x, n: x.polygamma(n)) for n in (1, 2, 4)],
    erfcx=[
        *unary(-2, 4, torch="special.erfcx"),
        near("special.erfcx", [-5.0, 0.75, 27.9, 28.1, 1e9, INF, NAN]),
    ],
    ndtri=[
        *unary(0.05, 0.95, [0, 1, 2], torch="special.ndtri"),
        near("special.ndtri", [1e-30, 0.5, 0.999]),
    ],
    i0e=[*unary(torch="special.i0e"), near("special.i0e", [19.9, 20.1, 500.0, -30.0])],
    i1e=[*unary(torch="special.i1e"), near("special.i1e", [19.9, 20.1, 500.0, -30.0, 0.0])],
    zeta=[
        S(A((2, 3), 1.2, 8, grad=False), A((3,), 0.2, 9), torch="special.zeta", gradgrad=False),
        S(A((3,), values=[1.0, 0.5, 3.0], grad=False), 2.0, torch="special.zeta"),
    ],
)

# ---- choice

FLAGS = A((2, 3), kind="bool")
samples(
    maximum=[*binary(), S(A((2,), values=[1.0, NAN]), A((2,), values=[1.0, 2.0]))],
    minimum=[*binary(), S(A((2,), values=[1.0, NAN]), A((2,), values=[1.0, 2.0]))],
    clamp=[
        *[
            S(A((3, 4), layout="T"), lo, hi)
            for lo, hi in ((-1, 1), (0.5, None), (None, 0), (1, -1))
        ],
        S(A((3,), -5, 5, kind="int"), 0, 2.5),
        S(A((2, 3)), min=A((3,)), max=A((2, 1))),
        S(A((2, 3)), A((3,)), None),
        S(A((2, 3)), None, A((1,))),
        S(A(()), -0.5, 0.5),
    ],
    where=[
        S(FLAGS, A((2, 3)), A((3,))),
        S(FLAGS, A(()), A((2, 1))),
        S(FLAGS, 1.0, A((3,))),
        S(FLAGS, A((2, 3), kind="int"), 2.5),
        S(A((2, 3), kind="bool", layout="T"), A((2, 3)), -INF),
        S(A((0, 3), kind="bool"), A((3,)), 0.0),
    ],
)

# ---- comparison, logic and bits

EQUAL = A((5,), values=[0.0, 1.0, NAN, INF, -1.0], grad=False)
WHOLE, FEW = A((2, 4), 0, 9, kind="int"), A((4,), 0, 3, kind="int")
samples(
    **{
        name: [
            *binary(number=0.5),
            S(EQUAL, A((5,), values=[0.0, 2.0, NAN, INF, 1.0], grad=False)),
            S(WHOLE, 3),
        ]
        for name in ("eq", "ne", "lt", "le", "gt", "ge")
    },
    **{
        name: [S(EDGES), S(A(())), S(FEW), S(A((2, 0)))]
        for name in ("isnan", "isinf", "isfinite", "signbit", "logical_not")
    },
    **{
        name: [S(EQUAL, A((3, 1))), S(WHOLE, FEW), S(A((3,), kind="bool"), A((3,)))]
        for name in ("logical_and", "logical_or", "logical_xor")
    },
    **{
        name: [S(WHOLE, FEW), S(WHOLE, 3), S(A((3,), kind="bool"), A((2, 1), kind="bool"))]
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
    },
    bitwise_not=[S(WHOLE), S(A((3,), kind="bool"))],
    bitwise_left_shift=[S(WHOLE, FEW), S(WHOLE, 2)],
    bitwise_right_shift=[S(WHOLE, FEW), S(A((3,), -9, 9, kind="int"), 1)],
    gcd=[S(WHOLE, FEW), S(A((3,), -9, 9, kind="int"), A((3,), 1, 9, kind="int"))],
    lcm=[S(WHOLE, FEW)],
)

# ---- sums of products

THREE = [A((3, 4), layout="T"), A((4,)), A((3, 1), 0.5, 2.0)]
samples(
    addcmul=[S(*THREE), S(*THREE, value=-1.5), S(A(()), A((2, 3)), A(()), value=2)],
    addcdiv=[S(*THREE), S(*THREE, value=-1.5), S(A((0, 3)), A((3,)), A((), 1, 2))],
    lerp=[
        S(*THREE),
        S(A((3, 4)), A((4,)), 0.25),
        S(A((3,)), A(()), 0.75),
        S(A((0,)), A((1,)), 2.0),
    ],
    lerp_number=[
        S(A((3, 4), layout="T"), A((4,)), weight=0.25, torch="lerp"),
        S(A((0,)), A((1,)), weight=2.0, torch="lerp"),
    ],
)

# ---- activations

GRAD = A((3, 4), layout="T")
samples(
    relu=[*unary(integers=[-1, 0, 2]), S(A((3,), values=[0.0, NAN, -1.0]))],
    leaky_relu=[
        S(A((3, 4), layout="T"), s, torch="nn.functional.leaky_relu") for s in (0.01, 0.5, -1.0)
    ],
    hardtanh=[
        S(A((3, 4)), torch="nn.functional.hardtanh"),
        S(A(()), 0.0, 1.0, torch="nn.functional.hardtanh"),
        S(A((3,), values=[0.0, 6.0, 3.0]), 0.0, 6.0, torch="nn.functional.hardtanh"),
    ],
    elu=[S(A((3, 4)), torch=aten and aten.elu), S(A((3,)), 2.0, 0.5, 3.0, torch=aten and aten.elu)],
    softplus=[
        *unary(torch="nn.functional.softplus")[:3],
        S(A((3,)), 2.0, 1.0, torch="nn.functional.softplus"),
        S(A((3,), values=[-800.0, 19.0, 800.0]), torch="nn.functional.softplus"),
    ],
    silu=[
        S(A((3, 4), layout="step"), torch="nn.functional.silu"),
        S(A((2,), values=[-800.0, 800.0]), torch="nn.functional.silu"),
    ],
    gelu=[S(A((3, 4)), approximate=a, torch="nn.functional.gelu") for a in ("none", "tanh")],
    sigmoid_grad=[S(GRAD, A((3, 4), 0, 1), torch=None)],
    tanh_grad=[S(GRAD, A((3, 4), -1, 1), torch=None)],
    relu_grad=[S(GRAD, A((3, 4), grad=False), torch=None)],
    silu_grad=[S(GRAD, A((3, 4)), torch=None)],
    gelu_grad=[S(GRAD, A((3, 4)), a, torch=None) for a in ("none", "tanh")],
)
