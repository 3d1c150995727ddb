"""Sparse tensors: torch's COO, CSR and CSC layouts, as graph networks use them.

    adjacency = pyrite.sparse_coo_tensor(edges, weights, (nodes, nodes))
    out = adjacency @ features          # or pyrite.sparse.mm(adjacency, features)

Gradients flow to the values and to the dense operand; that of a sparse tensor has its pattern.
Products add in the order of the elements: equal from run to run, whatever the threads.
"""

from ._checks import check_sparse_tensor_invariants
from ._functions import (
    addmm,
    log_softmax,
    mm,
    sampled_addmm,
    softmax,
    spdiags,
    sum,
)
from ._tensor import SparseTensor

__all__ = [
    "SparseTensor", "addmm", "check_sparse_tensor_invariants", "log_softmax", "mm",
    "sampled_addmm", "softmax", "spdiags", "sum",
]  # fmt: skip
