"""Samples of the special functions: incomplete gamma, Bessel, Airy, orthogonal polynomials."""

from __future__ import annotations

from . import A, S, Sample, samples

INF, NAN = float("inf"), float("nan")


def _fixed(values: list[float]) -> A:
    return A((len(values),), values=values, grad=False)


def _points(name: str, values: list[float]) -> list[Sample]:
    """Values without derivatives, which torch has not."""
    path = f"special.{name}"
    return [
        S(_fixed(values), torch=path),
        S(A((2, 3), 0.1, 4, grad=False, layout="T"), torch=path),
        S(A((0,), grad=False), torch=path),
        S(A((), 1, 2, grad=False), torch=path),
    ]


def _gamma(name: str) -> list[Sample]:
    return [
        S(A((3, 1), 0.1, 30, grad=False), A((4,), 0.1, 30), gradgrad=False),
        S(A((), 2, 3, grad=False), A((2, 3), 0.1, 9, layout="T"), gradgrad=False),
        S(A((0,), grad=False), A((0,))),
        S(_fixed([0, 0, 1, 2, INF, -1, 1, NAN]), _fixed([0, 1, 0, INF, 2, 2, -2, 1])),
    ]


BOTH = [0.0, 1e-8, 0.5, -0.5, 1.99, 2.01, -3.7, 24.9, 25.1, -40.0, NAN]
RIGHT = [0.0, 1e-8, 0.5, 1.99, 2.01, 24.9, 25.1, 80.0, -1.0, NAN]

samples(
    igamma=_gamma("igamma"),
    igammac=_gamma("igammac"),
    gamma_density=[S(A((3, 1), 0.1, 30, grad=False), A((4,), 0.1, 30), torch=None)],
    standard_gamma_grad=[S(A((3, 4), 0.1, 30), A((4,), 0.1, 30), torch=None)],
    dirichlet_grad=[S(A((2, 3), 0.1, 0.9), A((2, 3), 0.1, 9), A((2, 3), 10, 11), torch=None)],
    **{name: _points(name, BOTH) for name in ("bessel_j0", "bessel_j1", "airy_ai")},
    **{
        name: _points(name, RIGHT)
        for name in (
            "bessel_y0",
            "bessel_y1",
            "modified_bessel_k0",
            "modified_bessel_k1",
            "scaled_modified_bessel_k0",
            "scaled_modified_bessel_k1",
        )
    },
    **{
        f"{name}": [
            S(
                A((3, 1), -1.5, 2, grad=False),
                A((6,), values=[-1, 0, 1, 2, 5, 9], kind="int"),
                torch=f"special.{name}",
            ),
            S(A((2, 3), grad=False, layout="T"), 4, torch=f"special.{name}"),
            S(A((0,), grad=False), A((0,), kind="int"), torch=f"special.{name}"),
        ]
        for name in (
            "hermite_polynomial_h",
            "hermite_polynomial_he",
            "laguerre_polynomial_l",
            "legendre_polynomial_p",
            *[f"{s}chebyshev_polynomial_{k}" for s in ("", "shifted_") for k in "tuvw"],
        )
    },
)
