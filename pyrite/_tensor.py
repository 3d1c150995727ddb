"""`Tensor` and `Parameter`: an array, its memory, its history; methods come from the op table."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from . import backends
from ._device import device, place_of
from ._dtypes import dtype, from_numpy_dtype
from ._errors import wrap_dim
from ._formats import contiguous_format, layout, order_of, preserve_format, strided
from ._ops.table import TABLE
from ._storage import Reshaped, Storage, View, base_of, steps, storage_of

if TYPE_CHECKING:
    from .autograd.node import Node, RemovableHandle


class Namespace:
    """`F`: the recording calls of the table's ops, each generated at first use."""

    resolve: Callable[[str], Callable[..., Any]]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            function = self.resolve(name)
        except KeyError:
            raise AttributeError(f"no op named {name!r} in the table") from None
        setattr(self, name, function)
        return function


F = Namespace()

# Captures in progress, which follow what Python sees of a tensor: its sizes and its values.
WATCHERS: list[Any] = []


def read(tensor: Tensor, form: str, value: Callable[[], Any]) -> Any:
    """A value that Python is about to look at; `form` says how, as an expression."""
    return WATCHERS[-1].read(tensor, form, value) if WATCHERS else value()


class Size(tuple[int, ...]):
    """The shape of a tensor: a tuple of ints with `numel()`."""

    __slots__ = ()

    def numel(self) -> int:
        """The number of elements."""
        n = 1
        for size in self:
            n *= size
        return n

    def __repr__(self) -> str:
        return f"pyrite.Size([{', '.join(map(str, self))}])"

    def __add__(self, other: Any) -> Size:
        return Size(tuple.__add__(self, tuple(other)))

    def __getitem__(self, key: Any) -> Any:
        item = tuple.__getitem__(self, key)
        return Size(item) if isinstance(key, slice) else item

    def __reduce__(self) -> tuple[Any, ...]:
        return (Size, (tuple(self),))


class Tensor:
    """A multi-dimensional array with a dtype, a device and, if asked for, a gradient.

    Made by `pyrite.tensor`, `pyrite.zeros`, `pyrite.from_numpy`, ... and by every operation.
    """

    __slots__ = (
        "array", "storage", "node", "index", "cut", "hooks", "_grad", "_requires_grad",
        "__weakref__",
    )  # fmt: skip

    array: Any
    storage: Storage | None
    node: Node | None
    index: int
    cut: View | None
    hooks: dict[str, dict[int, Any]] | None
    _grad: Tensor | None
    _requires_grad: bool

    # `Tensor(2, 3)` and `Tensor([1, 2])`, torch's old forms (see `_composites.tensor_types`).
    from_data: ClassVar[Callable[..., Any]]

    def __init__(
        self, array: Any = (), requires_grad: Any = False, *sizes: int, device: Any = None
    ) -> None:
        if type(array) not in backends._by_type and (
            not hasattr(array, "dtype") or isinstance(array, Tensor)
        ):
            given = (array,) if requires_grad is False else (array, requires_grad, *sizes)
            array, requires_grad = Tensor.from_data(given, device).array, False
        self.array = array
        self._requires_grad = requires_grad
        self.storage = self.node = self.cut = self.hooks = self._grad = None
        self.index = 0

    if TYPE_CHECKING:  # methods and operators made from the op table (see `_exports`)
        __getitem__: Any
        __setitem__: Any
        __add__: Any
        __radd__: Any
        __sub__: Any
        __rsub__: Any
        __mul__: Any
        __rmul__: Any
        __truediv__: Any
        __rtruediv__: Any
        __pow__: Any
        __neg__: Any
        __matmul__: Any
        __lt__: Any
        __le__: Any
        __gt__: Any
        __ge__: Any

        def __getattr__(self, name: str) -> Any: ...

    __array_priority__ = 1000  # NumPy's operators leave mixed expressions to the Tensor's

    # ---- what it is

    @property
    def shape(self) -> Size:
        return Size(WATCHERS[-1].shape(self) if WATCHERS else self.array.shape)

    @property
    def ndim(self) -> int:
        n: int = self.array.ndim
        return n

    @property
    def dtype(self) -> dtype:
        return from_numpy_dtype(self.array.dtype)

    @property
    def device(self) -> device:
        owner = backends.of(self.array)
        return place_of(owner.name, owner.current_device(self.array))

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def layout(self) -> layout:
        return strided

    @property
    def is_sparse(self) -> bool:
        return self.layout.name == "sparse_coo"

    @property
    def is_sparse_csr(self) -> bool:
        return self.layout.name == "sparse_csr"

    # A subclass' own way to compute an op, given its record and the arguments in order.
    rules: Callable[[Any, tuple[Any, ...]], Any] | None = None

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[wrap_dim(dim, self.ndim)]

    def stride(self, dim: int | None = None) -> Any:
        """The step in elements between neighbours along each dimension."""
        item = self.array.dtype.itemsize
        strides = tuple(s // item for s in self.array.strides)
        if not self.array.size:  # NumPy has none to tell
            sizes = [max(n, 1) for n in self.array.shape]
            strides = tuple(math.prod(sizes[i + 1 :]) for i in range(len(sizes)))
        return strides if dim is None else strides[wrap_dim(dim, self.ndim)]

    def storage_offset(self) -> int:
        """The first element's position in the storage, in elements."""
        root = storage_of(self).root
        return (self.data_ptr() - _address(root)) // self.array.dtype.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return _address(self.array)

    def is_contiguous(self, memory_format: Any = contiguous_format) -> bool:
        """Whether the elements lie in memory in the order of their indices, or of a format."""
        array = self.array
        if memory_format not in (contiguous_format, preserve_format, None):
            rank = 4 if memory_format.name == "channels_last" else 5
            if array.ndim != rank:
                return False
            array = array.transpose(order_of(memory_format, rank))
        return bool(array.flags.c_contiguous)

    # ---- gradients

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad or (self.cut is not None and base_of(self.cut)._requires_grad)

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if self.node is not None:
            if value:
                return
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed variable in a subgraph that doesn't require differentiation use "
                "var_no_grad = var.detach()."
            )
        if value and not (self.dtype.is_floating_point or self.dtype.is_complex):
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients, got "
                f"{self.dtype}; convert with .float()"
            )
        self._requires_grad = bool(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Set `requires_grad` and return the tensor."""
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> Node | None:
        """The node that made this tensor; None for leaves."""
        if self.cut is not None:
            refresh(self)
        return self.node

    @property
    def is_leaf(self) -> bool:
        return self.grad_fn is None

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward()` accumulated; None before."""
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):
                raise TypeError(
                    "assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(value).__name__}"
                )
            if value.array.shape != self.array.shape:
                raise RuntimeError(
                    f"assigned grad has data of a different size: expected {list(self.shape)}, got "
                    f"{list(value.shape)}"
                )
            if value.array.dtype != self.array.dtype:
                raise RuntimeError(
                    f"assigned grad has data of a different type: expected {self.dtype}, got "
                    f"{value.dtype}"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
        explain: bool = False,
    ) -> None:
        """Accumulate into `.grad` of the leaves the gradient of this tensor (see `autograd`)."""
        from .autograd.engine import backward

        backward(self, gradient, retain_graph, create_graph, None, inputs, explain)

    def detach(self) -> Tensor:
        """The same memory without history; in-place writes are seen (and counted) by both."""
        out = Tensor(self.array)
        out.storage = storage_of(self)
        return out

    def detach_(self) -> Tensor:
        """Cut this tensor off its history."""
        if self.cut is not None:
            if type(self.cut) is not Reshaped:
                raise RuntimeError("Can't detach views in-place. Use detach() instead.")
            was = self.cut.base
            was.node, was.index, was._requires_grad = None, 0, False
        if self.node is not None:
            from .autograd.node import next_sequence

            storage_of(self)
            self.index = -next_sequence()  # earlier nodes that saved it refuse to run
        self.node, self._requires_grad = None, False
        return self

    @property
    def data(self) -> Tensor:
        """The same memory without history and with a version counter of its own."""
        out = Tensor(self.array)
        out.storage = Storage(storage_of(self).root)
        return out

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        self.array = value.array
        self.storage = storage_of(value)
        self.cut = None

    @property
    def _version(self) -> int:
        return 0 if self.storage is None else self.storage.version

    @property
    def _base(self) -> Tensor | None:
        return None if self.cut is None else self.cut.base

    def _is_view(self) -> bool:
        return self.cut is not None

    @property
    def retains_grad(self) -> bool:
        return bool(self.hooks and "retain" in self.hooks)

    def retain_grad(self) -> None:
        """Let `backward()` fill `.grad` of this non-leaf tensor too."""
        from .autograd import hooks

        hooks.retain_grad(self)

    def register_hook(self, hook: Callable[[Tensor], Tensor | None]) -> RemovableHandle:
        """Call `hook(grad)` each time the gradient of this tensor is computed."""
        from .autograd import hooks

        return hooks.register_hook(self, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable[[Tensor], None]) -> RemovableHandle:
        """Call `hook(tensor)` after `.grad` of this leaf was accumulated."""
        from .autograd import hooks

        return hooks.register_post_accumulate_grad_hook(self, hook)

    def as_plain(self) -> Tensor:
        """A subclass' value as a Tensor that shares memory and history."""
        out = Tensor(self.array, self._requires_grad)
        out.storage, out.index, out.cut = storage_of(self), self.index, self.cut
        out.node = self.node
        return out

    # ---- Python's protocols

    def item(self) -> Any:
        """The single value as a Python number; RuntimeError for more than one element."""
        if self.array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self.array.size} elements cannot be converted to Scalar (shape "
                f"{list(self.shape)}); reduce it first, for instance with .mean() or .sum()"
            )
        value = read(self, "{}.item()", self.array.item)
        return float(value) if self.dtype.name == "bfloat16" else value

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        host = backends.of(self.array).to_host(self.array)
        host = host.astype("float32") if self.dtype.name == "bfloat16" else host
        return read(self, "{}.tolist()", host.tolist)

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise RuntimeError(
                f"Boolean value of Tensor with {'no' if not self.array.size else 'more than one'} "
                f"value{'s' if not self.array.size else ''} is ambiguous (shape "
                f"{list(self.shape)}); use .any() or .all()"
            )
        return bool(read(self, "{}.item()", self.array.item))

    def _real_item(self, target: str) -> Any:
        value = self.item()
        if isinstance(value, complex):
            if value.imag:
                raise RuntimeError(
                    f"value cannot be converted to type {target} without overflow: {value} is "
                    "complex; take .real or .abs() first"
                )
            return value.real
        return value

    def __float__(self) -> float:
        return float(self._real_item("float"))

    def __int__(self) -> int:
        return int(self._real_item("int"))

    def __complex__(self) -> complex:
        return complex(self.item())

    def __index__(self) -> int:
        if self.array.size != 1 or self.array.dtype.kind not in "biu":
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(read(self, "{}.item()", self.array.item))

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return len(self.array)

    def __iter__(self) -> Iterator[Tensor]:
        if self.array.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(F.unbind(self, 0))

    __hash__ = object.__hash__

    def __format__(self, spec: str) -> str:
        if self.array.ndim == 0 and type(self) is Tensor:
            return format(self.item(), spec)
        return object.__format__(self, spec)

    def __dir__(self) -> list[str]:
        return sorted(set(object.__dir__(self)) | set(dir(type(self))))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) in memo:
            found: Tensor = memo[id(self)]
            return found
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment; use tensor.detach().clone() or tensor.clone()"
            )
        array = self.array.copy() if self.array.flags.c_contiguous else self.array.copy("K")
        out = memo[id(self)] = type(self).__new__(type(self))
        Tensor.__init__(out, array, self._requires_grad)
        if self._grad is not None:
            out._grad = self._grad.__deepcopy__(memo)
        if type(self) is not Tensor:
            out.__dict__.update(self.__dict__)
        return out


class Parameter(Tensor):
    """A Tensor that a Module registers as its parameter when assigned to an attribute."""

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        return Tensor.__new__(cls)

    def __init__(self, data: Any = None, requires_grad: bool = True) -> None:
        if data is None:
            data = F.empty((0,))
        if data.rules is not None:
            raise TypeError(f"a Parameter of layout {data.layout}: register its .values() instead")
        source = data.detach()
        Tensor.__init__(self, source.array)
        self.storage = source.storage
        self.requires_grad = requires_grad

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return _rebuild_parameter, (self.detach(), self._requires_grad, dict(self.__dict__))


def _rebuild_parameter(data: Tensor, requires_grad: bool, extra: dict[str, Any]) -> Parameter:
    out = Parameter(data, requires_grad)
    out.__dict__.update(extra)
    return out


def refresh(tensor: Tensor) -> None:
    """Give a view its history anew from its base if their memory was written since.

    RuntimeError for a view whose history cannot be made anew, as in torch: one of several outputs
    of a function, or one made under `no_grad`.
    """
    view = tensor.cut
    if view is None or view.version == tensor.storage.version:  # type: ignore[union-attr]
        return
    from .autograd import modes
    from .autograd.node import record

    base = base_of(view)
    if modes.state.mode & modes.PLAIN or not (base._requires_grad or tensor.node is not None):
        return
    if view.origin:
        raise refused_view(tensor, "and its base or another view of its base has been")
    current = base
    with modes.below(()):
        if view.base.cut is not None and view.base.array.size == base.array.size:
            current = _reshaped_back(view.base, base)
        for name, attrs in steps(view.chain):
            current = getattr(F, name)(current, *attrs)
    if current._requires_grad:
        tensor.node, tensor.index, tensor._requires_grad = current.node, current.index, True
    elif tensor.node is not None:  # the base was detached: a history that leads nowhere
        op = TABLE["clone"]
        op.compile()
        node = record(op, (None,), (), tensor.array.shape, tensor.array.dtype)
        tensor.node, tensor.index = node, 0
    view.version = tensor.storage.version  # type: ignore[union-attr]


def _reshaped_back(base: Tensor, was: Tensor) -> Tensor:
    """A base whose own shape was changed in place, in the shape that its views know."""
    refresh(base)
    layouts = [tuple([s // t.array.dtype.itemsize for s in t.array.strides]) for t in (was, base)]
    out: Tensor = F.as_strided(base, was.array.shape, layouts[0], 0, layouts[1])
    return out


def refused_view(tensor: Tensor, event: str) -> RuntimeError:
    """The error for a view whose values changed in place though gradients cannot follow that."""
    if tensor.node is None or tensor.cut.origin == "no_grad":  # type: ignore[union-attr]
        return RuntimeError(
            f"A view was created in no_grad mode {event} modified inplace with grad mode enabled. "
            "Make the view and write in place either both inside the no_grad block or both outside"
        )
    why = (
        "was made by a custom Function (or is an input that it returned as it is), whose own "
        "backward the change would replace: clone() the output of the Function"
        if tensor.cut.origin == "function"  # type: ignore[union-attr]
        else "is the output of a function that returns multiple views. Such functions do not allow "
        "the output views to be modified inplace: use the out-of-place operation, or narrow() or "
        "indexing in place of the function that makes several views"
    )
    return RuntimeError(
        f"Output {max(tensor.index - 1, 0)} of {tensor.node.name()} is a view {event} modified "
        f"inplace. This view {why}"
    )


def _address(array: Any) -> int:
    facts = getattr(array, "__array_interface__", None)
    return int(array.data.ptr if facts is None else facts["data"][0])
