"""`state_dict` and `load_state_dict`, with torch's keys, metadata, hooks and error texts."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..._tensor import Parameter, Tensor
from ...autograd.hooks import add_hook
from ...autograd.modes import no_grad
from ...autograd.node import RemovableHandle
from ..parameter import is_lazy

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
    _state_dict_hooks: dict[int, Any]
    _state_dict_pre_hooks: dict[int, Any]
    _load_pre_hooks: dict[int, Any]
    _load_post_hooks: dict[int, Any]

    def _kept(self) -> list[tuple[str, Tensor]]:
        """What belongs to the state: parameters and persistent buffers that are not None."""
        left_out = self._non_persistent_buffers_set
        buffers = {k: b for k, b in self._buffers.items() if k not in left_out}
        return [(k, t) for k, t in {**self._parameters, **buffers}.items() if t is not None]

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        """Write this module's own parameters, buffers and extra state."""
        for name, value in self._kept():
            destination[prefix + name] = value if keep_vars else value.detach()
        if hasattr(self, "get_extra_state"):
            destination[prefix + EXTRA] = self.get_extra_state()

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """All parameters and persistent buffers by dotted name, in registration order.

        The values share memory with the module unless copied; `_metadata` holds layer versions.
        """
        options: list[Any] = [destination, prefix, keep_vars]
        destination, prefix, keep_vars = [*args, *options[len(args) :]]
        if destination is None:
            destination = OrderedDict()
            vars(destination)["_metadata"] = OrderedDict()
        local = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(
                    destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
                )
        for hook in self._state_dict_hooks.values():
            result = hook(self, destination, prefix, local)
            destination = destination if result is None else result
        return destination

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` after saving."""
        return add_hook(self._state_dict_hooks, hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before saving."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, ...)` before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], with_module: bool = False
    ) -> RemovableHandle:
        return add_hook(self._load_pre_hooks, (hook, with_module))

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after loading."""
        return add_hook(self._load_post_hooks, hook)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, local_metadata: dict[str, Any],
        strict: bool, missing_keys: list[str], unexpected_keys: list[str], error_msgs: list[str],
    ) -> None:  # fmt: skip
        """Read this module's own entries; problems are appended to the lists."""
        for hook, with_module in self._load_pre_hooks.values():
            extra = (self,) if with_module else ()
            hook(*extra, state_dict, prefix, local_metadata, strict, missing_keys,
                 unexpected_keys, error_msgs)  # fmt: skip
        absent = []
        for name, own in self._kept():
            key = prefix + name
            if key not in state_dict:
                absent.append(key)
            elif problem := _copy(self, name, own, state_dict[key], key, local_metadata):
                error_msgs.append(problem)
        if hasattr(self, "set_extra_state"):
            if prefix + EXTRA in state_dict:
                self.set_extra_state(state_dict[prefix + EXTRA])
            else:
                absent.append(prefix + EXTRA)
        if strict:
            missing_keys.extend(absent)
            unexpected_keys.extend(self._strangers(state_dict, prefix))

    def _strangers(self, state_dict: Mapping[str, Any], prefix: str) -> list[str]:
        """Keys under this module's prefix that name nothing of it."""
        own = {*self._parameters, *self._buffers, *[EXTRA] * hasattr(self, "set_extra_state")}
        found = []
        for key in [k for k in state_dict if k.startswith(prefix)]:
            name, dot, _ = key[len(prefix) :].partition(".")
            if name not in (self._modules if dot else own):
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
        _load(self, entries, "", metadata, assign, missing, unexpected, problems)
        for what, keys in (("Unexpected", unexpected), ("Missing", missing)):
            if strict and keys:
                quoted = ", ".join(f'"{k}"' for k in keys)
                problems.insert(0, f"{what} key(s) in state_dict: {quoted}. ")
        if problems:
            raise RuntimeError(
                f"Error(s) in loading state_dict for {type(self).__name__}:\n\t"
                + "\n\t".join(problems)
            )
        return IncompatibleKeys(missing, unexpected)


def _load(
    module: Any, state: dict[str, Any], prefix: str, metadata: Any, assign: bool, *lists: list[str]
) -> None:
    local = {} if metadata is None else dict(metadata.get(prefix[:-1], {}))
    if assign:
        local["assign_to_params_buffers"] = True
    module._load_from_state_dict(state, prefix, local, True, *lists)
    for name, child in module._modules.items():
        if child is not None:
            below = f"{prefix}{name}."
            part = {k: v for k, v in state.items() if k.startswith(below)}
            _load(child, part, below, metadata, assign, *lists)
    keys = IncompatibleKeys(*lists[:2])
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
    if is_lazy(own) and is_lazy(value):
        return None
    if value.ndim == 1 and own.ndim == 0 and value.shape[0] == 1:
        value = value[0]
    if value.shape != own.shape:
        return (
            f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
            f"the shape in current model is {own.shape}."
        )
    if not metadata.get("assign_to_params_buffers"):
        with no_grad():
            own.copy_(value)
    elif isinstance(own, Parameter) and not isinstance(value, Parameter):
        setattr(module, name, Parameter(value, own._requires_grad))
    else:
        setattr(module, name, value)
    return None
