"""Weight and spectral normalisation as hooks, torch's older form, and what both forms share."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, TypeVar

from ..._composites.norm import norm_except_dim
from ..._exports import EXPORTS
from ..._tensor import F, Parameter, Tensor
from ...autograd.modes import no_grad
from ..functional import normalize
from ..modules.module import Module

M = TypeVar("M", bound=Module)


def weight_of(module: Module, name: str) -> Any:
    """A module's tensor; ValueError if it has none of this name."""
    weight = getattr(module, name, None)
    if not isinstance(weight, Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    return weight


def as_matrix(weight: Any, dim: int) -> Any:
    """(size of `dim`, all others)."""
    others = [d for d in range(weight.ndim) if d != dim]
    return F.permute(weight, (dim, *others)).reshape(weight.shape[dim], -1)


def default_dim(module: Module) -> int:
    """The dimension of the outputs in a module's weight."""
    return int(type(module).__name__.removeprefix("Parametrized").startswith("ConvTranspose"))


def start_vector(weight: Any, size: int, eps: float) -> Any:
    """A random unit vector."""
    with no_grad():
        return normalize(weight.detach().new_empty(size).normal_(0, 1), dim=0, eps=eps)


def check_iterations(n_power_iterations: int) -> None:
    """ValueError unless positive."""
    if n_power_iterations <= 0:
        raise ValueError(
            "Expected n_power_iterations to be positive, but got "
            f"n_power_iterations={n_power_iterations}"
        )


@no_grad()
def power_method(matrix: Any, u: Any, v: Any, steps: int, eps: float, first: str) -> None:
    """Bring `u` and `v`, in place, nearer to the first singular vectors; begin with `first`."""
    product = EXPORTS[""]["mv"]()
    rows = [(u, matrix, v), (v, matrix.mH, u)]
    for _ in range(steps):
        for target, factor, other in rows if first == "u" else rows[::-1]:
            target.copy_(normalize(product(factor, other), dim=0, eps=eps))


class _Norm:
    """A hook before `forward` that computes an attribute from parameters of other names."""

    title: str
    name: str
    compute_weight: Callable[..., Any]

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module))

    def taken(self, module: Module) -> None:
        """RuntimeError if there is a hook of this kind already."""
        if _find(type(self), module._forward_pre_hooks, self.name) is not None:
            raise RuntimeError(
                f"Cannot register two {self.title} hooks on the same parameter {self.name}"
            )


def _find(kind: type[_Norm], hooks: dict[int, Any], name: str) -> int | None:
    return next((k for k, h in hooks.items() if isinstance(h, kind) and h.name == name), None)


class WeightNorm(_Norm):
    """The hook of the older `weight_norm`: `<name>_g` and `<name>_v` are the parameters."""

    title = "weight_norm"

    def __init__(self, name: str, dim: int | None) -> None:
        self.name, self.dim = name, -1 if dim is None else dim

    def compute_weight(self, module: Module) -> Any:
        g, v = (getattr(module, f"{self.name}_{part}") for part in "gv")
        return v * (g / norm_except_dim(v, 2, self.dim))

    @classmethod
    def apply(cls, module: Module, name: str, dim: int | None) -> WeightNorm:
        """Split a weight into length and direction."""
        hook = cls(name, dim)
        hook.taken(module)
        weight = getattr(module, name)
        del module._parameters[name]
        length = norm_except_dim(weight, 2, hook.dim).detach()
        module.register_parameter(f"{name}_g", Parameter(length))
        module.register_parameter(f"{name}_v", Parameter(weight.detach()))
        setattr(module, name, hook.compute_weight(module))
        module.register_forward_pre_hook(hook)
        return hook

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        weight = self.compute_weight(module)
        for name in (self.name, f"{self.name}_g", f"{self.name}_v"):
            delattr(module, name)
        setattr(module, self.name, Parameter(weight.detach()))


def weight_norm(module: M, name: str = "weight", dim: int | None = 0) -> M:
    """Deprecated form of `parametrizations.weight_norm`."""
    warnings.warn(
        "`nn.utils.weight_norm` is deprecated in favor of `nn.utils.parametrizations.weight_norm`.",
        FutureWarning,
        stacklevel=2,
    )
    WeightNorm.apply(module, name, dim)
    return module


def remove_weight_norm(module: M, name: str = "weight") -> M:
    """Make a weight a plain parameter again; ValueError if it has no such hook."""
    return _removed(WeightNorm, module, name)


def _removed(kind: type[_Norm], module: M, name: str) -> M:
    key = _find(kind, module._forward_pre_hooks, name)
    if key is None:
        raise ValueError(f"{kind.title} of '{name}' not found in {module}")
    module._forward_pre_hooks.pop(key).remove(module)
    return module


class SpectralNorm(_Norm):
    """The hook of the older `spectral_norm`: parameter `<name>_orig`, buffers `_u` and `_v`."""

    title, _version = "spectral_norm", 1

    def __init__(
        self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        check_iterations(n_power_iterations)
        self.name, self.n_power_iterations, self.dim, self.eps = name, n_power_iterations, dim, eps

    def compute_weight(self, module: Module, do_power_iteration: bool | None = None) -> Any:
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = as_matrix(weight, self.dim)
        if module.training if do_power_iteration is None else do_power_iteration:
            power_method(matrix, u, v, self.n_power_iterations, self.eps, first="v")
            u, v = F.clone(u), F.clone(v)
        return weight / EXPORTS[""]["dot"]()(u, EXPORTS[""]["mv"]()(matrix, v))

    @classmethod
    def apply(
        cls, module: Module, name: str, n_power_iterations: int, dim: int, eps: float
    ) -> SpectralNorm:
        """Replace a weight by the normalised one."""
        hook = cls(name, n_power_iterations, dim, eps)
        hook.taken(module)
        weight: Any = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        u, v = (start_vector(weight, n, eps) for n in as_matrix(weight, dim).shape)
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        setattr(module, name, weight.data)
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(hook)
        module._register_state_dict_hook(hook.note_version)
        return hook

    def note_version(self, module: Module, state: Any, prefix: str, metadata: Any) -> None:
        """What torch writes into the metadata, and asks for when it loads."""
        metadata.setdefault("spectral_norm", {})[f"{self.name}.version"] = self._version

    def remove(self, module: Module) -> None:
        """Make the weight a parameter again."""
        with no_grad():
            weight = self.compute_weight(module, False)
        for part in ("", "_u", "_v", "_orig"):
            delattr(module, self.name + part)
        hooks = module._state_dict_hooks
        for key in [k for k, h in hooks.items() if h == self.note_version]:
            del hooks[key]
        module.register_parameter(self.name, Parameter(weight.detach()))


def spectral_norm(
    module: M, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> M:  # fmt: skip
    """Divide a weight by its largest singular value; see `parametrizations.spectral_norm`."""
    dim = default_dim(module) if dim is None else dim
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: M, name: str = "weight") -> M:
    """Make a weight a plain parameter again; ValueError if it has no such hook."""
    return _removed(SpectralNorm, module, name)
