"""Where a kernel may put its result: an in-place operation offers the memory that it writes to."""

from __future__ import annotations

import threading
from typing import Any


class _Target(threading.local):
    """What is on offer in this thread.

    Attributes:
        array: the memory, None where there is none. A kernel that returns this very array has
            written its result there.
    """

    array: Any = None


target = _Target()
