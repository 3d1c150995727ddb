"""`pyrite.nn.functional`: functions of the op table and composites under torch's names."""

from .._exports import door

__getattr__, __dir__ = door("nn.functional", globals())
