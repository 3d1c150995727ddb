"""The functions of `pyrite.fft`: six transforms, each over one, two or any dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from .._dtypes import FLOAT, dtype, get_default_dtype
from .._errors import wrap_dim
from .._ops.fft import ADJOINT
from .._tensor import F, Tensor
from ._register import composite, named
from .arrange import roll
from .create import factory
from .shape import conj

Dims = tuple[int, ...]
Sizes = list[int] | None


def _ready(name: str, input: Tensor, real: bool = False) -> Tensor:
    """A floating operand; RuntimeError for a complex one where the transform is of real numbers."""
    kind = input.dtype
    if kind.is_complex and real:
        raise RuntimeError(
            f"{name} expects a real input tensor, but got {kind}; use {name.replace('r', '')} or "
            "take .real first"
        )
    if kind.category == FLOAT and kind.itemsize == 2:
        raise RuntimeError(f"Unsupported dtype {kind}: convert it with .float()")
    return input if kind.category >= FLOAT else F.cast(input, get_default_dtype())


def _resized(input: Tensor, dims: Dims, sizes: Sequence[int]) -> Tensor:
    """Cut, or padded with zeros at the end, to `sizes` along `dims`."""
    added = dict.fromkeys(range(input.ndim), 0)
    added.update({d: n - input.array.shape[d] for d, n in zip(dims, sizes, strict=True)})
    if not any(added.values()):
        return input
    pad = [p for d in reversed(range(input.ndim)) for p in (0, added[d])]
    out: Tensor = F.constant_pad_nd(input, tuple(pad))
    return out


def _checked(norm: str | None) -> str:
    if norm is not None and norm not in ADJOINT:
        raise RuntimeError(
            f"Invalid normalization mode: {norm!r}; expected backward, forward or ortho"
        )
    return norm or "backward"


def _c2c(name: str, input: Tensor, dims: Dims, sizes: Sizes, norm: str) -> Tensor:
    x = _ready(name, input)
    x = x if x.dtype.is_complex else F.cast(x, x.dtype.to_complex())
    if not dims:
        return F.clone(x)
    return F.fft_c2c(_resized(x, dims, _sizes(x, dims, sizes)), dims, norm, name[0] != "i")


def _r2c(name: str, input: Tensor, dims: Dims, sizes: Sizes, norm: str) -> Tensor:
    x = _ready(name, input, real=True)
    _some(name, dims)
    x = _resized(x, dims, _sizes(x, dims, sizes))
    if name[0] == "i":  # the inverse of real numbers is a conjugate
        return conj(F.fft_r2c(x, dims, ADJOINT[norm]))
    return F.fft_r2c(x, dims, norm)


def _c2r(name: str, input: Tensor, dims: Dims, sizes: Sizes, norm: str) -> Tensor:
    x = _ready(name, input)
    _some(name, dims)
    x = x if x.dtype.is_complex else F.cast(x, x.dtype.to_complex())
    *others, last = _sizes(x, dims, sizes, halved=True)
    x = _resized(x, dims, [*others, last // 2 + 1])
    if name[0] == "h":  # the forward transform, of what is symmetric
        x, norm = conj(x), ADJOINT[norm]
    return F.fft_c2r(x, dims, norm, last)


def _sizes(x: Tensor, dims: Dims, given: Sizes, halved: bool = False) -> list[int]:
    """The sizes of the transform: those given, else (and for -1) those that the input has."""
    sizes = [x.array.shape[d] for d in dims]
    if halved:
        sizes[-1] = 2 * (sizes[-1] - 1)
    if given is not None:
        sizes = [n if m == -1 else m for n, m in zip(sizes, given, strict=True)]
    return [_positive(n) for n in sizes]


def _positive(n: int) -> int:
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _some(name: str, dims: Dims) -> None:
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")


def _dims(input: Tensor, s: Any, dim: Any) -> tuple[Dims, Sizes]:
    """The dimensions that `s` and `dim` ask for, and `s` as a list."""
    n = input.ndim
    s, dim = ((v,) if isinstance(v, int) else v for v in (s, dim))
    if s is not None and dim is None:
        if len(s) > n:
            raise RuntimeError(
                f"Got shape with {len(s)} values but input tensor only has {n} dimensions."
            )
        dim = range(n - len(s), n)
    dims = tuple([wrap_dim(d, n) for d in (range(n) if dim is None else dim)])
    if len(set(dims)) < len(dims):
        raise RuntimeError(f"FFT dims must be unique, got {tuple(dim)}")
    if s is None:
        return dims, None
    if len(s) != len(dims):
        raise RuntimeError(
            f"When given, dim and shape arguments must have the same length, got {len(dims)} dims "
            f"and {len(s)} sizes"
        )
    return dims, [int(m) for m in s]


_Core = Callable[[str, Tensor, Dims, Sizes, str], Tensor]


def _define(name: str, core: _Core, what: str) -> None:
    """Register a transform over one dimension, over two and over any."""

    def over_one(
        input: Tensor, n: int | None = None, dim: int = -1, norm: str | None = None
    ) -> Tensor:
        input = _ready(name, input, real=core is _r2c)
        if not input.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        sizes = None if n is None else [_positive(n)]
        return core(name, input, (wrap_dim(dim, input.ndim),), sizes, _checked(norm))

    def over(
        input: Tensor, s: Sequence[int] | None = None, dim: Sequence[int] | None = None,
        norm: str | None = None,
    ) -> Tensor:  # fmt: skip
        dims, sizes = _dims(input, s, dim)
        return core(f"{name}n", input, dims, sizes, _checked(norm))

    def over_two(
        input: Tensor, s: Sequence[int] | None = None, dim: Sequence[int] = (-2, -1),
        norm: str | None = None,
    ) -> Tensor:  # fmt: skip
        return over(input, s, dim, norm)

    scale = "`norm`: backward (default), forward or ortho. RuntimeError for half precision."
    for suffix, function in (("", over_one), ("2", over_two), ("n", over)):
        where = {"": "`dim`", "2": "two dimensions", "n": "`dim` (default: all)"}[suffix]
        size = "`n` sets its size" if not suffix else "`s` sets their sizes"
        doc = f"{what} over {where}; {size} by cutting or zeros.\n\n{scale}"
        named(function, name + suffix, "", doc, True, (f"fft.{name}{suffix}",))


for _name, _function, _what in (
    ("fft", _c2c, "The discrete Fourier transform"),
    ("ifft", _c2c, "The inverse discrete Fourier transform"),
    ("rfft", _r2c, "The Fourier transform of real numbers, frequencies 0 to n // 2 of the last,"),
    ("irfft", _c2r, "The real inverse of `rfft`"),
    ("hfft", _c2r, "The real Fourier transform of half of a Hermitian signal"),
    ("ihfft", _r2c, "The inverse of `hfft`"),
):
    _define(_name, _function, _what)


def _frequencies(start: int, stop: int, n: int, d: float, kind: dtype | None, place: Any) -> Tensor:
    kind = kind or get_default_dtype()
    if kind.category < FLOAT:
        raise RuntimeError(f"fftfreq requires a floating point or complex dtype, got {kind}")
    return F.div(F.arange(start, stop, 1, kind, device=place), float(n * d))


@partial(factory, public="", aliases=("fft.fftfreq",))
def fftfreq(n: int, d: float = 1.0, *, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """The frequencies of `fft` of size n at spacing d: 0, 1, ..., then the negative ones."""
    return ifftshift(_frequencies(-(n // 2), n - n // 2, n, d, dtype, device))


@partial(factory, public="", aliases=("fft.rfftfreq",))
def rfftfreq(n: int, d: float = 1.0, *, dtype: dtype | None = None, device: Any = None) -> Tensor:
    """The frequencies of `rfft` of size n at spacing d: 0 to n // 2."""
    return _frequencies(0, n // 2 + 1, n, d, dtype, device)


def _shifted(input: Tensor, dim: int | Sequence[int] | None, sign: int) -> Tensor:
    dims, _ = _dims(input, None, dim)
    shifts = [input.array.shape[d] // 2 * sign for d in dims]
    return roll(input, shifts, dims)


@composite("", aliases=("fft.fftshift",))
def fftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Frequency 0 moved to the middle of `dim` (default: all)."""
    return _shifted(input, dim, 1)


@composite("", aliases=("fft.ifftshift",))
def ifftshift(input: Tensor, dim: int | Sequence[int] | None = None) -> Tensor:
    """Frequency 0 moved from the middle of `dim` back to the front; undoes `fftshift`."""
    return _shifted(input, dim, -1)
