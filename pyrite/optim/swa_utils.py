"""Averages of models over training: stochastic weight averaging and exponential moving averages."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Any

from .._dtypes import int64
from .._tensor import F, Tensor
from ..autograd.modes import no_grad
from ..nn.modules.batchnorm import _BatchNorm
from ..nn.modules.module import Module
from .lr_scheduler._base import LRScheduler, Rate, check_strategy, per_group
from .optimizer import Optimizer

Averages = Callable[[list[Any], list[Any], Any], None]
Average = Callable[[Any, Any, Any], Any]


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """`decay * averaged + (1 - decay) * current`, of one tensor."""
    _check_decay(decay)

    @no_grad()
    def ema_update(ema_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Average:
    """The mean of all models so far, of one tensor."""

    @no_grad()
    def swa_update(averaged_param: Any, current_param: Any, num_averaged: Any) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


def _of_lists(average: Average) -> Averages:
    """A rule for one tensor, applied in place to those of two lists."""

    @no_grad()
    def update(averaged: list[Any], current: list[Any], num_averaged: Any) -> None:
        for own, other in zip(averaged, current, strict=True):
            own.copy_(average(own, other, num_averaged))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Averages:
    """An exponential moving average of two lists of tensors, in place."""
    return _of_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Averages:
    """The mean of all models so far, of two lists of tensors, in place."""
    return _of_lists(get_swa_avg_fn())


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's.

    Args:
        model: what to copy.
        device: where the copy is kept.
        avg_fn: (averaged, current, number of models so far) -> new average, of one tensor.
        multi_avg_fn: the same for lists, in place; the mean if neither is given.
        use_buffers: average buffers too, instead of copying them.
    """

    n_averaged: Tensor

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Average | None = None,
        multi_avg_fn: Averages | None = None, use_buffers: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = copy.deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", F.full((), 0, int64, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """Take the model's present parameters into the average; the first ones are copied."""
        own: Any = list(self.module.parameters())
        new: Any = list(model.parameters())
        kept: Any = list(zip(self.module.buffers(), model.buffers(), strict=True))
        if self.use_buffers:
            own, new = own + [b for b, _ in kept], new + [b for _, b in kept]
            kept = []
        own = [t.detach() for t in own]
        new = [t.detach().to(a.device) for a, t in zip(own, new, strict=True)]
        with no_grad():
            if int(self.n_averaged) == 0:
                kept += zip(own, new, strict=True)
            else:
                self._average(own, new)
            for averaged, current in kept:
                averaged.detach().copy_(current.detach())
        self.n_averaged.add_(1)

    def _average(self, own: list[Any], new: list[Any]) -> None:
        update = self.multi_avg_fn or _of_lists(self.avg_fn or get_swa_avg_fn())
        groups: dict[Any, tuple[list[Any], list[Any]]] = {}
        for a, b in zip(own, new, strict=True):
            listed = groups.setdefault((str(a.device), a.dtype), ([], []))
            listed[0].append(a)
            listed[1].append(b)
        for averaged, current in groups.values():
            update(averaged, current, self.n_averaged.to(averaged[0].device))


@no_grad()
def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of the model's batch norms anew, in one pass over the data.

    Args:
        loader: batches, or sequences whose first item is the batch.
        model: run in training mode, once per batch.
        device: where the batches go.
    """
    momenta: dict[Any, Any] = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
            module.momentum = None
    if not momenta:
        return
    before = model.training
    model.train()
    for batch in loader:
        batch = batch[0] if isinstance(batch, list | tuple) else batch
        model(batch if device is None else batch.to(device))
    for norm, momentum in momenta.items():
        norm.momentum = momentum
    model.train(before)


class SWALR(LRScheduler):
    """Goes from the present rate to a constant one within some epochs.

    Args:
        optimizer: whose `param_groups` hold the rates.
        swa_lr: the last rate, or one per group.
        anneal_epochs: steps until it is reached.
        anneal_strategy: "cos" or "linear".
        last_epoch: as in every schedule.
    """

    def __init__(
        self, optimizer: Optimizer, swa_lr: Any, anneal_epochs: int = 10,
        anneal_strategy: str = "cos", last_epoch: int = -1,
    ) -> None:  # fmt: skip
        rates = per_group("swa_lr", optimizer, swa_lr)
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        check_strategy(anneal_strategy)
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self._anneal_strategy, self.anneal_epochs = anneal_strategy, anneal_epochs
        super().__init__(optimizer, last_epoch)

    def _share(self, step: int) -> float:
        """The weight of the last rate after so many steps."""
        t = max(0.0, min(1.0, step / max(1, self.anneal_epochs)))
        return t if self._anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def _rates(self) -> list[Rate]:
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            last = group["swa_lr"]
            first = last if before == 1 else (group["lr"] - before * last) / (1 - before)
            rates.append(last * now + first * (1 - now))
        return rates
