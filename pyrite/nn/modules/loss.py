"""Losses."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from .. import functional
from .module import Module

F: Any = functional

__all__ = [
    "MSELoss", "L1Loss", "SmoothL1Loss", "HuberLoss", "KLDivLoss", "NLLLoss", "CrossEntropyLoss", "BCELoss", "BCEWithLogitsLoss",
]


class _Loss(Module):
    """Calls `nn.functional.<function>(input, target, ...)`; `reduction` mean, sum or none."""

    function: str

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__()
        if size_average is not None or reduce is not None:
            reduction = _old_reduction(size_average, reduce)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return getattr(F, self.function)(input, target, **self._options())  # type: ignore[no-any-return]

    def _options(self) -> dict[str, Any]:
        return {"reduction": self.reduction}


def _old_reduction(size_average: Any, reduce: Any) -> str:
    """torch's old pair of switches as one word."""
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


class MSELoss(_Loss):
    """Mean squared difference."""

    function = "mse_loss"


class L1Loss(_Loss):
    """Mean absolute difference."""

    function = "l1_loss"


class SmoothL1Loss(_Loss):
    """Squared below `beta`, linear above (Girshick 2015)."""

    function = "smooth_l1_loss"

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
        beta: float = 1.0,
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def _options(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "beta": self.beta}


class HuberLoss(_Loss):
    """Squared below `delta`, linear above (Huber 1964)."""

    function = "huber_loss"

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction=reduction)
        if not isinstance(delta, int | float):
            raise TypeError(f"delta must be a float or int, got: {type(delta)}")
        self.delta = delta

    def _options(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "delta": self.delta}


class KLDivLoss(_Loss):
    """Kullback-Leibler divergence of targets from log-probabilities."""

    function = "kl_div"

    def __init__(
        self, size_average: Any = None, reduce: Any = None, reduction: str = "mean",
        log_target: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.log_target = log_target

    def _options(self) -> dict[str, Any]:
        return {"reduction": self.reduction, "log_target": self.log_target}


class _Weighted(_Loss):
    weight: Tensor | None

    def __init__(
        self, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None,
        reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)

    def _options(self) -> dict[str, Any]:
        return {"weight": self.weight, "reduction": self.reduction}


class NLLLoss(_Weighted):
    """Negative log-likelihood of class indices, from log-probabilities (N, C, ...)."""

    function = "nll_loss"

    def __init__(
        self, weight: Tensor | None = None, size_average: Any = None, ignore_index: int = -100,
        reduce: Any = None, reduction: str = "mean",
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "ignore_index": self.ignore_index}


class CrossEntropyLoss(_Weighted):
    """Cross entropy of scores (N, C, ...) and class indices or class probabilities."""

    function = "cross_entropy"

    def __init__(
        self, weight: Tensor | None = None, size_average: Any = None, ignore_index: int = -100,
        reduce: Any = None, reduction: str = "mean", label_smoothing: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index, self.label_smoothing = ignore_index, label_smoothing

    def _options(self) -> dict[str, Any]:
        return {
            **super()._options(), "ignore_index": self.ignore_index,
            "label_smoothing": self.label_smoothing,
        }  # fmt: skip


class BCELoss(_Weighted):
    """Binary cross entropy of probabilities and targets in [0, 1]."""

    function = "binary_cross_entropy"


class BCEWithLogitsLoss(_Weighted):
    """Binary cross entropy of scores and targets, computed stably."""

    function = "binary_cross_entropy_with_logits"

    def __init__(
        self, weight: Tensor | None = None, size_average: Any = None, reduce: Any = None,
        reduction: str = "mean", pos_weight: Tensor | None = None,
    ) -> None:  # fmt: skip
        super().__init__(weight, size_average, reduce, reduction)
        self.register_buffer("pos_weight", pos_weight)
        self.pos_weight: Tensor | None

    def _options(self) -> dict[str, Any]:
        return {**super()._options(), "pos_weight": self.pos_weight}
