"""Views, joins, copies and padding."""

from __future__ import annotations

from typing import Any

import pyrite

from . import A, S, samples

X = A((3, 4))
T = A((3, 4), layout="T")
STEP = A((3, 4), layout="step")
WHOLE = slice(None)


def _cut(x: Any, chain: Any) -> Any:
    """The part of a torch tensor that view steps cut out."""
    for name, attrs in chain:
        x = x[attrs[0]] if name == "slice" else getattr(x, name)(*attrs)
    return x


def _cast(x: Any, dtype: Any) -> Any:
    import torch

    return x.to(getattr(torch, dtype.name))


def _as_int16(x: Any, dtype: Any) -> Any:
    import torch

    return x.view(torch.int16)


def _view_scatter(base: Any, value: Any, chain: Any) -> Any:
    out = base.clone()
    _cut(out, chain).copy_(value)
    return out


def _view_grad(g: Any, chain: Any, size: Any) -> Any:
    return _view_scatter(g.new_zeros(size), g, chain)


def _slice_grad(g: Any, index: Any, size: Any) -> Any:
    return _view_grad(g, (("slice", (index,)),), size)


def _unfold_grad(g: Any, dimension: int, size: int, step: int, shape: Any) -> Any:
    source = g.new_zeros(shape, requires_grad=True)
    windows = source.unfold(dimension, size, step)
    return _pulled_back(windows, source, g)


def _pulled_back(out: Any, source: Any, g: Any) -> Any:
    """The vjp of a linear function, itself differentiable in `g`."""
    import torch

    return torch.autograd.grad(out, source, g, create_graph=True)[0]


def _as_strided(x: Any, size: Any, stride: Any, offset: int, layout: Any) -> Any:
    return x.as_strided(size, stride, offset)


def _restride(g: Any, source: Any, target: Any) -> Any:
    memory = g.new_zeros(40, requires_grad=True)
    spread = _pulled_back(memory.as_strided(g.shape, source[0], source[1]), memory, g)
    return spread.as_strided(*target)


CHAINS = (
    (("slice", ((1,),)),),
    (("permute", ((1, 0),)), ("slice", ((slice(1, 3),),))),
    (("view", ((2, 6),)), ("slice", ((WHOLE, 1),))),
    (("diagonal", (0, 0, 1)),),
)

samples(
    view=[
        S(x, size, torch=lambda x, size: x.view(size))
        for x, size in (
            (X, (2, -1)),
            (X, (12,)),
            (T, (3, 2, 2)),
            (A(()), (1, 1)),
            (A((0, 3)), (3, 0)),
        )
    ],
    reshape=[
        S(x, size) for x, size in ((X, (2, 6)), (T, (-1,)), (STEP, (4, 3)), (A((0,)), (2, 0)))
    ],
    view_dtype=[
        S(x, pyrite.int16, torch=_as_int16)
        for x in (A((2, 4), grad=False), A((3,), kind="int"), A((2, 3), kind="int"))
    ],
    permute=[S(x, dims) for x, dims in ((X, (1, 0)), (A((2, 3, 4)), (2, 0, -2)), (A(()), ()))],
    expand=[
        S(x, size, torch=lambda x, size: x.expand(size))
        for x, size in ((A((3, 1)), (2, 3, 4)), (A(()), (2,)), (A((1, 4)), (0, 4)), (T, (3, 4)))
    ],
    slice=[
        S(x, index, torch=lambda x, index: x[index])
        for x, index in (
            (X, (1,)),
            (X, (WHOLE, -1)),
            (T, (slice(0, 3, 2), None, 1)),
            (A((3,)), (2,)),
            (X, ()),
            (A((2, 0)), (1,)),
            (STEP, (slice(5, 9),)),
        )
    ],
    slice_grad=[
        S(A((4,)), (1,), (3, 4), torch=_slice_grad),
        S(A((3, 2)), (WHOLE, slice(0, 4, 2)), (3, 4), torch=_slice_grad),
    ],
    diagonal=[S(X), S(T, 1), S(A((2, 3, 4)), -1, 0, 2), S(A((2, 3, 3)), dim1=-1, dim2=-2), S(X, 9)],
    unfold=[
        S(x, d, size, step, torch=lambda x, d, size, step: x.unfold(d, size, step))
        for x, d, size, step in (
            (X, 1, 2, 1),
            (T, 0, 2, 2),
            (A((7,)), -1, 3, 2),
            (A(()), 0, 1, 1),
            (X, 1, 0, 1),
        )
    ],
    unfold_grad=[
        S(A((3, 3, 2)), 1, 2, 1, (3, 4), torch=_unfold_grad),
        S(A((2, 4, 2)), 0, 2, 1, (3, 4), torch=_unfold_grad),
    ],
    as_strided=[
        S(X, size, stride, offset, (4, 1), torch=_as_strided)
        for size, stride, offset in (
            ((2, 3), (5, 1), 0),
            ((3, 3), (2, 1), 1),
            ((4,), (0,), 2),
            ((0,), (1,), 0),
        )
    ],
    restride=[
        S(A((2, 3)), ((5, 1), 2), ((3, 4), (4, 1), 0), torch=_restride),
        S(A((3, 2)), ((1, 1), 0), ((6,), (1,), 0), torch=_restride),
    ],
    unbind=[S(X), S(T, 1), S(A((2, 3, 2)), dim=-2), S(A((2, 0)))],
    split=[
        S(x, sizes, d, torch="split_with_sizes")
        for x, sizes, d in ((X, (1, 2), 0), (T, (0, 3, 1), 1), (A((2, 3, 4)), (2, 2), -1))
    ],
    view_scatter=[
        S(X, A(shape), chain, torch=_view_scatter)
        for chain, shape in zip(CHAINS, ((4,), (2, 3), (2,), (3,)), strict=True)
    ],
    view_grad=[
        S(A(shape), chain, (3, 4), torch=_view_grad)
        for chain, shape in zip(CHAINS, ((4,), (2, 3), (2,), (3,)), strict=True)
    ],
    cat=[
        S([X, T]),
        S([X, A((3, 2))], 1),
        S([X, A((0,)), A((1, 4))]),
        S((A((2,)), A((3,), kind="int"))),
        S([A((2, 0, 3)), A((2, 1, 3))], dim=-2),
    ],
    stack=[S([X, T]), S([A((2,)), A((2,))], -1), S((A(()), A(()), A((), kind="int")))],
    clone=[S(X), S(T), S(STEP), S(A(())), S(A((2, 3), kind="int"))],
    contiguous=[S(x, torch=lambda x: x.contiguous()) for x in (X, T, STEP)],
    cast=[
        S(x, dtype, torch=_cast)
        for x, dtype in (
            (X, pyrite.float64),
            (T, pyrite.int32),
            (A((3,), kind="int"), pyrite.float32),
        )
    ],
    flip=[S(x, dims) for x, dims in ((X, (0,)), (T, (1, 0)), (A((0, 2)), (0,)), (A(()), ()))],
    roll=[
        S(X, (1,), (0,)),
        S(T, (-2, 1), (1, 0)),
        S(X, (5,), None, torch=lambda x, s, d: x.roll(s)),
    ],
    tril=[S(X), S(T, 1), S(A((2, 3, 3)), -1), S(A((2, 2), kind="int"))],
    triu=[S(X), S(T, 1), S(A((2, 3, 3)), -1), S(A((2, 2), kind="bool"))],
    constant_pad_nd=[
        S(x, pad, value)
        for x, pad, value in (
            (X, (1, 2), 0),
            (T, (0, 1, -1, 2), 2.5),
            (A((2, 3, 2)), (-1, 0), 0),
            (A((0,)), (1, 1), 3),
        )
    ],
    sum_to_size=[
        S(x, size, torch=lambda x, size: x.sum_to_size(size))
        for x, size in ((A((2, 3, 4)), (3, 1)), (X, ()), (X, (3, 4)), (T, (1, 4)))
    ],
    ones_like=[S(X), S(A((0, 2), kind="int"))],
    zeros_like=[S(X), S(A((0, 2), kind="int"))],
    blank=[S(X, (2, 1), torch=lambda x, size: x.new_zeros(size))],
    depend=[S(X, A((2,)), torch=None), S(A((2, 0)), A(()), torch=None)],
    bias_of=[S(A((4,)), A((2, 4), grad=False), torch=None)],
)
