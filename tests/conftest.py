"""Shared by all tests: the strict backend, and torch as oracle where it is installed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

os.environ.setdefault("PYRITE_BACKGROUND_COMPILE", "0")
sys.path.insert(0, str(Path(__file__).parent))

from strict_backend import StrictBackend

import pyrite

pyrite.backends.register(StrictBackend())
