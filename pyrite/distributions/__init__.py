"""`pyrite.distributions`: probability distributions, transforms, constraints, divergences."""

import re
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

# torch has a module for each class, under its name; these have others, or more than one name.
_PATHS = {
    "constraint_registry": "ConstraintRegistry biject_to transform_to",
    "exp_family": "ExponentialFamily", "fishersnedecor": "FisherSnedecor",
    "kl": "kl_divergence register_kl", "lowrank_multivariate_normal": "LowRankMultivariateNormal",
    "one_hot_categorical": "OneHotCategorical OneHotCategoricalStraightThrough",
    "relaxed_bernoulli": "LogitRelaxedBernoulli RelaxedBernoulli",
    "relaxed_categorical": "ExpRelaxedCategorical RelaxedOneHotCategorical",
    "studentT": "StudentT",
}  # fmt: skip
_elsewhere = " ".join(_PATHS.values()).split()
for _name, _value in [*globals().items()]:
    if isinstance(_value, type) and issubclass(_value, Distribution) and _name not in _elsewhere:
        _PATHS[re.sub(r"(?<!^)(?=[A-Z][a-z])", "_", _name).lower()] = _name
for _path, _names in _PATHS.items():
    _module = ModuleType(f"{__name__}.{_path}", f"{_names} under torch's path.")
    _module.__dict__.update({n: globals()[n] for n in _names.split()})
    sys.modules[_module.__name__] = globals()[_path] = _module
utils = sys.modules[f"{__name__}.utils"] = _parameters

_BESIDE = {"ConstraintRegistry", "ExpRelaxedCategorical", "LogitRelaxedBernoulli", "ModuleType"}
_FUNCTIONS = {"biject_to", "identity_transform", "kl_divergence", "register_kl", "transform_to"}
__all__ = [n for n in dir() if n in _FUNCTIONS or (n[0].isupper() and n not in _BESIDE)]
