"""LSTM and GRU: the gates' arithmetic in one pass, and whole layers both ways; float32.

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
DEPTH = 512  # of a product that is summed at once
LANES = _gemm.LANES


# Each pass below writes one vector, reads few, and starts each at 0: only then can the compiler
# tell that they do not overlap and that no index is negative, and work on vectors.


@inline("contract")
def sigmoids(x: Vector, y: Vector, out: Vector) -> None:
    for j in range(out.size):
        out[j] = m.sigmoid(x[j] + y[j])


@inline("contract")
def tanhs(x: Vector, out: Vector) -> None:
    for j in range(out.size):
        out[j] = m.tanh(x[j])


@inline("contract")
def lstm_row(x: Vector, y: Vector, cx: Vector, hy: Vector, cy: Vector, gates: Vector) -> None:
    """One step of one row from the two parts of its gates; `gates` is left with i, f, g and o."""
    n = cx.size
    i, f, g, o = gates[:n], gates[n : 2 * n], gates[2 * n : 3 * n], gates[3 * n : 4 * n]
    x_g, y_g = x[2 * n : 3 * n], y[2 * n : 3 * n]
    sigmoids(x[: 2 * n], y[: 2 * n], gates[: 2 * n])
    for j in range(n):
        g[j] = m.tanh(x_g[j] + y_g[j])
    sigmoids(x[3 * n : 4 * n], y[3 * n : 4 * n], o)
    for j in range(n):
        cy[j] = f[j] * cx[j] + i[j] * g[j]
    tanhs(cy, hy)
    for j in range(n):
        hy[j] *= o[j]


@inline("contract")
def lstm_slopes(
    u: Vector, cx: Vector, cy: Vector, gates: Vector, slope: Vector, total: Vector, t: Vector
) -> None:
    """One step of one row back.

    u, total: cotangents of the new states; `total` becomes that of the old cell state. t: memory.
    """
    n = cx.size
    i, f, g, o = gates[:n], gates[n : 2 * n], gates[2 * n : 3 * n], gates[3 * n : 4 * n]
    to_i, to_f, to_g, to_o = slope[:n], slope[n : 2 * n], slope[2 * n : 3 * n], slope[3 * n : 4 * n]
    tanhs(cy, t)
    for j in range(n):
        total[j] += u[j] * o[j] * (m.ONE - t[j] * t[j])
    for j in range(n):
        to_o[j] = u[j] * t[j] * o[j] * (m.ONE - o[j])
    for j in range(n):
        to_i[j] = total[j] * g[j] * i[j] * (m.ONE - i[j])
    for j in range(n):
        to_f[j] = total[j] * cx[j] * f[j] * (m.ONE - f[j])
    for j in range(n):
        to_g[j] = total[j] * i[j] * (m.ONE - g[j] * g[j])
    for j in range(n):
        total[j] *= f[j]


@inline("contract")
def gru_row(x: Vector, y: Vector, bias: Vector, hx: Vector, hy: Vector, gates: Vector) -> None:
    """One step of one row; `gates` is left with r, z, the candidate and the state's part of it."""
    n = hx.size
    r, z, new, last = gates[:n], gates[n : 2 * n], gates[2 * n : 3 * n], gates[3 * n : 4 * n]
    both, x_n, y_n, shift = gates[: 2 * n], x[2 * n : 3 * n], y[2 * n : 3 * n], bias[2 * n :]
    for j in range(2 * n):
        both[j] = m.sigmoid(x[j] + (y[j] + bias[j]))
    for j in range(n):
        last[j] = y_n[j] + shift[j]
    for j in range(n):
        new[j] = m.tanh(x_n[j] + r[j] * last[j])
    for j in range(n):
        hy[j] = new[j] + z[j] * (hx[j] - new[j])


@inline("contract")
def gru_slopes(u: Vector, hx: Vector, gates: Vector, slope: Vector, own: Vector) -> None:
    """One step of one row back; `u`, the new state's cotangent, becomes a part of the old one's."""
    n = hx.size
    r, z, new, last = gates[:n], gates[n : 2 * n], gates[2 * n : 3 * n], gates[3 * n : 4 * n]
    to_r, to_z, to_n, own_n = slope[:n], slope[n : 2 * n], slope[2 * n : 3 * n], own[2 * n : 3 * n]
    for j in range(n):
        to_n[j] = u[j] * (m.ONE - z[j]) * (m.ONE - new[j] * new[j])
    for j in range(n):
        to_z[j] = u[j] * (hx[j] - new[j]) * z[j] * (m.ONE - z[j])
    for j in range(n):
        to_r[j] = to_n[j] * last[j] * r[j] * (m.ONE - r[j])
    for j in range(2 * n):
        own[j] = slope[j]
    for j in range(n):
        own_n[j] = to_n[j] * r[j]
    for j in range(n):
        u[j] *= z[j]


@inline("contract")
def add_to(x: Vector, out: Vector) -> None:
    for j in range(out.size):
        out[j] += x[j]


@loop("contract")
def lstm_rows(
    gates: Matrix, zeros: Vector, cx: Matrix, hy: Matrix, cy: Matrix, work: Matrix, lo: int, hi: int
) -> None:  # fmt: skip
    for r in range(lo, hi):
        lstm_row(gates[r], zeros, cx[r], hy[r], cy[r], work[r])


@loop("contract")
def gru_rows(
    x: Matrix, gates: Matrix, zeros: Vector, hx: Matrix, hy: Matrix, work: Matrix, lo: int, hi: int
) -> None:  # fmt: skip
    for r in range(lo, hi):
        gru_row(x[r], gates[r], zeros, hx[r], hy[r], work[r])


@loop("contract")
def lstm_back(
    h: Matrix, c: Matrix, gates: Matrix, zeros: Vector, cx: Matrix, out: Matrix, out_c: Matrix,
    work: Matrix, lo: int, hi: int,
) -> None:  # fmt: skip
    """`h`, `c`: cotangents of the new states."""
    n = cx.shape[1]
    for r in range(lo, hi):
        w, cy, t, kept, total = work[r], work[r, 4 * n : 5 * n], work[r, 5 * n :], c[r], out_c[r]
        lstm_row(gates[r], zeros, cx[r], t, cy, w)
        for j in range(n):
            total[j] = kept[j]
        lstm_slopes(h[r], cx[r], cy, w, out[r], total, t)


@loop("contract")
def gru_back(
    grad: Matrix, x: Matrix, gates: Matrix, zeros: Vector, hx: Matrix, out_x: Matrix,
    out_gates: Matrix, out_hx: Matrix, work: Matrix, lo: int, hi: int,
) -> None:  # fmt: skip
    for row in range(lo, hi):
        u, slope_h = grad[row], out_hx[row]
        gru_row(x[row], gates[row], zeros, hx[row], slope_h, work[row])
        for j in range(slope_h.size):
            slope_h[j] = u[j]
        gru_slopes(slope_h, hx[row], work[row], out_x[row], out_gates[row])


# Layers. Rows of `x`, `out` and the like are numbered t * plan[2] + b * plan[3]; the results of a
# product lie in `work`, whose rows have room for whole vectors.


@inline()
def times(
    count: int, x: Vector, at: int, starts: Ints, each: Ints, depth: int, panels: Vector,
    lines: Ints, out: Vector, to: int, width: int,
) -> None:  # fmt: skip
    """Rows of x by the packed weight, to rows of `out`, block by block of the depth."""
    block = lines.size
    for k in range(0, depth, block):
        sizes = (count, width // LANES, min(block, depth - k))
        right = (panels, k * width, LANES * block, lines)
        s.multiply(sizes, (x, at + k, starts, each), right, (out, to, width), k > 0)


@loop("contract")
def lstm_layer_rows(
    x: Vector, hx: Vector, cx: Vector, panels: Vector, plan: Ints, table: Ints, lines: Ints,
    out: Vector, cells: Vector, gates: Vector, work: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    steps, batch, next_step, next_row, last, n, width = plan
    starts, first_starts, each = table[:ROWS], table[ROWS : 2 * ROWS], table[2 * ROWS :]
    for part in range(lo, hi):
        first, to = part * ROWS, part * ROWS * width
        count = min(ROWS, batch - first)
        h, c, before, apart, places = hx, cx, first, 1, first_starts  # where the last states are
        for step in range(steps):
            now = abs(last - step) * next_step + first * next_row
            times(count, h, before * n, places, each, n, panels, lines, work, to, width)
            for r in range(count):
                a, b, w = (now + r * next_row) * n, (before + r * apart) * n, to + r * width
                lstm_row(x[4 * a : 4 * (a + n)], work[w : w + width], c[b : b + n], out[a : a + n],
                         cells[a : a + n], gates[4 * a : 4 * (a + n)])  # fmt: skip
            h, c, before, apart, places = out, cells, now, next_row, starts


@loop("contract")
def lstm_layer_back(
    from_out: Vector, from_cells: Vector, cx: Vector, panels: Vector, plan: Ints, table: Ints,
    lines: Ints, cells: Vector, gates: Vector, slopes: Vector, total: Vector, work: Vector,
    lo: int, hi: int,
) -> None:  # fmt: skip
    """`work` starts with zeros and is left with the gradient of hx, `total` with that of cx."""
    steps, batch, next_step, next_row, last, n, width = plan
    starts, each = table[:ROWS], table[2 * ROWS :]
    for part in range(lo, hi):
        first, to = part * ROWS, part * ROWS * width
        memory = work[work.size - (part + 1) * n : work.size - part * n]
        count = min(ROWS, batch - first)
        for step in range(steps - 1, -1, -1):
            now = abs(last - step) * next_step + first * next_row
            before, apart, c = first, 1, cx
            if step > 0:
                before, c = abs(last - step + 1) * next_step + first * next_row, cells
                apart = next_row
            for r in range(count):
                a, b, w = (now + r * next_row) * n, (before + r * apart) * n, to + r * width
                u, kept = work[w : w + n], total[(first + r) * n : (first + r + 1) * n]
                if from_out.size:
                    add_to(from_out[a : a + n], u)
                if from_cells.size:
                    add_to(from_cells[a : a + n], kept)
                lstm_slopes(u, c[b : b + n], cells[a : a + n], gates[4 * a : 4 * (a + n)],
                            slopes[4 * a : 4 * (a + n)], kept, memory)  # fmt: skip
            times(count, slopes, now * 4 * n, starts, each, 4 * n, panels, lines, work, to, width)


@loop("contract")
def gru_layer_rows(
    x: Vector, hx: Vector, bias: Vector, panels: Vector, plan: Ints, table: Ints, lines: Ints,
    out: Vector, gates: Vector, work: Vector, lo: int, hi: int,
) -> None:  # fmt: skip
    steps, batch, next_step, next_row, last, n, width = plan
    starts, first_starts, each = table[:ROWS], table[ROWS : 2 * ROWS], table[2 * ROWS :]
    for part in range(lo, hi):
        first, to = part * ROWS, part * ROWS * width
        count = min(ROWS, batch - first)
        h, before, apart, places = hx, first, 1, first_starts
        for step in range(steps):
            now = abs(last - step) * next_step + first * next_row
            times(count, h, before * n, places, each, n, panels, lines, work, to, width)
            for r in range(count):
                a, b, w = (now + r * next_row) * n, (before + r * apart) * n, to + r * width
                gru_row(x[3 * a : 3 * (a + n)], work[w : w + width], bias, h[b : b + n],
                        out[a : a + n], gates[4 * a : 4 * (a + n)])  # fmt: skip
            h, before, apart, places = out, now, next_row, starts


@loop("contract")
def gru_layer_back(
    from_out: Vector, hx: Vector, panels: Vector, plan: Ints, table: Ints, lines: Ints,
    out: Vector, gates: Vector, slopes: Vector, own: Vector, total: Vector, work: Vector,
    lo: int, hi: int,
) -> None:  # fmt: skip
    """`total` is left with the gradient of hx."""
    steps, batch, next_step, next_row, last, n, width = plan
    starts, each = table[:ROWS], table[2 * ROWS :]
    for part in range(lo, hi):
        first, to = part * ROWS, part * ROWS * width
        count = min(ROWS, batch - first)
        for step in range(steps - 1, -1, -1):
            now = abs(last - step) * next_step + first * next_row
            before, apart, h = first, 1, hx
            if step > 0:
                before, h = abs(last - step + 1) * next_step + first * next_row, out
                apart = next_row
            for r in range(count):
                a, b = (now + r * next_row) * n, (before + r * apart) * n
                u = total[(first + r) * n : (first + r + 1) * n]
                if from_out.size:
                    add_to(from_out[a : a + n], u)
                gru_slopes(u, h[b : b + n], gates[4 * a : 4 * (a + n)], slopes[3 * a : 3 * (a + n)],
                           own[3 * a : 3 * (a + n)])  # fmt: skip
            times(count, own, now * 3 * n, starts, each, 3 * n, panels, lines, work, to, width)
            for r in range(count):
                w = to + r * width
                add_to(work[w : w + n], total[(first + r) * n : (first + r + 1) * n])


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
    hy, cy, zeros = like(cx), like(cx), np.zeros(gates.shape[-1], F32)
    lstm_rows(*share(cx), matrix(gates), zeros, *map(matrix, (cx, hy, cy)), scratch(gates))
    return hy, cy


@kernel("lstm_gates_grad")
def lstm_gates_grad(grad_hy: Array | None, grad_cy: Array | None, gates: Array, cx: Array) -> Any:
    h, c = (np.zeros_like(cx) if g is None else np.ascontiguousarray(g) for g in (grad_hy, grad_cy))
    if not fits(4, gates, h, c, cx):
        return NotImplemented
    out, out_c, work = like(gates), like(cx), scratch(gates, 2 * cx.shape[-1])
    zeros = np.zeros(gates.shape[-1], F32)
    lstm_back(
        *share(cx), *map(matrix, (h, c, gates)), zeros, *map(matrix, (cx, out, out_c)), work
    )  # fmt: skip
    return out, out_c


@kernel("gru_gates", 64)
def gru_gates(x_gates: Array, h_gates: Array, hx: Array) -> Any:
    if not fits(3, x_gates, h_gates, hx):
        return NotImplemented
    hy, zeros, work = like(hx), np.zeros(x_gates.shape[-1], F32), scratch(x_gates, hx.shape[-1])
    gru_rows(
        *share(hx), matrix(x_gates), matrix(h_gates), zeros, matrix(hx), matrix(hy), work
    )  # fmt: skip
    return hy


@kernel("gru_gates_grad", 64)
def gru_gates_grad(grad: Array, x_gates: Array, h_gates: Array, hx: Array) -> Any:
    grad = np.ascontiguousarray(grad)
    if not fits(3, x_gates, h_gates, grad, hx):
        return NotImplemented
    outs = like(x_gates), like(h_gates), like(hx)
    given, zeros = map(matrix, (grad, x_gates, h_gates)), np.zeros(x_gates.shape[-1], F32)
    work = scratch(x_gates, hx.shape[-1])
    gru_back(*share(hx), *given, zeros, matrix(hx), *map(matrix, outs), work)
    return outs


class Layer:
    """How a layer's loop runs: where the rows of its steps lie, its parts, the packed weight.

    Args:
        size: of the states of all steps.
        batch_first, reverse: as the ops have them.
        weight: the state's weight, (gates n, n).
        back: whether rows of gates times the weight are wanted, not rows of states times its
            transpose.
    """

    def __init__(
        self, size: tuple[int, ...], batch_first: bool, reverse: bool, weight: Array, back: bool
    ) -> None:
        steps, self.batch = size[:2][:: -1 if batch_first else 1]
        depth, width = weight.shape if back else weight.shape[::-1]
        block = -(-depth // (-(-depth // DEPTH) * LANES)) * LANES
        self.parts, self.n, self.width = -(-self.batch // ROWS), size[2], -(-width // LANES) * LANES
        apart = (1, steps) if batch_first else (self.batch, 1)
        last = steps - 1 if reverse else 0
        plan = np.array((steps, self.batch, *apart, last, self.n, self.width))
        rows = _gemm.steps(ROWS, depth)
        table = np.concatenate((rows * apart[1], rows, _gemm.steps(block, 1)))
        panels = _gemm.packed(weight, not back, block)
        self.places = panels, plan, table, _gemm.steps(block, LANES)
        self.work = np.zeros(self.parts * ROWS * self.width + (self.parts * self.n) * back, F32)

    def first(self) -> Array:
        """What the first step left, of `work`."""
        rows = self.work[: self.parts * ROWS * self.width].reshape(-1, self.width)
        return rows[: self.batch, : self.n].copy()


def right(gates: int, weight: Array, states: Array, *starts: Array, batch_first: bool) -> bool:
    """Whether first states and weight are dense and fit the states of all steps."""
    n = states.shape[2]
    size = (states.shape[1 - batch_first], n)
    return (
        states.size > 0 and weight.shape == (gates * n, n)
        and all(a.shape == size for a in starts)
        and all(dense(a) for a in (weight, states, *starts))
    )  # fmt: skip


def given(grad: Array | None) -> Array:
    """A cotangent, dense; empty where there is none."""
    return np.empty(0, F32) if grad is None else np.ascontiguousarray(grad)


@kernel("lstm_layer", 1024)
def lstm_layer(
    x: Array, hx: Array, cx: Array, weight: Array, batch_first: bool = False, reverse: bool = False
) -> Any:  # fmt: skip
    size = (*x.shape[:2], hx.shape[-1])
    if not dense(x) or x.shape[2] != 4 * size[2]:
        return NotImplemented
    out, cells, gates = empty(size, F32), empty(size, F32), like(x)
    if not right(4, weight, out, hx, cx, batch_first=batch_first):
        return NotImplemented
    layer = Layer(size, batch_first, reverse, weight, False)
    lstm_layer_rows(layer.parts, 1, x, hx, cx, *layer.places, out, cells, gates, layer.work)
    return out, cells, gates


@kernel("lstm_layer_grad")
def lstm_layer_grad(
    grad_out: Array | None, grad_cells: Array | None, grad_gates: Array | None, cx: Array,
    weight: Array, cells: Array, gates: Array, batch_first: bool, reverse: bool,
) -> Any:  # fmt: skip
    if grad_gates is not None or not right(4, weight, cells, cx, batch_first=batch_first):
        return NotImplemented
    layer = Layer(cells.shape, batch_first, reverse, weight, True)
    grads, slopes, total = (
        [given(g) for g in (grad_out, grad_cells)],
        like(gates),
        np.zeros_like(cx),
    )
    lstm_layer_back(
        layer.parts, 1, *grads, cx, *layer.places, cells, gates, slopes, total, layer.work
    )  # fmt: skip
    return slopes, layer.first(), total


@kernel("gru_layer", 1024)
def gru_layer(
    x: Array, hx: Array, weight: Array, bias: Array | None, batch_first: bool = False,
    reverse: bool = False,
) -> Any:  # fmt: skip
    n = hx.shape[-1]
    shift = np.zeros(3 * n, F32) if bias is None else bias
    if not (dense(x) and dense(shift)) or x.shape[2] != 3 * n or shift.shape != (3 * n,):
        return NotImplemented
    out, gates = (empty((*x.shape[:2], k * n), F32) for k in (1, 4))
    if not right(3, weight, out, hx, batch_first=batch_first):
        return NotImplemented
    layer = Layer(out.shape, batch_first, reverse, weight, False)
    gru_layer_rows(layer.parts, 1, x, hx, shift, *layer.places, out, gates, layer.work)
    return out, gates


@kernel("gru_layer_grad")
def gru_layer_grad(
    grad_out: Array | None, grad_gates: Array | None, hx: Array, weight: Array, states: Array,
    gates: Array, batch_first: bool, reverse: bool,
) -> Any:  # fmt: skip
    if grad_gates is not None or not right(3, weight, states, hx, batch_first=batch_first):
        return NotImplemented
    layer = Layer(states.shape, batch_first, reverse, weight, True)
    slopes, own = (empty((*states.shape[:2], 3 * layer.n), F32) for _ in range(2))
    total = np.zeros_like(hx)
    places = *layer.places, states, gates, slopes, own, total, layer.work
    gru_layer_back(layer.parts, 1, given(grad_out), hx, *places)
    return slopes, own, total
