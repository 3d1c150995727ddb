"""Kernels of the NumPy backend: `KERNELS` maps an op's name to a function of raw arrays.

A kernel has its op's signature without `xp`, and returns NotImplemented where the generic kernel
serves better: small arrays, other dtypes, strided memory. All are loops compiled by Numba, and
absent without it, but for small arrays in `exp` and a view.
"""

from __future__ import annotations

from importlib import import_module

from . import _jit
from ._registry import KERNELS as KERNELS

FAMILIES = (
    "pointwise", "reduce", "softmax", "loss", "normalization", "pool", "optim", "matmul", "conv",
    "sparse", "random", "attention", "rnn", "create", "move", "index", "order", "convert",
)  # fmt: skip

if _jit.available():
    for _family in FAMILIES:
        import_module(f".{_family}", __name__)
for _family in ("exponential", "view"):
    import_module(f".{_family}", __name__)
