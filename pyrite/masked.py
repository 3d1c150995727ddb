"""`pyrite.masked`: functions over the elements that a mask keeps, under torch's names."""

from ._exports import door

__getattr__, __dir__ = door("masked", globals())
