"""Complex numbers: parts, conjugates, signs and angles. Formulas are in torch's convention.

The gradient of a real loss for a complex input x + iy is dL/dx + i dL/dy; these functions are not
holomorphic, so each formula says that outright (see `formula` for those that are).
"""

from __future__ import annotations

from functools import partial
from typing import Any

from .._dtypes import from_numpy_dtype
from .pointwise import is_complex, sign
from .table import Array, op, row

written = partial(row, complex="written")


def _strided(xp: Any, part: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    return xp.lib.stride_tricks.as_strided(part, shape, strides)


# fmt: off
row("real", "The real part, in the same memory.", lambda xp, input: input.real, lambda g: g,
    kind="view", public="")
row("imag", "The imaginary part, in the same memory.", lambda xp, input: input.imag,
    lambda g: g * 1j, kind="view", public="")
written("conj_physical", "The complex conjugate of each element (a copy).",
    lambda xp, input: xp.conj(input) if input.dtype.kind == "c" else input.copy(),
    lambda F, g: F.conj_physical(g))
written("sgn", "`input / abs(input)`, and 0 at 0: the sign of a real number.",
    lambda xp, input: _direction(xp, input),
    lambda F, g, input, out: _turned(F, g, input, out))
written("argument", "The angle of complex numbers in the plane, in [-pi, pi].",
    lambda xp, input: xp.arctan2(input.imag, input.real),
    lambda F, g, input: F.where(input == 0, 0.0, g * 1j / F.conj_physical(input)), public="")
# fmt: on


def _direction(xp: Any, input: Any) -> Any:
    if input.dtype.kind != "c":
        return sign.generic(xp, input)
    return xp.where(input == 0, 0, input / xp.absolute(input))


def _turned(F: Any, g: Any, input: Any, out: Any) -> Any:
    """The part of `g` at a right angle to the direction `out`, over the distance from 0."""
    if not is_complex(input):
        return F.zeros_like(g)
    along = F.mul(F.real(F.mul(g, F.conj_physical(out))), out)
    return F.where(F.eq(input, 0), 0.0, F.div(F.sub(g, along), F.abs(input)))


@op(kind="other", complex="written", public="f")
def complex(xp: Any, real: Array, imag: Array) -> Array:
    """Complex numbers from their parts, two tensors of one floating dtype that broadcast."""
    if real.dtype.kind != "f" or imag.dtype.kind != "f":
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{real.dtype.name} and {imag.dtype.name}; convert them with .float()"
        )
    kind = from_numpy_dtype(real.dtype).to_complex()
    return xp.stack(xp.broadcast_arrays(real, imag), -1).view(kind.numpy)[..., 0]


complex.vjp(real=lambda F, g: F.real(g), imag=lambda F, g: F.imag(g))


@op(kind="view", public="f")
def view_as_real(xp: Any, input: Array) -> Array:
    """The parts of complex numbers in the same memory: a new last dimension (real, imaginary)."""
    if input.dtype.kind != "c":
        raise RuntimeError(
            f"view_as_real is only supported for complex tensors, but got {input.dtype.name}"
        )
    step = input.dtype.itemsize // 2
    return _strided(xp, input.real, (*input.shape, 2), (*input.strides, step))


@op(kind="view", public="f")
def view_as_complex(xp: Any, input: Array) -> Array:
    """Pairs along the last dimension as complex numbers in the same memory."""
    step = input.dtype.itemsize
    if input.dtype.kind != "f":
        raise RuntimeError(
            "view_as_complex is only supported for half, float and double tensors, but got a "
            f"tensor of scalar type: {input.dtype.name}"
        )
    if not input.ndim or input.shape[-1] != 2:
        raise RuntimeError(
            f"Tensor must have a last dimension of size 2, but got shape {list(input.shape)}"
        )
    if input.strides[-1] != step or any(s % (2 * step) for s in input.strides[:-1]):
        raise RuntimeError(
            "Tensor must have a last dimension with stride 1 and strides divisible by 2 in all "
            "others; call .contiguous() first"
        )
    pairs = input.view(from_numpy_dtype(input.dtype).to_complex().numpy)
    return pairs[..., 0]


view_as_real.vjp(input=lambda F, g: F.complex(F.slice(g, (Ellipsis, 0)), F.slice(g, (Ellipsis, 1))))
view_as_complex.vjp(input=lambda F, g: F.view_as_real(g))
