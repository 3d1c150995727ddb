"""Transforms of images."""

from . import functional, v2
from ._op import InterpolationMode
