"""The layers, under torch's module names."""

from __future__ import annotations

from . import activation, loss, pooling
from .activation import *  # noqa: F403
from .batchnorm import BatchNorm1d, BatchNorm2d
from .container import ModuleDict, ModuleList, ParameterDict, ParameterList, Sequential
from .conv import Conv1d, Conv2d
from .dropout import Dropout, Dropout1d, Dropout2d
from .flatten import Flatten, Unflatten
from .linear import Bilinear, Identity, Linear
from .loss import *  # noqa: F403
from .module import Module
from .normalization import GroupNorm, LayerNorm
from .pooling import *  # noqa: F403
from .rnn import GRU, LSTM, RNN, GRUCell, LSTMCell, RNNBase, RNNCell, RNNCellBase
from .sparse import Embedding

__all__ = [  # noqa: PLE0604
    "BatchNorm1d", "BatchNorm2d", "Bilinear", "Conv1d", "Conv2d", "Dropout", "Dropout1d",
    "Dropout2d", "Embedding", "Flatten", "GRU", "GRUCell", "GroupNorm", "Identity", "LSTM",
    "LSTMCell", "LayerNorm", "Linear", "Module", "ModuleDict", "ModuleList", "ParameterDict",
    "ParameterList", "RNN", "RNNBase", "RNNCell", "RNNCellBase", "Sequential", "Unflatten",
    *activation.__all__, *loss.__all__, *pooling.__all__,
]  # fmt: skip
