"""`pyrite.signal.windows`: windows under torch's names."""

from .._exports import door

__getattr__, __dir__ = door("signal.windows", globals())
