"""Recurrent cells: what an LSTM and a GRU do with their gates once the products are made.

Hochreiter & Schmidhuber 1997 (LSTM), Cho et al. 2014 (GRU), with the gates in PyTorch's order.
Nothing but the gates before their nonlinearities is saved; backward computes the rest anew.
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
