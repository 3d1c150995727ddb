"""torchvision as oracle, also without compiled operators for the torch that is installed."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def torchvision_part(name: str) -> Iterator[Any]:
    """`torchvision.<name>`; its import needs two operators to be declared, if nothing more."""
    torch = pytest.importorskip("torch", reason="compares with torchvision")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    library = torch.library.Library("torchvision", "FRAGMENT")
    for op in ("nms", "qnms"):
        library.define(f"{op}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    yield pytest.importorskip(f"torchvision.{name}", reason="compares with torchvision")
    library._destroy()
