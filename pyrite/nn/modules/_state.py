"""`state_dict` and `load_state_dict`, with torch's keys, metadata, hooks and error texts."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..._tensor import Parameter, Tensor
from ...autograd.modes import no_grad
from ...autograd.node import RemovableHandle

if TYPE_CHECKING:
    from .module import Module

EXTRA = "_extra_state"


class IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` found: keys that were missing, keys that have no place."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<All keys matched successfully>" if not any(self) else super().__repr__()

    __str__ = __repr__


class StateMixin:
    """The part of Module that saves and loads its state."""

    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Module | None]
    _non_persistent_buffers_set: set[str]
    _version: int

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Write this module's own parameters, buffers and extra state."""
        kept = {k: b for k, b in self._buffers.items() if k not in self._non_persistent_buffers_set}
        for name, value in {**self._parameters, **kept}.items():
            if value is not None:
                destination[prefix + name] = value if keep_vars else value.detach()
        if hasattr(self, "get_extra_state"):
            destination[prefix + EXTRA] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name, in registration order.

        The values share memory with the module unless copied; `_metadata` holds layer versions.
        """
        if args:
            destination = args[0]
            prefix = args[1] if len(args) > 1 else prefix
            keep_vars = args[2] if len(args) > 2 else keep_vars
        if destination is None:
            destination = OrderedDict()
            destination._metadata = OrderedDict()
        local = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        for hook in self._state_dict_pre_hooks.values():  # type: ignore[attr-defined]
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():  # type: ignore[attr-defined]
            result = hook(self, destination, prefix, local)
            if result is not None:
                destination = result
        return destination  # type: ignore[no-any-return]

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after saving."""
        return RemovableHandle.add(self._state_dict_hooks, hook)  # type: ignore[attr-defined]

    _register_state_dict_hook = register_state_dict_post_hook

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before saving."""
        return RemovableHandle.add(self._state_dict_pre_hooks, hook)  # type: ignore[attr-defined]

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, ...)` before loading."""
        return RemovableHandle.add(self._load_pre_hooks, (hook, True))  # type: ignore[attr-defined]

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return RemovableHandle.add(self._load_pre_hooks, (hook, with_module))  # type: ignore[attr-defined]

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after loading."""
        return RemovableHandle.add(self._load_post_hooks, hook)  # type: ignore[attr-defined]

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any],
        strict: bool, missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        """Read this module's own entries; problems are appended to the lists."""
        for hook, with_module in self._load_pre_hooks.values():  # type: ignore[attr-defined]
            extra = (self,) if with_module else ()
            hook(*extra, state_dict, prefix, local_metadata, strict, missing_keys,
                 unexpected_keys, error_msgs)  # fmt: skip
        kept = {k: b for k, b in self._buffers.items() if k not in self._non_persistent_buffers_set}
        for name, own in {**self._parameters, **kept}.items():
            if own is None:
                continue
            key = prefix + name
            if key in state_dict:
                problem = _copy(self, name, own, state_dict[key], key, local_metadata)
                error_msgs.extend([problem] if problem else [])
            elif strict:
                missing_keys.append(key)
        self._load_extra_state(state_dict, prefix, strict, missing_keys, unexpected_keys)
        if strict:
            unexpected_keys.extend(self._strangers(state_dict, prefix))

    def _load_extra_state(
        self, state_dict: dict[str, Any], prefix: str, strict: bool, missing: list[str],
        unexpected: list[str],
    ) -> None:  # fmt: skip
        key = prefix + EXTRA
        if hasattr(self, "set_extra_state"):
            if key in state_dict:
                self.set_extra_state(state_dict[key])
            elif strict:
                missing.append(key)
        elif strict and key in state_dict:
            unexpected.append(key)

    def _strangers(self, state_dict: Mapping[str, Any], prefix: str) -> list[str]:
        """Keys under this module's prefix that name nothing of it."""
        found = []
        for key in state_dict:
            if not key.startswith(prefix) or key == prefix + EXTRA:
                continue
            first, dot, _ = key[len(prefix) :].partition(".")
            if dot:
                known = first in self._modules
            else:
                known = first in self._parameters or first in self._buffers
            if not known:
                found.append(key)
        return found

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy (or, with `assign`, take over) the entries into this module and all below it.

        RuntimeError that lists missing and unexpected keys (if `strict`) and sizes that differ.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"Expected state_dict to be dict-like, got {type(state_dict).__name__}."
                + (" Pass its .state_dict()." if hasattr(state_dict, "state_dict") else "")
            )
        missing: list[str] = []
        unexpected: list[str] = []
        problems: list[str] = []
        metadata = getattr(state_dict, "_metadata", None)
        entries = OrderedDict(state_dict)
        _load(self, entries, "", metadata, assign, (missing, unexpected, problems))
        if strict:
            if unexpected:
                problems.insert(0, "Unexpected key(s) in state_dict: " + _quoted(unexpected))
            if missing:
                problems.insert(0, "Missing key(s) in state_dict: " + _quoted(missing))
        if problems:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(problems)
            )
        return IncompatibleKeys(missing, unexpected)


def _quoted(keys: list[str]) -> str:
    return ", ".join(f'"{k}"' for k in keys) + ". "


def _load(
    module: Any, state: dict[str, Any], prefix: str, metadata: Any, assign: bool,
    lists: tuple[list[str], list[str], list[str]],
) -> None:  # fmt: skip
    local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
    if assign:
        local["assign_to_params_buffers"] = True
    missing, unexpected, problems = lists
    module._load_from_state_dict(state, prefix, local, True, missing, unexpected, problems)
    for name, child in module._modules.items():
        if child is not None:
            below = f"{prefix}{name}."
            part = {k: v for k, v in state.items() if k.startswith(below)}
            _load(child, part, below, metadata, assign, lists)
    keys = IncompatibleKeys(missing, unexpected)
    for hook in module._load_post_hooks.values():
        if hook(module, keys) is not None:
            raise RuntimeError(
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                "return new values, if incompatible_keys need to be modified, it should be done "
                "inplace."
            )


def _copy(
    module: Any, name: str, own: Tensor, value: Any, key: str, metadata: dict[str, Any]
) -> str | None:
    """Put one entry in place; the text of the problem if it does not fit."""
    if not isinstance(value, Tensor):
        return (
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(value)}"
        )
    if value.ndim == 1 and own.ndim == 0 and value.shape[0] == 1:
        value = value[0]  # type: ignore[index]
    if value.shape != own.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {own.shape}."
        )
    if metadata.get("assign_to_params_buffers"):
        if isinstance(own, Parameter) and not isinstance(value, Parameter):
            value = Parameter(value, own._requires_grad)
        setattr(module, name, value)
        return None
    with no_grad():
        own.copy_(value)  # type: ignore[attr-defined]
    return None
