"""Computer vision: data sets with torchvision's names."""

from . import datasets

__all__ = ["datasets"]
