"""`GradScaler`: losses scaled up so that float16 gradients do not vanish, checked for overflow."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from enum import Enum
from typing import Any

from .. import backends
from .._dtypes import float16, float32, int32
from .._tensor import F, Tensor
from ..autograd.modes import no_grad


class OptState(Enum):
    """What was done for an optimizer since the last `update`."""

    READY = 0
    UNSCALED = 1
    STEPPED = 2


def _fresh() -> dict[str, Any]:
    return {"stage": OptState.READY, "found_inf_per_device": {}}


class GradScaler:
    """Scales losses and, before an optimizer's step, its gradients back.

    A step whose gradients are not all finite is left out, and `update` makes the scale smaller;
    after `growth_interval` steps without one it makes it larger.

        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()

    Args:
        device: "cuda" (which does nothing where there is no GPU) or "cpu".
        init_scale: the first scale.
        growth_factor: by which the scale grows, > 1.
        backoff_factor: by which it shrinks, < 1.
        growth_interval: steps without overflow until it grows.
        enabled: False makes all methods pass through.
    """

    def __init__(
        self, device: str = "cuda", init_scale: float = 2.0**16, growth_factor: float = 2.0,
        backoff_factor: float = 0.5, growth_interval: int = 2000, enabled: bool = True,
    ) -> None:  # fmt: skip
        self._device, self._enabled = device, enabled
        if enabled and device == "cuda" and not backends.available("cuda"):
            warnings.warn(
                "GradScaler is enabled, but CUDA is not available. Disabling.", stacklevel=2
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError(f"The growth factor must be > 1.0, got {growth_factor}")
        if backoff_factor >= 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0, got {backoff_factor}")
        self._init_scale, self._init_growth_tracker = init_scale, 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        # Made with the first loss, on its device: the scale and the steps since it changed.
        self._scale: Any = None
        self._growth_tracker: Any = None
        self._per_optimizer_states: dict[int, dict[str, Any]] = defaultdict(_fresh)

    # ---- scaling

    def scale(self, outputs: Any) -> Any:
        """A tensor, or tensors in nested iterables, times the scale."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._start(outputs.device)
            return outputs * self._scale.to(outputs.device)
        if isinstance(outputs, Iterable):
            scaled = map(self.scale, outputs)
            return type(outputs)(scaled) if isinstance(outputs, list | tuple) else scaled
        raise ValueError(
            f"outputs must be a Tensor or an iterable of Tensors, got {type(outputs).__name__}"
        )

    def _start(self, place: Any) -> None:
        self._scale = F.full((), self._init_scale, float32, device=place)
        self._growth_tracker = F.full((), self._init_growth_tracker, int32, device=place)

    def _started(self, action: str) -> None:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {action} but _scale is None. This may indicate your script did not use "
                "scaler.scale(loss or outputs) earlier in the iteration."
            )

    def unscale_(self, optimizer: Any) -> None:
        """Divide the optimizer's gradients by the scale, for what comes between (clipping).

        RuntimeError if that was done since the last `update`.
        """
        if not self._enabled:
            return
        self._started("unscale_")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.UNSCALED:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update()."
            )
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("unscale_() is being called after step().")
        state["found_inf_per_device"] = self._unscale(optimizer)
        state["stage"] = OptState.UNSCALED

    @no_grad()
    def _unscale(self, optimizer: Any) -> dict[Any, Tensor]:
        """Unscale all gradients in place, one call per device; whether one was not finite."""
        grads: dict[Any, list[Tensor]] = defaultdict(list)
        for group in optimizer.param_groups:
            for grad in [p.grad for p in group["params"] if p.grad is not None]:
                if grad.dtype is float16:
                    raise ValueError(
                        "Attempting to unscale FP16 gradients. Keep the parameters in float32 and "
                        "let autocast lower them"
                    )
                values = grad._values() if getattr(grad, "is_sparse", False) else grad
                grads[values.device].append(values)
        inverse = self._scale.double().reciprocal().float()
        found = {place: F.full((), 0.0, float32, device=place) for place in grads}
        for place, listed in grads.items():
            F.unscale_grads(listed, found[place], inverse.to(place))
        return found

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """Unscale, unless that was done, and call `optimizer.step` if all gradients are finite.

        RuntimeError if it was called since the last `update`, or with a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("Closure use is not currently supported if GradScaler is enabled.")
        self._started("step")
        state = self._per_optimizer_states[id(optimizer)]
        if state["stage"] is OptState.STEPPED:
            raise RuntimeError("step() has already been called since the last update().")
        if state["stage"] is OptState.READY:
            self.unscale_(optimizer)
        found = state["found_inf_per_device"]
        if not found:
            raise AssertionError("No inf checks were recorded for this optimizer.")
        state["stage"] = OptState.STEPPED
        bad = sum(flag.item() for flag in found.values())
        return None if bad else optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Set the scale for the next iteration, from what the steps found or to `new_scale`."""
        if not self._enabled:
            return
        self._started("update")
        with no_grad():
            if new_scale is not None:
                self._scale.copy_(_one_number(new_scale, self._device))
            else:
                self._adapt()
        self._per_optimizer_states = defaultdict(_fresh)

    def _adapt(self) -> None:
        states = self._per_optimizer_states.values()
        found: list[Any] = [f for s in states for f in s["found_inf_per_device"].values()]
        if not found:
            raise AssertionError("No inf checks were recorded prior to update.")
        total = sum([f.to(self._scale.device) for f in found[1:]], found[0].to(self._scale.device))
        F.update_scale(
            self._scale, self._growth_tracker, total, self._growth_factor, self._backoff_factor,
            self._growth_interval,
        )  # fmt: skip

    # ---- settings and state

    def get_scale(self) -> float:
        """The scale; 1.0 if disabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else float(self._scale.item())

    def _get_growth_tracker(self) -> int:
        if not self._enabled:
            return 0
        tracker = self._growth_tracker
        return self._init_growth_tracker if tracker is None else int(tracker.item())

    def get_growth_factor(self) -> float:
        """By which the scale grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Set by which the scale grows."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """By which the scale shrinks."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Set by which the scale shrinks."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """Steps without overflow until the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Set the steps without overflow until the scale grows."""
        self._growth_interval = new_interval

    def is_enabled(self) -> bool:
        """Whether losses are scaled at all."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """Scale, factors, interval and steps since the last change; empty if disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(), "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor, "growth_interval": self._growth_interval,
            "_growth_tracker": self._get_growth_tracker(),
        }  # fmt: skip

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict` returned; RuntimeError for that of a disabled scaler."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled "
                "instance of GradScaler."
            )
        self._init_scale = state_dict["scale"]
        self._init_growth_tracker = state_dict["_growth_tracker"]
        for name in ("growth_factor", "backoff_factor", "growth_interval"):
            setattr(self, f"_{name}", state_dict[name])
        if self._scale is not None:
            self._start(self._scale.device)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        if self._enabled:
            if self._per_optimizer_states:
                raise AssertionError(
                    "A GradScaler instance may only be pickled at the beginning of an iteration, "
                    "or at the end after scaler.update()."
                )
            state.update(
                _init_scale=self.get_scale(), _init_growth_tracker=self._get_growth_tracker(),
                _scale=None, _growth_tracker=None,
            )  # fmt: skip
        return state


def _one_number(value: Any, place: str) -> Tensor:
    """A new scale as a tensor; AssertionError unless it is one number of this device."""
    if not isinstance(value, Tensor):
        return F.full((), float(value), float32)
    if value.device.type != place or value.array.size != 1 or value.requires_grad:
        raise AssertionError(
            "new_scale should be a float or a 1-element float32 tensor of the scaler's device with "
            "requires_grad=False."
        )
    return value.reshape(())
