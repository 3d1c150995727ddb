"""The pickler and the unpicklers of checkpoints.

`TensorPickler` and `SafeUnpickler` extend the Python versions of pickle's classes: those in C
write no name that they cannot import (torch's), and let no one check what REDUCE and BUILD act on.
"""

from __future__ import annotations

import pickle
import struct
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

from . import _torch_names as names
from ._device import device
from ._dtypes import dtype
from ._storage import storage_of
from ._tensor import Parameter, Size, Tensor

PersistentLoad = Callable[[Any], names.Storage]


class TensorPickler(pickle._Pickler):
    """Writes tensors, dtypes, devices and sizes under torch's names.

    Attributes:
        storages: the bytes that the file has to hold: name and one-dimensional array.
        legacy: write storage ids as files from before the zip format have them.
    """

    legacy = False

    def __init__(self, file: BinaryIO, protocol: int) -> None:
        super().__init__(file, protocol)
        self.storages: list[tuple[names.StorageRef, Any]] = []
        self._refs: dict[int, tuple[names.StorageRef, Any]] = {}

    def persistent_id(self, obj: Any) -> Any:
        if type(obj) is not names.StorageRef:
            return None
        return ("storage", *obj, None) if self.legacy else ("storage", *obj)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            return self._reduce_tensor(obj)
        if isinstance(obj, dtype):
            return f"torch.{obj.name}"
        if isinstance(obj, names.Global | names.StorageType):
            return obj.path
        if isinstance(obj, device):
            return names.GLOBALS["torch.device"], obj.__reduce__()[1]
        if type(obj) is Size:
            return names.GLOBALS["torch.Size"], (tuple(obj),)
        return NotImplemented

    def save_global(self, obj: Any, name: str | None = None) -> None:
        if name is not None and name.startswith("torch."):
            module, _, attribute = name.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{attribute}\n".encode())
            self.memoize(obj)
        else:
            super().save_global(obj, name)  # type: ignore[misc]

    def _reduce_tensor(self, tensor: Tensor) -> tuple[Any, ...]:
        if isinstance(tensor, Parameter):
            args = (tensor.data, tensor.requires_grad, OrderedDict())
            if not vars(tensor):
                return names.GLOBALS["torch._utils._rebuild_parameter"], args
            state = (*args, vars(tensor))
            return names.GLOBALS["torch._utils._rebuild_parameter_with_state"], state
        grad, root = tensor.requires_grad, storage_of(tensor).root
        memory = _memory(root)
        if memory is None or min(tensor.stride(), default=0) < 0:
            tensor = Tensor(tensor.array.copy())
            root = memory = tensor.array.reshape(-1)
        ref = self._ref(tensor, root, memory)
        view = (ref, tensor.storage_offset(), tuple(tensor.shape), tensor.stride())
        return names.GLOBALS["torch._utils._rebuild_tensor_v2"], (*view, grad, OrderedDict())

    def _ref(self, tensor: Tensor, root: Any, memory: Any) -> names.StorageRef:
        kind = names.STORAGE_TYPES[tensor.dtype.name]
        if id(root) not in self._refs:
            key, numel = str(len(self.storages)), root.nbytes // kind.itemsize
            ref = names.StorageRef(kind, key, str(tensor.device), numel)
            self._refs[id(root)] = ref, root
            self.storages.append((ref, memory))
        ref, _ = self._refs[id(root)]
        if ref.kind is not kind:
            raise RuntimeError(
                "Cannot save multiple tensors or storages that view the same data as different "
                f"types ({ref.kind.dtype} and {tensor.dtype}); clone() one of them first"
            )
        return ref


def _memory(root: Any) -> Any:
    """The elements of an array in the order of their addresses; None if they leave gaps."""
    order = sorted(range(root.ndim), key=lambda dim: -root.strides[dim])
    moved = root.transpose(order)
    return moved.reshape(-1) if moved.flags.c_contiguous else None


# Names that the program allowed beside those of `_torch_names`.
allowed_by_user: dict[str, Any] = {}

# The opcodes of protocols 2 to 4 that need no check. Left out: text forms, classes of Python 2,
# the extension registry, and BYTEARRAY8, which allocates a size that it reads.
_PLAIN_OPCODES = b"".join((
    pickle.PROTO, pickle.FRAME, pickle.STOP, pickle.MARK, pickle.POP, pickle.POP_MARK,
    pickle.NONE, pickle.NEWTRUE, pickle.NEWFALSE, pickle.BININT, pickle.BININT1, pickle.BININT2,
    pickle.LONG1, pickle.LONG4, pickle.BINFLOAT, pickle.SHORT_BINSTRING, pickle.BINSTRING,
    pickle.SHORT_BINBYTES, pickle.BINBYTES, pickle.BINBYTES8, pickle.SHORT_BINUNICODE,
    pickle.BINUNICODE, pickle.BINUNICODE8, pickle.EMPTY_TUPLE, pickle.TUPLE, pickle.TUPLE1,
    pickle.TUPLE2, pickle.TUPLE3, pickle.EMPTY_LIST, pickle.EMPTY_DICT, pickle.EMPTY_SET,
    pickle.GLOBAL, pickle.STACK_GLOBAL, pickle.BINPERSID, pickle.BINGET, pickle.LONG_BINGET,
    pickle.BINPUT, pickle.LONG_BINPUT, pickle.MEMOIZE,
))  # fmt: skip
_DAMAGE = (
    AssertionError, AttributeError, EOFError, IndexError, KeyError, OverflowError, RecursionError,
    TypeError, ValueError, struct.error,
)  # fmt: skip
_MAX_KEY_DEPTH = 32


def _check_keys(keys: Iterable[Any]) -> None:
    """Hashing a tuple recurses in C without a limit: a very deep one would end the process."""
    level = {id(k): k for k in keys if isinstance(k, tuple | list)}
    for _ in range(_MAX_KEY_DEPTH):
        if not level:
            return
        level = {id(v): v for k in level.values() for v in k if isinstance(v, tuple | list)}
    raise ValueError(f"a key of more than {_MAX_KEY_DEPTH} nested tuples")


class SafeUnpickler(pickle._Unpickler):
    """Builds plain data, tensors and what the program allowed; refuses the rest by name.

    Args:
        file: where the pickle starts.
        origin: the file's name, for messages.
        persistent_load: the storage that an id in the pickle stands for.

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
        self._user_types = {id(c) for c in allowed_by_user.values() if isinstance(c, type)}
        callables = (*names.CALLABLE_TYPES, *allowed_by_user.values())
        self._callables = {id(c) for c in callables}

    def load(self) -> Any:
        try:
            return super().load()
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
        raise refusal(self.origin, path)

    def _target(self, *kinds: type) -> Any:
        target = self.stack[-1]
        if type(target) not in kinds and id(type(target)) not in self._user_types:
            raise ValueError(f"items for a {type(target).__name__}")
        return target

    def load_refused(self) -> None:
        raise ValueError("an opcode that checkpoints do not use")

    def load_reduce(self) -> None:
        args, target = self.stack.pop(), self.stack[-1]
        if type(target) is not names.Global and id(target) not in self._callables:
            raise ValueError(f"a call of {target!r}")
        if any(target is t for t in names.CALLABLE_TYPES):
            _check_keys(args)
        self.stack[-1] = target(*args)

    def load_newobj(self) -> None:
        args, kind = self.stack.pop(), self.stack.pop()
        if id(kind) not in self._user_types:
            raise ValueError(f"a new {kind!r}")
        self.stack.append(kind.__new__(kind, *args))

    def load_build(self) -> None:
        if id(type(self.stack[-2])) in self._user_types:
            pickle._Unpickler.dispatch[pickle.BUILD[0]](self)  # type: ignore[arg-type]
        else:
            state = self.stack.pop()
            names.set_state(self.stack[-1], state)

    def load_append(self) -> None:
        item = self.stack.pop()
        self._target(list).append(item)

    def load_appends(self) -> None:
        items = self.pop_mark()
        self._target(list).extend(items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _check_keys((key,))
        self._target(dict, OrderedDict, Counter)[key] = value

    def load_setitems(self) -> None:
        items = self.pop_mark()
        _check_keys(items[::2])
        target = self._target(dict, OrderedDict, Counter)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[key] = value

    def load_additems(self) -> None:
        items = self.pop_mark()
        _check_keys(items)
        self._target(set).update(items)

    def load_frozenset(self) -> None:
        items = self.pop_mark()
        _check_keys(items)
        self.stack.append(frozenset(items))

    dispatch = {
        **dict.fromkeys(range(256), load_refused),
        **{code: pickle._Unpickler.dispatch[code] for code in _PLAIN_OPCODES},
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.BUILD[0]: load_build,
        pickle.APPEND[0]: load_append,
        pickle.APPENDS[0]: load_appends,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.ADDITEMS[0]: load_additems,
        pickle.FROZENSET[0]: load_frozenset,
    }


def refusal(origin: str, path: str) -> pickle.UnpicklingError:
    """The error for a name off the list."""
    start = f"{origin} asks for {path[:200]!r}, "
    if path.startswith("torch."):
        return pickle.UnpicklingError(
            f"{start}which has no counterpart in Pyrite; nothing was run. If the file holds a "
            "whole model, save model.state_dict() in PyTorch and load that"
        )
    return pickle.UnpicklingError(
        f"{start}which is not among the types that load() builds with weights_only=True; nothing "
        "was run. If you trust the file, either allow the name, "
        f"pyrite.serialization.add_safe_globals([{path.rpartition('.')[2][:200]}]), or pass "
        "weights_only=False, which runs whatever the file says"
    )


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
