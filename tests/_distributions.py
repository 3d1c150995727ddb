"""The cases and comparisons of the tests of distributions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import pyrite

torch: Any = pytest.importorskip("torch", reason="torch is the oracle")


@dataclass
class Case:
    """One distribution: its parameters (lists become tensors) and values to score."""

    name: str
    parameters: dict[str, Any]
    values: Any
    event: bool = False  # whether the last dim of a value is the event
    matrix: bool = False


def spd(n: int, seed: int) -> np.ndarray:
    a = np.random.default_rng(seed).standard_normal((n, n))
    return a @ a.T + n * np.eye(n)


LOC, SCALE, RATE = [-0.7, 0.4, 1.3], [0.5, 1.0, 2.2], [0.3, 1.0, 4.5]
WIDE, RIGHT = [[-2.0, 0.1, 3.0], [1.1, -0.4, 0.9]], [[0.2, 1.1, 3.0], [2.5, 0.4, 0.9]]
INSIDE, COUNTS = [[0.2, 0.5, 0.9], [0.7, 0.31, 0.05]], [[0.0, 1.0, 3.0], [2.0, 0.0, 4.0]]
BITS, CHANCE = [[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]], [0.2, 0.5, 0.93]
SIMPLEX = [[0.2, 0.5, 0.3], [0.6, 0.1, 0.3]]
ONE_HOT = [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
COV, TRIL = spd(3, 1), np.linalg.cholesky(spd(3, 2))
LOG_SIMPLEX = np.log(np.array(SIMPLEX)).tolist()
CORR = np.linalg.cholesky(np.array([[1, 0.3, -0.2], [0.3, 1, 0.1], [-0.2, 0.1, 1]]))

CASES = [
    Case("Bernoulli", {"probs": CHANCE}, BITS),
    Case("Bernoulli", {"logits": LOC}, BITS),
    Case("Beta", {"concentration1": SCALE, "concentration0": RATE}, INSIDE),
    Case("Binomial", {"total_count": 5, "probs": CHANCE}, COUNTS),
    Case("Binomial", {"total_count": [4.0, 4.0, 4.0], "logits": LOC}, COUNTS),
    Case("Categorical", {"probs": SIMPLEX}, [0, 2]),
    Case("Categorical", {"logits": LOC}, [0, 1, 2]),
    Case("Cauchy", {"loc": LOC, "scale": SCALE}, WIDE),
    Case("Chi2", {"df": RATE}, RIGHT),
    Case("ContinuousBernoulli", {"probs": [0.2, 0.5, 0.93]}, INSIDE),
    Case("ContinuousBernoulli", {"logits": LOC}, INSIDE),
    Case("Dirichlet", {"concentration": [[0.5, 1.0, 3.0], [0.2, 0.7, 0.4]]}, SIMPLEX, True),
    Case("Exponential", {"rate": RATE}, RIGHT),
    Case("FisherSnedecor", {"df1": [1.5, 3.0, 8.0], "df2": [1.0, 3.5, 9.0]}, RIGHT),
    Case("Gamma", {"concentration": SCALE, "rate": RATE}, RIGHT),
    Case(
        "GeneralizedPareto",
        {"loc": [0.0, 0.1, 0.0], "scale": SCALE, "concentration": [-0.3, 0.0, 0.4]},
        [[0.2, 1.1, 3.0], [0.5, 0.4, 0.9]],
    ),
    Case("Geometric", {"probs": CHANCE}, COUNTS),
    Case("Geometric", {"logits": LOC}, COUNTS),
    Case("Gumbel", {"loc": LOC, "scale": SCALE}, WIDE),
    Case("HalfCauchy", {"scale": SCALE}, RIGHT),
    Case("HalfNormal", {"scale": SCALE}, RIGHT),
    Case("InverseGamma", {"concentration": [0.5, 1.5, 4.0], "rate": RATE}, RIGHT),
    Case("Kumaraswamy", {"concentration1": SCALE, "concentration0": RATE}, INSIDE),
    Case("LKJCholesky", {"dim": 3, "concentration": SCALE}, [CORR.tolist()], True, True),
    Case("Laplace", {"loc": LOC, "scale": SCALE}, WIDE),
    Case("LogNormal", {"loc": LOC, "scale": SCALE}, RIGHT),
    Case("LogisticNormal", {"loc": [0.1, -0.5], "scale": [0.5, 1.5]}, SIMPLEX, True),
    Case(
        "LowRankMultivariateNormal",
        {"loc": LOC, "cov_factor": [[0.5, 1.0], [0.2, 0.0], [-0.3, 0.8]], "cov_diag": RATE},
        WIDE,
        True,
        True,
    ),
    Case("Multinomial", {"total_count": 4, "probs": SIMPLEX}, [[1.0, 2.0, 1.0], [0, 0, 4.0]], True),
    Case("MultivariateNormal", {"loc": LOC, "covariance_matrix": COV}, WIDE, True, True),
    Case("MultivariateNormal", {"loc": LOC, "precision_matrix": COV}, WIDE, True, True),
    Case("MultivariateNormal", {"loc": [LOC, RATE], "scale_tril": TRIL}, WIDE, True, True),
    Case("NegativeBinomial", {"total_count": RATE, "probs": CHANCE}, COUNTS),
    Case("NegativeBinomial", {"total_count": 3, "logits": LOC}, COUNTS),
    Case("Normal", {"loc": LOC, "scale": SCALE}, WIDE),
    Case("Normal", {"loc": 0.5, "scale": SCALE}, WIDE),
    Case("OneHotCategorical", {"probs": SIMPLEX}, ONE_HOT, True),
    Case("OneHotCategoricalStraightThrough", {"logits": LOC}, ONE_HOT, True),
    Case("Pareto", {"scale": [0.1, 0.2, 0.3], "alpha": [0.8, 1.5, 4.0]}, RIGHT),
    Case("Poisson", {"rate": RATE}, COUNTS),
    Case("RelaxedBernoulli", {"temperature": [0.7], "probs": CHANCE}, INSIDE),
    Case("RelaxedOneHotCategorical", {"temperature": [0.7], "logits": LOC}, SIMPLEX, True),
    Case("StudentT", {"df": [0.8, 1.5, 4.0], "loc": LOC, "scale": SCALE}, WIDE),
    Case("Uniform", {"low": [0.0, 0.2, -1.0], "high": [1.0, 3.5, 4.0]}, INSIDE),
    Case("VonMises", {"loc": LOC, "concentration": RATE}, WIDE),
    Case("Weibull", {"scale": SCALE, "concentration": RATE}, RIGHT),
    Case("Wishart", {"df": [4.0, 5.5], "covariance_matrix": COV}, [COV.tolist()] * 2, True, True),
    Case("Wishart", {"df": 4.5, "scale_tril": TRIL}, [COV.tolist()], True, True),
]
BY_NAME = {c.name: c for c in reversed(CASES)}
IDS = [f"{c.name}-{i}" for i, c in enumerate(CASES)]
SCALARS = [c for c in CASES if not c.event]
each = pytest.mark.parametrize("case", CASES, ids=IDS)


def as_tensor(lib: Any, value: Any, grad: bool = False) -> Any:
    array = np.array(value)
    made = pyrite.from_numpy(array) if lib is pyrite else torch.from_numpy(array)
    return made.requires_grad_() if grad and array.dtype.kind == "f" else made


def build(lib: Any, case: Case, grad: bool = False, **more: Any) -> Any:
    tensors = {
        k: as_tensor(lib, v, grad) if isinstance(v, list | np.ndarray) else v
        for k, v in case.parameters.items()
    }
    return getattr(lib.distributions, case.name)(**tensors, **more), tensors


def both(case: Case, grad: bool = False) -> tuple[Any, Any]:
    return build(pyrite, case, grad)[0], build(torch, case, grad)[0]


def host(tensor: Any) -> np.ndarray:
    return tensor.detach().numpy()


def same(a: Any, b: Any, rtol: float = 1e-6, atol: float = 1e-9) -> None:
    if isinstance(b, torch.Tensor):
        assert tuple(a.shape) == tuple(b.shape)
        assert str(a.dtype).split(".")[-1] == str(b.dtype).split(".")[-1]
        np.testing.assert_allclose(host(a), host(b), rtol=rtol, atol=atol)
    else:
        assert a == b


def outcome(call: Callable[[], Any]) -> Any:
    """The result, or the class of the error."""
    try:
        return call()
    except (NotImplementedError, ValueError, RuntimeError, AssertionError, TypeError) as error:
        return type(error)


PARTS: dict[str, Callable[[Any, Any], Any]] = {
    "mean": lambda d, v: d.mean,
    "mode": lambda d, v: d.mode,
    "variance": lambda d, v: d.variance,
    "stddev": lambda d, v: d.stddev,
    "entropy": lambda d, v: d.entropy(),
    "perplexity": lambda d, v: d.perplexity(),
    "log_prob": lambda d, v: d.log_prob(v),
    "cdf": lambda d, v: d.cdf(v),
    "enumerate": lambda d, v: d.enumerate_support(),
    "enumerate_narrow": lambda d, v: d.enumerate_support(expand=False),
    "has_rsample": lambda d, v: bool(d.has_rsample),
    "has_enumerate_support": lambda d, v: bool(d.has_enumerate_support),
    "batch_shape": lambda d, v: tuple(d.batch_shape),
    "event_shape": lambda d, v: tuple(d.event_shape),
    "support_dims": lambda d, v: (d.support.event_dim, d.support.is_discrete),
    "support": lambda d, v: d.support.check(v),
    "names": lambda d, v: list(d.arg_constraints),
    "constraints": lambda d, v: repr(list(d.arg_constraints.values())).replace("pyrite", "torch"),
}
