"""Operators and layers of computer vision, with torchvision's names."""

from . import misc
from ._drop import (
    DropBlock2d, DropBlock3d, StochasticDepth, drop_block2d, drop_block3d, stochastic_depth,
)  # fmt: skip
from .misc import *  # noqa: F403
