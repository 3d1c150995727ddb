"""`pyrite.version`: the release, and what it was built for (nothing: it is plain Python)."""

from . import __version__ as __version__

cuda: str | None = None
hip: str | None = None
debug = False
