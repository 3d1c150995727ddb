"""The op table, one file per family; importing this package fills it."""

from . import pointwise, reduce, shape
from .table import TABLE as TABLE
