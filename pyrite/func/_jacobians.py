"""`jacrev`, `jacfwd`, `hessian`: one derivative per element, computed as one batch."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

from .._tensor import F, Tensor
from .._trees import flatten
from ..autograd.batching import vmap
from ._transforms import checked_outputs, jvp, partial_at, vjp

Function = Callable[..., Any]


def basis(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The unit vectors of the space of all elements: per tensor a batch, 1 at one element each."""
    sizes = [math.prod(t.array.shape) for t in tensors]
    total, first, out = sum(sizes), 0, []
    for tensor, n in zip(tensors, sizes, strict=True):
        rows = F.eye(total, total, tensor.dtype, device=tensor.device)
        part = F.slice(rows, (slice(None), slice(first, first + n)))
        out.append(F.reshape(part, (total, *tensor.array.shape)))
        first += n
    return out


def _pieces(batch: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
    """A batch over all elements, cut into one piece per tensor with that one's shape in front."""
    sizes = tuple([math.prod(t.array.shape) for t in tensors])
    rest = batch.array.shape[1:]
    parts = F.split(batch, sizes, 0)
    return [F.reshape(p, (*t.array.shape, *rest)) for p, t in zip(parts, tensors, strict=True)]


def jacrev(
    func: Function, argnums: int | tuple[int, ...] = 0, *, has_aux: bool = False,
    chunk_size: int | None = None,
) -> Function:  # fmt: skip
    """The function that returns the Jacobian of `func`, computed in reverse mode.

    Each Tensor of the output becomes the structure of the arguments chosen by `argnums`, of
    Tensors with shape (*output, *input). `chunk_size` rows are computed at a time (None: all).
    With `has_aux` it returns (jacobian, aux).
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen, primals = partial_at(func, argnums, args, kwargs)
        output, pullback, *aux = vjp(chosen, *primals, has_aux=has_aux)
        outputs, rebuild = checked_outputs("vjp(f, *primals)", output)
        build = flatten(primals)[1]

        def row(*seeds: Tensor) -> Any:
            return flatten(pullback(rebuild(iter(seeds))))[0]

        rows = vmap(row, chunk_size=chunk_size)(*basis(outputs))
        columns = [_pieces(r, outputs) for r in rows]
        blocks = [_inputs(build, column, argnums) for column in zip(*columns, strict=True)]
        jacobian = rebuild(iter(blocks))
        return (jacobian, *aux) if has_aux else jacobian

    return wrapper


def _inputs(build: Any, leaves: Sequence[Tensor], argnums: Any) -> Any:
    tree = build(iter(leaves))
    return tree if isinstance(argnums, tuple) else tree[0]


def jacfwd(
    func: Function, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *,
    randomness: str = "error",
) -> Function:  # fmt: skip
    """The function that returns the Jacobian of `func`, computed in forward mode; see `jacrev`."""

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        chosen, primals = partial_at(func, argnums, args, kwargs)
        leaves, build = flatten(primals)
        seen: list[Any] = []

        def column(*tangents: Tensor) -> Any:
            value, rate, *aux = jvp(chosen, primals, build(iter(tangents)), has_aux=has_aux)
            seen[:] = [flatten(value)[1], *aux]
            return flatten(rate)[0]

        rates = vmap(column, randomness=randomness)(*basis(leaves))
        rebuild, *aux = seen
        jacobian = rebuild(iter([_block(r, leaves, build, argnums) for r in rates]))
        return (jacobian, *aux) if has_aux else jacobian

    return wrapper


def _block(rate: Tensor, leaves: Sequence[Tensor], build: Any, argnums: Any) -> Any:
    """Derivatives (elements of the inputs, *output) of one output, as (*output, *input) each."""
    n = rate.array.ndim - 1
    moved = [
        F.permute(p, (*range(p.array.ndim - n, p.array.ndim), *range(p.array.ndim - n)))
        for p in _pieces(rate, leaves)
    ]
    return _inputs(build, moved, argnums)


def hessian(func: Function, argnums: int | tuple[int, ...] = 0) -> Function:
    """The function that returns the Hessian of `func`: forward over reverse mode."""
    return jacfwd(jacrev(func, argnums), argnums)
