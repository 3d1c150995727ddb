"""Distributions against torch's: values, derivatives, divergences, samples."""

from __future__ import annotations

import copy
import math
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
from _distributions import (
    BY_NAME,
    CASES,
    PARTS,
    SCALARS,
    Case,
    as_tensor,
    both,
    build,
    each,
    host,
    outcome,
    same,
)

import pyrite
import pyrite.distributions as ours

torch: Any = pytest.importorskip("torch", reason="torch is the oracle")
theirs: Any = torch.distributions
stats = pytest.importorskip("scipy.stats", reason="SciPy has the distribution functions")

# torch raises for float64 here: it compares with a float32 zero.
SKIPPED = {("GeneralizedPareto", "log_prob"), ("GeneralizedPareto", "cdf")}


@each
@pytest.mark.parametrize("part", PARTS)
def test_parts_equal_torch(case: Case, part: str) -> None:
    a, b = both(case)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = outcome(lambda: PARTS[part](b, as_tensor(torch, case.values)))
    got = outcome(lambda: PARTS[part](a, as_tensor(pyrite, case.values)))
    if (case.name, part) not in SKIPPED:
        same(got, want)


@pytest.mark.parametrize("case", SCALARS, ids=[c.name for c in SCALARS])
def test_quantiles_equal_torch(case: Case) -> None:
    a, b = both(case)
    p = [[0.01, 0.3, 0.5], [0.6, 0.9, 0.999]]
    want = outcome(lambda: b.icdf(as_tensor(torch, p)))
    if isinstance(want, type) and case.name != "GeneralizedPareto":
        with pytest.raises(want):
            a.icdf(as_tensor(pyrite, p))
        return
    got = a.icdf(as_tensor(pyrite, p))
    if not isinstance(want, type):
        same(got, want)
    np.testing.assert_allclose(host(a.cdf(got)), p, rtol=1e-6, atol=1e-9)


@each
@pytest.mark.parametrize("part", ["log_prob", "entropy", "mean", "variance"])
def test_gradients_in_the_parameters(case: Case, part: str) -> None:
    (a, p), (b, q) = build(pyrite, case, True), build(torch, case, True)
    want = outcome(lambda: PARTS[part](b, as_tensor(torch, case.values)))
    if isinstance(want, type) or not want.requires_grad or not want.isfinite().all():
        return
    got = PARTS[part](a, as_tensor(pyrite, case.values))
    leaves = [(p[k], q[k]) for k in q if getattr(q[k], "requires_grad", False)]
    # A positive weight per element, so that no element's gradient cancels.
    weight = np.linspace(0.5, 1.5, want.numel()).reshape(tuple(want.shape))
    theirs = torch.autograd.grad(
        (want * torch.from_numpy(weight)).sum(), [t for _, t in leaves], allow_unused=True
    )
    mine = pyrite.autograd.grad(
        (got * pyrite.from_numpy(weight)).sum(), [t for t, _ in leaves], allow_unused=True
    )
    for x, y in zip(mine, theirs, strict=True):
        if y is not None and y.isfinite().all():
            loose = case.name == "VonMises"  # torch's Bessel functions have seven digits
            lower = (case.name, part) == ("Wishart", "log_prob") and "scale_tril" in p
            y = y.tril() if lower and y.ndim == 2 else y
            same(x, y, rtol=1e-4 if loose else 1e-6, atol=1e-8)


REPARAMETRIZED = [c for c in CASES if getattr(ours, c.name).has_rsample]


@pytest.mark.parametrize("case", REPARAMETRIZED, ids=[c.name for c in REPARAMETRIZED])
def test_samples_follow_their_parameters(case: Case) -> None:
    """With equal draws, a sample's slope is its difference quotient.

    Where draws are accepted or refused the quotient jumps; there the quantile at a fixed
    probability is the reference (tests/test_special.py).
    """
    rejected = {"Chi2", "Gamma", "Beta", "Dirichlet", "FisherSnedecor", "InverseGamma", "StudentT"}
    names = [k for k, v in case.parameters.items() if isinstance(v, list | np.ndarray)]
    if case.name in rejected | {"Wishart", "OneHotCategoricalStraightThrough"}:
        names = [n for n in names if n in ("loc", "scale", "rate")]
    if case.name == "GeneralizedPareto":
        names = ["loc", "scale"]  # at concentration 0 the closed form changes
    for name in names:
        if np.ndim(case.parameters[name]) > 1 and case.matrix:
            continue  # a matrix must stay symmetric
        pyrite.manual_seed(5)
        made, tensors = build(pyrite, case, True, validate_args=False)
        sample = made.rsample((4,))
        rng = np.random.default_rng(1)
        weight = rng.standard_normal(tuple(sample.shape))
        direction = rng.standard_normal(np.shape(case.parameters[name]))
        (slope,) = pyrite.autograd.grad((sample * pyrite.from_numpy(weight)).sum(), [tensors[name]])
        ends = []
        for step in (1e-6, -1e-6):
            moved = copy.copy(case)
            moved.parameters = dict(case.parameters)
            moved.parameters[name] = np.array(case.parameters[name]) + step * direction
            pyrite.manual_seed(5)
            drawn = build(pyrite, moved, validate_args=False)[0].rsample((4,))
            ends.append(float((host(drawn) * weight).sum()))
        expected = (ends[0] - ends[1]) / 2e-6
        actual = float((host(slope) * direction).sum())
        np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["Gamma", "Beta", "Dirichlet", "StudentT", "Chi2"])
def test_implicit_gradients_are_right_in_the_mean(name: str) -> None:
    """The mean slope of x is the slope of the mean (and of the variance, for StudentT)."""
    case = next(c for c in CASES if c.name == name)
    parameters = {
        k: np.array(v, float) + (2.5 if k == "df" else 0.5) for k, v in case.parameters.items()
    }
    made, tensors = build(pyrite, Case(name, parameters, None), True)
    pyrite.manual_seed(1)
    sample = made.rsample((20000,))
    if name == "StudentT":
        sample, want = sample.abs(), None
    else:
        want = made.mean
    leaf = next(iter(tensors.values()))
    weight = pyrite.from_numpy(np.random.default_rng(3).uniform(0.5, 1, tuple(made.mean.shape)))
    (got,) = pyrite.autograd.grad((sample.mean(0) * weight).sum(), [leaf], retain_graph=True)
    if want is None:
        assert got.isfinite().all()
        return
    (expected,) = pyrite.autograd.grad((want * weight).sum(), [leaf])
    np.testing.assert_allclose(host(got), host(expected), rtol=0.1, atol=0.02)


@each
def test_samples_repeat_with_the_seed_and_fit(case: Case) -> None:
    made, _ = build(pyrite, case)
    for shape in ((), (2, 3)):
        pyrite.manual_seed(3)
        first = made.sample(shape)
        pyrite.manual_seed(3)
        np.testing.assert_array_equal(host(first), host(made.sample(shape)))
        assert tuple(first.shape) == (*shape, *made.batch_shape, *made.event_shape)
        assert not first.requires_grad
        assert made.support.check(first).all()
        assert made.log_prob(first).isfinite().all()


@each
def test_samples_have_the_moments(case: Case) -> None:
    made, _ = build(pyrite, case)
    if case.name == "VonMises":
        return  # its variance is a circular one
    moments = [outcome(lambda: made.mean), outcome(lambda: made.variance)]
    if any(isinstance(m, type) for m in moments):
        return
    pyrite.manual_seed(7)
    n = 4000
    drawn = host(made.sample((n,)))
    mean, variance = map(host, moments)
    light = np.isfinite(mean) & np.isfinite(variance)
    with np.errstate(invalid="ignore", over="ignore"):
        error = np.abs(drawn.mean(0) - mean) / np.sqrt(variance / n)
    heavy = case.name in ("InverseGamma", "FisherSnedecor", "Pareto", "LogNormal")
    assert (error[light & (variance > 0)] < (8 if heavy else 5)).all()


CONTINUOUS = [c for c in SCALARS if not isinstance(outcome(lambda c=c: PARTS["cdf"](  # type: ignore[misc]
    build(pyrite, c)[0], as_tensor(pyrite, c.values))), type)]  # fmt: skip


@pytest.mark.parametrize("case", CONTINUOUS, ids=[c.name for c in CONTINUOUS])
def test_samples_are_distributed_so(case: Case) -> None:
    made, _ = build(pyrite, case)
    pyrite.manual_seed(11)
    levels = host(made.cdf(made.sample((3000,)))).reshape(3000, -1)
    for column in levels.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4


@pytest.mark.parametrize(
    ("case", "scipy"),
    [
        (Case("Beta", {"concentration1": [0.4], "concentration0": [2.5]}, 0), stats.beta(0.4, 2.5)),
        (Case("StudentT", {"df": [2.5]}, 0), stats.t(2.5)),
        (Case("FisherSnedecor", {"df1": [3.0], "df2": [5.0]}, 0), stats.f(3, 5)),
        (Case("VonMises", {"loc": [0.5], "concentration": [1.7]}, 0), stats.vonmises(1.7, 0.5)),
        (Case("Chi2", {"df": [0.3]}, 0), stats.chi2(0.3)),
    ],
)
def test_samples_are_distributed_as_scipy_says(case: Case, scipy: Any) -> None:
    pyrite.manual_seed(2)
    drawn = host(build(pyrite, case)[0].sample((3000,))).ravel()
    edges = scipy.ppf([0.1, 0.35, 0.6, 0.85])
    share = np.diff([0, *[(drawn <= e).mean() for e in edges], 1])
    np.testing.assert_allclose(share, [0.1, 0.25, 0.25, 0.25, 0.15], atol=0.03)


@each
def test_expand_and_repr(case: Case) -> None:
    a, b = both(case)
    if case.name != "Beta":  # torch's has no parameters in its own dict to show
        assert repr(a).replace("pyrite", "torch") == repr(b)
    batch = (2, *tuple(a.batch_shape))
    wide_a, wide_b = a.expand(batch), b.expand(batch)
    assert tuple(wide_a.batch_shape) == batch
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's Wishart
        assert tuple(wide_a.sample((2,)).shape) == tuple(wide_b.sample((2,)).shape)
    if (case.name, "log_prob") not in SKIPPED:
        x = wide_a.sample()
        y = torch.from_numpy(host(x).copy())
        same(wide_a.log_prob(x), wide_b.log_prob(y), rtol=1e-5, atol=1e-7)
    assert repr(pickle.loads(pickle.dumps(a))) == repr(a)


# ---- divergences

ALSO = {
    "Bernoulli": {"probs": [0.7, 0.4, 0.1]},
    "Beta": {"concentration1": [2.0, 0.7, 1.1], "concentration0": [0.6, 1.2, 3.0]},
    "Binomial": {"total_count": 5, "probs": [0.7, 0.4, 0.1]},
    "Uniform": {"low": [-0.5, -0.1, -2.0], "high": [1.5, 4.0, 5.0]},
    "Pareto": {"scale": [0.05, 0.1, 0.4], "alpha": [1.2, 2.5, 3.0]},
    "Geometric": {"probs": [0.7, 0.4, 0.1]},
    "ContinuousBernoulli": {"probs": [0.7, 0.4, 0.1]},
}
KL = sorted((p.__name__, q.__name__) for p, q in theirs.kl._KL_REGISTRY)
# torch calls [0, 1] within a support infinite here: it combines its two bounds the wrong way.
BOUNDS = {("ContinuousBernoulli", "Uniform"), ("Uniform", "ContinuousBernoulli")}


def _second(name: str) -> Case:
    case = BY_NAME[name]
    if name in ALSO:
        return Case(name, ALSO[name], None)
    moved = {
        k: (np.array(v) * 1.3).tolist() if isinstance(v, list) and k != "logits" else v
        for k, v in case.parameters.items()
    }
    return Case(name, moved, None)


@pytest.mark.parametrize(("p", "q"), [k for k in KL if set(k) <= set(BY_NAME)])
@pytest.mark.parametrize("order", [1, -1])
def test_divergences_equal_torch(p: str, q: str, order: int) -> None:
    results = []
    for lib in (pyrite, torch):
        pair = (BY_NAME[p], _second(q)) if order > 0 else (_second(p), BY_NAME[q])
        first, second = (build(lib, c)[0] for c in pair)
        results.append(lib.distributions.kl_divergence(first, second))
    got, want = results
    if (p, q) not in BOUNDS:
        same(got, want, rtol=1e-5, atol=1e-8)


def test_divergence_table_is_torchs() -> None:
    registered = sorted((p.__name__, q.__name__) for p, q in ours._kl._RULES)
    assert registered == KL


def test_divergence_between_bounded_supports() -> None:
    p = ours.ContinuousBernoulli(pyrite.tensor(0.3))
    assert ours.kl_divergence(p, ours.Uniform(0.0, 1.0)).isfinite()
    assert ours.kl_divergence(p, ours.Uniform(0.1, 1.0)).item() == math.inf
    inside = ours.kl_divergence(ours.Uniform(0.2, 0.8), p)
    assert inside.isfinite()


@pytest.mark.parametrize(
    "name", ["Bernoulli", "Normal", "Gamma", "Beta", "Dirichlet", "Exponential"]
)
def test_divergence_gradients(name: str) -> None:
    grads = []
    for lib in (pyrite, torch):
        (p, a), (q, b) = build(lib, BY_NAME[name], True), build(lib, _second(name), True)
        leaves = [*a.values(), *b.values()]
        value = lib.distributions.kl_divergence(p, q).sum()
        grads.append(lib.autograd.grad(value, leaves))
    for x, y in zip(*grads, strict=True):
        same(x, y, rtol=1e-6, atol=1e-8)


def test_divergence_of_compounds_and_registration() -> None:
    results = []
    for lib in (pyrite, torch):
        d = lib.distributions
        p, q = (build(lib, c)[0] for c in (BY_NAME["Normal"], _second("Normal")))
        results.append([
            d.kl_divergence(d.Independent(p, 1), d.Independent(q, 1)),
            d.kl_divergence(
                d.TransformedDistribution(p, d.ExpTransform()),
                d.TransformedDistribution(q, d.ExpTransform()),
            ),
        ])  # fmt: skip
    for x, y in zip(*results, strict=True):
        same(x, y)
    with pytest.raises(NotImplementedError, match="No KL"):
        ours.kl_divergence(ours.StudentT(2.0), ours.Normal(0.0, 1.0))
    with pytest.raises(TypeError, match="Distribution subclass"):
        ours.register_kl(int, ours.Normal)

    class Mine(ours.Normal):
        pass

    assert ours.kl_divergence(Mine(0.0, 1.0), ours.Normal(0.0, 2.0)).item() > 0
    ours.register_kl(Mine, ours.Normal)(lambda p, q: pyrite.tensor(7.0))
    assert ours.kl_divergence(Mine(0.0, 1.0), ours.Normal(0.0, 2.0)).item() == 7.0
    del ours._kl._RULES[Mine, ours.Normal]
    ours._kl._FOUND.clear()
