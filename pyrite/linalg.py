"""`pyrite.linalg`: functions of the op table and composites under torch's names."""

from ._errors import LinAlgError as LinAlgError
from ._exports import door

__getattr__, __dir__ = door("linalg", globals())
