"""Losses."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from ._make import FunctionModule, declared

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "KLDivLoss", "L1Loss",
    "MSELoss", "NLLLoss", "SmoothL1Loss",
]  # fmt: skip


class _Loss(FunctionModule):
    """Calls `nn.functional.<function>(input, target, ...)`; `reduction` mean, sum or none."""

    options = ("reduction",)
    hidden = ("size_average", "reduce")

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        self.size_average, self.reduce, self.reduction = size_average, reduce, reduction
        self.__post_init__()

    def __post_init__(self) -> None:
        """Translate torch's old pair of switches; tensors are buffers."""
        average, reduce = (self.__dict__.pop(name, None) for name in self.hidden)
        if average is not None or reduce is not None:
            summed = "sum" if average is False else "mean"
            self.reduction = "none" if reduce is False else summed
        for name in [n for n in ("weight", "pos_weight") if n in self.__dict__]:
            self.register_buffer(name, self.__dict__.pop(name))

    def forward(self, input: Tensor, target: Tensor) -> Any:  # type: ignore[override]
        return self._call(input, target)


class MSELoss(_Loss):
    """Mean squared difference."""

    function = "mse_loss"


class L1Loss(_Loss):
    """Mean absolute difference."""

    function = "l1_loss"


@declared
class SmoothL1Loss(_Loss):
    """Squared below `beta`, linear above (Girshick 2015)."""

    function = "smooth_l1_loss"
    size_average: Any = None
    reduce: Any = None
    reduction: str = "mean"
    beta: float = 1.0


@declared
class HuberLoss(_Loss):
    """Squared below `delta`, linear above (Huber 1964)."""

    function = "huber_loss"
    reduction: str = "mean"
    delta: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.delta, int | float):
            raise TypeError(f"delta must be a float or int, got: {type(self.delta)}")


@declared
class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of targets from log-probabilities."""

    function = "kl_div"
    size_average: Any = None
    reduce: Any = None
    reduction: str = "mean"
    log_target: bool = False


@declared
class NLLLoss(_Loss):
    """Negative log-likelihood of class indices, from log-probabilities (N, C, ...)."""

    function = "nll_loss"
    weight: Tensor | None = None
    size_average: Any = None
    ignore_index: int = -100
    reduce: Any = None
    reduction: str = "mean"


@declared
class CrossEntropyLoss(_Loss):
    """Cross entropy of scores (N, C, ...) and class indices or class probabilities."""

    function = "cross_entropy"
    weight: Tensor | None = None
    size_average: Any = None
    ignore_index: int = -100
    reduce: Any = None
    reduction: str = "mean"
    label_smoothing: float = 0.0


@declared
class BCELoss(_Loss):
    """Binary cross entropy of probabilities and targets in [0, 1]."""

    function = "binary_cross_entropy"
    weight: Tensor | None = None
    size_average: Any = None
    reduce: Any = None
    reduction: str = "mean"


@declared
class BCEWithLogitsLoss(_Loss):
    """Binary cross entropy of scores and targets, computed stably."""

    function = "binary_cross_entropy_with_logits"
    weight: Tensor | None = None
    size_average: Any = None
    reduce: Any = None
    reduction: str = "mean"
    pos_weight: Tensor | None = None
