"""`pyrite.data` under torch's path."""

from ..data import *  # noqa: F403
from ..data import __all__ as __all__
