"""Compound distributions, transforms, constraints, errors and paths, against torch's."""

from __future__ import annotations

import importlib
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from _distributions import (
    BY_NAME,
    COV,
    INSIDE,
    LOC,
    PARTS,
    RIGHT,
    SCALE,
    WIDE,
    as_tensor,
    build,
    host,
    outcome,
    same,
    spd,
)  # fmt: skip

import pyrite
import pyrite.distributions as ours

torch: Any = pytest.importorskip("torch", reason="torch is the oracle")
theirs: Any = torch.distributions

# ---- compounds


def _mixture(lib: Any) -> Any:
    d = lib.distributions
    weights = d.Categorical(as_tensor(lib, [[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]]))
    loc, scale = np.arange(6.0).reshape(3, 2), np.linspace(0.5, 2, 6).reshape(3, 2)
    return d.MixtureSameFamily(weights, d.Normal(as_tensor(lib, loc), as_tensor(lib, scale)))


def _vector_mixture(lib: Any) -> Any:
    d = lib.distributions
    loc = np.arange(6.0).reshape(2, 3)
    part = d.Independent(d.Normal(as_tensor(lib, loc), as_tensor(lib, np.ones((2, 3)))), 1)
    return d.MixtureSameFamily(d.Categorical(as_tensor(lib, [0.3, 0.7])), part)


def _chain(lib: Any) -> Any:
    d = lib.distributions
    steps = [
        d.AffineTransform(0.5, -2.0),
        d.SigmoidTransform(),
        d.PowerTransform(as_tensor(lib, 2.0)),
    ]
    return d.TransformedDistribution(d.Normal(as_tensor(lib, LOC), as_tensor(lib, SCALE)), steps)


def _logistic(lib: Any) -> Any:
    d = lib.distributions
    base = d.Uniform(as_tensor(lib, np.zeros(3)), as_tensor(lib, np.ones(3)))
    return d.TransformedDistribution(base, [d.SigmoidTransform().inv, d.AffineTransform(0.2, 1.5)])


def _reshaped(lib: Any) -> Any:
    d = lib.distributions
    base = d.Normal(as_tensor(lib, np.zeros((2, 4))), as_tensor(lib, np.ones((2, 4))))
    return d.TransformedDistribution(base, [d.ReshapeTransform((4,), (2, 2)), d.ExpTransform()])


COMPOUNDS: list[tuple[Any, Any]] = [
    (_mixture, [0.5, 2.0, 3.0]),
    (_vector_mixture, [0.5, 2.0, 3.0]),
    (_chain, [0.1, 0.5, 0.9]),
    (_logistic, [-0.5, 0.3, 2.0]),
    (_reshaped, [[[0.5, 1.0], [2.0, 0.3]]] * 2),
    (lambda lib: lib.distributions.Independent(build(lib, BY_NAME["Normal"])[0], 1), LOC),
]


@pytest.mark.parametrize(("make", "values"), COMPOUNDS)
def test_compounds_equal_torch(make: Callable[[Any], Any], values: Any) -> None:
    a, b = make(pyrite), make(torch)
    for part in ("log_prob", "cdf", "mean", "variance", "batch_shape", "event_shape", "support"):
        want = outcome(lambda part=part: PARTS[part](b, as_tensor(torch, values)))
        got = outcome(lambda part=part: PARTS[part](a, as_tensor(pyrite, values)))
        same(got, want)
    pyrite.manual_seed(0)
    drawn = a.sample((3,))
    assert tuple(drawn.shape) == tuple(b.sample((3,)).shape)
    same(a.log_prob(drawn), b.log_prob(torch.from_numpy(host(drawn).copy())), 1e-5)
    batch = (5, *tuple(a.batch_shape))
    wide = a.expand(batch)
    assert tuple(wide.sample((2,)).shape) == tuple(b.expand(batch).sample((2,)).shape)
    assert tuple(wide.log_prob(wide.sample()).shape) == batch


def test_compound_quantiles_and_moments() -> None:
    p = [[0.1, 0.5, 0.9]]
    for make in (_chain, _logistic):
        same(make(pyrite).icdf(as_tensor(pyrite, p)), make(torch).icdf(as_tensor(torch, p)))
    pyrite.manual_seed(0)
    mixture = _mixture(pyrite)
    drawn = mixture.sample((20000,))
    np.testing.assert_allclose(host(drawn.mean(0)), host(mixture.mean), atol=0.06)
    np.testing.assert_allclose(host(drawn.var(0)), host(mixture.variance), rtol=0.08)


# ---- transforms

MATRICES = np.stack([spd(3, 3), spd(3, 4)])
TRANSFORMS: list[tuple[Callable[[Any], Any], Any]] = [
    (lambda t: t.ExpTransform(), WIDE),
    (lambda t: t.SigmoidTransform(), WIDE),
    (lambda t: t.SoftplusTransform(), WIDE),
    (lambda t: t.TanhTransform(), WIDE),
    (lambda t: t.AbsTransform(), RIGHT),
    (lambda t: t.PowerTransform(2.5), RIGHT),
    (lambda t: t.AffineTransform(1.5, -0.5), WIDE),
    (lambda t: t.AffineTransform(1.5, 2.0, event_dim=1), WIDE),
    (lambda t: t.SoftmaxTransform(), WIDE),
    (lambda t: t.StickBreakingTransform(), WIDE),
    (lambda t: t.CorrCholeskyTransform(), WIDE),
    (lambda t: t.LowerCholeskyTransform(), MATRICES),
    (lambda t: t.PositiveDefiniteTransform(), MATRICES / 4),
    (lambda t: t.ReshapeTransform((3,), (3, 1)), WIDE),
    (lambda t: t.ComposeTransform([t.AffineTransform(1.0, 2.0), t.ExpTransform()]), WIDE),
    (lambda t: t.ComposeTransform([t.ExpTransform(), t.ReshapeTransform((3,), (1, 3))]), WIDE),
    (lambda t: t.ComposeTransform([]), WIDE),
    (lambda t: t.IndependentTransform(t.ExpTransform(), 1), WIDE),
    (lambda t: t.CatTransform([t.ExpTransform(), t.TanhTransform()], -1, [1, 2]), WIDE),
    (lambda t: t.StackTransform([t.ExpTransform(), t.TanhTransform()], 0), WIDE),
    (lambda t: t.ExpTransform().inv, RIGHT),
]


def _guarded(call: Callable[[], Any]) -> Any:
    """As `outcome`; a missing sign or domain counts too."""
    try:
        return call()
    except (NotImplementedError, AttributeError, ValueError):
        return None


@pytest.mark.parametrize(("make", "values"), TRANSFORMS)
def test_transforms_equal_torch(make: Callable[[Any], Any], values: Any) -> None:
    a, b = make(ours.transforms), make(theirs.transforms)
    x, u = as_tensor(pyrite, values), as_tensor(torch, values)
    y, v = a(x), b(u)
    same(y, v)
    same(a.inv(y), b.inv(v), 1e-5, 1e-8)
    assert a.bijective == b.bijective
    assert a.inv.inv is a
    assert tuple(a.forward_shape(x.shape)) == tuple(b.forward_shape(u.shape)) == tuple(y.shape)
    assert tuple(a.inverse_shape(y.shape)) == tuple(b.inverse_shape(v.shape))
    for part in (
        lambda t: (t.domain.event_dim, t.codomain.event_dim), lambda t: repr(t), lambda t: t.sign,
        lambda t: (t.domain.is_discrete, t.codomain.is_discrete),
    ):  # fmt: skip
        same(_guarded(lambda part=part: part(a)), _guarded(lambda part=part: part(b)))
    assert a.domain.check(x).all()
    assert a.codomain.check(y).all()
    want = _guarded(lambda: b.log_abs_det_jacobian(u, v))
    if want is None:
        with pytest.raises(NotImplementedError):
            a.log_abs_det_jacobian(x, y)
    else:
        same(a.log_abs_det_jacobian(x, y), want)
        same(a.inv.log_abs_det_jacobian(y, x), b.inv.log_abs_det_jacobian(v, u))
    assert a.with_cache()(x) is not None
    assert a == make(ours.transforms)


def test_transforms_cache_and_compare() -> None:
    x = pyrite.randn(3)
    t = ours.ExpTransform(cache_size=1)
    y = t(x)
    assert t.inv(y) is x
    assert t(x) is y
    assert ours.AffineTransform(0.0, 1.0) != ours.AffineTransform(0.0, 2.0)
    assert ours.ExpTransform() != ours.TanhTransform()
    with pytest.raises(ValueError, match="cache_size"):
        ours.ExpTransform(cache_size=2)
    with pytest.raises(ValueError, match="different numbers of elements"):
        ours.ReshapeTransform((2,), (3,))
    normal = ours.Normal(0.0, 1.0)
    u = ours.CumulativeDistributionTransform(normal)(x)
    np.testing.assert_allclose(host(ours.CumulativeDistributionTransform(normal).inv(u)),
                               host(x), rtol=1e-4, atol=1e-5)  # fmt: skip


CONSTRAINTS: list[tuple[Callable[[Any], Any], Any]] = [
    (lambda c: c.real, [0.0, math.nan]),
    (lambda c: c.boolean, [0.0, 0.5, 1.0]),
    (lambda c: c.positive, [0.0, -1.0, 2.0]),
    (lambda c: c.nonnegative, [0.0, -1.0, 2.0]),
    (lambda c: c.less_than(1.5), [0.0, 1.5, 2.0]),
    (lambda c: c.greater_than(1.5), [0.0, 1.5, 2.0]),
    (lambda c: c.greater_than_eq(1.5), [0.0, 1.5, 2.0]),
    (lambda c: c.interval(-1, 2), [-1.0, 2.0, 3.0]),
    (lambda c: c.half_open_interval(-1.0, 2.0), [-1.0, 2.0, 3.0]),
    (lambda c: c.unit_interval, [-1.0, 0.3, 1.0]),
    (lambda c: c.integer_interval(0, 3), [0.0, 0.5, 4.0]),
    (lambda c: c.nonnegative_integer, [0.0, -1.0, 0.5]),
    (lambda c: c.positive_integer, [0.0, 1.0, 0.5]),
    (lambda c: c.one_hot, [[0.0, 1.0], [1.0, 1.0], [0.5, 0.5]]),
    (lambda c: c.simplex, [[0.3, 0.7], [1.2, -0.2], [0.5, 0.6]]),
    (lambda c: c.multinomial(3), [[1.0, 2.0], [2.0, 2.0], [-1.0, 1.0]]),
    (lambda c: c.real_vector, [[0.0, 1.0], [math.nan, 1.0]]),
    (lambda c: c.independent(c.positive, 1), [[0.0, 1.0], [2.0, 1.0]]),
    (lambda c: c.lower_triangular, [[[1.0, 0.0], [2.0, -3.0]], [[1.0, 1.0], [0.0, 1.0]]]),
    (lambda c: c.lower_cholesky, [[[1.0, 0.0], [2.0, -3.0]], [[1.0, 0.0], [2.0, 1.0]]]),
    (lambda c: c.corr_cholesky, [[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.6, 0.7]]]),
    (lambda c: c.square, [[[1.0, 0.0], [2.0, -3.0]]]),
    (lambda c: c.symmetric, [[[1.0, 2.0], [2.0, -3.0]], [[1.0, 2.0], [0.0, -3.0]]]),
    (lambda c: c.positive_definite, [[[1.0, 0.5], [0.5, 1.0]], [[1.0, 2.0], [2.0, 1.0]]]),
    (lambda c: c.positive_semidefinite, [[[2.0, 0.5], [0.5, 1.0]], [[1.0, 2.0], [2.0, 1.0]]]),
    (lambda c: c.cat([c.positive, c.boolean], 0, [2, 1]), [1.0, -1.0, 0.5]),
    (lambda c: c.stack([c.positive, c.boolean], 0), [[1.0, -1.0], [1.0, 0.5]]),
    (lambda c: c.MixtureSameFamilyConstraint(c.positive), [1.0, -1.0]),
]


@pytest.mark.parametrize(("make", "values"), CONSTRAINTS)
def test_constraints_equal_torch(make: Callable[[Any], Any], values: Any) -> None:
    a, b = make(ours.constraints), make(theirs.constraints)
    got, want = a.check(as_tensor(pyrite, values)), b.check(as_tensor(torch, values))
    assert got.tolist() == want.tolist()
    assert (a.event_dim, a.is_discrete) == (b.event_dim, b.is_discrete)
    if not repr(b).startswith(("Cat", "Stack", "Multinomial")):  # which torch shows bare
        assert repr(a) == repr(b)
    for name in ("biject_to", "transform_to"):
        found = outcome(lambda name=name: getattr(theirs, name)(b))
        mine = outcome(lambda name=name: getattr(ours, name)(a))
        if isinstance(found, type):
            assert mine is found
            continue
        assert repr(mine) == repr(found)
        shape = tuple(found.inverse_shape(want.shape + (2,) * b.event_dim))
        x = np.random.default_rng(0).standard_normal(shape)
        same(mine(as_tensor(pyrite, x)), found(as_tensor(torch, x)))


def test_constraints_beside_their_checks() -> None:
    c = ours.constraints
    assert c.is_dependent(ours.Uniform.support)
    assert c.is_dependent(c.dependent)
    assert ours.Uniform.support.event_dim == 0
    with pytest.raises(NotImplementedError, match="statically"):
        assert c.dependent.event_dim
    with pytest.raises(ValueError, match="dependent constraint"):
        c.dependent.check(pyrite.ones(1))
    with pytest.raises(TypeError, match="lower_bound"):
        c.interval(1.0)
    with pytest.raises(NotImplementedError, match="Cannot transform"):
        ours.biject_to(c.boolean)
    with pytest.raises(TypeError, match="Constraint subclass"):
        ours.biject_to.register(int, ours.ExpTransform)
    assert pickle.loads(pickle.dumps(c.interval(0.0, 2.0))).upper_bound == 2.0


# ---- errors and paths

MISTAKES: list[Callable[[Any], Any]] = [
    lambda lib: lib.distributions.Normal(0.0, -1.0),
    lambda lib: lib.distributions.Normal(0.0, 1.0).log_prob(3.0),
    lambda lib: lib.distributions.Normal(0.0, math.nan),
    lambda lib: lib.distributions.Normal("a", 1.0),
    lambda lib: lib.distributions.Normal(lib.zeros(2), lib.ones(3)),
    lambda lib: lib.distributions.Normal(lib.zeros(2), 1.0).log_prob(lib.zeros(3)),
    lambda lib: lib.distributions.Bernoulli(),
    lambda lib: lib.distributions.Bernoulli(0.5, 0.5),
    lambda lib: lib.distributions.Bernoulli(1.5),
    lambda lib: lib.distributions.Bernoulli(0.5).log_prob(lib.tensor(0.5)),
    lambda lib: lib.distributions.Geometric(0.0),
    lambda lib: lib.distributions.Uniform(1.0, 0.0),
    lambda lib: lib.distributions.Uniform(0.0, 1.0).log_prob(lib.tensor(2.0)),
    lambda lib: lib.distributions.Categorical(lib.tensor(0.5)),
    lambda lib: lib.distributions.Categorical(),
    lambda lib: lib.distributions.Categorical(lib.ones(3)).log_prob(lib.tensor(3)),
    lambda lib: lib.distributions.Categorical(lib.tensor([-1.0, 2.0])),
    lambda lib: lib.distributions.Dirichlet(lib.tensor(1.0)),
    lambda lib: lib.distributions.Dirichlet(lib.ones(3)).log_prob(lib.ones(2) / 2),
    lambda lib: lib.distributions.Multinomial(lib.ones(2), lib.ones(2)),
    lambda lib: lib.distributions.LKJCholesky(1),
    lambda lib: lib.distributions.Independent(lib.distributions.Normal(0.0, 1.0), 1),
    lambda lib: lib.distributions.TransformedDistribution(lib.distributions.Normal(0.0, 1.0), 3),
    lambda lib: lib.distributions.MixtureSameFamily(3, lib.distributions.Normal(0.0, 1.0)),
    lambda lib: lib.distributions.MixtureSameFamily(
        lib.distributions.Categorical(lib.ones(3)),
        lib.distributions.Normal(lib.zeros(2), lib.ones(2)),
    ),
    lambda lib: lib.distributions.MultivariateNormal(lib.zeros(2)),
    lambda lib: lib.distributions.MultivariateNormal(lib.zeros(2), lib.ones(2)),
    lambda lib: lib.distributions.MultivariateNormal(lib.tensor(0.0), lib.eye(1)),
    lambda lib: lib.distributions.MultivariateNormal(lib.zeros(2), -lib.eye(2)),
    lambda lib: lib.distributions.LowRankMultivariateNormal(
        lib.zeros(2), lib.ones((3, 1)), lib.ones(2)
    ),
    lambda lib: lib.distributions.Wishart(1.0, lib.eye(3)),
    lambda lib: lib.distributions.Distribution.set_default_validate_args("no"),
    lambda lib: lib.distributions.Beta(1.0, 1.0).cdf(lib.tensor(0.5)),
    lambda lib: lib.distributions.Gamma(1.0, 1.0).icdf(lib.tensor(0.5)),
    lambda lib: lib.distributions.Poisson(1.0).entropy(),
    lambda lib: lib.distributions.Normal(0.0, 1.0).enumerate_support(),
    lambda lib: lib.distributions.Binomial(
        lib.tensor([1.0, 2.0]), lib.tensor([0.5, 0.5])
    ).enumerate_support(),
    lambda lib: lib.distributions.utils.broadcast_all("a"),
    lambda lib: lib.distributions.transforms.CorrCholeskyTransform().forward_shape((4,)),
]


@pytest.mark.parametrize("mistake", MISTAKES, ids=range(len(MISTAKES)))
def test_mistakes_raise_as_in_torch(mistake: Callable[[Any], Any]) -> None:
    with pytest.raises(Exception) as want:
        mistake(torch)
    with pytest.raises(want.type) as got:
        mistake(pyrite)
    assert str(got.value)


def test_messages_name_parameter_constraint_and_values() -> None:
    with pytest.raises(ValueError, match=r"parameter scale \(Tensor of shape \(2,\)\)") as error:
        ours.Normal(0.0, pyrite.tensor([1.0, -2.0]))
    assert "GreaterThan(lower_bound=0.0)" in str(error.value)
    assert "-2." in str(error.value)
    with pytest.raises(ValueError, match=r"within the support \(GreaterThanEq"):
        ours.Exponential(1.0).log_prob(pyrite.tensor(-1.0))
    unchecked = ours.Exponential(pyrite.tensor(-1.0), validate_args=False)
    assert unchecked.log_prob(pyrite.tensor(-1.0)).isnan()


def test_validation_may_be_switched_off() -> None:
    try:
        ours.Distribution.set_default_validate_args(False)
        ours.Normal(0.0, -1.0)
    finally:
        ours.Distribution.set_default_validate_args(True)


def test_a_distribution_of_ones_own() -> None:
    class Shifted(ours.Normal):
        def __init__(self, loc: Any, validate_args: Any = None) -> None:
            super().__init__(loc + 1.0, 1.0, validate_args=validate_args)

    class Bare(ours.Distribution):
        arg_constraints: Any = {}

        def __init__(self, rate: Any) -> None:
            self.rate = rate
            super().__init__(rate.shape)

        def rsample(self, sample_shape: Any = ()) -> Any:
            return pyrite.rand(self._extended_shape(sample_shape)) / self.rate

    assert Shifted(pyrite.zeros(2)).expand((3, 2)).loc.shape == (3, 2)
    bare = Bare(pyrite.ones(2, requires_grad=True))
    assert bare.rsample((4,)).requires_grad
    assert not bare.sample((4,)).requires_grad
    with pytest.warns(UserWarning, match="does not define `support`"):
        bare._validate_sample(pyrite.ones(2))
    with pytest.raises(NotImplementedError, match="Bare has no log_prob"):
        bare.log_prob(pyrite.ones(2))
    with pytest.warns(FutureWarning, match="sample_n"):
        assert bare.sample_n(4).shape == (4, 2)


def test_every_name_and_path_of_torch() -> None:
    assert sorted(ours.__all__) == sorted(theirs.__all__)
    for path in (
        "categorical.Categorical", "normal.Normal", "kl.kl_divergence", "kl.register_kl",
        "constraints.positive", "transforms.ExpTransform", "constraint_registry.biject_to",
        "utils.broadcast_all", "utils.lazy_property", "utils.logits_to_probs", "studentT.StudentT",
        "relaxed_categorical.ExpRelaxedCategorical", "distribution.Distribution",
    ):  # fmt: skip
        module, _, name = path.rpartition(".")
        found = importlib.import_module(f"pyrite.distributions.{module}")
        assert hasattr(found, name), path


def test_helpers_equal_torch() -> None:
    u, v = ours.utils, theirs.utils
    for name, args in {
        "logits_to_probs": [(WIDE,), (WIDE, True)], "probs_to_logits": [(INSIDE,), (INSIDE, True)],
        "clamp_probs": [([[0.0, 0.5, 1.0]],)], "tril_matrix_to_vec": [(COV,), (COV, -1)],
        "vec_to_tril_matrix": [(WIDE, -1), ([1.0, 2.0, 3.0], 0)],
    }.items():  # fmt: skip
        for first, *rest in args:
            got = getattr(u, name)(as_tensor(pyrite, first), *rest)
            same(got, getattr(v, name)(as_tensor(torch, first), *rest))
    a, b = u.broadcast_all(1, pyrite.ones(2, dtype=pyrite.float64))
    assert a.dtype is b.dtype is pyrite.float64
    assert a.shape == (2,)
