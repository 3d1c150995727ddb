"""torch's functions and methods of sparse tensors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._composites._register import composite, named
from .._composites.create import LEGACY_TYPES, as_tensor
from .._composites.matmul import addmm as _addmm
from .._composites.matmul import mm as _mm
from .._composites.scatter import scatter_reduce
from .._composites.softmax import log_softmax as _dense_log_softmax
from .._composites.softmax import softmax as _dense_softmax
from .._dtypes import BY_NAME, int64
from .._dtypes import dtype as Dtype
from .._errors import wrap_dim
from .._formats import layout, sparse_coo, sparse_csc, sparse_csr, strided
from .._inplace import check_writable
from .._tensor import F, Size, Tensor
from ..autograd.modes import no_grad
from . import _rules
from ._checks import check_compressed, check_coo, compressed_in_order
from ._tensor import LAYOUT_WORDS, SparseTensor, ravel

# ---- making them


def _held(values: Any, dtype: Dtype | None, device: Any, requires_grad: bool) -> Tensor:
    """The values of a new tensor: a leaf if `requires_grad`, else with the history they have."""
    held = as_tensor(values, dtype, device)
    if requires_grad:
        return held.detach().requires_grad_()
    return F.view(held, tuple(held.shape)) if held.requires_grad else held.detach()


def _indices(values: Any, device: Any) -> Tensor:
    return as_tensor(values, int64, device).detach()


@composite(public="f")
def sparse_coo_tensor(
    indices: Any = None, values: Any = None, size: Sequence[int] | None = None, *,
    dtype: Dtype | None = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False, check_invariants: bool | None = None,
    is_coalesced: bool | None = None,
) -> SparseTensor:  # fmt: skip
    """A tensor with `values` (n, *dense sizes) at `indices` (sparse dims, n), zero elsewhere.

    Values of one place count as their sum. `size` is the least that holds the indices if it is
    not given; with a size alone the tensor is empty. RuntimeError where the parts do not fit.
    """
    if values is None:
        given = size if size is not None else indices
        size = tuple(given)
        indices, values = as_tensor([], int64).reshape(len(size), 0), as_tensor([], dtype)
    held = _held(values, dtype, device, requires_grad)
    places = _indices(indices, held.device)
    if held.ndim == 0:
        held = F.reshape(held, (1,)) if not places.ndim or places.shape[1] == 1 else held
    sizes = check_coo(places, held, size)
    merged = bool(is_coalesced) or held.shape[0] < 2
    return SparseTensor(sparse_coo, (places,), held, sizes, merged)


def _compressed(kind: layout) -> Callable[..., SparseTensor]:
    def make(
        compressed: Any, plain: Any, values: Any, size: Sequence[int] | None = None, *,
        dtype: Dtype | None = None, device: Any = None, pin_memory: bool = False,
        requires_grad: bool = False, check_invariants: bool | None = None,
    ) -> SparseTensor:  # fmt: skip
        held = _held(values, dtype, device, requires_grad)
        starts, other = _indices(compressed, held.device), _indices(plain, held.device)
        if size is None:
            widest = other.array.max().item() + 1 if other.array.size else 0
            size = (starts.shape[0] - 1, widest)[:: 1 if kind is sparse_csr else -1]
        check_compressed(kind, starts, other, held, size, check_invariants)
        in_order = compressed_in_order(starts, other)
        return SparseTensor(kind, (starts, other), held, size, in_order)

    own, cross = ("row", "column") if kind is sparse_csr else ("column", "row")
    doc = (
        f"A matrix whose {own} i has `values` from `compressed[i]` to `compressed[i + 1]`, at the "
        f"{cross}s that `plain` says."
    )
    return named(make, f"{kind.name}_tensor", "f", doc)


sparse_csr_tensor, sparse_csc_tensor = _compressed(sparse_csr), _compressed(sparse_csc)


@composite(public="f")
def sparse_compressed_tensor(
    compressed_indices: Any, plain_indices: Any, values: Any, size: Sequence[int] | None = None, *,
    layout: layout, **options: Any,
) -> SparseTensor:  # fmt: skip
    """`sparse_csr_tensor` or `sparse_csc_tensor`, as the layout says."""
    if layout not in (sparse_csr, sparse_csc):
        raise RuntimeError(f"expected the layout sparse_csr or sparse_csc, got {layout}")
    make = sparse_csr_tensor if layout is sparse_csr else sparse_csc_tensor
    return make(compressed_indices, plain_indices, values, size, **options)


def _typed(word: str) -> None:
    def construct(indices: Any, values: Any, size: Sequence[int] | None = None) -> SparseTensor:
        return sparse_coo_tensor(indices, values, size, dtype=BY_NAME[LEGACY_TYPES[word]])

    name, doc = f"{word}Tensor", f"torch's old constructor: a COO tensor of {LEGACY_TYPES[word]}."
    named(construct, name, "", doc, aliases=(f"sparse.{name}",), key=f"sparse_{name}")


for _word in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte"):
    _typed(_word)


# ---- conversions


@composite(public="m")
def to_sparse(
    self: Tensor, sparse_dim: int | None = None, *, layout: layout | None = None,
    blocksize: Any = None, dense_dim: int | None = None,
) -> SparseTensor:  # fmt: skip
    """This tensor in a sparse layout (COO); the last dimensions stay dense if `sparse_dim` says."""
    kind = sparse_coo if layout is None else layout
    if blocksize is not None or kind is strided:
        raise RuntimeError(f"to_sparse: expected a layout without blocks, got {kind}, {blocksize}")
    if isinstance(self, SparseTensor):
        if sparse_dim not in (None, self.sparse_size):
            raise RuntimeError(
                "to_sparse: conversion from Sparse to Sparse with sparse_dim argument "
                "!=self.sparse_dim() is not supported"
            )
        return self.to_layout(kind)
    n = self.ndim
    d = n - (dense_dim or 0) if sparse_dim is None else sparse_dim
    if not 1 <= d <= n:
        raise RuntimeError(
            f"dense_to_sparse: sparse_dim argument must be in [1,{n}] range, but {d} is given"
        )
    present = F.ne(self.detach(), 0)
    if d < n:
        present = F.any(present, tuple(range(d, n)))
    indices = F.permute(F.nonzero(present), (1, 0))
    pattern = SparseTensor(sparse_coo, (F.clone(indices),), self, self.shape, True)
    held = _rules.taken(pattern, self)
    return SparseTensor(sparse_coo, pattern.places, held, self.shape, True).to_layout(kind)


for _kind, _name in zip((sparse_coo, sparse_csr, sparse_csc), ("coo", "csr", "csc"), strict=True):

    def _to(self: Tensor, dense_dim: int | None = None, *, kind: layout = _kind) -> SparseTensor:
        return to_sparse(self, layout=kind, dense_dim=dense_dim)

    named(_to, f"to_sparse_{_name}", "m", f"This tensor in the layout {_kind}.")


@composite(public="m")
def to_dense(
    self: Tensor, dtype: Dtype | None = None, *, masked_grad: bool | None = None
) -> Tensor:
    """All elements as an ordinary tensor; the gradient of a sparse one has its pattern."""
    out = self.dense() if isinstance(self, SparseTensor) else self
    return out if dtype is None or dtype is out.dtype else F.cast(out, dtype)


# ---- their parts


def _expect(name: str, t: Tensor, wanted: str, *kinds: layout) -> SparseTensor:
    if t.layout not in kinds:
        raise RuntimeError(
            f"{name} expected sparse {wanted}tensor layout but got {LAYOUT_WORDS[t.layout.name]}"
        )
    assert isinstance(t, SparseTensor)
    return t


def _of_coo(name: str, t: Tensor) -> SparseTensor:
    return _expect(name, t, "coordinate ", sparse_coo)


def _read(name: str, read: Callable[[SparseTensor], Any], wanted: str, *kinds: layout) -> None:
    """A method without arguments that some layouts have."""

    def method(self: Tensor) -> Any:
        return read(_expect(name, self, wanted, *kinds))

    named(method, name, "m", f"`{name}` of a sparse tensor; RuntimeError for other layouts.")


def _merged_part(name: str, part: Callable[[SparseTensor], Tensor]) -> Callable[..., Tensor]:
    def read(t: SparseTensor) -> Tensor:
        if t.kind is sparse_coo and not t.merged:
            raise RuntimeError(
                f"Cannot get {name} on an uncoalesced tensor, please call .coalesce() first"
            )
        return part(t)

    return read


def _values_view(t: SparseTensor) -> Tensor:
    return F.view(t.held, tuple(t.held.shape))


_ANY = (sparse_coo, sparse_csr, sparse_csc)
_ROWS, _COLUMNS = "row compressed ", "column compressed "
for _name, _get, _wanted, _kinds in (
    ("coalesce", SparseTensor.merge, "coordinate ", _ANY[:1]),
    ("is_coalesced", lambda t: t.merged, "coordinate ", _ANY[:1]),
    ("indices", _merged_part("indices", lambda t: t.places[0]), "coordinate ", _ANY[:1]),
    ("values", _merged_part("values", _values_view), "", _ANY),
    ("_indices", lambda t: t.places[0], "coordinate ", _ANY[:1]),
    ("_values", lambda t: t.held.detach(), "", _ANY),
    ("_nnz", lambda t: t.count, "", _ANY),
    ("crow_indices", lambda t: t.places[0], _ROWS, _ANY[1:2]),
    ("col_indices", lambda t: t.places[1], _ROWS, _ANY[1:2]),
    ("ccol_indices", lambda t: t.places[0], _COLUMNS, _ANY[2:]),
    ("row_indices", lambda t: t.places[1], _COLUMNS, _ANY[2:]),
):
    _read(_name, _get, _wanted, *_kinds)


@composite(public="m", aliases=("Tensor._dimI",))
def sparse_dim(self: Tensor) -> int:
    """The number of sparse dimensions; 0 for an ordinary tensor."""
    return self.sparse_size if isinstance(self, SparseTensor) else 0


@composite(public="m", aliases=("Tensor._dimV",))
def dense_dim(self: Tensor) -> int:
    """The number of dense dimensions; all of an ordinary tensor."""
    return self.ndim - sparse_dim(self)


@composite(public="m")
def sparse_mask(self: Tensor, mask: Tensor) -> SparseTensor:
    """The elements of this tensor at the places of the sparse `mask`."""
    pattern = _expect("sparse_mask", mask, "", *_ANY)
    if self.shape != pattern.shape:
        raise RuntimeError(
            f"sparse_mask(): operands have incompatible sizes; self has size {list(self.shape)} "
            f"but mask has size {list(mask.shape)}"
        )
    return pattern.like(_rules.taken(pattern, to_dense(self)))


# ---- writing: the parts are replaced

_WRITTEN = (
    "add sub mul div pow neg abs sqrt sin sinh asin asinh tan tanh atan atanh expm1 log1p sign "
    "sgn floor ceil round trunc relu erf erfinv rad2deg deg2rad"
)


def _replace(self: SparseTensor, result: Tensor, name: str, others: Any = ()) -> SparseTensor:
    check_writable(self.held, others, overlap=False)
    if not isinstance(result, SparseTensor) or result.shape != self.shape:
        raise RuntimeError(
            f"{name}: the result, of shape {list(result.shape)} and layout {result.layout}, does "
            f"not fit into a tensor of shape {list(self.shape)} and layout {self.kind}"
        )
    t = result.to_layout(self.kind)
    held = t.held if t.dtype is self.dtype else F.cast(t.held, self.dtype)
    self.places, self.held, self.merged = t.places, held, t.merged
    return self


def _write(name: str) -> None:
    def method(self: SparseTensor, *args: Any, **kwargs: Any) -> SparseTensor:
        return _replace(self, getattr(self, name)(*args, **kwargs), f"{name}_", args)

    method.__name__, method.__doc__ = f"{name}_", f"`{name}`, written into this tensor."
    setattr(SparseTensor, method.__name__, method)


for _name in _WRITTEN.split():
    _write(_name)


def _zero(self: SparseTensor) -> SparseTensor:
    """Drop all elements."""
    return _replace(self, F.zeros_like(self), "zero_")


def _copy(self: SparseTensor, src: Tensor, non_blocking: bool = False) -> SparseTensor:
    """Take over the elements of another sparse tensor."""
    return _replace(self, F.clone(src), "copy_", (src,))


for _name, _method in (("zero_", _zero), ("copy_", _copy)):
    setattr(SparseTensor, _name, _method)


# ---- torch.sparse


@composite(public="", aliases=("sparse.mm",))
def mm(mat1: Tensor, mat2: Tensor, reduce: str = "sum") -> Tensor:
    """Product of two matrices, one of them sparse at least.

    Sparse by dense is dense, sparse by sparse is sparse. `reduce` says how the products of a row
    are joined: "sum", "mean", "amax", "amin" (rows without elements give 0).
    """
    if reduce == "sum":
        return _mm(mat1, mat2)
    if reduce not in ("mean", "amax", "amin", "prod"):
        raise RuntimeError(
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}"
        )
    if not isinstance(mat1, SparseTensor) or isinstance(mat2, SparseTensor):
        raise RuntimeError(f"sparse.mm with reduce={reduce!r} wants a sparse and a dense matrix")
    row, col, held = _rules._entries(mat1)
    products = F.mul(F.reshape(held, (-1, 1)), F.index(mat2, [col], (0,)))
    shape = (mat1.shape[0], mat2.shape[1])
    target = F.full(shape, 0, mat2.dtype, device=mat2.device)
    index = F.expand(F.reshape(row, (-1, 1)), tuple(products.shape))
    return scatter_reduce(target, 0, index, products, reduce, include_self=False)


@composite(public="f")
def hspmm(mat1: Tensor, mat2: Tensor) -> SparseTensor:
    """Product of a sparse and a dense matrix, with sparse rows: COO with one dense dimension."""
    out = _mm(mat1, mat2)
    rows, _, _ = F.distinct(_of_coo("hspmm", mat1).places[0][0], None, False)
    places = (F.reshape(rows, (1, -1)),)
    return SparseTensor(sparse_coo, places, F.index(out, [rows], (0,)), out.shape, True)


@composite(public="fm")
def smm(input: Tensor, mat: Tensor) -> SparseTensor:
    """Product of a sparse and a dense matrix, in COO layout."""
    return to_sparse(_mm(input, mat))


composite(public="f", name="spmm")(_mm)


@composite(public="fm")
def sspaddmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1
) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)` with sparse `input` and `mat1`: sparse."""
    return F.add(F.mul(input, beta), smm(mat1, mat2), alpha=alpha)


@composite(public="", aliases=("sparse.addmm",))
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0
) -> Tensor:
    """`beta * input + alpha * (mat1 @ mat2)` with a sparse `mat1`."""
    return _addmm(input, mat1, mat2, beta=beta, alpha=alpha)


@composite(public="", aliases=("sparse.sampled_addmm",), out=True)
def sampled_addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1.0, alpha: float = 1.0
) -> SparseTensor:
    """`beta * input + alpha * (mat1 @ mat2)` at the places of the sparse `input` only."""
    t = _expect("sampled_addmm", input, "row compressed ", *_ANY)
    shapes = f"({'x'.join(map(str, mat1.shape))} and {'x'.join(map(str, mat2.shape))})"
    if mat1.ndim != 2 or mat2.ndim != 2 or mat1.shape[1] != mat2.shape[0]:
        raise RuntimeError(f"sampled_addmm: mat1 and mat2 shapes cannot be multiplied {shapes}")
    if t.shape != (mat1.shape[0], mat2.shape[1]):
        raise RuntimeError(f"sampled_addmm: the product {shapes} is not of shape {list(t.shape)}")
    row, col, held = _rules._entries(t)
    product = F.sampled_matmul(mat1, row, col, F.permute(mat2, (1, 0)))
    return t.like(F.add(F.mul(held, beta), product, alpha=alpha))


@composite(public="", aliases=("sparse.sum",))
def sum(input: Tensor, dim: Any = None, dtype: Dtype | None = None) -> Tensor:
    """The sum over `dim`: sparse while a sparse dimension is left, over all dims a number."""
    t = _of_coo("coalesce", input)
    return F.sum(t if dtype is None else F.cast(t, dtype), dim, False)


def _groups(t: SparseTensor, dim: int) -> Tensor:
    """For each nonzero the number of its row along `dim`."""
    kept = [i for i in range(t.sparse_size) if i != dim]
    indices = F.index(t.places[0], [as_tensor(kept, int64, t.device)], (0,))
    return ravel(indices, [t.shape[i] for i in kept])


def _soft(name: str, finish: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable[..., Any]:
    """softmax or log_softmax over the elements that are kept, along one dimension."""
    dense = {"softmax": _dense_softmax, "log_softmax": _dense_log_softmax}[name]

    def function(input: Tensor, dim: int, *, dtype: Dtype | None = None) -> SparseTensor:
        t = _of_coo(name, input).merge()
        t = t if dtype is None else t.like(F.cast(t.held, dtype))
        d = wrap_dim(dim, t.ndim)
        if d >= t.sparse_size:
            return t.like(dense(t.held, d - t.sparse_size + 1))
        keys, row, _ = F.distinct(_groups(t, d), None, False)
        rows = keys.shape[0]
        width = tuple(t.held.shape[1:])
        with no_grad():
            lowest = F.full((rows, *width), 0, t.dtype, device=t.device)
            wide = F.reshape(row, (-1,) + (1,) * len(width))
            index = F.expand(wide, tuple(t.held.shape))
            top = scatter_reduce(lowest, 0, index, t.held, "amax", include_self=False)
        shifted = F.sub(t.held, F.index(top, [row], (0,)))
        powers = F.exp(shifted)
        total = F.index(F.embedding_grad(powers, row, rows), [row], (0,))
        return t.like(finish(shifted, powers, total))

    doc = f"`{name}` along `dim` over the elements of a COO tensor that are kept."
    return named(function, name, "", doc, aliases=(f"sparse.{name}",))


softmax = _soft("softmax", lambda shifted, powers, total: F.div(powers, total))
log_softmax = _soft("log_softmax", lambda shifted, powers, total: F.sub(shifted, F.log(total)))


@composite(public="", aliases=("sparse.spdiags",))
def spdiags(
    diagonals: Tensor, offsets: Tensor, shape: Sequence[int], layout: layout | None = None
) -> SparseTensor:
    """A sparse matrix with row i of `diagonals` along the diagonal `offsets[i]`."""
    wanted = [int(o) for o in offsets.reshape(-1).tolist()]
    table = diagonals if diagonals.ndim == 2 else F.reshape(diagonals, (1, -1))
    if len(set(wanted)) != len(wanted):
        raise RuntimeError("Offset tensor contains duplicate values")
    if len(wanted) != table.shape[0]:
        raise RuntimeError(
            f"Number of diagonals ({table.shape[0]}) does not match the number of offsets "
            f"({len(wanted)})"
        )
    rows, columns = Size(shape)
    rows_of, columns_of, numbers = [], [], []
    for i, offset in enumerate(wanted):
        first, last = max(0, offset), min(columns, rows + offset, table.shape[1])
        span = F.arange(first, max(first, last), 1, int64, device=table.device)
        columns_of.append(span)
        rows_of.append(F.sub(span, offset))
        numbers.append(F.index(table[i], [span], (0,)))
    indices = F.stack([F.cat(rows_of, 0), F.cat(columns_of, 0)], 0)
    out = SparseTensor(sparse_coo, (indices,), F.cat(numbers, 0), (rows, columns))
    return out if layout is None else out.to_layout(layout)
