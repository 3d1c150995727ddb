"""A model's layers up to the last one whose result is asked for, with the results by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from ... import Tensor, nn


class IntermediateLayerGetter(nn.ModuleDict):
    """The children of `model`, one after the other, up to the last that `return_layers` names.

    Called with x, it gives the named layers' results under the names that `return_layers` maps
    them to. ValueError for a layer that is not there.
    """

    _version = 2

    def __init__(self, model: nn.Module, return_layers: Mapping[str, str]) -> None:
        children = dict(model.named_children())
        if not children.keys() >= return_layers.keys():
            raise ValueError(f"return_layers {list(return_layers)} are not present in model")
        last = max(list(children).index(name) for name in return_layers)
        super().__init__(OrderedDict(list(children.items())[: last + 1]))
        self.return_layers = dict(return_layers)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        out = OrderedDict()
        for name, layer in self.items():
            x = layer(x)
            if name in self.return_layers:
                out[self.return_layers[name]] = x
        return out


def strided(features: nn.Sequential) -> list[int]:
    """The places in a MobileNet's features that halve the size, with the first and the last."""
    inner = [i for i, block in enumerate(features) if getattr(block, "_is_cn", False)]
    return [0, *inner, len(features) - 1]
