"""Short-time Fourier transforms."""

from __future__ import annotations

from typing import Any

from .._tensor import F, Tensor
from ._register import composite
from .pad import pad
from .shape import transpose


def _check(name: str, holds: bool, what: str) -> None:
    if not holds:
        raise RuntimeError(f"{name}: {what}")


def _lengths(
    name: str, n_fft: int, hop_length: int | None, win_length: int | None, window: Tensor | None
) -> tuple[int, int]:
    """The step and the window's length; RuntimeError where sizes do not fit."""
    hop = n_fft // 4 if hop_length is None else hop_length
    width = n_fft if win_length is None else win_length
    _check(name, hop > 0, f"expected hop_length > 0, but got hop_length={hop}")
    _check(
        name, 0 < width <= n_fft,
        f"expected 0 < win_length <= n_fft, but got win_length={width} and n_fft={n_fft}",
    )  # fmt: skip
    _check(
        name, window is None or tuple(window.shape) == (width,),
        f"expected a 1D window tensor of size equal to win_length={width}, but got window with "
        f"size {None if window is None else list(window.shape)}",
    )  # fmt: skip
    return hop, width


def _centred(window: Tensor, n_fft: int) -> Tensor:
    """The window in the middle of `n_fft` values."""
    before = (n_fft - window.array.shape[0]) // 2
    return F.constant_pad_nd(window, (before, n_fft - window.array.shape[0] - before))


@composite("fm")
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect",
    normalized: bool = False, onesided: bool | None = None, return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """The Fourier transforms of windowed frames of signals (..., length): (..., frequency, frame).

    Frames of `n_fft` samples start every `hop_length` (default n_fft // 4); `center` pads both ends
    by half a frame in `pad_mode`. `window` has `win_length` values (default n_fft; None: ones).
    `onesided` keeps frequencies 0 to n_fft // 2, the default for real signals. RuntimeError for
    sizes that do not fit, and for real signals where `return_complex` is not given.
    """
    mixed = input.dtype.is_complex or (window is not None and window.dtype.is_complex)
    _check("stft", not (center and align_to_window is not None),
           "align_to_window should only be set when center = false")  # fmt: skip
    _check("stft", return_complex is not None or mixed,
           "requires the return_complex parameter be given for real inputs: pass "
           "return_complex=True")  # fmt: skip
    _check("stft", input.dtype.is_floating_point or input.dtype.is_complex,
           f"expected a tensor of floating point or complex values, got {input.dtype}")  # fmt: skip
    _check("stft", input.ndim in (1, 2),
           f"expected a 1D or 2D tensor, got shape {list(input.shape)}")  # fmt: skip
    if center:
        lead = (1,) * (3 - input.ndim)
        x = pad(F.reshape(input, (*lead, *input.shape)), [n_fft // 2, n_fft // 2], pad_mode)
        input = F.reshape(x, x.shape[-input.ndim :])
    length = input.array.shape[-1]
    _check("stft", 0 < n_fft <= length,
           f"expected 0 < n_fft <= {length}, but got n_fft={n_fft}")  # fmt: skip
    hop, width = _lengths("stft", n_fft, hop_length, win_length, window)
    half = not mixed if onesided is None else onesided
    _check("stft", not (half and mixed),
           "Cannot have onesided output if window or input is complex")  # fmt: skip
    if window is None and width < n_fft:
        window = F.full((width,), 1.0, input.dtype, device=input.device)
    frames = _frames(input, n_fft, hop, width, bool(align_to_window))
    if window is not None:
        frames = F.mul(frames, _centred(window, n_fft))
    out = transpose(_spectrum(frames, half, "ortho" if normalized else "backward"), -1, -2)
    return out if return_complex is not False else F.view_as_real(out)


def _frames(x: Tensor, n_fft: int, hop: int, width: int, aligned: bool) -> Tensor:
    """Frames (..., frame, n_fft); `aligned` ones start with the window, not before it."""
    if aligned:
        before = (n_fft - width) // 2
        x = F.constant_pad_nd(x, (before, n_fft - width - before))
    return F.unfold(x, -1, n_fft, hop)


def _spectrum(frames: Tensor, half: bool, norm: str) -> Tensor:
    last = (frames.ndim - 1,)
    if half:
        return F.fft_r2c(frames, last, norm)
    kind = frames.dtype
    return F.fft_c2c(frames if kind.is_complex else F.cast(frames, kind.to_complex()), last, norm,
                     True)  # fmt: skip


@composite("fm")
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False,
    onesided: bool | None = None, length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signals (..., length) whose `stft` is `input` (..., frequency, frame), by least squares.

    The arguments are those of `stft`; `length` cuts or pads the result. RuntimeError for sizes
    that do not fit and for windows whose overlapping squares vanish somewhere.
    """
    name = "istft"
    _check(name, input.dtype.is_complex, "requires a complex-valued input tensor matching the "
           "output from stft with return_complex=True")  # fmt: skip
    _check(name, input.array.size > 0, "input tensor cannot be empty")
    _check(name, input.ndim in (2, 3),
           f"expected a tensor with 2 or 3 dimensions, but got {input.ndim}")  # fmt: skip
    *_, rows, count = input.array.shape
    half = (rows != n_fft) if onesided is None else onesided
    hop, width = _lengths(name, n_fft, hop_length, win_length, window)
    _check(name, hop <= width, f"expected 0 < hop_length <= win_length, got {hop} > {width}")
    expected = n_fft // 2 + 1 if half else n_fft
    _check(name, rows == expected,
           f"expected the frequency dimension of the input to be {expected} with n_fft={n_fft} and "
           f"onesided={half}, but got {rows}")  # fmt: skip
    _check(name, not (return_complex and half),
           "Cannot have onesided output if window or input is complex")  # fmt: skip
    if window is None:
        window = F.full((width,), 1.0, input.dtype.to_real(), device=input.device)
    window = _centred(window, n_fft)
    frames = F.mul(_signal(transpose(input, -1, -2), n_fft, return_complex, normalized), window)
    total = n_fft + hop * (count - 1)
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else total - (start if center else 0)
    kept = (Ellipsis, slice(start, stop))
    signal = F.slice(_overlapped(frames, n_fft, hop, total), kept)
    squares = F.expand(F.mul(window, window), (count, n_fft))
    weight = F.slice(_overlapped(squares, n_fft, hop, total), kept)
    lowest = float(F.amin(F.abs(weight)).item()) if weight.array.size else 0.0
    _check(name, lowest > 1e-11, f"window overlap add min: {lowest}; choose a window and a hop "
           "whose squares overlap everywhere")  # fmt: skip
    out = F.div(signal, weight)
    return F.constant_pad_nd(out, (0, stop - total)) if stop > total else out


def _signal(spectra: Tensor, n_fft: int, complex: bool, normalized: bool) -> Tensor:
    """The inverse transform of each frame."""
    norm, last = "ortho" if normalized else "backward", (spectra.ndim - 1,)
    if complex:
        return F.fft_c2c(spectra, last, norm, False)
    half = F.slice(spectra, (Ellipsis, slice(0, n_fft // 2 + 1)))
    return F.fft_c2r(half, last, norm, n_fft)


def _overlapped(frames: Tensor, n_fft: int, hop: int, total: int) -> Tensor:
    """The sum of frames, each `hop` after the one before."""
    shape: tuple[Any, ...] = (*frames.shape[:-2], total)
    return F.unfold_grad(frames, len(shape) - 1, n_fft, hop, shape)
