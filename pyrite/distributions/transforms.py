"""Transforms: differentiable maps with a log Jacobian, most of them invertible."""

from __future__ import annotations

import copy
import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from .. import linalg
from .._dtypes import finfo
from .._tensor import Size, Tensor
from . import _functions as fn
from . import constraints
from ._parameters import (
    _sum_rightmost,
    broadcast_all,
    size,
    tril_matrix_to_vec,
    vec_to_tril_matrix,
)

__all__ = [
    "AbsTransform", "AffineTransform", "CatTransform", "ComposeTransform", "CorrCholeskyTransform",
    "CumulativeDistributionTransform", "ExpTransform", "IndependentTransform",
    "LowerCholeskyTransform", "PositiveDefiniteTransform", "PowerTransform", "ReshapeTransform",
    "SigmoidTransform", "SoftmaxTransform", "SoftplusTransform", "StackTransform",
    "StickBreakingTransform", "TanhTransform", "Transform", "identity_transform",
]  # fmt: skip

_HIDDEN = {"_cache_size", "_cached_x_y", "_inv"}  # no part of what a transform is
real = constraints.real


def _alike(a: Any, b: Any) -> bool:
    equal = a == b
    return bool(equal.all()) if isinstance(equal, Tensor) else bool(equal)


class Transform:
    """A map y = f(x): subclasses define `_call`, `_inverse` and `log_abs_det_jacobian`.

    Attributes:
        domain, codomain: the constraints of x and y.
        bijective: whether `inv` inverts it; others satisfy f(f.inv(f(x))) = f(x).
        sign: of a monotone map's slope, 1 or -1.

    Args:
        cache_size: 1 keeps the latest pair, so that `inv` of a result is exact and free.
    """

    bijective: Any = False
    domain: Any
    codomain: Any
    sign: Any

    def __init__(self, cache_size: int = 0) -> None:
        if cache_size not in (0, 1):
            raise ValueError(f"cache_size must be 0 or 1, got {cache_size}")
        self._cache_size = cache_size
        self._inv: Transform | None = None
        self._cached_x_y: tuple[Any, Any] = (None, None)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_inv": None, "_cached_x_y": (None, None)}

    @property
    def event_dim(self) -> int:
        """The number of dimensions of an event, where it is the same on both sides."""
        if self.domain.event_dim != self.codomain.event_dim:
            raise ValueError("Please use either .domain.event_dim or .codomain.event_dim")
        return int(self.domain.event_dim)

    @property
    def inv(self) -> Transform:
        """The inverse; its `inv` is this transform."""
        if self._inv is None:
            self._inv = _InverseTransform(self)
        return self._inv

    def with_cache(self, cache_size: int = 1) -> Transform:
        """This transform with that cache size."""
        if self._cache_size == cache_size:
            return self
        new = copy.copy(self)
        new._cache_size = cache_size
        return new

    def __eq__(self, other: Any) -> bool:
        if type(self) is not type(other):
            return False
        mine, theirs = (
            {k: v for k, v in vars(t).items() if k not in _HIDDEN} for t in (self, other)
        )
        return mine.keys() == theirs.keys() and all(_alike(mine[k], theirs[k]) for k in mine)

    __hash__ = None  # type: ignore[assignment]

    def __call__(self, x: Any) -> Any:
        if not self._cache_size:
            return self._call(x)
        if x is not self._cached_x_y[0]:
            self._cached_x_y = x, self._call(x)
        return self._cached_x_y[1]

    def _inv_call(self, y: Any) -> Any:
        if not self._cache_size:
            return self._inverse(y)
        if y is not self._cached_x_y[1]:
            self._cached_x_y = self._inverse(y), y
        return self._cached_x_y[0]

    def _call(self, x: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} defines no _call")

    def _inverse(self, y: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} has no inverse")

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        """log |det dy/dx|, without the event dimensions."""
        raise NotImplementedError(f"{type(self).__name__} has no log_abs_det_jacobian")

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"

    def forward_shape(self, shape: Any) -> Any:
        """The shape of y for x of a shape."""
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        """The shape of x for y of a shape."""
        return shape


def _of(inner: str, name: str) -> Any:
    """An attribute of the transform inside."""
    return property(lambda self: getattr(getattr(self, inner), name))


class _InverseTransform(Transform):
    """A transform turned round."""

    _inv: Transform

    def __init__(self, transform: Transform) -> None:
        super().__init__(transform._cache_size)
        self._inv = transform

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__

    domain = constraints.dependent_property(lambda self: self._inv.codomain, is_discrete=False)
    codomain = constraints.dependent_property(lambda self: self._inv.domain, is_discrete=False)
    bijective, sign = _of("_inv", "bijective"), _of("_inv", "sign")

    def with_cache(self, cache_size: int = 1) -> Transform:
        return self._inv.with_cache(cache_size).inv

    def __eq__(self, other: Any) -> bool:
        return isinstance(other, _InverseTransform) and self._inv == other._inv

    __hash__ = None

    def __repr__(self) -> str:
        return f"_InverseTransform({self._inv!r})"

    def __call__(self, x: Any) -> Any:
        return self._inv._inv_call(x)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return -self._inv.log_abs_det_jacobian(y, x)

    def forward_shape(self, shape: Any) -> Any:
        return self._inv.inverse_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self._inv.forward_shape(shape)


def _widened(constraint: Any, event_dim: int) -> Any:
    """`constraint` with an event of that many dimensions."""
    more = event_dim - constraint.event_dim
    return constraints.independent(constraint, more) if more else constraint


def _sides(make: Callable[[Any, str], Any], **known: Any) -> tuple[Any, Any]:
    """The properties `domain` and `codomain`, by one function of the instance and that name."""
    return (
        constraints.dependent_property(lambda self: make(self, "domain"), **known),
        constraints.dependent_property(lambda self: make(self, "codomain"), **known),
    )


class ComposeTransform(Transform):
    """Transforms one after the other."""

    def __init__(self, parts: list[Transform], cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.parts = [p.with_cache(cache_size) for p in parts] if cache_size else parts

    @constraints.dependent_property(is_discrete=False)
    def codomain(self) -> Any:
        if not self.parts:
            return real
        event_dim = self.parts[0].domain.event_dim
        for part in self.parts:
            event_dim += part.codomain.event_dim - part.domain.event_dim
            event_dim = max(event_dim, part.codomain.event_dim)
        return _widened(self.parts[-1].codomain, event_dim)

    domain = constraints.dependent_property(lambda self: self.inv.codomain, is_discrete=False)
    bijective = property(lambda self: all(p.bijective for p in self.parts))
    sign = property(lambda self: math.prod(p.sign for p in self.parts))

    @property
    def inv(self) -> Transform:
        if self._inv is None:
            self._inv = ComposeTransform([p.inv for p in reversed(self.parts)])
            self._inv._inv = self
        return self._inv

    def with_cache(self, cache_size: int = 1) -> Transform:
        same = self._cache_size == cache_size
        return self if same else ComposeTransform(self.parts, cache_size)

    def __call__(self, x: Any) -> Any:
        for part in self.parts:
            x = part(x)
        return x

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        if not self.parts:
            return fn.zeros_like(x)
        xs = [x]
        for part in self.parts[:-1]:
            xs.append(part(xs[-1]))
        terms, event_dim = [], self.domain.event_dim
        for part, a, b in zip(self.parts, xs, [*xs[1:], y]):
            slope = part.log_abs_det_jacobian(a, b)
            terms.append(_sum_rightmost(slope, event_dim - part.domain.event_dim))
            event_dim += part.codomain.event_dim - part.domain.event_dim
        return functools.reduce(operator.add, terms)

    def forward_shape(self, shape: Any) -> Any:
        for part in self.parts:
            shape = part.forward_shape(shape)
        return shape

    def inverse_shape(self, shape: Any) -> Any:
        return self.inv.forward_shape(shape)

    def __repr__(self) -> str:
        inner = ",\n    ".join(map(repr, self.parts))
        return f"ComposeTransform(\n    {inner}\n)"


identity_transform = ComposeTransform([])


class IndependentTransform(Transform):
    """A transform whose last batch dimensions count as one event."""

    def __init__(
        self, base_transform: Transform, reinterpreted_batch_ndims: int, cache_size: int = 0
    ) -> None:
        super().__init__(cache_size)
        self.base_transform = base_transform.with_cache(cache_size)
        self.reinterpreted_batch_ndims = reinterpreted_batch_ndims

    def with_cache(self, cache_size: int = 1) -> Transform:
        if self._cache_size == cache_size:
            return self
        return type(self)(self.base_transform, self.reinterpreted_batch_ndims, cache_size)

    domain, codomain = _sides(
        lambda self, side: constraints.independent(
            getattr(self.base_transform, side), self.reinterpreted_batch_ndims
        ),
        is_discrete=False,
    )
    bijective, sign = _of("base_transform", "bijective"), _of("base_transform", "sign")

    def _call(self, x: Any) -> Any:
        if x.ndim < self.domain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform(x)

    def _inverse(self, y: Any) -> Any:
        if y.ndim < self.codomain.event_dim:
            raise ValueError("Too few dimensions on input")
        return self.base_transform.inv(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        slope = self.base_transform.log_abs_det_jacobian(x, y)
        return _sum_rightmost(slope, self.reinterpreted_batch_ndims)

    def forward_shape(self, shape: Any) -> Any:
        return self.base_transform.forward_shape(shape)

    def inverse_shape(self, shape: Any) -> Any:
        return self.base_transform.inverse_shape(shape)

    def __repr__(self) -> str:
        return f"IndependentTransform({self.base_transform!r}, {self.reinterpreted_batch_ndims})"


class ReshapeTransform(Transform):
    """Events of the shape `in_shape` reshaped to `out_shape`."""

    bijective = True

    def __init__(self, in_shape: Any, out_shape: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.in_shape, self.out_shape = size(in_shape), size(out_shape)
        if self.in_shape.numel() != self.out_shape.numel():
            raise ValueError("in_shape, out_shape have different numbers of elements")

    domain = constraints.dependent_property(lambda self: _widened(real, len(self.in_shape)))
    codomain = constraints.dependent_property(lambda self: _widened(real, len(self.out_shape)))

    def _call(self, x: Any) -> Any:
        return x.reshape(self.forward_shape(x.shape))

    def _inverse(self, y: Any) -> Any:
        return y.reshape(self.inverse_shape(y.shape))

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return x.new_zeros(x.shape[: x.ndim - len(self.in_shape)])

    def forward_shape(self, shape: Any) -> Any:
        return _swap(shape, self.in_shape, self.out_shape)

    def inverse_shape(self, shape: Any) -> Any:
        return _swap(shape, self.out_shape, self.in_shape)


def _swap(shape: Any, old: Size, new: Size) -> Any:
    """`shape` with its end `old` replaced."""
    cut = len(shape) - len(old)
    if cut < 0:
        raise ValueError("Too few dimensions on input")
    if shape[cut:] != old:
        raise ValueError(f"Shape mismatch: expected {old} but got {shape[cut:]}")
    return shape[:cut] + new


def _elementwise(
    name: str, doc: str, domain: Any, codomain: Any, call: Callable[[Any], Any],
    inverse: Callable[[Any], Any], slope: Callable[[Any, Any], Any] | None = None, **fields: Any,
) -> type[Transform]:  # fmt: skip
    """A transform without parameters; monotone increasing where it has a log slope."""
    fields |= {
        "domain": domain, "codomain": codomain, "__doc__": doc, "__module__": __name__,
        "_call": lambda self, x: call(x), "_inverse": lambda self, y: inverse(y),
    }  # fmt: skip
    if slope is not None:
        fields["log_abs_det_jacobian"] = lambda self, x, y: slope(x, y)
        fields |= {"bijective": True, "sign": 1}
    return type(name, (Transform,), fields)


def _clipped_sigmoid(x: Any) -> Any:
    info = finfo(x.dtype)
    return x.sigmoid().clamp(min=info.tiny, max=1.0 - info.eps)


def _logit(y: Any) -> Any:
    info = finfo(y.dtype)
    y = y.clamp(min=info.tiny, max=1.0 - info.eps)
    return y.log() - (-y).log1p()


def _log_diagonal(y: Any) -> Any:
    return y.tril(-1) + y.diagonal(dim1=-2, dim2=-1).log().diag_embed()


def _exp_diagonal(x: Any) -> Any:
    return x.tril(-1) + x.diagonal(dim1=-2, dim2=-1).exp().diag_embed()


def _gram(x: Any) -> Any:
    factor = _exp_diagonal(x)
    return factor @ factor.mT


_matrix = constraints.independent(real, 2)
ExpTransform = _elementwise(
    "ExpTransform", "y = exp(x).", real, constraints.positive, lambda x: x.exp(),
    lambda y: y.log(), lambda x, y: x,
)  # fmt: skip
SigmoidTransform = _elementwise(
    "SigmoidTransform", "y = 1 / (1 + exp(-x)), kept off 0 and 1.", real,
    constraints.unit_interval, _clipped_sigmoid, _logit,
    lambda x, y: -fn.softplus(-x) - fn.softplus(x),
)  # fmt: skip
SoftplusTransform = _elementwise(
    "SoftplusTransform", "y = log(1 + exp(x)).", real, constraints.positive,
    lambda x: fn.softplus(x), lambda y: (-y).expm1().neg().log() + y,
    lambda x, y: -fn.softplus(-x),
)  # fmt: skip
TanhTransform = _elementwise(
    "TanhTransform", "y = tanh(x).", real, constraints.interval(-1.0, 1.0), lambda x: x.tanh(),
    lambda y: y.atanh(), lambda x, y: 2.0 * (math.log(2.0) - x - fn.softplus(-2.0 * x)),
)  # fmt: skip
AbsTransform = _elementwise(
    "AbsTransform", "y = abs(x); its inverse is y.", real, constraints.positive,
    lambda x: x.abs(), lambda y: y,
)  # fmt: skip
SoftmaxTransform = _elementwise(
    "SoftmaxTransform", "y = softmax(x) over the last dim; not bijective.",
    constraints.real_vector, constraints.simplex, lambda x: fn.softmax(x, dim=-1),
    lambda y: y.log(),
)  # fmt: skip
LowerCholeskyTransform = _elementwise(
    "LowerCholeskyTransform", "Lower triangular matrices: the diagonal is exponentiated.",
    _matrix, constraints.lower_cholesky, _exp_diagonal, _log_diagonal,
)  # fmt: skip
PositiveDefiniteTransform = _elementwise(
    "PositiveDefiniteTransform", "Positive definite matrices, by their Cholesky factors.", _matrix,
    constraints.positive_definite, _gram, lambda y: _log_diagonal(linalg.cholesky(y)),
)  # fmt: skip


class _Broadcasting(Transform):
    """An elementwise transform with parameters, which broadcast with the input."""

    def _shape(self, shape: Any) -> Any:
        found = [v.shape for v in vars(self).values() if isinstance(v, Tensor)]
        return fn.broadcast_shapes(shape, *found)

    forward_shape = inverse_shape = _shape


class PowerTransform(_Broadcasting):
    """y = x ** exponent."""

    domain, codomain, bijective = constraints.positive, constraints.positive, True

    def __init__(self, exponent: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        (self.exponent,) = broadcast_all(exponent)

    sign = property(lambda self: self.exponent.sign())

    def _call(self, x: Any) -> Any:
        return x.pow(self.exponent)

    def _inverse(self, y: Any) -> Any:
        return y.pow(1 / self.exponent)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return (self.exponent * y / x).abs().log()


class AffineTransform(_Broadcasting):
    """y = loc + scale * x, with `event_dim` dimensions of an event."""

    bijective = True
    event_dim: Any = property(lambda self: self._event_dim)

    def __init__(self, loc: Any, scale: Any, event_dim: int = 0, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.loc, self.scale, self._event_dim = loc, scale, event_dim

    domain = constraints.dependent_property(
        lambda self: _widened(real, self.event_dim), is_discrete=False
    )
    codomain = domain

    @property
    def sign(self) -> Any:
        if isinstance(self.scale, Tensor):
            return self.scale.sign()
        return (self.scale > 0) - (self.scale < 0)

    def _call(self, x: Any) -> Any:
        return self.loc + self.scale * x

    def _inverse(self, y: Any) -> Any:
        return (y - self.loc) / self.scale

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        if isinstance(self.scale, Tensor):
            slope = self.scale.abs().log().expand(x.shape)
        else:
            slope = fn.full_like(x, math.log(abs(self.scale)))
        return _sum_rightmost(slope, self.event_dim)


class CorrCholeskyTransform(Transform):
    """Vectors of n (n - 1) / 2 numbers to Cholesky factors of n x n correlation matrices."""

    domain, codomain, bijective = constraints.real_vector, constraints.corr_cholesky, True

    def _call(self, x: Any) -> Any:
        eps = finfo(x.dtype).eps
        r = vec_to_tril_matrix(x.tanh().clamp(min=-1 + eps, max=1 - eps), diag=-1)
        rest = (1 - r * r).sqrt().cumprod(-1)
        r = r + fn.eye(r.shape[-1], dtype=r.dtype, device=r.device)
        return r * fn.pad(rest[..., :-1], [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        rest = fn.pad((1 - (y * y).cumsum(-1))[..., :-1], [1, 0], value=1)
        t = tril_matrix_to_vec(y, diag=-1) / tril_matrix_to_vec(rest, diag=-1).sqrt()
        return (t.log1p() - t.neg().log1p()) / 2

    def log_abs_det_jacobian(self, x: Any, y: Any, intermediates: Any = None) -> Any:
        rest = tril_matrix_to_vec(1 - (y * y).cumsum(-1), diag=-2)
        tanh = x + fn.softplus(-2 * x) - math.log(2.0)
        return 0.5 * rest.log().sum(-1) - 2 * tanh.sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        n = shape[-1] if len(shape) else 0
        d = round((0.25 + 2 * n) ** 0.5 + 0.5)
        if not len(shape) or d * (d - 1) // 2 != n:
            raise ValueError(f"Input is not a flattened lower-diagonal number: {tuple(shape)}")
        return shape[:-1] + (d, d)

    def inverse_shape(self, shape: Any) -> Any:
        if len(shape) < 2 or shape[-2] != shape[-1]:
            raise ValueError(f"Input is not square: {tuple(shape)}")
        return shape[:-2] + (shape[-1] * (shape[-1] - 1) // 2,)


class StickBreakingTransform(Transform):
    """Vectors to the simplex of one more dimension, by breaking a stick in turn."""

    domain, codomain, bijective = constraints.real_vector, constraints.simplex, True

    @staticmethod
    def _offset(x: Any) -> Any:
        """The logs of the number of pieces still to come."""
        return fn.arange(x.shape[-1], 0, -1, dtype=x.dtype, device=x.device).log()

    def _call(self, x: Any) -> Any:
        z = _clipped_sigmoid(x - self._offset(x))
        return fn.pad(z, [0, 1], value=1) * fn.pad((1 - z).cumprod(-1), [1, 0], value=1)

    def _inverse(self, y: Any) -> Any:
        y = y[..., :-1]
        rest = (1 - y.cumsum(-1)).clamp(min=finfo(y.dtype).tiny)
        return y.log() - rest.log() + self._offset(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        x = x - self._offset(x)
        return (-x + fn.logsigmoid(x) + y[..., :-1].log()).sum(-1)

    def forward_shape(self, shape: Any) -> Any:
        return shape[:-1] + (shape[-1] + 1,)

    def inverse_shape(self, shape: Any) -> Any:
        return shape[:-1] + (shape[-1] - 1,)


class _Sequence(Transform):
    """Transforms side by side along a dimension."""

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        if not all(isinstance(t, Transform) for t in tseq):
            raise AssertionError("All elements of tseq must be Transform instances")
        super().__init__(cache_size)
        self.transforms = [t.with_cache(cache_size) if cache_size else t for t in tseq]
        self.dim = dim

    bijective = property(lambda self: all(t.bijective for t in self.transforms))

    def with_cache(self, cache_size: int = 1) -> Transform:
        new = super().with_cache(cache_size)
        if isinstance(new, _Sequence) and new is not self:
            new.transforms = [t.with_cache(cache_size) for t in self.transforms]
        return new

    domain, codomain = _sides(
        lambda self, side: self._side([getattr(t, side) for t in self.transforms])
    )
    # By subclasses: the slices of a tensor, what joins slices, a constraint of constraints.
    length: Any
    _slices: Any
    _join: Any
    _side: Any

    def _parts(self, z: Any) -> Any:
        if z.shape[self.dim] != (length := self.length):
            raise AssertionError(f"expected size {length} in dim {self.dim}, got {tuple(z.shape)}")
        return self._slices(z)

    def _call(self, x: Any) -> Any:
        return self._join([t(p) for t, p in zip(self.transforms, self._parts(x))], self.dim)

    def _inverse(self, y: Any) -> Any:
        return self._join([t.inv(p) for t, p in zip(self.transforms, self._parts(y))], self.dim)

    def _slopes(self, x: Any, y: Any) -> list[Any]:
        pairs = zip(self.transforms, self._parts(x), self._parts(y))
        return [t.log_abs_det_jacobian(a, b) for t, a, b in pairs]


class CatTransform(_Sequence):
    """Transforms of consecutive slices of the given lengths along `dim`."""

    def __init__(
        self, tseq: Sequence[Transform], dim: int = 0, lengths: Sequence[int] | None = None,
        cache_size: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(tseq, dim, cache_size)
        self.lengths = [1] * len(self.transforms) if lengths is None else list(lengths)
        if len(self.lengths) != len(self.transforms):
            raise AssertionError(f"lengths {self.lengths} must match {len(self.transforms)} parts")

    event_dim: Any = property(lambda self: max(t.event_dim for t in self.transforms))
    length = property(lambda self: sum(self.lengths))

    _join = staticmethod(fn.cat)

    def _slices(self, z: Any) -> Any:
        return z.split(self.lengths, self.dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        slopes = [
            _sum_rightmost(s, self.event_dim - t.event_dim)
            for t, s in zip(self.transforms, self._slopes(x, y))
        ]
        dim = (self.dim - x.ndim if self.dim >= 0 else self.dim) + self.event_dim
        return fn.cat(slopes, dim) if dim < 0 else sum(slopes)

    def _side(self, parts: list[Any]) -> Any:
        return constraints.cat(parts, self.dim, self.lengths)


class StackTransform(_Sequence):
    """Transforms of the entries along `dim`."""

    _join = staticmethod(fn.stack)
    length = property(lambda self: len(self.transforms))

    def _slices(self, z: Any) -> Any:
        return z.unbind(self.dim)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return fn.stack(self._slopes(x, y), self.dim)

    def _side(self, parts: list[Any]) -> Any:
        return constraints.stack(parts, self.dim)


class CumulativeDistributionTransform(Transform):
    """y = the distribution function of `distribution` at x."""

    bijective, codomain, sign = True, constraints.unit_interval, 1

    def __init__(self, distribution: Any, cache_size: int = 0) -> None:
        super().__init__(cache_size)
        self.distribution = distribution

    domain = property(lambda self: self.distribution.support)

    def _call(self, x: Any) -> Any:
        return self.distribution.cdf(x)

    def _inverse(self, y: Any) -> Any:
        return self.distribution.icdf(y)

    def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
        return self.distribution.log_prob(x)
