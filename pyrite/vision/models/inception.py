"""Inception v3 (Szegedy et al., 2015, arXiv:1512.00567)."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from ... import Tensor, cat, nn, tensor
from ._api import door
from ._build import Layer, builder

F: Any = nn.functional
Step = tuple[Any, ...]  # name, channels, kernel, stride if it is not 1

InceptionOutputs = namedtuple("InceptionOutputs", ["logits", "aux_logits"])


class BasicConv2d(nn.Module):
    """Convolution without bias, batch norm, ReLU; `kwargs` go to the convolution."""

    def __init__(self, in_channels: int, out_channels: int, **kwargs: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, bias=False, **kwargs)
        self.bn = nn.BatchNorm2d(out_channels, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)), inplace=True)


class _Mixed(nn.Module):
    """Chains of convolutions and a pool side by side.

    Of a chain's steps, those whose names end in a and b share one input, and both are results.
    With `pool_features` the pool is an average, followed by a convolution, else a maximum that
    halves the size.
    """

    def __init__(
        self, channels: int, chains: Sequence[Sequence[Step]], pool_features: int | None,
        conv_block: Layer | None,
    ) -> None:  # fmt: skip
        super().__init__()
        make: Layer = conv_block or BasicConv2d
        self.chains = [[step[0] for step in chain] for chain in chains]
        for chain in chains:
            width = channels
            for name, out, kernel, *stride in chain:
                kernels = kernel if isinstance(kernel, tuple) else (kernel, kernel)
                padding = (0, 0) if stride else tuple(k // 2 for k in kernels)
                step = stride[0] if stride else 1
                conv = make(width, out, kernel_size=kernels, stride=step, padding=padding)
                self.add_module(name, conv)
                width = out
        self.averages = pool_features is not None
        if pool_features is not None:
            self.branch_pool = make(channels, pool_features, kernel_size=1)

    def forward(self, x: Tensor) -> Tensor:
        outputs = []
        for chain in self.chains:
            out, ends = x, []
            for name in chain:
                if name[-1] in "ab":
                    ends.append(getattr(self, name)(out))
                else:
                    out = getattr(self, name)(out)
            outputs += ends or [out]
        if self.averages:
            outputs.append(self.branch_pool(F.avg_pool2d(x, kernel_size=3, stride=1, padding=1)))
        else:
            outputs.append(F.max_pool2d(x, kernel_size=3, stride=2))
        return cat(outputs, 1)


def _chain(name: str, *steps: Step) -> list[Step]:
    """Steps whose names are numbered from 1; a step that has one adds it to the chain's."""
    named = [
        step if isinstance(step[0], str) else (f"_{i}", *step) for i, step in enumerate(steps, 1)
    ]
    return [(name + own, *rest) for own, *rest in named]


def _double(*last: Any) -> list[Step]:
    return _chain("branch3x3dbl", (64, 1), (96, 3), (96, 3, *last))


def _a(channels: int, pool_features: int, conv_block: Layer | None = None) -> _Mixed:
    five = _chain("branch5x5", (48, 1), (64, 5))
    return _Mixed(channels, [[("branch1x1", 64, 1)], five, _double()], pool_features, conv_block)


def _b(channels: int, conv_block: Layer | None = None) -> _Mixed:
    return _Mixed(channels, [[("branch3x3", 384, 3, 2)], _double(2)], None, conv_block)


def _c(channels: int, channels_7x7: int, conv_block: Layer | None = None) -> _Mixed:
    c = channels_7x7
    chains = [
        [("branch1x1", 192, 1)],
        _chain("branch7x7", (c, 1), (c, (1, 7)), (192, (7, 1))),
        _chain("branch7x7dbl", (c, 1), (c, (7, 1)), (c, (1, 7)), (c, (7, 1)), (192, (1, 7))),
    ]
    return _Mixed(channels, chains, 192, conv_block)


def _d(channels: int, conv_block: Layer | None = None) -> _Mixed:
    chains = [
        _chain("branch3x3", (192, 1), (320, 3, 2)),
        _chain("branch7x7x3", (192, 1), (192, (1, 7)), (192, (7, 1)), (192, 3, 2)),
    ]
    return _Mixed(channels, chains, None, conv_block)


def _e(channels: int, conv_block: Layer | None = None) -> _Mixed:
    chains = [
        [("branch1x1", 320, 1)],
        _chain("branch3x3", (384, 1), ("_2a", 384, (1, 3)), ("_2b", 384, (3, 1))),
        _chain("branch3x3dbl", (448, 1), (384, 3), ("_3a", 384, (1, 3)), ("_3b", 384, (3, 1))),
    ]
    return _Mixed(channels, chains, 192, conv_block)


class InceptionAux(nn.Module):
    """The side classifier."""

    def __init__(self, in_channels: int, num_classes: int, conv_block: Layer | None = None) -> None:
        super().__init__()
        make: Layer = conv_block or BasicConv2d
        self.conv0 = make(in_channels, 128, kernel_size=1)
        self.conv1 = make(128, 768, kernel_size=5)
        self.fc = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv1(self.conv0(F.avg_pool2d(x, kernel_size=5, stride=3)))
        return self.fc(F.adaptive_avg_pool2d(x, (1, 1)).flatten(1))


class Inception3(nn.Module):
    """Mixed blocks of five kinds; needs images of at least 75x75 pixels.

    Args:
        num_classes: size of the result.
        aux_logits: have a side classifier, whose result training returns, too.
        transform_input: the input is normalised by ImageNet's statistics: change it to the range
            -1 to 1, for which torchvision's weights were trained.
        inception_blocks: convolution, kinds A to E and side classifier, all seven; ValueError
            for another number.
        init_weights: draw fresh weights from cut normal distributions; None is True.
        dropout: probability before the linear layer.
    """

    def __init__(
        self, num_classes: int = 1000, aux_logits: bool = True, transform_input: bool = False,
        inception_blocks: Sequence[Layer] | None = None, init_weights: bool | None = None,
        dropout: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        blocks = inception_blocks or [BasicConv2d, _a, _b, _c, _d, _e, InceptionAux]
        if len(blocks) != 7:
            raise ValueError(f"length of inception_blocks should be 7 instead of {len(blocks)}")
        conv, a, b, c, d, e, aux = blocks
        self.aux_logits, self.transform_input = aux_logits, transform_input
        self.Conv2d_1a_3x3 = conv(3, 32, kernel_size=3, stride=2)
        self.Conv2d_2a_3x3 = conv(32, 32, kernel_size=3)
        self.Conv2d_2b_3x3 = conv(32, 64, kernel_size=3, padding=1)
        self.maxpool1 = nn.MaxPool2d(3, stride=2)
        self.Conv2d_3b_1x1 = conv(64, 80, kernel_size=1)
        self.Conv2d_4a_3x3 = conv(80, 192, kernel_size=3)
        self.maxpool2 = nn.MaxPool2d(3, stride=2)
        for i, (width, pool) in enumerate(((192, 32), (256, 64), (288, 64))):
            setattr(self, f"Mixed_5{'bcd'[i]}", a(width, pool))
        self.Mixed_6a = b(288)
        for i, width in enumerate((128, 160, 160, 192)):
            setattr(self, f"Mixed_6{'bcde'[i]}", c(768, width))
        self.AuxLogits = aux(768, num_classes) if aux_logits else None
        self.Mixed_7a, self.Mixed_7b, self.Mixed_7c = d(768), e(1280), e(2048)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=dropout)
        self.fc = nn.Linear(2048, num_classes)
        if init_weights is None or init_weights:
            cut_normal(self, 0.1)
            if self.AuxLogits is not None:
                nn.init.trunc_normal_(self.AuxLogits.fc.weight, std=0.001)

    def forward(self, x: Tensor) -> Any:
        """Logits (N, num_classes); while training with a side classifier, `InceptionOutputs`."""
        x = rescaled(x) if self.transform_input else x
        x = self.maxpool1(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x))))
        x = self.maxpool2(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(x)))
        x = self.Mixed_6a(self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(x))))
        x = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(x))))
        side = self.AuxLogits(x) if self.training and self.AuxLogits is not None else None
        x = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(x)))
        x = self.fc(self.dropout(self.avgpool(x)).flatten(1))
        return x if side is None else InceptionOutputs(x, side)


def rescaled(x: Tensor) -> Tensor:
    """From ImageNet's mean 0 and deviation 1 per channel to the range -1 to 1."""
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    scale = tensor([d / 0.5 for d in deviation], dtype=x.dtype, device=x.device)
    shift = tensor([(m - 0.5) / 0.5 for m in mean], dtype=x.dtype, device=x.device)
    return x * scale.reshape(3, 1, 1) + shift.reshape(3, 1, 1)


def cut_normal(model: nn.Module, std: float) -> None:
    """Weights of convolutions and linear layers from a normal distribution cut at -2 and 2."""
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(layer.weight, std=std)


def with_sides(kwargs: dict[str, Any], meta: dict[str, Any]) -> dict[str, Any]:
    """What published weights fix: they have side classifiers, and their own scale of images."""
    kwargs.setdefault("transform_input", True)
    return {"aux_logits": True, "init_weights": False}


inception_v3 = builder("inception_v3", "Inception v3.", Inception3, pins=with_sides)

__all__ = ["Inception3", "InceptionOutputs", "inception_v3"]
__getattr__ = door(__name__)
