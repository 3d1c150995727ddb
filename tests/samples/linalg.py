"""Samples of the matrix products."""

from typing import Any

from . import A, S, samples


def _outer_sum(g: Any, x: Any) -> Any:
    return g.reshape(-1, g.shape[-1]).T @ x.reshape(-1, x.shape[-1])


samples(
    matmul=[
        S(A((3,)), A((3,))),
        S(A((3,)), A((3, 4))),
        S(A((2, 3)), A((3,))),
        S(A((2, 3)), A((3, 4))),
        S(A((3, 2), layout="T"), A((2, 4), layout="step")),
        S(A((5, 2, 3)), A((3, 4))),
        S(A((2, 5, 2, 3)), A((3, 4))),
        S(A((2, 3)), A((5, 3, 4))),
        S(A((3,)), A((5, 3, 4))),
        S(A((5, 2, 3)), A((3,))),
        S(A((5, 2, 3)), A((5, 3, 4))),
        S(A((4, 1, 2, 3)), A((5, 3, 2))),
        S(A((0, 3)), A((3, 4))),
        S(A((2, 0)), A((0, 4))),
        S(A((2, 3), kind="int"), A((3, 2), kind="int")),
        S(A((64, 48)), A((48, 40)), full=True),
    ],
    linear=[
        S(A((4, 3)), A((5, 3)), A((5,)), torch="nn.functional.linear"),
        S(A((4, 3)), A((5, 3)), torch="nn.functional.linear"),
        S(A((3,)), A((5, 3)), A((5,)), torch="nn.functional.linear"),
        S(A((2, 4, 3)), A((5, 3)), bias=A((5,)), torch="nn.functional.linear"),
        S(A((2, 2, 4, 3)), A((5, 3), layout="T"), A((5,)), torch="nn.functional.linear"),
        S(A((4, 3)), A((3,)), torch="nn.functional.linear"),
        S(A((0, 3)), A((5, 3)), A((5,)), torch="nn.functional.linear"),
    ],
    linear_grad_weight=[
        S(A((4, 5)), A((4, 3)), torch=_outer_sum),
        S(A((2, 4, 5)), A((2, 4, 3)), torch=_outer_sum),
    ],
)
