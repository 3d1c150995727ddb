"""`SparseTensor`: a Tensor that keeps only some of its elements, by their indices.

Its parts are ordinary Tensors: one or two of int64 that say where the elements are, and `held`,
the elements. Gradients flow to `held` through ordinary ops, so the gradient of a sparse tensor
has its pattern; history, hooks and `requires_grad` are those of `held`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._composites.arrange import repeat_interleave
from .._composites.create import as_tensor
from .._composites.sort import searchsorted
from .._device import device as Device
from .._dtypes import get_default_dtype, int64
from .._formats import layout as Layout
from .._formats import sparse_coo, sparse_csc, sparse_csr
from .._repr import OPTIONS, body
from .._tensor import F, Size, Tensor

LAYOUT_WORDS = {
    "strided": "Strided", "sparse_coo": "Sparse", "sparse_csr": "SparseCsr",
    "sparse_csc": "SparseCsc",
}  # fmt: skip


class NoArray:
    """What a sparse tensor has in place of an array: a shape and a dtype, but no memory."""

    __slots__ = ("dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.shape, self.dtype = shape, dtype

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return Size(self.shape).numel()

    @property
    def strides(self) -> tuple[int, ...]:
        return (0,) * len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise RuntimeError(
            "Cannot access data pointer of Tensor that doesn't have storage: this one is sparse; "
            "use .to_dense() first, or its .values()"
        )


def ravel(indices: Tensor, size: Sequence[int]) -> Tensor:
    """One number per nonzero: its place in the sparse dimensions, (d, n) to (n,)."""
    steps, _ = _steps(indices, size)
    return F.sum(F.mul(indices, steps), 0)


def unravel(keys: Tensor, size: Sequence[int]) -> Tensor:
    """The indices that `ravel` made keys of, (n,) to (d, n)."""
    steps, sizes = _steps(keys, size)
    return F.remainder(F.floor_divide(F.view(keys, (1, -1)), steps), sizes)


def _steps(like: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Columns of each dimension's step and size."""
    if Size(size).numel() >= 2**63:
        raise RuntimeError(f"sparse sizes {list(size)} have 2**63 places or more: int64 overflows")
    steps = [Size(size[d + 1 :]).numel() for d in range(len(size))]
    pair = as_tensor([steps, [*size]], int64, like.device)
    one, two = F.unbind(F.reshape(pair, (2, len(size), 1)), 0)
    return one, two


class SparseTensor(Tensor):
    """A tensor in one of the sparse layouts; made by the functions that bear torch's names.

    Attributes:
        kind: its layout.
        places: COO: (indices,), int64 (sparse dims, n). CSR and CSC: where each row (column)
            starts, (rows + 1,), and the column (row) of each element, (n,).
        held: the elements, (n, *dense sizes).
        merged: whether the places are in order and none occurs twice.
    """

    __slots__ = ("held", "kind", "merged", "places")

    def __init__(
        self, kind: Layout, places: tuple[Tensor, ...], held: Tensor, size: Sequence[int],
        merged: bool = False,
    ) -> None:  # fmt: skip
        self.kind, self.places, self.held, self.merged = kind, places, held, merged
        self.array = NoArray(tuple(size), held.array.dtype)

    def like(self, held: Tensor, merged: bool | None = None) -> SparseTensor:
        """Other values at the same places."""
        merged = self.merged if merged is None else merged
        size = (*self.shape[: self.sparse_size], *held.shape[1:])
        return SparseTensor(self.kind, self.places, held, size, merged)

    # ---- what it is

    @property
    def layout(self) -> Layout:
        return self.kind

    @property
    def device(self) -> Device:
        return self.held.device

    @property
    def sparse_size(self) -> int:
        """The number of sparse dimensions, which come first."""
        return self.places[0].shape[0] if self.kind is sparse_coo else 2

    @property
    def sizes(self) -> Size:
        """The sizes of the sparse dimensions."""
        out: Size = self.shape[: self.sparse_size]
        return out

    @property
    def count(self) -> int:
        """The number of elements kept."""
        return int(self.held.array.shape[0])

    def is_contiguous(self, memory_format: Any = None) -> bool:
        return False

    # ---- other forms

    def coo(self) -> SparseTensor:
        """The same elements in coordinate layout."""
        if self.kind is sparse_coo:
            return self
        starts, other = self.places
        counts = F.sub(F.slice(starts, (slice(1, None),)), F.slice(starts, (slice(-1),)))
        own = repeat_interleave(counts)
        rows = self.kind is sparse_csr
        indices = F.stack([own, other] if rows else [other, own], 0)
        return SparseTensor(sparse_coo, (indices,), self.held, self.shape, self.merged and rows)

    def merge(self) -> SparseTensor:
        """In coordinate layout, in order, with elements of one place added up."""
        t = self.coo()
        if t.merged:
            return t
        keys, inverse, _ = F.distinct(ravel(t.places[0], t.sizes), None, False)
        held = F.embedding_grad(t.held, inverse, keys.shape[0])
        places = (unravel(keys, t.sizes),)
        return SparseTensor(sparse_coo, places, held, self.shape, True)

    def compressed(self, kind: Layout) -> SparseTensor:
        """In CSR or CSC layout."""
        if self.kind is kind:
            return self
        if self.ndim != 2 or self.sparse_size != 2:
            raise RuntimeError(
                f"a tensor of shape {list(self.shape)} with {self.sparse_size} sparse dimensions "
                f"cannot have the layout {kind}; expected a matrix with 2 sparse dimensions"
            )
        rows = kind is sparse_csr
        t = (self if rows else self.permuted((1, 0))).merge()
        own, other = F.unbind(t.places[0], 0)
        ends = F.arange(0, t.shape[0] + 1, 1, int64, device=own.device)
        return SparseTensor(kind, (searchsorted(own, ends), other), t.held, self.shape, True)

    def to_layout(self, kind: Layout) -> SparseTensor:
        return self.coo() if kind is sparse_coo else self.compressed(kind)

    def dense(self) -> Tensor:
        """All elements, zeros among them, as an ordinary tensor."""
        t = self.coo()
        flat = F.embedding_grad(t.held, ravel(t.places[0], t.sizes), t.sizes.numel())
        return F.reshape(flat, tuple(self.shape))

    def permuted(self, dims: Sequence[int]) -> SparseTensor:
        """The dimensions in another order, sparse ones still first."""
        if self.kind is not sparse_coo:
            flip = sparse_csc if self.kind is sparse_csr else sparse_csr
            if tuple(dims) == (0, 1):
                return self
            return SparseTensor(flip, self.places, self.held, self.shape[::-1], self.merged)
        d = self.sparse_size
        if sorted(dims[:d]) != list(range(d)):
            raise RuntimeError(
                f"transpose: sparse and dense dimensions do not mix: expected the first {d} of "
                f"{list(dims)} to be 0 to {d - 1}"
            )
        indices = F.index(self.places[0], [as_tensor([*dims[:d]], int64, self.device)], (0,))
        held = F.permute(self.held, (0, *[n - d + 1 for n in dims[d:]]))
        size = [self.shape[n] for n in dims]
        same = self.merged and list(dims[:d]) == list(range(d))
        return SparseTensor(sparse_coo, (indices,), held, size, same)

    # ---- history: that of `held`

    @property
    def grad(self) -> SparseTensor | None:
        """The gradient with this tensor's pattern; None before `backward()`."""
        return None if self.held._grad is None else self.like(self.held._grad)

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None and not (
            isinstance(value, SparseTensor) and value.held.shape == self.held.shape
        ):
            raise RuntimeError(
                f"assigned grad of a tensor of layout {self.kind} must be sparse with the same "
                f"places, got {type(value).__name__}"
            )
        self.held.grad = None if value is None else value.held

    @grad.deleter
    def grad(self) -> None:
        self.held.grad = None

    def detach(self) -> SparseTensor:
        return self.like(self.held.detach())

    @property
    def data(self) -> Any:
        return self.like(self.held.data)

    @data.setter
    def data(self, value: Any) -> None:
        self.places, self.held.data, self.merged = value.places, value.held, value.merged

    def as_plain(self) -> Tensor:
        raise NotImplementedError(
            f"a tensor of layout {self.kind} has no strided form of its own; use .to_dense()"
        )

    # ---- Python's protocols

    def numpy(self, *, force: bool = False) -> Any:
        raise TypeError(
            f"can't convert {LAYOUT_WORDS[self.kind.name]} layout tensor to numpy. Use "
            "Tensor.to_dense() first."
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return self.numpy()

    def tolist(self) -> Any:
        return self.array.tolist()

    def __deepcopy__(self, memo: dict[int, Any]) -> SparseTensor:
        if id(self) not in memo:
            places = tuple([p.__deepcopy__(memo) for p in self.places])
            held = self.held.__deepcopy__(memo)
            memo[id(self)] = SparseTensor(self.kind, places, held, self.shape, self.merged)
        found: SparseTensor = memo[id(self)]
        return found

    def __reduce_ex__(self, protocol: Any) -> Any:
        return SparseTensor, (self.kind, self.places, self.held, self.shape, self.merged)

    def __repr__(self) -> str:
        names = {
            sparse_coo: ("indices",), sparse_csr: ("crow_indices", "col_indices"),
            sparse_csc: ("ccol_indices", "row_indices"),
        }[self.kind]  # fmt: skip
        parts = zip((*names, "values"), (*self.places, self.held), strict=True)
        indent = " " * len("tensor(")
        return _facts(f"tensor({f',{chr(10)}{indent}'.join([_part(*p) for p in parts])}", self)


def _part(name: str, tensor: Tensor) -> str:
    prefix = f"{name}=tensor("
    if not tensor.array.size:
        return f"{prefix}[], size={tuple(tensor.shape)})"
    return f"{prefix}{body(tensor.detach(), len('tensor(') + len(prefix))})"


def _facts(out: str, t: SparseTensor) -> str:
    """The text with size, number of elements and what is unusual, in lines as torch breaks them."""
    facts = [f"size={tuple(t.shape)}", f"nnz={t.count}", f"layout={t.kind}"]
    if t.device.type != "cpu":
        facts.insert(0, f"device='{t.device}'")
    if t.dtype is not get_default_dtype():
        facts.insert(-1, f"dtype={t.dtype}")
    if t.held.node is not None:
        facts.append(f"grad_fn=<{t.held.node.name()}>")
    elif t.requires_grad:
        facts.append("requires_grad=True")
    indent, line = len("tensor("), len(out) - out.rfind("\n") + 1
    for i, fact in enumerate(facts):
        broken = line + len(fact) + 2 > OPTIONS.linewidth or (i == 0 and t.kind is sparse_coo)
        line = indent + len(fact) if broken else line + len(fact) + 2
        out += f",\n{' ' * indent}{fact}" if broken else f", {fact}"
    return out + ")"


def _of_held(name: str) -> property:
    def get(self: SparseTensor) -> Any:
        return getattr(self.held, name)

    def put(self: SparseTensor, value: Any) -> None:
        setattr(self.held, name, value)

    return property(get, put)


for _name in ("storage", "node", "index", "cut", "hooks", "_grad", "_requires_grad"):
    setattr(SparseTensor, _name, _of_held(_name))
