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


def _lstm_layer(x: Any, hx: Any, cx: Any, weight: Any) -> Any:
    rows = []
    for row in x:
        gates = row + hx @ weight.T
        hx, cx = _lstm(gates, cx)
        rows.append((hx, cx, gates))
    return tuple([_stack(each) for each in zip(*rows, strict=True)])


def _gru_layer(x: Any, hx: Any, weight: Any, bias: Any) -> Any:
    rows = []
    for row in x:
        gates = hx @ weight.T + (0 if bias is None else bias)
        hx = _gru(row, gates, hx)
        rows.append((hx, gates))
    return tuple([_stack(each) for each in zip(*rows, strict=True)])


def _stack(parts: Any) -> Any:
    import torch

    return torch.stack(parts)


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
    lstm_layer=[
        S(A((3, 2, 12)), A((2, 3)), A((2, 3)), A((12, 3)), torch=_lstm_layer),
        S(A((1, 0, 4)), A((0, 1)), A((0, 1)), A((4, 1)), torch=_lstm_layer),
        S(A((2, 9, 64)), A((9, 16)), A((9, 16)), A((64, 16)), torch=_lstm_layer, gradgrad=False),
    ],
    gru_layer=[
        S(A((3, 2, 9)), A((2, 3)), A((9, 3)), A((9,)), torch=_gru_layer),
        S(A((2, 1, 6)), A((1, 2)), A((6, 2)), None, torch=_gru_layer),
        S(A((3, 9, 48)), A((9, 16)), A((48, 16)), A((48,)), torch=_gru_layer, gradgrad=False),
    ],
)  # fmt: skip
