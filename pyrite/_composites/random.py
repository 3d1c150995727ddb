"""Functions and in-place methods that draw random numbers.

Each call takes one (seed, offset) from `generator=`, or else from the generator that draws at the
moment (`pyrite.random`). A generator may be used with tensors of any device.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import backends
from .._dtypes import bool_, finfo, float64, get_default_dtype, iinfo, int64
from .._dtypes import dtype as dtype_
from .._inplace import check_writable, write_back
from .._symbols import integer
from .._tensor import F, Tensor
from ..random import Generator, current_generator
from ._register import called, composite, named
from .create import factory, lengths, like, tensor_input

_COMPLEX = frozenset(("rand", "randn", "normal", "normal_", "uniform_"))
# Whole numbers up to 2**digits are exact in a floating type.
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def _call(name: str, generator: Generator | None) -> tuple[int, int]:
    """The (seed, offset) of this call."""
    if generator is None:
        return current_generator().advance()
    if not isinstance(generator, Generator):
        raise TypeError(
            f"{name}(): argument 'generator' must be pyrite.Generator, not "
            f"{type(generator).__name__}; make one with pyrite.Generator().manual_seed(0)"
        )
    return generator.advance()


def _integer(name: str, argument: str, value: Any) -> int:
    try:
        return integer(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name}(): argument '{argument}' must be int, not {kind}") from None


def _floating(name: str, dtype: dtype_) -> dtype_:
    if not (dtype.is_floating_point or (dtype.is_complex and name in _COMPLEX)):
        raise RuntimeError(
            f'"{name}" not implemented for {dtype}: it draws floating-point numbers; give a '
            "floating dtype, or use randint or random_ for integers"
        )
    return dtype


def _draw(
    op: str, shape: tuple[int, ...], kind: dtype_, call: tuple[int, int], given: tuple[Any, ...],
    device: Any,
) -> Tensor:  # fmt: skip
    """The draws of `op`; complex ones draw both parts, normal ones with half the variance each."""
    if not kind.is_complex:
        drawn: Tensor = getattr(F, op)(shape, kind, *call, *given, device=device)
        return drawn
    mean = 0.0
    if op == "normal":
        mean, std = given or (0.0, 1.0)
        given = (0.0, std * 0.5**0.5)
    parts = getattr(F, op)((*shape, 2), kind.to_real(), *call, *given, device=device)
    return Tensor((F.view_as_complex(parts) + mean).array)


def _continuous(name: str, op: str, what: str) -> tuple[Callable[..., Tensor], ...]:
    """Define `rand` and `rand_like`, or `randn` and `randn_like`."""

    def make(
        *shape: Any, size: Sequence[int] | None = None, generator: Generator | None = None,
        dtype: dtype_ | None = None, device: Any = None,
    ) -> Tensor:  # fmt: skip
        size, kind = lengths(name, shape, size), _floating(name, dtype or get_default_dtype())
        return _draw(op, size, kind, _call(name, generator), (), device)

    doc = f"{what} of a shape given as ints or as one tuple; RuntimeError for integers."
    made = factory(called(make, name, doc))
    return made, like(name, made, what)


rand, rand_like = _continuous("rand", "uniform", "Uniform numbers in [0, 1)")
randn, randn_like = _continuous("randn", "normal", "Standard normal numbers")


@factory
def randint(
    low: Any = 0, high: Any = None, size: Any = None, *, generator: Generator | None = None,
    dtype: dtype_ | None = None, device: Any = None,
) -> Tensor:  # fmt: skip
    """Integers in [low, high) of shape `size`; `randint(high, size)` starts at 0.

    RuntimeError for an empty range or one that the dtype (default int64) cannot hold.
    """
    if size is None:
        low, high, size = 0, low, high
    elif high is None:
        low, high = 0, low
    kind = dtype or int64
    bounds, shape = _bounds("randint", kind, low, high), lengths("randint", (), size)
    return F.integers(shape, kind, *_call("randint", generator), *bounds, device=device)


randint_like = like(
    "randint", lambda size, *bounds, **options: randint(*bounds, size=size, **options),
    "Integers in [low, high), or below the one bound given,",
)  # fmt: skip


def _bounds(name: str, dtype: dtype_, low: Any, high: Any) -> tuple[int, int]:
    """The checked range [low, high) of integers."""
    first, last = ("from", "to") if name == "random_" else ("low", "high")
    low, high = _integer(name, first, low), _integer(name, last, high)
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    least, most = _limits(dtype)
    for text, value in (("from", low), ("to - 1", high - 1)):
        if not least <= value <= most:
            raise RuntimeError(
                f"{text} is out of bounds for {dtype}: {name}() got {value}, expected a number "
                f"in [{least}, {most}]; give a wider dtype"
            )
    return low, high


def _limits(dtype: dtype_) -> tuple[int, int]:
    if dtype is bool_:
        return 0, 1
    if dtype.is_floating_point:
        most = int(finfo(dtype).max)
        return max(-most, -(1 << 63)), min(most, (1 << 63) - 1)
    return iinfo(dtype).min, iinfo(dtype).max


def _most(dtype: dtype_) -> int:
    """The largest integer up to which a dtype holds all."""
    return 1 << _DIGITS[dtype.name] if dtype.is_floating_point else _limits(dtype)[1]


@factory
def randperm(
    n: int, *, generator: Generator | None = None, dtype: dtype_ | None = None, device: Any = None
) -> Tensor:
    """The integers 0 to n - 1 in random order (default int64)."""
    (n,) = lengths("randperm", (_integer("randperm", "n", n),))
    kind = dtype or int64
    if n - 1 > _most(kind):
        raise RuntimeError(f"n cannot be greater than {_most(kind) + 1} for {kind}, got {n}")
    return F.permutation(n, kind, *_call("randperm", generator), device=device)


@factory
def normal(
    mean: Tensor | float, std: Tensor | float = 1.0, size: Any = None, *,
    generator: Generator | None = None, dtype: dtype_ | None = None, device: Any = None,
) -> Tensor:  # fmt: skip
    """Normal numbers: one per element of the tensors `mean` and `std`, or of shape `size`.

    The result of tensors has the dtype of `mean`, or of `std` where only that is a tensor, and no
    history. RuntimeError for a negative standard deviation.
    """
    tensors = [t.detach() for t in (mean, std) if isinstance(t, Tensor)]
    if bool(tensors) is (size is not None):
        raise TypeError(
            "normal() takes (Tensor mean, Tensor or float std), (float mean, Tensor std) or "
            f"(float mean, float std, tuple size), got mean {type(mean).__name__}, std "
            f"{type(std).__name__}, size {type(size).__name__}"
        )
    _check_deviation(std)
    if tensors:
        return _around(mean, std, tensors, generator)
    shape, kind = lengths("normal", (), size), _floating("normal", dtype or get_default_dtype())
    given = (mean if kind.is_complex else float(mean), float(std))
    return _draw("normal", shape, kind, _call("normal", generator), given, device)


def _around(mean: Any, std: Any, tensors: list[Tensor], generator: Generator | None) -> Tensor:
    """Noise * std + mean, in the dtype of the first tensor."""
    kind = _floating("normal", tensors[0].dtype)
    shape = tuple((tensors[0] if len(tensors) == 1 else F.add(*tensors)).shape)
    noise = _draw("normal", shape, kind, _call("normal", generator), (), tensors[0].device)
    mean, std = (t.detach() if isinstance(t, Tensor) else t for t in (mean, std))
    return F.cast(F.add(F.mul(noise, std), mean), kind)


def _check_deviation(std: Tensor | float) -> None:
    if isinstance(std, Tensor):
        if bool((std.array < 0).any()):
            raise RuntimeError("normal expects all elements of std >= 0.0, got a negative one")
    elif not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std}")


def _chance(name: str, p: Any, like: Tensor, generator: Generator | None) -> Tensor:
    """Zeros and ones shaped as `like`: one with probability p (a number, or a tensor alike)."""
    if isinstance(p, Tensor):
        _floating(name, p.dtype)
    elif not 0.0 <= p <= 1.0:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p}")
    else:
        p = Tensor(backends.get(like.device.type).asarray(float(p), float64.numpy))
    return F.bernoulli(p, tuple(like.shape), like.dtype, *_call(name, generator))


@composite(public="fm", out=True)
def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None
) -> Tensor:
    """1 with the probability that `input` gives for each element (or `p` for all), else 0.

    The result has the shape and dtype of `input`. RuntimeError for a probability outside [0, 1].
    """
    tensor_input("bernoulli", input)
    return _chance("bernoulli", input if p is None else p, input, generator)


@composite(public="fm")
def multinomial(
    input: Tensor, num_samples: int, replacement: bool = False, *,
    generator: Generator | None = None, out: Tensor | None = None,
) -> Tensor:  # fmt: skip
    """Indices of the last dim drawn with the weights `input` (n,) or (m, n): int64, (..., samples).

    Weights need not sum to 1. RuntimeError for negative, infinite or all-zero weights, and for
    more samples than categories without replacement.
    """
    tensor_input("multinomial", input)
    num_samples = _integer("multinomial", "num_samples", num_samples)
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{input.dtype}; convert it with .float()"
        )
    if input.ndim not in (1, 2):
        raise RuntimeError(f"prob_dist must be 1 or 2 dim, got shape {list(input.shape)}")
    if num_samples <= 0:
        raise RuntimeError(f"cannot sample n_sample <= 0 samples, got {num_samples}")
    if num_samples > input.shape[-1] and not (replacement and input.shape[-1]):
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement: "
            f"{num_samples} of {input.shape[-1]}; pass replacement=True, or ask for fewer"
        )
    if out is not None and out.dtype is not int64:
        raise RuntimeError(f"multinomial expects an int64 tensor out, got: {out.dtype}")
    call = _call("multinomial", generator)
    return F.multinomial(input, num_samples, bool(replacement), *call, out=out)


# ---- in place


def _filler(op: str, floating: bool = True) -> Callable[..., Any]:
    """Register a method that overwrites a tensor with the draws of `op`; its history ends there.

    The decorated function checks the method's arguments and gives the attributes of `op`.
    """

    def define(attributes: Callable[..., tuple[Any, ...]]) -> Callable[..., Tensor]:
        name = attributes.__name__

        def method(
            self: Tensor, *args: Any, generator: Generator | None = None, **kwargs: Any
        ) -> Tensor:
            check_writable(self)
            kind = _floating(name, self.dtype) if floating else self.dtype
            given = attributes(self, *args, **kwargs)
            call = _call(name, generator)
            draws = _draw(op, tuple(self.shape), kind, call, given, self.device)
            return write_back(self, F.exp(draws) if name == "log_normal_" else draws, name)

        return named(method, name, "m", attributes.__doc__ or "")

    return define


def _number(name: str, argument: str, value: Any) -> float:
    if isinstance(value, Tensor) and value.ndim:
        raise TypeError(f"{name}(): argument '{argument}' must be float, not Tensor")
    return float(value)


def _positive(name: str, argument: str, value: Any) -> float:
    if not value > 0.0:
        raise RuntimeError(f"{name} expects {argument} > 0.0, but found {argument}={value}")
    return _number(name, argument, value)


@_filler("uniform")
def uniform_(self: Tensor, from_: float = 0.0, to: float = 1.0) -> tuple[float, ...]:
    """Fill with uniform numbers in [from_, to)."""
    low, high = _number("uniform_", "from", from_), _number("uniform_", "to", to)
    most = finfo(self.dtype).max
    for text, value in (("from", low), ("to", high)):
        if not abs(value) <= most:
            raise RuntimeError(f"{text} is out of bounds for {self.dtype}: uniform_() got {value}")
    if not 0.0 <= high - low <= most:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range with to - from in [0, {most:g}], but "
            f"found from={low} and to={high}"
        )
    return low, high


@_filler("normal")
def normal_(self: Tensor, mean: float = 0.0, std: float = 1.0) -> tuple[float, ...]:
    """Fill with normal numbers of the given mean and standard deviation."""
    std = _number("normal_", "std", std)
    _check_deviation(std)
    return mean if self.dtype.is_complex else _number("normal_", "mean", mean), std


@_filler("exponential")
def exponential_(self: Tensor, lambd: float = 1.0) -> tuple[float, ...]:
    """Fill with exponential numbers of rate `lambd`."""
    return (_positive("exponential_", "lambda", lambd),)


@_filler("cauchy")
def cauchy_(self: Tensor, median: float = 0.0, sigma: float = 1.0) -> tuple[float, ...]:
    """Fill with Cauchy numbers."""
    return _number("cauchy_", "median", median), _positive("cauchy_", "sigma", sigma)


@_filler("normal")
def log_normal_(self: Tensor, mean: float = 1.0, std: float = 2.0) -> tuple[float, ...]:
    """Fill with exp of normal numbers; exp is the backend's, equal on all within its rounding."""
    return _number("log_normal_", "mean", mean), _positive("log_normal_", "std", std)


@_filler("geometric", floating=False)
def geometric_(self: Tensor, p: float) -> tuple[float, ...]:
    """Fill with the number of trials up to the first success of probability p: 1, 2, ..."""
    if not 0.0 < p < 1.0:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p}")
    return (_number("geometric_", "p", p),)


@_filler("integers", floating=False)
def random_(self: Tensor, from_: Any = None, to: Any = ...) -> tuple[int, ...]:
    """Fill with integers: `random_(to)` in [0, to), `random_(from, to)` in [from, to).

    Without bounds, or with `to` None, up to the dtype's largest value; for floating types up to
    2**digits, below which all integers are exact.
    """
    if to is ...:  # no bound, or the upper one alone
        from_, to = 0, from_
    to = _most(self.dtype) + 1 if to is None else to
    return _bounds("random_", self.dtype, 0 if from_ is None else from_, to)


@composite(public="m", name="bernoulli_")
def bernoulli_(
    self: Tensor, p: Tensor | float = 0.5, *, generator: Generator | None = None
) -> Tensor:
    """Fill with 1 at probability p (a number, or a tensor that broadcasts to this one), else 0."""
    check_writable(self)
    if isinstance(p, Tensor):
        p = p.detach() if p.ndim == 0 else F.expand(p.detach(), tuple(self.shape))
    return write_back(self, _chance("bernoulli_", p, self, generator), "bernoulli_")


# ---- variates with parameters


@composite(public="f")
def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Counts of the Poisson distributions of the rates `input`, in its dtype.

    RuntimeError for a negative rate.
    """
    _floating("poisson", tensor_input("poisson", input).dtype)
    return F.poisson(input, *_call("poisson", generator))


@composite(public="f")
def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Successes in `count` trials, each of probability `prob`, in their dtype; they broadcast.

    RuntimeError for a negative count or a probability outside [0, 1].
    """
    kind = _floating("binomial", tensor_input("binomial", count).dtype)
    if kind is not prob.dtype:
        raise RuntimeError(f"binomial: count is {kind} but prob is {prob.dtype}; cast one")
    return F.binomial(count, prob, *_call("binomial", generator))


@composite(public="f")
def _standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Gamma variates of rate 1 and the shapes `input`, differentiable in them."""
    return F.standard_gamma(input, *_call("_standard_gamma", generator))


@composite(public="f")
def _sample_dirichlet(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Dirichlet variates of the concentrations in the last dim, differentiable in them."""
    return F.sample_dirichlet(input, *_call("_sample_dirichlet", generator))


@composite(public="f")
def _dirichlet_grad(x: Tensor, alpha: Tensor, total: Tensor) -> Tensor:
    """The slope in alpha of x, distributed as Beta(alpha, total - alpha), over 1 - x."""
    return F.dirichlet_grad(x, alpha, total)
