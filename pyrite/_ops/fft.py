"""Discrete Fourier transforms over dimensions: complex to complex, real to half, half to real.

`norm` scales the forward transform by 1 ("backward"), 1/n ("forward") or 1/sqrt(n) ("ortho"), the
inverse by the rest of 1/n. The adjoint of each transform is one in the other direction, with the
scale of the other name; formulas are in torch's convention.
"""

from __future__ import annotations

from typing import Any

from .table import Array, op

Ints = tuple[int, ...]
ADJOINT = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


@op(kind="other", complex="written", public="")
def fft_c2c(xp: Any, input: Array, dim: Ints, norm: str, forward: bool) -> Array:
    """The transform (or its inverse) of complex numbers over `dim`."""
    if len(dim) == 1:  # quicker than the general form
        return (xp.fft.fft if forward else xp.fft.ifft)(input, axis=dim[0], norm=norm)
    return (xp.fft.fftn if forward else xp.fft.ifftn)(input, axes=dim, norm=norm)


fft_c2c.vjp(
    input=lambda F, g, dim, norm, forward: F.fft_c2c(g, dim, ADJOINT[norm], not forward),
)


@op(kind="other", complex="written", public="")
def fft_r2c(xp: Any, input: Array, dim: Ints, norm: str) -> Array:
    """The transform of real numbers: of the last of `dim` only frequencies 0 to n // 2."""
    return xp.fft.rfftn(input, axes=dim, norm=norm)


def _r2c_vjp(F: Any, g: Any, dim: Ints, norm: str, input_shape: Ints) -> Any:
    whole = F.slice_grad(g, tuple([slice(0, n) for n in g.shape]), tuple(input_shape))
    return F.real(F.fft_c2c(whole, dim, ADJOINT[norm], False))


fft_r2c.vjp(input=_r2c_vjp)


@op(kind="other", complex="written", public="")
def fft_c2r(xp: Any, input: Array, dim: Ints, norm: str, size: int) -> Array:
    """The real inverse of frequencies 0 to size // 2 of the last of `dim`, of `size` numbers."""
    sizes = [input.shape[d] for d in dim[:-1]] + [size]
    return xp.fft.irfftn(input, s=sizes, axes=dim, norm=norm)


def _c2r_vjp(F: Any, g: Any, dim: Ints, norm: str, size: int) -> Any:
    """Frequencies that stand for two (not 0, not the middle of an even size) count twice."""
    half = F.fft_r2c(g, dim, ADJOINT[norm])
    twice = [slice(None)] * len(half.shape)
    twice[dim[-1]] = slice(1, (size + 1) // 2)
    double = F.slice(half, tuple(twice))
    return F.add(half, F.slice_grad(double, tuple(twice), tuple(half.shape)))


fft_c2r.vjp(input=_c2r_vjp)
