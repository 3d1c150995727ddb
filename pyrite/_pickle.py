"""The pickler and the unpicklers of checkpoints.

`TensorPickler` and `SafeUnpickler` extend the Python versions of pickle's classes: those in C
write no name that they cannot import (torch's), and let no one check what REDUCE and BUILD act on.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection
from typing import Any, BinaryIO, ClassVar

from . import _torch_names as names
from ._device import device
from ._dtypes import dtype
from ._formats import layout, sparse_coo
from ._storage import memory, storage_of
from ._tensor import Parameter, Size, Tensor
from .sparse import SparseTensor

PersistentLoad = Callable[[Any], names.Storage]


class TensorPickler(pickle._Pickler):
    """Writes tensors, dtypes, devices and sizes under torch's names.

    Attributes:
        storages: the bytes that the file has to hold beside the pickle, as arrays of one
            dimension, by the address of their root array.
    """

    write: Callable[[bytes], object]
    memoize: Callable[[Any], None]

    def __init__(self, file: BinaryIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: dict[int, tuple[names.StorageRef, Any, Any]] = {}

    def persistent_id(self, obj: Any) -> Any:
        return ("storage", *obj) if type(obj) is names.StorageRef else None

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Parameter):
            args: tuple[Any, ...] = (obj.data, obj.requires_grad, OrderedDict())
            name = "torch._utils._rebuild_parameter" + ("_with_state" if vars(obj) else "")
            return names.GLOBALS[name], (*args, vars(obj)) if vars(obj) else args
        if isinstance(obj, SparseTensor):
            parts: tuple[Any, ...] = (*obj.places, obj.held.detach(), obj.shape)
            parts += (obj.merged,) if obj.kind is sparse_coo else ()
            return names.GLOBALS["torch._utils._rebuild_sparse_tensor"], (obj.kind, parts)
        if isinstance(obj, layout):
            name = f"torch.{obj.name}"
            return names.GLOBALS["torch.serialization._get_layout"], (name,)
        if isinstance(obj, Tensor):
            return names.GLOBALS["torch._utils._rebuild_tensor_v2"], self._view(obj)
        if isinstance(obj, names.Global | dtype):
            return obj.path if isinstance(obj, names.Global) else f"torch.{obj.name}"
        if isinstance(obj, device):
            return names.GLOBALS["torch.device"], obj.__reduce__()[1]
        if type(obj) is Size:
            return names.GLOBALS["torch.Size"], (tuple(obj),)
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if name is None or not name.startswith("torch."):
            return super().save_global(obj, name)  # type: ignore[misc]
        module, _, attribute = name.rpartition(".")
        self.write(pickle.GLOBAL + f"{module}\n{attribute}\n".encode())
        self.memoize(obj)
        return None

    def _view(self, tensor: Tensor) -> tuple[Any, ...]:
        """Storage, offset, size, stride, requires_grad and hooks, from which torch rebuilds it."""
        requires_grad, kind = tensor.requires_grad, tensor.dtype
        flat = memory(storage_of(tensor).root)
        if flat is None or min(tensor.stride(), default=0) < 0:
            tensor = Tensor(tensor.array.copy())
            flat = tensor.array.reshape(-1)
        root = storage_of(tensor).root
        if id(root) not in self.storages:
            storage, key = names.STORAGES[kind], str(len(self.storages))
            numel = flat.nbytes // kind.itemsize
            ref = names.StorageRef(storage, key, str(tensor.device), numel)
            self.storages[id(root)] = ref, flat, root
        ref = self.storages[id(root)][0]
        if ref.kind.build is not kind:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                f"types ({ref.kind.build} and {kind}); clone() one of them first"
            )
        place = (tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
        return (ref, *place, requires_grad, OrderedDict())


# Names that the program allowed beside those of `_torch_names`.
allowed_by_user: dict[str, Any] = {}

# The opcodes of protocols 2 to 4: those that need no check, and those that SafeUnpickler checks.
# Left out: text forms, classes of Python 2, the extension registry, and BYTEARRAY8, which
# allocates a size that it reads.
_PLAIN = (
    "PROTO FRAME STOP MARK POP POP_MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 "
    "BINFLOAT SHORT_BINSTRING BINSTRING SHORT_BINBYTES BINBYTES BINBYTES8 SHORT_BINUNICODE "
    "BINUNICODE BINUNICODE8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_LIST EMPTY_DICT EMPTY_SET "
    "GLOBAL STACK_GLOBAL BINPERSID BINGET LONG_BINGET BINPUT LONG_BINPUT MEMOIZE"
)
_CHECKED = "REDUCE NEWOBJ BUILD APPEND APPENDS SETITEM SETITEMS ADDITEMS FROZENSET"
_DAMAGE = (
    AssertionError, AttributeError, EOFError, IndexError, KeyError, OverflowError, RecursionError,
    TypeError, ValueError, pickle.UnpicklingError, struct.error,
)  # fmt: skip
_MAX_KEY_DEPTH = 32


class SafeUnpickler(pickle._Unpickler):
    """Builds plain data, tensors and what the program allowed; refuses the rest by name.

    Args:
        file: where the pickle starts.
        origin: the file's name, for messages.
        persistent_load: gives the storage that an id in the pickle stands for.

    Raises:
        pickle.UnpicklingError: the file names something that is not allowed.
        RuntimeError: the pickle is damaged, or made to do harm.
    """

    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    def __init__(
        self, file: BinaryIO, origin: str, persistent_load: PersistentLoad, **options: Any
    ) -> None:
        super().__init__(file, **options)
        self.origin = origin
        self._storage = persistent_load
        self._allowed = {id(value) for value in allowed_by_user.values()}

    def load(self) -> Any:
        try:
            return super().load()
        except names.Refusal as error:
            raise refusal(self.origin, str(error)) from None
        except _DAMAGE as error:
            what = str(error)[:300] or type(error).__name__
            message = f"{self.origin} is damaged or no checkpoint: its pickle asks for {what}"
            raise RuntimeError(message) from error

    def persistent_load(self, pid: Any) -> Any:
        return self._storage(pid)

    def find_class(self, module: str, name: str) -> Any:
        path = names.normal_path(module, name)
        for table in (names.GLOBALS, allowed_by_user):
            if path in table:
                return table[path]
        raise names.Refusal(path)

    def load_refused(self) -> None:
        raise ValueError("an opcode that checkpoints do not use")

    def load_reduce(self) -> None:
        args, target = self.stack.pop(), self.stack[-1]
        if any(target is kind for kind in names.CALLABLE_TYPES):
            _check_keys(args)
        elif type(target) is not names.Global and id(target) not in self._allowed:
            raise ValueError(f"a call of {target!r}")
        self.stack[-1] = target(*args)

    def load_newobj(self) -> None:
        args, kind = self.stack.pop(), self.stack.pop()
        if id(kind) not in self._allowed:
            raise ValueError(f"a new {kind!r}")
        self.stack.append(kind.__new__(kind, *args))

    def load_build(self) -> None:
        if id(type(self.stack[-2])) in self._allowed:
            pickle._Unpickler.dispatch[pickle.BUILD[0]](self)  # type: ignore[arg-type]
        else:
            state = self.stack.pop()
            names.set_state(self.stack[-1], state)

    def _container(self, *kinds: type) -> Any:
        """What the items just popped go to."""
        target = self.stack[-1]
        if type(target) not in kinds and id(type(target)) not in self._allowed:
            raise ValueError(f"items in a {type(target).__name__}")
        return target

    def _set_items(self, items: list[Any]) -> None:
        target = self._container(dict, OrderedDict, Counter)
        _check_keys(items[::2])
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def load_setitems(self) -> None:
        self._set_items(self.pop_mark())

    def load_append(self) -> None:
        item = self.stack.pop()
        self._container(list).append(item)

    def load_appends(self) -> None:
        items = self.pop_mark()
        self._container(list).extend(items)

    def load_additems(self) -> None:
        items = _check_keys(self.pop_mark())
        self._container(set).update(items)

    def load_frozenset(self) -> None:
        items = _check_keys(self.pop_mark())
        self.stack.append(frozenset(items))

    dispatch: ClassVar[dict[int, Any]] = dict.fromkeys(range(256), load_refused)


for _name in _PLAIN.split():
    _code = getattr(pickle, _name)[0]
    SafeUnpickler.dispatch[_code] = pickle._Unpickler.dispatch[_code]
for _name in _CHECKED.split():
    _code = getattr(pickle, _name)[0]
    SafeUnpickler.dispatch[_code] = getattr(SafeUnpickler, f"load_{_name.lower()}")


def _check_keys(keys: Collection[Any]) -> Collection[Any]:
    """Hashing a tuple recurses in C without a limit: a very deep one would end the process."""
    level = {id(k): k for k in keys if isinstance(k, tuple | list)}
    for _ in range(_MAX_KEY_DEPTH):
        if not level:
            return keys
        level = {id(v): v for k in level.values() for v in k if isinstance(v, tuple | list)}
    raise ValueError(f"a key of more than {_MAX_KEY_DEPTH} nested tuples")


def full_unpickler(
    base: type[pickle.Unpickler], file: BinaryIO, origin: str, storage: PersistentLoad,
    **options: Any,
) -> pickle.Unpickler:  # fmt: skip
    """An ordinary unpickler, as dangerous as pickle, in which torch's names mean Pyrite's."""

    class FullUnpickler(base):  # type: ignore[valid-type, misc]
        def find_class(self, module: str, name: str) -> Any:
            path = names.normal_path(module, name)
            if not path.startswith("torch."):
                return super().find_class(module, name)
            if path not in names.GLOBALS:
                raise refusal(origin, path)
            return names.GLOBALS[path]

        def persistent_load(self, pid: Any) -> Any:
            return storage(pid)

    return FullUnpickler(file, **options)


def refusal(origin: str, path: str) -> pickle.UnpicklingError:
    """The error for a name off the list."""
    name = path.rpartition(".")[2]
    if path.startswith("torch."):
        why = (
            "which has no counterpart in Pyrite; nothing was run. If the file holds a whole model, "
            "save model.state_dict() in PyTorch and load that"
        )
    else:
        allow = f"allow it with pyrite.serialization.add_safe_globals([{name[:100]}]), or "
        why = (
            "which is not among the types that load() builds with weights_only=True; nothing was "
            f"run. If you trust the file, {allow if name.isidentifier() else ''}pass "
            "weights_only=False, which runs whatever the file says"
        )
    return pickle.UnpicklingError(f"{origin} asks for {path[:200]!r}, {why}")
