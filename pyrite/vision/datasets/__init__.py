"""Image data sets: read from disk or from the package; nothing is downloaded."""

from ._digits import Digits
from ._mnist import MNIST, FashionMNIST
from ._vision import VisionDataset

__all__ = ["MNIST", "Digits", "FashionMNIST", "VisionDataset"]
