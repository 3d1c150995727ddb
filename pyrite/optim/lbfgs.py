"""L-BFGS, with or without a line search."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from .._tensor import F, Tensor
from ..autograd import modes
from ._state import checked, current
from .optimizer import Optimizer, Params, State

_ARMIJO, _WOLFE = 1e-4, 0.9


class _Trial(NamedTuple):
    """A point on the line: how far, the loss, the gradient, the slope along the line."""

    t: float
    loss: float
    grad: Any
    slope: float


def _cubic_minimum(a: _Trial, b: _Trial, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two points and slopes is least, within the bounds or between them."""
    low, high = sorted((a.t, b.t)) if bounds is None else bounds
    left, right = sorted((a, b), key=lambda p: p.t)
    gap = right.t - left.t
    d1 = left.slope + right.slope - 3 * (left.loss - right.loss) / (left.t - right.t)
    square = d1 * d1 - left.slope * right.slope
    if not square >= 0:
        return (low + high) / 2
    d2 = math.sqrt(square)
    at = right.t - gap * ((right.slope + d2 - d1) / (right.slope - left.slope + 2 * d2))
    return min(max(at, low), high)


class _LineSearch:
    """Finds a step that meets the strong Wolfe conditions (Nocedal & Wright, 2006, 3.5-3.6).

    Args:
        evaluate: the trial at a step.
        start: the trial at 0.
        width: largest component of the direction.
        change: the least change of a component that is worth a trial.
        most: how many trials.
    """

    def __init__(
        self, evaluate: Callable[[float], _Trial], start: _Trial, width: float, change: float,
        most: int,
    ) -> None:  # fmt: skip
        self.evaluate, self.start, self.width = evaluate, start, width
        self.change, self.left, self.count = change, most, 0

    def trial(self, t: float) -> _Trial:
        self.count += 1
        return self.evaluate(t)

    def too_high(self, p: _Trial) -> bool:
        return p.loss > self.start.loss + _ARMIJO * p.t * self.start.slope

    def flat(self, p: _Trial) -> bool:
        return abs(p.slope) <= -_WOLFE * self.start.slope

    def run(self, t: float) -> _Trial:
        """The best trial, from a first step."""
        before, now = self.start, self.trial(t)
        for i in range(self.left):
            if self.too_high(now) or (i > 1 and now.loss >= before.loss):
                return self.zoom(before, now)
            if self.flat(now):
                return now
            if now.slope >= 0:
                return self.zoom(before, now)
            bounds = now.t + 0.01 * (now.t - before.t), now.t * 10
            before, now = now, self.trial(_cubic_minimum(before, now, bounds))
            self.left -= 1
        return min(self.start, now, key=lambda p: p.loss)

    def zoom(self, a: _Trial, b: _Trial) -> _Trial:
        """The best trial between two that enclose a good one."""
        low, high = sorted((a, b), key=lambda p: p.loss)
        stalled = False
        while self.left > 0 and abs(high.t - low.t) * self.width >= self.change:
            t, stalled = self.inside(low, high, stalled)
            now = self.trial(t)
            self.left -= 1
            if self.too_high(now) or now.loss >= low.loss:
                low, high = sorted((low, now), key=lambda p: p.loss)
                continue
            if self.flat(now):
                return now
            if now.slope * (high.t - low.t) >= 0:
                high = low
            low = now
        return low

    @staticmethod
    def inside(low: _Trial, high: _Trial, stalled: bool) -> tuple[float, bool]:
        """The next step to try; away from the ends if the last one was near an end too."""
        t = _cubic_minimum(low, high)
        first, last = sorted((low.t, high.t))
        margin = 0.1 * (last - first)
        if min(last - t, t - first) >= margin:
            return t, False
        if not stalled and first < t < last:
            return t, True
        return (last - margin if abs(t - last) < abs(t - first) else first + margin), False


class LBFGS(Optimizer):
    """Limited-memory BFGS (Liu & Nocedal, 1989), as in PyTorch; all parameters in one group.

    Args:
        params: tensors or named tensors.
        lr: step size, the first one of a line search.
        max_iter: iterations per step.
        max_eval: evaluations of the closure per step; 1.25 times `max_iter` by default.
        tolerance_grad: end where no component of the gradient is larger.
        tolerance_change: end where loss or parameters change less.
        history_size: how many updates the approximation of the Hessian remembers.
        line_search_fn: "strong_wolfe", or None for the step size as it is.
    """

    def __init__(
        self, params: Params, lr: float | Tensor = 1, max_iter: int = 20,
        max_eval: int | None = None, tolerance_grad: float = 1e-7, tolerance_change: float = 1e-9,
        history_size: int = 100, line_search_fn: str | None = None,
    ) -> None:  # fmt: skip
        max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        super().__init__(params, checked(**locals()))
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    @property
    def _params(self) -> list[Any]:
        params: list[Any] = self.param_groups[0]["params"]
        return params

    # ---- parameters as one vector

    def _gradient(self) -> Any:
        parts = [F.zeros_like(p) if p.grad is None else p.grad for p in self._params]
        parts = [F.view_as_real(g) if g.dtype.is_complex else g for g in parts]
        return F.cat([g.reshape(-1) for g in parts], 0)

    def _move(self, t: float, direction: Any) -> None:
        start = 0
        for param in self._params:
            real = F.view_as_real(param) if param.dtype.is_complex else param
            end = start + real.numel()
            real.add_(direction[start:end].reshape(real.shape), alpha=t)
            start = end

    def _search(
        self, closure: Callable[[], Any], start: _Trial, direction: Any, t: float, group: Any,
        most: int,
    ) -> tuple[_Trial, int]:  # fmt: skip
        if group["line_search_fn"] != "strong_wolfe":
            raise RuntimeError(
                f"only 'strong_wolfe' is supported, got line_search_fn={group['line_search_fn']!r}"
            )
        origin = [F.clone(p) for p in self._params]

        def evaluate(t: float) -> _Trial:
            self._move(t, direction)
            loss, grad = float(closure()), self._gradient()
            for param, value in zip(self._params, origin, strict=True):
                param.copy_(value)
            return _Trial(t, loss, grad, float(grad.dot(direction)))

        width = float(direction.abs().max())
        search = _LineSearch(evaluate, start, width, group["tolerance_change"], most)
        return search.run(t), search.count

    # ---- the step

    @modes.no_grad()
    def step(self, closure: Callable[[], Any]) -> Any:
        """Up to `max_iter` iterations; returns the first loss.

        Args:
            closure: clears the gradients, computes the loss, calls backward, returns the loss.
        """
        closure = modes.enable_grad()(closure)
        group, state = current(self.param_groups[0]), self.state[self._params[0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        first = closure()
        state["func_evals"] += 1
        grad = self._gradient()
        if float(grad.abs().max()) > group["tolerance_grad"]:
            self._iterate(closure, group, state, float(first), grad)
        return first

    def _iterate(
        self, closure: Callable[[], Any], group: Any, state: State, loss: float, grad: Any
    ) -> None:
        count, least = 1, group["tolerance_change"]
        for i in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            direction = state["d"] = _direction(state, grad, group["history_size"])
            state["prev_flat_grad"], state["prev_loss"] = grad, loss
            t = float(group["lr"])
            if state["n_iter"] == 1:
                t *= min(1.0, 1.0 / float(grad.abs().sum()))
            state["t"] = t
            slope, used = float(grad.dot(direction)), 0
            if slope > -least:
                return
            if group["line_search_fn"] is not None:
                start = _Trial(0.0, loss, grad, slope)
                most = group["max_eval"] - count
                found, used = self._search(closure, start, direction, t, group, most)
                t, loss, grad, _ = found
                state["t"] = t
            self._move(t, direction)
            if group["line_search_fn"] is None and i < group["max_iter"]:
                loss, grad, used = float(closure()), self._gradient(), 1
            count += used
            state["func_evals"] += used
            if (
                count >= group["max_eval"]
                or float(grad.abs().max()) <= group["tolerance_grad"]
                or float((direction * t).abs().max()) <= least
                or abs(loss - state["prev_loss"]) < least
            ):
                return


def _direction(state: State, grad: Any, size: int) -> Any:
    """The inverse Hessian's approximation times minus the gradient, which it learns from."""
    if state["n_iter"] == 1:
        state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
        return grad.neg()
    y, s = grad - state["prev_flat_grad"], state["d"] * state["t"]
    product = y.dot(s)
    if float(product) > 1e-10:
        for name, value in (("old_dirs", y), ("old_stps", s), ("ro", 1.0 / product)):
            state[name] = [*state[name], value][-size:]
        state["H_diag"] = product / y.dot(y)
    pairs = list(zip(state["old_dirs"], state["old_stps"], state["ro"], strict=True))
    al = state.setdefault("al", [None] * size)
    q = grad.neg()
    for i, (change, move, rho) in reversed(list(enumerate(pairs))):
        al[i] = move.dot(q) * rho
        q = q - al[i] * change
    q = q * state["H_diag"]
    for i, (change, move, rho) in enumerate(pairs):
        q = q + (al[i] - change.dot(q) * rho) * move
    return q
