"""Layers, losses and what models are built from."""

from __future__ import annotations

import typing as _typing

from .._tensor import Parameter as Parameter
from . import functional as functional
from . import init as init
from . import modules as modules
from . import parameter as parameter
from . import utils as utils
from .modules import *  # noqa: F403
from .parameter import Buffer as Buffer
from .parameter import UninitializedBuffer as UninitializedBuffer
from .parameter import UninitializedParameter as UninitializedParameter

if _typing.TYPE_CHECKING:

    def __getattr__(name: str) -> _typing.Any: ...  # layers that are made from rows
