"""Orthogonal polynomials, by their three-term recurrences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .table import floating

Step = Callable[[Any, float], tuple[Any, float]]


def _polynomial(xp: Any, x: Any, n: Any, first: Callable[[Any], Any], step: Step) -> Any:
    """Degree n (0 below 0) at x, from p0 = 1, p1 and p[k + 1] = a p[k] - b p[k - 1]."""
    kind = x.dtype if hasattr(x, "dtype") else n.dtype
    x, n = (xp.asarray(v, dtype=xp.float64) for v in (x, n))
    x, n = xp.broadcast_arrays(x, xp.trunc(n))
    top = int(n.max().item()) if n.size else 0
    before, now = xp.ones_like(x), first(x)
    out = xp.where(n < 0.0, 0.0, xp.where(n == 0.0, 1.0, now))
    for k in range(1, top):
        a, b = step(x, k)
        before, now = now, a * now - b * before
        out = xp.where(n == k + 1, now, out)
    return out.astype(kind)


def _chebyshev(x: Any, k: float) -> tuple[Any, float]:
    return 2.0 * x, 1.0


# name -> (title, the variable, p1, the recurrence's factors)
_TABLE: dict[str, tuple[str, Callable[[Any], Any], Step]] = {
    "hermite_polynomial_h": ("Hermite's (physicists')", lambda x: 2 * x,
                             lambda x, k: (2 * x, 2.0 * k)),
    "hermite_polynomial_he": ("Hermite's (probabilists')", lambda x: x, lambda x, k: (x, k)),
    "laguerre_polynomial_l": ("Laguerre's", lambda x: 1 - x,
                              lambda x, k: ((2 * k + 1 - x) / (k + 1), k / (k + 1))),
    "legendre_polynomial_p": ("Legendre's", lambda x: x,
                              lambda x, k: (x * ((2 * k + 1) / (k + 1)), k / (k + 1))),
}  # fmt: skip
_FIRST: dict[str, Callable[[Any], Any]] = {
    "t": lambda x: x, "u": lambda x: 2 * x, "v": lambda x: 2 * x - 1, "w": lambda x: 2 * x + 1,
}  # fmt: skip


def _define(
    name: str, title: str, first: Callable[[Any], Any], step: Step, shifted: bool = False
) -> None:
    def kernel(xp: Any, input: Any, n: Any) -> Any:
        return _polynomial(xp, 2 * input - 1 if shifted else input, n, first, step)

    doc = f"{title} polynomial of degree `n` at `input`; 0 for a negative degree."
    floating(name, doc, kernel, public="", aliases=(f"special.{name}",))


for _name, (_title, _first, _step) in _TABLE.items():
    _define(_name, _title, _first, _step)
for _kind, _first in _FIRST.items():
    _title = f"Chebyshev's {_kind.upper()}"
    _define(f"chebyshev_polynomial_{_kind}", _title, _first, _chebyshev)
    _define(f"shifted_chebyshev_polynomial_{_kind}", f"{_title} (of 2 input - 1)", _first,
            _chebyshev, True)  # fmt: skip
