"""Recurrent layers and cells: RNN, LSTM, GRU."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ..._exports import EXPORTS
from ..._tensor import F, Parameter, Tensor
from .. import init
from ..utils.rnn import PackedSequence
from ._make import add_parameters, facts, unusual
from .module import Module

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def _draw(module: Module, hidden_size: int) -> None:
    """Every weight and bias uniform in ±1/√hidden_size."""
    bound = hidden_size**-0.5 if hidden_size > 0 else 0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


class RNNBase(Module):
    """What RNN, LSTM and GRU share.

    Args:
        mode: "LSTM", "GRU", "RNN_TANH" or "RNN_RELU".
        input_size: features of the input.
        hidden_size: features of the state.
        num_layers: layers on top of each other.
        bias: whether products have biases.
        batch_first: whether input and output are (batch, time, features) and not (time, batch,
            features). The states stay (layers * directions, batch, features).
        dropout: probability of zeroing between layers, while training.
        bidirectional: whether a second direction reads the sequence from its end.
        proj_size: size that an LSTM's hidden state is projected to; 0 for none.

    The input may be unbatched (time, features), or a PackedSequence. Weights are named
    `weight_ih_l0`, `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, `weight_hr_l0`, with `_reverse`
    for the second direction, and start uniform in ±1/√hidden_size.
    """

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False,
        proj_size: int = 0, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional = float(dropout), bidirectional
        self.proj_size = proj_size
        self._check_arguments(dropout)
        self._groups: list[list[str]] = []
        out, directions = proj_size or hidden_size, 2 if bidirectional else 1
        gates = _GATES[mode] * hidden_size
        for layer in range(num_layers):
            for suffix in ("", "_reverse")[:directions]:
                size = out * directions if layer else input_size
                sizes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (gates, size),
                    "weight_hh": (gates, out),
                }
                if bias:
                    sizes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size:
                    sizes |= {"weight_hr": (proj_size, hidden_size)}
                named = {f"{name}_l{layer}{suffix}": size for name, size in sizes.items()}
                add_parameters(self, device, dtype, **named)
                self._groups.append(list(named))
        self.reset_parameters()

    def _check_arguments(self, dropout: Any) -> None:
        if (
            not isinstance(dropout, int | float)
            or isinstance(dropout, bool)
            or not 0 <= dropout <= 1
        ):
            raise ValueError(
                "dropout should be a number in range [0, 1] representing the probability of an "
                f"element being zeroed, got {dropout!r}"
            )
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                "dropout option adds dropout after all but last recurrent layer, so non-zero "
                f"dropout expects num_layers greater than 1, but got dropout={dropout} and "
                "num_layers=1",
                stacklevel=4,
            )
        kinds = {"bias": bool, "batch_first": bool, "input_size": int, "hidden_size": int}
        for name, kind in kinds.items():
            if type(value := getattr(self, name)) is not kind:
                found = type(value).__name__
                raise TypeError(f"{name} should be of type {kind.__name__}, got: {found}")
        for name in ("input_size", "hidden_size", "num_layers"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be greater than zero, got {getattr(self, name)}")
        if self.proj_size < 0:
            raise ValueError(
                "proj_size should be a positive integer or zero to disable projections, got "
                f"{self.proj_size}"
            )
        if self.proj_size >= self.hidden_size:
            raise ValueError(
                f"proj_size has to be smaller than hidden_size, got {self.proj_size} and "
                f"{self.hidden_size}"
            )

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        _draw(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """For programs that ask for contiguous weights; each step's products need none."""

    @property
    def _flat_weights(self) -> list[Parameter]:
        return [getattr(self, name) for group in self._groups for name in group]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights, per layer and direction."""
        return [[getattr(self, name) for name in group] for group in self._groups]

    # ---- forward

    def forward(self, input: Any, hx: Any = None) -> Any:
        """(output, state): output (time, batch, directions * features) or as the input came."""
        packed = isinstance(input, PackedSequence)
        data, batched = (input.data, True) if packed else self._batched(input)
        batch = input.batch_sizes[0].item() if packed else data.size(0 if self.batch_first else 1)
        states = self._states(hx, data, int(batch), batched, input if packed else None)
        if data.size(-1) != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{data.size(-1)}"
            )
        kind = self.weight_ih_l0.dtype
        if data.dtype is not kind:
            raise ValueError(
                f"RNN input dtype ({data.dtype}) does not match weight dtype ({kind}). Convert "
                f"input: input.to({kind}), or convert model: model.to({data.dtype})"
            )
        run = EXPORTS[""][self.mode.lower()]()
        given = states if self.mode == "LSTM" else states[0]
        sizes = (input.batch_sizes,) if packed else ()
        last_option = () if packed else (self.batch_first,)
        out, *last = run(
            data, *sizes, given, self._flat_weights, self.bias, self.num_layers, self.dropout,
            self.training, self.bidirectional, *last_option,
        )  # fmt: skip
        if packed:
            out = PackedSequence(out, *input[1:])
            last = [_ordered(s, input.unsorted_indices) for s in last]
        elif not batched:
            out = out.squeeze(0 if self.batch_first else 1)
            last = [s.squeeze(1) for s in last]
        return out, tuple(last) if self.mode == "LSTM" else last[0]

    def _batched(self, input: Tensor) -> tuple[Tensor, bool]:
        if input.dim() not in (2, 3):
            raise ValueError(
                f"{self._get_name()}: Expected input to be 2D or 3D, got {input.dim()}D instead"
            )
        batched = input.dim() == 3
        return input if batched else input.unsqueeze(0 if self.batch_first else 1), batched

    def _sizes(self, batch: int) -> list[tuple[int, int, int]]:
        """The shapes of the states."""
        rows, out = len(self._groups), self.proj_size or self.hidden_size
        sizes = [(rows, batch, out), (rows, batch, self.hidden_size)]
        return sizes[: 2 if self.mode == "LSTM" else 1]

    def _states(
        self, hx: Any, data: Tensor, batch: int, batched: bool, packed: PackedSequence | None
    ) -> tuple[Tensor, ...]:
        """The states given, batched and in packed order, or zeros."""
        sizes = self._sizes(batch)
        if hx is None:
            return tuple([F.full(s, 0.0, data.dtype, device=data.device) for s in sizes])
        states = tuple(hx) if self.mode == "LSTM" else (hx,)
        if any(s.dim() != (3 if batched else 2) for s in states):
            what, how = ("batched", 3) if batched else ("unbatched", 2)
            names = "hx and cx should" if self.mode == "LSTM" else "hx should"
            found = ", ".join(f"{s.dim()}-D" for s in states)
            raise RuntimeError(
                f"For {what} {how}-D input, {names} also be {how}-D but got ({found}) tensors"
            )
        states = states if batched else tuple([s.unsqueeze(1) for s in states])
        for i, (state, size) in enumerate(zip(states, sizes, strict=True)):
            if tuple(state.shape) != size:
                name = f"hidden[{i}]" if self.mode == "LSTM" else "hidden"
                raise RuntimeError(f"Expected {name} size {size}, got {list(state.shape)}")
        if packed is not None:
            states = tuple([_ordered(s, packed.sorted_indices) for s in states])
        return states

    def extra_repr(self) -> str:
        shown = unusual(
            self, proj_size=0, num_layers=1, bias=True, batch_first=False, dropout=0,
            bidirectional=False,
        )  # fmt: skip
        return f"{self.input_size}, {self.hidden_size}, {facts(self, *shown)}".rstrip(", ")


def _ordered(state: Tensor, order: Tensor | None) -> Tensor:
    return state if order is None else state.index_select(1, order)


class RNN(RNNBase):
    """Elman's network: `h = tanh(W_ih x + b_ih + W_hh h + b_hh)`, or with ReLU (see `RNNBase`)."""

    def __init__(
        self, input_size: int, hidden_size: int, num_layers: int = 1, nonlinearity: str = "tanh",
        bias: bool = True, batch_first: bool = False, dropout: float = 0.0,
        bidirectional: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional, 0, device, dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory (Hochreiter & Schmidhuber 1997); its state is (h, c).

    `i, f, o = σ(gates)`, `g = tanh(gate)`, `c = f c + i g`, `h = o tanh(c)` (see `RNNBase`).
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent unit (Cho et al. 2014), in PyTorch's form (see `RNNBase`).

    `r, z = σ(gates)`, `n = tanh(x_n + r h_n)`, `h = (1 - z) n + z h`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *args, **kwargs)


# ---- cells


class RNNCellBase(Module):
    """What the cells share: `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`."""

    function: str
    usual: dict[str, Any] = {"bias": True}  # what the text form leaves out

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        n = num_chunks * hidden_size
        shift = (n,) if bias else None
        add_parameters(
            self, device, dtype, weight_ih=(n, input_size), weight_hh=(n, hidden_size),
            bias_ih=shift, bias_hh=shift,
        )  # fmt: skip
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights anew, uniform in ±1/√hidden_size."""
        _draw(self, self.hidden_size)

    def _step(self, input: Tensor, states: Sequence[Tensor] | None, count: int = 1) -> Any:
        """One step from (batch, features) or (features,); the new states, shaped alike."""
        name = self._get_name()
        _check_dims(name, "input", input)
        batched = input.dim() == 2
        x = input if batched else input.unsqueeze(0)
        if states is None:
            zeros = F.full((x.size(0), self.hidden_size), 0.0, x.dtype, device=x.device)
            states = (zeros,) * count
        else:
            for i, state in enumerate(states):
                _check_dims(name, f"hx[{i}]" if count > 1 else "hidden", state)
            states = tuple([s if batched else s.unsqueeze(0) for s in states])
        run = EXPORTS[""][f"{self.function}_cell"]()
        out = run(
            x, states if count > 1 else states[0], self.weight_ih, self.weight_hh, self.bias_ih,
            self.bias_hh,
        )  # fmt: skip
        if batched:
            return out
        return tuple([s.squeeze(0) for s in out]) if count > 1 else out.squeeze(0)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        out: Tensor = self._step(input, None if hx is None else (hx,))
        return out

    def extra_repr(self) -> str:
        shown = unusual(self, **self.usual)
        return f"{self.input_size}, {self.hidden_size}, {facts(self, *shown)}".rstrip(", ")


def _check_dims(name: str, what: str, value: Tensor) -> None:
    if value.dim() not in (1, 2):
        raise ValueError(f"{name}: Expected {what} to be 1D or 2D, got {value.dim()}D instead")


class RNNCell(RNNCellBase):
    """One step of `RNN`: input (batch, input_size), state and output (batch, hidden_size)."""

    usual = {"bias": True, "nonlinearity": "tanh"}

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh",
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    @property
    def function(self) -> str:  # type: ignore[override]
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"Unknown nonlinearity: {self.nonlinearity}")
        return f"rnn_{self.nonlinearity}"


class _GatedCell(RNNCellBase):
    """A cell of several gates."""

    gates: int

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, self.gates, device, dtype)


class LSTMCell(_GatedCell):
    """One step of `LSTM`: input (batch, input_size) and states (h, c) to the new (h, c)."""

    function, gates = "lstm", 4

    def forward(  # type: ignore[override]
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        out: tuple[Tensor, Tensor] = self._step(input, hx, 2)
        return out


class GRUCell(_GatedCell):
    """One step of `GRU`: input (batch, input_size), state and output (batch, hidden_size)."""

    function, gates = "gru", 3
