"""`pyrite.signal`: windows for spectral analysis."""

from . import windows as windows
