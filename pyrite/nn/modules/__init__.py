"""The layers, under torch's module names."""

from __future__ import annotations

from . import activation, batchnorm, conv, dropout, image, lazy, loss, padding, pooling
from .activation import *  # noqa: F403
from .adaptive import AdaptiveLogSoftmaxWithLoss
from .attention import MultiheadAttention
from .batchnorm import *  # noqa: F403
from .container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .conv import *  # noqa: F403
from .distance import CosineSimilarity, PairwiseDistance
from .dropout import *  # noqa: F403
from .flatten import Flatten, Unflatten
from .image import *  # noqa: F403
from .lazy import *  # noqa: F403
from .linear import Bilinear, Identity, Linear
from .loss import *  # noqa: F403
from .module import Module
from .normalization import GroupNorm, LayerNorm, LocalResponseNorm, RMSNorm
from .padding import *  # noqa: F403
from .pooling import *  # noqa: F403
from .rnn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell, RNNCellBase
from .sparse import Embedding, EmbeddingBag
from .transformer import (
    Transformer, TransformerDecoder, TransformerDecoderLayer, TransformerEncoder,
    TransformerEncoderLayer,
)  # fmt: skip

__all__ = [  # noqa: PLE0604
    "AdaptiveLogSoftmaxWithLoss", "Bilinear", "CosineSimilarity", "Embedding", "EmbeddingBag",
    "Flatten", "GRU", "GRUCell", "GroupNorm", "Identity", "LSTM", "LSTMCell", "LayerNorm", "Linear",
    "LocalResponseNorm", "Module", "ModuleDict", "ModuleList", "MultiheadAttention",
    "PairwiseDistance", "ParameterDict", "ParameterList", "RMSNorm", "RNN", "RNNBase", "RNNCell",
    "RNNCellBase", "Sequential", "Transformer", "TransformerDecoder", "TransformerDecoderLayer",
    "TransformerEncoder", "TransformerEncoderLayer", "Unflatten",
    *activation.__all__, *batchnorm.__all__, *conv.__all__, *dropout.__all__, *image.__all__,
    *lazy.__all__, *loss.__all__, *padding.__all__, *pooling.__all__,
]  # fmt: skip
