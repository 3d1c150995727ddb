"""`Node`: one recorded operation, its edges to the inputs and what its formulas need."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from .._ops.formula import HELPERS, visible_names
from .._ops.table import TABLE
from .._storage import Storage, storage_of
from .._tensor import refresh

if TYPE_CHECKING:
    from .._tensor import Tensor

next_sequence = count(1).__next__

# An edge leads to a leaf Tensor, to a Node, or to one output of a Node with several.
Edge = Any


class Node:
    """A recorded operation (`tensor.grad_fn`).

    Attributes:
        op: the record of the op, whose plan has the backward functions.
        edges: one per tensor input: a leaf Tensor, a Node, `(Node, output)`, or None.
        saved: what the formulas named, in the plan's order; None once freed.
        seq: creation order; backward visits nodes from the highest down.
        shape, dtype: of the output (tuples of them for several outputs).
        hooks: None, or the registered hooks.
        note: None, or extra facts: the creating line under anomaly mode, a Function's context.
    """

    __slots__ = ("op", "edges", "saved", "seq", "shape", "dtype", "hooks", "note", "__weakref__")

    op: Any
    edges: tuple[Edge, ...]
    saved: tuple[Any, ...] | None
    seq: int
    shape: Any
    dtype: Any
    hooks: Hooks | None
    note: dict[str, Any] | None

    def name(self) -> str:
        """torch's style of name: `MulBackward0`; that of a Function is its own."""
        if self.note is not None and "context" in self.note:
            name: str = self.op.name
            return name
        words = self.op.name.strip("_").split("_")
        return "".join(w[:1].upper() + w[1:] for w in words) + "Backward0"

    def __repr__(self) -> str:
        return f"<{self.name()} object at {id(self):#x}>"

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        return tuple(_as_function(e) for e in self.edges)

    @property
    def metadata(self) -> dict[str, Any]:
        """A dictionary of the user's."""
        if self.note is None:
            self.note = {}
        return self.note.setdefault("metadata", {})

    def register_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_inputs, grad_outputs)` after the node ran; it may replace the first."""
        return add_hook(_hooks(self).post, hook)

    def register_prehook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(grad_outputs)` before the node runs; it may replace them."""
        return add_hook(_hooks(self).pre, hook)


class AccumulateGrad:
    """Stands for a leaf at the end of the graph, as torch shows it in `next_functions`."""

    __slots__ = ("variable",)

    def __init__(self, variable: Tensor) -> None:
        self.variable = variable

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    next_functions: tuple[Any, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AccumulateGrad) and self.variable is other.variable

    def __hash__(self) -> int:
        return id(self.variable)


def _as_function(edge: Edge) -> tuple[Any, int]:
    if edge is None:
        return (None, 0)
    if isinstance(edge, Node):
        return (edge, 0)
    if isinstance(edge, tuple):
        return edge
    return (AccumulateGrad(edge), 0)


class Hooks:
    """Hooks of a node: on the gradient of one output, before it runs, after it ran."""

    __slots__ = ("outputs", "pre", "post", "retain")

    def __init__(self) -> None:
        self.outputs: dict[int, tuple[int, Callable[..., Any]]] = {}
        self.pre: dict[int, Callable[..., Any]] = {}
        self.post: dict[int, Callable[..., Any]] = {}
        self.retain: dict[int, Any] = {}


def _hooks(node: Node) -> Hooks:
    if node.hooks is None:
        node.hooks = Hooks()
    return node.hooks


class RemovableHandle:
    """What registering a hook returns; `remove()` (or leaving a `with` block) undoes it."""

    _ids = count()

    def __init__(self, hooks: dict[int, Any], *companions: dict[int, Any]) -> None:
        self.id = next(self._ids)
        self._dicts = (hooks, *companions)

    def remove(self) -> None:
        for hooks in self._dicts:
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: Any) -> None:
        self.remove()


def add_hook(
    hooks: dict[int, Any], hook: Any, prepend: bool = False, *companions: dict[int, Any]
) -> RemovableHandle:
    """Add a hook at the end, or before all others; its handle also removes companions of its id."""
    handle = RemovableHandle(hooks, *companions)
    hooks[handle.id] = hook
    if prepend:
        hooks.update([(k, hooks.pop(k)) for k in list(hooks) if k != handle.id])
    return handle


def edge_of(tensor: Tensor) -> Edge:
    """Where the gradient of `tensor` goes: None, the leaf itself, a node or a node's output."""
    if tensor.cut is not None:
        refresh(tensor)
    if not tensor._requires_grad:
        return None
    node = tensor.node
    if node is None:
        return tensor if tensor.rules is None else tensor.held  # a sparse tensor's values
    return (node, tensor.index - 1) if tensor.index else node


def record(op: Any, edges: tuple[Edge, ...], saved: tuple[Any, ...], shape: Any, kind: Any) -> Node:
    """A new node outside the generated fast path."""
    node = Node.__new__(Node)
    node.op, node.edges, node.saved = op, edges, saved
    node.seq, node.shape, node.dtype = next_sequence(), shape, kind
    node.hooks = node.note = None
    return node


_NUMBERS = frozenset((int, float, bool, complex))


# Saved entries. An input: the Tensor itself (at version 0 or without storage), or
# (Tensor, version). An output: (array, storage, version). Auxiliaries: the raw array.


# Storage -> the stack of its last write, as far as anomaly mode saw it.
WRITERS: WeakKeyDictionary[Storage, str] = WeakKeyDictionary()


def _stale(node: Node, what: str, saved: int, storage: Storage, array: Any) -> RuntimeError:
    recorded = "" if node.note is None else node.note.get("trace", "")
    written = WRITERS.get(storage)
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        f"operation: [{array.dtype} {list(array.shape)}], which is {what} of {node.name()}, is at "
        f"version {storage.version}; expected version {saved} instead. Write the result to a new "
        "tensor (y = y * 2 in place of y *= 2), or clone() before the in-place operation"
        + (f".\nThe forward call that made {node.name()}:\n{recorded}" if recorded else
           "; pyrite.autograd.set_detect_anomaly(True) shows the lines that saved and wrote it")
        + (f"\nThe value was modified here:\n{written}" if written else "")
    )  # fmt: skip


class Packed:
    """A saved value that the user's hooks keep in a form of their own."""

    __slots__ = ("edge", "index", "kept", "unpack")

    storage = None  # hooks look after what they keep: nothing here goes stale

    def __init__(self, tensor: Tensor, hooks: tuple[Any, Any], index: int | None) -> None:
        pack, self.unpack = hooks
        self.edge = edge_of(tensor)  # of an input with a history
        self.index = index  # of an output of the node that saves it, as in `Tensor.index`
        given = tensor.detach()
        before = given._version
        self.kept = pack(given)
        if given._version != before:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as "
                "input to pack hook cannot be modified by in-place operations as this can lead to "
                "unexpected side-effects"
            )

    @property
    def array(self) -> Any:
        """What the unpack hook gives back, as a raw array."""
        value = self.unpack(self.kept)
        if not hasattr(value, "requires_grad"):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(value).__name__}"
            )
        return value.array

    def tensor(self, node: Node) -> Tensor:
        """The same with its history: that of an input, or of an output of `node`."""
        from .._tensor import Tensor

        out = Tensor(self.array)
        if self.edge is not None:
            op = TABLE["contiguous"]
            op.compile()
            out.node = record(op, (self.edge,), (), out.array.shape, out.array.dtype)
        elif self.index is not None:
            out.node, out.index = node, self.index
        out._requires_grad = out.node is not None
        return out


# What may be written before it is read again: see `Lent`.
LENT: WeakSet[Lent] = WeakSet()


class Lent(Packed):
    """A saved input that torch does not save: a write in place leaves a copy of it here."""

    __slots__ = ("__weakref__", "memory")

    def __init__(self, tensor: Tensor) -> None:
        self.edge, self.index = edge_of(tensor), None
        self.kept: Any = tensor.array
        self.memory: Storage | None = storage_of(tensor)
        LENT.add(self)

    @property
    def array(self) -> Any:
        return self.kept


def keep_lent(targets: Iterable[Tensor | None]) -> None:
    """Copy what nodes have borrowed of the memory that is going to be written."""
    written = {id(t.storage) for t in targets if t is not None}
    for lent in list(LENT):
        if id(lent.memory) in written:
            lent.kept, lent.memory = lent.kept.copy(), None


def _input(entry: Any, node: Node) -> Any:
    tensor, version = entry if type(entry) is tuple else (entry, 0)
    storage = tensor.storage
    if storage is not None and storage.version != version:
        raise _stale(node, "an input", version, storage, tensor.array)
    if node.seq < -tensor.index:
        raise RuntimeError(
            f"Trying to use a saved tensor (an input of {node.name()}) that has been detached "
            "in-place, i.e. with .detach_(). This is not supported, please use out-of-place "
            "`.detach()` instead"
        )
    return tensor


def unpack_array(entry: Any, node: Node) -> Any:
    """A saved input as a raw array; numbers and None as they are."""
    if entry is None or type(entry) in _NUMBERS:
        return entry
    if type(entry) is not tuple and entry.storage is None:
        return entry.array
    return _input(entry, node).array


def unpack_tensor(entry: Any, node: Node) -> Any:
    """A saved input as a Tensor, with its history."""
    if entry is None or type(entry) in _NUMBERS:
        return entry
    return entry.tensor(node) if isinstance(entry, Packed) else _input(entry, node)


def unpack_output_array(entry: Any, node: Node, index: int) -> Any:
    """A saved output (checked against in-place writes) or auxiliary as a raw array."""
    if type(entry) is not tuple:
        return entry.array if type(entry) is Packed else entry
    array, storage, version = entry
    if storage.version != version:
        raise _stale(node, f"output {index}", version, storage, array)
    return array


def unpack_output_tensor(entry: Any, node: Node, index: int) -> Any:
    """A saved output as a Tensor that belongs to this node; auxiliaries carry no gradient."""
    from .._tensor import Tensor

    if entry is None:
        return None
    if type(entry) is Packed:
        return entry.tensor(node)
    tensor = Tensor(unpack_output_array(entry, node, index))
    if type(entry) is tuple:
        tensor.storage = entry[1]
        if node.op.outputs[index].differentiable:
            tensor.node, tensor._requires_grad = node, True
            tensor.index = index + 1 if len(visible_names(node.op)) > 1 else 0
    return tensor


def save_output(array: Any, tensor: Tensor) -> tuple[Any, Storage, int]:
    """The saved entry of an output that a user can see and change."""
    storage = tensor.storage
    if storage is None:
        storage = tensor.storage = Storage(array)
    return (array, storage, storage.version)


def freed(node: Node) -> None:
    """Refuse to run a node whose saved values are gone."""
    raise RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors "
        f"after they have already been freed) at {node.name()}. Saved intermediate values of the "
        "graph are freed when you call .backward() or autograd.grad(). Specify "
        "retain_graph=True if you need to backward through the graph a second time, or compute "
        "the loss anew in each step"
    )


HELPERS.update(
    unpack_array=unpack_array,
    unpack_tensor=unpack_tensor,
    unpack_output_array=unpack_output_array,
    unpack_output_tensor=unpack_output_tensor,
    freed=freed,
)
