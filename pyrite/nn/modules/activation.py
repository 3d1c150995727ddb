"""Activation modules, made from the functions of the same sense."""

from __future__ import annotations

from typing import Any

from ..._tensor import Parameter, Tensor
from .. import functional
from ._make import full
from .module import Module

F: Any = functional


class _Activation(Module):
    """Calls `nn.functional.<function>` with the arguments kept as attributes."""

    function: str
    arguments: tuple[tuple[str, Any], ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        names = [n for n, _ in self.arguments]
        if len(args) > len(names) or not set(kwargs) <= set(names):
            raise TypeError(
                f"{type(self).__name__}() takes the arguments {', '.join(names) or 'none'}; got "
                f"{args} {kwargs}"
            )
        values = {**dict(self.arguments), **dict(zip(names, args, strict=False)), **kwargs}
        for name, value in values.items():
            setattr(self, name, value)

    def forward(self, input: Tensor) -> Tensor:
        values = {n: getattr(self, n) for n, _ in self.arguments}
        return getattr(F, self.function)(input, **values)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        shown = [
            f"{'' if n == 'lambd' else n + '='}{getattr(self, n)!r}"
            for n, _ in self.arguments
            if n != "inplace" or self.inplace
        ]
        return ", ".join(shown)


_INPLACE = ("inplace", False)
_MADE: dict[str, tuple[str, tuple[tuple[str, Any], ...]]] = {
    "ReLU": ("relu", (_INPLACE,)),
    "ReLU6": ("relu6", (_INPLACE,)),
    "LeakyReLU": ("leaky_relu", (("negative_slope", 0.01), _INPLACE)),
    "ELU": ("elu", (("alpha", 1.0), _INPLACE)),
    "SELU": ("selu", (_INPLACE,)),
    "CELU": ("celu", (("alpha", 1.0), _INPLACE)),
    "GELU": ("gelu", (("approximate", "none"),)),
    "SiLU": ("silu", (_INPLACE,)),
    "Mish": ("mish", (_INPLACE,)),
    "Sigmoid": ("sigmoid", ()),
    "Tanh": ("tanh", ()),
    "LogSigmoid": ("logsigmoid", ()),
    "Softplus": ("softplus", (("beta", 1.0), ("threshold", 20.0))),
    "Softsign": ("softsign", ()),
    "Hardtanh": ("hardtanh", (("min_val", -1.0), ("max_val", 1.0), _INPLACE)),
    "Hardswish": ("hardswish", (_INPLACE,)),
    "Hardsigmoid": ("hardsigmoid", (_INPLACE,)),
    "Tanhshrink": ("tanhshrink", ()),
    "Softshrink": ("softshrink", (("lambd", 0.5),)),
    "Hardshrink": ("hardshrink", (("lambd", 0.5),)),
    "Softmax": ("softmax", (("dim", None),)),
    "LogSoftmax": ("log_softmax", (("dim", None),)),
    "Softmin": ("softmin", (("dim", None),)),
    "GLU": ("glu", (("dim", -1),)),
}
for _name, (_function, _arguments) in _MADE.items():
    globals()[_name] = type(_name, (_Activation,), {
        "__module__": __name__, "__qualname__": _name, "function": _function,
        "arguments": _arguments,
        "__doc__": f"`nn.functional.{_function}` as a module.",
    })  # fmt: skip


class PReLU(Module):
    """`max(0, x) + weight · min(0, x)` with learned slopes (He et al. 2015)."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), init, device, dtype))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)  # type: ignore[no-any-return]

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


__all__ = [*_MADE, "PReLU"]  # noqa: PLE0604
