"""`LRScheduler`, the base of the schedules, and what they share.

The recurrences are PyTorch's: each step changes the current rate, so chained schedules multiply;
`step(epoch)`, deprecated, uses the closed form where there is one.
"""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any, TypeAlias

from ..._tensor import F, Tensor
from ...autograd import modes
from ..optimizer import Group, Optimizer

# A number, or a tensor of one element, whose methods type checkers do not see.
Rate: TypeAlias = Any


def values(optimizer: Optimizer, key: str) -> list[Rate]:
    """`group[key]` of every group; tensors are copied."""
    return [_copy(group[key]) for group in optimizer.param_groups]


def _copy(value: Any) -> Any:
    return F.clone(value.detach()) if isinstance(value, Tensor) else value


def set_option(group: Group, key: str, value: Rate) -> None:
    """Write an option; a tensor keeps its identity."""
    if isinstance(group[key], Tensor):
        with modes.no_grad():
            group[key].fill_(float(value))
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """One value per group; ValueError if a list has another length."""
    count = len(optimizer.param_groups)
    if not isinstance(value, list | tuple):
        return [value] * count
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has "
            f"{len(value)} values, param_groups has {count}."
        )
    return list(value)


def check_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def check_strategy(anneal_strategy: str) -> None:
    """ValueError for another way from one rate to the next than these."""
    if anneal_strategy not in ("cos", "linear"):
        raise ValueError(
            f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
        )


class LRScheduler:
    """Base of the schedules: `get_lr` gives the next rate of every group.

    Args:
        optimizer: whose `param_groups` hold the rates; call its `step()` first, then this one's.
        last_epoch: -1 to start; the last step made, when resuming with groups that still have
            their "initial_lr".
    """

    optimizer: Optimizer
    _get_lr_called_within_step = False
    _is_initial = False
    _step_count: int
    _last_lr: list[Rate]
    # Attributes with functions or schedules, alone or in lists.
    _parts: tuple[str, ...] = ()

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", _copy(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{i}] when resuming "
                    f"scheduler with last_epoch >= 0 (got {last_epoch}): load the optimizer's "
                    "state_dict first, or start with last_epoch=-1"
                )
        self.base_lrs = values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        with self._while_set("_is_initial"):
            self.step()

    def state_dict(self) -> dict[str, Any]:
        """All attributes but the optimizer; of functions and schedules their own state."""
        parts = {name: _state_of(self.__dict__[name]) for name in self._parts}
        return {k: v for k, v in self.__dict__.items() if k != "optimizer"} | parts

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; functions and schedules stay this one's."""
        for name in self._parts:
            _load_state(self.__dict__[name], state_dict[name])
        self.__dict__.update({k: v for k, v in state_dict.items() if k not in self._parts})

    def get_last_lr(self) -> list[Rate]:
        """The rates set by the last step, one per group."""
        return self._last_lr

    def get_lr(self) -> list[Rate]:
        """The rates to set in this step, one per group; `get_last_lr` tells the current ones."""
        if not self._get_lr_called_within_step:
            warnings.warn(
                "To get the last learning rate computed by the scheduler, please use "
                "`get_last_lr()`.",
                stacklevel=2,
            )
        return self._rates()

    def _rates(self) -> list[Rate]:
        factor = self._factor()
        return [rate * factor for rate in self._current()]

    def _current(self) -> list[Rate]:
        return [group["lr"] for group in self.optimizer.param_groups]

    # By what this step multiplies the rate, for schedules that say no more than that.
    _factor: Callable[[], float]

    def step(self, epoch: int | None = None) -> None:
        """Set the next rates; call it after the optimizer's step.

        Args:
            epoch: deprecated; jump to this step instead of the next.
        """
        if self._step_count == 1 and not self.optimizer._opt_called:
            warnings.warn(
                "Detected call of `lr_scheduler.step()` before `optimizer.step()`. Call them in "
                "the opposite order, or the first value of the learning rate schedule is skipped.",
                stacklevel=2,
            )
        self._step_count += 1
        warn_of_epoch(epoch)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = getattr(self, "_get_closed_form_lr", None)
        with self._while_set("_get_lr_called_within_step"):
            self._apply(self.get_lr() if epoch is None or closed is None else closed())

    @contextmanager
    def _while_set(self, flag: str) -> Any:
        setattr(self, flag, True)
        try:
            yield
        finally:
            setattr(self, flag, False)

    def _apply(self, rates: list[Rate]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            set_option(group, "lr", rate)
        self._last_lr = values(self.optimizer, "lr")


class _LRScheduler(LRScheduler):
    """The base under its old name."""


def warn_of_epoch(epoch: int | None) -> None:
    if epoch is not None:
        warnings.warn(
            "The epoch parameter in `scheduler.step()` is deprecated. Call `scheduler.step()` "
            "without it to go on by one.",
            stacklevel=3,
        )


def _state_of(part: Any) -> Any:
    """What `state_dict` keeps of schedules and of functions that are objects; else None."""
    if isinstance(part, list | tuple):
        return [_state_of(p) for p in part]
    if isinstance(part, LRScheduler):
        return part.state_dict()
    return None if part is None or isinstance(part, types.FunctionType) else dict(part.__dict__)


def _load_state(part: Any, state: Any) -> None:
    if isinstance(part, list | tuple):
        for own, loaded in zip(part, state, strict=True):
            _load_state(own, loaded)
    elif isinstance(part, LRScheduler):
        part.load_state_dict(state)
    elif part is not None and state is not None:
        part.__dict__.update(state)
