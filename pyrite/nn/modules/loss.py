"""Losses."""

from __future__ import annotations

from typing import Any

from ..._tensor import Tensor
from ._make import FunctionModule, made
from .distance import PairwiseDistance


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


class _PairLoss(_Loss):
    def forward(self, input1: Tensor, input2: Tensor, target: Tensor) -> Any:  # type: ignore[override]
        return self._call(input1, input2, target)


class _TripletLoss(_Loss):
    distance_function: Any

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.margin <= 0:
            name = type(self).__name__
            raise ValueError(f"{name}: expected margin to be greater than 0, got {self.margin}")
        if "distance_function" in self.options and self.distance_function is None:
            self.distance_function = PairwiseDistance()

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Any:  # type: ignore[override]
        return self._call(anchor, positive, negative)


class _HuberLoss(_Loss):
    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.delta, int | float):
            raise TypeError(f"delta must be a float or int, got: {type(self.delta)}")


class _MultiMarginLoss(_Loss):
    def __post_init__(self) -> None:
        super().__post_init__()
        if self.p not in (1, 2):
            raise ValueError(f"only p == 1 and p == 2 supported, got {self.p}")
        if self.weight is not None and self.weight.ndim != 1:
            raise ValueError(
                "MultiMarginLoss: expected weight to be None or 1D tensor, got "
                f"{self.weight.ndim}D instead"
            )


class _VarianceLoss(_Loss):
    def forward(self, input: Tensor, target: Tensor, var: Any) -> Any:  # type: ignore[override]
        return self._call(input, target, var)


class _SequenceLoss(_Loss):
    def forward(  # type: ignore[override]
        self, log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any
    ) -> Any:
        return self._call(log_probs, targets, input_lengths, target_lengths)


_OLD = {"size_average": None, "reduce": None, "reduction": "mean"}
_CLASSES = {"weight": None, "size_average": None, "ignore_index": -100, "reduce": None,
            "reduction": "mean"}  # fmt: skip
_MADE: dict[str, tuple[type[_Loss], str, dict[str, Any], str]] = {
    "MSELoss": (_Loss, "mse_loss", _OLD, "Squared difference."),
    "L1Loss": (_Loss, "l1_loss", _OLD, "Absolute difference."),
    "SmoothL1Loss": (_Loss, "smooth_l1_loss", {**_OLD, "beta": 1.0},
                     "Squared below `beta`, linear above (Girshick 2015)."),
    "HuberLoss": (_HuberLoss, "huber_loss", {"reduction": "mean", "delta": 1.0},
                  "Squared below `delta`, linear above (Huber 1964)."),
    "KLDivLoss": (_Loss, "kl_div", {**_OLD, "log_target": False},
                  "Kullback-Leibler divergence of targets from log-probabilities."),
    "NLLLoss": (_Loss, "nll_loss", _CLASSES,
                "Negative log-likelihood of class indices, from log-probabilities (N, C, ...)."),
    "CrossEntropyLoss": (_Loss, "cross_entropy", {**_CLASSES, "label_smoothing": 0.0},
                         "Cross entropy of scores (N, C, ...) and class indices or probabilities."),
    "BCELoss": (_Loss, "binary_cross_entropy", {"weight": None, **_OLD},
                "Binary cross entropy of probabilities and targets in [0, 1]."),
    "BCEWithLogitsLoss": (_Loss, "binary_cross_entropy_with_logits",
                          {"weight": None, **_OLD, "pos_weight": None},
                          "Binary cross entropy of scores and targets, computed stably."),
    "PoissonNLLLoss": (_Loss, "poisson_nll_loss",
                       {"log_input": True, "full": False, "size_average": None, "eps": 1e-8,
                        "reduce": None, "reduction": "mean"},
                       "Negative log-likelihood of Poisson counts."),
    "GaussianNLLLoss": (_VarianceLoss, "gaussian_nll_loss",
                        {"*": (), "full": False, "eps": 1e-6, "reduction": "mean"},
                        "Negative log-likelihood of normal values of given variance."),
    "HingeEmbeddingLoss": (_Loss, "hinge_embedding_loss", {"margin": 1.0, **_OLD},
                           "Distances small for targets 1, above a margin for -1."),
    "SoftMarginLoss": (_Loss, "soft_margin_loss", _OLD, "Logistic loss of targets 1 and -1."),
    "MultiMarginLoss": (_MultiMarginLoss, "multi_margin_loss",
                        {"p": 1, "margin": 1.0, "weight": None, **_OLD},
                        "Hinge loss over classes."),
    "MultiLabelMarginLoss": (_Loss, "multilabel_margin_loss", _OLD,
                             "Hinge loss of several classes each."),
    "MultiLabelSoftMarginLoss": (_Loss, "multilabel_soft_margin_loss", {"weight": None, **_OLD},
                                 "Binary cross entropy of scores, one for each class."),
    "CosineEmbeddingLoss": (_PairLoss, "cosine_embedding_loss", {"margin": 0.0, **_OLD},
                            "Angles small for targets 1, beyond a margin for -1."),
    "MarginRankingLoss": (_PairLoss, "margin_ranking_loss", {"margin": 0.0, **_OLD},
                          "The first input above the second for target 1, below for -1."),
    "TripletMarginLoss": (_TripletLoss, "triplet_margin_loss",
                          {"margin": 1.0, "p": 2.0, "eps": 1e-6, "swap": False, **_OLD},
                          "The anchor nearer to the positive than to the negative."),
    "TripletMarginWithDistanceLoss": (
        _TripletLoss, "triplet_margin_with_distance_loss",
        {"*": (), "distance_function": None, "margin": 1.0, "swap": False, "reduction": "mean"},
        "`TripletMarginLoss` with a distance of one's own."),
    "CTCLoss": (_SequenceLoss, "ctc_loss",
                {"blank": 0, "reduction": "mean", "zero_infinity": False},
                "Likelihood of a sequence over all alignments (Graves et al. 2006)."),
}  # fmt: skip
for _name, (_base, _function, _arguments, _doc) in _MADE.items():
    globals()[_name] = made(_base, _name, _doc, _arguments, function=_function)
__all__ = [*_MADE]  # noqa: PLE0604
