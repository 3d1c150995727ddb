"""Gamma, Dirichlet, Poisson, binomial variates: repeatable, equal on backends, distributed so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pyrite
from pyrite._tensor import F

stats = pytest.importorskip("scipy.stats", reason="SciPy has the distribution functions")

SHAPES = np.array([0.01, 0.4, 1.0, 2.5, 80.0, 1e5])
DRAWS: dict[str, tuple[np.ndarray, ...]] = {
    "standard_gamma": (SHAPES,),
    "sample_dirichlet": (SHAPES.reshape(2, 3),),
    "poisson": (np.array([0.0, 0.3, 9.9, 10.0, 300.0, 1e6]),),
    "binomial": (np.array([0.0, 5.0, 40.0, 1e3, 1e6]), np.array([0.3, 0.9, 0.4, 0.01, 0.7])),
}


def _draw(name: str, arrays: tuple[np.ndarray, ...], device: str = "cpu", offset: int = 2) -> Any:
    return getattr(F, name)(*[pyrite.from_numpy(a).to(device) for a in arrays], 5, offset)


@pytest.mark.parametrize("name", DRAWS)
def test_same_numbers_again_and_on_every_backend(name: str) -> None:
    first = _draw(name, DRAWS[name]).numpy()
    np.testing.assert_array_equal(_draw(name, DRAWS[name]).numpy(), first)
    strict = _draw(name, DRAWS[name], "strict")
    assert strict.device.type == "strict"
    np.testing.assert_array_equal(strict.cpu().numpy(), first)
    assert (_draw(name, DRAWS[name], offset=3).numpy() != first).any()


@pytest.mark.parametrize("name", ["standard_gamma", "poisson", "binomial"])
def test_an_element_does_not_depend_on_the_others(name: str) -> None:
    whole = _draw(name, DRAWS[name]).numpy()
    others = tuple(np.concatenate([a[:3], a[2:3].repeat(len(a) - 3)]) for a in DRAWS[name])
    np.testing.assert_array_equal(_draw(name, others).numpy()[:3], whole[:3])


@pytest.mark.parametrize("shape", [0.05, 0.5, 1.0, 2.5, 100.0])
def test_gamma(shape: float) -> None:
    drawn = _draw("standard_gamma", (np.full(5000, shape),)).numpy()
    assert stats.kstest(drawn, stats.gamma(shape).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("name", "arguments", "scipy"),
    [
        *[("poisson", (m,), stats.poisson(m)) for m in (0.3, 5.0, 11.0, 200.0, 1e5)],
        *[("binomial", a, stats.binom(*a))
          for a in ((5, 0.3), (20, 0.9), (100, 0.5), (1000, 0.3), (1000, 0.999))],
    ],
)  # fmt: skip
def test_counts(name: str, arguments: tuple[float, ...], scipy: Any) -> None:
    n = 10000
    drawn = _draw(name, tuple(np.full(n, float(a)) for a in arguments)).numpy()
    edges = np.unique(scipy.ppf([0.1, 0.3, 0.5, 0.7, 0.9]))
    expected = n * np.diff([0, *scipy.cdf(edges), 1])
    found = np.diff([0, *[(drawn <= e).sum() for e in edges], n])
    keep = expected > 1
    assert stats.chisquare(found[keep], expected[keep] * found[keep].sum() / expected[keep].sum())[
        1
    ] > 1e-3  # fmt: skip


def test_small_concentrations_stay_on_the_simplex() -> None:
    drawn = _draw("sample_dirichlet", (np.full((1000, 3), 1e-3),)).numpy()
    assert np.isfinite(drawn).all()
    np.testing.assert_allclose(drawn.sum(-1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(drawn.mean(0), 1 / 3, atol=0.07)


def test_functions_take_a_generator_and_check_their_operands() -> None:
    rate = pyrite.tensor([1.0, 30.0])

    def draw() -> Any:
        return pyrite.poisson(rate, generator=pyrite.Generator().manual_seed(3))

    assert draw().tolist() == draw().tolist()
    assert draw().dtype is pyrite.float32
    with pytest.raises(RuntimeError, match="non-negative"):
        pyrite.poisson(-rate)
    with pytest.raises(RuntimeError, match="floating"):
        pyrite.poisson(pyrite.tensor([1]))
    with pytest.raises(RuntimeError, match="prob in"):
        pyrite.binomial(rate, rate)
    with pytest.raises(RuntimeError, match="cast one"):
        pyrite.binomial(rate, rate.double() / 40)
    assert pyrite._standard_gamma(rate.half()).dtype is pyrite.float16
    assert pyrite.binomial(pyrite.tensor([4.0, 4.0]), pyrite.tensor([0.0, 1.0])).tolist() == [0, 4]
    zero = pyrite.tensor([2.0], requires_grad=True)
    assert pyrite.autograd.grad(pyrite.poisson(zero).sum(), zero)[0].item() == 0.0
    assert pyrite._dirichlet_grad(rate / 40, rate, rate + 1).shape == (2,)
    assert F.standard_gamma(pyrite.zeros(0), 1, 1).shape == (0,)


def test_nan_in_nan_out() -> None:
    nan = np.array([np.nan, 1.0])
    assert np.isnan(_draw("standard_gamma", (nan,)).numpy()).tolist() == [True, False]
    assert np.isnan(_draw("poisson", (nan,)).numpy()).tolist() == [True, False]
