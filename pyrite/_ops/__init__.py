"""The op table, one file per family; importing this package fills it."""

from . import create, pointwise, reduce, shape
from .table import TABLE as TABLE
