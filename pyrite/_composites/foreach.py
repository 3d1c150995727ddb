"""`_foreach_*`: one operation on each tensor of a list, as optimizers write it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from .._tensor import F, Tensor
from ._register import named

_UNARY = (
    "abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 "
    "neg reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc"
)
_OTHERS = "add sub mul div pow maximum minimum clamp_max clamp_min lerp addcmul addcdiv"
# Keywords that go to every call as they are; all others may be lists, one entry per tensor.
_SHARED = ("alpha", "dtype", "ord", "non_blocking")


def _rows(name: str, values: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """The operands of each call: lists entry by entry, everything else repeated."""
    lists = [v for v in values if isinstance(v, tuple | list)]
    if not lists:
        raise TypeError(f"{name}(): argument 'self' (position 1) must be tuple of Tensors")
    if not lists[0]:
        raise RuntimeError(f"{name}(): Tensor list must have at least one tensor.")
    if len(sizes := {len(v) for v in lists}) > 1:
        raise RuntimeError(
            f"{name}(): Tensor lists must have the same number of tensors, got "
            + " and ".join(map(str, sorted(sizes)))
        )
    return list(zip(*[v if isinstance(v, tuple | list) else itertools.repeat(v) for v in values]))


def _foreach(name: str, apply: Callable[..., Any], doc: str) -> None:
    """Register a function of lists; in-place ones return the list that they changed."""

    def function(self: Any, *args: Any, **kwargs: Any) -> Any:
        shared = {k: kwargs.pop(k) for k in _SHARED if k in kwargs}
        rows = _rows(name, (self, *args, *kwargs.values()))
        out = tuple([apply(*row, **shared) for row in rows])
        return self if name.endswith("_") else out

    named(function, name, "f", doc)


def _by_name(name: str) -> Callable[..., Any]:
    return lambda x, *args, **kwargs: getattr(x, name)(*args, **kwargs)


def _scaled(name: str) -> Callable[..., Any]:
    """addcmul and addcdiv: the number comes last and by position."""

    def apply(x: Any, one: Any, two: Any, value: Any = 1) -> Any:
        return getattr(x, name)(
            one, two, value=value.item() if isinstance(value, Tensor) else value
        )

    return apply


def _maximum(name: str) -> Callable[..., Any]:
    """maximum and minimum of a tensor and a tensor or number."""
    clamp = {"maximum": "clamp_min", "minimum": "clamp_max"}[name.rstrip("_")]
    return lambda x, other: getattr(x, clamp + "_" * name.endswith("_"))(other)


_METHODS: dict[str, Callable[[str], Callable[..., Any]]] = {
    "addcmul": _scaled, "addcdiv": _scaled, "maximum": _maximum, "minimum": _maximum,
}  # fmt: skip
for _name in f"{_UNARY} {_OTHERS}".split():
    _make = _METHODS.get(_name, _by_name)
    for _full in (_name, f"{_name}_"):
        if _full == "pow":  # its base may be a number
            continue
        _foreach(f"_foreach_{_full}", _make(_full), f"`{_full}` of each tensor.")


def _power(base: Any, exponent: Any) -> Any:
    return F.pow(base, exponent)


def _powsum(x: Any, ord: float = 2, dtype: Any = None) -> Any:
    return x.to(dtype or x.dtype).abs().pow(ord).sum()


def _norm(x: Any, ord: float = 2, dtype: Any = None) -> Any:
    return x.norm(ord, dtype=dtype)


_REST: dict[str, tuple[Callable[..., Any], str]] = {
    "pow": (_power, "`base ** exponent` of each tensor; either may be a number for all."),
    "clone": (_by_name("clone"), "A copy of each tensor."),
    "copy_": (_by_name("copy_"), "Write the tensors of the second list into those of the first."),
    "zero_": (_by_name("zero_"), "Set each tensor to zero."),
    "max": (_by_name("max"), "The largest element of each tensor."),
    "mm": (_by_name("mm"), "The product of each pair of matrices."),
    "norm": (_norm, "The vector norm of each tensor."),
    "powsum": (_powsum, "The sum of the absolute values to a power of each tensor."),
}
for _name, (_apply, _doc) in _REST.items():
    _foreach(f"_foreach_{_name}", _apply, _doc)
