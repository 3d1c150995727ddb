"""Settings that torch keeps at the top of the package; each says whether it has an effect here."""

from __future__ import annotations

from typing import Any

from ._switches import matmul

__all__ = [
    "are_deterministic_algorithms_enabled",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_warn_always_enabled",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "set_warn_always",
    "use_deterministic_algorithms",
]

_state: dict[str, Any] = {
    "deterministic": 0, "precision": "highest", "warn_always": False, "interop": 1,
}  # fmt: skip
_LEVELS = ("default", "warn", "error")
_PRECISIONS = ("highest", "high", "medium")


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for results that are equal from run to run: they are, whatever is set."""
    _state["deterministic"] = (1 if warn_only else 2) if mode else 0


def are_deterministic_algorithms_enabled() -> bool:
    """Whether `use_deterministic_algorithms` was set."""
    return bool(_state["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether it was set with `warn_only`."""
    return bool(_state["deterministic"] == 1)


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """`use_deterministic_algorithms` by a level: 0 "default", 1 "warn", 2 "error"."""
    if debug_mode not in (*_LEVELS, 0, 1, 2):
        raise RuntimeError(
            f"invalid value of debug_mode, expected 0, 1, 2, or one of {_LEVELS}, got {debug_mode}"
        )
    level = _LEVELS.index(debug_mode) if isinstance(debug_mode, str) else debug_mode
    _state["deterministic"] = level


def get_deterministic_debug_mode() -> int:
    """The level that is set."""
    return int(_state["deterministic"])


def set_float32_matmul_precision(precision: str) -> None:
    """How exact float32 products must be; they are computed in float32 whatever is set."""
    if precision not in _PRECISIONS:
        raise RuntimeError(f"expected one of {', '.join(_PRECISIONS)}, got {precision!r}")
    _state["precision"] = precision
    matmul.allow_tf32 = precision != "highest"


def get_float32_matmul_precision() -> str:
    """The precision that is set."""
    return str(_state["precision"])


def set_warn_always(b: bool) -> None:
    """Whether warnings that appear once per process should always appear: Python's filters rule."""
    _state["warn_always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """Whether `set_warn_always` was set."""
    return bool(_state["warn_always"])


def set_num_interop_threads(num: int) -> None:
    """Threads that run independent operations: there is one, whatever is set."""
    if num <= 0:
        raise RuntimeError(f"expected positive number of threads, got {num}")
    _state["interop"] = num


def get_num_interop_threads() -> int:
    """The number that is set."""
    return int(_state["interop"])


def set_flush_denormal(mode: bool) -> bool:
    """Whether denormal numbers could be flushed to zero: no, they are kept."""
    return False
