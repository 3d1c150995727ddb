"""Samples of the Fourier transforms."""

from __future__ import annotations

from typing import Any

from . import A, S, samples

Z, X = A((3, 4, 5), kind="complex"), A((3, 5), layout="T")


def _c2c(x: Any, dim: Any, norm: str, forward: bool) -> Any:
    import torch

    return (torch.fft.fftn if forward else torch.fft.ifftn)(x, None, dim, norm)


def _r2c(x: Any, dim: Any, norm: str) -> Any:
    import torch

    return torch.fft.rfftn(x, None, dim, norm)


def _c2r(x: Any, dim: Any, norm: str, size: int) -> Any:
    import torch

    return torch.fft.irfftn(x, [*[x.shape[d] for d in dim[:-1]], size], dim, norm)


samples(
    fft_c2c=[
        S(Z, (2,), "backward", True, torch=_c2c),
        S(Z, (1, 2), "ortho", False, torch=_c2c),
        S(Z, (0, 2), "forward", True, torch=_c2c),
        S(Z, (0,), "backward", False, torch=_c2c),
    ],
    fft_r2c=[
        S(X, (1,), "backward", torch=_r2c),
        S(X, (1, 0), "ortho", torch=_r2c),
        S(A((2, 4)), (0, 1), "forward", torch=_r2c),
    ],
    fft_c2r=[
        S(Z, (2,), "backward", 8, torch=_c2r),
        S(Z, (2,), "forward", 9, torch=_c2r),
        S(Z, (0, 1), "ortho", 6, torch=_c2r),
        S(A((2, 1), kind="complex"), (1,), "backward", 1, torch=_c2r),
    ],
)
