"""Complex operands: the ops on their parts, and every op that takes them."""

from __future__ import annotations

from typing import Any

from . import A, S, Sample, samples

Z, ROW, POINT, NONE = (
    A((3, 4), kind="complex", layout="T"), A((4,), kind="complex", layout="step"),
    A((), kind="complex"), A((0, 2), kind="complex"),
)  # fmt: skip
CUBE = A((2, 3, 4), kind="complex")
REAL = A((3, 4), 0.2)
ZEROS = A((4,), values=[0.0, 1j, -1.0, 0.0], kind="complex", grad=False)


def each(**options: Any) -> list[Sample]:
    """Transposed, strided, 0-d and empty operands."""
    return [S(x, **options) for x in (Z, ROW, POINT, NONE)]


def mixed() -> list[Sample]:
    """Complex and real operands on either side, and complex numbers."""
    return [S(Z, ROW), S(Z, REAL), S(REAL, ROW), S(Z, 2.5), S(Z, 0.5 - 1j), S(1 + 2j, REAL)]


def over(**options: Any) -> list[Sample]:
    """Some forms of `dim`."""
    return [S(Z, 0, **options), S(CUBE, -2, **options), S(POINT, 0, **options)]


samples(
    real=[S(Z), S(POINT)],
    imag=[S(Z), S(POINT)],
    conj_physical=[*each(), S(REAL), S(A((3,), kind="int"))],
    sgn=[*each(), S(ZEROS), S(REAL)],
    argument=[S(x, torch="angle") for x in (Z, ROW, POINT, NONE, ZEROS)],
    complex=[S(REAL, A((4,))), S(A(()), REAL), S(A((0,)), A((0,)))],
    view_as_real=each()[:-1],
    view_as_complex=[S(A((3, 2)), half=False), S(A((2, 3, 2)), half=False)],
    abs=[*each(), S(ZEROS)],
    add=[*mixed(), S(Z, ROW, alpha=1 + 2j)],
    sub=[*mixed(), S(Z, ROW, alpha=2j)],
    mul=mixed(),
    div=mixed(),
    pow=[*mixed(), S(Z, 2), S(Z, -3)],
    eq=mixed()[:-1],
    ne=mixed()[:-1],
    where=[S(A((3, 4), kind="bool"), Z, ROW), S(A((3, 4), kind="bool"), Z, 1j)],
    logical_and=[S(Z, ROW)],
    isnan=each(),
    isinf=each(),
    isfinite=each(),
    var=[S(Z), S(CUBE, (0, 2))],
    std=[S(Z), S(CUBE, -1)],
    vector_norm=[
        S(Z, p, torch="linalg.vector_norm", gradgrad=p < 3) for p in (2, 1, 0, 3.0, float("inf"))
    ],
    sum=[*over(), S(Z)],
    mean=[*over(), S(Z)],
    prod=over(),
    cumsum=over(),
    cumprod=over(),
    logaddexp=[S(Z, ROW)],
    logsumexp=over(),
    logcumsumexp=[*over(), S(ROW, 0)],
    silu=[S(A((3,), kind="complex", grad=False), torch="nn.functional.silu")],
    any=[S(ZEROS), S(Z, 1)],
    all=[S(ZEROS), S(Z, 1)],
    matmul=[S(Z, A((4, 2), kind="complex")), S(CUBE, ROW), S(Z, A((4, 2), kind="complex"))],
    linear=[
        S(CUBE, A((2, 4), kind="complex"), A((2,), kind="complex"), torch="nn.functional.linear")
    ],
    slice_grad=[S(ROW, (slice(1, 5),), (6,), torch=None)],
    index=[S(Z, (A((2,), values=[2, 0], kind="int"),), (0,), torch=None)],
    **{
        name: each()
        for name in (
            "neg", "sqrt", "rsqrt", "reciprocal", "exp", "exp2", "expm1", "log", "log2", "log10",
            "log1p", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh",
            "acosh", "atanh", "sigmoid", "tanh",
        )
    },
)  # fmt: skip
