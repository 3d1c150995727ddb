"""Sequences of different lengths: padded into one tensor, or packed without padding."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from ..._dtypes import int64
from ..._tensor import F, Tensor

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class _Packed(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Packed):
    """Sequences laid step by step, the longest first.

    Attributes:
        data: (sum of lengths, ...), all first steps, then all second steps, and so on.
        batch_sizes: int64 (longest length,): how many sequences have each step.
        sorted_indices, unsorted_indices: int64 (batch,), how the sequences were sorted by length
            and how to undo it; None if they came sorted.
    """

    def __new__(
        cls, data: Tensor, batch_sizes: Tensor, sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:  # fmt: skip
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. Instances of PackedSequence should never be "
                "created manually. They should be instantiated by functions like "
                "pack_sequence and pack_padded_sequence in nn.utils.rnn"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """Another dtype or device for `data`; the indices follow its device."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = [None if i is None else i.to(data.device) for i in self[2:]]
        return type(self)(data, self.batch_sizes, *indices)

    def cpu(self) -> PackedSequence:
        return self.to("cpu")

    def cuda(self, device: Any = None) -> PackedSequence:
        return self.to("cuda" if device is None else device)

    def __getattr__(self, name: str) -> Any:
        """`double()`, `half()`, `long()` and the like, of the data."""
        if name not in _CASTS:
            raise AttributeError(f"'PackedSequence' object has no attribute {name!r}")
        return lambda: self.to(getattr(self.data, name)().dtype)

    @property
    def is_cuda(self) -> bool:
        return self.data.is_cuda

    def pin_memory(self) -> PackedSequence:
        return type(self)(self.data.pin_memory(), *self[1:])

    def is_pinned(self) -> bool:
        return bool(self.data.is_pinned())


_CASTS = frozenset(("double", "float", "half", "long", "int", "short", "char", "byte"))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes one: int64 (n,)."""
    if permutation is None:
        return None
    places = F.arange(0, permutation.numel(), 1, permutation.dtype, device=permutation.device)
    out: Tensor = F.scatter(F.zeros_like(permutation), 0, permutation, places)
    return out


def pack_padded_sequence(
    input: Tensor, lengths: Tensor | Sequence[int], batch_first: bool = False,
    enforce_sorted: bool = True,
) -> PackedSequence:  # fmt: skip
    """Pack padded sequences (time, batch, ...), or (batch, time, ...) with `batch_first`.

    Args:
        lengths: of each sequence; decreasing if `enforce_sorted`.

    RuntimeError for lengths that are not positive, not sorted, or of another number.
    """
    if isinstance(lengths, Tensor):
        lengths = lengths.tolist()
    else:
        lengths = list(lengths)
    order = None
    if not enforce_sorted:
        by_length = sorted(range(len(lengths)), key=lambda i: -lengths[i])
        order = _indices(by_length, input.device)
        input = input.index_select(0 if batch_first else 1, order)
        lengths = [lengths[i] for i in by_length]
    batch = input.size(0 if batch_first else 1)
    _check_lengths(lengths, batch)
    steps = input.transpose(0, 1) if batch_first else input
    sizes = [sum(n > t for n in lengths) for t in range(lengths[0])]
    data = F.cat([steps[t, :n] for t, n in enumerate(sizes)], 0)
    return PackedSequence(data, _indices(sizes, "cpu"), order)


def _check_lengths(lengths: Sequence[int], batch: int) -> None:
    if len(lengths) != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {len(lengths)} "
            f"(batch_size={batch})"
        )
    if min(lengths, default=0) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if any(a < b for a, b in pairwise(lengths)):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You "
            "can pass `enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to "
            "sidestep this requirement if you do not need ONNX exportability."
        )


def _indices(values: Iterable[int], device: Any) -> Tensor:
    from ..._composites.create import tensor

    made: Tensor = tensor(list(values), dtype=int64, device=device)
    return made


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(padded (time, batch, ...), lengths): the inverse of `pack_padded_sequence`.

    `total_length`: pad to this length; ValueError if a sequence is longer.
    """
    sizes = sequence.batch_sizes.tolist()
    longest = len(sizes)
    if total_length is not None and total_length < longest:
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but "
            f"got total_length={total_length} and max sequence length being {longest}"
        )
    data, batch, rest = sequence.data, sizes[0], tuple(sequence.data.shape[1:])
    rows = []
    for piece in F.split(data, tuple(sizes), 0):
        missing = (batch - piece.shape[0], *rest)
        fill = F.full(missing, padding_value, data.dtype, device=data.device)
        rows.append(F.cat([piece, fill], 0) if missing[0] else piece)
    blank = (batch, *rest)
    rows += [F.full(blank, padding_value, data.dtype, device=data.device)] * (
        (total_length or longest) - longest
    )
    lengths = _indices([sum(n > i for n in sizes) for i in range(batch)], "cpu")
    out = F.stack(rows, 1 if batch_first else 0)
    order = sequence.unsorted_indices
    if order is None:
        return out, lengths
    return out.index_select(0 if batch_first else 1, order), lengths[order.cpu()]


def pad_sequence(
    sequences: Tensor | Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:  # fmt: skip
    """Stack sequences (length, *) of any lengths into (longest, batch, *), padded at one side."""
    if padding_side not in ("left", "right"):
        raise ValueError(f"padding_side should be either 'right' or 'left', but got {padding_side}")
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    found = list(sequences)
    if not found:
        raise RuntimeError("received an empty list of sequences")
    longest = max(s.size(0) for s in found)
    rows = []
    for s in found:
        missing = (longest - s.size(0), *s.shape[1:])
        fill = F.full(missing, padding_value, s.dtype, device=s.device)
        rows.append(F.cat([s, fill] if padding_side == "right" else [fill, s], 0))
    out: Tensor = F.stack(rows, 0 if batch_first else 1)
    return out


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The sequences of `pad_sequence`, cut to their lengths."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:n] for row, n in zip(rows, lengths.tolist(), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack sequences (length, *) of any lengths."""
    lengths = [s.size(0) for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences of `pack_sequence`."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
