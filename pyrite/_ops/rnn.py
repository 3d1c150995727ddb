"""Recurrent cells and layers: an LSTM and a GRU from the input's products on.

Hochreiter & Schmidhuber 1997 (LSTM), Cho et al. 2014 (GRU), with the gates in PyTorch's order.
A cell saves nothing but its gates before their nonlinearities and the states; backward computes
the rest anew. A layer is one op that keeps the gates after them: its backward is one more, and the
gradient of its weight one product over all steps.
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


# ---- layers: all steps of a sequence (time, batch, features), or (batch, time, features) where
# `batch_first`; `reverse`: from the last to the first


def _by_time(xp: Any, x: Any, batch_first: bool, reverse: bool) -> list[Any]:
    """What each step reads, in the order of the steps."""
    steps = list(xp.swapaxes(x, 0, 1) if batch_first else x)
    return steps[::-1] if reverse else steps


def _joined(xp: Any, rows: list[Any], batch_first: bool, reverse: bool) -> tuple[Any, ...]:
    """The inverse, for each result of a step."""
    columns = zip(*(rows[::-1] if reverse else rows), strict=True)
    return tuple([xp.stack(each, 1 if batch_first else 0) for each in columns])


def _found(xp: Any, start: Any, states: Any, batch_first: bool, reverse: bool) -> list[Any]:
    """The state that each step finds."""
    return [start, *_by_time(xp, states, batch_first, reverse)[:-1]]


@op(outputs=("out", "cells", "gates"), public="")
def lstm_layer(
    xp: Any, x: Array, hx: Array, cx: Array, weight: Array, batch_first: bool = False,
    reverse: bool = False,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Hidden and cell states of all steps, and gates after their nonlinearities.

    From the input's part of the gates (time, batch, 4 n), the first states (batch, n) and the
    state's weight (4 n, n).
    """
    rows = []
    for x_t in _by_time(xp, x, batch_first, reverse):
        *gates, cx, tanh = _lstm(xp, x_t + xp.matmul(hx, weight.T), cx)
        hx = gates[3] * tanh
        rows.append((hx, cx, xp.concatenate(gates, -1)))
    return _joined(xp, rows, batch_first, reverse)


@op(outputs=("grad_x", "grad_hx", "grad_cx"), public="")
def lstm_layer_grad(
    xp: Any, grad_out: Array | None, grad_cells: Array | None, grad_gates: Array | None,
    cx: Array, weight: Array, cells: Array, gates: Array, batch_first: bool, reverse: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Gradients of `lstm_layer`, but the weight's."""
    way = batch_first, reverse
    given = [
        _by_time(xp, xp.zeros_like(like) if g is None else g, *way)
        for g, like in ((grad_out, cells), (grad_cells, cells), (grad_gates, gates))
    ]
    before = _found(xp, cx, cells, *way)
    columns = zip(*given, *[_by_time(xp, a, *way) for a in (cells, gates)], before, strict=True)
    h, c, rows = xp.zeros_like(cx), xp.zeros_like(cx), []
    for g_h, g_c, g_gates, cell, gate, found in reversed(list(columns)):
        i, f, g, o = _cut(gate, 4)
        t = xp.tanh(cell)
        h = h + g_h
        c = c + g_c + h * o * (1 - t * t)
        slopes = xp.concatenate((i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o)), -1)
        row = (xp.concatenate((c * g, c * found, c * i, h * t), -1) + g_gates) * slopes
        h, c = xp.matmul(row, weight), c * f
        rows.append((row,))
    return *_joined(xp, rows[::-1], *way), h, c


@op(outputs=("out", "gates"), public="")
def gru_layer(
    xp: Any, x: Array, hx: Array, weight: Array, bias: Array | None, batch_first: bool = False,
    reverse: bool = False,
) -> tuple[Array, Array]:  # fmt: skip
    """States of all steps, and r, z, the candidate and the state's part of it (4 n).

    From the input's part of the gates (time, batch, 3 n), the first state (batch, n), and the
    state's weight (3 n, n) and bias (3 n).
    """
    rows = []
    for x_t in _by_time(xp, x, batch_first, reverse):
        own = xp.matmul(hx, weight.T)
        r, z, n, hn = _gru(xp, x_t, own if bias is None else own + bias)
        hx = n + z * (hx - n)
        rows.append((hx, xp.concatenate((r, z, n, hn), -1)))
    return _joined(xp, rows, batch_first, reverse)


@op(outputs=("grad_x", "grad_own", "grad_hx"), public="")
def gru_layer_grad(
    xp: Any, grad_out: Array | None, grad_gates: Array | None, hx: Array, weight: Array,
    states: Array, gates: Array, batch_first: bool, reverse: bool,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Gradients of `gru_layer` in its input, in the state's part of the gates, and in `hx`."""
    way = batch_first, reverse
    given = [
        _by_time(xp, xp.zeros_like(like) if g is None else g, *way)
        for g, like in ((grad_out, states), (grad_gates, gates))
    ]
    columns = zip(*given, _by_time(xp, gates, *way), _found(xp, hx, states, *way), strict=True)
    h, rows = xp.zeros_like(hx), []
    for g_h, g_gates, gate, found in reversed(list(columns)):
        (r, z, n, hn), (g_r, g_z, g_n, g_hn) = _cut(gate, 4), _cut(g_gates, 4)
        h = h + g_h
        p = (h * (1 - z) + g_n) * (1 - n * n)
        reset, update = (p * hn + g_r) * r * (1 - r), (h * (found - n) + g_z) * z * (1 - z)
        own = xp.concatenate((reset, update, p * r + g_hn), -1)
        h = h * z + xp.matmul(own, weight)
        rows.append((xp.concatenate((reset, update, p), -1), own))
    return *_joined(xp, rows[::-1], *way), h


# ---- their derivatives: arrays of all steps, and loops where a step needs another


def _at(F: Any, x: Any, batch_first: bool, index: Any) -> Any:
    return F.slice(x, (slice(None), index) if batch_first else (index,))


def _first(F: Any, x: Any, batch_first: bool, reverse: bool) -> Any:
    return _at(F, x, batch_first, -1 if reverse else 0)


def _before(F: Any, start: Any, states: Any, batch_first: bool, reverse: bool) -> Any:
    """What each step finds: `start`, then all states but the last."""
    first = F.slice(start, (slice(None), None) if batch_first else (None,))
    rest = _at(F, states, batch_first, slice(1, None) if reverse else slice(0, -1))
    return F.cat([rest, first] if reverse else [first, rest], 1 if batch_first else 0)


def _after(F: Any, states: Any, batch_first: bool, reverse: bool) -> Any:
    """What the next step has, zeros at the last."""
    start = F.zeros_like(_first(F, states, batch_first, reverse))
    return _before(F, start, states, batch_first, not reverse)


def _loop(
    F: Any, step: Any, start: tuple[Any, ...], given: Any, batch_first: bool, reverse: bool
) -> Any:  # fmt: skip
    """The states of `state = step(state, *given)` at all steps, stacked."""
    axis, state, states = 1 if batch_first else 0, start, []
    columns = list(zip(*[F.unbind(x, axis) for x in given], strict=True))
    for each in reversed(columns) if reverse else columns:
        state = step(state, *each)
        states.append(state)
    found = zip(*(states[::-1] if reverse else states), strict=True)
    return [F.stack(list(each), axis) for each in found]


def _carried(F: Any, drive: Any, factor: Any, batch_first: bool, reverse: bool) -> Any:
    """From the last step on: total = drive + the next step's factor * total."""
    start = (F.zeros_like(_first(F, drive, batch_first, reverse)),)
    given = drive, _after(F, factor, batch_first, reverse)
    return _loop(F, lambda s, d, f: (d + f * s[0],), start, given, batch_first, not reverse)[0]


def _lstm_layer(
    F: Any, g_out: Any, g_cells: Any, g_gates: Any, hx: Any, cx: Any, weight: Any, out: Any,
    cells: Any, gates: Any, batch_first: bool, reverse: bool, mask: Any,
) -> tuple[Any, ...]:  # fmt: skip
    way = batch_first, reverse
    g, h, c = F.lstm_layer_grad(g_out, g_cells, g_gates, cx, weight, cells, gates, *way)
    return g, h, c, F.linear_grad_weight(g, _before(F, hx, out, *way)) if mask[3] else None


def _gru_layer(
    F: Any, g_out: Any, g_gates: Any, hx: Any, weight: Any, out: Any, gates: Any,
    batch_first: bool, reverse: bool, mask: Any,
) -> tuple[Any, ...]:  # fmt: skip
    way = batch_first, reverse
    g, own, h = F.gru_layer_grad(g_out, g_gates, hx, weight, out, gates, *way)
    g_weight = F.linear_grad_weight(own, _before(F, hx, out, *way)) if mask[2] else None
    return g, h, g_weight, F.sum(own, (0, 1)) if mask[3] else None


lstm_layer.vjp_joint(_lstm_layer)
gru_layer.vjp_joint(_gru_layer)


def _lstm_layer_second(
    F: Any, gs: Any, grad_out: Any, grad_cells: Any, grad_gates: Any, cx: Any, weight: Any,
    cells: Any, gates: Any, grad_x: Any, batch_first: bool, reverse: bool, mask: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """With cotangents u of the results, the cotangents of h and c run forwards, like a layer."""
    way = batch_first, reverse
    i, f, g, o = _split(F, gates, 4)
    i1, f1, g1, o1, t = i * (1 - i), f * (1 - f), 1 - g * g, o * (1 - o), F.tanh(cells)
    t1, found = 1 - t * t, _before(F, cx, cells, *way)
    h = _or_zeros(F, grad_out, cells) + F.matmul(_after(F, grad_x, *way), weight)
    c = _carried(F, _or_zeros(F, grad_cells, cells) + h * o * t1, f, *way)
    u, start = _or_zeros(F, gs[0], gates), tuple([_or_zeros(F, x, cx) for x in gs[1:]])

    def step(state: Any, u: Any, i: Any, f: Any, g: Any, keep: Any, o: Any, t: Any) -> Any:
        v_i, v_f, v_g, v_o = _split(F, u + F.linear(state[0], weight), 4)
        k = v_i * i + v_f * f + v_g * g + state[1] * keep
        return v_o * o + k * t, k

    factors = u, g * i1, found * f1, i * g1, f, t * o1, o * t1
    to_h, k = _loop(F, step, start, factors, *way)
    h_before, k_before = (_before(F, s, x, *way) for s, x in zip(start, (to_h, k), strict=True))
    v_i, v_f, v_g, v_o = _split(F, u + F.linear(h_before, weight), 4)
    e_i, e_f, e_g, e_o = _split(F, _or_zeros(F, grad_gates, gates), 4)
    to_gates = [
        v_i * (c * g + e_i) * (1 - 2 * i) + v_g * g1 * c,
        v_f * (c * found + e_f) * (1 - 2 * f) + k_before * c,
        v_i * i1 * c - 2 * v_g * g * (c * i + e_g),
        v_o * (h * t + e_o) * (1 - 2 * o) + k * h * t1,
    ]
    to_found = v_f * f1 * c
    to_cells = _after(F, to_found, *way) + h * (v_o * o1 - 2 * k * o * t) * t1
    slopes = F.cat([v_i * i1, v_f * f1, v_g * g1, v_o * o1], -1)
    to_weight, to_cx = F.linear_grad_weight(grad_x, h_before), _first(F, to_found, *way)
    return to_h, k, slopes, to_cx, to_weight, to_cells, F.cat(to_gates, -1)


def _gru_layer_second(
    F: Any, gs: Any, grad_out: Any, grad_gates: Any, hx: Any, weight: Any, states: Any, gates: Any,
    grad_own: Any, batch_first: bool, reverse: bool, mask: Any,
) -> tuple[Any, ...]:  # fmt: skip
    """As `_lstm_layer_second`; `total` is the cotangent of the states."""
    way = batch_first, reverse
    r, z, n, hn = _split(F, gates, 4)
    e_r, e_z, e_n, _ = _split(F, _or_zeros(F, grad_gates, gates), 4)
    r1, z1, n1, found = r * (1 - r), z * (1 - z), 1 - n * n, _before(F, hx, states, *way)
    drive = _or_zeros(F, grad_out, states) + F.matmul(_after(F, grad_own, *way), weight)
    total, apart = _carried(F, drive, z, *way), found - n
    d_n = total * (1 - z) + e_n
    p = d_n * n1
    u_x, u_own = (_or_zeros(F, g, grad_own) for g in gs[:2])
    start = _or_zeros(F, gs[2], hx)

    def parts(u_x: Any, u_own: Any, before: Any, r: Any, reset: Any) -> tuple[Any, ...]:
        v_r, v_z, v_n = _split(F, u_own + F.linear(before, weight), 3)
        x_r, x_z, x_n = _split(F, u_x, 3)
        return x_r + v_r, x_z + v_z, x_n + v_n * r + (x_r + v_r) * reset, v_n

    def step(s: Any, x: Any, own: Any, r: Any, reset: Any, z: Any, update: Any, new: Any) -> Any:
        _, v_z, v_p, _ = parts(x, own, s[0], r, reset)
        return (s[0] * z + v_z * update + v_p * new,)

    factors = u_x, u_own, r, r1 * hn, z, z1 * apart, n1 * (1 - z)
    (to_h,) = _loop(F, step, (start,), factors, *way)
    before = _before(F, start, to_h, *way)
    v_r, v_z, v_p, v_n = parts(u_x, u_own, before, r, r1 * hn)
    to_found = v_z * z1 * total
    to_gates = [
        v_r * (p * hn + e_r) * (1 - 2 * r) + v_n * p,
        v_z * (total * apart + e_z) * (1 - 2 * z) + (before - v_p * n1) * total,
        -2 * v_p * d_n * n - to_found,
        v_r * r1 * p,
    ]
    slopes = F.cat([v_r * r1, v_z * z1, v_p * n1, v_n], -1)
    to_weight, to_hx = F.linear_grad_weight(grad_own, before), _first(F, to_found, *way)
    return to_h, slopes, to_hx, to_weight, _after(F, to_found, *way), F.cat(to_gates, -1)


lstm_layer_grad.vjp_joint(_lstm_layer_second)
gru_layer_grad.vjp_joint(_gru_layer_second)
