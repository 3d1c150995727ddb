"""Recurrent cells and layers: an LSTM and a GRU from the input's products on.

Hochreiter & Schmidhuber 1997 (LSTM), Cho et al. 2014 (GRU), with the gates in PyTorch's order.
Nothing but the gates before their nonlinearities and the states is saved; backward computes the
rest anew. A layer is one op, so that the gradient of its weight is one product over all steps.
"""

from __future__ import annotations

from typing import Any

from .table import Array, op


def _sigmoid(xp: Any, x: Any) -> Any:
    return 1.0 / (1.0 + xp.exp(-x))


def _cut(x: Any, count: int) -> list[Any]:
    """Equal parts of the last dimension."""
    n = x.shape[-1] // count
    return [x[..., i * n : (i + 1) * n] for i in range(count)]


def _lstm(xp: Any, gates: Any, cx: Any) -> tuple[Any, ...]:
    """input, forget, cell and output gate, the new cell state and its tanh."""
    a, b, d, e = _cut(gates, 4)
    i, f, g, o = _sigmoid(xp, a), _sigmoid(xp, b), xp.tanh(d), _sigmoid(xp, e)
    cy = f * cx + i * g
    return i, f, g, o, cy, xp.tanh(cy)


@op(outputs=("hy", "cy"), public="")
def lstm_gates(xp: Any, gates: Array, cx: Array) -> tuple[Array, Array]:
    """New hidden and cell state (..., n) from gates (..., 4 n) and the cell state (..., n)."""
    _, _, _, o, cy, t = _lstm(xp, gates, cx)
    return o * t, cy


lstm_gates.vjp_joint(
    lambda F, g_hy, g_cy, gates, cx, mask: F.lstm_gates_grad(g_hy, g_cy, gates, cx)
)


@op(outputs=("grad_gates", "grad_cx"), public="")
def lstm_gates_grad(
    xp: Any, grad_hy: Array | None, grad_cy: Array | None, gates: Array, cx: Array
) -> tuple[Array, Array]:
    """Gradients of `lstm_gates`."""
    i, f, g, o, _, t = _lstm(xp, gates, cx)
    h = xp.zeros_like(cx) if grad_hy is None else grad_hy
    c = h * o * (1 - t * t)
    if grad_cy is not None:
        c = c + grad_cy
    parts = (c * g * i * (1 - i), c * cx * f * (1 - f), c * i * (1 - g * g), h * t * o * (1 - o))
    return xp.concatenate(parts, -1), c * f


def _split(F: Any, x: Any, count: int) -> list[Any]:
    n = x.shape[-1] // count
    return [F.slice(x, (..., slice(i * n, (i + 1) * n))) for i in range(count)]


def _or_zeros(F: Any, g: Any, like: Any) -> Any:
    return F.zeros_like(like) if g is None else g


def _lstm_second(
    F: Any, gs: Any, grad_hy: Any, grad_cy: Any, gates: Any, cx: Any, mask: Any
) -> tuple[Any, ...]:
    """With u the cotangents, S = c K + u_o h t o' is differentiated; primes by pre-activation."""
    h, c = _or_zeros(F, grad_hy, cx), _or_zeros(F, grad_cy, cx)
    a, b, d, e = _split(F, gates, 4)
    i, f, g, o = F.sigmoid(a), F.sigmoid(b), F.tanh(d), F.sigmoid(e)
    i1, f1, g1, o1 = i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o)
    t = F.tanh(f * cx + i * g)
    t1 = 1 - t * t
    c = c + h * o * t1
    u_i, u_f, u_g, u_o = _split(F, _or_zeros(F, gs[0], gates), 4)
    u_c = _or_zeros(F, gs[1], cx)
    k = u_i * g * i1 + u_f * cx * f1 + u_g * i * g1 + u_c * f
    w = h * (u_o * o1 - 2 * t * o * k) * t1
    gates_out = [
        c * (u_i * g * i1 * (1 - 2 * i) + u_g * i1 * g1) + w * g * i1,
        c * (u_f * cx * f1 * (1 - 2 * f) + u_c * f1) + w * cx * f1,
        c * (u_i * g1 * i1 - 2 * u_g * i * g * g1) + w * i * g1,
        h * (k * t1 * o1 + u_o * t * o1 * (1 - 2 * o)),
    ]
    return k * o * t1 + u_o * t * o1, k, F.cat(gates_out, -1), c * u_f * f1 + w * f


lstm_gates_grad.vjp_joint(_lstm_second)


def _gru(xp: Any, x_gates: Any, h_gates: Any) -> tuple[Any, ...]:
    """reset and update gate, the candidate, and the hidden part of the candidate."""
    (xr, xz, xn), (hr, hz, hn) = _cut(x_gates, 3), _cut(h_gates, 3)
    r, z = _sigmoid(xp, xr + hr), _sigmoid(xp, xz + hz)
    return r, z, xp.tanh(xn + r * hn), hn


@op(public="")
def gru_gates(xp: Any, x_gates: Array, h_gates: Array, hx: Array) -> Array:
    """New hidden state (..., n) from the input's and the state's gates (..., 3 n) and the state."""
    _, z, n, _ = _gru(xp, x_gates, h_gates)
    return n + z * (hx - n)


gru_gates.vjp_joint(
    lambda F, g, x_gates, h_gates, hx, mask: F.gru_gates_grad(g, x_gates, h_gates, hx)
)


@op(outputs=("grad_x_gates", "grad_h_gates", "grad_hx"), public="")
def gru_gates_grad(
    xp: Any, grad: Array, x_gates: Array, h_gates: Array, hx: Array
) -> tuple[Array, Array, Array]:
    """Gradients of `gru_gates`."""
    r, z, n, hn = _gru(xp, x_gates, h_gates)
    p = grad * (1 - z) * (1 - n * n)
    reset, update = p * hn * r * (1 - r), grad * (hx - n) * z * (1 - z)
    both = [xp.concatenate((reset, update, last), -1) for last in (p, p * r)]
    return both[0], both[1], grad * z


def _gru_second(
    F: Any, gs: Any, grad: Any, x_gates: Any, h_gates: Any, hx: Any, mask: Any
) -> tuple[Any, ...]:
    """With u the cotangents, S = p q + grad (u_z (hx - n) z' + u_h z) is differentiated."""
    (xr, xz, xn), (hr, hz, hn) = _split(F, x_gates, 3), _split(F, h_gates, 3)
    r, z = F.sigmoid(xr + hr), F.sigmoid(xz + hz)
    n = F.tanh(xn + r * hn)
    r1, z1, n1 = r * (1 - r), z * (1 - z), 1 - n * n
    x_u = _split(F, _or_zeros(F, gs[0], x_gates), 3)
    h_u = _split(F, _or_zeros(F, gs[1], h_gates), 3)
    u_r, u_z, u_h = x_u[0] + h_u[0], x_u[1] + h_u[1], _or_zeros(F, gs[2], hx)
    p = grad * (1 - z) * n1
    q = u_r * hn * r1 + x_u[2] + h_u[2] * r
    slope = u_z * (hx - n) * z1
    update = grad * (z1 * (u_h - n1 * q) + slope * (1 - 2 * z))
    last = grad * n1 * (-2 * n * (1 - z) * q - u_z * z1)
    reset = p * (u_r * hn * r1 * (1 - 2 * r) + h_u[2] * r1) + last * hn * r1
    x_out = F.cat([reset, update, last], -1)
    h_out = F.cat([reset, update, last * r + p * u_r * r1], -1)
    return (1 - z) * n1 * q + slope + u_h * z, x_out, h_out, grad * u_z * z1


gru_gates_grad.vjp_joint(_gru_second)


# ---- layers: all steps of a sequence (time, batch, features)


@op(outputs=("out", "cells", "gates"), public="")
def lstm_layer(
    xp: Any, x: Array, hx: Array, cx: Array, weight: Array
) -> tuple[Array, Array, Array]:
    """Hidden and cell states and gates of all steps.

    From the input's part of the gates (time, batch, 4 n), the first states (batch, n) and the
    state's weight (4 n, n).
    """
    rows = []
    for t in range(x.shape[0]):
        gates = x[t] + xp.matmul(hx, weight.T)
        *_, o, cx, tanh = _lstm(xp, gates, cx)
        hx = o * tanh
        rows.append((hx, cx, gates))
    return tuple([xp.stack(each) for each in zip(*rows, strict=True)])


@op(outputs=("out", "gates"), public="")
def gru_layer(
    xp: Any, x: Array, hx: Array, weight: Array, bias: Array | None
) -> tuple[Array, Array]:
    """States of all steps and the states' part of their gates.

    From the input's part (time, batch, 3 n), the first state (batch, n), and the state's weight
    (3 n, n) and bias (3 n).
    """
    rows = []
    for t in range(x.shape[0]):
        gates = xp.matmul(hx, weight.T)
        gates = gates if bias is None else gates + bias
        _, z, n, _ = _gru(xp, x[t], gates)
        hx = n + z * (hx - n)
        rows.append((hx, gates))
    return tuple([xp.stack(each) for each in zip(*rows, strict=True)])


def _plus(F: Any, a: Any, b: Any) -> Any:
    """The sum of what there is."""
    return b if a is None else a if b is None else F.add(a, b)


def _steps(F: Any, x: Any, count: int) -> list[Any]:
    return [None] * count if x is None else list(F.unbind(x, 0))


def _before(F: Any, start: Any, states: Any) -> Any:
    """The state that each step finds."""
    return F.cat([F.reshape(start, (1, *start.shape)), F.slice(states, (slice(0, -1),))], 0)


def _lstm_layer_grad(
    F: Any, g_out: Any, g_cells: Any, g_gates: Any, hx: Any, cx: Any, weight: Any, out: Any,
    cells: Any, gates: Any, mask: Any,
) -> tuple[Any, ...]:  # fmt: skip
    count, h, c, found = gates.shape[0], None, None, []
    before, gate = _steps(F, _before(F, cx, cells), count), _steps(F, gates, count)
    from_out, from_cells, from_gates = (_steps(F, g, count) for g in (g_out, g_cells, g_gates))
    for t in reversed(range(count)):
        h, c = _plus(F, from_out[t], h), _plus(F, from_cells[t], c)
        row, c = F.lstm_gates_grad(h, c, gate[t], before[t])
        found.append(_plus(F, row, from_gates[t]))
        h = F.matmul(found[-1], weight)
    g = F.stack(found[::-1], 0)
    return g, h, c, F.linear_grad_weight(g, _before(F, hx, out)) if mask[3] else None


def _gru_layer_grad(
    F: Any, g_out: Any, g_gates: Any, x: Any, hx: Any, weight: Any, bias: Any, out: Any,
    gates: Any, mask: Any,
) -> tuple[Any, ...]:  # fmt: skip
    count, h, found = gates.shape[0], None, []
    states = _before(F, hx, out)
    before, inputs, gate = (_steps(F, each, count) for each in (states, x, gates))
    from_out, from_gates = (_steps(F, g, count) for g in (g_out, g_gates))
    for t in reversed(range(count)):
        h = _or_zeros(F, _plus(F, from_out[t], h), hx)
        row, own, h = F.gru_gates_grad(h, inputs[t], gate[t], before[t])
        own = _plus(F, own, from_gates[t])
        found.append((row, own))
        h = F.add(h, F.matmul(own, weight))
    rows, owns = (F.stack(each, 0) for each in zip(*found[::-1], strict=True))
    g_weight = F.linear_grad_weight(owns, states) if mask[2] else None
    return rows, h, g_weight, F.sum(owns, (0, 1)) if mask[3] else None


lstm_layer.vjp_joint(_lstm_layer_grad)
gru_layer.vjp_joint(_gru_layer_grad)
