"""Lazy modules: the number of inputs is that of the first batch."""

from __future__ import annotations

import inspect
from typing import Any

from ...autograd.modes import no_grad
from ..parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from . import batchnorm, conv
from .linear import Linear


class LazyModuleMixin:
    """Lets a module begin without shapes: `initialize_parameters` is called before `forward`.

    A subclass registers `UninitializedParameter`s and `UninitializedBuffer`s and gives
    `initialize_parameters(*args, **kwargs)`, called with the first call's arguments, which
    materializes them. Then the module becomes one of class `cls_to_become`, if that is given.
    A state_dict with shapes initializes too.
    """

    cls_to_become: Any = None

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._take_shapes)
        self._initialize_hook = self.register_forward_pre_hook(self._infer, with_kwargs=True)

    def _waiting(self: Any) -> dict[str, Any]:
        members = {**self._parameters, **self._buffers}
        return {name: tensor for name, tensor in members.items() if is_lazy(tensor)}

    def has_uninitialized_params(self: Any) -> bool:
        """Whether a parameter or buffer waits for its shape."""
        return bool(self._waiting())

    def _take_shapes(self: Any, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name, tensor in self._waiting().items():
            given = state_dict.get(prefix + name)
            if given is not None and not is_lazy(given):
                tensor.materialize(given.shape)

    def _infer(self: Any, module: Any, args: Any, kwargs: Any) -> None:
        self.initialize_parameters(*args, **kwargs)
        if self.has_uninitialized_params():
            raise RuntimeError(f"module {self._get_name()} has not been fully initialized")
        self._initialize_hook.remove()
        self._load_hook.remove()
        del self._initialize_hook, self._load_hook
        if self.cls_to_become is not None:
            self.__class__ = self.cls_to_become


class _Lazy(LazyModuleMixin):
    """A layer whose first argument, `counted`, is left out."""

    counted: str
    __signature__: inspect.Signature
    n = 0  # the input's dimensions beside batch and channels; 0 if the last one is counted

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        given = self.__signature__.bind(*args, **kwargs)
        given.apply_defaults()
        self.__dict__["_began"] = False
        super().__init__(0, *given.args, **given.kwargs)
        del self._began
        for group, kind in ((self._parameters, UninitializedParameter),
                            (self._buffers, UninitializedBuffer)):  # fmt: skip
            for name, t in group.items():
                if t is not None and t.ndim:  # all but the count of batches
                    group[name] = kind(t.requires_grad, t.device, t.dtype)

    def reset_parameters(self: Any) -> None:
        """Draw weight and bias anew, once their shapes are known."""
        if "_began" not in self.__dict__ and not self.has_uninitialized_params():
            super().reset_parameters()  # type: ignore[misc]

    @no_grad()
    def initialize_parameters(self: Any, input: Any) -> None:
        """Take the number of inputs from a batch."""
        if getattr(self, self.counted) == 0:
            setattr(self, self.counted, self._count(input))
        if not self.has_uninitialized_params():
            return
        shapes = self._shapes()
        for name, tensor in self._waiting().items():
            tensor.materialize(shapes[name])
        self.reset_parameters()

    def _count(self, input: Any) -> int:
        if not self.n:
            return int(input.shape[-1])
        if self.counted == "num_features":
            return int(input.shape[1])
        if input.ndim not in (self.n + 1, self.n + 2):
            raise RuntimeError(
                f"Expected {self.n + 1}D (unbatched) or {self.n + 2}D (batched) input to "
                f"{type(self).__name__}, but got input of size: {list(input.shape)}"
            )
        return int(input.shape[-self.n - 1])

    def _shapes(self: Any) -> dict[str, tuple[int, ...]]:
        """Of each parameter and buffer."""
        if self.counted == "num_features":
            return dict.fromkeys([*self._parameters, *self._buffers], (self.num_features,))
        if self.counted == "in_features":
            return {"weight": (self.out_features, self.in_features), "bias": (self.out_features,)}
        ends = self.out_channels, self.in_channels
        first, second = ends[::-1] if self.transposed else ends
        weight = first, second // self.groups, *self.kernel_size
        return {"weight": weight, "bias": (self.out_channels,)}


def _lazy(name: str, base: Any, counted: str, like: Any = None) -> None:
    """Define `Lazy<name>`, whose constructor is that of `like` without the first argument."""
    signature = inspect.signature((like or base).__init__)
    _self, _first, *rest = signature.parameters.values()
    body = {
        "__module__": __name__, "counted": counted, "cls_to_become": base,
        "n": int(name[-2]) if name[-1] == "d" else 0,
        "__doc__": f"A {name} layer whose `{counted}` is that of the first batch.",
    }  # fmt: skip
    cls: Any = type(f"Lazy{name}", (_Lazy, base), body)
    cls.__signature__ = signature.replace(parameters=rest)
    globals()[cls.__name__] = cls
    __all__.append(cls.__name__)


__all__: list[str] = []
_lazy("Linear", Linear, "in_features")
for _d in (1, 2, 3):
    for _name in (f"Conv{_d}d", f"ConvTranspose{_d}d"):
        _lazy(_name, getattr(conv, _name), "in_channels")
    for _name in (f"BatchNorm{_d}d", f"InstanceNorm{_d}d"):
        # torch's lazy instance norms have the defaults of batch norms
        _lazy(_name, getattr(batchnorm, _name), "num_features", batchnorm.BatchNorm1d)
