"""Blocks that models share: convolution with norm and activation, squeeze-and-excitation, MLP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ... import Tensor, nn, ones, zeros

__all__ = [
    "MLP",
    "Conv2dNormActivation",
    "Conv3dNormActivation",
    "ConvNormActivation",
    "FrozenBatchNorm2d",
    "Permute",
    "SqueezeExcitation",
]  # fmt: skip

Layer = Callable[..., nn.Module] | None


def _same(kernel: Any, dilation: Any) -> Any:
    """The padding that keeps the size at stride 1, for odd kernels."""
    if isinstance(kernel, int) and isinstance(dilation, int):
        return (kernel - 1) // 2 * dilation
    n = len(kernel) if isinstance(kernel, Sequence) else len(dilation)
    kernels, dilations = (
        tuple(v) if isinstance(v, Sequence) else (v,) * n for v in (kernel, dilation)
    )
    return tuple((k - 1) // 2 * d for k, d in zip(kernels, dilations, strict=True))


def _in_place(inplace: bool | None) -> dict[str, bool]:
    return {} if inplace is None else {"inplace": inplace}


class ConvNormActivation(nn.Sequential):
    """A convolution, then a normalisation and an activation where they are given.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the result.
        kernel_size: of the convolution; padding None keeps the size at stride 1.
        stride: of the convolution.
        padding: of the convolution.
        groups: of the convolution.
        norm_layer: called with the channels; None leaves it out.
        activation_layer: called with `inplace` unless that is None; None leaves it out.
        dilation: of the convolution.
        inplace: of the activation.
        bias: None: only where there is no norm.
        conv_layer: the class of the convolution.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any = 3, stride: Any = 1,
        padding: Any = None, groups: int = 1, norm_layer: Layer = nn.BatchNorm2d,
        activation_layer: Layer = nn.ReLU, dilation: Any = 1, inplace: bool | None = True,
        bias: bool | None = None, conv_layer: Callable[..., nn.Module] = nn.Conv2d,
    ) -> None:  # fmt: skip
        padding = _same(kernel_size, dilation) if padding is None else padding
        bias = norm_layer is None if bias is None else bias
        layers = [
            conv_layer(
                in_channels, out_channels, kernel_size, stride, padding,
                dilation=dilation, groups=groups, bias=bias,
            )
        ]  # fmt: skip
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**_in_place(inplace)))
        super().__init__(*layers)
        self.out_channels = out_channels


class Conv2dNormActivation(ConvNormActivation):
    """`ConvNormActivation` in two dimensions."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any = 3, stride: Any = 1,
        padding: Any = None, groups: int = 1, norm_layer: Layer = nn.BatchNorm2d,
        activation_layer: Layer = nn.ReLU, dilation: Any = 1, inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer,
            activation_layer, dilation, inplace, bias, nn.Conv2d,
        )  # fmt: skip


class Conv3dNormActivation(ConvNormActivation):
    """`ConvNormActivation` in three dimensions."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: Any = 3, stride: Any = 1,
        padding: Any = None, groups: int = 1, norm_layer: Layer = nn.BatchNorm3d,
        activation_layer: Layer = nn.ReLU, dilation: Any = 1, inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, groups, norm_layer,
            activation_layer, dilation, inplace, bias, nn.Conv3d,
        )  # fmt: skip


class SqueezeExcitation(nn.Module):
    """Channels scaled by a function of their means (Hu et al., 2018, arXiv:1709.01507).

    Args:
        input_channels: channels of input and result.
        squeeze_channels: channels between the two 1x1 convolutions.
        activation: makes the layer between them.
        scale_activation: makes the layer whose results are the factors.
    """

    def __init__(
        self, input_channels: int, squeeze_channels: int,
        activation: Callable[..., nn.Module] = nn.ReLU,
        scale_activation: Callable[..., nn.Module] = nn.Sigmoid,
    ) -> None:  # fmt: skip
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: Tensor) -> Tensor:
        inner = self.activation(self.fc1(self.avgpool(input)))
        return self.scale_activation(self.fc2(inner)) * input


class MLP(nn.Sequential):
    """Linear layers with norm, activation and dropout between them, dropout at the end.

    Args:
        in_channels: features of the input.
        hidden_channels: features after each linear layer.
        norm_layer: called with the features; None leaves it out.
        activation_layer: called with `inplace` unless that is None.
        inplace: of activation and dropout.
        bias: of the linear layers.
        dropout: probability.
    """

    def __init__(
        self, in_channels: int, hidden_channels: Sequence[int], norm_layer: Layer = None,
        activation_layer: Callable[..., nn.Module] = nn.ReLU, inplace: bool | None = None,
        bias: bool = True, dropout: float = 0.0,
    ) -> None:  # fmt: skip
        options = _in_place(inplace)
        layers: list[nn.Module] = []
        for last, width in zip((in_channels, *hidden_channels), hidden_channels, strict=False):
            if layers:
                layers += [norm_layer(last)] if norm_layer is not None else []
                layers += [activation_layer(**options), nn.Dropout(dropout, **options)]
            layers.append(nn.Linear(last, width, bias=bias))
        super().__init__(*layers, nn.Dropout(dropout, **options))


class Permute(nn.Module):
    """The input with its dimensions in another order."""

    def __init__(self, dims: Sequence[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(*self.dims)


class FrozenBatchNorm2d(nn.Module):
    """Batch normalisation with constants: statistics, weight and bias are buffers.

    Args:
        num_features: channels of the input.
        eps: added to the variance.
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", ones(num_features))
        self.register_buffer("bias", zeros(num_features))
        self.register_buffer("running_mean", zeros(num_features))
        self.register_buffer("running_var", ones(num_features))
        self._register_load_state_dict_pre_hook(_without_count)

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.weight)}, eps={self.eps})"


def _without_count(state: dict[str, Any], prefix: str, *_: Any) -> None:
    """The states of ordinary batch norms count their batches; a constant has no use for that."""
    state.pop(f"{prefix}num_batches_tracked", None)
