"""Weights of convolutions in another order of memory."""

from __future__ import annotations

from typing import Any, TypeVar

from ..modules import conv
from ..modules.module import Module

M = TypeVar("M", bound=Module)


def _converted(module: M, kinds: tuple[type, ...], memory_format: Any) -> M:
    for m in module.modules():
        if isinstance(m, kinds):
            m.weight.data = m.weight.detach().contiguous(memory_format=memory_format)
    return module


def convert_conv2d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lay the weights of all 2-D convolutions in a module out as `channels_last`."""
    kinds = (conv.Conv2d, conv.ConvTranspose2d)
    return _converted(module, kinds, memory_format)


def convert_conv3d_weight_memory_format(module: M, memory_format: Any) -> M:
    """Lay the weights of all 3-D convolutions in a module out as `channels_last_3d`."""
    kinds = (conv.Conv3d, conv.ConvTranspose3d)
    return _converted(module, kinds, memory_format)
