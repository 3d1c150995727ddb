"""Samples of the recurrent cells' gates and their gradients."""

from typing import Any

from . import A, S, samples
from .norm import gradient_of


def _lstm(gates: Any, cx: Any) -> Any:
    i, f, g, o = gates.chunk(4, -1)
    cy = f.sigmoid() * cx + i.sigmoid() * g.tanh()
    return o.sigmoid() * cy.tanh(), cy


def _lstm_grad(h: Any, c: Any, gates: Any, cx: Any) -> Any:
    def summed(gates: Any, cx: Any) -> Any:
        hy, cy = _lstm(gates, cx)
        return (0 if h is None else (hy * h).sum()) + (0 if c is None else (cy * c).sum())

    return gradient_of(summed)(None, gates, cx)


def _gru(x_gates: Any, h_gates: Any, hx: Any) -> Any:
    (xr, xz, xn), (hr, hz, hn) = x_gates.chunk(3, -1), h_gates.chunk(3, -1)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    n = (xn + r * hn).tanh()
    return n + z * (hx - n)


samples(
    lstm_gates=[S(A((2, 12)), A((2, 3)), torch=_lstm), S(A((0, 4)), A((0, 1)), torch=_lstm),
                S(A((8,), low=-200.0, high=200.0), A((2,)), torch=_lstm, gradgrad=False)],
    lstm_gates_grad=[
        S(A((2, 3)), A((2, 3)), A((2, 12)), A((2, 3)), torch=_lstm_grad),
        S(A((2,)), None, A((8,)), A((2,)), torch=_lstm_grad),
        S(None, A((2,)), A((8,)), A((2,)), torch=_lstm_grad),
    ],
    gru_gates=[S(A((2, 9)), A((2, 9)), A((2, 3)), torch=_gru),
               S(A((0, 3)), A((0, 3)), A((0, 1)), torch=_gru)],
    gru_gates_grad=[
        S(A((2, 3)), A((2, 9)), A((2, 9)), A((2, 3)), torch=gradient_of(_gru)),
    ],
)  # fmt: skip
