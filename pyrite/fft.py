"""`pyrite.fft`: Fourier transforms under torch's names."""

from ._exports import door

__getattr__, __dir__ = door("fft", globals())
