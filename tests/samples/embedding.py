"""Samples of the embedding and its gradient."""

from typing import Any

from . import A, S, samples

_LIST = A((5,), kind="int", values=[0, 2, 2, 1, 3])
_STARTS = A((4,), kind="int", values=[0, 2, 2, 4])
_INDICES = A((2, 3), kind="int", values=[[0, 2, 2], [1, 2, 0]])


def _embedding(weight: Any, indices: Any, padding_idx: int = -1, scale: bool = False) -> Any:
    import torch

    return torch.embedding(weight, indices, padding_idx, scale)


def _embedding_grad(g: Any, indices: Any, rows: int) -> Any:
    zeros = g.new_zeros((rows, *g.shape[indices.ndim :]))
    return zeros.index_add(0, indices.reshape(-1), g.reshape(-1, *zeros.shape[1:]))


def _bag_sum(weight: Any, indices: Any, offsets: Any, mean: bool, last: bool) -> Any:
    import torch

    mode = "mean" if mean else "sum"
    bags = torch.nn.functional.embedding_bag
    return bags(indices, weight, offsets, mode=mode, include_last_offset=last)


samples(
    embedding=[
        S(A((4, 3)), _INDICES, torch=_embedding),
        S(A((4, 3)), _INDICES, 2, torch=_embedding),
        S(A((4, 3)), _INDICES, -1, True, torch=_embedding, gradgrad=False),
        S(A((4, 3)), A((0,), kind="int"), torch=_embedding),
        S(A((3, 4), layout="T"), A((), kind="int", values=1), torch=_embedding),
    ],
    embedding_grad=[
        S(A((2, 3, 5)), _INDICES, 4, torch=_embedding_grad),
        S(A((2, 3)), _INDICES, 3, torch=_embedding_grad),
        S(A((0, 5)), A((0,), kind="int"), 4, torch=_embedding_grad),
    ],
    bag_sum=[
        S(A((4, 3)), _LIST, _STARTS, True, False, torch=_bag_sum),
        S(A((4, 3)), _LIST, _STARTS, False, False, torch=_bag_sum),
        S(
            A((4, 3)),
            A((5,), kind="int", values=[0, 2, 2, 1, 3]),
            A((4,), kind="int", values=[0, 2, 2, 5]),
            True,
            True,
            torch=_bag_sum,
        ),
    ],
    bag_sum_grad=[
        S(A((4, 3)), _LIST, _STARTS, 4, True, False, torch=None),
        S(A((3, 3)), _LIST, _STARTS, 5, False, True, torch=None),
    ],
    embedding_share=[S(A((2, 3, 5)), _INDICES, 2, True, torch=None)],
)
