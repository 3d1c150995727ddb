"""`pyrite.distributions`: probability distributions, transforms, constraints, divergences."""

import sys
from types import ModuleType

from . import constraints, transforms
from . import _parameters, _kl
from ._categorical import (
    Categorical, ExpRelaxedCategorical, Multinomial, OneHotCategorical,
    OneHotCategoricalStraightThrough,
)  # fmt: skip
from ._compound import Independent, MixtureSameFamily, TransformedDistribution
from ._continuous import (
    Cauchy, GeneralizedPareto, Gumbel, Laplace, Normal, StudentT, Uniform, VonMises
)  # fmt: skip
from ._discrete import (
    Bernoulli, Binomial, ContinuousBernoulli, Geometric, LogitRelaxedBernoulli, NegativeBinomial,
    Poisson,
)  # fmt: skip
from ._distribution import Distribution, ExponentialFamily
from ._gamma import Beta, Chi2, Dirichlet, Exponential, FisherSnedecor, Gamma
from ._kl import kl_divergence, register_kl
from ._matrix import LKJCholesky, LowRankMultivariateNormal, MultivariateNormal, Wishart
from ._registry import ConstraintRegistry, biject_to, transform_to
from ._transformed import (
    HalfCauchy, HalfNormal, InverseGamma, Kumaraswamy, LogisticNormal, LogNormal, Pareto,
    RelaxedBernoulli, RelaxedOneHotCategorical, Weibull,
)  # fmt: skip
from .transforms import *  # noqa: F403

# torch's module of each group of names, which are paths for programs that import from them.
_PATHS = {
    "bernoulli": "Bernoulli", "beta": "Beta", "binomial": "Binomial",
    "categorical": "Categorical", "cauchy": "Cauchy", "chi2": "Chi2",
    "constraint_registry": "ConstraintRegistry biject_to transform_to",
    "continuous_bernoulli": "ContinuousBernoulli", "dirichlet": "Dirichlet",
    "distribution": "Distribution", "exp_family": "ExponentialFamily",
    "exponential": "Exponential", "fishersnedecor": "FisherSnedecor", "gamma": "Gamma",
    "generalized_pareto": "GeneralizedPareto", "geometric": "Geometric", "gumbel": "Gumbel",
    "half_cauchy": "HalfCauchy", "half_normal": "HalfNormal", "independent": "Independent",
    "inverse_gamma": "InverseGamma", "kl": "kl_divergence register_kl",
    "kumaraswamy": "Kumaraswamy", "laplace": "Laplace", "lkj_cholesky": "LKJCholesky",
    "log_normal": "LogNormal", "logistic_normal": "LogisticNormal",
    "lowrank_multivariate_normal": "LowRankMultivariateNormal",
    "mixture_same_family": "MixtureSameFamily", "multinomial": "Multinomial",
    "multivariate_normal": "MultivariateNormal", "negative_binomial": "NegativeBinomial",
    "normal": "Normal", "one_hot_categorical": "OneHotCategorical OneHotCategoricalStraightThrough",
    "pareto": "Pareto", "poisson": "Poisson",
    "relaxed_bernoulli": "LogitRelaxedBernoulli RelaxedBernoulli",
    "relaxed_categorical": "ExpRelaxedCategorical RelaxedOneHotCategorical",
    "studentT": "StudentT", "transformed_distribution": "TransformedDistribution",
    "uniform": "Uniform", "von_mises": "VonMises", "weibull": "Weibull", "wishart": "Wishart",
}  # fmt: skip
for _path, _names in _PATHS.items():
    _module = ModuleType(f"{__name__}.{_path}", f"{_names} under torch's path.")
    _module.__dict__.update({n: globals()[n] for n in _names.split()})
    sys.modules[_module.__name__] = globals()[_path] = _module
utils = sys.modules[f"{__name__}.utils"] = _parameters

_BESIDE = {"ConstraintRegistry", "ExpRelaxedCategorical", "LogitRelaxedBernoulli", "ModuleType"}
_FUNCTIONS = {"biject_to", "identity_transform", "kl_divergence", "register_kl", "transform_to"}
__all__ = [n for n in dir() if n in _FUNCTIONS or (n[0].isupper() and n not in _BESIDE)]
