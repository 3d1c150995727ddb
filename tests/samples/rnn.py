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


def _by_time(x: Any, batch_first: bool, reverse: bool) -> Any:
    x = x.transpose(0, 1) if batch_first else x
    return x.flip(0) if reverse else x


def _lstm_layer(
    x: Any, hx: Any, cx: Any, weight: Any, batch_first: bool = False, reverse: bool = False
) -> Any:
    rows = []
    for row in _by_time(x, batch_first, reverse):
        i, f, g, o = (row + hx @ weight.T).chunk(4, -1)
        gates = [i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()]
        cx = gates[1] * cx + gates[0] * gates[2]
        hx = gates[3] * cx.tanh()
        rows.append((hx, cx, _cat(gates)))
    return _joined(rows, batch_first, reverse)


def _gru_layer(
    x: Any, hx: Any, weight: Any, bias: Any, batch_first: bool = False, reverse: bool = False
) -> Any:
    rows = []
    for row in _by_time(x, batch_first, reverse):
        (xr, xz, xn), own = row.chunk(3, -1), hx @ weight.T + (0 if bias is None else bias)
        hr, hz, hn = own.chunk(3, -1)
        r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
        n = (xn + r * hn).tanh()
        hx = n + z * (hx - n)
        rows.append((hx, _cat([r, z, n, hn])))
    return _joined(rows, batch_first, reverse)


def _joined(rows: Any, batch_first: bool, reverse: bool) -> Any:
    import torch

    found = [torch.stack(each) for each in zip(*rows, strict=True)]
    return tuple([_by_time(each, False, reverse).transpose(0, int(batch_first)) for each in found])


def _cat(parts: Any) -> Any:
    import torch

    return torch.cat(parts, -1)


def _lstm_layer_grad(
    g_out: Any, g_cells: Any, g_gates: Any, cx: Any, weight: Any, cells: Any, gates: Any, *way: bool
) -> Any:
    """By steps: what a torch program that has the gates would do, step by step back."""
    import torch

    given = [_by_time(torch.zeros_like(like) if g is None else g, *way)
             for g, like in ((g_out, cells), (g_cells, cells), (g_gates, gates))]  # fmt: skip
    cells, gates = _by_time(cells, *way), _by_time(gates, *way)
    h, c, rows = torch.zeros_like(cx), torch.zeros_like(cx), []
    for t in reversed(range(len(cells))):
        i, f, g, o = gates[t].chunk(4, -1)
        e_i, e_f, e_g, e_o = given[2][t].chunk(4, -1)
        tanh, h = cells[t].tanh(), h + given[0][t]
        c = c + given[1][t] + h * o * (1 - tanh**2)
        found = cells[t - 1] if t else cx
        row = _cat([(c * g + e_i) * i * (1 - i), (c * found + e_f) * f * (1 - f),
                    (c * i + e_g) * (1 - g**2), (h * tanh + e_o) * o * (1 - o)])  # fmt: skip
        h, c = row @ weight, c * f
        rows.append((row,))
    return *_joined(rows[::-1], *way), h, c


def _gru_layer_grad(
    g_out: Any, g_gates: Any, hx: Any, weight: Any, out: Any, gates: Any, *way: bool
) -> Any:
    import torch

    given = [_by_time(torch.zeros_like(like) if g is None else g, *way)
             for g, like in ((g_out, out), (g_gates, gates))]  # fmt: skip
    out, gates = _by_time(out, *way), _by_time(gates, *way)
    h, rows = torch.zeros_like(hx), []
    for t in reversed(range(len(out))):
        (r, z, n, hn), (e_r, e_z, e_n, e_hn) = gates[t].chunk(4, -1), given[1][t].chunk(4, -1)
        h = h + given[0][t]
        last = (h * (1 - z) + e_n) * (1 - n**2)
        reset = (last * hn + e_r) * r * (1 - r)
        update = (h * ((out[t - 1] if t else hx) - n) + e_z) * z * (1 - z)
        own = _cat([reset, update, last * r + e_hn])
        rows.append((_cat([reset, update, last]), own))
        h = h * z + own @ weight
    return *_joined(rows[::-1], *way), h


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
        S(A((2, 3, 8)), A((2, 2)), A((2, 2)), A((8, 2)), True, True, torch=_lstm_layer),
        S(A((1, 0, 4)), A((0, 1)), A((0, 1)), A((4, 1)), torch=_lstm_layer),
        S(A((2, 9, 64)), A((9, 16)), A((9, 16)), A((64, 16)), torch=_lstm_layer, gradgrad=False),
    ],
    lstm_layer_grad=[
        S(A((3, 2, 2)), A((3, 2, 2)), A((3, 2, 8)), A((2, 2)), A((8, 2)), A((3, 2, 2)),
          A((3, 2, 8)), False, False, torch=_lstm_layer_grad),
        S(A((2, 3, 2)), None, None, A((2, 2)), A((8, 2)), A((2, 3, 2)), A((2, 3, 8)), True, True,
          torch=_lstm_layer_grad),
        S(A((2, 9, 16)), None, None, A((9, 16)), A((64, 16)), A((2, 9, 16)), A((2, 9, 64)), False,
          True, torch=_lstm_layer_grad, gradgrad=False),
    ],
    gru_layer=[
        S(A((3, 2, 9)), A((2, 3)), A((9, 3)), A((9,)), torch=_gru_layer),
        S(A((2, 1, 6)), A((1, 2)), A((6, 2)), None, torch=_gru_layer),
        S(A((2, 3, 6)), A((2, 2)), A((6, 2)), A((6,)), True, True, torch=_gru_layer),
        S(A((3, 9, 48)), A((9, 16)), A((48, 16)), A((48,)), torch=_gru_layer, gradgrad=False),
    ],
    gru_layer_grad=[
        S(A((3, 2, 2)), A((3, 2, 8)), A((2, 2)), A((6, 2)), A((3, 2, 2)), A((3, 2, 8)), False,
          False, torch=_gru_layer_grad),
        S(A((2, 3, 2)), None, A((2, 2)), A((6, 2)), A((2, 3, 2)), A((2, 3, 8)), True, True,
          torch=_gru_layer_grad),
        S(A((2, 9, 16)), None, A((9, 16)), A((48, 16)), A((2, 9, 16)), A((2, 9, 64)), False, True,
          torch=_gru_layer_grad, gradgrad=False),
    ],
)  # fmt: skip
