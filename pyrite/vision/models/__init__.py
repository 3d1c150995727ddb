"""Models with torchvision's constructors and state_dict keys: its published weights load."""

from . import (
    _alexnet, _googlenet, convnext, densenet, efficientnet, inception, maxvit, mnasnet,
    mobilenetv2, mobilenetv3, regnet, resnet, segmentation, shufflenetv2, squeezenet,
    swin_transformer, vgg, vision_transformer,
)  # fmt: skip
from ._alexnet import *  # noqa: F403
from ._api import (
    Weights, WeightsEnum, door, enum_names, get_model, get_model_builder, get_model_weights,
    get_weight, list_models, register_model,
)  # fmt: skip
from ._googlenet import *  # noqa: F403
from .convnext import *  # noqa: F403
from .densenet import *  # noqa: F403
from .efficientnet import *  # noqa: F403
from .inception import *  # noqa: F403
from .maxvit import *  # noqa: F403
from .mnasnet import *  # noqa: F403
from .mobilenetv2 import *  # noqa: F403
from .mobilenetv3 import *  # noqa: F403
from .regnet import *  # noqa: F403
from .resnet import *  # noqa: F403
from .shufflenetv2 import *  # noqa: F403
from .squeezenet import *  # noqa: F403
from .swin_transformer import *  # noqa: F403
from .vgg import *  # noqa: F403
from .vision_transformer import *  # noqa: F403

__all__ = [  # noqa: PLE0604
    "Weights", "WeightsEnum", "get_model", "get_model_builder", "get_model_weights", "get_weight",
    "list_models", "register_model", "segmentation",
    *_alexnet.__all__, *_googlenet.__all__, *convnext.__all__, *densenet.__all__,
    *efficientnet.__all__, *inception.__all__, *maxvit.__all__, *mnasnet.__all__,
    *mobilenetv2.__all__, *mobilenetv3.__all__, *regnet.__all__, *resnet.__all__,
    *shufflenetv2.__all__, *squeezenet.__all__, *swin_transformer.__all__, *vgg.__all__,
    *vision_transformer.__all__, *enum_names(__name__),
]  # fmt: skip
__getattr__ = door(__name__)
