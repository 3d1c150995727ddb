"""DLPack: tensors from and for other array libraries, without a copy."""

from .._composites.convert import to_dlpack
from .._composites.create import from_dlpack

__all__ = ["from_dlpack", "to_dlpack"]
