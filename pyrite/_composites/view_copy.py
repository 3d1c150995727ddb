"""Copies where a view would do: `view_copy` and its like, and `unsafe_split`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .._tensor import F, Tensor
from . import shape
from ._register import composite, named

_VIEWS: dict[str, Callable[..., Any]] = {
    "alias": lambda input: input,
    "detach": Tensor.detach,
    "diagonal": lambda input, *args, **kwargs: F.diagonal(input, *args, **kwargs),
    "unbind": lambda input, *args, **kwargs: F.unbind(input, *args, **kwargs),
    "unfold": lambda input, *args, **kwargs: F.unfold(input, *args, **kwargs),
    **{
        f.__name__: f
        for f in (
            shape.as_strided, shape.expand, shape.narrow, shape.permute, shape.select, shape.split,
            shape.split_with_sizes, shape.squeeze, shape.t, shape.transpose, shape.unsqueeze,
            shape.view,
        )
    },
}  # fmt: skip


def _copy(t: Tensor) -> Tensor:
    """A copy in the order of the indices."""
    return F.clone(t) if t.array.flags.c_contiguous else F.contiguous(t)


def _copied(view: Callable[..., Any], name: str, public: str, out: bool = False) -> None:
    """Register `name`: the view's result, each part of it in memory of its own."""

    @functools.wraps(view)
    def function(*args: Any, **kwargs: Any) -> Any:
        result = view(*args, **kwargs)
        return tuple(map(_copy, result)) if isinstance(result, tuple) else _copy(result)

    doc = f"`{name.removesuffix('_copy')}` into memory of its own."
    named(function, name, public, doc, out)


for _name, _view in _VIEWS.items():
    _copied(_view, f"{_name}_copy", "fm" if _name == "narrow" else "f", out=True)
for _view in (shape.chunk, shape.split, shape.split_with_sizes):
    _copied(_view, f"unsafe_{_view.__name__}", "fm")


@composite("f")
def slice_copy(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """`input[start:end:step]` along `dim`, copied."""
    from .write import plain_slice

    key = (slice(None),) * shape.dims_of(input, dim)[0] + (plain_slice(start, end, step),)
    return _copy(F.slice(input, key))
