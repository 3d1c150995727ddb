"""`pyrite.fft`, short-time transforms and windows against torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite.autograd import gradcheck, gradgradcheck

torch = pytest.importorskip("torch", reason="torch is the oracle")

NAMES = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
OF_REAL = ("rfft", "ihfft")
CALLS: list[tuple[str, dict[str, Any]]] = [
    ("", {}), ("", {"n": 7}), ("", {"n": 3, "dim": 0, "norm": "ortho"}), ("", {"norm": "forward"}),
    ("2", {}), ("2", {"s": [5, -1]}), ("2", {"dim": (0, 2), "norm": "ortho"}),
    ("n", {}), ("n", {"s": (4, 6)}), ("n", {"dim": (1,), "norm": "forward"}),
    # refused
    ("", {"n": 0}), ("", {"dim": 3}), ("", {"norm": "none"}), ("n", {"dim": (1, 1)}),
    ("n", {"s": (1, 2, 3, 4)}), ("n", {"s": (2,), "dim": (0, 1)}),
]  # fmt: skip


def _same(ours: Any, theirs: Any, rtol: float = 1e-5) -> None:
    assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
    np.testing.assert_allclose(ours.numpy(), theirs.resolve_conj().numpy(), rtol, 1e-5)


def _both(call: Any) -> tuple[Any, Any]:
    """What torch's and our function give, or the classes of their errors."""
    results = []
    for library in (torch, pyrite):
        try:
            results.append(call(library))
        except (RuntimeError, IndexError, ValueError, TypeError) as error:
            results.append(type(error))
    return results[1], results[0]


def _agree(ours: Any, theirs: Any) -> None:
    """The same result, or an error of the same class."""
    if isinstance(theirs, type):
        assert ours is theirs
    else:
        _same(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("suffix", "options"), CALLS)
@pytest.mark.parametrize("kind", ["int64", "float32", "complex64", "float16"])
def test_transform(name: str, suffix: str, options: dict[str, Any], kind: str) -> None:
    rng = np.random.default_rng(1)
    values = (rng.standard_normal((2, 4, 5)) * 3).astype("float32")
    array = (values + 1j * values[::-1]).astype(kind) if kind[0] == "c" else values.astype(kind)
    ours, theirs = _both(
        lambda m: getattr(m.fft, name + suffix)(m.from_numpy(array.copy()), **options)
    )
    _agree(ours, theirs)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suffix", ["", "n"])
def test_derivatives(name: str, suffix: str) -> None:
    pyrite.manual_seed(0)
    kind = pyrite.float64 if name in OF_REAL else pyrite.complex128
    x = pyrite.randn(2, 3, dtype=kind).requires_grad_()
    size = {"n": 4} if not suffix else {"s": (3, 4)}
    for options in ({}, {"norm": "ortho", **size}, {"norm": "forward"}):
        function = getattr(pyrite.fft, name + suffix)
        assert gradcheck(lambda v, f=function, o=options: f(v, **o), x)
    assert gradgradcheck(function, x)


@pytest.mark.parametrize("n", [1, 4, 5])
def test_frequencies_and_shifts(n: int) -> None:
    for name in ("fftfreq", "rfftfreq"):
        _same(getattr(pyrite.fft, name)(n, d=0.5), getattr(torch.fft, name)(n, d=0.5))
    x = np.arange(3.0 * n).reshape(3, n)
    for name in ("fftshift", "ifftshift"):
        for dim in (None, 1, (0, 1)):
            ours, theirs = _both(lambda m, f=name, d=dim: getattr(m.fft, f)(m.from_numpy(x), d))
            _same(ours, theirs)


def test_out() -> None:
    x, out = pyrite.arange(4.0), pyrite.empty(4, dtype=pyrite.complex64)
    assert pyrite.fft.fft(x, out=out) is out
    assert out.tolist() == [6, -2 + 2j, -2, -2 - 2j]


STFT: list[dict[str, Any]] = [
    {}, {"hop_length": 3}, {"win_length": 16, "window": 16}, {"window": 20, "normalized": True},
    {"onesided": False}, {"center": False, "window": 20}, {"pad_mode": "constant"},
    {"center": False, "win_length": 16, "window": 16, "align_to_window": True},
    # refused
    {"hop_length": 0}, {"win_length": 21}, {"window": 7}, {"return_complex": None}, {"n_fft": 999},
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:A window was not provided")
@pytest.mark.parametrize("options", STFT)
def test_short_time_transforms(options: dict[str, Any]) -> None:
    x = np.random.default_rng(2).standard_normal((2, 50))

    def forward(m: Any) -> Any:
        given = {"n_fft": 20, "return_complex": True, **options}
        if "window" in given:
            given["window"] = m.hann_window(given["window"], dtype=m.float64)
        return m.stft(m.from_numpy(x), **given)

    def back(m: Any) -> Any:
        given = {"n_fft": 20, **{k: v for k, v in options.items() if k in (
            "hop_length", "win_length", "normalized", "onesided")}}  # fmt: skip
        return m.istft(forward(m), length=48, **given)

    ours, theirs = _both(forward)
    _agree(ours, theirs)
    if options.get("center", True) and not isinstance(theirs, type):
        _agree(*_both(back))


def test_short_time_derivatives() -> None:
    window = pyrite.hann_window(6, dtype=pyrite.float64)
    x = pyrite.randn(12, dtype=pyrite.float64).requires_grad_()

    def forward(v: pyrite.Tensor) -> Any:
        return pyrite.stft(v, 6, hop_length=2, window=window, return_complex=True)

    assert gradcheck(forward, x)
    z = forward(x).detach().requires_grad_()
    assert gradcheck(lambda v: pyrite.istft(v, 6, hop_length=2, window=window), z)


@pytest.mark.parametrize("n", [-1, 0, 1, 2, 7, 10])
@pytest.mark.parametrize("symmetric", [False, True])
def test_windows(n: int, symmetric: bool) -> None:
    for name in ("hann", "hamming", "bartlett", "blackman", "kaiser"):
        _agree(*_both(lambda m, f=name: getattr(m, f"{f}_window")(n, not symmetric)))
    for name in torch.signal.windows.__all__:
        given = {"general_cosine": {"a": [0.5, 0.3, 0.2]}, "gaussian": {"std": 2.0}}.get(name, {})

        def window(m: Any, f: str = name, options: dict[str, Any] = given) -> Any:
            return getattr(m.signal.windows, f)(n, sym=symmetric, dtype=m.float64, **options)

        _agree(*_both(window))
