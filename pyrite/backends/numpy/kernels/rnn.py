"""LSTM and GRU: the gates' arithmetic in one pass, and whole layers forward; float32.

The rows of a batch do not depend on each other: a part of a layer's loop takes some of them
through all steps, each step a product with the packed weight and the gates of its rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _gemm
from . import _math as m
from . import _simd as s
from ._jit import Ints, Matrix, Vector, inline, loop
from ._registry import F32, Array, dense, empty, kernel, like, rows

ROWS = 8  # of a batch in a part of a layer
LANES = _gemm.LANES


# Each pass below writes one vector, reads few, and starts each at 0: only then can the compiler
# tell that they do not overlap and that no index is negative, and work on vectors.


@inline("contract")
def sigmoids(x: Vector, out: Vector) -> None:
    for j in range(out.size):
        out[j] = m.sigmoid(x[j])


@inline("contract")
def tanhs(x: Vector, out: Vector) -> None:
    for j in range(out.size):
        out[j] = m.tanh(x[j])


@inline("contract")
def lstm_row(gates: Vector, cx: Vector, hy: Vector, cy: Vector, work: Vector) -> None:
    """One step of one row; `work` (4 n) is left with i, f, g and o."""
    n = cx.size
    i, f, g, o = work[:n], work[n : 2 * n], work[2 * n : 3 * n], work[3 * n : 4 * n]
    sigmoids(gates[: 2 * n], work[: 2 * n])
    tanhs(gates[2 * n : 3 * n], g)
    sigmoids(gates[3 * n :], o)
    for j in range(n):
        cy[j] = f[j] * cx[j] + i[j] * g[j]
    tanhs(cy, hy)
    for j in range(n):
        hy[j] *= o[j]


@inline("contract")
def gru_row(x: Vector, gates: Vector, hx: Vector, hy: Vector, work: Vector) -> None:
    """One step of one row; `work` (3 n) is left with r, z and the candidate."""
    n = hx.size
    r, z, new = work[:n], work[n : 2 * n], work[2 * n : 3 * n]
    both, x_last, last = work[: 2 * n], x[2 * n :], gates[2 * n :]
    for j in range(2 * n):
        both[j] = m.sigmoid(x[j] + gates[j])
    for j in range(n):
        new[j] = m.tanh(x_last[j] + r[j] * last[j])
    for j in range(n):
        hy[j] = new[j] + z[j] * (hx[j] - new[j])


@loop("contract")
def lstm_rows(
    gates: Matrix, cx: Matrix, hy: Matrix, cy: Matrix, work: Matrix, lo: int, hi: int
) -> None:
    for r in range(lo, hi):
        lstm_row(gates[r], cx[r], hy[r], cy[r], work[r])


@loop("contract")
def gru_rows(
    x: Matrix, gates: Matrix, hx: Matrix, hy: Matrix, work: Matrix, lo: int, hi: int
) -> None:
    for r in range(lo, hi):
        gru_row(x[r], gates[r], hx[r], hy[r], work[r])


@loop("contract")
def lstm_back(
    h: Matrix, c: Matrix, gates: Matrix, cx: Matrix, out: Matrix, out_c: Matrix, work: Matrix,
    lo: int, hi: int,
) -> None:  # fmt: skip
    """`h`, `c`: cotangents of the new states."""
    n = cx.shape[1]
    for r in range(lo, hi):
        u, kept, w, before, slope, total = h[r], c[r], work[r], cx[r], out[r], out_c[r]
        i, f, g, o, t = w[:n], w[n : 2 * n], w[2 * n : 3 * n], w[3 * n : 4 * n], w[4 * n : 5 * n]
        to_i, to_f, to_g, to_o = slope[:n], slope[n : 2 * n], slope[2 * n : 3 * n], slope[3 * n :]
        lstm_row(gates[r], before, t, total, w[: 4 * n])
        tanhs(total, t)
        for j in range(n):
            total[j] = kept[j] + u[j] * o[j] * (m.ONE - t[j] * t[j])
        for j in range(n):
            to_i[j] = total[j] * g[j] * i[j] * (m.ONE - i[j])
        for j in range(n):
            to_f[j] = total[j] * before[j] * f[j] * (m.ONE - f[j])
        for j in range(n):
            to_g[j] = total[j] * i[j] * (m.ONE - g[j] * g[j])
        for j in range(n):
            to_o[j] = u[j] * t[j] * o[j] * (m.ONE - o[j])
        for j in range(n):
            total[j] *= f[j]


@loop("contract")
def gru_back(
    grad: Matrix, x: Matrix, gates: Matrix, hx: Matrix, out_x: Matrix, out_gates: Matrix,
    out_hx: Matrix, work: Matrix, lo: int, hi: int,
) -> None:  # fmt: skip
    n = hx.shape[1]
    for row in range(lo, hi):
        u, w, before, last = grad[row], work[row], hx[row], gates[row, 2 * n :]
        slope, own, slope_h = out_x[row], out_gates[row], out_hx[row]
        to_r, to_z, to_n, own_n = slope[:n], slope[n : 2 * n], slope[2 * n :], own[2 * n :]
        gru_row(x[row], gates[row], before, slope_h, w)
        r, z, new = w[:n], w[n : 2 * n], w[2 * n :]
        for j in range(n):
            to_n[j] = u[j] * (m.ONE - z[j]) * (m.ONE - new[j] * new[j])
        for j in range(n):
            to_z[j] = u[j] * (before[j] - new[j]) * z[j] * (m.ONE - z[j])
        for j in range(n):
            to_r[j] = to_n[j] * last[j] * r[j] * (m.ONE - r[j])
        for j in range(2 * n):
            own[j] = slope[j]
        for j in range(n):
            own_n[j] = to_n[j] * r[j]
        for j in range(n):
            slope_h[j] = u[j] * z[j]


@loop("contract")
def lstm_layer_rows(
    x: Vector, hx: Vector, cx: Vector, panels: Vector, starts: Ints, each: Ints, lines: Ints,
    steps: int, batch: int, out: Vector, cells: Vector, gates: Vector, work: Matrix, lo: int,
    hi: int,
) -> None:  # fmt: skip
    n = each.size
    for part in range(lo, hi):
        first = part * ROWS
        count = min(ROWS, batch - first)
        h, c, before = hx, cx, first  # where the last states are
        for t in range(steps):
            now = t * batch + first
            given, sums = x[now * 4 * n : (now + count) * 4 * n], gates[now * 4 * n :]
            for i in range(given.size):
                sums[i] = given[i]
            left, sizes = (h, before * n, starts, each), (count, 4 * n // LANES, n)
            s.multiply(sizes, left, (panels, 0, n * LANES, lines), (sums, 0, 4 * n), True)
            for r in range(count):
                a, b = (now + r) * n, (before + r) * n
                lstm_row(gates[4 * a : 4 * (a + n)], c[b : b + n], out[a : a + n], cells[a : a + n],
                         work[part])  # fmt: skip
            h, c, before = out, cells, now


@loop("contract")
def gru_layer_rows(
    x: Vector, hx: Vector, bias: Vector, panels: Vector, starts: Ints, each: Ints, lines: Ints,
    steps: int, batch: int, out: Vector, gates: Vector, work: Matrix, lo: int, hi: int,
) -> None:  # fmt: skip
    n = each.size
    for part in range(lo, hi):
        first = part * ROWS
        count = min(ROWS, batch - first)
        h, before = hx, first
        for t in range(steps):
            now = t * batch + first
            for r in range(now, now + count):
                sums = gates[r * 3 * n : (r + 1) * 3 * n]
                for i in range(3 * n):
                    sums[i] = bias[i]
            left, sizes = (h, before * n, starts, each), (count, 3 * n // LANES, n)
            right = (panels, 0, n * LANES, lines)
            s.multiply(sizes, left, right, (gates, now * 3 * n, 3 * n), True)
            for r in range(count):
                a, b = (now + r) * n, (before + r) * n
                gru_row(x[3 * a : 3 * (a + n)], gates[3 * a : 3 * (a + n)], h[b : b + n],
                        out[a : a + n], work[part])  # fmt: skip
            h, before = out, now


def matrix(array: Array) -> Array:
    """A dense array as rows of its last dimension."""
    return array.reshape(-1, array.shape[-1])


def scratch(like: Array, more: int = 0) -> Array:
    """A row for each row of gates."""
    n = like.shape[-1]
    return empty((like.size // n, n + more), F32)


def fits(gates: int, *arrays: Array) -> bool:
    """Whether all are dense, and the first has `gates` times the features of the last."""
    first, last = arrays[0], arrays[-1]
    return (
        last.size > 0
        and first.shape == (*last.shape[:-1], gates * last.shape[-1])
        and all(dense(a) and a.shape in (first.shape, last.shape) for a in arrays)
    )


def share(cx: Array) -> tuple[int, int]:
    """How many rows there are, and how many a part takes; each costs some ten passes."""
    n = cx.shape[-1]
    return cx.size // n, rows(cx.size // n, 16 * n)


@kernel("lstm_gates", 64)
def lstm_gates(gates: Array, cx: Array) -> Any:
    if not fits(4, gates, cx):
        return NotImplemented
    hy, cy = like(cx), like(cx)
    lstm_rows(*share(cx), matrix(gates), matrix(cx), matrix(hy), matrix(cy), scratch(gates))
    return hy, cy


@kernel("lstm_gates_grad")
def lstm_gates_grad(grad_hy: Array | None, grad_cy: Array | None, gates: Array, cx: Array) -> Any:
    given = [
        np.zeros_like(cx) if g is None else np.ascontiguousarray(g) for g in (grad_hy, grad_cy)
    ]
    if not fits(4, gates, *given, cx):
        return NotImplemented
    out, out_c, work = like(gates), like(cx), scratch(gates, cx.shape[-1])
    lstm_back(*share(cx), *[matrix(a) for a in (*given, gates, cx, out, out_c)], work)
    return out, out_c


@kernel("gru_gates", 64)
def gru_gates(x_gates: Array, h_gates: Array, hx: Array) -> Any:
    if not fits(3, x_gates, h_gates, hx):
        return NotImplemented
    hy = like(hx)
    gru_rows(*share(hx), matrix(x_gates), matrix(h_gates), matrix(hx), matrix(hy), scratch(x_gates))
    return hy


@kernel("gru_gates_grad", 64)
def gru_gates_grad(grad: Array, x_gates: Array, h_gates: Array, hx: Array) -> Any:
    grad = np.ascontiguousarray(grad)
    if not fits(3, x_gates, h_gates, grad, hx):
        return NotImplemented
    outs = like(x_gates), like(h_gates), like(hx)
    operands = [matrix(a) for a in (grad, x_gates, h_gates, hx, *outs)]
    gru_back(*share(hx), *operands, scratch(x_gates))
    return outs


def tables(n: int) -> tuple[Array, Array, Array]:
    """Where the rows of a part, the features and the packed weight's lines are."""
    return _gemm.steps(ROWS, n), _gemm.steps(n, 1), _gemm.steps(n, LANES)


@kernel("lstm_layer", 1024)
def lstm_layer(x: Array, hx: Array, cx: Array, weight: Array) -> Any:
    (steps, batch), n = x.shape[:2], hx.shape[-1]
    if n % LANES or not fits(4, x[0], hx, cx) or not dense(weight) or weight.shape != (4 * n, n):
        return NotImplemented
    out, cells, gates = (empty((steps, batch, k * n), F32) for k in (1, 1, 4))
    flat = [a.reshape(-1) for a in (x, hx, cx, _gemm.packed(weight, True, n))]
    outs = [a.reshape(-1) for a in (out, cells, gates)]
    work = empty((-(-batch // ROWS), 4 * n), F32)
    lstm_layer_rows(len(work), 1, *flat, *tables(n), steps, batch, *outs, work)
    return out, cells, gates


@kernel("gru_layer", 1024)
def gru_layer(x: Array, hx: Array, weight: Array, bias: Array | None) -> Any:
    (steps, batch), n = x.shape[:2], hx.shape[-1]
    shift = np.zeros(3 * n, F32) if bias is None else bias
    if n % LANES or not fits(3, x[0], hx) or not dense(weight) or not dense(shift):
        return NotImplemented
    if weight.shape != (3 * n, n) or shift.shape != (3 * n,):
        return NotImplemented
    out, gates = (empty((steps, batch, k * n), F32) for k in (1, 3))
    flat = [a.reshape(-1) for a in (x, hx, shift, _gemm.packed(weight, True, n))]
    sizes = (*tables(n), steps, batch)
    work = empty((-(-batch // ROWS), 3 * n), F32)
    gru_layer_rows(len(work), 1, *flat, *sizes, out.reshape(-1), gates.reshape(-1), work)
    return out, gates
