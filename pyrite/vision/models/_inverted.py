"""Inverted residuals: expand, convolve each channel apart, squeeze and excite, project."""

from __future__ import annotations

from typing import Any

from ... import Tensor, nn
from ..ops._drop import StochasticDepth
from ..ops.misc import Conv2dNormActivation
from ._build import Layer


def layers_of(
    inputs: int, inner: int, outputs: int, kernel: int, stride: int, norm: Layer, active: Layer,
    squeeze: nn.Module | None = None, dilation: int = 1, expand: bool | None = None,
) -> list[nn.Module]:  # fmt: skip
    """The layers of a block; without `expand`, the first is there where `inner` differs."""
    options: dict[str, Any] = {"norm_layer": norm, "activation_layer": active}
    layers: list[nn.Module] = []
    if inner != inputs if expand is None else expand:
        layers.append(Conv2dNormActivation(inputs, inner, 1, **options))
    step = 1 if dilation > 1 else stride
    layers.append(
        Conv2dNormActivation(inner, inner, kernel, step, groups=inner, dilation=dilation, **options)
    )
    layers += [] if squeeze is None else [squeeze]
    last = Conv2dNormActivation(inner, outputs, 1, norm_layer=norm, activation_layer=None)
    return [*layers, last]


class Residual(nn.Module):
    """`block(x)`, to which x is added where size and channels stay."""

    def __init__(
        self, layers: list[nn.Module], inputs: int, outputs: int, stride: int, drop: float = 0.0
    ) -> None:
        super().__init__()
        if stride not in (1, 2):
            raise ValueError(f"illegal stride value {stride}: should be 1 or 2")
        self.use_res_connect = stride == 1 and inputs == outputs
        self.block = nn.Sequential(*layers)
        self.stochastic_depth = StochasticDepth(drop, "row")
        self.out_channels = outputs
        self._is_cn = stride > 1

    def forward(self, input: Tensor) -> Tensor:
        result = self.block(input)
        return self.stochastic_depth(result) + input if self.use_res_connect else result
