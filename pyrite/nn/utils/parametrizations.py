"""Parametrizations at hand: orthogonal, weight_norm, spectral_norm."""

from __future__ import annotations

from typing import Any

from ..._composites.norm import norm_except_dim
from ..._dtypes import finfo
from ..._exports import EXPORTS
from ..._tensor import F
from ...autograd.modes import no_grad
from ...linalg import householder_product, solve
from ..functional import normalize
from ..modules.module import Module
from ._norms import as_matrix, check_iterations, default_dim, power_method, start_vector, weight_of
from .parametrize import register_parametrization

__all__ = ["orthogonal", "spectral_norm", "weight_norm"]


def _function(name: str) -> Any:
    return EXPORTS[""][name]()


_MAPS = ("matrix_exp", "cayley", "householder")


def _is_orthogonal(q: Any) -> bool:
    n, k = q.shape[-2:]
    identity = _function("eye")(k, dtype=q.dtype, device=q.device)
    return bool(_function("allclose")(q.mH @ q, identity, atol=10.0 * n * finfo(q.dtype).eps))


def _make_orthogonal(a: Any) -> Any:
    """The Q of QR with a positive diagonal of R, so that equal matrices give equal results."""
    x, tau = _function("geqrf")(a)
    return householder_product(x, tau) * x.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _Orthogonal(Module):
    """A matrix with orthonormal columns (or rows, if there are fewer) from any matrix.

    With `base` (trivialization) it is the base times an orthogonal matrix, which starts as the
    identity.
    """

    base: Any

    def __init__(self, weight: Any, orthogonal_map: str, *, use_trivialization: bool) -> None:
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.shape, self.orthogonal_map = weight.shape, orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def forward(self, x: Any) -> Any:
        wide = x.shape[-2] < x.shape[-1]
        x = x.mT if wide else x
        q = self._from_reflections(x) if self.orthogonal_map == "householder" else self._skew(x)
        if hasattr(self, "base"):
            q = self.base @ q
        return q.mT if wide else q

    def _from_reflections(self, x: Any) -> Any:
        a = x.tril(diagonal=-1)
        tau = 2.0 / (1.0 + (a * a).sum(dim=-2))
        signs = x.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        return householder_product(a, tau) * signs

    def _skew(self, x: Any) -> Any:
        """The exponential or Cayley map of the skew-symmetric matrix of the lower triangle."""
        n, k = x.shape[-2:]
        x = x.tril()
        if n != k:
            blank = x.new_zeros((*x.shape[:-1], n - k))
            x = F.cat([x, blank], -1)
        a = x - x.mH
        if self.orthogonal_map == "matrix_exp":
            q = _function("matrix_exp")(a)
        else:
            identity = _function("eye")(n, dtype=a.dtype, device=a.device)
            q = solve(identity - 0.5 * a, identity + 0.5 * a)
        return q[..., :k]

    @no_grad()
    def right_inverse(self, q: Any) -> Any:
        """What gives this matrix, which is made orthogonal first if it is not."""
        if q.shape != self.shape:
            raise ValueError(
                f"Expected a matrix or batch of matrices of shape {self.shape}. Got a tensor of "
                f"shape {q.shape}."
            )
        wide = q.shape[-2] < q.shape[-1]
        tall = q.mT if wide else q
        if not hasattr(self, "base"):
            result = self._reflections(tall)
            return result.mT if wide else result
        n, k = tall.shape[-2:]
        if n == k:
            self.base = tall.clone() if _is_orthogonal(tall) else _make_orthogonal(tall)
        else:
            rest = _function("randn")(*tall.shape[:-1], n - k, dtype=q.dtype, device=q.device)
            self.base = _make_orthogonal(F.cat([tall, rest], -1))
        start = F.zeros_like(q)
        start.diagonal(dim1=-2, dim2=-1).fill_(-1.0)
        return start

    def _reflections(self, q: Any) -> Any:
        if self.orthogonal_map != "householder":
            raise NotImplementedError(
                "It is not possible to assign to the matrix exponential or the Cayley "
                "parametrizations when use_trivialization=False."
            )
        a, tau = _function("geqrf")(q)
        diagonal = a.diagonal(dim1=-2, dim2=-1)
        signs = diagonal.sign()
        diagonal.copy_(F.where(tau == 0.0, -signs, signs))
        return a


def orthogonal(
    module: Module, name: str = "weight", orthogonal_map: str | None = None, *,
    use_trivialization: bool = True,
) -> Module:  # fmt: skip
    """Keep a matrix orthogonal: its columns (rows, if there are fewer) orthonormal.

    Args:
        module: whose tensor.
        name: the attribute, (..., rows, columns).
        orthogonal_map: "matrix_exp", "cayley" or "householder"; by default the first for square
            and complex matrices, else the last.
        use_trivialization: optimize around a base (Lezcano-Casado, 2019).
    """
    weight = weight_of(module, name)
    if weight.ndim < 2:
        raise ValueError(
            f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions."
        )
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1]
        orthogonal_map = "matrix_exp" if square or weight.is_complex() else "householder"
    if orthogonal_map not in _MAPS:
        raise ValueError(
            'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: '
            f"{orthogonal_map}"
        )
    made = _Orthogonal(weight, orthogonal_map, use_trivialization=use_trivialization)
    return register_parametrization(module, name, made, unsafe=True)


class _WeightNorm(Module):
    """Length and direction as two tensors."""

    def __init__(self, dim: int | None = 0) -> None:
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g: Any, weight_v: Any) -> Any:
        return weight_v * (weight_g / norm_except_dim(weight_v, 2, self.dim))

    def right_inverse(self, weight: Any) -> Any:
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module: Module, name: str = "weight", dim: int | None = 0) -> Module:
    """Length and direction of a weight as two parameters (Salimans & Kingma, 2016).

    Args:
        module: whose tensor; files of the older `nn.utils.weight_norm` load too.
        name: the attribute.
        dim: lengths are per index of this dimension; None for one of the whole.
    """
    register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def rename(state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        keys = f"{prefix}{name}_g", f"{prefix}{name}_v"
        if all(key in state_dict for key in keys):
            for i, key in enumerate(keys):
                state_dict[f"{prefix}parametrizations.{name}.original{i}"] = state_dict.pop(key)

    module._register_load_state_dict_pre_hook(rename)
    return module


class _SpectralNorm(Module):
    """A weight over its largest singular value, which power iterations follow in training."""

    _u: Any
    _v: Any

    def __init__(
        self, weight: Any, n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12
    ) -> None:
        super().__init__()
        ndim = weight.ndim
        if not -ndim <= dim < ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{ndim}, {ndim - 1}] but got "
                f"{dim})"
            )
        check_iterations(n_power_iterations)
        self.dim, self.eps = dim % ndim, eps
        if ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight, self.dim)
            self.register_buffer("_u", start_vector(weight, matrix.shape[0], eps))
            self.register_buffer("_v", start_vector(weight, matrix.shape[1], eps))
            power_method(matrix, self._u, self._v, 15, eps, first="u")

    def forward(self, weight: Any) -> Any:
        if weight.ndim == 1:
            return normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_method(matrix, self._u, self._v, self.n_power_iterations, self.eps, first="u")
        u, v = F.clone(self._u), F.clone(self._v)
        return weight / _function("vdot")(u, _function("mv")(matrix, v))

    def right_inverse(self, value: Any) -> Any:
        return value


def spectral_norm(
    module: Module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12,
    dim: int | None = None,
) -> Module:  # fmt: skip
    """Divide a weight by its largest singular value (Miyato et al., 2018).

    Args:
        module: whose tensor.
        name: the attribute.
        n_power_iterations: per forward in training.
        eps: least norm that a vector is divided by.
        dim: of the outputs; 1 for transposed convolutions, else 0 by default.
    """
    dim = default_dim(module) if dim is None else dim
    made = _SpectralNorm(weight_of(module, name), n_power_iterations, dim, eps)
    return register_parametrization(module, name, made)
