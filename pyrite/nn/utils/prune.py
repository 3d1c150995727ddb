"""Pruning: a parameter times a mask, computed before each `forward`.

`<name>_orig` is the parameter and `<name>_mask` a buffer. A second method on the same parameter
prunes what the first one left.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..._exports import EXPORTS
from ..._tensor import F
from ..modules.module import Module
from .convert_parameters import parameters_to_vector


def _function(name: str) -> Callable[..., Any]:
    return EXPORTS[""][name]()


class BasePruningMethod(ABC):
    """Base of the methods: a subclass gives `compute_mask` and says its `PRUNING_TYPE`.

    That is "unstructured" (elements), "structured" (slices of dimension `dim`) or "global".
    """

    PRUNING_TYPE: str
    _tensor_name: str

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._tensor_name, self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The mask for the scores `t`, within the one that is there."""

    def apply_mask(self, module: Module) -> Any:
        """The pruned tensor."""
        original: Any = getattr(module, f"{self._tensor_name}_orig")
        return getattr(module, f"{self._tensor_name}_mask").to(dtype=original.dtype) * original

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Any = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune a module's parameter from now on; `args` go to the method's constructor."""
        method = _joined(module, name, cls(*args, **kwargs))
        original = getattr(module, name)
        scores = original if importance_scores is None else importance_scores
        _same_shape(scores, original)
        further = isinstance(method, PruningContainer)
        before = getattr(module, f"{name}_mask").detach() if further else F.ones_like(original)
        mask = method.compute_mask(scores.detach(), F.clone(before))
        if not further:
            del module._parameters[name]
            module.register_parameter(f"{name}_orig", original)
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Any, default_mask: Any = None, importance_scores: Any = None) -> Any:
        """A pruned copy of a tensor, without a module."""
        scores = t if importance_scores is None else importance_scores
        _same_shape(scores, t)
        mask = F.ones_like(t) if default_mask is None else default_mask
        return t * self.compute_mask(scores, mask)

    def remove(self, module: Module) -> None:
        """Make the pruned value the parameter's own."""
        name = self._tensor_name
        value = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        original: Any = module._parameters.pop(f"{name}_orig")
        original.data = value.detach()
        del module._buffers[f"{name}_mask"]
        setattr(module, name, original)


def _same_shape(scores: Any, tensor: Any) -> None:
    if scores.shape != tensor.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as the tensor: expected {tensor.shape}, "
            f"got {scores.shape}"
        )


def _joined(module: Module, name: str, method: BasePruningMethod) -> BasePruningMethod:
    """The method, or the container of it and those that the parameter has (whose hook goes)."""
    method._tensor_name = name
    hooks = module._forward_pre_hooks
    for key, hook in list(hooks.items()):
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            del hooks[key]
            found = hook if isinstance(hook, PruningContainer) else PruningContainer(hook)
            found.add_pruning_method(method)
            return found
    return method


class PruningContainer(BasePruningMethod):
    """Methods applied to one parameter one after the other."""

    def __init__(self, *args: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        for method in args:
            self._tensor_name = args[0]._tensor_name
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Add a method; TypeError or ValueError for none, or one of another parameter."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if self._tensor_name != method._tensor_name:
            raise ValueError(
                "Can only add pruning methods acting on the parameter named "
                f"'{self._tensor_name}' to this PruningContainer. Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, idx: int) -> BasePruningMethod:
        return self._pruning_methods[idx]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        """The last method's mask of what is left."""
        method = self._pruning_methods[-1]
        left = _left(method, t, default_mask)
        mask = F.clone(default_mask.to(dtype=t.dtype))
        mask[left] = method.compute_mask(t[left], default_mask[left]).to(dtype=mask.dtype)
        return mask


def _left(method: Any, t: Any, mask: Any) -> Any:
    """The index of what earlier methods left."""
    if method.PRUNING_TYPE == "global":
        return ...
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    if method.PRUNING_TYPE != "structured":
        raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    dim = method.dim % t.ndim
    others = [d for d in range(t.ndim) if d != dim]
    return (slice(None),) * dim + (mask.sum(dim=others) != 0,)


# ---- methods


class Identity(BasePruningMethod):
    """A mask of ones: the names of a pruned parameter without pruning."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        return default_mask


class _Amount(BasePruningMethod):
    """Prunes a number (int) or a fraction (float in [0, 1])."""

    amount: Any

    def __init__(self, amount: Any) -> None:
        if not isinstance(amount, int | float):
            raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
        whole = isinstance(amount, int)
        if amount < 0 or (not whole and amount > 1.0):
            raise ValueError(
                f"amount={amount} should either be a float in the range [0, 1] or a non-negative "
                "integer"
            )
        self.amount = amount

    def count(self, size: int) -> int:
        """How many of `size`; ValueError for more than there are."""
        if not isinstance(self.amount, int):
            return round(self.amount * size)
        if self.amount > size:
            raise ValueError(
                f"amount={self.amount} should be smaller than the number of parameters to "
                f"prune={size}"
            )
        return self.amount


class _Unstructured(_Amount):
    PRUNING_TYPE = "unstructured"

    def scores(self, t: Any) -> Any:
        """What is least is pruned."""
        return t.abs()

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        count = self.count(t.numel())
        mask = F.clone(default_mask)
        if count:
            chosen = self.scores(t).reshape(-1).topk(count, largest=False).indices
            flat = mask.reshape(-1)
            flat[chosen] = 0
            mask = flat.reshape(mask.shape)
        return mask


class L1Unstructured(_Unstructured):
    """Prunes the elements of least size."""


class RandomUnstructured(_Unstructured):
    """Prunes elements at random."""

    def scores(self, t: Any) -> Any:
        return -_function("rand_like")(t)


class _Structured(_Amount):
    PRUNING_TYPE = "structured"

    def __init__(self, amount: Any, dim: int = -1) -> None:
        super().__init__(amount)
        self.dim = dim

    # (scores, how many slices, how many go) -> index of those that stay
    kept: Callable[[Any, int, int], Any]

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        if t.ndim <= 1:
            raise ValueError(
                "Structured pruning can only be applied to multidimensional tensors. Found tensor "
                f"of shape {t.shape} with {t.ndim} dims"
            )
        if self.dim >= t.ndim:
            raise IndexError(f"Invalid index {self.dim} for tensor of size {t.shape}")
        size = t.shape[self.dim]
        count = self.count(size)
        if not count:
            return default_mask
        mask = F.zeros_like(t)
        mask[(slice(None),) * (self.dim % t.ndim) + (self.kept(t, size, count),)] = 1
        return mask * default_mask.to(dtype=mask.dtype)


class RandomStructured(_Structured):
    """Prunes slices of a dimension at random."""

    def kept(self, t: Any, size: int, count: int) -> Any:
        draws = _function("rand")(size, device=t.device)
        return draws > draws.sort().values[count - 1]


class LnStructured(_Structured):
    """Prunes the slices of a dimension whose norm of order `n` is least."""

    def __init__(self, amount: Any, n: Any, dim: int = -1) -> None:
        super().__init__(amount, dim)
        self.n = n

    def kept(self, t: Any, size: int, count: int) -> Any:
        others = [d for d in range(t.ndim) if d != self.dim % t.ndim]
        return t.norm(p=self.n, dim=others).topk(size - count).indices


class CustomFromMask(BasePruningMethod):
    """Prunes by a mask."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Any) -> None:
        self.mask = mask

    def compute_mask(self, t: Any, default_mask: Any) -> Any:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(
                f"the mask's shape {self.mask.shape} must be the parameter's {default_mask.shape}"
            )
        return default_mask * self.mask.to(dtype=default_mask.dtype)


# ---- functions


def identity(module: Module, name: str) -> Module:
    """Give a parameter the names of a pruned one."""
    Identity.apply(module, name)
    return module


def random_unstructured(module: Module, name: str, amount: float) -> Module:
    """Prune elements at random."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(
    module: Module, name: str, amount: float, importance_scores: Any = None
) -> Module:
    """Prune the elements of least size, or least score."""
    L1Unstructured.apply(module, name, amount, importance_scores=importance_scores)
    return module


def random_structured(module: Module, name: str, amount: float, dim: int) -> Module:
    """Prune slices of a dimension at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Any = None
) -> Module:
    """Prune the slices of a dimension whose norm of order `n` is least."""
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: Module, name: str, mask: Any) -> Module:
    """Prune by a mask of the parameter's shape."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Iterable[tuple[Module, str]], pruning_method: Any, importance_scores: Any = None,
    **kwargs: Any,
) -> None:  # fmt: skip
    """Prune several parameters as if they were one vector.

    Args:
        parameters: pairs of module and name.
        pruning_method: an unstructured method's class.
        importance_scores: (module, name) -> scores.
        kwargs: the method's arguments.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    if not isinstance(importance_scores, dict | None):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    chosen = list(parameters)
    given = importance_scores or {}
    tensors = [getattr(module, name) for module, name in chosen]
    rows = list(zip(chosen, tensors, strict=True))
    masks = [getattr(m, f"{n}_mask", F.ones_like(t)) for (m, n), t in rows]
    scores = [given.get(pair, t).detach() for pair, t in rows]
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method '
            f"{pruning_method} of type {method.PRUNING_TYPE}"
        )
    method._tensor_name = "all"
    whole = PruningContainer(method).compute_mask(
        parameters_to_vector(scores), parameters_to_vector(masks)
    )
    start = 0
    for (module, name), tensor in rows:
        end = start + tensor.numel()
        custom_from_mask(module, name, whole[start:end].reshape(tensor.shape))
        start = end


def remove(module: Module, name: str) -> Module:
    """Make pruning permanent; ValueError if the parameter is not pruned."""
    hooks = module._forward_pre_hooks
    for key, hook in list(hooks.items()):
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del hooks[key]
            return module
    raise ValueError(
        f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed"
    )


def is_pruned(module: Module) -> bool:
    """Whether a parameter of the module or of one below it is pruned."""
    hooks = (h for m in module.modules() for h in m._forward_pre_hooks.values())
    return any(isinstance(hook, BasePruningMethod) for hook in hooks)
