"""Composites on shape, memory, indices and products."""

from __future__ import annotations

from samples import A, S

from . import at

X, T, V, C = A((3, 4)), A((3, 4), layout="T"), A((4,)), A((2, 3, 4))
PLACES = A((2, 4), 0, 3, kind="int", grad=False)
ROWS = at([2, 0])
SOURCE = A((2, 4))

CALLS = {
    # views
    "reshape": [S(X, (2, 6)), S(T, (-1,))],
    "flatten": [S(C), S(C, 1), S(A(()))],
    "ravel": [S(T)],
    "unflatten": [S(X, 1, (2, -1))],
    "squeeze": [S(A((1, 3, 1))), S(A((1, 3, 1)), 0), S(A((1, 3, 1)), (0, 2))],
    "unsqueeze": [S(X, -1), S(X, 0)],
    "permute": [S(C, (2, 0, 1))],
    "transpose": [S(C, 0, -1)],
    "t": [S(X), S(V)],
    "movedim": [S(C, 0, 2), S(C, (0, 1), (1, 2))],
    "broadcast_to": [S(V, (3, 4))],
    "select": [S(C, 1, -1)],
    "narrow": [S(C, 2, 1, 2), S(C, 2, -3, 2)],
    "as_strided": [S(V, (2, 2), (1, 1)), S(X, (2, 3), (1, 2), 1)],
    "split": [S(X, 3, 1), S(X, [1, 3], 1)],
    "split_with_sizes": [S(X, [1, 2])],
    "chunk": [S(X, 3, 1), S(X, 5)],
    "tensor_split": [S(X, 3, 1), S(X, (1, 2), 0)],
    "hsplit": [S(X, 2)],
    "vsplit": [S(X, 3)],
    "dsplit": [S(C, 2)],
    "unsafe_chunk": [S(X, 2, 1)],
    "unsafe_split": [S(X, 2)],
    "atleast_1d": [S(A(()))],
    "atleast_2d": [S(V)],
    "atleast_3d": [S(X)],
    "broadcast_tensors": [S(V, A((3, 1)))],
    "diagonal": [S(C, 1, 0, 2)],
    # copies of views
    "alias_copy": [S(X)],
    "diagonal_copy": [S(X, 1)],
    "expand_copy": [S(V, (3, 4))],
    "narrow_copy": [S(X, 1, 1, 2)],
    "permute_copy": [S(C, (2, 0, 1))],
    "select_copy": [S(X, 0, 1)],
    "slice_copy": [S(X, 1, 0, 4, 2)],
    "split_copy": [S(X, 2)],
    "split_with_sizes_copy": [S(X, [1, 2])],
    "squeeze_copy": [S(A((1, 3)))],
    "t_copy": [S(X)],
    "transpose_copy": [S(X, 0, 1)],
    "unbind_copy": [S(X)],
    "unfold_copy": [S(X, 1, 2, 1)],
    "unsqueeze_copy": [S(X, 0)],
    "view_copy": [S(X, (2, 6))],
    "as_strided_copy": [S(V, (2, 2), (1, 1))],
    # joins and repeats
    "hstack": [S((X, T)), S((V, V))],
    "vstack": [S((X, V))],
    "dstack": [S((X, T))],
    "column_stack": [S((A((3,)), X))],
    "block_diag": [S(X, V, A(()))],
    "tile": [S(X, (2, 1, 2))],
    "repeat_interleave": [
        S(X, 2),
        S(X, at([1, 0, 2]), 0),
        S(at([1, 0, 2])),
    ],
    "flip": [S(X, (0, 1))],
    "fliplr": [S(X)],
    "flipud": [S(X)],
    "roll": [S(X, 1), S(X, (1, -2), (0, 1))],
    "rot90": [S(X), S(X, 3, (1, 0)), S(X, 2)],
    "diag": [S(V, 1), S(X, -1)],
    "diag_embed": [S(X), S(X, 1, 0, 2)],
    "diagflat": [S(X)],
    "meshgrid": [S(V, A((2,)), indexing="xy"), S(V, A((2,)), indexing="ij")],
    "cartesian_prod": [S(V, A((2,)))],
    "combinations": [S(V), S(V, 3, True)],
    "tril_indices": [S(3, 4, 1)],
    "triu_indices": [S(4, 3, -1)],
    # reading and writing at indices
    "masked_select": [S(X, A((3, 4), kind="bool"))],
    "index_select": [S(X, 0, ROWS)],
    "gather": [S(X, 0, PLACES)],
    "take": [S(X, at([[0, 11], [5, -1]]))],
    "take_along_dim": [S(X, PLACES, 0), S(X, at([0, 5, 7]))],
    "index_add": [S(X, 0, ROWS, SOURCE, alpha=2)],
    "index_copy": [S(X, 0, ROWS, SOURCE)],
    "index_fill": [S(X, 0, ROWS, 1.5)],
    "index_reduce": [
        S(A((3, 4), 0.5, 2), 0, ROWS, A((2, 4), 0.5, 2), how)
        for how in ("prod", "mean", "amax", "amin")
    ],
    "scatter": [S(X, 0, at([[0, 2, 1, 0]]), A((1, 4)))],
    "scatter_add": [S(X, 0, PLACES, SOURCE)],
    "scatter_reduce": [
        S(X, 0, PLACES, SOURCE, how, include_self=own)
        for how in ("sum", "prod", "mean", "amax", "amin")
        for own in (True, False)
    ],
    "put": [S(X, at([0, -1]), A((2,))), S(X, at([3, 3]), A((2,)), True)],
    "masked_scatter": [S(X, at([True, False, True, False]), A((6,)))],
    "index_put": [S(X, (ROWS,), SOURCE), S(X, (ROWS, at([1, 1])), A((2,)), True)],
    "select_scatter": [S(X, V, 0, 1)],
    "slice_scatter": [S(X, A((3, 2)), 1, 0, 4, 2)],
    "diagonal_scatter": [S(X, A((3,)), 1)],
    "argwhere": [S(A((2, 3), 0, 2, kind="int"))],
    # products
    "mm": [S(X, A((4, 2)))],
    "bmm": [S(C, A((2, 4, 2)))],
    "mv": [S(X, V)],
    "dot": [S(V, V)],
    "vdot": [S(V, V)],
    "inner": [S(X, V), S(X, T)],
    "outer": [S(V, A((2,)))],
    "addmm": [S(A((2,)), X, A((4, 2)), beta=0.5, alpha=2)],
    "addmv": [S(A((3,)), X, V, alpha=-1)],
    "addr": [S(A((4, 3)), V, A((3,)), beta=2)],
    "baddbmm": [S(A((2, 3, 2)), C, A((2, 4, 2)))],
    "addbmm": [S(A((3, 2)), C, A((2, 4, 2)), beta=0)],
    "tensordot": [S(C, A((4, 3, 2)), ([1, 2], [1, 0])), S(X, V, 1)],
    "kron": [S(A((2, 2)), A((2, 3)))],
    "trace": [S(X)],
    "cross": [S(A((2, 3)), A((2, 3)), dim=1)],
    "einsum": [S("ij,kj->ik", X, A((2, 4))), S("bij->bji", C)],
    "cdist": [S(X, A((2, 4))), S(X, A((2, 4)), 1.0)],
    "cosine_similarity": [S(X, T)],
    "pairwise_distance": [S(X, T)],
    "bilinear": [S(X, A((3, 2)), A((5, 4, 2)), A((5,)))],
    # lists
    "_foreach_add": [S([X, V], 1.5), S([X, V], [T, V], alpha=2), S([X, V], [1.0, 2.0])],
    "_foreach_mul": [S([X, V], [T, V])],
    "_foreach_div": [S([X, V], 2.0)],
    "_foreach_pow": [S(2.0, [X, V]), S([A((3,), 0.1, 2)], 2)],
    "_foreach_maximum": [S([X, V], [T, V]), S([X, V], 0.3)],
    "_foreach_minimum": [S([X, V], [T, V])],
    "_foreach_lerp": [S([X], [T], 0.3)],
    "_foreach_addcmul": [S([X, V], [T, V], [X, V], 0.5), S([X, V], [T, V], [X, V], [1.0, 2.0])],
    "_foreach_addcdiv": [S([X], [T], [A((3, 4), 0.5, 2)], value=-2)],
    "_foreach_norm": [S([X, V]), S([X, V], 1)],
    "_foreach_sqrt": [S([A((3,), 0.1, 2)])],
    "_foreach_neg": [S([X, V])],
}
