"""On PYTHONPATH this makes numba unimportable, in child processes too."""

import sys

sys.modules["numba"] = None  # type: ignore[assignment]
sys.modules["llvmlite"] = None  # type: ignore[assignment]
