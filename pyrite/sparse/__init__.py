"""Sparse tensors: torch's COO, CSR and CSC layouts, as graph networks use them.

    adjacency = pyrite.sparse_coo_tensor(edges, weights, (nodes, nodes))
    out = adjacency @ features          # or pyrite.sparse.mm(adjacency, features)

Gradients flow to the values and to the dense operand; that of a sparse tensor has its pattern.
Products add in the order of the elements: equal from run to run, whatever the threads.
"""

from __future__ import annotations

from typing import Any

from . import _functions as _functions  # registers them
from ._checks import check_sparse_tensor_invariants as check_sparse_tensor_invariants
from ._tensor import SparseTensor as SparseTensor


def _door() -> Any:
    from .._exports import door  # which imports this package

    return door("sparse", globals())


def __getattr__(name: str) -> Any:
    return _door()[0](name)


def __dir__() -> list[str]:
    names: list[str] = _door()[1]()
    return names
