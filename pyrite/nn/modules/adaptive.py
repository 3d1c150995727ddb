"""Softmax over many classes, the rare ones in clusters (Grave et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ..._tensor import F as _ops
from ..._tensor import Tensor
from .. import functional
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

F: Any = functional


class AdaptiveOutput(NamedTuple):
    """Log-probability of each target, and the negative mean of them."""

    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """Log-softmax whose head knows the frequent classes, and each cluster of rarer ones as one.

    Classes are sorted by falling frequency; `cutoffs` are the first class of each cluster.
    Cluster i has a projection to in_features / div_value**(i + 1).
    """

    def __init__(
        self, in_features: int, n_classes: int, cutoffs: Sequence[int], div_value: float = 4.0,
        head_bias: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        edges = list(cutoffs)
        if not edges:
            raise ValueError("cutoffs should be a sequence of length larger than 0")
        whole = all(int(c) == c for c in edges)
        if not whole or edges != sorted(set(edges)) or not 0 < edges[0] <= edges[-1] < n_classes:
            raise ValueError(
                "cutoffs should be a sequence of unique, positive integers sorted in an increasing "
                f"order, where each value is between 1 and n_classes-1; got {cutoffs}"
            )
        self.in_features, self.n_classes, self.div_value = in_features, n_classes, div_value
        self.cutoffs, self.head_bias = [*edges, n_classes], head_bias
        self.shortlist_size, self.n_clusters = edges[0], len(edges)
        self.head_size = self.shortlist_size + self.n_clusters
        self.head = Linear(in_features, self.head_size, head_bias, device, dtype)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(self._clusters()):
            width = int(in_features // div_value ** (i + 1))
            self.tail.append(
                Sequential(
                    Linear(in_features, width, False, device, dtype),
                    Linear(width, high - low, False, device, dtype),
                )
            )

    def _clusters(self) -> list[tuple[int, int]]:
        """The first class of each cluster, and the one behind its last."""
        return list(zip(self.cutoffs[:-1], self.cutoffs[1:], strict=True))

    def reset_parameters(self) -> None:
        """Draw all weights anew."""
        for layer in (self.head, *[part for pair in self.tail for part in pair]):
            layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> AdaptiveOutput:
        if (
            target_.ndim > 1
            or input_.ndim != target_.ndim + 1
            or input_.shape[:-1] != target_.shape
        ):
            raise RuntimeError(
                "expected input (batch, in_features) and target (batch,), or without the batch: "
                "Input and target should have the same size in the batch dimension; got "
                f"{list(input_.shape)} and {list(target_.shape)}"
            )
        x, index = (
            (input_, target_) if target_.ndim else (input_.unsqueeze(0), target_.unsqueeze(0))
        )
        if index.numel() and not 0 <= int(index.min()) <= int(index.max()) < self.n_classes:
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], but values in range "
                f"[{int(index.min())}, {int(index.max())}] were found."
            )
        place, rest = index, []
        for i, (low, high) in enumerate(self._clusters()):
            held = (index >= low) & (index < high)
            place = place.masked_fill(held, self.shortlist_size + i)
            rows = held.nonzero().squeeze(1)
            if rows.numel():
                inside = F.log_softmax(self.tail[i](x[rows]), 1)
                rest.append((rows, inside.gather(1, (index[rows] - low).unsqueeze(1)).squeeze(1)))
        output = F.log_softmax(self.head(x), 1).gather(1, place.unsqueeze(1)).squeeze(1)
        for rows, values in rest:
            output = output.index_add(0, rows, values)
        return AdaptiveOutput(output if target_.ndim else output.squeeze(0), -output.mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """Log-probabilities (batch, n_classes)."""
        head: Any = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for at, tail in enumerate(self.tail, self.shortlist_size):
            parts.append(F.log_softmax(tail(input), 1) + head[:, at : at + 1])
        return _ops.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The most probable class of each row: (batch,)."""
        return self.log_prob(input).argmax(1)
