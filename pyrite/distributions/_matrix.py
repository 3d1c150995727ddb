"""Multivariate normal distributions and distributions of matrices."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import linalg
from .._dtypes import finfo
from .._tensor import Tensor
from ..autograd.modes import no_grad
from . import _functions as fn
from . import constraints
from ._distribution import Distribution, ExponentialFamily
from ._gamma import Beta
from ._parameters import broadcast_all, lazy_property, size

_LOG_2PI = math.log(2 * math.pi)
_MATRIX: dict[str, Any] = {
    "covariance_matrix": constraints.positive_definite,
    "precision_matrix": constraints.positive_definite,
    "scale_tril": constraints.lower_cholesky,
}


def _column(matrix: Tensor, vector: Tensor) -> Tensor:
    """Matrices times vectors."""
    return (matrix @ vector.unsqueeze(-1)).squeeze(-1)


def half_log_det(tril: Tensor) -> Tensor:
    """Half the log determinant of tril @ tril.mT."""
    return tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)


def _eye(like: Tensor) -> Tensor:
    return fn.eye(like.shape[-1], dtype=like.dtype, device=like.device)


def _tril_of_precision(precision: Tensor) -> Tensor:
    """The Cholesky factor of the inverse, by factoring from the last row upwards."""
    upper = linalg.cholesky(precision.flip((-2, -1))).flip((-2, -1))
    return linalg.solve_triangular(upper.mT, _eye(precision), upper=False)


class _Covariance(Distribution):
    """A distribution with a matrix given as a covariance, a precision or a Cholesky factor.

    The other forms are made when first read.
    """

    _error: type[Exception] = ValueError

    def _set_matrix(self, matrices: tuple[Any, Any, Any], shape: Any) -> tuple[Any, Tensor]:
        """Keep the one matrix given, expanded to the batch dims of `shape` too; those, and it."""
        given = [(n, m) for n, m in zip(_MATRIX, matrices) if m is not None]
        if len(given) != 1:
            raise self._error(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be "
                "specified."
            )
        ((name, matrix),) = given
        if matrix.ndim < 2:
            raise ValueError(
                f"{name} matrix must be at least two-dimensional, with optional leading batch "
                f"dimensions, got shape {tuple(matrix.shape)}"
            )
        batch = fn.broadcast_shapes(matrix.shape[:-2], shape)
        self.__dict__[name] = matrix.expand((*batch, -1, -1))
        return size(batch), matrix

    def _factor(self) -> None:
        """Factor the matrix, once it has been checked."""
        if "scale_tril" in self.__dict__:
            tril = self.__dict__["scale_tril"]
        elif "covariance_matrix" in self.__dict__:
            tril = linalg.cholesky(self.covariance_matrix)
        else:
            tril = _tril_of_precision(self.precision_matrix)
        self._unbroadcasted_scale_tril = tril

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The lower Cholesky factor of the covariance."""
        return self._unbroadcasted_scale_tril

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance, or scale matrix."""
        return self._unbroadcasted_scale_tril @ self._unbroadcasted_scale_tril.mT

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance."""
        tril = self._unbroadcasted_scale_tril
        root = linalg.solve_triangular(tril, _eye(tril), upper=False)
        return root.mT @ root


class _Gaussian(Distribution):
    """Normal vectors, by the log determinant of their covariance and the distance that it gives."""

    support = constraints.real_vector
    has_rsample = True
    mean = mode = property(lambda self: self.loc)
    _log_det: Any
    _mahalanobis: Any

    def log_prob(self, value: Any) -> Tensor:
        distance = self._mahalanobis(self._checked(value) - self.loc)
        return -0.5 * (self._event_shape[0] * _LOG_2PI + self._log_det() + distance)

    def entropy(self) -> Tensor:
        return 0.5 * (self._event_shape[0] * (1.0 + _LOG_2PI) + self._log_det())


class MultivariateNormal(_Covariance, _Gaussian):
    """Normal vectors of mean `loc` (..., n) with one of three matrices (..., n, n)."""

    arg_constraints: Any = {"loc": constraints.real_vector, **_MATRIX}

    def __init__(
        self, loc: Tensor, covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None, scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        matrices = covariance_matrix, precision_matrix, scale_tril
        batch, _ = self._set_matrix(matrices, loc.shape[:-1])
        self.loc = loc.expand((*batch, -1))
        super().__init__(batch, self.loc.shape[-1:], validate_args=validate_args)
        self._factor()

    @property
    def variance(self) -> Tensor:
        return self._unbroadcasted_scale_tril.square().sum(-1)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        like, shape = self.loc, self._extended_shape(sample_shape)
        noise = fn.randn(shape, dtype=like.dtype, device=like.device)
        return like + _column(self._unbroadcasted_scale_tril, noise)

    def _log_det(self) -> Tensor:
        return 2 * half_log_det(self._unbroadcasted_scale_tril)

    def _mahalanobis(self, x: Tensor) -> Tensor:
        """x . inverse(covariance) x, over the last dim."""
        root = linalg.solve_triangular(self.scale_tril, x.unsqueeze(-1), upper=False)
        return root.square().sum((-2, -1))


class LowRankMultivariateNormal(_Gaussian):
    """Normal vectors of covariance cov_factor @ cov_factor.mT + diag(cov_diag).

    Args:
        loc: means (..., n).
        cov_factor: (..., n, rank).
        cov_diag: (..., n), positive.
        validate_args: as for `Distribution`.
    """

    arg_constraints: Any = {
        "loc": constraints.real_vector, "cov_factor": constraints.independent(constraints.real, 2),
        "cov_diag": constraints.independent(constraints.positive, 1),
    }  # fmt: skip

    def __init__(
        self, loc: Tensor, cov_factor: Tensor, cov_diag: Tensor, validate_args: bool | None = None
    ) -> None:
        if loc.ndim < 1 or cov_factor.ndim < 2:
            raise ValueError(
                "loc must be at least one-dimensional and cov_factor at least two-dimensional, got "
                f"shapes {tuple(loc.shape)} and {tuple(cov_factor.shape)}"
            )
        event = loc.shape[-1:]
        if cov_factor.shape[-2:-1] != event or cov_diag.shape[-1:] != event:
            raise ValueError(
                f"cov_factor must be a batch of matrices with shape {event[0]} x m and cov_diag of "
                f"vectors with shape {tuple(event)}, got {tuple(cov_factor.shape)} and "
                f"{tuple(cov_diag.shape)}"
            )
        shapes = loc.shape[:-1], cov_factor.shape[:-2], cov_diag.shape[:-1]
        try:
            batch = size(fn.broadcast_shapes(*shapes))
        except RuntimeError as error:
            raise ValueError(f"Incompatible batch shapes: {shapes}") from error
        self.loc, self.cov_diag = loc.expand(batch + event), cov_diag.expand(batch + event)
        self.cov_factor = cov_factor.expand(batch + cov_factor.shape[-2:])
        super().__init__(batch, event, validate_args=validate_args)

    @lazy_property
    def _capacitance_tril(self) -> Tensor:
        """The Cholesky factor of 1 + W.mT inverse(D) W."""
        inner = self.cov_factor.mT / self.cov_diag.unsqueeze(-2) @ self.cov_factor
        return linalg.cholesky(inner + _eye(inner))

    @lazy_property
    def scale_tril(self) -> Tensor:
        """The Cholesky factor of the covariance."""
        return linalg.cholesky(self.covariance_matrix)

    @lazy_property
    def covariance_matrix(self) -> Tensor:
        """The covariance as a full matrix."""
        return self.cov_factor @ self.cov_factor.mT + self.cov_diag.diag_embed()

    @lazy_property
    def precision_matrix(self) -> Tensor:
        """The inverse of the covariance, by Woodbury's identity."""
        return self.cov_diag.reciprocal().diag_embed() - self._correction.mT @ self._correction

    @property
    def _correction(self) -> Tensor:
        ratio = self.cov_factor.mT / self.cov_diag.unsqueeze(-2)
        return linalg.solve_triangular(self._capacitance_tril, ratio, upper=False)

    def _log_det(self) -> Tensor:
        return 2 * half_log_det(self._capacitance_tril) + self.cov_diag.log().sum(-1)

    def _mahalanobis(self, x: Tensor) -> Tensor:
        return (x.square() / self.cov_diag).sum(-1) - _column(self._correction, x).square().sum(-1)

    @property
    def variance(self) -> Tensor:
        return self.cov_factor.square().sum(-1) + self.cov_diag

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        like, shape = self.loc, self._extended_shape(sample_shape)
        inner = shape[:-1] + self.cov_factor.shape[-1:]
        noise = (fn.randn(s, dtype=like.dtype, device=like.device) for s in (inner, shape))
        return like + _column(self.cov_factor, next(noise)) + self.cov_diag.sqrt() * next(noise)


class Wishart(_Covariance, ExponentialFamily):
    """Sums of outer products of `df` normal vectors: positive definite matrices (..., n, n).

    ValueError for `df` not above n - 1; a warning below n, where samples are nearly singular.
    """

    support = constraints.positive_definite
    has_rsample = True
    _error = AssertionError
    _mean_carrier_measure = 0

    def __init__(
        self, df: Any, covariance_matrix: Tensor | None = None,
        precision_matrix: Tensor | None = None, scale_tril: Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:  # fmt: skip
        matrices = covariance_matrix, precision_matrix, scale_tril
        batch, like = self._set_matrix(matrices, getattr(df, "shape", ()))
        self.df = fn.as_tensor(df, dtype=like.dtype, device=like.device).expand(batch)
        n = like.shape[-1]
        if (self.df <= n - 1).any():
            raise ValueError(f"Value of df={df} expected to be greater than ndim - 1 = {n - 1}.")
        if (self.df < n).any():
            warnings.warn(
                "Low df values detected. Singular samples are highly likely to occur for ndim - 1 <"
                " df < ndim.", stacklevel=2,
            )  # fmt: skip
        super().__init__(batch, like.shape[-2:], validate_args=validate_args)
        self._factor()

    @property
    def arg_constraints(self) -> dict[str, Any]:
        return {**_MATRIX, "df": constraints.greater_than(self._event_shape[-1] - 1)}

    def _each(self, values: Tensor) -> Tensor:
        """One number per matrix."""
        return values.reshape((*values.shape, 1, 1))

    @property
    def mean(self) -> Tensor:
        return self._each(self.df) * self.covariance_matrix

    @property
    def mode(self) -> Tensor:
        factor = self.df - self._event_shape[-1] - 1
        return self._each(factor.masked_fill(factor <= 0, math.nan)) * self.covariance_matrix

    @property
    def variance(self) -> Tensor:
        v = self.covariance_matrix
        diagonal = v.diagonal(dim1=-2, dim2=-1)
        outer = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2)
        return self._each(self.df) * (v.square() + outer)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """By Bartlett's decomposition."""
        shape, tril = self._extended_shape(sample_shape), self._unbroadcasted_scale_tril
        below = fn.randn(shape, dtype=tril.dtype, device=tril.device).tril(-1)
        order = fn.arange(shape[-1], dtype=tril.dtype, device=tril.device)
        half = (self.df.unsqueeze(-1) - order) / 2
        diagonal = (2 * fn._standard_gamma(half.expand(shape[:-1]))).sqrt()
        diagonal = diagonal.clamp(min=finfo(tril.dtype).eps)
        root = tril @ (below + diagonal.diag_embed())
        return root @ root.mT

    def _log_normal(self) -> Tensor:
        p = self._event_shape[-1]
        half = half_log_det(self._unbroadcasted_scale_tril)
        return self.df * (p * math.log(2) / 2 + half) + (self.df / 2).mvlgamma(p)

    def log_prob(self, value: Any) -> Tensor:
        p = self._event_shape[-1]
        log_det = linalg.slogdet(self._checked(value)).logabsdet
        trace = (self.precision_matrix * value).sum((-2, -1))
        return (self.df - p - 1) / 2 * log_det - trace / 2 - self._log_normal()

    def entropy(self) -> Tensor:
        nu, p = self.df, self._event_shape[-1]
        order = fn.arange(p, dtype=nu.dtype, device=nu.device)
        slope = ((nu.unsqueeze(-1) - order) / 2).digamma().sum(-1)
        log_det = p * math.log(2) + 2 * half_log_det(self._unbroadcasted_scale_tril)
        return self._log_normal() - (nu - p - 1) / 2 * (slope + log_det) + nu * p / 2

    @property
    def _natural_params(self) -> tuple[Tensor, Tensor]:
        return -self.precision_matrix / 2, (self.df - self._event_shape[-1] - 1) / 2

    def _log_normalizer(self, x: Tensor, y: Tensor) -> Tensor:
        p = self._event_shape[-1]
        half = y + (p + 1) / 2
        return half * (p * math.log(2) - linalg.slogdet(-2 * x).logabsdet) + half.mvlgamma(p)


class LKJCholesky(Distribution):
    """Cholesky factors of random correlation matrices (..., dim, dim).

    Uniform over matrices at `concentration` 1. Source: Lewandowski, Kurowicka and Joe,
    "Generating random correlation matrices based on vines and extended onion method" (2009).
    """

    arg_constraints: Any = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(
        self, dim: int, concentration: Any = 1.0, validate_args: bool | None = None
    ) -> None:
        if dim < 2:
            raise ValueError(
                f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}."
            )
        self.dim = dim
        (self.concentration,) = broadcast_all(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args=validate_args)

    def sample(self, sample_shape: Any = ()) -> Tensor:
        """Row by row: a direction on a sphere and the square of its length from a beta."""
        like, shape = self.concentration, self._extended_shape(sample_shape)
        with no_grad():
            order = fn.arange(self.dim, dtype=like.dtype, device=like.device)
            row = (order - 1).clamp(min=0.0)
            rest = (like + 0.5 * (self.dim - 2)).unsqueeze(-1) - 0.5 * row
            length = Beta(row + 0.5, rest).sample(size(sample_shape)).unsqueeze(-1)
            noise = fn.randn(shape, dtype=like.dtype, device=like.device).tril(-1)
            norm = noise.square().sum(-1, True).sqrt()
            w = length.sqrt() * fn.where(norm > 0, noise / norm, 0.0)
            left = (1 - w.square().sum(-1)).clamp(min=finfo(w.dtype).tiny)
            return w + left.sqrt().diag_embed()

    def log_prob(self, value: Any) -> Tensor:
        like, n = self.concentration, self.dim - 1
        diagonal = self._checked(value).diagonal(dim1=-2, dim2=-1)[..., 1:]
        order = fn.arange(n - 1, -1, -1, dtype=like.dtype, device=like.device)
        order = 2 * (like - 1).unsqueeze(-1) + order
        alpha = like + 0.5 * n
        normal = 0.5 * n * math.log(math.pi) + (alpha - 0.5).mvlgamma(n) - n * alpha.lgamma()
        return (order * diagonal.log()).sum(-1) - normal
