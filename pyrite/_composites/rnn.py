"""Recurrent cells and layers: products of sequences with weights, then the gates' ops.

A layer's input product is one for all steps; each step then makes the state's product and calls
the gates. Weights come as torch orders them: per layer and direction w_ih, w_hh, then b_ih, b_hh
if there are biases, then w_hr if the state is projected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from .._tensor import F, Tensor
from ._register import named
from .dropout import dropout as drop

State = tuple[Tensor, ...]
Weights = Sequence[Tensor | None]


def _lstm_step(x: Tensor, state: State, w: Tensor, b: Any, w_hr: Tensor | None) -> State:
    hy, cy = F.lstm_gates(F.add(x, F.linear(state[0], w, b)), state[1])
    return hy if w_hr is None else F.linear(hy, w_hr, None), cy


def _gru_step(x: Tensor, state: State, w: Tensor, b: Any, w_hr: Tensor | None) -> State:
    return (F.gru_gates(x, F.linear(state[0], w, b), state[0]),)


def _elman_step(function: str) -> Callable[..., State]:
    def step(x: Tensor, state: State, w: Tensor, b: Any, w_hr: Tensor | None) -> State:
        return (getattr(F, function)(F.add(x, F.linear(state[0], w, b))),)

    return step


STEPS: dict[str, Callable[..., State]] = {
    "lstm": _lstm_step, "gru": _gru_step, "rnn_tanh": _elman_step("tanh"),
    "rnn_relu": _elman_step("relu"),
}  # fmt: skip


def _lstm_layer(x: Tensor, state: State, weights: Weights, *way: bool) -> State:
    w_ih, w_hh, b_ih, b_hh, _ = weights
    bias = b_ih if b_hh is None else F.add(b_ih, b_hh)
    return F.lstm_layer(F.linear(x, w_ih, bias), *state, w_hh, *way)[:2]


def _gru_layer(x: Tensor, state: State, weights: Weights, *way: bool) -> State:
    w_ih, w_hh, b_ih, b_hh, _ = weights
    return F.gru_layer(F.linear(x, w_ih, b_ih), *state, w_hh, b_hh, *way)[:1]


LAYERS: dict[str, Callable[..., State]] = {"lstm": _lstm_layer, "gru": _gru_layer}


def _rows(state: State, start: int, stop: int | None) -> State:
    return tuple([F.slice(s, (slice(start, stop),)) for s in state])


def _joined(parts: Sequence[State]) -> State:
    return parts[0] if len(parts) == 1 else tuple([F.cat(p, 0) for p in zip(*parts, strict=True)])


def _direction(
    name: str, x: Tensor, sizes: Sequence[int] | None, start: State, weights: Weights,
    batch_first: bool, reverse: bool,
) -> tuple[Tensor, State]:  # fmt: skip
    """One layer in one direction: its outputs by time and its last state.

    `x` (time, batch, features) or (batch, time, features), or with `sizes` packed: the first
    `sizes[t]` sequences, longest first, have a step t. Ended sequences keep their state; backwards
    they enter one by one.
    """
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    axis = 1 if batch_first else 0
    if sizes is None and w_hr is None and name in LAYERS:
        states = LAYERS[name](x, start, weights, batch_first, reverse)
        last = (0 if reverse else -1,)
        return states[0], tuple([F.slice(s, (slice(None),) * axis + last) for s in states])
    gates = F.linear(x, w_ih, b_ih)
    inputs = F.unbind(gates, axis) if sizes is None else F.split(gates, tuple(sizes), 0)
    step, outputs, ended = STEPS[name], [], []
    packed = sizes is not None
    state = _rows(start, 0, sizes[-1]) if packed and reverse else start  # type: ignore[index]
    for x_t in reversed(inputs) if reverse else inputs:
        now, before = x_t.array.shape[0], state[0].array.shape[0]
        if packed and now < before:
            ended.append(_rows(state, now, None))
            state = _rows(state, 0, now)
        elif packed and now > before:
            state = _joined([state, _rows(start, before, now)])
        state = step(x_t, state, w_hh, b_hh, w_hr)
        outputs.append(state[0])
    outputs = outputs[::-1] if reverse else outputs
    return (F.cat if packed else F.stack)(outputs, axis), _joined([state, *ended[::-1]])


def _groups(params: Weights, has_biases: bool, count: int) -> Iterator[Weights]:
    """The weights per layer and direction, None where there is none."""
    each = len(params) // count
    for i in range(0, len(params), each):
        group = list(params[i : i + each])
        if not has_biases:
            group[2:2] = [None, None]
        yield [*group, None][:5]


def _recurrent(
    name: str, x: Tensor, sizes: Sequence[int] | None, states: State, params: Weights,
    has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool,
    batch_first: bool = False,
) -> tuple[Tensor, ...]:  # fmt: skip
    """All layers: output and last states, each (layers * directions, batch, features)."""
    directions = 2 if bidirectional else 1
    weights = list(_groups(params, has_biases, num_layers * directions))
    starts = list(zip(*[F.unbind(s, 0) for s in states], strict=True))
    lasts: list[State] = []
    for layer in range(num_layers):
        if layer and dropout and train:
            x = drop(x, dropout)
        found = []
        for way in range(directions):
            i = layer * directions + way
            out, last = _direction(name, x, sizes, starts[i], weights[i], batch_first, way == 1)
            found.append(out)
            lasts.append(last)
        x = found[0] if directions == 1 else F.cat(found, -1)
    return (x, *[F.stack(each, 0) for each in zip(*lasts, strict=True)])


def _layer(name: str) -> None:
    def layers(input: Tensor, *args: Any) -> tuple[Tensor, ...]:
        packed = isinstance(args[2], list | tuple)
        sizes, (hx, params, *rest) = (args[0].tolist(), args[1:]) if packed else (None, args)
        states = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        return _recurrent(name, input, sizes, states, params, *rest)

    doc = (
        f"Layers of {name}: (input, hx, params, has_biases, num_layers, dropout, train, "
        "bidirectional, batch_first), or packed (data, batch_sizes, hx, params, ..., bidirectional)"
        ". Returns the output and the last states."
    )
    named(layers, name, "f", doc)


def _cell(name: str) -> None:
    step = STEPS[name]

    def cell(
        input: Tensor, hx: Any, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
        b_hh: Tensor | None = None,
    ) -> Any:  # fmt: skip
        state = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        out = step(F.linear(input, w_ih, b_ih), state, w_hh, b_hh, None)
        return out if len(out) > 1 else out[0]

    named(cell, f"{name}_cell", "f", f"One step of {name}: the new state (a pair for the LSTM).")


for _name in STEPS:
    _layer(_name)
    _cell(_name)
