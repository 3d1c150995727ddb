"""Parametrizations: an attribute of a module computed from other parameters at each access."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from ..._tensor import Parameter, Tensor
from ...autograd.modes import no_grad
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module


class _Cache(threading.local):
    """Values computed once inside `cached`, by module and name."""

    def __init__(self) -> None:
        self.depth = 0
        self.values: dict[tuple[int, str], Any] = {}


_cache = _Cache()


@contextmanager
def cached() -> Iterator[None]:
    """Inside, each parametrized tensor is computed once."""
    _cache.depth += 1
    try:
        yield
    finally:
        _cache.depth -= 1
        if not _cache.depth:
            _cache.values.clear()


def _register(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _same(what: str, new: Any, old: Tensor, advice: str = "") -> None:
    """ValueError unless `new` is a tensor of the dtype and shape of `old`."""
    if not isinstance(new, Tensor):
        raise ValueError(f"{what} must return a tensor. Got {type(new).__name__}.")
    for field in ("dtype", "shape"):
        if getattr(new, field) != getattr(old, field):
            raise ValueError(
                f"{what} may not change the {field} of the tensor{advice}: expected "
                f"{getattr(old, field)}, got {getattr(new, field)}"
            )


_UNSAFE = ", unless the `unsafe` flag is enabled"


class ParametrizationList(ModuleList):
    """The parametrizations of one tensor, applied in order, and the tensors that it comes from.

    Those are `original`, or `original0`, `original1`, ... if the first parametrization takes
    several.

    Args:
        modules: the parametrizations.
        original: the tensor as it was.
        unsafe: whether dtype and shape may change.
    """

    original: Any
    is_tensor: bool

    def __init__(self, modules: Sequence[Module], original: Tensor, unsafe: bool = False) -> None:
        if not modules:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        new = self._inverted(original)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            if new.dtype != original.dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype: "
                    f"original.dtype: {original.dtype}, right_inverse(original).dtype: {new.dtype}"
                )
            if new.shape != original.shape and not unsafe:
                _same("right_inverse", new, original, _UNSAFE)
            with no_grad():
                original.data = new.detach()
            _register(self, "original", original)
        else:
            for name, tensor in zip(self._names(), new, strict=True):
                if not isinstance(tensor, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors. Got "
                        f"element {name} of type {type(tensor).__name__}."
                    )
                if isinstance(original, Parameter):
                    tensor = Parameter(tensor, original.requires_grad)
                _register(self, name, tensor.requires_grad_(original.requires_grad))
        if not unsafe:
            _same("A parametrization", self(), original, _UNSAFE)

    def _names(self) -> list[str]:
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def _originals(self) -> list[Any]:
        return [getattr(self, name) for name in self._names()]

    def _inverted(self, original: Tensor) -> Any:
        """What the tensors must be for the parametrizations to give `original`."""
        new: Any = original
        with no_grad():
            for module in reversed(self):
                if hasattr(module, "right_inverse"):
                    with suppress(NotImplementedError):
                        new = module.right_inverse(new)
        if not isinstance(new, Tensor | Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        return new

    @no_grad()
    def right_inverse(self, value: Any) -> None:
        """Set the original tensors so that the parametrized one becomes `value`.

        RuntimeError for a parametrization that has no `right_inverse`.
        """
        for module in reversed(self):
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(
                    f"parametrization {type(module).__name__} does not implement right_inverse."
                )
            value = module.right_inverse(value)
        values = [value] if self.is_tensor else list(value)
        if len(values) != self.ntensors:
            raise ValueError(
                "'right_inverse' must return a sequence of tensors of length "
                f"{self.ntensors}. Got a sequence of length {len(values)}."
            )
        for name, own, tensor in zip(self._names(), self._originals(), values, strict=True):
            if not isinstance(tensor, Tensor):
                raise ValueError(
                    f"`right_inverse` should return a tensor. Got {type(tensor).__name__}"
                )
            if tensor.dtype != own.dtype:
                raise ValueError(
                    f"The tensor returned by `right_inverse` has dtype {tensor.dtype} while "
                    f"`{name}` has dtype {own.dtype}"
                )
            own.data = tensor.detach()

    def forward(self) -> Any:
        first, *rest = self
        value = first(*self._originals())
        for module in rest:
            value = module(value)
        return value


# ---- the class of a parametrized module


def _deepcopy(self: Any, memo: dict[int, Any]) -> Any:
    twin = memo[id(self)] = self.__new__(type(self))
    twin.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return twin


def _no_state(self: Any) -> Any:
    raise RuntimeError(
        "Serialization of parametrized modules is only supported through state_dict()."
    )


def _inject_class(module: Module) -> None:
    """Give a module a class of its own, whose properties compute the tensors."""
    own = type(module)
    body: dict[str, Any] = {"__getstate__": _no_state}
    if not hasattr(own, "__deepcopy__"):
        body["__deepcopy__"] = _deepcopy
    module.__class__ = type(f"Parametrized{own.__name__}", (own,), body)


def _property(name: str) -> property:
    def value(self: Any) -> Any:
        compute: Callable[[], Any] = self.parametrizations[name]
        if not _cache.depth:
            return compute()
        key = id(self), name
        if key not in _cache.values:
            _cache.values[key] = compute()
        return _cache.values[key]

    def assign(self: Any, tensor: Any) -> None:
        self.parametrizations[name].right_inverse(tensor)

    return property(value, assign)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Let `module.<tensor_name>` be `parametrization` of the tensor that it was.

    Args:
        module: whose parameter or buffer; its class becomes one of its own.
        tensor_name: the attribute. A second parametrization is applied to the first one's result.
        parametrization: from one tensor, or from those that its `right_inverse` returns.
        unsafe: whether dtype and shape may change.

    ValueError if there is no such tensor, or dtype or shape change.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        found: Any = module.parametrizations[tensor_name]
        if not unsafe:
            _check_further(parametrization, getattr(module, tensor_name))
        found.append(parametrization)
        found.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        made = ParametrizationList([parametrization], original, unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_class(module)
            module.parametrizations = ModuleDict()
        setattr(type(module), tensor_name, _property(tensor_name))
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element "
            f"with name '{tensor_name}'"
        )
    return module


def _check_further(parametrization: Any, before: Tensor) -> None:
    after = parametrization(before)
    _same("A parametrization", after, before, _UNSAFE)
    if hasattr(parametrization, "right_inverse"):
        try:
            inverse = parametrization.right_inverse(after)
        except NotImplementedError:
            return
        _same("parametrization.right_inverse", inverse, before, _UNSAFE)


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether a module has parametrizations, or one of this tensor."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """Make the tensor a plain parameter or buffer again.

    Args:
        module: whose tensor.
        tensor_name: the attribute.
        leave_parametrized: keep its present value, else the original one.

    ValueError if it is not parametrized, or the original value is asked for and there are several.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    found: Any = module.parametrizations[tensor_name]
    if not found.is_tensor and not leave_parametrized:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is "
            "parametrized in terms of a sequence of tensors."
        )
    original: Any = found.original if found.is_tensor else None
    if leave_parametrized:
        value = getattr(module, tensor_name)
        if original is not None:
            original.data = value.detach()
        else:
            original = Parameter(value.detach()) if value.requires_grad else value
    own: Any = type(module)
    delattr(own, tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = own.__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The class of a module without its parametrizations."""
    own: type = type(module)
    return own.__bases__[0] if is_parametrized(module) else own


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """Give another module the same parametrizations, and the tensors that they start from."""
    if not is_parametrized(from_module):
        return to_module
    for name in [tensor_name] if tensor_name is not None else list(from_module.parametrizations):
        source: Any = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            setattr(to_module, name, Parameter(getattr(from_module, name).detach()))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target: Any = to_module.parametrizations[name]
        for part in source._names():
            setattr(target, part, getattr(source, part))
    return to_module
