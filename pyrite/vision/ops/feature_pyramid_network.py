"""The feature pyramid (Lin et al., 2016, arXiv:1612.03144)."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ... import Tensor, nn
from .misc import Conv2dNormActivation

F: Any = nn.functional


class ExtraFPNBlock(nn.Module):
    """Base of blocks that add levels.

    Called with results, inputs and names, they give results and names, longer.
    """


class FeaturePyramidNetwork(nn.Module):
    """Features of all levels in one width, each with what the coarser ones have seen.

    Called with a dictionary of features, finest first; gives one with the same names.

    Args:
        in_channels_list: channels of each level; ValueError for 0.
        out_channels: channels of the results.
        extra_blocks: adds levels.
        norm_layer: behind each convolution; None leaves it out.
    """

    _version = 2  # of the state's keys

    def __init__(
        self, in_channels_list: Sequence[int], out_channels: int,
        extra_blocks: ExtraFPNBlock | None = None,
        norm_layer: Callable[..., nn.Module] | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if 0 in in_channels_list:
            raise ValueError("in_channels=0 is currently not supported")
        options: dict[str, Any] = {"norm_layer": norm_layer, "activation_layer": None}
        self.inner_blocks, self.layer_blocks = nn.ModuleList(), nn.ModuleList()
        for channels in in_channels_list:
            self.inner_blocks.append(Conv2dNormActivation(channels, out_channels, 1, **options))
            self.layer_blocks.append(Conv2dNormActivation(out_channels, out_channels, 3, **options))
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, a=1)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        self.extra_blocks = extra_blocks
        self._register_load_state_dict_pre_hook(_with_layers)

    def forward(self, x: Mapping[str, Tensor]) -> dict[str, Tensor]:
        names, levels = list(x), list(x.values())
        inner: Tensor | None = None
        results = []
        for i in reversed(range(len(levels))):
            own = self.inner_blocks[i](levels[i])
            if inner is not None:
                own = own + F.interpolate(inner, size=own.shape[-2:], mode="nearest")
            inner = own
            results.append(self.layer_blocks[i](own))
        results.reverse()
        if self.extra_blocks is not None:
            results, names = self.extra_blocks(results, levels, names)
        return OrderedDict(zip(names, results, strict=True))


def _with_layers(state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Older states name a block's only convolution as the block itself."""
    for key in list(state):
        block, _, name = key.removeprefix(prefix).rpartition(".")
        if re.fullmatch(r"(inner|layer)_blocks\.\d+", block) and key.startswith(prefix):
            state[f"{prefix}{block}.0.{name}"] = state.pop(key)


class LastLevelMaxPool(ExtraFPNBlock):
    """Adds "pool": every second place of the coarsest result."""

    def forward(
        self, x: list[Tensor], y: list[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        return [*x, F.max_pool2d(x[-1], kernel_size=1, stride=2)], [*names, "pool"]


class LastLevelP6P7(ExtraFPNBlock):
    """Adds "p6" and "p7" by convolutions of stride 2."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.p6 = nn.Conv2d(in_channels, out_channels, 3, 2, 1)
        self.p7 = nn.Conv2d(out_channels, out_channels, 3, 2, 1)
        for layer in (self.p6, self.p7):
            nn.init.kaiming_uniform_(layer.weight, a=1)
            nn.init.zeros_(layer.bias)
        self.use_P5 = in_channels == out_channels

    def forward(
        self, p: list[Tensor], c: list[Tensor], names: list[str]
    ) -> tuple[list[Tensor], list[str]]:
        p6 = self.p6(p[-1] if self.use_P5 else c[-1])
        return [*p, p6, self.p7(F.relu(p6))], [*names, "p6", "p7"]
