"""`compile`: plans of a callable by the kind of its arguments, made when they are first met."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from .._device import device, get_default_device
from .._dtypes import dtype, get_default_dtype
from .._tensor import Parameter, Tensor, refresh
from ..amp.autocast_mode import get_autocast_dtype, is_autocast_enabled
from ..autograd import modes
from ._plan import Missed, Plan
from ._trace import Observed, Trace, Unsupported
from ._world import World

LIMIT = 8  # plans per callable, as torch's recompile_limit
log = logging.getLogger("pyrite.compiler")
_capturing = threading.RLock()
_SETTINGS = frozenset((int, float, bool, complex, str, bytes, type(None), dtype, device))
_all: WeakSet[Compiled] = WeakSet()


class _Strange(Exception):
    """An argument that only eager mode takes: a wrapper of a transform, a sparse tensor."""


class Compiled:
    """A callable and its plans.

    Args:
        function: the callable.
        fullgraph: whether what cannot be compiled is an error.
        improve: whether to optimise plans, or to make the same calls as the function.
        limit: how many plans are kept.
        name: what the log calls it.
    """

    def __init__(
        self, function: Callable[..., Any], fullgraph: bool, improve: bool, limit: int,
        name: str | None = None,
    ) -> None:  # fmt: skip
        functools.update_wrapper(self, function, updated=())
        self.function, self.fullgraph = function, fullgraph
        self.improve, self.limit = improve, limit
        self.name = name or getattr(function, "__qualname__", type(function).__name__)
        self.reset()
        _all.add(self)

    def reset(self) -> None:
        """Forget all plans."""
        self.plans: dict[Any, tuple[Plan, ...]] = {}
        self.eager: dict[Any, str] = {}  # kinds of arguments that cannot be compiled, and why
        self.count = 0

    def __get__(self, owner: Any, kind: Any = None) -> Any:
        return self if owner is None else functools.partial(self, owner)

    def __reduce__(self) -> tuple[Any, ...]:
        return Compiled, (self.function, self.fullgraph, self.improve, self.limit, self.name)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        state = modes.state
        if _stance.name == "force_eager" or any(map(_is_foreign, state.stack)):
            return self.function(*args, **kwargs)
        tensors: list[Tensor] = []
        objects: list[Any] = []
        try:
            spec = _spec((args, kwargs) if kwargs else args, tensors, objects)
        except _Strange:
            return self.function(*args, **kwargs)
        key = (spec, state.mode & 1, state.inference, get_default_dtype(), get_default_device(),
               _autocast() if state.stack else None)  # fmt: skip
        drawn: tuple[Any, ...] = ()
        plans = self.plans.get(key, ())
        for plan in plans:
            try:
                result = plan.run(*tensors)
            except Missed as missed:
                drawn = missed.drawn
                break
            if result is not Plan.DECLINED:
                return result
        if not drawn and self._is_eager(key):
            return self.function(*args, **kwargs)
        with _capturing:
            if drawn or plans is self.plans.get(key, ()):
                return self._observe(key, args, kwargs, tensors, objects, drawn)
        return self(*args, **kwargs)  # another thread made a plan meanwhile

    def _is_eager(self, key: Any) -> bool:
        """Whether a call of a kind without a plan runs as it is."""
        if _stance.name == "fail_on_recompile" and self.count:
            raise RuntimeError(
                f"{self.name}: no plan fits this call, and the stance is fail_on_recompile"
            )
        full = self.count >= self.limit or len(self.eager) >= self.limit
        if full and self.fullgraph:
            raise Unsupported(
                f"compile(fullgraph=True): {self.name} would need more than {self.limit} plans; "
                "its arguments or settings change too often"
            )
        return (
            full or key in self.eager or (_stance.name == "eager_on_recompile" and self.count > 0)
        )

    def _observe(
        self, key: Any, args: Any, kwargs: Any, tensors: list[Tensor], objects: list[Any],
        drawn: tuple[Any, ...],
    ) -> Any:  # fmt: skip
        trace = Trace(World((self.function, *objects)), self.fullgraph, drawn)
        seen = Observed(trace, tensors)
        result = seen.run(self.function, args, kwargs)
        if trace.refusal is None:
            try:
                self._keep(key, Plan(seen, self.improve, objects))
            except Unsupported as error:
                trace.refusal = str(error)
        if trace.refusal is not None:
            self._refused(key, trace.refusal, trace.postponed)
        return result

    def _keep(self, key: Any, plan: Plan) -> None:
        self.plans[key] = (plan, *self.plans.get(key, ()))
        self.count += 1
        log.info("%s: plan %d", self.name, self.count)
        if self.count == self.limit:
            log.warning(
                "%s has %d plans, as many as are kept: calls of other kinds run as they are",
                self.name, self.limit,
            )  # fmt: skip

    def _refused(self, key: Any, refusal: str, postponed: bool) -> None:
        log.info("%s runs as it is: %s", self.name, refusal)
        if not postponed:
            if self.fullgraph:
                raise Unsupported(f"compile(fullgraph=True): {refusal}")
            self.eager[key] = refusal


def _spec(value: Any, tensors: list[Tensor], objects: list[Any]) -> Any:
    """What two calls have in common that one plan serves; fills `tensors` and `objects`."""
    kind = type(value)
    if kind is Tensor or kind is Parameter:
        if value.cut is not None:
            refresh(value)
        array = value.array
        for i, other in enumerate(tensors):
            if other.array is array:
                if other is not value:
                    raise _Strange
                return i
        tensors.append(value)
        needs = value._requires_grad
        return (kind, array.shape, array.strides, array.dtype, needs and (value.node is None) + 1,
                type(array))  # fmt: skip
    if kind is tuple or kind is list:
        return (kind, *[_spec(v, tensors, objects) for v in value])
    if kind is dict:
        return (kind, tuple(value), *[_spec(v, tensors, objects) for v in value.values()])
    if kind in _SETTINGS:
        return kind, value
    if isinstance(value, Tensor):
        raise _Strange
    if isinstance(value, tuple):
        return (kind, *[_spec(v, tensors, objects) for v in value])
    objects.append(value)
    return kind, id(value)


def _autocast() -> Any:
    return tuple([(is_autocast_enabled(p), get_autocast_dtype(p)) for p in ("cpu", "cuda")])


def _is_foreign(interceptor: Any) -> bool:
    """Whether a call must stay in eager mode for this interceptor: all but autocast."""
    return not getattr(interceptor, "prepares", False)


def reset() -> None:
    """Forget the plans of all compiled callables."""
    for compiled in list(_all):
        compiled.reset()


class set_stance:
    """What compiled callables do without a plan: a call, a context manager or a decorator.

    Args:
        stance: "default" compiles; "force_eager" runs the original callables; "eager_on_recompile"
            uses the plans there are and makes no others; "fail_on_recompile" raises RuntimeError.
    """

    def __init__(self, stance: str = "default") -> None:
        if stance not in _STANCES:
            raise RuntimeError(f"invalid compile stance {stance!r}: one of {_STANCES}")
        self.before, self.stance = _stance.name, stance
        _stance.name = stance

    def __enter__(self) -> None:
        _stance.name = self.stance

    def __exit__(self, *_: Any) -> None:
        _stance.name = self.before

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _stance.name = self.before

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with set_stance(self.stance):
                return function(*args, **kwargs)

        return wrapped


_STANCES = ("default", "force_eager", "eager_on_recompile", "fail_on_recompile")


class _Stance:
    name = "default"


_stance = _Stance()
