"""The special functions against SciPy, over their whole range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyrite

special = pytest.importorskip("scipy.special", reason="SciPy is the oracle")

WIDE = np.concatenate(
    [np.linspace(-30, 30, 1201), [1e-300, -1e-8, 1e3, 1e30, np.inf, -np.inf, np.nan]]
)
POSITIVE = np.concatenate([np.linspace(0.05, 40, 800), 10.0 ** np.arange(-300, 300, 25), [np.inf]])
UNIT = np.concatenate([np.linspace(-1, 1, 401), 1 - 10.0 ** -np.arange(1, 16), [1e-300, 1.5]])
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
]  # fmt: skip
# Near a zero of the function only the absolute error is small.
ABSOLUTE = 2e-15


def _find(path: str) -> Any:
    found: Any = pyrite
    for part in path.split("."):
        found = getattr(found, part)
    return found


@pytest.mark.parametrize(("ours", "theirs", "points", "ulps"), CASES)
def test_equals_scipy(ours: str, theirs: str, points: np.ndarray, ulps: float) -> None:
    got = _find(ours)(pyrite.from_numpy(points)).numpy()
    want = getattr(special, theirs)(points)
    finite = np.isfinite(want)
    np.testing.assert_array_equal(got[~finite], want[~finite])
    error = np.abs(got[finite] - want[finite])
    assert (
        error <= ulps * np.spacing(np.abs(want[finite])) + ABSOLUTE * (np.abs(want[finite]) < 1)
    ).all()


@pytest.mark.parametrize(("ours", "theirs", "points", "ulps"), CASES)
def test_float32_is_the_float64_result_rounded(
    ours: str, theirs: str, points: np.ndarray, ulps: float
) -> None:
    few = np.float32(points[np.abs(points) < 1e4])[:500]
    got = _find(ours)(pyrite.from_numpy(few))
    want = getattr(special, theirs)(np.float64(few))
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
