"""The special functions against SciPy, over their whole range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite._tensor import F

special = pytest.importorskip("scipy.special", reason="SciPy is the oracle")

WIDE = np.concatenate(
    [np.linspace(-30, 30, 1201), [1e-300, -1e-8, 1e3, 1e30, np.inf, -np.inf, np.nan]]
)
POSITIVE = np.concatenate([np.linspace(0.05, 40, 800), 10.0 ** np.arange(-300, 300, 25), [np.inf]])
UNIT = np.concatenate([np.linspace(-1, 1, 401), 1 - 10.0 ** -np.arange(1, 16), [1e-300, 1.5]])
MIDDLE = np.concatenate([np.linspace(0.01, 60, 801), 10.0 ** np.arange(-300, 0, 25)])
CASES = [
    ("erf", "erf", WIDE, 3),
    ("erfc", "erfc", WIDE[WIDE < 26], 8),
    ("special.erfcx", "erfcx", WIDE[(WIDE > -5) & (WIDE < 26)], 40),
    ("special.erfcx", "erfcx", POSITIVE[POSITIVE < 1e280], 10),
    ("erfinv", "erfinv", UNIT, 8),
    ("special.ndtri", "ndtri", (UNIT + 1) / 2, 10),
    ("lgamma", "gammaln", POSITIVE, 10),
    ("digamma", "digamma", POSITIVE[POSITIVE > 1e-290], 10),
    ("special.i0e", "i0e", WIDE[np.abs(WIDE) < 1e4], 10),
    ("special.i1e", "i1e", WIDE[np.abs(WIDE) < 1e4], 10),
    *[(f"special.bessel_{k}", k, MIDDLE, 40) for k in ("j0", "j1", "y0", "y1")],
    *[(f"special.modified_bessel_{k}", k, MIDDLE, 10) for k in ("k0", "k1")],
    *[(f"special.scaled_modified_bessel_{k}", f"{k}e", MIDDLE, 10) for k in ("k0", "k1")],
    ("special.airy_ai", lambda x: special.airy(x)[0], np.linspace(-6, 30, 801), 60),
]  # fmt: skip
# Near a zero of the function only the absolute error is small.
ABSOLUTE = 2e-15


def _find(path: str) -> Any:
    found: Any = pyrite
    for part in path.split("."):
        found = getattr(found, part)
    return found


def _scipy(name: Any) -> Any:
    return name if callable(name) else getattr(special, name)


@pytest.mark.parametrize(("ours", "theirs", "points", "ulps"), CASES)
def test_equals_scipy(ours: str, theirs: Any, points: np.ndarray, ulps: float) -> None:
    got = _find(ours)(pyrite.from_numpy(points)).numpy()
    want = _scipy(theirs)(points)
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    error = np.abs(got[finite] - want[finite])
    assert (
        error <= ulps * np.spacing(np.abs(want[finite])) + ABSOLUTE * (np.abs(want[finite]) < 1)
    ).all()


@pytest.mark.parametrize(("ours", "theirs", "points", "ulps"), CASES)
def test_float32_is_the_float64_result_rounded(
    ours: str, theirs: Any, points: np.ndarray, ulps: float
) -> None:
    few = np.float32(points[np.abs(points) < 1e4])[:500]
    got = _find(ours)(pyrite.from_numpy(few))
    want = _scipy(theirs)(np.float64(few))
    assert got.dtype is pyrite.float32
    np.testing.assert_allclose(got.numpy(), np.float32(want), rtol=5e-7, atol=1e-7)


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_polygamma_and_zeta(order: int) -> None:
    x = np.linspace(0.05, 40, 300)
    got = pyrite.polygamma(order, pyrite.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, special.polygamma(order, x), rtol=1e-14)
    zeta = pyrite.special.zeta(pyrite.from_numpy(x + 1), pyrite.from_numpy(x[::-1].copy())).numpy()
    np.testing.assert_allclose(zeta, special.zeta(x + 1, x[::-1]), rtol=1e-13)


def test_negative_arguments_of_the_gamma_functions() -> None:
    x = np.array([-0.5, -1.5, -3.7, -20.3, 0.0, -1.0, -7.0])
    t = pyrite.from_numpy(x)
    np.testing.assert_allclose(pyrite.lgamma(t).numpy(), special.gammaln(x), rtol=1e-13)
    np.testing.assert_allclose(pyrite.digamma(t).numpy()[:4], special.digamma(x[:4]), rtol=1e-13)
    assert pyrite.digamma(t)[4].item() == -np.inf
    assert pyrite.isnan(pyrite.digamma(t)[5:]).all()


def test_incomplete_gamma() -> None:
    a = np.repeat([1e-3, 0.5, 1.0, 10.0, 300.0, 1e5], 40)
    x = a * np.tile(np.geomspace(0.3, 3, 40), 6)
    ours = pyrite.from_numpy(a), pyrite.from_numpy(x)
    for name in ("gammainc", "gammaincc"):
        got, want = getattr(pyrite.special, name)(*ours).numpy(), getattr(special, name)(a, x)
        np.testing.assert_allclose(got, want, rtol=1e-10, atol=1e-300)


def test_incomplete_gamma_slopes() -> None:
    a = pyrite.tensor([0.3, 2.0, 50.0], dtype=pyrite.float64, requires_grad=True)
    x = pyrite.tensor([[0.1], [3.0], [45.0]], dtype=pyrite.float64, requires_grad=True)
    for function in (pyrite.special.gammainc, pyrite.special.gammaincc):
        assert pyrite.autograd.gradcheck(function, (a, x))


def test_gamma_quantile_moves_with_its_shape() -> None:
    a = np.repeat([0.01, 0.5, 1.0, 10.0, 300.0, 1e4], 30)
    p, h = np.tile(np.linspace(0.02, 0.98, 30), 6), 1e-5
    x = special.gammaincinv(a, p)
    want = (special.gammaincinv(a * (1 + h), p) - special.gammaincinv(a * (1 - h), p)) / (2 * a * h)
    got = F.standard_gamma_grad(pyrite.from_numpy(a), pyrite.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, want, rtol=1e-6, atol=1e-30)


@pytest.mark.parametrize(("a", "b"), [(0.1, 0.3), (1, 1), (0.5, 20), (30, 0.5), (200, 300)])
def test_beta_quantile_moves_with_its_parameter(a: float, b: float) -> None:
    p, h = np.linspace(0.02, 0.98, 30), 1e-5
    x = special.betaincinv(a, b, p)
    near = [special.betaincinv(a * (1 + s * h), b, p) for s in (1, -1)]
    want = (near[0] - near[1]) / (2 * a * h)
    wide = [np.full(30, v, float) for v in (a, a + b)]
    got = F.dirichlet_grad(*map(pyrite.from_numpy, (x, *wide))).numpy() * (1 - x)
    keep = (1 - x > 1e-6) & (x > 1e-12)
    np.testing.assert_allclose(got[keep], want[keep], rtol=1e-5, atol=1e-12)
