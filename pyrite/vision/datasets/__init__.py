"""Image data sets by torchvision's names, in its files; a checksum is compared, nothing is run."""

from ._digits import Digits
from .cifar import CIFAR10, CIFAR100
from .coco import CocoCaptions, CocoDetection
from .fakedata import FakeData
from .flowers102 import Flowers102
from .folder import DatasetFolder, ImageFolder
from .mnist import EMNIST, KMNIST, MNIST, QMNIST, FashionMNIST
from .oxford_iiit_pet import OxfordIIITPet
from .stl10 import STL10
from .svhn import SVHN
from .vision import VisionDataset
from .voc import VOCDetection, VOCSegmentation

__all__ = [
    "CIFAR10", "CIFAR100", "EMNIST", "KMNIST", "MNIST", "QMNIST", "STL10", "SVHN", "CocoCaptions",
    "CocoDetection", "DatasetFolder", "Digits", "FakeData", "FashionMNIST", "Flowers102",
    "ImageFolder", "OxfordIIITPet", "VOCDetection", "VOCSegmentation", "VisionDataset",
]  # fmt: skip
