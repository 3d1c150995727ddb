"""Samples of casts."""

from __future__ import annotations

from typing import Any

import pyrite

from . import A, S, samples


def _cast(x: Any, kind: pyrite.dtype) -> Any:
    import torch

    return x.to(getattr(torch, kind.name))


samples(
    cast=[
        S(A((2, 3)), pyrite.float64, torch=_cast),
        S(A((2, 3), layout="T"), pyrite.float32, torch=_cast),
        S(A((4,), low=-3, high=3, kind="int"), pyrite.bool, torch=_cast),
        S(A((4,), low=-3, high=3), pyrite.int64, torch=_cast),
        S(A((), kind="bool"), pyrite.float32, torch=_cast),
        S(A((0, 2)), pyrite.uint8, torch=_cast),
    ],
)
