"""What each op of the table does with sparse operands: `RULES`, by the op's name.

An op without a rule is refused by name. Rules compute with ordinary ops on the parts, so that
derivatives of every order come from those.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._composites.arrange import repeat_interleave
from .._composites.create import as_tensor
from .._composites.sort import searchsorted
from .._dtypes import int64, promote_types
from .._errors import wrap_dim
from .._formats import sparse_coo, sparse_csr
from .._tensor import F, Size, Tensor
from ._tensor import SparseTensor, ravel, unravel

RULES: dict[str, Callable[..., Any]] = {}
# Functions with f(0) = 0: they act on the elements that are kept.
_ZERO_STAYS = (
    "abs asin asinh atan atanh ceil deg2rad erf erfinv expm1 floor isinf isnan log1p neg rad2deg "
    "relu round sgn sign sin sinh sqrt tan tanh trunc"
)
_LINEAR = frozenset(("neg", "deg2rad", "rad2deg"))


def apply(op: Any, args: tuple[Any, ...]) -> Any:
    """Run the rule of an op; NotImplementedError names the op and the layout that has none."""
    rule = RULES.get(op.name)
    if rule is None:
        found = next(a for a in _flat(args) if isinstance(a, SparseTensor))
        raise NotImplementedError(
            f"{op.name}() is not available for tensors of layout {found.kind} (got shape "
            f"{list(found.shape)}); use .to_dense() first, or work on .values()"
        )
    return rule(*args)


SparseTensor.rules = staticmethod(apply)


def _flat(args: tuple[Any, ...]) -> list[Any]:
    return [v for a in args for v in (a if isinstance(a, tuple | list) else (a,))]


def rule(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register the rule of the op that the function's name (without underscores) names."""
    RULES[function.__name__.strip("_")] = function
    return function


def _on_values(name: str) -> None:
    """A function of single elements; those of one place are added up first unless it is linear."""

    def act(input: SparseTensor, *rest: Any) -> SparseTensor:
        t = input if name in _LINEAR or input.kind is not sparse_coo else input.merge()
        return t.like(getattr(F, name)(t.held, *rest))

    RULES[name] = act


for _name in _ZERO_STAYS.split():
    _on_values(_name)


@rule
def clone(input: SparseTensor, memory_format: Any = None) -> SparseTensor:
    return input.like(F.clone(input.held))


@rule
def cast(input: SparseTensor, dtype: Any) -> SparseTensor:
    return input.like(F.cast(input.held, dtype))


@rule
def to_device(input: SparseTensor, target: Any, source: Any) -> SparseTensor:
    places = tuple([F.to_device(p, target, source) for p in input.places])
    held = F.to_device(input.held, target, source)
    return SparseTensor(input.kind, places, held, input.shape, input.merged)


def _pick(t: SparseTensor, keep: Any) -> tuple[Tensor, Tensor]:
    """Indices and values of the nonzeros at the positions `keep`."""
    return F.index(t.places[0], [keep], (1,)), F.index(t.held, [keep], (0,))


def where(condition: Tensor) -> Tensor:
    """The positions of a vector's true elements."""
    return F.reshape(F.nonzero(condition), (-1,))


@rule
def zeros_like(input: SparseTensor, *rest: Any) -> SparseTensor:
    t = input.coo()
    indices, held = _pick(t, as_tensor([], int64, t.device))
    empty = SparseTensor(sparse_coo, (indices,), held.detach(), t.shape, True)
    return empty.to_layout(input.kind)


# ---- arithmetic


def _same_size(name: str, input: Tensor, other: Any) -> None:
    size = getattr(other, "shape", ())
    if tuple(size) != tuple(input.shape):
        raise RuntimeError(
            f"{name}: expected 'self' and 'other' to have same size, but self has size "
            f"{list(input.shape)} while other has size {list(size)}: sparse operands do not "
            "broadcast"
        )


@rule
def add(input: Any, other: Any, alpha: Any = 1) -> Tensor:
    if not isinstance(input, SparseTensor):
        _same_size("add", input if isinstance(input, Tensor) else as_tensor(input), other)
        return F.add(input, other.dense(), alpha=alpha)
    if not isinstance(other, SparseTensor):
        if input.kind is sparse_coo:
            raise RuntimeError(
                "add(sparse, dense) is not supported. Use add(dense, sparse) instead."
            )
        _same_size("add", input, other)
        return F.add(input.dense(), other, alpha=alpha)
    _same_size("add", input, other)
    one, two = input.coo(), other.coo()
    if one.sparse_size != two.sparse_size:
        raise RuntimeError(
            f"add: expected 'self' and 'other' to have the same number of sparse dimensions, got "
            f"{one.sparse_size} and {two.sparse_size}"
        )
    scaled = two.held if alpha == 1 else F.mul(two.held, alpha)
    kind = promote_types(one.dtype, two.dtype)
    held = F.cat([F.cast(v, kind) if v.dtype is not kind else v for v in (one.held, scaled)], 0)
    places = (F.cat([one.places[0], two.places[0]], 1),)
    return SparseTensor(sparse_coo, places, held, one.shape).merge().to_layout(input.kind)


@rule
def sub(input: Any, other: Any, alpha: Any = 1) -> Tensor:
    return add(input, other, -alpha)


def _is_number(value: Any) -> bool:
    return not isinstance(value, Tensor) or (value.ndim == 0 and type(value) is not SparseTensor)


@rule
def mul(input: Any, other: Any) -> SparseTensor:
    if not isinstance(input, SparseTensor):
        input, other = other, input
    if _is_number(other):
        return input.like(F.mul(input.held, other))
    if not isinstance(other, SparseTensor):
        return input.like(F.mul(input.held, taken(input, F.expand(other, tuple(input.shape)))))
    _same_size("mul", input, other)
    one, two = input.merge(), other.merge()
    keys, others = ravel(one.places[0], one.sizes), ravel(two.places[0], two.sizes)
    both = F.distinct(F.cat([keys, others], 0), None, False)
    shared = F.index(both[0], [where(F.eq(both[2], 2))], (0,))
    indices, held = _pick(one, searchsorted(keys, shared))
    held = F.mul(held, F.index(two.held, [searchsorted(others, shared)], (0,)))
    out = SparseTensor(sparse_coo, (indices,), held, one.shape, True)
    return out.to_layout(input.kind)


def taken(pattern: SparseTensor, dense: Tensor) -> Tensor:
    """The elements of a dense tensor at the places of a sparse one."""
    t = pattern.coo()
    return F.index(dense, list(F.unbind(t.places[0], 0)), tuple(range(t.sparse_size)), False)


@rule
def div(input: Any, other: Any) -> SparseTensor:
    if not (isinstance(input, SparseTensor) and _is_number(other)):
        raise RuntimeError(
            "Sparse division requires a scalar or zero-dim dense tensor divisor (got shape "
            f"{list(getattr(other, 'shape', ()))} for divisor)"
        )
    return input.like(F.div(input.held, other))


@rule
def pow(input: Any, exponent: Any) -> SparseTensor:
    if not (isinstance(input, SparseTensor) and isinstance(exponent, int | float)):
        raise NotImplementedError("pow() of sparse tensors wants a number as exponent")
    if exponent <= 0:
        raise RuntimeError(f"pow(): a sparse tensor to the power {exponent} would be dense")
    t = input.merge().to_layout(input.kind)
    return t.like(F.pow(t.held, exponent))


# ---- products


@rule
def matmul(input: Any, other: Any) -> Tensor:
    if input.dtype is not other.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {input.dtype} != {other.dtype}"
        )
    if input.ndim == 3 and isinstance(input, SparseTensor):
        return _batched(input, other)
    if input.ndim > 2 or other.ndim > 2 or not (input.ndim and other.ndim):
        raise RuntimeError(
            f"matmul: expected sparse matrices and matrices or vectors, got {input.ndim}D and "
            f"{other.ndim}D"
        )
    if input.shape[-1] != other.shape[0]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({_by(input)} and {_by(other)})"
        )
    if not isinstance(input, SparseTensor):
        return _turned(matmul(other.permuted((1, 0)), _turned(input)))
    if isinstance(other, SparseTensor):
        return sparse_by_sparse(input, other)
    row, col, held = _entries(input)
    if other.ndim == 2:
        return F.sparse_matmul(held, row, col, other, input.shape[0])
    out = F.sparse_matmul(held, row, col, F.reshape(other, (-1, 1)), input.shape[0])
    return F.reshape(out, (input.shape[0],))


def _by(t: Tensor) -> str:
    return "x".join(map(str, t.shape))


def _turned(t: Tensor) -> Tensor:
    return F.permute(t, (1, 0)) if t.ndim == 2 else t


def _entries(t: SparseTensor) -> tuple[Tensor, Tensor, Tensor]:
    """Rows, columns and values of a matrix without dense dimensions."""
    t = t.coo()
    if t.sparse_size != 2 or t.held.ndim != 1:
        raise RuntimeError(
            f"matmul: expected a matrix with 2 sparse dimensions, got {t.sparse_size} sparse and "
            f"{t.held.ndim - 1} dense"
        )
    row, col = F.unbind(t.places[0], 0)
    return row, col, t.held


def _batched(input: SparseTensor, other: Tensor) -> Tensor:
    """A batch of sparse matrices (b, n, k) by dense ones (b, k, m), as one product."""
    if type(other) is SparseTensor or input.sparse_size != 3 or other.ndim != 3:
        raise RuntimeError("bmm_sparse: expected 3 sparse dimensions and a 3-D dense tensor")
    (b, n, k), m = input.shape, other.shape[2]
    if other.shape[:2] != (b, k):
        raise RuntimeError(f"bmm_sparse: batch2 must be of shape {[b, k, m]}, got {other.shape}")
    batch, row, col = F.unbind(input.places[0], 0)
    rows, cols = F.add(row, batch, alpha=n), F.add(col, batch, alpha=k)
    flat = F.reshape(other, (b * k, m))
    return F.reshape(F.sparse_matmul(input.held, rows, cols, flat, b * n), (b, n, m))


def pairs(counts: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """For each i, the numbers from `starts[i]` on, `counts[i]` of them, each beside its i."""
    left = repeat_interleave(counts)
    shift = F.sub(starts, F.sub(F.cumsum(counts, 0), counts))
    place = F.arange(0, left.shape[0], 1, int64, device=left.device)
    return left, F.add(place, F.index(shift, [left], (0,)))


def sparse_by_sparse(input: SparseTensor, other: SparseTensor) -> SparseTensor:
    """The product of two sparse matrices: in CSR if both are, else in COO."""
    row, inner, held = _entries(input)
    second = other.compressed(sparse_csr)
    starts = F.index(second.places[0], [inner], (0,))
    ends = F.index(second.places[0], [F.add(inner, 1)], (0,))
    left, right = pairs(F.sub(ends, starts), starts)
    held = F.mul(F.index(held, [left], (0,)), F.index(second.held, [right], (0,)))
    indices = [F.index(row, [left], (0,)), F.index(second.places[1], [right], (0,))]
    size = (input.shape[0], other.shape[1])
    out = SparseTensor(sparse_coo, (F.stack(indices, 0),), held, size).merge()
    return out.to_layout(input.kind if input.kind is other.kind else sparse_coo)


@rule
def linear(input: Any, weight: Any, bias: Any = None) -> Tensor:
    turned = weight.permuted((1, 0)) if isinstance(weight, SparseTensor) else _turned(weight)
    out = matmul(input, turned)
    return out if bias is None else F.add(out, bias)


# ---- reductions


@rule
def sum(input: SparseTensor, dim: Any = None, keepdim: bool = False) -> Tensor:
    if dim is None or dim == ():
        return F.sum(input.held)
    t, n = input.coo(), input.ndim
    drop = {wrap_dim(d, n) for d in (dim if isinstance(dim, tuple | list) else (dim,))}
    inner = tuple([d - t.sparse_size + 1 for d in drop if d >= t.sparse_size])
    held = F.sum(t.held, inner) if inner else t.held
    kept = [d for d in range(t.sparse_size) if d not in drop]
    if not kept:
        return _kept_dims(F.sum(held, 0), t, drop, keepdim)
    indices = F.index(t.places[0], [as_tensor(kept, int64, t.device)], (0,))
    size = [s for d, s in enumerate(t.shape) if d not in drop]
    out = SparseTensor(sparse_coo, (indices,), held, size).merge()
    return _kept_dims(out, t, drop, keepdim)


def _kept_dims(out: Tensor, t: SparseTensor, drop: set[int], keepdim: bool) -> Tensor:
    if not keepdim:
        return out
    size = tuple([1 if d in drop else s for d, s in enumerate(t.shape)])
    return F.view(out, size)


def _of_all(name: str, position: int) -> None:
    """A reduction that zeros leave alone, over all dims; `position`: of its parameter dim."""

    def reduce(input: SparseTensor, *rest: Any) -> Tensor:
        if rest[position - 1] is not None:
            raise NotImplementedError(f"{name}() of sparse tensors takes no dim; use .to_dense()")
        return getattr(F, name)(input.merge().held, *rest)

    RULES[name] = reduce


_of_all("any", 1)
_of_all("vector_norm", 2)


# ---- other shapes


@rule
def permute(input: SparseTensor, dims: Any) -> SparseTensor:
    order = [wrap_dim(d, input.ndim) for d in dims]
    if sorted(order) != list(range(input.ndim)):
        raise RuntimeError(f"permute(): {tuple(dims)} is no order of {input.ndim} dimensions")
    return input.permuted(order)


@rule
def view(input: SparseTensor, size: Any) -> SparseTensor:
    """Another shape of the sparse dimensions; the dense ones stay the last."""
    t = input.coo()
    tail = t.held.ndim - 1
    head = tuple(size[: len(size) - tail])
    if Size(head).numel() != t.sizes.numel() or tuple(size[len(head) :]) != t.held.shape[1:]:
        raise RuntimeError(f"shape {list(size)} is invalid for a sparse tensor of {list(t.shape)}")
    indices = unravel(ravel(t.places[0], t.sizes), head)
    return SparseTensor(sparse_coo, (indices,), t.held, size, t.merged)


RULES["reshape"] = view


@rule
def slice_(input: SparseTensor, index: Any) -> Tensor:
    t = input.coo()
    if Ellipsis in index:
        at = index.index(Ellipsis)
        index = (*index[:at], *[slice(None)] * (t.ndim - len(index) + 1), *index[at + 1 :])
    if None in index:
        raise NotImplementedError("None in the index of a sparse tensor; use .unsqueeze(dim)")
    d = t.sparse_size
    held = F.slice(t.held, (slice(None), *index[d:])) if len(index) > d else t.held
    rows, size, keep = list(F.unbind(t.places[0], 0)), list(t.sizes), None
    for dim, item in enumerate(index[:d]):
        if item == slice(None):
            continue
        whole = not isinstance(item, slice)
        span = range(size[dim])[item : item + 1 or None] if whole else range(size[dim])[item]
        row = F.sub(rows[dim], span.start)
        inside = F.logical_and(F.ge(row, 0), F.lt(rows[dim], span.stop))
        if span.step != 1:
            inside = F.logical_and(inside, F.eq(F.remainder(row, span.step), 0))
            row = F.floor_divide(row, span.step)
        rows[dim], size[dim] = row, -1 if whole else len(span)
        keep = inside if keep is None else F.logical_and(keep, inside)
    left = [dim for dim, n in enumerate(size) if n >= 0]
    at = None if keep is None else where(keep)
    rows = [r if at is None else F.index(r, [at], (0,)) for i, r in enumerate(rows) if i in left]
    held = held if at is None else F.index(held, [at], (0,))
    if not left:
        return F.sum(held, 0)
    size = [size[i] for i in left]
    return SparseTensor(sparse_coo, (F.stack(rows, 0),), held, (*size, *held.shape[1:]), t.merged)


@rule
def unbind(input: SparseTensor, dim: int = 0) -> tuple[Tensor, ...]:
    before = (slice(None),) * wrap_dim(dim, input.ndim)
    return tuple([slice_(input, (*before, i)) for i in range(input.shape[dim])])


@rule
def index(input: SparseTensor, indices: Any, dims: Any, wrap: bool = True) -> SparseTensor:
    """`index_select`: one vector of indices along one dimension."""
    t, dim = input.coo(), dims[0]
    (chosen,) = indices
    if len(dims) != 1 or chosen.ndim != 1:
        raise NotImplementedError("a sparse tensor takes one vector of indices: index_select")
    d, n = t.sparse_size, t.shape[dim]
    if dim >= d:
        return t.like(F.index(t.held, [chosen], (dim - d + 1,), wrap))
    chosen = F.index(F.arange(0, n, 1, int64, device=t.device), [chosen], (0,), wrap)
    order = F.sort_indices(t.places[0][dim], -1, False)
    row = F.index(t.places[0][dim], [order], (0,))
    first = searchsorted(row, chosen)
    which, place = pairs(F.sub(searchsorted(row, chosen, right=True), first), first)
    picked, held = _pick(t, F.index(order, [place], (0,)))
    rows = [which if i == dim else r for i, r in enumerate(F.unbind(picked, 0))]
    size = [chosen.shape[0] if i == dim else s for i, s in enumerate(t.shape)]
    return SparseTensor(sparse_coo, (F.stack(rows, 0),), held, size).merge()


@rule
def cat(tensors: Any, dim: int = 0) -> SparseTensor:
    for i, t in enumerate(tensors):
        if not isinstance(t, SparseTensor):
            raise RuntimeError(
                f"Concatenating sparse tensors, but a dense tensor was found at position {i}."
            )
    parts = [t.coo() for t in tensors]
    first = parts[0]
    dim, d = wrap_dim(dim, first.ndim), first.sparse_size
    sizes = [[s for i, s in enumerate(t.shape) if i != dim] for t in parts]
    if sizes.count(sizes[0]) != len(sizes) or {t.sparse_size for t in parts} != {d}:
        raise RuntimeError(
            "All tensors must have the same shape (except in the concatenating dimension) and "
            f"sparse dimensions, got {[list(t.shape) for t in parts]}"
        )
    start, places, held = 0, [], []
    for t in parts:
        step = [start if i == dim else 0 for i in range(d)]
        places.append(F.add(t.places[0], as_tensor(step, int64, t.device)[:, None]))
        held.append(t.held if dim < d else _padded(t.held, parts, dim, start, d))
        start += t.shape[dim]
    size = [start if i == dim else s for i, s in enumerate(first.shape)]
    out = SparseTensor(sparse_coo, (F.cat(places, 1),), F.cat(held, 0), size)
    return out.merge() if all(t.merged for t in parts) else out


def _padded(held: Tensor, parts: list[SparseTensor], dim: int, start: int, d: int) -> Tensor:
    """Values with zeros before and behind them along a dense dimension that is joined."""
    total = 0
    for t in parts:
        total += t.shape[dim]
    behind = total - start - held.shape[dim - d + 1]
    after = held.ndim - (dim - d + 1) - 1
    return F.constant_pad_nd(held, (0, 0) * after + (start, behind), 0)


@rule
def stack(tensors: Any, dim: int = 0) -> SparseTensor:
    n = tensors[0].ndim
    dim = wrap_dim(dim, n + 1)
    return cat([view(t, (*t.shape[:dim], 1, *t.shape[dim:])) for t in tensors], dim)
