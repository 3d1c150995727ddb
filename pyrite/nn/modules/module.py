"""`Module`: parameters, buffers and submodules by name, hooks around the call, state in and out."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from ..._dtypes import dtype
from ..._tensor import F, Parameter, Tensor
from ...autograd.hooks import add_hook, clear_grads, new_arguments
from ...autograd.modes import is_grad_enabled
from ...autograd.node import RemovableHandle
from ..parameter import Buffer, is_lazy
from . import _backward_hooks, _call_errors, _summary
from ._state import StateMixin

Self = TypeVar("Self", bound="Module")


class Module(StateMixin):
    """Base class of all layers and models.

    Subclasses create their parts in `__init__` (after `super().__init__()`) and compute in
    `forward`. Tensors of class Parameter, Modules and registered buffers that are set as
    attributes are found by name: `parameters()`, `state_dict()`, `to()`, `train()` reach them.
    """

    training: bool
    call_super_init: bool = False
    _version: int = 1
    _compiled_call_impl: Callable[..., Any] | None = None

    _HOOKS = (
        "_forward_pre_hooks", "_forward_pre_kwargs", "_forward_hooks", "_forward_kwargs",
        "_forward_always", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
        "_state_dict_pre_hooks", "_load_pre_hooks", "_load_post_hooks",
    )  # fmt: skip

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.__dict__.update(
            training=True, _parameters={}, _buffers={}, _modules={},
            _non_persistent_buffers_set=set(), **{name: OrderedDict() for name in self._HOOKS},
        )  # fmt: skip

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the module's result; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    # ---- the call

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if (
                self._forward_hooks or self._forward_pre_hooks
                or self._backward_hooks or self._backward_pre_hooks or self._compiled_call_impl
            ):  # fmt: skip
                return self._call_apart(args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            _call_errors.locate(error, self, args, kwargs)
            raise

    def _call_apart(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """With hooks, or compiled: then all of it."""
        compiled = self._compiled_call_impl
        return compiled(*args, **kwargs) if compiled else self._call_with_hooks(args, kwargs)

    def _call_impl(self, *args: Any, **kwargs: Any) -> Any:
        return self._call_with_hooks(args, kwargs)

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Compile this module's call in place; arguments as for `pyrite.compile`."""
        from ...compiler import compile

        self._compiled_call_impl = compile(self._call_impl, *args, **kwargs)

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_compiled_call_impl"}

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        ran: set[int] = set()
        try:
            for key, hook in list(self._forward_pre_hooks.items()):
                if key in self._forward_pre_kwargs:
                    args, kwargs = new_arguments(hook, hook(self, args, kwargs), args, kwargs)
                elif (changed := hook(self, args)) is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)
            watched = self._backward_hooks or self._backward_pre_hooks
            watch = _backward_hooks.Watch(self) if watched and is_grad_enabled() else None
            if watch is not None:
                args = watch.inputs(args)
            result = self.forward(*args, **kwargs)
            for key, hook in list(self._forward_hooks.items()):
                ran.add(key)
                result = self._forward_hook(key, hook, args, kwargs, result)
            return result if watch is None else watch.outputs(result)
        except Exception:
            for key, hook in list(self._forward_hooks.items()):
                if key in self._forward_always and key not in ran:
                    self._forward_hook(key, hook, args, kwargs, None)
            raise

    def _forward_hook(self, key: int, hook: Any, args: Any, kwargs: Any, result: Any) -> Any:
        given = (args, kwargs) if key in self._forward_kwargs else (args,)
        replaced = hook(self, *given, result)
        return result if replaced is None else replaced

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; what it returns replaces the arguments."""
        return self._add_hook("_forward_pre", hook, prepend, with_kwargs, False)

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:  # fmt: skip
        """Call `hook(module, args, output)` after `forward`; what it returns replaces the output.

        `always_call` runs it (with output None) even if `forward` raises.
        """
        return self._add_hook("_forward", hook, prepend, with_kwargs, always_call)

    def _add_hook(
        self, kind: str, hook: Any, prepend: bool, with_kwargs: bool, always: bool
    ) -> RemovableHandle:
        hooks, flags = getattr(self, f"{kind}_hooks"), getattr(self, f"{kind}_kwargs")
        handle = add_hook(hooks, hook, prepend, flags, self._forward_always)
        if with_kwargs:
            flags[handle.id] = True
        if always:
            self._forward_always[handle.id] = True
        return handle

    def register_full_backward_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when both are known in backward."""
        return add_hook(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, grad_output)` before the module's backward; may replace it."""
        return add_hook(self._backward_pre_hooks, hook, prepend)

    # ---- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        for group, (kind, what, expected) in _MEMBERS.items():
            if isinstance(value, Buffer if kind is Tensor else kind):
                for other in (own, *(own.get(g, {}) for g in _MEMBERS if g != group)):
                    other.pop(name, None)
                own.get("_non_persistent_buffers_set", set()).discard(name)
                register: Any = getattr(self, f"register_{what}")
                register(name, *_registered(value))
                return
            if name in own.get(group, ()):
                if value is not None and not isinstance(value, kind):
                    hint = "; write to its data under no_grad(), or wrap it in Parameter"
                    raise TypeError(
                        f"cannot assign '{_typename(value)}' as {what} '{name}' ({expected} or "
                        f"None expected){hint if kind is Parameter else ''}"
                    )
                own[group][name] = value
                return
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        own = self.__dict__
        for group in _MEMBERS:
            if group in own and name in own[group]:
                return own[group][name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for group in _MEMBERS:
            if name in self.__dict__.get(group, ()):
                del self.__dict__[group][name]
                self._non_persistent_buffers_set.discard(name)
                return
        super().__delattr__(name)

    def __dir__(self) -> list[str]:
        members = (name for group in _MEMBERS for name in vars(self)[group])
        return sorted({*dir(type(self)), *self.__dict__, *members})

    def _register(self, group: str, name: str, value: Any) -> None:
        """Put a member (or None, which reserves the name) in its group, or say what is wrong."""
        kind, what, expected = _MEMBERS[group]
        members = self.__dict__.get(group)
        if members is None:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")
        if not isinstance(name, str):
            raise TypeError(f"{what} name should be a string. Got {_typename(name)}")
        if "." in name or not name:
            wrong = f'contain ".": {name!r}' if name else 'be empty string ""'
            raise KeyError(f"{what} name can't {wrong}")
        if name not in members and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")
        if value is not None and not isinstance(value, kind):
            raise TypeError(
                f"cannot assign '{_typename(value)}' object to {what} '{name}' ({expected} or None "
                "required)"
            )
        members[name] = value

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter (or None, which reserves the name)."""
        if isinstance(param, Parameter) and param.node is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be "
                "created explicitly. To express it as a function of another Tensor, compute the "
                "value in the forward() method."
            )
        self._register("_parameters", name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but no parameter; saved if `persistent`."""
        self._register("_buffers", name, tensor)
        keep_out = self._non_persistent_buffers_set
        (keep_out.discard if persistent else keep_out.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a submodule under a name."""
        self._register("_modules", name, module)

    add_module = register_module

    # ---- walking the tree

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all below it, with dotted names; each once."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                below = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, below, remove_duplicate)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it."""
        return (m for _, m in self.named_modules(remove_duplicate=remove_duplicate))

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The direct submodules with their names; each once."""
        seen: set[Module] = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The direct submodules."""
        return (module for _, module in self.named_children())

    def _named_members(
        self, group: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        below = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        for path, module in below if recurse else [(prefix, self)]:
            for name, value in getattr(module, group).items():
                if value is None or id(value) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(value))
                yield (f"{path}.{name}" if path else name), value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """All parameters with dotted names; shared ones once."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """All parameters."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """All buffers with dotted names."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """All buffers."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path; AttributeError naming the part that is missing."""
        module: Module = self
        for part in target.split(".") if target else []:
            module = _attribute(module, part)
            if not isinstance(module, Module):
                raise AttributeError(f"`{part}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Replace (or, unless `strict`, add) the module at a dotted path."""
        path, _, name = target.rpartition(".")
        if not target:
            raise ValueError("Cannot set the submodule without a target name!")
        parent = self.get_submodule(path)
        if strict and name not in parent._modules:
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        return self._get_member(target, "_parameters", "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        return self._get_member(target, "_buffers", "a buffer")

    def _get_member(self, target: str, group: str, what: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        _attribute(module, name)
        members = vars(module)[group]
        if name not in members or (members[name] is None and group == "_parameters"):
            raise AttributeError(f"`{name}` is not {what}")
        return members[name]

    # ---- changing all of it

    def apply(self: Self, fn: Callable[[Module], None]) -> Self:
        """Call `fn` on every submodule, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace every parameter's, gradient's and buffer's memory by `fn` of it."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for p in self._parameters.values():
            if p is not None:
                p.data = fn(p.data)
                if p._grad is not None:
                    p._grad = fn(p._grad.data)
        for name, b in self._buffers.items():
            if is_lazy(b):
                b.data = fn(b.data)  # type: ignore[union-attr]
            elif b is not None:
                self._buffers[name] = fn(b)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """Move and/or convert parameters and buffers; a dtype concerns only floating ones."""
        kind = kwargs.pop("dtype", None)
        rest = []
        for a in args:
            if isinstance(a, dtype):
                kind = a
            else:
                rest.append(a.device if isinstance(a, Tensor) else a)
                kind = a.dtype if isinstance(a, Tensor) else kind
        if kind is not None and not (kind.is_floating_point or kind.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={kind}"
            )

        def convert(t: Tensor) -> Tensor:
            chosen = kind if t.dtype.is_floating_point or t.dtype.is_complex else None
            return t.to(*rest, dtype=chosen, **kwargs)

        return self._apply(convert)

    def cpu(self: Self) -> Self:
        """All parameters and buffers in host memory."""
        return self.to("cpu")

    def cuda(self: Self, device: Any = None) -> Self:
        """All parameters and buffers on a GPU."""
        return self.to("cuda" if device is None else device)

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """All parameters and buffers on a device, without their values."""
        return self._apply(lambda t: F.empty(tuple(t.shape), t.dtype, device=device), recurse)

    def _floats(self: Self, name: str) -> Self:
        return self._apply(lambda t: getattr(t, name)() if t.dtype.is_floating_point else t)

    def float(self: Self) -> Self:
        """Floating parameters and buffers as float32."""
        return self._floats("float")

    def double(self: Self) -> Self:
        """Floating parameters and buffers as float64."""
        return self._floats("double")

    def half(self: Self) -> Self:
        """Floating parameters and buffers as float16."""
        return self._floats("half")

    def bfloat16(self: Self) -> Self:
        """Floating parameters and buffers as bfloat16."""
        return self._floats("bfloat16")

    def type(self: Self, dst_type: Any) -> Self:
        """All parameters and buffers as `dst_type`."""
        return self._apply(lambda t: t.type(dst_type))

    def train(self: Self, mode: bool = True) -> Self:
        """Set training mode (dropout, batch norm) here and below."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Set evaluation mode here and below."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Set `requires_grad` of all parameters (False freezes the module)."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop (or zero) the gradients of all parameters."""
        clear_grads(self.parameters(), set_to_none)

    # ---- text

    def summary(self, *inputs: Any, **kwargs: Any) -> _summary.Summary:
        """Layers with output shapes, parameters and FLOPs of one call, as text and as HTML.

        `module(*inputs, **kwargs)` runs once, in evaluation mode and without gradients.
        """
        return _summary.summarize(self, inputs, kwargs)

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What the text form says between the brackets; subclasses override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [f"({n}): {indent(repr(m))}" for n, m in self._modules.items()]
        if not children and len(lines) < 2:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for name in self._HOOKS:
            self.__dict__.setdefault(name, OrderedDict())


# What a Module finds by name: the attribute that holds it, its class, its names in messages.
_MEMBERS: dict[str, tuple[Any, str, str]] = {
    "_parameters": (Parameter, "parameter", "pyrite.nn.Parameter"),
    "_modules": (Module, "module", "pyrite.nn.Module"),
    "_buffers": (Tensor, "buffer", "pyrite.Tensor"),
}


def _registered(value: Any) -> tuple[Any, ...]:
    """The arguments, beside the name, with which a member is registered."""
    return (value.as_plain(), value.persistent) if isinstance(value, Buffer) else (value,)


def indent(text: str) -> str:
    """The lines after the first two columns further in."""
    first, *rest = text.split("\n")
    return "\n".join([first, *("  " + line for line in rest)])


def _attribute(module: Module, name: str) -> Any:
    if not hasattr(module, name):
        raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
    return getattr(module, name)


def _typename(value: Any) -> str:
    kind = type(value)
    home = kind.__module__
    return kind.__name__ if home == "builtins" else f"{home}.{kind.__name__}"
