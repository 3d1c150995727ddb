"""Transforms of images together with what belongs to them: boxes, masks, points, labels."""

from . import functional
