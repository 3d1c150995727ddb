"""Activation modules, made from the functions of the same sense."""

from __future__ import annotations

from typing import Any

from ..._tensor import Parameter, Tensor
from .. import functional
from ._make import REQUIRED, FunctionModule, declared, full, made
from .module import Module

F: Any = functional


class _Activation(FunctionModule):
    """Shows its arguments, `inplace` only where it is set."""

    def extra_repr(self) -> str:
        shown = {n: getattr(self, n) for n in self.options if n != "inplace" or self.inplace}
        return ", ".join(f"{'' if n == 'lambd' else n + '='}{v!r}" for n, v in shown.items())


_INPLACE = {"inplace": False}
_MADE: dict[str, tuple[str, dict[str, Any]]] = {
    "ReLU": ("relu", _INPLACE),
    "ReLU6": ("relu6", _INPLACE),
    "LeakyReLU": ("leaky_relu", {"negative_slope": 0.01, **_INPLACE}),
    "ELU": ("elu", {"alpha": 1.0, **_INPLACE}),
    "SELU": ("selu", _INPLACE),
    "CELU": ("celu", {"alpha": 1.0, **_INPLACE}),
    "GELU": ("gelu", {"approximate": "none"}),
    "SiLU": ("silu", _INPLACE),
    "Mish": ("mish", _INPLACE),
    "Sigmoid": ("sigmoid", {}),
    "Tanh": ("tanh", {}),
    "LogSigmoid": ("logsigmoid", {}),
    "Softplus": ("softplus", {"beta": 1.0, "threshold": 20.0}),
    "Softsign": ("softsign", {}),
    "Hardtanh": ("hardtanh", {"min_val": -1.0, "max_val": 1.0, **_INPLACE}),
    "Hardswish": ("hardswish", _INPLACE),
    "Hardsigmoid": ("hardsigmoid", _INPLACE),
    "Tanhshrink": ("tanhshrink", {}),
    "Softshrink": ("softshrink", {"lambd": 0.5}),
    "Hardshrink": ("hardshrink", {"lambd": 0.5}),
    "Softmax": ("softmax", {"dim": None}),
    "LogSoftmax": ("log_softmax", {"dim": None}),
    "Softmin": ("softmin", {"dim": None}),
    "GLU": ("glu", {"dim": -1}),
    "Threshold": ("threshold", {"threshold": REQUIRED, "value": REQUIRED, **_INPLACE}),
}
for _name, (_function, _options) in _MADE.items():
    globals()[_name] = made(
        _Activation, _name, f"`nn.functional.{_function}` as a module.", _options,
        function=_function,
    )  # fmt: skip


@declared
class RReLU(_Activation):
    """Leaky ReLU whose slopes are drawn in training (Xu et al. 2015)."""

    function = "rrelu"
    lower: float = 1.0 / 8
    upper: float = 1.0 / 3
    inplace: bool = False

    def forward(self, input: Tensor) -> Any:
        return self._call(input, training=self.training)


class Softmax2d(Module):
    """Softmax over the channels of (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead")
        return F.softmax(input, -3)


class PReLU(Module):
    """`max(0, x) + weight · min(0, x)` with learned slopes (He et al. 2015)."""

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(full((num_parameters,), init, device, dtype))

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


__all__ = [*_MADE, "PReLU", "RReLU", "Softmax2d"]  # noqa: PLE0604
