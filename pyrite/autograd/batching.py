"""`vmap`: run a function on one example, with Tensors that hold a whole batch of them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from .. import backends
from .._errors import wrap_dim
from .._tensor import F, Tensor
from .._trees import flatten, spread, tree_map
from . import modes
from .levels import Level, Wrapped, above, active, entered
from .recording import _call

ITEM = (
    "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over calling "
    ".item() on a Tensor, please try to rewrite what you're doing with other operations."
)
CONTROL = (
    "vmap: It looks like you're attempting to use a Tensor in some data-dependent control flow. We "
    "don't support that yet; use pyrite.where in place of `if`."
)
CONTENT = "Cannot access the memory of a Tensor inside vmap: it stands for a batch of examples"
RANDOM = (
    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
)
UNBATCHED = (
    "vmap: the gradient in a tensor that is the same for all examples was asked for inside of "
    "vmap. Give it to vmap with in_dims=0, or use pyrite.func.grad, which gives one per example"
)


class VmapLevel(Level):
    """One `vmap` that runs.

    Attributes:
        size: the number of examples.
        randomness: "error", "same" or "different".
        outer: the interceptors around it.
    """

    def __init__(self, size: int, randomness: str) -> None:
        self.size, self.randomness = size, randomness
        self.outer = modes.state.stack

    def wrap(self, value: Any) -> Any:
        """A Tensor whose first dimension is the batch, or a tuple of them, as one example each."""
        if isinstance(value, tuple):
            made = [self.wrap(v) for v in value]
            return type(value)(*made) if hasattr(value, "_fields") else tuple(made)
        return Batched(value, self) if isinstance(value, Tensor) else value

    def call(self, op: Any, args: tuple[Any, ...], device: Any) -> Any:
        from .batch_rules import rule_of

        values = {p.name: a for p, a in zip(op.params, args, strict=True)}
        return self.wrap(rule_of(op, values)(self, op, values))

    def lower(self, tensor: Any) -> Any:
        """The batch, in front, of a Tensor of whatever levels; expanded if it has none here."""
        if not isinstance(tensor, Tensor):
            return tensor
        if above(tensor, self):
            if isinstance(tensor, Batched):
                return Batched(_swap(self.lower(tensor.value)), tensor.level)
            return tensor.map(self.lower)
        if isinstance(tensor, Batched) and tensor.level is self:
            return tensor.value
        return F.expand(tensor, (self.size, *tensor.array.shape))

    def raised(self, tensor: Any) -> Any:
        """The opposite of `lower`."""
        if not above(tensor, self):
            return Batched(tensor, self)
        if isinstance(tensor, Batched):
            return Batched(self.raised(_swap(tensor.value)), tensor.level)
        return tensor.map(self.raised)

    def has(self, tensor: Any) -> bool:
        """Whether a Tensor differs from example to example."""
        if above(tensor, self):
            return any(map(self.has, tensor.held()))
        return isinstance(tensor, Batched) and tensor.level is self

    def gradients(self, outputs: Any, inputs: Any, seeds: Any, create: bool, keep: bool) -> Any:
        from .engine import differentiate

        if any(map(self.has, outputs)) and not all(map(self.has, inputs)):
            raise RuntimeError(UNBATCHED)
        outs, places, weights = (list(map(self.lower, g)) for g in (outputs, inputs, seeds))
        grads = differentiate(outs, places, weights, create, keep)
        return [None if g is None else self.raised(g) for g in grads]

    def apply(self, function: Any, args: tuple[Any, ...]) -> Any:
        from .function_levels import apply_batched

        return apply_batched(self, function, args)

    def intercept(self, op: Any, call: Any, args: tuple[Any, ...], kwargs: Any) -> Any:
        """Random numbers that do not depend on an example."""
        if op.kind != "random" or self.randomness == "same":
            return call(*args, **kwargs)
        values = {p.name: a for p, a in zip(op.params, args, strict=True)}
        if values.get("train") is False:
            return call(*args, **kwargs)
        from .batch_rules import random_rule

        return self.wrap(random_rule(self, op, values, kwargs.get("device")))


class Batched(Wrapped):
    """One example of a batch; `value` has the batch as its first dimension."""

    __slots__ = ()

    def __init__(self, value: Tensor, level: VmapLevel) -> None:
        array = value.array
        if array.shape[0]:
            example = array[0, ...]
        else:
            example = backends.of(array).empty(array.shape[1:], array.dtype)
        super().__init__(example, value, level)

    def around(self, *held: Tensor) -> Tensor:
        return Batched(held[0], self.level)

    def update(self, other: Any, write: Callable[[Tensor, Any], Any]) -> None:
        if isinstance(other, Tensor) and other.array.shape != self.array.shape:
            other = F.expand(other, self.array.shape)
        write(self.value, self.level.lower(other))

    def fresh(self, made: Tensor) -> Tensor:
        return Batched(F.clone(self.level.lower(super().fresh(made))), self.level)

    def _no_item(self, *_: Any) -> Any:
        raise RuntimeError(ITEM)

    def __bool__(self) -> bool:
        raise RuntimeError(CONTROL)

    def _no_content(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError(CONTENT)

    item = __int__ = __float__ = __complex__ = __index__ = _no_item
    tolist = numpy = __array__ = __dlpack__ = _no_content

    def __repr__(self) -> str:
        return f"Batched(level={self.level.number}, size={self.level.size}, value={self.value!r})"

    def __format__(self, spec: str) -> str:
        return self._no_item() if spec and not self.array.ndim else repr(self)


def _swap(tensor: Tensor) -> Tensor:
    return F.permute(tensor, (1, 0, *range(2, tensor.array.ndim)))


def examples(tensor: Tensor, inside: Level | None = None) -> Tensor:
    """A Tensor as one example per `vmap` that runs (around `inside`): each has its own gradient."""
    for level in active.levels:
        if isinstance(level, VmapLevel) and (inside is None or level.number < inside.number):
            tensor = level.raised(level.lower(tensor))
    return tensor


def broadcast_shape(shapes: Sequence[tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that others broadcast to."""
    ndim = max(map(len, shapes))
    full = [(1,) * (ndim - len(s)) + tuple(s) for s in shapes]
    return tuple([max(sizes) if min(sizes) else 0 for sizes in zip(*full, strict=True)])


# ---- the transform


def _name(function: Any) -> str:
    if isinstance(function, functools.partial):
        return f"functools.partial({_name(function.func)}, ...)"
    return getattr(function, "__name__", repr(function))


def vmap(
    func: Callable[..., Any], in_dims: Any = 0, out_dims: Any = 0, randomness: str = "error", *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:  # fmt: skip
    """The function that applies `func`, written for one example, to a batch of them at once.

    Args:
        func: takes and returns Tensors, or nested tuples, lists and dicts of them.
        in_dims: per positional argument the dimension to map over, None for the same value in
            every example; nested as the arguments are. Keyword arguments are not mapped.
        out_dims: where the batch dimension goes in each result.
        randomness: whether random operations raise ("error"), draw once ("same") or per example
            ("different").
        chunk_size: map over at most so many examples at a time.

    ValueError where dimensions or structures do not fit; RuntimeError in `func` where control flow
    depends on values, and for in-place writes of an example into a tensor that is no example.
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. "
            f"Got {randomness}"
        )
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        leaves, build = flatten(args)
        dims = _checked_dims(func, in_dims, args, leaves)
        size = _batch_size(leaves, dims)
        width = size if chunk_size is None else chunk_size
        if width >= size:
            pieces = [(leaves, size)]
        else:
            starts = range(0, size, width)
            pieces = [
                (_piece(leaves, dims, i, min(i + width, size)), min(width, size - i))
                for i in starts
            ]
        results = [
            _run(func, part, dims, build, kwargs, n, randomness, out_dims) for part, n in pieces
        ]
        return _joined(results)

    return mapped


def _checked_dims(func: Any, in_dims: Any, args: Any, leaves: list[Any]) -> list[int | None]:
    """Per leaf of the arguments its mapped dimension, not negative."""
    where = f"vmap({_name(func)}, in_dims={in_dims}, ...)(<inputs>): "
    if not isinstance(in_dims, int | tuple | list | dict) or isinstance(in_dims, bool):
        raise ValueError(
            f"{where}expected `in_dims` to be int or a (potentially nested) tuple matching the "
            f"structure of inputs, got: {type(in_dims)}."
        )
    if not leaves:
        raise ValueError(
            f"vmap({_name(func)})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you "
            "are trying to vmap over a function with no inputs. The latter is unsupported."
        )
    dims = spread(tuple(in_dims) if isinstance(in_dims, list) else in_dims, args)
    if dims is None:
        raise ValueError(
            f"{where}in_dims is not compatible with the structure of `inputs`: in_dims is "
            f"{in_dims}, and there are {len(args)} positional inputs."
        )
    return [_checked_dim(where, dim, leaf) for dim, leaf in zip(dims, leaves, strict=True)]


def _checked_dim(where: str, dim: Any, leaf: Any) -> int | None:
    if dim is None:
        return None
    if not isinstance(dim, int):
        raise ValueError(
            f"{where}Got in_dim={dim} for an input but in_dim must be either an integer dimension "
            "or None."
        )
    if not isinstance(leaf, Tensor):
        raise ValueError(
            f"{where}Got in_dim={dim} for an input but the input is of type {type(leaf)}. We "
            "cannot vmap over non-Tensor arguments, please use None as the respective in_dim"
        )
    n = leaf.array.ndim
    if not -n <= dim < n:
        raise ValueError(
            f"{where}Got in_dim={dim} for some input, but that input is a Tensor of dimensionality "
            f"{n} so expected in_dim to satisfy -{n} <= in_dim < {n}."
        )
    return dim % n


def _batch_size(leaves: list[Any], dims: list[int | None]) -> int:
    sizes = [t.array.shape[d] for t, d in zip(leaves, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return int(sizes[0])


def _front(tensor: Tensor, dim: int) -> Tensor:
    """`dim` moved to the front."""
    n = tensor.array.ndim
    return F.permute(tensor, (dim, *[d for d in range(n) if d != dim])) if dim else tensor


def _piece(leaves: list[Any], dims: list[int | None], start: int, stop: int) -> list[Any]:
    return [
        leaf if d is None else F.slice(leaf, (*[slice(None)] * d, slice(start, stop)))
        for leaf, d in zip(leaves, dims, strict=True)
    ]


def _run(
    func: Any, leaves: list[Any], dims: list[int | None], build: Any, kwargs: dict[str, Any],
    size: int, randomness: str, out_dims: Any,
) -> tuple[list[Any], list[int | None], Any]:  # fmt: skip
    """One batch through the function: its results, where their batch is, and their containers."""
    level = VmapLevel(size, randomness)
    with entered(level):
        args = build(iter([
            leaf if d is None else Batched(_front(leaf, d), level)
            for leaf, d in zip(leaves, dims, strict=True)
        ]))  # fmt: skip
        with modes.intercept(level.intercept):
            outputs = func(*args, **kwargs)
        results, rebuild = flatten(outputs)
        places = _checked_places(func, out_dims, outputs)
        moved = [_out(func, level, r, d) for r, d in zip(results, places, strict=True)]
    return moved, places, rebuild


def _checked_places(func: Any, out_dims: Any, outputs: Any) -> list[int | None]:
    where = f"vmap({_name(func)}, ..., out_dims={out_dims})"
    if not isinstance(out_dims, int | tuple | list | dict | None):
        raise ValueError(
            f"{where}: `out_dims` must be an int, None or a python collection of ints representing "
            "where in the outputs the vmapped dimension should appear."
        )
    if isinstance(out_dims, tuple) and len(out_dims) == 1 and isinstance(outputs, Tensor):
        out_dims = out_dims[0]
    places = spread(out_dims, outputs)
    if places is None:
        raise ValueError(
            f"{where}(<inputs>): out_dims is not compatible with the structure of `outputs`, which "
            f"is {type(outputs).__name__}."
        )
    return places


def _out(func: Any, level: VmapLevel, result: Any, place: int | None) -> Any:
    name = _name(func)
    if place is None:
        if level.has(result):
            raise ValueError(
                f"vmap({name}, ...): `{name}` can not return a BatchedTensor when out_dim is None"
            )
        return result
    if not isinstance(result, Tensor):
        raise ValueError(
            f"vmap({name}, ...): `{name}` must only return Tensors, got type {type(result)}. Did "
            "you mean to set out_dims= to None for output?"
        )
    value = level.lower(result)
    at = wrap_dim(place, value.array.ndim)
    order = list(range(1, value.array.ndim))
    return F.permute(value, (*order[:at], 0, *order[at:])) if at else value


def _joined(results: list[Any]) -> Any:
    """The results of the chunks, concatenated."""
    first, places, rebuild = results[0]
    if len(results) == 1:
        return rebuild(iter(first))
    columns = zip(*[moved for moved, _, _ in results], strict=True)
    return rebuild(iter([
        column[0] if d is None else F.cat(column, d)
        for column, d in zip(columns, places, strict=True)
    ]))  # fmt: skip


def loop(level: VmapLevel, op: Any, values: dict[str, Any]) -> Any:
    """Any op: one call per example, results stacked."""

    def example(value: Any, i: int) -> Any:
        return tree_map(lambda v: F.slice(v.value, (i,)) if level.has(v) else v, value)

    arrays = {p.name for p in op.arrays}
    rows = [
        _call(op, tuple([example(v, i) if n in arrays else v for n, v in values.items()]), None)
        for i in range(max(level.size, 1))
    ]
    if rows[0] is None:
        return None
    if isinstance(rows[0], tuple):
        columns = [F.stack(column) for column in zip(*rows, strict=True)]
        kind = type(rows[0])
        return kind(*columns) if hasattr(kind, "_fields") else tuple(columns)
    return F.stack(rows)


def refuse_growing(level: VmapLevel, op: Any, values: dict[str, Any]) -> Any:
    """Ops whose result's shape depends on values."""
    raise RuntimeError(
        "vmap: We do not support batching operators that can output dynamic shape. Attempted to "
        f"vmap over {op.name}; use a mask (pyrite.where) in its place."
    )
