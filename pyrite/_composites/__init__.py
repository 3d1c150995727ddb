"""Composites: functions of Tensors with torch's signatures and no derivative of their own."""

from ._register import COMPOSITES as COMPOSITES
from ._register import composite as composite

from . import convert, create  # noqa: E402
